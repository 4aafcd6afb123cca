# One training step and one prediction of the chapter's U-Net.
#
# usage: Rscript bench/unet.R [--batch 32] [--threads 2] [--steps 3] [--size 224] [--mode train|predict|both]
#   [--passes 1] [--turns yes]
# Prints one line per figure: name value. Frozen encoder with batch norm in training mode, as luz runs it.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "unet-model.R"))

batch <- count_option("batch", 32)
size <- count_option("size", 224)
steps <- count_option("steps", 3)
mode <- option("mode", "both")
torch_set_num_threads(count_option("threads", 2))
torch_manual_seed(1)
net <- unet()

if (mode %in% c("train", "both")) {
  step <- unet_training(net, batch, size)
  print_figures(list(train_step_s = function() median(seconds_of(steps, step))))
  cat(sprintf("peak_rss_mib %.0f\n", peak_rss_mib()))
}
if (mode %in% c("predict", "both")) {
  net$eval()
  x <- torch_randn(batch, 3, size, size)
  # The last convolution is computed when its result is looked at.
  predict_once <- function() net(x)$data_ptr()
  print_figures(list(predict_s = function() with_no_grad(median(seconds_of(steps, predict_once)))))
  cat(sprintf("predict_peak_rss_mib %.0f\n", peak_rss_mib()))
}
