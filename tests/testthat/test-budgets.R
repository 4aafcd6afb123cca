# Small files that claim much are refused before the memory is asked for, and say what they claim.

resident_peak <- function() {
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

resident_peak_or_na <- function() {
  if (!file.exists("/proc/self/status")) skip("the resident set is read from /proc")
  resident_peak()
}

# 8 x 8 grey pixels in several scans.
progressive_jpeg <- paste0(
  "ffd8ffe000104a46494600010100000100010000ffdb00430050373c463c32504641465a55505f78c882786e6e78f5afb991",
  "c8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc2000b08000800080101",
  "1100ffc40014000100000000000000000000000000000002ffc40014100100000000000000000000000000000000ffda0008",
  "0101000000007fffda0008010100013f007fffd9"
)

jpeg_of_size <- function(bytes, size) {
  at <- which(utils::head(bytes, -1) == 0xff & utils::tail(bytes, -1) %in% as.raw(c(0xc0, 0xc2)))[[1]]
  bytes[at + 5:8] <- as.raw(c(size[[1]] %/% 256, size[[1]] %% 256, size[[2]] %/% 256, size[[2]] %% 256))
  bytes
}

raw_of_hex <- function(hex) as.raw(strtoi(substring(hex, seq(1, nchar(hex), 2), seq(2, nchar(hex), 2)), 16L))

test_that("a small JPEG that claims a large picture is refused at once", {
  file <- withr::local_tempfile(fileext = ".jpg")
  writeBin(raw_of_hex(progressive_jpeg), file)
  expect_equal(dim(image_read(file)), c(8, 8, 1))
  writeBin(jpeg_of_size(raw_of_hex(progressive_jpeg), c(18000, 18000)), file)
  took <- system.time(expect_error(image_read(file), "claims 18000 x 18000", class = "candela_error_format"))
  expect_lt(took[["elapsed"]], 1)
  writeBin(c(jpeg_of_size(raw_of_hex(progressive_jpeg), c(18000, 18000)), raw(7e5)), file)
  expect_error(image_read(file), "18000 x 18000 pixels, for which [0-9]+ MB", class = "candela_error_format")
})

test_that("a JPEG with very many scans ends with an error", {
  bytes <- jpeg_of_size(raw_of_hex(progressive_jpeg), c(4000, 4000))
  scans <- which(utils::head(bytes, -1) == 0xff & utils::tail(bytes, -1) == as.raw(0xda))
  last <- bytes[utils::tail(scans, 1):(length(bytes) - 2)]
  file <- withr::local_tempfile(fileext = ".jpg")
  writeBin(c(utils::head(bytes, -2), rep(last, 4000), as.raw(c(0xff, 0xd9))), file)
  took <- system.time(expect_error(image_read(file), "more than [0-9]+ scans", class = "candela_error_format"))
  expect_lt(took[["elapsed"]], 5)
})

test_that("a cut JPEG is told, whether its end is marked or not", {
  file <- withr::local_tempfile(fileext = ".jpg")
  set.seed(1)
  image_write(array(runif(64 * 64 * 3), c(64, 64, 3)), file)
  bytes <- readBin(file, "raw", 1e5)
  half <- bytes[seq_len(length(bytes) %/% 2)]
  writeBin(half, file)
  expect_error(image_read(file), "ends early", class = "candela_error_format")
  other <- withr::local_tempfile(fileext = ".jpg")
  writeBin(c(half, as.raw(c(0xff, 0xd9))), other)
  expect_warning(x <- image_read(other), "pixels are missing", class = "candela_warning_damaged")
  expect_equal(dim(x), c(64, 64, 3))
  expect_no_warning(image_read(other))
})

test_that("a PNG whose bytes cannot hold its pixels, and one that needs too much, are refused", {
  file <- withr::local_tempfile(fileext = ".png")
  write_png(file, 20000, 20000, 8, 2, c(0, 0))
  expect_error(image_read(file), "claims 20000 x 20000", class = "candela_error_format")
  write_png(file, 20000, 20000, 16, 6, c(0, 0), extra = png_chunk("teSt", raw(4e6)[1:1000]))
  expect_error(image_read(file), "claims 20000 x 20000", class = "candela_error_format")
})

test_that("a TIFF whose strips are absent is refused when it is large", {
  file <- withr::local_tempfile(fileext = ".tif")
  skip_if_not("TIFF" %in% image_formats())
  write_tiff(file, list(width = 30000, height = 30000, data = raw(0)))
  expect_error(image_read(file), "claims 30000 x 30000", class = "candela_error_format")
})

# The older format of torch.save() around one pickle.
stream_of <- function(pickle) {
  as.raw(c(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
    0x80, 2, 0x4d, 0xe9, 3, 0x2e, 0x80, 2, 0x7d, 0x2e, 0x80, 2, pickle, 0x2e, 0x80, 2, 0x5d, 0x2e))
}

refused_stream <- function(pickle) {
  file <- withr::local_tempfile(fileext = ".pth")
  writeBin(stream_of(pickle), file)
  took <- system.time(expect_error(load_state_dict(file), class = "candela_error_format"))
  expect_lt(took[["elapsed"]], 5)
}

test_that("pickles that would grow are refused", {
  before <- resident_peak_or_na()
  dict <- as.integer(charToRaw("ccollections\nOrderedDict\n"))
  # A long list of pairs, made into a dictionary again and again.
  pairs <- c(0x5d, 0x28, rep(c(0x4b, 1, 0x4b, 2, 0x86), 8000), 0x65, 0x85, 0x71, 0)
  refused_stream(c(pairs, 0x30, rep(c(dict, 0x68, 0, 0x52, 0x30), 2000), 0x4e))
  # A list of ten times the list before, nine times over.
  lists <- c(0x5d, 0x71, 0, unlist(lapply(1:9, function(i) {
    c(0x5d, 0x71, i, 0x28, rep(c(0x68, i - 1), 10), 0x65)
  })))
  refused_stream(lists)
  # Bytes that are named very often.
  refused_stream(c(0x42, 0xa0, 0x86, 1, 0, rep(65, 1e5), 0x71, 0, 0x5d, 0x28, rep(c(0x68, 0), 20000), 0x65))
  expect_lt(resident_peak_or_na() - before, 300)
})

test_that("a million times nothing is read without much memory", {
  file <- withr::local_tempfile(fileext = ".pth")
  writeBin(stream_of(c(0x5d, 0x28, rep(0x4e, 1e5), rep(c(0x4b, 7), 1e5), 0x65)), file)
  x <- load_state_dict(file)
  expect_length(x, 2e5)
  expect_identical(x[[2e5]], 7L)
})

write_header <- function(path, header, data) {
  n <- nchar(header, "bytes")
  writeBin(c(writeBin(n, raw(), 4, endian = "little"), raw(4), charToRaw(header), data), path)
}

test_that("tensors of one name or in one place are no safetensors file", {
  file <- withr::local_tempfile(fileext = ".safetensors")
  one <- function(name, from, to) {
    sprintf('"%s":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}', name, to - from, from, to)
  }
  write_header(file, paste0("{", one("a", 0, 4), ",", one("b", 4, 8), ",", one("c", 4, 4), "}"), as.raw(1:8))
  expect_equal(as_array(load_safetensors(file)$b), 5:8)
  write_header(file, paste0("{", one("a", 0, 5), ",", one("b", 4, 8), "}"), as.raw(1:8))
  expect_error(load_safetensors(file), "'a' and 'b' lie in the same bytes", class = "candela_error_format")
  write_header(file, paste0("{", one("a", 0, 4), ",", one("a", 4, 8), "}"), as.raw(1:8))
  expect_error(load_safetensors(file), "'a' is named twice", class = "candela_error_format")
})

test_that("a tensor of few numbers that are named many times is printed at once", {
  wide <- torch_tensor(c(1.5, 2.5))$unsqueeze(2)$expand(c(2, 1e9))
  took <- system.time(out <- capture.output(print(wide$t())))
  expect_lt(took[["elapsed"]], 2)
  expect_match(out[[2]], "1.5000  2.5000")
  expect_equal(capture.output(print(torch_tensor(c(1.5, 20))$unsqueeze(1)$expand(c(3, 2)))),
    capture.output(print(torch_tensor(c(1.5, 20))$unsqueeze(1)$expand(c(3, 2))$contiguous())))
})

test_that("a damaged R object in a file of torch_save() is found before R reads it", {
  file <- withr::local_tempfile()
  torch_save(list(note = "a note that stands somewhere in the file", x = torch_ones(2)), file)
  bytes <- readBin(file, "raw", 1e5)
  at <- grepRaw("a note that stands", bytes)
  bytes[[at]] <- as.raw(0x62)
  writeBin(bytes, file)
  expect_error(torch_load(file), "checksum", class = "candela_error_format")
})

test_that("run-length masks that are damaged are told", {
  expect_error(candela:::coco_runs(strrep("o", 20)), "damaged", class = "value_error")
  expect_error(candela:::coco_runs("P"), "damaged", class = "value_error")
  expect_error(candela:::which_in_runs(c(5, -1), c(2, 2), "a.json"), "damaged", class = "value_error")
})
