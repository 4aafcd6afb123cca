test_that("threads can be set and are told", {
  before <- torch_get_num_threads()
  on.exit(torch_set_num_threads(before))
  torch_set_num_threads(1)
  expect_identical(torch_get_num_threads(), 1L)
  expect_error(torch_set_num_threads(0), "at least 1", class = "value_error")
  expect_error(torch_set_num_threads("a"), "`num_threads`", class = "value_error")
})

test_that("scripts that ask for a graphics card are told the truth", {
  expect_false(cuda_is_available())
  expect_identical(cuda_device_count(), 0L)
  expect_error(cuda_current_device(), "CPU")
  expect_true(torch_is_installed())
  device <- torch_device(if (cuda_is_available()) "cuda" else "cpu")
  expect_output(print(device), "torch_device(type='cpu')", fixed = TRUE)
  expect_error(torch_device("quantum"), "cpu, cuda")
  expect_true(torch_ones(1)$device == torch_device("cpu"))
  expect_error(torch_ones(1)$cuda(), "computes on the CPU")
})

test_that("the instruction set can be lowered by the environment", {
  expect_identical(withr::with_envvar(c(CANDELA_SIMD = "plain"), candela_info()$simd), "plain")
  expect_identical(candela_info()$simd, candela_info()$simd_best)
})

test_that("a forked child computes, on one thread", {
  skip_on_os("windows")
  x <- torch_ones(1000, 1000)
  expected <- (x + x)$sum()$item()
  result <- parallel::mclapply(1:2, function(i) (x + x)$sum()$item(), mc.cores = 2)
  expect_equal(unlist(result), rep(expected, 2))
})
