#' @include tensor-class.R
NULL

is_scalar_operand <- function(x) is.atomic(x) && length(x) == 1 && is.null(dim(x)) && !is_tensor(x) && !is.object(x)

binary_op_ <- function(name, self, other, attrs = NULL) {
  op <- if (is_scalar_operand(other)) ops[[paste0(name, "_number")]] else ops[[name]]
  apply_op_(op, list(self, other), attrs)
}

alpha_attr <- function(alpha) if (identical(as.double(alpha), 1)) NULL else as.double(alpha)

rounding_op <- function(rounding_mode) {
  switch(rounding_mode,
    trunc = "div_trunc",
    floor = "div_floor",
    refuse(rounding_mode, "rounding_mode", "NULL, \"trunc\" or \"floor\"")
  )
}

#' Arithmetic
#'
#' Element by element, with the usual broadcasting: shapes are compared from the last dimension on, and sizes must be
#' equal or 1. The R operators `+ - * / ^ %% %/%` do the same.
#'
#' The result has the type that holds both operands (float above integer above bool, then the wider); a plain R number
#' only counts if it is of a higher kind than the tensors, and makes integer tensors float32. `torch_div()`,
#' without `rounding_mode`, and `torch_atan2()` always give floats. Integers wrap around on overflow.
#'
#' @param self,other,end tensors, or R numbers, vectors and arrays.
#' @param alpha factor of `other`.
#' @param rounding_mode `NULL`: true quotient; `"trunc"`: rounded towards 0; `"floor"`: rounded down.
#' @param exponent tensor or number.
#' @param weight number or tensor: the result is `self + weight * (end - self)`.
#' @param e1,e2 a tensor and a tensor or number.
#' @return A tensor of the broadcast shape. `torch_fmod()` has the sign of `self`, `torch_remainder()` (and `%%`)
#'   that of `other`, as in R; `%/%` rounds down.
#' @section Errors: shapes that cannot be broadcast; integer division by zero; integers to negative powers.
#' @examples
#' x <- torch_tensor(matrix(1:6, 2))
#' x + torch_tensor(c(10, 20, 30))
#' x^2
#' torch_div(x, 4, rounding_mode = "floor")
#' torch_maximum(x, torch_tensor(3L))
#' @name torch_add
#' @export
torch_add <- function(self, other, alpha = 1L) .Call(cdr_apply_binary, paired$add, self, other, alpha_attr(alpha))

#' @rdname torch_add
#' @export
torch_sub <- function(self, other, alpha = 1L) .Call(cdr_apply_binary, paired$sub, self, other, alpha_attr(alpha))

#' @rdname torch_add
#' @export
torch_subtract <- torch_sub

#' @rdname torch_add
#' @export
torch_mul <- function(self, other) .Call(cdr_apply_binary, paired$mul, self, other, NULL)

#' @rdname torch_add
#' @export
torch_multiply <- torch_mul

#' @rdname torch_add
#' @export
torch_div <- function(self, other, rounding_mode = NULL) {
  if (is.null(rounding_mode)) {
    return(.Call(cdr_apply_binary, paired$div, self, other, NULL))
  }
  apply_op(ops[[rounding_op(rounding_mode)]], list(self, other))
}

#' @rdname torch_add
#' @export
torch_divide <- torch_div

#' @rdname torch_add
#' @export
torch_pow <- function(self, exponent) .Call(cdr_apply_binary, paired$pow, self, exponent, NULL)

#' @rdname torch_add
#' @export
torch_maximum <- function(self, other) .Call(cdr_apply_2, ops$maximum, self, other, NULL)

#' @rdname torch_add
#' @export
torch_minimum <- function(self, other) .Call(cdr_apply_2, ops$minimum, self, other, NULL)

#' @rdname torch_add
#' @export
torch_fmod <- function(self, other) .Call(cdr_apply_2, ops$fmod, self, other, NULL)

#' @rdname torch_add
#' @export
torch_remainder <- function(self, other) .Call(cdr_apply_2, ops$remainder, self, other, NULL)

#' @rdname torch_add
#' @export
torch_atan2 <- function(self, other) .Call(cdr_apply_2, ops$atan2, self, other, NULL)

#' @rdname torch_add
#' @export
torch_nextafter <- function(self, other) .Call(cdr_apply_2, ops$nextafter, self, other, NULL)

#' @rdname torch_add
#' @export
torch_lerp <- function(self, end, weight) torch_add(self, torch_mul(torch_sub(end, self), weight))

tensor_method("add", function(other, alpha = 1L) torch_add(self, other, alpha))
tensor_method("add_", function(other, alpha = 1L) binary_op_("add", self, other, alpha_attr(alpha)))
tensor_method("sub", function(other, alpha = 1L) torch_sub(self, other, alpha))
tensor_method("sub_", function(other, alpha = 1L) binary_op_("sub", self, other, alpha_attr(alpha)))
tensor_method("subtract", function(other, alpha = 1L) torch_sub(self, other, alpha))
tensor_method("mul", function(other) torch_mul(self, other))
tensor_method("mul_", function(other) binary_op_("mul", self, other))
tensor_method("multiply", function(other) torch_mul(self, other))
tensor_method("div", function(other, rounding_mode = NULL) torch_div(self, other, rounding_mode))
tensor_method("divide", function(other, rounding_mode = NULL) torch_div(self, other, rounding_mode))
tensor_method("div_", function(other, rounding_mode = NULL) {
  if (is.null(rounding_mode)) {
    return(binary_op_("div", self, other))
  }
  apply_op_(ops[[rounding_op(rounding_mode)]], list(self, other))
})
tensor_method("pow", function(exponent) torch_pow(self, exponent))
tensor_method("pow_", function(exponent) binary_op_("pow", self, exponent))
tensor_method("maximum", function(other) torch_maximum(self, other))
tensor_method("minimum", function(other) torch_minimum(self, other))
tensor_method("fmod", function(other) torch_fmod(self, other))
tensor_method("fmod_", function(other) apply_op_(ops$fmod, list(self, other)))
tensor_method("remainder", function(other) torch_remainder(self, other))
tensor_method("remainder_", function(other) apply_op_(ops$remainder, list(self, other)))
tensor_method("atan2", function(other) torch_atan2(self, other))
tensor_method("lerp", function(end, weight) torch_lerp(self, end, weight))
tensor_method("lerp_", function(end, weight) {
  binary_op_("add", self, torch_mul(torch_sub(end, self), weight))
})

#' @rdname torch_add
#' @export
`+.candela_tensor` <- function(e1, e2) if (missing(e2)) e1 else .Call(cdr_apply_binary, paired$add, e1, e2, NULL)

#' @rdname torch_add
#' @export
`-.candela_tensor` <- function(e1, e2) {
  if (missing(e2)) .Call(cdr_apply_2, ops$sub, 0L, e1, NULL) else .Call(cdr_apply_binary, paired$sub, e1, e2, NULL)
}

#' @rdname torch_add
#' @export
`*.candela_tensor` <- function(e1, e2) .Call(cdr_apply_binary, paired$mul, e1, e2, NULL)

#' @rdname torch_add
#' @export
`/.candela_tensor` <- function(e1, e2) .Call(cdr_apply_binary, paired$div, e1, e2, NULL)

#' @rdname torch_add
#' @export
`^.candela_tensor` <- function(e1, e2) .Call(cdr_apply_binary, paired$pow, e1, e2, NULL)

#' @rdname torch_add
#' @export
`%%.candela_tensor` <- function(e1, e2) torch_remainder(e1, e2)

#' @rdname torch_add
#' @export
`%/%.candela_tensor` <- function(e1, e2) torch_div(e1, e2, rounding_mode = "floor")

#' Mathematical functions
#'
#' Element by element; gradients are defined wherever the function has one. Integer tensors become float32 where the
#' result is no integer. R's own `abs()`, `sqrt()`, `exp()`, `log()` (with `base`), `round()` (with `digits`),
#' `floor()`, `ceiling()`, `trunc()`, `sign()`, `sin()` and so on work too.
#'
#' @param self,x a tensor.
#' @return A tensor of the same shape. `torch_rsqrt()` is 1 / sqrt(x), `torch_expm1()` exp(x) - 1, `torch_log1p()`
#'   log(1 + x), `torch_sigmoid()` 1 / (1 + exp(-x)); `torch_round()` rounds halves to even.
#' @param decimals number of decimals to keep.
#' @param min,max bounds: a number, a tensor, or `NULL` for none.
#' @param base,digits,... as in R.
#' @examples
#' x <- torch_tensor(c(-1.5, 0, 2.5))
#' torch_exp(x)
#' torch_round(x)
#' torch_clamp(x, min = 0)
#' @name torch_exp
NULL

unary_op <- function(name) {
  force(name)
  function(self) .Call(cdr_apply_1, ops[[name]], self, NULL)
}

#' @rdname torch_exp
#' @export
torch_neg <- unary_op("neg")

#' @rdname torch_exp
#' @export
torch_abs <- unary_op("abs")

#' @rdname torch_exp
#' @export
torch_sign <- unary_op("sign")

#' @rdname torch_exp
#' @export
torch_square <- unary_op("square")

#' @rdname torch_exp
#' @export
torch_exp <- unary_op("exp")

#' @rdname torch_exp
#' @export
torch_expm1 <- unary_op("expm1")

#' @rdname torch_exp
#' @export
torch_log <- unary_op("log")

#' @rdname torch_exp
#' @export
torch_log2 <- unary_op("log2")

#' @rdname torch_exp
#' @export
torch_log10 <- unary_op("log10")

#' @rdname torch_exp
#' @export
torch_log1p <- unary_op("log1p")

#' @rdname torch_exp
#' @export
torch_sqrt <- unary_op("sqrt")

#' @rdname torch_exp
#' @export
torch_rsqrt <- unary_op("rsqrt")

#' @rdname torch_exp
#' @export
torch_reciprocal <- unary_op("reciprocal")

#' @rdname torch_exp
#' @export
torch_sin <- unary_op("sin")

#' @rdname torch_exp
#' @export
torch_cos <- unary_op("cos")

#' @rdname torch_exp
#' @export
torch_tan <- unary_op("tan")

#' @rdname torch_exp
#' @export
torch_asin <- unary_op("asin")

#' @rdname torch_exp
#' @export
torch_acos <- unary_op("acos")

#' @rdname torch_exp
#' @export
torch_atan <- unary_op("atan")

#' @rdname torch_exp
#' @export
torch_sinh <- unary_op("sinh")

#' @rdname torch_exp
#' @export
torch_cosh <- unary_op("cosh")

#' @rdname torch_exp
#' @export
torch_tanh <- unary_op("tanh")

#' @rdname torch_exp
#' @export
torch_sigmoid <- unary_op("sigmoid")

#' @rdname torch_exp
#' @export
torch_erf <- unary_op("erf")

#' @rdname torch_exp
#' @export
torch_floor <- unary_op("floor")

#' @rdname torch_exp
#' @export
torch_ceil <- unary_op("ceil")

#' @rdname torch_exp
#' @export
torch_trunc <- unary_op("trunc")

#' @rdname torch_exp
#' @export
torch_absolute <- torch_abs

#' @rdname torch_exp
#' @export
torch_negative <- torch_neg

#' @rdname torch_exp
#' @export
torch_round <- function(self, decimals = 0L) {
  if (decimals == 0) {
    return(.Call(cdr_apply_1, ops$round, self, NULL))
  }
  torch_div(apply_op(ops$round, list(torch_mul(self, 10^decimals))), 10^decimals)
}

#' @rdname torch_exp
#' @export
torch_clamp <- function(self, min = NULL, max = NULL) {
  if (is.null(min) && is.null(max)) value_error("torch_clamp: give `min`, `max` or both.")
  if ((is.null(min) || is_scalar_operand(min)) && (is.null(max) || is_scalar_operand(max))) {
    bounds <- c(if (is.null(min)) -Inf else min, if (is.null(max)) Inf else max)
    return(apply_op(ops$clamp, list(self), as.double(bounds)))
  }
  if (!is.null(min)) self <- torch_maximum(self, min)
  if (!is.null(max)) self <- torch_minimum(self, max)
  self
}

#' @rdname torch_exp
#' @export
torch_clip <- torch_clamp

for (name in c(
  "neg", "abs", "sign", "square", "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal",
  "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf", "floor", "ceil", "trunc"
)) {
  local({
    op <- name
    tensor_method(op, function() apply_op(ops[[op]], list(self)))
    tensor_method(paste0(op, "_"), function() apply_op_(ops[[op]], list(self)))
  })
}
rm(name)
tensor_method("round", function(decimals = 0L) torch_round(self, decimals))
tensor_method("round_", function(decimals = 0L) self$copy_(torch_round(self, decimals)))
tensor_method("clamp", function(min = NULL, max = NULL) torch_clamp(self, min, max))
tensor_method("clip", function(min = NULL, max = NULL) torch_clamp(self, min, max))
tensor_method("clamp_", function(min = NULL, max = NULL) {
  bounds <- c(if (is.null(min)) -Inf else min, if (is.null(max)) Inf else max)
  apply_op_(ops$clamp, list(self), as.double(bounds))
})

#' @rdname torch_exp
#' @export
abs.candela_tensor <- function(x) torch_abs(x)

#' @rdname torch_exp
#' @export
sign.candela_tensor <- function(x) torch_sign(x)

#' @rdname torch_exp
#' @export
sqrt.candela_tensor <- function(x) torch_sqrt(x)

#' @rdname torch_exp
#' @export
exp.candela_tensor <- function(x) torch_exp(x)

#' @rdname torch_exp
#' @export
expm1.candela_tensor <- function(x) torch_expm1(x)

#' @rdname torch_exp
#' @method log2 candela_tensor
#' @export
log2.candela_tensor <- function(x) torch_log2(x)

#' @rdname torch_exp
#' @method log10 candela_tensor
#' @export
log10.candela_tensor <- function(x) torch_log10(x)

#' @rdname torch_exp
#' @export
log1p.candela_tensor <- function(x) torch_log1p(x)

#' @rdname torch_exp
#' @export
sin.candela_tensor <- function(x) torch_sin(x)

#' @rdname torch_exp
#' @export
cos.candela_tensor <- function(x) torch_cos(x)

#' @rdname torch_exp
#' @export
tan.candela_tensor <- function(x) torch_tan(x)

#' @rdname torch_exp
#' @export
asin.candela_tensor <- function(x) torch_asin(x)

#' @rdname torch_exp
#' @export
acos.candela_tensor <- function(x) torch_acos(x)

#' @rdname torch_exp
#' @export
atan.candela_tensor <- function(x) torch_atan(x)

#' @rdname torch_exp
#' @export
sinh.candela_tensor <- function(x) torch_sinh(x)

#' @rdname torch_exp
#' @export
cosh.candela_tensor <- function(x) torch_cosh(x)

#' @rdname torch_exp
#' @export
tanh.candela_tensor <- function(x) torch_tanh(x)

#' @rdname torch_exp
#' @export
floor.candela_tensor <- function(x) torch_floor(x)

#' @rdname torch_exp
#' @export
ceiling.candela_tensor <- function(x) torch_ceil(x)

#' @rdname torch_exp
#' @export
trunc.candela_tensor <- function(x, ...) torch_trunc(x)

#' @rdname torch_exp
#' @export
log.candela_tensor <- function(x, base = exp(1)) {
  if (missing(base)) torch_log(x) else torch_div(torch_log(x), log(base))
}

#' @rdname torch_exp
#' @export
round.candela_tensor <- function(x, digits = 0, ...) torch_round(x, digits)
