#' What a training came to
#'
#' `summary()` tells layers, data, training, and metrics by class of a trained model. `tidy()`, `glance()` and
#' `augment()` are those of the package generics (and broom): the metrics of all epochs, one row about the training, and
#' one row about each item of data.
#'
#' @param object,x a trained model, as [fit()][fit.luz_module_generator] or [luz_load()] returns it.
#' @param data data with targets, as [evaluate()] takes them. For `summary()`, to compute metrics by class on them;
#'   where it is `NULL` these are of the validation data in training, if a metric such as [luz_metric_iou()] counted
#'   classes.
#' @param ... for `summary()`: `input_size`, `input` and `depth`, as for a module ([summary.nn_module()]).
#' @param dataloader_options list of arguments for [dataloader()].
#' @return
#' * `summary()`: an object of class `summary.candela_module_fitted`, a list with `layers` (see [summary.nn_module()]),
#'   `input` ([input_spec()] or `NULL`), `glance`, `metrics` (a data frame: `set`, `metric`, `best`, at the best
#'   epoch, and `last`), `by_class` (a data frame: `class`, `pixels`, `iou`, `dice`, `precision`, `recall`; or
#'   `NULL`), `confusion` (see [confusion_matrix()]; or `NULL`).
#' * `tidy()`: what [get_metrics()] gives: `set`, `metric`, `epoch`, `value`.
#' * `glance()`: a data frame of one row: `parameters`, `trainable`, `epochs`, `best_epoch`, `seconds`, and each
#'   metric at the best epoch, such as `train_loss` and `valid_iou`.
#' * `augment()`: a data frame with a row for each item of `data`: `item`, its number; `image`, the name of its file
#'   where that is known; for segmentation `.accuracy`, `.iou`, `.dice` (means over the classes that occur or are
#'   predicted) and `.iou_CLASS`; where an item has one class `.truth`, `.predicted` (factors) and `.probability`; for
#'   single numbers `.truth`, `.fitted` and `.resid`.
#' @details The best epoch is the one whose weights [luz_callback_keep_best_model()] kept; without it, where the
#'   validation loss (or, without validation data, the loss) was least.
#' @examples
#' x <- torch_randn(60, 3)
#' y <- torch_argmax(x, dim = 2)
#' fitted <- nn_linear %>%
#'   setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = luz_metric_accuracy()) %>%
#'   set_hparams(in_features = 3, out_features = 3) %>%
#'   fit(list(x, y), epochs = 2, valid_data = list(x, y), verbose = FALSE)
#' summary(fitted, data = list(x, y), input_size = 3)
#' glance(fitted)
#' head(augment(fitted, list(x, y)))
#' @name summary.luz_module_fitted
#' @export
summary.candela_module_fitted <- function(object, data = NULL, ..., dataloader_options = NULL) {
  confusion <- if (!is.null(data)) {
    confusion_matrix(object, data, dataloader_options = dataloader_options)
  } else {
    recorded_confusion(object)
  }
  input <- if (inherits(object$model, "segmentation_model")) object$model$input_spec
  structure(
    list(
      layers = summary.candela_module(object$model, ...), input = input,
      glance = glance.candela_module_fitted(object),
      metrics = best_and_last(object), by_class = if (!is.null(confusion)) summary.candela_confusion(confusion),
      confusion = confusion, measured = if (!is.null(data)) "data" else "valid"
    ),
    class = "summary.candela_module_fitted"
  )
}

# The confusion matrix of the validation data at the best epoch, which fit() keeps where a metric counts one.
recorded_confusion <- function(object) {
  kept <- object$records$confusion$valid
  at <- best_epoch(object)$epoch
  counts <- if (!is.null(at) && at <= length(kept)) kept[[at]]
  if (!is.matrix(counts)) {
    return(NULL)
  }
  classes <- class_table_or_null(object$model)
  if (is.null(classes) || nrow(classes) != nrow(counts)) classes <- class_table(nrow(counts))
  new_confusion(array(counts, c(1, dim(counts))), classes)
}

# list(epoch =, monitor =), or NULL where nothing was trained.
best_epoch <- function(object) {
  if (!is.null(object$records$best$epoch)) {
    return(object$records$best)
  }
  metrics <- metrics_data_frame(object$records$metrics)
  for (set in c("valid", "train")) {
    loss <- metrics[metrics$set == set & grepl("^loss", metrics$metric), ]
    if (any(is.finite(loss$value))) {
      return(list(epoch = loss$epoch[[which.min(loss$value)]], monitor = paste0(set, "_loss")))
    }
  }
  NULL
}

best_and_last <- function(object) {
  metrics <- metrics_data_frame(object$records$metrics)
  if (nrow(metrics) == 0) {
    return(NULL)
  }
  best <- best_epoch(object)$epoch %||% max(metrics$epoch)
  last <- metrics[metrics$epoch == max(metrics$epoch), ]
  at <- metrics[metrics$epoch == best, ]
  key <- function(m) paste(m$set, m$metric)
  data.frame(set = last$set, metric = last$metric, best = at$value[match(key(last), key(at))], last = last$value)
}

#' @export
print.summary.candela_module_fitted <- function(x, ...) {
  cli::cat_rule("Layers")
  print(x$layers)
  if (!is.null(x$input)) {
    cli::cat_line()
    cli::cat_rule("Data")
    cli::cat_bullet(input_lines(x$input))
  }
  cli::cat_line()
  cli::cat_rule("Training")
  cli::cat_line(training_line(x$glance))
  if (!is.null(x$metrics)) print(x$metrics, row.names = FALSE, digits = 4)
  if (!is.null(x$by_class)) {
    cli::cat_line()
    cli::cat_rule(if (x$measured == "data") "By class, on the data given" else
      "By class, on the validation data at the best epoch")
    print(x$by_class, row.names = FALSE, digits = 3)
  }
  invisible(x)
}

input_lines <- function(spec) {
  c(
    sprintf("%d band%s of type %s, scaled by %s", spec$channels, if (spec$channels == 1) "" else "s", spec$type,
      spec$scaling$method),
    sprintf(if (isTRUE(spec$resize)) "whole pictures resized to %s" else "parts of %s at native resolution",
      paste(spec$size, collapse = " x ")),
    paste("classes", toString(paste(seq_len(nrow(spec$classes)), spec$classes$class)))
  )
}

training_line <- function(glance) {
  if (glance$epochs == 0) {
    return("not trained")
  }
  sprintf("%d epochs in %s%s", glance$epochs, pretty_seconds(glance$seconds),
    if (is.na(glance$best_epoch)) "" else sprintf(", best epoch %d (%s)", glance$best_epoch, glance$monitor))
}

#' @rdname summary.luz_module_fitted
#' @export
tidy.candela_module_fitted <- function(x, ...) get_metrics(x)

#' @rdname summary.luz_module_fitted
#' @export
glance.candela_module_fitted <- function(x, ...) {
  metrics <- metrics_data_frame(x$records$metrics)
  best <- best_epoch(x)
  total <- module_total(x$model)
  row <- data.frame(
    parameters = total$parameters, trainable = total$trainable,
    epochs = if (nrow(metrics) > 0) max(metrics$epoch) else 0, best_epoch = best$epoch %||% NA_real_,
    monitor = best$monitor %||% NA_character_, seconds = sum(unlist(x$records$profile$fit), 0),
    stringsAsFactors = FALSE
  )
  values <- best_and_last(x)
  if (is.null(values)) {
    return(row)
  }
  cbind(row, as.list(stats::setNames(values$best, paste(values$set, values$metric, sep = "_"))))
}

#' @rdname summary.luz_module_fitted
#' @export
augment.candela_module_fitted <- function(x, data, ..., dataloader_options = NULL) {
  rows <- list()
  known <- NULL
  for_each_prediction(x, data, function(prediction, target) {
    kind <- kind_of_targets(prediction, target)
    if (kind != "number" && is.null(known)) known <<- classes_of_predictions(x, prediction, target, NULL)
    rows[[length(rows) + 1L]] <<- switch(kind, number = fitted_numbers(prediction, target),
      class = fitted_classes(prediction, target, known), mask = fitted_masks(prediction, target, known))
  }, dataloader_options)
  rows <- do.call(rbind, rows)
  cbind(item = seq_len(nrow(rows)), image = item_names(data, nrow(rows)), rows, stringsAsFactors = FALSE)
}

# "mask": many classes an item; "class": one; "number": a float target.
kind_of_targets <- function(prediction, target) {
  if (!is_tensor(prediction) || !is_tensor(target)) {
    value_error("`data` and the model must give tensors of predictions and targets.")
  }
  each <- target$numel() / max(dim(target)[[1]], 1)
  if (is_float(target) && !looks_binary(target, prediction)) "number" else if (each > 1) "mask" else "class"
}

# Labels 0 and 1 of the size of the scores, for a whole picture.
looks_binary <- function(target, prediction) {
  length(dim(target)) > 2 && target$numel() == prediction$numel() &&
    !as.logical(torch_logical_and(torch_logical_and(target != 0, target != 1), target != void_class)$any()$item())
}

fitted_numbers <- function(prediction, target) {
  n <- dim(target)[[1]]
  if (prediction$numel() != n || target$numel() != n) {
    value_error(sprintf("augment() is for one number an item, but predictions have shape [%s] and targets [%s].",
      toString(dim(prediction)), toString(dim(target))))
  }
  fitted <- as.numeric(as_array(prediction))
  truth <- as.numeric(as_array(target))
  data.frame(.truth = truth, .fitted = fitted, .resid = truth - fitted)
}

fitted_classes <- function(prediction, target, classes) {
  n <- dim(target)[[1]]
  names <- levels(classes$class)
  if (prediction$numel() == n) {
    yes <- as.numeric(as_array(torch_sigmoid(prediction$reshape(n))))
    shares <- cbind(1 - yes, yes)
    truth <- as.integer(as_array(target)) + 1L
  } else {
    shares <- matrix(as_array(nnf_softmax(prediction$to(dtype = torch_float()), 2)), n)
    truth <- as.integer(as_array(target))
  }
  best <- max.col(shares, "first")
  data.frame(.truth = factor(names[truth], names), .predicted = factor(names[best], names),
    .probability = shares[cbind(seq_len(n), best)])
}

fitted_masks <- function(prediction, target, classes) {
  counts <- batch_confusion(prediction, target, classes)
  scores <- lapply(seq_len(dim(counts)[[1]]), function(i) {
    one <- class_scores(matrix(counts[i, , ], nrow(classes)))
    by_class <- stats::setNames(as.list(one$iou), paste0(".iou_", classes$class))
    total <- sum(one$pixels)
    data.frame(
      .accuracy = if (total > 0) sum(diag(matrix(counts[i, , ], nrow(classes)))) / total else NA_real_,
      .iou = mean(one$iou, na.rm = TRUE), .dice = mean(one$dice, na.rm = TRUE), lapply(by_class, function(v) {
        replace(v, is.nan(v), NA)
      }), check.names = FALSE
    )
  })
  do.call(rbind, scores)
}

# Names of the files of items, in order; NA where they are unknown, or parts of files that have no name.
item_names <- function(data, n) {
  if (is_dataloader(data)) {
    if (!inherits(data$sampler, "sequential_sampler")) {
      return(rep(NA_character_, n))
    }
    data <- data$dataset
  }
  at <- seq_len(n)
  while (inherits(data, "dataset_subset")) {
    at <- data$indices[at]
    data <- data$dataset
  }
  if (!inherits(data, "segmentation_dataset")) {
    return(rep(NA_character_, n))
  }
  data$source$pairs$image[data$source$pair_of(data$items[at])]
}
