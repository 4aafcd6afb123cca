# Attention and transformer layers beyond PyTorch's numbers (test-layers-reference.R).

test_that("with and without weights the result is the same, whatever the masks", {
  torch_manual_seed(1)
  net <- nn_multihead_attention(8, 2, add_bias_kv = TRUE, add_zero_attn = TRUE)
  x <- torch_randn(5, 3, 8)
  padding <- torch_tensor(matrix(c(FALSE, FALSE, TRUE), 3, 5))
  padding[3, 1] <- FALSE
  for (mask in list(NULL, torch_tensor(upper.tri(diag(5))), torch_randn(5, 5), torch_randn(6, 5, 5))) {
    with <- net(x, x, x, key_padding_mask = padding, attn_mask = mask)
    without <- net(x, x, x, key_padding_mask = padding, attn_mask = mask, need_weights = FALSE)
    expect_equal(as_array(with[[1]]), as_array(without[[1]]), tolerance = 1e-5)
    expect_null(without[[2]])
    expect_equal(dim(with[[2]]), c(3, 5, 7))
    expect_equal(as_array(with[[2]]$sum(dim = 3)), matrix(1, 3, 5), tolerance = 1e-5)
    expect_equal(as_array(with[[2]])[3, , 2], rep(0, 5))
  }
  expect_equal(dim(net(x, x, x, avg_weights = FALSE)[[2]]), c(3, 2, 5, 7))
})

test_that("queries, keys and values that are one tensor or several give the same, batch first or not", {
  torch_manual_seed(2)
  net <- nn_multihead_attention(6, 3, batch_first = TRUE)
  x <- torch_randn(2, 4, 6)
  one <- net(x, x, x, need_weights = FALSE)[[1]]
  two <- net(x, x$clone(), x$clone(), need_weights = FALSE)[[1]]
  expect_equal(as_array(one), as_array(two), tolerance = 1e-5)
  net$batch_first <- FALSE
  y <- x$transpose(1, 2)
  expect_equal(as_array(net(y, y, y)[[1]]$transpose(1, 2)), as_array(one), tolerance = 1e-5)
  other <- nn_multihead_attention(6, 2, kdim = 4, vdim = 5)
  expect_setequal(names(other$parameters), c("q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias",
    "out_proj.weight", "out_proj.bias"))
  expect_equal(dim(other(torch_randn(3, 2, 6), torch_randn(4, 2, 4), torch_randn(4, 2, 5))[[1]]), c(3, 2, 6))
})

test_that("an encoder of several layers has layers of its own, and looks back only where it is causal", {
  torch_manual_seed(3)
  layer <- nn_transformer_encoder_layer(8, 2, 16, batch_first = TRUE)
  net <- nn_transformer_encoder(layer, 2, norm = nn_layer_norm(8))$eval()
  x <- torch_randn(2, 5, 8)
  y <- net(x, is_causal = TRUE)
  expect_equal(dim(y), c(2, 5, 8))
  x[, 5, ] <- 0
  expect_equal(as_array(net(x, is_causal = TRUE)[, 1:4, ]), as_array(y[, 1:4, ]), tolerance = 1e-5)
  expect_false(isTRUE(all.equal(as_array(net(x)[, 1:4, ]), as_array(y[, 1:4, ]))))
  expect_length(net$parameters, 2 * 12 + 2)
  net$layers[[1]]$linear1$bias$requires_grad_(FALSE)$fill_(3)
  expect_false(isTRUE(all.equal(as_array(net$layers[[1]]$linear1$bias), as_array(net$layers[[2]]$linear1$bias))))
  expect_length(nn_transformer_encoder_layer(8, 2, 16, bias = FALSE)$parameters, 4)
})

test_that("what does not fit is refused by name", {
  expect_error(nn_multihead_attention(7, 2), "num_heads", class = "value_error")
  net <- nn_multihead_attention(4, 2)
  x <- torch_randn(3, 2, 4)
  expect_error(net(torch_randn(3, 2, 5), x, x), "query", class = "value_error")
  expect_error(net(x, x, torch_randn(2, 2, 4)), "value", class = "value_error")
  expect_error(net(x, x, x, attn_mask = torch_ones(2, 2)), "attn_mask", class = "value_error")
  expect_error(net(x, x, x, key_padding_mask = torch_ones(3, 3)), "key_padding_mask", class = "value_error")
  expect_error(nn_transformer_encoder_layer(4, 2, activation = "sine"), "activation", class = "value_error")
  expect_error(nn_transformer_encoder_layer(4, 2)(x, torch_zeros(3, 3), is_causal = TRUE), "src_mask")
  expect_error(nn_transformer_encoder(nn_linear, 2), "encoder_layer", class = "value_error")
})
