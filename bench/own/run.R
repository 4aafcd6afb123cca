# Shared by the scripts of this folder: arguments, mirroring, the line with the figures.
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[[1]]
seed <- if (length(arguments) > 1) as.integer(arguments[[2]]) else 1L
torch_set_num_threads(if (length(arguments) > 2) as.integer(arguments[[3]]) else 2L)
torch_manual_seed(seed)
set.seed(seed)
near <- file.path(dirname(normalizePath(folder)), "..", "weights")
if (is.null(getOption("candela.weights")) && dir.exists(near)) options(candela.weights = normalizePath(near))

# Items mirrored at random, left to right and, where up and down do not matter, top to bottom.
mirrored <- function(vertical) {
  function(item) {
    if (runif(1) < 0.5) item <- lapply(item, transform_hflip)
    if (vertical && runif(1) < 0.5) lapply(item, transform_vflip) else item
  }
}

# Mean intersection over union of the classes that occur, over all validation pictures, with the weights the fit ended
# with; and the median time of an epoch from the second on, training and validation.
report <- function(fitted, valid) {
  iou <- luz_metric_iou(levels(class_table(valid)$class), average = "none")
  options <- list(batch_size = 8)
  scores <- get_metrics(evaluate(fitted, valid, metrics = iou, verbose = FALSE, dataloader_options = options))
  scores <- scores[grepl("^iou", scores$metric), ]
  print(data.frame(class = sub("^iou_", "", scores$metric), iou = round(scores$value, 3)))
  occurs <- class_counts(valid) > 0
  seconds <- fitted$records$profile$epoch
  cat(sprintf("first epoch %.2f seconds, decoding of pictures included\n", seconds[[1]]))
  cat(sprintf("miou %.3f seconds %.2f\n", mean(scores$value[occurs]), stats::median(seconds[-1])))
}
