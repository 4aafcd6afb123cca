test_that("R types give the peer's dtypes and keep index order", {
  expect_true(torch_tensor(1)$dtype == torch_float())
  expect_true(torch_tensor(1L)$dtype == torch_long())
  expect_true(torch_tensor(TRUE)$dtype == torch_bool())
  expect_true(torch_tensor(as.raw(1))$dtype == torch_uint8())
  expect_true(torch_tensor(factor(c("b", "a")))$dtype == torch_long())
  x <- array(as.double(1:24), c(2, 3, 4))
  expect_equal(as_array(torch_tensor(x)), x)
  expect_equal(dim(torch_tensor(5)), 1L)
  expect_equal(length(dim(torch_scalar_tensor(5))), 0L)
  expect_true(is.nan(as_array(torch_tensor(NA_real_))))
  expect_equal(dim(torch_tensor(NULL)), 0L)
})

test_that("dtype arguments are objects or names, and wrong ones are named", {
  expect_true(torch_tensor(1, dtype = "double")$dtype == torch_float64())
  expect_true(torch_zeros(2, dtype = torch_long())$dtype == torch_int64())
  expect_error(torch_tensor(1, dtype = "complex"), "`dtype` must be a torch_dtype", class = "value_error")
  expect_output(print(torch_float()), "torch_Float", fixed = TRUE)
})

test_that("data that cannot become a tensor is refused with the reason", {
  expect_error(torch_tensor("a"), "numeric, logical or raw", class = "value_error")
  expect_error(torch_tensor(list(1, 2)), "torch_stack", class = "value_error")
  expect_error(torch_tensor(c(1L, NA)), "element 2 is NA", class = "candela_error_value")
  expect_error(torch_zeros(-1), "at least 0", class = "value_error")
  expect_error(torch_zeros(1.5), "whole numbers", class = "value_error")
  expect_error(torch_zeros(2, device = "cuda"), "computes on the CPU")
  expect_error(torch_zeros(1e6, 1e6, 1e6), "cannot allocate|larger than", class = "candela_error_memory")
})

test_that("sizes come as numbers, one vector, or size", {
  expect_equal(dim(torch_zeros(2, 3)), c(2L, 3L))
  expect_equal(dim(torch_zeros(c(2, 3))), c(2L, 3L))
  expect_equal(dim(torch_zeros(size = c(2, 3))), c(2L, 3L))
  expect_error(torch_zeros(2, size = 3), "not both", class = "value_error")
  expect_equal(dim(torch_zeros(0, 3)), c(0L, 3L))
})

test_that("filled and like tensors", {
  expect_equal(as_array(torch_full(c(2, 2), 7)), matrix(7, 2, 2))
  expect_true(torch_full(2, 1L)$dtype == torch_long())
  like <- torch_ones_like(torch_zeros(3, dtype = "long"))
  expect_identical(as_array(like), c(1L, 1L, 1L))
  expect_equal(as_array(torch_eye(2, 3)), diag(1, 2, 3))
  expect_equal(as_array(torch_arange(1, 5)), 1:5 + 0)
  expect_equal(as_array(torch_linspace(0, 1, steps = 5)), seq(0, 1, length.out = 5))
  expect_error(torch_arange(1, 5, step = -1), "inconsistent")
  x <- torch_empty(2, 2)
  x$fill_(3)
  expect_equal(as_array(x), matrix(3, 2, 2))
  x$zero_()
  expect_equal(as_array(x), matrix(0, 2, 2))
  x$copy_(torch_tensor(c(1, 2)))
  expect_equal(as_array(x), matrix(c(1, 1, 2, 2), 2))
})

test_that("a tensor from a saved workspace says what to do", {
  file <- withr::local_tempfile()
  saveRDS(torch_ones(2), file)
  expect_error(as_array(readRDS(file)), "torch_save", class = "candela_error_value")
})

test_that("a limit on memory gives an error, and the session goes on", {
  candela_memory_limit(1e8)
  on.exit(candela_memory_limit(0))
  expect_error(torch_zeros(1e8), "cannot allocate 400.0 MB", class = "candela_error_memory")
  expect_equal(as_array(torch_ones(1)), 1)
})
