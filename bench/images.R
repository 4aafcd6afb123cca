# From JPEG files to normalised tensors: one at a time on one thread, and a batch on two. Prints: name value unit.
#
# usage: Rscript bench/images.R [--keep DIR] [--passes 1] [--turns yes]
# A picture of 500 x 350 is drawn, and left in DIR as bench.jpg.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
set.seed(1)

file <- tempfile(fileext = ".jpg")
smooth <- function(height, width) {
  row <- outer(seq_len(height), seq_len(width), function(i, j) sin(i / 17) * cos(j / 23) / 3 + 0.5)
  pmin(pmax(row + rnorm(height * width, sd = 0.03), 0), 1)
}
image_write(array(replicate(3, smooth(350, 500)), c(350, 500, 3)), file)

one <- function() {
  base_loader(file) %>%
    transform_to_tensor() %>%
    transform_resize(c(224, 224)) %>%
    transform_normalize(c(0.485, 0.456, 0.406), c(0.229, 0.224, 0.225))
}
batch <- function() {
  read_image_batch(rep(file, 32), size = c(224, 224), mean = c(0.485, 0.456, 0.406), std = c(0.229, 0.224, 0.225))
}
milliseconds <- function(threads, n, f) {
  torch_set_num_threads(threads)
  1e3 * least_seconds(n, f)
}
print_figures(list(
  decode_resize_ms = function() milliseconds(1, 50, one),
  batch_1_thread_ms_per_image = function() milliseconds(1, 5, batch) / 32,
  batch_2_threads_ms_per_image = function() milliseconds(2, 5, batch) / 32
))
file.copy(file, file.path(option("keep", tempdir()), "bench.jpg"), overwrite = TRUE)
