test_that("functions of tensors are methods, and write into the tensor where their name ends so", {
  x <- torch_tensor(c(0.5, 2))
  expect_equal(as_array(x$lgamma()), lgamma(c(0.5, 2)), tolerance = 1e-6)
  expect_equal(as_array(x$clone()$lgamma_()), lgamma(c(0.5, 2)), tolerance = 1e-6)
  y <- x$clone()
  y$addcmul_(x, x, value = 2)
  expect_equal(as_array(y), c(1, 10))
  expect_equal(x$quantile(0.5)$item(), 1.25)
  expect_equal(as_array(x$negative()), c(-0.5, -2))
  expect_error(x$sum_(), "no method or field `sum_`", class = "value_error")
  expect_error(x$load(), "no method or field `load`", class = "value_error")
  expect_true("lgamma(" %in% .DollarNames(x, "lgam"))
  expect_error(torch_ones(2, requires_grad = TRUE)$lgamma_(), "leaf")
})

test_that("fields are read and set by name in double brackets, and in-place methods show their tensor", {
  x <- torch_ones(2)
  x[["requires_grad"]] <- TRUE
  expect_true(x[["requires_grad"]])
  expect_visible(torch_ones(2)$add_(1))
  expect_visible(torch_ones(2, 1)$squeeze_())
  expect_identical(x$ptr, x)
})

test_that("tensors are compared by type, shape and elements", {
  expect_equal(torch_ones(2), torch_ones(2))
  expect_failure(expect_equal(torch_ones(2), torch_ones(2, dtype = "double")))
  expect_failure(expect_equal(torch_ones(2), torch_tensor(c(1, 2))))
})

test_that("devices compare, and cuda may stand for the CPU", {
  expect_true(torch_device("cpu") != torch_device("cuda"))
  expect_false(torch_device("cpu") != "cpu")
  expect_error(torch_device(""), "Expected one of", class = "runtime_error")
  expect_error(torch_ones(2)$to(device = "cuda"), "not available", class = "runtime_error")
  before <- options(candela.cuda = "cpu")
  on.exit(options(before))
  expect_equal(torch_ones(2, device = "cuda")$to(device = "cuda:0")$cuda()$shape, 2)
  expect_error(torch_ones(2, device = "mps"), "not available", class = "runtime_error")
})

test_that("positions, sizes and factors are taken as torch takes them", {
  expect_equal(torch_zeros(2.7, 3)$shape, c(2, 3))
  expect_equal(torch_zeros(6)$view(c(2.9, 3))$shape, c(2, 3))
  expect_equal(as_array(torch_arange(4)), c(1, 2, 3, 4))
  expect_equal(as_array(torch_arange(torch_tensor(2), torch_tensor(4))), c(2, 3, 4))
  expect_equal(sort(as_array(torch_randperm(5))), 0:4)
  expect_equal(torch_normal(0, 1, 3, dtype = torch_double())$dtype, torch_double())
  expect_equal(as_array(torch_zeros(2, 2)$scatter(2, matrix(1L, 2, 1), value = 3)), cbind(c(3, 3), 0))
  expect_equal(as_array(torch_zeros(2)$index_add(1, 1L, 2, alpha = 3)), c(6, 0))
  expect_equal(torch_einsum("i,i->", list(c(1, 2), c(3, 4)), path = NULL)$item(), 11)
  expect_error(torch_tensor(data.frame(a = 1)), "as.matrix()", fixed = TRUE)
  expect_equal(as_array(log2(torch_tensor(8))), 3)
  expect_equal(as_array(log10(torch_tensor(100))), 2)
})

test_that("%*% multiplies tensors", {
  skip_if(getRversion() < "4.3.0")
  m <- matrix(c(1, 2, 3, 4), 2)
  expect_equal(as_array(torch_tensor(m) %*% m), m %*% m)
  expect_equal(as_array(m %*% torch_tensor(c(1, 1))), c(4, 6))
})
