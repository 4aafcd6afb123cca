# Rscript bench/large-raster.R [ROWS] [COLUMNS] [THREADS] [MODEL] [FOLDER]: draws a raster of 4 bands window by window,
# trains a model on a corner of it, maps all of it with segment(), and prints memory, time per pixel beside predict() at
# 1024 x 1024, and the seams of tiles at 2048 x 2048.
#
# By default 5000 rows of 20000 pixels; `Rscript bench/large-raster.R 20000` is the whole square. MODEL is
# "mobilenet_v2", or "plain", a U-Net of three levels that sees less than the tiles overlap.
suppressPackageStartupMessages(library(candela))
arguments <- commandArgs(trailingOnly = TRUE)
argument <- function(i, default) if (length(arguments) >= i) arguments[[i]] else default
rows <- as.numeric(argument(1, 5000))
columns <- as.numeric(argument(2, 20000))
torch_set_num_threads(as.integer(argument(3, 2)))
encoder <- argument(4, "mobilenet_v2")
folder <- argument(5, tempfile("raster-"))
for (part in c("scenes", "classes")) dir.create(file.path(folder, part), recursive = TRUE, showWarnings = FALSE)
torch_manual_seed(1)
set.seed(1)

# Fields on a slope: every window can be drawn by itself.
field <- function(x, y) sin(x / 37 + 2 * sin(y / 211)) * cos(y / 53 + sin(x / 173))
draw_scene <- function(path, rows, columns, classes = NULL) {
  grid <- terra::rast(nrows = rows, ncols = columns, nlyrs = 4, xmin = 5e5, xmax = 5e5 + 10 * columns, ymin = 0,
    ymax = 10 * rows, crs = "EPSG:32633")
  terra::writeStart(grid, path, datatype = "INT1U", overwrite = TRUE, gdal = c("TILED=YES", "COMPRESS=NONE"))
  for (top in seq(1, rows, by = 250)) {
    n <- min(250, rows - top + 1)
    y <- rep(top - 1 + seq_len(n), each = columns)
    x <- rep(seq_len(columns), n)
    f <- field(x, y)
    noise <- (sample.int(256, length(x), TRUE) - 128) / 8
    bands <- cbind(120 + 60 * f, 100 - 40 * f, 90 + 30 * sin(x / 900), 130 + 20 * f) + noise
    terra::writeValues(grid, pmin(pmax(round(bands), 0), 254), top, n)
  }
  terra::writeStop(grid)
  if (!is.null(classes)) {
    values <- 1 + (f > -0.3) + (f > 0.3)
    terra::writeRaster(terra::rast(grid, nlyrs = 1, vals = values), classes, datatype = "INT1U", overwrite = TRUE)
  }
}

# Largest resident memory of this process in megabytes, since it was last reset.
peak <- function() {
  line <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}
reset_peak <- function() try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)

path <- file.path(folder, sprintf("scene-%d-%d.tif", rows, columns))
if (!file.exists(path)) {
  seconds <- system.time(draw_scene(path, rows, columns))[["elapsed"]]
  cat(sprintf("drawn %d x %d x 4 in %.0f s\n", rows, columns, seconds))
}
corner <- file.path(folder, "scenes", "corner.tif")
draw_scene(corner, 250, 512, file.path(folder, "classes", "corner.tif"))
ds <- segmentation_dataset(corner, file.path(folder, "classes", "corner.tif"), crop = 128,
  classes = c(low = 1, middle = 2, high = 3), bands = 1:4)
model <- if (encoder == "plain") {
  unet("plain", classes = ds, weights = NULL, base = 8, encoder_depth = 3, decoder_channels = c(32, 16, 8))
} else {
  unet(encoder, classes = ds, weights = NULL)
}
fitted <- model %>% setup() %>% fit(ds, epochs = 2, verbose = FALSE, dataloader_options = list(batch_size = 4))

# Time of the model by itself.
x <- torch_randn(1, 4, 1024, 1024)
timed <- function(code) {
  spent <- system.time(code)
  c(elapsed = spent[["elapsed"]], cpu = spent[["user.self"]] + spent[["sys.self"]])
}
alone <- apply(replicate(4, timed(predict(fitted, x, verbose = FALSE))), 1, min) / 1024^2

# What tiles do to the result, on a scene that goes through the model as a whole too.
square <- file.path(folder, "square.tif")
if (!file.exists(square)) draw_scene(square, 2048, 2048)
maps <- lapply(c(2048, 512), function(tile) {
  segment(fitted, square, tile = tile, output = "probabilities", memory = 1e10)$probabilities
})
away <- abs(maps[[1]] - maps[[2]])
cat(sprintf("seams: largest difference to the untiled result %.2g, mean %.2g\n", max(away), mean(away)))
rm(x, maps, away)
invisible(gc())
candela_memory_trim()
reset_peak()
before <- peak()
spent <- timed(result <- segment(fitted, path, file.path(folder, "map.tif"), output = "mask", verbose = FALSE))
pixel <- spent / rows / columns
for (what in names(pixel)) {
  cat(sprintf("%s: segment() %.1f s, %.0f ns per pixel; predict() at 1024 x 1024 %.0f ns: ratio %.2f\n", what,
    spent[[what]], 1e9 * pixel[[what]], 1e9 * alone[[what]], pixel[[what]] / alone[[what]]))
}
cat(sprintf("largest resident memory %.0f MB, %.0f MB before\n", peak(), before))
print(result)
