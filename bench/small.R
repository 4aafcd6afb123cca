# Small work, where the cost of a call counts. Prints: name value unit.
#
# usage: Rscript bench/small.R [--passes 1] [--turns yes]
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
torch_set_num_threads(1)

microseconds <- function(times, f) {
  f()
  min(vapply(1:5, function(i) {
    start <- now()
    for (k in seq_len(times)) f()
    (now() - start) / times
  }, 0)) * 1e6
}

a <- torch_randn(10)
b <- torch_randn(10)
engine <- asNamespace("candela")
inputs <- list(a, b)
add <- engine$ops$add
apply_op <- engine$cdr_apply

torch_manual_seed(1)
net <- nn_sequential(nn_linear(10, 32), nn_relu(), nn_linear(32, 1))
optimizer <- optim_adam(net$parameters, lr = 1e-3)
x <- torch_randn(32, 10)
y <- torch_randn(32, 1)
step <- function() {
  optimizer$zero_grad()
  nnf_mse_loss(net(x), y)$backward()
  optimizer$step()
}

print_figures(list(
  add_10_us = function() microseconds(20000, function() a + b),
  add_10_in_c_us = function() microseconds(20000, function() .Call(apply_op, add, inputs, 1)),
  perceptron_step_us = function() microseconds(300, step)
))
