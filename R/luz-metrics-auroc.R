#' @include luz-metrics.R
NULL

# Predictions at or above each threshold, among the positive and among the negative items.
auroc_thresholds <- function(num_thresholds, thresholds) {
  if (is.null(thresholds)) {
    inner <- seq_len(max(num_thresholds - 2, 0)) / (num_thresholds - 1)
    thresholds <- c(-1e-7, inner, 1 + 1e-7)
  }
  # Predictions are single precision numbers; thresholds equal to one must stay equal to it.
  as.numeric(as_array(torch_tensor(sort(thresholds), dtype = torch_float())))
}

empty_counts <- function(n) matrix(0, n, 2, dimnames = list(NULL, c("positive", "negative")))

flat_numbers <- function(x) as.numeric(if (is_tensor(x)) as_array(x$to(dtype = torch_float())) else x)

threshold_counts <- function(scores, positive, thresholds) {
  counts <- function(x) {
    bins <- tabulate(findInterval(x, thresholds) + 1L, length(thresholds) + 1L)
    rev(cumsum(rev(bins)))[-1]
  }
  cbind(positive = counts(scores[positive]), negative = counts(scores[!positive]))
}

# Trapezoids under the true positive rate as a function of the false positive rate. The curve starts at (1, 1) and
# ends at (0, 0) whatever the thresholds.
area_under_curve <- function(counts) {
  total <- counts[1, ]
  tpr <- c(counts[, "positive"] / total[["positive"]], 0)
  fpr <- c(counts[, "negative"] / total[["negative"]], 0)
  sum(-diff(fpr) * (utils::head(tpr, -1) + tpr[-1]) / 2)
}

#' Area under the ROC curve
#'
#' The area under the curve of true positive rate against false positive rate, from counts at a number of thresholds.
#'
#' @details For the binary metric, predictions are probabilities and targets are 0 or 1; for the other, predictions
#'   have the shape batch x classes and targets are classes from 1. Averages over classes: `"micro"` counts all pairs of
#'   item and class together, `"macro"` is the plain mean, `"weighted"` weighs classes by their frequency, `"none"`
#'   gives a value for each class.
#' @param num_thresholds Number of thresholds, evenly spread over 0 to 1.
#' @param thresholds The thresholds themselves, in place of `num_thresholds`.
#' @param from_logits Whether predictions are logits, not probabilities.
#' @param average How to average over classes.
#' @return A metric for the argument `metrics` of [setup()].
#' @source Fawcett (2006) An introduction to ROC analysis, \doi{10.1016/j.patrec.2005.10.010}.
#' @examples
#' metric <- luz_metric_binary_auroc()$new()
#' metric$update(torch_tensor(c(0.1, 0.4, 0.35, 0.8)), torch_tensor(c(0, 0, 1, 1)))
#' metric$compute()
#' @export
luz_metric_binary_auroc <- luz_metric("luz_metric_binary_auroc",
  abbrev = "AUC",
  initialize = function(num_thresholds = 200, thresholds = NULL, from_logits = FALSE) {
    self$thresholds <- auroc_thresholds(num_thresholds, thresholds)
    self$from_logits <- from_logits
    self$counts <- empty_counts(length(self$thresholds))
  },
  update = function(preds, target) {
    if (self$from_logits) preds <- torch_sigmoid(preds)
    self$counts <- self$counts + threshold_counts(flat_numbers(preds), flat_numbers(target) > 0.5, self$thresholds)
  },
  compute = function() area_under_curve(self$counts)
)

#' @rdname luz_metric_binary_auroc
#' @export
luz_metric_multiclass_auroc <- luz_metric("luz_metric_multiclass_auroc",
  abbrev = "AUC",
  initialize = function(num_thresholds = 200, thresholds = NULL, from_logits = FALSE,
                        average = c("micro", "macro", "weighted", "none")) {
    self$average <- choice(average, "average", c("micro", "macro", "weighted", "none"))
    self$thresholds <- auroc_thresholds(num_thresholds, thresholds)
    self$from_logits <- from_logits
    self$counts <- NULL
  },
  update = function(preds, target) {
    if (self$from_logits) preds <- nnf_softmax(preds, dim = 2)
    scores <- as_array(preds)
    target <- as.integer(flat_numbers(target))
    if (is.null(self$counts)) {
      self$counts <- rep(list(empty_counts(length(self$thresholds))), ncol(scores))
    }
    for (k in seq_len(ncol(scores))) {
      self$counts[[k]] <- self$counts[[k]] + threshold_counts(scores[, k], target == k, self$thresholds)
    }
  },
  compute = function() {
    if (self$average == "micro") {
      return(area_under_curve(Reduce(`+`, self$counts)))
    }
    areas <- vapply(self$counts, area_under_curve, numeric(1))
    positives <- vapply(self$counts, function(x) x[1, "positive"], numeric(1))
    switch(self$average,
      macro = mean(areas),
      weighted = stats::weighted.mean(areas, positives),
      none = as.list(areas)
    )
  }
)
