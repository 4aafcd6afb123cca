#' @include tensor-class.R
NULL

#' Join tensors
#'
#' `torch_cat()` joins along a dimension that is there, `torch_stack()` along a new one. `torch_hstack()` joins side by
#' side (dimension 2, or 1 for vectors), `torch_vstack()` below each other (vectors become rows).
#' `torch_block_diag()` puts matrices on the diagonal of a larger one, `torch_broadcast_tensors()` gives views of a
#' common shape, `torch_meshgrid()` the coordinates of a grid. All are differentiable.
#' @param tensors List of tensors. The dtype of the result holds all of theirs.
#' @param dim Dimension, from 1; negative from the end.
#' @param indexing `"ij"` (the first tensor runs along dimension 1) or `"xy"` (along dimension 2).
#' @return A tensor; a list for `torch_broadcast_tensors()` and `torch_meshgrid()`.
#' @examples
#' x <- torch_tensor(matrix(1:4, nrow = 2))
#' torch_cat(list(x, x), dim = 2)
#' torch_stack(list(x, x))$shape
#' torch_block_diag(list(x, x))
#' torch_meshgrid(list(torch_tensor(1:2), torch_tensor(1:3)), indexing = "ij")
#' @rdname torch_cat
#' @export
torch_cat <- function(tensors, dim = 1L) {
  check_joined(tensors)
  .Call(cdr_apply_argument, ops$cat, if (is.list(tensors)) tensors else list(tensors), zero_based_dim(dim))
}

#' @rdname torch_cat
#' @export
torch_stack <- function(tensors, dim = 1L) {
  check_joined(tensors)
  .Call(cdr_apply_argument, ops$stack, if (is.list(tensors)) tensors else list(tensors), zero_based_dim(dim))
}

tensor_list <- function(tensors) {
  check_joined(tensors)
  if (is_tensor(tensors)) list(tensors) else tensors
}

check_joined <- function(tensors) {
  if (is.list(tensors) && !is_tensor(tensors) && length(tensors) == 0) {
    value_error("`tensors` must hold at least one tensor.")
  }
}

#' @rdname torch_cat
#' @export
torch_hstack <- function(tensors) {
  tensors <- lapply(tensor_list(tensors), torch_atleast_1d)
  torch_cat(tensors, if (length(dim(tensors[[1]])) == 1) 1 else 2)
}

#' @rdname torch_cat
#' @export
torch_vstack <- function(tensors) torch_cat(lapply(tensor_list(tensors), torch_atleast_2d), 1)

#' @rdname torch_cat
#' @export
torch_block_diag <- function(tensors) {
  tensors <- lapply(tensor_list(tensors), torch_atleast_2d)
  widths <- vapply(tensors, function(t) dim(t)[[2]], 0L)
  rows <- lapply(seq_along(tensors), function(i) {
    beside <- function(width) zeros_beside(tensors[[i]], width)
    torch_cat(list(beside(sum(widths[seq_len(i - 1)])), tensors[[i]], beside(sum(widths[-seq_len(i)]))), 2)
  })
  torch_cat(rows, 1)
}

zeros_beside <- function(like, width) torch_zeros(dim(like)[[1]], width, dtype = like$dtype)

#' @rdname torch_cat
#' @export
torch_broadcast_tensors <- function(tensors) {
  shapes <- lapply(tensor_list(tensors), dim)
  shape <- Reduce(broadcast_two, shapes)
  lapply(tensors, expand_tensor, shape)
}

broadcast_two <- function(a, b) {
  n <- max(length(a), length(b))
  a <- c(rep(1L, n - length(a)), a)
  b <- c(rep(1L, n - length(b)), b)
  if (any(a != b & a != 1 & b != 1)) {
    value_error(sprintf("Shapes [%s] and [%s] cannot be broadcast together.", toString(a), toString(b)))
  }
  ifelse(a == 1, b, a)
}

#' @rdname torch_cat
#' @export
torch_meshgrid <- function(tensors, indexing = "ij") {
  n <- length(tensors)
  place <- seq_len(n)
  if (identical(indexing, "xy") && n > 1) place[1:2] <- 2:1
  shape <- integer(n)
  shape[place] <- vapply(tensors, length, 0)
  lapply(seq_len(n), function(i) {
    own <- rep(1, n)
    own[[place[[i]]]] <- -1
    expand_tensor(torch_reshape(tensors[[i]], own), shape)
  })
}

#' Split a tensor into views
#'
#' `torch_split()` gives pieces of `split_size` elements along `dim` (the last may be smaller), or of the sizes in a
#' vector; `torch_chunk()` at most `chunks` pieces of equal size; `torch_unbind()` all slices, without the dimension.
#' @param self Tensor.
#' @param split_size Number, or a vector of sizes that add up to the size of the dimension.
#' @param chunks Number of pieces.
#' @param dim Dimension, from 1; negative from the end.
#' @return A list of views.
#' @examples
#' x <- torch_tensor(1:10)
#' torch_split(x, 4)
#' torch_chunk(x, 2)
#' torch_unbind(torch_tensor(matrix(1:4, nrow = 2)))
#' @rdname torch_split
#' @export
torch_split <- function(self, split_size, dim = 1L) {
  size <- tensor_size(self, dim)
  sizes <- split_size
  if (length(split_size) == 1) {
    check_number(split_size, "split_size", least = 1)
    sizes <- rep(split_size, size %/% split_size)
    if (size %% split_size > 0) sizes <- c(sizes, size %% split_size)
  }
  if (sum(sizes) != size) {
    value_error(sprintf("torch_split(): sizes add up to %s, dimension %s has %d.", sum(sizes), format(dim), size))
  }
  starts <- cumsum(c(1, sizes))
  lapply(seq_along(sizes), function(i) torch_narrow(self, dim, starts[[i]], sizes[[i]]))
}

#' @rdname torch_split
#' @export
torch_chunk <- function(self, chunks, dim = 1L) {
  check_number(chunks, "chunks", least = 1)
  torch_split(self, max(1, ceiling(tensor_size(self, dim) / chunks)), dim)
}

#' @rdname torch_split
#' @export
torch_unbind <- function(self, dim = 1L) {
  lapply(seq_len(tensor_size(self, dim)), function(i) torch_select(self, dim, i))
}

#' Repeat and rearrange elements
#'
#' * `torch_tile()` (and method `$repeat()`) repeats the whole tensor `dims` times along each dimension;
#'   `torch_repeat_interleave()` each element.
#' * `torch_flip()` reverses dimensions, `torch_roll()` moves elements by `shifts` positions, those that fall out come
#'   in at the other end.
#' * `torch_tril()` and `torch_triu()` keep the lower or upper triangle and set the rest to zero.
#' * `torch_diag()` makes a matrix with the vector `self` on a diagonal, or takes the diagonal of a matrix.
#'
#' All are differentiable.
#' @param self Tensor.
#' @param dims Dimensions from 1; for `torch_tile()` the numbers of repetitions. `torch_roll()` without `dims` rolls the
#'   flattened tensor.
#' @param repeats Number of repetitions, one for all or one for each element.
#' @param dim Dimension; `NULL` flattens first.
#' @param output_size Not used.
#' @param shifts Positions, one for each of `dims`.
#' @param diagonal 0 is the main diagonal, positive ones lie above it.
#' @return A tensor.
#' @examples
#' x <- torch_tensor(matrix(1:4, nrow = 2))
#' torch_tile(x, c(1, 2))
#' torch_repeat_interleave(x, 2, dim = 1)
#' torch_flip(x, 2)
#' torch_roll(x, 1, 1)
#' torch_triu(x)
#' torch_diag(torch_tensor(c(1, 2)))
#' @rdname torch_tile
#' @export
torch_tile <- function(self, dims) {
  missing_dims <- length(dim(self)) - length(dims)
  repeat_tensor(self, c(rep(1, max(missing_dims, 0)), dims))
}

# x repeated: a new dimension in front of each, expanded, and merged with it.
repeat_tensor <- function(self, repeats) {
  lead <- length(repeats) - length(dim(self))
  if (lead < 0) {
    value_error(sprintf("$repeat(): %d numbers for a tensor of %d dimensions.", length(repeats), length(dim(self))))
  }
  shape <- c(rep(1, lead), dim(self))
  pairs <- function(first) as.vector(rbind(first, shape))
  torch_reshape(expand_tensor(torch_reshape(self, pairs(1)), pairs(repeats)), repeats * shape)
}

#' @rdname torch_tile
#' @export
torch_repeat_interleave <- function(self, repeats, dim = NULL, output_size = NULL) {
  if (is.null(dim)) {
    self <- torch_flatten(self)
    dim <- 1
  }
  if (is_tensor(repeats)) repeats <- as.integer(as_array(repeats))
  size <- tensor_size(self, dim)
  if (!length(repeats) %in% c(1, size)) {
    value_error(sprintf("torch_repeat_interleave(): %d repeats for a dimension of size %d.", length(repeats), size))
  }
  torch_index_select(self, dim, rep(seq_len(size), times = rep_len(repeats, size)))
}

#' @rdname torch_tile
#' @export
torch_flip <- function(self, dims) apply_op(ops$flip, list(self), zero_based_dim(dims))

#' @rdname torch_tile
#' @export
torch_roll <- function(self, shifts, dims = list()) {
  if (length(dims) == 0) {
    flat <- apply_op(ops$roll, list(torch_flatten(self)), c(0, as.double(shifts)))
    return(torch_reshape(flat, dim(self)))
  }
  if (length(dims) != length(shifts)) {
    value_error("torch_roll(): `shifts` and `dims` must have the same length.")
  }
  apply_op(ops$roll, list(self), as.vector(rbind(zero_based_dim(dims), as.double(shifts))))
}

#' @rdname torch_tile
#' @export
torch_tril <- function(self, diagonal = 0L) apply_op(ops$tril, list(self), as.double(diagonal))

#' @rdname torch_tile
#' @export
torch_triu <- function(self, diagonal = 0L) apply_op(ops$triu, list(self), as.double(diagonal))

#' @rdname torch_tile
#' @export
torch_diag <- function(self, diagonal = 0L) {
  if (length(dim(self)) == 2) {
    return(torch_diagonal(self, diagonal))
  }
  apply_op(ops$diag_embed, list(self), as.double(diagonal))
}

tensor_method("split", function(split_size, dim = 1L) torch_split(self, split_size, dim))
tensor_method("chunk", function(chunks, dim = 1L) torch_chunk(self, chunks, dim))
tensor_method("unbind", function(dim = 1L) torch_unbind(self, dim))
tensor_method("repeat", function(...) repeat_tensor(self, sizes_of(...)))
tensor_method("tile", function(dims) torch_tile(self, dims))
tensor_method("repeat_interleave", function(repeats, dim = NULL, output_size = NULL) {
  torch_repeat_interleave(self, repeats, dim)
})
tensor_method("flip", function(dims) torch_flip(self, dims))
tensor_method("roll", function(shifts, dims = list()) torch_roll(self, shifts, dims))
tensor_method("tril", function(diagonal = 0L) torch_tril(self, diagonal))
tensor_method("triu", function(diagonal = 0L) torch_triu(self, diagonal))
tensor_method("diag", function(diagonal = 0L) torch_diag(self, diagonal))
