#' @include luz-callbacks.R
NULL

#' Find a learning rate
#'
#' Trains a fresh model for a number of batches while the learning rate rises, and records the loss. A good learning
#' rate lies where the loss falls fastest, well before it rises.
#'
#' @details The learning rate of step k is `start_lr * (end_lr / start_lr)^(k / steps)`; with `log_spaced_intervals =
#'   FALSE` it is multiplied by `(end_lr / lr)^(k / steps)` in each step. The data are gone through again and again
#'   as needed. A model fitted later is not affected. An interrupt (Ctrl-C) returns what has been recorded.
#' @param object What [setup()] returned; it must have a single optimiser.
#' @param data Training data, as for [fit()][fit.luz_module_generator].
#' @param steps Number of batches.
#' @param start_lr,end_lr First and last learning rate.
#' @param log_spaced_intervals Whether the learning rates are evenly spaced on a logarithmic scale.
#' @param ... Passed to [fit()][fit.luz_module_generator], such as `dataloader_options`.
#' @param verbose Whether to show a progress bar; `NULL`: in interactive sessions.
#' @return A data frame of class `lr_records` with the columns `lr` and `loss`, and a method for [plot()], which shows
#'   the losses and their exponentially weighted average (with ggplot2 if it is installed).
#' @source Smith (2017) Cyclical Learning Rates for Training Neural Networks, <https://arxiv.org/abs/1506.01186>.
#' @examples
#' model <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1)
#' records <- lr_finder(model, list(torch_randn(64, 3), torch_randn(64, 1)), steps = 10)
#' head(records)
#' @export
lr_finder <- function(object, data, steps = 100, start_lr = 1e-7, end_lr = 1e-1, log_spaced_intervals = TRUE, ...,
                      verbose = NULL) {
  if (!inherits(object, "luz_module_generator")) {
    refuse(object, "object", "a model that setup() made ready", " Call setup() on the module first.")
  }
  opt_hparams <- as.list(attr(object, "opt_hparams"))
  opt_hparams$lr <- start_lr
  object <- set_opt_hparams(object, !!!opt_hparams)
  recorder <- LrFinderCallback(steps, start_lr, end_lr, log_spaced_intervals, verbose %||% interactive())
  # Losses that explode at high learning rates are what the search is after.
  withCallingHandlers(
    fit(object, data, ..., epochs = 999999L, verbose = FALSE, callbacks = list(recorder)),
    candela_warning_nan_loss = function(w) invokeRestart("muffleWarning")
  )
  records <- data.frame(lr = recorder$lr[seq_along(recorder$loss)], loss = recorder$loss)
  structure(records, class = own_first(c("lr_records", "data.frame")))
}

LrFinderCallback <- luz_callback("lr_finder_callback",
  initialize = function(steps, start_lr, end_lr, log_spaced_intervals, verbose) {
    self$lr <- lr_sequence(steps, start_lr, end_lr, log_spaced_intervals)
    self$loss <- numeric()
    self$verbose <- verbose
  },
  on_fit_begin = function() {
    if (!identical(names(ctx$optimizers), "opt")) {
      value_error("lr_finder() needs a model with a single optimizer, named `opt`.")
    }
    ctx$handlers$lr_finder_done <- function(condition) NULL
    if (self$verbose) {
      self$bar <- cli::cli_progress_bar("Finding the learning rate", total = length(self$lr), .auto_close = FALSE)
    }
  },
  on_train_batch_begin = function() {
    optimizer <- ctx$optimizers$opt
    for (i in seq_along(optimizer$param_groups)) {
      optimizer$param_groups[[i]]$lr <- self$lr[[length(self$loss) + 1L]]
    }
  },
  on_train_batch_end = function() {
    self$loss <- c(self$loss, loss_number(ctx$loss))
    if (!is.null(self$bar)) cli::cli_progress_update(id = self$bar)
    if (length(self$loss) == length(self$lr)) {
      rlang::signal("All learning rates were tried.", class = "lr_finder_done")
    }
  },
  on_fit_end = function() if (!is.null(self$bar)) cli::cli_progress_done(id = self$bar)
)

lr_sequence <- function(steps, start_lr, end_lr, log_spaced_intervals) {
  if (!is_one_number(steps, 1, 1e6) || !is_one_number(start_lr) || !is_one_number(end_lr) ||
    start_lr <= 0 || end_lr <= 0) {
    value_error("`steps`, `start_lr` and `end_lr` must be positive.")
  }
  check_flag(log_spaced_intervals, "log_spaced_intervals")
  k <- seq_len(steps) / steps
  if (log_spaced_intervals) {
    return(start_lr * (end_lr / start_lr)^k)
  }
  Reduce(function(lr, share) lr * (end_lr / lr)^share, k, start_lr, accumulate = TRUE)[-1]
}

# Exponentially weighted average, corrected for its start at zero.
smoothed_loss <- function(loss, beta = 0.9) {
  average <- Reduce(function(a, x) beta * a + (1 - beta) * x, loss, 0, accumulate = TRUE)[-1]
  average / (1 - beta^seq_along(loss))
}

#' @export
print.candela_lr_records <- function(x, ...) {
  print(structure(x, class = "data.frame"), ...)
  invisible(x)
}

#' @importFrom graphics plot
#' @export
plot.candela_lr_records <- function(x, ...) {
  x$smoothed <- smoothed_loss(x$loss)
  if (!rlang::is_installed("ggplot2")) {
    return(plot_lr_records_base(x))
  }
  ggplot2::ggplot(x, ggplot2::aes(x = .data$lr, y = .data$loss)) +
    ggplot2::geom_line(linetype = "dotted") +
    ggplot2::geom_line(ggplot2::aes(y = .data$smoothed), colour = "cyan") +
    ggplot2::scale_x_log10() +
    ggplot2::labs(x = "Learning Rate", y = "Loss")
}

plot_lr_records_base <- function(x) {
  graphics::plot(x$lr, x$loss, type = "l", lty = "dotted", log = "x", xlab = "Learning Rate", ylab = "Loss")
  graphics::lines(x$lr, x$smoothed, col = "cyan")
  invisible(x)
}

utils::globalVariables(".data")
