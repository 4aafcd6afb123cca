picture <- function(h = 6, w = 5, channels = 3) {
  array(((seq_len(h * w * channels) * 37) %% 256) / 255, c(h, w, channels))
}

test_that("PNG keeps every value, in 8 and 16 bits, with 1 to 4 channels", {
  for (channels in 1:4) {
    x <- picture(channels = channels)
    file <- withr::local_tempfile(fileext = ".png")
    image_write(x, file)
    expect_equal(image_read(file), x, tolerance = 1e-12)
    fine <- round(x * 65535 * 0.77) / 65535
    image_write(fine, file, bits = 16)
    expect_equal(image_read(file), fine, tolerance = 1e-12)
    expect_equal(image_info(file)[1:5], list(format = "PNG", height = 6L, width = 5L, channels = channels, bits = 16L))
  }
})

test_that("the end of a file's name, in either case, is the format it is written in", {
  for (end in c(".jpg", ".JPG", ".jpeg", ".Jpeg")) {
    file <- withr::local_tempfile(fileext = end)
    image_write(picture(), file)
    expect_equal(image_info(file)$format, "JPEG")
  }
  file <- withr::local_tempfile(fileext = ".PNG")
  image_write(picture(), file)
  expect_equal(image_info(file)$format, "PNG")
})

test_that("a grey or RGBA image has three channels where asked", {
  file <- withr::local_tempfile(fileext = ".png")
  grey <- picture(channels = 1)
  image_write(grey, file)
  expect_equal(base_loader(file), array(rep(grey, 3), c(6, 5, 3)), tolerance = 1e-12)
  rgba <- picture(channels = 4)
  image_write(rgba, file)
  expect_equal(image_read(file, channels = 3), rgba[, , 1:3], tolerance = 1e-12)
})

test_that("JPEG is close, grey JPEG too, and files are recognised by content", {
  ramp <- array(rep(seq(0, 1, length.out = 32), each = 32), c(32, 32, 3))
  file <- withr::local_tempfile(fileext = ".jpg")
  image_write(ramp, file, quality = 95)
  expect_lt(max(abs(image_read(file) - ramp)), 0.02)
  misnamed <- withr::local_tempfile(fileext = ".png")
  file.copy(file, misnamed)
  expect_equal(image_info(misnamed)$format, "JPEG")
  expect_equal(base_loader(misnamed), base_loader(file))
  image_write(ramp[, , 1], file)
  expect_equal(dim(image_read(file)), c(32, 32, 1))
  expect_equal(dim(base_loader(file)), c(32, 32, 3))
})

test_that("CMYK JPEG becomes RGB", {
  file <- write_hex(cmyk_jpeg, withr::local_tempfile(fileext = ".jpg"))
  x <- base_loader(file)
  expect_equal(dim(x), c(8, 8, 3))
  expect_equal(x[4, 4, ] * 255, c(200, 100, 50), tolerance = 0.02)
})

test_that("palettes, small depths, interlacing and 16-bit labels are read", {
  file <- withr::local_tempfile(fileext = ".png")
  palette <- c(png_chunk("PLTE", as.raw(c(255, 0, 0, 0, 255, 0, 0, 0, 255))))
  write_png(file, 3, 2, 8, 3, c(0, 0, 1, 2, 0, 2, 1, 0), palette)
  expect_equal(image_labels(file), rbind(0:2, 2:0))
  expect_equal(image_read(file)[1, 2, ], c(0, 1, 0))
  expect_equal(image_read(file)[2, 1, ], c(0, 0, 1))

  write_png(file, 4, 1, 2, 0, c(0, 0x1b)) # grey values 0, 1, 2, 3 of two bits
  expect_equal(image_labels(file), matrix(0:3, 1))
  expect_equal(as.vector(image_read(file)), 0:3 / 3)

  write_png(file, 2, 1, 16, 0, c(0, 1, 0, 2, 3))
  expect_equal(image_labels(file), matrix(c(256L, 515L), 1))

  # Adam7: of a 2 x 2 image pass 1 holds (1, 1), pass 6 (1, 2), pass 7 the second row.
  write_png(file, 2, 2, 8, 0, c(0, 10, 0, 20, 0, 30, 40), interlaced = TRUE)
  expect_equal(image_labels(file), rbind(c(10L, 20L), c(30L, 40L)))
})

test_that("labels are not read from colours", {
  file <- withr::local_tempfile(fileext = ".png")
  image_write(picture(), file)
  expect_error(image_labels(file), "holds colours", class = "value_error")
})

test_that("files that end early are errors that name the file", {
  for (format in c("png", "jpg")) {
    whole <- withr::local_tempfile(fileext = paste0(".", format))
    image_write(picture(40, 50), whole)
    bytes <- readBin(whole, "raw", 1e6)
    cut <- withr::local_tempfile(fileext = paste0(".", format))
    for (n in unique(round(seq(0, length(bytes) - 20, length.out = 60)))) {
      writeBin(bytes[seq_len(n)], cut)
      expect_error(base_loader(cut), basename(cut), fixed = TRUE, class = "candela_error_format")
    }
  }
})

test_that("damage inside a JPEG is tolerated, damage inside a PNG is an error", {
  noise <- picture(64, 64)
  file <- withr::local_tempfile(fileext = ".jpg")
  image_write(noise, file)
  bytes <- readBin(file, "raw", 1e6)
  middle <- length(bytes) - 200
  bytes[middle + 0:3] <- as.raw(c(0x12, 0x34, 0x56, 0x78))
  writeBin(bytes, file)
  expect_silent(x <- base_loader(file))
  expect_equal(dim(x), c(64, 64, 3))
  file <- withr::local_tempfile(fileext = ".png")
  image_write(noise, file)
  bytes <- readBin(file, "raw", 1e6)
  bytes[length(bytes) %/% 2] <- xor(bytes[length(bytes) %/% 2], as.raw(0xff))
  writeBin(bytes, file)
  expect_error(base_loader(file), "damaged PNG", class = "candela_error_format")
})

test_that("other formats are named", {
  headers <- list(
    GIF = charToRaw("GIF89a0000"), BMP = charToRaw("BM00000000"), TIFF = as.raw(c(0x49, 0x49, 0x2a, 0, 0, 0, 0, 0)),
    WebP = charToRaw("RIFF0000WEBPVP8 ")
  )
  if ("TIFF" %in% image_formats()) headers$TIFF <- NULL
  for (format in names(headers)) {
    file <- withr::local_tempfile(fileext = ".jpg")
    writeBin(headers[[format]], file)
    expect_error(base_loader(file), paste("is a", format, "image"), class = "candela_error_format")
    expect_error(base_loader(file), "though named .jpg", fixed = TRUE)
    expect_error(base_loader(file), basename(file), fixed = TRUE)
  }
  expect_error(base_loader(file), "only JPEG.*PNG.* can be read")
  odd <- withr::local_tempfile(fileext = ".JPEG")
  writeBin(headers$GIF, odd)
  expect_error(base_loader(odd), "though named .jpeg", fixed = TRUE)
  writeBin(charToRaw("hello, world"), file)
  expect_error(base_loader(file), "is no image", class = "candela_error_format")
  expect_error(base_loader(tempfile()), "cannot be opened", class = "candela_error_io")
})

test_that("a header that promises too much is refused before memory is asked for", {
  file <- withr::local_tempfile(fileext = ".png")
  write_png(file, 900000, 900000, 8, 2, c(0, 0))
  expect_error(base_loader(file), "claims 900000 x 900000", class = "candela_error")
})

test_that("arrays of images are ordinary arrays", {
  file <- withr::local_tempfile(fileext = ".png")
  x <- picture()
  image_write(x, file)
  y <- image_read(file)
  expect_equal(y[2, 3, 1], x[2, 3, 1])
  changed <- y
  changed[1, 1, 1] <- 7
  expect_equal(y[1, 1, 1], x[1, 1, 1])
  expect_equal(as_array(transform_to_tensor(changed))[1, 1, 1], 7)
  expect_equal(mean(image_read(file)), mean(x))
  expect_equal(unserialize(serialize(image_read(file), NULL)), x)
})

test_that("images become the same tensor from bytes and from doubles", {
  file <- withr::local_tempfile(fileext = ".png")
  x <- picture()
  image_write(x, file)
  fast <- transform_to_tensor(image_read(file))
  expect_equal(fast$shape, c(3, 6, 5))
  expect_equal(as_array(fast), as_array(transform_to_tensor(x)))
  expect_equal(as_array(fast), aperm(x, c(3, 1, 2)), tolerance = 1e-7)
  image_write(x, file, bits = 16)
  expect_equal(as_array(transform_to_tensor(image_read(file))), aperm(x, c(3, 1, 2)), tolerance = 1e-4)
})

test_that("batches equal the images one by one", {
  files <- replicate(5, tempfile(fileext = ".png"))
  for (i in seq_along(files)) image_write(picture(7 + i, 20 - i), files[[i]])
  mean <- c(0.5, 0.4, 0.3)
  std <- c(0.2, 0.3, 0.4)
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  for (size in list(c(9, 8), c(30, 31))) {
    torch_set_num_threads(2)
    batch <- read_image_batch(files, size, mean, std)
    one_by_one <- lapply(files, function(f) {
      as_array(transform_normalize(transform_resize(transform_to_tensor(base_loader(f)), size), mean, std))
    })
    expect_equal(batch$shape, c(5, 3, size))
    for (i in 1:5) expect_equal(as_array(batch)[i, , , ], one_by_one[[i]], tolerance = 1e-5)
    torch_set_num_threads(1)
    expect_identical(as_array(read_image_batch(files, size, mean, std)), as_array(batch))
  }
  expect_error(read_image_batch(c(files, "missing.jpg"), c(4, 4)), "missing.jpg", class = "candela_error_io")
})

test_that("label batches take the nearest", {
  file <- withr::local_tempfile(fileext = ".png")
  labels <- matrix(rep(1:3, length.out = 77), 7)
  image_write(labels, file)
  expect_equal(image_labels(file), labels)
  for (size in list(c(4, 5), c(20, 23))) {
    expected <- transform_resize(torch_tensor(labels), size, interpolation = 0)
    expect_equal(as_array(read_label_batch(file, size))[1, , ], as_array(expected))
  }
})

test_that("bad arguments of writing are told", {
  expect_error(image_write(picture(), "x.gif"), "must end in .jpg, .jpeg.*png.* got 'x.gif'")
  expect_error(image_write(picture(), "x.gif"), class = "value_error")
  expect_false(file.exists("x.gif"))
  expect_error(image_write(picture() * 2, tempfile(fileext = ".png")), "0 to 1", class = "value_error")
  expect_error(image_write(picture(channels = 4), tempfile(fileext = ".jpg")), "JPEG file holds", class = "value_error")
  expect_error(image_write(picture(), file.path(tempfile(), "x.png")), "cannot be written", class = "candela_error_io")
  expect_error(image_write(picture(), tempfile(fileext = ".png"), bits = 12), "bits", class = "value_error")
})

test_that("arrays of images and labels keep their values through looks, changes, copies and files", {
  file <- withr::local_tempfile(fileext = ".png")
  x <- picture(7, 9)
  image_write(x, file)
  labels <- withr::local_tempfile(fileext = ".png")
  m <- matrix((seq_len(7 * 9) * 11L) %% 256L, 7)
  image_write(array(m, c(7, 9, 1)), labels)

  read <- image_read(file)
  mask <- image_labels(labels)
  expect_type(mask, "integer")
  expect_equal(read[, , 2], x[, , 2])
  expect_equal(mask[3:5, 2], m[3:5, 2])
  expect_equal(image_labels(labels)[7, 9], m[7, 9])
  expect_equal(mask, m)

  saved <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list(image_read(file), image_labels(labels)), saved)
  expect_equal(readRDS(saved), list(x, m))

  changed <- image_labels(labels)
  before <- torch_tensor(changed)
  changed[2, 3] <- 77L
  m[2, 3] <- 77L
  expect_equal(changed, m)
  expect_equal(as_array(torch_tensor(changed)), m, ignore_attr = TRUE)
  expect_equal(as_array(before)[2, 3], mask[2, 3], ignore_attr = TRUE)

  image <- image_read(file)
  tensor <- transform_to_tensor(image)
  image[1, 1, 1] <- 0.5
  expect_equal(as_array(tensor), aperm(x, c(3, 1, 2)), tolerance = 1e-6)
  expect_equal(as_array(transform_to_tensor(image))[1, 1, 1], 0.5)
  turned <- image_read(file)
  dim(turned) <- c(9, 7, 3)
  expect_equal(as_array(transform_to_tensor(turned)), aperm(array(x, c(9, 7, 3)), c(3, 1, 2)), tolerance = 1e-6)
})

test_that("labels become tensors of every dtype from bytes and from integers alike", {
  file <- withr::local_tempfile(fileext = ".png")
  m <- matrix((seq_len(12) * 23L) %% 256L, 3)
  image_write(array(m, c(3, 4, 1)), file)
  for (dtype in list(torch_long(), torch_float(), torch_uint8(), torch_int(), torch_bool())) {
    expect_equal(as_array(torch_tensor(image_labels(file), dtype = dtype)), as_array(torch_tensor(m, dtype = dtype)))
  }
  expect_true(torch_tensor(image_labels(file))$dtype == torch_long())
  deep <- withr::local_tempfile(fileext = ".png")
  image_write(array(m * 100L, c(3, 4, 1)), deep, bits = 16)
  expect_equal(as_array(torch_tensor(image_labels(deep))), m * 100L, ignore_attr = TRUE)
})

test_that("a picture that is still bytes resizes to the bits of one that is floats", {
  file <- withr::local_tempfile(fileext = ".png")
  image_write(picture(37, 53), file)
  for (size in list(c(20, 31), c(80, 90), c(37, 60), c(1, 1))) {
    for (mode in c(0, 2, 3)) {
      floats <- transform_to_tensor(image_read(file))
      floats$data_ptr()
      expect_identical(
        as_array(transform_resize(transform_to_tensor(image_read(file)), size, mode)),
        as_array(transform_resize(floats, size, mode))
      )
      expect_equal(
        as_array(transform_resize(floats, size, mode)), as_array(transform_resize(floats$contiguous(), size, mode)),
        tolerance = 1e-6
      )
    }
  }
  x <- transform_to_tensor(image_read(file))
  expect_equal(as_array(nnf_relu(x)), aperm(picture(37, 53), c(3, 1, 2)), tolerance = 1e-6)
  y <- transform_to_tensor(image_read(file))
  y$mul_(2)
  expect_equal(as_array(y), 2 * aperm(picture(37, 53), c(3, 1, 2)), tolerance = 1e-6)
})

test_that("a batch of files has the bits of its pictures transformed one by one, for any number of threads", {
  folder <- withr::local_tempdir()
  files <- file.path(folder, paste0(1:3, ".png"))
  for (k in 1:3) image_write(picture(20 + k, 30 - k), files[[k]])
  mean <- c(0.5, 0.4, 0.3)
  std <- c(0.2, 0.3, 0.4)
  alone <- torch_stack(lapply(files, function(file) {
    base_loader(file) %>% transform_to_tensor() %>% transform_resize(c(16, 17)) %>% transform_normalize(mean, std)
  }))
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  for (n in 1:2) {
    torch_set_num_threads(n)
    expect_identical(as_array(read_image_batch(files, c(16, 17), mean, std)), as_array(alone))
  }
})

local_pictures <- function(n, env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  files <- file.path(folder, paste0(seq_len(n), ".png"))
  for (i in seq_len(n)) image_write(array((1:1800 * i) %% 256L, c(30, 20, 3)), files[[i]])
  files
}

test_that("files being read are handed out in any order, once, whatever the number of threads", {
  files <- local_pictures(24)
  as <- rep(c("rgb", "stored"), 12)
  plain <- Map(candela:::read_picture, files, as)
  for (threads in c(1, 2, 4)) {
    withr::defer(torch_set_num_threads(2))
    torch_set_num_threads(threads)
    for (order in list(1:24, 24:1, c(7, 1, 24, 12))) {
      reading <- candela:::begin_reading(files, as)
      taken <- lapply(order, function(i) candela:::take_picture(reading, i))
      expect_identical(taken, unname(plain[order]))
      expect_null(candela:::take_picture(reading, order[[1]]))
      expect_null(candela:::take_picture(reading, 25))
    }
  }
})

test_that("a damaged file is told when it is taken, a missing one at once, and reading may be forgotten", {
  files <- local_pictures(12)
  bytes <- readBin(files[[5]], "raw", 1e6)
  writeBin(bytes[seq_len(length(bytes) - 20)], files[[5]])
  reading <- candela:::begin_reading(files, "rgb")
  expect_equal(dim(candela:::take_picture(reading, 12)), c(30, 20, 3))
  expect_error(candela:::take_picture(reading, 5), basename(files[[5]]), class = "candela_error_format")
  expect_equal(dim(candela:::take_picture(reading, 6)), c(30, 20, 3))
  expect_error(candela:::begin_reading(c(files, "missing.png"), "rgb"), "missing.png", class = "candela_error_io")
  gc()
  before <- candela_info()$memory[["in_use"]]
  for (i in 1:20) candela:::begin_reading(files[-5], "rgb")
  rm(reading)
  gc()
  expect_lte(candela_info()$memory[["in_use"]], before)
  expect_error(candela:::take_picture(NULL, 1), "no images being read", class = "candela_error_value")
  restored <- unserialize(serialize(candela:::begin_reading(files[1:2], "rgb"), NULL))
  expect_null(candela:::take_picture(restored, 1))
})

test_that("a forked process reads what its parent began", {
  skip_on_os("windows")
  files <- local_pictures(40)
  plain <- lapply(files, base_loader)
  withr::defer(torch_set_num_threads(2))
  torch_set_num_threads(2)
  for (round in 1:5) {
    reading <- candela:::begin_reading(files, "rgb")
    child <- parallel::mcparallel(lapply(1:40, function(i) candela:::take_picture(reading, i) + 0))
    taken <- parallel::mccollect(child)[[1]]
    expect_equal(taken, plain)
    expect_identical(candela:::take_picture(reading, 40), plain[[40]])
  }
})

test_that("labels stay bytes until their values are wanted, and nobody can tell", {
  file <- tempfile(fileext = ".png")
  values <- matrix(sample(0:255, 6 * 8, replace = TRUE), 6, 8)
  image_write(values, file, bits = 8)
  labels <- function() torch_tensor(image_labels(file), dtype = torch_long())
  in_use <- function() candela_info()$memory[["in_use"]]
  gc()
  before <- in_use()
  x <- labels()
  picture <- x[newaxis, ..]
  expect_equal(picture$shape, c(1, 6, 8))
  small <- transform_resize(picture, c(3, 4), interpolation = 0)[1, ..]
  expect_lt(in_use() - before, 6 * 8 * 8)
  expect_equal(as_array(small), values[c(1, 3, 5), c(1, 3, 5, 7)])
  expect_equal(as_array(x), values)
  # Views and their tensor are one, whichever is written first.
  part <- labels()
  view <- part[2:3, ]
  view$fill_(7L)
  expect_equal(as_array(part[2:3, ]), matrix(7, 2, 8))
  expect_equal(as_array(part[1, ]), values[1, ])
  whole <- labels()
  row <- whole[4, ]
  whole[4, 2] <- 9L
  expect_equal(as_array(row)[2], 9)
  turned <- labels()$t()
  expect_equal(as_array(turned), t(values))
  expect_equal(as_array(transform_resize(turned[newaxis, ..], c(4, 3), interpolation = 0)[1, ..]),
    t(values)[c(1, 3, 5, 7), c(1, 3, 5)])
  expect_equal(as_array(labels()[, 2:8]$contiguous()), values[, 2:8])
  expect_equal(as_array(torch_stack(list(labels(), labels()))[2, ..]), values)
  expect_equal(as_array(labels() + 1L), values + 1)
  expect_equal(as_array(labels()$view(48L)), c(t(values)))
  kept <- tempfile()
  torch_save(labels(), kept)
  expect_equal(as_array(torch_load(kept)), values)
  expect_equal(as_array(labels()$detach()), values)
  expect_equal(as_array(labels()$clone()$add_(1L)), values + 1)
  expect_equal(as_array(labels()$sub_(1L)), values - 1)
})
