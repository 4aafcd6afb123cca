owners <- function(images, masks) candela:::match_names(file.path("/data", images), file.path("/data", masks))

test_that("files go together by name", {
  expect_identical(owners(c("x/a.jpg", "x/b.jpg"), c("y/b.png", "y/a.png")), c(2L, 1L))
  expect_identical(owners(c("x/a.jpg", "x/b.jpg"), c("y/b_mask.png", "y/a_mask.png")), c(2L, 1L))
  expect_identical(owners(c("img_1.jpg", "img_2.jpg"), c("label_2.png", "label_1.png")), c(2L, 1L))
  expect_identical(owners(c("s/a/1.jpg", "s/b/1.jpg"), c("t/b/1.png", "t/a/1.png")), c(2L, 1L))
  expect_identical(owners(c("a.jpg", "b.jpg"), c("a.png", "c.png")), c(1L, NA))
})

test_that("a folder of masks belongs to one image", {
  expect_identical(
    owners(c("1/image.png", "2/image.png"), c("1/masks/a.png", "1/masks/b.png", "2/masks/a.png")), c(1L, 1L, 2L)
  )
  expect_identical(owners(c("i/1.png", "i/2.png"), c("m/1/a.png", "m/1/b.png", "m/2/a.png")), c(1L, 1L, 2L))
})

test_that("what does not match is listed both ways", {
  root <- drawn_cells(tempfile(), n = 4, size = 16)
  files <- file.path(root, c("images/cell-02.png", "masks/cell-03.png"))
  unlink(files)
  make <- function(...) {
    segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), c(background = 0, cell = 255), ...)
  }
  error <- expect_error(make(), class = "candela_error_pairs")
  expect_match(conditionMessage(error), "1 image without a mask: '.*images/cell-03.png'")
  expect_match(conditionMessage(error), "1 mask without an image: '.*masks/cell-02.png'")
  expect_warning(ds <- suppressMessages(make(missing = "background")), "cell-02", class = "candela_warning_pairs")
  expect_length(ds, 3)
  expect_identical(unique(as.vector(as_array(ds[2]$y))), 1L)
})

test_that("a table names pairs, groups and parts", {
  root <- drawn_cells(tempfile(), n = 3, size = 16)
  table <- data.frame(
    image = sprintf("images/cell-%02d.png", 1:3), mask = sprintf("masks/cell-%02d.png", 1:3),
    group = c("a", "a", "b"), split = c("train", "valid", "train")
  )
  file <- file.path(root, "pairs.csv")
  write.csv(table, file, row.names = FALSE)
  ds <- suppressMessages(segmentation_dataset(file, classes = c(background = 0, cell = 255)))
  expect_identical(lengths(split(ds)), c(train = 2L, valid = 1L))
  table$mask[[2]] <- "masks/gone.png"
  write.csv(table, file, row.names = FALSE)
  expect_error(segmentation_dataset(file, classes = c(background = 0, cell = 255)), "gone.png", class = "value_error")
})

test_that("a function names masks, or gives them", {
  root <- drawn_cells(tempfile(), n = 2, size = 16)
  images <- file.path(root, "images")
  of <- function(path) sub("images", "masks", path)
  by_name <- suppressMessages(segmentation_dataset(images, of, c(background = 0, cell = 255)))
  given <- suppressMessages(segmentation_dataset(images, function(path) image_labels(of(path)) / 255,
    c(background = 0, cell = 1)))
  expect_identical(as_array(by_name[1]$y), as_array(given[1]$y))
  none <- function(path) if (grepl("01", path)) of(path)
  expect_error(segmentation_dataset(images, none), "1 image without a mask: '.*cell-02.png'",
    class = "candela_error_pairs")
})

test_that("a folder of masks is found beside each image", {
  root <- tempfile()
  for (k in c("a", "b")) {
    dir.create(file.path(root, k, "masks"), recursive = TRUE)
    image_write(matrix(0.5, 4, 4), file.path(root, k, "image.png"))
    for (i in 1:2) image_write(matrix(as.integer(255 * (1:16 == i)), 4),
      file.path(root, k, "masks", sprintf("%d.png", i)))
  }
  classes <- c(background = 0, nucleus = 255)
  by_glob <- suppressMessages(segmentation_dataset(file.path(root, "*/image.png"), classes = classes))
  by_folder <- suppressMessages(segmentation_dataset(root, classes = classes))
  expect_identical(as.vector(as_array(by_glob[2]$y)), c(2L, 2L, rep(1L, 14)))
  expect_identical(by_folder$source$pairs$mask, by_glob$source$pairs$mask)
})

test_that("folders whose names end in such a word go together", {
  expect_identical(owners(c("r/train/a.jpg", "r/val/a.jpg"), c("r/valannot/a.png", "r/trainannot/a.png")), c(2L, 1L))
  expect_identical(owners(c("imagesTr/a.jpg", "imagesTs/a.jpg"), c("labelsTs/a.png", "labelsTr/a.png")), c(2L, 1L))
  expect_identical(owners(c("train_images/a.jpg", "val_images/a.jpg"), c("val_masks/a.png", "train_masks/a.png")),
    c(2L, 1L))
})

# A TIFF of 5 x 6 pixels with a page for each of the values, which fill it.
pages_of <- function(path, values) {
  page <- function(v) list(width = 6, height = 5, data = as.raw(rep(v, 30)))
  do.call(write_tiff, c(list(path), lapply(values, page)))
}

test_that("each page of a TIFF file is a pair, or one of them is chosen", {
  skip_if_not("TIFF" %in% image_formats())
  root <- withr::local_tempdir()
  for (folder in c("images", "masks")) dir.create(file.path(root, folder))
  pages_of(file.path(root, "images", "stack.tif"), c(10, 20, 30))
  pages_of(file.path(root, "masks", "stack.tif"), c(0, 255, 0))
  pages_of(file.path(root, "images", "one.tif"), 40)
  pages_of(file.path(root, "masks", "one.tif"), 255)
  make <- function(...) {
    suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
      c(background = 0, cell = 255), scale = "none", ...))
  }
  ds <- make()
  expect_length(ds, 4)
  values <- vapply(1:4, function(i) as_array(ds[i]$x)[1, 1, 1], 0)
  expect_equal(values, c(40, 10, 20, 30), tolerance = 1e-6)
  expect_identical(vapply(1:4, function(i) as_array(ds[i]$y)[1, 1], 0L), c(2L, 1L, 2L, 1L))
  expect_length(unique(ds$source$pairs$group), 4)
  expect_equal(mask_classes(ds)$pixels, c(60, 60))
  expect_equal(mask_classes(file.path(root, "masks"))$files, c(2, 2))
  expect_error(make(page = 2), "`page` is 2, but '.*one.tif' has 1", class = "value_error")
  unlink(file.path(root, c("images", "masks"), "one.tif"))
  second <- make(page = 2)
  expect_length(second, 1)
  expect_equal(as_array(second[1]$x)[1, 1, 1], 20)
  expect_identical(as_array(second[1]$y)[1, 1], 2L)
  expect_equal(as_array(read_input(second$source$pairs$image, input_spec(second))$x), as_array(second[1]$x))
  pages_of(file.path(root, "masks", "stack.tif"), 255)
  expect_error(make(), "has 3 pages, but its mask '.*' has 1 page. Give `page`", class = "value_error")
  expect_identical(as_array(make(page = 3)[1]$y)[1, 1], 2L)
  pages_of(file.path(root, "masks", "stack.tif"), c(0, 255))
  expect_error(make(), "has 3 pages, but its mask '.*' has 2 pages", class = "value_error")
})

test_that("words that all names share are left out, numbers are not", {
  expect_identical(owners(c("i/0001TP_1.png", "i/0001TP_2.png"), c("m/0001TP_2_L.png", "m/0001TP_1_L.png")), c(2L, 1L))
  expect_identical(owners(c("i/21_training.tif", "i/22_training.tif"), c("m/22_manual1.gif", "m/21_manual1.gif")),
    c(2L, 1L))
  city <- c("aachen_0_19", "bonn_0_19")
  expect_identical(owners(sprintf("leftImg8bit/train/a/%s_leftImg8bit.png", city),
    sprintf("gtFine/train/a/%s_gtFine_labelIds.png", rev(city))), c(2L, 1L))
  expect_identical(owners(c("i/1.png", "i/2.png", "i/10.png"), c("m/2020_1_L.png", "m/2020_2_L.png")),
    c(NA_integer_, NA_integer_))
  expect_identical(owners("volume.tif", "truth of it.tif"), 1L)
})

test_that("masks that are no such thing are refused", {
  root <- drawn_cells(withr::local_tempdir(), n = 1, size = 16)
  expect_error(segmentation_dataset(file.path(root, "images"), 1:3), "`masks` must be a folder", class = "value_error")
})
