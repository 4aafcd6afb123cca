# Downhill by hand: gradients of a function of two numbers, and of the weights of a small network.
a <- 1
b <- 5
valley <- function(x) (a - x[1])^2 + b * (x[2] - x[1]^2)^2
x <- torch_tensor(c(-1, 1), requires_grad = TRUE)
at <- numeric()
for (i in 1:1000) {
  value <- valley(x)
  value$backward()
  at[[i]] <- value$item()
  with_no_grad({
    x$sub_(0.01 * x$grad)
    x$grad$zero_()
  })
}
stopifnot(at[[1000]] < 1e-2, all(abs(as.numeric(x) - 1) < 0.2))

torch_manual_seed(7)
data <- torch_randn(100, 3)
truth <- data[, 1, drop = FALSE] * 0.2 - data[, 2, drop = FALSE] * 1.3 - data[, 3, drop = FALSE] * 0.5 +
  torch_randn(100, 1)
w1 <- torch_randn(3, 8, requires_grad = TRUE)
b1 <- torch_zeros(1, 8, requires_grad = TRUE)
w2 <- torch_randn(8, 1, requires_grad = TRUE)
b2 <- torch_zeros(1, 1, requires_grad = TRUE)
losses <- numeric()
for (t in 1:100) {
  y_pred <- data$mm(w1)$add(b1)$relu()$mm(w2)$add(b2)
  loss <- (y_pred - truth)$pow(2)$mean()
  losses[[t]] <- loss$item()
  loss$backward()
  with_no_grad({
    for (p in list(w1, b1, w2, b2)) {
      p$sub_(1e-2 * p$grad)
      p$grad$zero_()
    }
  })
}
stopifnot(losses[[100]] < losses[[1]] / 2)

# The same with layers and an optimiser.
net <- nn_sequential(nn_linear(3, 8), nn_relu(), nn_linear(8, 1))
opt <- optim_adam(net$parameters, lr = 0.05)
for (t in 1:60) {
  loss <- nnf_mse_loss(net(data), truth)
  opt$zero_grad()
  loss$backward()
  opt$step()
}
stopifnot(loss$item() < 1.5)
