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
