# What the reference cases do not cover: other shapes, gradients by differences, threads, errors.

# A random float64 array.
random <- function(...) array(stats::rnorm(prod(...)), c(...))

test_that("gradients agree with finite differences", {
  set.seed(1)
  x <- random(2, 3, 5, 4)
  functions <- list(
    function(x) nnf_max_pool2d(x, 3, stride = 2, padding = 1),
    function(x) nnf_avg_pool2d(x, c(3, 2), stride = 1, padding = 1, count_include_pad = FALSE),
    function(x) nnf_adaptive_avg_pool2d(x, c(3, 3)),
    function(x) nnf_interpolate(x, size = c(7, 3), mode = "bicubic"),
    function(x) nnf_group_norm(x, 3), function(x) nnf_layer_norm(x, c(5, 4)), function(x) nnf_normalize(x),
    function(x) nnf_pad(x, c(1, 2, 2, 0), mode = "reflect"), function(x) nnf_pad(x, c(1, -1)),
    function(x) nnf_unfold(x, 2, padding = 1), nnf_selu, nnf_celu, nnf_hardsigmoid, nnf_logsigmoid,
    function(x) nnf_gelu(x, "tanh"), function(x) nnf_softmax(x, 3)
  )
  for (f in functions) expect_gradient(f, x)
})

test_that("sampling an image at an identity grid gives the image", {
  x <- torch_tensor(random(2, 3, 4, 5))
  theta <- torch_tensor(aperm(array(c(1, 0, 0, 0, 1, 0), c(3, 2, 2)), c(3, 2, 1)))
  y <- nnf_grid_sample(x, nnf_affine_grid(theta, c(2, 3, 4, 5)))
  expect_equal(as.array(y), as.array(x), tolerance = 1e-5)
})

test_that("folding unfolded images counts every pixel", {
  x <- torch_ones(1, 2, 4, 4)
  y <- nnf_fold(nnf_unfold(x, 2), c(4, 4), 2)
  expect_equal(as.array(y)[1, 1, , ], outer(c(1, 2, 2, 1), c(1, 2, 2, 1)))
})

test_that("windows and padding at the edges", {
  x <- torch_tensor(array(1:5, c(1, 1, 5)))$to(dtype = torch_float())
  expect_equal(as.numeric(as.array(nnf_max_pool1d(x, 2, ceil_mode = TRUE))), c(2, 4, 5))
  expect_equal(as.numeric(as.array(nnf_avg_pool1d(x, 2, ceil_mode = TRUE))), c(1.5, 3.5, 5))
  expect_equal(as.numeric(as.array(nnf_pad(x, c(2, 1), mode = "circular"))), c(4, 5, 1:5, 1))
  places <- nnf_max_pool1d(x, 2, return_indices = TRUE)[[2]]
  expect_equal(as.numeric(as.array(places)), c(2, 4))
})

test_that("results do not depend on the number of threads", {
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  x <- nnf_conv2d(torch_randn(4, 3, 33, 31), torch_randn(19, 3, 3, 3))$detach()
  target <- torch_randint(1, 20, c(4, 31, 29), dtype = torch_long())
  run <- function(n) {
    torch_set_num_threads(n)
    leaf <- x$clone()$requires_grad_(TRUE)
    y <- nnf_batch_norm(leaf, torch_zeros(19), torch_ones(19), training = TRUE)
    loss <- nnf_cross_entropy(y, target)
    loss$backward()
    list(as.array(loss), as.array(leaf$grad))
  }
  expect_identical(run(1), run(2))
})

test_that("batch statistics are right far from zero", {
  x <- random(50, 2) + 1e4
  running <- torch_zeros(2)
  nnf_batch_norm(torch_tensor(x), running, torch_ones(2), training = TRUE, momentum = 1)
  expect_equal(as.numeric(as.array(running)), colMeans(x), tolerance = 1e-6)
})

test_that("class targets are checked and may be ignored", {
  x <- torch_randn(3, 4)
  expect_error(nnf_cross_entropy(x, torch_tensor(c(0L, 1L, 2L))), "Indexing starts at 1 but found a 0.", fixed = TRUE)
  expect_error(nnf_cross_entropy(x, torch_tensor(c(5L, 1L, 2L))), "class 5 is out of bounds for 4 classes")
  ignored <- nnf_cross_entropy(x, torch_tensor(c(4L, 1L, 2L)), ignore_index = 4)
  kept <- nnf_cross_entropy(x[2:3, ], torch_tensor(c(1L, 2L)))
  expect_equal(as.numeric(as.array(ignored)), as.numeric(as.array(kept)), tolerance = 1e-6)
})

test_that("probabilities as targets are the classes where they are certain", {
  x <- torch_randn(3, 4)
  classes <- nnf_cross_entropy(x, torch_tensor(c(4L, 1L, 2L)), label_smoothing = 0.1)
  sure <- torch_tensor(diag(4)[c(4, 1, 2), ])
  certain <- nnf_cross_entropy(x, sure, label_smoothing = 0.1)
  expect_equal(as.numeric(as.array(classes)), as.numeric(as.array(certain)), tolerance = 1e-5)
})

test_that("dropout keeps the mean and drops whole channels", {
  torch_manual_seed(1)
  y <- as.array(nnf_dropout(torch_ones(10000), 0.25))
  expect_setequal(round(unique(y), 5), c(0, round(4 / 3, 5)))
  expect_lt(abs(mean(y) - 1), 0.03)
  z <- as.array(nnf_dropout2d(torch_ones(4, 8, 3, 3)))
  expect_true(all(apply(z, 1:2, function(plane) length(unique(c(plane)))) == 1))
})

test_that("shapes that do not fit are named", {
  w <- torch_randn(2, 3, 3, 3)
  expect_error(nnf_conv2d(torch_randn(1, 4, 5, 5), w), "expected input [1, 4, 5, 5] to have 3 channels", fixed = TRUE)
  expect_error(nnf_conv2d(torch_randn(1, 3, 2, 5), w), "greater than actual input size")
  expect_error(nnf_conv2d(torch_randn(1, 3, 5, 5), w, stride = 2, padding = "same"), "strided")
  expect_error(nnf_max_pool2d(torch_randn(1, 1, 4, 4), 2, padding = 2), "at most half")
})

test_that("one image at many grids, and many images at one grid, are those of copies", {
  set.seed(4)
  image <- torch_tensor(random(1, 3, 6, 5), dtype = torch_float())
  grids <- torch_tensor(array(stats::runif(4 * 3 * 2 * 2, -1.2, 1.2), c(4, 3, 2, 2)), dtype = torch_float())
  sample <- function(x, grid) {
    x <- x$detach()$requires_grad_(TRUE)
    grid <- grid$detach()$requires_grad_(TRUE)
    y <- nnf_grid_sample(x, grid)
    (y * y)$sum()$backward()
    lapply(list(y$detach(), x$grad, grid$grad), as.array)
  }
  images <- image$expand(c(4, 3, 6, 5))
  expect_identical(sample(images, grids), sample(torch_cat(rep(list(image), 4)), grids))
  pictures <- torch_randn(4, 3, 6, 5)
  one <- grids[1, .., drop = FALSE]$expand(c(4, 3, 2, 2))
  expect_identical(sample(pictures, one), sample(pictures, torch_cat(rep(list(grids[1, .., drop = FALSE]), 4))))
})

test_that("softmax over dimensions with few and many neighbours, in both formats", {
  set.seed(5)
  for (shape in list(c(2, 5, 9, 11), c(1, 70, 9, 9), c(2, 21, 3, 5))) {
    values <- random(shape)
    expected <- aperm(apply(values, c(1, 3, 4), function(v) exp(v - max(v)) / sum(exp(v - max(v)))), c(2, 1, 3, 4))
    for (last in c(FALSE, TRUE)) {
      x <- torch_tensor(values, dtype = torch_float())
      if (last) x <- x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
      expect_equal(as.array(nnf_softmax(x, 2)), expected, tolerance = 1e-6)
      expect_equal(as.array(nnf_log_softmax(x, 2)), log(expected), tolerance = 1e-6)
    }
    expect_gradient(function(x) nnf_log_softmax(x, 2), values[1, , 1:2, , drop = FALSE])
  }
})
