# Stand-ins for photographs: folders of small pictures, one for each class, whose classes differ in colour and stripes.
write_pictures <- function(root, classes = 4, each = 24, size = 32, seed = 1) {
  set.seed(seed)
  wave <- function(class) {
    stripes <- sin(outer(seq_len(size), seq_len(size), function(y, x) if (class %% 2) x else y) * (0.4 + 0.2 * class))
    colour <- grDevices::col2rgb(grDevices::hcl.colors(classes, "Dark 3")[[class]]) / 255
    picture <- outer(0.5 + 0.3 * stripes, as.vector(colour)) + stats::rnorm(size^2 * 3, sd = 0.08)
    pmin(pmax(picture, 0), 1)
  }
  for (part in c("train", "val")) {
    for (class in seq_len(classes)) {
      folder <- file.path(root, part, sprintf("class-%d", class))
      dir.create(folder, recursive = TRUE, showWarnings = FALSE)
      n <- if (part == "train") each else each %/% 3
      for (i in seq_len(n)) image_write(wave(class), file.path(folder, sprintf("%03d.png", i)))
    }
  }
  root
}

mean_of <- c(0.485, 0.456, 0.406)
sd_of <- c(0.229, 0.224, 0.225)

final <- function(fitted, metric, set = "valid") {
  metrics <- get_metrics(fitted)
  utils::tail(metrics$value[metrics$metric == metric & metrics$set == set], 1)
}
