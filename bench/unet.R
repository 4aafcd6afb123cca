# One training step and one prediction of the chapter's U-Net.
#
# usage: Rscript bench/unet.R [--batch 32] [--threads 2] [--steps 3] [--size 224] [--mode train|predict|both]
# Prints one line per figure: name value unit. Frozen encoder with batch norm in training mode, as luz runs it.
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

report <- function(name, s) {
  cat(sprintf(
    "%s %.4f  images_per_s %.3f  min %.4f max %.4f\n", name, median(s), batch / median(s), min(s), max(s)
  ))
}

if (mode %in% c("train", "both")) {
  report("train_step_s", seconds_of(steps, unet_training(net, batch, size)))
  cat(sprintf("peak_rss_mib %.0f\n", peak_rss_mib()))
}
if (mode %in% c("predict", "both")) {
  net$eval()
  x <- torch_randn(batch, 3, size, size)
  # The last convolution is computed when its result is looked at.
  report("predict_s", with_no_grad(seconds_of(steps, function() net(x)$data_ptr())))
}
