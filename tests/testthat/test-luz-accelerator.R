test_that("everything stays on the CPU", {
  a <- accelerator(cuda_index = stop("not evaluated"))
  expect_equal(a$device, "cpu")
  model <- nn_linear(2, 1)
  expect_identical(a$prepare(model), model)
  expect_length(a$prepare(model, NULL), 2)
})
