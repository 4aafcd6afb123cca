#' @include segmentation-model.R unet.R
NULL

# Convolution, group norm, ReLU, and twice the size where `upsample`.
fpn_conv <- nn_module(
  "fpn_conv",
  initialize = function(inputs, outputs, upsample) {
    self$upsample <- upsample
    self$block <- nn_sequential(nn_conv2d(inputs, outputs, 3, padding = 1, bias = FALSE),
      nn_group_norm(32, outputs), nn_relu(inplace = TRUE))
  },
  forward = function(x) {
    x <- self$block(x)
    if (self$upsample) nnf_interpolate(x, scale_factor = 2, mode = "bilinear", align_corners = TRUE) else x
  }
)

# To the size of the largest features in `upsamples` steps of two; one convolution without.
fpn_segmentation <- nn_module(
  "fpn_segmentation",
  initialize = function(inputs, outputs, upsamples) {
    steps <- max(1, upsamples)
    self$block <- nn_sequential(!!!lapply(seq_len(steps), function(i) {
      fpn_conv(if (i == 1) inputs else outputs, outputs, upsample = upsamples > 0)
    }))
  },
  forward = function(x) self$block(x)
)

# The pyramid of the level above, twice its size, plus the features of this level.
fpn_level <- nn_module(
  "fpn_level",
  initialize = function(pyramid_channels, skips, interpolation) {
    self$interpolation <- interpolation
    self$skip_conv <- nn_conv2d(skips, pyramid_channels, 1)
  },
  forward = function(x, skip) {
    nnf_interpolate(x, scale_factor = 2, mode = self$interpolation) + self$skip_conv(skip)
  }
)

fpn_decoder <- nn_module(
  "fpn_decoder",
  initialize = function(encoder_channels, pyramid_channels, segmentation_channels, dropout, merge, interpolation) {
    features <- rev(encoder_channels)
    self$p5 <- nn_conv2d(features[[1]], pyramid_channels, 1)
    self$p4 <- fpn_level(pyramid_channels, features[[2]], interpolation)
    self$p3 <- fpn_level(pyramid_channels, features[[3]], interpolation)
    self$p2 <- fpn_level(pyramid_channels, features[[4]], interpolation)
    self$merge <- merge
    self$seg_blocks <- nn_module_list(lapply(3:0, function(n) {
      fpn_segmentation(pyramid_channels, segmentation_channels, n)
    }))
    self$dropout <- nn_dropout2d(dropout, inplace = TRUE)
  },
  forward = function(features) {
    features <- rev(features)
    p5 <- self$p5(features[[1]])
    p4 <- self$p4(p5, features[[2]])
    p3 <- self$p3(p4, features[[3]])
    p2 <- self$p2(p3, features[[4]])
    pyramid <- list(p5, p4, p3, p2)
    parts <- lapply(seq_along(pyramid), function(i) self$seg_blocks[[i]](pyramid[[i]]))
    self$dropout(if (self$merge == "add") Reduce(`+`, parts) else torch_cat(parts, dim = 2))
  }
)

#' Feature pyramid network
#'
#' Features of the last four sizes with as many channels each, added from the smallest to the largest and each brought
#' to the size of the largest, a quarter of the image's for an encoder of five stages; the sum is classified
#' (Kirillov, He, Girshick, Dollar 2017, A unified architecture for instance and semantic segmentation; Lin et al.
#' 2017, \doi{10.1109/CVPR.2017.106}).
#'
#' @inheritParams unet
#' @param decoder_pyramid_channels channels of the pyramid.
#' @param decoder_segmentation_channels channels behind it; a multiple of 32.
#' @param decoder_merge_policy are the four parts added (`"add"`) or joined (`"cat"`)?
#' @param decoder_dropout share of channels set to zero while training.
#' @inherit unet return
#' @inheritSection unet Weights
#' @inheritSection unet Encoders
#' @examples
#' model <- fpn("plain", classes = 2, weights = NULL, base = 4)
#' model(torch_randn(2, 3, 32, 32))$shape
#' @family segmentation models
#' @export
fpn <- nn_module(
  "fpn",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes, decoder_pyramid_channels = 256,
                        decoder_segmentation_channels = 128, weights = "imagenet", ..., encoder_depth = 5,
                        decoder_merge_policy = "add", decoder_dropout = 0.2, decoder_interpolation = "nearest",
                        input_weights = "repeat") {
    check_whole_number(decoder_pyramid_channels, "decoder_pyramid_channels", 1)
    check_whole_number(decoder_segmentation_channels, "decoder_segmentation_channels", 32)
    check_decoder_interpolation(decoder_interpolation)
    check_choice(decoder_merge_policy, "decoder_merge_policy", c("add", "cat"))
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    channels <- decoder_segmentation_channels
    decoder <- fpn_decoder(self$encoder$out_channels, decoder_pyramid_channels, channels, decoder_dropout,
      decoder_merge_policy, decoder_interpolation)
    self$set_decoder(decoder, if (decoder_merge_policy == "cat") 4 * channels else channels, kernel_size = 1,
      upsampling = 2^(encoder_depth - 3))
  }
)
