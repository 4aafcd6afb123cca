#' @include class-generator.R
NULL

LuzMetric <- slim_class(R6::R6Class(
  classname = "LuzMetric",
  lock_objects = FALSE,
  public = list(
    abbrev = NULL,
    initialize = function() NULL,
    update = function(preds, target) not_implemented_error("The metric has no `update()` method."),
    compute = function() not_implemented_error("The metric has no `compute()` method."),
    to = function(device) invisible(self)
  )
))

#' Define metrics
#'
#' A metric summarises the predictions of an epoch in a number. `luz_metric()` returns a function that makes metrics
#' of the new kind, for the argument `metrics` of [setup()].
#'
#' @details Methods to define: `initialize(...)`, called at the start of each epoch; `update(preds, target)`, called
#'   for each batch; `compute()`, which returns the value; optionally `format(v)`, which returns the text to show. The
#'   field `abbrev` is the name to show. Methods see the metric as `self` and the state of training as `ctx`.
#' @inheritParams dataset
#' @param name Class name of the metric.
#' @param inherit The metric to inherit from.
#' @return A function with the arguments of `initialize`, which returns an object with the method `new()`.
#' @examples
#' bias <- luz_metric(
#'   abbrev = "Bias",
#'   initialize = function() self$batches <- c(),
#'   update = function(preds, target) self$batches <- c(self$batches, (preds - target)$mean()$item()),
#'   compute = function() mean(self$batches)
#' )
#' metric <- bias()$new()
#' metric$update(torch_ones(4), torch_zeros(4))
#' metric$compute()
#' @export
luz_metric <- function(name = NULL, ..., private = NULL, active = NULL, parent_env = parent.frame(),
                       inherit = NULL) {
  class <- derive_class(name, inherit %||% LuzMetric, rlang::list2(...), private, active, parent_env)
  metric_constructor(class, name)
}

metric_constructor <- function(class, name) {
  f <- function() {
    call <- sys.call()
    call[[1]] <- quote(rlang::list2)
    arguments <- eval(call, parent.frame())
    metric_generator(class, name, arguments)
  }
  formals(f) <- formals(class_member(class, "initialize"))
  structure(f, r6_class = class)
}

metric_generator <- function(class, name, arguments) {
  structure(
    list(new = function() rlang::inject(class$new(!!!arguments))),
    class = own_first(c(if (!is.null(name)) paste0(name, "_generator"), "luz_metric_generator", "R6ClassGenerator")),
    r6_class = class
  )
}

#' @export
print.candela_metric_generator <- function(x, ...) {
  cat(sprintf("<%s>\n", class_name(x)))
  invisible(x)
}

#' Metrics for training and validation
#'
#' @param metrics Metrics computed in training and validation: one, or a list.
#' @param train_metrics,valid_metrics Further metrics computed in only one of them.
#' @return An object for the argument `metrics` of [setup()]. The loss is always reported first, without being listed.
#' @examples
#' luz_metric_set(metrics = luz_metric_mae(), valid_metrics = luz_metric_rmse())
#' @export
luz_metric_set <- function(metrics = NULL, train_metrics = NULL, valid_metrics = NULL) {
  metrics <- check_metrics(metrics)
  structure(
    list(train = c(metrics, check_metrics(train_metrics)), valid = c(metrics, check_metrics(valid_metrics))),
    class = "luz_metric_set"
  )
}

#' @export
print.luz_metric_set <- function(x, ...) {
  names_of <- function(metrics) {
    first <- vapply(metrics, function(metric) class(metric)[[1]], "")
    if (length(first) == 0) "none" else toString(sub("_generator$", "", first))
  }
  cat(sprintf("<luz_metric_set>\ntraining: %s\nvalidation: %s\n", names_of(x$train), names_of(x$valid)))
  invisible(x)
}

as_metric_set <- function(metrics) {
  if (inherits(metrics, "luz_metric_set")) metrics else luz_metric_set(metrics)
}

check_metrics <- function(metrics) {
  if (inherits(metrics, "luz_metric_generator") || !is.list(metrics) && !is.null(metrics)) metrics <- list(metrics)
  for (metric in metrics) {
    if (!inherits(metric, "luz_metric_generator")) {
      rlang::abort(c(
        "Expected an object with class <luz_metric_generator>.",
        x = sprintf("Got an object with class <%s>.", paste(class_names(metric), collapse = "/")),
        i = if (is.function(metric)) "Perhaps you forgot to call it, as in `luz_metric_mae()`?"
      ), class = c("type_error", "candela_error"), call = NULL)
    }
  }
  as.list(metrics)
}

metric_label <- function(metric) metric$abbrev %||% class_name(metric)
metric_name <- function(metric) tolower(metric_label(metric))

metric_labels <- function(metrics) {
  labels <- vapply(metrics, metric_label, character(1))
  stats::setNames(labels, tolower(labels))
}

metric_formatters <- function(metrics) {
  formatters <- lapply(metrics, function(x) x$format)
  stats::setNames(formatters, vapply(metrics, metric_name, character(1)))
}

format_metric <- function(value, formatter = NULL) {
  if (is.function(formatter)) {
    formatter(value)
  } else if (length(value) > 1) {
    names <- names(value) %||% seq_along(value)
    paste0(names, ": ", vapply(value, function(x) as.character(round(x, 4)), character(1)), collapse = " | ")
  } else {
    as.character(round(unlist(value), 4))
  }
}

# The metrics in the course of an epoch, for the progress bar.
running_metrics <- function(metrics) {
  values <- lapply(metrics, function(metric) {
    value <- metric$compute()
    format_metric(if (is_tensor(value)) as.numeric(value$item()) else value, metric$format)
  })
  stats::setNames(values, vapply(metrics, metric_label, character(1)))
}

# The unweighted mean of the losses of the batches; a list of means if there are several optimizers.
LuzMetricLoss <- luz_metric("luz_metric_loss_average",
  abbrev = "Loss",
  initialize = function() {
    self$total <- 0
    self$n <- 0
    self$latest <- 0
  },
  update = function(preds, target) {
    loss <- if (is.list(ctx$loss)) ctx$loss else list(opt = ctx$loss)
    self$latest <- vapply(loss, loss_number_of, numeric(1))
    self$total <- self$total + self$latest
    self$n <- self$n + 1
  },
  compute = function() {
    mean <- self$total / self$n
    if (length(mean) > 1) as.list(mean) else unname(mean)
  }
)

loss_number_of <- function(x) as.numeric(if (is_tensor(x)) x$item() else x)

# Metrics that are a mean over elements, from sums over batches.
MeanMetric <- luz_metric("luz_metric_mean",
  initialize = function() {
    self$total <- 0
    self$n <- 0
  },
  add = function(values, n = values$numel()) {
    self$total <- self$total + as.numeric(values$sum()$item())
    self$n <- self$n + n
  },
  compute = function() self$total / self$n
)

# 1 where the class is the target; for the two targets of mixup, their weights, the second's being the one given.
matches <- function(classes, target) {
  if (!is.list(target)) {
    return((classes == target$view_as(classes))$to(dtype = torch_float()))
  }
  y <- lapply(target[[1]], function(y) matches(classes, y))
  torch_lerp(y[[1]], y[[2]], broadcast_weight(target[[2]], y[[1]]))
}

#' Metrics
#'
#' Accuracy of classifications, and mean absolute, mean squared and root mean squared error.
#'
#' @details `luz_metric_accuracy()` compares the class with the largest value along dimension 2 of the predictions with
#'   the target; predictions of shape batch x classes x height x width go with targets of shape batch x height x
#'   width, and every pixel counts. The binary accuracies compare probabilities (or logits) with 0/1 targets of the same
#'   shape. All count elements, not batches.
#' @param ignore_index Targets of this class do not count; `NULL`: all do.
#' @param threshold Probability above which the prediction is 1.
#' @return A metric for the argument `metrics` of [setup()].
#' @examples
#' metric <- luz_metric_accuracy()$new()
#' metric$update(torch_tensor(matrix(c(1, 0, 0, 1), 2)), torch_tensor(c(1L, 1L)))
#' metric$compute()
#' @export
luz_metric_accuracy <- luz_metric("luz_metric_accuracy",
  inherit = MeanMetric, abbrev = "Acc",
  initialize = function(ignore_index = void_class) {
    super$initialize()
    self$ignore_index <- as_ignored(ignore_index, "multiclass")
  },
  # No prediction matches what does not count.
  update = function(preds, target) {
    values <- matches(torch_argmax(preds, dim = 2), target)
    n <- if (is.list(target)) values$numel() else as.numeric((target != self$ignore_index)$sum()$item())
    self$add(values, n)
  }
)

#' @rdname luz_metric_accuracy
#' @export
luz_metric_binary_accuracy <- luz_metric("luz_metric_binary_accuracy",
  inherit = MeanMetric, abbrev = "Acc",
  initialize = function(threshold = 0.5) {
    super$initialize()
    self$threshold <- threshold
  },
  update = function(preds, target) {
    self$add(((preds > self$threshold)$to(dtype = torch_float()) == target)$to(dtype = torch_float()))
  }
)

#' @rdname luz_metric_accuracy
#' @export
luz_metric_binary_accuracy_with_logits <- luz_metric("luz_metric_binary_accuracy_with_logits",
  inherit = luz_metric_binary_accuracy, abbrev = "Acc",
  update = function(preds, target) super$update(torch_sigmoid(preds), target)
)

#' @rdname luz_metric_accuracy
#' @export
luz_metric_mae <- luz_metric("luz_metric_mae",
  inherit = MeanMetric, abbrev = "MAE",
  update = function(preds, target) self$add(torch_abs(preds - target))
)

#' @rdname luz_metric_accuracy
#' @export
luz_metric_mse <- luz_metric("luz_metric_mse",
  inherit = MeanMetric, abbrev = "MSE",
  update = function(preds, target) self$add(torch_square(preds - target))
)

#' @rdname luz_metric_accuracy
#' @export
luz_metric_rmse <- luz_metric("luz_metric_rmse",
  inherit = luz_metric_mse, abbrev = "RMSE",
  compute = function() sqrt(super$compute())
)
