#' @include tensor-class.R
NULL

#' Products of matrices and vectors
#'
#' `torch_matmul()` follows the number of dimensions: two vectors give their dot product, matrix and vector or two
#' matrices the usual product, and with more dimensions the last two are matrices and the others are broadcast.
#' float32 uses the package's own kernels, float64 R's BLAS.
#'
#' @param self,other,mat1,mat2,tensor,vec,vec2,a,b tensors of one dtype.
#' @param alpha,beta `torch_addmm()` is `beta * self + alpha * (mat1 %*% mat2)`, `self` broadcast.
#' @param equation subscripts in Einstein's notation, as `"bij,bjk->bik"`: letters that are missing behind the arrow
#'   are summed over.
#' @param tensors list of tensors, one for each group of subscripts.
#' @param path not used: terms are multiplied from the left.
#' @param dims how many of the last dimensions of `a` and the first of `b` to sum over, or a list of two vectors
#'   of dimensions.
#' @return A tensor: 0-d for `torch_dot()`, 1-d for `torch_mv()`, \[M, N\] for `torch_mm()`, \[B, M, N\] for
#'   `torch_bmm()`, every product of an element of `self` and one of `vec2` for `torch_outer()`.
#' @section Errors: shapes or dtypes that do not fit.
#' @examples
#' a <- torch_tensor(matrix(c(1, 2, 3, 4), 2))
#' torch_mm(a, a)
#' torch_matmul(a, torch_tensor(c(1, 1)))
#' torch_einsum("ij,jk->ik", list(a, a))
#' @export
torch_matmul <- function(self, other) {
  dims <- c(length(dim(self)), length(dim(other)))
  if (any(dims == 0)) value_error("torch_matmul: both tensors need at least one dimension, got a 0-d tensor.")
  if (all(dims == 1)) {
    return(torch_dot(self, other))
  }
  if (all(dims == 2)) {
    return(torch_mm(self, other))
  }
  if (dims[1] == 2 && dims[2] == 1) {
    return(torch_mv(self, other))
  }
  if (dims[1] == 1) {
    return(apply_op(ops$bmm_any, list(self$unsqueeze(1), other))$squeeze(-2))
  }
  if (dims[2] == 1) {
    return(apply_op(ops$bmm_any, list(self, other$unsqueeze(2)))$squeeze(-1))
  }
  if (all(dims == 3) && self$size(1) == other$size(1)) {
    return(torch_bmm(self, other))
  }
  apply_op(ops$bmm_any, list(self, other))
}

#' @rdname torch_matmul
#' @export
torch_mm <- function(self, mat2) apply_op(ops$mm, list(self, mat2))

#' @rdname torch_matmul
#' @export
torch_bmm <- function(self, mat2) apply_op(ops$bmm, list(self, mat2))

#' @rdname torch_matmul
#' @export
torch_mv <- function(self, vec) apply_op(ops$mv, list(self, vec))

#' @rdname torch_matmul
#' @export
torch_dot <- function(self, tensor) apply_op(ops$dot, list(self, tensor))

#' @rdname torch_matmul
#' @export
torch_addmm <- function(self, mat1, mat2, beta = 1L, alpha = 1L) {
  product <- torch_mm(mat1, mat2)
  if (alpha != 1) product <- torch_mul(product, alpha)
  torch_add(if (beta == 1) self else torch_mul(self, beta), product)
}

#' @rdname torch_matmul
#' @export
torch_outer <- function(self, vec2) {
  if (length(dim(self)) != 1 || length(dim(vec2)) != 1) {
    value_error(sprintf("torch_outer(): expected two vectors, but got tensors of %d and %d dimensions.",
      length(dim(self)), length(dim(vec2))))
  }
  torch_mul(torch_unsqueeze(self, 2), vec2)
}

#' @rdname torch_matmul
#' @export
torch_tensordot <- function(a, b, dims = 2) {
  ndim_a <- length(dim(a))
  ndim_b <- length(dim(b))
  if (!is.list(dims)) dims <- list(utils::tail(seq_len(ndim_a), dims), seq_len(dims))
  free_a <- setdiff(seq_len(ndim_a), dims[[1]])
  free_b <- setdiff(seq_len(ndim_b), dims[[2]])
  shape <- c(dim(a)[free_a], dim(b)[free_b])
  left <- a$permute(c(free_a, dims[[1]]))$reshape(c(prod(dim(a)[free_a]), prod(dim(a)[dims[[1]]])))
  right <- b$permute(c(dims[[2]], free_b))$reshape(c(prod(dim(b)[dims[[2]]]), prod(dim(b)[free_b])))
  torch_mm(left, right)$reshape(shape)
}

#' @rdname torch_matmul
#' @export
torch_einsum <- function(equation, tensors, path = NULL) {
  sides <- strsplit(gsub(" ", "", equation, fixed = TRUE), "->", fixed = TRUE)[[1]]
  inputs <- strsplit(strsplit(sides[1], ",", fixed = TRUE)[[1]], "")
  letters_in <- unlist(inputs)
  if (!all(grepl("^[A-Za-z]$", letters_in))) {
    value_error(sprintf("torch_einsum: the subscripts must be letters, got \"%s\".", equation))
  }
  if (length(inputs) != length(tensors)) {
    value_error(sprintf(
      "torch_einsum: the equation has %d operands, but %d tensors were given.", length(inputs), length(tensors)
    ))
  }
  once <- sort(unique(letters_in[!letters_in %in% letters_in[duplicated(letters_in)]]))
  result <- if (length(sides) > 1) strsplit(sides[2], "")[[1]] else once
  all_letters <- unique(c(result, letters_in))
  terms <- Map(function(tensor, subscripts) align_subscripts(tensor, subscripts, all_letters), tensors, inputs)
  while (length(terms) > 1) {
    later <- unlist(lapply(terms[-(1:2)], `[[`, "used"))
    terms <- c(list(contract(terms[[1]], terms[[2]], union(result, later), all_letters)), terms[-(1:2)])
  }
  finish_einsum(terms[[1]], result, all_letters)
}

# The tensor with one dimension for each letter, of size 1 where it has none; a repeated letter takes the diagonal.
align_subscripts <- function(tensor, subscripts, all_letters) {
  if (length(dim(tensor)) != length(subscripts)) {
    value_error(sprintf(
      "torch_einsum: %d subscripts (%s) for a tensor of %d dimensions.", length(subscripts),
      paste(subscripts, collapse = ""), length(dim(tensor))
    ))
  }
  while (anyDuplicated(subscripts)) {
    second <- anyDuplicated(subscripts)
    first <- match(subscripts[second], subscripts)
    letter <- subscripts[second]
    tensor <- torch_diagonal(tensor, dim1 = first, dim2 = second)
    subscripts <- c(subscripts[-c(first, second)], letter)
  }
  tensor <- if (length(subscripts) > 1) tensor$permute(order(match(subscripts, all_letters))) else tensor
  shape <- rep(1, length(all_letters))
  shape[sort(match(subscripts, all_letters))] <- dim(tensor)
  list(tensor = tensor$reshape(shape), used = unique(subscripts))
}

# Product of two aligned tensors, summed over the letters nobody needs any more, as one batched matrix product.
contract <- function(a, b, needed, all_letters) {
  both <- intersect(a$used, b$used)
  summed <- setdiff(both, needed)
  batch <- intersect(both, needed)
  groups <- list(batch, setdiff(a$used, both), summed, setdiff(b$used, both))
  at <- lapply(groups, match, all_letters)
  rest <- setdiff(seq_along(all_letters), unlist(at))
  size <- function(t, dims) prod(dim(t)[dims])
  left <- a$tensor$permute(c(at[[1]], at[[2]], at[[3]], at[[4]], rest))
  left <- left$reshape(c(size(a$tensor, at[[1]]), size(a$tensor, at[[2]]), size(a$tensor, at[[3]])))
  right <- b$tensor$permute(c(at[[1]], at[[3]], at[[4]], at[[2]], rest))
  right <- right$reshape(c(size(b$tensor, at[[1]]), size(b$tensor, at[[3]]), size(b$tensor, at[[4]])))
  order <- unlist(at[c(1, 2, 4)])
  shape <- c(dim(a$tensor)[at[[1]]], dim(a$tensor)[at[[2]]], dim(b$tensor)[at[[4]]])
  product <- torch_bmm(left, right)$reshape(c(shape, rep(1, length(all_letters) - length(order))))
  back <- base::order(c(order, setdiff(seq_along(all_letters), order)))
  list(tensor = product$permute(back), used = all_letters[sort(order)])
}

finish_einsum <- function(term, result, all_letters) {
  missing <- setdiff(result, term$used)
  if (length(missing) > 0) {
    value_error(sprintf("torch_einsum: \"%s\" is no subscript of any tensor.", missing[[1]]))
  }
  surplus <- setdiff(seq_along(all_letters), match(result, all_letters))
  if (length(surplus) > 0) torch_sum(term$tensor, dim = surplus) else term$tensor
}

tensor_method("matmul", function(other) torch_matmul(self, other))
tensor_method("mm", function(mat2) torch_mm(self, mat2))
tensor_method("bmm", function(mat2) torch_bmm(self, mat2))
tensor_method("mv", function(vec) torch_mv(self, vec))
tensor_method("dot", function(tensor) torch_dot(self, tensor))
tensor_method("addmm", function(mat1, mat2, beta = 1L, alpha = 1L) torch_addmm(self, mat1, mat2, beta, alpha))
tensor_method("outer", function(vec2) torch_outer(self, vec2))
