#' @include module.R
NULL

cell_codes <- c(RNN_TANH = 0, RNN_RELU = 1, LSTM = 2, GRU = 3)
cell_gates <- c(RNN_TANH = 1, RNN_RELU = 1, LSTM = 4, GRU = 3)

# One layer in one direction. x: packed, rows x inputs; weights: weight_ih, weight_hh, bias_ih, bias_hh (or the first
# two); state: list of h and, for an LSTM, c, each batch x hidden. list(h of every step, state).
recur <- function(mode, x, sizes, weights, state, reverse = FALSE) {
  from_input <- nnf_linear(x, weights[[1]], if (length(weights) > 2) weights[[3]])
  bias <- if (length(weights) > 2) weights[[4]]
  inputs <- list(from_input, weights[[2]], state[[1]], bias, if (length(state) > 1) state[[2]])
  out <- apply_op(ops$recurrent, inputs, as.double(c(cell_codes[[mode]], reverse, sizes)))
  list(out[[1]], out[1 + seq_along(state)])
}

nn_rnn_base <- nn_module(
  "nn_rnn_base",
  initialize = function(mode, input_size, hidden_size, num_layers = 1, bias = TRUE, batch_first = FALSE, dropout = 0.,
                        bidirectional = FALSE) {
    for (name in c("input_size", "hidden_size", "num_layers")) check_whole_number(get(name), name, least = 1)
    for (name in c("bias", "batch_first", "bidirectional")) check_flag(get(name), name)
    check_dropout(dropout)
    if (dropout > 0 && num_layers == 1) {
      rlang::warn(paste("`dropout` acts between layers: with `num_layers` = 1 it does nothing, but got dropout =",
        dropout))
    }
    self$mode <- mode
    self$input_size <- input_size
    self$hidden_size <- hidden_size
    self$num_layers <- num_layers
    self$bias <- bias
    self$batch_first <- batch_first
    self$dropout <- dropout
    self$bidirectional <- bidirectional
    self$proj_size <- 0
    for (layer in seq_len(num_layers)) {
      for (reverse in seq_len(1 + bidirectional) - 1) {
        self$add_weights(layer, reverse)
      }
    }
    self$reset_parameters()
  },
  weight_names = function(layer, reverse) {
    kinds <- c("weight_ih", "weight_hh", if (self$bias) c("bias_ih", "bias_hh"))
    paste0(kinds, "_l", layer, if (reverse) "_reverse")
  },
  add_weights = function(layer, reverse) {
    rows <- cell_gates[[self$mode]] * self$hidden_size
    inputs <- if (layer == 1) self$input_size else self$hidden_size * (1 + self$bidirectional)
    sizes <- list(c(rows, inputs), c(rows, self$hidden_size), rows, rows)
    names <- self$weight_names(layer, reverse)
    for (i in seq_along(names)) self$register_parameter(names[[i]], empty_parameter(sizes[[i]]))
  },
  flatten_parameters = function() invisible(NULL),
  reset_parameters = function() {
    bound <- 1 / sqrt(self$hidden_size)
    for (weight in self$parameters) nn_init_uniform_(weight, -bound, bound)
  },
  # hx as a list of h and, for an LSTM, c, each num_layers * directions x batch x hidden.
  initial_state = function(hx, batch, like) {
    n <- if (self$mode == "LSTM") 2 else 1
    size <- c(self$num_layers * (1 + self$bidirectional), batch, self$hidden_size)
    if (is.null(hx)) {
      zeros <- torch_zeros(size, dtype = like$dtype)
      return(rep(list(zeros), n))
    }
    check_state(if (is_tensor(hx)) list(hx) else hx, n, size)
  },
  forward = function(input, hx = NULL) {
    packed <- is_packed_sequence(input)
    x <- if (packed) input$data else input
    if (!packed) check_rank(x, "input", 3)
    if (!packed && self$batch_first) x <- x$transpose(1, 2)
    check_last_size(x, self$input_size)
    steps <- dim(x)
    sizes <- if (packed) as.numeric(as_array(input$batch_sizes)) else rep(steps[2], steps[1])
    state <- self$initial_state(hx, sizes[1], x)
    if (packed && !is.null(hx)) state <- lapply(state, function(h) torch_index_select(h, 2, input$sorted_indices))
    result <- self$run_layers(x$reshape(c(-1, self$input_size)), sizes, state)
    state <- result[[2]]
    if (packed) {
      state <- lapply(state, function(h) torch_index_select(h, 2, input$unsorted_indices))
      input$data <- result[[1]]
      output <- input
    } else {
      output <- result[[1]]$reshape(c(steps[1:2], -1))
      if (self$batch_first) output <- output$transpose(1, 2)
    }
    list(output, if (length(state) == 1) state[[1]] else unname(state))
  },
  run_layers = function(x, sizes, state) {
    last <- list()
    directions <- 1 + self$bidirectional
    for (layer in seq_len(self$num_layers)) {
      results <- lapply(seq_len(directions), function(d) {
        weights <- lapply(self$weight_names(layer, d == 2), function(name) self[[name]])
        own <- lapply(state, function(h) h$select(1, (layer - 1) * directions + d))
        recur(self$mode, x, sizes, weights, own, d == 2)
      })
      last <- c(last, lapply(results, `[[`, 2))
      x <- if (directions == 1) results[[1]][[1]] else torch_cat(lapply(results, `[[`, 1), dim = 2)
      if (self$dropout > 0 && layer < self$num_layers) x <- nnf_dropout(x, self$dropout, self$training)
    }
    list(x, lapply(seq_along(state), function(i) torch_stack(lapply(last, `[[`, i), dim = 1)))
  }
)

check_last_size <- function(x, size) {
  if (utils::tail(dim(x), 1) != size) {
    value_error(sprintf("`input` must have %d numbers for each step, but has size [%s].", size, toString(dim(x))))
  }
}

check_state <- function(hx, n, size) {
  fits <- .Call(cdr_are_tensors, hx) && length(hx) == n &&
    all(vapply(hx, function(h) identical(as.numeric(dim(h)), as.numeric(size)), NA))
  if (!fits) {
    got <- if (.Call(cdr_are_tensors, hx)) {
      toString(vapply(hx, function(h) sprintf("[%s]", toString(dim(h))), ""))
    } else {
      describe(hx)
    }
    wanted <- if (n == 1) "a tensor" else "a list of two tensors"
    value_error(sprintf("`hx` must be %s of size [%s], but got %s.", wanted, toString(size), got))
  }
  unname(hx)
}

#' Recurrent layers
#'
#' Layers that walk over sequences and carry a state h, W the weights and b the biases:
#'
#' * `nn_rnn()`: h = tanh(W_ih x + b_ih + W_hh h + b_hh), or max(0, ...). Elman (1990).
#' * `nn_lstm()`: with i, f, g, o the four parts of W_ih x + b_ih + W_hh h + b_hh and s the logistic function,
#'   c = s(f) c + s(i) tanh(g), h = s(o) tanh(c). Hochreiter and Schmidhuber (1997).
#' * `nn_gru()`: r and z are s of the first two parts, n = tanh(W_in x + b_in + r (W_hn h + b_hn)) and
#'   h = (1 - z) n + z h. Cho et al. (2014), <https://arxiv.org/abs/1406.1078>.
#'
#' Parameters are named `weight_ih_l1`, `weight_hh_l1`, `bias_ih_l1`, `bias_hh_l1`, `..._l1_reverse`, `..._l2` and so
#' on, layers counted from 1, and start uniform on (-b, b), b = 1 / sqrt(`hidden_size`).
#'
#' @param input_size numbers at each step of the input.
#' @param hidden_size numbers of the state.
#' @param num_layers layers on top of one another.
#' @param nonlinearity `"tanh"` (also where `NULL`) or `"relu"`.
#' @param bias are biases learned?
#' @param batch_first are inputs and outputs batch x time x ..., not time x batch x ...?
#' @param dropout probability of dropout between layers, while training.
#' @param bidirectional walk in both directions, and put both results side by side?
#' @param ... not used.
#' @return A module, called with `(input, hx = NULL)`: the input time x batch x `input_size`, or a packed sequence
#'   ([nn_utils_rnn_pack_padded_sequence()]), and the initial state, layers times directions x batch x `hidden_size`
#'   (of `nn_lstm()` a list of h and c), zeros where `NULL`. It gives a list: the states h of the last layer at all
#'   steps, time x batch x directions times `hidden_size` (or packed), and the last state of all layers, shaped as
#'   the initial one. Sizes that do not fit are a `value_error`.
#' @examples
#' rnn <- nn_gru(input_size = 3, hidden_size = 5, num_layers = 2, batch_first = TRUE)
#' out <- rnn(torch_randn(4, 7, 3))
#' out[[1]]$shape
#' out[[2]]$shape
#' @name recurrent
#' @family layers
NULL

#' @rdname recurrent
#' @export
nn_rnn <- nn_module(
  "nn_rnn",
  inherit = nn_rnn_base,
  initialize = function(input_size, hidden_size, num_layers = 1, nonlinearity = NULL, bias = TRUE, batch_first = FALSE,
                        dropout = 0., bidirectional = FALSE, ...) {
    self$nonlinearity <- nonlinearity %||% "tanh"
    check_choice(self$nonlinearity, "nonlinearity", c("tanh", "relu"))
    super$initialize(paste0("RNN_", toupper(self$nonlinearity)), input_size, hidden_size, num_layers, bias, batch_first,
      dropout, bidirectional)
  }
)

#' @rdname recurrent
#' @export
nn_lstm <- nn_module(
  "nn_lstm",
  inherit = nn_rnn_base,
  initialize = function(input_size, hidden_size, num_layers = 1, bias = TRUE, batch_first = FALSE, dropout = 0.,
                        bidirectional = FALSE, ...) {
    super$initialize("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
  }
)

#' @rdname recurrent
#' @export
nn_gru <- nn_module(
  "nn_gru",
  inherit = nn_rnn_base,
  initialize = function(input_size, hidden_size, num_layers = 1, bias = TRUE, batch_first = FALSE, dropout = 0.,
                        bidirectional = FALSE, ...) {
    super$initialize("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
  }
)
