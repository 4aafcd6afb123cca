# Densities, entropies, means and variances are compared with PyTorch's numbers in function-numbers.txt.

distributions <- list(
  normal = distr_normal(c(-1, 2), c(0.5, 3)), bernoulli = distr_bernoulli(c(0.2, 0.9)),
  gamma = distr_gamma(c(0.3, 8), 2),
  chi2 = distr_chi2(c(1, 6)), poisson = distr_poisson(c(0.5, 20)),
  multivariate = distr_multivariate_normal(c(1, -1), matrix(c(2, 0.6, 0.6, 1), 2)),
  mixture = distr_mixture_same_family(distr_categorical(c(0.3, 0.7)), distr_normal(c(-2, 3), c(1, 0.5)))
)

test_that("draws have the mean and the variance that the distribution says", {
  torch_manual_seed(2)
  for (name in names(distributions)) {
    d <- distributions[[name]]
    draws <- d$sample(4000)
    expect_equal(dim(draws), as.integer(c(4000, d$batch_shape, d$event_shape)), info = name)
    off <- as_array(abs(draws$mean(1) - d$mean) / d$stddev)
    expect_lt(max(off), 4 / sqrt(4000), label = name)
    expect_lt(max(abs(as_array(draws$var(1) / d$variance) - 1)), 0.25, label = name)
    expect_false(draws$requires_grad)
  }
})

test_that("classes count from 1 and come as often as they should", {
  torch_manual_seed(1)
  d <- distr_categorical(rbind(c(1, 1, 2), c(0, 1, 0)))
  draws <- as_array(d$sample(c(2000, 1)))
  expect_equal(dim(draws), c(2000L, 1L, 2L))
  expect_true(all(draws[, 1, 2] == 2))
  expect_equal(tabulate(draws[, 1, 1]) / 2000, c(0.25, 0.25, 0.5), tolerance = 0.1)
  expect_equal(as_array(exp(d$log_prob(3L))), c(0.5, 0), tolerance = 1e-5)
  expect_equal(dim(d$enumerate_support()), c(3L, 2L))
  expect_true(all(is.nan(as_array(d$mean))))
})

test_that("draws carry gradients to the parameters, by the derivative at the same place of the distribution", {
  torch_manual_seed(3)
  loc <- torch_tensor(c(1, 2), requires_grad = TRUE)
  scale <- torch_tensor(c(0.5, 2), requires_grad = TRUE)
  x <- distr_normal(loc, scale)$rsample(3)
  x$sum()$backward()
  expect_equal(as_array(loc$grad), c(3, 3))
  expect_equal(as_array(scale$grad), as_array(((x - loc) / scale)$sum(1)$detach()), tolerance = 1e-6)

  a <- torch_tensor(c(0.05, 0.8, 3, 60), dtype = "double", requires_grad = TRUE)
  rate <- torch_tensor(2, dtype = "double", requires_grad = TRUE)
  x <- distr_gamma(a, rate)$rsample()
  x$sum()$backward()
  z <- as_array(x$detach()) * 2
  u <- pgamma(z, as_array(a$detach()))
  at <- function(h) qgamma(u, as_array(a$detach()) + h)
  h <- 1e-4 * as_array(a$detach())
  expect_equal(as_array(a$grad), (at(h) - at(-h)) / (2 * h) / 2, tolerance = 1e-5)
  expect_equal(as_array(rate$grad), -sum(z) / 4)
})

test_that("the densities of draws integrate to one", {
  grid <- seq(0.0005, 40, by = 0.001)
  for (d in list(distr_gamma(3, 0.7), distr_chi2(5))) {
    expect_equal(sum(as_array(exp(d$log_prob(grid)))) * 0.001, 1, tolerance = 1e-3)
  }
})

test_that("parameters broadcast, and expand", {
  d <- distr_normal(torch_zeros(3, 1), torch_ones(4))
  expect_equal(d$batch_shape, c(3, 4))
  expect_equal(dim(d$expand(c(2, 3, 4))$sample()), c(2L, 3L, 4L))
  expect_equal(dim(distr_bernoulli(0.5)$expand(5)$sample()), 5L)
  expect_equal(dim(distr_categorical(c(1, 1))$expand(4)$sample(3)), c(3L, 4L))
  expect_equal(dim(distr_chi2(2)$expand(4)$sample(3)), c(3L, 4L))
  expect_equal(dim(distributions$multivariate$expand(4)$sample(3)), c(3L, 4L, 2L))
  mixed <- distr_mixture_same_family(distr_categorical(torch_ones(5, 2)),
    distr_multivariate_normal(torch_zeros(5, 2, 3), torch_eye(3)))
  expect_equal(dim(mixed$sample(7)), c(7L, 5L, 3L))
  expect_equal(dim(mixed$log_prob(mixed$sample(7))), c(7L, 5L))
  expect_equal(as_array(mixed$variance), matrix(1, 5, 3), tolerance = 1e-6)
  expect_output(print(d), "<torch_Normal> batch [3, 4], event []", fixed = TRUE)
})

test_that("what does not belong together is refused, and with validation what lies outside", {
  expect_error(distr_bernoulli(), "Either `probs` or `logits`", class = "value_error")
  expect_error(distr_categorical(c(1, 1), c(1, 1)), "not both", class = "value_error")
  expect_error(distr_multivariate_normal(c(0, 0)), "Exactly one", class = "value_error")
  expect_error(distr_multivariate_normal(c(0, 0), diag(3)), "must be ... x n x n", class = "value_error")
  expect_error(distr_mixture_same_family(distr_normal(0, 1), distr_normal(0, 1)), "distr_categorical")
  expect_error(distr_mixture_same_family(distr_categorical(c(1, 1)), distr_normal(c(0, 0, 0), 1)), "2 components",
    class = "value_error")
  expect_error(distr_normal(0, -1, validate_args = TRUE), "`scale` must hold numbers above 0", class = "value_error")
  outside <- function(d, value, message) expect_error(d$log_prob(value), message, class = "value_error")
  outside(distr_poisson(2, validate_args = TRUE), 1.5, "whole numbers of at least 0")
  outside(distr_bernoulli(0.5, validate_args = TRUE), 2, "`value` must hold 0 and 1")
  outside(distr_categorical(c(1, 1), validate_args = TRUE), 3L, "classes from 1 to 2")
  expect_error(distr_poisson(1)$entropy(), "torch_Poisson has no entropy()", fixed = TRUE)
  expect_error(distr_normal("a", 1), "`loc` must be a tensor", class = "value_error")
})

test_that("numbers take the dtype of the tensor beside them, others the default one", {
  x <- torch_tensor(c(-1, 3), dtype = "double")
  expect_equal(as_array(distr_normal(x * 0, 2)$log_prob(x)), dnorm(c(-1, 3), 0, 2, TRUE), tolerance = 1e-12)
  expect_equal(as_array(distr_normal(0, 2)$log_prob(x)), dnorm(c(-1, 3), 0, 2, TRUE), tolerance = 1e-6)
})

test_that("a likelihood is learned", {
  torch_manual_seed(4)
  counts <- distr_poisson(torch_tensor(c(3, 9)))$sample(500)
  log_rate <- torch_zeros(2, requires_grad = TRUE)
  opt <- optim_adam(log_rate, lr = 0.1)
  for (i in 1:200) {
    opt$zero_grad()
    (-distr_poisson(exp(log_rate))$log_prob(counts)$mean())$backward()
    opt$step()
  }
  expect_equal(as_array(exp(log_rate$detach())), as_array(counts$mean(1)), tolerance = 0.02)
})
