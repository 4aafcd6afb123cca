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
