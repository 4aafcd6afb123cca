test_that("normalising is (x - mean) / std in any order of memory and has its gradient", {
  mean <- c(0.1, 0.5, 0.9)
  std <- c(0.5, 2, 4)
  direct <- function(x) (x - torch_tensor(mean)$view(c(3, 1, 1))) / torch_tensor(std)$view(c(3, 1, 1))
  base <- torch_randn(2, 3, 19, 23)
  for (x in list(
    base, base$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3)), base[1, ..], base$transpose(3, 4),
    base[1, ..]$permute(c(2, 3, 1))$contiguous()$permute(c(3, 1, 2)), base[, , 2:5, ]
  )) {
    expect_identical(as_array(transform_normalize(x, mean, std)), as_array(direct(x)))
  }
  expect_equal(
    as_array(transform_normalize(base$to(dtype = torch_double()), mean, std)), as_array(direct(base)), tolerance = 1e-6
  )
  expect_gradient(function(x) transform_normalize(x, mean, std), torch_randn(3, 4, 5))
})
