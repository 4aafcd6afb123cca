cells <- function(n = 6, size = 32, ...) {
  root <- drawn_cells(tempfile("cells-"), n = n, size = size)
  quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), ...))
}
quietly <- function(code) suppressMessages(code, classes = "candela_message_dataset")
two_classes <- c(background = 0, cell = 255)

test_that("pairs of a folder become pictures and classes", {
  ds <- cells(classes = two_classes)
  expect_length(ds, 6)
  item <- ds[2]
  expect_identical(as.numeric(item$x$shape), c(1, 32, 32))
  expect_identical(item$y$dtype, torch_long())
  file <- ds$source$pairs$image[[2]]
  stored <- image_labels(sub("images", "masks", file))
  expect_identical(as_array(item$y), ifelse(stored == 255L, 2L, 1L))
  scaling <- input_spec(ds)$scaling
  expect_identical(scaling$method, "normalise")
  expect_equal(as_array(item$x)[1, , ], (image_labels(file) - scaling$shift) / scaling$factor, tolerance = 1e-5)
  all_values <- unlist(lapply(ds$source$pairs$image, image_labels))
  expect_equal(c(scaling$shift, scaling$factor), c(mean(all_values), sd(all_values)), tolerance = 1e-5)
})

test_that("what a model needs to know is a plain list", {
  ds <- cells(classes = two_classes)
  spec <- input_spec(ds)
  expect_identical(levels(class_table(ds)$class), c("background", "cell"))
  expect_identical(class_table(spec), class_table(ds))
  expect_identical(unserialize(serialize(spec, NULL)), spec)
  expect_identical(spec$void, -100L)
  expect_identical(spec[c("channels", "type", "resize")], list(channels = 1L, type = "uint8", resize = TRUE))
  read <- read_input(ds$source$pairs$image[[3]], spec)
  expect_equal(as_array(read$x), as_array(ds[3]$x))
  expect_identical(read$size, c(32, 32))
})

test_that("a picture of other bands is refused with both named", {
  spec <- input_spec(cells(classes = two_classes))
  file <- tempfile(fileext = ".png")
  image_write(array(0.5, c(8, 8, 3)), file)
  expect_error(read_input(file, spec), "3 bands of type uint8, but the model was trained on 1 of type uint8",
    class = "value_error")
  image_write(matrix(0.5, 8, 8), file, bits = 16)
  expect_error(read_input(file, spec), "1 band of type uint16, but", class = "value_error")
})

test_that("parts are reproducible, disjoint, and scale as the training part", {
  ds <- cells(n = 10, classes = two_classes)
  parts <- split(ds, c(train = 0.6, valid = 0.2, test = 0.2))
  expect_identical(lengths(parts), c(train = 6L, valid = 2L, test = 2L))
  expect_identical(split(ds, c(train = 0.6, valid = 0.2, test = 0.2))$valid$items, parts$valid$items)
  expect_setequal(unlist(lapply(parts, function(p) p$items)), 1:10)
  expect_identical(input_spec(parts$test), input_spec(parts$train))
  expect_false(identical(input_spec(ds)$scaling, input_spec(parts$train)$scaling))
})

test_that("groups stay together", {
  root <- drawn_cells(tempfile(), n = 12, size = 16)
  of <- function(path) as.integer(substr(basename(path), 6, 7)) %/% 3
  ds <- quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), two_classes, group = of))
  for (part in split(ds, 3)) {
    groups <- lapply(part, function(p) unique(ds$source$pairs$group[p$items]))
    expect_length(intersect(groups$train, groups$valid), 0)
  }
})

test_that("classes are weighed by counts", {
  ds <- cells(classes = two_classes)
  stored <- unlist(lapply(list.files(dirname(sub("images", "masks", ds$source$pairs$image[[1]])), full.names = TRUE),
    image_labels))
  expect_identical(class_counts(ds), c(background = sum(stored == 0), cell = sum(stored == 255)) + 0)
})

test_that("a dataset is drawn", {
  withr::local_pdf(NULL)
  expect_silent(plot(cells(classes = two_classes), 1:2))
})
