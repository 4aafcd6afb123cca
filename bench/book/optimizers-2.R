# Optimisers: how they go down the same valley, with momentum, steps of their own, curvature.
valley <- function(x) (1 - x[1])^2 + 5 * (x[2] - x[1]^2)^2
descend <- function(optimizer, steps, ...) {
  x <- torch_tensor(c(-1, 1), requires_grad = TRUE)
  opt <- optimizer(x, ...)
  for (i in seq_len(steps)) {
    opt$zero_grad()
    value <- valley(x)
    value$backward()
    opt$step()
  }
  valley(x)$item()
}
reached <- c(
  sgd = descend(optim_sgd, 300, lr = 0.01), momentum = descend(optim_sgd, 300, lr = 0.01, momentum = 0.9),
  adagrad = descend(optim_adagrad, 300, lr = 0.5), rmsprop = descend(optim_rmsprop, 300, lr = 0.01),
  adam = descend(optim_adam, 300, lr = 0.05), adamw = descend(optim_adamw, 300, lr = 0.05, weight_decay = 0)
)
stopifnot(reached < 1.5, reached[["adam"]] < 0.05, reached[["momentum"]] < reached[["sgd"]])

# Limited-memory BFGS evaluates the function as often as it likes.
x <- torch_tensor(c(-1, 1), requires_grad = TRUE)
calls <- 0
opt <- optim_lbfgs(x, line_search_fn = "strong_wolfe")
calc_loss <- function() {
  opt$zero_grad()
  value <- valley(x)
  calls <<- calls + 1
  value$backward()
  value
}
for (i in 1:3) opt$step(calc_loss)
stopifnot(valley(x)$item() < 1e-6, calls < 100, all(abs(as.numeric(x) - 1) < 1e-2))

# Schedules and groups of parameters.
net <- nn_sequential(nn_linear(2, 4), nn_linear(4, 1))
opt <- optim_sgd(list(list(params = net[[1]]$parameters, lr = 0.1), list(params = net[[2]]$parameters)), lr = 0.01)
schedule <- lr_step(opt, step_size = 2, gamma = 0.5)
for (i in 1:4) {
  opt$zero_grad()
  net(torch_randn(8, 2))$pow(2)$mean()$backward()
  opt$step()
  schedule$step()
}
stopifnot(all.equal(c(opt$param_groups[[1]]$lr, opt$param_groups[[2]]$lr), c(0.025, 0.0025)))
