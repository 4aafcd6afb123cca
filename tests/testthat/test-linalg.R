# Values and gradients are compared with PyTorch's in test-function-numbers.R; here is what holds for every matrix,
# and what is refused.

set.seed(3)
square <- matrix(rnorm(25), 5)
positive <- square %*% t(square) + diag(5)
tall <- matrix(rnorm(24), 8)
double <- function(x) torch_tensor(x, dtype = "double")

test_that("decompositions give back their matrix, in both float types and in batches", {
  for (dtype in c("float", "double")) {
    close <- if (dtype == "float") 1e-5 else 1e-12
    A <- torch_tensor(array(c(tall, 2 * tall), c(8, 3, 2)), dtype = dtype)$permute(c(3, 1, 2))
    S <- torch_tensor(positive, dtype = dtype)
    expect_back <- function(x, y) expect_lt(as_array((x - y)$abs()$max()), close * as_array(y$abs()$max()))
    for (full in c(TRUE, FALSE)) {
      usv <- linalg_svd(A, full)
      expect_back(torch_matmul(usv[[1]][.., 1:3] * usv[[2]]$unsqueeze(-2), usv[[3]][, 1:3, ]), A)
      expect_equal(usv[[1]]$shape, c(2, 8, if (full) 8 else 3))
      expect_equal(usv[[1]]$dtype, A$dtype)
    }
    wide <- linalg_svd(A$transpose(2, 3), TRUE)
    expect_equal(wide[[3]]$shape, c(2, 8, 8))
    for (mode in c("reduced", "complete")) {
      qr <- linalg_qr(A, mode)
      expect_back(torch_matmul(qr[[1]], qr[[2]]), A)
      expect_back(torch_matmul(qr$Q$transpose(2, 3), qr$Q), torch_eye(qr$Q$size(3), dtype = dtype)$expand(c(2, -1, -1)))
    }
    parts <- do.call(torch_lu_unpack, unname(torch_lu(A)))
    expect_back(torch_matmul(parts[[1]], torch_matmul(parts[[2]], parts[[3]])), A)
    L <- linalg_cholesky(S)
    expect_back(torch_mm(L, L$t()), S)
    for (uplo in c("L", "U")) {
      wv <- linalg_eigh(S, uplo)
      expect_back(torch_mm(wv[[2]] * wv[[1]], wv[[2]]$t()), S)
    }
    expect_back(torch_matmul(linalg_pinv(A), A), torch_eye(3, dtype = dtype)$expand(c(2, -1, -1)))
  }
})

test_that("equations are solved as R solves them", {
  b <- rnorm(5)
  expect_equal(as_array(linalg_solve(double(square), b)), solve(square, b))
  expect_equal(as_array(torch_inverse(double(square))), solve(square))
  expect_equal(as_array(linalg_det(double(square))), det(square))
  expect_equal(as_array(torch_cholesky_solve(double(cbind(b)), linalg_cholesky(double(positive)))),
    unname(cbind(solve(positive, b))))
  y <- rnorm(8)
  found <- linalg_lstsq(double(tall), y)
  expect_equal(as_array(found$solution), unname(qr.solve(tall, y)))
  expect_equal(as_array(found$residuals), sum(qr.resid(qr(tall), y)^2))
  expect_equal(as_array(found$rank), 3)
  deficient <- cbind(tall, tall[, 1])
  lowest <- linalg_lstsq(double(deficient), y)
  expect_equal(as_array(lowest$rank), 3)
  expect_equal(as_array(torch_mv(double(deficient), lowest$solution)), as.vector(tall %*% qr.solve(tall, y)))
  expect_equal(linalg_lstsq(double(deficient), y)$residuals$numel(), 0)
  expect_equal(as_array(linalg_matrix_rank(double(deficient))), 3)
  batch <- linalg_solve(torch_stack(list(double(square), double(positive))), double(diag(5)))
  expect_equal(as_array(batch[2, , ]), solve(positive))
  right <- linalg_solve_triangular(double(positive)$triu(), double(diag(5)), upper = TRUE, left = FALSE)
  expect_equal(as_array(right), backsolve(positive, diag(5)))
  expect_equal(as_array(linalg_multi_dot(list(b, square, b))), as.vector(b %*% square %*% b), tolerance = 1e-5)
})

test_that("exponentials and powers of matrices agree with their definitions", {
  rotation <- rbind(c(0, -1), c(1, 0))
  for (angle in c(0.1, 3, 40)) {
    expect_equal(as_array(torch_matrix_exp(double(rotation * angle))),
      rbind(c(cos(angle), -sin(angle)), c(sin(angle), cos(angle))), tolerance = 1e-10)
  }
  expect_equal(as_array(linalg_matrix_power(double(square), 0)), diag(5))
  expect_equal(as_array(linalg_matrix_power(double(square), 5)),
    square %*% square %*% square %*% square %*% square)
})

test_that("gradients agree with differences, of singular matrices and least norms, too", {
  expect_gradient(linalg_det, cbind(c(1, 2), c(2, 4)))
  expect_gradient(function(A, y) linalg_lstsq(A, y)$solution, tall[1:5, ], rnorm(5))
  expect_gradient(function(A, y) linalg_lstsq(A, y)$solution, t(tall[1:5, ]), rnorm(3))
  expect_gradient(linalg_pinv, tall)
  expect_gradient(function(A) torch_abs(linalg_svd(A)[[1]])[, 1:3], tall[1:5, ], tolerance = 1e-5)
  expect_gradient(function(A) linalg_eigvalsh(torch_mm(A, A$t())), square[1:3, 1:3])
  expect_gradient(function(A) torch_matrix_exp(A), square[1:3, 1:3] * 4)
  expect_gradient(function(A, B) linalg_solve_triangular(A, B, upper = FALSE),
    square[1:3, 1:3] + 3 * diag(3), tall[1:3, ])
})

test_that("gradients of gradients are there", {
  A <- torch_tensor(positive[1:3, 1:3], dtype = "double", requires_grad = TRUE)
  first <- autograd_grad(torch_logdet(A), A, create_graph = TRUE)[[1]]
  second <- autograd_grad(first[1, 2], A)[[1]]
  inverse <- solve(positive[1:3, 1:3])
  expect_equal(as_array(second), -outer(1:3, 1:3, Vectorize(function(i, j) inverse[2, i] * inverse[j, 1])))
  x <- torch_tensor(c(0.7, 2.5), dtype = "double", requires_grad = TRUE)
  slope <- autograd_grad(torch_sum(torch_lgamma(x)), x, create_graph = TRUE)[[1]]
  expect_equal(as_array(autograd_grad(torch_sum(slope), x)[[1]]), trigamma(c(0.7, 2.5)))
})

test_that("a gradient exists where singular values are equal and the function has one", {
  A <- torch_tensor(diag(2), dtype = "double", requires_grad = TRUE)
  usv <- linalg_svd(A)
  torch_sum(torch_mm(usv[[1]] * usv[[2]], usv[[3]]) * c(1, 2))$backward()
  expect_true(all(is.finite(as_array(A$grad))))
})

test_that("what has no solution is refused with the reason", {
  singular <- double(cbind(c(1, 2), c(2, 4)))
  expect_error(linalg_inv(singular), "singular", class = "candela_error")
  expect_error(linalg_solve(singular, c(1, 2)), "singular", class = "candela_error")
  expect_error(linalg_cholesky(-singular), "positive-definite", class = "candela_error")
  expect_error(linalg_inv(torch_ones(2, 3)), "square", class = "candela_error_shape")
  expect_error(linalg_inv(torch_ones(3)), "at least 2 dimensions", class = "candela_error_shape")
  expect_error(linalg_inv(torch_tensor(matrix(1:4, 2))), "float", class = "candela_error")
  expect_error(linalg_solve(torch_eye(2), torch_ones(3, 1)), "incompatible", class = "candela_error_shape")
  expect_error(linalg_svd(double(cbind(c(1, NaN), 1))), "not finite", class = "candela_error")
  expect_error(linalg_eigh(double(cbind(c(1, Inf), 1))), "not finite", class = "candela_error")
  expect_error(linalg_qr(torch_eye(2), "x"), "`mode` must be", class = "value_error")
  expect_equal(as_array(linalg_inv_ex(singular)$info), 2)
  expect_equal(as_array(linalg_cholesky_ex(double(diag(c(1, -1))))$info), 2)
  expect_equal(as_array(linalg_slogdet(singular)$logabsdet), -Inf)
})

test_that("matrices without elements have what they can have", {
  empty <- torch_zeros(0, 3, 3)
  expect_equal(linalg_inv(empty)$shape, c(0, 3, 3))
  expect_equal(as_array(linalg_det(torch_zeros(0, 0))), 1)
  expect_equal(linalg_qr(torch_zeros(3, 0))$Q$shape, c(3, 0))
  expect_equal(linalg_svdvals(torch_zeros(3, 0))$numel(), 0)
})
