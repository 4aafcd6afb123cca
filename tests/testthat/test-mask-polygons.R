# Sums of the rings' areas, holes subtracted.
shoelace <- function(x, y) sum(x * c(y[-1], y[[1]]) - c(x[-1], x[[1]]) * y) / 2

areas_of <- function(corners, n) {
  ring <- interaction(corners$object, corners$part, corners$hole, drop = TRUE)
  areas <- vapply(split(corners, ring), function(r) shoelace(r$x, r$y), 0)
  object <- vapply(split(corners$object, ring), `[[`, 0L, 1)
  vapply(seq_len(n), function(k) sum(areas[object == k]), 0)
}

noise <- function(seed, size = 25) {
  set.seed(seed)
  matrix(stats::rbinom(size^2, 1, 0.6), size)
}

test_that("polygons have the areas of the pixels, and no ring passes a corner twice", {
  for (seed in 1:3) {
    for (connectivity in c(4, 8)) {
      objects <- mask_objects(noise(seed), connectivity = connectivity, pixel_size = c(2, 3))
      corners <- mask_polygons(objects, as = "table")
      expect_equal(areas_of(corners, nrow(objects$table)), objects$table$area)
      ring <- corners[c("object", "part", "hole", "x", "y")]
      expect_false(any(duplicated(ring)))
      outer <- !duplicated(corners[c("object", "part", "hole")])
      expect_equal(sum(outer & corners$hole == 0), nrow(unique(corners[c("object", "part")])))
    }
  }
})

test_that("a ring has a hole, and touching holes are two", {
  ring <- matrix(1L, 6, 6)
  ring[3, 3] <- 0L
  ring[4, 4] <- 0L
  corners <- mask_polygons(ring, as = "table")
  expect_equal(sort(unique(corners$hole)), 0:2)
  expect_equal(corners[corners$hole == 0, c("x", "y")], data.frame(x = c(0, 6, 6, 0), y = c(0, 0, 6, 6)),
    ignore_attr = TRUE)
  # A hole that touches the outside at a corner.
  ring <- matrix(1L, 3, 3)
  ring[2, 2] <- 0L
  ring[3, 3] <- 0L
  corners <- mask_polygons(ring, as = "table")
  expect_equal(unique(corners$hole), 0:1)
  expect_equal(areas_of(corners, 1), 7)
})

test_that("vectors of terra are valid and have the right areas", {
  skip_if_not_installed("terra")
  for (seed in 1:2) {
    objects <- mask_objects(noise(seed), pixel_size = 0.5)
    v <- mask_polygons(objects)
    expect_s4_class(v, "SpatVector")
    expect_true(all(terra::is.valid(v)))
    expect_equal(suppressWarnings(terra::expanse(v, transform = FALSE)), objects$table$area)
    expect_equal(v$pixels, objects$table$pixels)
    # The polygons drawn on a raster are the mask again.
    grid <- terra::rast(nrows = 25, ncols = 25, xmin = 0, xmax = 12.5, ymin = 0, ymax = 12.5, crs = "")
    drawn <- matrix(terra::values(terra::rasterize(v, grid, "id", background = 0)), 25, byrow = TRUE)
    expect_equal(drawn, objects$labels + 0)
  }
})

test_that("rasters keep their place and units", {
  skip_if_not_installed("terra")
  r <- terra::rast(nrows = 20, ncols = 30, xmin = 1000, xmax = 1300, ymin = 500, ymax = 700, crs = "EPSG:32632")
  values <- matrix(1, 20, 30)
  values[3:6, 5:9] <- 2
  values[15:18, 20:29] <- 3
  values[1, ] <- NA
  terra::values(r) <- as.vector(t(values))
  o <- mask_objects(r, classes = c(background = 1, forest = 2, lake = 3))
  expect_equal(o$table$area, c(20, 40) * 100)
  expect_equal(o$table$x, c(1065, 1240))
  expect_equal(o$table$y, c(660, 540))
  v <- mask_polygons(o)
  expect_equal(terra::expanse(v, transform = FALSE), o$table$area)
  expect_equal(as.vector(terra::ext(v)), c(xmin = 1040, xmax = 1290, ymin = 520, ymax = 680))
  expect_equal(terra::crs(v, describe = TRUE)$code, "32632")
  degrees <- terra::rast(nrows = 4, ncols = 4, xmin = 10, xmax = 10.04, ymin = 50, ymax = 50.04, crs = "EPSG:4326",
    vals = c(rep(0, 5), 1, 1, rep(0, 9)))
  area <- mask_objects(degrees)$table$area
  expect_equal(area, sum(terra::values(terra::cellSize(degrees))[6:7]), tolerance = 1e-6)
})
