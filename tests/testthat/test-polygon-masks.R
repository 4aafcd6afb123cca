draw <- function(rings, size) {
  y <- matrix(0L, size[[1]], size[[2]])
  y[candela:::which_inside(rings, size)] <- 1L
  y
}

test_that("pixels whose middle lies inside are drawn, holes are left", {
  square <- rbind(c(1, 1), c(4, 1), c(4, 3), c(1, 3))
  expected <- matrix(0L, 4, 5)
  expected[2:3, 2:4] <- 1L
  expect_identical(draw(list(square), c(4, 5)), expected)
  outer <- rbind(c(0, 0), c(5, 0), c(5, 5), c(0, 5))
  hole <- rbind(c(1, 1), c(3, 1), c(3, 4), c(1, 4))
  y <- draw(list(outer, hole), c(5, 5))
  expect_identical(sum(y), 25L - 6L)
  expect_identical(y[2:4, 2:3], matrix(0L, 3, 2))
  expect_identical(sum(draw(list(outer * 10 - 20), c(5, 5))), 25L)
  triangle <- rbind(c(0, 0), c(100, 0), c(0, 100))
  expect_equal(sum(draw(list(triangle), c(100, 100))), 5000, tolerance = 0.02)
  expect_identical(sum(draw(list(square + 50), c(4, 5))), 0L)
})

test_that("run lengths of COCO are decoded, as numbers and as text", {
  mask <- matrix(c(0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0), 3)
  runs <- c(2, 3, 2, 2, 3)
  y <- matrix(0, 3, 4)
  y[candela:::which_in_runs(runs, c(3, 4), "a.json")] <- 1
  expect_identical(y, mask)
  # Written by the rule: differences from the fourth run on, five bits a character.
  expect_identical(candela:::coco_runs("2320O"), c(2, 3, 2, 3, 1))
  expect_identical(candela:::coco_runs("PR3"), 0 + 2 * 32 + 3 * 1024)
})

polygon_images <- function(root) {
  dir.create(root, recursive = TRUE)
  for (k in 1:2) image_write(array(0.5, c(8, 10, 3)), file.path(root, sprintf("p%d.png", k)))
}

test_that("COCO files are drawn", {
  skip_if_not_installed("jsonlite")
  root <- tempfile()
  polygon_images(file.path(root, "images"))
  coco <- list(
    images = list(list(id = 7, file_name = "p1.png", height = 8, width = 10), list(id = 9, file_name = "p2.png")),
    categories = list(list(id = 3, name = "cat"), list(id = 5, name = "dog")),
    annotations = list(
      list(id = 1, image_id = 7, category_id = 5, area = 4, segmentation = list(c(2, 2, 4, 2, 4, 4, 2, 4))),
      list(id = 2, image_id = 7, category_id = 3, area = 30, segmentation = list(c(1, 1, 7, 1, 7, 6, 1, 6)))
    )
  )
  file <- file.path(root, "instances.json")
  jsonlite::write_json(coco, file, auto_unbox = TRUE)
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file))
  expect_identical(levels(class_table(ds)$class), c("background", "cat", "dog"))
  y <- matrix(1L, 8, 10)
  y[2:6, 2:7] <- 2L
  y[3:4, 3:4] <- 3L
  expect_identical(as_array(ds[1]$y), y)
  expect_true(all(as_array(ds[2]$y) == 1))
  named <- suppressMessages(segmentation_dataset(file.path(root, "images"), file, classes = c("dog", "ground"),
    void = "cat"))
  expect_identical(sort(unique(as.vector(as_array(named[1]$y)))), c(-100L, 1L, 2L))
  coco$images[[2]]$file_name <- "gone.png"
  jsonlite::write_json(coco, file, auto_unbox = TRUE)
  expect_error(segmentation_dataset(file.path(root, "images"), file), "gone.png", class = "candela_error_pairs")
})

test_that("LabelMe files are drawn", {
  skip_if_not_installed("jsonlite")
  root <- tempfile()
  polygon_images(root)
  for (k in 1:2) {
    shapes <- list(
      list(label = "leaf", shape_type = "rectangle", points = list(c(1, 1), c(4, 3))),
      list(label = "hole", shape_type = "polygon", points = list(c(5, 0), c(8, 0), c(8, k), c(5, k)))
    )
    jsonlite::write_json(list(imagePath = sprintf("p%d.png", k), shapes = shapes),
      file.path(root, sprintf("p%d.json", k)),
      auto_unbox = TRUE)
  }
  ds <- suppressMessages(segmentation_dataset(root))
  expect_identical(levels(class_table(ds)$class), c("background", "hole", "leaf"))
  y <- matrix(1L, 8, 10)
  y[2:3, 2:4] <- 3L
  y[1:2, 6:8] <- 2L
  expect_identical(as_array(ds[2]$y), y)
})

test_that("polygons with coordinates are drawn on the grid of their image", {
  skip_if_not_installed("terra")
  skip_if_not("TIFF" %in% image_formats())
  file <- tempfile(fileext = ".tif")
  r <- terra::rast(nrows = 8, ncols = 10, xmin = 100, xmax = 200, ymin = 0, ymax = 80, vals = 1:80, crs = "EPSG:32633")
  terra::writeRaster(r, file, datatype = "INT2U")
  field <- terra::vect(c("POLYGON ((120 20, 150 20, 150 60, 120 60, 120 20))",
    "POLYGON ((160 0, 200 0, 200 10, 160 10, 160 0))"),
    crs = "EPSG:32633")
  field$class <- c("wheat", "rye")
  ds <- suppressMessages(segmentation_dataset(file, field))
  expect_identical(levels(class_table(ds)$class), c("background", "rye", "wheat"))
  y <- matrix(1L, 8, 10)
  y[3:6, 3:5] <- 3L
  y[8, 7:10] <- 2L
  expect_identical(as_array(ds[1]$y), y)
  vector <- tempfile(fileext = ".gpkg")
  terra::writeVector(field, vector)
  expect_identical(as_array(suppressMessages(segmentation_dataset(file, vector, c("wheat", "rye", "bare")))[1]$y)[3,
    3], 1L)
})

coco_file <- function(root, annotations, images = NULL, categories = list(list(id = 1, name = "ship"))) {
  if (is.null(images)) images <- list(list(id = "a", file_name = "p1.png"), list(id = "b", file_name = "p2.png"))
  file <- file.path(root, "coco.json")
  jsonlite::write_json(list(images = images, annotations = annotations, categories = categories), file,
    auto_unbox = TRUE)
  file
}

test_that("COCO files with texts for ids, boxes alone, unknown categories and other sizes", {
  skip_if_not_installed("jsonlite")
  root <- withr::local_tempdir()
  polygon_images(file.path(root, "images"))
  make <- function(...) suppressMessages(segmentation_dataset(file.path(root, "images"), coco_file(root, ...)))
  outline <- list(image_id = "b", category_id = 1, segmentation = list(c(2, 2, 4, 2, 4, 4, 2, 4)))
  expect_identical(sum(as_array(make(list(outline))[2]$y) == 2), 4L)
  boxed <- list(image_id = "a", category_id = 1, bbox = c(0, 0, 3, 3))
  expect_warning(make(list(outline, boxed)), "1 of 2 annotations have a box alone", class = "candela_warning_mask")
  outline$category_id <- 9
  expect_error(make(list(outline)), "category 9, but `categories` has 1 \\(ship\\)", class = "value_error")
  outline$category_id <- 1
  images <- list(list(id = "a", file_name = "p1.png"), list(id = "b", file_name = "p2.png", height = 16, width = 20))
  expect_error(make(list(outline), images)[2], "outlined at 16 x 20, but '.*p2.png' is 8 x 10", class = "value_error")
  outline$segmentation <- list(c(2, 2, 4))
  expect_error(make(list(outline)), "coco.json': an outline must have pairs", class = "value_error")
  crowd <- list(image_id = "b", category_id = 1, iscrowd = 1,
    segmentation = list(counts = c(10, 5, 65), size = c(8, 10)))
  expect_identical(which(as_array(make(list(crowd))[2]$y) == 2), 11:15)
  crowd$segmentation$counts <- c(10, 5)
  expect_error(make(list(crowd))[2], "coco.json': a run-length mask has 15 pixels", class = "value_error")
})

test_that("a folder that holds a COCO file, and JSON files that are something else beside pictures", {
  skip_if_not_installed("jsonlite")
  root <- withr::local_tempdir()
  polygon_images(file.path(root, "images"))
  dir.create(file.path(root, "annotations"))
  outline <- list(image_id = "b", category_id = 1, segmentation = list(c(2, 2, 4, 2, 4, 4, 2, 4)))
  file.copy(coco_file(root, list(outline)), file.path(root, "annotations", "train.json"))
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "annotations")))
  expect_identical(sum(as_array(ds[2]$y) == 2), 4L)
  file.copy(file.path(root, "coco.json"), file.path(root, "annotations", "val.json"))
  expect_error(segmentation_dataset(file.path(root, "images"), file.path(root, "annotations")),
    "2 COCO files: give the name of one", class = "value_error")
  for (k in 1:2) {
    image_write(matrix(255L * (k - 1L), 8, 10), file.path(root, "images", sprintf("p%d_mask.png", k)))
  }
  writeLines("{\"made\": \"today\"}", file.path(root, "images", "notes.json"))
  expect_length(suppressMessages(segmentation_dataset(file.path(root, "images"))), 2)
})

test_that("bitmaps of LabelMe are drawn", {
  skip_if_not_installed("jsonlite")
  root <- file.path(withr::local_tempdir(), "leaves")
  polygon_images(root)
  unlink(file.path(root, "p2.png"))
  png <- file.path(withr::local_tempdir(), "bitmap.png")
  image_write(matrix(c(255L, 255L, 255L, 0L, 255L, 255L), 2), png)
  bitmap <- jsonlite::base64_enc(readBin(png, "raw", 1e5))
  shape <- list(label = "leaf", shape_type = "mask", points = list(c(3, 1), c(5, 2)), mask = bitmap)
  write <- function(...) {
    jsonlite::write_json(list(imagePath = "p1.png", shapes = list(shape), ...), file.path(root, "p1.json"),
      auto_unbox = TRUE)
  }
  write(imageHeight = 8, imageWidth = 10)
  y <- matrix(1L, 8, 10)
  y[2:3, 4:6] <- 2L
  y[3, 5] <- 1L
  expect_identical(as_array(suppressMessages(segmentation_dataset(root))[1]$y), y)
  write(imageHeight = 80, imageWidth = 100)
  expect_error(suppressMessages(segmentation_dataset(root))[1], "outlined at 80 x 100", class = "value_error")
})
