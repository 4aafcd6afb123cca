# Rscript bench/large-raster.R [ROWS] [COLUMNS] [THREADS] [FOLDER]: draws a raster of 4 bands window by window, maps it
# with segment(), and prints memory, time per pixel beside predict() at 1024 x 1024, and the seams.
#
# By default 5000 rows of 20000 pixels; `Rscript bench/large-raster.R 20000` is the whole square.
suppressPackageStartupMessages(library(candela))
arguments <- commandArgs(trailingOnly = TRUE)
number <- function(i, default) if (length(arguments) >= i) as.numeric(arguments[[i]]) else default
rows <- number(1, 5000)
columns <- number(2, 20000)
torch_set_num_threads(number(3, 2))
folder <- if (length(arguments) >= 4) arguments[[4]] else tempfile("raster-")
dir.create(folder, recursive = TRUE, showWarnings = FALSE)
torch_manual_seed(1)
set.seed(1)

# Fields on a slope: every window can be drawn by itself.
drawn <- function(top, height) {
  y <- rep(top - 1 + seq_len(height), each = columns)
  x <- rep(seq_len(columns), height)
  field <- sin(x / 37 + 2 * sin(y / 211)) * cos(y / 53 + sin(x / 173))
  noise <- sample.int(256, length(x), TRUE) - 128
  cbind(120 + 60 * field, 100 - 40 * field, 90 + 30 * sin(x / 900), 130 + 20 * field) + noise / c(8)
}

draw_raster <- function(path) {
  r <- terra::rast(nrows = rows, ncols = columns, nlyrs = 4, xmin = 5e5, xmax = 5e5 + 10 * columns, ymin = 0,
    ymax = 10 * rows, crs = "EPSG:32633")
  terra::writeStart(r, path, datatype = "INT1U", overwrite = TRUE, gdal = c("TILED=YES", "COMPRESS=NONE"))
  for (top in seq(1, rows, by = 250)) {
    n <- min(250, rows - top + 1)
    terra::writeValues(r, pmin(pmax(round(drawn(top, n)), 0), 254), top, n)
  }
  terra::writeStop(r)
}

# Largest resident memory of this process in megabytes, since it was last reset.
peak <- function() {
  line <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
reset_peak <- function() try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)

path <- file.path(folder, sprintf("scene-%d-%d.tif", rows, columns))
if (!file.exists(path)) {
  seconds <- system.time(draw_raster(path))[["elapsed"]]
  cat(sprintf("drawn %d x %d x 4 in %.0f s\n", rows, columns, seconds))
}
invisible(gc())
spec <- list(
  classes = class_table(c(low = 1, middle = 2, high = 3)), void = void_class,
  mask = list(kind = "value", value = 1:3, class = 1:3, void = numeric()), bands = 1:4, bands_given = FALSE,
  channels = 4, type = "uint8", nodata = NULL, size = c(256, 256), resize = FALSE,
  scaling = list(method = "given", shift = rep(110, 4), factor = rep(50, 4), clamp = FALSE)
)
model <- unet("mobilenet_v2", in_channels = 4, classes = spec$classes, weights = NULL)
model$eval()
model$input_spec <- spec

# Time per pixel of the model by itself.
x <- torch_randn(1, 4, 1024, 1024)
timed <- function(code) {
  spent <- system.time(code)
  c(elapsed = spent[["elapsed"]], cpu = spent[["user.self"]] + spent[["sys.self"]])
}
alone <- apply(replicate(3, timed(with_no_grad(as_array(torch_argmax(model(x), 2))))), 1, min) / 1024^2

if (rows * columns <= 2100^2) {
  maps <- lapply(c(4096, 1024), function(tile) segment(model, path, tile = tile, output = "probabilities"))
  away <- abs(maps[[1]]$probabilities - maps[[2]]$probabilities)
  cat(sprintf("seams: largest difference to the untiled result %.2g, mean %.2g\n", max(away), mean(away)))
}
rm(x)
invisible(gc())
candela_memory_trim()
reset_peak()
spent <- timed(result <- segment(model, path, file.path(folder, "map.tif"), output = "mask"))
pixel <- spent / rows / columns
for (what in names(pixel)) {
  cat(sprintf("%s: segment() %.1f s, %.0f ns per pixel; the model at 1024 x 1024 %.0f ns: ratio %.2f\n", what,
    spent[[what]], 1e9 * pixel[[what]], 1e9 * alone[[what]], pixel[[what]] / alone[[what]]))
}
cat(sprintf("largest resident memory %.0f MB\n", peak()))
print(result)
