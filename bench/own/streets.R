# Rscript bench/own/streets.R FOLDER [SEED] [THREADS]: folders train, trainannot, val, valannot, and classes.csv.
library(candela)
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "run.R"))
ds <- segmentation_dataset(file.path(folder, c("train", "val")), file.path(folder, c("trainannot", "valannot")),
  classes = file.path(folder, "classes.csv"), size = 256, transform = item_transform_random_horizontal_flip)
parts <- split(ds, rep(c("train", "valid"), lengths(lapply(file.path(folder, c("train", "val")), list.files))))
fitted <- unet(classes = ds) %>% setup() %>% fit(parts, verbose = TRUE)
report(fitted, parts$valid)
