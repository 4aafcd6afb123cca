numbers <- function(x) as.array(x$detach())

normalise <- function(x, eps = 1e-5) (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)

test_that("batch norm uses the batch in training mode and keeps running statistics", {
  layer <- nn_batch_norm2d(2)
  expect_named(layer$state_dict(), c("weight", "bias", "running_mean", "running_var", "num_batches_tracked"))
  x <- torch_randn(3, 2, 4, 5)
  y <- numbers(layer(x))
  plain <- numbers(x)
  for (k in 1:2) {
    expect_equal(y[, k, , ], normalise(plain[, k, , ]), tolerance = 1e-5)
    expect_equal(numbers(layer$running_mean)[k], 0.1 * mean(plain[, k, , ]), tolerance = 1e-5)
    expect_equal(numbers(layer$running_var)[k], 0.9 + 0.1 * stats::var(as.vector(plain[, k, , ])), tolerance = 1e-5)
  }
  expect_equal(as.numeric(layer$num_batches_tracked), 1)
})

test_that("batch norm uses the running statistics in evaluation mode", {
  layer <- nn_batch_norm1d(2)$eval()
  layer$running_mean$fill_(2)
  layer$running_var$fill_(4)
  x <- torch_randn(3, 2)
  expect_equal(numbers(layer(x)), (numbers(x) - 2) / sqrt(4 + 1e-5), tolerance = 1e-5)
  expect_equal(as.numeric(layer$num_batches_tracked), 0)
})

test_that("without momentum batch norm averages all batches", {
  layer <- nn_batch_norm1d(1, momentum = NULL)
  a <- torch_randn(8, 1)
  b <- torch_randn(8, 1)
  layer(a)
  layer(b)
  expect_equal(as.numeric(layer$running_mean), (mean(numbers(a)) + mean(numbers(b))) / 2, tolerance = 1e-5)
})

test_that("batch norm without parameters or statistics", {
  layer <- nn_batch_norm2d(2, affine = FALSE, track_running_stats = FALSE)
  expect_length(layer$state_dict(), 0)
  layer$eval()
  x <- torch_randn(2, 2, 3, 3)
  expect_equal(numbers(layer(x))[, 1, , ], normalise(numbers(x)[, 1, , ]), tolerance = 1e-5)
})

test_that("a missing count of batches is read as 0", {
  layer <- nn_batch_norm2d(2)
  state <- layer$state_dict()
  layer(torch_randn(2, 2, 3, 3))
  layer$load_state_dict(state[names(state) != "num_batches_tracked"])
  expect_equal(as.numeric(layer$num_batches_tracked), 0)
  expect_error(layer$load_state_dict(state[-1]), "Could not find weight in the state_dict")
})

test_that("the number of dimensions is checked", {
  expect_error(nn_batch_norm2d(2)(torch_randn(2, 2, 2)), "expected 4D input (got 3D input)", fixed = TRUE,
    class = "value_error")
  expect_error(nn_batch_norm1d(2)(torch_randn(2, 2, 2, 2)), "expected 2D or 3D input (got 4D input)", fixed = TRUE,
    class = "value_error")
  expect_error(nn_group_norm(2, 3), "must be divisible", class = "value_error")
})

test_that("layer, group and instance norm", {
  x <- torch_randn(2, 4, 3)
  y <- numbers(nn_layer_norm(c(4, 3))(x))
  expect_equal(y[2, , ], normalise(numbers(x)[2, , ]), tolerance = 1e-5)
  y <- numbers(nn_group_norm(2, 4)(x))
  expect_equal(y[2, 3:4, ], normalise(numbers(x)[2, 3:4, ]), tolerance = 1e-5)
  y <- numbers(nn_instance_norm1d(4)(x))
  expect_equal(y[1, 2, ], normalise(numbers(x)[1, 2, ]), tolerance = 1e-5)
  expect_named(nn_layer_norm(c(4, 3))$parameters, c("weight", "bias"))
  expect_length(nn_layer_norm(4, elementwise_affine = FALSE)$parameters, 0)
  expect_equal(dim(nn_layer_norm(c(4, 3))$weight), c(4L, 3L))
})

test_that("groups, rows and root mean squares follow their definitions, in both formats", {
  set.seed(2)
  values <- array(rnorm(2 * 6 * 5 * 7, 3), c(2, 6, 5, 7))
  weight <- rnorm(6)
  bias <- rnorm(6)
  expected <- values
  for (n in 1:2) for (group in 1:3) {
    members <- 2 * group - 1:0
    v <- values[n, members, , ]
    expected[n, members, , ] <- (v - mean(v)) / sqrt(mean((v - mean(v))^2) + 1e-5)
  }
  expected <- expected * rep(rep(weight, each = 2), 35) + rep(rep(bias, each = 2), 35)
  for (last in c(FALSE, TRUE)) {
    x <- torch_tensor(values)
    if (last) x <- x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
    y <- nnf_group_norm(x, 3, torch_tensor(weight), torch_tensor(bias))
    expect_equal(as.array(y), expected, tolerance = 1e-5)
    expect_identical(y$is_contiguous(), x$is_contiguous())
  }
  rows <- matrix(rnorm(21), 3)
  factors <- rnorm(7)
  expect_equal(
    as.array(nnf_rms_norm(torch_tensor(rows), 7, torch_tensor(factors), eps = 0.1)),
    rows / sqrt(rowMeans(rows^2) + 0.1) * rep(factors, each = 3), tolerance = 1e-6
  )
})

test_that("gradients of norms agree with differences, weights' and biases' too", {
  set.seed(3)
  x <- array(rnorm(2 * 4 * 3 * 2), c(2, 4, 3, 2))
  expect_gradient(function(x, w, b) nnf_group_norm(x, 2, w, b), x, rnorm(4), rnorm(4))
  expect_gradient(function(x, w, b) nnf_instance_norm(x, weight = w, bias = b), x, rnorm(4), rnorm(4))
  expect_gradient(function(x, w, b) nnf_layer_norm(x, c(3, 2), w, b), x, matrix(rnorm(6), 3), matrix(rnorm(6), 3))
  expect_gradient(function(x, w) nnf_rms_norm(x, 2, w), x, rnorm(2))
  last <- function(x) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
  expect_gradient(function(x, w) nnf_group_norm(last(x), 2, w), x, rnorm(4))
})

test_that("norms are right far from zero and the same on one and two threads", {
  threads <- torch_get_num_threads()
  on.exit(torch_set_num_threads(threads))
  values <- torch_randn(3, 20, 33, 35)
  norms <- list(function(x) nnf_group_norm(x, 5), function(x) nnf_layer_norm(x, 35), function(x) nnf_rms_norm(x, 35))
  for (norm in norms) {
    by_threads <- lapply(1:2, function(n) {
      torch_set_num_threads(n)
      x <- values$clone()$requires_grad_(TRUE)
      y <- norm(x)
      (y * y * y)$sum()$backward()
      list(as.array(y$detach()), as.array(x$grad))
    })
    expect_identical(by_threads[[1]], by_threads[[2]])
  }
  expect_equal(as.array(nnf_group_norm(values + 1000, 5)), as.array(nnf_group_norm(values, 5)), tolerance = 1e-3)
})

test_that("a layer of root mean squares has a weight and no bias", {
  layer <- nn_rms_norm(c(3, 4))
  expect_named(layer$parameters, "weight")
  expect_equal(dim(layer$weight), c(3L, 4L))
  expect_length(nn_rms_norm(4, elementwise_affine = FALSE)$parameters, 0)
  x <- torch_full(c(2, 3, 4), -2)
  expect_equal(as.array(layer(x)), array(-1, c(2, 3, 4)), tolerance = 1e-6)
  expect_error(nnf_rms_norm(x, 3), "last dimensions are \\[3\\]", class = "value_error")
  expect_error(nnf_rms_norm(x, 4, torch_ones(3)), "weight should contain 4 elements")
})
