draw <- function(code) {
  file <- withr::local_tempfile(fileext = ".png")
  grDevices::png(file, 120, 100)
  on.exit(grDevices::dev.off())
  before <- graphics::par(no.readonly = TRUE)
  code
  after <- graphics::par(no.readonly = TRUE)
  grDevices::dev.off()
  on.exit()
  list(image = image_read(file, 3), same = identical(before[c("mar", "mfrow", "oma")], after[c("mar", "mfrow", "oma")]))
}

test_that("classes tint the photo and par() is restored", {
  photo <- array(0, c(10, 12, 3))
  mask <- matrix(rep(1:2, each = 60), 10)
  drawn <- draw(plot_segmentation(photo, mask, alpha = 1))
  expect_true(drawn$same)
  expect_equal(drawn$image[50, 40, ] * 255, as.vector(grDevices::col2rgb("#E69F00")), tolerance = 0.02)
  expect_equal(drawn$image[50, 80, ] * 255, as.vector(grDevices::col2rgb("#56B4E9")), tolerance = 0.02)
  half <- draw(plot_segmentation(photo, mask, alpha = 0.5))$image[50, 40, ]
  expect_equal(half, as.vector(grDevices::col2rgb("#E69F00")) / 510, tolerance = 0.03)
})

test_that("tensors, logits, grids, truth and legends are drawn", {
  images <- torch_rand(4, 3, 8, 9)
  logits <- torch_randn(4, 3, 8, 9)
  masks <- torch_tensor(array(sample(1:3, 288, TRUE), c(4, 8, 9)))
  expect_silent(drawn <- draw(plot_segmentation(images, logits, truth = masks, class_names = c("a", "b", "c"))))
  expect_true(drawn$same)
  expect_silent(draw(plot_segmentation(images, masks, main = "x", ncol = 4)))
})

test_that("what does not fit is told", {
  photo <- array(0, c(4, 4, 3))
  expect_error(plot_segmentation(photo, matrix(1L, 3, 4)), "do not fit", class = "value_error")
  expect_error(plot_segmentation(photo, matrix(1L, 4, 4), alpha = 2), "alpha", class = "value_error")
  expect_error(plot_segmentation(photo, matrix(-1L, 4, 4)), "classes from 1", class = "value_error")
})

test_that("the number of columns is checked", {
  x <- array(0.5, c(4, 4, 3))
  expect_error(plot_segmentation(x, matrix(1L, 4, 4), ncol = 0), "`ncol` must be .* at least 1, but got 0")
  expect_error(plot_segmentation(x, matrix(1L, 4, 4), ncol = "a"), "`ncol` must be .* at least 1, but got \"a\"")
})

test_that("a file is drawn to, with a legend that tells truth from prediction", {
  skip_if_not(capabilities("png"))
  file <- withr::local_tempfile(fileext = ".png")
  photo <- array(0, c(20, 30, 3))
  mask <- matrix(rep(1:2, each = 300), 20)
  out <- withVisible(plot_segmentation(photo, mask, truth = mask[, 30:1], class_names = c("a", "b"), file = file))
  expect_false(out$visible)
  expect_equal(out$value, file)
  info <- image_info(file)
  expect_equal(info$width, 480)
  wider <- withr::local_tempfile(fileext = ".png")
  plot_segmentation(photo, mask, file = wider, width = 700)
  expect_equal(image_info(wider)$width, 700)
  entries <- legend_entries(c("a", "b"), list(colours = c("red", "blue"), alpha = 0.4), TRUE)
  expect_equal(entries$text, c("a", "b", "area: prediction", "white line: truth"))
  expect_equal(entries$kind, c("field", "field", "field", "truth"))
  expect_null(legend_entries(NULL, list(colours = "red", alpha = 0.4), FALSE))
})

test_that("outlines have the colours of their classes, and the background stays clear", {
  photo <- array(1, c(10, 12, 3))
  mask <- matrix(1L, 10, 12)
  mask[, 7:12] <- 2L
  drawn <- draw(plot_segmentation(photo, mask, class_names = c("background", "cell"), alpha = 0, legend = FALSE))$image
  blue <- as.vector(grDevices::col2rgb("#56B4E9")) / 255
  near <- apply(abs(sweep(matrix(drawn, ncol = 3), 2, blue)), 1, max) < 0.3
  columns <- unique(col(drawn[, , 1])[near])
  expect_true(length(columns) %in% 1:4)
  expect_lt(max(abs(columns - 60)), 4)
  tinted <- draw(plot_segmentation(photo, mask, class_names = c("background", "cell"), alpha = 1, legend = FALSE))$image
  expect_equal(tinted[50, 30, ], rep(1, 3))
  expect_equal(tinted[50, 90, ], blue, tolerance = 0.02)
})

test_that("files, objects and segmentations are drawn, many classes differ", {
  folder <- withr::local_tempdir()
  file <- file.path(folder, "a.tif")
  deep <- matrix(seq(0, 4000 / 65535, length.out = 80), 8)
  if (!"TIFF" %in% toupper(image_formats())) file <- sub("tif", "png", file)
  image_write(deep, file, bits = 16)
  expect_gt(max(photos_of(file)[[1]]), 0.9)
  x <- list(mask = matrix(c(1L, NA), 8, 10), classes = class_table(c("a", "b")))
  class(x) <- "candela_segmentation"
  expect_silent(draw(plot_segmentation(file, x)))
  expect_silent(draw(plot_segmentation(array(0.1, c(8, 10, 5)), x$mask)))
  expect_equal(length(unique(class_colours(NULL, 40))), 40)
})

test_that("a file that has no place is told before anything is drawn", {
  nowhere <- file.path(tempfile(), "x.png")
  expect_error(plot_segmentation(array(0, c(4, 4, 3)), matrix(1L, 4, 4), file = nowhere), "there is no folder",
    class = "candela_error_io")
})
