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
