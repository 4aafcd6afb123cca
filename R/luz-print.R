#' Metrics of a trained model
#'
#' @param object What [fit()][fit.luz_module_generator] or [evaluate()] returned.
#' @param ... Not used.
#' @return A data frame with the columns `set` (`"train"`, `"valid"`), `metric`, `epoch` and `value`; for an evaluation
#'   only `metric` and `value`.
#' @examples
#' fitted <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01) %>%
#'   fit(list(torch_randn(64, 3), torch_randn(64, 1)), epochs = 3, verbose = FALSE)
#' get_metrics(fitted)
#' @export
get_metrics <- function(object, ...) UseMethod("get_metrics")

#' @export
get_metrics.default <- function(object, ...) {
  refuse(object, "object", "a fitted model, or what evaluate() returns")
}

#' @rdname get_metrics
#' @export
get_metrics.candela_module_fitted <- function(object, ...) metrics_data_frame(object$records$metrics)

#' @rdname get_metrics
#' @export
get_metrics.candela_module_evaluation <- function(object, ...) {
  metrics_data_frame(object$records$metrics)[c("metric", "value")]
}

#' @rdname get_metrics
#' @export
get_metrics.candela_context <- function(object, ...) object$get_metrics_df()

#' @export
print.candela_module_fitted <- function(x, ...) {
  cli::cat_line("A `luz_module_fitted`")
  print_times(x$records$profile)
  print_last_metrics(x$records$metrics)
  cli::cat_rule("Model")
  print(x$model)
  invisible(x)
}

print_times <- function(profile) {
  cli::cat_rule("Time")
  cli::cat_bullet("Total time: ", pretty_seconds(sum(profile$fit)))
  if (length(profile$train) > 0) {
    cli::cat_bullet("Avg time per training epoch: ", pretty_seconds(mean(profile$train)))
  }
  if (length(profile$valid) > 0) {
    cli::cat_bullet("Avg time per validation epoch: ", pretty_seconds(mean(profile$valid)))
  }
  cli::cat_line()
}

print_last_metrics <- function(metrics) {
  cli::cat_rule("Results")
  cli::cat_line("Metrics observed in the last epoch.")
  cli::cat_line()
  print_metric_set("Training:", metrics$train)
  print_metric_set("Validation:", metrics$valid)
  cli::cat_line()
}

print_metric_set <- function(title, epochs) {
  if (length(epochs) > 0) {
    cli::cat_bullet(title, bullet = "info")
    print_metric_values(epochs[[length(epochs)]])
  }
}

print_metric_values <- function(values) {
  for (name in names(values)) cli::cat_line(name, ": ", format_metric(values[[name]]))
}

#' @export
print.candela_module_evaluation <- function(x, ...) {
  cli::cat_line("A `luz_module_evaluation`")
  cli::cat_rule("Results")
  print_metric_values(x$records$metrics$valid[[1]])
  invisible(x)
}

#' Curves of a training
#'
#' The metrics of each epoch, with a dashed line at the best one.
#'
#' @param x,object a trained model, as [fit()][fit.luz_module_generator] returns it; for `autoplot()` also what
#'   [confusion_matrix()] returns.
#' @param ... not used.
#' @return A plot of ggplot2, if that is installed; else `plot()` draws with base graphics and returns the metrics,
#'   invisibly. `autoplot()` is ggplot2's.
#' @examples
#' x <- torch_randn(64, 3)
#' fitted <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01) %>%
#'   fit(list(x, x$sum(2, keepdim = TRUE)), epochs = 3, verbose = FALSE)
#' plot(fitted)
#' @name plot.luz_module_fitted
#' @export
plot.candela_module_fitted <- function(x, ...) {
  if (rlang::is_installed("ggplot2")) {
    autoplot.candela_module_fitted(x)
  } else {
    plot_metrics_base(get_metrics(x), best_epoch(x)$epoch)
  }
}

#' @rdname plot.luz_module_fitted
#' @exportS3Method ggplot2::autoplot
autoplot.candela_module_fitted <- function(object, ...) {
  best <- best_epoch(object)$epoch
  ggplot2::ggplot(get_metrics(object), ggplot2::aes(x = .data$epoch, y = .data$value)) +
    (if (!is.null(best)) ggplot2::geom_vline(xintercept = best, linetype = "dashed", colour = "grey60")) +
    ggplot2::geom_point() +
    ggplot2::geom_line() +
    ggplot2::facet_grid(metric ~ set, scales = "free_y")
}

#' @rdname plot.luz_module_fitted
#' @exportS3Method ggplot2::autoplot
autoplot.candela_confusion <- function(object, ...) {
  table <- as.data.frame(object)
  table$text <- percent_text(table$share)
  table$dark <- table$share > 0.55
  table$truth <- factor(table$truth, rev(levels(table$truth)))
  ggplot2::ggplot(table, ggplot2::aes(x = .data$predicted, y = .data$truth)) +
    ggplot2::geom_tile(ggplot2::aes(fill = .data$share)) +
    ggplot2::geom_text(ggplot2::aes(label = .data$text, colour = .data$dark), show.legend = FALSE) +
    ggplot2::scale_fill_gradientn(colours = confusion_colours, limits = c(0, 1)) +
    ggplot2::scale_colour_manual(values = c("FALSE" = "black", "TRUE" = "white"), na.value = "black") +
    ggplot2::coord_equal() +
    ggplot2::labs(fill = "share of\ntrue class")
}

plot_metrics_base <- function(metrics, best = NULL) {
  plot_curves(metrics, best)
  invisible(metrics)
}
