#' @include segmentation-model.R
NULL

# A quarter of the channels, twice the size by a transposed convolution, then the channels of the next features, to
# which these are added.
linknet_block <- nn_module(
  "linknet_block",
  initialize = function(inputs, outputs, norm) {
    inner <- inputs %/% 4
    self$block <- nn_sequential(
      conv_norm_relu(inputs, inner, 1, norm),
      nn_sequential(nn_conv_transpose2d(inner, inner, 4, stride = 2, padding = 1),
        norm_layer(norm, inner), nn_relu(inplace = TRUE)),
      conv_norm_relu(inner, outputs, 1, norm)
    )
  },
  forward = function(x, skip = NULL) {
    x <- self$block(x)
    if (is.null(skip)) x else x + skip
  }
)

linknet_decoder <- nn_module(
  "linknet_decoder",
  initialize = function(encoder_channels, last_channels, norm) {
    channels <- c(rev(encoder_channels[-1]), last_channels)
    self$blocks <- nn_module_list(lapply(seq_along(channels)[-1], function(i) {
      linknet_block(channels[[i - 1]], channels[[i]], norm)
    }))
  },
  forward = function(features) {
    features <- rev(features)
    features[length(features)] <- list(NULL)
    x <- features[[1]]
    for (i in seq_along(self$blocks)) x <- self$blocks[[i]](x, features[[i + 1]])
    x
  }
)

#' LinkNet
#'
#' A light decoder whose blocks add the encoder's features instead of joining them (Chaurasia and Culurciello 2017,
#' \doi{10.1109/VCIP.2017.8305148}).
#'
#' @inheritParams unet
#' @inherit unet return
#' @inheritSection unet Weights
#' @inheritSection unet Encoders
#' @examples
#' model <- linknet("plain", classes = 2, weights = NULL)
#' model(torch_randn(2, 3, 32, 32))$shape
#' @family segmentation models
#' @export
linknet <- nn_module(
  "linknet",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes, weights = "imagenet", ...,
                        encoder_depth = 5, decoder_use_norm = TRUE, input_weights = "repeat") {
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    self$set_decoder(linknet_decoder(self$encoder$out_channels, 32, decoder_use_norm), 32, kernel_size = 1)
  }
)
