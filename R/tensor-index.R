#' @include tensor-class.R
NULL

#' Indexing tensors
#'
#' `x[...]` reads and `x[...] <- value` changes a part of a tensor. Positions count from 1. Numbers, slices, new
#' dimensions and `..` give views, which share memory with `x`; vectors, logical vectors and tensors give copies.
#'
#' One index for each dimension, from the first on; dimensions that are left out are taken whole:
#' * a number: that element; the dimension goes, unless `drop = FALSE`. Negative numbers count from the end, `-1` is
#'   the last element (they never exclude);
#' * nothing (`x[1, ]`): the whole dimension;
#' * `a:b`: the elements from `a` to `b`, both included; `a:b:s` with steps of `s`. An end of `-1` or `N` is the
#'   last element, other negative ends count from it. A slice that reaches further than the tensor ends with it;
#' * `slc(start, end, step)`: the same as a value; `end` may be `Inf`;
#' * `N`: the last element; `newaxis` or `NULL`: a new dimension of size 1; `..`: as many whole dimensions as needed;
#' * a numeric vector: those elements in that order; a logical vector or `Bool` tensor: where it is true; a `Long`
#'   tensor of any shape: elements at these positions, its shape in the place of the dimension. Several of them combine
#'   as in R: each acts along its own dimension.
#'
#' In an assignment at most one index may be a vector or tensor, and the value (a number, an R array or a tensor) is
#' broadcast to the part. The tensor itself changes, for everybody who holds it.
#'
#' @param x Tensor.
#' @param ... Indices, as described below.
#' @param drop `FALSE` keeps dimensions indexed by a number, with size 1.
#' @param value Number, R vector or array, or tensor; broadcast to the part that is changed.
#' @param start,end First and last position, from 1, negative from the end; `end` may be `Inf`.
#' @param step Distance of the elements taken, at least 1.
#' @return A tensor; for `slc()` an object for use between the brackets.
#' @section Errors: An index that is out of bounds, a 0, a mask of another shape, or an index tensor of a dtype other
#'   than `Long` or `Bool`.
#' @examples
#' x <- torch_tensor(matrix(1:12, nrow = 3))
#' x[1, ]
#' x[2:N, -1]
#' x[.., 1, drop = FALSE]
#' x[c(1, 3), ]
#' x[x > 6]
#' x[, 2] <- 0L
#' x[slc(1, Inf, 2), newaxis]
#' @rdname tensor-index
#' @name tensor-index
#' @export
`[.candela_tensor` <- function(x, ..., drop = TRUE) {
  .Call(cdr_index, x, index_values(sys.call(), substitute(list(...)), parent.frame(), ...), drop)
}

#' @rdname tensor-index
#' @export
`[<-.candela_tensor` <- function(x, ..., value) {
  .Call(cdr_assign, x, index_values(sys.call(), substitute(list(...)), parent.frame(), ...), value)
  invisible(x)
}

#' @rdname tensor-index
#' @export
slc <- function(start, end, step = 1) {
  if (length(start) != 1 || length(end) != 1 || length(step) != 1) {
    value_error("`start`, `end` and `step` of a slice must be single numbers.")
  }
  structure(c(as.double(start), as.double(end), as.double(step)), class = own_first("slice"))
}

#' @export
print.candela_slice <- function(x, ...) {
  cat("<slice>\n")
  invisible(x)
}

# The indices of a call as values: "all", "ellipsis", NULL for a new dimension, slices, numbers, vectors, tensors.
# Dots that the caller passes on have environments of their own, which only quosures know.
index_values <- function(call, exprs, frame, ...) {
  if (any(vapply(as.list(call), identical, NA, quote(...)))) {
    quosures <- rlang::enquos(..., .ignore_empty = "none")
    return(lapply(quosures, function(q) index_value(rlang::quo_get_expr(q), rlang::quo_get_env(q))))
  }
  lapply(as.list(exprs)[-1], index_value, frame)
}

index_value <- function(expr, frame) {
  if (is.numeric(expr)) {
    return(expr)
  }
  if (is.symbol(expr)) {
    name <- as.character(expr)
    return(switch(if (nzchar(name)) name else "all dims",
      `all dims` = "all",
      .. = "ellipsis",
      N = -1,
      newaxis = NULL,
      check_index(eval(expr, frame))
    ))
  }
  if (is.call(expr) && identical(expr[[1]], quote(`:`))) {
    return(slice_value(expr, frame))
  }
  check_index(eval(expr, list(N = -1, newaxis = NULL), frame))
}

check_index <- function(value) {
  if (is.character(value)) {
    value_error("A tensor cannot be indexed by names.")
  }
  if (is.factor(value)) as.integer(value) else value
}

# a:b or a:b:step, which R reads as (a:b):step.
slice_value <- function(expr, frame) {
  first <- expr[[2]]
  last <- index_value(expr[[3]], frame)
  if (is.call(first) && identical(first[[1]], quote(`:`))) {
    range <- slice_value(first, frame)
    return(slc(range[[1]], range[[2]], slice_end(last)))
  }
  slc(slice_end(index_value(first, frame)), slice_end(last))
}

slice_end <- function(value) {
  if (is_tensor(value)) value <- value$item()
  if (!is.numeric(value)) {
    value_error("The ends of a slice must be numbers.")
  }
  value
}

#' First or last elements along dimension 1
#'
#' @param x Tensor of at least one dimension.
#' @param n Number of elements; negative: all but so many.
#' @param ... Not used.
#' @return A view of `x`.
#' @examples
#' head(torch_tensor(1:10), 3)
#' tail(torch_tensor(1:10), 3)
#' @rdname head.torch_tensor
#' @importFrom utils head
#' @rawNamespace S3method(head, candela_tensor)
head.candela_tensor <- function(x, n = 6L, ...) {
  torch_narrow(x, 1, 1, ends_length(n, dim(x)[[1]]))
}

#' @rdname head.torch_tensor
#' @importFrom utils tail
#' @rawNamespace S3method(tail, candela_tensor)
tail.candela_tensor <- function(x, n = 6L, ...) {
  size <- dim(x)[[1]]
  length <- ends_length(n, size)
  torch_narrow(x, 1, size - length + 1, length)
}

ends_length <- function(n, size) if (n < 0) max(size + n, 0) else min(n, size)

#' Elements at given positions
#'
#' Differentiable reading and writing by tensors of positions, which count from 1 (negative from the end).
#'
#' * `torch_index_select()` takes the elements `index` (1-d) along `dim`.
#' * `torch_gather()` gives y of the shape of `index`, for dim 1 y_ijk = x at (index_ijk, j, k).
#' * `torch_scatter()` and `torch_scatter_add()` do the reverse: x at (index_ijk, j, k) becomes, or is increased by,
#'   `src_ijk`. Methods `$scatter_()` and `$scatter_add_()` change the tensor.
#' * `torch_index_add()` adds slice i of `source` along `dim` to slice `index_i`; `$index_add_()` changes the tensor.
#' * `torch_take()` reads `x` as if it had one dimension (row by row).
#' * `torch_masked_select()` gives the elements where `mask` is true; `torch_masked_fill()` replaces them by `value`.
#' * `torch_where()` chooses between `self` and `other`, element by element; with `condition` alone it gives the
#'   positions where it is true, one tensor for each dimension.
#' * `torch_nonzero()` gives the positions of elements that are not zero, one row for each.
#'
#' @param self Tensor.
#' @param dim Dimension, from 1; negative from the end.
#' @param index `Long` tensor of positions (an R vector is converted).
#' @param src Tensor or number to be written; `torch_scatter()` takes a number as `value`, too.
#' @param alpha Factor of `source`.
#' @param source Tensor of slices to add, of the dtype of `self`, with as many along `dim` as there are positions.
#' @param sparse_grad Not used; gradients are dense.
#' @param mask,condition `Bool` tensor, broadcast.
#' @param value Number or tensor of one element.
#' @param other Tensor or number.
#' @param as_list `TRUE` gives one tensor of positions for each dimension.
#' @return A tensor, or a list of tensors where said.
#' @examples
#' x <- torch_tensor(matrix(c(1, 2, 3, 4, 5, 6), nrow = 2))
#' torch_index_select(x, 2, torch_tensor(c(3L, 1L)))
#' torch_gather(x, 2, torch_tensor(matrix(c(1L, 3L), nrow = 2)))
#' torch_where(x > 2, x, 0)
#' torch_nonzero(x > 4)
#' @rdname torch_index
#' @export
torch_index_select <- function(self, dim, index) {
  index <- index_tensor(index)
  if (length(dim(index)) > 1) {
    value_error("torch_index_select(): `index` must be a vector.")
  }
  dim <- resolved_dim(self, dim)
  apply_op(ops$index_select, list(self, torch_reshape(index, -1)), dim)
}

# R numbers are positions, not floats.
index_tensor <- function(index) {
  if (is_tensor(index)) return(index)
  if (!is.logical(index)) storage.mode(index) <- "integer"
  .Call(cdr_tensor, index, NULL, FALSE)
}

# 0-based, counted from the front.
resolved_dim <- function(self, dim) {
  n <- length(dim(self))
  d <- zero_based_dim(dim)
  d <- ifelse(d < 0, d + n, d)
  if (any(d < 0 | d >= n)) {
    runtime_error(sprintf("Dimension out of range: got dim = %s for a tensor of %d dimensions.",
      paste(dim, collapse = ", "), n))
  }
  d
}

#' @rdname torch_index
#' @export
torch_gather <- function(self, dim, index, sparse_grad = FALSE) {
  apply_op(ops$gather, list(self, index_tensor(index)), zero_based_dim(dim))
}

#' @rdname torch_index
#' @export
torch_scatter <- function(self, dim, index, src, value = src) {
  apply_op(ops$scatter, list(self, index_tensor(index), value), zero_based_dim(dim))
}

#' @rdname torch_index
#' @export
torch_scatter_add <- function(self, dim, index, src) {
  apply_op(ops$scatter_add, list(self, index_tensor(index), src), zero_based_dim(dim))
}

#' @rdname torch_index
#' @export
torch_index_add <- function(self, dim, index, source, alpha = 1L) {
  if (alpha != 1) source <- torch_mul(source, alpha)
  apply_op(ops$scatter_add, list(self, spread_index(index, dim, source), source), zero_based_dim(dim))
}

# One position along `dim` for every slice of `source`, as the positions of its elements.
spread_index <- function(index, dim, source) {
  index <- index_tensor(index)
  shape <- rep(1, length(dim(source)))
  if (index$numel() != tensor_size(source, dim)) {
    value_error(sprintf("index_add: %d positions for a dimension of size %d of `source`.", index$numel(),
      tensor_size(source, dim)))
  }
  shape[resolved_dim(source, dim) + 1] <- index$numel()
  torch_reshape(index, shape)$expand(dim(source))
}

#' @rdname torch_index
#' @export
torch_take <- function(self, index) {
  apply_op(ops$index, list(torch_reshape(self, -1), index_tensor(index)), 0)
}

#' @rdname torch_index
#' @export
torch_masked_select <- function(self, mask) apply_op(ops$masked_select, list(self, mask))

#' @rdname torch_index
#' @export
torch_masked_fill <- function(self, mask, value) apply_op(ops$masked_fill, list(self, mask, value))

#' @rdname torch_index
#' @export
torch_where <- function(condition, self = NULL, other = NULL) {
  if (is.null(self) && is.null(other)) {
    return(torch_nonzero(condition, as_list = TRUE))
  }
  apply_op(ops$where, list(condition, self, other))
}

#' @rdname torch_index
#' @export
torch_nonzero <- function(self, as_list = FALSE) {
  positions <- apply_op(ops$nonzero, list(self))
  if (as_list) torch_unbind(positions, 2) else positions
}

#' One-hot vectors
#'
#' @param tensor `Long` tensor of classes, from 1.
#' @param num_classes Number of classes K; `-1` takes the largest class found.
#' @return `Long` tensor with a new last dimension of size K: 1 at the class, 0 elsewhere.
#' @examples
#' nnf_one_hot(torch_tensor(c(1L, 3L, 2L)))
#' @export
nnf_one_hot <- function(tensor, num_classes = -1) apply_op(ops$one_hot, list(tensor), as.double(num_classes))

tensor_method("index_select", function(dim, index) torch_index_select(self, dim, index))
tensor_method("gather", function(dim, index, sparse_grad = FALSE) torch_gather(self, dim, index))
tensor_method("scatter", function(dim, index, src, value = src) torch_scatter(self, dim, index, value = value))
tensor_method("scatter_", function(dim, index, src, value = src) {
  apply_op_(ops$scatter, list(self, index_tensor(index), value), zero_based_dim(dim))
})
tensor_method("scatter_add", function(dim, index, src) torch_scatter_add(self, dim, index, src))
tensor_method("scatter_add_", function(dim, index, src) {
  apply_op_(ops$scatter_add, list(self, index_tensor(index), src), zero_based_dim(dim))
})
tensor_method("index_add", function(dim, index, source, alpha = 1L) torch_index_add(self, dim, index, source, alpha))
tensor_method("index_add_", function(dim, index, source, alpha = 1L) {
  if (alpha != 1) source <- torch_mul(source, alpha)
  apply_op_(ops$scatter_add, list(self, spread_index(index, dim, source), source), zero_based_dim(dim))
})
tensor_method("take", function(index) torch_take(self, index))
tensor_method("masked_select", function(mask) torch_masked_select(self, mask))
tensor_method("masked_fill", function(mask, value) torch_masked_fill(self, mask, value))
tensor_method("masked_fill_", function(mask, value) apply_op_(ops$masked_fill, list(self, mask, value)))
tensor_method("where", function(condition, other) torch_where(condition, self, other))
tensor_method("nonzero", function(as_list = FALSE) torch_nonzero(self, as_list))
