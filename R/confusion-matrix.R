#' @include luz-metrics-overlap.R
NULL

# ---- predictions, batch by batch ----

# Calls f(prediction, target) for each batch of `data`, in evaluation mode and without recording.
for_each_prediction <- function(object, data, f, options = NULL) {
  model <- check_fitted(object)$model
  if (is_parts(data)) {
    value_error("`data` must be one data set: give a part, such as `parts$valid`.")
  }
  if (inherits(model, "segmentation_model") && !is_dataloader(data)) {
    options <- utils::modifyList(list(batch_size = segmentation_batch), as.list(options))
  }
  loader <- as_valid_dataloader(data, options)
  if (is.null(loader)) refuse(data, "data", "a data set or dataloader with inputs and targets")
  training <- model$training
  on.exit(model$train(training))
  model$eval()
  apply_model <- model$predict %||% model
  advance <- as_iterator(loader)
  with_no_grad(while (!is_exhausted(batch <- advance())) {
    if (!is.list(batch) || length(batch) < 2) {
      value_error("`data` must give inputs and targets, but its items have no targets.")
    }
    f(apply_model(batch[[1]]), batch[[2]])
  })
  invisible()
}

# Counts N x K x K of a batch, for scores or classes of any of the three kinds.
batch_confusion <- function(prediction, target, classes) {
  if (!is_tensor(prediction) || !is_tensor(target)) {
    value_error("a confusion matrix needs a tensor of predictions and one of targets; these are lists.")
  }
  if (is_float(prediction) && prediction$numel() == target$numel()) {
    target <- binary_truth(target)
    prediction <- (prediction$reshape(target$shape) > 0)$to(dtype = torch_long()) + 1L
  } else if (is_float(target)) {
    value_error("a confusion matrix is for classes, but the targets are float: is this a regression?")
  }
  confusion_counts(prediction, target, as.numeric(nrow(classes)), void_class)
}

# Targets of 0 and 1 as classes 1 and 2, void kept.
binary_truth <- function(target) {
  check_labels(target, void_class)
  void <- target == void_class
  (target + 1)$to(dtype = torch_long())$masked_fill(void, void_class)
}

# The classes of a model's predictions: known, or counted in the first batch.
classes_of_predictions <- function(object, prediction, target, names) {
  known <- names %||% class_table_or_null(object$model)
  channels <- if (is_float(prediction) && length(dim(prediction)) > 1) dim(prediction)[[2]] else 1L
  if (channels == 1 || prediction$numel() == target$numel()) {
    return(two_classes(known))
  }
  if (is.null(known)) known <- channels
  known <- class_table(known)
  if (nrow(known) != channels) {
    value_error(sprintf("`classes` names %d classes, but the model predicts %d.", nrow(known), channels))
  }
  known
}

class_table_or_null <- function(model) {
  classes <- if (is_nn_module(model)) model$classes
  if (is.data.frame(classes) && !is.null(classes$class)) classes
}

# A class and what is none.
two_classes <- function(known) {
  if (is.null(known)) {
    return(named_classes(c("no", "yes")))
  }
  known <- class_table(known)
  if (nrow(known) == 1) named_classes(c(paste("not", known$class), as.character(known$class))) else known
}

# ---- the matrix ----

#' Confusion matrices
#'
#' Which classes are taken for which: counts of pixels (or items, where a picture has one class), true classes in rows
#' and predicted ones in columns, void left out.
#'
#' @param x a trained model, as [fit()][fit.luz_module_generator] returns it; or predictions: classes from 1 (matrix,
#'   array N x height x width, integer tensor), float scores N x classes x ..., names of mask files, or what `segment()`
#'   returns.
#' @param data for a model: data with targets, as [evaluate()] takes them.
#' @param truth for predictions: the true classes, in a form that [mask_objects()] takes. Files may hold the values of
#'   the classes of `x`.
#' @param classes names of the classes, or what [class_table()] takes; the default are those that `x` knows. For masks
#'   of stored values these, as `c(background = 0, cell = 255)`.
#' @param dataloader_options list of arguments for [dataloader()].
#' @param ... not used, but by `plot()`: passed to [image()][graphics::image].
#' @return An object of class `candela_confusion`, a list with `counts` (the matrix), `images` (counts for each image,
#'   an array N x classes x classes) and `classes` (a [class_table()]). `print()` shows it with the metrics of each
#'   class, `summary()` and [tidy()] give these as a data frame: `class`, `pixels` (that are true), `iou`, `dice`,
#'   `precision`, `recall` ([luz_metric_iou()] tells the formulas). `as.data.frame()` has a row for each cell:
#'   `truth`, `predicted`, `n`, `share` of the true class. `plot()` and ggplot2's `autoplot()` draw it. [glance()]
#'   gives one row: `accuracy`, `mean_iou`, `mean_dice` of the classes that occur or are predicted, and `kappa` (Cohen
#'   1960).
#' @section Errors: Targets that are no classes (regression), masks of different sizes, and classes out of range are
#'   refused (`value_error`).
#' @references Cohen (1960) A coefficient of agreement for nominal scales, \doi{10.1177/001316446002000104}.
#' @examples
#' truth <- matrix(c(1, 1, 2, 2, 2, 3), 2)
#' predicted <- matrix(c(1, 2, 2, 2, 3, 3), 2)
#' confusion <- confusion_matrix(predicted, truth, classes = c("sky", "tree", "road"))
#' confusion
#' as.data.frame(confusion)
#' plot(confusion)
#' @export
confusion_matrix <- function(x, ...) UseMethod("confusion_matrix")

#' @rdname confusion_matrix
#' @export
confusion_matrix.candela_module_fitted <- function(x, data, ..., classes = NULL, dataloader_options = NULL) {
  rlang::check_dots_empty()
  counts <- list()
  known <- NULL
  for_each_prediction(x, data, function(prediction, target) {
    if (is.null(known)) known <<- classes_of_predictions(x, prediction, target, classes)
    counts[[length(counts) + 1L]] <<- batch_confusion(prediction, target, known)
  }, dataloader_options)
  new_confusion(bind_images(counts, nrow(known)), known)
}

#' @rdname confusion_matrix
#' @export
confusion_matrix.default <- function(x, truth, ..., classes = NULL) {
  rlang::check_dots_empty()
  known <- if (inherits(x, "candela_segmentation")) x$classes else if (!by_values(classes)) classes
  if (is_tensor(x) && is_float(x)) {
    target <- if (is_tensor(truth)) truth else torch_tensor(truth, dtype = torch_long())
    names <- classes_of_predictions(list(), x, target, known)
    return(new_confusion(batch_confusion(x, target, names), names))
  }
  predicted <- class_masks(x, classes, "x")$masks
  true <- class_masks(truth, classes %||% known, "truth")$masks
  check_same_masks(predicted, true)
  names <- predicted[[1]]$classes %||% true[[1]]$classes %||% known
  if (is.null(names)) names <- max(unlist(lapply(c(predicted, true), function(m) m$mask)), 1L, na.rm = TRUE)
  names <- class_table(names)
  counts <- Map(function(p, t) cross_counts(p$mask, t$mask, nrow(names)), predicted, true)
  new_confusion(bind_images(lapply(unname(counts), function(m) array(m, c(1, dim(m)))), nrow(names)), names)
}

check_same_masks <- function(predicted, true) {
  sizes <- function(masks) vapply(masks, function(m) paste(dim(m$mask), collapse = " x "), "", USE.NAMES = FALSE)
  if (!identical(sizes(predicted), sizes(true))) {
    value_error(sprintf("`truth` (%s) must have the sizes of `x` (%s).", toString(sizes(true)),
      toString(sizes(predicted))))
  }
}

# Pixels without a class in either do not count.
cross_counts <- function(predicted, true, n) {
  if (max(predicted, true, 0L, na.rm = TRUE) > n) {
    value_error(sprintf("there are %d classes, but the masks hold class %d.", n, max(predicted, true, na.rm = TRUE)))
  }
  both <- !is.na(predicted) & !is.na(true) & predicted > 0 & true > 0
  matrix(tabulate(true[both] + n * (predicted[both] - 1L), n * n), n)
}

bind_images <- function(counts, n) {
  if (length(counts) == 0) {
    return(array(0, c(0, n, n)))
  }
  rows <- do.call(rbind, lapply(counts, function(x) matrix(x, dim(x)[[1]])))
  array(rows, c(nrow(rows), n, n))
}

new_confusion <- function(images, classes) {
  names <- levels(classes$class)
  dimnames(images) <- list(NULL, truth = names, predicted = names)
  structure(list(counts = apply(images, 2:3, sum), images = images, classes = classes), class = "candela_confusion")
}

# ---- methods ----

class_scores <- function(counts) {
  tp <- diag(counts)
  fp <- colSums(counts) - tp
  fn <- rowSums(counts) - tp
  data.frame(
    pixels = rowSums(counts), iou = tp / (tp + fp + fn), dice = 2 * tp / (2 * tp + fp + fn),
    precision = tp / (tp + fp), recall = tp / (tp + fn)
  )
}

#' @export
summary.candela_confusion <- function(object, ...) {
  scores <- class_scores(object$counts)
  rownames(scores) <- NULL
  # 0 / 0: what does not occur, or is not predicted, has no score.
  scores[] <- lapply(scores, function(x) replace(x, is.nan(x), NA))
  cbind(class = object$classes$class, scores)
}

#' @export
as.data.frame.candela_confusion <- function(x, ...) {
  table <- expand.grid(truth = x$classes$class, predicted = x$classes$class)
  table$n <- as.vector(x$counts)
  total <- rowSums(x$counts)[as.integer(table$truth)]
  table$share <- ifelse(total > 0, table$n / total, NA_real_)
  table
}

#' @export
as.matrix.candela_confusion <- function(x, ...) x$counts

#' @export
print.candela_confusion <- function(x, ...) {
  n <- dim(x$images)[[1]]
  cat(sprintf("<candela_confusion> %s in %d image%s, true classes in rows\n", format_count(sum(x$counts)), n,
    if (n == 1) "" else "s"))
  print(format_matrix(x$counts), quote = FALSE, right = TRUE)
  cat("\n")
  print(summary.candela_confusion(x), row.names = FALSE, digits = 3)
  overall <- glance.candela_confusion(x)
  cat(sprintf("\naccuracy %.4f, mean IoU %.4f, mean Dice %.4f\n", overall$accuracy, overall$mean_iou,
    overall$mean_dice))
  invisible(x)
}

format_matrix <- function(counts) {
  y <- format(counts, big.mark = ",", scientific = FALSE)
  dimnames(y) <- dimnames(counts)
  y
}

#' @export
tidy.candela_confusion <- function(x, ...) summary.candela_confusion(x)

#' @export
glance.candela_confusion <- function(x, ...) {
  scores <- class_scores(x$counts)
  total <- sum(x$counts)
  agree <- sum(diag(x$counts)) / total
  chance <- sum(rowSums(x$counts) * colSums(x$counts)) / total^2
  data.frame(
    accuracy = agree, mean_iou = mean(scores$iou, na.rm = TRUE), mean_dice = mean(scores$dice, na.rm = TRUE),
    kappa = (agree - chance) / (1 - chance), n = total, images = dim(x$images)[[1]]
  )
}

# ---- pictures ----

percent_text <- function(share) {
  digits <- ifelse(share > 0 & share < 0.0995, "%.1f", "%.0f")
  ifelse(is.na(share), "", sprintf(digits, 100 * share))
}

#' @rdname confusion_matrix
#' @param main title.
#' @export
plot.candela_confusion <- function(x, ..., main = "Per cent of each true class") {
  table <- as.data.frame(x)
  names <- levels(x$classes$class)
  k <- length(names)
  inches <- max(graphics::strwidth(names, "inches", cex = 0.9))
  below <- if (k > 4) inches else 0.2
  old <- graphics::par(mai = c(below + 0.55, inches + 0.55, if (is.null(main)) 0.2 else 0.6, 0.2))
  on.exit(graphics::par(old))
  share <- matrix(table$share, k)
  graphics::image(seq_len(k), seq_len(k), t(share[k:1, , drop = FALSE]), zlim = c(0, 1), axes = FALSE,
    xlab = "", ylab = "",
    col = confusion_colours, main = main, ...)
  graphics::axis(1, seq_len(k), names, las = if (k > 4) 2 else 1, tick = FALSE, cex.axis = 0.9)
  graphics::axis(2, rev(seq_len(k)), names, las = 2, tick = FALSE, cex.axis = 0.9)
  graphics::mtext("predicted", 1, line = graphics::par("mar")[[1]] - 1.3)
  graphics::mtext("true", 2, line = graphics::par("mar")[[2]] - 1.3)
  dark <- !is.na(table$share) & table$share > 0.55
  graphics::text(as.integer(table$predicted), k + 1 - as.integer(table$truth), percent_text(table$share),
    col = ifelse(dark, "white", "black"), cex = if (k > 8) 0.75 else 0.95)
  graphics::box()
  invisible(x)
}

confusion_colours <- grDevices::hcl(240, seq(0, 55, length.out = 64), seq(98, 28, length.out = 64))
