#' @include segmentation-model.R
NULL

check_decoder_channels <- function(channels, depth) {
  check_depth(depth)
  if (!is.numeric(channels) || length(channels) != depth || anyNA(channels) || any(channels < 1) ||
        any(channels != floor(channels))) {
    refuse(channels, "decoder_channels", sprintf("%d whole numbers, one for each stage of the encoder", depth))
  }
}

check_attention <- function(type) {
  if (!is.null(type)) check_choice(type, "decoder_attention_type", c("scse", "none"))
  if (identical(type, "none")) NULL else type
}

check_decoder_interpolation <- function(mode) {
  check_choice(mode, "decoder_interpolation", c("nearest", "bilinear", "bicubic"))
}

double_conv <- function(channels, norm) {
  nn_sequential(conv_norm_relu(channels, channels, 3, norm), conv_norm_relu(channels, channels, 3, norm))
}

# Features from the smallest on; a block for each but the last, which is the input itself and is joined where `joins`.
unet_decoder <- nn_module(
  "unet_decoder",
  initialize = function(encoder_channels, channels, block, center, join_input, ...) {
    features <- rev(encoder_channels)
    skips <- c(features[-c(1, length(features))], if (join_input) features[[length(features)]] else 0)
    inputs <- c(features[[1]], channels[-length(channels)])
    if (center) self$center <- double_conv(inputs[[1]], list(...)$norm)
    self$join_input <- join_input
    self$blocks <- nn_module_list(lapply(seq_along(channels), function(i) {
      block(inputs[[i]], skips[[i]], channels[[i]], ...)
    }))
  },
  # The results of all blocks.
  all_stages = function(features) {
    features <- rev(features)
    if (!self$join_input) features[length(features)] <- list(NULL)
    x <- features[[1]]
    if (!is.null(self$center)) x <- self$center(x)
    stages <- list()
    for (i in seq_along(self$blocks)) {
      x <- self$blocks[[i]](x, features[[i + 1]])
      stages[[i]] <- x
    }
    stages
  },
  forward = function(features) {
    features <- rev(features)
    if (!self$join_input) features[length(features)] <- list(NULL)
    x <- features[[1]]
    if (!is.null(self$center)) x <- self$center(x)
    for (i in seq_along(self$blocks)) x <- self$blocks[[i]](x, features[[i + 1]])
    x
  }
)

#' U-Net
#'
#' A segmentation model with one of several encoders: the features of an image classifier, joined again from the
#' smallest to the largest by a decoder (Ronneberger, Fischer, Brox 2015, \doi{10.1007/978-3-319-24574-4_28}). Images
#' may have any size: they are mirrored at their borders until height and width are multiples of 2^`encoder_depth`,
#' and the output is cut back. Parameters have the names of segmentation_models_pytorch, so `load_state_dict()` takes
#' what was trained there.
#'
#' `unet(...)` is a model, to be called on images; it can also be handed to [setup()] as it is, and [fit()] then
#' trains a copy of it. And it is a module generator: `unet %>% setup(...) %>% set_hparams(classes = 3)` makes a new
#' one for each training.
#'
#' @section Weights:
#' `weights = "imagenet"` looks for the published weights of the encoder as [pretrained_weights()] does; if they are
#' nowhere the error says which file to put where. A path reads a file (PyTorch's, or safetensors), a list holds the
#' tensors themselves; names of torchvision and of segmentation_models_pytorch are understood. `weights = NULL` draws
#' random ones. They expect images between 0 and 1, normalised with mean (0.485, 0.456, 0.406) and standard deviation
#' (0.229, 0.224, 0.225). For other than three channels the weights of the first convolution are repeated, channel by
#' channel, or their mean is taken (`input_weights`), times 3 / `in_channels`.
#'
#' @section Encoders:
#' * `"mobilenet_v2"`;
#' * `"resnet18"`, `"resnet34"`, `"resnet50"`, `"resnet101"`, `"resnet152"`; `"resnext50_32x4d"`,
#'   `"resnext101_32x4d"`, `"resnext101_32x8d"`, `"resnext101_32x16d"`, `"resnext101_64x4d"`; `"wide_resnet50_2"`,
#'   `"wide_resnet101_2"`;
#' * `"efficientnet-b0"` to `"efficientnet-b7"`, padded and normalised as in TensorFlow; with torchvision's weights,
#'   as torchvision's are;
#' * `"vgg11"`, `"vgg13"`, `"vgg16"`, `"vgg19"`, and these with `_bn`; `"densenet121"`, `"densenet161"`,
#'   `"densenet169"`, `"densenet201"` (not for [deeplabv3_plus()]);
#' * `"plain"`, to be trained from random weights: in each stage two 3 x 3 convolutions with batch norm, with `base`
#'   (16) channels in the first, doubled in each.
#'
#' @param encoder name of the encoder, see below.
#' @param in_channels number of channels of the images; `NULL`: those of the data set given as `classes`, or 3.
#' @param classes number of classes, a character vector of their names, a named vector such as `c(background = 0, cell
#'   = 255)`, a data frame with a column `name` (and `value`, `colour`), or a data set that knows its classes, see
#'   [class_table()]. One class is one output for targets of 0 and 1.
#' @param decoder_channels channels of the decoder's blocks, from the smallest features to the largest.
#' @param weights weights of the encoder: `"imagenet"`, a path, a named list of tensors, or `NULL`, see below.
#' @param ... further arguments of the encoder: for `"mobilenet_v2"`, `last_conv = TRUE` keeps its last 1 x 1
#'   convolution, so that the decoder joins 1280 channels instead of 320, as segmentation_models_pytorch has it and
#'   weights from there need it; for `"plain"`, `base = 16`.
#' @param encoder_depth number of stages of the encoder, 3 to 5.
#' @param decoder_type `"nearest"`: blocks double the size as `decoder_interpolation` says and have two 3 x 3
#'   convolutions, as in segmentation_models_pytorch; `"transposed"`: they double it by a transposed convolution and
#'   have one.
#' @param decoder_use_norm the normalisation behind the convolutions of the decoder: `TRUE` or `"batchnorm"`,
#'   `"instancenorm"`, or none, `FALSE` or `"identity"`.
#' @param decoder_attention_type `NULL`, or `"scse"`: each block weighs channels and pixels (Roy, Navab, Wachinger
#'   2018).
#' @param decoder_interpolation how features are doubled in size: `"nearest"` (pixels are repeated), `"bilinear"` or
#'   `"bicubic"`; not for `decoder_type = "transposed"`.
#' @param decoder_join_input does the last block join the image itself?
#' @param deep_supervision outputs from all stages of the decoder while training? See [auxiliary_outputs()].
#' @param input_weights `"repeat"` or `"mean"`, for other than three channels, see below.
#' @return A module: images N x `in_channels` x H x W (float) to scores N x classes x H x W, before softmax (one
#'   class: before the sigmoid). `class_table(model)` is the table of classes; of a model made for a data set,
#'   `input_spec(model)` is what prediction has to know of it.
#' @examples
#' model <- unet("resnet18", classes = c("background", "cell"), weights = NULL)
#' model$eval()
#' model(torch_randn(1, 3, 50, 70))$shape
#' @family segmentation models
#' @export
unet <- nn_module(
  "unet",
  inherit = segmentation_model,
  initialize = function(encoder = "mobilenet_v2", in_channels = NULL, classes,
                        decoder_channels = c(256, 128, 64, 32, 16), weights = "imagenet", ..., encoder_depth = 5,
                        decoder_type = "nearest", decoder_use_norm = TRUE, decoder_attention_type = NULL,
                        decoder_interpolation = "nearest", decoder_join_input = FALSE, deep_supervision = FALSE,
                        input_weights = "repeat") {
    check_decoder_channels(decoder_channels, encoder_depth)
    check_choice(decoder_type, "decoder_type", c("nearest", "transposed"))
    attention <- check_attention(decoder_attention_type)
    check_decoder_interpolation(decoder_interpolation)
    self$set_encoder(encoder, in_channels, classes, encoder_depth, weights, input_weights, ...)
    block <- if (decoder_type == "nearest") unet_block else transposed_block
    decoder <- unet_decoder(self$encoder$out_channels, decoder_channels, block, startsWith(encoder, "vgg"),
      decoder_join_input, norm = decoder_use_norm, attention = attention, interpolation = decoder_interpolation)
    self$set_decoder(decoder, decoder_channels[[encoder_depth]])
    if (deep_supervision) self$set_auxiliary_heads(decoder_channels[-encoder_depth])
  }
)
