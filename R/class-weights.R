#' Weights for rare classes
#'
#' `class_weights()` turns counts of pixels into weights for a loss; `class_sampler()` lets a [dataloader()] take
#' items that hold rare classes more often.
#'
#' @param x a [segmentation_dataset()] or a part of one, or counts of pixels by class ([class_counts()]).
#' @param method with n the number of pixels, K that of classes, f the share of a class:
#'   * `"inverse"`: 1 / f;
#'   * `"sqrt"`: 1 / sqrt(f);
#'   * `"median"`: median(f) / f, where f counts only items that hold the class (Eigen and Fergus 2015; from
#'     counts alone, all pixels);
#'   * `"effective"`: (1 - beta) / (1 - beta^m) with m the number of pixels of the class (Cui et al. 2019).
#' @param beta of `"effective"`, at least 0 and below 1.
#' @param data_source for `class_sampler()`: a [segmentation_dataset()] or a part of one.
#' @param power items are drawn with a probability proportional to the mean of `f^-power` over their pixels; 0 draws
#'   all alike.
#' @param n items of an epoch.
#' @return `class_weights()`: a named vector with mean 1 over the classes that have pixels; 0 for classes without.
#'   `class_sampler()`: a [sampler()], which draws with replacement from the generator of [torch_manual_seed()].
#' @source Eigen and Fergus (2015), Predicting depth, surface normals and semantic labels, ICCV. Cui, Jia, Lin, Song
#'   and Belongie (2019), Class-balanced loss based on effective number of samples, CVPR.
#' @examples
#' class_weights(c(background = 900, cell = 100), "inverse")
#' root <- drawn_cells(tempfile(), n = 4, size = 32)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' loader <- dataloader(ds, batch_size = 2, sampler = class_sampler(ds))
#' length(loader)
#' @export
class_weights <- function(x, method = c("sqrt", "inverse", "median", "effective"), beta = 0.9999) {
  method <- choice(method, "method", c("sqrt", "inverse", "median", "effective"))
  check_number(beta, "beta", 0, 1 - 1e-15)
  by_item <- if (!is.numeric(x)) item_counts(x, "x")
  counts <- if (is.null(by_item)) x else colSums(by_item)
  if (!is.numeric(counts) || anyNA(counts) || any(counts < 0) || sum(counts) == 0) {
    refuse(x, "x", "a segmentation_dataset(), or counts of pixels by class")
  }
  share <- if (method == "median") share_where_present(by_item %||% rbind(counts)) else counts / sum(counts)
  weights <- switch(method,
    inverse = 1 / share,
    sqrt = 1 / sqrt(share),
    median = stats::median(share[share > 0]) / share,
    effective = (1 - beta) / (1 - beta^counts)
  )
  weights[counts == 0] <- 0
  weights / mean(weights[counts > 0])
}

share_where_present <- function(by_item) {
  pixels <- rowSums(by_item)
  held <- apply(by_item > 0, 2, function(has) sum(pixels[has]))
  ifelse(held > 0, colSums(by_item) / pmax(held, 1), 0)
}

# Items x classes.
item_counts <- function(ds, name) {
  ds <- whole_dataset(ds, name)
  names <- levels(class_table(ds)$class)
  counts <- with_one_warning(vapply(seq_len(length(ds)), function(i) ds$count(i), numeric(length(names))))
  matrix(counts, ncol = length(names), byrow = TRUE, dimnames = list(NULL, names))
}

# A subset is a part, too.
whole_dataset <- function(ds, name) {
  if (inherits(ds, "dataset_subset") && inherits(ds$dataset, "segmentation_dataset")) {
    return(ds$dataset$part(ds$dataset$items[ds$indices]))
  }
  if (!inherits(ds, "segmentation_dataset")) refuse(ds, name, "a segmentation_dataset()")
  ds
}

#' @include sampler.R
#' @rdname class_weights
#' @export
class_sampler <- sampler("class_sampler",
  initialize = function(data_source, power = 0.5, n = length(data_source)) {
    check_number(power, "power", 0)
    check_whole_number(n, "n", 1)
    counts <- item_counts(data_source, "data_source")
    share <- colSums(counts) / sum(counts)
    value <- ifelse(share > 0, share^-power, 0)
    self$weights <- as.vector(counts %*% value) / pmax(rowSums(counts), 1)
    if (all(self$weights == 0)) self$weights <- rep(1, nrow(counts))
    self$n <- n
  },
  .iter = function() {
    ends <- cumsum(self$weights) / sum(self$weights)
    drawn <- as_array(torch_rand(self$n, dtype = torch_double()))
    as_iterator(pmin(findInterval(drawn, ends) + 1L, length(ends)))
  },
  .length = function() self$n
)
