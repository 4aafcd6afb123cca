test_that("magick images become tensors of their own colours", {
  skip_if_not_installed("magick")
  red <- magick::image_read(array(rep(c(1, 0, 0), each = 4), c(2, 2, 3)))
  expect_identical(as_array(transform_to_tensor(red)), aperm(array(rep(c(1, 0, 0), each = 4), c(2, 2, 3)), c(3, 1, 2)))
  x <- array(round(runif(3 * 4 * 3) * 255) / 255, c(3, 4, 3))
  expect_equal(as_array(transform_to_tensor(magick::image_read(x))), aperm(x, c(3, 1, 2)), tolerance = 1e-6)
  grey <- matrix(c(0, 51, 102, 255) / 255, 2)
  file <- withr::local_tempfile(fileext = ".png")
  image_write(grey, file)
  of <- function(file) as_array(transform_to_tensor(magick::image_read(file)))
  expect_equal(of(file)[1, , ], grey, tolerance = 1e-6)
  image_write(array(c(grey, 1, 1, 0.2, 1), c(2, 2, 2)), file)
  with_alpha <- of(file)
  expect_true(dim(with_alpha)[[1]] %in% c(1, 3))
  for (k in seq_len(dim(with_alpha)[[1]])) expect_equal(with_alpha[k, , ], grey, tolerance = 1e-6)
  white <- magick::image_read(array(1, c(2, 2, 3)))
  expect_true(all(as_array(transform_to_tensor(white)) == 1))
})

test_that("files of other formats are read through magick", {
  skip_if_not_installed("magick")
  x <- array(round(runif(4 * 5 * 3) * 255) / 255, c(4, 5, 3))
  file <- withr::local_tempfile(fileext = ".bmp")
  magick::image_write(magick::image_read(x), file, format = "bmp")
  expect_equal(image_read(file)[, , 1:3], x, tolerance = 1e-6)
  expect_equal(base_loader(file), x, tolerance = 1e-6)
  expect_identical(image_info(file)[c("height", "width")], list(height = 4L, width = 5L))
})

test_that("candela attached after magick leaves image_read() to magick", {
  skip_if_not_installed("magick")
  file <- withr::local_tempfile(fileext = ".png")
  image_write(matrix(0.5, 2, 2), file)
  code <- sprintf(paste(
    "suppressMessages({library(magick); library(candela)}); x <- image_read('%s');",
    "stopifnot(inherits(x, 'magick-image'));",
    "stopifnot(is.array(candela::image_read('%s')), exists('image_labels')); cat('good')"
  ), file, file)
  out <- system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE,
    env = paste0("R_LIBS=", shQuote(paste(.libPaths(), collapse = .Platform$path.sep))))
  expect_identical(utils::tail(out, 1), "good")
})

test_that("transforms of a picture of magick give one", {
  skip_if_not_installed("magick")
  values <- array(sample(0:255, 3 * 8 * 6, TRUE), c(3, 8, 6))
  picture <- magick::image_read(array(as.raw(values), dim(values)))
  planes <- transform_to_tensor(picture)
  same <- function(picture, tensor, tolerance = 1 / 255) {
    expect_s3_class(picture, "magick-image")
    expect_equal(as_array(transform_to_tensor(picture)), as_array(tensor), tolerance = tolerance)
  }
  same(transform_hflip(picture), transform_hflip(planes))
  same(transform_crop(picture, 2, 1, 3, 4), transform_crop(planes, 2, 1, 3, 4))
  same(transform_resize(picture, c(4, 4)), transform_resize(planes, c(4, 4)), 0.02)
  same(transform_adjust_brightness(picture, 0.5), transform_adjust_brightness(planes, 0.5), 0.02)
  same(transform_random_horizontal_flip(picture, p = 0), planes)
  expect_s3_class(transform_five_crop(picture, 4)[[5]], "magick-image")
  expect_s3_class(transform_normalize(picture, 0.5, 0.5), "torch_tensor")
  blurred <- transform_random_apply(picture, list(function(img) magick::image_blur(img, 1, 1)), p = 1)
  expect_s3_class(blurred, "magick-image")
  clear <- array(as.raw(c(values[1:2, , ], values[1:2, , ])), c(4, 8, 6))
  clear[4, , ] <- as.raw(rep(c(0, 255), 24))
  dimmed <- magick::image_data(transform_adjust_brightness(magick::image_read(clear), 0.5), "rgba")
  expect_identical(unclass(dimmed)[4, , ], clear[4, , ])
})
