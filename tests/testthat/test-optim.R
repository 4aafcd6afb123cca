# Each optimiser against its formula, written down in R: six steps from the same start with the same gradients.

start <- c(0.5, -1.2, 2, 0)
gradients <- lapply(1:6, function(step) sin(step * c(1, 2, 3, 4)))

steps_of <- function(make, ...) {
  w <- torch_tensor(start, requires_grad = TRUE)
  optimizer <- make(list(w), ...)
  for (g in gradients) {
    w$grad <- torch_tensor(g)
    optimizer$step()
  }
  as.array(w$detach())
}

# rule(w, g, state, step) gives list(w =, state =)
steps_by_hand <- function(rule) {
  w <- start
  state <- list()
  for (step in seq_along(gradients)) {
    new <- rule(w, gradients[[step]], state, step)
    w <- new$w
    state <- new$state
  }
  w
}

expect_steps <- function(actual, rule) expect_equal(actual, steps_by_hand(rule), tolerance = 1e-5)

or_zero <- function(x) if (is.null(x)) 0 else x

test_that("SGD: momentum, dampening, Nesterov, weight decay", {
  rule <- function(momentum = 0, dampening = 0, weight_decay = 0, nesterov = FALSE) {
    function(w, g, state, step) {
      g <- g + weight_decay * w
      v <- if (step == 1) g else momentum * state$v + (1 - dampening) * g
      list(w = w - 0.1 * (if (nesterov) g + momentum * v else v), state = list(v = v))
    }
  }
  plain <- function(w, g, state, step) list(w = w - 0.1 * g)
  expect_steps(steps_of(optim_sgd, lr = 0.1), plain)
  expect_steps(steps_of(optim_sgd, lr = 0.1, momentum = 0.9), rule(0.9))
  expect_steps(steps_of(optim_sgd, lr = 0.1, momentum = 0.9, dampening = 0.3), rule(0.9, 0.3))
  expect_steps(steps_of(optim_sgd, lr = 0.1, momentum = 0.9, weight_decay = 0.2), rule(0.9, 0, 0.2))
  expect_steps(steps_of(optim_sgd, lr = 0.1, momentum = 0.9, weight_decay = 0.2, nesterov = TRUE),
    rule(0.9, 0, 0.2, TRUE))
  expect_error(optim_sgd(list(torch_ones(1)), lr = 0.1, nesterov = TRUE), "momentum")
})

adam_rule <- function(lr, betas = c(0.9, 0.999), eps = 1e-8, decay = 0, coupled = TRUE, amsgrad = FALSE) {
  function(w, g, state, step) {
    if (coupled) g <- g + decay * w else w <- w * (1 - lr * decay)
    m <- betas[[1]] * or_zero(state$m) + (1 - betas[[1]]) * g
    v <- betas[[2]] * or_zero(state$v) + (1 - betas[[2]]) * g^2
    largest <- pmax(or_zero(state$largest), v)
    second <- (if (amsgrad) largest else v) / (1 - betas[[2]]^step)
    w <- w - lr * m / (1 - betas[[1]]^step) / (sqrt(second) + eps)
    list(w = w, state = list(m = m, v = v, largest = largest))
  }
}

test_that("Adam and AdamW", {
  expect_steps(steps_of(optim_adam, lr = 0.05), adam_rule(0.05))
  expect_steps(steps_of(optim_adam, lr = 0.05, betas = c(0.8, 0.95), eps = 1e-3), adam_rule(0.05, c(0.8, 0.95), 1e-3))
  expect_steps(steps_of(optim_adam, lr = 0.05, weight_decay = 0.3), adam_rule(0.05, decay = 0.3))
  expect_steps(steps_of(optim_adam, lr = 0.05, amsgrad = TRUE), adam_rule(0.05, amsgrad = TRUE))
  expect_steps(steps_of(optim_adamw, lr = 0.05, weight_decay = 0.3), adam_rule(0.05, decay = 0.3, coupled = FALSE))
})

test_that("AdaGrad and RMSprop", {
  adagrad <- function(w, g, state, step) {
    total <- or_zero(state$total) + g^2
    list(w = w - 0.1 * g / (sqrt(total) + 1e-10), state = list(total = total))
  }
  expect_steps(steps_of(optim_adagrad, lr = 0.1), adagrad)
  rmsprop <- function(w, g, state, step) {
    square <- 0.9 * or_zero(state$square) + 0.1 * g^2
    move <- 0.5 * or_zero(state$move) + g / (sqrt(square) + 1e-8)
    list(w = w - 0.01 * move, state = list(square = square, move = move))
  }
  expect_steps(steps_of(optim_rmsprop, lr = 0.01, alpha = 0.9, momentum = 0.5), rmsprop)
})

test_that("each group of parameters has its own rate", {
  a <- torch_ones(2, requires_grad = TRUE)
  b <- torch_ones(2, requires_grad = TRUE)
  optimizer <- optim_sgd(list(list(params = list(a), lr = 0.5), list(params = list(b))), lr = 0.1)
  a$grad <- torch_ones(2)
  b$grad <- torch_ones(2)
  optimizer$step()
  expect_equal(as.array(a$detach()), c(0.5, 0.5))
  expect_equal(as.array(b$detach()), c(0.9, 0.9), tolerance = 1e-6)
})

test_that("gradient descent remembers its momentum alone, and nothing without", {
  w <- torch_ones(2, requires_grad = TRUE)
  (w * w)$sum()$backward()
  plain <- optim_sgd(w, lr = 0.1)
  plain$step()
  expect_length(plain$state_dict()$state, 0)
  heavy <- optim_sgd(w, lr = 0.1, momentum = 0.9, dampening = 0.5)
  for (i in 1:3) heavy$step()
  expect_named(heavy$state_dict()$state[[1]], "momentum_buffer")
  expected <- Reduce(function(v, g) 0.9 * v + 0.5 * g, rep(2, 2), 2)
  expect_equal(as_array(heavy$state_dict()$state[[1]]$momentum_buffer), rep(expected, 2), tolerance = 1e-6)
})
