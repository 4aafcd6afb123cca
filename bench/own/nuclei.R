# Rscript bench/own/nuclei.R FOLDER [SEED] [THREADS]: folders of image.png and masks/*.png, every fifth for validation.
library(candela)
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "run.R"))
flips <- item_transform_compose(item_transform_random_horizontal_flip, item_transform_random_vertical_flip)
ds <- segmentation_dataset(file.path(folder, "*/image.png"), classes = c(background = 0, nucleus = 255), size = 256,
  channels = 3, transform = flips)
parts <- split(ds, rep_len(rep(c("train", "valid"), c(4, 1)), length(ds)))
fitted <- unet(classes = ds) %>% setup() %>% fit(parts, verbose = TRUE)
report(fitted, parts$valid)
