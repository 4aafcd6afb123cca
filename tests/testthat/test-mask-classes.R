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
  expect_error(decode(stored, c(a = 255, b = 0)), "it holds 1 pixel of a value that no class has: 7", class = "value_error")
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
