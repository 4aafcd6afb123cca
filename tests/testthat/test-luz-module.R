test_that("setup() checks what it gets", {
  expect_error(setup(nn_linear, loss = "mse", optimizer = optim_sgd), "`loss` must be a function .* got \"mse\"")
  expect_error(setup(nn_linear, loss = nn_mse_loss(), optimizer = "adam"), "`optimizer` must be a function .* \"adam\"")
  expect_error(setup(nn_linear, optimizer = optim_sgd), "No loss function has been provided")
  expect_error(setup(nn_linear, loss = nn_mse_loss()), "No optimizer definition has been provided")
  expect_error(setup(nn_linear, nn_mse_loss(), optim_sgd, backward = 1), "single argument")
  expect_error(setup(lm), class = "type_error")
  expect_error(setup(nn_linear, nn_mse_loss(), optim_sgd, metrics = luz_metric_mae), "luz_metric_generator")
})

test_that("setup() returns a generator that can still be called", {
  generator <- setup(nn_linear, nn_mse_loss(), optim_sgd)
  expect_equal(class_names(generator), "luz_module_generator")
  expect_output(print(generator), "<luz_module_generator>", fixed = TRUE)
  model <- generator(3, 2)
  expect_s3_class(model, c("nn_linear", "nn_module"))
  expect_equal(model$device$type, "cpu")
})

test_that("hparams are replaced, not merged, and can be spliced", {
  generator <- setup(nn_linear, nn_mse_loss(), optim_sgd) %>%
    set_hparams(a = 1, b = 2) %>%
    set_hparams(!!!list(in_features = 3)) %>%
    set_opt_hparams(lr = 1) %>%
    set_opt_hparams(momentum = 0.5)
  expect_equal(attr(generator, "hparams"), list(in_features = 3))
  expect_equal(attr(generator, "opt_hparams"), list(momentum = 0.5))
})

test_that("breakpoints come in their order", {
  recorder <- breakpoint_recorder(setdiff(fit_breakpoints, c("on_interrupt", "on_early_stopping")))
  loader <- linear_loader(20)
  fit(linear_model(), loader, epochs = 1, valid_data = loader, verbose = FALSE, callbacks = recorder$callback)
  train <- paste0("on_train_batch_", c("begin", "after_pred", "after_loss", "before_backward", "before_step",
    "after_step", "end"))
  valid <- paste0("on_valid_batch_", c("begin", "after_pred", "after_loss", "end"))
  expect_equal(recorder$calls$names, c(
    "on_fit_begin", "on_epoch_begin", "on_train_begin", train, train, "on_train_end",
    "on_valid_begin", valid, valid, "on_valid_end", "on_epoch_end", "on_fit_end"
  ))
})

test_that("fit() trains a fresh model and records losses", {
  torch_manual_seed(1)
  x <- torch_randn(100, 10)
  y <- torch_matmul(x, torch_randn(10, 1))
  fitted <- linear_model(optimizer = optim_sgd) %>%
    set_opt_hparams(lr = 0.1) %>%
    fit(list(x, y), epochs = 20, valid_data = list(x, y), verbose = FALSE)
  expect_s3_class(fitted, "luz_module_fitted")
  metrics <- get_metrics(fitted)
  expect_named(metrics, c("set", "metric", "epoch", "value"))
  expect_equal(nrow(metrics), 40)
  valid <- metrics$value[metrics$set == "valid"]
  expect_lt(valid[20], 0.05 * valid[1])
  expect_equal(fitted$ctx, list(hparams = list(input_size = 10, output_size = 1), opt_hparams = list(lr = 0.1)))
})

test_that("the reported loss is the unweighted mean over batches", {
  x <- torch_randn(25, 10)
  y <- torch_randn(25, 1)
  fitted <- fit(linear_model(), list(x, y), epochs = 1, verbose = FALSE, dataloader_options = list(batch_size = 5))
  loader <- dataloader(tensor_dataset(x, y), batch_size = 10)
  losses <- c()
  with_no_grad(loop(for (b in loader) {
    losses <- c(losses, nnf_mse_loss(fitted$model(b[[1]]), b[[2]])$item())
  }))
  expect_equal(get_metrics(evaluate(fitted, loader))$value, mean(losses), tolerance = 1e-6)
})

test_that("modules can define loss, optimisers, step and backward", {
  called <- c()
  module <- nn_module(
    initialize = function() self$fc <- nn_linear(10, 1),
    forward = function(x) self$fc(x),
    loss = function(input, target) {
      called <<- union(called, class_name(ctx))
      nnf_mse_loss(input, target)
    },
    set_optimizers = function(lr = 0.01) optim_sgd(self$parameters, lr = lr)
  )
  fitted <- module %>%
    setup(backward = function(x) {
      called <<- union(called, paste("backward", ctx$epoch))
      x$backward()
    }) %>%
    fit(linear_loader(20), epochs = 1, verbose = FALSE)
  expect_setequal(called, c("luz_fit_context", "backward 1"))
})

test_that("several optimisers each have a loss", {
  module <- nn_module(
    initialize = function() {
      self$a <- nn_linear(10, 1)
      self$b <- nn_linear(10, 1)
    },
    forward = function(x) self$a(x) + self$b(x),
    set_optimizers = function() {
      list(one = optim_adam(self$a$parameters), two = optim_adam(self$b$parameters))
    }
  )
  messages <- fit_messages(setup(module, loss = nn_mse_loss()), linear_loader(20), epochs = 1)
  expect_match(messages[2], "^Train metrics: Loss: one: [0-9.]+ \\| two: [0-9.]+$")
  fitted <- fit(setup(module, loss = nn_mse_loss()), linear_loader(20), epochs = 1, verbose = FALSE)
  expect_equal(get_metrics(fitted)$metric, c("loss_one", "loss_two"))
})

test_that("an unnamed list of optimisers is an error", {
  module <- nn_module(inherit = nn_linear, set_optimizers = function() list(optim_sgd(self$parameters, lr = 1)))
  model <- module %>% setup(loss = nn_mse_loss()) %>% set_hparams(10, 1)
  expect_error(fit(model, linear_loader(20), verbose = FALSE), "List of optimizers is not named.", fixed = TRUE)
})

test_that("bad arguments of fit()", {
  model <- linear_model()
  x <- torch_randn(20, 10)
  y <- torch_randn(20, 1)
  expect_error(fit(model, list(x, y), epochs = c(3, 2)), class = "value_error")
  expect_error(fit(model, list(x, y), valid_data = 2), "valid_data must be a value between 0 and 1, got 2.000000",
    class = "value_error", fixed = TRUE)
  expect_error(fit(model, linear_loader(), valid_data = 0.5), class = "value_error")
  expect_error(fit(model, linear_loader(), dataloader_options = list(batch_size = 2)), "already a dataloader")
  expect_error(fit(model, list(x, y), verbos = FALSE))
  expect_error(fit(model, list(x, y)), "smaller `batch_size`", class = "value_error")
})

test_that("a share of the data is set aside for validation", {
  set.seed(1)
  sizes <- list()
  note <- luz_callback(on_fit_begin = function() {
    sizes <<- list(length(ctx$train_data$dataset), length(ctx$valid_data$dataset))
  })
  fit(linear_model(), list(torch_randn(100, 10), torch_randn(100, 1)), epochs = 1, valid_data = 0.2,
    callbacks = note(), verbose = FALSE)
  expect_equal(sizes, list(80L, 20L))
})

test_that("predictions are joined, in order and in evaluation mode", {
  torch_manual_seed(1)
  loader <- linear_loader(25)
  fitted <- fit(linear_model(), loader, epochs = 1, verbose = FALSE)
  predictions <- predict(fitted, loader)
  expect_equal(dim(predictions), c(25, 1))
  expect_false(predictions$requires_grad)
  expected <- with_no_grad(fitted$model(loader$dataset$x))
  expect_equal(as_array(predictions), as_array(expected), tolerance = 1e-6)
  expect_false(fitted$model$training)
  expect_length(predict(fitted, loader, stack = FALSE), 3)
  expect_warning(predict(fitted, loader$dataset$x, dataloader_options = list(shuffle = TRUE)), "will be ignored")
})

test_that("a predict method replaces forward", {
  module <- nn_module(inherit = nn_linear, predict = function(x) x$shape[1] * torch_ones(2, 1))
  fitted <- module %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_hparams(10, 1) %>%
    set_opt_hparams(lr = 0.01) %>%
    fit(linear_loader(20), epochs = 1, verbose = FALSE)
  expect_equal(as.numeric(as_array(predict(fitted, torch_randn(3, 10)))), c(3, 3))
})

test_that("an interrupt ends training, and the model is returned", {
  stop_at_3 <- luz_callback(on_train_batch_begin = function() if (ctx$epoch == 3) rlang::interrupt())
  recorder <- breakpoint_recorder(c("on_interrupt", "on_fit_end"))
  suppressMessages(expect_message(
    fitted <- fit(linear_model(), linear_loader(20), epochs = 5, verbose = FALSE,
      callbacks = list(stop_at_3(), recorder$callback)),
    "interrupted in epoch 3"
  ))
  expect_s3_class(fitted, "luz_module_fitted")
  expect_equal(nrow(get_metrics(fitted)), 2)
  expect_equal(recorder$calls$names, c("on_interrupt", "on_fit_end"))
  expect_equal(dim(predict(fitted, torch_randn(2, 10))), c(2, 1))
})

test_that("an interrupt of predict() is not swallowed", {
  fitted <- fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE)
  halt <- luz_callback(on_predict_batch_begin = function() rlang::interrupt())
  caught <- tryCatch(predict(fitted, linear_loader(20), callbacks = halt()), interrupt = function(e) "interrupted")
  expect_equal(caught, "interrupted")
})

test_that("losses that are not finite give one warning and do not stop training", {
  model <- scripted_model(train = c(1, NaN, Inf))
  warnings <- list()
  withCallingHandlers(
    fitted <- fit(model, scripted_loader(), epochs = 3, verbose = FALSE),
    warning = function(w) {
      warnings <<- c(warnings, list(w))
      invokeRestart("muffleWarning")
    }
  )
  expect_length(warnings, 1)
  expect_s3_class(warnings[[1]], "candela_warning_nan_loss")
  expect_match(conditionMessage(warnings[[1]]), "batch 1 of epoch 2")
  expect_equal(nrow(get_metrics(fitted)), 3)
})

test_that("training and evaluation mode alternate", {
  modes <- c()
  note <- luz_callback(
    on_train_batch_begin = function() modes <<- c(modes, ctx$model$training, ctx$training),
    on_valid_batch_begin = function() modes <<- c(modes, ctx$model$training, ctx$training)
  )
  fit(scripted_model(), scripted_loader(), epochs = 1, valid_data = scripted_loader(), callbacks = note(),
    verbose = FALSE)
  expect_equal(modes, rep(c(TRUE, FALSE), each = 4))
})

test_that("methods are found when another package makes a generic of the name", {
  expect_true(is.function(getS3method("predict", "candela_module_fitted")))
  expect_true(is.function(getS3method("plot", "candela_lr_records")))
  expect_identical(candela::fit, generics::fit)
})

test_that("a batch is freed although the frames of a user's forward() refer to it", {
  counts <- c()
  watch <- luz_callback(on_train_batch_begin = function() counts <<- c(counts, candela_info()$memory[["in_use"]]))
  keeper <- nn_module(
    initialize = function() self$fc <- nn_linear(2^16, 1),
    forward = function(x) {
      later <- function() x
      self$fc(x %>% torch_flatten(start_dim = 2))
    }
  )
  data <- list(torch_randn(200, 2^16), torch_randn(200, 1))
  model <- setup(keeper, loss = nn_mse_loss(), optimizer = optim_sgd) %>% set_opt_hparams(lr = 1e-6)
  fit(model, data, epochs = 1, callbacks = watch(), verbose = FALSE,
    dataloader_options = list(batch_size = 20))
  # Nine batches of 5 MiB were there.
  expect_lt(counts[[10]] - counts[[2]], 25 * 2^20)
})

test_that("the model gets the batch itself: in-place changes show, lists and attributes stay", {
  seen <- list()
  watch <- luz_callback(on_train_batch_after_pred = function() {
    if (ctx$iter == 1) seen <<- list(as_array(ctx$input$a), class(ctx$input$b))
  })
  takes_list <- nn_module(
    initialize = function() self$fc <- nn_linear(2, 1),
    forward = function(x) {
      with_no_grad(x$a$fill_(3))
      self$fc(x$a)
    }
  )
  data <- dataset(
    .getitem = function(i) list(x = list(a = torch_zeros(2), b = "text"), y = torch_zeros(1)),
    .length = function() 4L
  )()
  model <- setup(takes_list, loss = nn_mse_loss(), optimizer = optim_sgd) %>% set_opt_hparams(lr = 1e-6)
  fit(model, data, epochs = 1, callbacks = watch(), verbose = FALSE, dataloader_options = list(batch_size = 2))
  expect_equal(seen[[1]], matrix(3, 2, 2))
  expect_equal(seen[[2]], "character")
})

test_that("a batch is freed when the next takes its place, unless somebody keeps it", {
  bytes <- 8 * 2^20
  noise <- dataset(
    .getbatch = function(i) list(x = torch_full(c(length(i), 2^19), i[[1]]), y = torch_ones(length(i), 2^19)),
    .getitem = function(i) NULL, .length = function() 40L
  )()
  in_use <- c()
  kept <- list()
  watch <- luz_callback(on_train_batch_begin = function() {
    in_use <<- c(in_use, candela_info()$memory[["in_use"]])
    if (ctx$iter %in% c(2, 5)) kept[[length(kept) + 1]] <<- if (ctx$iter == 2) ctx$batch else ctx$target
  })
  fitted <- fit(scripted_model(), dataloader(noise, batch_size = 4), epochs = 1, callbacks = watch(), verbose = FALSE)
  expect_lt(in_use[[10]] - in_use[[6]], 1.5 * bytes)
  expect_equal(as_array(kept[[1]]$x[, 1]), rep(5, 4))
  expect_equal(dim(kept[[2]]), c(4, 2^19))
})

test_that("a module that was not set up says so", {
  expect_error(fit(nn_linear, list(matrix(0, 4, 2), matrix(0, 4, 1))), "setup()", fixed = TRUE, class = "type_error")
  expect_error(fit(nn_linear(2, 1), 1), "setup()", fixed = TRUE, class = "type_error")
})

test_that("a module itself is trained by a copy of it", {
  torch_manual_seed(1)
  net <- nn_module(
    initialize = function(inputs) {
      self$fc <- nn_linear(inputs, 1)
      self$norm <- nn_batch_norm1d(inputs)
      self$kept <- "a field"
      self$helper <- function(x) 2 * x
    },
    forward = function(x) self$helper(self$twice(self$fc(self$norm(x)))),
    twice = function(x) 2 * x,
    active = list(inputs = function() self$fc$in_features)
  )
  model <- net(3)
  model$fc$weight$requires_grad_(FALSE)
  before <- as.array(model$fc$bias$detach())
  x <- torch_randn(64, 3)
  data <- list(x, x$sum(2, keepdim = TRUE))
  prepared <- model %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_opt_hparams(lr = 0.01)
  fitted <- fit(prepared, data, epochs = 2, verbose = FALSE)
  expect_equal(as.array(model$fc$bias$detach()), before)
  expect_false(isTRUE(all.equal(as.array(fitted$model$fc$bias$detach()), before)))
  expect_equal(as.array(fitted$model$fc$weight), as.array(model$fc$weight))
  expect_equal(names(fitted$model$state_dict()), names(model$state_dict()))
  expect_equal(fitted$model$inputs, 3)
  expect_equal(fitted$model$kept, "a field")
  torch_manual_seed(2)
  again <- fit(prepared, data, epochs = 2, verbose = FALSE)
  torch_manual_seed(2)
  same <- fit(prepared, data, epochs = 2, verbose = FALSE)
  expect_equal(as.array(same$model$fc$bias$detach()), as.array(again$model$fc$bias$detach()))
  path <- tempfile()
  on.exit(unlink(path))
  luz_save(fitted, path)
  expect_equal(as.array(predict(luz_load(path), x)), as.array(predict(fitted, x)))
  expect_error(set_hparams(prepared, inputs = 3), "made already", class = "value_error")
})

# Two optimisers whose losses are 1 and 2.
two_losses <- nn_module(
  initialize = function() self$fc <- nn_linear(10, 1),
  forward = function(x) self$fc(x),
  loss = function(input, target) input$mean() * 0 + (if (ctx$opt_name == "one") 1 else 2),
  set_optimizers = function() {
    list(one = optim_sgd(self$parameters, lr = 0.1), two = optim_sgd(self$parameters, lr = 0.1))
  }
)

test_that("each of several optimisers has its own loss, in validation and evaluation too", {
  loader <- linear_loader(20)
  fitted <- fit(setup(two_losses), loader, epochs = 1, valid_data = loader, verbose = FALSE)
  metrics <- get_metrics(fitted)
  expect_equal(metrics$value, c(1, 2, 1, 2))
  expect_equal(metrics$metric, rep(c("loss_one", "loss_two"), 2))
  expect_equal(get_metrics(evaluate(fitted, loader))$value, c(1, 2))
})

test_that("ctx$step_opt takes an optimizer and may be replaced", {
  steps <- 0
  count <- luz_callback(on_fit_begin = function() {
    expect_s3_class(ctx$opt, "torch_optimizer")
    expect_identical(ctx$opt_name, "opt")
    ctx$step_opt <- function(opt) {
      steps <<- steps + 1
      opt$step()
    }
  })
  fit(linear_model(), linear_loader(20), epochs = 2, callbacks = count(), verbose = FALSE)
  expect_identical(steps, 4)
  unset <- luz_callback(on_fit_begin = function() ctx$opt)
  expect_error(fit(setup(two_losses), linear_loader(20), epochs = 1, callbacks = unset(), verbose = FALSE),
    "no current optimizer among 2")
})

test_that("predict() hands its arguments on, and joins lists", {
  module <- nn_module(
    initialize = function() self$fc <- nn_linear(10, 1),
    forward = function(x, times = 1) list(once = self$fc(x), scaled = list(self$fc(x) * times, x))
  )
  loader <- linear_loader(25)
  model <- setup(module, loss = function(input, target) nnf_mse_loss(input[[1]], target), optimizer = optim_sgd)
  fitted <- fit(set_opt_hparams(model, lr = 0.01), loader, epochs = 1, verbose = FALSE)
  predicted <- predict(fitted, loader, times = 3)
  expect_named(predicted, c("once", "scaled"))
  expect_equal(dim(predicted$once), c(25L, 1L))
  expect_equal(as_array(predicted$scaled[[1]]), 3 * as_array(predicted$once), tolerance = 1e-6)
  expect_equal(as_array(predicted$scaled[[2]]), as_array(loader$dataset$x))
  expect_length(predict(fitted, loader, stack = FALSE), 3)
})

test_that("drop_last is obeyed for predictions", {
  fitted <- fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE)
  options <- list(batch_size = 10, drop_last = TRUE)
  expect_equal(dim(predict(fitted, torch_randn(25, 10), dataloader_options = options)), c(20L, 1L))
})

test_that("a time limit raises its own error", {
  slow <- dataset(initialize = function() NULL, .getitem = function(i) list(torch_randn(4, 64, 64), torch_ones(1)),
    .length = function() 1e6)
  model <- nn_module(
    initialize = function() self$conv <- nn_conv2d(4, 8, 3),
    forward = function(x) self$conv(x)$mean(c(2, 3, 4))$unsqueeze(2)
  ) %>% setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>% set_opt_hparams(lr = 1e-6)
  on.exit(setTimeLimit())
  expect_error({
    setTimeLimit(elapsed = 0.4, transient = TRUE)
    fit(model, slow(), epochs = 1, verbose = FALSE)
  }, "time limit")
  x <- torch_randn(200, 200, requires_grad = TRUE)
  expect_error({
    setTimeLimit(elapsed = 0.2, transient = TRUE)
    y <- x
    for (i in 1:20000) y <- torch_sin(y)
    y$sum()$backward()
  }, "time limit")
})

test_that("epochs are whole numbers, and hyperparameters belong to what setup() made", {
  model <- setup(nn_linear, nn_mse_loss(), optim_sgd)
  for (epochs in list(1.5, c(0.5, 2), 1e10, Inf, -1, NA, "1", 1:3)) {
    expect_error(fit(model, list(torch_randn(2, 1), torch_randn(2, 1)), epochs = epochs), "`epochs` must be",
      class = "value_error")
  }
  expect_error(set_opt_hparams(5), "what setup\\(\\) returns", class = "type_error")
  expect_error(set_hparams(nn_linear), "what setup\\(\\) returns", class = "type_error")
  expect_error(setup(nn_linear), "No loss function", class = "value_error")
  expect_error(candela:::join_batches(list()), "no batches", class = "value_error")
})
