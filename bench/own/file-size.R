# Rscript bench/own/file-size.R FOLDER [SEED] [THREADS] [EPOCHS]: trains on the nuclei or streets in the folder,
# pictures resized to 256 x 256, and compares mean IoU of segment() at each file's own size with that at the size of
# training.
library(candela)
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "run.R"))
epochs <- if (length(arguments) > 3) as.integer(arguments[[4]]) else 10L
if (file.exists(file.path(folder, "classes.csv"))) {
  pairs <- do.call(rbind, lapply(c("train", "val"), function(part) data.frame(split = sub("val", "valid", part),
    image = list.files(file.path(folder, part), full.names = TRUE),
    mask = list.files(file.path(folder, paste0(part, "annot")), full.names = TRUE))))
  ds <- segmentation_dataset(pairs, classes = file.path(folder, "classes.csv"), size = 256,
    transform = item_transform_random_horizontal_flip)
  parts <- split(ds)
} else {
  ds <- segmentation_dataset(file.path(folder, "*/image.png"), classes = c(background = 0, nucleus = 255), size = 256,
    channels = 3,
    transform = item_transform_compose(item_transform_random_horizontal_flip, item_transform_random_vertical_flip))
  parts <- split(ds, rep_len(rep(c("train", "valid"), c(4, 1)), length(ds)))
}
fitted <- unet(classes = ds) %>% setup() %>% fit(parts, epochs = epochs, verbose = FALSE)

# One confusion matrix over all pictures; void left out.
mean_iou <- function(counts) {
  both <- diag(counts)
  any <- rowSums(counts) + colSums(counts) - both
  mean((both / any)[rowSums(counts) > 0])
}
n <- nrow(class_table(ds))
counted <- function(truth, found) {
  known <- truth > 0
  table(factor(truth[known], seq_len(n)), factor(found[known], seq_len(n)))
}
at_training <- at_file <- matrix(0, n, n)
valid <- parts$valid
source <- valid$source
pictures <- source$pair_of(valid$items)
seconds <- system.time(own <- segment(fitted, valid, verbose = FALSE))[["elapsed"]]
for (k in seq_along(pictures)) {
  item <- valid[k]
  scores <- predict(fitted, item$x, verbose = FALSE)
  at_training <- at_training + counted(as_array(item$y), as_array(torch_argmax(scores, 2)$squeeze(1)))
  size <- unlist(source$described[pictures[[k]], c("height", "width")])
  truth <- candela:::read_classes(source, pictures[[k]], size)
  at_file <- at_file + counted(truth, own$mask[[source$pairs$image[[pictures[[k]]]]]])
}
cat(sprintf("mean IoU at 256 x 256 %.4f, at each file's own size %.4f, difference %.4f; %.2f s for %d files\n",
  mean_iou(at_training), mean_iou(at_file), mean_iou(at_file) - mean_iou(at_training), seconds, length(pictures)))
