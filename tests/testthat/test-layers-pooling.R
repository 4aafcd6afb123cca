image <- function() torch_tensor(aperm(array(as.numeric(1:16), c(4, 4, 1, 1))))

test_that("pooling takes maxima and averages of windows", {
  x <- image()
  expect_equal(as.array(nn_max_pool2d(2)(x))[1, 1, , ], matrix(c(6, 14, 8, 16), 2))
  expect_equal(as.array(nn_avg_pool2d(2)(x))[1, 1, , ], matrix(c(3.5, 11.5, 5.5, 13.5), 2))
  expect_equal(dim(nn_max_pool2d(3, stride = 1)(x)), c(1L, 1L, 2L, 2L))
  expect_equal(dim(nn_max_pool2d(3, stride = 2, ceil_mode = TRUE)(x)), c(1L, 1L, 2L, 2L))
  row <- torch_tensor(array(c(1, 5, 2, 8), c(1, 1, 4)))
  expect_equal(as.numeric(nn_max_pool1d(2)(row)), c(5, 8))
  expect_equal(as.numeric(nn_avg_pool1d(2)(row)), c(3, 5))
})

test_that("padding counts in averages unless told not to", {
  x <- image()
  expect_equal(as.array(nn_avg_pool2d(2, padding = 1)(x))[1, 1, 1, 1], 0.25)
  expect_equal(as.array(nn_avg_pool2d(2, padding = 1, count_include_pad = FALSE)(x))[1, 1, 1, 1], 1)
  expect_equal(as.array(nn_avg_pool2d(2, divisor_override = 1)(x))[1, 1, 1, 1], 14)
})

test_that("adaptive pooling gives the size asked for", {
  x <- image()
  expect_equal(as.numeric(nn_adaptive_avg_pool2d(1)(x)), 8.5)
  expect_equal(as.array(nn_adaptive_max_pool2d(c(2, 2))(x))[1, 1, , ], matrix(c(6, 14, 8, 16), 2))
  expect_equal(as.numeric(nn_adaptive_avg_pool1d(2)(torch_tensor(array(c(1, 3, 5, 7), c(1, 1, 4))))), c(2, 6))
})

test_that("maxima come with their positions", {
  result <- nn_max_pool2d(2, return_indices = TRUE)(image())
  expect_length(result, 2)
  expect_equal(as.numeric(result[[1]]), as.numeric(nn_max_pool2d(2)(image())))
})

test_that("upsampling enlarges", {
  x <- image()
  y <- as.array(nn_upsample(scale_factor = 2)(x))[1, 1, , ]
  expect_equal(y, kronecker(as.array(x)[1, 1, , ], matrix(1, 2, 2)))
  y <- as.array(nn_upsample(size = c(7, 7), mode = "bilinear", align_corners = TRUE)(x))[1, 1, , ]
  expect_equal(y[c(1, 7), c(1, 7)], matrix(c(1, 13, 4, 16), 2))
  expect_equal(y[1, 2], 1.5)
})
