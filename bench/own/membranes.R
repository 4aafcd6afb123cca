# Rscript bench/own/membranes.R FOLDER [SEED] [THREADS]: folders image and label, the last quarter for validation.
library(candela)
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "run.R"))
flips <- item_transform_compose(item_transform_random_horizontal_flip, item_transform_random_vertical_flip)
ds <- segmentation_dataset(file.path(folder, "image"), file.path(folder, "label"), crop = 256, channels = 3,
  classes = c(membrane = 0, cell = 255), transform = flips)
slices <- length(list.files(file.path(folder, "image")))
parts <- split(ds, rep(c("train", "valid"), c(slices - slices %/% 4, slices %/% 4)))
fitted <- unet(classes = ds) %>% setup() %>% fit(parts, verbose = TRUE)
report(fitted, parts$valid)
