points <- c(-8, -3.5, -1, -0.25, 0, 0.3, 1, 2.5, 7)

expect_function <- function(layer, expected) {
  expect_equal(as.numeric(layer(torch_tensor(points))), expected, tolerance = 1e-5)
}

test_that("activations are their formulas", {
  p <- points
  sigmoid <- 1 / (1 + exp(-p))
  expect_function(nn_relu(), pmax(p, 0))
  expect_function(nn_relu6(), pmin(pmax(p, 0), 6))
  expect_function(nn_leaky_relu(0.2), ifelse(p > 0, p, 0.2 * p))
  expect_function(nn_elu(1.5), ifelse(p > 0, p, 1.5 * (exp(p) - 1)))
  expect_function(nn_celu(1.5), ifelse(p > 0, p, 1.5 * (exp(p / 1.5) - 1)))
  expect_function(nn_selu(), 1.0507009873554805 * ifelse(p > 0, p, 1.6732632423543772 * (exp(p) - 1)))
  expect_function(nn_gelu(), p * stats::pnorm(p))
  expect_function(nn_gelu("tanh"), 0.5 * p * (1 + tanh(sqrt(2 / pi) * (p + 0.044715 * p^3))))
  expect_function(nn_silu(), p * sigmoid)
  expect_function(nn_mish(), p * tanh(log1p(exp(p))))
  expect_function(nn_hardswish(), p * pmin(pmax(p + 3, 0), 6) / 6)
  expect_function(nn_hardsigmoid(), pmin(pmax(p + 3, 0), 6) / 6)
  expect_function(nn_hardtanh(-2, 3), pmin(pmax(p, -2), 3))
  expect_function(nn_softplus(2), log1p(exp(2 * p)) / 2)
  expect_function(nn_sigmoid(), sigmoid)
  expect_function(nn_tanh(), tanh(p))
  expect_function(nn_log_sigmoid(), log(sigmoid))
})

test_that("inplace overwrites the input", {
  x <- torch_tensor(points)
  nn_relu(inplace = TRUE)(x)
  expect_equal(as.numeric(x), pmax(points, 0), tolerance = 1e-6)
  x <- torch_tensor(points)
  nn_relu6(inplace = TRUE)(x)
  expect_equal(as.numeric(x), pmin(pmax(points, 0), 6), tolerance = 1e-6)
})

test_that("prelu learns its slope", {
  layer <- nn_prelu()
  expect_equal(as.numeric(layer$weight$detach()), 0.25)
  y <- layer(torch_tensor(points))
  expect_equal(as.numeric(y$detach()), ifelse(points > 0, points, points / 4),
    tolerance = 1e-6)
  y$sum()$backward()
  expect_equal(as.numeric(layer$weight$grad), sum(points[points < 0]), tolerance = 1e-5)
})

test_that("softmax sums to one along its dimension", {
  x <- matrix(c(1, 2, 3, -1, 0, 5), 2)
  expected <- exp(x) / rowSums(exp(x))
  expect_equal(as.array(nn_softmax(2)(torch_tensor(x))), expected, tolerance = 1e-6)
  expect_equal(as.array(nn_log_softmax(2)(torch_tensor(x))), log(expected), tolerance = 1e-5)
})

test_that("dropout drops in training mode only", {
  layer <- nn_dropout(0.25)
  x <- torch_ones(4000)
  y <- as.numeric(layer(x))
  expect_setequal(round(y, 5), round(c(0, 4 / 3), 5))
  expect_equal(mean(y == 0), 0.25, tolerance = 0.15)
  layer$eval()
  expect_equal(as.numeric(layer(x)), rep(1, 4000))
  y <- as.array(nn_dropout2d(0.5)(torch_ones(20, 10, 2, 2)))
  expect_true(all(apply(y, 1:2, function(v) length(unique(as.vector(v))) == 1)))
  expect_setequal(as.vector(y), c(0, 2))
  expect_error(nn_dropout(1.5), "dropout probability has to be between 0 and 1", class = "value_error")
})
