# Convolutions. One-dimensional ones are images of height 1, those of volumes images with the taps of the depth for
# channels.

#' Convolution
#'
#' Two-dimensional (and one- and three-dimensional) convolution as used in neural networks, that is,
#' cross-correlation: y\[n, k, p, q\] = bias\[k\] + the sum over c, r, s of weight\[k, c, r, s\] x\[n, c, p stride +
#' r dilation - padding, q stride + s dilation - padding\] (indices from 0), with x zero outside of the image. The
#' transposed convolution is the adjoint map, which spreads every input element with the kernel. `nnf_conv_tbc()` is
#' the one-dimensional convolution of sequences T x N x C with a weight length x C x K and symmetric padding.
#'
#' Results of two-dimensional convolutions are stored channels last, which only shows in speed.
#'
#' @param input,self float tensor, N x C x H x W (one-dimensional: N x C x L, three-dimensional: N x C x D x H x W); N
#'   may be missing.
#' @param weight K x C / `groups` x height x width (one-dimensional: K x C / `groups` x length, three-dimensional: K x
#'   C / `groups` x depth x height x width); transposed: C x K / `groups` x height x width.
#' @param bias K elements, or `NULL`.
#' @param stride,dilation one number, or one for each spatial dimension.
#' @param padding zeros around the image: one number, one for each spatial dimension, `"valid"` (none) or `"same"`
#'   (output as large as the input; needs `stride = 1`).
#' @param output_padding rows and columns added at the end of the output of a transposed convolution.
#' @param groups number of blocks the channels are split into; each output sees only its block's inputs.
#' @param pad zeros at both ends of the sequence.
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
nnf_conv3d <- function(input, weight, bias = NULL, stride = 1, padding = 0, dilation = 1, groups = 1) {
  check_rank(weight, "weight", 5)
  check_rank(input, "input", 4:5)
  stride <- per_dimension(stride, 3, "stride")
  dilation <- per_dimension(dilation, 3, "dilation")
  pads <- convolution_padding(padding, dim(weight), stride, dilation, 3)
  batched(input, 5, function(x) convolve_volume(x, weight, bias, stride, pads, dilation, groups))
}

#' @rdname nnf_conv2d
#' @export
nnf_conv_transpose3d <- function(input, weight, bias = NULL, stride = 1, padding = 0, output_padding = 0, groups = 1,
                                 dilation = 1) {
  check_rank(weight, "weight", 5)
  check_rank(input, "input", 4:5)
  stride <- per_dimension(stride, 3, "stride")
  padding <- per_dimension(padding, 3, "padding")
  extra <- per_dimension(output_padding, 3, "output_padding")
  dilation <- per_dimension(dilation, 3, "dilation")
  if (extra[1] >= stride[1] && extra[1] >= dilation[1]) {
    value_error("`output_padding` must be smaller than either stride or dilation.")
  }
  size <- dim(weight)
  flat <- weight$reshape(c(size[1], size[2] * size[3], size[4:5]))
  attrs <- as.double(c(stride[2:3], padding[2:3], extra[2:3], dilation[2:3], groups))
  batched(input, 5, function(x) {
    depth <- dim(x)[3]
    slices <- apply_op(ops$unfold_depth, list(x), as.double(c(1, 1, 0, 1, depth, 0)))
    images <- apply_op(ops$conv_transpose2d, list(slices, flat, NULL), attrs)
    deep <- (depth - 1) * stride[1] - 2 * padding[1] + dilation[1] * (size[3] - 1) + extra[1] + 1
    apply_op(ops$fold_depth, list(images, bias), as.double(c(size[3], stride[1], padding[1], dilation[1], depth, deep)))
  })
}

convolve_volume <- function(x, weight, bias, stride, pads, dilation, groups) {
  size <- dim(weight)
  if (dim(x)[2] != size[2] * groups) {
    value_error(sprintf(
      "conv3d: given groups=%g, weight of size [%s], expected input [%s] to have %g channels, but got %d instead.",
      groups, toString(size), toString(dim(x)), size[2] * groups, dim(x)[2]
    ))
  }
  depth <- (dim(x)[3] + pads[1] + pads[4] - dilation[1] * (size[3] - 1) - 1) %/% stride[1] + 1
  slices <- apply_op(ops$unfold_depth, list(x), as.double(c(size[3], stride[1], pads[1], dilation[1], depth, 0)))
  flat <- weight$reshape(c(size[1], size[2] * size[3], size[4:5]))
  attrs <- as.double(c(stride[2:3], pads[2:3], pads[5:6], dilation[2:3], groups))
  images <- apply_op(ops$conv2d, list(slices, flat, bias), attrs)
  images$reshape(c(dim(x)[1], depth, dim(images)[-1]))$permute(c(1, 3, 2, 4, 5))
}

#' @rdname nnf_conv2d
#' @export
nnf_conv_tbc <- function(input, weight, bias, pad = 0) {
  check_rank(input, "input", 3)
  check_rank(weight, "weight", 3)
  nnf_conv1d(input$permute(c(2, 3, 1)), weight$permute(c(3, 2, 1)), bias, padding = pad)$permute(c(3, 1, 2))
}

#' @rdname nnf_conv2d
#' @export
torch_conv3d <- nnf_conv3d

#' @rdname nnf_conv2d
#' @export
torch_conv_transpose3d <- nnf_conv_transpose3d

#' @rdname nnf_conv2d
#' @export
torch_conv_tbc <- function(self, weight, bias, pad = 0) nnf_conv_tbc(self, weight, bias, pad)

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

# The ways a float32 convolution of `image` (N x C x H x W) takes on this machine, forward and to the gradients of its
# input and its weights (src/kernels/conv_way.h): "product", "dense", "winograd", "strips", "rows" or "lanes".
convolution_ways <- function(image, weight, stride = 1, padding = 0, dilation = 1, groups = 1) {
  stride <- per_dimension(stride, 2, "stride")
  dilation <- per_dimension(dilation, 2, "dilation")
  pads <- convolution_padding(padding, weight, stride, dilation, 2)
  reach <- dilation * (weight[3:4] - 1) + 1
  out <- (image[3:4] + pads[1:2] + pads[3:4] - reach) %/% stride + 1
  sizes <- c(image, weight[[1]], weight[3:4], out, stride, pads[1:2], dilation, groups)
  .Call(cdr_convolution_way, as.double(sizes))
}
