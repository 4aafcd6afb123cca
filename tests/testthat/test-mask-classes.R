plan <- function(classes, void = NULL) candela:::class_plan(classes, void)
decode <- function(values, classes, void = NULL, tolerance = 0) {
  y <- candela:::classes_of_values(values, plan(classes, void), tolerance, "it holds ")
  attr(y, "odd") <- NULL
  y
}

test_that("values become classes in their order", {
  stored <- matrix(c(0, 255, 7, 255), 2)
  expect_identical(decode(stored, c(a = 255, b = 0), void = 7), matrix(c(2L, 1L, -100L, 1L), 2))
  expect_identical(decode(stored, list(a = c(0, 7), b = 255)), matrix(c(1L, 2L, 1L, 2L), 2))
  expect_error(decode(stored, c(a = 255, b = 0)), "it holds 1 pixel of a value that no class has: 7",
    class = "value_error")
})

test_that("colours become classes", {
  colours <- matrix(c("#804080", "#FF0000", "#000000", "#804080"), 2)
  stored <- matrix(candela:::colour_code(colours), 2)
  expect_identical(decode(stored, c(road = "#804080", car = "red"), void = "black"), matrix(c(1L, 2L, -100L, 1L), 2))
})

test_that("values near a class are taken for it within the tolerance", {
  stored <- matrix(c(0, 3, 250, 255), 2)
  expect_error(decode(stored, c(a = 0, b = 255), tolerance = 4), "250", class = "value_error")
  expect_identical(decode(stored, c(a = 0, b = 255), tolerance = 5), matrix(c(1L, 1L, 2L, 2L), 2))
  stored <- matrix(candela:::colour_code(c("#7F4181", "#F50500")), 1)
  expect_identical(decode(stored, c(road = "#804080", car = "red"), tolerance = 10), matrix(1:2, 1))
})

test_that("a table of classes has names, values, colours and void", {
  file <- tempfile(fileext = ".csv")
  writeLines(c("value,name,red,green,blue", "0,sky,128,128,128", "1,car,64,0,128", "11,void,0,0,0"), file)
  found <- plan(file)
  expect_identical(found$classes$name, c("sky", "car"))
  expect_identical(found$classes$colour, c("#808080", "#400080"))
  expect_identical(found$void, 11)
  coloured <- candela:::plan_for_masks(found, TRUE)
  expect_identical(coloured$classes$value, candela:::colour_code(c("#808080", "#400080")))
  expect_identical(coloured$void, 0)
})

test_that("two classes of one value are refused", {
  expect_error(plan(c(a = 1, b = 1)), "two classes have the value 1", class = "value_error")
  expect_error(plan(c(a = "red", b = "#FF0000")), "#FF0000", class = "value_error")
})

test_that("masks are looked through", {
  folder <- tempfile()
  dir.create(folder)
  image_write(matrix(c(0L, 0L, 255L, 3L), 2), file.path(folder, "a.png"))
  image_write(matrix(c(0L, 0L, 0L, 255L), 2), file.path(folder, "b.png"))
  found <- mask_classes(folder)
  expect_identical(found$value, c(0, 255, 3))
  expect_identical(found$pixels, c(5, 2, 1))
  expect_identical(found$files, c(2L, 2L, 1L))
  expect_equal(found$share, c(5, 2, 1) / 8)
  expect_warning(named <- mask_classes(folder, c(background = 0, cell = 255)), "1 pixels .* `tolerance = 3`",
    class = "candela_warning_mask")
  expect_identical(as.character(named$class), c("background", "cell", NA))
  expect_identical(as.character(named$nearest), c(NA, NA, "background"))
  expect_silent(mask_classes(folder, c(background = 0, cell = 255), void = 3))
})

test_that("masks of colours, of grey as RGB and of palettes are looked through", {
  folder <- tempfile()
  dir.create(folder)
  pixels <- array(0L, c(2, 2, 3))
  pixels[1, 1, ] <- c(128L, 64L, 128L)
  image_write(pixels, file.path(folder, "a.png"))
  expect_identical(mask_classes(folder)$colour, c("#000000", "#804080"))
  grey <- file.path(folder, "grey.png")
  image_write(array(c(7L, 9L), c(1, 2, 3)), grey)
  expect_identical(mask_classes(grey)$value, c(7, 9))
  palette <- png_chunk("PLTE", as.raw(c(0, 0, 0, 255, 0, 0, 0, 128, 0)))
  indexed <- write_png(file.path(folder, "p.png"), 2, 1, 8, 3, c(0, 1, 2), palette)
  expect_identical(mask_classes(indexed)[c("value", "colour")],
    data.frame(value = c(1, 2), colour = c("#FF0000", "#008000")))
  ds <- suppressMessages(segmentation_dataset(indexed, function(path) path, c(a = "red", b = "#008000")))
  expect_identical(as_array(ds[1]$y), matrix(1:2, 1))
})

test_that("masks of one image are united or numbered", {
  a <- matrix(c(0L, 255L, 0L, 0L, 7L, 0L), 2)
  b <- matrix(c(0L, 3L, 9L, 0L, 0L, 0L), 2)
  files <- c(tempfile(fileext = ".png"), tempfile(fileext = ".png"))
  image_write(a, files[[1]])
  image_write(b, files[[2]])
  expect_identical(candela:::read_mask_files(files, NULL)$values, pmax(a, b))
  expect_identical(candela:::read_mask_files(files, NULL, "number")$values, matrix(c(0L, 2L, 2L, 0L, 1L, 0L), 2))
  image_write(b[, 1:2], files[[2]])
  expect_error(candela:::read_mask_files(files, NULL), "2 x 3 and 2 x 2", class = "value_error")
})
