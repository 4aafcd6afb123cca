#' @include models-resnet.R
NULL

# Encoders of segmentation models: image classifiers without their last layers, cut into stages. Each is a module with
#
#   stages()       a list of lists of modules; the modules of a stage are called one after the other;
#   out_channels   of the input and of what each stage gives;
#   depth          how many of the stages are used;
#   forward(x)     the list of the input and of what each used stage gives; each half the size of the one before.
#
# Parameters have the names of segmentation_models_pytorch. A new encoder is an entry of the table at the end, with the
# names of its published weights (weights.R).

# Convolution, batch norm (`norm = FALSE`: a bias instead), ReLU.
conv_norm_relu <- function(inputs, outputs, kernel_size, norm = TRUE, stride = 1) {
  nn_sequential(
    nn_conv2d(inputs, outputs, kernel_size, stride, padding = kernel_size %/% 2, bias = !norm),
    if (norm) nn_batch_norm2d(outputs) else nn_identity(),
    nn_relu(inplace = TRUE)
  )
}

encode <- function(x) {
  features <- list(x)
  for (stage in self$stages()[seq_len(self$depth)]) {
    for (layer in stage) x <- layer(x)
    features[[length(features) + 1]] <- x
  }
  features
}

utils::globalVariables("self")

resnet_encoder <- nn_module(
  "resnet_encoder",
  inherit = resnet,
  initialize = function(name, in_channels = 3) {
    kind <- resnet_kinds[[name]]
    rlang::inject(super$initialize(kind[[1]], kind[[2]], num_classes = NULL, in_channels = in_channels,
      !!!kind[-(1:2)]))
    self$out_channels <- c(in_channels, 64, c(64, 128, 256, 512) * resnet_expansion(kind[[1]]))
  },
  stages = function() {
    list(
      list(self$conv1, self$bn1, self$relu), list(self$maxpool, self$layer1), list(self$layer2), list(self$layer3),
      list(self$layer4)
    )
  },
  forward = encode
)

# `last_conv = FALSE`: without the 1 x 1 convolution to 1280 channels behind the last block.
mobilenet_v2_encoder <- nn_module(
  "mobilenet_v2_encoder",
  initialize = function(name, in_channels = 3, last_conv = TRUE) {
    check_flag(last_conv, "last_conv")
    features <- mobilenet_v2(in_channels = in_channels)$features
    self$features <- if (last_conv) features else features[1:18]
    self$out_channels <- c(in_channels, 16, 24, 32, 96, if (last_conv) 1280 else 320)
  },
  stages = function() {
    layers <- unname(self$features$children)
    list(layers[1:2], layers[3:4], layers[5:7], layers[8:14], layers[15:length(layers)])
  },
  forward = encode
)

# For images unlike photographs, and few of them: two 3 x 3 convolutions with batch norm in each stage, of `base`, 2 base,
# ... 16 base channels, the first of them with stride 2.
plain_encoder <- nn_module(
  "plain_encoder",
  initialize = function(name, in_channels = 3, base = 16) {
    check_whole_number(base, "base", 1)
    self$out_channels <- c(in_channels, base * 2^(0:4))
    for (i in 1:5) {
      inputs <- self$out_channels[[i]]
      outputs <- self$out_channels[[i + 1]]
      stage <- nn_sequential(conv_norm_relu(inputs, outputs, 3, stride = 2), conv_norm_relu(outputs, outputs, 3))
      self$add_module(paste0("stage", i), stage)
    }
    self$apply(initialise_resnet_layer)
  },
  stages = function() list(list(self$stage1), list(self$stage2), list(self$stage3), list(self$stage4), list(self$stage5)),
  forward = encode
)

# ---- strides replaced by dilation ----

# Changes the last stages so that the features are not smaller than 1 / output_stride of the input: their convolutions
# lose their strides and are dilated, as DeepLab has them.
dilate_encoder <- function(encoder, output_stride) {
  stages <- encoder$stages()
  for (i in seq_along(stages)) {
    rate <- 2^i / output_stride
    if (rate > 1) lapply(stages[[i]], function(layer) layer$apply(function(module) dilate_layer(module, rate)))
  }
  encoder
}

dilate_layer <- function(layer, rate) {
  if (!inherits(layer, "nn_conv2d")) {
    return()
  }
  layer$stride <- c(1, 1)
  layer$dilation <- c(rate, rate)
  layer$padding <- layer$kernel_size %/% 2 * rate
}

# ---- the table ----

encoder_table <- c(
  lapply(resnet_kinds[!startsWith(names(resnet_kinds), "wide")], function(kind) list(make = resnet_encoder)),
  list(mobilenet_v2 = list(make = mobilenet_v2_encoder), plain = list(make = plain_encoder, weights = FALSE))
)

# The encoder of that name; `weights` as unet() has them.
make_encoder <- function(name, in_channels, depth, weights, input_weights = "repeat", ...) {
  check_encoder(name)
  check_whole_number(depth, "encoder_depth", 3, 5)
  encoder <- encoder_table[[name]]$make(name, in_channels, ...)
  encoder$depth <- depth
  encoder$out_channels <- encoder$out_channels[seq_len(depth + 1)]
  if (!is.null(weights)) load_encoder_weights(encoder, name, weights, input_weights)
  encoder
}

check_encoder <- function(name) {
  check_string(name, "encoder")
  if (!name %in% names(encoder_table)) refuse_choice(name, "encoder", names(encoder_table))
}

# ---- weights ----

load_encoder_weights <- function(encoder, name, weights, input_weights) {
  check_choice(input_weights, "input_weights", c("repeat", "mean"))
  source <- if (is.list(weights)) "`weights`" else if (identical(weights, "imagenet")) name else sprintf("'%s'", weights)
  weights <- read_encoder_weights(name, weights)
  first <- encoder$state_dict()[[1]]
  key <- names(encoder$state_dict())[[1]]
  if (is_tensor(weights[[key]])) weights[[key]] <- adapt_input_weight(weights[[key]], dim(first)[[2]], input_weights)
  load_weights(encoder, weights, source)
}

read_encoder_weights <- function(name, weights) {
  if (is.list(weights)) {
    return(weights)
  }
  check_string(weights, "weights")
  if (identical(weights, "imagenet")) {
    if (isFALSE(encoder_table[[name]]$weights)) {
      value_error(sprintf("There are no published weights for the encoder \"%s\": use `weights = NULL`.", name))
    }
    return(pretrained_weights(name))
  }
  if (!file.exists(weights)) {
    value_error(sprintf("`weights` must be \"imagenet\", the path of a file, a list of tensors or NULL, but got \"%s\".",
      weights))
  }
  read_weights(weights)
}

# Weights of a first convolution for another number of channels: those of channel 1, 2, 3, 1, ..., or their mean, times
# given / channels. One channel gets the sum.
adapt_input_weight <- function(weight, channels, how) {
  given <- dim(weight)[[2]]
  if (channels == given) {
    return(weight)
  }
  if (how == "mean" || channels == 1) {
    mean <- weight$mean(dim = 2, keepdim = TRUE)
    return(mean$expand(replace(dim(weight), 2, channels))$contiguous() * (given / channels))
  }
  torch_index_select(weight, 2, torch_tensor(as.integer((seq_len(channels) - 1) %% given + 1))) * (given / channels)
}
