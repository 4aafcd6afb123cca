#' @include tensor-math.R
NULL

#' More functions of numbers
#'
#' Element by element, with the usual broadcasting; gradients are defined wherever the function has one.
#'
#' * `torch_xlogy()` is x log(y), 0 where x is 0; `torch_logaddexp()` log(exp(a) + exp(b)), `torch_logaddexp2()` the
#'   same to base 2, without overflow; `torch_hypot()` the root of a^2 + b^2; `torch_ldexp()` a 2^b.
#' * `torch_frac()` is the part behind the decimal point, `torch_fix()` the one before it. `torch_floor_divide()` rounds
#'   the quotient down.
#' * `torch_sgn()` is the sign; `torch_signbit()` tells negative numbers, also -0; `torch_copysign()` gives `self` the
#'   sign of `other`; `torch_heaviside()` is 0 below 0, 1 above it and `values` at 0.
#' * `torch_deg2rad()` and `torch_rad2deg()` convert angles; `torch_angle()` is pi for negative numbers, else 0;
#'   `torch_real()` and `torch_conj()` give real tensors as they are.
#' * `torch_logit()` is log(x / (1 - x)), of x moved to between `eps` and 1 - `eps` if that is given; `torch_sinc()`
#'   sin(pi x) / (pi x).
#' * `torch_nan_to_num()` replaces NaN and infinite values, the latter by the largest and smallest number by default.
#' * `torch_addcmul()` is self + value tensor1 tensor2, `torch_addcdiv()` self + value tensor1 / tensor2.
#' * `torch_mvlgamma()` is the logarithm of the multivariate gamma function of `p` dimensions.
#'
#' @param self,other,tensor1,tensor2,values tensors, or R numbers, vectors and arrays.
#' @param value factor.
#' @param eps `NULL`, or a small number.
#' @param nan,posinf,neginf numbers that replace NaN, Inf and -Inf; `NULL` for 0, the largest and the smallest number.
#' @param exponent tensor or number; the power is computed in float64.
#' @return A tensor of the broadcast shape.
#' @examples
#' torch_xlogy(c(0, 1, 2), c(0, 2, 2))
#' torch_logaddexp(c(1000, 0), c(1000, 0))
#' torch_nan_to_num(c(NaN, 1, Inf), posinf = 10)
#' @name torch_xlogy
#' @export
torch_xlogy <- function(self, other) {
  zero <- torch_logical_and(torch_eq(self, 0), torch_logical_not(torch_isnan(other)))
  torch_where(zero, 0, torch_mul(self, torch_log(torch_where(zero, 1, other))))
}

# a, b -> larger + log(1 + exp(-|a - b|)), where equal infinities have the difference 0.
log_add <- function(a, b, exponential, logarithm) {
  distance <- torch_where(torch_eq(a, b), 0, torch_sub(a, b))
  torch_add(torch_maximum(a, b), logarithm(exponential(torch_neg(torch_abs(distance)))))
}

#' @rdname torch_xlogy
#' @export
torch_logaddexp <- function(self, other) log_add(self, other, torch_exp, torch_log1p)

#' @rdname torch_xlogy
#' @export
torch_logaddexp2 <- function(self, other) {
  log_add(self, other, function(x) torch_exp(torch_mul(x, log(2))), function(x) torch_div(torch_log1p(x), log(2)))
}

# `f` of tensors in float64, with the result in the dtype they have together.
in_double <- function(f, self, other) {
  dtype <- torch_result_type(self, other)
  result <- f(cast(self, torch_double()), if (is_tensor(other)) cast(other, torch_double()) else other)
  if (dtype$is_floating_point) cast(result, dtype) else cast(result, torch_float())
}

#' @rdname torch_xlogy
#' @export
torch_hypot <- function(self, other) {
  in_double(function(a, b) torch_sqrt(torch_add(torch_square(a), torch_square(b))), self, other)
}

#' @rdname torch_xlogy
#' @export
torch_ldexp <- function(self, other) torch_mul(self, torch_pow(torch_scalar_tensor(2), other))

#' @rdname torch_xlogy
#' @export
torch_float_power <- function(self, exponent) torch_pow(cast(self, torch_double()), exponent)

#' @rdname torch_xlogy
#' @export
torch_frac <- function(self) torch_sub(self, torch_trunc(self))

#' @rdname torch_xlogy
#' @export
torch_fix <- function(self) torch_trunc(self)

#' @rdname torch_xlogy
#' @export
torch_floor_divide <- function(self, other) torch_div(self, other, rounding_mode = "floor")

#' @rdname torch_xlogy
#' @export
torch_true_divide <- function(self, other) torch_div(self, other)

#' @rdname torch_xlogy
#' @export
torch_sgn <- function(self) torch_sign(self)

#' @rdname torch_xlogy
#' @export
torch_signbit <- function(self) {
  if (!is_float(self)) {
    return(torch_lt(self, 0))
  }
  torch_where(torch_eq(self, 0), torch_lt(torch_reciprocal(self), 0), torch_lt(self, 0))
}

#' @rdname torch_xlogy
#' @export
torch_copysign <- function(self, other) {
  negative <- torch_signbit(if (is_tensor(other)) other else as_tensor(other, "other"))
  size <- torch_abs(self)
  if (!is_float(self)) size <- cast(size, torch_float())
  torch_where(negative, torch_neg(size), size)
}

#' @rdname torch_xlogy
#' @export
torch_heaviside <- function(self, values) torch_where(torch_eq(self, 0), values, cast(torch_gt(self, 0), self$dtype))

#' @rdname torch_xlogy
#' @export
torch_deg2rad <- function(self) torch_mul(self, pi / 180)

#' @rdname torch_xlogy
#' @export
torch_rad2deg <- function(self) torch_mul(self, 180 / pi)

#' @rdname torch_xlogy
#' @export
torch_angle <- function(self) {
  float <- if (is_float(self)) self else cast(self, torch_float())
  torch_where(torch_isnan(float), float, torch_mul(cast(torch_lt(float, 0), float$dtype), pi))
}

#' @rdname torch_xlogy
#' @export
torch_conj <- function(self) self

#' @rdname torch_xlogy
#' @export
torch_real <- function(self) self

#' @rdname torch_xlogy
#' @export
torch_logit <- function(self, eps = NULL) {
  if (!is.null(eps)) self <- torch_clamp(self, eps, 1 - eps)
  torch_log(torch_div(self, torch_sub(1, self)))
}

#' @rdname torch_xlogy
#' @export
torch_sinc <- function(self) {
  zero <- torch_eq(self, 0)
  angle <- torch_mul(torch_where(zero, 1, self), pi)
  torch_where(zero, 1, torch_div(torch_sin(angle), angle))
}

#' @rdname torch_xlogy
#' @export
torch_nan_to_num <- function(self, nan = NULL, posinf = NULL, neginf = NULL) {
  if (!is_float(self)) {
    return(torch_clone(self))
  }
  limits <- torch_finfo(self$dtype)
  self <- torch_masked_fill(self, torch_isnan(self), nan %||% 0)
  self <- torch_masked_fill(self, torch_isposinf(self), posinf %||% limits$max)
  torch_masked_fill(self, torch_isneginf(self), neginf %||% limits$min)
}

#' @rdname torch_xlogy
#' @export
torch_addcmul <- function(self, tensor1, tensor2, value = 1L) {
  torch_add(self, torch_mul(tensor1, tensor2), alpha = value)
}

#' @rdname torch_xlogy
#' @export
torch_addcdiv <- function(self, tensor1, tensor2, value = 1L) {
  torch_add(self, torch_div(tensor1, tensor2), alpha = value)
}

torch_clamp_min <- function(self, min) torch_clamp(self, min = min)
torch_clamp_max <- function(self, max) torch_clamp(self, max = max)
torch_positive <- function(self) self
torch_rsub <- function(self, other, alpha = 1L) torch_sub(other, self, alpha)

#' @rdname torch_add
#' @export
torch_not_equal <- function(self, other) torch_ne(self, other)

#' @rdname torch_eq
#' @export
torch_greater <- function(self, other) torch_gt(self, other)

#' @rdname torch_eq
#' @export
torch_greater_equal <- function(self, other) torch_ge(self, other)

#' @rdname torch_eq
#' @export
torch_less <- function(self, other) torch_lt(self, other)

#' @rdname torch_eq
#' @export
torch_less_equal <- function(self, other) torch_le(self, other)

#' @rdname torch_eq
#' @export
torch_isposinf <- function(self) torch_eq(self, Inf)

#' @rdname torch_eq
#' @export
torch_isneginf <- function(self) torch_eq(self, -Inf)

#' @rdname torch_eq
#' @export
torch_isreal <- function(self) torch_ones_like(self, dtype = torch_bool())

#' @rdname torch_exp
#' @export
torch_arcsin <- function(self) torch_asin(self)

#' @rdname torch_exp
#' @export
torch_arccos <- function(self) torch_acos(self)

#' @rdname torch_exp
#' @export
torch_arctan <- function(self) torch_atan(self)

#' What a tensor, or a type, is
#'
#' @param self,tensor1,tensor2 tensors.
#' @param from_,to,type1,type2 types, see [torch_dtype].
#' @return `TRUE` or `FALSE`; `torch_result_type()` and `torch_promote_types()` the type that holds both.
#' @examples
#' torch_is_floating_point(torch_ones(1))
#' torch_promote_types(torch_int(), torch_float())
#' @export
torch_is_floating_point <- function(self) is_float(self)

#' @rdname torch_is_floating_point
#' @export
torch_is_complex <- function(self) FALSE

#' @rdname torch_is_floating_point
#' @export
torch_is_nonzero <- function(self) as.logical(self$item())

#' @rdname torch_is_floating_point
#' @export
torch_result_type <- function(tensor1, tensor2) {
  small <- function(x) if (is_tensor(x)) torch_zeros(rep(0, min(length(dim(x)), 1)), dtype = x$dtype) else x
  torch_add(small(tensor1), small(tensor2))$dtype
}

#' @rdname torch_is_floating_point
#' @export
torch_promote_types <- function(type1, type2) {
  torch_result_type(torch_empty(1, dtype = type1), torch_empty(1, dtype = type2))
}

#' @rdname torch_is_floating_point
#' @export
torch_can_cast <- function(from_, to) {
  kind <- function(dtype) {
    dtype <- new_dtype(as_dtype_code(dtype))
    if (dtype$is_floating_point) 2 else as.numeric(dtype != torch_bool())
  }
  kind(from_) <= kind(to)
}

torch_is_signed <- function(self) !dtype_name(self$dtype) %in% c("Bool", "Byte")
torch_element_size <- function(self) {
  as.integer(dtype_sizes[[dtype_name(self$dtype)]][[1]] / 8)
}
torch_is_same_size <- function(self, other) identical(dim(self), dim(other))
torch_is_sparse <- function(self) FALSE
torch_is_pinned <- function(self) FALSE

#' Special functions
#'
#' Element by element, computed in double precision: logarithm of the gamma function, its derivative (digamma) and the
#' derivatives of that (polygamma), the complement of the error function and the inverse of the latter, the modified
#' Bessel function of order 0, inverse hyperbolic functions, powers of 2.
#'
#' @param self,input a tensor, or R numbers.
#' @param n order of the derivative, from 0.
#' @param p number of dimensions.
#' @return A float tensor of the same shape; NaN where the function has no value. All have gradients.
#' @examples
#' torch_lgamma(c(1, 5))
#' torch_erfinv(0.5)
#' @name torch_lgamma
#' @export
torch_lgamma <- unary_op("lgamma")

#' @rdname torch_lgamma
#' @export
torch_digamma <- unary_op("digamma")

#' @rdname torch_lgamma
#' @export
torch_polygamma <- function(n, input) {
  if (n == 0) torch_digamma(input) else apply_op(ops$polygamma, list(input), as.double(n))
}

#' @rdname torch_lgamma
#' @export
torch_mvlgamma <- function(self, p) {
  steps <- torch_tensor((1 - seq_len(p)) / 2, dtype = if (is_float(self)) self$dtype)
  torch_add(torch_sum(torch_lgamma(torch_add(torch_unsqueeze(self, -1), steps)), -1), p * (p - 1) / 4 * log(pi))
}

#' @rdname torch_lgamma
#' @export
torch_erfc <- unary_op("erfc")

#' @rdname torch_lgamma
#' @export
torch_erfinv <- unary_op("erfinv")

#' @rdname torch_lgamma
#' @export
torch_i0 <- unary_op("i0")

#' @rdname torch_lgamma
#' @export
torch_asinh <- unary_op("asinh")

#' @rdname torch_lgamma
#' @export
torch_acosh <- unary_op("acosh")

#' @rdname torch_lgamma
#' @export
torch_atanh <- unary_op("atanh")

#' @rdname torch_lgamma
#' @export
torch_arcsinh <- torch_asinh

#' @rdname torch_lgamma
#' @export
torch_arccosh <- torch_acosh

#' @rdname torch_lgamma
#' @export
torch_arctanh <- torch_atanh

#' @rdname torch_lgamma
#' @export
torch_exp2 <- unary_op("exp2")

tensor_method("polygamma", function(n) torch_polygamma(n, self))
tensor_method("bernoulli", function(p, generator = NULL) torch_bernoulli(self, p))
tensor_method("exponential_", function(lambd = 1, generator = NULL) {
  with_no_grad(self$copy_(torch_neg(torch_log1p(torch_neg(torch_rand_like(self)))) / lambd))
})
tensor_method("log_normal_", function(mean = 1, std = 2, generator = NULL) {
  with_no_grad(self$copy_(torch_exp(torch_randn_like(self) * std + mean)))
})
tensor_method("cauchy_", function(median = 0, sigma = 1, generator = NULL) {
  with_no_grad(self$copy_(torch_tan((torch_rand_like(self) - 0.5) * pi) * sigma + median))
})
tensor_method("geometric_", function(p, generator = NULL) {
  draws <- torch_rand_like(self, dtype = torch_double())
  with_no_grad(self$copy_(torch_ceil(torch_log1p(torch_neg(draws)) / log1p(-p))$clamp(min = 1)))
})
tensor_method("apply_", function(callable) {
  check_function(callable, "callable", "function(x) x + 1")
  self$copy_(torch_tensor(vapply(as_array(self), callable, 0))$reshape(self$shape))
})
tensor_method("is_same_size", function(other) identical(dim(self), dim(other)))
tensor_method("searchsorted", function(sorted_sequence, out_int32 = FALSE, right = FALSE) {
  torch_searchsorted(sorted_sequence, self, out_int32, right)
})

# Methods of tensors only.

torch_arctan2 <- function(self, other) torch_atan2(self, other)

# The larger (smaller) of two numbers, the other of a number and NaN.
torch_fmax <- function(self, other) {
  other <- as_tensor(other, "other", self)
  torch_where(torch_logical_or(torch_ge(self, other), torch_isnan(other)), self, other)
}

torch_fmin <- function(self, other) {
  other <- as_tensor(other, "other", self)
  torch_where(torch_logical_or(torch_le(self, other), torch_isnan(other)), self, other)
}

torch_hardshrink <- function(self, lambd = 0.5) nnf_hardshrink(self, lambd)
torch_prelu <- function(self, weight) nnf_prelu(self, weight)

# x = mantissa 2^exponent with mantissa in [0.5, 1).
torch_frexp <- function(self) {
  x <- cast(self$detach(), torch_double())
  usual <- torch_logical_and(torch_isfinite(x), torch_ne(x, 0))
  exponent <- torch_where(usual, torch_floor(torch_log2(torch_abs(torch_where(usual, x, 1)))) + 1, 0)
  mantissa <- x / torch_pow(torch_scalar_tensor(2, dtype = "double"), exponent)
  as_number <- function(x) cast(x, torch_double())
  step <- as_number(torch_ge(torch_abs(mantissa), 1)) - as_number(torch_lt(torch_abs(mantissa), 0.5))
  exponent <- exponent + torch_where(usual, step, 0)
  mantissa <- torch_mul(self, cast(torch_pow(torch_scalar_tensor(2, dtype = "double"), -exponent), self$dtype))
  list(mantissa = mantissa, exponent = cast(exponent, torch_int()))
}

# Regularised incomplete gamma functions: the share of a gamma distribution of shape `self` below (above) `other`.
incomplete_gamma <- function(lower) {
  sign <- if (lower) 1 else -1
  autograd_function(
    forward = function(ctx, self, other) {
      a <- as.double(as_array(self))
      x <- as.double(as_array(other))
      ctx$save_for_backward(slope = sign * stats::dgamma(x, a), shape = dim(other))
      value <- ifelse(a == 0, as.numeric(lower), stats::pgamma(x, a, lower.tail = lower))
      value[a < 0 | x < 0] <- NaN
      torch_tensor(array(value, dim(other)), dtype = other$dtype)
    },
    backward = function(ctx, gradient) {
      if (ctx$needs_input_grad$self) not_implemented_error("igamma has no gradient for its first argument.")
      saved <- ctx$saved_variables
      list(other = gradient * torch_tensor(array(saved$slope, saved$shape), dtype = gradient$dtype))
    }
  )
}

incomplete_gammas <- list(lower = incomplete_gamma(TRUE), upper = incomplete_gamma(FALSE))

of_both <- function(f, self, other) {
  both <- torch_broadcast_tensors(list(self, as_tensor(other, "other", self)))
  f(both[[1]], both[[2]])
}

torch_igamma <- function(self, other) of_both(incomplete_gammas$lower, self, other)
torch_igammac <- function(self, other) of_both(incomplete_gammas$upper, self, other)

# Counts between equally spaced edges, or between those given; with `density` the sum over widths is 1.
torch_histogram <- function(self, bins = 100L, range = NULL, weight = list(), density = FALSE) {
  x <- as.double(as_array(self$detach()))
  weights <- if (is_tensor(weight)) as.double(as_array(weight)) else rep(1, length(x))
  edges <- if (is_tensor(bins)) as.double(as_array(bins)) else histogram_edges(x, bins, range)
  at <- findInterval(x, edges, rightmost.closed = TRUE)
  counts <- as.double(tapply(weights, factor(at, seq_len(length(edges) - 1)), sum, default = 0))
  if (density) counts <- counts / sum(counts) / diff(edges)
  list(hist = torch_tensor(counts, dtype = self$dtype), bin_edges = torch_tensor(edges, dtype = self$dtype))
}

histogram_edges <- function(x, bins, range) {
  ends <- as.numeric(range %||% base::range(x))
  if (ends[[1]] == ends[[2]]) ends <- ends + c(-0.5, 0.5)
  seq(ends[[1]], ends[[2]], length.out = bins + 1)
}

tensor_method("polygamma_", function(n) apply_op_(ops$copy, list(self, torch_polygamma(n, self))))
