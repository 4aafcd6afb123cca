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

# Dropout, shuffling, R's generator, a scheduler and two optimisers.
two_optimisers <- nn_module(
  initialize = function() {
    self$a <- nn_linear(2, 8)
    self$drop <- nn_dropout(0.5)
    self$b <- nn_linear(8, 1)
  },
  forward = function(x) self$b(self$drop(nnf_relu(self$a(x) + stats::runif(1)))),
  set_optimizers = function(lr) {
    list(one = optim_adam(self$a$parameters, lr = lr), two = optim_sgd(self$b$parameters, lr = lr, momentum = 0.9))
  },
  step = function() {
    ctx$loss <- list()
    for (name in c("one", "two")) {
      ctx$pred <- ctx$model(ctx$input)
      opt <- ctx$optimizers[[name]]
      opt$zero_grad()
      ctx$loss[[name]] <- nnf_mse_loss(ctx$pred, ctx$target)
      ctx$loss[[name]]$backward()
      opt$step()
    }
  }
)

test_that("a resumed run ends with the same bits, whatever the order of callbacks", {
  torch_manual_seed(1)
  data <- tensor_dataset(torch_randn(40, 2), torch_randn(40, 1))
  schedule <- function() luz_callback_lr_scheduler(lr_step, step_size = 2, gamma = 0.5, opt_name = "one")
  run <- function(...) {
    torch_manual_seed(3)
    set.seed(3)
    model <- two_optimisers %>% setup() %>% set_opt_hparams(lr = 0.05)
    suppressMessages(fit(model, dataloader(data, batch_size = 8, shuffle = TRUE), epochs = 7,
      callbacks = list(...), verbose = FALSE))
  }
  weights <- function(fitted) lapply(fitted$model$state_dict(), as_array)
  whole <- weights(run(schedule()))
  for (first in c("resume", "schedule")) {
    resume <- luz_callback_auto_resume(withr::local_tempfile())
    failing <- fail_at_5()
    callbacks <- list(resume = resume, schedule = schedule(), failing = failing)
    if (first == "schedule") callbacks <- callbacks[c("schedule", "failing", "resume")]
    failing_first <- first == "schedule"
    expect_error(rlang::inject(run(!!!unname(callbacks))))
    if (failing_first) failing$failed <- TRUE
    callbacks$schedule <- schedule()
    expect_identical(weights(rlang::inject(run(!!!unname(callbacks)))), whole, label = first)
  }
})

test_that("a checkpoint is the same whether the schedule is given before or after it", {
  saved <- lapply(1:2, function(k) {
    path <- withr::local_tempfile(.local_envir = parent.frame(2))
    checkpoint <- luz_callback_model_checkpoint(path, monitor = "train_loss")
    schedule <- luz_callback_lr_scheduler(lr_step, step_size = 1, gamma = 0.5)
    torch_manual_seed(2)
    fit(test_model(), linear_loader(20), epochs = 2, verbose = FALSE,
      callbacks = if (k == 1) list(checkpoint, schedule) else list(schedule, checkpoint))
    torch_load(path)
  })
  lr <- vapply(saved, function(s) s$optimizers$opt$param_groups[[1]]$lr, 0)
  expect_equal(lr, rep(0.01 * 0.25, 2))
  expect_equal(saved[[1]]$callbacks[order(names(saved[[1]]$callbacks))],
    saved[[2]]$callbacks[order(names(saved[[2]]$callbacks))])
  expect_length(saved[[1]]$random$tensors, 627)
})
