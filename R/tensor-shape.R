#' @include tensor-class.R
NULL

#' Size of a tensor
#'
#' `dim()` gives the sizes, `length()` the number of elements. The same as fields and methods: `x$shape`, `x$size()`,
#' `x$size(d)`, `x$ndim`, `x$dim()`, `x$numel()`.
#' @param x Tensor.
#' @return Integer vector; `integer(0)` for a tensor without dimensions. `length()` a number.
#' @examples
#' dim(torch_tensor(matrix(1:6, nrow = 2)))
#' length(torch_tensor(1:6))
#' @rdname dim.torch_tensor
#' @export
dim.candela_tensor <- function(x) .Call(cdr_shape, x)

#' @rdname dim.torch_tensor
#' @export
length.candela_tensor <- function(x) .Call(cdr_numel, x)

# Sizes given as separate numbers or as one vector.
sizes_of <- function(...) {
  trunc(as.double(unlist(lapply(list(...), function(s) if (is_tensor(s)) as.numeric(s) else s))))
}

#' Other shapes for the same elements
#'
#' All are differentiable, and all but `torch_reshape()` of some tensors give views: they share memory with `self`.
#' The elements of a tensor are in row-major order, the last index running fastest.
#'
#' * `torch_reshape()` (method `$reshape()`): the elements in a new shape; one size may be -1, which stands for what is
#'   left. `$view()` is the same for memory that allows it. `torch_flatten()` merges the dimensions
#'   `start_dim` to `end_dim`; `$unflatten()` splits one.
#' * `torch_squeeze()` drops dimensions of size 1, `torch_unsqueeze()` adds one in front of position `dim`.
#' * `torch_permute()` orders the dimensions as `dims` says; `torch_transpose()` swaps two, `torch_t()` those of a
#'   matrix, `torch_movedim()` moves some from `source` to `destination`.
#' * `$expand()` repeats dimensions of size 1 without copying; -1 keeps a size. `$expand_as()`.
#' * `torch_narrow()` takes `length` elements from `start`, `torch_select()` one; `torch_diagonal()` the diagonal of two
#'   dimensions as the last one.
#' * `torch_atleast_1d()`, `_2d()`, `_3d()` add dimensions where there are fewer.
#'
#' @param self Tensor.
#' @param shape Sizes.
#' @param dims Dimensions from 1, negative from the end; for `torch_flatten()` names, which are not supported.
#' @param dim,dim0,dim1,dim2,start_dim,end_dim Dimension from 1, negative from the end.
#' @param source,destination Dimensions: where they are, and where they shall be.
#' @param start,index Position from 1.
#' @param length Number of elements.
#' @param offset Diagonal: 0 the main one, positive above it.
#' @param out_dim Not supported.
#' @return A tensor.
#' @examples
#' x <- torch_tensor(matrix(1:6, nrow = 2))
#' torch_reshape(x, c(3, -1))
#' torch_t(x)
#' torch_unsqueeze(x, 1)$shape
#' torch_flatten(x)
#' torch_narrow(x, 2, 2, 2)
#' @rdname torch_reshape
#' @export
torch_reshape <- function(self, shape) apply_op(ops$reshape, list(self), as.double(shape))

#' @rdname torch_reshape
#' @export
torch_flatten <- function(self, dims, start_dim = 1L, end_dim = -1L, out_dim) {
  if (!missing(dims) || !missing(out_dim)) {
    not_implemented_error("torch_flatten(): dimension names are not supported, use start_dim and end_dim.")
  }
  if (length(dim(self)) == 0) {
    return(torch_reshape(self, 1))
  }
  ends <- resolved_dim(self, c(start_dim, end_dim)) + 1
  if (ends[[1]] > ends[[2]]) {
    runtime_error("torch_flatten(): start_dim must not come after end_dim.")
  }
  sizes <- dim(self)
  merged <- prod(sizes[ends[[1]]:ends[[2]]])
  torch_reshape(self, c(sizes[seq_len(ends[[1]] - 1)], merged, sizes[seq_len(length(sizes) - ends[[2]]) + ends[[2]]]))
}

#' @rdname torch_reshape
#' @export
torch_squeeze <- function(self, dim) {
  apply_op(ops$squeeze, list(self), if (missing(dim) || is.null(dim)) NULL else zero_based_dim(dim))
}

#' @rdname torch_reshape
#' @export
torch_unsqueeze <- function(self, dim) apply_op(ops$unsqueeze, list(self), zero_based_dim(dim))

#' @rdname torch_reshape
#' @export
torch_permute <- function(self, dims) apply_op(ops$permute, list(self), zero_based_dim(dims))

#' @rdname torch_reshape
#' @export
torch_transpose <- function(self, dim0, dim1) {
  apply_op(ops$transpose, list(self), zero_based_dim(c(dim0, dim1)))
}

#' @rdname torch_reshape
#' @export
torch_t <- function(self) apply_op(ops$t, list(self))

#' @rdname torch_reshape
#' @export
torch_movedim <- function(self, source, destination) {
  from <- resolved_dim(self, source) + 1
  to <- resolved_dim(self, destination) + 1
  if (length(from) != length(to) || anyDuplicated(from) || anyDuplicated(to)) {
    value_error("torch_movedim(): `source` and `destination` must be as many different dimensions.")
  }
  order <- integer(length(dim(self)))
  order[to] <- from
  order[order == 0] <- setdiff(seq_along(order), from)
  torch_permute(self, order)
}

#' @rdname torch_reshape
#' @export
torch_narrow <- function(self, dim, start, length) {
  d <- resolved_dim(self, dim)
  size <- dim(self)[[d + 1]]
  if (is_tensor(start)) start <- start$item()
  if (start < 0) start <- start + size + 1
  if (start < 1 || length < 0 || start + length - 1 > size) {
    runtime_error(sprintf("torch_narrow(): start (%s) + length (%s) exceeds dimension %s of size %d.",
      format(start), format(length), format(dim), size))
  }
  if (length == 0) {
    return(torch_index_select(self, dim, integer()))
  }
  apply_op(ops$slice, list(self), c(rep(whole_dim, d), 2, start, start + length - 1, 1))
}

# Index codes of the engine: kind, a, b, c.
whole_dim <- c(0, 0, 0, 0)

#' @rdname torch_reshape
#' @export
torch_select <- function(self, dim, index) {
  d <- resolved_dim(self, dim)
  apply_op(ops$select, list(self), c(rep(whole_dim, d), 1, index, 0, 0))
}

#' @rdname torch_reshape
#' @export
torch_diagonal <- function(self, offset = 0L, dim1 = 1L, dim2 = 2L) {
  apply_op(ops$diagonal, list(self), c(as.double(offset), zero_based_dim(c(dim1, dim2))))
}

#' @rdname torch_reshape
#' @export
torch_atleast_1d <- function(self) at_least(self, function(n) if (n == 0) 1)

#' @rdname torch_reshape
#' @export
torch_atleast_2d <- function(self) at_least(self, function(n) switch(n + 1, c(1, 1), 1))

#' @rdname torch_reshape
#' @export
torch_atleast_3d <- function(self) at_least(self, function(n) switch(n + 1, c(1, 1, 1), c(1, 3), 3))

at_least <- function(self, new_dims) {
  if (is.list(self)) {
    return(lapply(self, at_least, new_dims))
  }
  for (dim in new_dims(length(dim(self)))) self <- torch_unsqueeze(self, dim)
  self
}

#' Copy a tensor
#'
#' @param self Tensor.
#' @param memory_format a [torch_memory_format]: by default the copy lies in memory as `self` does.
#' @return A new tensor with the same elements; gradients flow through.
#' @examples
#' torch_clone(torch_tensor(1:3))
#' @export
torch_clone <- function(self, memory_format = NULL) apply_op(ops$clone, list(self), as_format_code(memory_format))

expand_tensor <- function(self, size) apply_op(ops$expand, list(self), as.double(size))

unflatten_tensor <- function(self, dim, sizes) {
  d <- resolved_dim(self, dim) + 1
  shape <- dim(self)
  torch_reshape(self, c(shape[seq_len(d - 1)], sizes, shape[seq_len(length(shape) - d) + d]))
}

tensor_size <- function(self, dim = NULL) {
  shape <- dim(self)
  if (is.null(dim)) shape else shape[resolved_dim(self, dim) + 1]
}

tensor_stride <- function(self, dim = NULL) {
  stride <- .Call(cdr_stride, self)
  if (is.null(dim)) stride else stride[resolved_dim(self, dim) + 1]
}

tensor_field("shape", function(self) dim(self))
tensor_field("ndim", function(self) length(dim(self)))
tensor_method("dim", function() length(dim(self)))
tensor_method("ndimension", function() length(dim(self)))
tensor_method("size", function(dim = NULL) tensor_size(self, dim))
tensor_method("stride", function(dim = NULL) tensor_stride(self, dim))
tensor_method("numel", function() length(self))
tensor_method("nelement", function() length(self))
tensor_method("storage_offset", function() .Call(cdr_storage_offset, self))
tensor_method("is_contiguous", function(memory_format = torch_contiguous_format()) {
  has_format(self, as_format_code(memory_format, torch_contiguous_format(), preserve = FALSE))
})
tensor_method("contiguous", function(memory_format = torch_contiguous_format()) {
  in_format(self, as_format_code(memory_format, torch_contiguous_format(), preserve = FALSE))
})
tensor_method("clone", function(memory_format = NULL) keep_mark(torch_clone(self, memory_format), self))
tensor_method("view", function(...) apply_op(ops$view, list(self), sizes_of(...)))
tensor_method("view_as", function(other) apply_op(ops$view, list(self), as.double(dim(other))))
tensor_method("reshape", function(...) torch_reshape(self, sizes_of(...)))
tensor_method("reshape_as", function(other) torch_reshape(self, dim(other)))
tensor_method("flatten", function(start_dim = 1L, end_dim = -1L) {
  torch_flatten(self, start_dim = start_dim, end_dim = end_dim)
})
tensor_method("ravel", function() torch_flatten(self))
tensor_method("unflatten", function(dim, sizes) unflatten_tensor(self, dim, sizes))
tensor_method("squeeze", function(dim = NULL) torch_squeeze(self, dim))
tensor_method("unsqueeze", function(dim) torch_unsqueeze(self, dim))
tensor_method("permute", function(...) torch_permute(self, sizes_of(...)))
tensor_method("transpose", function(dim0, dim1) torch_transpose(self, dim0, dim1))
tensor_method("t", function() torch_t(self))
tensor_method("movedim", function(source, destination) torch_movedim(self, source, destination))
tensor_method("expand", function(...) expand_tensor(self, sizes_of(...)))
tensor_method("expand_as", function(other) expand_tensor(self, dim(other)))
tensor_method("narrow", function(dim, start, length) torch_narrow(self, dim, start, length))
tensor_method("select", function(dim, index) torch_select(self, dim, index))
tensor_method("diagonal", function(offset = 0L, dim1 = 1L, dim2 = 2L) torch_diagonal(self, offset, dim1, dim2))

tensor_method("squeeze_", function(dim = NULL) .Call(cdr_become, self, torch_squeeze(self, dim)))
tensor_method("unsqueeze_", function(dim) .Call(cdr_become, self, torch_unsqueeze(self, dim)))
tensor_method("t_", function() .Call(cdr_become, self, torch_t(self)))
tensor_method("transpose_", function(dim0, dim1) {
  .Call(cdr_become, self, torch_transpose(self, dim0, dim1))
})
