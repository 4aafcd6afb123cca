#' Parts of a dataset
#'
#' Splits a [segmentation_dataset()] into parts for training, validation and test, or into folds; always the same for
#' one `seed`, and what belongs to one group (see `group` there) stays together.
#'
#' @param x a [segmentation_dataset()].
#' @param f named shares, such as `c(train = 0.7, valid = 0.15, test = 0.15)`, which add up to at most 1; or for each
#'   image the name of its part, as a vector or factor; or one whole number k for k folds. By default what the table
#'   of images says in a column `split`, else `c(train = 0.8, valid = 0.2)`.
#' @param drop not used.
#' @param seed of the draw; R's own generator is left as it is.
#' @param ... not used.
#' @return A named list of datasets. For k folds: a list of k lists of `train` and `valid`. The part called `train`,
#'   or else the first, has the dataset's transform, and, where it cuts out parts, moves them at random; all parts
#'   scale numbers as the training part tells, and share what is in memory.
#' @examples
#' root <- tempfile()
#' drawn_cells(root, n = 6, size = 32)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' lengths(split(ds, c(train = 0.5, valid = 0.5)))
#' lengths(split(ds, 3)[[1]])
#' @export
split.segmentation_dataset <- function(x, f = NULL, drop = FALSE, seed = 1, ...) {
  check_whole_number(seed, "seed")
  pairs <- unique(x$source$pair_of(x$items))
  if (is.null(f)) f <- x$source$pairs$part[pairs] %||% c(train = 0.8, valid = 0.2)
  groups <- x$source$pairs$group[pairs]
  if (length(f) == 1 && is.numeric(f) && f >= 2) {
    check_whole_number(f, "f", 2, length(unique(groups)))
    folds <- parts_by_share(groups, stats::setNames(rep(1 / f, f), seq_len(f)), seed)
    return(lapply(seq_len(f), function(k) split_at(x, pairs, ifelse(folds == k, "valid", "train"))))
  }
  split_at(x, pairs, if (is.numeric(f)) parts_by_share(groups, check_shares(f), seed) else check_parts(f, pairs))
}

check_shares <- function(f) {
  if (anyNA(f) || any(f <= 0) || sum(f) > 1 + 1e-8) {
    refuse(f, "f", "shares above 0 that add up to at most 1, such as c(train = 0.8, valid = 0.2)")
  }
  names <- names(f) %||% utils::head(c("train", "valid", "test"), length(f))
  if (length(names) != length(f) || any(!nzchar(names)) || anyDuplicated(names)) {
    refuse(f, "f", "shares with a name each")
  }
  stats::setNames(f, names)
}

check_parts <- function(f, pairs) {
  if (length(f) != length(pairs)) {
    value_error(sprintf("`f` must name a part for each of %d images, but has %d.", length(pairs), length(f)))
  }
  as.character(f)
}

# Groups in random order go to the part that lacks most of its share, so that each part has close to its number of
# images. NA: of no part.
parts_by_share <- function(groups, shares, seed) {
  sizes <- table(factor(groups, unique(groups)))
  local_r_seed(seed)
  order <- sample.int(length(sizes))
  wanted <- c(shares, max(0, 1 - sum(shares))) * length(groups)
  names <- c(names(shares), NA)
  given <- rep(0, length(wanted))
  part <- character(length(sizes))
  for (g in order) {
    k <- which.max(ifelse(wanted > 0, (wanted - given) / wanted, -Inf))
    part[[g]] <- names[[k]]
    given[[k]] <- given[[k]] + sizes[[g]]
  }
  unname(part[match(groups, names(sizes))])
}

split_at <- function(ds, pairs, part) {
  names <- unique(part[!is.na(part)])
  names <- names[order(match(names, c("train", "valid", "test")))]
  training <- if ("train" %in% names) "train" else names[[1]]
  items_of <- function(name) ds$items[ds$source$pair_of(ds$items) %in% pairs[!is.na(part) & part == name]]
  train <- ds$part(items_of(training), training = TRUE)
  parts <- lapply(names, function(name) {
    if (name == training) train else ds$part(items_of(name), training = FALSE, reference = train)
  })
  stats::setNames(parts, names)
}
