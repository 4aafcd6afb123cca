test_that("items are mixed with a permutation of the batch", {
  x <- torch_tensor(matrix(1:12, 4) * 1.0)
  y <- torch_tensor(1:4)
  weight <- torch_tensor(c(0.9, 0.8, 0.7, 0.6))
  torch_manual_seed(2)
  mixed <- nnf_mixup(x, y, weight)
  order <- as.numeric(as_array(mixed$y$ys$y2))
  expect_setequal(order, 1:4)
  w <- c(0.9, 0.8, 0.7, 0.6)
  expect_equal(as_array(mixed$x), (1 - w) * as_array(x) + w * as_array(x)[order, ], tolerance = 1e-6)
  expect_equal(dim(nnf_mixup(torch_randn(4, 2, 3, 3), y, weight)$x), c(4, 2, 3, 3))
})

test_that("the loss is the weighted sum of both", {
  loss <- nn_cross_entropy_loss()
  input <- torch_randn(3, 4)
  y1 <- torch_tensor(c(1L, 2L, 3L))
  y2 <- torch_tensor(c(4L, 2L, 1L))
  w <- c(0.9, 0.5, 0.6)
  each <- function(y) as.numeric(as_array(nnf_cross_entropy(input, y, reduction = "none")))
  mixup <- nn_mixup_loss(loss)
  expect_equal(mixup(input, list(list(y1, y2), torch_tensor(w)))$item(), mean((1 - w) * each(y1) + w * each(y2)),
    tolerance = 1e-6)
  expect_equal(mixup(input, y1)$item(), mean(each(y1)), tolerance = 1e-6)
  expect_equal(loss$reduction, "mean")
  expect_error(nn_mixup_loss(function(x, y) x), class = "value_error")
})

test_that("the callback mixes training batches", {
  module <- nn_module(initialize = function() self$fc <- nn_linear(10, 3), forward = function(x) self$fc(x))
  data <- list(torch_randn(40, 10), torch_tensor(rep(1:4, 10) %% 3L + 1L))
  run <- function(loss, ...) {
    module %>%
      setup(loss = loss, optimizer = optim_adam, metrics = luz_metric_accuracy()) %>%
      fit(data, epochs = 1, valid_data = data, callbacks = luz_callback_mixup(...), verbose = FALSE)
  }
  expect_s3_class(run(nn_mixup_loss(nn_cross_entropy_loss())), "luz_module_fitted")
  fitted <- run(nn_cross_entropy_loss(), auto_loss = TRUE, run_valid = TRUE)
  expect_true(all(get_metrics(fitted)$value > 0))
})

test_that("a loss that does not reduce is mixed by itself, and averaged in validation", {
  module <- nn_module(initialize = function() self$fc <- nn_linear(10, 3), forward = function(x) self$fc(x))
  x <- torch_randn(40, 10)
  y <- torch_tensor(rep(1:4, 10) %% 3L + 1L)
  fitted <- module %>%
    setup(loss = function(input, target) nnf_cross_entropy(input, target, reduction = "none"),
      optimizer = optim_adam) %>%
    fit(list(x, y), epochs = 1, valid_data = list(x, y), callbacks = luz_callback_mixup(auto_loss = TRUE),
      verbose = FALSE)
  metrics <- get_metrics(fitted)
  batches <- c(nnf_cross_entropy(fitted$model(x[1:32, ]), y[1:32])$item(),
    nnf_cross_entropy(fitted$model(x[33:40, ]), y[33:40])$item())
  expect_equal(metrics$value[metrics$set == "valid"], mean(batches), tolerance = 1e-5)
  expect_gt(metrics$value[metrics$set == "train"], 0)
})
