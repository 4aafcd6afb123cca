test_that("learning rates rise to the last one, data are reused", {
  records <- lr_finder(linear_model(), linear_loader(40), steps = 10, verbose = FALSE)
  expect_s3_class(records, c("lr_records", "data.frame"))
  expect_named(records, c("lr", "loss"))
  expect_equal(records$lr, 1e-7 * (1e-1 / 1e-7)^((1:10) / 10))
  expect_true(all(is.finite(records$loss)))
  expect_equal(lr_finder(linear_model(), linear_loader(40), verbose = FALSE)$lr[c(1, 100)], c(1e-7 * 1e6^0.01, 0.1))
})

test_that("the optimiser uses these rates", {
  seen <- c()
  optimizer <- function(params, lr) {
    seen <<- c(seen, lr)
    optim_sgd(params, lr = lr)
  }
  model <- linear_model(optimizer = optimizer) %>% set_opt_hparams(lr = 5)
  lr_finder(model, linear_loader(20), steps = 3, start_lr = 1e-3, verbose = FALSE)
  expect_equal(seen, 1e-3)
})

test_that("compounding intervals", {
  lr <- lr_sequence(4, 1e-3, 1, FALSE)
  expected <- 1e-3
  for (k in 1:4) expected <- c(expected, expected[k] * (1 / expected[k])^(k / 4))
  expect_equal(lr, expected[-1])
})

test_that("losses that explode do not warn", {
  expect_no_warning(lr_finder(scripted_model(NaN), scripted_loader(), steps = 2, verbose = FALSE))
})

test_that("smoothing", {
  expect_equal(smoothed_loss(rep(2, 5)), rep(2, 5))
  expect_equal(smoothed_loss(c(1, 2)), c(1, (0.09 + 0.2) / 0.19))
})

test_that("records are drawn", {
  records <- structure(data.frame(lr = 10^(-5:-1), loss = 5:1), class = own_first(c("lr_records", "data.frame")))
  pdf(NULL)
  on.exit(dev.off())
  expect_silent(plot_lr_records_base(transform(records, smoothed = loss)))
  skip_if_not_installed("ggplot2")
  picture <- plot(records)
  expect_s3_class(picture, "ggplot")
  expect_equal(picture$labels$x, "Learning Rate")
})

test_that("a model with several optimisers is refused", {
  module <- nn_module(inherit = nn_linear, set_optimizers = function(...) list(a = optim_sgd(self$parameters, lr = 1)))
  model <- module %>% setup(loss = nn_mse_loss()) %>% set_hparams(10, 1)
  expect_error(lr_finder(model, linear_loader(20), verbose = FALSE), "on_fit_begin")
})
