# Embeddings, bags of them, losses of sequences and rankings, weight normalisation: beyond PyTorch's numbers.

test_that("bags start, end and pad as they should, and refuse what does not fit", {
  torch_manual_seed(1)
  net <- nn_embedding_bag(6, 3, mode = "sum", padding_idx = 2)
  expect_equal(as_array(net$weight[2, ]), c(0, 0, 0))
  y <- net(torch_tensor(c(1L, 2L, 4L)), torch_tensor(c(0L, 2L)))
  expect_equal(as_array(y), as_array(net$weight)[c(1, 4), ], tolerance = 1e-6)
  y$sum()$backward()
  expect_equal(as_array(net$weight$grad)[, 1], c(1, 0, 0, 1, 0, 0))
  table <- net$weight
  expect_equal(as_array(nnf_embedding_bag(torch_tensor(c(2L, 2L)), table, c(0, 2), padding_idx = 2, mode = "max")),
    matrix(0, 2, 3))
  expect_error(nnf_embedding_bag(torch_tensor(1:3), table, c(1, 2)), "offsets", class = "value_error")
  expect_error(nnf_embedding_bag(torch_tensor(1:3), table), "offsets", class = "value_error")
  expect_error(nnf_embedding_bag(torch_tensor(matrix(1:4, 2)), table, c(0, 2)), "offsets", class = "value_error")
  expect_error(nnf_embedding_bag(torch_tensor(matrix(1:4, 2)), table, per_sample_weights = torch_ones(2, 2)),
    "per_sample_weights", class = "value_error")
  expect_error(nn_embedding_bag(3, 2, mode = "min"), "mode", class = "value_error")
  expect_error(nn_embedding(3, 2, sparse = TRUE)(torch_tensor(1L)), "sparse", class = "not_implemented_error")
})

test_that("losses of probabilities take N x 1 against N, others do not", {
  x <- torch_tensor(matrix(c(0.2, 0.7, 0.9), 3))
  t <- torch_tensor(c(0, 1, 1))
  expected <- -mean(log(c(0.8, 0.7, 0.9)))
  expect_equal(as_array(nn_bce_loss()(x, t)), expected, tolerance = 1e-6)
  expect_equal(dim(nn_bce_loss(reduction = "none")(x, t)), c(3, 1))
  expect_equal(as_array(nn_bce_loss()(x$squeeze(2), t$unsqueeze(1))), expected, tolerance = 1e-6)
  expect_error(nn_bce_loss()(x, torch_ones(4)), "size", class = "value_error")
})

test_that("a loss that got tensors for its settings says how it is called", {
  output <- torch_randn(4, 3, requires_grad = TRUE)
  target <- torch_tensor(c(1L, 2L, 3L, 1L))
  expect_error(nn_cross_entropy_loss(output, target), "nn_cross_entropy_loss()(output, target)", fixed = TRUE)
  expect_error(nn_cross_entropy_loss(output$detach(), target), "nn_cross_entropy_loss()(output, target)", fixed = TRUE)
  expect_error(nn_mse_loss(output), "nn_mse_loss()(output, target)", fixed = TRUE)
  expect_error(nn_bce_loss(output, output), "nn_bce_loss()(output, target)", fixed = TRUE)
  expect_error(nn_cross_entropy_loss(ignore_index = "a"), "whole number", class = "value_error")
})

test_that("connectionist temporal classification sums all paths", {
  # Two steps, label 1 or blank: the paths of "1" are 11, 1-, -1.
  p <- rbind(c(0.4, 0.6), c(0.3, 0.7))
  x <- torch_tensor(log(array(p, c(2, 1, 2))), dtype = torch_double())
  loss <- nn_ctc_loss(reduction = "sum")(x, matrix(1, 1), 2, 1)
  expect_equal(as_array(loss), -log(0.6 * 0.7 + 0.6 * 0.3 + 0.4 * 0.7), tolerance = 1e-9)
  expect_equal(as_array(nnf_ctc_loss(x, matrix(0, 1, 0), 2, 0, reduction = "sum")), -log(0.4 * 0.3), tolerance = 1e-9)
  too_long <- list(x, matrix(c(1, 1), 1), 2, 2)
  expect_equal(as_array(do.call(nnf_ctc_loss, too_long)), Inf)
  expect_equal(as_array(do.call(nnf_ctc_loss, c(too_long, zero_infinity = TRUE))), 0)
  expect_gradient(function(v) nnf_ctc_loss(v, rbind(c(1, 2), c(2, 0)), c(4, 3), c(2, 1)), array(-1.3, c(4, 2, 3)))
  expect_error(nnf_ctc_loss(x, matrix(0, 1), 2, 1), "targets", class = "value_error")
  expect_error(nnf_ctc_loss(x, matrix(1, 1), 3, 1), "input_lengths", class = "value_error")
  expect_error(nnf_ctc_loss(x, matrix(1, 1), 2, 1, blank = 2), "blank", class = "value_error")
})

test_that("the area under the smaller error is that of its definition", {
  score <- c(0.3, -1, 2, 0.5, 0.1, 1.4)
  positive <- c(TRUE, FALSE, TRUE, FALSE, TRUE, FALSE)
  area <- stats::integrate(Vectorize(function(c) {
    min(mean((score + c > 0)[!positive]), mean((score + c <= 0)[positive]))
  }), -3, 3, subdivisions = 2000, rel.tol = 1e-4)$value
  x <- torch_tensor(score)
  y <- nn_aum_loss()(x, torch_tensor(positive + 1L))
  expect_equal(as_array(y), area, tolerance = 1e-3)
  expect_gradient(function(v) nnf_area_under_min_fpr_fnr(v, torch_tensor(positive + 1L)), score)
  expect_equal(as_array(nnf_area_under_min_fpr_fnr(x, torch_ones(6))), 0)
})

test_that("weights are written by length and direction, and back", {
  torch_manual_seed(2)
  for (dim in list(1, 2, NULL)) {
    layer <- nn_linear(3, 2)
    x <- torch_randn(4, 3)
    before <- as_array(layer(x))
    norm <- nn_utils_weight_norm$new("weight", dim)
    norm$apply(layer)
    expect_setequal(names(layer$parameters), c("bias", "weight_g", "weight_v"))
    expect_equal(as_array(layer(x)), before, tolerance = 1e-5)
    layer$weight_g$requires_grad_(FALSE)$mul_(2)$requires_grad_(TRUE)
    norm$recompute(layer)
    layer(x)$sum()$backward()
    expect_false(is_undefined_tensor(layer$weight_v$grad))
    expect_equal(as_array((layer(x) - layer$bias)$detach()), 2 * (before - rep(as_array(layer$bias), each = 4)),
      tolerance = 1e-5)
    norm$remove(layer)
    expect_setequal(names(layer$parameters), c("weight", "bias"))
  }
})

test_that("powers have gradients in the type of their base", {
  x <- torch_tensor(0.7, dtype = torch_double(), requires_grad = TRUE)
  (x^(1 / 3))$backward()
  expect_equal(as_array(x$grad), 0.7^(-2 / 3) / 3, tolerance = 1e-14)
})

test_that("the adaptive softmax gives each class the probability of all its parts", {
  torch_manual_seed(5)
  net <- nn_adaptive_log_softmax_with_loss(6, 12, cutoffs = c(4, 7), div_value = 2, head_bias = TRUE)
  x <- torch_randn(9, 6)
  target <- c(1, 4, 5, 7, 8, 12, 2, 6, 11)
  all <- net$log_prob(x)
  expect_equal(as_array(all$exp()$sum(dim = 2)), rep(1, 9), tolerance = 1e-5)
  out <- net(x, torch_tensor(as.integer(target)))
  expect_equal(as_array(out$output), as_array(all)[cbind(1:9, target)], tolerance = 1e-5)
  expect_equal(as_array(out$loss), -mean(as_array(out$output)), tolerance = 1e-6)
  expect_equal(as_array(net$predict(x)), apply(as_array(all), 1, which.max))
  out$loss$backward()
  expect_true(all(vapply(net$parameters, function(p) !is_undefined_tensor(p$grad), NA)))
  expect_error(net(x, torch_tensor(rep(13L, 9))), "target", class = "value_error")
  expect_error(nn_adaptive_log_softmax_with_loss(6, 12, c(7, 4)), "cutoffs", class = "value_error")
})
