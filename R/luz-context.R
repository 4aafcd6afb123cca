#' @include class-generator.R
NULL

# The state of one call of fit(), evaluate() or predict(), seen by callbacks, metrics and models as `ctx`.

read_only <- function(name) {
  value_error(sprintf("`ctx$%s` cannot be set.", name))
}

LuzContext <- slim_class(R6::R6Class(
  classname = own_first("luz_context"),
  public = list(
    buffers = list(),
    callbacks = NULL,
    iter = 0L,
    batch = NULL,
    min_epochs = 0L,
    max_epochs = 1L,
    hparams = list(),
    opt_hparams = list(),
    train_data = NULL,
    valid_data = NULL,
    accelerator = NULL,
    optimizers = NULL,
    verbose = FALSE,
    handlers = list(),
    epoch_handlers = list(),
    training = FALSE,
    model = NULL,
    pred = NULL,
    data = NULL,
    loss_fn = NULL,
    loss = list(),
    loss_grad = NULL,
    epoch = 1L,
    not_finite = NULL,
    metrics = NULL,
    metric_generators = NULL,
    step_opt = NULL,

    initialize = function(verbose, accelerator, callbacks, model, metric_generators, hparams, opt_hparams) {
      self$set_verbose(verbose)
      self$accelerator <- accelerator
      self$hparams <- hparams
      self$opt_hparams <- opt_hparams
      self$model <- model
      self$metric_generators <- metric_generators
      self$loss_fn <- model$loss
      self$callbacks <- callbacks
      private$called <- new.env(parent = emptyenv())
      bind_context(model, self)
      for (callback in callbacks) callback$set_ctx(self)
    },
    add_callbacks = function(callbacks) {
      self$callbacks <- order_callbacks(c(self$callbacks, callbacks))
      for (callback in callbacks) callback$set_ctx(self)
      private$called <- new.env(parent = emptyenv())
    },
    set_verbose = function(verbose = NULL) {
      self$verbose <- verbose %||% interactive()
    },
    call_callbacks = function(name) {
      methods <- private$called[[name]]
      if (is.null(methods)) {
        methods <- breakpoint_methods(self$callbacks, name)
        assign(name, methods, envir = private$called)
      }
      if (length(methods) > 0) run_callbacks(methods, name)
      invisible(NULL)
    },
    log = function(what, set, value, index = NULL, append = TRUE) {
      entry <- private$.records[[what]][[set]]
      if (!is.null(index)) {
        if (is.null(entry)) entry <- list()
        while (length(entry) < index) entry <- c(entry, list(list()))
        entry[[index]] <- if (append) c(entry[[index]], value) else value
      } else {
        entry <- if (append) c(entry, value) else value
      }
      private$.records[[what]][[set]] <- entry
      invisible(NULL)
    },
    log_metric = function(name, value) {
      value <- stats::setNames(list(value), name)
      self$log("metrics", if (self$training) "train" else "valid", value, index = self$epoch)
    },
    get_log = function(what, set, index = NULL) {
      entry <- private$.records[[what]][[set]]
      if (is.null(index)) entry else if (index <= length(entry)) entry[[index]]
    },
    get_metrics = function(set, epoch) self$get_log("metrics", set, epoch),
    get_metric = function(name, set, epoch) self$get_metrics(set, epoch)[[name]],
    get_formatted_metrics = function(set, epoch) {
      values <- self$get_metrics(set, epoch)
      Map(format_metric, values, metric_formatters(self$metrics[[set]])[names(values)])
    },
    get_metrics_df = function() metrics_data_frame(private$.records$metrics),
    clean = function() {
      heavy <- c(
        "callbacks", "batch", "train_data", "valid_data", "optimizers", "model", "pred", "data", "loss_fn",
        "loss_grad", "metrics", "metric_generators", "step_opt", "accelerator"
      )
      for (name in heavy) self[[name]] <- NULL
      private$.opt <- NULL
      self$loss <- list()
      self$handlers <- list()
      self$epoch_handlers <- list()
      private$called <- NULL
      invisible(self)
    },
    state_dict = function() {
      list(
        epoch = self$epoch, records = private$.records, model = self$model$state_dict(),
        optimizers = lapply(self$optimizers, function(opt) opt$state_dict()),
        callbacks = callback_states(self$callbacks), random = random_state()
      )
    },
    unsafe_set_records = function(records) {
      private$.records <- records
      invisible(self)
    }
  ),
  active = list(
    records = function(value) if (missing(value)) private$.records else read_only("records"),
    device = function(value) if (missing(value)) self$accelerator$device else read_only("device"),
    opt = function(value) {
      if (missing(value)) private$.opt %||% only_optimizer(self$optimizers, "opt")[[1]] else private$.opt <- value
    },
    opt_name = function(value) {
      if (!missing(value)) {
        private$.opt_name <- value
      } else {
        private$.opt_name %||% names(only_optimizer(self$optimizers, "opt_name"))
      }
    },
    input = function(value) {
      if (missing(value)) {
        return(if (is.list(self$batch)) self$batch[[1]] else self$batch)
      }
      if (is.list(self$batch)) self$batch[[1]] <- value else self$batch <- value
    },
    target = function(value) {
      if (missing(value)) {
        return(if (is.list(self$batch) && length(self$batch) > 1) self$batch[[2]])
      }
      self$batch[[2]] <- value
    }
  ),
  private = list(
    .records = list(metrics = list(train = list(), valid = list()), profile = list()),
    .opt = NULL,
    .opt_name = NULL,
    called = NULL
  )
))

LuzFitContext <- slim_class(R6::R6Class(own_first("luz_fit_context"), inherit = LuzContext))
LuzEvaluateContext <- slim_class(R6::R6Class("luz_evaluate_context", inherit = LuzContext))
LuzPredictContext <- slim_class(R6::R6Class("luz_predict_context", inherit = LuzContext))

# Before the first step it is known which optimiser is the current one where there is one only.
only_optimizer <- function(optimizers, field) {
  if (length(optimizers) != 1) {
    value_error(sprintf(
      "`ctx$%s` is not set: outside the steps of training there is no current optimizer among %d.", field,
      length(optimizers)
    ))
  }
  optimizers
}

breakpoint_methods <- function(callbacks, name) {
  methods <- list()
  for (callback in callbacks) {
    if (is.function(callback[[name]])) {
      methods[[length(methods) + 1L]] <- list(run = callback[[name]], class = class_names(callback))
    }
  }
  methods
}

run_callbacks <- function(methods, breakpoint) {
  current <- NULL
  with_no_grad(withCallingHandlers(
    for (method in methods) {
      current <- method
      method$run()
    },
    error = function(e) {
      rlang::abort(
        sprintf(
          "Error while calling callback with class <%s> at %s.", paste(current$class, collapse = "/"), breakpoint
        ),
        parent = e, call = NULL, class = "candela_error"
      )
    }
  ))
}

# Makes `ctx` a variable that the methods of an R6 object (or of a module, which wraps one) can see.
bind_context <- function(x, ctx) {
  object <- attr(x, "module", exact = TRUE) %||% x
  enclosure <- object$.__enclos_env__
  while (is.environment(enclosure)) {
    assign("ctx", ctx, envir = enclosure)
    enclosure <- if (is.environment(enclosure$super)) enclosure$super$.__enclos_env__
  }
  for (env in object$context_envs) assign("ctx", ctx, envir = env)
  invisible(x)
}

metrics_data_frame <- function(metrics) {
  rows <- list()
  for (set in c("train", "valid")) {
    for (epoch in seq_along(metrics[[set]])) {
      values <- flatten_metrics(metrics[[set]][[epoch]])
      if (length(values) > 0) {
        row <- data.frame(set = set, metric = names(values), epoch = epoch, value = unname(values))
        rows[[length(rows) + 1L]] <- row
      }
    }
  }
  empty <- data.frame(set = character(), metric = character(), epoch = integer(), value = numeric())
  if (length(rows) == 0) empty else do.call(rbind, rows)
}

# A metric with several values (one per optimizer or class) gives several: "loss_one", "loss_two".
flatten_metrics <- function(values) {
  values <- Map(function(name, value) {
    value <- unlist(value)
    suffix <- names(value) %||% (if (length(value) > 1) seq_along(value))
    stats::setNames(as.numeric(value), if (is.null(suffix)) name else paste(name, suffix, sep = "_"))
  }, names(values), values)
  unlist(unname(values))
}

utils::globalVariables("ctx")
