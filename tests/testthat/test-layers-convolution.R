numbers <- function(x) as.array(x$detach())

# A convolution of one image, c x h x w, padded with zeros, from its definition.
plain_conv <- function(x, w, b, stride = 1, padding = 0) {
  padded <- array(0, dim(x) + c(0, 2, 2) * padding)
  padded[, padding + seq_len(dim(x)[2]), padding + seq_len(dim(x)[3])] <- x
  size <- (dim(padded)[2:3] - dim(w)[3:4]) %/% stride + 1
  y <- array(0, c(dim(w)[1], size))
  for (k in seq_len(dim(w)[1])) for (i in seq_len(size[1])) for (j in seq_len(size[2])) {
    rows <- (i - 1) * stride + seq_len(dim(w)[3])
    columns <- (j - 1) * stride + seq_len(dim(w)[4])
    y[k, i, j] <- sum(padded[, rows, columns, drop = FALSE] * w[k, , , , drop = TRUE]) + b[k]
  }
  y
}

test_that("nn_conv2d convolves", {
  for (case in list(c(1, 0), c(2, 1), c(1, 1))) {
    layer <- nn_conv2d(3, 4, kernel_size = 3, stride = case[1], padding = case[2])
    x <- torch_randn(1, 3, 7, 6)
    expected <- plain_conv(numbers(x)[1, , , ], numbers(layer$weight), numbers(layer$bias), case[1], case[2])
    expect_equal(numbers(layer(x))[1, , , ], expected, tolerance = 1e-5)
  }
})

test_that("fields, parameters and starting values of convolutions", {
  layer <- nn_conv2d(4, 6, c(3, 5), stride = 2, padding = "valid", dilation = 2, groups = 2)
  expect_equal(dim(layer$weight), c(6L, 2L, 3L, 5L))
  expect_equal(layer$kernel_size, c(3, 5))
  expect_equal(layer$stride, c(2, 2))
  expect_equal(layer$padding, "valid")
  expect_false(layer$transposed)
  expect_equal(layer$padding_mode, "zeros")
  expect_lte(max(abs(numbers(layer$weight))), 1 / sqrt(2 * 15))
  expect_s3_class(layer, c("nn_conv2d", "nn_conv_nd", "candela_module", "nn_module"), exact = TRUE)
  up <- nn_conv_transpose2d(8, 4, 2, stride = 2)
  expect_equal(dim(up$weight), c(8L, 4L, 2L, 2L))
  expect_lte(max(abs(numbers(up$weight))), 1 / 4)
  expect_gt(max(abs(numbers(up$weight))), 0.9 / 4)
  expect_true(up$transposed)
  expect_null(nn_conv1d(1, 1, 1, bias = FALSE)$bias)
})

test_that("padding same keeps the size", {
  for (kernel in 1:4) {
    y <- nn_conv2d(1, 2, kernel, padding = "same")(torch_randn(1, 1, 7, 5))
    expect_equal(dim(y), c(1L, 2L, 7L, 5L))
  }
  expect_equal(dim(nn_conv1d(1, 2, 3, padding = "same")(torch_randn(1, 1, 7))), c(1L, 2L, 7L))
})

test_that("other padding modes continue the image", {
  x <- torch_tensor(array(as.numeric(1:5), c(1, 1, 5)))
  sums <- function(mode, padding = 1) {
    layer <- nn_conv1d(1, 1, 3, padding = padding, padding_mode = mode, bias = FALSE)
    nn_init_ones_(layer$weight)
    as.numeric(numbers(layer(x)))
  }
  expect_equal(sums("zeros"), c(3, 6, 9, 12, 9))
  expect_equal(sums("reflect"), c(5, 6, 9, 12, 13))
  expect_equal(sums("replicate"), c(4, 6, 9, 12, 14))
  expect_equal(sums("circular"), c(8, 6, 9, 12, 10))
  expect_equal(sums("replicate", "same"), c(4, 6, 9, 12, 14))
})

test_that("transposed convolution spreads values and knows its output size", {
  up <- nn_conv_transpose2d(1, 1, 2, stride = 2, bias = FALSE)
  nn_init_ones_(up$weight)
  y <- numbers(up(torch_tensor(array(c(1, 3, 2, 4), c(1, 1, 2, 2)))))[1, 1, , ]
  expect_equal(y, kronecker(matrix(c(1, 3, 2, 4), 2), matrix(1, 2, 2)))
  free <- nn_conv_transpose2d(2, 3, 3, stride = 2, padding = 1)
  x <- torch_randn(1, 2, 4, 4)
  expect_equal(dim(free(x)), c(1L, 3L, 7L, 7L))
  expect_equal(dim(free(x, output_size = c(8, 8))), c(1L, 3L, 8L, 8L))
  expect_error(free(x, output_size = c(9, 9)), "out of range: from [7, 7] to [8, 8]", fixed = TRUE,
    class = "value_error")
  expect_equal(dim(nn_conv_transpose1d(2, 3, 3, stride = 2)(torch_randn(1, 2, 4))), c(1L, 3L, 9L))
})

test_that("wrong arguments are named", {
  expect_error(nn_conv2d(3, 4, 3, groups = 2), "`in_channels` \\(3\\) must be divisible by", class = "value_error")
  expect_error(nn_conv2d(4, 3, 3, groups = 2), "`out_channels` \\(3\\) must be divisible by", class = "value_error")
  expect_error(nn_conv2d(1, 1, 3, padding_mode = "mirror"), "`padding_mode` must be one of", class = "value_error")
  expect_error(nn_conv2d(1, 1, 3, padding = "full"), "`padding` must be", class = "value_error")
  expect_error(nn_conv2d(1, 1, 3, padding = "same", stride = 2), "strided", class = "value_error")
  expect_error(nn_conv2d(1, 1, c(1, 2, 3)), "`kernel_size` must be one number or 2 numbers", class = "value_error")
  expect_error(nn_conv_transpose2d(1, 1, 3, padding_mode = "reflect"), "Only `zeros`", class = "value_error")
})

test_that("unfold and fold move patches", {
  x <- torch_randn(1, 2, 4, 4)
  columns <- nn_unfold(kernel_size = 2, stride = 2)(x)
  expect_equal(dim(columns), c(1L, 8L, 4L))
  expect_equal(numbers(nn_fold(c(4, 4), kernel_size = 2, stride = 2)(columns)), numbers(x))
})

test_that("the way a convolution takes follows from its shape", {
  ways <- function(image, weight, ...) candela:::convolution_ways(image, weight, ...)
  expect_equal(ways(c(2, 64, 8, 8), c(32, 64, 1, 1)), c("product", "product", "dense"))
  expect_equal(ways(c(16, 64, 56, 56), c(64, 64, 3, 3), padding = 1), c("winograd", "winograd", "winograd"))
  dilated <- ways(c(16, 64, 56, 56), c(64, 64, 3, 3), padding = 2, dilation = 2)
  expect_equal(dilated, c("winograd", "winograd", "dense"))
  expect_equal(ways(c(4, 256, 28, 28), c(256, 256, 3, 3), padding = 12, dilation = 12)[[1]], "dense")
  expect_equal(ways(c(4, 32, 28, 28), c(64, 32, 5, 5), padding = 2), c("dense", "dense", "dense"))
  expect_equal(ways(c(4, 96, 28, 28), c(96, 1, 3, 3), padding = 1, groups = 96), c("strips", "strips", "strips"))
  expect_equal(ways(c(4, 96, 28, 28), c(96, 1, 7, 7), padding = 3, groups = 96), c("lanes", "lanes", "rows"))
  expect_equal(ways(c(4, 128, 28, 28), c(128, 4, 3, 3), padding = 1, groups = 32), c("lanes", "lanes", "lanes"))
})
