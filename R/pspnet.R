#' @include segmentation-model.R
NULL

# The means over a size x size grid, through a convolution, brought back to the size of the features.
pyramid_pooling <- nn_module(
  "pyramid_pooling",
  initialize = function(inputs, outputs, size, norm) {
    # One mean of each image cannot be normalised over a batch of one.
    self$pool <- nn_sequential(nn_adaptive_avg_pool2d(c(size, size)),
      conv_norm_relu(inputs, outputs, 1, if (size > 1) norm else FALSE))
  },
  forward = function(x) {
    size <- dim(x)[3:4]
    nnf_interpolate(self$pool(x), size = size, mode = "bilinear", align_corners = TRUE)
  }
)

pyramid_module <- nn_module(
  "pyramid_module",
  initialize = function(inputs, sizes, norm) {
    self$blocks <- nn_module_list(lapply(sizes, function(size) {
      pyramid_pooling(inputs, inputs %/% length(sizes), size, norm)
    }))
  },
  forward = function(x) {
    parts <- lapply(seq_along(self$blocks), function(i) self$blocks[[i]](x))
    torch_cat(c(parts, list(x)), dim = 2)
  }
)

pspnet_decoder <- nn_module(
  "pspnet_decoder",
  initialize = function(inputs, channels, norm, dropout) {
    self$psp <- pyramid_module(inputs, c(1, 2, 3, 6), norm)
    self$conv <- conv_norm_relu(inputs + inputs %/% 4 * 4, channels, 1, norm)
    self$dropout <- nn_dropout2d(dropout)
  },
  forward = function(features) {
    self$dropout(self$conv(self$psp(features[[length(features)]])))
  }
)

#' Pyramid scene parsing network
#'
#' Features of an eighth of the image's size, joined with their means over 1 x 1, 2 x 2, 3 x 3 and 6 x 6 parts of the
#' image (Zhao et al. 2017, \doi{10.1109/CVPR.2017.660}).
#'
#' @inheritParams unet
#' @param psp_out_channels channels of the decoder.
#' @param psp_dropout share of channels set to zero while training.
#' @inherit unet return
#' @inheritSection unet Weights
#' @inheritSection unet Encoders
#' @examples
#' model <- pspnet("plain", classes = 2, weights = NULL, psp_out_channels = 32)
#' model(torch_randn(2, 3, 64, 64))$shape
#' @family segmentation models
#' @export
pspnet <- nn_module(
  "pspnet",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes, psp_out_channels = 512,
                        weights = "imagenet", ..., encoder_depth = 3, decoder_use_norm = TRUE, psp_dropout = 0.2,
                        input_weights = "repeat") {
    check_whole_number(psp_out_channels, "psp_out_channels", 1)
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    inputs <- self$encoder$out_channels[[encoder_depth + 1]]
    decoder <- pspnet_decoder(inputs, psp_out_channels, decoder_use_norm, psp_dropout)
    self$set_decoder(decoder, psp_out_channels, upsampling = 2^encoder_depth)
  }
)
