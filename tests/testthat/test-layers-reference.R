# PyTorch's numbers for functions of layers: tools/golden-layers.py says how inputs are made and what is kept.

layer_input <- function(spec, n, float) {
  shape <- unlist(spec$shape)
  v <- ((seq_len(prod(shape)) - 1) * (4871 + 2 * n) + 11 * n) %% 10007 / 10007 * 2 - 1
  x <- switch(substr(spec$kind, 1, 1),
    n = v,
    p = (v + 1) / 2,
    s = sign(v),
    i = floor((v + 1) / 2 * as.integer(sub("i:", "", spec$kind))) + 1
  )
  dtype <- if (startsWith(spec$kind, "i")) torch_long() else float
  torch_tensor(x, dtype = torch_double())$to(dtype = dtype)$reshape(shape)$requires_grad_(dtype == float)
}

row_major <- function(x) {
  x <- as_array(x$detach())
  as.numeric(if (length(dim(x)) > 1) aperm(x, rev(seq_along(dim(x)))) else x)
}

every_kth <- function(x, most = 10) {
  x <- row_major(x)
  x[seq(1, length(x), by = max(1, ceiling(length(x) / most)))]
}

expect_close <- function(actual, expected, tolerance, label) {
  expected <- unlist(expected)
  scale <- max(1e-30, abs(expected))
  expect_equal(length(actual), length(expected), label = paste(label, "length"))
  expect_lt(max(0, abs(actual - expected)) / scale, tolerance, label = label)
}

# A recurrent layer whose parameters are x3, x4, ... (of an LSTM x4, x5, ...), fed with x1 and the states before them.
run_rnn <- function(net, states, lengths = NULL, frame = parent.frame()) {
  x <- mget(paste0("x", seq_len(1 + states + length(net$parameters))), envir = frame)
  weights <- x[-seq_len(1 + states)]
  for (i in seq_along(weights)) {
    assign(names(net$parameters)[[i]], weights[[i]], envir = candela:::module_object(net))
  }
  input <- x[[1]]
  if (!is.null(lengths)) input <- nn_utils_rnn_pack_padded_sequence(input, lengths, enforce_sorted = FALSE)
  out <- net(input, if (states == 1) x[[2]] else unname(x[2:3]))
  y <- if (is.null(lengths)) out[[1]] else nn_utils_rnn_pad_packed_sequence(out[[1]])[[1]]
  c(list(y), if (states == 1) list(out[[2]]) else out[[2]])
}

# A transformer layer in torch's order of parameters (x2, x3, ...), fed with x1.
run_encoder <- function(net, is_causal, frame = parent.frame()) {
  names <- c("self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight",
    "self_attn.out_proj.bias", "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias", "norm1.weight",
    "norm1.bias", "norm2.weight", "norm2.bias")
  expect_setequal(names(net$parameters), names)
  for (i in seq_along(names)) {
    path <- strsplit(names[[i]], ".", fixed = TRUE)[[1]]
    module <- net
    for (step in path[-length(path)]) module <- module[[step]]
    assign(path[[length(path)]], frame[[paste0("x", i + 1)]], envir = candela:::module_object(module))
  }
  net(frame$x1, is_causal = is_causal)
}

run_layer_case <- function(case, float, tolerance) {
  x <- Map(layer_input, case$x, seq_along(case$x), list(float))
  names(x) <- paste0("x", seq_along(x))
  y <- eval(parse(text = case$r), x, environment())
  y <- if (is_tensor(y)) list(y) else unname(unlist(y))
  expect_equal(lapply(y, function(v) dim(v)), lapply(case$shapes, function(s) as.integer(unlist(s))), label = case$r)
  # Places count from 1.
  for (i in seq_along(y)) {
    whole <- !y[[i]]$dtype$is_floating_point
    expect_close(every_kth(y[[i]]) - whole, case$y[[i]], if (whole) 1e-12 else tolerance, paste(case$r, "result", i))
  }
  y <- Filter(function(v) v$dtype$is_floating_point && v$requires_grad, y)
  if (length(y) == 0 || all(vapply(case$grads, is.null, NA))) return()
  seeds <- lapply(y, function(v) torch_tensor(cos(seq_len(length(v))), dtype = float)$reshape(dim(v)))
  autograd_backward(y, seeds)
  for (i in seq_along(x)) {
    if (!is.null(case$grads[[i]])) {
      expect_close(every_kth(x[[i]]$grad), case$grads[[i]], tolerance, paste(case$r, "gradient", i))
    }
  }
}

# Of what the engine computes itself float32 is tried, too.
own_kernels <- "conv|fold|pool|run_|norm\\(|shrink|softsign|threshold|multi_head|ctc"

for (case in jsonlite::fromJSON(paste(readLines("layers.json"), collapse = "\n"), simplifyVector = FALSE)) {
  test_that(paste("PyTorch's numbers:", case$r), {
    # Resizing has weights of float32.
    run_layer_case(case, torch_double(), if (startsWith(case$r, "nnf_interpolate")) 5e-7 else 1e-7)
    if (grepl(own_kernels, case$r)) run_layer_case(case, torch_float(), 3e-5)
  })
}
