test_that("to converts the dtype and leaves a tensor that has it alone", {
  x <- torch_tensor(c(1.7, -2))
  expect_identical(x$to(dtype = torch_float()), x)
  expect_identical(x$to(device = "cpu"), x)
  expect_identical(x$to("cpu"), x)
  expect_equal(as_array(x$to(dtype = torch_long())), c(1L, -2L))
  expect_true(x$to(torch_double())$dtype == torch_double())
  expect_true(x$to(torch_tensor(1L))$dtype == torch_long())
  expect_true(x$type_as(torch_tensor(TRUE))$dtype == torch_bool())
  expect_equal(as_array(torch_tensor(c(0, 2))$bool()), c(FALSE, TRUE))
  expect_true(x$double()$float()$dtype == torch_float())
  copy <- x$to(dtype = torch_float(), copy = TRUE)
  copy$fill_(0)
  expect_equal(as_array(x), c(1.7, -2), tolerance = 1e-6)
})

test_that("the gradient goes back through a cast", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- x$double()
  y$backward(torch_tensor(c(3, 4), dtype = torch_double()))
  expect_equal(as_array(x$grad), c(3, 4))
  expect_true(x$grad$dtype == torch_float())
})

test_that("another device or dtype that does not exist is an error", {
  x <- torch_zeros(1)
  expect_error(x$to(device = "cuda"), "computes on the CPU", class = "runtime_error")
  expect_error(x$to(dtype = "float128"), "must be a torch_dtype", class = "value_error")
})
