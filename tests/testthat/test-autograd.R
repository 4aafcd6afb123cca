test_that("gradients reach leaves, add up, and can be cleared", {
  x <- torch_tensor(c(1, 2, 3), requires_grad = TRUE)
  (x * x)$sum()$backward()
  expect_equal(as_array(x$grad), c(2, 4, 6))
  (x * x)$sum()$backward()
  expect_equal(as_array(x$grad), c(4, 8, 12))
  x$grad$zero_()
  expect_equal(as_array(x$grad), c(0, 0, 0))
})

test_that("gradients have the memory layout of their leaf and grow in place", {
  x <- nn_conv2d(1, 3, 1)(torch_randn(2, 1, 4, 5))$detach()$requires_grad_(TRUE)
  weight <- torch_randn(2, 3, 4, 5)
  expect_false(x$is_contiguous())
  (x * weight)$sum()$backward()
  grad <- x$grad
  expect_equal(grad$stride(), x$stride())
  expect_equal(as_array(grad), as_array(weight))
  for (i in 2:3) {
    (x * weight)$sum()$backward()
    expect_equal(as_array(grad), i * as_array(weight), tolerance = 1e-6)
  }
  linear <- torch_randn(3, 2, requires_grad = TRUE)
  torch_matmul(torch_randn(4, 3), linear)$sum()$backward()
  expect_true(linear$grad$is_contiguous())
  leaf <- torch_zeros(2, 3, requires_grad = TRUE)
  leaf$grad <- torch_ones(3, 2)$t()
  (leaf * 2)$sum()$backward()
  expect_equal(as_array(leaf$grad), matrix(3, 2, 3))
})

test_that("without gradient, grad is undefined", {
  expect_true(is_undefined_tensor(torch_ones(1)$grad))
  expect_false(is_undefined_tensor(torch_ones(1)))
})

test_that("a tensor used twice gets both contributions", {
  x <- torch_tensor(3, requires_grad = TRUE)
  y <- x * 2
  (y * y + y)$backward()
  expect_equal(x$grad$item(), 2 * (2 * 6) + 2)
})

test_that("nothing is recorded inside with_no_grad, or for what requires no gradient", {
  x <- torch_ones(2, requires_grad = TRUE)
  expect_false(with_no_grad(x * 2)$requires_grad)
  expect_null((torch_ones(2) * 2)$grad_fn)
  expect_false((x$detach() * 2)$requires_grad)
  expect_true(with_no_grad(with_enable_grad(x * 2))$requires_grad)
  f <- function() {
    local_no_grad()
    (x * 2)$requires_grad
  }
  expect_false(f())
  expect_true((x * 2)$requires_grad)
  try(with_no_grad(stop("an error")), silent = TRUE)
  expect_true((x * 2)$requires_grad)
})

test_that("only leaves and floats may be switched", {
  x <- torch_ones(2, requires_grad = TRUE)
  y <- x * 2
  expect_error(y$requires_grad_(FALSE), "leaf", class = "candela_error_autograd")
  expect_error(torch_ones(2, dtype = "long")$requires_grad_(TRUE), "floating point")
  expect_true(x$is_leaf)
  expect_false(y$is_leaf)
})

test_that("a second pass needs retain_graph", {
  x <- torch_tensor(2, requires_grad = TRUE)
  y <- x * x
  y$backward(retain_graph = TRUE)
  y$backward()
  expect_equal(x$grad$item(), 8)
  expect_error(y$backward(), "second time", class = "candela_error_autograd")
})

test_that("a tensor changed in place before backward is noticed", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- x * 2
  z <- y * y
  y$add_(1)
  expect_error(z$sum()$backward(), "modified by an inplace operation", class = "candela_error_autograd")
})

test_that("in-place operations on leaves are refused, on others recorded", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  expect_error(x$add_(1), "leaf Variable", class = "candela_error_autograd")
  with_no_grad(x$add_(1))
  expect_equal(as_array(x$detach()), c(2, 3))
  y <- x * 3
  y$mul_(2)
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(6, 6))
})

test_that("backward asks for a gradient where the result is not one number", {
  x <- torch_ones(2, requires_grad = TRUE)
  expect_error((x * 2)$backward(), "scalar outputs", class = "candela_error_autograd")
  (x * 2)$backward(torch_tensor(c(1, 10)))
  expect_equal(as_array(x$grad), c(2, 20))
  expect_error((x * 2)$backward(torch_ones(3)), "same", class = "candela_error_shape")
  expect_error(torch_ones(1)$backward(), "does not require grad", class = "candela_error_autograd")
})

test_that("autograd_grad leaves grad alone", {
  x <- torch_tensor(2, requires_grad = TRUE)
  y <- x * x
  z <- y * x
  grads <- autograd_grad(z$sum(), list(x, y))
  expect_equal(grads[[1]]$item(), 12)
  expect_equal(grads[[2]]$item(), 2)
  expect_true(is_undefined_tensor(x$grad))
  other <- torch_ones(1, requires_grad = TRUE)
  expect_error(autograd_grad((x * x)$sum(), other), "not used")
  expect_true(is_undefined_tensor(autograd_grad((x * x)$sum(), other, allow_unused = TRUE)[[1]]))
  expect_true(autograd_grad(x * x, x, create_graph = TRUE)[[1]]$requires_grad)
})

test_that("retain_grad keeps the gradient of an intermediate result", {
  x <- torch_tensor(2, requires_grad = TRUE)
  y <- x * 3
  y$retain_grad()
  (y * y)$backward()
  expect_equal(y$grad$item(), 12)
})

test_that("the graph can be looked at", {
  x <- torch_tensor(2, requires_grad = TRUE)
  y <- (x * 3 + x)$exp()
  expect_equal(y$grad_fn$name, "ExpBackward0")
  expect_output(print(y$grad_fn), "ExpBackward0")
  add <- y$grad_fn$next_functions[[1]]
  expect_equal(add$name, "AddBackward0")
  expect_length(add$next_functions, 2)
})

test_that("copy_ and fill_ have gradients", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- torch_zeros(3, 2)
  y$copy_(x * 2)
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(6, 6))
  z <- x * 2
  z$fill_(1)
  z$sum()$backward()
  expect_equal(as_array(x$grad), c(6, 6))
})

test_that("a chain of a hundred thousand operations is computed, differentiated and freed", {
  x <- torch_tensor(1, requires_grad = TRUE)
  y <- x
  for (i in 1:1e5) y <- y + 1
  y$backward()
  expect_equal(x$grad$item(), 1)
  rm(y)
  expect_silent(gc())
})

# A convolution behind a join of channels computes the gradient of the one part that wants it.
joined_gradient <- function(skip_wants, at = 2, look_at_join = FALSE, groups = 1) {
  torch_manual_seed(1)
  x <- torch_randn(2, 4, 5, 6, requires_grad = TRUE)
  skip <- torch_randn(2, 2, 5, 6, requires_grad = skip_wants)
  conv <- nn_conv2d(6, 4, 3, padding = 1, groups = groups)
  up <- x * 2
  joined <- torch_cat(if (at == 1) list(skip, up) else list(up, skip), dim = 2)
  if (look_at_join) joined$retain_grad()
  (conv(joined)$relu()$sum() + joined$square()$sum())$backward()
  list(x = as_array(x$grad), w = as_array(conv$weight$grad), b = as_array(conv$bias$grad))
}

test_that("gradients of a joined image do not depend on which parts and who else want one", {
  for (at in 1:2) {
    for (groups in 1:2) {
      both <- joined_gradient(TRUE, at, groups = groups)
      expect_equal(joined_gradient(FALSE, at, groups = groups), both, tolerance = 1e-6)
      expect_equal(joined_gradient(FALSE, at, TRUE, groups = groups), both, tolerance = 1e-6)
    }
  }
})

test_that("the gradient of a join itself can be asked for, and a kept graph used twice", {
  x <- torch_randn(1, 2, 4, 4, requires_grad = TRUE)
  conv <- nn_conv2d(3, 2, 3)
  joined <- torch_cat(list(x, torch_randn(1, 1, 4, 4)), dim = 2)
  y <- conv(joined)$sum()
  of_join <- autograd_grad(y, joined, retain_graph = TRUE)[[1]]
  expect_equal(dim(of_join), c(1, 3, 4, 4))
  y$backward(retain_graph = TRUE)
  once <- as_array(x$grad)
  expect_equal(once, as_array(of_join)[, 1:2, , , drop = FALSE], tolerance = 1e-6)
  y$backward()
  expect_equal(as_array(x$grad), 2 * once, tolerance = 1e-6)
  expect_error(y$backward(), "second time")
})

test_that("gradients of roots may be arrays, are counted, and go to the inputs that are named", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- torch_tensor(c(3, 4), requires_grad = TRUE)
  (x * y)$backward(c(1, 10))
  expect_equal(as_array(x$grad), c(3, 40))
  (x * y)$backward(torch_ones(2), inputs = list(x))
  expect_equal(as_array(x$grad), c(6, 44))
  expect_equal(as_array(y$grad), c(1, 20))
  expect_error(autograd_backward(list(x * 2, y * 2), 1.5), "`grad_tensors` must hold .* each of 2 tensors, but has 1",
    class = "value_error")
  expect_error(
    .Call(candela:::cdr_backward, list(x * 2, y * 2), list(torch_ones(2)), FALSE, FALSE), "1 gradients for 2"
  )
})

test_that("hooks see and replace gradients, and can be removed", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- x * 3
  seen <- list()
  hook <- y$register_hook(function(g) {
    seen[[length(seen) + 1]] <<- as_array(g)
    g * 10
  })
  last <- y$register_hook(function(g) {
    seen[[length(seen) + 1]] <<- as_array(g)
    NULL
  })
  (y * y)$sum()$backward(retain_graph = TRUE)
  expect_equal(seen, list(c(6, 12), c(60, 120)))
  expect_equal(as_array(x$grad), c(180, 360))
  expect_output(print(hook), "torch_hook")
  hook$remove()
  hook$remove()
  x$grad <- NULL
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(3, 3))
  expect_length(seen, 3)
  expect_error(torch_ones(1)$register_hook(identity), "doesn't require gradient", class = "candela_error_autograd")
  expect_error(x$register_hook(1), "`hook` must be a function")
})

test_that("a hook of a leaf sees the whole gradient of a pass", {
  x <- torch_tensor(2, requires_grad = TRUE)
  calls <- 0
  hook <- x$register_hook(function(g) {
    calls <<- calls + 1
    g + 1
  })
  (x * x + x * 5)$backward()
  expect_equal(calls, 1)
  expect_equal(x$grad$item(), 10)
  expect_equal(autograd_grad(x * 3, x)[[1]]$item(), 4)
  hook$remove()
  (x * 1)$backward()
  expect_equal(x$grad$item(), 11)
})

test_that("a hook may take itself away", {
  x <- torch_tensor(2, requires_grad = TRUE)
  for (t in list(x, x * 1)) {
    calls <- 0
    hook <- t$register_hook(function(g) {
      calls <<- calls + 1
      hook$remove()
    })
    t$register_hook(function(g) g * 2)
    y <- t * 3
    y$backward(retain_graph = TRUE)
    y$backward()
    expect_equal(calls, 1)
  }
})

test_that("errors and jumps in hooks end the pass and nothing else", {
  x <- torch_tensor(2, requires_grad = TRUE)
  y <- x * 3
  y$register_hook(function(g) rlang::abort("no way", class = "my_error"))
  expect_error(y$backward(retain_graph = TRUE), "no way", class = "my_error")
  leave <- function(e) invokeRestart("out")
  value <- withRestarts(withCallingHandlers(y$backward(), my_error = leave), out = function() 7)
  expect_equal(value, 7)
  z <- x * 4
  z$register_hook(function(g) torch_ones(3))
  expect_error(z$backward(), "must be the same", class = "candela_error_shape")
  expect_true((x * 2)$requires_grad)
  (x * 2)$backward()
  expect_equal(x$grad$item(), 2)
})

test_that("a pass within a hook has a graph of its own", {
  x <- torch_tensor(2, requires_grad = TRUE)
  inner <- torch_tensor(5, requires_grad = TRUE)
  y <- x * 3
  y$register_hook(function(g) {
    with_enable_grad((inner * inner)$backward())
    g * inner$grad
  })
  y$backward()
  expect_equal(x$grad$item(), 30)
})

test_that("autograd_function computes gradients as it is told", {
  power <- autograd_function(
    forward = function(ctx, x, i) {
      ctx$save_for_backward(x = x, i = i)
      x^i
    },
    backward = function(ctx, gradient) {
      expect_equal(ctx$needs_input_grad, list(x = TRUE, i = FALSE))
      v <- ctx$saved_variables
      list(x = gradient * v$i * v$x^(v$i - 1))
    }
  )
  expect_equal(names(formals(power)), c("x", "i"))
  x <- torch_tensor(c(2, 3), requires_grad = TRUE)
  y <- power(x, 3)
  expect_equal(as_array(y$detach()), c(8, 27))
  expect_equal(y$grad_fn$name, "CustomFunction")
  y$sum()$backward()
  expect_equal(as_array(x$grad), c(12, 27))
  g <- autograd_grad(power(x, 3)$sum(), x, create_graph = TRUE)[[1]]
  expect_equal(as_array(autograd_grad(g$sum(), x)[[1]]), c(12, 18))
  expect_false(with_no_grad(power(x, 2))$requires_grad)
  expect_false(power(torch_ones(2), 2)$requires_grad)
})

test_that("several inputs and values, some without gradient", {
  split <- autograd_function(
    forward = function(ctx, a, b) {
      largest <- torch_argmax(a)
      ctx$mark_non_differentiable(largest)
      list(sum = a + b, difference = a - b, at = largest)
    },
    backward = function(ctx, s, d, at) list(b = s - d, a = s + d)
  )
  a <- torch_tensor(c(1, 5), requires_grad = TRUE)
  b <- torch_tensor(c(2, 2), requires_grad = TRUE)
  out <- split(a, b)
  expect_equal(names(out), c("sum", "difference", "at"))
  expect_false(out$at$requires_grad)
  out$sum$sum()$backward()
  expect_equal(as_array(a$grad), c(1, 1))
  expect_equal(as_array(b$grad), c(1, 1))
  wrong <- autograd_function(function(ctx, x) x * 2, function(ctx, g) list(x = torch_ones(7)))
  expect_error(wrong(a)$sum()$backward(), "must be the same", class = "candela_error_shape")
  failing <- autograd_function(function(ctx, x) x * 2, function(ctx, g) stop("in backward"))
  expect_error(failing(a)$sum()$backward(), "in backward")
  expect_error(autograd_function(1, 2), "`forward` must be a function")
})

test_that("a function may change its input in place, or give it back", {
  double_ <- autograd_function(
    forward = function(ctx, x) {
      ctx$mark_dirty(x)
      x$mul_(2)
    },
    backward = function(ctx, g) list(x = g * 2)
  )
  x <- torch_tensor(3, requires_grad = TRUE)
  y <- x * 1
  z <- double_(y)
  z$backward()
  expect_equal(y$detach()$item(), 6)
  expect_equal(x$grad$item(), 2)
  same <- autograd_function(function(ctx, x) x, function(ctx, g) list(x = g * 5))
  x$grad <- NULL
  same(x)$backward()
  expect_equal(x$grad$item(), 5)
})

test_that("functions and hooks go when their graph goes", {
  gone <- FALSE
  notice <- function(e) gone <<- TRUE
  local({
    marker <- new.env()
    reg.finalizer(marker, notice)
    f <- autograd_function(function(ctx, x) {
      ctx$save_for_backward(marker)
      result <- x$exp()
      ctx$save_for_backward(marker, result)
      result
    }, function(ctx, g) list(x = g))
    x <- torch_ones(2, requires_grad = TRUE)
    y <- f(x)
    y$register_hook(function(g) g)
    y$sum()$backward()
  })
  for (i in 1:3) gc()
  expect_true(gone)
})

test_that("with_detect_anomaly names the operation", {
  x <- torch_tensor(0, requires_grad = TRUE)
  broken <- function() torch_sqrt(x) * 0
  broken()$backward()
  expect_error(with_detect_anomaly(broken()$backward()), "'SqrtBackward0' returned nan values in its 0th output",
    class = "candela_error_autograd")
  expect_no_error(broken()$backward())
})

test_that("storages tell who shares memory", {
  x <- torch_ones(2, 3)
  expect_identical(x$storage()$data_ptr(), x[2, ]$t()$storage()$data_ptr())
  expect_false(x$storage()$data_ptr() == x$clone()$storage()$data_ptr())
  expect_identical(x$data_ptr(), x$storage()$data_ptr())
  expect_false(x[2, ]$data_ptr() == x$data_ptr())
  expect_true(x$has_storage())
  y <- torch_zeros(2, requires_grad = TRUE)
  y$set_data(torch_tensor(c(5, 6)))
  expect_equal(as_array(y$detach()), c(5, 6))
  expect_true(y$requires_grad)
  expect_error(y$set_data(torch_ones(2, dtype = torch_long())), "dtype", class = "candela_error_dtype")
})

test_that("histories are taken away in place", {
  x <- torch_ones(2, requires_grad = TRUE)
  y <- x * 2
  y$detach_()
  expect_true(y$is_leaf)
  expect_false(y$requires_grad)
  expect_error((x * 2)[1]$detach_(), "can't detach views", class = "candela_error_autograd")
  y$set_grad_(torch_ones(2))
  expect_equal(as_array(y$grad), c(1, 1))
  y[["requires_grad"]] <- TRUE
  expect_true(y$requires_grad)
})

test_that("functions of graphs that are gone are let go, and with them what they see", {
  freed <- 0
  count <- function(e) freed <<- freed + 1
  drop_hooks <- function() {
    for (i in 1:5) {
      seen <- new.env(parent = baseenv())
      reg.finalizer(seen, count)
      x <- torch_ones(2, requires_grad = TRUE)
      y <- x * 2
      y$register_hook(eval(quote(function(grad) grad), seen))
    }
  }
  drop_hooks()
  gc() # the graphs
  gc() # the functions
  expect_gte(freed, 4)
})
