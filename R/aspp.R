#' @include decoders.R
NULL

# Atrous spatial pyramid pooling: the same features through convolutions of different dilation, and their mean,
# joined. Names of torchvision and of segmentation_models_pytorch.

# A 3 x 3 convolution of each channel, then a 1 x 1 of all.
separable_conv <- function(inputs, outputs, dilation = 1) {
  nn_sequential(
    nn_conv2d(inputs, inputs, 3, padding = dilation, dilation = dilation, groups = inputs, bias = FALSE),
    nn_conv2d(inputs, outputs, 1, bias = FALSE)
  )
}

aspp_conv <- function(inputs, outputs, dilation, separable) {
  conv <- if (separable) {
    separable_conv(inputs, outputs, dilation)
  } else {
    nn_conv2d(inputs, outputs, 3, padding = dilation, dilation = dilation, bias = FALSE)
  }
  nn_sequential(conv, nn_batch_norm2d(outputs), nn_relu())
}

# The mean of all pixels, through a convolution, everywhere.
aspp_pooling <- nn_module(
  "aspp_pooling",
  inherit = nn_sequential,
  initialize = function(inputs, outputs) {
    super$initialize(nn_adaptive_avg_pool2d(1), nn_conv2d(inputs, outputs, 1, bias = FALSE), nn_batch_norm2d(outputs),
      nn_relu())
  },
  forward = function(x) {
    size <- dim(x)[3:4]
    mean <- self$children[["3"]](self$children[["2"]](self$children[["1"]](self$children[["0"]](x))))
    nnf_interpolate(mean, size = size, mode = "bilinear")
  }
)

aspp <- nn_module(
  "aspp",
  initialize = function(inputs, outputs, rates, separable = FALSE, dropout = 0.5) {
    first <- nn_sequential(nn_conv2d(inputs, outputs, 1, bias = FALSE), nn_batch_norm2d(outputs), nn_relu())
    dilated <- lapply(rates, function(rate) aspp_conv(inputs, outputs, rate, separable))
    self$convs <- nn_module_list(c(list(first), dilated, list(aspp_pooling(inputs, outputs))))
    self$project <- nn_sequential(nn_conv2d(length(self$convs) * outputs, outputs, 1, bias = FALSE),
      nn_batch_norm2d(outputs), nn_relu(), nn_dropout(dropout))
  },
  forward = function(x) {
    parts <- lapply(seq_along(self$convs), function(i) self$convs[[i]](x))
    self$project(torch_cat(parts, dim = 2))
  }
)

check_rates <- function(rates) {
  check_numbers(rates, "decoder_atrous_rates", 3, least = 1)
}
