# Values and gradients of each case were computed with PyTorch: y = 2 x, a part of y is changed in place, and the sum of
# weight * y is differentiated.
torch_case <- function(change, shape = c(3, 4), read = identity) {
  x <- torch_arange(1, prod(shape))$reshape(shape)$requires_grad_(TRUE)
  weight <- torch_arange(1, prod(shape))$reshape(shape) * 10
  y <- x * 2
  change(y)
  (weight * y)$sum()$backward()
  list(value = as_array(y$detach()), grad = as_array(x$grad))
}

expect_factor <- function(change, factor, shape = c(3, 4)) {
  got <- torch_case(change, shape)
  weight <- aperm(array(10 * seq_len(prod(shape)), rev(shape)), rev(seq_along(shape)))
  expect_equal(got$grad, 2 * weight * factor)
  expect_equal(got$value, 2 * weight / 10 * factor)
}

test_that("a changed view changes the history of its base", {
  all_but_row <- rbind(c(1, 1, 1, 1), c(0, 0, 0, 0), c(1, 1, 1, 1))
  corner <- rbind(c(0, 0, 1, 1), c(0, 0, 1, 1), c(1, 1, 1, 1))
  expect_factor(function(y) {
    v <- y[2, ]
    v[] <- 0
  }, all_but_row)
  expect_factor(function(y) y[2, ]$zero_(), all_but_row)
  expect_factor(function(y) y[1:2, 1:2]$mul_(0), corner)
  expect_factor(function(y) y[1:2, 1:2]$mul_(3), 3 - 2 * corner)
  expect_factor(function(y) y$t()$select(2, 2)$mul_(5), 5 - 4 * all_but_row)
  expect_factor(function(y) y$permute(c(2, 1))[1:2, 1:2]$mul_(0), corner)
  expect_factor(function(y) y$view(c(2, 6))$view(12)[5:8]$mul_(7), 7 - 6 * all_but_row)
  expect_factor(function(y) y$unsqueeze(1)$squeeze(1)$narrow(1, 2, 1)$mul_(7), 7 - 6 * all_but_row)
  expect_factor(function(y) y$reshape(c(4, 3))$mul_(2), matrix(2, 3, 4))
  expect_factor(function(y) y$diagonal()$mul_(0), 1 - diag(1, 3, 4))
  expect_factor(function(y) y$flatten()$div_(4), matrix(0.25, 3, 4))
})

test_that("nested views and assignments to parts of views", {
  out <- torch_ones(2, 3, 4, 4, requires_grad = TRUE)
  y <- out * 1
  v <- y[, , 1:2, 1:2]
  v[, 1, , ] <- 0
  v[.., 1]$mul_(3)
  y$sum()$backward()
  expected <- array(1, c(2, 3, 4, 4))
  expected[, , 1:2, 1] <- 3
  expected[, 1, 1:2, 1:2] <- 0
  expect_equal(as_array(out$grad), expected)
  expect_equal(as_array(y$detach()), expected)
})

test_that("views see what happens to their base, and to one another", {
  x <- torch_tensor(c(1, 2, 3), requires_grad = TRUE)
  y <- x * 2
  v <- y[1:2]
  w <- y[2:3]
  expect_equal(v$grad_fn$name, "SliceBackward0")
  y$mul_(3)
  expect_equal(v$grad_fn$name, "AsStridedBackward0")
  expect_equal(y$grad_fn$name, "MulBackward1")
  v$sum()$backward(retain_graph = TRUE)
  expect_equal(as_array(x$grad), c(6, 6, 0))
  v$mul_(x[1:2])
  expect_equal(y$grad_fn$name, "CopySlices")
  x$grad <- NULL
  w$sum()$backward()
  expect_equal(as_array(w$detach()), c(24, 18))
  expect_equal(as_array(x$grad), c(0, 24, 6))
})

test_that("a base without gradient gets one from what is written into its view", {
  w <- torch_tensor(3, requires_grad = TRUE)
  base <- torch_ones(2, 2)
  view <- base[1, ]
  view$mul_(w)
  expect_true(base$requires_grad)
  expect_false(base$is_leaf)
  (base * torch_tensor(matrix(1:4, 2)))$sum()$backward()
  expect_equal(w$grad$item(), 4)
  later <- torch_zeros(3)
  later[2] <- w
  later$sum()$backward()
  expect_equal(w$grad$item(), 5)
})

test_that("expanded and overlapping views follow their base, but are not written to", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- x * 1
  many <- y$unsqueeze(1)$expand(c(3, 2))
  y$mul_(2)
  (many * torch_tensor(matrix(1:6, 3)))$sum()$backward()
  expect_equal(as_array(x$grad), c(12, 30))
  expect_error(many$add_(1), "single memory location", class = "candela_error_value")
  expect_error(torch_zeros(1)$expand(4)$zero_(), "single memory location")
})

test_that("leaves and views made without recording are refused", {
  x <- torch_ones(2, 2, requires_grad = TRUE)
  expect_error(x[1, ]$mul_(2), "a view of a leaf Variable that requires grad", class = "candela_error_autograd")
  expect_error(x$view(4)$view(c(2, 2))$t()$add_(1), "a view of a leaf", class = "candela_error_autograd")
  hidden <- with_no_grad(x[1, ])
  expect_error(hidden$add_(1), "no_grad mode", class = "candela_error_autograd")
  with_no_grad(x[1, ]$mul_(5))
  expect_equal(as_array(x$detach()), rbind(c(5, 5), 1))
  own <- torch_zeros(3)[1:2]$requires_grad_(TRUE)
  expect_error(own$add_(1), "a leaf Variable", class = "candela_error_autograd")
})

test_that("in-place methods read their inputs as they were", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  z <- torch_tensor(c(5, 7), requires_grad = TRUE)
  y <- x * 2
  y$mul_(z)
  y$sum()$backward()
  expect_equal(as_array(z$grad), c(2, 4))
  expect_equal(as_array(x$grad), c(10, 14))
  x$grad <- NULL
  y <- x * 1
  y$mul_(y)
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(2, 4))
})

test_that("what backward needs is still guarded where a view was changed", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- x * 2
  z <- y * y
  y[1]$add_(1)
  expect_error(z$sum()$backward(), "modified by an inplace operation", class = "candela_error_autograd")
  e <- x$exp()
  e$view(c(1, 2))$mul_(2)
  expect_error(e$sum()$backward(), "modified by an inplace operation", class = "candela_error_autograd")
})

test_that("retain_grad follows the tensor through a change", {
  x <- torch_tensor(2, requires_grad = TRUE)
  y <- x * 3
  y$retain_grad()
  y$mul_(4)
  (y * 5)$backward()
  expect_equal(y$grad$item(), 5)
  expect_equal(x$grad$item(), 60)
})

test_that("views are dropped with their base, and a chain of changes is differentiated", {
  x <- torch_ones(4, requires_grad = TRUE)
  y <- x * 1
  for (i in 1:200) y[1:2]$mul_(1.01)
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(1.01^200, 1.01^200, 1, 1), tolerance = 1e-5)
  y <- x * 1
  y$unsqueeze_(1)
  y[1, 2:3]$mul_(2)
  x$grad <- NULL
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(1, 2, 2, 1))
})
