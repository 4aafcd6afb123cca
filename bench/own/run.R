# Shared by the scripts of this folder: the arguments, and the line with the figures. The first argument is `folder`,
# the second the seed (1), the third the number of threads (2). Pretrained weights are looked for in folders called
# weights near that of the images, too.
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[[1]]
seed <- if (length(arguments) > 1) as.integer(arguments[[2]]) else 1L
torch_set_num_threads(if (length(arguments) > 2) as.integer(arguments[[3]]) else 2L)
torch_manual_seed(seed)
set.seed(seed)
options(candela.weights = c(getOption("candela.weights", Sys.getenv("CANDELA_WEIGHTS")),
  file.path(c(file.path(dirname(normalizePath(folder)), ".."), "../shared"), "weights")))

# Mean intersection over union of the classes that occur, from one confusion matrix over all validation pictures, with
# the weights the fit ended with; and the median time of an epoch from the second on, training and validation.
report <- function(fitted, valid) {
  print(scores <- summary(confusion_matrix(fitted, valid)))
  seconds <- fitted$records$profile$epoch
  cat(sprintf("first epoch %.2f seconds, decoding of pictures included\n", seconds[[1]]))
  cat(sprintf("miou %.3f seconds %.2f\n", mean(scores$iou[scores$pixels > 0]), median(seconds[-1])))
}
