#' @include luz-callbacks.R
NULL

# Callbacks that watch a metric, named "<set>_<metric>" or, with several optimizers, "<set>_<metric>_<optimizer>".
MonitorCallback <- luz_callback("monitor_callback",
  initialize = function(monitor, mode, min_delta) {
    check_string(monitor, "monitor")
    check_number(min_delta, "min_delta")
    self$monitor <- monitor
    self$mode <- check_mode(mode)
    self$min_delta <- min_delta
    self$best <- NULL
  },
  current = function() monitored_value(ctx, self$monitor),
  improves = function(new) {
    switch(self$mode,
      min = self$best - self$min_delta > new,
      max = new - self$min_delta > self$best,
      zero = abs(self$best) - self$min_delta > abs(new)
    ) %in% TRUE
  },
  # Keeps the value if it is the first or better than the best so far. What is not finite is never the best, nor is an
  # epoch whose loss is not: metrics of predictions that are NaN may be any number.
  keep_if_best = function(new) {
    for (name in unique(c(self$monitor, paste0(sub("_.*", "", self$monitor), "_loss")))) {
      value <- if (name == self$monitor) new else loss_of_epoch(ctx, name)
      if (!all(is.finite(value))) {
        warn_not_best(ctx, name, value[!is.finite(value)][[1]])
        return(FALSE)
      }
    }
    is_best <- is.null(self$best) || self$improves(new)
    if (is_best) self$best <- new
    is_best
  },
  state_dict = function() list(best = self$best),
  load_state_dict = function(state) self$best <- state$best
)

# The losses of the optimisers in this epoch, "train_loss" or "valid_loss"; numeric() where none is logged.
loss_of_epoch <- function(ctx, name) {
  as.numeric(unlist(ctx$get_metrics(sub("_.*", "", name), ctx$epoch)[["loss"]]))
}

warn_not_best <- function(ctx, monitor, value) {
  rlang::warn(c(
    sprintf("`%s` is %s in epoch %d, which therefore does not count as the best.", monitor, format(value), ctx$epoch),
    i = ctx$not_finite
  ), class = "candela_warning_nan_metric")
}

check_mode <- function(mode) {
  check_choice(mode, "mode", c("min", "max", "zero"))
  mode
}

monitored_value <- function(ctx, monitor) {
  set <- sub("_.*", "", monitor)
  name <- sub("^[^_]*_", "", monitor)
  values <- ctx$get_metrics(set, ctx$epoch)
  value <- values[[name]] %||% values[[sub("_[^_]*$", "", name)]][[sub(".*_", "", name)]]
  if (is.null(value)) {
    value_error(sprintf(
      "There is no metric `%s` to monitor. %s", monitor,
      if (set == "valid" && is.null(values)) {
        "Give `valid_data` to fit(), or monitor a metric of the training set, such as \"train_loss\"."
      } else {
        paste("Metrics there are:", paste(monitored_names(ctx), collapse = ", "))
      }
    ))
  }
  unlist(value)[[1]]
}

monitored_names <- function(ctx) {
  unlist(lapply(c("train", "valid"), function(set) {
    names <- names(flatten_metrics(as.list(ctx$get_metrics(set, ctx$epoch))))
    if (length(names) > 0) paste(set, names, sep = "_")
  }))
}

#' Stop training early
#'
#' Ends training when a metric has stopped improving.
#'
#' @details In the first epoch (without `baseline`) the value is only noted. After that, an epoch is an improvement
#'   if the value is better than the best so far by more than `min_delta`. Training stops after `patience` epochs in a
#'   row without improvement, not before the least number of epochs given to [fit()][fit.luz_module_generator].
#'   `patience = 0` stops at the second epoch. A value that is not finite is no improvement, and never the best.
#'   The weights stay as they are after the last epoch, see [luz_callback_keep_best_model()].
#' @param monitor What to watch: `"train_"` or `"valid_"` and the name of the metric in lower case (`"loss"`,
#'   `"acc"`); with several optimizers followed by `"_"` and the name of one.
#' @param min_delta Smallest change that counts as improvement.
#' @param patience Number of epochs without improvement.
#' @param mode `"min"` if smaller is better, `"max"` if larger is, `"zero"` if closer to zero is.
#' @param baseline Value to beat from the first epoch on.
#' @return A callback.
#' @examples
#' luz_callback_early_stopping(patience = 2)
#' @export
luz_callback_early_stopping <- function(monitor = "valid_loss", min_delta = 0, patience = 0, mode = "min",
                                        baseline = NULL) {
  check_number(patience, "patience", least = 0)
  if (!is.null(baseline)) check_number(baseline, "baseline")
  EarlyStoppingCallback(monitor, min_delta, patience, mode, baseline)
}

# Last of all, so that the epoch that ends training is logged and checkpointed as any other.
EarlyStoppingCallback <- luz_callback("early_stopping_callback",
  inherit = MonitorCallback, weight = Inf,
  initialize = function(monitor, min_delta, patience, mode, baseline) {
    super$initialize(monitor, mode, min_delta)
    self$patience <- patience
    self$baseline <- baseline
  },
  on_fit_begin = function() {
    self$best <- self$baseline
    self$noted <- !is.null(self$baseline)
    self$waited <- 0
    context <- ctx
    ctx$handlers$early_stopping <- function(condition) context$call_callbacks("on_early_stopping")
  },
  on_epoch_end = function() {
    if (!self$count(self$current()) || self$waited < self$patience || ctx$epoch < ctx$min_epochs) {
      return(invisible())
    }
    rlang::signal("The monitored metric has stopped improving.", class = "early_stopping")
  },
  # Whether there was something to compare the value with.
  count = function(value) {
    compared <- self$noted
    self$noted <- TRUE
    self$waited <- if (self$keep_if_best(value)) 0 else self$waited + 1
    compared
  },
  state_dict = function() list(best = self$best, waited = self$waited),
  load_state_dict = function(state) {
    self$best <- state$best
    self$noted <- !is.null(state$best)
    self$waited <- state$waited
  }
)

#' Save checkpoints, keep the best model
#'
#' `luz_callback_model_checkpoint()` saves the state of training after each epoch, or only when a metric has improved;
#' see [luz_load_checkpoint()]. `luz_callback_keep_best_model()` gives the model the weights of its best epoch when
#' training ends.
#'
#' @param path Path of the files. Expressions in braces are replaced by their values, formatted as by [sprintf()] if a
#'   format follows a colon, and may use `epoch`, `monitor` (the value of the metric) and `ctx`. A path that ends
#'   with a slash stands for a folder, with files such as `epoch-01-valid_loss-0.123.pt`.
#' @param save_best_only Whether to save only after epochs in which the metric has improved.
#' @inheritParams luz_callback_early_stopping
#' @return A callback.
#' @examples
#' luz_callback_model_checkpoint(file.path(tempdir(), "model-{epoch:03d}.pt"))
#' luz_callback_keep_best_model()
#' @export
luz_callback_model_checkpoint <- function(path, monitor = "valid_loss", save_best_only = FALSE, mode = "min",
                                          min_delta = 0) {
  check_string(path, "path")
  CheckpointCallback(path, monitor, save_best_only, mode, min_delta)
}

CheckpointCallback <- luz_callback("model_checkpoint_callback",
  inherit = MonitorCallback,
  # After schedulers and all others, whose state at the end of the epoch is what is saved.
  weight = 1e6,
  initialize = function(path, monitor, save_best_only, mode, min_delta) {
    super$initialize(monitor, mode, min_delta)
    if (grepl("[/\\\\]$", path)) path <- paste0(path, "epoch-{epoch:02d}-", monitor, "-{monitor:.3f}.pt")
    self$path <- path
    self$save_best_only <- save_best_only
  },
  on_epoch_end = function() {
    value <- self$current()
    is_best <- self$keep_if_best(value)
    if (is_best || !self$save_best_only) {
      luz_save_checkpoint(ctx, fill_template(self$path, list(epoch = ctx$epoch, monitor = value, ctx = ctx)))
    }
  }
)

# "{expression:format}" in a path, with values from `data`.
fill_template <- function(template, data) {
  fields <- regmatches(template, gregexpr("\\{[^{}]*\\}", template))[[1]]
  for (field in fields) {
    parts <- regmatches(field, regexec("^\\{(.*?)(:([-+ #0-9.]*[a-zA-Z]))?\\}$", field, perl = TRUE))[[1]]
    value <- eval(str2lang(parts[2]), data, topenv())
    format <- if (nzchar(parts[4])) paste0("%", parts[4])
    text <- if (is.null(format)) as.character(value) else sprintf(format, value)
    template <- sub(field, text, template, fixed = TRUE)
  }
  template
}

#' @rdname luz_callback_model_checkpoint
#' @export
luz_callback_keep_best_model <- function(monitor = "valid_loss", mode = "min", min_delta = 0) {
  KeepBestCallback(monitor, mode, min_delta)
}

KeepBestCallback <- luz_callback("keep_best_model_callback",
  inherit = MonitorCallback,
  on_fit_begin = function() {
    self$best <- NULL
    self$weights <- NULL
  },
  on_epoch_end = function() {
    if (self$keep_if_best(self$current())) {
      self$weights <- lapply(ctx$model$state_dict(), function(x) x$clone())
      ctx$log("best", "epoch", ctx$epoch, append = FALSE)
      ctx$log("best", "monitor", self$monitor, append = FALSE)
    }
  },
  on_fit_end = function() {
    if (!is.null(self$weights)) ctx$model$load_state_dict(self$weights)
    self$weights <- NULL
  }
)
