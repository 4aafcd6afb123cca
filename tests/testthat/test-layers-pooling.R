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

channels_last <- function(x) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))

# The largest element of every window, its place and the gradient of sum(y * dy), by their definition.
slow_max_pool <- function(x, dy, kernel, stride, padding, dilation) {
  size <- dim(x)[3:4]
  out <- dim(dy)
  y <- place <- array(0, out)
  dx <- array(0, dim(x))
  for (n in seq_len(out[1])) for (channel in seq_len(out[2])) for (i in seq_len(out[3])) for (j in seq_len(out[4])) {
    rows <- (i - 1) * stride[1] - padding[1] + dilation[1] * (seq_len(kernel[1]) - 1) + 1
    columns <- (j - 1) * stride[2] - padding[2] + dilation[2] * (seq_len(kernel[2]) - 1) + 1
    rows <- rows[rows >= 1 & rows <= size[1]]
    columns <- columns[columns >= 1 & columns <= size[2]]
    window <- t(x[n, channel, rows, columns, drop = TRUE] * matrix(1, length(rows), length(columns)))
    at <- which.max(window) - 1
    h <- rows[at %/% length(columns) + 1]
    w <- columns[at %% length(columns) + 1]
    y[n, channel, i, j] <- x[n, channel, h, w]
    place[n, channel, i, j] <- (h - 1) * size[2] + w
    dx[n, channel, h, w] <- dx[n, channel, h, w] + dy[n, channel, i, j]
  }
  list(y = y, place = place, dx = dx)
}

test_that("the largest of any window, its place and its gradient, in both formats", {
  windows <- list(
    list(3, 2, 1, 1), list(2, 2, 0, 1), list(c(3, 2), c(1, 3), c(1, 0), c(2, 1)), list(5, 1, 2, 1),
    list(c(1, 7), 3, c(0, 3), 1)
  )
  set.seed(1)
  for (shape in list(c(2, 1, 9, 20), c(1, 3, 11, 10), c(2, 17, 9, 8))) {
    values <- array(sample(-9:9, prod(shape), TRUE), shape)
    for (window in lapply(windows, function(w) lapply(w, rep_len, 2))) {
      for (order in list(identity, channels_last)) {
        x <- order(torch_tensor(values, dtype = torch_float()))$requires_grad_(TRUE)
        pair <- do.call(nnf_max_pool2d, c(list(x), window, return_indices = TRUE))
        dy <- array(sample(-5:5, length(pair[[1]]), TRUE), dim(pair[[1]]))
        expected <- do.call(slow_max_pool, c(list(values, dy), window))
        do.call(nnf_max_pool2d, c(list(x), window))$backward(torch_tensor(dy, dtype = torch_float()))
        expect_equal(as.array(pair[[1]]), expected$y)
        expect_equal(as.numeric(pair[[2]]), as.numeric(expected$place))
        expect_equal(as.array(x$grad), expected$dx)
        expect_equal(as.array(with_no_grad(do.call(nnf_max_pool2d, c(list(x), window)))), expected$y)
        expect_identical(pair[[1]]$is_contiguous(), x$is_contiguous())
      }
    }
  }
})

test_that("windows that hold NaN, or nothing but -Inf", {
  x <- torch_full(c(1, 1, 4, 32), -Inf)
  x[1, 1, 1, 3] <- NaN
  for (order in list(identity, function(x) channels_last(x$expand(c(1, 20, 4, 32))))) {
    pair <- nnf_max_pool2d(order(x), 2, return_indices = TRUE)
    expect_true(is.nan(as.array(pair[[1]])[1, 1, 1, 2]))
    expect_equal(as.array(pair[[2]])[1, 1, 1, 2], 3)
    expect_equal(as.array(pair[[1]])[1, 1, 2, 5], -Inf)
    expect_equal(as.array(pair[[2]])[1, 1, 2, 5], 2 * 32 + 9)
  }
})

test_that("pooling has the same bits on one and two threads, and the same values in both formats", {
  threads <- torch_get_num_threads()
  on.exit(torch_set_num_threads(threads))
  pools <- list(
    function(x) nnf_max_pool2d(x, 3, 2, 1), function(x) nnf_avg_pool2d(x, 3, 2, 1, count_include_pad = FALSE),
    function(x) nnf_avg_pool2d(x, 7, 1), function(x) nnf_adaptive_avg_pool2d(x, c(5, 4)),
    function(x) nnf_adaptive_avg_pool2d(x, 1), function(x) nnf_adaptive_max_pool2d(x, c(4, 9))
  )
  for (shape in list(c(1, 1, 67, 61), c(2, 3, 40, 41), c(1, 24, 33, 34))) {
    values <- torch_randn(shape)
    for (pool in pools) {
      results <- lapply(list(identity, channels_last), function(order) {
        by_threads <- lapply(1:2, function(n) {
          torch_set_num_threads(n)
          x <- order(values)$detach()$requires_grad_(TRUE)
          y <- pool(x)
          (y * y)$sum()$backward()
          list(as.array(y$detach()), as.array(x$grad))
        })
        expect_identical(by_threads[[1]], by_threads[[2]])
        by_threads[[1]]
      })
      expect_equal(results[[1]], results[[2]], tolerance = 1e-6)
    }
  }
})
