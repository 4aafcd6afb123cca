#' @include luz-metrics.R void.R
NULL

# ---- counts ----

# Of classes: N x K x K, pixels of image n and true class k that were predicted as class l.
confusion_counts <- function(preds, target, num_classes, ignore_index) {
  check_tensor(preds, "preds")
  check_tensor(target, "target")
  if (preds$dtype$is_floating_point) {
    check_channels(preds, num_classes)
    preds <- torch_argmax(preds, dim = 2)
    if (target$numel() == preds$numel()) target <- target$view_as(preds)
  }
  as_array(apply_op(ops$confusion, list(preds, target), c(ignore_index, num_classes)))
}

check_channels <- function(preds, num_classes) {
  channels <- dim(preds)[2]
  if (length(dim(preds)) < 2 || channels != num_classes) {
    value_error(sprintf(
      "The predictions have size [%s], but `num_classes = %d` wants N x %d x ...%s", toString(dim(preds)), num_classes,
      num_classes,
      if (identical(channels, 1L)) ". One channel goes with mode = \"binary\" and targets of 0 and 1." else "."
    ))
  }
}

# Of labels: N x K x 4, true positives, false positives, false negatives and true negatives.
label_counts <- function(preds, target, metric) {
  target <- as_truth(preds, target, metric$mode)
  check_channels(preds, metric$num_classes)
  check_same_size(preds, target, "metric")
  check_labels(target, metric$ignore_index)
  void <- target == metric$ignore_index
  truth <- (target + 1)$to(dtype = torch_long())$masked_fill(void, void_class)
  # Each channel is an image of its own.
  flat <- c(prod(dim(preds)[1:2]), -1)
  yes <- (preds > metric$threshold)$to(dtype = torch_long()) + 1L
  counts <- as_array(apply_op(ops$confusion, list(yes$reshape(flat), truth$reshape(flat)), c(void_class, 2)))
  by_image <- function(k, l) t(matrix(counts[, k, l], dim(preds)[2]))
  abind_counts(by_image(2, 2), by_image(1, 2), by_image(2, 1), by_image(1, 1))
}

check_labels <- function(target, ignore_index) {
  wrong <- torch_logical_and(torch_logical_and(target != 0, target != 1), target != ignore_index)
  if (as.logical(wrong$any()$item())) {
    value_error(sprintf(
      "metric: labels are 0 or 1, but found %g. Targets with classes from 1 are for mode = \"multiclass\".",
      as_array(target$masked_select(wrong))[[1]]
    ))
  }
}

abind_counts <- function(tp, fp, fn, tn) array(c(tp, fp, fn, tn), c(dim(tp), 4))

# The same four of each class, from confusion matrices N x K x K.
counts_of_confusion <- function(confusion) {
  n <- dim(confusion)[1]
  k <- dim(confusion)[2]
  tp <- matrix(vapply(seq_len(k), function(i) confusion[, i, i], numeric(n)), n)
  true <- matrix(apply(confusion, c(1, 2), sum), n)
  predicted <- matrix(apply(confusion, c(1, 3), sum), n)
  abind_counts(tp, predicted - tp, true - tp, rowSums(true) - predicted - true + tp)
}

# ---- metrics ----

overlap_averages <- c("macro", "none", "micro", "weighted", "micro-imagewise", "macro-imagewise", "none-imagewise")

# True and false positives and negatives of each image and class.
OverlapMetric <- luz_metric("luz_metric_overlap",
  initialize = function(num_classes, average = overlap_averages, ignore_index = void_class, mode = "multiclass",
                        threshold = 0) {
    self$class_names <- if (is.character(num_classes)) num_classes
    self$num_classes <- if (is.character(num_classes)) length(num_classes) else num_classes
    check_whole_number(self$num_classes, "num_classes", least = 1)
    check_choice(mode, "mode", segmentation_modes)
    check_number(threshold, "threshold")
    self$average <- choice(average, "average", overlap_averages)
    self$ignore_index <- as_ignored(ignore_index, mode)
    self$mode <- mode
    self$threshold <- threshold
    self$batches <- list()
    if (mode == "multiclass") self$confusion <- matrix(0, self$num_classes, self$num_classes)
  },
  update = function(preds, target) {
    self$batches[[length(self$batches) + 1L]] <- if (self$mode == "multiclass") {
      confusion <- confusion_counts(preds, target, self$num_classes, self$ignore_index)
      self$confusion <- self$confusion + apply(confusion, c(2, 3), sum)
      counts_of_confusion(confusion)
    } else {
      label_counts(preds, target, self)
    }
  },
  # tp, fp, fn, tn: matrices of images and classes.
  counts = function() {
    part <- function(i) {
      rows <- lapply(self$batches, function(x) matrix(x[, , i], dim(x)[1]))
      if (length(rows) == 0) matrix(0, 0, self$num_classes) else do.call(rbind, rows)
    }
    list(tp = part(1), fp = part(2), fn = part(3), tn = part(4))
  },
  compute = function() average_overlap(self, self$counts(), self$average)
)

average_overlap <- function(metric, counts, average) {
  if (average == "none-imagewise") {
    scores <- metric$overlap(counts)
    if (!is.null(metric$class_names)) colnames(scores) <- metric$class_names
    return(scores)
  }
  if (average == "macro-imagewise") {
    return(mean(metric$overlap(counts), na.rm = TRUE))
  }
  if (average == "micro-imagewise") {
    return(mean(metric$overlap(lapply(counts, rowSums)), na.rm = TRUE))
  }
  totals <- lapply(counts, colSums)
  if (average == "micro") {
    return(metric$overlap(lapply(totals, sum)))
  }
  scores <- metric$overlap(totals)
  switch(average,
    macro = mean(scores, na.rm = TRUE),
    weighted = stats::weighted.mean(scores, totals$tp + totals$fn, na.rm = TRUE),
    none = stats::setNames(scores, metric$class_names)
  )
}

#' Overlap metrics for segmentation
#'
#' With the pixels of a class that are predicted and true (tp), predicted but not true (fp), true but not predicted (fn)
#' and neither (tn), counted over all pictures of an epoch:
#'
#' - `luz_metric_iou()`: intersection over union (Jaccard index), tp / (tp + fp + fn);
#' - `luz_metric_dice()`: Dice coefficient (F1), 2 tp / (2 tp + fp + fn);
#' - `luz_metric_precision()`: tp / (tp + fp); `luz_metric_recall()`: tp / (tp + fn);
#' - `luz_metric_class_accuracy()`: (tp + tn) / all; `luz_metric_balanced_accuracy()`: the mean of recall and
#'   tn / (tn + fp). For the share of pixels that are right see [luz_metric_accuracy()].
#'
#' @details Predictions have the shape batch x classes x height x width; the class with the largest value is taken. Or
#'   they are classes already, an integer tensor like the targets. Targets have the shape batch x height x width and
#'   classes from 1. For `mode = "binary"` and `"multilabel"` see [nn_dice_loss()].
#'
#'   Metrics have fields and methods to look at: `metric$confusion`, the confusion matrix (true classes in rows);
#'   `metric$counts()`, a list of the matrices `tp`, `fp`, `fn`, `tn` with a row for each image.
#' @param num_classes Number of classes, or their names.
#' @param average `"macro"`: the mean over classes (a class that neither occurs nor is predicted is left out);
#'   `"none"`: a value for each class; `"micro"`: of the counts of all classes together; `"weighted"`: the mean over
#'   classes, weighted by how often they occur; `"micro-imagewise"`, `"macro-imagewise"`: the mean over images of the
#'   score of all classes together, or over images and classes; `"none-imagewise"`: a matrix of images and classes.
#' @param ignore_index Pixels of this class (elements with this label) do not count; `NULL`: all do.
#' @param mode `"multiclass"`, `"binary"` or `"multilabel"`.
#' @param threshold Predictions above it are yes, for `"binary"` and `"multilabel"`: 0 for logits, 0.5 for
#'   probabilities.
#' @return A metric for the argument `metrics` of [setup()].
#' @section Errors: Classes of 0 or above `num_classes`, labels other than 0 and 1, and predictions of another number of
#'   channels are refused, as by the losses.
#' @source Jaccard (1912) The distribution of the flora in the alpine zone; Dice (1945) Measures of the amount of
#'   ecologic association between species.
#' @examples
#' metric <- luz_metric_iou(num_classes = 2)$new()
#' metric$update(torch_randn(1, 2, 4, 4), torch_ones(1, 4, 4, dtype = torch_long()))
#' metric$compute()
#' metric$confusion
#' @export
luz_metric_iou <- luz_metric("luz_metric_iou",
  inherit = OverlapMetric, abbrev = "IoU",
  overlap = function(n) n$tp / (n$tp + n$fp + n$fn)
)

#' @rdname luz_metric_iou
#' @export
luz_metric_dice <- luz_metric("luz_metric_dice",
  inherit = OverlapMetric, abbrev = "Dice",
  overlap = function(n) 2 * n$tp / (2 * n$tp + n$fp + n$fn)
)

#' @rdname luz_metric_iou
#' @export
luz_metric_precision <- luz_metric("luz_metric_precision",
  inherit = OverlapMetric, abbrev = "Precision",
  overlap = function(n) n$tp / (n$tp + n$fp)
)

#' @rdname luz_metric_iou
#' @export
luz_metric_recall <- luz_metric("luz_metric_recall",
  inherit = OverlapMetric, abbrev = "Recall",
  overlap = function(n) n$tp / (n$tp + n$fn)
)

#' @rdname luz_metric_iou
#' @export
luz_metric_class_accuracy <- luz_metric("luz_metric_class_accuracy",
  inherit = OverlapMetric, abbrev = "ClassAcc",
  overlap = function(n) (n$tp + n$tn) / (n$tp + n$fp + n$fn + n$tn)
)

#' @rdname luz_metric_iou
#' @export
luz_metric_balanced_accuracy <- luz_metric("luz_metric_balanced_accuracy",
  inherit = OverlapMetric, abbrev = "BalAcc",
  overlap = function(n) (n$tp / (n$tp + n$fn) + n$tn / (n$tn + n$fp)) / 2
)

# ---- boundaries ----

# Pixels of `inside` [N, H, W] beside one that is neither inside nor void. The border of the picture is no boundary.
boundary_of <- function(inside, void) {
  outside <- torch_logical_not(torch_logical_or(inside, void))$to(dtype = torch_float())$unsqueeze(2)
  near <- nnf_pad(outside, c(1, 1, 1, 1))
  size <- dim(inside)
  part <- function(row, column) near$narrow(3, row, size[2])$narrow(4, column, size[3])
  beside <- (part(1, 2) + part(3, 2) + part(2, 1) + part(2, 3))$squeeze(2) > 0
  torch_logical_and(inside, beside)
}

# For each image: boundary pixels of a class that are predicted and true, and those of each near one of the other.
boundary_counts <- function(predicted, true, void, tolerance) {
  found <- boundary_of(predicted, void)
  wanted <- boundary_of(true, void)
  near <- function(a, b) torch_logical_and(a, apply_op(ops$distance, list(b)) <= tolerance)
  count <- function(x) as.numeric(as_array(x$to(dtype = torch_float())$sum(dim = c(2, 3))))
  cbind(
    found = count(found), right = count(near(found, wanted)), wanted = count(wanted), met = count(near(wanted, found))
  )
}

# NA where the class has no boundary, neither predicted nor true.
boundary_f1 <- function(n) {
  precision <- ifelse(n[, "found"] > 0, n[, "right"] / n[, "found"], 0)
  recall <- ifelse(n[, "wanted"] > 0, n[, "met"] / n[, "wanted"], 0)
  f1 <- ifelse(precision + recall > 0, 2 * precision * recall / (precision + recall), 0)
  ifelse(n[, "found"] + n[, "wanted"] > 0, f1, NA_real_)
}

#' Boundary F1
#'
#' How well boundaries are met. Of a class in a picture, precision is the share of the predicted boundary pixels that
#' lie within `tolerance` of a true one, recall the share of true ones within it of a predicted one, and F1 their
#' harmonic mean. The score of a class is the mean over the pictures in which it has a boundary, predicted or true.
#'
#' @details A boundary pixel belongs to the class and has a neighbour, above, below or beside it, of another class; the
#'   border of the picture and void neighbours do not count. Distances are exact, from pixel to pixel.
#' @param tolerance Largest distance in pixels. The paper takes 0.75 % of the picture's diagonal.
#' @param average `"macro"`: the mean over classes; `"none"`: a value for each class; `"none-imagewise"`: a matrix of
#'   images and classes.
#' @inheritParams luz_metric_iou
#' @return A metric for the argument `metrics` of [setup()], for predictions batch x classes x height x width and
#'   targets batch x height x width.
#' @references Csurka, Larlus, Perronnin (2013), What is a good evaluation measure for semantic segmentation?
#'   \doi{10.5244/C.27.32}.
#' @examples
#' metric <- luz_metric_boundary_f1(num_classes = 2)$new()
#' target <- torch_ones(1, 8, 8, dtype = torch_long())
#' target[, 3:6, 3:6] <- 2L
#' metric$update(target, target)
#' metric$compute()
#' @export
luz_metric_boundary_f1 <- luz_metric("luz_metric_boundary_f1",
  abbrev = "BF1",
  initialize = function(num_classes, tolerance = 2, average = c("macro", "none", "none-imagewise"),
                        ignore_index = void_class) {
    self$class_names <- if (is.character(num_classes)) num_classes
    self$num_classes <- if (is.character(num_classes)) length(num_classes) else num_classes
    check_whole_number(self$num_classes, "num_classes", least = 1)
    check_number(tolerance, "tolerance", least = 0)
    self$tolerance <- tolerance
    self$average <- choice(average, "average", c("macro", "none", "none-imagewise"))
    self$ignore_index <- as_ignored(ignore_index, "multiclass")
    self$scores <- matrix(0, 0, self$num_classes)
  },
  update = function(preds, target) {
    confusion_counts(preds, target, self$num_classes, self$ignore_index)
    if (preds$dtype$is_floating_point) preds <- torch_argmax(preds, dim = 2)
    check_rank(preds, "preds", 3)
    void <- target == self$ignore_index
    scores <- vapply(seq_len(self$num_classes), function(k) {
      predicted <- torch_logical_and(preds == k, torch_logical_not(void))
      boundary_f1(boundary_counts(predicted, target == k, void, self$tolerance))
    }, numeric(dim(target)[1]))
    self$scores <- rbind(self$scores, matrix(scores, dim(target)[1]))
  },
  compute = function() {
    if (self$average == "none-imagewise") {
      return(self$scores)
    }
    by_class <- colMeans(self$scores, na.rm = TRUE)
    if (self$average == "macro") mean(by_class, na.rm = TRUE) else stats::setNames(by_class, self$class_names)
  }
)
