# Activations: functions of single elements.

#' Activation functions
#'
#' Applied to each element; the memory layout of the input is kept. Functions with `inplace = TRUE`, and the methods
#' whose name ends in `_`, write the result into their input.
#'
#' With x an element: `relu` max(0, x); `relu6` min(6, max(0, x)); `leaky_relu` x if x > 0, else `negative_slope` x;
#' `elu` x if x > 0, else `alpha` (exp(x) - 1); `celu` x if x > 0, else `alpha` (exp(x / `alpha`) - 1); `selu` as in
#' Klambauer et al. (2017); `gelu` x Phi(x) with the normal distribution function Phi, or its approximation by tanh;
#' `silu` x sigmoid(x); `mish` x tanh(log(1 + exp(x))); `hardswish` x relu6(x + 3) / 6; `hardsigmoid`
#' relu6(x + 3) / 6; `hardtanh` x limited to `min_val` .. `max_val`; `softplus` log(1 + exp(`beta` x)) / `beta`,
#' x where `beta` x exceeds `threshold`; `logsigmoid` log(sigmoid(x)); `prelu` as `leaky_relu` with a learned slope
#' for each channel; `rrelu` as `leaky_relu` with a slope drawn uniformly from `lower` .. `upper` for each negative
#' element while `training`, else their mean; `hardshrink` x where |x| > `lambd`, else 0; `softshrink` the same,
#' moved by `lambd` towards 0; `tanhshrink` x - tanh(x); `softsign` x / (1 + |x|); `threshold` x where x >
#' `threshold`, else `value`.
#'
#' @param input,self a float tensor of any shape.
#' @param inplace write into `input`?
#' @param negative_slope,alpha,beta,threshold,min_val,max_val,lambd,value,lower,upper numbers, see the formulas.
#' @param training draw slopes?
#' @param approximate `"none"` or `"tanh"`.
#' @param weight slopes: a tensor with one element, or one for each channel (dimension 2 of `input`).
#' @return a tensor like the input.
#' @references Klambauer, Unterthiner, Mayr, Hochreiter (2017), Self-normalizing neural networks. Hendrycks, Gimpel
#'   (2016), Gaussian error linear units. Howard et al. (2019), Searching for MobileNetV3. Misra (2019), Mish: a self
#'   regularized non-monotonic activation function. Xu et al. (2015), Empirical evaluation of rectified activations in
#'   convolutional network.
#' @examples
#' x <- torch_tensor(c(-2, -0.5, 0, 3))
#' nnf_relu(x)
#' nnf_gelu(x)
#' nnf_hardtanh(x, -1, 1)
#' @name nnf_activation
NULL

activate <- function(op, input, inplace = FALSE, attrs = NULL) {
  if (identical(inplace, TRUE)) apply_op_(op, list(input), attrs) else .Call(cdr_apply_1, op, input, attrs)
}

#' @rdname nnf_activation
#' @export
nnf_relu <- function(input, inplace = FALSE) {
  if (identical(inplace, TRUE)) apply_op_(ops$relu, list(input)) else .Call(cdr_apply_1, ops$relu, input, NULL)
}

#' @rdname nnf_activation
#' @export
nnf_relu6 <- function(input, inplace = FALSE) activate(ops$relu6, input, inplace)

#' @rdname nnf_activation
#' @export
nnf_leaky_relu <- function(input, negative_slope = 0.01, inplace = FALSE) {
  activate(ops$leaky_relu, input, inplace, as.double(negative_slope))
}

#' @rdname nnf_activation
#' @export
nnf_elu <- function(input, alpha = 1, inplace = FALSE) activate(ops$elu, input, inplace, as.double(alpha))

#' @rdname nnf_activation
#' @export
nnf_celu <- function(input, alpha = 1, inplace = FALSE) {
  if (alpha == 0) value_error("celu: alpha cannot be 0.")
  activate(ops$celu, input, inplace, as.double(alpha))
}

#' @rdname nnf_activation
#' @export
nnf_selu <- function(input, inplace = FALSE) activate(ops$selu, input, inplace)

#' @rdname nnf_activation
#' @export
nnf_gelu <- function(input, approximate = "none") {
  op <- switch(approximate,
    none = ops$gelu,
    tanh = ops$gelu_tanh,
    refuse_choice(approximate, "approximate", c("none", "tanh"))
  )
  activate(op, input)
}

#' @rdname nnf_activation
#' @export
nnf_silu <- function(input, inplace = FALSE) activate(ops$silu, input, inplace)

#' @rdname nnf_activation
#' @export
nnf_mish <- function(input, inplace = FALSE) activate(ops$mish, input, inplace)

#' @rdname nnf_activation
#' @export
nnf_hardswish <- function(input, inplace = FALSE) activate(ops$hardswish, input, inplace)

#' @rdname nnf_activation
#' @export
nnf_hardsigmoid <- function(input, inplace = FALSE) activate(ops$hardsigmoid, input, inplace)

#' @rdname nnf_activation
#' @export
nnf_hardtanh <- function(input, min_val = -1, max_val = 1, inplace = FALSE) {
  if (min_val > max_val) value_error("hardtanh: `min_val` must not be greater than `max_val`.")
  activate(ops$hardtanh, input, inplace, as.double(c(min_val, max_val)))
}

#' @rdname nnf_activation
#' @export
nnf_softplus <- function(input, beta = 1, threshold = 20) {
  activate(ops$softplus, input, FALSE, as.double(c(beta, threshold)))
}

#' @rdname nnf_activation
#' @export
nnf_logsigmoid <- function(input) activate(ops$log_sigmoid, input)

#' @rdname nnf_activation
#' @export
nnf_hardshrink <- function(input, lambd = 0.5) activate(ops$hardshrink, input, FALSE, as.double(lambd))

#' @rdname nnf_activation
#' @export
nnf_softshrink <- function(input, lambd = 0.5) {
  if (lambd < 0) value_error(sprintf("softshrink: `lambd` must not be negative, but got %g.", lambd))
  activate(ops$softshrink, input, FALSE, as.double(lambd))
}

#' @rdname nnf_activation
#' @export
nnf_tanhshrink <- function(input) activate(ops$tanhshrink, input)

#' @rdname nnf_activation
#' @export
nnf_softsign <- function(input) activate(ops$softsign, input)

#' @rdname nnf_activation
#' @export
nnf_threshold <- function(input, threshold, value, inplace = FALSE) {
  activate(ops$threshold, input, inplace, as.double(c(threshold, value)))
}

#' @rdname nnf_activation
#' @export
nnf_threshold_ <- function(input, threshold, value) nnf_threshold(input, threshold, value, TRUE)

#' @rdname nnf_activation
#' @export
nnf_relu_ <- function(input) nnf_relu(input, TRUE)

#' @rdname nnf_activation
#' @export
nnf_elu_ <- function(input, alpha = 1) nnf_elu(input, alpha, TRUE)

#' @rdname nnf_activation
#' @export
nnf_celu_ <- function(input, alpha = 1) nnf_celu(input, alpha, TRUE)

#' @rdname nnf_activation
#' @export
nnf_selu_ <- function(input) nnf_selu(input, TRUE)

#' @rdname nnf_activation
#' @export
nnf_hardtanh_ <- function(input, min_val = -1, max_val = 1) nnf_hardtanh(input, min_val, max_val, TRUE)

#' @rdname nnf_activation
#' @export
nnf_rrelu <- function(input, lower = 1 / 8, upper = 1 / 3, training = FALSE, inplace = FALSE) {
  if (lower > upper) value_error("rrelu: `lower` must not be greater than `upper`.")
  if (!training) {
    return(nnf_leaky_relu(input, (lower + upper) / 2, inplace))
  }
  slope <- drawn_slopes(input, lower, upper)
  if (isTRUE(inplace)) input$mul_(slope) else input * slope
}

#' @rdname nnf_activation
#' @export
nnf_rrelu_ <- function(input, lower = 1 / 8, upper = 1 / 3, training = FALSE) {
  nnf_rrelu(input, lower, upper, training, TRUE)
}

# 1 where the input is positive, else a number drawn uniformly for that element, in their order.
drawn_slopes <- function(input, lower, upper) {
  with_no_grad({
    below <- (input <= 0)$reshape(-1)
    place <- below$cumsum(dim = 1)$clamp(min = 1)
    n <- as.integer(below$sum()$item())
    drawn <- torch_rand(max(n, 1L), dtype = torch_double()) * (upper - lower) + lower
    slope <- torch_where(below, drawn$to(dtype = input$dtype)$index_select(1, place$to(dtype = torch_long())),
      torch_ones(1, dtype = input$dtype))
    slope$reshape(dim(input))
  })
}

#' Gated linear unit
#'
#' a sigmoid(b), where a and b are the two halves of the input along a dimension.
#'
#' @param input float tensor; its size along `dim` must be even.
#' @param dim the dimension, from 1; negative from the end.
#' @return a tensor, half as large along `dim`.
#' @references Dauphin et al. (2017), Language modeling with gated convolutional networks,
#'   <https://arxiv.org/abs/1612.08083>.
#' @examples
#' nnf_glu(torch_randn(2, 6))$shape
#' @export
nnf_glu <- function(input, dim = -1) {
  size <- base::dim(input)
  at <- if (dim < 0) length(size) + dim + 1 else dim
  if (length(size) == 0 || at < 1 || at > length(size) || size[at] %% 2 != 0) {
    value_error(sprintf("glu: dimension %g of an input of size [%s] cannot be halved.", dim, toString(size)))
  }
  half <- size[at] / 2
  input$narrow(at, 1, half) * torch_sigmoid(input$narrow(at, half + 1, half))
}

#' @rdname nnf_activation
#' @export
nnf_sigmoid <- function(input) torch_sigmoid(input)

#' @rdname nnf_activation
#' @export
nnf_tanh <- function(input) torch_tanh(input)

#' @rdname nnf_activation
#' @export
nnf_prelu <- function(input, weight) {
  slopes <- length(weight)
  rank <- length(dim(input))
  if (slopes > 1 && (rank < 2 || dim(input)[2] != slopes)) {
    value_error(sprintf("prelu: `weight` has %d elements, which is not the number of channels of the input.", slopes))
  }
  slope <- weight$reshape(c(slopes, rep(1, max(rank - 2, 0))))
  nnf_relu(input) - slope * nnf_relu(-input)
}

#' @rdname nnf_activation
#' @export
torch_relu <- function(self) activate(ops$relu, self)

#' @rdname nnf_activation
#' @export
torch_relu_ <- function(self) activate(ops$relu, self, TRUE)

#' @rdname nnf_activation
#' @export
torch_selu <- function(self) activate(ops$selu, self)

tensor_method("relu", function() torch_relu(self))
tensor_method("relu_", function() torch_relu_(self))

#' Softmax and its logarithm
#'
#' softmax(x)\[i\] = exp(x\[i\]) / sum(exp(x)) along one dimension, computed without overflow; softmin(x) is
#' softmax(-x).
#'
#' @param input,self a float tensor.
#' @param dim the dimension along which the results add up to 1, from 1; negative from the end.
#' @param dtype type the input is converted to before, if given.
#' @return a tensor like the input.
#' @examples
#' x <- torch_tensor(matrix(c(1, 2, 3, 1, 1, 1), 2, byrow = TRUE))
#' nnf_softmax(x, dim = 2)
#' nnf_log_softmax(x, dim = 2)
#' @export
nnf_softmax <- function(input, dim, dtype = NULL) {
  if (!is.null(dtype)) input <- input$to(dtype = dtype)
  apply_op(ops$softmax, list(input), zero_based_dim(dim))
}

#' @rdname nnf_softmax
#' @export
nnf_log_softmax <- function(input, dim = NULL, dtype = NULL) {
  if (is.null(dim)) value_error("log_softmax: `dim` is missing.")
  if (!is.null(dtype)) input <- input$to(dtype = dtype)
  apply_op(ops$log_softmax, list(input), zero_based_dim(dim))
}

#' @rdname nnf_softmax
#' @export
nnf_softmin <- function(input, dim, dtype = NULL) nnf_softmax(-input, dim, dtype)

#' @rdname nnf_softmax
#' @export
torch_softmax <- function(self, dim, dtype = NULL) nnf_softmax(self, dim, dtype)

#' @rdname nnf_softmax
#' @export
torch_log_softmax <- function(self, dim, dtype = NULL) nnf_log_softmax(self, dim, dtype)

tensor_method("softmax", function(dim, dtype = NULL) nnf_softmax(self, dim, dtype))
tensor_method("log_softmax", function(dim, dtype = NULL) nnf_log_softmax(self, dim, dtype))

#' Samples of the Gumbel-softmax distribution
#'
#' softmax((x + g) / tau), g drawn from the Gumbel distribution, -log(-log(u)) for u uniform on (0, 1).
#'
#' @param logits float tensor of logarithms of probabilities, which need not add up to 1.
#' @param tau the temperature: the smaller, the nearer to one-hot.
#' @param hard give one-hot vectors, whose gradient is that of the soft ones?
#' @param dim the dimension along which the results add up to 1.
#' @return a tensor like `logits`.
#' @references Jang, Gu, Poole (2017), <https://arxiv.org/abs/1611.01144>.
#' @examples
#' torch_manual_seed(1)
#' nnf_gumbel_softmax(torch_zeros(2, 3), hard = TRUE)
#' @export
nnf_gumbel_softmax <- function(logits, tau = 1, hard = FALSE, dim = -1) {
  check_number(tau, "tau", 0)
  check_flag(hard, "hard")
  gumbel <- with_no_grad(-torch_log(-torch_log1p(-torch_rand(base::dim(logits), dtype = logits$dtype))))
  soft <- nnf_softmax((logits + gumbel) / tau, dim)
  if (!hard) {
    return(soft)
  }
  largest <- soft$detach()$max(dim = dim, keepdim = TRUE)[[2]]
  one <- torch_zeros_like(soft$detach())$scatter(dim, largest, torch_ones_like(largest)$to(dtype = soft$dtype))
  one - soft$detach() + soft
}

#' Sparsemax
#'
#' The nearest point of the probability simplex: max(0, x - tau), with tau such that the results add up to 1 along a
#' dimension. Unlike with [nnf_softmax()] many are exactly 0.
#'
#' @param input float tensor.
#' @param dim the dimension, from 1; negative from the end.
#' @return a tensor like `input`.
#' @references Martins, Astudillo (2016), From softmax to sparsemax, <https://arxiv.org/abs/1602.02068>.
#' @examples
#' nnf_contrib_sparsemax(torch_tensor(c(0.5, 0.4, -2)), dim = 1)
#' @export
nnf_contrib_sparsemax <- function(input, dim = -1) {
  check_tensor(input, "input")
  check_whole_number(dim, "dim")
  size <- base::dim(input)
  at <- if (dim < 0) length(size) + dim + 1 else dim
  support <- with_no_grad({
    sorted <- torch_sort(input, dim = at, descending = TRUE)[[1]]
    rank <- torch_tensor(seq_len(size[at]), dtype = input$dtype)
    rank <- rank$reshape(c(rep(1, at - 1), size[at], rep(1, length(size) - at)))
    count <- (sorted * rank + 1 > sorted$cumsum(dim = at))$to(dtype = torch_long())$sum(dim = at, keepdim = TRUE)
    (input >= sorted$gather(at, count))$to(dtype = input$dtype)
  })
  tau <- ((input * support)$sum(dim = at, keepdim = TRUE) - 1) / support$sum(dim = at, keepdim = TRUE)
  nnf_relu(input - tau)
}
