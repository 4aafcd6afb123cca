#' Fill a tensor with starting values
#'
#' Fill a tensor in place, without recording a gradient. Fans are counted from the shape: of a weight
#' `(out, in, kernel...)`, fan_in is `in * prod(kernel)` and fan_out is `out * prod(kernel)`.
#'
#' * `nn_init_uniform_()`: uniform on (`a`, `b`). `nn_init_normal_()`: normal. `nn_init_trunc_normal_()`: normal,
#'   restricted to (`a`, `b`).
#' * `nn_init_kaiming_uniform_()`, `nn_init_kaiming_normal_()`: standard deviation gain / sqrt(fan) (He et al., 2015,
#'   \doi{10.1109/ICCV.2015.123}), where the uniform one is on (-b, b) with b = sqrt(3) gain / sqrt(fan).
#' * `nn_init_xavier_uniform_()`, `nn_init_xavier_normal_()`: standard deviation gain sqrt(2 / (fan_in + fan_out))
#'   (Glorot and Bengio, 2010).
#' * `nn_init_eye_()`: the identity matrix. `nn_init_dirac_()`: convolution weights that pass on their input channels.
#'   `nn_init_orthogonal_()`: a matrix with orthonormal rows or columns (Saxe et al., 2013), times `gain`.
#'   `nn_init_sparse_()`: normal columns of which a share `sparsity` is zero.
#' * `nn_init_constant_()`, `nn_init_zeros_()`, `nn_init_ones_()`: one value.
#'
#' `nn_init_calculate_gain()` is the gain recommended for an activation function.
#'
#' @param tensor the tensor to fill.
#' @param a,b bounds; for the kaiming functions `a` is the slope of the leaky ReLU that follows.
#' @param mean,std mean and standard deviation.
#' @param mode `"fan_in"` keeps the variance in the forward, `"fan_out"` in the backward direction.
#' @param nonlinearity name of the activation function that follows: `"linear"`, `"conv1d"` to `"conv3d"`,
#'   `"conv_transpose1d"` to `"conv_transpose3d"`, `"sigmoid"`, `"tanh"`, `"relu"`, `"leaky_relu"` or `"selu"`.
#' @param gain factor for the standard deviation.
#' @param val a number.
#' @param groups number of groups of the convolution.
#' @param sparsity share of zeros in each column.
#' @param param the negative slope, for `"leaky_relu"` (default 0.01).
#' @return `tensor`, invisibly; a number from `nn_init_calculate_gain()`.
#' @examples
#' w <- torch_empty(3, 5)
#' nn_init_xavier_uniform_(w, gain = nn_init_calculate_gain("relu"))
#' nn_init_kaiming_normal_(w, mode = "fan_out", nonlinearity = "relu")
#' w
#' @name nn_init
NULL

fill_without_gradient <- function(tensor, fill) {
  check_tensor(tensor, "tensor")
  with_no_grad(fill(tensor))
  invisible(tensor)
}

#' @rdname nn_init
#' @export
nn_init_calculate_gain <- function(nonlinearity, param = NULL) {
  linear <- c("linear", "sigmoid", outer(c("conv", "conv_transpose"), paste0(1:3, "d"), paste0))
  if (nonlinearity %in% linear) {
    return(1)
  }
  switch(nonlinearity,
    tanh = 5 / 3,
    relu = sqrt(2),
    selu = 3 / 4,
    leaky_relu = leaky_gain(param),
    value_error(sprintf("Unsupported nonlinearity: %s", nonlinearity))
  )
}

leaky_gain <- function(slope) {
  slope <- if (is.null(slope)) 0.01 else slope
  check_number(slope, "param")
  sqrt(2 / (1 + slope^2))
}

fans <- function(tensor) {
  shape <- dim(tensor)
  if (length(shape) < 2) {
    value_error("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions.")
  }
  kernel <- prod(shape[-(1:2)])
  c(fan_in = shape[[2]] * kernel, fan_out = shape[[1]] * kernel)
}

fan_for <- function(tensor, mode) {
  check_choice(mode, "mode", c("fan_in", "fan_out"))
  fans(tensor)[[mode]]
}

#' @rdname nn_init
#' @export
nn_init_uniform_ <- function(tensor, a = 0, b = 1) {
  fill_without_gradient(tensor, function(x) x$uniform_(a, b))
}

#' @rdname nn_init
#' @export
nn_init_normal_ <- function(tensor, mean = 0, std = 1) {
  fill_without_gradient(tensor, function(x) x$normal_(mean, std))
}

#' @rdname nn_init
#' @export
nn_init_trunc_normal_ <- function(tensor, mean = 0, std = 1, a = -2, b = 2) {
  if (mean < a - 2 * std || mean > b + 2 * std) {
    rlang::warn("mean is more than 2 std from [a, b]: the distribution of values may be incorrect.")
  }
  lower <- stats::pnorm((a - mean) / std)
  upper <- stats::pnorm((b - mean) / std)
  fill_without_gradient(tensor, function(x) {
    values <- as.array(x$uniform_(2 * lower - 1, 2 * upper - 1)$detach())
    values[] <- pmin(pmax(mean + std * stats::qnorm((values + 1) / 2), a), b)
    x$copy_(torch_tensor(values, dtype = x$dtype))
  })
}

#' @rdname nn_init
#' @export
nn_init_constant_ <- function(tensor, val) {
  fill_without_gradient(tensor, function(x) x$fill_(val))
}

#' @rdname nn_init
#' @export
nn_init_ones_ <- function(tensor) nn_init_constant_(tensor, 1)

#' @rdname nn_init
#' @export
nn_init_zeros_ <- function(tensor) nn_init_constant_(tensor, 0)

# Fills a tensor from an R array of its shape.
fill_from_array <- function(tensor, values) {
  fill_without_gradient(tensor, function(x) x$copy_(torch_tensor(values, dtype = x$dtype)))
}

#' @rdname nn_init
#' @export
nn_init_eye_ <- function(tensor) {
  check_rank(tensor, "tensor", 2)
  fill_from_array(tensor, diag(1, nrow = dim(tensor)[[1]], ncol = dim(tensor)[[2]]))
}

#' @rdname nn_init
#' @export
nn_init_dirac_ <- function(tensor, groups = 1) {
  shape <- dim(tensor)
  check_rank(tensor, "tensor", 3:5)
  check_whole_number(groups, "groups", least = 1)
  if (shape[[1]] %% groups != 0) {
    value_error(sprintf("The first dimension (%d) must be divisible by `groups` (%d).", shape[[1]], groups))
  }
  values <- array(0, shape)
  per_group <- shape[[1]] / groups
  centre <- shape[-(1:2)] %/% 2 + 1
  for (g in seq_len(groups)) {
    for (d in seq_len(min(per_group, shape[[2]]))) {
      values[rbind(c((g - 1) * per_group + d, d, centre))] <- 1
    }
  }
  fill_from_array(tensor, values)
}

#' @rdname nn_init
#' @export
nn_init_xavier_uniform_ <- function(tensor, gain = 1) {
  fan <- fans(tensor)
  std <- gain * sqrt(2 / (fan[["fan_in"]] + fan[["fan_out"]]))
  bound <- sqrt(3) * std
  nn_init_uniform_(tensor, -bound, bound)
}

#' @rdname nn_init
#' @export
nn_init_xavier_normal_ <- function(tensor, gain = 1) {
  fan <- fans(tensor)
  nn_init_normal_(tensor, 0, gain * sqrt(2 / (fan[["fan_in"]] + fan[["fan_out"]])))
}

#' @rdname nn_init
#' @export
nn_init_kaiming_uniform_ <- function(tensor, a = 0, mode = "fan_in", nonlinearity = "leaky_relu") {
  std <- nn_init_calculate_gain(nonlinearity, a) / sqrt(fan_for(tensor, mode))
  bound <- sqrt(3) * std
  nn_init_uniform_(tensor, -bound, bound)
}

#' @rdname nn_init
#' @export
nn_init_kaiming_normal_ <- function(tensor, a = 0, mode = "fan_in", nonlinearity = "leaky_relu") {
  std <- nn_init_calculate_gain(nonlinearity, a) / sqrt(fan_for(tensor, mode))
  nn_init_normal_(tensor, 0, std)
}

#' @rdname nn_init
#' @export
nn_init_orthogonal_ <- function(tensor, gain = 1) {
  shape <- dim(tensor)
  if (length(shape) < 2) {
    value_error("Only tensors with 2 or more dimensions are supported.")
  }
  rows <- shape[[1]]
  columns <- prod(shape[-1])
  draws <- matrix(as.numeric(as.array(torch_randn(rows * columns))), rows, columns, byrow = TRUE)
  decomposition <- qr(if (rows < columns) t(draws) else draws)
  signs <- sign(diag(qr.R(decomposition)))
  q <- qr.Q(decomposition) %*% diag(signs, nrow = length(signs))
  q <- if (rows < columns) t(q) else q
  fill_from_array(tensor, aperm(array(t(gain * q), rev(shape))))
}

#' @rdname nn_init
#' @export
nn_init_sparse_ <- function(tensor, sparsity, std = 0.01) {
  check_rank(tensor, "tensor", 2)
  nn_init_normal_(tensor, 0, std)
  rows <- dim(tensor)[[1]]
  zeros <- ceiling(sparsity * rows)
  values <- as.array(tensor$detach())
  for (j in seq_len(dim(tensor)[[2]])) {
    order <- as.array(torch_rand(rows))
    values[order(order)[seq_len(zeros)], j] <- 0
  }
  fill_from_array(tensor, values)
}
