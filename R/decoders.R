#' @include encoders.R
NULL

# Parts that decoders of segmentation models share. Their parameters have the names of segmentation_models_pytorch.

# Weights of channels between 0 and 1, from their means: N x C x H x W to N x C x 1 x 1.
squeeze_excitation <- function(channels, reduced) {
  nn_sequential(nn_adaptive_avg_pool2d(1), nn_conv2d(channels, reduced, 1), nn_relu(inplace = TRUE),
    nn_conv2d(reduced, channels, 1), nn_sigmoid())
}

# x (weights of channels) + x (weights of pixels): Roy et al. (2018), doi:10.1007/978-3-030-00928-1_48.
scse_module <- nn_module(
  "scse_module",
  initialize = function(channels, squeezed_by = 16) {
    self$cSE <- squeeze_excitation(channels, max(1, channels %/% squeezed_by))
    self$sSE <- nn_sequential(nn_conv2d(channels, 1, 1), nn_sigmoid())
  },
  forward = function(x) {
    x * self$cSE(x) + x * self$sSE(x)
  }
)

# A module under the name `attention`, as the names of parameters have it.
attention_module <- nn_module(
  "attention",
  initialize = function(attention) {
    self$attention <- attention
  },
  forward = function(x) {
    self$attention(x)
  }
)

make_attention <- function(type, channels) if (!is.null(type)) attention_module(scse_module(channels))

# Doubled in size, joined with the encoder's features of that size, two 3 x 3 convolutions.
unet_block <- nn_module(
  "unet_block",
  initialize = function(inputs, skips, outputs, norm = TRUE, attention = NULL, interpolation = "nearest") {
    self$interpolation <- interpolation
    self$conv1 <- conv_norm_relu(inputs + skips, outputs, 3, norm)
    self$attention1 <- make_attention(attention, inputs + skips)
    self$conv2 <- conv_norm_relu(outputs, outputs, 3, norm)
    self$attention2 <- make_attention(attention, outputs)
  },
  forward = function(x, skip = NULL) {
    x <- nnf_interpolate(x, scale_factor = 2, mode = self$interpolation)
    if (!is.null(skip)) {
      x <- torch_cat(list(x, skip), dim = 2)
      if (!is.null(self$attention1)) x <- self$attention1(x)
    }
    x <- self$conv2(self$conv1(x))
    if (is.null(self$attention2)) x else self$attention2(x)
  }
)

# Doubled in size by a transposed convolution, joined with the features, one 3 x 3 convolution.
transposed_block <- nn_module(
  "transposed_block",
  initialize = function(inputs, skips, outputs, norm = TRUE, attention = NULL, interpolation = NULL) {
    self$upsample <- nn_conv_transpose2d(inputs, outputs, kernel_size = 2, stride = 2)
    self$activation <- nn_relu()
    self$attention1 <- make_attention(attention, outputs + skips)
    self$conv <- nn_conv2d(outputs + skips, outputs, 3, padding = 1, bias = needs_bias(norm))
    if (!needs_bias(norm)) self$norm <- norm_layer(norm, outputs)
    self$attention2 <- make_attention(attention, outputs)
  },
  forward = function(x, skip = NULL) {
    x <- self$activation(self$upsample(x))
    if (!is.null(skip)) {
      x <- torch_cat(list(x, skip), dim = 2)
      if (!is.null(self$attention1)) x <- self$attention1(x)
    }
    x <- self$conv(x)
    if (!is.null(self$norm)) x <- self$norm(x)
    x <- self$activation(x)
    if (is.null(self$attention2)) x else self$attention2(x)
  }
)

# The last step: a convolution to the classes, and resizing to the size of the input.
segmentation_head <- function(inputs, classes, kernel_size = 3, upsampling = 1) {
  nn_sequential(
    nn_conv2d(inputs, classes, kernel_size, padding = kernel_size %/% 2),
    if (upsampling > 1) {
      nn_upsample(scale_factor = upsampling, mode = "bilinear", align_corners = TRUE)
    } else {
      nn_identity()
    }
  )
}

# ---- starting values ----

# Biases of convolutions are zero, weights of normalisations one, theirs zero.
initialise_decoder_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) {
    nn_init_kaiming_uniform_(layer$weight, mode = "fan_in", nonlinearity = "relu")
    if (!is.null(layer$bias)) nn_init_zeros_(layer$bias)
  }
}

initialise_head_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) {
    nn_init_xavier_uniform_(layer$weight)
    nn_init_zeros_(layer$bias)
  }
}
