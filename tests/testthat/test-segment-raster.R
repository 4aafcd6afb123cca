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

test_that("polygons of a map have the areas that the table says, with holes", {
  skip_if_not_installed("terra")
  skip_without_tiff()
  root <- withr::local_tempdir()
  drawn <- drawn_raster()
  # South of the equator, and a hole in the lake.
  terra::crs(drawn$raster) <- "EPSG:32733"
  terra::ext(drawn$raster) <- terra::ext(5e5, 501500, 8e6, 8e6 + 1200)
  drawn$raster[50:60, 50:59] <- 600
  terra::writeRaster(drawn$raster, file.path(root, "scene.tif"), datatype = "FLT4S", NAflag = -9999)
  result <- segment(bright_model(raster_spec()), file.path(root, "scene.tif"), file.path(root, "out"), output = "mask")
  map <- terra::rast(file.path(root, "out", "scene.tif"))
  expect_true(terra::compareGeom(map, drawn$raster))
  polygons <- mask_polygons(map, c(ground = 0, cell = 255), objects = c("ground", "cell"))
  area <- tapply(terra::expanse(polygons, transform = FALSE), polygons$class, sum)
  expect_equal(area[["cell"]], (2000 - 110) * 100)
  expect_equal(area[["ground"]], (120 * 150 - 120 - 1890) * 100)
  expect_equal(unname(area[c("ground", "cell")]), result$table$area, ignore_attr = TRUE)
})

test_that("a grid that is turned comes back turned", {
  skip_if_not_installed("terra")
  skip_without_tiff()
  root <- withr::local_tempdir()
  drawn <- drawn_raster()
  file <- file.path(root, "turned.tif")
  terra::writeRaster(drawn$raster, file, datatype = "FLT4S", NAflag = -9999)
  turn <- c(8, 6, 0, 5e5, 6, -8, 0, 1000, 0, 0, 0, 0, 0, 0, 0, 1)
  add_tags(file, list("34264" = turn))
  to <- file.path(root, "out")
  result <- segment(bright_model(raster_spec()), file, to, output = outputs)
  for (path in file.path(to, c("turned.tif", "entropy/turned.tif", "probabilities/turned.tif"))) {
    expect_identical(tiff_tags(path, 34264)[["34264"]], turn)
    expect_identical(terra::crs(quiet_raster(path)), terra::crs(drawn$raster))
  }
  truth <- ifelse(drawn$inside, 255L, 0L)
  mask <- image_labels(file.path(to, "turned.tif"))
  expect_identical(mask[7:120, ], truth[7:120, ])
  expect_equal(result$table$area, result$table$pixels * 100)
  expect_identical(unique(result$table$unit), "m2")
})

test_that("overlays of pictures that are read window by window are shrunk", {
  skip_if_not_installed("terra")
  skip_without_tiff()
  root <- withr::local_tempdir()
  drawn <- drawn_raster()
  file <- file.path(root, "scene.tif")
  terra::writeRaster(drawn$raster, file, datatype = "FLT4S", NAflag = -9999)
  whole <- segment(bright_model(raster_spec()), file, file.path(root, "whole"), output = "overlay")
  withr::local_options(candela.streamed_pixels = 120 * 150 / 4)
  segment(bright_model(raster_spec()), file, file.path(root, "small"), output = c("mask", "overlay"))
  large <- image_read(file.path(root, "whole", "overlays", "scene.png"))
  small <- image_read(file.path(root, "small", "overlays", "scene.png"))
  expect_identical(dim(small), c(60L, 75L, 3L))
  # But for the outlines these are pixels of the large one.
  taken <- large[taken_pixels(60, 120), taken_pixels(75, 150), ]
  for (part in list(list(20:33, 22:43), list(1:13, 15:75), list(38:60, 1:75))) {
    expect_equal(small[part[[1]], part[[2]], ], taken[part[[1]], part[[2]], ])
  }
  blue <- as.vector(grDevices::col2rgb(class_palette[[2]])) / 255
  expect_equal(small[16, 30, ], blue, tolerance = 0.01)
})

test_that("windows of a TIFF are read without terra as terra reads them", {
  skip_if_not_installed("terra")
  skip_without_tiff()
  root <- withr::local_tempdir()
  set.seed(2)
  values <- matrix(sample(0:250, 300 * 170 * 3, TRUE), ncol = 3)
  r <- terra::rast(nrows = 300, ncols = 170, nlyrs = 3, xmin = 0, xmax = 170, ymin = 0, ymax = 300, vals = values,
    crs = "EPSG:32633")
  written <- function(type, ..., flag = NA) {
    file <- tempfile(tmpdir = root, fileext = ".tif")
    x <- if (type == "FLT4S") r / 7 else if (type == "INT2S") r - 100 else r
    terra::writeRaster(x, file, datatype = type, NAflag = flag, gdal = c(...))
    file
  }
  tiled <- c("TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=32")
  files <- list(
    written("INT1U", tiled, "COMPRESS=DEFLATE", "PREDICTOR=2"), written("INT2U", tiled, "COMPRESS=LZW"),
    written("INT2S", "COMPRESS=NONE", flag = -90), written("FLT4S", tiled, "INTERLEAVE=BAND", flag = 10),
    written("FLT8S", "COMPRESS=NONE", "INTERLEAVE=BAND"), written("INT4U", tiled, "BIGTIFF=YES", flag = 7)
  )
  for (file in files) {
    both <- terra::rast(file)
    for (x in list(both, both[[c(3, 1)]])) {
      direct <- direct_window(x, file, 20)
      expect_type(direct, "closure")
      terra::readStart(x)
      slow <- raster_window(x, list(nodata = 20))
      for (at in list(c(1, 1, 300, 170), c(31, 60, 40, 70), c(300, 170, 1, 1))) {
        place <- as.list(at)
        expect_equal(as_array(do.call(direct, place)), as_array(do.call(slow, place)), tolerance = 1e-6)
      }
      terra::readStop(x)
    }
  }
  # What would be decoded again and again, and rasters that are more than the file, are left to terra.
  expect_null(direct_window(both, written("INT1U", "COMPRESS=DEFLATE"), NULL))
  expect_null(direct_window(both[1:10, , drop = FALSE], files[[6]], NULL))
  scaled <- terra::rast(files[[1]])
  terra::scoff(scaled) <- cbind(rep(2, 3), 0)
  expect_null(direct_window(scaled, files[[1]], NULL))
  shape <- .Call(cdr_tiff_shape, files[[1]])
  expect_identical(shape, c(300, 170, 3))
  expect_error(.Call(cdr_tiff_window, files[[1]], c(290, 0, 20, 20), 0, numeric()), "no such window")
  expect_error(.Call(cdr_tiff_window, files[[1]], c(0, 0, 20, 20), 3, numeric()), "no such window")
  cut <- file.path(root, "cut.tif")
  bytes <- readBin(files[[2]], "raw", 1e6)
  for (n in utils::head(seq(10, length(bytes), length.out = 40), -1)) {
    writeBin(bytes[seq_len(n)], cut)
    if (!is.null(.Call(cdr_tiff_shape, cut))) {
      expect_error(.Call(cdr_tiff_window, cut, c(0, 0, 300, 170), c(0, 1, 2), numeric()), class = "candela_error")
    }
  }
})

test_that("tiles that were never written are left to terra", {
  skip_if_not_installed("terra")
  skip_without_tiff()
  file <- withr::local_tempfile(fileext = ".tif")
  r <- terra::rast(nrows = 64, ncols = 64, xmin = 0, xmax = 64, ymin = 0, ymax = 64, vals = 0, crs = "EPSG:32633")
  r[1:10, 1:10] <- 200
  terra::writeRaster(r, file, datatype = "INT1U", NAflag = NA,
    gdal = c("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16", "SPARSE_OK=TRUE"))
  result <- segment(bright_model(bright_spec()), file)
  expect_identical(result$mask, matrix(ifelse(terra::as.matrix(r, wide = TRUE) > 100, 2L, 1L), 64))
})
