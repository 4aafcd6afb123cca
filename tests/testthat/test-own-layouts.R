# Folders as people have them, written as files and read to a batch.

layout <- function(env = parent.frame()) {
  root <- withr::local_tempdir(.local_envir = env)
  for (folder in c("images", "masks")) dir.create(file.path(root, folder))
  root
}

batch_of <- function(ds) dataloader_next(dataloader_make_iter(dataloader(ds, batch_size = 3)))

expect_batch <- function(ds, channels, size, truth) {
  batch <- batch_of(ds)
  expect_identical(as.numeric(batch$x$shape), c(3, channels, size))
  expect_identical(as_array(batch$y), truth)
  expect_true(all(is.finite(as_array(batch$x))))
  expect_equal(apply(as_array(batch$x), 2, mean), rep(0, channels), tolerance = 1e-4)
  read <- read_input(ds$source$pairs$image[[2]], input_spec(ds))
  expect_equal(as_array(read$x), as_array(batch$x[2, ..]), tolerance = 1e-6)
  invisible(batch)
}

# Three masks of 12 x 14 with classes 1 to 3.
truths <- function() aperm(array(rep(1:3, length.out = 3 * 12 * 14)[c(1:400, 104:1)], c(12, 14, 3)), c(3, 1, 2))

test_that("RGB masks, JPEG pictures", {
  root <- layout()
  truth <- truths()
  colours <- c("#804080", "#00FF00", "#0000FF")
  for (k in 1:3) {
    image_write(array(runif(12 * 14 * 3), c(12, 14, 3)), file.path(root, "images", sprintf("photo_%d.jpg", k)))
    rgb <- grDevices::col2rgb(colours[truth[k, , ]])
    image_write(array(as.integer(t(rgb)), c(12, 14, 3)), file.path(root, "masks", sprintf("photo_%d_mask.png", k)))
  }
  classes <- stats::setNames(colours, c("road", "grass", "sky"))
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), classes,
    scale = "normalise"))
  expect_batch(ds, 3, c(12, 14), truth)
  expect_identical(class_table(ds)$colour, colours)
  expect_identical(input_spec(ds)$mask$kind, "colour")
})

test_that("TIFF of 16 bits and 2 bands", {
  skip_without_tiff()
  root <- layout()
  truth <- truths()
  for (k in 1:3) {
    image_write(array(sample(100:4095, 12 * 14 * 2, replace = TRUE), c(12, 14, 2)),
      file.path(root, "images", sprintf("%d.tif", k)), bits = 16)
    image_write(matrix(as.integer(c(0, 1000, 65535)[truth[k, , ]]), 12), file.path(root, "masks", sprintf("%d.tif", k)),
      bits = 16)
  }
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
    c(none = 0, cell = 1000, nucleus = 65535)))
  expect_batch(ds, 2, c(12, 14), truth)
  expect_identical(input_spec(ds)$type, "uint16")
  one <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), bands = 2))
  expect_batch(one, 1, c(12, 14), truth)
})

test_that("GeoTIFF of 6 bands, with pixels without data", {
  skip_without_tiff()
  skip_if_not_installed("terra")
  root <- layout()
  truth <- truths()
  for (k in 1:3) {
    r <- terra::rast(nrows = 12, ncols = 14, nlyrs = 6, xmin = 0, xmax = 140, ymin = 0, ymax = 120, crs = "EPSG:32633")
    terra::values(r) <- matrix(runif(12 * 14 * 6, 0, 10000), ncol = 6)
    r[1:2] <- NA
    terra::writeRaster(r, file.path(root, "images", sprintf("scene%d.tif", k)), datatype = "FLT4S", NAflag = -9999)
    m <- terra::rast(r[[1]], vals = as.vector(t(truth[k, , ])))
    terra::writeRaster(m, file.path(root, "masks", sprintf("scene%d_label.tif", k)), datatype = "INT1U")
  }
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
    c(water = 1, crop = 2, town = 3)))
  truth[, 1, 1:2] <- void_class
  batch <- batch_of(ds)
  expect_identical(as.numeric(batch$x$shape), c(3, 6, 12, 14))
  expect_identical(as_array(batch$y), truth)
  x <- as_array(batch$x)
  expect_true(all(x[, , 1, 1:2] == 0))
  expect_equal(sd(x[, 4, , ][truth > 0]), 1, tolerance = 1e-3)
  spec <- input_spec(ds)
  expect_identical(spec$type, "float32")
  expect_equal(spec$scaling$shift, rep(5000, 6), tolerance = 0.1)
  read <- read_input(ds$source$pairs$image[[1]], spec)
  expect_identical(which(!read$valid, arr.ind = TRUE)[, "col"], c(1L, 2L))
})

test_that("COCO polygons", {
  skip_if_not_installed("jsonlite")
  root <- layout()
  truth <- array(1L, c(3, 12, 14))
  images <- annotations <- list()
  for (k in 1:3) {
    file <- sprintf("%03d.png", k)
    image_write(matrix(runif(12 * 14), 12), file.path(root, "images", file))
    images[[k]] <- list(id = k, file_name = file)
    box <- c(k, 2, k + 5, 9)
    annotations[[k]] <- list(id = k, image_id = k, category_id = 1, area = 35,
      segmentation = list(box[c(1, 2, 3, 2, 3, 4, 1, 4)]))
    truth[k, 3:9, k + 1:5] <- 2L
  }
  file <- file.path(root, "instances.json")
  jsonlite::write_json(list(images = images, annotations = annotations, categories = list(list(id = 1, name = "ship"))),
    file, auto_unbox = TRUE)
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file))
  expect_batch(ds, 1, c(12, 14), truth)
  expect_identical(levels(class_table(ds)$class), c("background", "ship"))
})

test_that("a CSV of pairs, pictures of several sizes", {
  root <- layout()
  rows <- c(12, 24, 30)
  for (k in 1:3) {
    image_write(matrix(runif(rows[[k]] * 20), rows[[k]]), file.path(root, "images", sprintf("a%d.png", k)))
    image_write(matrix(rep(c(0L, 255L), each = rows[[k]] * 10), rows[[k]]),
      file.path(root, "masks", sprintf("b%d.png", k)))
  }
  table <- data.frame(image = sprintf("images/a%d.png", 1:3), mask = sprintf("masks/b%d.png", 1:3))
  write.csv(table, file.path(root, "pairs.csv"), row.names = FALSE)
  ds <- suppressMessages(segmentation_dataset(file.path(root, "pairs.csv"), classes = c(left = 0, right = 255),
    size = c(8, 10)))
  truth <- aperm(array(rep(1:2, each = 8 * 5), c(8, 10, 3)), c(3, 1, 2))
  expect_batch(ds, 1, c(8, 10), truth)
  chips <- suppressMessages(segmentation_dataset(file.path(root, "pairs.csv"), classes = c(left = 0, right = 255),
    crop = 16,
    overlap = 0.5))
  expect_false(input_spec(chips)$resize)
  # 20 columns: parts from 1 and 5; rows 12 (one, padded), 24 (from 1 and 9), 30 (from 1, 9 and 15).
  expect_length(chips, 2 * (1 + 2 + 3))
  first <- chips[1]
  expect_identical(as_array(first$y)[13:16, 1], rep(-100L, 4))
  expect_identical(as_array(first$y)[1, ], rep(1:2, c(10, 6)))
  expect_true(all(as_array(first$x)[1, 13:16, ] == 0))
})

test_that("sizes that differ, and classes that are made up, are told", {
  ds <- dataset(".", .getitem = function(i) list(x = torch_rand(3, 8, 8 + i), y = 1L), .length = function() 2L)()
  expect_error(batch_of(ds), "the first is \\[3 x 8 x 9\\] and number 2 is \\[3 x 8 x 10\\]. Resize in .getitem\\(\\)",
    class = "value_error")
  mask <- matrix(c(1L, 1L, 3L, 3L), 2, byrow = TRUE)
  expect_error(transform_resize(mask, c(5, 5)), "classes that the mask has not: 2", class = "value_error")
  expect_identical(sort(unique(as.vector(as_array(transform_resize(mask, c(5, 5), 0))))), c(1L, 3L))
})
