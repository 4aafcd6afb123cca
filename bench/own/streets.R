# Rscript bench/own/streets.R FOLDER [SEED] [THREADS]: folders train, trainannot, val, valannot, and classes.csv.
library(candela)
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "run.R"))
pairs <- do.call(rbind, lapply(c("train", "val"), function(part) data.frame(split = sub("val", "valid", part),
  image = list.files(file.path(folder, part), full.names = TRUE),
  mask = list.files(file.path(folder, paste0(part, "annot")), full.names = TRUE))))
ds <- segmentation_dataset(pairs, classes = file.path(folder, "classes.csv"), size = 256, transform = mirrored(FALSE))
parts <- split(ds)
fitted <- unet(classes = ds) %>% setup() %>% fit(parts, verbose = TRUE)
report(fitted, parts$valid)
