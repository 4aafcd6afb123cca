drawn_raster <- function(height = 120, width = 150, layers = 6) {
  r <- terra::rast(nrows = height, ncols = width, nlyrs = layers, xmin = 5e5, xmax = 5e5 + 10 * width, ymin = 1000,
    ymax = 1000 + 10 * height, crs = "EPSG:32633")
  values <- matrix(stats::runif(height * width * layers, 500, 3000), ncol = layers)
  inside <- matrix(FALSE, width, height)
  inside[41:90, 31:70] <- TRUE
  values[inside, 1] <- values[inside, 1] + 6000
  terra::values(r) <- values
  r[1:6, 1:20] <- NA
  list(raster = r, inside = t(inside))
}

raster_spec <- function(...) {
  scaling <- list(method = "given", shift = rep(0, 6), factor = rep(1e4, 6), clamp = FALSE)
  bright_spec("float32", 6, scaling = scaling, ...)
}

test_that("a GeoTIFF of six bands becomes one of classes on the same grid, window by window", {
  skip_if_not_installed("terra")
  skip_without_tiff()
  root <- withr::local_tempdir()
  drawn <- drawn_raster()
  file <- file.path(root, "scene.tif")
  terra::writeRaster(drawn$raster, file, datatype = "FLT4S", NAflag = -9999)
  spec <- raster_spec(classes = class_table(data.frame(name = c("soil", "water"), value = c(3, 8))))
  model <- bright_model(spec)
  to <- file.path(root, "out")
  result <- segment(model, file, to, tile = 96, overlap = 16, output = outputs)
  expect_setequal(list.files(to, recursive = TRUE, all.files = TRUE), c("scene.tif", "areas.csv", "overlays/scene.png",
    "entropy/scene.tif", "probabilities/scene.tif"))
  map <- terra::rast(file.path(to, "scene.tif"))
  expect_true(terra::compareGeom(map, drawn$raster))
  expect_identical(terra::datatype(map), "INT1U")
  values <- terra::as.matrix(map, wide = TRUE)
  truth <- ifelse(drawn$inside, 8, 3)
  truth[1:6, 1:20] <- NA
  expect_equal(values, truth, ignore_attr = TRUE)
  colours <- terra::coltab(map)[[1]]
  expect_equal(unlist(colours[colours$value == 8, 2:4], use.names = FALSE),
    as.vector(grDevices::col2rgb(spec$classes$colour[[2]])))
  expect_equal(result$table$pixels, c(120 * 150 - 120 - 2000, 2000))
  expect_equal(result$table$area, result$table$pixels * 100)
  expect_identical(unique(result$table$unit), "m2")
  p <- terra::rast(file.path(to, "probabilities", "scene.tif"))
  expect_identical(names(p), c("soil", "water"))
  sums <- terra::as.matrix(sum(p), wide = TRUE)
  expect_equal(sums[7:120, ], matrix(1, 114, 150), tolerance = 1e-5, ignore_attr = TRUE)
  # The raster itself, and one in memory, give the same.
  for (r in list(terra::rast(file), drawn$raster)) {
    expect_equal(segment(model, r)$mask, ifelse(is.na(truth), NA, ifelse(truth == 8, 2L, 1L)), ignore_attr = TRUE)
  }
  expect_error(segment(model, drawn$raster[[1:4]]), "4 bands, but the model was trained on 6", class = "value_error")
  expect_error(segment(bright_model(bright_spec("uint16", 6)), file),
    "6 bands of type float32, but the model was trained on 6 of type uint16", class = "value_error")
})

test_that("resized models and rasters in degrees", {
  skip_if_not_installed("terra")
  drawn <- drawn_raster()
  r <- drawn$raster
  terra::crs(r) <- "EPSG:4326"
  terra::ext(r) <- terra::ext(10, 11.5, 40, 41.2)
  result <- segment(bright_model(raster_spec(resize = TRUE, size = c(64, 64))), r)
  expect_equal(result$mask[35:65, 45:85], matrix(2L, 31, 41))
  expect_true(all(is.na(result$mask[1:6, 1:20])))
  area <- result$table$area[[2]]
  expect_equal(area, result$table$pixels[[2]] * 850 * 1111, tolerance = 0.02)
  expect_identical(unique(result$table$unit), "m2")
})
