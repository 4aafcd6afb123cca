# From items to a batch.

# Items are put together along a new first dimension; lists element by element, with the first item's names.
default_collate <- function(items) {
  first <- items[[1]]
  if (is_tensor(first)) {
    check_one_size(items)
    torch_stack(items, dim = 1)
  } else if (is.list(first) && !is.object(first)) {
    collate_lists(items)
  } else if (is.atomic(first) && !is.null(first)) {
    collate_atomic(items)
  } else {
    value_error(sprintf(
      "Items of class <%s> cannot be put together into a batch; give a `collate_fn` to dataloader().",
      paste(class_names(first), collapse = "/")
    ))
  }
}

# Pictures of several sizes are the usual reason why a batch cannot be made.
check_one_size <- function(items) {
  shapes <- lapply(items, dim)
  other <- which(!vapply(shapes, identical, NA, shapes[[1]]))
  if (length(other) == 0 || !length(shapes[[1]]) %in% 2:4) {
    return(invisible())
  }
  text <- function(shape) sprintf("[%s]", paste(shape, collapse = " x "))
  raise(sprintf(paste(
    "items of a batch must have one size, but the first is %s and number %d is %s. Resize in .getitem(), with",
    "transform_resize(), or cut out parts of one size; masks with interpolation = 0."
  ), text(shapes[[1]]), other[[1]], text(shapes[[other[[1]]]])), c("candela_error_shape", "value_error"))
}

collate_lists <- function(items) {
  first <- items[[1]]
  lengths <- lengths(items)
  if (any(lengths != lengths[1])) {
    value_error(sprintf(
      "Items must be lists of the same length, but the first has %d elements and another %d.",
      lengths[1], lengths[lengths != lengths[1]][1]
    ))
  }
  stats::setNames(lapply(seq_along(first), function(i) default_collate(lapply(items, `[[`, i))), names(first))
}

collate_atomic <- function(items) {
  first <- items[[1]]
  is_scalar <- length(first) == 1 && is.null(dim(first))
  if (!is_scalar) {
    items <- lapply(items, torch_tensor)
    check_one_size(items)
    return(torch_stack(items, dim = 1))
  }
  values <- unlist(items, use.names = FALSE)
  if (is.character(values)) values else torch_tensor(values)
}

# What `.getbatch()` returns is a batch already: only R arrays become tensors. A list without any is left as it is.
default_convert <- function(x) {
  if (!needs_converting(x)) {
    return(x)
  }
  if (!is.list(x)) {
    return(torch_tensor(x))
  }
  for (i in which(vapply(x, needs_converting, NA))) x[[i]] <- default_convert(x[[i]])
  x
}

needs_converting <- function(x) {
  if (is.list(x)) !is.object(x) && any(vapply(x, needs_converting, NA)) else is.numeric(x) || is.logical(x)
}
