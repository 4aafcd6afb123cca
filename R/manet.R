#' @include unet.R
NULL

# Position attention: each pixel of x + softmax(products of all pairs of pixels) x, the softmax over all pairs.
position_attention <- nn_module(
  "position_attention",
  initialize = function(channels, inner) {
    self$top_conv <- nn_conv2d(channels, inner, 1)
    self$center_conv <- nn_conv2d(channels, inner, 1)
    self$bottom_conv <- nn_conv2d(channels, channels, 3, padding = 1)
    self$out_conv <- nn_conv2d(channels, channels, 3, padding = 1)
  },
  forward = function(x) {
    size <- dim(x)
    pixels <- size[[3]] * size[[4]]
    top <- self$top_conv(x)$flatten(start_dim = 3)
    center <- self$center_conv(x)$flatten(start_dim = 3)$transpose(2, 3)
    bottom <- self$bottom_conv(x)$flatten(start_dim = 3)$transpose(2, 3)
    map <- torch_matmul(center, top)$reshape(c(size[[1]], -1))
    map <- nnf_softmax(map, dim = 2)$reshape(c(size[[1]], pixels, pixels))
    # The pixels x channels of the product are read as channels x height x width, as in the models whose weights load.
    self$out_conv(x + torch_matmul(map, bottom)$contiguous()$reshape(size))
  }
)

# Channels of the larger features, weighed by the means of the smaller and of the larger ones.
fusion_block <- nn_module(
  "fusion_block",
  initialize = function(inputs, skips, outputs, norm, interpolation, squeezed_by = 16) {
    self$interpolation <- interpolation
    self$hl_conv <- nn_sequential(conv_norm_relu(inputs, inputs, 3, norm), conv_norm_relu(inputs, skips, 1, norm))
    reduced <- max(1, skips %/% squeezed_by)
    self$SE_ll <- squeeze_excitation(skips, reduced)
    self$SE_hl <- squeeze_excitation(skips, reduced)
    self$conv1 <- conv_norm_relu(2 * skips, outputs, 3, norm)
    self$conv2 <- conv_norm_relu(outputs, outputs, 3, norm)
  },
  forward = function(x, skip) {
    x <- nnf_interpolate(self$hl_conv(x), scale_factor = 2, mode = self$interpolation)
    weights <- self$SE_hl(x) + self$SE_ll(skip)
    x <- torch_cat(list(x * weights, skip), dim = 2)
    self$conv2(self$conv1(x))
  }
)

manet_decoder <- nn_module(
  "manet_decoder",
  initialize = function(encoder_channels, channels, norm, interpolation, pab_channels) {
    features <- rev(encoder_channels[-1])
    inputs <- c(features[[1]], channels)
    self$center <- position_attention(features[[1]], pab_channels)
    last <- length(channels)
    blocks <- lapply(seq_len(last - 1), function(i) {
      fusion_block(inputs[[i]], features[[i + 1]], channels[[i]], norm, interpolation)
    })
    self$blocks <- nn_module_list(c(blocks, list(unet_block(inputs[[last]], 0, channels[[last]], norm,
      interpolation = interpolation))))
  },
  all_stages = function(features) {
    features <- rev(features)
    features[length(features)] <- list(NULL)
    x <- self$center(features[[1]])
    stages <- list()
    for (i in seq_along(self$blocks)) {
      x <- self$blocks[[i]](x, features[[i + 1]])
      stages[[i]] <- x
    }
    stages
  },
  forward = function(features) {
    stages <- self$all_stages(features)
    stages[[length(stages)]]
  }
)

#' MA-Net
#'
#' A U-Net with attention among the pixels of the smallest features, and among channels where features are joined
#' (Fan, Wang, Li, Wang 2020, \doi{10.1109/ACCESS.2020.3025372}).
#'
#' @inheritParams unet
#' @param decoder_pab_channels channels in which pixels are compared.
#' @inherit unet return
#' @inheritSection unet Weights
#' @inheritSection unet Encoders
#' @examples
#' model <- manet("plain", classes = 2, weights = NULL, base = 4)
#' model(torch_randn(2, 3, 32, 32))$shape
#' @family segmentation models
#' @export
manet <- nn_module(
  "manet",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes,
                        decoder_channels = c(256, 128, 64, 32, 16), weights = "imagenet", ..., encoder_depth = 5,
                        decoder_pab_channels = 64, decoder_use_norm = TRUE, decoder_interpolation = "nearest",
                        deep_supervision = FALSE, input_weights = "repeat") {
    check_whole_number(encoder_depth, "encoder_depth", 3, 5)
    check_decoder_channels(decoder_channels, encoder_depth)
    check_decoder_interpolation(decoder_interpolation)
    check_whole_number(decoder_pab_channels, "decoder_pab_channels", 1)
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    decoder <- manet_decoder(self$encoder$out_channels, decoder_channels, decoder_use_norm, decoder_interpolation,
      decoder_pab_channels)
    self$set_decoder(decoder, decoder_channels[[encoder_depth]])
    if (deep_supervision) self$set_auxiliary_heads(decoder_channels[-encoder_depth])
  }
)
