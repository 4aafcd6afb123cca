#' @include tensor-linalg.R
NULL

# Both with the batch dimensions that theirs broadcast to.
with_same_batch <- function(A, B) {
  a <- dim(A)
  b <- dim(B)
  if (length(a) < 2 || length(b) < 2 || identical(utils::head(a, -2), utils::head(b, -2))) {
    return(list(A, B))
  }
  batch <- broadcast_two(utils::head(a, -2), utils::head(b, -2))
  list(expand_tensor(A, c(batch, utils::tail(a, 2))), expand_tensor(B, c(batch, utils::tail(b, 2))))
}

apply_to_both <- function(op, A, B, attrs = NULL) apply_op(ops[[op]], with_same_batch(A, B), attrs)

adjoint <- function(A) torch_transpose(A, -2, -1)

# What the smallest singular value that counts is to the largest, by default.
relative_tolerance <- function(A) torch_finfo(A$dtype)$eps * max(utils::tail(dim(A), 2))

check_matrix_of <- function(A, name) {
  check_float(A, name)
  if (length(dim(A)) < 2) {
    runtime_error(sprintf("The input tensor `%s` must have at least 2 dimensions, but has %d.", name, length(dim(A))))
  }
}

#' Linear algebra
#'
#' Matrices are the last two dimensions, the ones in front of them a batch. Everything is computed in double precision
#' by R's LAPACK; results have the dtype of the input, a float, and gradients. Those of eigenvectors and singular
#' vectors take no part where two eigenvalues or singular values are equal.
#'
#' * `linalg_inv()`, `torch_inverse()`: the inverse; `linalg_solve()`: X with A X = B; `torch_triangular_solve()`,
#'   `linalg_solve_triangular()` the same for a triangular A. `linalg_lstsq()`: the X of least norm with the least
#'   ||A X - B||, by singular values; `linalg_pinv()`, `torch_pinverse()`: the pseudoinverse.
#' * `linalg_det()`, `linalg_slogdet()` (sign and logarithm), `torch_logdet()`: determinants.
#' * `linalg_cholesky()`: L with A = L L'; `torch_cholesky_solve()` and `torch_cholesky_inverse()` go on from L.
#'   `linalg_cholesky_ex()` and `linalg_inv_ex()` tell in `info`, instead of an error, where a matrix has none.
#' * `linalg_qr()`: A = Q R; `torch_geqrf()` the same in LAPACK's packed form, from which `linalg_householder_product()`
#'   (`torch_orgqr()`) makes Q and `torch_ormqr()` products with it. `torch_lu()`: A = P L U packed with pivots,
#'   `torch_lu_unpack()` the three of them, `torch_lu_solve()` X with A X = B.
#' * `linalg_eigh()`, `linalg_eigvalsh()`: eigenvalues (going up) and vectors of a symmetric matrix, of which one
#'   triangle is read. `linalg_svd()`: A = U diag(S) Vh, with `torch_svd()` giving V; `linalg_svdvals()` S.
#' * `linalg_matrix_power()`, `torch_matrix_exp()`; `linalg_matrix_rank()`: how many singular values are above a
#'   tolerance; `linalg_cond()`: the norm of A times that of its inverse.
#' * `linalg_norm()`, `linalg_vector_norm()`, `linalg_matrix_norm()`: norms; the order is a number, or "fro" or "nuc"
#'   for matrices.
#' * `linalg_tensorsolve()` and `linalg_tensorinv()`: the same for tensors seen as matrices.
#'
#' @param self,A,B,input2,input3,tau float tensors.
#' @param upper,transpose,unitriangular,left which triangle is meant; whether A is used transposed; whether its diagonal
#'   counts as ones; whether A stands to the left of X.
#' @param rcond,tol,atol,rtol singular values count that are above `rcond` (or `rtol`) times the largest, or above `tol`
#'   (`atol`); `NULL`: the precision of the dtype times the larger size.
#' @param hermitian whether the matrix is symmetric.
#' @param driver not used: singular values are.
#' @param mode `"reduced"`, `"complete"` or `"r"` (only R).
#' @param some,compute_uv,full_matrices whether U and V are reduced, wanted, or square.
#' @param UPLO `"L"` or `"U"`: the triangle that is read.
#' @param check_errors whether to fail all the same.
#' @param n whole number; negative for the inverse.
#' @param ord,p order of the norm: 1, 2, `Inf` and their negatives, `"fro"`, `"nuc"`; any number for vectors.
#' @param dim,dims dimensions, from 1, negative from the end.
#' @param keepdim keep the dimensions with size 1.
#' @param dtype type to compute in.
#' @param ind how many first dimensions become rows.
#' @param pivot,get_infos must be `TRUE` (rows are exchanged); whether to give where U has a zero.
#' @param LU_data,LU_pivots what `torch_lu()` gave.
#' @param unpack_data,unpack_pivots whether L and U, and P, are wanted.
#' @param out,... not used.
#' @return A tensor, or a list of tensors: `linalg_lstsq()` of `solution`, `residuals`, `rank`, `singular_values`.
#' @section Errors: matrices that are not square, singular, or not positive definite; elements that are not finite;
#'   tensors of integers.
#' @source Anderson et al. (1999), LAPACK Users' Guide. Gradients: Giles (2008), An extended collection of matrix
#'   derivative results. Exponential: Higham (2005), The scaling and squaring method for the matrix exponential
#'   revisited.
#' @examples
#' A <- torch_tensor(matrix(c(2, 1, 1, 3), 2))
#' linalg_solve(A, c(1, 2))
#' linalg_eigh(A)
#' linalg_lstsq(matrix(c(1, 1, 1, 1, 2, 3), 3), c(1, 2, 4))$solution
#' @name linalg
#' @export
linalg_inv <- function(A) apply_op(ops$inverse, list(A))

#' @rdname linalg
#' @export
torch_inverse <- function(self) linalg_inv(self)

# Whether B holds one vector for each matrix of A.
is_batch_of_vectors <- function(A, B) {
  length(dim(B)) == 1 || (length(dim(B)) == length(dim(A)) - 1 && identical(dim(B), utils::head(dim(A), -1)))
}

#' @rdname linalg
#' @export
linalg_solve <- function(A, B) {
  check_matrix_of(A, "A")
  if (is_batch_of_vectors(A, B)) {
    return(torch_squeeze(apply_to_both("solve", A, torch_unsqueeze(B, -1)), -1))
  }
  apply_to_both("solve", A, B)
}

#' @rdname linalg
#' @export
torch_triangular_solve <- function(self, A, upper = TRUE, transpose = FALSE, unitriangular = FALSE) {
  list(apply_to_both("triangular_solve", A, self, as.double(c(upper, transpose, unitriangular))), torch_clone(A))
}

#' @rdname linalg
#' @export
linalg_solve_triangular <- function(A, B, ..., upper, left = TRUE, unitriangular = FALSE) {
  check_flag(left, "left")
  if (!left) {
    return(adjoint(linalg_solve_triangular(adjoint(A), adjoint(B), upper = !upper, unitriangular = unitriangular)))
  }
  apply_to_both("triangular_solve", A, B, as.double(c(upper, FALSE, unitriangular)))
}

#' @rdname linalg
#' @export
linalg_lstsq <- function(A, B, rcond = NULL, ..., driver = NULL) {
  check_matrix_of(A, "A")
  if (!is.null(driver)) check_choice(driver, "driver", c("gels", "gelsy", "gelsd", "gelss"))
  vectors <- is_batch_of_vectors(A, B)
  sides <- if (vectors) torch_unsqueeze(B, -1) else B
  found <- apply_to_both("lstsq", A, sides, as.double(rcond %||% relative_tolerance(A)))
  size <- utils::tail(dim(A), 2)
  residuals <- torch_empty(0, dtype = A$dtype)
  full <- size[[1]] > size[[2]] && as_array(torch_amin(found[[2]]$reshape(-1))) == size[[2]]
  if (full) residuals <- torch_sum(torch_square(torch_sub(torch_matmul(A, found[[1]]), sides)), -2)
  list(
    solution = if (vectors) torch_squeeze(found[[1]], -1) else found[[1]],
    residuals = residuals, rank = cast(found[[2]]$detach(), torch_long()),
    singular_values = if (identical(driver, "gelsd") || identical(driver, "gelss")) {
      linalg_svdvals(A)
    } else {
      torch_empty(0, dtype = A$dtype)
    }
  )
}

#' @rdname linalg
#' @export
linalg_pinv <- function(A, rcond = 1e-15, hermitian = FALSE, atol = NULL, rtol = NULL) {
  check_matrix_of(A, "A")
  tolerance <- rtol %||% rcond %||% relative_tolerance(A)
  if (is_tensor(tolerance)) tolerance <- tolerance$item()
  if (!is.null(atol)) {
    largest <- as_array(torch_amax(linalg_svdvals(A$detach())))
    tolerance <- max(if (is.null(rtol)) 0 else rtol, if (largest > 0) atol / largest else 0)
  }
  apply_op(ops$pinv, list(A), as.double(tolerance))
}

#' @rdname linalg
#' @export
torch_pinverse <- function(self, rcond = 1e-15) linalg_pinv(self, rcond)

#' @rdname linalg
#' @export
linalg_det <- function(A) apply_op(ops$det, list(A))

#' @rdname linalg
#' @export
torch_det <- function(self) linalg_det(self)

#' @rdname linalg
#' @export
linalg_slogdet <- function(A) stats::setNames(apply_op(ops$slogdet, list(A)), c("sign", "logabsdet"))

#' @rdname linalg
#' @export
torch_slogdet <- function(self) linalg_slogdet(self)

#' @rdname linalg
#' @export
torch_logdet <- function(self) {
  found <- linalg_slogdet(self)
  torch_masked_fill(found[[2]], torch_lt(found[[1]], 0), NaN)
}

#' @rdname linalg
#' @export
linalg_cholesky <- function(A) apply_op(ops$cholesky, list(A), 1)[[1]]

beside_info <- function(value, info, check_errors, what) {
  info <- cast(info$detach(), torch_int())
  if (check_errors && as_array(torch_any(info != 0L))) runtime_error(what)
  list(value, info = info)
}

#' @rdname linalg
#' @export
linalg_cholesky_ex <- function(A, check_errors = FALSE) {
  check_flag(check_errors, "check_errors")
  found <- apply_op(ops$cholesky, list(A), 0)
  result <- beside_info(found[[1]], found[[2]], check_errors,
    "linalg_cholesky_ex(): a matrix is not positive-definite.")
  stats::setNames(result, c("L", "info"))
}

#' @rdname linalg
#' @export
linalg_inv_ex <- function(A, check_errors = FALSE) {
  info <- apply_op(ops$lu, list(A$detach()))[[3]]
  regular <- torch_eq(info, 0)
  unit <- torch_eye(utils::tail(dim(A), 1), dtype = A$dtype)
  where <- regular$unsqueeze(-1)$unsqueeze(-1)
  inverse <- torch_masked_fill(linalg_inv(torch_where(where, A, unit)), torch_logical_not(where), NaN)
  result <- beside_info(inverse, info, check_errors, "linalg_inv_ex(): a matrix is singular.")
  stats::setNames(result, c("inverse", "info"))
}

#' @rdname linalg
#' @export
torch_cholesky <- function(self, upper = FALSE) {
  check_flag(upper, "upper")
  if (upper) adjoint(linalg_cholesky(self)) else linalg_cholesky(self)
}

#' @rdname linalg
#' @export
torch_cholesky_solve <- function(self, input2, upper = FALSE) {
  L <- if (upper) adjoint(input2) else input2
  half <- apply_to_both("triangular_solve", L, self, c(0, 0, 0))
  apply_to_both("triangular_solve", L, half, c(0, 1, 0))
}

#' @rdname linalg
#' @export
torch_cholesky_inverse <- function(self, upper = FALSE) {
  check_flag(upper, "upper")
  torch_cholesky_solve(torch_eye(utils::tail(dim(self), 1), dtype = self$dtype), self, upper)
}

#' @rdname linalg
#' @export
linalg_qr <- function(A, mode = "reduced") {
  check_choice(mode, "mode", c("reduced", "complete", "r"))
  found <- apply_op(ops$qr, list(A), as.double(mode == "complete"))
  if (mode == "r") found[[1]] <- torch_empty(0, dtype = A$dtype)
  stats::setNames(found, c("Q", "R"))
}

#' @rdname linalg
#' @export
torch_qr <- function(self, some = TRUE) {
  check_flag(some, "some")
  linalg_qr(self, if (some) "reduced" else "complete")
}

#' @rdname linalg
#' @export
torch_geqrf <- function(self) apply_op(ops$geqrf, list(self))

#' @rdname linalg
#' @export
linalg_householder_product <- function(A, tau) apply_op(ops$orgqr, list(A, tau), 0)

#' @rdname linalg
#' @export
torch_orgqr <- function(self, input2) linalg_householder_product(self, input2)

#' @rdname linalg
#' @export
torch_ormqr <- function(self, input2, input3, left = TRUE, transpose = FALSE) {
  Q <- apply_op(ops$orgqr, list(self, input2), as.double(utils::tail(dim(self), 2)[[1]]))
  if (transpose) Q <- adjoint(Q)
  if (left) torch_matmul(Q, input3) else torch_matmul(input3, Q)
}

#' @rdname linalg
#' @export
torch_lu <- function(A, pivot = TRUE, get_infos = FALSE, out = NULL) {
  check_flag(pivot, "pivot")
  check_flag(get_infos, "get_infos")
  if (!pivot) not_implemented_error("torch_lu(): `pivot = FALSE` is not available on a CPU.")
  found <- apply_op(ops$lu, list(A))
  found[2:3] <- lapply(found[2:3], function(x) cast(x$detach(), torch_int()))
  if (get_infos) found else found[1:2]
}

#' @rdname linalg
#' @export
torch_lu_unpack <- function(LU_data, LU_pivots, unpack_data = TRUE, unpack_pivots = TRUE) {
  size <- utils::tail(dim(LU_data), 2)
  k <- min(size)
  unit <- function(n, m = n) torch_eye(n, m, dtype = LU_data$dtype)
  none <- torch_empty(0, dtype = LU_data$dtype)
  parts <- list(none, none, none)
  if (unpack_pivots) {
    rows <- expand_tensor(unit(size[[1]]), c(utils::head(dim(LU_data), -2), size[[1]], size[[1]]))
    parts[[1]] <- apply_op(ops$rows_back, list(rows, cast(LU_pivots, LU_data$dtype)))
  }
  if (unpack_data) {
    parts[[2]] <- torch_tril(torch_narrow(LU_data, -1, 1, k), -1) + unit(size[[1]], k)
    parts[[3]] <- torch_triu(torch_narrow(LU_data, -2, 1, k))
  }
  parts
}

#' @rdname linalg
#' @export
torch_lu_solve <- function(self, LU_data, LU_pivots) {
  P <- torch_lu_unpack(LU_data, LU_pivots, unpack_data = FALSE)[[1]]
  half <- apply_to_both("triangular_solve", LU_data, torch_matmul(adjoint(P), self), c(0, 0, 1))
  apply_to_both("triangular_solve", LU_data, half, c(1, 0, 0))
}

#' @rdname linalg
#' @export
linalg_eigh <- function(A, UPLO = "L") {
  check_choice(UPLO, "UPLO", c("L", "U"))
  apply_op(ops$eigh, list(A), as.double(UPLO == "U"))
}

#' @rdname linalg
#' @export
linalg_eigvalsh <- function(A, UPLO = "L") linalg_eigh(A, UPLO)[[1]]

#' @rdname linalg
#' @export
linalg_svd <- function(A, full_matrices = TRUE) {
  check_matrix_of(A, "A")
  check_flag(full_matrices, "full_matrices")
  size <- utils::tail(dim(A), 2)
  if (!full_matrices || size[[1]] == size[[2]]) {
    return(apply_op(ops$svd, list(A), 0))
  }
  if (A$requires_grad) {
    # The rest of the basis has no gradient: it may be any that completes the others.
    found <- apply_op(ops$svd, list(A), 0)
    k <- min(size)
    complete <- function(Q) {
      basis <- with_no_grad(linalg_qr(Q, "complete")[[1]])
      torch_cat(list(Q, torch_narrow(basis, -1, k + 1, max(size) - k)), -1)
    }
    if (size[[1]] > k) found[[1]] <- complete(found[[1]]) else found[[3]] <- adjoint(complete(adjoint(found[[3]])))
    return(found)
  }
  apply_op(ops$svd, list(A), 1)
}

#' @rdname linalg
#' @export
torch_svd <- function(self, some = TRUE, compute_uv = TRUE) {
  found <- linalg_svd(self, full_matrices = !some)
  found[[3]] <- adjoint(found[[3]])
  if (!compute_uv) found[c(1, 3)] <- lapply(found[c(1, 3)], torch_zeros_like)
  found
}

#' @rdname linalg
#' @export
linalg_svdvals <- function(A) apply_op(ops$svd, list(A), 0)[[2]]

#' @rdname linalg
#' @export
linalg_matrix_rank <- function(A, ..., atol = NULL, rtol = NULL, tol = NULL, hermitian = FALSE) {
  s <- linalg_svdvals(A$detach())
  bound <- torch_mul(torch_amax(s, -1, keepdim = TRUE),
    rtol %||% if (is.null(tol) && is.null(atol)) relative_tolerance(A) else 0)
  bound <- torch_maximum(bound, as_tensor(tol %||% atol %||% 0, "tol", s))
  torch_sum(torch_gt(s, bound), -1)
}

#' @rdname linalg
#' @export
linalg_cond <- function(A, p = NULL) {
  if (is.null(p) || identical(abs(as.numeric(p)), 2)) {
    s <- linalg_svdvals(A)
    ends <- list(torch_amax(s, -1), torch_amin(s, -1))
    return(if (is.null(p) || p == 2) ends[[1]] / ends[[2]] else ends[[2]] / ends[[1]])
  }
  torch_mul(linalg_matrix_norm(A, p), linalg_matrix_norm(linalg_inv(A), p))
}

#' @rdname linalg
#' @export
linalg_matrix_power <- function(A, n) {
  if (n < 0) {
    return(linalg_matrix_power(linalg_inv(A), -n))
  }
  if (n == 0) {
    return(torch_add(torch_zeros_like(A), torch_eye(utils::tail(dim(A), 1), dtype = A$dtype)))
  }
  result <- NULL
  while (n > 0) {
    if (n %% 2 == 1) result <- if (is.null(result)) A else torch_matmul(result, A)
    n <- n %/% 2
    if (n > 0) A <- torch_matmul(A, A)
  }
  result
}

#' @rdname linalg
#' @export
torch_matrix_power <- function(self, n) linalg_matrix_power(self, n)

# The exponential of a matrix by the rational approximation of degree 13 of A / 2^s, squared s times.
exponential_terms <- c(
  64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
  670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1
)

#' @rdname linalg
#' @export
torch_matrix_exp <- function(self) {
  check_matrix_of(self, "self")
  dtype <- self$dtype
  A <- cast(self, torch_double())
  norm <- as_array(torch_amax(linalg_matrix_norm(A$detach(), 1)$reshape(-1)))
  if (!is.finite(norm)) value_error("torch_matrix_exp(): the elements must be finite.")
  squarings <- max(0, ceiling(log2(norm / 5.37)))
  A <- torch_div(A, 2^squarings)
  unit <- torch_eye(utils::tail(dim(A), 1), dtype = torch_double())
  A2 <- torch_matmul(A, A)
  A4 <- torch_matmul(A2, A2)
  A6 <- torch_matmul(A4, A2)
  b <- exponential_terms
  half <- function(k) {
    high <- A6 * b[k + 12] + A4 * b[k + 10] + A2 * b[k + 8]
    torch_matmul(A6, high) + A6 * b[k + 6] + A4 * b[k + 4] + A2 * b[k + 2] + unit * b[k]
  }
  odd <- torch_matmul(A, half(2))
  even <- half(1)
  result <- linalg_solve(even - odd, even + odd)
  for (i in seq_len(squarings)) result <- torch_matmul(result, result)
  cast(result, dtype)
}

#' @rdname linalg
#' @export
linalg_vector_norm <- function(A, ord = 2, dim = NULL, keepdim = FALSE, dtype = NULL) {
  if (!is.null(dtype)) A <- cast(A, dtype)
  check_float(A, "A")
  if (ord == 0) {
    return(cast(torch_sum(torch_ne(A, 0), dim, keepdim), A$dtype))
  }
  if (is.infinite(ord)) {
    extreme <- if (ord > 0) torch_amax else torch_amin
    return(extreme(torch_abs(A), dim %||% list(), keepdim))
  }
  if (ord < 0) {
    return(torch_pow(torch_sum(torch_pow(torch_abs(A), ord), dim, keepdim), 1 / ord))
  }
  torch_norm(A, ord, dim, keepdim)
}

# Of the last two dimensions.
matrix_norm <- function(A, ord) {
  if (identical(ord, "fro")) {
    return(linalg_vector_norm(A, 2, c(-2, -1)))
  }
  s <- if (identical(ord, "nuc") || identical(abs(as.numeric(ord)), 2)) linalg_svdvals(A)
  if (identical(ord, "nuc")) {
    return(torch_sum(s, -1))
  }
  extreme <- if (ord > 0) torch_amax else torch_amin
  if (!is.null(s)) {
    return(extreme(s, -1))
  }
  if (!abs(ord) %in% c(1, Inf)) refuse(ord, "ord", "\"fro\", \"nuc\", 1, 2, Inf or the negative of a number")
  extreme(torch_sum(torch_abs(A), if (abs(ord) == 1) -2 else -1), -1)
}

#' @rdname linalg
#' @export
linalg_matrix_norm <- function(A, ord = "fro", dim = c(-2, -1), keepdim = FALSE, dtype = NULL) {
  if (!is.null(dtype)) A <- cast(A, dtype)
  check_matrix_of(A, "A")
  at <- sort(resolved_dim(A, dim) + 1)
  if (length(at) != 2 || at[[1]] == at[[2]]) value_error("`dim` must be two different dimensions.")
  norm <- matrix_norm(torch_movedim(A, resolved_dim(A, dim) + 1, c(-2, -1)), ord)
  if (keepdim) torch_unsqueeze(torch_unsqueeze(norm, at[[1]]), at[[2]]) else norm
}

#' @rdname linalg
#' @export
linalg_norm <- function(A, ord = NULL, dim = NULL, keepdim = FALSE, dtype = NULL) {
  if (is.null(ord)) {
    return(linalg_vector_norm(A, 2, dim, keepdim, dtype))
  }
  n <- if (is.null(dim)) length(base::dim(A)) else length(dim)
  if (n == 2) {
    return(linalg_matrix_norm(A, ord, dim %||% c(-2, -1), keepdim, dtype))
  }
  if (n != 1) value_error("`dim` must be one or two dimensions where `ord` is given.")
  linalg_vector_norm(A, ord, dim, keepdim, dtype)
}

#' @rdname linalg
#' @export
linalg_tensorinv <- function(A, ind = 3L) {
  A <- as_tensor(A, "A")
  shape <- dim(A)
  check_whole_number(ind, "ind", 1, length(shape))
  if ( prod(shape[seq_len(ind)]) != prod(shape[-seq_len(ind)])) {
    value_error("linalg_tensorinv(): the first `ind` sizes and the others must have the same product.")
  }
  n <- prod(shape[seq_len(ind)])
  torch_reshape(linalg_inv(torch_reshape(A, c(n, n))), c(shape[-seq_len(ind)], shape[seq_len(ind)]))
}

#' @rdname linalg
#' @export
linalg_tensorsolve <- function(A, B, dims = NULL) {
  if (!is.null(dims)) A <- torch_movedim(A, dims, seq(length(dim(A)) - length(dims) + 1, length(dim(A))))
  shape <- dim(A)[-seq_along(dim(B))]
  n <- length(B)
  if (prod(shape) != n) {
    value_error("linalg_tensorsolve(): `A` seen as a matrix with a row for each element of `B` is not square.")
  }
  torch_reshape(linalg_solve(torch_reshape(A, c(n, n)), torch_flatten(B)), shape)
}
