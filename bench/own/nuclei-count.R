# Rscript bench/own/nuclei-count.R FOLDER [SEED] [THREADS] [EPOCHS]: nuclei counted in every fifth picture by a model
# that
# was trained on the others, against the number of mask files. Touching nuclei are parted by the watershed of
# mask_objects(); the same masks without parting, and the true masks united and parted, tell what that does.
library(candela)
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "run.R"))
epochs <- if (length(arguments) > 3) as.integer(arguments[[4]]) else 8L
ds <- segmentation_dataset(file.path(folder, "*/image.png"), classes = c(background = 0, nucleus = 255), size = 256,
  channels = 3,
  transform = item_transform_compose(item_transform_random_horizontal_flip, item_transform_random_vertical_flip))
parts <- split(ds, rep_len(rep(c("train", "valid"), c(4, 1)), length(ds)))
fitted <- unet(classes = ds) %>% setup() %>% fit(parts, epochs = epochs, verbose = TRUE)

files <- sort(Sys.glob(file.path(folder, "*/image.png")))
files <- files[seq(5, length(files), 5)]
masks <- lapply(file.path(dirname(files), "masks"), list.files, full.names = TRUE)
truth <- lengths(masks)
# Averaged over mirrored pictures, fewer nuclei are in pieces.
found <- segment(fitted, files, flips = "both")
united <- lapply(masks, function(paths) Reduce(pmax, lapply(paths, image_labels)) > 0)
count <- function(masks, ...) vapply(unclass(mask_objects(masks, ...)), function(o) nrow(o$table), 0L)
counts <- data.frame(
  picture = basename(dirname(files)), truth = truth, parted = count(found, part = TRUE), whole = count(found),
  from_truth = count(united, part = TRUE)
)
print(counts, row.names = FALSE)
r <- vapply(counts[-(1:2)], stats::cor, 0, truth)
cat(sprintf("correlation without parting %.4f, of the true masks united and parted %.4f\n", r[["whole"]],
  r[["from_truth"]]))
cat(sprintf("count correlation %.4f total %d of %d\n", r[["parted"]], sum(counts$parted), sum(truth)))
