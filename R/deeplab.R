#' @include segmentation-model.R aspp.R
NULL

deeplabv3_plus_decoder <- nn_module(
  "deeplabv3_plus_decoder",
  initialize = function(encoder_channels, channels, rates, stride, separable, dropout) {
    inputs <- encoder_channels[[length(encoder_channels)]]
    self$aspp <- nn_sequential(aspp(inputs, channels, rates, separable, dropout), separable_conv(channels, channels),
      nn_batch_norm2d(channels), nn_relu())
    self$up <- nn_upsample(scale_factor = stride / 4, mode = "bilinear", align_corners = TRUE)
    self$block1 <- nn_sequential(nn_conv2d(encoder_channels[[3]], 48, 1, bias = FALSE), nn_batch_norm2d(48), nn_relu())
    self$block2 <- nn_sequential(separable_conv(48 + channels, channels), nn_batch_norm2d(channels), nn_relu())
  },
  forward = function(features) {
    x <- self$up(self$aspp(features[[length(features)]]))
    self$block2(torch_cat(list(x, self$block1(features[[3]])), dim = 2))
  }
)

deeplabv3_decoder <- nn_module(
  "deeplabv3_decoder",
  initialize = function(inputs, channels, rates, separable, dropout) {
    self$aspp <- aspp(inputs, channels, rates, separable, dropout)
    self$conv <- nn_conv2d(channels, channels, 3, padding = 1, bias = FALSE)
    self$bn <- nn_batch_norm2d(channels)
    self$relu <- nn_relu()
  },
  forward = function(features) {
    self$relu(self$bn(self$conv(self$aspp(features[[length(features)]]))))
  }
)

check_atrous <- function(channels, rates, stride) {
  if (!is_one_number(stride) || !stride %in% c(8, 16)) refuse(stride, "encoder_output_stride", "8 or 16")
  check_whole_number(channels, "decoder_channels", 1)
  check_rates(rates)
}

#' DeepLab
#'
#' `deeplabv3()` classifies the smallest features, which are kept at 1 / `encoder_output_stride` of the image's size
#' by dilated convolutions, after atrous spatial pyramid pooling (Chen et al. 2017, Rethinking atrous convolution for
#' semantic image segmentation). `deeplabv3_plus()` joins them with the features of a quarter of the size (Chen et al.
#' 2018, \doi{10.1007/978-3-030-01234-2_49}).
#'
#' @inheritParams unet
#' @param decoder_channels channels of the decoder, one number.
#' @param encoder_output_stride 8 or 16: how many times smaller than the image the smallest features are.
#' @param decoder_atrous_rates three dilations of the pyramid.
#' @param decoder_aspp_separable convolve each channel by itself, and then all with 1 x 1?
#' @param decoder_aspp_dropout share of elements set to zero while training.
#' @inherit unet return
#' @inheritSection unet Weights
#' @inheritSection unet Encoders
#' @examples
#' model <- deeplabv3_plus("plain", classes = 2, weights = NULL, decoder_channels = 32)
#' model(torch_randn(2, 3, 32, 32))$shape
#' @family segmentation models
#' @export
deeplabv3_plus <- nn_module(
  "deeplabv3_plus",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes, decoder_channels = 256,
                        weights = "imagenet", ..., encoder_depth = 5, encoder_output_stride = 16,
                        decoder_atrous_rates = c(12, 24, 36), decoder_aspp_separable = TRUE,
                        decoder_aspp_dropout = 0.5, input_weights = "repeat") {
    check_atrous(decoder_channels, decoder_atrous_rates, encoder_output_stride)
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    self$set_output_stride(encoder_output_stride)
    decoder <- deeplabv3_plus_decoder(self$encoder$out_channels, decoder_channels, decoder_atrous_rates,
      self$divisor, decoder_aspp_separable, decoder_aspp_dropout)
    self$set_decoder(decoder, decoder_channels, kernel_size = 1, upsampling = 4)
  }
)

#' @rdname deeplabv3_plus
#' @export
deeplabv3 <- nn_module(
  "deeplabv3",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes, decoder_channels = 256,
                        weights = "imagenet", ..., encoder_depth = 5, encoder_output_stride = 8,
                        decoder_atrous_rates = c(12, 24, 36), decoder_aspp_separable = FALSE,
                        decoder_aspp_dropout = 0.5, input_weights = "repeat") {
    check_atrous(decoder_channels, decoder_atrous_rates, encoder_output_stride)
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    self$set_output_stride(encoder_output_stride)
    decoder <- deeplabv3_decoder(self$encoder$out_channels[[encoder_depth + 1]], decoder_channels, decoder_atrous_rates,
      decoder_aspp_separable, decoder_aspp_dropout)
    self$set_decoder(decoder, decoder_channels, kernel_size = 1, upsampling = self$divisor)
  }
)
