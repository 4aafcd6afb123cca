# One training step and one prediction of the chapter's U-Net.
#
# usage: Rscript bench/unet.R [--batch 32] [--threads 2] [--steps 3] [--size 224] [--mode train|predict|both]
# Prints one line per figure: name value unit. Frozen encoder with batch norm in training mode, as luz runs it.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "unet-model.R"))

option <- function(name, default) {
  args <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), args)
  if (is.na(at)) default else args[[at + 1]]
}
batch <- as.integer(option("batch", 32))
size <- as.integer(option("size", 224))
steps <- as.integer(option("steps", 3))
mode <- option("mode", "both")
torch_set_num_threads(as.integer(option("threads", 2)))
torch_manual_seed(1)

net <- unet()
trainable <- Filter(function(p) p$requires_grad, net$parameters)
optimizer <- optim_adam(trainable, lr = 1e-3)
loss_fn <- nn_cross_entropy_loss()
x <- torch_randn(batch, 3, size, size)
y <- torch_randint(1, 4, size = c(batch, size, size), dtype = torch_long())

train_step <- function() {
  optimizer$zero_grad()
  loss <- loss_fn(net(x), y)
  loss$backward()
  optimizer$step()
  loss$item()
}

seconds <- function(f) {
  f()
  sort(vapply(seq_len(steps), function(i) system.time(f())[["elapsed"]], 0))
}

peak_rss_mib <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character())
  as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
}

if (mode %in% c("train", "both")) {
  net$train()
  s <- seconds(train_step)
  median <- s[[length(s) %/% 2 + 1]]
  cat(sprintf(
    "train_step_s %.4f  images_per_s %.3f  min %.4f max %.4f\n", median, batch / median, s[[1]], s[[length(s)]]
  ))
  cat(sprintf("peak_rss_mib %.0f\n", peak_rss_mib()))
}
if (mode %in% c("predict", "both")) {
  net$eval()
  # The last convolution is computed when its result is looked at.
  s <- with_no_grad(seconds(function() net(x)$data_ptr()))
  median <- s[[length(s) %/% 2 + 1]]
  cat(sprintf("predict_s %.4f  images_per_s %.3f\n", median, batch / median))
}
