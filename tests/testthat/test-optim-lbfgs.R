rosenbrock <- function(x) (1 - x[1])^2 + 5 * (x[2] - x[1]^2)^2

run <- function(steps, ..., f = rosenbrock, start = c(-1, 1)) {
  x <- torch_tensor(start, dtype = torch_double(), requires_grad = TRUE)
  opt <- optim_lbfgs(x, ...)
  losses <- vapply(seq_len(steps), function(i) {
    opt$step(function() {
      opt$zero_grad()
      loss <- f(x)
      loss$backward()
      loss
    })$item()
  }, 0)
  list(x = as_array(x$detach()), losses = losses, state = opt$state$get(x), opt = opt, tensor = x)
}

# PyTorch 1.13, float64: x after the steps, the losses at their beginnings, func_evals and n_iter.
test_that("steps are PyTorch's, with and without line search", {
  wolfe <- "strong_wolfe"
  waves <- function(x) (torch_sin(x * 3) + x^2)$sum()
  cases <- list(
    list(run(3, max_iter = 4),
      c(0.4685528824, 0.2469345342, 4, 4.443698835, 0.5656306657, 12, 12)
    ),
    list(run(3, line_search_fn = wolfe),
      c(0.9999980521, 0.9999968541, 4, 6.605533683e-12, 6.605533683e-12, 24, 20)
    ),
    list(run(2, lr = 0.1, history_size = 2, max_iter = 7),
      c(1.098825313, -0.4851714957, 4, 56.38951577, 14, 14)
    ),
    list(run(4, lr = 2, history_size = 3, max_iter = 3, line_search_fn = wolfe, start = c(2.5, -3)),
      c(0.6897937192, 0.4437397571, 430.0625, 31.65263419, 1.658782644, 1.063029019, 13, 8)
    ),
    list(run(3, max_iter = 5, line_search_fn = wolfe, f = waves, start = c(2, -1.5, 0.3)),
      c(-0.4273069964, -0.4273061226, -0.4273116993, 7.821441529, -2.294139648, -2.327920782, 15, 11)
    )
  )
  for (case in cases) {
    got <- case[[1]]
    expect_equal(c(got$x, got$losses, got$state$func_evals, got$state$n_iter), case[[2]], tolerance = 1e-6)
  }
})

test_that("a linear regression is solved", {
  x <- cbind(1, sin(1:30), cos(1:30 * 1.3))
  y <- x %*% c(0.5, -2, 3) + 0.1 * cos(1:30 * 7)
  model <- nn_linear(3, 1, bias = FALSE)
  opt <- optim_lbfgs(model$parameters, line_search_fn = "strong_wolfe")
  input <- torch_tensor(x)
  target <- torch_tensor(y)
  opt$step(function() {
    opt$zero_grad()
    loss <- nnf_mse_loss(model(input), target)
    loss$backward()
    loss
  })
  solution <- as.numeric(solve(crossprod(x), crossprod(x, y)))
  expect_equal(as.numeric(as_array(model$weight$detach())), solution, tolerance = 1e-4)
})

test_that("the state survives a file and goes to another optimizer", {
  through <- run(2, max_iter = 3, line_search_fn = "strong_wolfe")
  half <- run(1, max_iter = 3, line_search_fn = "strong_wolfe")
  path <- tempfile(fileext = ".rds")
  saveRDS(list(opt = half$opt, x = half$tensor), path)
  restored <- readRDS(path)
  unlink(path)
  go_on <- function(opt, x) {
    opt$step(function() {
      opt$zero_grad()
      loss <- rosenbrock(x)
      loss$backward()
      loss
    })
    as_array(x$detach())
  }
  other <- torch_tensor(half$x, dtype = torch_double(), requires_grad = TRUE)
  opt <- optim_lbfgs(other, max_iter = 3, line_search_fn = "strong_wolfe")
  opt$load_state_dict(half$opt$state_dict())
  expect_equal(go_on(opt, other), through$x)
  x <- restored$opt$param_groups[[1]]$params[[1]]
  expect_equal(go_on(restored$opt, x), through$x)
})

test_that("arguments are checked", {
  x <- torch_ones(1, requires_grad = TRUE)
  expect_error(optim_lbfgs(x, line_search_fn = "armijo"), "strong_wolfe", class = "value_error")
  groups <- list(list(params = x), list(params = torch_ones(1, requires_grad = TRUE)))
  expect_error(optim_lbfgs(groups), "parameter groups")
  expect_error(optim_lbfgs(x)$step(), "needs a closure", class = "value_error")
  expect_error(optim_lbfgs(x, lr = -1), "Invalid learning rate")
  expect_s3_class(optim_ignite_adam(x), "torch_optimizer")
})

test_that("a loss that is not a number ends the search", {
  out <- run(1, line_search_fn = "strong_wolfe", f = function(x) torch_log(x)$sum(), start = c(1e-3, 1))
  expect_true(is.numeric(out$losses))
})
