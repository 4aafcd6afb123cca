tiff_file <- function(env = parent.frame()) withr::local_tempfile(fileext = ".tif", .local_envir = env)

test_that("TIFF keeps every value of 8 and 16 bits, with any number of bands", {
  skip_without_tiff()
  file <- tiff_file()
  for (bits in c(8, 16)) {
    for (bands in c(1, 2, 3, 4, 7)) {
      x <- array(sample(0:(2^bits - 1), 5 * 6 * bands, replace = TRUE), c(5, 6, bands))
      image_write(x, file, bits = bits)
      expect_equal(array(image_read(file), dim(x)) * (2^bits - 1), x)
      info <- image_info(file)
      expect_identical(info[c("format", "height", "width", "channels", "bits", "type", "alpha", "pages")], list(
        format = "TIFF", height = 5L, width = 6L, channels = as.integer(bands), bits = as.integer(bits),
        type = paste0("uint", bits), alpha = FALSE, pages = 1L
      ))
    }
  }
  labels <- matrix(c(0L, 300L, 65535L, 7L), 2)
  image_write(labels, file, bits = 16)
  expect_identical(image_labels(file) + 0L, labels)
})

test_that("bands are chosen by number, and what is no colour is said", {
  skip_without_tiff()
  file <- tiff_file()
  x <- array(runif(4 * 5 * 6), c(4, 5, 6))
  image_write(x, file, bits = 16)
  expect_equal(image_read(file, bands = c(6, 1)), x[, , c(6, 1)], tolerance = 1e-4)
  expect_equal(base_loader(file), x[, , 1:3], tolerance = 1e-4)
  expect_error(image_read(file, bands = 7), "`bands` must be numbers between 1 and 6", class = "value_error")
  image_write(x[, , 1:2], file)
  expect_error(base_loader(file), "has 2 bands, which are no colours", class = "candela_error_value")
  expect_error(image_labels(file), "holds colours", class = "candela_error_value")
})

test_that("all ways to read a file agree, also in 16 bits and floats", {
  skip_without_tiff()
  file <- tiff_file()
  x <- array(runif(6 * 8 * 3), c(6, 8, 3))
  for (end in c(".tif", ".png")) {
    file <- withr::local_tempfile(fileext = end)
    image_write(x, file, bits = 16)
    expect_equal(base_loader(file), x, tolerance = 1e-5)
    expect_equal(image_read(file), base_loader(file))
    batch <- read_image_batch(file, c(6, 8), mean = c(0.1, 0.2, 0.3), std = c(1, 2, 3))
    one <- transform_normalize(transform_to_tensor(base_loader(file)), c(0.1, 0.2, 0.3), c(1, 2, 3))
    expect_equal(as_array(batch[1, ..]), as_array(one), tolerance = 1e-6)
    small <- read_image_batch(file, c(3, 4))
    expect_equal(as_array(small[1, ..]), as_array(transform_resize(transform_to_tensor(base_loader(file)), c(3, 4))),
      tolerance = 1e-6)
  }
})

test_that("samples of other types are numbers as they are", {
  skip_without_tiff()
  file <- tiff_file()
  values <- c(-3.5, 0, 1e6, NaN, 2.25, 7)
  write_tiff(file, list(width = 3, height = 2, bits = 32, format = 3, data = writeBin(values, raw(), size = 4)))
  expect_equal(image_read(file)[, , 1], matrix(values, 2, byrow = TRUE))
  expect_identical(image_info(file)$type, "float32")
  expect_error(image_labels(file), "not whole", class = "candela_error_value")
  write_tiff(file, list(width = 3, height = 2, bits = 64, format = 3, data = writeBin(c(1, 2, NaN, 4, 5, 6), raw())))
  expect_identical(image_labels(file) + 0L, matrix(c(1L, 2L, NA, 4L, 5L, 6L), 2, byrow = TRUE))
  write_tiff(file, list(width = 2, height = 1, bits = 16, format = 2, data = writeBin(c(-5L, 300L), raw(), size = 2)))
  expect_identical(as.vector(image_read(file)), c(-5, 300))
  expect_identical(image_info(file)$type, "int16")
  write_tiff(file, list(width = 2, height = 1, bits = 32, data = writeBin(c(70000L, 3L), raw())))
  expect_identical(as.vector(image_labels(file)), c(70000L, 3L))
  expect_identical(as.vector(image_read(file)), c(70000, 3))
})

test_that("few bits, inverted grey and palettes are read", {
  skip_without_tiff()
  file <- tiff_file()
  write_tiff(file, list(width = 4, height = 2, bits = 1, data = as.raw(c(0xa0, 0x50))))
  expect_identical(image_labels(file) + 0L, rbind(c(1L, 0L, 1L, 0L), c(0L, 1L, 0L, 1L)))
  expect_identical(image_read(file)[, , 1], rbind(c(1, 0, 1, 0), c(0, 1, 0, 1)))
  write_tiff(file, list(width = 2, height = 1, photometric = 0, data = as.raw(c(0, 200))))
  expect_equal(as.vector(image_read(file)) * 255, c(255, 55))
  expect_identical(as.vector(image_labels(file)), c(0L, 200L))
  map <- c(320, rep(0, 256), rep(c(0, 65535), 128), rep(0, 256))
  write_tiff(file, list(width = 2, height = 1, photometric = 3, data = as.raw(c(4, 5)), tags = list(map)))
  expect_identical(image_read(file), array(c(0, 0, 0, 1, 0, 0), c(1, 2, 3)))
  expect_identical(as.vector(image_labels(file)), 4:5)
})

test_that("pages are chosen by number", {
  skip_without_tiff()
  file <- tiff_file()
  write_tiff(file, list(width = 2, height = 1, data = as.raw(1:2)), list(width = 1, height = 1, data = as.raw(9)))
  expect_identical(image_info(file)$pages, 2L)
  expect_identical(as.vector(image_labels(file, page = 2)), 9L)
  expect_equal(as.vector(image_read(file)) * 255, c(1, 2))
  expect_identical(image_info(file, page = 2)$width, 1L)
  expect_error(image_read(file, page = 3), "has 2 pages, so that there is no page 3", class = "candela_error_value")
  png <- withr::local_tempfile(fileext = ".png")
  image_write(matrix(0.5, 2, 2), png)
  expect_error(image_read(png, page = 2), "no page 2", class = "candela_error_value")
})

test_that("pictures are turned upright", {
  skip_without_tiff()
  file <- tiff_file()
  stored <- matrix(1:6, 2, byrow = TRUE)
  upright <- list(
    stored, stored[, 3:1], stored[2:1, 3:1], stored[2:1, ], t(stored), t(stored[2:1, ]), t(stored[2:1, 3:1]),
    t(stored[, 3:1])
  )
  for (k in 1:8) {
    write_tiff(file, list(width = 3, height = 2, data = as.raw(t(stored)), tags = list(c(274, k))))
    expect_identical(image_labels(file) + 0L, upright[[k]], info = k)
    expect_identical(unlist(image_info(file)[c("height", "width")], use.names = FALSE), dim(upright[[k]]))
    expect_equal(as_array(read_label_batch(file, dim(upright[[k]])))[1, , ], upright[[k]])
  }
})

test_that("the EXIF orientation of a JPEG is obeyed", {
  file <- withr::local_tempfile(fileext = ".jpg")
  x <- matrix(rep(c(0, 0.5, 1), each = 16 * 16), 16)
  image_write(x, file, quality = 95)
  plain <- readBin(file, "raw", 1e5)
  exif <- c(charToRaw("Exif"), raw(2), charToRaw("MM"),
    as.raw(c(0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0)),
    raw(4))
  marker <- c(as.raw(c(0xff, 0xe1)), as.raw(c(0, length(exif) + 2)), exif)
  writeBin(c(plain[1:2], marker, plain[-(1:2)]), file)
  expect_identical(image_info(file)[c("height", "width")], list(height = 48L, width = 16L))
  expect_equal(image_read(file)[, , 1], t(x), tolerance = 0.02)
  expect_equal(as_array(read_image_batch(file, c(48, 16)))[1, 2, , ], t(x), tolerance = 0.02)
})

test_that("compressed, tiled, banded and big files are read as terra wrote them", {
  skip_without_tiff()
  skip_if_not_installed("terra")
  r <- terra::rast(nrows = 37, ncols = 53, nlyrs = 4, xmin = 0, xmax = 53, ymin = 0, ymax = 37, crs = "local")
  file <- tiff_file()
  check <- function(type, options, values, tolerance = 0) {
    terra::values(r) <- values
    terra::writeRaster(r, file, overwrite = TRUE, datatype = type, gdal = options)
    wanted <- unclass(terra::as.array(r))
    unit <- switch(type, INT1U = 255, INT2U = 65535, 1)
    got <- image_read(file) * unit
    expect_lte(max(abs(got - wanted)), tolerance)
    expect_identical(image_info(file)$channels, 4L)
  }
  n <- 37 * 53 * 4
  bytes <- sample(0:254, n, replace = TRUE)
  check("INT1U", c("COMPRESS=LZW", "TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=32"), bytes)
  check("INT1U", c("COMPRESS=DEFLATE", "PREDICTOR=2", "INTERLEAVE=BAND", "BIGTIFF=YES"), bytes)
  check("INT2U", c("COMPRESS=DEFLATE", "PREDICTOR=2", "INTERLEAVE=PIXEL"), sample(0:65000, n, replace = TRUE), 1e-6)
  check("INT2S", "COMPRESS=NONE", sample(-30000:30000, n, replace = TRUE))
  check("INT4U", "COMPRESS=LZW", sample(0:1e6, n, replace = TRUE))
  check("FLT4S", c("COMPRESS=DEFLATE", "PREDICTOR=3", "TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"),
    round(rnorm(n), 3), 1e-6)
  check("FLT8S", "INTERLEAVE=BAND", rnorm(n), 1e-6)
})

test_that("the number that means no data is told", {
  skip_without_tiff()
  skip_if_not_installed("terra")
  file <- tiff_file()
  r <- terra::rast(nrows = 2, ncols = 2, vals = c(1, NA, 3, 4), xmin = 0, xmax = 2, ymin = 0, ymax = 2, crs = "local")
  terra::writeRaster(r, file, datatype = "FLT4S", NAflag = -9999)
  expect_identical(image_info(file)$nodata, -9999)
  expect_identical(as.vector(image_read(file)), c(1, 3, -9999, 4))
})

test_that("JPEG inside TIFF is RGB", {
  skip_without_tiff()
  skip_if_not_installed("terra")
  file <- tiff_file()
  r <- terra::rast(nrows = 32, ncols = 32, nlyrs = 3, vals = rep(c(200, 100, 50), each = 1024), xmin = 0, xmax = 32,
    ymin = 0, ymax = 32, crs = "local")
  terra::writeRaster(r, file, datatype = "INT1U", gdal = c("COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"))
  expect_equal(image_read(file)[5, 5, ] * 255, c(200, 100, 50), tolerance = 0.02)
})

test_that("damaged TIFF files are errors that name the file", {
  skip_without_tiff()
  file <- tiff_file()
  image_write(array(runif(40 * 50 * 3), c(40, 50, 3)), file)
  whole <- readBin(file, "raw", 1e6)
  for (n in c(4, 7, 8, 20, length(whole) %/% 2, length(whole) - 3)) {
    writeBin(whole[seq_len(n)], file)
    expect_error(image_read(file), basename(file), fixed = TRUE, class = "candela_error_format")
  }
  # Absurd sizes: from a small file, no memory is asked for.
  write_tiff(file, list(width = 60000, height = 60000, data = as.raw(1:4)))
  expect_error(image_read(file), "too large", class = "candela_error")
  write_tiff(file, list(width = 20000, height = 20000, data = as.raw(1:4)))
  expect_error(image_read(file), "claims", class = "candela_error_format")
  write_tiff(file, list(width = 40, height = 40, data = as.raw(1:4)))
  expect_error(image_read(file), class = "candela_error_format")
})

test_that("no damaged byte of a TIFF file crashes", {
  skip_without_tiff()
  file <- tiff_file()
  image_write(array(runif(9 * 7 * 2), c(9, 7, 2)), file, bits = 16)
  whole <- readBin(file, "raw", 1e6)
  set.seed(1)
  outcome <- vapply(1:150, function(i) {
    bytes <- whole
    at <- sample(length(bytes), sample(3, 1))
    bytes[at] <- as.raw(sample(0:255, length(at), replace = TRUE))
    writeBin(bytes, file)
    tryCatch({
      x <- image_read(file)
      stopifnot(is.double(x[1]))
      "read"
    }, candela_error = function(e) "refused")
  }, "")
  expect_true(all(outcome %in% c("read", "refused")))
  expect_true("refused" %in% outcome)
})
