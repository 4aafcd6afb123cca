test_that("luz_callback() makes constructors", {
  make <- luz_callback("mine", initialize = function(a, b = 2) self$sum <- a + b)
  expect_named(formals(make), c("a", "b"))
  callback <- make(1)
  expect_equal(class_names(callback), c("mine", "LuzCallback", "R6"))
  expect_equal(callback$sum, 3)
  child <- luz_callback("child", inherit = make)
  expect_s3_class(child(1), c("child", "mine", "LuzCallback"))
})

test_that("a callback that was not made is named", {
  expect_error(
    fit(scripted_model(), scripted_loader(), callbacks = list(luz_callback_progress), verbose = FALSE),
    "Callbacks must have class <LuzCallback> but got <function>.*Perhaps you forgot to initialize the callback\\?"
  )
})

test_that("weights order callbacks", {
  order <- c()
  note <- function(name, weight) {
    luz_callback(weight = weight, on_epoch_begin = function() order <<- c(order, name))()
  }
  fit(scripted_model(), scripted_loader(), epochs = 1, verbose = FALSE,
    callbacks = list(note("last", Inf), note("a", 0), note("b", 0), note("first", -1)))
  expect_equal(order, c("first", "a", "b", "last"))
})

test_that("errors in callbacks name callback and breakpoint", {
  failing <- luz_callback("failing", on_epoch_end = function() stop("no space left"))
  error <- expect_error(
    fit(scripted_model(), scripted_loader(), callbacks = failing(), verbose = FALSE),
    "Error while calling callback with class <failing/LuzCallback/R6> at on_epoch_end."
  )
  expect_equal(conditionMessage(error$parent), "no space left")
})

test_that("callbacks record no gradients, training does", {
  seen <- c()
  look <- luz_callback(on_train_batch_after_loss = function() {
    seen <<- c((ctx$model$fc$weight * 2)$requires_grad, ctx$loss_grad$requires_grad, ctx$loss$opt$requires_grad)
  })
  with_no_grad(fit(linear_model(), linear_loader(20), epochs = 1, callbacks = look(), verbose = FALSE))
  expect_equal(seen, c(FALSE, TRUE, FALSE))
})

test_that("ctx is protected and logs", {
  values <- list()
  look <- luz_callback(on_epoch_end = function() {
    ctx$log("notes", "epochs", ctx$epoch)
    ctx$log_metric("extra", 7)
    ctx$buffers$mine <- ctx$epoch
    values$input <<- ctx$device
  })
  fitted <- fit(scripted_model(), scripted_loader(), epochs = 2, callbacks = look(), verbose = FALSE)
  expect_equal(fitted$records$notes$epochs, c(1, 2))
  expect_equal(fitted$records$metrics$train[[2]]$extra, 7)
  expect_equal(values$input, "cpu")
  lock <- luz_callback(on_epoch_end = function() ctx$unknown <- 1)
  expect_error(fit(scripted_model(), scripted_loader(), callbacks = lock(), verbose = FALSE), "on_epoch_end")
  records <- luz_callback(on_epoch_end = function() ctx$records <- 1)
  expect_error(fit(scripted_model(), scripted_loader(), callbacks = records(), verbose = FALSE), "on_epoch_end")
})

test_that("profile: seconds of each phase", {
  fitted <- fit(scripted_model(), scripted_loader(), epochs = 3, valid_data = scripted_loader(), verbose = FALSE)
  expect_named(fitted$records$profile, c("train", "valid", "epoch", "fit"))
  expect_equal(lengths(fitted$records$profile), c(train = 3, valid = 3, epoch = 3, fit = 1))
})

rates <- function(model, ..., epochs = 3) {
  seen <- c()
  note <- luz_callback(weight = 1, on_train_batch_end = function() {
    seen <<- c(seen, ctx$optimizers[[1]]$param_groups[[1]]$lr)
  })
  fit(model, scripted_loader(), epochs = epochs, callbacks = list(..., note()), verbose = FALSE)
  seen
}

test_that("schedulers step after each epoch, or after each batch", {
  halve <- function(...) luz_callback_lr_scheduler(lr_step, step_size = 1, gamma = 0.5, ...)
  expect_equal(rates(scripted_model(), halve()), rep(c(0.1, 0.05, 0.025), each = 2))
  expect_equal(rates(scripted_model(), halve(call_on = "on_train_batch_end")), 0.1 * 0.5^(1:6))
  expect_equal(rates(scripted_model(), halve(opt_name = "opt")), rep(c(0.1, 0.05, 0.025), each = 2))
  expect_error(rates(scripted_model(), halve(opt_name = "other")), "on_fit_begin")
})

test_that("the chapter's schedule is made but never steps, with a warning", {
  expect_warning(
    callback <- luz_callback_lr_scheduler(lr_one_cycle, max_lr = 0.01, epochs = 20, steps_per_epoch = 115,
      call_on = "on_batch_end"),
    class = "candela_warning_breakpoint"
  )
  seen <- list()
  look <- luz_callback(on_train_batch_end = function() {
    group <- ctx$optimizers$opt$param_groups[[1]]
    seen <<- c(seen, list(c(group$lr, group$betas[[1]])))
  })
  expect_no_warning(fit(linear_model(), linear_loader(20), epochs = 2, callbacks = list(callback, look()),
    verbose = FALSE))
  expect_equal(seen, rep(list(c(4e-4, 0.95)), 4))
})

test_that("the warning lists the breakpoints", {
  expect_warning(luz_callback_lr_scheduler(lr_step, step_size = 1, call_on = "on_batch_end"),
    "never step.*on_train_batch_end")
})

test_that("plateau schedulers get the loss", {
  callback <- luz_callback_lr_scheduler(lr_reduce_on_plateau, patience = 0, factor = 0.1)
  seen <- rates(scripted_model(c(1, 0.5, 0.5, 0.5)), callback, epochs = 4)
  expect_lt(seen[8], 0.1)
  expect_equal(seen[1:4], rep(0.1, 4))
})

test_that("gradients are clipped before the step", {
  norms <- c()
  look <- luz_callback(weight = 1, on_train_batch_before_step = function() {
    squares <- vapply(ctx$model$parameters, function(p) as.numeric((p$grad * p$grad)$sum()$item()), numeric(1))
    norms <<- c(norms, sqrt(sum(squares)))
  })
  fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE,
    callbacks = list(luz_callback_gradient_clip(max_norm = 0.01), look()))
  expect_true(all(norms <= 0.0101))
  expect_error(luz_callback_gradient_clip(max_norm = "a"), "max_norm")
  expect_error(luz_callback_gradient_clip(norm_type = c(1, 2)), "norm_type")
})

test_that("metrics in a CSV file", {
  path <- withr::local_tempfile(fileext = ".csv")
  callback <- luz_callback_csv_logger(path)
  for (run in 1:2) {
    fitted <- fit(linear_model(metrics = luz_metric_mae()), linear_loader(20), epochs = 3,
      valid_data = linear_loader(20),
      callbacks = callback, verbose = FALSE)
  }
  logged <- read.csv(path)
  expect_named(logged, c("epoch", "set", "loss", "mae"))
  expect_equal(logged$epoch, rep(1:3, each = 2))
  expect_equal(logged$set, rep(c("train", "valid"), 3))
  metrics <- get_metrics(fitted)
  expect_equal(logged$loss[logged$set == "valid"], metrics$value[metrics$set == "valid" & metrics$metric == "loss"],
    tolerance = 1e-6)
})

test_that("the folder of the CSV file is made before training", {
  folder <- withr::local_tempdir()
  path <- file.path(folder, "logs", "run.csv")
  fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE, callbacks = luz_callback_csv_logger(path))
  expect_identical(nrow(read.csv(path)), 1L)
  below_a_file <- file.path(path, "more", "run.csv")
  expect_error(
    fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE,
      callbacks = luz_callback_csv_logger(below_a_file)),
    "on_fit_begin.*cannot be written: the folder"
  )
  expect_error(luz_callback_csv_logger(3), "`path` must be a single string, but got 3", class = "value_error")
})

test_that("a scheduler must be a function", {
  expect_error(luz_callback_lr_scheduler("one_cycle"), "`lr_scheduler` must be a function .* \"one_cycle\"",
    class = "value_error")
})

test_that("what is not available says so", {
  expect_error(luz_callback_mixed_precision(), class = "not_implemented_error")
  expect_error(luz_callback_tfevents(), "csv_logger", class = "not_implemented_error")
})

test_that("callbacks see the context as a field, and mixed precision can be turned off", {
  seen <- NULL
  look <- luz_callback(on_epoch_end = function() seen <<- c(identical(self$ctx, ctx), self$ctx$epoch))
  fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE,
    callbacks = list(look(), luz_callback_mixed_precision(enabled = FALSE)))
  expect_equal(seen, c(1, 1))
})

test_that("texts of the CSV file stand in quotes", {
  path <- withr::local_tempfile(fileext = ".csv")
  fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE, callbacks = luz_callback_csv_logger(path))
  lines <- readLines(path)
  expect_identical(lines[1], "\"epoch\",\"set\",\"loss\"")
  expect_match(lines[2], "^1,\"train\",[0-9.]+$")
})

test_that("points, names and norms are checked when a callback is made", {
  expect_error(luz_callback_lr_scheduler(lr_step, call_on = NULL), "`call_on` must be a single string")
  expect_error(luz_callback_lr_scheduler(lr_step, call_on = c("on_epoch_end", "on_fit_end")), "`call_on` must be")
  expect_error(luz_callback_lr_scheduler(lr_step, opt_name = 1), "`opt_name` must be")
  expect_error(luz_callback_gradient_clip(-1), "`max_norm` must be a single number of at least 0")
  for (norm in list(0, -2, NA, "a")) expect_error(luz_callback_gradient_clip(1, norm), "`norm_type` must be")
  expect_error(luz_metric_binary_accuracy("a")$new(), "`threshold` must be")
})
