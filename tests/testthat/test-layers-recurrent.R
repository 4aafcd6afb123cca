# Recurrent layers beyond PyTorch's numbers (test-layers-reference.R): gradients, packing, shapes, threads, errors.

test_that("gradients of one layer agree with finite differences", {
  gates <- c(RNN_TANH = 1, RNN_RELU = 1, LSTM = 4, GRU = 3)
  for (mode in names(gates)) {
    g <- gates[[mode]]
    values <- function(n) matrix(sin(seq_len(prod(n)) * 1.7), n[1])
    lstm <- mode == "LSTM"
    run <- function(x, w, u, b, h, c) {
      state <- if (lstm) list(h, c) else list(h)
      out <- candela:::recur(mode, x, c(3, 2), list(w, u, b$reshape(-1), b$reshape(-1)), state)
      y <- torch_cat(c(list(out[[1]]), out[[2]]), dim = 1)
      if (lstm) y else y + 0 * c$sum()
    }
    expect_gradient(run, values(c(5, 2)), values(c(2 * g, 2)), values(c(2 * g, 2)), values(c(2 * g, 1)),
      values(c(3, 2)), values(c(3, 2)))
  }
})

test_that("packing puts the longest first and padding takes it back", {
  x <- torch_tensor(rbind(c(1, 2, 0), c(3, 0, 0), c(4, 5, 6)))
  packed <- nn_utils_rnn_pack_padded_sequence(x, c(2, 1, 3), batch_first = TRUE, enforce_sorted = FALSE)
  expect_equal(as_array(packed$data), c(4, 1, 3, 5, 2, 6))
  expect_equal(as_array(packed$batch_sizes), c(3, 2, 1))
  expect_equal(as_array(packed$sorted_indices), c(3, 1, 2))
  expect_equal(as_array(packed$unsorted_indices), c(2, 3, 1))
  back <- nn_utils_rnn_pad_packed_sequence(packed, batch_first = TRUE, padding_value = -1, total_length = 4)
  expect_equal(as_array(back[[1]]), rbind(c(1, 2, -1, -1), c(3, -1, -1, -1), c(4, 5, 6, -1)))
  expect_equal(as_array(back[[2]]), c(2, 1, 3))
  of_list <- nn_utils_rnn_pack_sequence(list(torch_tensor(1:3), torch_tensor(4:5), torch_tensor(6L)))
  expect_equal(as_array(of_list$data), c(1, 4, 6, 2, 5, 3))
  expect_equal(of_list$data$dtype, torch_long())
  expect_equal(dim(nn_utils_rnn_pad_sequence(list(torch_ones(2, 3), torch_ones(4, 3)))), c(4, 2, 3))
  expect_equal(dim(nn_utils_rnn_pad_sequence(list(torch_ones(2, 3), torch_ones(4, 3)), batch_first = TRUE)), c(2, 4, 3))
  expect_error(nn_utils_rnn_pack_padded_sequence(x, c(2, 1, 3), batch_first = TRUE), "lengths", class = "value_error")
  expect_error(nn_utils_rnn_pack_padded_sequence(x, c(2, 1)), "lengths", class = "value_error")
  expect_error(nn_utils_rnn_pad_packed_sequence(packed, total_length = 2), "total_length", class = "value_error")
  expect_error(nn_utils_rnn_pad_packed_sequence(x), "sequence", class = "value_error")
})

test_that("a packed batch gives each sequence what it gives alone", {
  torch_manual_seed(1)
  for (make in list(nn_rnn, nn_lstm, nn_gru)) {
    net <- make(3, 4, num_layers = 2, bidirectional = TRUE, batch_first = TRUE)
    x <- torch_randn(3, 5, 3)
    lengths <- c(3, 5, 2)
    out <- net(nn_utils_rnn_pack_padded_sequence(x, lengths, batch_first = TRUE, enforce_sorted = FALSE))
    y <- nn_utils_rnn_pad_packed_sequence(out[[1]], batch_first = TRUE)[[1]]
    h <- if (is.list(out[[2]])) out[[2]][[1]] else out[[2]]
    for (i in 1:3) {
      alone <- net(x[i, 1:lengths[i], ]$unsqueeze(1))
      expect_equal(as_array(y[i, 1:lengths[i], ]), as_array(alone[[1]]$squeeze(1)), tolerance = 1e-5)
      last <- if (is.list(alone[[2]])) alone[[2]][[1]] else alone[[2]]
      expect_equal(as_array(h[, i, ]), as_array(last[, 1, ]), tolerance = 1e-5)
    }
  }
})

test_that("names, order and start of parameters are torch's", {
  torch_manual_seed(4)
  net <- nn_gru(2, 3, num_layers = 2, bidirectional = TRUE)
  names <- c("weight_ih", "weight_hh", "bias_ih", "bias_hh")
  expected <- unlist(lapply(c("_l1", "_l1_reverse", "_l2", "_l2_reverse"), function(end) paste0(names, end)))
  expect_equal(names(net$parameters), expected)
  expect_equal(dim(net$weight_ih_l2), c(9, 6))
  expect_true(all(abs(unlist(lapply(net$parameters, as_array))) <= 1 / sqrt(3)))
  expect_false("bias_ih_l1" %in% names(nn_lstm(2, 3, bias = FALSE)$parameters))
})

test_that("recurrent layers have the same bits on any number of threads, and learn", {
  before <- torch_get_num_threads()
  on.exit(torch_set_num_threads(before))
  torch_manual_seed(2)
  net <- nn_lstm(6, 33, num_layers = 2, dropout = 0.1)$eval()
  x <- torch_randn(7, 40, 6)
  run <- function(threads) {
    torch_set_num_threads(threads)
    y <- net(x)
    lapply(c(y[1], autograd_grad(y[[1]]$square()$sum(), unname(net$parameters))), as_array)
  }
  one <- run(1)
  expect_identical(run(2), one)
  expect_identical(run(4), one)
  torch_set_num_threads(before)
  # The last number is the first of the sequence.
  x <- torch_randn(64, 6, 1)
  gru <- nn_gru(1, 8, batch_first = TRUE)
  head <- nn_linear(8, 1)
  opt <- optim_adam(c(gru$parameters, head$parameters), lr = 0.03)
  losses <- vapply(1:80, function(i) {
    opt$zero_grad()
    loss <- nnf_mse_loss(head(gru(x)[[2]]$squeeze(1)), x[, 1, ])
    loss$backward()
    opt$step()
    loss$item()
  }, 0)
  expect_lt(losses[80], losses[1] / 3)
})

test_that("sizes that do not fit are refused by name", {
  net <- nn_lstm(3, 4)
  expect_error(net(torch_ones(5, 2, 2)), "input", class = "value_error")
  expect_error(net(torch_ones(5, 3)), "input", class = "value_error")
  expect_error(net(torch_ones(5, 2, 3), torch_ones(1, 2, 4)), "hx", class = "value_error")
  expect_error(nn_gru(3, 4)(torch_ones(5, 2, 3), torch_ones(1, 1, 4)), "hx.*1, 2, 4", class = "value_error")
  expect_error(nn_rnn(3, 4, nonlinearity = "sine"), "nonlinearity", class = "value_error")
  expect_error(nn_rnn(0, 4), "input_size", class = "value_error")
  expect_warning(nn_gru(3, 4, dropout = 0.5), "num_layers")
})

test_that("a packed sequence prints what it holds", {
  packed <- nn_utils_rnn_pack_padded_sequence(torch_randn(2, 3, 4), c(3, 1), batch_first = TRUE)
  expect_output(print(packed), "<PackedSequence> 2 sequences of at most 3 steps, data [4, 4]", fixed = TRUE)
})
