#' @include module.R module-containers.R
NULL

conv_bn_activation <- nn_module(
  "conv_bn_activation",
  inherit = nn_sequential,
  initialize = function(in_planes, out_planes, kernel_size = 3, stride = 1, groups = 1, norm_layer = NULL,
                        activation_layer = NULL, dilation = 1) {
    norm_layer <- if (is.null(norm_layer)) nn_batch_norm2d else norm_layer
    activation_layer <- if (is.null(activation_layer)) nn_relu6 else activation_layer
    padding <- (kernel_size - 1) %/% 2 * dilation
    super$initialize(
      nn_conv2d(in_planes, out_planes, kernel_size, stride, padding, dilation = dilation, groups = groups,
        bias = FALSE),
      norm_layer(out_planes),
      activation_layer(inplace = TRUE)
    )
    self$out_channels <- out_planes
  }
)

inverted_residual <- nn_module(
  "inverted_residual",
  initialize = function(inp, oup, stride, expand_ratio, norm_layer = NULL) {
    if (!stride %in% 1:2) refuse(stride, "stride", "1 or 2")
    norm_layer <- if (is.null(norm_layer)) nn_batch_norm2d else norm_layer
    hidden <- round(inp * expand_ratio)
    expansion <- if (expand_ratio != 1) conv_bn_activation(inp, hidden, kernel_size = 1, norm_layer = norm_layer)
    layers <- list(
      expansion,
      conv_bn_activation(hidden, hidden, stride = stride, groups = hidden, norm_layer = norm_layer),
      nn_conv2d(hidden, oup, 1, bias = FALSE),
      norm_layer(oup)
    )
    self$stride <- stride
    self$use_res_connect <- stride == 1 && inp == oup
    self$conv <- nn_sequential(!!!layers[!vapply(layers, is.null, NA)])
    self$out_channels <- oup
    self$.is_cn <- stride > 1
  },
  forward = function(x) {
    if (self$use_res_connect) x + self$conv(x) else self$conv(x)
  }
)

# Rounded to a multiple of the divisor, but never by more than a tenth downwards.
round_channels <- function(channels, divisor) {
  rounded <- max(divisor, floor((channels + divisor / 2) / divisor) * divisor)
  if (rounded < 0.9 * channels) rounded + divisor else rounded
}

# Each row: expansion, output channels, number of blocks, stride of the first.
mobilenet_v2_blocks <- rbind(
  c(1, 16, 1, 1),
  c(6, 24, 2, 2),
  c(6, 32, 3, 2),
  c(6, 64, 4, 2),
  c(6, 96, 3, 1),
  c(6, 160, 3, 2),
  c(6, 320, 1, 1)
)

as_block_table <- function(setting) {
  if (is.null(setting)) {
    return(mobilenet_v2_blocks)
  }
  if (is.list(setting)) {
    setting <- do.call(rbind, lapply(setting, unlist))
  }
  if (!is.matrix(setting) || ncol(setting) != 4 || nrow(setting) == 0) {
    value_error("`inverted_residual_setting` must have rows of 4 numbers: expansion, channels, blocks, stride.")
  }
  setting
}

initialise_mobilenet_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) {
    nn_init_kaiming_normal_(layer$weight, mode = "fan_out")
    if (!is.null(layer$bias)) {
      nn_init_zeros_(layer$bias)
    }
  } else if (inherits(layer, c("nn_norm_base_", "nn_group_norm")) && !is.null(layer$weight)) {
    nn_init_ones_(layer$weight)
    nn_init_zeros_(layer$bias)
  } else if (inherits(layer, "nn_linear")) {
    nn_init_normal_(layer$weight, 0, 0.01)
    nn_init_zeros_(layer$bias)
  }
}

mobilenet_v2 <- nn_module(
  "mobilenet_v2",
  initialize = function(num_classes = 1000, width_mult = 1.0, inverted_residual_setting = NULL, round_nearest = 8,
                        block = NULL, norm_layer = NULL, in_channels = 3) {
    block <- if (is.null(block)) inverted_residual else block
    norm_layer <- if (is.null(norm_layer)) nn_batch_norm2d else norm_layer
    width <- function(channels) round_channels(channels * width_mult, round_nearest)
    channels <- width(32)
    last_channel <- round_channels(1280 * max(1, width_mult), round_nearest)
    layers <- list(conv_bn_activation(in_channels, channels, stride = 2, norm_layer = norm_layer))
    settings <- as_block_table(inverted_residual_setting)
    for (row in seq_len(nrow(settings))) {
      for (i in seq_len(settings[row, 3])) {
        stride <- if (i == 1) settings[row, 4] else 1
        outputs <- width(settings[row, 2])
        layers <- c(layers, block(channels, outputs, stride, expand_ratio = settings[row, 1],
          norm_layer = norm_layer))
        channels <- outputs
      }
    }
    layers <- c(layers, conv_bn_activation(channels, last_channel, kernel_size = 1, norm_layer = norm_layer))
    self$last_channel <- last_channel
    self$features <- nn_sequential(!!!layers)
    self$classifier <- nn_sequential(nn_dropout(0.2), nn_linear(last_channel, num_classes))
    self$apply(initialise_mobilenet_layer)
  },
  forward = function(x) {
    x <- self$features(x)
    x <- nnf_adaptive_avg_pool2d(x, c(1, 1))
    self$classifier(torch_flatten(x, start_dim = 2))
  }
)

#' MobileNet v2
#'
#' The image classifier of Sandler et al. (2018), \doi{10.1109/CVPR.2018.00474}: a 3 x 3 convolution, 17 inverted
#' residual blocks and a 1 x 1 convolution (`model$features`, 19 modules), then average pooling, dropout and a linear
#' layer (`model$classifier`). Its features, cut into stages, are the encoder of a U-Net.
#'
#' With `pretrained = TRUE` the weights learned on ImageNet are looked for in the folders of the option
#' `candela.weights` and of the environment variable `CANDELA_WEIGHTS` (as `mobilenet_v2.pth` or
#' `mobilenet_v2.safetensors`), then in the user's cache, and otherwise downloaded there (14 MB). They expect images
#' between 0 and 1, normalised with mean (0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225).
#'
#' @param pretrained load weights learned on ImageNet, or the path of a file of weights? Otherwise they are drawn:
#'   convolutions normal with variance 2 / fan_out, the linear layer normal with standard deviation 0.01.
#' @param progress show the progress of a download?
#' @param ... `num_classes = 1000`; `width_mult = 1`, factor for all numbers of channels; `inverted_residual_setting =
#'   NULL`, a matrix with the rows (expansion, channels, number of blocks, stride); `round_nearest = 8`, channels are
#'   multiples of it; `block = NULL` and `norm_layer = NULL`, module generators to use instead of the inverted
#'   residual and [nn_batch_norm2d()]; `in_channels = 3`.
#' @return A module of class `mobilenet_v2` for images N x 3 x H x W, with `num_classes` outputs. Weights that do not
#'   fit the model are a value_error that names the first that does not.
#' @examples
#' model <- model_mobilenet_v2(num_classes = 10)
#' model
#' model$features[1:2]
#' @family models
#' @export
model_mobilenet_v2 <- function(pretrained = FALSE, progress = TRUE, ...) {
  load_pretrained(mobilenet_v2(...), "mobilenet_v2", pretrained, progress)
}
