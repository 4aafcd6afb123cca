#' @include models-resnet.R models-vgg.R models-densenet.R
NULL

# Encoders of segmentation models: image classifiers without their last layers, cut into stages. Each is a module with
#
#   stages()       a list of lists of modules; the modules of a stage are called one after the other;
#   out_channels   of the input and of what each stage gives;
#   depth          how many of the stages are used;
#   forward(x)     the list of the input and of what each used stage gives; each half the size of the one before.
#
# Parameters have the names of segmentation_models_pytorch. A new encoder is an entry of the table at the end, with
# the names of its published weights (weights.R).

# The kind of normalisation behind a convolution; `norm` as unet() has `decoder_use_norm`.
norm_kind <- function(norm) {
  if (is.logical(norm) && length(norm) == 1 && !is.na(norm)) {
    return(if (norm) "batchnorm" else "identity")
  }
  check_choice(norm, "decoder_use_norm", c("batchnorm", "instancenorm", "identity"))
  norm
}

norm_layer <- function(norm, channels) {
  switch(norm_kind(norm),
    batchnorm = nn_batch_norm2d(channels),
    instancenorm = nn_instance_norm2d(channels),
    identity = nn_identity()
  )
}

# Without a normalisation there is a bias instead.
needs_bias <- function(norm) norm_kind(norm) == "identity"

# Convolution, normalisation, ReLU.
conv_norm_relu <- function(inputs, outputs, kernel_size, norm = TRUE, stride = 1) {
  nn_sequential(
    nn_conv2d(inputs, outputs, kernel_size, stride, padding = kernel_size %/% 2, bias = needs_bias(norm)),
    norm_layer(norm, outputs), nn_relu(inplace = TRUE)
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

# `last_conv = TRUE`: with the 1 x 1 convolution to 1280 channels behind the last block.
mobilenet_v2_encoder <- nn_module(
  "mobilenet_v2_encoder",
  initialize = function(name, in_channels = 3, last_conv = FALSE) {
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

# The convolutions before the first pooling work on the size of the image; their result takes the image's place.
vgg_encoder <- nn_module(
  "vgg_encoder",
  initialize = function(name, in_channels = 3) {
    self$features <- vgg_features(name, in_channels)
    self$out_channels <- c(64, 128, 256, 512, 512, 512)
    self$apply(initialise_vgg_layer)
  },
  stages = function() {
    layers <- unname(self$features$children)
    starts <- which(vapply(layers, inherits, NA, "nn_max_pool2d"))
    unname(split(layers, findInterval(seq_along(layers), starts)))
  },
  forward = function(x) {
    features <- list()
    for (stage in self$stages()[seq_len(self$depth + 1)]) {
      for (layer in stage) x <- layer(x)
      features[[length(features) + 1]] <- x
    }
    features
  }
)

# The features of a block are what the transition behind it normalises, before it halves channels and size.
densenet_encoder <- nn_module(
  "densenet_encoder",
  initialize = function(name, in_channels = 3) {
    made <- densenet_features(name, in_channels)
    self$features <- made$features
    self$out_channels <- c(in_channels, made$channels)
    self$apply(initialise_densenet_layer)
  },
  stages = function() {
    layers <- self$features$children
    part <- c(conv0 = 1, norm0 = 1, relu0 = 1, pool0 = 2, denseblock1 = 2, transition1 = 2, denseblock2 = 3,
      transition2 = 3, denseblock3 = 4, transition3 = 4, denseblock4 = 5, norm5 = 5)
    unname(split(unname(layers), part[names(layers)]))
  },
  forward = function(x) {
    features <- list(x)
    for (stage in self$stages()[seq_len(self$depth)]) {
      for (layer in stage) {
        if (is.null(layer$pool)) {
          x <- layer(x)
          result <- x
        } else {
          result <- layer$relu(layer$norm(x))
          x <- layer$pool(layer$conv(result))
        }
      }
      features[[length(features) + 1]] <- result
    }
    features
  }
)

# For images unlike photographs, and few of them: two 3 x 3 convolutions with batch norm in each stage, of `base`,
# 2 base, ... 16 base channels, the first of them with stride 2.
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
  stages = function() lapply(paste0("stage", 1:5), function(name) list(self[[name]])),
  forward = encode
)

# ---- strides replaced by dilation ----

# Changes the last stages so that the features are not smaller than 1 / output_stride of the input: their convolutions
# lose their strides and are dilated, as DeepLab has them.
dilate_encoder <- function(encoder, output_stride) {
  if (inherits(encoder, c("vgg_encoder", "densenet_encoder"))) {
    value_error(sprintf("Encoders of class %s are halved by pooling, which cannot be dilated: use another.",
      sub("_encoder", "", class_name(encoder))))
  }
  stages <- encoder$stages()
  for (i in seq_along(stages)) {
    rate <- 2^i / output_stride
    modules <- Filter(is_nn_module, stages[[i]])
    if (rate > 1) lapply(modules, function(module) module$apply(function(layer) dilate_layer(layer, rate)))
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
  layer$uneven <- NULL
}

# ---- the table ----

# The name of an encoder's published weights, where it is another; FALSE where there are none.
encoder_entry <- function(name) {
  if (name == "plain") {
    list(make = plain_encoder, weights = FALSE)
  } else if (name == "mobilenet_v2") {
    list(make = mobilenet_v2_encoder, weights = name)
  } else if (startsWith(name, "efficientnet")) {
    list(make = efficientnet_encoder, weights = sub("-", "_", name))
  } else if (name %in% vgg_names) {
    list(make = vgg_encoder, weights = name)
  } else if (startsWith(name, "densenet")) {
    list(make = densenet_encoder, weights = name)
  } else {
    list(make = resnet_encoder, weights = name)
  }
}

encoder_names <- c("mobilenet_v2", names(resnet_kinds), paste0("efficientnet-b", 0:7), vgg_names, names(densenet_kinds),
  "plain")

# Arguments of an encoder besides its name and `in_channels`.
encoder_arguments <- function(name) switch(name, mobilenet_v2 = "last_conv", plain = "base", character())

check_encoder_arguments <- function(name, ...) {
  given <- rlang::names2(list(...))
  known <- encoder_arguments(name)
  odd <- setdiff(given, known)
  if (length(odd) > 0) {
    value_error(sprintf("%s given, which neither the model nor the encoder \"%s\" takes%s.",
      if (all(nzchar(odd))) sprintf("`%s` was", paste(odd, collapse = "`, `")) else "An argument without a name was",
      name, if (length(known) > 0) sprintf(" (of its own it has `%s`)", known) else ""))
  }
}

# The encoder of that name; `weights` as unet() has them.
make_encoder <- function(name, in_channels, depth, weights, input_weights = "repeat", ...) {
  check_encoder(name)
  check_encoder_arguments(name, ...)
  check_depth(depth)
  encoder <- encoder_entry(name)$make(name, in_channels, ...)
  encoder$depth <- depth
  encoder$out_channels <- encoder$out_channels[seq_len(depth + 1)]
  if (!is.null(weights)) load_encoder_weights(encoder, name, weights, input_weights)
  encoder
}

check_depth <- function(depth) check_whole_number(depth, "encoder_depth", 3, 5)

check_encoder <- function(name) {
  check_string(name, "encoder")
  if (!name %in% encoder_names) refuse_choice(name, "encoder", encoder_names)
}

# ---- weights ----

load_encoder_weights <- function(encoder, name, weights, input_weights) {
  check_choice(input_weights, "input_weights", c("repeat", "mean"))
  file <- if (is.character(weights) && !identical(weights, "imagenet")) sprintf("'%s'", weights)
  source <- if (is.list(weights)) "`weights`" else if (is.null(file)) name else file
  weights <- modern_names(read_encoder_weights(name, weights))
  if (!is.null(encoder$own_weights)) weights <- encoder$own_weights(weights, name)
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
    published <- encoder_entry(name)$weights
    if (isFALSE(published)) {
      value_error(sprintf("There are no published weights for the encoder \"%s\": use `weights = NULL`.", name))
    }
    return(pretrained_weights(published))
  }
  if (!file.exists(weights)) {
    refuse(weights, "weights", "\"imagenet\", the path of a file, a list of tensors or NULL")
  }
  read_weights(weights)
}

# Weights of a first convolution for another number of channels: those of channel 1, 2, 3, 1, ..., or their mean,
# times given / channels. One channel gets the sum.
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
