# How the cost of a training step grows with batch, image size and threads. Prints CSV: what, value, seconds, peak MiB
# of the engine.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "unet-model.R"))

measure <- function(batch, size, threads) {
  torch_set_num_threads(threads)
  torch_manual_seed(1)
  net <- unet()
  optimizer <- optim_adam(Filter(function(p) p$requires_grad, net$parameters), lr = 1e-3)
  loss_fn <- nn_cross_entropy_loss()
  x <- torch_randn(batch, 3, size, size)
  y <- torch_randint(1, 4, size = c(batch, size, size), dtype = torch_long())
  candela_memory_trim()
  s <- least_seconds(3, function() {
    optimizer$zero_grad()
    loss_fn(net(x), y)$backward()
    optimizer$step()
  })
  c(s, candela_info()$memory[["peak"]] / 2^20)
}

report <- function(what, value, m) cat(sprintf("%s,%d,%.4f,%.0f\n", what, value, m[[1]], m[[2]]))

cat("what,value,seconds,peak_mib\n")
for (batch in c(8, 16, 32, 64)) report("batch", batch, measure(batch, 224, 2))
for (size in c(128, 224, 320, 448)) report("size", size, measure(8, size, 2))
for (threads in 1:2) report("threads", threads, measure(16, 224, threads))

net <- unet()
net$eval()
s <- least_seconds(1, function() with_no_grad(net(torch_randn(1, 3, 2048, 2048))$data_ptr()))
cat(sprintf("predict_2048,1,%.3f,%.0f\n", s, candela_info()$memory[["peak"]] / 2^20))
