test_that("vectors: one element a line, footer with dtype and shape", {
  expect_output(print(torch_tensor(1:3)), "torch_tensor\n 1\n 2\n 3\n[ CPULongType{3} ]", fixed = TRUE)
  expect_output(print(torch_tensor(c(1, 2.5))), "torch_tensor\n 1.0000\n 2.5000\n[ CPUFloatType{2} ]", fixed = TRUE)
  expect_output(print(torch_tensor(c(TRUE, FALSE))), " 1\n 0\n[ CPUBoolType{2} ]", fixed = TRUE)
  expect_output(print(torch_tensor(as.raw(7))), " 7\n[ CPUByteType{1} ]", fixed = TRUE)
  expect_output(print(torch_tensor(0.5, dtype = torch_float64())), " 0.5000\n[ CPUDoubleType{1} ]", fixed = TRUE)
})

test_that("0-d tensors", {
  expect_output(print(torch_tensor(32L)$reshape(integer())), "torch_tensor\n32\n[ CPULongType{} ]", fixed = TRUE)
  expect_output(print(torch_tensor(0.1)$reshape(integer())), "torch_tensor\n0.1\n[ CPUFloatType{} ]", fixed = TRUE)
})

test_that("matrices, and slices of more dimensions with the first index fastest", {
  expect_output(
    print(torch_tensor(matrix(c(1, 2.5, -3, 4), 2))),
    "torch_tensor\n 1.0000 -3.0000\n 2.5000  4.0000\n[ CPUFloatType{2,2} ]",
    fixed = TRUE
  )
  x <- torch_tensor(aperm(array(1:16, c(2, 2, 2, 2)), 4:1))
  expect_output(print(x), paste(c(
    "torch_tensor",
    "(1,1,.,.) = ", "  1  2", "  3  4", "",
    "(2,1,.,.) = ", "   9  10", "  11  12", "",
    "(1,2,.,.) = ", "  5  6", "  7  8", "",
    "(2,2,.,.) = ", "  13  14", "  15  16",
    "[ CPULongType{2,2,2,2} ]"
  ), collapse = "\n"), fixed = TRUE)
})

test_that("the number format follows the range of the values", {
  expect_output(print(torch_tensor(c(0.01, 1000.5))), "1.0000e-02\n 1.0005e+03", fixed = TRUE, info = "5 digits apart")
  expect_output(print(torch_tensor(c(1000, 2000.5))), " 1000.0000\n 2000.5000", fixed = TRUE)
  expect_output(print(torch_tensor(c(123456.5, 234567.5))), "100000 *\n 1.2346\n 2.3457", fixed = TRUE)
  expect_output(print(torch_tensor(c(0.01, 0.02))), "0.01 *\n 1.0000\n 2.0000", fixed = TRUE)
  expect_output(print(torch_tensor(c(12345678901, 1))), "1.2346e+10\n 1.0000e+00", fixed = TRUE)
  expect_output(print(torch_tensor(matrix(c(0.001, 0.002, 0.003, 0.004), 2))),
    "torch_tensor\n0.001 *\n 1.0000  3.0000\n  2.0000  4.0000\n[", fixed = TRUE)
})

test_that("values that are not finite", {
  expect_output(print(torch_tensor(c(NaN, Inf, -Inf))), "torch_tensor\nnan\ninf\n-inf\n[ CPUFloatType{3} ]",
    fixed = TRUE)
  expect_output(print(torch_tensor(c(1.5, NA))), " 1.5000\n    nan\n", fixed = TRUE)
})

test_that("wide matrices are printed by groups of columns", {
  x <- torch_tensor(matrix(0.5, 2, 13))
  row <- function(n) paste(rep(" 0.5000", n), collapse = " ")
  expect_output(print(x), paste0(
    "torch_tensor\nColumns 1 to 10", row(10), "\n", row(10), "\n\nColumns 11 to 13", row(3), "\n", row(3),
    "\n[ CPUFloatType{2,13} ]"
  ), fixed = TRUE)
})

test_that("long output is cut at n lines", {
  x <- torch_tensor(1:84)
  lines <- capture.output(print(x))
  expect_length(lines, 33)
  expect_equal(lines[31:33], c(" 30", "... [the output was truncated (use n=-1 to disable)]", "[ CPULongType{84} ]"))
  expect_length(capture.output(print(x, n = -1)), 86)
  expect_length(capture.output(print(x, n = 3)), 6)
  expect_length(capture.output(print(torch_tensor(1:28))), 30)
})

test_that("what is not shown is not formatted", {
  # To format all of its elements would take days, and more memory than there is.
  big <- torch_zeros(1)$expand(c(1e6, 1000, 1000))
  expect_length(capture.output(print(big)), 33)
})

test_that("the suffix tells how a tensor came about", {
  x <- torch_tensor(2, requires_grad = TRUE)
  expect_output(print(x), "[ CPUFloatType{1} ][ requires_grad = TRUE ]", fixed = TRUE)
  expect_output(print(torch_cat(list(x))), "[ CPUFloatType{1} ][ grad_fn = <CatBackward0> ]", fixed = TRUE)
  expect_output(print(torch_stack(list(x))), "<StackBackward0>", fixed = TRUE)
  expect_output(print(x[1:1]), "<SliceBackward0>", fixed = TRUE)
  expect_output(print(x[1]), "<SelectBackward0>", fixed = TRUE)
})

test_that("tensors without elements and print's value", {
  expect_output(print(torch_tensor(matrix(numeric(), 0, 3))), "torch_tensor\n[ CPUFloatType{0,3} ]", fixed = TRUE)
  x <- torch_tensor(1)
  capture.output(expect_invisible(print(x)))
})

test_that("one line for str() and format()", {
  expect_output(str(torch_tensor(matrix(1:6, 2))), "Long [1:2, 1:3]", fixed = TRUE)
  expect_equal(format(torch_tensor(1.5)), "Float [1:1]")
  expect_equal(format(torch_tensor(1.5)$reshape(integer())), "Float [scalar]")
})
