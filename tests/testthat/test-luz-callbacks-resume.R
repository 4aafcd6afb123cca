fail_at_5 <- luz_callback("fail_at_5", weight = Inf, failed = FALSE, on_epoch_end = function() {
  if (ctx$epoch == 5 && !self$failed) {
    self$failed <- TRUE
    self$metrics <- ctx$get_metrics_df()
    stop("Error on epoch 5")
  }
})

test_model <- function() linear_model(optimizer = optim_adam) %>% set_opt_hparams(lr = 0.01)

test_that("the state is kept in the working directory where nothing else is said", {
  expect_equal(luz_callback_auto_resume()$path, "./state.pt")
  expect_error(luz_callback_auto_resume(path = 3), "`path` must be a single string, but got 3", class = "value_error")
})

test_that("the state is kept after an error, and deleted after success", {
  run <- function(...) fit(test_model(), linear_loader(20), epochs = 8, callbacks = list(...), verbose = FALSE)
  resume <- luz_callback_auto_resume(withr::local_tempfile())
  failing <- fail_at_5()
  expect_error(run(resume, failing), "on_epoch_end")
  expect_true(file.exists(resume$path))
  expect_message(run(resume, failing), "Resuming model training")
  expect_false(file.exists(resume$path))
})

test_that("metrics, weights and optimiser state survive the resume", {
  torch_manual_seed(7)
  loader <- linear_loader(40)
  run <- function(...) {
    torch_manual_seed(3)
    suppressMessages(fit(test_model(), loader, epochs = 8, callbacks = list(...), verbose = FALSE))
  }
  whole <- run()
  resume <- luz_callback_auto_resume(withr::local_tempfile())
  failing <- fail_at_5()
  expect_error(run(resume, failing))
  resumed <- run(resume, failing)
  expect_equal(get_metrics(resumed)[1:5, ], failing$metrics)
  expect_equal(get_metrics(resumed)$value, get_metrics(whole)$value, tolerance = 1e-6)
  expect_equal(as_array(resumed$model$fc$weight), as_array(whole$model$fc$weight), tolerance = 1e-6)
})

test_that("the state of callbacks and schedulers is restored", {
  counting <- luz_callback("counting", weight = Inf,
    initialize = function() self$i <- 1,
    on_epoch_end = function() self$i <- self$i + 1,
    state_dict = function() list(i = self$i),
    load_state_dict = function(state) self$i <- state$i
  )
  resume <- luz_callback_auto_resume(withr::local_tempfile())
  failing <- fail_at_5()
  first <- counting()
  schedule <- function() luz_callback_lr_scheduler(lr_step, step_size = 2, gamma = 0.5)
  expect_error(fit(test_model(), linear_loader(20), callbacks = list(schedule(), resume, first, failing),
    verbose = FALSE))
  expect_equal(first$i, 6)
  second <- counting()
  lr <- NULL
  look <- luz_callback(on_fit_end = function() lr <<- ctx$optimizers$opt$param_groups[[1]]$lr)
  suppressMessages(fit(test_model(), linear_loader(20), verbose = FALSE,
    callbacks = list(schedule(), resume, second, failing, look())))
  expect_equal(second$i, 10)
  expect_equal(lr, 0.01 * 0.5^5)
})

test_that("a run that stopped early counts as finished", {
  resume <- luz_callback_auto_resume(withr::local_tempfile())
  stop_early <- luz_callback_early_stopping("train_loss", patience = 1)
  fit(scripted_model(c(1, 2, 3)), scripted_loader(), epochs = 3, callbacks = list(resume, stop_early), verbose = FALSE)
  expect_false(file.exists(resume$path))
})

test_that("training starts from a checkpoint", {
  path <- withr::local_tempfile()
  first <- fit(test_model(), linear_loader(20), epochs = 2, verbose = FALSE,
    callbacks = luz_callback_model_checkpoint(path, monitor = "train_loss"))
  start <- NULL
  look <- luz_callback(on_epoch_begin = function() if (ctx$epoch == 1) start <<- as_array(ctx$model$fc$weight))
  fit(test_model(), linear_loader(20), epochs = 1, verbose = FALSE,
    callbacks = list(luz_callback_resume_from_checkpoint(path), look()))
  expect_equal(start, as_array(first$model$fc$weight))
  expect_warning(
    fit(test_model(), linear_loader(20), epochs = 1, verbose = FALSE,
      callbacks = luz_callback_resume_from_checkpoint(tempfile())),
    "no checkpoint"
  )
})
