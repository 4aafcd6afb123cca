#' Prepare a module for training
#'
#' Adds to a module what [fit()][fit.luz_module_generator] needs: loss, optimiser, metrics.
#'
#' @details A module may define these methods itself, instead of getting them here: `loss(input, target)`;
#'   `set_optimizers(...)`, returning an optimiser or a named list of them; `backward(loss)`; `step()`, which replaces
#'   the whole training and validation step and works on the variable `ctx`; `predict(input)`, used instead of
#'   `forward()` for predictions. A module itself is trained as it is: each [fit()][fit.luz_module_generator] works on
#'   a copy of it, so that it keeps its weights, and starts from these again.
#' @section Defaults for segmentation:
#'   What is not given for [unet()] and the like is chosen:
#'   * the loss, by the classes of the training masks: cross entropy; where a class has more than ten times the pixels
#'     of another, cross entropy weighted by 1 / sqrt(frequency), plus [nn_dice_loss()]; for a single class binary cross
#'     entropy plus Dice. fit() tells which;
#'   * the metrics: mean intersection over union, [luz_metric_iou()], and [luz_metric_accuracy()];
#'   * the optimiser: Adam, with one cycle of the learning rate up to 0.005 (`lr` of `set_opt_hparams()`), batches of 8,
#'     40 epochs, and, where there are validation data, the weights of the epoch with the best mean intersection over
#'     union. Callbacks for the learning rate or the best model that are given take the place of these.
#' @param module A module generator, made by [nn_module()], or a module.
#' @param loss A function or loss module, called with predictions and targets.
#' @param optimizer An optimiser such as [optim_adam()], called with the parameters of the model.
#' @param metrics A metric such as [luz_metric_accuracy()], a list of metrics, or a [luz_metric_set()].
#' @param backward A function of the loss tensor that computes the gradients.
#' @param ... For `set_hparams()`, arguments for the `initialize` method of the module; for `set_opt_hparams()`,
#'   arguments for the optimiser. Lists are spliced with `!!!`.
#' @return An object of class `luz_module_generator`.
#' @examples
#' nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd, metrics = luz_metric_mae()) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01)
#' @export
setup <- function(module, loss = NULL, optimizer = NULL, metrics = NULL, backward = NULL) {
  original <- if (is_nn_module(module)) module
  if (!is.null(original)) module <- blank_generator(module)
  class <- attr(module, "module", exact = TRUE)
  if (is.null(class) || !is.function(module) || !inherits(class, "R6ClassGenerator")) {
    type_error("`module` must be a module, or a module generator, made by nn_module().")
  }
  choices <- automatic_choices(class, loss, optimizer, metrics)
  check_setup(class, loss, optimizer, backward, choices)
  members <- luz_members(class, loss, optimizer, metrics, backward, choices)
  generator <- rlang::inject(nn_module(inherit = module, !!!members$public, active = members$active,
                                       parent_env = members$env))
  class(generator) <- own_first("luz_module_generator")
  attr(generator, "original") <- original
  attr(generator, "choices") <- choices
  generator
}

check_setup <- function(class, loss, optimizer, backward, choices) {
  if (is.null(loss) && !isTRUE(choices$loss) && !defines(class, "loss") && !defines(class, "step")) {
    value_error(c(
      "No loss function has been provided.",
      i = "Use the `loss` argument of `setup()`, or give the module a `loss` method."
    ))
  }
  if (is.null(optimizer) && !isTRUE(choices$optimizer) && !defines(class, "set_optimizers")) {
    value_error(c(
      "No optimizer definition has been provided.",
      i = "Use the `optimizer` argument of `setup()`, or give the module a `set_optimizers` method."
    ))
  }
  if (!is.null(loss)) check_function(loss, "loss", "nn_mse_loss()")
  if (!is.null(optimizer)) check_function(optimizer, "optimizer", "optim_adam")
  if (!is.null(backward) && !is.function(backward)) {
    value_error("backward should be a function with a single argument")
  }
}

# Whether a module class or one of its parents has that method, the common base class aside.
defines <- function(class, name) {
  while (!is.null(parent <- class$get_inherit())) {
    if (!is.null(class$public_methods[[name]]) || !is.null(class$active[[name]])) {
      return(TRUE)
    }
    class <- parent
  }
  FALSE
}

# The methods that are added to the module; functions given to setup() see `ctx` like methods do.
luz_members <- function(class, loss, optimizer, metrics, backward, choices = NULL) {
  loss <- with_context_env(loss)
  backward <- with_context_env(backward)
  public <- list(
    name = "luz_module",
    metrics = as_metric_set(metrics),
    context_envs = c(attr(loss, "context_env"), attr(backward, "context_env"))
  )
  if (!is.null(loss)) {
    loss_function <- if (inherits(loss, "nn_module_generator")) loss() else loss
    public$loss <- function(input, target) supervised_loss(loss_function, input, target)
  }
  if (isTRUE(choices$loss)) {
    public$loss <- function(input, target) {
      supervised_loss(function(input, target) automatic_loss(self$chosen_loss, input, target), input, target)
    }
  }
  if (isTRUE(choices$optimizer)) optimizer <- optim_adam
  if (!is.null(optimizer)) {
    public$set_optimizers <- function(...) optimizer(self$parameters, ...)
  }
  if (!is.null(backward)) {
    public$backward <- function(x) backward(x)
  } else if (!defines(class, "backward")) {
    public$backward <- function(x) x$backward()
  }
  if (!defines(class, "forward")) public$forward <- function(...) identity(...)
  active <- if (!defines(class, "device")) list(device = function() self$parameters[[1]]$device)
  list(public = public, active = active, env = environment())
}

with_context_env <- function(f) {
  if (!rlang::is_closure(f) || is.object(f)) {
    return(f)
  }
  env <- new.env(parent = environment(f))
  environment(f) <- env
  structure(f, context_env = list(env))
}

#' @export
print.candela_module_generator <- function(x, ...) {
  cat("<luz_module_generator>\n")
  invisible(x)
}

check_generator <- function(module) {
  if (!inherits(module, "luz_module_generator")) {
    type_error(sprintf("`module` must be what setup() returns, but got %s.", describe(module)))
  }
}

#' @rdname setup
#' @export
set_hparams <- function(module, ...) {
  check_generator(module)
  if (!is.null(attr(module, "original"))) {
    value_error("setup() got a module that is made already: give the arguments of set_hparams() to the module instead.")
  }
  attr(module, "hparams") <- rlang::list2(...)
  module
}

#' @rdname setup
#' @export
set_opt_hparams <- function(module, ...) {
  check_generator(module)
  attr(module, "opt_hparams") <- rlang::list2(...)
  module
}

#' Train a module
#'
#' Fits a module prepared with [setup()], for a number of epochs, and reports losses and metrics.
#'
#' @details Each epoch goes once through `data` in training mode (batch norms use batch statistics, dropout drops),
#'   then once through `valid_data` in evaluation mode. The reported loss is the mean over batches. Callbacks are
#'   called at these points, in this order (and none others):
#'
#'   `on_fit_begin`, then for each epoch `on_epoch_begin`, `on_train_begin`, for each batch `on_train_batch_begin`,
#'   `on_train_batch_after_pred`, `on_train_batch_after_loss`, `on_train_batch_before_backward`,
#'   `on_train_batch_before_step`, `on_train_batch_after_step`, `on_train_batch_end`; `on_train_end`,
#'   `on_valid_begin`, for each batch `on_valid_batch_begin`, `on_valid_batch_after_pred`,
#'   `on_valid_batch_after_loss`, `on_valid_batch_end`; `on_valid_end`, `on_epoch_end`; at last `on_fit_end`; besides
#'   `on_interrupt` and `on_early_stopping`.
#'
#'   An interrupt (Ctrl-C) ends the training; the model as trained so far is returned. If the loss is not finite,
#'   training goes on with one warning of class `candela_warning_nan_loss`.
#' @param object What [setup()] returned.
#' @param data Training data: a list with the datasets `train` and `valid`, such as
#'   [split()][split.segmentation_dataset] gives; a [dataloader()], or anything [as_dataloader()] accepts, which is
#'   shuffled and put into batches of 32; a last, incomplete batch is dropped.
#' @param epochs Number of epochs; or two numbers, the least (before which early stopping is not considered) and the
#'   largest.
#' @param callbacks A callback or list of callbacks, see [luz_callback()].
#' @param valid_data Validation data, as `data`; or a number between 0 and 1, the share of `data` to set aside.
#' @param accelerator See [accelerator()].
#' @param verbose Whether to report progress, on the standard error stream. `NULL`: in interactive sessions.
#' @param ... Must be empty.
#' @param dataloader_options List of arguments for [dataloader()], if `data` is not one.
#' @return An object of class `luz_module_fitted` with the trained `model`, `records` of the metrics, and `ctx`; see
#'   [get_metrics()], [predict()][predict.luz_module_fitted], [evaluate()], [luz_save()].
#' @examples
#' x <- torch_randn(64, 3)
#' fitted <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01) %>%
#'   fit(list(x, x$sum(2, keepdim = TRUE)), epochs = 2, verbose = FALSE)
#' get_metrics(fitted)
#' @name fit.luz_module_generator
#' @export
fit.candela_module_generator <- function(object, data, epochs = 10, callbacks = NULL, valid_data = NULL,
                                     accelerator = NULL, verbose = NULL, ..., dataloader_options = NULL) {
  rlang::check_dots_empty()
  choices <- attr(object, "choices")
  if (missing(epochs) && isTRUE(choices$optimizer)) epochs <- segmentation_epochs
  epochs <- check_epochs(epochs)
  if (is_parts(data)) {
    valid_data <- valid_data %||% data$valid
    data <- data$train
  }
  loaders <- fit_dataloaders(data, valid_data, automatic_options(data, dataloader_options, choices))
  ctx <- fit_context(object, callbacks, accelerator, verbose)
  ctx$train_data <- loaders$train
  ctx$valid_data <- loaders$valid
  ctx$min_epochs <- epochs[1]
  ctx$max_epochs <- epochs[2]
  if (inherits(ctx$model, "segmentation_model")) choose_defaults(ctx, choices)
  ctx$optimizers <- make_optimizers(ctx$model, ctx$opt_hparams)
  ctx$step_opt <- default_step_opt
  run_fit(ctx)
  fitted <- new_fitted(ctx)
  ctx$clean()
  fitted
}

#' @export
fit.candela_module <- function(object, ...) {
  type_error(paste(
    "A module is trained after setup(), which gives it a loss and an optimizer:",
    "module %>% setup(loss = ..., optimizer = ...) %>% fit(...), with the module generator that nn_module() returns."
  ))
}

# A model to be trained: made by the generator, or a copy of the module that setup() got.
new_model <- function(object, hparams) {
  model <- rlang::inject(object(!!!hparams))
  original <- attr(object, "original")
  if (!is.null(original)) take_members(module_object(model), module_object(original$clone(deep = TRUE)))
  model
}

fit_context <- function(object, callbacks, accelerator, verbose) {
  hparams <- as.list(attr(object, "hparams"))
  model <- new_model(object, hparams)
  LuzFitContext$new(
    verbose = verbose, accelerator = accelerator %||% LuzAccelerator$new(TRUE),
    callbacks = order_callbacks(c(default_fit_callbacks(), check_callbacks(callbacks))),
    model = model, metric_generators = model$metrics, hparams = hparams,
    opt_hparams = as.list(attr(object, "opt_hparams"))
  )
}

check_epochs <- function(epochs) {
  if (!is.numeric(epochs) || !length(epochs) %in% 1:2 || anyNA(epochs) || any(epochs != floor(epochs)) ||
        any(epochs < 0) || any(epochs >= 2^31)) {
    refuse(epochs, "epochs", "one or two whole numbers of at least 0")
  }
  if (length(epochs) == 1) epochs <- c(0, epochs)
  if (epochs[1] > epochs[2]) {
    value_error(sprintf("The least number of epochs, %g, is above the largest, %g.", epochs[1], epochs[2]))
  }
  as.integer(epochs)
}

make_optimizers <- function(model, opt_hparams) {
  optimizers <- rlang::inject(model$set_optimizers(!!!opt_hparams))
  if (is_optimizer(optimizers)) {
    return(list(opt = optimizers))
  }
  if (is.list(optimizers) && !rlang::is_named(optimizers)) {
    value_error("List of optimizers is not named.")
  }
  optimizers
}

new_fitted <- function(ctx) {
  structure(
    list(
      model = ctx$model, records = ctx$records,
      ctx = list(hparams = ctx$hparams, opt_hparams = ctx$opt_hparams)
    ),
    class = own_first("luz_module_fitted")
  )
}

run_fit <- function(ctx) {
  local_enable_grad()
  ctx$call_callbacks("on_fit_begin")
  with_exit_handlers(ctx$handlers, {
    for (epoch in seq_len(ctx$max_epochs)) {
      ctx$epoch <- epoch
      with_exit_handlers(ctx$epoch_handlers, fit_epoch(ctx))
    }
  })
  ctx$call_callbacks("on_fit_end")
}

# Evaluates `expr`; a condition of the class that names a handler ends it.
with_exit_handlers <- function(handlers, expr) {
  rlang::inject(tryCatch(expr, !!!handlers))
}

fit_epoch <- function(ctx) {
  ctx$call_callbacks("on_epoch_begin")
  train_epoch(ctx)
  if (!is.null(ctx$valid_data)) valid_epoch(ctx)
  ctx$call_callbacks("on_epoch_end")
}

train_epoch <- function(ctx) {
  step <- ctx$model$step %||% function() default_train_step(ctx)
  ctx$data <- ctx$train_data
  ctx$call_callbacks("on_train_begin")
  for_each_batch(ctx, function() {
    ctx$call_callbacks("on_train_batch_begin")
    step()
    ctx$call_callbacks("on_train_batch_end")
  })
  ctx$call_callbacks("on_train_end")
}

valid_epoch <- function(ctx) {
  step <- ctx$model$step %||% function() default_valid_step(ctx)
  ctx$data <- ctx$valid_data
  ctx$call_callbacks("on_valid_begin")
  with_no_grad(for_each_batch(ctx, function() {
    ctx$call_callbacks("on_valid_batch_begin")
    step()
    ctx$call_callbacks("on_valid_batch_end")
  }))
  ctx$call_callbacks("on_valid_end")
}

for_each_batch <- function(ctx, body) {
  ctx$iter <- 0L
  iterator <- if (is_dataloader(ctx$data)) ctx$data$.iter()
  next_batch <- if (is.null(iterator)) as_iterator(ctx$data) else function() iterator$.next()
  items <- function() if (inherits(iterator, "dataloader_iter")) iterator$items
  while (!is_exhausted(batch <- next_batch())) {
    replace_in(ctx, "batch", batch)
    ctx$iter <- ctx$iter + 1L
    naming_items(ctx, items, body)
    replace_in(ctx, "pred", NULL)
    ctx$loss_grad <- NULL
  }
}

# Tensors of the old value that nobody else refers to are freed at once. R's collector, which thinks them small, would
# leave them for a full collection.
replace_in <- function(ctx, name, value) release_all(replaced_in(ctx, name, value))

# A list of the old value.
replaced_in <- function(ctx, name, value) {
  old <- list(ctx[[name]])
  ctx[[name]] <- value
  old
}

# What the model makes of the input. That is behind handles of its own: frames of forward() may refer to these until R
# collects them, and the batch can be freed before.
prediction <- function(ctx, model) release_after(model(other_handles(ctx$input)))

default_train_step <- function(ctx) for (name in names(ctx$optimizers)) train_with(ctx, name)

# The part of a training step that is one optimiser's: its own prediction and its own loss.
train_with <- function(ctx, name) {
  ctx$opt_name <- name
  ctx$opt <- ctx$optimizers[[name]]
  ctx$pred <- prediction(ctx, ctx$model)
  ctx$call_callbacks("on_train_batch_after_pred")
  loss <- ctx$loss_fn(ctx$pred, ctx$target)
  ctx$loss_grad <- loss
  ctx$loss[[name]] <- loss$detach()
  ctx$call_callbacks("on_train_batch_after_loss")
  ctx$call_callbacks("on_train_batch_before_backward")
  ctx$model$backward(ctx$loss_grad)
  ctx$call_callbacks("on_train_batch_before_step")
  ctx$step_opt(ctx$opt)
  ctx$opt$zero_grad()
  ctx$call_callbacks("on_train_batch_after_step")
}

default_step_opt <- function(opt) opt$step()

# A loss may ask for `ctx$opt_name`, so each optimiser has its own.
default_valid_step <- function(ctx) {
  for (name in names(ctx$optimizers) %||% "opt") {
    ctx$opt_name <- name
    ctx$pred <- prediction(ctx, ctx$model)
    ctx$call_callbacks("on_valid_batch_after_pred")
    ctx$loss[[name]] <- ctx$loss_fn(ctx$pred, ctx$target)
    ctx$call_callbacks("on_valid_batch_after_loss")
  }
}

#' Evaluate a trained model
#'
#' Loss and metrics of a trained model on other data, in evaluation mode.
#'
#' @param object What [fit()][fit.luz_module_generator] returned.
#' @param data As for [fit()][fit.luz_module_generator].
#' @param ... Must be empty.
#' @param metrics Metrics to use instead of those of the model.
#' @inheritParams fit.luz_module_generator
#' @return An object of class `luz_module_evaluation`, see [get_metrics()].
#' @examples
#' x <- torch_randn(64, 3)
#' fitted <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01) %>%
#'   fit(list(x, x$sum(2, keepdim = TRUE)), epochs = 1, verbose = FALSE)
#' evaluate(fitted, list(x, x$sum(2, keepdim = TRUE)), metrics = luz_metric_mae())
#' @export
evaluate <- function(object, data, ..., metrics = NULL, callbacks = list(), accelerator = NULL, verbose = NULL,
                     dataloader_options = NULL) {
  rlang::check_dots_empty()
  check_fitted(object)
  ctx <- LuzEvaluateContext$new(
    verbose = verbose, accelerator = accelerator %||% LuzAccelerator$new(TRUE),
    callbacks = order_callbacks(c(default_evaluate_callbacks(), check_callbacks(callbacks))),
    model = object$model,
    metric_generators = if (is.null(metrics)) object$model$metrics else as_metric_set(metrics),
    hparams = object$ctx$hparams, opt_hparams = object$ctx$opt_hparams
  )
  ctx$valid_data <- as_valid_dataloader(data, dataloader_options)
  ctx$optimizers <- make_optimizers(ctx$model, ctx$opt_hparams)
  with_exit_handlers(ctx$handlers, valid_epoch(ctx))
  records <- ctx$records
  ctx$clean()
  structure(list(records = records), class = own_first("luz_module_evaluation"))
}

check_fitted <- function(object) {
  if (!inherits(object, "luz_module_fitted")) {
    type_error(sprintf(
      "Expected a trained model, as returned by fit(), but got an object of class <%s>.",
      paste(class_names(object), collapse = "/")
    ))
  }
  object
}

#' Predictions of a trained model
#'
#' Applies a trained model to new data, in evaluation mode and without recording gradients.
#'
#' @param object What [fit()][fit.luz_module_generator] returned.
#' @param newdata Data as for [fit()][fit.luz_module_generator]; the first element of each batch is the input. For
#'   models of pictures also one picture, a tensor channels x height x width. For models trained on a
#'   [segmentation_dataset()] also names of picture files, which are read as the training pictures were ([read_input()];
#'   see [segment()] for masks at the size of each file).
#' @param ... `stack = FALSE` gives the list of the predictions for each batch. Other arguments go to the model's
#'   `predict()` method or, where it has none, to `forward()`, after the input.
#' @inheritParams fit.luz_module_generator
#' @return A tensor: the outputs for all batches joined along the first dimension. Where the model returns a list, a
#'   list of such tensors.
#' @examples
#' x <- torch_randn(64, 3)
#' fitted <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01) %>%
#'   fit(list(x, x$sum(2, keepdim = TRUE)), epochs = 1, verbose = FALSE)
#' dim(predict(fitted, x))
#' @name predict.luz_module_fitted
#' @export
predict.candela_module_fitted <- function(object, newdata, ..., callbacks = list(), accelerator = NULL, verbose = NULL,
                                      dataloader_options = NULL) {
  arguments <- rlang::list2(...)
  stack <- arguments$stack %||% TRUE
  arguments$stack <- NULL
  ctx <- LuzPredictContext$new(
    verbose = verbose, accelerator = accelerator %||% LuzAccelerator$new(TRUE),
    callbacks = order_callbacks(c(default_predict_callbacks(), check_callbacks(callbacks))),
    model = object$model, metric_generators = NULL, hparams = object$ctx$hparams, opt_hparams = object$ctx$opt_hparams
  )
  ctx$data <- as_predict_dataloader(as_pictures(newdata, object$model), dataloader_options)
  ctx$pred <- list()
  predictions <- predict_batches(ctx, arguments)
  ctx$clean()
  if (stack) join_batches(predictions) else predictions
}

# Batches joined along the first dimension; where the model returns a list, element by element.
join_batches <- function(predictions) {
  if (length(predictions) == 0) value_error("predict() got no batches: the data have no items.")
  first <- predictions[[1]]
  if (is_tensor(first)) {
    torch_cat(predictions, dim = 1)
  } else if (is.list(first) && !is.object(first)) {
    parts <- lapply(seq_along(first), function(i) join_batches(lapply(predictions, `[[`, i)))
    stats::setNames(parts, names(first))
  } else {
    do.call(c, predictions)
  }
}

predict_batches <- function(ctx, arguments) {
  method <- ctx$model$predict %||% ctx$model
  apply_model <- function(input) rlang::inject(method(input, !!!arguments))
  predictions <- list()
  ctx$call_callbacks("on_predict_begin")
  with_exit_handlers(ctx$handlers, with_no_grad(for_each_batch(ctx, function() {
    ctx$call_callbacks("on_predict_batch_begin")
    ctx$pred <- prediction(ctx, apply_model)
    predictions[[length(predictions) + 1L]] <<- ctx$pred
    ctx$call_callbacks("on_predict_batch_end")
  })))
  ctx$call_callbacks("on_predict_end")
  predictions
}
