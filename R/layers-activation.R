#' @include module.R layers-function.R
NULL

#' Activation layers
#'
#' Functions of each element, as modules; formulas with [nnf_relu()] and the other functions of the same names.
#'
#' @param inplace overwrite the input?
#' @param negative_slope slope for negative inputs.
#' @param alpha scale of the negative part, alpha (exp(x) - 1); for `nn_celu()` alpha (exp(x / alpha) - 1).
#' @param approximate `"none"` for the exact function, `"tanh"` for its approximation.
#' @param min_val,max_val bounds.
#' @param beta,threshold log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.
#' @param num_parameters,init number of learned slopes, 1 or the number of channels, and their starting value.
#' @return A module whose output has the shape of its input.
#' @examples
#' nn_relu()(torch_tensor(c(-1, 2)))
#' nn_leaky_relu(0.1)(torch_tensor(c(-1, 2)))
#' @name activations
#' @family layers
NULL

#' @rdname activations
#' @export
nn_relu <- nn_module(
  "nn_relu",
  initialize = function(inplace = FALSE) {
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_relu(input, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_relu6 <- nn_module(
  "nn_relu6",
  initialize = function(inplace = FALSE) {
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_relu6(input, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_leaky_relu <- nn_module(
  "nn_leaky_relu",
  initialize = function(negative_slope = 1e-2, inplace = FALSE) {
    self$negative_slope <- negative_slope
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_leaky_relu(input, self$negative_slope, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_elu <- nn_module(
  "nn_elu",
  initialize = function(alpha = 1, inplace = FALSE) {
    self$alpha <- alpha
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_elu(input, self$alpha, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_celu <- nn_module(
  "nn_celu",
  initialize = function(alpha = 1, inplace = FALSE) {
    self$alpha <- alpha
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_celu(input, self$alpha, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_selu <- nn_module(
  "nn_selu",
  initialize = function(inplace = FALSE) {
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_selu(input, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_gelu <- nn_module(
  "nn_gelu",
  initialize = function(approximate = "none") {
    self$approximate <- approximate
  },
  forward = function(input) {
    nnf_gelu(input, self$approximate)
  }
)

#' @rdname activations
#' @export
nn_silu <- nn_module(
  "nn_silu",
  initialize = function(inplace = FALSE) {
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_silu(input, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_mish <- nn_module(
  "nn_mish",
  initialize = function(inplace = FALSE) {
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_mish(input, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_hardswish <- function_layer("nn_hardswish", quote(nnf_hardswish), alist(inplace = FALSE))

#' @rdname activations
#' @export
nn_hardsigmoid <- function_layer("nn_hardsigmoid", quote(nnf_hardsigmoid), alist(inplace = FALSE))

#' @rdname activations
#' @export
nn_hardtanh <- nn_module(
  "nn_hardtanh",
  initialize = function(min_val = -1, max_val = 1, inplace = FALSE) {
    self$min_val <- min_val
    self$max_val <- max_val
    self$inplace <- inplace
  },
  forward = function(input) {
    nnf_hardtanh(input, self$min_val, self$max_val, self$inplace)
  }
)

#' @rdname activations
#' @export
nn_softplus <- nn_module(
  "nn_softplus",
  initialize = function(beta = 1, threshold = 20) {
    self$beta <- beta
    self$threshold <- threshold
  },
  forward = function(input) {
    nnf_softplus(input, self$beta, self$threshold)
  }
)

#' @rdname activations
#' @export
nn_sigmoid <- nn_module(
  "nn_sigmoid",
  forward = function(input) {
    nnf_sigmoid(input)
  }
)

#' @rdname activations
#' @export
nn_tanh <- nn_module(
  "nn_tanh",
  forward = function(input) {
    torch_tanh(input)
  }
)

#' @rdname activations
#' @export
nn_log_sigmoid <- nn_module(
  "nn_log_sigmoid",
  forward = function(input) {
    nnf_logsigmoid(input)
  }
)

#' @rdname activations
#' @export
nn_prelu <- nn_module(
  "nn_prelu",
  initialize = function(num_parameters = 1, init = 0.25) {
    self$num_parameters <- num_parameters
    self$weight <- nn_parameter(torch_full(num_parameters, init))
  },
  forward = function(input) {
    nnf_prelu(input, self$weight)
  }
)

#' Softmax layers
#'
#' exp(x) / sum(exp(x)) along a dimension, and its logarithm.
#'
#' @param dim the dimension, counted from 1; negative from the end.
#' @return A module whose output has the shape of its input.
#' @examples
#' nn_softmax(dim = 2)(torch_tensor(matrix(c(1, 2, 3, 4), 2)))
#' @family layers
#' @export
nn_softmax <- nn_module(
  "nn_softmax",
  initialize = function(dim) {
    self$dim <- dim
  },
  forward = function(input) {
    nnf_softmax(input, self$dim)
  }
)

#' @rdname nn_softmax
#' @export
nn_log_softmax <- nn_module(
  "nn_log_softmax",
  initialize = function(dim) {
    self$dim <- dim
  },
  forward = function(input) {
    nnf_log_softmax(input, self$dim)
  }
)

nn_dropout_base <- nn_module(
  "nn_dropout_nd",
  initialize = function(p = 0.5, inplace = FALSE) {
    check_dropout(p)
    self$p <- p
    self$inplace <- inplace
  }
)

#' Dropout layers
#'
#' In training mode, sets elements (`nn_dropout()`) or whole channels (`nn_dropout2d()`, `nn_dropout3d()`) to zero
#' with probability `p` and multiplies the others by 1 / (1 - p); in evaluation mode, returns the input. Srivastava
#' et al. (2014).
#'
#' @param p probability of a zero.
#' @param inplace overwrite the input?
#' @return A module whose output has the shape of its input.
#' @examples
#' nn_dropout(0.5)(torch_ones(2, 4))
#' @family layers
#' @export
nn_dropout <- nn_module(
  "nn_dropout",
  inherit = nn_dropout_base,
  forward = function(input) {
    nnf_dropout(input, self$p, self$training, self$inplace)
  }
)

#' @rdname nn_dropout
#' @export
nn_dropout2d <- nn_module(
  "nn_dropout2d",
  inherit = nn_dropout_base,
  forward = function(input) {
    nnf_dropout2d(input, self$p, self$training, self$inplace)
  }
)

#' @rdname nn_dropout
#' @export
nn_dropout3d <- nn_module(
  "nn_dropout3d",
  inherit = nn_dropout_base,
  forward = function(input) {
    nnf_dropout3d(input, self$p, self$training, self$inplace)
  }
)

#' Further activation layers
#'
#' Functions as modules: formulas with [nnf_glu()], [nnf_hardshrink()] and the other functions of the same names.
#' `nn_softmax2d()` is the softmax over the channels of N x C x H x W; `nn_rrelu()` draws slopes while training.
#'
#' @param dim the dimension, from 1; negative from the end.
#' @param lambd half the width of what is shrunk to 0.
#' @param threshold,value what is not above the threshold becomes `value`.
#' @param lower,upper bounds of the slopes that are drawn.
#' @param inplace overwrite the input?
#' @return A module, called with a float tensor.
#' @examples
#' nn_glu()(torch_randn(2, 6))$shape
#' nn_softshrink(0.5)(torch_tensor(c(-1, 0.2, 2)))
#' @name further_activations
#' @family layers
NULL

#' @rdname further_activations
#' @export
nn_glu <- function_layer("nn_glu", quote(nnf_glu), alist(dim = -1))

#' @rdname further_activations
#' @export
nn_hardshrink <- function_layer("nn_hardshrink", quote(nnf_hardshrink), alist(lambd = 0.5))

#' @rdname further_activations
#' @export
nn_softshrink <- function_layer("nn_softshrink", quote(nnf_softshrink), alist(lambd = 0.5))

#' @rdname further_activations
#' @export
nn_tanhshrink <- function_layer("nn_tanhshrink", quote(nnf_tanhshrink))

#' @rdname further_activations
#' @export
nn_softsign <- function_layer("nn_softsign", quote(nnf_softsign))

#' @rdname further_activations
#' @export
nn_threshold <- function_layer("nn_threshold", quote(nnf_threshold), alist(threshold = , value = , inplace = FALSE))

#' @rdname further_activations
#' @export
nn_rrelu <- function_layer("nn_rrelu", quote(nnf_rrelu), alist(lower = 1 / 8, upper = 1 / 3, inplace = FALSE),
  more = alist(training = self$training))

#' @rdname further_activations
#' @export
nn_softmin <- function_layer("nn_softmin", quote(nnf_softmin), alist(dim = ))

#' @rdname further_activations
#' @export
nn_softmax2d <- function_layer("nn_softmax2d", quote(softmax_of_channels))

softmax_of_channels <- function(input) {
  check_rank(input, "input", 3:4)
  nnf_softmax(input, -3)
}

#' @rdname further_activations
#' @export
nn_contrib_sparsemax <- function_layer("nn_contrib_sparsemax", quote(nnf_contrib_sparsemax), alist(dim = -1))
