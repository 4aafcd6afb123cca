#' @include class-generator.R
NULL

Dataset <- slim_class(R6::R6Class(
  classname = own_first("dataset"),
  lock_objects = FALSE,
  public = list(
    initialize = function(...) NULL,
    .getitem = function(index) not_implemented_error("The dataset has no `.getitem()` method."),
    .length = function() not_implemented_error("The dataset has no `.length()` method.")
  )
))

IterableDataset <- slim_class(R6::R6Class(
  classname = own_first("iterable_dataset"),
  lock_objects = FALSE,
  public = list(
    initialize = function(...) NULL,
    .iter = function() not_implemented_error("The iterable dataset has no `.iter()` method."),
    .length = function() NA_integer_
  )
))

#' Datasets
#'
#' A dataset knows how many items it has and how to get one of them. `dataset()` defines a kind of dataset and
#' returns the function that makes datasets of that kind; a [dataloader()] turns them into batches.
#'
#' @details Methods to define:
#'
#' * `initialize(...)`: keeps what is needed, in `self$...`.
#' * `.getitem(i)`: item `i`, usually a named list of tensors, arrays or numbers.
#' * `.length()`: the number of items.
#' * `.getbatch(indices)` (optional): the items of several indices at once, already put together. A class that
#'   overrides `.getitem()` without defining `.getbatch()` does not use an inherited `.getbatch()`.
#' * `.prefetch(indices)` (optional): called by a [dataloader()] before the items of a batch are asked for, to read
#'   files of several items at once.
#'
#' `iterable_dataset()` defines datasets without indices: `.iter()` returns an iterator (see [loop()]).
#'
#' @param name Class name; `NULL` for none.
#' @param inherit The dataset generator to inherit from; its methods are reached by `super$`.
#' @param ... Methods and fields. For `tensor_dataset()`, tensors with the same first dimension.
#' @param private,active Lists of private members and of active bindings, as for [R6::R6Class()].
#' @param parent_env Where the methods look up free variables.
#' @return `dataset()` and `iterable_dataset()` return a generator: a function with the arguments of
#'   `initialize`. For a dataset `ds`, `ds[i]` is an item (or a batch, if there is a `.getbatch()`), `ds[[i]]` an
#'   item, `length(ds)` the number of items. `tensor_dataset()` and `dataset_subset()` return datasets.
#' @examples
#' squares <- dataset(
#'   "squares",
#'   initialize = function(n) self$n <- n,
#'   .getitem = function(i) list(x = i, y = i^2),
#'   .length = function() self$n
#' )
#' ds <- squares(10)
#' length(ds)
#' ds[3]
#'
#' first <- dataset_subset(ds, 1:4)
#' length(first)
#'
#' pairs <- tensor_dataset(x = torch_randn(10, 3), y = torch_randn(10))
#' pairs[2]$y
#' @export
dataset <- function(name = NULL, inherit = Dataset, ..., private = NULL, active = NULL,
                    parent_env = parent.frame()) {
  members <- hide_inherited_getbatch(rlang::list2(...), inherit)
  constructor(derive_class(name, inherit, members, private, active, parent_env), "dataset_generator")
}

# A new `.getitem()` would be bypassed by the batch method of the parent class.
hide_inherited_getbatch <- function(members, inherit) {
  overrides_items <- ".getitem" %in% names(members) && !".getbatch" %in% names(members)
  if (overrides_items && !is.null(class_member(r6_class(inherit), ".getbatch"))) {
    members[".getbatch"] <- list(NULL)
  }
  members
}

#' @rdname dataset
#' @export
iterable_dataset <- function(name, inherit = IterableDataset, ..., private = NULL, active = NULL,
                             parent_env = parent.frame()) {
  class <- derive_class(name, inherit, rlang::list2(...), private, active, parent_env)
  constructor(class, c("iterable_dataset_generator", "dataset_generator"))
}

#' @export
print.candela_iterable_dataset_generator <- function(x, ...) {
  cat("<iterable_dataset_generator>\n")
  print(attr(x, "r6_class"))
  invisible(x)
}

#' @export
print.candela_dataset_generator <- function(x, ...) {
  cat("<dataset_generator>\n")
  print(attr(x, "r6_class"))
  invisible(x)
}

#' @export
`[.candela_dataset` <- function(x, i) {
  i <- as.integer(i)
  if (is.null(x$.getbatch)) x$.getitem(i) else x$.getbatch(i)
}

#' @export
`[[.candela_dataset` <- function(x, i) {
  if (is.character(i)) {
    return(get0(i, envir = x, inherits = FALSE))
  }
  if (length(i) != 1) {
    value_error(sprintf("`[[` gives one item of a dataset, but got %d indices.", length(i)))
  }
  x$.getitem(as.integer(i))
}

#' @export
length.candela_dataset <- function(x) x$.length()

#' @export
length.candela_iterable_dataset <- function(x) x$.length()

is_map_dataset <- function(x) inherits(x, "dataset")
is_iterable_dataset <- function(x) inherits(x, "iterable_dataset")

#' @rdname dataset
#' @export
tensor_dataset <- dataset("tensor_dataset",
  initialize = function(...) {
    tensors <- list(...)
    sizes <- vapply(tensors, function(x) as.numeric(x$shape[1]), numeric(1))
    if (length(unique(sizes)) != 1) {
      value_error(paste0(
        "Tensors of a tensor_dataset() must have the same first dimension, but got ",
        if (length(sizes) == 0) "no tensors" else paste(sizes, collapse = ", "), "."
      ))
    }
    self$tensors <- tensors
  },
  .getitem = function(index) lapply(self$tensors, function(x) x$select(1, index)),
  .getbatch = function(indices) {
    indices <- torch_tensor(as.integer(indices), dtype = torch_long())
    lapply(self$tensors, function(x) x$index_select(1, indices))
  },
  .length = function() as.integer(self$tensors[[1]]$shape[1])
)

#' @export
`[.candela_tensor_dataset` <- function(x, i) {
  if (length(i) == 1 || is.null(x$.getbatch)) x$.getitem(as.integer(i)) else x$.getbatch(as.integer(i))
}

check_subset <- function(indices, n) {
  bad <- is.na(indices) | indices < 1 | indices > n
  if (any(bad)) {
    value_error(sprintf(
      "`indices` must lie between 1 and the number of items, %d, but one of them is %s.", n, indices[bad][1]
    ))
  }
  indices
}

#' @rdname dataset
#' @param dataset A dataset.
#' @param indices Numbers of the items to keep, from 1.
#' @export
dataset_subset <- dataset("dataset_subset",
  initialize = function(dataset, indices) {
    self$dataset <- dataset
    self$indices <- check_subset(as.integer(indices), length(dataset))
    if (!is.null(dataset$.getbatch)) {
      self$.getbatch <- function(indices) self$dataset$.getbatch(self$indices[indices])
    }
    if (is.function(dataset$.prefetch)) {
      self$.prefetch <- function(indices) self$dataset$.prefetch(self$indices[indices])
    }
    base_classes <- setdiff(class(dataset), c(own_classes, "dataset", "R6"))
    if (length(base_classes) > 0) {
      class(self) <- c(paste0(base_classes, "_subset"), class(self))
    }
  },
  .getitem = function(index) self$dataset$.getitem(self$indices[index]),
  .length = function() length(self$indices)
)

#' @export
`[.candela_dataset_subset` <- function(x, i) x$dataset[x$indices[as.integer(i)]]
