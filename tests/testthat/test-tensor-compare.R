test_that("comparisons agree with R and broadcast", {
  a <- matrix(c(1, 2, 3, 4), 2)
  b <- c(2, 2)
  operators <- list(`==`, `!=`, `<`, `<=`, `>`, `>=`)
  for (f in operators) {
    expect_identical(as_array(f(torch_tensor(a), torch_tensor(b))), f(a, matrix(b, 2, 2)))
    expect_identical(as_array(f(torch_tensor(a), 2)), f(a, 2))
    expect_identical(as_array(f(2.5, torch_tensor(a))), f(2.5, a))
    expect_identical(as_array(f(torch_tensor(1:3), 2L)), f(1:3, 2L))
  }
  expect_equal(torch_eq(1, torch_tensor(a))$dtype, torch_bool())
  expect_error(torch_ones(2) == torch_ones(3), class = "value_error")
})

test_that("integers are compared with fractions as floats", {
  expect_identical(as_array(torch_tensor(1:3) > 1.5), c(FALSE, TRUE, TRUE))
})

test_that("logic treats everything but zero as true", {
  x <- torch_tensor(c(0, 1, NaN, -2))
  y <- torch_tensor(c(TRUE, TRUE, FALSE, FALSE))
  expect_identical(as_array(x & y), c(FALSE, TRUE, FALSE, FALSE))
  expect_identical(as_array(x | y), c(TRUE, TRUE, TRUE, TRUE))
  expect_identical(as_array(torch_logical_xor(x, y)), c(TRUE, FALSE, TRUE, TRUE))
  expect_identical(as_array(!x), c(TRUE, FALSE, FALSE, FALSE))
})

test_that("tests of single elements", {
  x <- torch_tensor(c(-Inf, 0, NaN, Inf))
  expect_identical(as_array(torch_isnan(x)), c(FALSE, FALSE, TRUE, FALSE))
  expect_identical(as_array(torch_isinf(x)), c(TRUE, FALSE, FALSE, TRUE))
  expect_identical(as_array(torch_isfinite(x)), c(FALSE, TRUE, FALSE, FALSE))
  expect_identical(as_array(torch_isfinite(torch_tensor(1:2))), c(TRUE, TRUE))
  expect_identical(as_array(torch_isinf(torch_tensor(1:2))), c(FALSE, FALSE))
})

test_that("closeness and equality", {
  x <- torch_tensor(c(1, NaN, Inf))
  expect_identical(as_array(torch_isclose(x, x)), c(TRUE, FALSE, TRUE))
  expect_true(torch_allclose(x, x, equal_nan = TRUE))
  expect_false(torch_allclose(torch_tensor(1), torch_tensor(1.1)))
  expect_true(torch_allclose(torch_tensor(1), torch_tensor(1.1), atol = 0.2))
  expect_false(torch_allclose(torch_tensor(1), torch_tensor(Inf)))
  expect_true(torch_equal(torch_tensor(1:3), torch_tensor(1:3)))
  expect_false(torch_equal(torch_ones(1, 3), torch_ones(3)))
  expect_true(torch_equal(torch_ones(0), torch_ones(0)))
})

test_that("all.equal() and expect_equal() compare the values of tensors", {
  x <- torch_tensor(c(1, 2))
  expect_true(all.equal(x, torch_tensor(c(1, 2 + 1e-10), dtype = torch_float())))
  expect_match(all.equal(x, torch_tensor(c(1, 3))), "Mean relative difference")
  expect_match(all.equal(x, torch_tensor(c(1, 2), dtype = torch_double())), "dtype: Float and Double")
  expect_match(all.equal(x, torch_tensor(1)), "shape: 2 and 1")
  expect_match(all.equal(x, c(1, 2)), "no tensor")
  testthat::local_edition(2)
  expect_failure(expect_equal(x, torch_tensor(c(1, 3))))
})
