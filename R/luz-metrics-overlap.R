#' @include luz-metrics.R
NULL

# Pixels of each class: predicted, true, and both.
OverlapMetric <- luz_metric("luz_metric_overlap",
  initialize = function(num_classes, average = c("macro", "none")) {
    self$num_classes <- num_classes
    self$average <- rlang::arg_match0(average[[1]], c("macro", "none"))
    self$both <- self$predicted <- self$true <- numeric(num_classes)
  },
  update = function(preds, target) {
    classes <- torch_argmax(preds, dim = 2)
    target <- target$view_as(classes)
    for (k in seq_len(self$num_classes)) {
      is_predicted <- classes == k
      is_true <- target == k
      self$predicted[k] <- self$predicted[k] + count_true(is_predicted)
      self$true[k] <- self$true[k] + count_true(is_true)
      self$both[k] <- self$both[k] + count_true(torch_logical_and(is_predicted, is_true))
    }
  },
  compute = function() {
    values <- self$overlap()
    if (self$average == "none") values else mean(values, na.rm = TRUE)
  }
)

count_true <- function(x) as.numeric(x$sum()$item())

#' Overlap metrics for segmentation
#'
#' Intersection over union (Jaccard index), `|A and B| / |A or B|`, and Dice coefficient, `2 |A and B| / (|A| + |B|)`,
#' where A are the pixels predicted to be of a class and B those that are, counted over the whole epoch.
#'
#' @details Predictions have the shape batch x classes x height x width; the class with the largest value is taken.
#'   Targets have the shape batch x height x width and classes from 1.
#' @param num_classes Number of classes.
#' @param average `"macro"`: the mean over classes (a class that neither occurs nor is predicted is left out);
#'   `"none"`: a value for each class.
#' @return A metric for the argument `metrics` of [setup()].
#' @source Jaccard (1912) The distribution of the flora in the alpine zone; Dice (1945) Measures of the amount of
#'   ecologic association between species.
#' @examples
#' metric <- luz_metric_iou(num_classes = 2)$new()
#' metric$update(torch_randn(1, 2, 4, 4), torch_ones(1, 4, 4, dtype = torch_long()))
#' metric$compute()
#' @export
luz_metric_iou <- luz_metric("luz_metric_iou",
  inherit = OverlapMetric, abbrev = "IoU",
  overlap = function() self$both / (self$predicted + self$true - self$both)
)

#' @rdname luz_metric_iou
#' @export
luz_metric_dice <- luz_metric("luz_metric_dice",
  inherit = OverlapMetric, abbrev = "Dice",
  overlap = function() 2 * self$both / (self$predicted + self$true)
)
