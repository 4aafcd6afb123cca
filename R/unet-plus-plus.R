#' @include unet.R
NULL

# Blocks on the grid of Zhou et al.: block x_d_l, in column d and row l, joins the result of x_d_(l-1) with those of
# x_(d+1)_l, ..., x_l_l and with the encoder's features. Features are counted from the smallest, 0.
unet_plus_plus_decoder <- nn_module(
  "unet_plus_plus_decoder",
  initialize = function(encoder_channels, channels, center, ...) {
    features <- rev(encoder_channels)[-length(encoder_channels)]
    self$depth <- length(channels) - 1
    skips <- features[-1]
    inputs <- c(features[[1]], channels)
    if (center) self$center <- double_conv(features[[1]], list(...)$norm)
    blocks <- list()
    for (l in seq_len(self$depth) - 1) {
      for (d in 0:l) {
        size <- if (d == 0) {
          c(inputs[[l + 1]], skips[[l + 1]] * (l + 1), channels[[l + 1]])
        } else {
          c(skips[[l]], skips[[l + 1]] * (l + 1 - d), skips[[l + 1]])
        }
        blocks[[grid_name(d, l)]] <- unet_block(size[[1]], size[[2]], size[[3]], ...)
      }
    }
    last <- unet_block(inputs[[self$depth + 1]], 0, channels[[self$depth + 1]], ...)
    blocks[[grid_name(0, self$depth)]] <- last
    self$blocks <- nn_module_dict(blocks)
  },
  # The results of the first column.
  all_stages = function(features) {
    features <- rev(features)
    if (!is.null(self$center)) features[[1]] <- self$center(features[[1]])
    made <- list()
    for (row in seq_len(self$depth) - 1) {
      for (d in row:0) {
        before <- if (d == row) features[[row + 1]] else made[[grid_name(d, row - 1)]]
        joined <- lapply(seq_len(row - d), function(i) made[[grid_name(d + i, row)]])
        skip <- torch_cat(c(joined, list(features[[row + 2]])), dim = 2)
        made[[grid_name(d, row)]] <- self$blocks[[grid_name(d, row)]](before, skip)
      }
    }
    last <- made[[grid_name(0, self$depth - 1)]]
    made[[grid_name(0, self$depth)]] <- self$blocks[[grid_name(0, self$depth)]](last)
    unname(made[grid_name(0, 0:self$depth)])
  },
  forward = function(features) {
    stages <- self$all_stages(features)
    stages[[length(stages)]]
  }
)

grid_name <- function(d, l) sprintf("x_%d_%d", as.integer(d), as.integer(l))

#' U-Net++
#'
#' A U-Net whose skip connections are themselves small decoders, joined densely (Zhou et al. 2018,
#' \doi{10.1007/978-3-030-00889-5_1}).
#'
#' @inheritParams unet
#' @inherit unet return
#' @inheritSection unet Weights
#' @inheritSection unet Encoders
#' @examples
#' model <- unet_plus_plus("plain", classes = 2, weights = NULL, base = 4)
#' model(torch_randn(2, 3, 32, 32))$shape
#' @family segmentation models
#' @export
unet_plus_plus <- nn_module(
  "unet_plus_plus",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes,
                        decoder_channels = c(256, 128, 64, 32, 16), weights = "imagenet", ..., encoder_depth = 5,
                        decoder_use_norm = TRUE, decoder_attention_type = NULL, decoder_interpolation = "nearest",
                        deep_supervision = FALSE, input_weights = "repeat") {
    check_decoder_channels(decoder_channels, encoder_depth)
    check_decoder_interpolation(decoder_interpolation)
    attention <- check_attention(decoder_attention_type)
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    decoder <- unet_plus_plus_decoder(self$encoder$out_channels, decoder_channels, startsWith(encoder, "vgg"),
      norm = decoder_use_norm, attention = attention, interpolation = decoder_interpolation)
    self$set_decoder(decoder, decoder_channels[[encoder_depth]])
    if (deep_supervision) self$set_auxiliary_heads(decoder_channels[-encoder_depth])
  }
)
