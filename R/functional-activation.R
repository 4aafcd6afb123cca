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
#' x where `beta` x exceeds `threshold`; `logsigmoid` log(sigmoid(x)); `prelu` as `leaky_relu` with a learned slope for
#' each channel.
#'
#' @param input,self a float tensor of any shape.
#' @param inplace write into `input`?
#' @param negative_slope,alpha,beta,threshold,min_val,max_val numbers, see the formulas.
#' @param approximate `"none"` or `"tanh"`.
#' @param weight slopes: a tensor with one element, or one for each channel (dimension 2 of `input`).
#' @return a tensor like the input.
#' @references Klambauer, Unterthiner, Mayr, Hochreiter (2017), Self-normalizing neural networks. Hendrycks, Gimpel
#'   (2016), Gaussian error linear units. Howard et al. (2019), Searching for MobileNetV3. Misra (2019), Mish: a self
#'   regularized non-monotonic activation function.
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
#' softmax(x)\[i\] = exp(x\[i\]) / sum(exp(x)) along one dimension, computed without overflow.
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
torch_softmax <- function(self, dim, dtype = NULL) nnf_softmax(self, dim, dtype)

#' @rdname nnf_softmax
#' @export
torch_log_softmax <- function(self, dim, dtype = NULL) nnf_log_softmax(self, dim, dtype)

tensor_method("softmax", function(dim, dtype = NULL) nnf_softmax(self, dim, dtype))
tensor_method("log_softmax", function(dim, dtype = NULL) nnf_log_softmax(self, dim, dtype))
