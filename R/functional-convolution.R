# Convolutions. One-dimensional ones are images of height 1.

#' Convolution
#'
#' Two-dimensional (and one-dimensional) convolution as used in neural networks, that is, cross-correlation:
#' y\[n, k, p, q\] = bias\[k\] + the sum over c, r, s of weight\[k, c, r, s\] x\[n, c, p stride + r dilation - padding,
#' q stride + s dilation - padding\] (indices from 0), with x zero outside of the image. The transposed convolution is
#' the adjoint map, which spreads every input element with the kernel.
#'
#' Results of two-dimensional convolutions are stored channels last, which only shows in speed.
#'
#' @param input float tensor, N x C x H x W (one-dimensional: N x C x L); N may be missing.
#' @param weight K x C / `groups` x height x width (one-dimensional: K x C / `groups` x length); transposed:
#'   C x K / `groups` x height x width.
#' @param bias K elements, or `NULL`.
#' @param stride,dilation one number, or one for each spatial dimension.
#' @param padding zeros around the image: one number, one for each spatial dimension, `"valid"` (none) or `"same"`
#'   (output as large as the input; needs `stride = 1`).
#' @param output_padding rows and columns added at the end of the output of a transposed convolution.
#' @param groups number of blocks the channels are split into; each output sees only its block's inputs.
#' @return a tensor, N x K x height x width of the output.
#' @section Errors: a `value_error` when shapes or numbers do not fit together; the message names them.
#' @examples
#' x <- torch_randn(1, 3, 8, 8)
#' w <- torch_randn(16, 3, 3, 3)
#' dim(nnf_conv2d(x, w, stride = 2, padding = 1))
#' dim(nnf_conv_transpose2d(x, torch_randn(3, 4, 2, 2), stride = 2))
#' @export
nnf_conv2d <- function(input, weight, bias = NULL, stride = 1, padding = 0, dilation = 1, groups = 1) {
  stride <- per_dimension(stride, 2, "stride")
  dilation <- per_dimension(dilation, 2, "dilation")
  pads <- convolution_padding(padding, dim(weight), stride, dilation, 2)
  attrs <- c(stride, pads, dilation, as.double(groups))
  if (length(dim(input)) == 4) {
    return(apply_op(ops$conv2d, list(input, weight, bias), attrs))
  }
  batched(input, 4, function(x) apply_op(ops$conv2d, list(x, weight, bias), attrs))
}

#' @rdname nnf_conv2d
#' @export
nnf_conv1d <- function(input, weight, bias = NULL, stride = 1, padding = 0, dilation = 1, groups = 1) {
  stride <- per_dimension(stride, 1, "stride")
  dilation <- per_dimension(dilation, 1, "dilation")
  pads <- convolution_padding(padding, dim(weight), stride, dilation, 1)
  attrs <- as.double(c(1, stride, 0, pads[1], 0, pads[2], 1, dilation, groups))
  as_row_images(input, weight, function(x, w) apply_op(ops$conv2d, list(x, w, bias), attrs))
}

#' @rdname nnf_conv2d
#' @export
nnf_conv_transpose2d <- function(input, weight, bias = NULL, stride = 1, padding = 0, output_padding = 0, groups = 1,
                                 dilation = 1) {
  attrs <- as.double(c(
    per_dimension(stride, 2, "stride"), per_dimension(padding, 2, "padding"),
    per_dimension(output_padding, 2, "output_padding"),
    per_dimension(dilation, 2, "dilation"), groups
  ))
  if (length(dim(input)) == 4) {
    return(apply_op(ops$conv_transpose2d, list(input, weight, bias), attrs))
  }
  batched(input, 4, function(x) apply_op(ops$conv_transpose2d, list(x, weight, bias), attrs))
}

#' @rdname nnf_conv2d
#' @export
nnf_conv_transpose1d <- function(input, weight, bias = NULL, stride = 1, padding = 0, output_padding = 0, groups = 1,
                                 dilation = 1) {
  attrs <- as.double(c(
    1, per_dimension(stride, 1, "stride"), 0, per_dimension(padding, 1, "padding"), 0,
    per_dimension(output_padding, 1, "output_padding"), 1, per_dimension(dilation, 1, "dilation"), groups
  ))
  as_row_images(input, weight, function(x, w) apply_op(ops$conv_transpose2d, list(x, w, bias), attrs))
}

#' @rdname nnf_conv2d
#' @export
torch_conv2d <- nnf_conv2d

#' @rdname nnf_conv2d
#' @export
torch_conv1d <- nnf_conv1d

#' @rdname nnf_conv2d
#' @export
torch_conv_transpose2d <- nnf_conv_transpose2d

#' @rdname nnf_conv2d
#' @export
torch_conv_transpose1d <- nnf_conv_transpose1d

# Zeros before each spatial dimension, then after.
convolution_padding <- function(padding, weight_dim, stride, dilation, n) {
  if (!is.character(padding)) {
    before <- per_dimension(padding, n, "padding")
    return(c(before, before))
  }
  check_named_padding(padding, stride)
  if (padding == "valid") {
    return(numeric(2 * n))
  }
  total <- dilation * (weight_dim[-(1:2)] - 1)
  c(total %/% 2, total - total %/% 2)
}

# f of input with a batch dimension, taken away again where the input has none.
batched <- function(input, rank, f) {
  if (length(dim(input)) == rank - 1) f(input$unsqueeze(1))$squeeze(1) else f(input)
}

as_row_images <- function(input, weight, f) {
  if (length(dim(weight)) != 3) {
    value_error(sprintf("expected a weight of 3 dimensions, got size [%s].", toString(dim(weight))))
  }
  if (!(length(dim(input)) %in% 2:3)) {
    value_error(sprintf("expected an input of 2 or 3 dimensions, got size [%s].", toString(dim(input))))
  }
  batched(input, 3, function(x) f(x$unsqueeze(3), weight$unsqueeze(3))$squeeze(3))
}

# The ways a float32 convolution of `image` (N x C x H x W) takes on this machine, forward and to the gradient of its
# input (src/kernels/conv_way.h): "product", "dense", "winograd", "strips", "rows" or "lanes".
convolution_ways <- function(image, weight, stride = 1, padding = 0, dilation = 1, groups = 1) {
  stride <- per_dimension(stride, 2, "stride")
  dilation <- per_dimension(dilation, 2, "dilation")
  pads <- convolution_padding(padding, weight, stride, dilation, 2)
  reach <- dilation * (weight[3:4] - 1) + 1
  out <- (image[3:4] + pads[1:2] + pads[3:4] - reach) %/% stride + 1
  sizes <- c(image, weight[[1]], weight[3:4], out, stride, pads[1:2], dilation, groups)
  .Call(cdr_convolution_way, as.double(sizes))
}
