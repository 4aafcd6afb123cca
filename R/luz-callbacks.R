#' @include class-generator.R
NULL

LuzCallback <- slim_class(R6::R6Class(
  classname = own_first("LuzCallback"),
  lock_objects = FALSE,
  public = list(
    weight = 0,
    initialize = function() NULL,
    ctx = NULL,
    set_ctx = function(ctx) {
      self$ctx <- ctx
      bind_context(self, ctx)
    }
  )
))

#' Define callbacks
#'
#' A callback runs code at certain points of [fit()][fit.luz_module_generator], [evaluate()] or `predict()`.
#' `luz_callback()` returns a function that makes callbacks.
#'
#' @details A method is called at the point it is named after, see the details of [fit()][fit.luz_module_generator]
#'   for the points of training; for predictions they are `on_predict_begin`, `on_predict_batch_begin`,
#'   `on_predict_batch_end` and `on_predict_end`. Methods see the callback as `self` and the state of training as
#'   `ctx`, with (among others) `ctx$model`, `ctx$optimizers`, `ctx$epoch`, `ctx$iter`, `ctx$batch`, `ctx$input`,
#'   `ctx$target`, `ctx$pred`, `ctx$loss`, `ctx$training`, `ctx$records`, `ctx$log(what, set, value)` and
#'   `ctx$log_metric(name, value)`. No gradients are recorded in callbacks.
#'
#'   Callbacks are called in the order of their field `weight` (0 if not set), then in the order given. Methods
#'   `state_dict()` and `load_state_dict(state)` save the state of a callback in checkpoints.
#' @inheritParams dataset
#' @param name Class name of the callbacks.
#' @param inherit The callback function to inherit from.
#' @return A function with the arguments of the `initialize` method.
#' @examples
#' print_loss <- luz_callback(
#'   on_train_batch_end = function() if (ctx$iter %% 10 == 0) print(ctx$loss$opt$item())
#' )
#' print_loss()
#' @export
luz_callback <- function(name = NULL, ..., private = NULL, active = NULL, parent_env = parent.frame(),
                         inherit = NULL) {
  class <- derive_class(name, inherit %||% LuzCallback, rlang::list2(...), private, active, parent_env)
  structure(constructor(class, NULL), class = NULL)
}

#' @export
print.candela_Callback <- function(x, ...) {
  cat(sprintf("<%s>\n", paste(class_names(x), collapse = "/")))
  invisible(x)
}

check_callbacks <- function(callbacks) {
  if (inherits(callbacks, "LuzCallback") || is.function(callbacks)) callbacks <- list(callbacks)
  for (callback in callbacks) {
    if (!inherits(callback, "LuzCallback")) {
      rlang::abort(c(
        sprintf("Callbacks must have class <LuzCallback> but got <%s>", paste(class_names(callback), collapse = "/")),
        i = if (is.function(callback)) "Perhaps you forgot to initialize the callback?"
      ), class = c("type_error", "candela_error"), call = NULL)
    }
  }
  as.list(callbacks)
}

order_callbacks <- function(callbacks) {
  weights <- vapply(callbacks, function(x) as.numeric(x$weight), numeric(1))
  callbacks[order(weights)]
}

default_fit_callbacks <- function() {
  list(
    luz_callback_profile(), luz_callback_train_valid(), luz_callback_metrics(), luz_callback_progress(),
    luz_callback_interrupt()
  )
}

default_evaluate_callbacks <- function() {
  list(luz_callback_train_valid(), luz_callback_metrics(), luz_callback_progress())
}

default_predict_callbacks <- function() list(luz_callback_train_valid(), luz_callback_progress())

#' Callbacks that are always there
#'
#' These are part of every training; there is no need to pass them. They time the phases, switch the model between
#' training and evaluation mode, compute the metrics, show the progress and handle interrupts.
#'
#' @details The time of each epoch and phase, in seconds, is in `fitted$records$profile`. The progress bar appears in
#'   terminals that can show one, or with `options(luz.force_progress_bar = TRUE)`; `options(luz.show_progress_bar_eta
#'   = FALSE)` leaves out the estimate of the time left.
#' @return A callback.
#' @examples
#' luz_callback_progress()
#' @name luz_callbacks_default
NULL

#' @rdname luz_callbacks_default
#' @export
luz_callback_profile <- luz_callback("profile_callback",
  started = list(),
  start = function(what) self$started[[what]] <- proc.time()[["elapsed"]],
  stop = function(what) ctx$log("profile", what, proc.time()[["elapsed"]] - self$started[[what]]),
  on_fit_begin = function() self$start("fit"),
  on_fit_end = function() self$stop("fit"),
  on_epoch_begin = function() self$start("epoch"),
  on_epoch_end = function() self$stop("epoch"),
  on_train_begin = function() self$start("train"),
  on_train_end = function() self$stop("train"),
  on_valid_begin = function() self$start("valid"),
  on_valid_end = function() if (!is.null(self$started$fit)) self$stop("valid")
)

#' @rdname luz_callbacks_default
#' @export
luz_callback_train_valid <- luz_callback("train_valid_callback",
  on_train_begin = function() {
    ctx$model$train()
    ctx$training <- TRUE
    ctx$loss <- list()
  },
  on_valid_begin = function() {
    ctx$model$eval()
    ctx$training <- FALSE
    ctx$loss <- list()
  },
  on_predict_begin = function() {
    ctx$model$eval()
    ctx$training <- FALSE
  }
)

#' @rdname luz_callbacks_default
#' @export
luz_callback_metrics <- luz_callback("metrics_callback",
  warned = FALSE,
  start = function(set) {
    metrics <- c(list(LuzMetricLoss()$new()), lapply(ctx$metric_generators[[set]], function(x) x$new()))
    for (metric in metrics) bind_context(metric, ctx)
    all <- ctx$metrics %||% list()
    all[[set]] <- metrics
    ctx$metrics <- all
  },
  update = function(set) {
    for (metric in ctx$metrics[[set]]) self$guard(metric, metric$update(ctx$pred, ctx$target))
  },
  finish = function(set) {
    for (metric in ctx$metrics[[set]]) {
      value <- self$guard(metric, metric$compute())
      if (is_tensor(value)) value <- as.numeric(value$item())
      ctx$log_metric(metric_name(metric), value)
      # For metrics by class of the best epoch.
      if (set == "valid" && inherits(metric, "luz_metric_overlap") && is.matrix(metric$confusion)) {
        ctx$log("confusion", set, metric$confusion, index = ctx$epoch, append = FALSE)
      }
    }
  },
  guard = function(metric, expr) {
    withCallingHandlers(expr, error = function(e) {
      rlang::abort(c(
        sprintf(
          'Error when evaluating metric with abbrev "%s" and class <%s>', metric_label(metric),
          paste(class_names(metric), collapse = "/")
        ),
        i = sprintf("The error happened at iter %d of epoch %d.", ctx$iter, ctx$epoch),
        i = sprintf("The model was in %s mode.", if (ctx$training) "training" else "validation")
      ), parent = e, call = NULL, class = "candela_error")
    })
  },
  warn_unless_finite = function(set) {
    if (self$warned || all(is.finite(ctx$metrics[[set]][[1]]$latest))) {
      return(invisible())
    }
    self$warned <- TRUE
    where <- sprintf("The loss is not finite in %sbatch %d of epoch %d", if (set == "valid") "validation " else "",
      ctx$iter, ctx$epoch)
    ctx$not_finite <- paste0(where, ": ", source_of_nan(ctx))
    rlang::warn(c(
      paste0(where, "; training goes on."), i = source_of_nan(ctx),
      i = "A lower learning rate, luz_callback_gradient_clip() or a check of the data may help."
    ), class = "candela_warning_nan_loss")
  },
  on_train_begin = function() self$start("train"),
  on_train_batch_end = function() {
    self$update("train")
    self$warn_unless_finite("train")
  },
  on_train_end = function() self$finish("train"),
  on_valid_begin = function() self$start("valid"),
  on_valid_batch_end = function() {
    self$update("valid")
    self$warn_unless_finite("valid")
  },
  on_valid_end = function() self$finish("valid")
)

# Where a loss that is not finite came from: the first on its way that was not.
source_of_nan <- function(ctx) {
  if (!all_finite(ctx$input)) {
    return("the input has values that are not finite.")
  }
  if (!all_finite(ctx$pred)) {
    return("the input is finite, but the model's output is not: its weights are too large or no longer numbers.")
  }
  if (is_tensor(ctx$target) && !is_float(ctx$target) && !as.logical((ctx$target != void_class)$any()$item())) {
    return("no target of the batch counts, all are void.")
  }
  "the model's output is finite: the loss itself is not."
}

all_finite <- function(x) {
  if (is.list(x) && !is_tensor(x)) {
    return(all(vapply(x, all_finite, NA)))
  }
  !is_tensor(x) || !is_float(x) || as.logical(torch_isfinite(x)$all()$item())
}

#' @rdname luz_callbacks_default
#' @export
luz_callback_progress <- luz_callback("progress_callback",
  weight = 0,
  bar = NULL,
  start = function() {
    if (ctx$verbose && shows_progress_bar()) self$bar <- LuzProgressBar$new(length(ctx$data))
  },
  tick = function(set = NULL) {
    if (!is.null(self$bar)) self$bar$tick(function() running_metrics(ctx$metrics[[set]]))
  },
  finish = function() {
    if (!is.null(self$bar)) self$bar$clear()
    self$bar <- NULL
  },
  say = function(...) if (ctx$verbose) rlang::inform(sprintf(...)),
  say_metrics = function(label, set) {
    values <- ctx$get_formatted_metrics(set, ctx$epoch)
    if (length(values) > 0) {
      text <- paste0(metric_labels(ctx$metrics[[set]])[names(values)], ": ", unlist(values), collapse = " - ")
      self$say("%s metrics: %s", label, text)
    }
  },
  on_epoch_begin = function() self$say("Epoch %d/%d", ctx$epoch, ctx$max_epochs),
  on_epoch_end = function() {
    self$say_metrics("Train", "train")
    self$say_metrics("Valid", "valid")
  },
  on_early_stopping = function() self$say("Early stopping at epoch %d of %d", ctx$epoch, ctx$max_epochs),
  on_interrupt = function() self$finish(),
  on_train_begin = function() self$start(),
  on_train_batch_end = function() self$tick("train"),
  on_train_end = function() self$finish(),
  on_valid_begin = function() self$start(),
  on_valid_batch_end = function() self$tick("valid"),
  on_valid_end = function() self$finish(),
  on_predict_begin = function() self$start(),
  on_predict_batch_end = function() self$tick(),
  on_predict_end = function() self$finish()
)

#' @rdname luz_callbacks_default
#' @export
luz_callback_interrupt <- luz_callback("interrupt_callback",
  on_fit_begin = function() {
    context <- ctx
    ctx$handlers$interrupt <- function(condition) context$call_callbacks("on_interrupt")
  },
  on_interrupt = function() {
    rlang::inform(sprintf(
      "Training was interrupted in epoch %d; the model is returned as trained so far.", ctx$epoch
    ))
  }
)

#' Learning rate schedules in training
#'
#' Steps a learning rate scheduler while a model is trained.
#'
#' @details The scheduler is made when training begins; making it may already change the learning rate and momentum:
#'   [lr_one_cycle()] starts with `max_lr / div_factor`. Schedulers whose `step()` has an argument `metrics` (such as
#'   [lr_reduce_on_plateau()]) get the current loss.
#' @param lr_scheduler A scheduler such as [lr_step()] or [lr_one_cycle()].
#' @param ... Arguments for the scheduler, other than the optimiser.
#' @param call_on The point at which the scheduler steps: `"on_epoch_end"` or, for schedules by batch,
#'   `"on_train_batch_end"`. With a name that is no such point (`"on_batch_end"`, for one) the scheduler never steps,
#'   as in luz; a warning of class `candela_warning_breakpoint` says so.
#' @param opt_name Name of the optimiser; needed only if the model has several.
#' @return A callback.
#' @examples
#' luz_callback_lr_scheduler(lr_step, step_size = 5)
#' @export
luz_callback_lr_scheduler <- function(lr_scheduler, ..., call_on = "on_epoch_end", opt_name = NULL) {
  check_function(lr_scheduler, "lr_scheduler", "lr_step")
  check_string(call_on, "call_on")
  if (!is.null(opt_name)) check_string(opt_name, "opt_name")
  if (!call_on %in% fit_breakpoints) warn_breakpoint(call_on)
  SchedulerCallback(lr_scheduler, rlang::list2(...), call_on, opt_name)
}

fit_breakpoints <- c(
  "on_fit_begin", "on_epoch_begin", "on_train_begin", "on_train_batch_begin", "on_train_batch_after_pred",
  "on_train_batch_after_loss", "on_train_batch_before_backward", "on_train_batch_before_step",
  "on_train_batch_after_step", "on_train_batch_end", "on_train_end", "on_valid_begin", "on_valid_batch_begin",
  "on_valid_batch_after_pred", "on_valid_batch_after_loss", "on_valid_batch_end", "on_valid_end", "on_epoch_end",
  "on_fit_end", "on_interrupt", "on_early_stopping"
)

warn_breakpoint <- function(call_on) {
  rlang::warn(c(
    sprintf('There is no breakpoint "%s": the learning rate scheduler will be made but will never step.', call_on),
    i = 'Use `call_on = "on_train_batch_end"` to step it after each batch, "on_epoch_end" after each epoch.',
    i = paste("The breakpoints are:", paste(fit_breakpoints, collapse = ", "))
  ), class = "candela_warning_breakpoint")
}

SchedulerCallback <- luz_callback("lr_scheduler_callback",
  initialize = function(lr_scheduler, arguments, call_on, opt_name) {
    self$make_scheduler <- lr_scheduler
    self$arguments <- arguments
    self$opt_name <- opt_name
    if (call_on != "on_fit_begin") self[[call_on]] <- function() self$step()
  },
  on_fit_begin = function() {
    optimizer <- find_optimizer(ctx$optimizers, self$opt_name)
    self$scheduler <- rlang::inject(self$make_scheduler(optimizer, !!!self$arguments))
    self$wants_loss <- "metrics" %in% names(formals(self$scheduler$step))
  },
  step = function() {
    if (self$wants_loss) self$scheduler$step(loss_number(ctx$loss, self$opt_name)) else self$scheduler$step()
  },
  state_dict = function() self$scheduler$state_dict(),
  load_state_dict = function(state) self$scheduler$load_state_dict(state)
)

find_optimizer <- function(optimizers, name) {
  if (is.null(name) && length(optimizers) == 1) {
    return(optimizers[[1]])
  }
  found <- if (!is.null(name)) optimizers[[name]]
  if (is.null(found)) {
    value_error(sprintf(
      "`opt_name` must be the name of an optimizer, one of %s, but got %s.",
      paste(names(optimizers), collapse = ", "), name %||% "NULL"
    ))
  }
  found
}

loss_number <- function(loss, name = NULL) {
  value <- if (is_tensor(loss)) loss else loss[[name %||% 1L]]
  if (is_tensor(value)) as.numeric(value$item()) else value
}

#' Clip gradients
#'
#' Scales the gradients down before each step of the optimiser if their norm is larger than `max_norm`, see
#' [nn_utils_clip_grad_norm_()].
#'
#' @param max_norm Largest norm of all gradients together, at least 0.
#' @param norm_type The order of the norm, above 0; `Inf` for the largest absolute value.
#' @return A callback.
#' @examples
#' luz_callback_gradient_clip(max_norm = 1)
#' @export
luz_callback_gradient_clip <- function(max_norm = 1, norm_type = 2) {
  check_number(max_norm, "max_norm", 0)
  if (!is_one_number(norm_type) || norm_type <= 0) refuse(norm_type, "norm_type", "a number above 0, or Inf")
  GradientClipCallback(max_norm, norm_type)
}

GradientClipCallback <- luz_callback("gradient_clip_callback",
  initialize = function(max_norm, norm_type) {
    self$max_norm <- max_norm
    self$norm_type <- norm_type
  },
  on_train_batch_before_step = function() {
    nn_utils_clip_grad_norm_(ctx$model$parameters, self$max_norm, self$norm_type)
  }
)

#' Log metrics to a CSV file
#'
#' Writes one row for the training set and one for the validation set after each epoch, with the columns `epoch`, `set`
#' and one for each metric. An existing file is replaced at the end of the first epoch; a missing folder is made.
#'
#' @param path Path of the file.
#' @return A callback.
#' @examples
#' luz_callback_csv_logger(tempfile(fileext = ".csv"))
#' @export
luz_callback_csv_logger <- luz_callback("csv_logger_callback",
  weight = 0,
  initialize = function(path) {
    check_string(path, "path")
    self$path <- path
  },
  on_fit_begin = function() {
    self$rows <- NULL
    make_folder_of(self$path)
  },
  # The whole file each time, so that it is whole also where the process is killed.
  on_epoch_end = function() {
    self$rows <- rbind(self$rows, self$row("train"), self$row("valid"))
    write_whole_file(self$path, function(part) utils::write.table(self$rows, part, sep = ",", row.names = FALSE))
  },
  row = function(set) {
    values <- flatten_metrics(as.list(ctx$get_metrics(set, ctx$epoch)))
    if (length(values) > 0) data.frame(epoch = ctx$epoch, set = set, as.list(values))
  }
)

#' Callbacks that are not available
#'
#' Mixed precision and TensorBoard logs are features of luz that this package does not have: computations are in
#' single precision, which is what a CPU does best; metrics can be logged with [luz_callback_csv_logger()].
#'
#' @param ...,logdir,histograms Not used.
#' @param enabled `FALSE`, for scripts that ask for mixed precision only where there is a GPU: the callback does
#'   nothing.
#' @return An error of class `not_implemented_error`; `luz_callback_mixed_precision(enabled = FALSE)`: a callback.
#' @examples
#' try(luz_callback_mixed_precision())
#' luz_callback_mixed_precision(enabled = FALSE)
#' @export
luz_callback_mixed_precision <- function(..., enabled = TRUE) {
  if (!isFALSE(enabled)) {
    not_implemented_error("Mixed precision is not available: the engine computes in single precision on the CPU.")
  }
  luz_callback("mixed_precision_callback")()
}

#' @rdname luz_callback_mixed_precision
#' @export
luz_callback_tfevents <- function(logdir = "logs", histograms = FALSE, ...) {
  not_implemented_error("TensorBoard logs are not available. Use luz_callback_csv_logger() to log the metrics.")
}
