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

resident_mb <- function() {
  pages <- as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1]][[2]])
  pages * 4096 / 2^20
}

test_that("gc() gives back what tensors no longer need, large and small", {
  skip_if_not(file.exists("/proc/self/statm"))
  skip_on_cran()
  code <- quote({
    library(candela)
    torch_set_num_threads(1)
    invisible(gc())
    before <- resident_mb()
    live <- torch_ones(2.5e6)
    garbage <- list(torch_ones(4e7), lapply(1:15000, function(i) torch_ones(1000)))
    peak <- resident_mb()
    rm(garbage)
    invisible(gc())
    c(before, peak, resident_mb(), candela_info()$memory[["in_use"]] / 2^20)
  })
  f <- function(resident_mb, code) eval(code)
  environment(f) <- globalenv()
  sizes <- callr::r(f, list(resident_mb, code), libpath = .libPaths())
  expect_gt(sizes[[2]] - sizes[[1]], 180)
  expect_lt(sizes[[3]] - sizes[[1]], 1.3 * sizes[[4]] + 64)
})

test_that("collections that R and the package begin keep what waits", {
  skip_on_cran()
  cached <- callr::r(function() {
    library(candela)
    x <- lapply(1:20, function(i) torch_ones(1e6))
    rm(x)
    gc(full = FALSE)
    system.time(0)
    young <- candela_info()$memory[["cached"]]
    gc()
    c(young, candela_info()$memory[["cached"]])
  }, libpath = .libPaths())
  expect_gt(cached[[1]], 60e6)
  expect_lt(cached[[2]], 26e6)
})

test_that("numbers of threads, bytes and seeds are whole and within what C holds", {
  before <- torch_get_num_threads()
  for (n in list(2.7, 0, Inf, NA)) {
    expect_error(torch_set_num_threads(n), "`num_threads` must be a whole number", class = "value_error")
  }
  expect_identical(torch_get_num_threads(), before)
  candela_memory_limit(1e30)
  expect_identical(as_array(torch_zeros(2)), c(0, 0))
  candela_memory_limit(0)
  expect_error(torch_manual_seed(1.5), "`seed` must be a whole number", class = "value_error")
  expect_error(synthetic_pets(tempfile(), n = 2.5), "`n` must be a whole number", class = "value_error")
  expect_error(drawn_cells(tempfile(), seed = "a"), "`seed` must be a whole number", class = "value_error")
})

test_that("collections are noticed also where other finalizers run in them", {
  freed <- 0
  count <- function(e) freed <<- freed + 1
  hooked <- function() {
    seen <- new.env(parent = baseenv())
    reg.finalizer(seen, count)
    x <- torch_ones(2, requires_grad = TRUE)
    y <- x * 2
    y$register_hook(eval(quote(function(grad) grad), seen))
    NULL
  }
  for (i in 1:4) {
    hooked()
    for (k in 1:3) gc()
    expect_identical(freed, i + 0)
  }
})
