test_that("optimizers reproduce PyTorch's steps", {
  skip_if_not_installed("jsonlite")
  tensors <- lapply(reference_tensors("optimizers"), torch_tensor)
  for (case in reference_cases("optimizers")) {
    w <- run_optimizer_case(case, tensors$w0, tensors[paste0("x", 0:5)])
    expect_near(w, case$w, 1e-5, paste("optimiser", case$optimizer))
  }
})

quadratic <- function(make, steps = 60, ...) {
  w <- torch_tensor(c(1, -2), requires_grad = TRUE)
  opt <- make(w, ...)
  for (i in seq_len(steps)) {
    w$grad <- 2 * w$detach()
    opt$step()
  }
  max(abs(as.array(w$detach())))
}

test_that("every optimizer goes downhill", {
  expect_lt(quadratic(optim_adam, lr = 0.1), 0.3)
  expect_lt(quadratic(optim_rprop), 0.1)
  expect_lt(quadratic(optim_asgd, lr = 0.1), 0.01)
  expect_lt(quadratic(optim_rmsprop, lr = 0.05, momentum = 0.5, centered = TRUE), 0.5)
  expect_lt(quadratic(optim_adadelta, lr = 10), 1)
})

test_that("parameters without gradient are passed over, gradients stay as they are", {
  a <- torch_ones(2, requires_grad = TRUE)
  b <- torch_ones(2, requires_grad = TRUE)
  a$grad <- torch_tensor(c(1, 2))
  opt <- optim_adam(list(a, b), lr = 0.1, weight_decay = 0.5)
  opt$step()
  expect_equal(as.array(b$detach()), c(1, 1))
  expect_equal(as.array(a$grad), c(1, 2))
  expect_equal(as.array(a$detach()), c(0.9, 0.9), tolerance = 1e-5)
  expect_named(opt$state_dict()$state, "1")
})

test_that("gradients of another memory order give the same step", {
  g <- matrix(1:6 / 10, 2)
  a <- torch_ones(2, 3, requires_grad = TRUE)
  b <- torch_ones(2, 3, requires_grad = TRUE)
  a$grad <- torch_tensor(g)
  b$grad <- torch_tensor(t(g))$t()
  optim_sgd(list(a, b), lr = 1)$step()
  expect_equal(as.array(a$detach()), 1 - g, tolerance = 1e-6)
  expect_equal(as.array(b$detach()), 1 - g, tolerance = 1e-6)
})

test_that("the state goes from one optimizer to another", {
  train <- function(opt, w, n) for (i in seq_len(n)) {
    w$grad <- 2 * w$detach()
    opt$step()
  }
  w <- torch_ones(3, requires_grad = TRUE)
  opt <- optim_adam(w, lr = 0.1)
  train(opt, w, 3)
  v <- w$detach()$clone()$requires_grad_(TRUE)
  other <- optim_adam(v, lr = 0.5)
  other$load_state_dict(opt$state_dict())
  train(opt, w, 3)
  train(other, v, 3)
  expect_equal(as.array(v$detach()), as.array(w$detach()))
  expect_error(optim_adam(list(torch_ones(1), torch_ones(1)))$load_state_dict(opt$state_dict()), class = "value_error")
})

test_that("bad arguments are refused", {
  w <- torch_ones(1, requires_grad = TRUE)
  expect_error(optim_sgd(w), "lr", class = "value_error")
  expect_error(optim_adam(w, lr = -1), "Invalid learning rate", class = "value_error")
  expect_error(optim_adam(w, betas = c(1.5, 0.9)), "Invalid beta parameter at index 1", class = "value_error")
  expect_error(optim_adam(w * 2), "can't optimize a non-leaf Tensor", class = "value_error")
  expect_error(optim_adam(list()), class = "value_error")
  expect_error(optim_sgd(w, lr = 1, nesterov = TRUE), class = "value_error")
})

test_that("gradients are clipped by norm and by value", {
  w <- torch_zeros(2, requires_grad = TRUE)
  w$grad <- torch_tensor(c(3, 4))
  expect_equal(nn_utils_clip_grad_norm_(w, 1)$item(), 5, tolerance = 1e-6)
  expect_equal(as.array(w$grad), c(0.6, 0.8), tolerance = 1e-5)
  nn_utils_clip_grad_value_(w, 0.7)
  expect_equal(as.array(w$grad), c(0.6, 0.7), tolerance = 1e-5)
})
