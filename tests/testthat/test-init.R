values <- function(x) as.numeric(as.array(x$detach()))

test_that("gains are the recommended ones", {
  expect_equal(nn_init_calculate_gain("linear"), 1)
  expect_equal(nn_init_calculate_gain("conv_transpose2d"), 1)
  expect_equal(nn_init_calculate_gain("tanh"), 5 / 3)
  expect_equal(nn_init_calculate_gain("relu"), sqrt(2))
  expect_equal(nn_init_calculate_gain("leaky_relu"), sqrt(2 / (1 + 0.01^2)))
  expect_equal(nn_init_calculate_gain("leaky_relu", 0.5), sqrt(2 / 1.25))
  expect_equal(nn_init_calculate_gain("selu"), 3 / 4)
  expect_error(nn_init_calculate_gain("cube"), "Unsupported nonlinearity", class = "value_error")
})

test_that("uniform functions stay inside their bounds and fill them", {
  w <- torch_empty(64, 32, 3, 3)
  expect_range <- function(w, bound) {
    v <- values(w)
    expect_lte(max(abs(v)), bound)
    expect_gt(max(abs(v)), 0.99 * bound)
    expect_lt(abs(mean(v)), 0.05 * bound)
  }
  expect_range(nn_init_uniform_(w, -0.3, 0.3), 0.3)
  expect_range(nn_init_kaiming_uniform_(w, a = sqrt(5)), 1 / sqrt(32 * 9))
  expect_range(nn_init_kaiming_uniform_(w, mode = "fan_out", nonlinearity = "relu"), sqrt(6 / (64 * 9)))
  expect_range(nn_init_xavier_uniform_(w, gain = 2), 2 * sqrt(6 / (96 * 9)))
})

test_that("normal functions have their standard deviation", {
  w <- torch_empty(64, 32, 3, 3)
  expect_sd <- function(w, sd) expect_equal(stats::sd(values(w)) / sd, 1, tolerance = 0.03)
  expect_sd(nn_init_normal_(w, 0, 0.2), 0.2)
  expect_sd(nn_init_kaiming_normal_(w), sqrt(2 / (32 * 9)))
  expect_sd(nn_init_kaiming_normal_(w, mode = "fan_out"), sqrt(2 / (64 * 9)))
  expect_sd(nn_init_xavier_normal_(w), sqrt(2 / (96 * 9)))
  v <- values(nn_init_trunc_normal_(w, mean = 0.5, std = 1, a = 0, b = 1))
  expect_true(all(v >= 0 & v <= 1))
  expect_equal(mean(v), 0.5, tolerance = 0.02)
})

test_that("the same seed gives the same weights", {
  torch_manual_seed(5)
  a <- nn_linear(4, 3)
  torch_manual_seed(5)
  b <- nn_linear(4, 3)
  expect_equal(values(a$weight), values(b$weight))
  expect_equal(values(a$bias), values(b$bias))
})

test_that("constants, identity and dirac", {
  w <- torch_empty(2, 3)
  expect_equal(values(nn_init_constant_(w, 2.5)), rep(2.5, 6))
  expect_equal(values(nn_init_ones_(w)), rep(1, 6))
  expect_equal(values(nn_init_zeros_(w)), rep(0, 6))
  expect_equal(as.array(nn_init_eye_(w)), diag(1, 2, 3))
  k <- as.array(nn_init_dirac_(torch_empty(4, 2, 3, 3), groups = 2))
  expect_equal(which(k == 1, arr.ind = TRUE), rbind(c(1, 1, 2, 2), c(3, 1, 2, 2), c(2, 2, 2, 2), c(4, 2, 2, 2)),
    ignore_attr = TRUE)
  expect_error(nn_init_eye_(torch_empty(3)), class = "value_error")
})

test_that("orthogonal and sparse matrices", {
  for (shape in list(c(3, 5), c(5, 3), c(4, 4))) {
    w <- as.array(nn_init_orthogonal_(torch_empty(shape), gain = 2))
    products <- if (shape[1] <= shape[2]) w %*% t(w) else t(w) %*% w
    expect_equal(products, diag(4, min(shape)), tolerance = 1e-5)
  }
  w <- as.array(nn_init_sparse_(torch_empty(10, 4), sparsity = 0.25))
  expect_equal(colSums(w == 0), rep(3, 4))
})

test_that("filling records no gradient and returns the tensor", {
  p <- nn_parameter(torch_zeros(2, 2))
  same <- withVisible(nn_init_normal_(p))
  expect_false(same$visible)
  expect_identical(same$value, p)
  expect_true(p$requires_grad && p$is_leaf)
})

test_that("errors name what is wrong", {
  expect_error(nn_init_kaiming_normal_(torch_empty(3)), "fewer than 2 dimensions", class = "value_error")
  expect_error(nn_init_kaiming_normal_(torch_empty(3, 3), mode = "fan"), "`mode` must be", class = "value_error")
  expect_error(nn_init_zeros_(1), "`tensor` must be a tensor", class = "value_error")
})
