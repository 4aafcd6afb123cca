# Real interrupts: the process sends itself SIGINT, in the middle of what a user may stop.

skip_on_os("windows")

press_ctrl_c <- function() tools::pskill(Sys.getpid(), tools::SIGINT)

# Evaluates code; "interrupted" if an interrupt ended it.
outcome <- function(code) tryCatch({force(code); "finished"}, interrupt = function(e) "interrupted")

expect_engine_works <- function() {
  w <- torch_ones(3, requires_grad = TRUE)
  (w * 2)$sum()$backward()
  expect_equal(as.array(w$grad), c(2, 2, 2))
}

# Items; the one numbered `at` comes with an interrupt.
interrupting_data <- dataset(
  initialize = function(at) self$at <- at,
  .getitem = function(i) {
    if (i == self$at) press_ctrl_c()
    list(torch_ones(2) * i, torch_ones(1))
  },
  .length = function() 64
)

linear_setup <- function() {
  nn_linear %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_hparams(in_features = 2, out_features = 1) %>%
    set_opt_hparams(lr = 1e-6)
}

test_that("fit() returns the model as trained so far, wherever the interrupt comes", {
  data <- list(torch_randn(64, 2), torch_randn(64, 1))
  for (breakpoint in c("on_train_begin", "on_train_batch_after_pred", "on_train_batch_before_backward",
    "on_train_batch_end")) {
    halt <- list(function() if (ctx$epoch == 2) press_ctrl_c())
    callback <- rlang::inject(luz_callback(!!!stats::setNames(halt, breakpoint)))
    suppressMessages(result <- outcome(
      fitted <- fit(linear_setup(), data, epochs = 500, callbacks = callback(), verbose = FALSE)
    ))
    expect_identical(result, "finished", label = breakpoint)
    expect_lt(nrow(get_metrics(fitted)), 500)
    expect_equal(dim(predict(fitted, data[[1]])), c(64, 1))
    expect_engine_works()
  }
})

test_that("fit() stops while items are read", {
  suppressMessages(fitted <- fit(linear_setup(), interrupting_data(40), epochs = 3, verbose = FALSE,
    dataloader_options = list(batch_size = 8)))
  expect_s3_class(fitted, "luz_module_fitted")
  expect_engine_works()
})

test_that("lr_finder() gives what it has", {
  suppressMessages(result <- outcome(
    records <- lr_finder(linear_setup(), interrupting_data(40), steps = 10, dataloader_options = list(batch_size = 8))
  ))
  expect_identical(result, "finished")
  expect_lt(nrow(records), 10)
  expect_engine_works()
})

test_that("predict() and evaluate() end with the interrupt, and gradients are recorded again", {
  fitted <- fit(linear_setup(), list(torch_randn(32, 2), torch_randn(32, 1)), epochs = 1, verbose = FALSE)
  expect_identical(outcome(predict(fitted, interrupting_data(5))), "interrupted")
  expect_engine_works()
  expect_identical(outcome(evaluate(fitted, interrupting_data(5))), "interrupted")
  expect_engine_works()
})

test_that("long computations stop", {
  w <- torch_randn(16, 16, 3, 3, requires_grad = TRUE)
  x <- torch_randn(1, 16, 32, 32)
  expect_identical(outcome({
    y <- x
    for (i in 1:200) y <- nnf_conv2d(y, w, padding = 1) * 0.1
    press_ctrl_c()
    y$sum()$backward()
  }), "interrupted")
  expect_identical(outcome({
    press_ctrl_c()
    torch_randn(400000)$sort()
    Sys.sleep(5)
  }), "interrupted")
  expect_engine_works()
})

test_that("decoding images stops", {
  file <- withr::local_tempfile(fileext = ".png")
  image_write(array(stats::runif(100 * 100 * 3), c(100, 100, 3)), file)
  expect_identical(outcome({
    press_ctrl_c()
    for (i in 1:1000) read_image_batch(rep(file, 8), size = c(32, 32))
  }), "interrupted")
  expect_equal(dim(image_read(file)), c(100, 100, 3))
})

test_that("forked children compute after a parallel region", {
  x <- torch_randn(300, 300)
  expected <- x$matmul(x)$sum()$item()
  children <- parallel::mclapply(1:2, function(i) x$matmul(x)$sum()$item(), mc.cores = 2)
  expect_equal(unlist(children), rep(expected, 2))
  expect_equal(x$matmul(x)$sum()$item(), expected)
})

# Whether code that takes ten seconds and more ends soon after an interrupt, and nothing comes later. A machine that
# is idle needs less than one second.
expect_stops <- function(code, label) {
  pid <- Sys.getpid()
  system(sprintf("(sleep 0.15; kill -INT %d) &", pid))
  took <- system.time(result <- outcome(code), gcFirst = FALSE)[["elapsed"]]
  expect_identical(result, "interrupted", label = label)
  expect_lt(took, 15, label = label)
  expect_identical(outcome(Sys.sleep(0.05)), "finished", label = label)
}

test_that("drawing, products and conversions of many numbers stop", {
  skip_on_cran()
  expect_stops(torch_randn(4e8), "randn()")
  gc()
  expect_stops(torch_randperm(2e8), "randperm()")
  gc()
  x <- torch_ones(c(1, 1))$expand(c(10000, 10000))$contiguous()
  expect_stops(torch_matmul(x, x), "matmul() of float32")
  y <- torch_ones(3000, 3000, dtype = torch_double())
  expect_stops(torch_matmul(y, y), "matmul() of float64")
  z <- torch_ones(c(1, 1), dtype = torch_long())$expand(c(2500, 2500))$contiguous()
  expect_stops(torch_matmul(z, z), "matmul() of int64")
  expect_stops(for (i in 1:100) x$to(dtype = torch_double()), "conversion")
  expect_engine_works()
})

test_that("convolutions, functions of elements and decompositions stop, and give the same afterwards", {
  skip_on_cran()
  image <- torch_ones(1, 64, 900, 900)
  weight <- torch_ones(96, 64, 5, 5)
  expect_stops(for (i in 1:10) as_array(nnf_conv2d(image, weight)[1, 1, 1, 1]), "a convolution")
  expect_equal(as_array(nnf_conv2d(image[, , 1:8, 1:8], weight)[1, 1, 1, 1]), 64 * 25)
  doubles <- torch_ones(1, 16, 64, 64, dtype = torch_double())
  kernel <- torch_ones(16, 16, 5, 5, dtype = torch_double())
  expect_stops(for (i in 1:100) as_array(nnf_conv2d(doubles, kernel)[1, 1, 1, 1]), "a convolution of float64")
  x <- torch_ones(1)$expand(3e7)$contiguous()
  expect_stops(for (i in 1:100) torch_digamma(x), "functions of elements")
  a <- torch_randn(900, 900)
  expect_stops(for (i in 1:20) linalg_svd(a), "singular values")
  expect_stops(for (i in 1:200) linalg_inv(a), "an inverse")
  small <- torch_eye(300) * 2
  expect_equal(as_array(linalg_inv(small)), diag(300) / 2)
  expect_engine_works()
})

test_that("statistics of a batch stay as they were where a batch norm is cut short", {
  skip_on_cran()
  norm <- nn_batch_norm2d(4)
  x <- torch_ones(1, 4, 3000, 3000)
  expect_stops(for (i in 1:200) as_array(norm(x)[1, 1, 1, 1]), "a batch norm")
  expect_true(all(is.finite(as_array(norm$running_mean))), all(is.finite(as_array(norm$running_var))))
})

test_that("forked children draw numbers of their own, the same each time", {
  draw <- function() {
    torch_manual_seed(5)
    unlist(parallel::mclapply(1:3, function(i) as_array(torch_rand(1)), mc.cores = 3, mc.preschedule = FALSE))
  }
  first <- draw()
  expect_length(unique(c(first, with_torch_manual_seed(as_array(torch_rand(1)), seed = 5))), 4)
  torch_manual_seed(5)
  after <- as_array(torch_rand(1))
  expect_equal(after, with_torch_manual_seed(as_array(torch_rand(1)), seed = 5))
})
