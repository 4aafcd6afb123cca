# Least squares in many ways: lm(), normal equations, Cholesky, LU, QR, and singular values give one solution.
set.seed(6)
n <- 60
weather <- data.frame(today = stats::rnorm(n), humidity = stats::runif(n), wind = stats::rexp(n), sun = stats::rnorm(n))
weather$tomorrow <- with(weather, 0.9 * today - 0.4 * humidity + 0.1 * wind + stats::rnorm(n, sd = 0.2))
fit_lm <- stats::lm(tomorrow ~ ., data = weather)
A <- torch_tensor(stats::model.matrix(fit_lm), dtype = torch_float64())
b <- torch_tensor(weather$tomorrow, dtype = torch_float64())
rmse <- function(y_true, y_pred) (y_true - y_pred)^2 %>% torch_mean() %>% torch_sqrt()
solutions <- list(
  lm = torch_tensor(unname(stats::coef(fit_lm)), dtype = torch_float64()),
  lstsq = linalg_lstsq(A, b)$solution,
  normal = linalg_inv(A$t()$matmul(A))$matmul(A$t())$matmul(b)
)
AtA <- A$t()$matmul(A)
Atb <- A$t()$matmul(b)
L <- linalg_cholesky(AtA)
y <- torch_triangular_solve(Atb$unsqueeze(2), L, upper = FALSE)[[1]]
solutions$cholesky <- torch_triangular_solve(y, L$t())[[1]]$squeeze(2)
solutions$cholesky_solve <- torch_cholesky_solve(Atb$unsqueeze(2), L)$squeeze(2)
lu <- torch_lu(AtA)
solutions$lu <- torch_lu_solve(Atb$unsqueeze(2), lu[[1]], lu[[2]])$squeeze(2)
qr <- linalg_qr(A)
solutions$qr <- torch_triangular_solve(qr[[1]]$t()$matmul(b)$unsqueeze(2), qr[[2]])[[1]]$squeeze(2)
usv <- linalg_svd(A, full_matrices = FALSE)
solutions$svd <- usv[[3]]$t()$matmul(usv[[1]]$t()$matmul(b) / usv[[2]])
errors <- vapply(solutions, function(s) rmse(b, A$matmul(s))$item(), 0)
stopifnot(vapply(solutions, function(s) torch_allclose(s, solutions$lm), NA), diff(range(errors)) < 1e-8)
stopifnot(linalg_matrix_norm(torch_dot(b, b)$reshape(c(1, 1)))$item() > 0, linalg_norm(b)$item() > 0)
stopifnot(linalg_det(AtA)$item() > 0, linalg_matrix_rank(A)$item() == 5, linalg_cond(A)$item() > 1)
stopifnot(abs(linalg_eigh(AtA)[[1]]$sum()$item() - AtA$diagonal()$sum()$item()) < 1e-8)

# Convolution as a product with a matrix.
signal <- torch_arange(1, 6)
kernel <- torch_tensor(c(1, -1))
by_matrix <- torch_stack(lapply(1:5, function(i) signal[i] * 1 - signal[i + 1] * 1))
by_conv <- nnf_conv1d(signal$view(c(1, 1, 6)), kernel$view(c(1, 1, 2)))$view(5)
stopifnot(torch_allclose(by_matrix, by_conv))
