layouts <- function(x) {
  list(
    contiguous = x, last = x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3)),
    transposed = x$transpose(1, 4)$contiguous()$transpose(1, 4),
    strided = torch_cat(list(x, x), 4)$narrow(4, 1, x$size(4))
  )
}

sample_array <- function() array(sin(1:120 * 1.7) * 3, c(2, 3, 4, 5))
median_low <- function(x) sort(x)[(length(x) + 1) %/% 2]

test_that("reductions over any dimensions agree with R in every layout", {
  a <- as_array(torch_tensor(sample_array()))
  spread <- function(x) stats::var(as.vector(x))
  for (x in layouts(torch_tensor(a))) {
    for (dims in list(1, 2, 3, 4, c(1, 3), c(2, 4), c(1, 3, 4), c(1, 2, 3), c(2, 3))) {
      rest <- setdiff(1:4, dims)
      expect_equal(as_array(x$sum(dim = dims)), apply(a, rest, sum), tolerance = 1e-6)
      expect_equal(as_array(x$mean(dim = dims)), apply(a, rest, mean), tolerance = 1e-5)
      expect_equal(as_array(x$amax(dim = dims)), apply(a, rest, max))
      expect_equal(as_array(x$amin(dim = dims)), apply(a, rest, min))
      expect_equal(as_array(torch_var(x, dim = dims)), apply(a, rest, spread), tolerance = 1e-5)
    }
  }
  x <- torch_tensor(a)
  expect_equal(dim(x$sum(dim = c(2, 3), keepdim = TRUE)), c(2, 1, 1, 5))
  expect_equal(x$sum(dim = -1)$shape, c(2, 3, 4))
  expect_equal(x$std()$item(), sd(a), tolerance = 1e-6)
  expect_equal(torch_std(x, unbiased = FALSE)$item(), sd(a) * sqrt(119 / 120), tolerance = 1e-6)
  expect_error(x$sum(dim = 5), "out of range", class = "runtime_error")
  expect_error(x$sum(dim = c(1, 1)), "multiple times")
})

test_that("positions, order and cumulations agree with R in every layout", {
  a <- sample_array()
  for (x in layouts(torch_tensor(a))) {
    for (d in 1:4) {
      rest <- setdiff(1:4, d)
      along <- function(f) aperm(apply(a, rest, f), order(c(d, rest)))
      expect_equal(as_array(x$argmax(dim = d)), apply(a, rest, which.max))
      expect_equal(as_array(x$argmin(dim = d)), apply(a, rest, which.min))
      expect_equal(as_array(x$max(dim = d)[[1]]), apply(a, rest, max), tolerance = 1e-6)
      expect_equal(as_array(x$min(dim = d)[[2]]), apply(a, rest, which.min))
      expect_equal(as_array(x$median(dim = d)[[1]]), apply(a, rest, median_low), tolerance = 1e-6)
      falling <- x$sort(dim = d, descending = TRUE)[[1]]
      expect_equal(as_array(falling), along(function(v) sort(v, TRUE)), tolerance = 1e-6)
      expect_equal(as_array(x$argsort(dim = d)), along(order))
      expect_equal(as_array(x$topk(2, dim = d)[[1]]), along(function(v) sort(v, TRUE)[1:2]), tolerance = 1e-6)
      expect_equal(as_array(x$cumsum(dim = d)), along(cumsum), tolerance = 1e-5)
      expect_equal(as_array(x$cumprod(dim = d)), along(cumprod), tolerance = 1e-5)
      expect_equal(as_array(x$logsumexp(dim = d)), apply(a, rest, function(v) log(sum(exp(v)))), tolerance = 1e-5)
      expect_equal(as_array(x$norm(dim = d)), apply(a, rest, function(v) sqrt(sum(v^2))), tolerance = 1e-5)
    }
  }
})

test_that("types of results", {
  long <- torch_tensor(c(3L, 1L, 2L))
  expect_equal(long$sum()$dtype, torch_long())
  expect_equal(torch_tensor(c(TRUE, TRUE))$sum()$item(), 2)
  expect_error(long$mean(), "floating point", class = "value_error")
  expect_equal(long$mean(dtype = torch_float())$item(), 2)
  expect_error(torch_std(long), "float")
  expect_equal(long$max()$dtype, torch_long())
  expect_equal(torch_argmax(long)$dtype, torch_long())
  expect_equal(long$prod()$item(), 6)
  expect_equal(as_array(torch_cumsum(torch_tensor(c(TRUE, TRUE)), 1)), c(1, 2))
})

test_that("NaN, ties and empty tensors", {
  x <- torch_tensor(c(1, NaN, 3, NaN))
  expect_true(is.nan(x$max()$item()) && is.nan(x$amin()$item()) && is.nan(x$median()$item()))
  expect_equal(x$argmax()$item(), 2)
  expect_equal(as_array(x$sort()[[2]]), c(1, 3, 2, 4))
  tied <- torch_tensor(c(2, 5, 5), requires_grad = TRUE)
  expect_equal(tied$argmax()$item(), 2)
  tied$amax()$backward()
  expect_equal(as_array(tied$grad), c(0, 0.5, 0.5))
  empty <- torch_ones(0, 3)
  expect_equal(empty$sum()$item(), 0)
  expect_equal(as_array(empty$sum(dim = 1)), c(0, 0, 0))
  expect_equal(empty$prod()$item(), 1)
  expect_true(is.nan(empty$mean()$item()))
  expect_error(empty$max(), "empty")
  expect_error(empty$argmax(dim = 1), "empty")
  expect_false(empty$any()$item())
  expect_true(empty$all()$item())
})

test_that("any, all, counts, differences", {
  x <- torch_tensor(matrix(c(TRUE, FALSE, TRUE, TRUE), 2))
  expect_identical(as_array(x$any(dim = 1)), c(TRUE, TRUE))
  expect_identical(as_array(x$all(dim = 1)), c(FALSE, TRUE))
  expect_equal(torch_count_nonzero(torch_tensor(c(0, 2, 0, 3)))$item(), 2)
  expect_equal(as_array(torch_bincount(torch_tensor(c(1L, 3L, 3L)), minlength = 4)), c(1, 0, 2, 0))
  expect_equal(as_array(torch_diff(torch_tensor(c(1, 4, 9, 16)), n = 2)), c(2, 2))
  expect_error(torch_topk(torch_ones(2), 3), "only 2")
})

test_that("R's own functions work on tensors", {
  x <- torch_tensor(c(3, 1, 2))
  expect_equal(sum(x)$item(), 6)
  expect_equal(mean(x)$item(), 2)
  expect_equal(max(x)$item(), 3)
  expect_equal(as_array(range(x)), c(1, 3))
  expect_equal(as_array(cumsum(x)), c(3, 4, 6))
})

test_that("gradients agree with differences", {
  x <- matrix(c(0.9, -1.3, 0.45, 2.1, 0.7, -0.2), 2)
  for (name in c("sum", "mean", "prod", "var", "std", "amax", "amin", "logsumexp", "norm")) {
    f <- get(paste0("torch_", name), envir = asNamespace("candela"))
    expect_gradient(function(x) f(x, dim = 2), x)
    expect_gradient(function(x) f(x, dim = 1, keepdim = TRUE), x)
  }
  expect_gradient(torch_prod, replace(x, 3, 0))
  expect_gradient(torch_std, x)
  expect_gradient(function(x) torch_norm(x, p = 3), x)
  expect_gradient(function(x) torch_norm(x, p = 1), x)
  expect_gradient(function(x) torch_max(x, dim = 2)[[1]], x)
  expect_gradient(function(x) torch_sort(x, dim = 2)[[1]], x)
  expect_gradient(function(x) torch_topk(x, 2, dim = 2)[[1]], x)
  expect_gradient(function(x) torch_median(x, dim = 2)[[1]], x)
  expect_gradient(function(x) torch_cumsum(x, 2), x)
  expect_gradient(function(x) torch_cumprod(x, 2), replace(x, 3, 0))
})

test_that("sums are accurate and do not depend on threads", {
  n <- 3e5
  x <- torch_full(n, 0.1)
  expect_equal(x$sum()$item(), n * as_array(torch_tensor(0.1)), tolerance = 1e-7)
  y <- torch_randn(3, 50, 60, 40)
  threads <- torch_get_num_threads()
  on.exit(torch_set_num_threads(threads))
  results <- lapply(1:2, function(n) {
    torch_set_num_threads(n)
    lapply(list(y$sum(), y$mean(dim = c(1, 3, 4)), y$sum(dim = 1), y$argmax(dim = 2)), as_array)
  })
  expect_identical(results[[1]], results[[2]])
})

test_that("R's generics take several tensors and numbers, and leave out what is missing", {
  x <- torch_tensor(c(1, 5, NaN))
  y <- torch_tensor(matrix(1:4, 2))
  expect_equal(max(torch_tensor(c(1, 5)), 2)$item(), 5)
  expect_equal(max(torch_tensor(c(1, 5)), 7)$item(), 7)
  expect_equal(min(y, torch_tensor(0L))$item(), 0)
  expect_equal(sum(y, 10, torch_ones(2))$item(), 22)
  expect_equal(prod(y, 2L)$item(), 48)
  expect_equal(as_array(range(y, 9)), c(1, 9))
  expect_equal(as_array(range(x, na.rm = TRUE)), c(1, 5))
  expect_equal(sum(x, na.rm = TRUE)$item(), 6)
  expect_equal(mean(x, na.rm = TRUE)$item(), 3)
  expect_equal(max(x, na.rm = TRUE)$item(), 5)
  expect_true(any(y > 3, FALSE)$item())
  expect_false(all(y > 0, torch_tensor(FALSE))$item())
  expect_equal(as_array(sum(y, dim = 1)), c(3, 7))
  expect_equal(as_array(max(y, dim = 1)[[2]]), c(2, 2))
  expect_equal(as_array(mean(y$double(), dim = 2)), c(2, 3))
  expect_equal(as_array(x$nansum()), 6)
  expect_equal(as_array(x$nan_to_num(nan = 2)), c(1, 5, 2))
})

test_that("whole numbers from 1 are counted, and others refused", {
  expect_equal(as_array(torch_bincount(torch_tensor(c(2L, 2L, 4L)), weights = c(1, 2, 4))), c(0, 3, 0, 4))
  expect_equal(torch_bincount(torch_tensor(integer()))$shape, 0)
  expect_error(torch_bincount(torch_tensor(0:2)), "at least 1", class = "value_error")
  expect_error(torch_bincount(c(1, 2)), "integers", class = "type_error")
})

test_that("search, bits and extremes refuse what does not fit", {
  expect_equal(as_array(torch_searchsorted(c(1, 3, 5), 3)), 1)
  expect_equal(torch_searchsorted(c(1, 3, 5), 3, out_int32 = TRUE)$dtype, torch_int())
  expect_equal(as_array(torch_searchsorted(c(1, NaN), c(2, NaN), right = TRUE)), c(1, 2))
  expect_error(torch_searchsorted(torch_ones(2, 3), torch_ones(3, 2)), "searchsorted", class = "candela_error_shape")
  expect_error(torch_bitwise_and(torch_ones(2), 1L), "integers", class = "candela_error_dtype")
  expect_equal(as_array(torch_bitwise_not(torch_tensor(c(TRUE, FALSE)))), c(FALSE, TRUE))
  expect_equal(torch_bitwise_and(torch_tensor(3L, dtype = "uint8"), 6L)$dtype, torch_uint8())
  expect_equal(as_array(torch_cummax(c(1, NaN, 3), 1)[[1]]), c(1, NaN, NaN))
  expect_equal(as_array(torch_logcumsumexp(torch_tensor(c(-Inf, -Inf, 0)), 1)), c(-Inf, -Inf, 0))
  expect_error(torch_quantile(c(1, 2), 1.2), "`q` must lie between 0 and 1", class = "value_error")
  expect_true(is.nan(torch_quantile(c(1, NaN), 0.5)$item()))
  expect_equal(torch_nanquantile(c(1, NaN, 3), 0.5)$item(), 2)
  expect_equal(torch_quantile(torch_ones(2, 3), c(0, 1), dim = 2, keepdim = TRUE)$shape, c(2, 2, 1))
  expect_equal(as_array(torch_unique_consecutive(c(1, 1, 2, 1), TRUE, TRUE)[[3]]), c(2, 1, 1))
  expect_equal(as_array(torch_unique_consecutive(rbind(c(1, 2), c(1, 2), c(3, 4)), dim = 1)[[1]]),
    rbind(c(1, 2), c(3, 4)))
  expect_equal(as.vector(table(torch_tensor(c(3L, 1L, 3L)))), c(1, 2))
})

test_that("mean() of whole numbers and of truth is a fraction, as in R", {
  expect_equal(as_array(mean(torch_tensor(1:2))), 1.5)
  expect_equal(as_array(mean(torch_tensor(c(TRUE, FALSE, FALSE, FALSE)))), 0.25)
  expect_equal(as_array(mean(torch_tensor(matrix(1:4, 2)), dim = 1)), c(1.5, 3.5))
  expect_error(torch_mean(torch_tensor(1:2)), "floating point")
})
