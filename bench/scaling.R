# How the cost of a training step grows with batch, image size and threads; a large prediction.
#
# usage: Rscript bench/scaling.R
# Prints a line for each measurement, then one figure per line: name value. An exponent is the slope of log cost on log
# size: 1 is linear, above 1 costs grow faster than the work.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "unet-model.R"))

new_training <- function(batch, size) {
  torch_manual_seed(1)
  net <- unet()
  list(net = net, step = unet_training(net, batch, size))
}

# Seconds of a step and MiB of the engine at their peak.
measure <- function(batch, size) {
  gc()
  candela_memory_trim()
  seconds <- min(seconds_of(2, new_training(batch, size)$step))
  mib <- candela_info()$memory[["peak"]] / 2^20
  cat(sprintf("# batch %d, %d x %d: %.3f s, %.0f MiB\n", batch, size, size, seconds, mib))
  c(seconds = seconds, mib = mib)
}

# The least of two rounds through all works, so that a busy moment of the machine does not fall on one of them alone.
measure_all <- function(batches, sizes) {
  rounds <- lapply(1:2, function(round) mapply(measure, batches, sizes))
  pmin(rounds[[1]], rounds[[2]])
}

figure <- function(name, value) cat(sprintf("%s %.3f\n", name, value))
exponent <- function(cost, size) unname(coef(lm(log(cost) ~ log(size)))[[2]])

torch_set_num_threads(2)
batches <- c(8, 16, 32, 64)
by_batch <- measure_all(batches, 224)
sizes <- c(128, 224, 320, 448)
by_size <- measure_all(8, sizes)

# One thread and two in turn, on the same tensors.
step <- new_training(32, 224)$step
step_seconds <- function(threads) {
  torch_set_num_threads(threads)
  step()
  gc(full = FALSE)
  start <- now()
  step()
  now() - start
}
by_threads <- sapply(1:10, function(round) sapply(1:2, step_seconds))
cat(sprintf("# batch 32 on %d thread(s): %.3f s\n", 1:2, apply(by_threads, 1, min)), sep = "")

# Losses and gradients of two steps: every bit.
bits <- function(threads) {
  torch_set_num_threads(threads)
  training <- new_training(3, 96)
  losses <- c(training$step(), training$step())
  trained <- Filter(function(p) p$requires_grad, training$net$parameters)
  list(losses, lapply(trained, function(p) as_array(p$grad)))
}
one_thread <- bits(1)
equal <- identical(one_thread, bits(2)) && identical(one_thread, bits(4))

torch_set_num_threads(2)
net <- unet()
net$eval()
large <- torch_randn(1, 3, 2048, 2048)
predict_2048 <- least_seconds(1, function() with_no_grad(net(large)$data_ptr()))

figure("batch_exponent", exponent(by_batch["seconds", ], batches))
figure("pixel_exponent", exponent(by_size["seconds", ], sizes^2))
figure("memory_exponent", exponent(by_batch["mib", ], batches))
figure("threads_speedup", min(by_threads[1, ]) / min(by_threads[2, ]))
figure("threads_equal", equal)
figure("predict_2048_s", predict_2048)
