monitor_stop <- function(train, ..., epochs = length(train)) {
  fitted <- fit(scripted_model(train), scripted_loader(), epochs = epochs, verbose = FALSE,
    callbacks = luz_callback_early_stopping("train_loss", ...))
  nrow(get_metrics(fitted))
}

test_that("early stopping counts epochs without improvement", {
  expect_equal(monitor_stop(c(5, 4, 3, 4, 5, 6), patience = 2), 5)
  expect_equal(monitor_stop(c(5, 4, 4.5, 3, 4, 4, 4), patience = 2), 6)
  expect_equal(monitor_stop(c(5, 6, 7, 8, 9), patience = 10), 5)
})

test_that("early stopping with patience 0 stops at the second epoch", {
  expect_equal(monitor_stop(c(5, 4, 3), patience = 0), 2)
})

test_that("min_delta and baseline", {
  expect_equal(monitor_stop(c(5, 4.9, 4.8, 4.7), patience = 2, min_delta = 0.5), 3)
  expect_equal(monitor_stop(c(5, 4, 3, 2), patience = 2, baseline = 1), 2)
})

test_that("mode max and a least number of epochs", {
  expect_equal(monitor_stop(c(1, 2, 3, 2, 2), patience = 2, mode = "max"), 5)
  expect_equal(monitor_stop(c(1, 2, 3, 4, 5, 6), patience = 1, epochs = c(4, 6)), 4)
})

test_that("the chapter's run stops at epoch 13", {
  valid <- c(0.4433, 0.35, 0.31, 0.29, 0.27, 0.26, 0.25, 0.24, 0.235, 0.22, 0.2161, 0.2191, 0.2203, 0.2, 0.1)
  fitted <- fit(scripted_model(rep(0, 15), valid), scripted_loader(), epochs = 15, valid_data = scripted_loader(),
    verbose = FALSE, callbacks = list(luz_callback_early_stopping(patience = 2)))
  expect_equal(max(get_metrics(fitted)$epoch), 13)
})

test_that("the text on the console", {
  messages <- fit_messages(scripted_model(c(0.67816, 0.315, 0.5), c(0.44332, 1.285, 2)), scripted_loader(), epochs = 20,
    valid_data = scripted_loader(), callbacks = list(luz_callback_early_stopping(patience = 1)))
  expect_equal(messages, c(
    "Epoch 1/20", "Train metrics: Loss: 0.6782", "Valid metrics: Loss: 0.4433",
    "Epoch 2/20", "Train metrics: Loss: 0.315", "Valid metrics: Loss: 1.285",
    "Early stopping at epoch 2 of 20"
  ))
})

test_that("the messages of luz for a seeded model, digit by digit", {
  loader <- with_two_streams(1, linear_loader())
  run <- function(model, ...) {
    fit_messages(model, loader, epochs = 25, callbacks = list(luz_callback_early_stopping(...)))
  }
  first <- c(
    "1.6053", "1.5625", "1.5222", "1.4836", "1.4466", "1.4113", "1.3775", "1.3452", "1.3144", "1.285", "1.257",
    "1.2303", "1.2049", "1.1807", "1.1576", "1.1357", "1.1149", "1.0951"
  )
  expect_equal(
    run(linear_model(), monitor = "train_loss", patience = 1, min_delta = 0.02),
    c(rbind(paste0("Epoch ", 1:18, "/25"), paste("Train metrics: Loss:", first)), "Early stopping at epoch 18 of 25")
  )
  second <- c("1.279", "1.2552", "1.2335", "1.2127", "1.1927")
  expect_equal(
    run(linear_model(), monitor = "train_loss", patience = 5, baseline = 0.001),
    c(rbind(paste0("Epoch ", 1:5, "/25"), paste("Train metrics: Loss:", second)), "Early stopping at epoch 5 of 25")
  )
  fit(linear_model(), loader, epochs = 1, verbose = FALSE)
  expect_equal(
    run(linear_model(metrics = luz_metric_mae()), monitor = "train_mae", patience = 2, baseline = 0.91,
      min_delta = 0.01),
    c(
      "Epoch 1/25", "Train metrics: Loss: 1.2671 - MAE: 0.9163",
      "Epoch 2/25", "Train metrics: Loss: 1.2387 - MAE: 0.9058", "Early stopping at epoch 2 of 25"
    )
  )
})

test_that("on_early_stopping is called", {
  recorder <- breakpoint_recorder("on_early_stopping")
  fit(scripted_model(), scripted_loader(), epochs = 5, verbose = FALSE,
    callbacks = list(luz_callback_early_stopping("train_loss", patience = 1), recorder$callback))
  expect_equal(recorder$calls$names, "on_early_stopping")
})

test_that("numbers and texts that are none are refused when the callback is made", {
  expect_error(luz_callback_early_stopping(patience = "a"), "`patience` must be .* at least 0, but got \"a\"",
    class = "value_error")
  expect_error(luz_callback_early_stopping(patience = -1), "`patience`.*-1")
  expect_error(luz_callback_early_stopping(baseline = "low"), "`baseline`")
  expect_error(luz_callback_keep_best_model(min_delta = NA), "`min_delta`")
  expect_error(luz_callback_keep_best_model(mode = 1), '`mode` must be one of "min", "max" or "zero", but got 1')
  expect_error(luz_callback_model_checkpoint(1), "`path`")
})

test_that("a metric that is not there is named", {
  model <- scripted_model()
  expect_error(
    fit(model, scripted_loader(), verbose = FALSE, callbacks = luz_callback_early_stopping()),
    class = "candela_error"
  )
  message <- tryCatch(
    fit(model, scripted_loader(), verbose = FALSE, callbacks = luz_callback_early_stopping("train_acc")),
    error = function(e) conditionMessage(e$parent)
  )
  expect_match(message, "no metric `train_acc`.*train_loss")
})

test_that("checkpoints", {
  folder <- paste0(withr::local_tempdir(), "/")
  fit(scripted_model(c(3, 2, 5)), scripted_loader(), epochs = 3, verbose = FALSE,
    callbacks = luz_callback_model_checkpoint(folder, monitor = "train_loss"))
  expect_equal(sort(dir(folder)), paste0("epoch-0", 1:3, "-train_loss-", c("3.000", "2.000", "5.000"), ".pt"))
  folder <- withr::local_tempdir()
  fitted <- fit(scripted_model(c(3, 2, 5)), scripted_loader(), epochs = 3, verbose = FALSE,
    callbacks = luz_callback_model_checkpoint(file.path(folder, "e{epoch}.pt"), "train_loss", save_best_only = TRUE))
  expect_equal(sort(dir(folder)), c("e1.pt", "e2.pt"))
  expect_equal(as.numeric(fitted$model$weight$item()), 3)
  luz_load_checkpoint(fitted, file.path(folder, "e2.pt"))
  expect_equal(as.numeric(fitted$model$weight$item()), 2)
})

test_that("templates of paths", {
  expect_equal(fill_template("a-{epoch:03d}-{monitor:.2f}-{ctx$x}",
    list(epoch = 7L, monitor = 0.126, ctx = list(x = "y"))),
    "a-007-0.13-y")
})

test_that("the best model is kept", {
  fitted <- fit(scripted_model(c(3, 1, 2, 4)), scripted_loader(), epochs = 4, verbose = FALSE,
    callbacks = luz_callback_keep_best_model("train_loss"))
  expect_equal(as.numeric(fitted$model$weight$item()), 2)
})

test_that("an epoch without a finite value is never the best, and a warning says where it came from", {
  x <- torch_randn(8, 2)
  y <- x$sum(2, keepdim = TRUE)
  bad <- x$clone()
  bad[1, 1] <- NaN
  folder <- tempfile()
  train <- function(valid, ...) {
    warnings <- testthat::capture_warnings(fitted <- nn_linear %>%
      setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
      set_hparams(in_features = 2, out_features = 1) %>%
      set_opt_hparams(lr = 0.01) %>%
      fit(list(x, y), valid_data = valid, epochs = 3, verbose = FALSE, callbacks = list(...),
        dataloader_options = list(batch_size = 8)))
    list(fitted = fitted, warnings = warnings)
  }
  found <- train(list(bad, y), luz_callback_keep_best_model(),
    luz_callback_model_checkpoint(file.path(folder, "best-{epoch}.pt"), save_best_only = TRUE),
    luz_callback_early_stopping(patience = 1)
  )
  expect_length(list.files(folder), 0)
  expect_match(found$warnings, "not finite in validation batch 1 of epoch 1", all = FALSE)
  expect_match(found$warnings, "`valid_loss` is NaN in epoch 1", all = FALSE)
  expect_match(found$warnings, "the input has values that are not finite", all = FALSE)
  expect_equal(max(get_metrics(found$fitted)$epoch), 2)

  # NaN in the first epoch alone: the best is one of the others.
  spoil <- luz_callback(on_valid_end = function() {
    if (ctx$epoch == 1) ctx$log_metric("loss", NaN)
  })
  keep <- luz_callback_keep_best_model()
  found <- train(list(x, y), spoil(), keep)
  losses <- get_metrics(found$fitted)
  losses <- losses$value[losses$set == "valid"]
  expect_equal(keep$best, min(tail(losses, 2)))

  # Scores of predictions that are NaN look good: the epoch is not the best all the same.
  score <- luz_callback(on_valid_end = function() ctx$log_metric("score", ctx$epoch), on_epoch_begin = function() {
    if (ctx$epoch == 2) for (p in ctx$model$parameters) with_no_grad(p$mul_(NaN))
  })
  found <- train(list(x, y), score(), luz_callback_keep_best_model("valid_score", "max"))
  expect_true(all(is.finite(as_array(found$fitted$model$weight))))
  expect_match(found$warnings, "`valid_loss` is NaN in epoch 2", all = FALSE)
})

test_that("what made a loss that is not finite is told", {
  fit_with <- function(loss, target) {
    testthat::capture_warnings(nn_conv2d %>%
      setup(loss = loss, optimizer = optim_sgd) %>%
      set_hparams(in_channels = 1, out_channels = 2, kernel_size = 1) %>%
      set_opt_hparams(lr = 0.01) %>%
      fit(list(torch_randn(2, 1, 4, 4), target), epochs = 1, verbose = FALSE,
        dataloader_options = list(batch_size = 2)))
  }
  void <- torch_full(c(2, 4, 4), void_class, dtype = torch_long())
  expect_match(fit_with(nn_cross_entropy_loss(), void), "all are void", all = FALSE)
  ones <- torch_ones(2, 4, 4, dtype = torch_long())
  expect_match(fit_with(function(input, target) input$sum() * NaN, ones), "the loss itself is not", all = FALSE)
})

test_that("the epoch that ends training is logged and saved as any other", {
  folder <- withr::local_tempdir()
  path <- file.path(folder, "log.csv")
  fit(scripted_model(c(1, 2, 3)), scripted_loader(), epochs = 3, valid_data = scripted_loader(), verbose = FALSE,
    callbacks = list(
      luz_callback_early_stopping(patience = 1), luz_callback_csv_logger(path),
      luz_callback_model_checkpoint(file.path(folder, "{epoch}.pt"))
    ))
  expect_equal(max(read.csv(path)$epoch), 2)
  expect_true(file.exists(file.path(folder, "2.pt")))
})
