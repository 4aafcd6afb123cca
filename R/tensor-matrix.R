#' @include tensor-linalg.R
NULL

# beta * self + alpha * product; where beta is 0, self does not count, not even its NaN.
plus_product <- function(self, product, beta, alpha) {
  if (alpha != 1) product <- torch_mul(product, alpha)
  if (beta == 0) {
    return(expand_tensor(product, broadcast_two(dim(self), dim(product))))
  }
  torch_add(if (beta == 1) self else torch_mul(self, beta), product)
}

#' Products and sums of matrices
#'
#' Each is `beta * self + alpha * product`: `torch_addmv()` of a matrix and a vector, `torch_addr()` of two vectors
#' (every product of two elements), `torch_baddbmm()` of two batches of matrices, `torch_addbmm()` of these, summed
#' over the batch.
#'
#' `torch_kron()` is the Kronecker product, `torch_cross()` the product of vectors of three elements,
#' `torch_chain_matmul()` and `linalg_multi_dot()` the product of several matrices in the order that takes the fewest
#' multiplications. `torch_trace()` sums the diagonal. `torch_cdist()` gives the distances between the rows of two
#' matrices, `torch_pdist()` those between the rows of one, each pair once; `torch_dist()` is the norm of a difference.
#' `torch_vdot()` is [torch_dot()], `torch_ger()` [torch_outer()].
#'
#' @param self,mat,vec,vec1,vec2,batch1,batch2,other,x1,x2 tensors.
#' @param beta,alpha factors.
#' @param dim dimension of size 3; `NULL` takes the first.
#' @param matrices,tensors list of matrices.
#' @param p order of the norm.
#' @param compute_mode not used: differences are taken.
#' @return A tensor.
#' @examples
#' torch_kron(matrix(1, 1, 2), matrix(1:4, 2))
#' torch_cross(c(1, 0, 0), c(0, 1, 0))
#' torch_cdist(matrix(0, 1, 2), matrix(c(3, 4), 1))
#' @export
torch_addmv <- function(self, mat, vec, beta = 1L, alpha = 1L) plus_product(self, torch_mv(mat, vec), beta, alpha)

#' @rdname torch_addmv
#' @export
torch_addr <- function(self, vec1, vec2, beta = 1L, alpha = 1L) plus_product(self, torch_outer(vec1, vec2), beta, alpha)

#' @rdname torch_addmv
#' @export
torch_baddbmm <- function(self, batch1, batch2, beta = 1L, alpha = 1L) {
  plus_product(self, torch_bmm(batch1, batch2), beta, alpha)
}

#' @rdname torch_addmv
#' @export
torch_addbmm <- function(self, batch1, batch2, beta = 1L, alpha = 1L) {
  plus_product(self, torch_sum(torch_bmm(batch1, batch2), 1), beta, alpha)
}

#' @rdname torch_addmv
#' @export
torch_ger <- function(self, vec2) torch_outer(self, vec2)

#' @rdname torch_addmv
#' @export
torch_vdot <- function(self, other) torch_dot(self, other)

torch_inner <- function(self, other) {
  if (length(dim(self)) == 0 || length(dim(other)) == 0) {
    return(torch_mul(self, other))
  }
  torch_tensordot(self, other, list(length(dim(self)), length(dim(other))))
}

#' @rdname torch_addmv
#' @export
torch_kron <- function(self, other) {
  n <- max(length(dim(self)), length(dim(other)))
  a <- c(rep(1, n - length(dim(self))), dim(self))
  b <- c(rep(1, n - length(dim(other))), dim(other))
  product <- torch_mul(torch_reshape(self, rbind(a, 1)), torch_reshape(other, rbind(1, b)))
  torch_reshape(product, a * b)
}

#' @rdname torch_addmv
#' @export
torch_cross <- function(self, other, dim = NULL) {
  size <- broadcast_two(base::dim(self), base::dim(other))
  if (is.null(dim)) dim <- match(3, size, 0)
  if (dim == 0 || size[resolved_dim(torch_empty(size), dim) + 1] != 3) {
    runtime_error(sprintf("torch_cross(): a dimension of size 3 is needed, but the shape is [%s].", toString(size)))
  }
  after <- function(x, k) torch_roll(expand_tensor(x, size), -k, dim)
  torch_sub(torch_mul(after(self, 1), after(other, 2)), torch_mul(after(self, 2), after(other, 1)))
}

#' @rdname torch_addmv
#' @export
torch_trace <- function(self) {
  if (length(dim(self)) != 2) runtime_error("torch_trace(): expected a matrix.")
  torch_sum(torch_diagonal(self))
}

# The number of multiplications and the cut of the best order of a product of matrices i to j, of sizes p[i] x p[i + 1].
best_cut <- function(p) {
  n <- length(p) - 1
  cost <- cut <- matrix(0, n, n)
  for (length in seq_len(n - 1)) {
    for (i in seq_len(n - length)) {
      j <- i + length
      k <- i:(j - 1)
      costs <- cost[i, k] + cost[cbind(k + 1, j)] + p[i] * p[k + 1] * p[j + 1]
      cost[i, j] <- min(costs)
      cut[i, j] <- k[which.min(costs)]
    }
  }
  cut
}

chain_product <- function(matrices) {
  cut <- best_cut(c(dim(matrices[[1]])[1], vapply(matrices, function(m) dim(m)[2], 0L)))
  product <- function(i, j) {
    if (i == j) matrices[[i]] else torch_mm(product(i, cut[i, j]), product(cut[i, j] + 1, j))
  }
  product(1, length(matrices))
}

#' @rdname torch_addmv
#' @export
torch_chain_matmul <- function(matrices) {
  matrices <- as_tensors(matrices, "matrices")
  if (!all(lengths(lapply(matrices, dim)) == 2)) value_error("torch_chain_matmul(): every tensor must be a matrix.")
  chain_product(matrices)
}

#' @rdname torch_addmv
#' @export
linalg_multi_dot <- function(tensors) {
  tensors <- as_tensors(tensors, "tensors")
  n <- length(tensors)
  first <- length(dim(tensors[[1]])) == 1
  last <- length(dim(tensors[[n]])) == 1
  if (first) tensors[[1]] <- torch_unsqueeze(tensors[[1]], 1)
  if (last) tensors[[n]] <- torch_unsqueeze(tensors[[n]], 2)
  result <- torch_chain_matmul(tensors)
  if (last) result <- torch_squeeze(result, 2)
  if (first) torch_squeeze(result, 1) else result
}

#' @rdname torch_addmv
#' @export
torch_cdist <- function(x1, x2, p = 2L, compute_mode = NULL) {
  torch_norm(torch_sub(torch_unsqueeze(x1, -2), torch_unsqueeze(x2, -3)), p, -1)
}

#' @rdname torch_addmv
#' @export
torch_pdist <- function(self, p = 2L) {
  pairs <- utils::combn(dim(self)[[1]], 2)
  torch_norm(torch_sub(torch_index_select(self, 1, pairs[1, ]), torch_index_select(self, 1, pairs[2, ])), p, 2)
}

#' @rdname torch_addmv
#' @export
torch_dist <- function(self, other, p = 2L) torch_norm(torch_sub(self, other), p)

#' @rdname torch_addmv
#' @param maxnorm the largest norm that a slice of `self` along `dim` may keep.
#' @export
torch_renorm <- function(self, p, dim, maxnorm) {
  rest <- setdiff(seq_along(base::dim(self)), resolved_dim(self, dim) + 1)
  norm <- torch_norm(self, p, rest, keepdim = TRUE)
  torch_mul(self, torch_where(torch_gt(norm, maxnorm), torch_div(maxnorm, torch_add(norm, 1e-7)), 1))
}

#' Matrices made of vectors, and other arrangements
#'
#' * `torch_diag_embed()` puts the last dimension on the diagonals of matrices, `torch_diagflat()` all elements on one.
#' * `torch_vander()` has the powers of `x` as columns. `torch_tril_indices()` and `torch_triu_indices()` give rows and
#'   columns of the elements of a triangle, from 0, as torch does.
#' * `torch_combinations()` are all choices of `r` elements, `torch_cartesian_prod()` all tuples of elements of vectors.
#' * `torch_rot90()` rotates by 90 degrees `k` times, `torch_fliplr()` and `torch_flipud()` reverse columns and rows,
#'   `torch_dstack()` joins along dimension 3, `torch_channel_shuffle()` interleaves `groups` of channels.
#' * `torch_unsafe_split()` and `torch_unsafe_chunk()` are [torch_split()] and [torch_chunk()].
#' * `torch_take_along_dim()` is [torch_gather()] with broadcasting; `torch_index()` and `torch_index_put()` read and
#'   write at a list of positions, one tensor for each dimension.
#' * `torch_as_strided()` and `torch_empty_strided()` know memory by strides; the first is a view.
#'
#' @param self,x,indices,values tensors.
#' @param offset,dim1,dim2,dim,dims as in [torch_diagonal()].
#' @param N number of columns; `NULL` for as many as rows.
#' @param increasing whether powers go up from left to right.
#' @param row,col size of the matrix.
#' @param dtype,device,layout see [torch_zeros()].
#' @param r how many.
#' @param with_replacement whether an element may be chosen again.
#' @param tensors list of tensors.
#' @param k how many times.
#' @param groups number of groups.
#' @param split_size,chunks see [torch_split()].
#' @param accumulate add instead of replacing.
#' @param size,stride,storage_offset shape, and distances in memory in elements.
#' @param requires_grad record operations on the result.
#' @param pin_memory not used.
#' @return A tensor.
#' @examples
#' torch_diag_embed(c(1, 2))
#' torch_vander(c(1, 2, 3))
#' torch_combinations(1:3)
#' torch_rot90(matrix(1:4, 2))
#' @export
torch_diag_embed <- function(self, offset = 0L, dim1 = -2L, dim2 = -1L) {
  shape <- dim(self)
  n <- shape[length(shape)]
  size <- n + abs(offset)
  if (offset != 0) {
    self <- torch_cat(list(self, torch_zeros(c(shape[-length(shape)], abs(offset)), dtype = self$dtype)), -1)
  }
  on_diagonal <- torch_tensor(diag(TRUE, size))
  if (offset != 0) on_diagonal <- torch_tensor(row(matrix(0, size, size)) + offset == col(matrix(0, size, size)))
  y <- torch_where(on_diagonal, torch_unsqueeze(self, if (offset < 0) -2 else -1), torch_zeros(1, dtype = self$dtype))
  torch_movedim(y, c(-2, -1), c(dim1, dim2))
}

#' @rdname torch_diag_embed
#' @export
torch_diagflat <- function(self, offset = 0L) torch_diag(torch_flatten(self), offset)

#' @rdname torch_diag_embed
#' @export
torch_vander <- function(x, N = NULL, increasing = FALSE) {
  if (is.null(N)) N <- length(x)
  powers <- if (increasing) seq_len(N) - 1 else rev(seq_len(N)) - 1
  torch_pow(torch_unsqueeze(x, -1), torch_tensor(powers, dtype = if (is_float(x)) x$dtype else torch_long()))
}

triangle_indices <- function(row, col, offset, dtype, upper) {
  i <- rep(seq_len(row) - 1, each = col)
  j <- rep(seq_len(col) - 1, row)
  keep <- if (upper) j - i >= offset else j - i <= offset
  torch_tensor(rbind(i[keep], j[keep]), dtype = dtype %||% torch_long())
}

#' @rdname torch_diag_embed
#' @export
torch_tril_indices <- function(row, col, offset = 0, dtype = torch_long(), device = "cpu", layout = NULL) {
  triangle_indices(row, col, offset, dtype, FALSE)
}

#' @rdname torch_diag_embed
#' @export
torch_triu_indices <- function(row, col, offset = 0, dtype = torch_long(), device = "cpu", layout = NULL) {
  triangle_indices(row, col, offset, dtype, TRUE)
}

#' @rdname torch_diag_embed
#' @export
torch_combinations <- function(self, r = 2L, with_replacement = FALSE) {
  n <- length(self)
  if (with_replacement) {
    chosen <- utils::combn(n + r - 1, r) - (seq_len(r) - 1)
  } else {
    if (r > n) {
      return(torch_empty(0, r, dtype = self$dtype))
    }
    chosen <- utils::combn(n, r)
  }
  torch_reshape(torch_index_select(self, 1, as.vector(chosen)), c(-1, r))
}

#' @rdname torch_diag_embed
#' @export
torch_cartesian_prod <- function(tensors) {
  tensors <- as_tensors(tensors, "tensors")
  if (length(tensors) == 1) {
    return(tensors[[1]])
  }
  torch_stack(lapply(torch_meshgrid(tensors, indexing = "ij"), torch_flatten), 2)
}

#' @rdname torch_diag_embed
#' @export
torch_rot90 <- function(self, k = 1L, dims = c(1, 2)) {
  switch(k %% 4 + 1,
    self,
    torch_flip(torch_transpose(self, dims[[1]], dims[[2]]), dims[[1]]),
    torch_flip(self, dims),
    torch_flip(torch_transpose(self, dims[[1]], dims[[2]]), dims[[2]])
  )
}

#' @rdname torch_diag_embed
#' @export
torch_fliplr <- function(self) torch_flip(self, 2)

#' @rdname torch_diag_embed
#' @export
torch_flipud <- function(self) torch_flip(self, 1)

#' @rdname torch_diag_embed
#' @export
torch_dstack <- function(tensors) torch_cat(lapply(tensors, torch_atleast_3d), 3)

#' @rdname torch_diag_embed
#' @export
torch_channel_shuffle <- function(self, groups) {
  shape <- dim(self)
  check_divisible(shape[[2]], "channels", groups, "groups")
  split <- torch_reshape(self, c(shape[[1]], groups, shape[[2]] / groups, shape[-(1:2)]))
  torch_reshape(torch_transpose(split, 2, 3), shape)
}

#' @rdname torch_diag_embed
#' @export
torch_unsafe_split <- function(self, split_size, dim = 1L) torch_split(self, split_size, dim)

#' @rdname torch_diag_embed
#' @export
torch_unsafe_chunk <- function(self, chunks, dim = 1L) torch_chunk(self, chunks, dim)

#' @rdname torch_diag_embed
#' @export
torch_take_along_dim <- function(self, indices, dim = NULL) {
  indices <- positions(indices)
  if (is.null(dim)) {
    return(torch_take(self, torch_flatten(indices)))
  }
  at <- resolved_dim(self, dim) + 1
  shape <- broadcast_two(base::dim(self)[-at], base::dim(indices)[-at])
  with <- function(x) expand_tensor(x, append(shape, base::dim(x)[at], at - 1))
  torch_gather(with(self), dim, with(indices))
}

positions <- function(indices) if (is_tensor(indices)) indices else as_index(indices, "indices")

# One flat position, from 1, for each place of the indices broadcast; dimensions behind them are taken whole.
flat_positions <- function(self, indices) {
  shape <- dim(self)
  indices <- torch_broadcast_tensors(lapply(indices, positions))
  steps <- rev(cumprod(c(1, rev(shape[-1]))))
  position <- 1L
  for (d in seq_along(indices)) {
    from_front <- torch_where(torch_lt(indices[[d]], 0), torch_add(indices[[d]], shape[[d]]),
      torch_sub(indices[[d]], 1L))
    position <- torch_add(position, torch_mul(from_front, as.integer(steps[[d]])))
  }
  rest <- shape[-seq_along(indices)]
  if (length(rest) == 0) {
    return(position)
  }
  inner <- torch_reshape(torch_tensor(seq_len(prod(rest)) - 1L), rest)
  torch_add(torch_reshape(position, c(dim(position), rep(1, length(rest)))), inner)
}

#' @rdname torch_diag_embed
#' @export
torch_index <- function(self, indices) torch_take(self, flat_positions(self, indices))

#' @rdname torch_diag_embed
#' @export
torch_index_put <- function(self, indices, values, accumulate = FALSE) {
  position <- flat_positions(self, indices)
  values <- expand_tensor(as_tensor(values, "values", self), dim(position))
  flat <- torch_flatten(self)
  write <- if (accumulate) torch_scatter_add else torch_scatter
  torch_reshape(write(flat, 1, torch_flatten(position), torch_flatten(cast(values, self$dtype))), dim(self))
}

#' @rdname torch_diag_embed
#' @export
torch_index_put_ <- function(self, indices, values, accumulate = FALSE) {
  self$copy_(torch_index_put(self, indices, values, accumulate))
}

#' @rdname torch_diag_embed
#' @export
torch_empty_strided <- function(size, stride, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                                pin_memory = FALSE) {
  order <- order(stride, decreasing = TRUE)
  if (!identical(as.double(stride[order]), rev(cumprod(c(1, rev(size[order])[-length(size)]))))) {
    not_implemented_error("torch_empty_strided() makes tensors without gaps in memory.")
  }
  x <- torch_empty(size[order], dtype = dtype, device = device, requires_grad = requires_grad)
  torch_permute(x, base::order(order))
}

# Methods of tensors only.

torch_index_fill <- function(self, dim, index, value) {
  shape <- rep(1, length(base::dim(self)))
  at <- resolved_dim(self, dim) + 1
  shape[at] <- length(index)
  where <- expand_tensor(torch_reshape(index, shape), replace(base::dim(self), at, length(index)))
  torch_scatter(self, dim, where, value = if (is_tensor(value)) value$item() else value)
}

torch_index_copy <- function(self, dim, index, source) {
  torch_scatter(self, dim, spread_index(index, dim, source), source)
}

torch_masked_scatter <- function(self, mask, source) {
  mask <- expand_tensor(mask, dim(self))
  flat <- torch_flatten(source)
  order <- torch_reshape(torch_cumsum(torch_flatten(cast(mask, torch_long())), 1), dim(self))
  torch_where(mask, torch_take(flat, torch_clamp(order, min = 1L)), self)
}

torch_put <- function(self, index, source, accumulate = FALSE) {
  write <- if (accumulate) torch_scatter_add else torch_scatter
  torch_reshape(write(torch_flatten(self), 1, torch_flatten(index), torch_flatten(source)), dim(self))
}

torch_fill_diagonal <- function(self, fill_value, wrap = FALSE) {
  if (length(dim(self)) != 2) not_implemented_error("$fill_diagonal_() fills matrices.")
  torch_where(torch_tensor(diag(TRUE, dim(self)[[1]], dim(self)[[2]])), fill_value, self)
}

torch_split_with_sizes <- function(self, split_sizes, dim = 1L) torch_split(self, split_sizes, dim)

torch_tensor_split <- function(self, sections, dim = 1L) {
  n <- tensor_size(self, dim)
  sizes <- if (length(sections) == 1) {
    rep(n %/% sections, sections) + (seq_len(sections) <= n %% sections)
  } else {
    diff(c(0, sections, n))
  }
  torch_split(self, sizes, dim)
}

torch_swapaxes <- function(self, axis0, axis1) torch_transpose(self, axis0, axis1)
torch_swapdims <- function(self, dim0, dim1) torch_transpose(self, dim0, dim1)
torch_moveaxis <- function(self, source, destination) torch_movedim(self, source, destination)
torch_sum_to_size <- function(self, size) {
  size <- c(rep(1, length(dim(self)) - length(size)), size)
  reduced <- which(size == 1 & dim(self) != 1)
  torch_reshape(if (length(reduced) > 0) torch_sum(self, reduced, keepdim = TRUE) else self, size)
}
torch_new_tensor <- function(self, data, dtype = NULL, device = NULL, requires_grad = FALSE) {
  torch_tensor(data, dtype %||% self$dtype, device, requires_grad)
}
torch_set_data <- function(self, new_data) with_no_grad(self$copy_(new_data))

#' Windows
#'
#' Weights of `window_length` positions that fade out towards both ends.
#' @param window_length number of positions.
#' @param periodic `TRUE`: one period of a periodic window, as spectra want it; `FALSE`: symmetric.
#' @param alpha,beta weights of the Hamming window; `beta` also the shape of the Kaiser window.
#' @param dtype,layout,device,requires_grad see [torch_zeros()].
#' @return A 1-d tensor.
#' @examples
#' torch_hann_window(4)
#' @export
torch_hann_window <- function(window_length, periodic = TRUE, dtype = NULL, layout = NULL, device = NULL,
                              requires_grad = FALSE) {
  window(window_length, periodic, function(x) 0.5 - 0.5 * cos(2 * pi * x), dtype, device, requires_grad)
}

# `shape` of positions from 0 to 1.
window <- function(window_length, periodic, shape, dtype, device, requires_grad) {
  n <- window_length + periodic
  x <- if (n > 1) (seq_len(window_length) - 1) / (n - 1) else rep(0.5, window_length)
  values <- if (window_length == 1) 1 else shape(x)
  torch_tensor(values[seq_len(window_length)], dtype %||% torch_get_default_dtype(), device, requires_grad)
}

#' @rdname torch_hann_window
#' @export
torch_hamming_window <- function(window_length, periodic = TRUE, alpha = 0.54, beta = 0.46, dtype = NULL, layout = NULL,
                                 device = NULL, requires_grad = FALSE) {
  window(window_length, periodic, function(x) alpha - beta * cos(2 * pi * x), dtype, device, requires_grad)
}

#' @rdname torch_hann_window
#' @export
torch_bartlett_window <- function(window_length, periodic = TRUE, dtype = NULL, layout = NULL, device = NULL,
                                  requires_grad = FALSE) {
  window(window_length, periodic, function(x) 1 - abs(2 * x - 1), dtype, device, requires_grad)
}

#' @rdname torch_hann_window
#' @export
torch_blackman_window <- function(window_length, periodic = TRUE, dtype = NULL, layout = NULL, device = NULL,
                                  requires_grad = FALSE) {
  window(window_length, periodic, function(x) 0.42 - 0.5 * cos(2 * pi * x) + 0.08 * cos(4 * pi * x), dtype, device,
    requires_grad)
}

#' @rdname torch_hann_window
#' @export
torch_kaiser_window <- function(window_length, periodic = TRUE, beta = 12, dtype = NULL, layout = NULL, device = NULL,
                                requires_grad = FALSE) {
  window(window_length, periodic, function(x) besselI(beta * sqrt(pmax(0, 1 - (2 * x - 1)^2)), 0) / besselI(beta, 0),
    dtype, device, requires_grad)
}
