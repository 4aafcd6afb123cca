in_use <- function() candela_info()$memory[["in_use"]]
peak <- function(f) {
  f()
  gc()
  .Call(cdr_memory_control, NULL, FALSE, TRUE)
  before <- in_use()
  f()
  candela_info()$memory[["peak"]] - before
}

# What f() leaves in use besides its value, in tensors of 100 x 100.
sizes <- c(100, 100)
bytes <- 4 * prod(sizes)
left_by <- function(f) {
  f()
  gc()
  before <- in_use()
  value <- f()
  round((in_use() - before) / bytes)
}

block <- function(forward) {
  nn_module(initialize = function() self$act <- nn_gelu(), forward = forward, parent_env = environment(forward))()
}

test_that("a forward function leaves its value and nothing else", {
  x <- torch_randn(sizes)
  forms <- list(
    function(x) {
      y <- self$act(x)
      y <- nnf_gelu(y)
      x + y
    },
    function(x) x + nnf_gelu(self$act(nnf_gelu(self$act(x)))),
    function(x) {
      for (i in 1:3) x <- self$act(x)
      y <- self$act(x)
      if (length(y) > 0) {
        return(y + self$act(y))
      }
      NULL
    },
    function(x) torch_cat(list(self$act(x), x), 2)[, 1:100]$clone(),
    function(x) {
      z <- x * 2
      invisible(self$act(z * z + z))
    }
  )
  left <- vapply(forms, function(forward) {
    net <- block(forward)
    with_no_grad(left_by(function() net(x)))
  }, 0)
  expect_lte(max(left[c(1, 2, 3, 5)]), 1)
  expect_lte(left[[4]], 4)
})

test_that("intermediate results go before the next is made", {
  x <- torch_randn(sizes)
  chain <- function(forward) {
    net <- block(forward)
    with_no_grad(peak(function() {
      net(x)
      NULL
    })) / bytes
  }
  locals <- chain(function(x) {
    y <- self$act(x)
    y <- nnf_gelu(y)
    y <- nnf_gelu(y)
    y <- nnf_gelu(y)
    x + y
  })
  nested <- chain(function(x) x + nnf_gelu(nnf_gelu(nnf_gelu(self$act(x)))))
  expect_lt(locals, 2.2)
  expect_lt(nested, 2.2)
})

test_that("what the user holds is never freed", {
  x <- torch_ones(3)
  same <- function(tensor) expect_equal(as_array(tensor), rep(2, 3))
  kept <- new.env()
  outer <- NULL
  net <- block(function(x) {
    y <- x * 2
    kept$variable <- y
    z <- x * 2
    kept$list <- list(a = list(z))
    z <- x * 2
    kept$attribute <- structure(list(), tensor = z)
    z <- x * 2
    kept$closure <- function() z
    self$field <- torch_mul(x, 2)
    w <- x * 2
    outer <<- w
    delayedAssign("late", x * 2, assign.env = kept)
    self$act(self$act(x))
  })
  net(x)
  net(torch_mul(x, 1))
  same(kept$variable)
  same(kept$list$a[[1]])
  same(attr(kept$attribute, "tensor"))
  same(kept$closure())
  same(net$field)
  same(outer)
  same(kept$late)
})

test_that("results of every form come back whole", {
  x <- torch_ones(3)
  value <- function(forward, ..., net = block(forward)) net(...)
  expect_equal(as_array(value(function(x) x, x * 2)), rep(2, 3))
  expect_equal(as_array(value(function(x) (x), x)), rep(1, 3))
  twice <- value(function(x) {
    y <- x * 2
    z <- y
    list(y, list(z, x))
  }, x + 0)
  expect_equal(lapply(c(twice[1], twice[[2]]), as_array), list(rep(2, 3), rep(2, 3), rep(1, 3)))
  expect_equal(as_array(value(function(x) (x * 2)[1:2], x)), rep(2, 2))
  expect_equal(as_array(value(function(x) {
    y <- x * 2
    y[1:2]
  }, x)), rep(2, 2))
  expect_equal(as_array(value(function(x) {
    y <- x * 2
    y$add_(1)
  }, x)), rep(3, 3))
  expect_equal(as_array(value(function(x) {
    y <- x * 2
    y$add_(1)
    y
  }, x)), rep(3, 3))
  expect_equal(as_array(value(function(x, n) if (n == 0) x else self$forward(x * 2, n - 1), x, 3)), rep(8, 3))
  expect_equal(as_array(value(function(x) {
    y <- x * 2
    tryCatch({
      z <- y * 2
      stop("no")
    }, error = function(e) y + z)
  }, x)), rep(6, 3))
  expect_equal(as_array(value(function(x) {
    z <- x * 2
    self$seen <- NULL
    on.exit(self$seen <- as_array(z))
    y <- z * 2
    y
  }, x)), rep(4, 3))
  later <- value(function(x) {
    y <- x * 2
    function() y * 2
  }, x + 0)
  expect_equal(as_array(later()), rep(4, 3))
  here <- value(function(x) {
    y <- x * 2
    environment()
  }, x + 0)
  expect_equal(as_array(here$y + here$x), rep(3, 3))
  expect_equal(as_array(value(function(x) {
    parts <- lapply(1:2, function(i) x * i)
    parts[[1]] + parts[[2]]
  }, x)), rep(3, 3))
  expect_equal(as_array(value(function(x) torch_mul(x, 2) + (function() {
    y <- self$act(x) * 0
    y + 1
  })(), x)), rep(3, 3))
})

test_that("values on their way through other functions stay", {
  x <- torch_ones(3)
  value <- function(forward) as_array(nn_sequential(block(forward), nn_identity())(x * 1))
  `%then%` <- function(a, f) f(a)
  forms <- list(
    do.call = function(x) {
      y <- x * 2
      do.call(torch_stack, list(list(y, x * 4)))$sum(1)
    },
    reduce = function(x) {
      y <- Reduce(function(a, b) a + b, list(x * 1, x * 2, x * 3))
      self$act(y) * 0 + y
    },
    sapply = function(x) {
      y <- sapply(1:3, function(i) self$act(x) * 0 + x * i)
      y[[1]] + y[[2]] + y[[3]]
    },
    switch = function(x) {
      y <- switch("b", a = x, b = self$act(x * 2) * 0 + x * 6)
      y
    },
    pipe = function(x) {
      y <- (x * 2) %then% function(a) a * 3
      y %then% self$act
      y
    },
    repeats = function(x) {
      n <- 0
      repeat {
        x <- x + 1
        n <- n + 1
        if (n == 5) break
      }
      x
    },
    for_list = function(x) {
      sum <- x * 0
      for (t in list(x * 1, x * 2, x * 3)) sum <- sum + t
      sum
    },
    local = function(x) {
      y <- local({
        z <- x * 2
        z * 3
      })
      y
    },
    condition = function(x) {
      y <- tryCatch(stop(structure(class = c("e", "error", "condition"), list(message = "m", call = NULL, at = x * 6))),
        error = function(e) e)
      z <- self$act(x)
      y$at
    },
    nested_return = function(x) {
      f <- function() {
        a <- x * 3
        return(a * 2)
      }
      y <- f()
      self$act(y)
      return(y)
    }
  )
  for (name in names(forms)) expect_equal(value(forms[[name]]), rep(6, 3), info = name)
})

test_that("on.exit() sees the variables of a forward function", {
  seen <- NULL
  net <- block(function(x) {
    z <- x * 2
    on.exit(seen <<- as_array(z))
    self$act(z) + 1
  })
  net(torch_ones(3))
  expect_equal(seen, rep(2, 3))
})

test_that("arguments may be missing, optional, many or never looked at", {
  x <- torch_ones(3)
  net <- block(function(x, y = NULL, ...) {
    z <- x * 2
    if (!is.null(y)) z <- z + y
    if (...length() > 0) z <- z + ..1
    z
  })
  expect_equal(as_array(net(x)), rep(2, 3))
  expect_equal(as_array(net(x, x * 2, x * 3)), rep(7, 3))
  lazy <- block(function(x, y) if (missing(y)) x * 2 else x * 3)
  expect_equal(as_array(lazy(x, stop("looked at"))), rep(3, 3))
  expect_equal(as_array(lazy(x + 0)), rep(2, 3))
  ignored <- block(function(x) self$act(torch_ones(3)) * 0)
  expect_equal(as_array(ignored(stop("looked at"))), rep(0, 3))
  branch <- nn_module(
    initialize = function() {
      self$a <- nn_sequential(nn_relu(), nn_relu())
      self$b <- nn_relu()
    },
    forward = function(...) self$a(...) + self$b(...) + self$a(...)
  )()
  expect_equal(as_array(branch(x * 2)), rep(6, 3))
  first <- nn_sequential(nn_identity(), nn_relu())
  expect_equal(as_array(first(x * 2)), rep(2, 3))
  expect_equal(as_array(lapply(list(x), first)[[1]]), rep(1, 3))
})

test_that("values held while other arguments are computed stay", {
  x <- torch_ones(3)
  layer <- block(function(x) {
    y <- x * 2
    y <- y * 2
    y + 0
  })
  expect_equal(as_array(torch_mul(x, 2) + layer(x)), rep(6, 3))
  both <- list(torch_mul(x, 2), layer(x), layer(torch_mul(x, 2)))
  expect_equal(lapply(both, as_array), list(rep(2, 3), rep(4, 3), rep(8, 3)))
  net <- nn_module(
    initialize = function() self$layer <- layer,
    forward = function(x) torch_mul(x, 2) + self$layer(self$layer(x)) + with_no_grad({
      y <- self$layer(x)
      self$layer(y)
    })
  )()
  expect_equal(as_array(net(x)), rep(34, 3))
})

test_that("an error in the middle leaves nothing that breaks the next call", {
  x <- torch_ones(3)
  net <- block(function(x, fail) {
    y <- x * 2
    if (fail) stop("in the middle")
    z <- y * 2
    z + y
  })
  for (i in 1:3) {
    expect_error(net(x, TRUE), "in the middle")
    expect_equal(as_array(net(x, FALSE)), rep(6, 3))
  }
})

test_that("gradients flow through what was freed for R", {
  w <- torch_tensor(c(1, 2, 3), requires_grad = TRUE)
  net <- block(function(x) {
    y <- x * x
    y <- y * x
    y <- nnf_relu(y)
    y$sum()
  })
  net(w)$backward()
  expect_equal(as_array(w$grad), 3 * c(1, 4, 9))
})

test_that("forward prints as it was written", {
  for (keep in c(TRUE, FALSE)) {
    old <- options(keep.source = keep)
    forward <- eval(parse(text = "function(x) {\n  y <- self$act(x)\n  x + y\n}", keep.source = keep))
    options(old)
    shown <- capture.output(print(block(forward)$forward, useSource = TRUE))
    expect_false(any(grepl("release|made", shown)))
    expect_true(any(grepl("y <- self$act(x)", shown, fixed = TRUE)))
  }
})

test_that("a rewritten function survives saving", {
  path <- withr::local_tempfile()
  generator <- nn_module(initialize = function() self$act <- nn_relu(), forward = function(x) {
    y <- self$act(x)
    y + x
  })
  saveRDS(generator, path)
  expect_equal(as_array(readRDS(path)()(torch_ones(2))), c(2, 2))
})

# Planes of 64 x 64 x 4: the join 16, the skip 8, a convolution from one to 8, and its packed input and weights. What
# came before, 30 and more, must be gone.
test_that("a U-Net with a joined skip needs little more memory than its largest layer", {
  double <- function(from, to) {
    nn_sequential(nn_conv2d(from, to, 3, padding = 1), nn_batch_norm2d(to), nn_relu(),
      nn_conv2d(to, to, 3, padding = 1), nn_batch_norm2d(to), nn_relu())
  }
  small <- nn_module(
    initialize = function() {
      self$a <- double(3, 8)
      self$b <- double(8, 16)
      self$up <- nn_conv_transpose2d(16, 8, 2, stride = 2)
      self$c <- double(16, 8)
    },
    forward = function(x) {
      skip <- self$a(x)
      y <- self$b(nnf_max_pool2d(skip, 2))
      self$c(torch_cat(list(self$up(y), skip), 2))
    }
  )()
  small$eval()
  x <- torch_randn(4, 3, 64, 64)
  plane <- 4 * 4 * 64 * 64
  with_no_grad(expect_lt(peak(function() {
    small(x)
    NULL
  }), 50 * plane))
})

test_that("members are read in place, but not where a function may quote them or `self` is another", {
  rewritten <- function(f) body(candela:::with_release(f))
  expect_equal(rewritten(function(x) nnf_relu(x, self$inplace)), quote(nnf_relu(x, .subset2(self, "inplace"))))
  expect_equal(rewritten(function(self, x) nnf_relu(x, self$inplace)), quote(nnf_relu(x, self$inplace)))
  expect_equal(rewritten(function(x) quote(self$inplace)), quote(quote(self$inplace)))
  net <- block(function(x) {
    if (is.null(self$count)) self$count <- 0
    self$count <- self$count + 1
    self$nested$value <- self$count * 2
    self$act(x) * self$nested$value
  })
  x <- torch_ones(2)
  net(x)
  expect_equal(as_array(net(x) / nnf_gelu(x)), c(4, 4))
  expect_equal(net$count, 2)
})

test_that("handles restored from a file, thousands of them, and their size make no trouble", {
  path <- withr::local_tempfile()
  x <- torch_ones(2)
  saveRDS(list(x, x), path)
  restored <- readRDS(path)
  expect_equal(as_array(restored[[1]] + 1), c(2, 2))
  expect_equal(as_array(restored[[2]]), c(2, 2) - 1)
  expect_gt(as.numeric(object.size(x)), 0)
  rm(restored)
  gc()
  before <- in_use()
  for (i in 1:8000) x + 1
  gc()
  expect_lte(in_use(), before + 1000)
  many <- lapply(1:300, function(i) x * i)
  expect_equal(as_array(many[[1]] + many[[300]]), c(301, 301))
})
