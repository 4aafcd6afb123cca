attention <- torch_scaled_dot_product_attention

# The definition, in float64 and with the whole matrix of scores.
by_hand <- function(q, k, v, mask = NULL, is_causal = FALSE, scale = 1 / sqrt(dim(q)[length(dim(q))])) {
  scores <- torch_matmul(q, k$transpose(-2, -1)) * scale
  if (is_causal) mask <- torch_tril(torch_ones(dim(scores)[length(dim(scores)) - 1:0]))$to(dtype = torch_bool())
  if (!is.null(mask) && mask$dtype == torch_bool()) scores <- scores$masked_fill(torch_logical_not(mask), -Inf)
  if (!is.null(mask) && mask$dtype != torch_bool()) scores <- scores + mask
  torch_matmul(nnf_softmax(scores, dim = -1), v)
}

double <- function(x) if (is.null(x) || x$dtype == torch_bool()) x else x$detach()$to(dtype = torch_double())

# Values and gradients of all inputs against those by hand.
expect_attention <- function(q, k, v, ..., mask = NULL, label, tolerance = 2e-6) {
  torch_manual_seed(5)
  leaves <- lapply(list(q, k, v, if (!is.null(mask) && mask$dtype != torch_bool()) mask), function(x) {
    if (!is.null(x)) x$detach()$clone()$requires_grad_(TRUE)
  })
  exact <- lapply(leaves, function(x) if (!is.null(x)) double(x)$requires_grad_(TRUE))
  y <- attention(leaves[[1]], leaves[[2]], leaves[[3]], if (is.null(leaves[[4]])) mask else leaves[[4]], ...)
  want <- by_hand(exact[[1]], exact[[2]], exact[[3]], if (is.null(exact[[4]])) mask else exact[[4]], ...)
  expect_equal(as.array(y), as.array(want), tolerance = tolerance, label = label)
  dy <- torch_randn(y$shape, dtype = y$dtype)
  y$backward(dy)
  want$backward(double(dy))
  for (i in which(!vapply(leaves, is.null, NA))) {
    expect_equal(as.array(leaves[[i]]$grad), as.array(exact[[i]]$grad), tolerance = 5 * tolerance,
      label = paste(label, c("query", "key", "value", "mask")[[i]]))
  }
}

test_that("attention is softmax(q k' / sqrt(E)) v, with its gradients, for every size", {
  torch_manual_seed(1)
  for (size in list(c(1, 1, 1, 1), c(3, 5, 4, 7), c(56, 224, 16, 16), c(57, 225, 8, 33), c(130, 460, 24, 5))) {
    L <- size[[1]]
    S <- size[[2]]
    q <- torch_randn(2, 1, L, size[[3]])
    k <- torch_randn(2, 1, S, size[[3]])
    v <- torch_randn(2, 1, S, size[[4]])
    label <- paste(size, collapse = " ")
    expect_attention(q, k, v, label = label)
    expect_attention(q, k, v, is_causal = TRUE, label = paste("causal", label))
    expect_attention(q, k, v, scale = 0.3, label = paste("scale", label))
    expect_attention(q, k, v, mask = torch_randn(L, S), label = paste("mask", label))
    allowed <- torch_rand(2, 1, L, S) > 0.3
    allowed[, , , 1] <- TRUE
    expect_attention(q, k, v, mask = allowed, label = paste("bool", label))
  }
})

test_that("masks of any shape that can be broadcast, and their gradients", {
  torch_manual_seed(2)
  q <- torch_randn(2, 3, 60, 8)
  k <- torch_randn(2, 3, 230, 8)
  v <- torch_randn(2, 3, 230, 4)
  for (shape in list(c(60, 230), c(1, 230), c(60, 1), 230, c(3, 1, 230), c(2, 3, 60, 230), c(2, 1, 60, 1), c(1, 1))) {
    expect_attention(q, k, v, mask = torch_randn(shape), label = paste("mask", toString(shape)))
  }
})

test_that("heads are broadcast, permuted and expanded", {
  torch_manual_seed(3)
  rows <- torch_randn(2, 60, 3, 8)
  q <- rows$transpose(2, 3)
  k <- torch_randn(3, 40, 8)
  v <- torch_randn(2, 1, 40, 8)
  expect_attention(q, k, v, label = "broadcast")
  expect_attention(torch_randn(60, 8), torch_randn(40, 8), torch_randn(40, 8), label = "no heads")
  expect_attention(torch_randn(5, 8, 60)$transpose(2, 3), torch_randn(8, 40)$t(), v[1], label = "columns")
  y <- attention(q, q, q)
  expect_equal(y$stride(), q$stride())
  expect_identical(y$transpose(2, 3)$reshape(c(2, 60, 24))$data_ptr(), y$data_ptr())
})

test_that("float64 gives the definition's numbers and the gradients of finite differences", {
  torch_manual_seed(4)
  q <- torch_randn(2, 4, 3, dtype = torch_double())
  k <- torch_randn(2, 5, 3, dtype = torch_double())
  v <- torch_randn(2, 5, 2, dtype = torch_double())
  mask <- torch_randn(4, 5, dtype = torch_double())
  expect_attention(q, k, v, label = "double", tolerance = 1e-12)
  expect_attention(q, k, v, is_causal = TRUE, label = "double, causal", tolerance = 1e-12)
  expect_attention(q, k, v, mask = mask, label = "double, mask", tolerance = 1e-12)
  expect_gradient(function(q, k, v, m) attention(q, k, v, m), q, k, v, mask)
})

test_that("a query that looks at no key gives zeros, and no gradient", {
  q <- torch_randn(3, 4)$requires_grad_(TRUE)
  v <- torch_randn(5, 4)$requires_grad_(TRUE)
  allowed <- torch_ones(3, 5)$to(dtype = torch_bool())
  allowed[2, ] <- FALSE
  for (mask in list(allowed, torch_zeros(3, 5)$masked_fill(torch_logical_not(allowed), -Inf))) {
    y <- attention(q, v, v, mask)
    expect_equal(as.array(y)[2, ], rep(0, 4))
    expect_true(all(is.finite(as.array(y))))
    q$grad <- NULL
    y$sum()$backward()
    expect_equal(as.array(q$grad)[2, ], rep(0, 4))
    expect_true(all(is.finite(as.array(v$grad))))
  }
  expect_equal(as.array(attention(torch_zeros(2, 3), torch_zeros(0, 3), torch_zeros(0, 4))), matrix(0, 2, 4))
  expect_equal(attention(torch_zeros(0, 3), torch_zeros(2, 3), torch_zeros(2, 4))$shape, c(0, 4))
})

test_that("large scores do not overflow, and infinities and NaN come out as they should", {
  q <- torch_tensor(matrix(c(300, -300), 1))
  k <- torch_tensor(rbind(c(1, 0), c(0, 1)))
  expect_equal(as.array(attention(q, k, k, scale = 1)), matrix(c(1, 0), 1))
  for (dtype in list(torch_float(), torch_double())) {
    k <- k$to(dtype = dtype)
    expect_true(all(is.nan(as.array(attention(torch_full(c(1, 2), NaN, dtype = dtype), k, k)))))
  }
})

test_that("the same bits come from one and two threads", {
  torch_manual_seed(1)
  for (heads in c(1, 40)) {
    q <- torch_randn(heads, 300, 16)
    of <- function(threads) {
      torch_set_num_threads(threads)
      on.exit(torch_set_num_threads(2))
      x <- q$detach()$requires_grad_(TRUE)
      mask <- torch_zeros(300, 300)$requires_grad_(TRUE)
      torch_manual_seed(1)
      y <- attention(x, x, x, mask, dropout_p = 0.2)
      y$backward(q)
      lapply(list(y, x$grad, mask$grad), as.array)
    }
    expect_identical(of(1), of(2))
  }
})

test_that("dropout sets weights to zero at its rate, follows the seed, and backward drops the same", {
  n <- 400
  q <- torch_zeros(2, n, 4)
  v <- torch_eye(n)$expand(c(2, n, n))
  torch_manual_seed(1)
  weights <- as.array(attention(q, q, v, dropout_p = 0.3)) * n
  expect_setequal(round(unique(as.vector(weights)), 4), round(c(0, 1 / 0.7), 4))
  expect_lt(abs(mean(weights == 0) - 0.3), 4 * sqrt(0.3 * 0.7 / length(weights)))
  expect_lt(abs(cor(as.vector(weights[1, , ]), as.vector(weights[2, , ]))), 0.02)
  expect_lt(abs(cor(as.vector(weights[1, -1, ]), as.vector(weights[1, -n, ]))), 0.02)
  again <- as.array(attention(q, q, v, dropout_p = 0.3)) * n
  expect_false(identical(again, weights))
  torch_manual_seed(1)
  expect_identical(as.array(attention(q, q, v, dropout_p = 0.3)) * n, weights)
  drop <- function(q, k, v) {
    torch_manual_seed(9)
    attention(q, k, v, dropout_p = 0.4)
  }
  x <- lapply(1:3, function(i) torch_randn(2, 6, 3, dtype = torch_double()))
  do.call(expect_gradient, c(list(drop), x))
  single <- lapply(x, function(x) x$to(dtype = torch_float()))
  expect_equal(as.array(do.call(drop, single)), as.array(do.call(drop, x)), tolerance = 1e-5)
  expect_equal(as.array(attention(q, q, v, dropout_p = 1)), array(0, c(2, n, n)))
})

test_that("what does not fit is named", {
  x <- torch_zeros(2, 3, 4)
  expect_error(attention("a", x, x), "`query` must be a tensor", class = "value_error")
  expect_error(attention(x, x, x, attn_mask = "a"), "`attn_mask` must be", class = "value_error")
  expect_error(attention(x, x, x, dropout_p = 2), "`dropout_p` must be", class = "value_error")
  expect_error(attention(x, x, x, torch_zeros(3, 3), is_causal = TRUE), "`attn_mask` must be NULL",
    class = "value_error")
  expect_error(attention(x, torch_zeros(2, 3, 5), x), "do not fit", class = "candela_error_shape")
  expect_error(attention(x, x, torch_zeros(2, 4, 4)), "do not fit", class = "candela_error_shape")
  expect_error(attention(x, torch_zeros(3, 3, 4), torch_zeros(3, 3, 4)), "do not fit", class = "candela_error_shape")
  expect_error(attention(x, x, x, torch_zeros(2, 2)), "cannot be broadcast", class = "candela_error_shape")
  expect_error(attention(x, x, x, torch_zeros(3, 3, dtype = torch_long())), "mask", class = "candela_error_dtype")
  expect_error(attention(torch_zeros(3), x, x), "at least 2 dimensions", class = "candela_error_shape")
  expect_error(attention(x, x$to(dtype = torch_double()), x), "one dtype", class = "candela_error_dtype")
})
