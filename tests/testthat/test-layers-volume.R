# Layers of volumes, of sequences, and what shares their functions: gradients, layouts, errors, threads.

array_of <- function(...) array(sin(seq_len(prod(...)) * 1.3), c(...))

test_that("gradients of convolutions of volumes agree with finite differences", {
  expect_gradient(function(x, w, b) nnf_conv3d(x, w, b, stride = c(1, 2, 1), padding = 1),
    array_of(1, 2, 3, 3, 3), array_of(2, 2, 2, 2, 3), array_of(2))
  expect_gradient(function(x, w, b) nnf_conv_transpose3d(x, w, b, stride = 2, padding = c(1, 0, 1)),
    array_of(1, 2, 2, 3, 2), array_of(2, 1, 2, 2, 3), array_of(1))
})

test_that("gradients of patches, pools and shrinking activations agree with finite differences", {
  expect_gradient(function(x) nnf_unfold(x, 2, padding = 1, stride = 2), array_of(1, 2, 3, 4))
  expect_gradient(function(x) nnf_fold(x, c(3, 4), 2), array_of(1, 8, 6))
  expect_gradient(function(x) nnf_max_pool3d(x, 2, stride = 1), array_of(1, 2, 3, 3, 2))
  expect_gradient(function(x) nnf_avg_pool3d(x, 2, padding = 1, count_include_pad = FALSE), array_of(1, 2, 3, 3, 2))
  expect_gradient(function(x) nnf_interpolate(x, size = c(2, 4, 3), mode = "trilinear"), array_of(1, 1, 3, 2, 3))
  for (f in list(nnf_hardshrink, nnf_softshrink, nnf_tanhshrink, nnf_softsign, nnf_contrib_sparsemax)) {
    expect_gradient(function(x) f(x * 2), array_of(2, 5))
  }
})

test_that("a chain of layers of volumes gives the same from either order in memory", {
  torch_manual_seed(1)
  net <- nn_sequential(nn_conv3d(2, 4, 3, padding = 1), nn_batch_norm3d(4), nn_relu(), nn_max_pool3d(2))
  x <- torch_randn(2, 2, 4, 6, 5)
  last <- x$permute(c(1, 3, 4, 5, 2))$contiguous()$permute(c(1, 5, 2, 3, 4))
  expect_equal(as_array(net(x)), as_array(net(last)), tolerance = 1e-5)
  conv <- net[[1]](x)
  expect_false(conv$is_contiguous())
  for (f in list(nnf_max_pool3d, nnf_avg_pool3d)) {
    expect_equal(as_array(f(conv, 2)), as_array(f(conv$contiguous(), 2)), tolerance = 1e-6)
  }
  pair <- nnf_max_pool3d(conv, 2, return_indices = TRUE)
  flat <- conv$reshape(c(2, 4, -1))
  expect_equal(as_array(flat$gather(3, pair[[2]]$reshape(c(2, 4, -1)))$reshape(dim(pair[[1]]))), as_array(pair[[1]]))
})

test_that("volumes have the same bits on any number of threads", {
  before <- torch_get_num_threads()
  on.exit(torch_set_num_threads(before))
  torch_manual_seed(2)
  x <- torch_randn(2, 3, 6, 9, 8, requires_grad = TRUE)
  conv <- nn_conv3d(3, 5, 3, padding = 1)
  up <- nn_conv_transpose3d(5, 2, 2, stride = 2)
  run <- function(threads) {
    torch_set_num_threads(threads)
    y <- up(conv(x))
    grads <- autograd_grad(y$square()$sum(), c(list(x), unname(conv$parameters), unname(up$parameters)))
    lapply(c(list(y), grads), as_array)
  }
  one <- run(1)
  expect_identical(run(2), one)
  expect_identical(run(4), one)
})

test_that("volumes without a batch dimension are taken", {
  x <- torch_randn(2, 4, 5, 6)
  w <- torch_randn(3, 2, 2, 2, 2)
  expect_equal(as_array(nnf_conv3d(x, w)), as_array(nnf_conv3d(x$unsqueeze(1), w)$squeeze(1)))
  expect_equal(dim(nnf_max_pool3d(x, 2)), c(2, 2, 2, 3))
  expect_equal(dim(nnf_adaptive_avg_pool3d(x, 1)), c(2, 1, 1, 1))
  expect_equal(dim(nnf_unfold(torch_ones(2, 4, 4), 2)), c(8, 9))
  expect_equal(dim(nnf_fold(torch_ones(8, 9), 4, 2)), c(2, 4, 4))
})

test_that("what does not fit is refused by name", {
  x <- torch_randn(1, 2, 4, 4, 4)
  expect_error(nnf_conv3d(x, torch_randn(3, 1, 2, 2, 2)), "channels", class = "value_error")
  expect_error(nnf_conv3d(x, torch_randn(3, 2, 5, 2, 2)), "depth", class = "candela_error")
  expect_error(nnf_conv3d(x, torch_randn(3, 2, 2, 2)), "weight", class = "value_error")
  expect_error(nnf_conv3d(torch_randn(2, 4), torch_randn(3, 2, 2, 2, 2)), "input", class = "value_error")
  expect_error(nnf_conv3d(x, torch_randn(3, 2, 2, 2, 2), stride = 0), "stride", class = "candela_error")
  expect_error(nnf_conv_transpose3d(x, torch_randn(2, 2, 2, 2, 2), output_padding = 1), "output_padding")
  expect_error(nnf_max_unpool2d(torch_ones(1, 1, 2, 2), torch_ones(1, 1, 2, 2, dtype = torch_long()), 2,
    output_size = c(9, 9)), "output_size", class = "value_error")
  expect_error(nnf_max_unpool2d(torch_ones(1, 1, 1, 1), torch_full(c(1, 1, 1, 1), 5L, dtype = torch_long()), 2),
    "indices", class = "value_error")
  expect_error(nnf_fold(torch_ones(1, 8, 5), 4, 2), "fold", class = "candela_error")
  expect_error(nnf_unfold(torch_ones(1, 1, 2, 2), 5), "unfold", class = "candela_error")
  expect_error(nnf_glu(torch_ones(3)), "glu", class = "value_error")
  expect_error(nnf_interpolate(torch_ones(1, 1, 4), size = 2, mode = "trilinear"), "trilinear", class = "value_error")
  expect_error(nn_batch_norm3d(2)(torch_ones(1, 2, 3, 3)), "5D")
  expect_error(nnf_softshrink(torch_ones(1), -1), "lambd")
  expect_error(nnf_fractional_max_pool2d(torch_ones(1, 1, 4, 4), 2, output_size = 4), "do not fit")
})

test_that("large patches are listed without a matrix that picks them", {
  x <- torch_randn(1, 3, 66, 66)
  patches <- nnf_unfold(x, 64)
  expect_equal(dim(patches), c(1, 3 * 64 * 64, 9))
  expect_equal(as_array(patches)[1, 1:64, 1], as_array(x)[1, 1, 1, 1:64])
})

test_that("activations in place write into their input, NaN passes", {
  for (f in list(nnf_relu_, nnf_elu_, nnf_celu_, nnf_selu_, nnf_hardtanh_, nnf_rrelu_,
    function(x) nnf_threshold_(x, 0, 9), function(x) nnf_hardswish(x, inplace = TRUE),
    function(x) nnf_hardsigmoid(x, inplace = TRUE), nn_hardswish(inplace = TRUE), nn_hardsigmoid(inplace = TRUE))) {
    x <- torch_tensor(c(-1, 2, NaN))
    y <- f(x)
    expect_equal(as_array(y), as_array(x))
    expect_true(is.nan(as_array(x)[3]))
    expect_false(isTRUE(all.equal(as_array(x)[1], -1)) && isTRUE(all.equal(as_array(x)[2], 2)))
  }
  for (f in list(nnf_hardshrink, nnf_softshrink, nnf_tanhshrink, nnf_softsign)) {
    expect_true(is.nan(as_array(f(torch_tensor(NaN)))))
  }
})

test_that("random layers keep what they promise", {
  torch_manual_seed(3)
  x <- torch_randn(1000)
  y <- nnf_alpha_dropout(x, 0.3, training = TRUE)
  expect_lt(abs(as_array(y$mean())), 0.15)
  expect_lt(abs(as_array(y$std()) - 1), 0.15)
  expect_identical(as_array(nnf_alpha_dropout(x, 0.3)), as_array(x))
  volumes <- torch_ones(3, 8, 2, 2, 2)
  per_channel <- as_array(nnf_dropout3d(volumes, 0.5)$reshape(c(24, 8)))
  expect_true(all(apply(per_channel, 1, function(row) length(unique(row)) == 1 && row[1] %in% c(0, 2))))
  same <- as_array(nnf_feature_alpha_dropout(volumes, 0.5, training = TRUE)$reshape(c(24, 8)))
  expect_true(all(apply(same, 1, function(row) length(unique(row)) == 1)))
  r <- nnf_rrelu(torch_full(500, -1), 0.1, 0.4, training = TRUE)
  expect_true(all(as_array(r) <= -0.1 & as_array(r) >= -0.4) && stats::sd(as_array(r)) > 0.05)
  expect_equal(as_array(nn_rrelu()$eval()(torch_tensor(-24))), -5.5, tolerance = 1e-6)
  hard <- as_array(nnf_gumbel_softmax(torch_zeros(5, 4), hard = TRUE))
  expect_equal(rowSums(hard), rep(1, 5), tolerance = 1e-6)
  expect_true(all(abs(hard) < 1e-6 | abs(hard - 1) < 1e-6))
  pooled <- nn_fractional_max_pool3d(2, output_ratio = 0.5)(torch_randn(1, 2, 6, 6, 6))
  expect_equal(dim(pooled), c(1, 2, 3, 3, 3))
})

test_that("sparsemax gives probabilities, many of them 0", {
  y <- as_array(nn_contrib_sparsemax(2)(torch_tensor(rbind(c(0.5, 0.4, -2), c(3, 0, 0)))))
  expect_equal(y, rbind(c(0.55, 0.45, 0), c(1, 0, 0)), tolerance = 1e-6)
})

test_that("layers made from functions hold their arguments and pass them on", {
  pool <- nn_max_pool3d(2, stride = 1)
  expect_equal(pool$stride, 1)
  expect_equal(dim(pool(torch_randn(1, 1, 3, 3, 3))), c(1, 1, 2, 2, 2))
  expect_equal(as_array(nn_threshold(0, -7)(torch_tensor(c(-1, 1)))), c(-7, 1))
  expect_equal(as_array(nn_softmin(1)(torch_tensor(c(0, 0)))), c(0.5, 0.5))
  expect_equal(dim(nn_softmax2d()(torch_randn(1, 3, 2, 2))), c(1, 3, 2, 2))
  first <- nn_max_pool1d(2, return_indices = TRUE)(torch_tensor(array(1:6 / 1, c(1, 1, 6))))
  expect_equal(as.vector(as_array(nn_max_unpool1d(2)(first[[1]], first[[2]]))), c(0, 2, 0, 4, 0, 6))
  expect_equal(as_array(nn_lp_pool1d(1, 2)(torch_ones(1, 1, 4))), array(2, c(1, 1, 2)))
  expect_equal(class(nn_glu())[[1]], "nn_glu")
})
