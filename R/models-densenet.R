#' @include models-resnet.R
NULL

# Modules called one after the other, under names.
named_sequential <- function(modules) {
  sequence <- nn_sequential()
  for (name in names(modules)) sequence$add_module(name, modules[[name]])
  sequence
}

dense_layer <- function(inputs, growth, bn_size, dropout) {
  inner <- bn_size * growth
  modules <- list(
    norm1 = nn_batch_norm2d(inputs), relu1 = nn_relu(inplace = FALSE),
    conv1 = nn_conv2d(inputs, inner, 1, bias = FALSE),
    norm2 = nn_batch_norm2d(inner), relu2 = nn_relu(inplace = TRUE),
    conv2 = nn_conv2d(inner, growth, 3, padding = 1, bias = FALSE)
  )
  if (dropout > 0) modules$drop <- nn_dropout(dropout)
  named_sequential(modules)
}

# Each layer sees the input and the results of all layers before it, and adds `growth` channels.
dense_block <- nn_module(
  "dense_block",
  initialize = function(layers, inputs, growth, bn_size, dropout) {
    self$n <- layers
    for (i in seq_len(layers)) {
      self$add_module(paste0("denselayer", i), dense_layer(inputs + (i - 1) * growth, growth, bn_size, dropout))
    }
  },
  forward = function(x) {
    for (i in seq_len(self$n)) {
      x <- torch_cat(list(x, self[[paste0("denselayer", i)]](x)), dim = 2)
    }
    x
  }
)

dense_transition <- function(inputs) {
  named_sequential(list(
    norm = nn_batch_norm2d(inputs), relu = nn_relu(inplace = TRUE),
    conv = nn_conv2d(inputs, inputs / 2, 1, bias = FALSE), pool = nn_avg_pool2d(2, stride = 2)
  ))
}

# Growth, layers of each block, first channels.
densenet_kinds <- list(
  densenet121 = list(growth = 32, layers = c(6, 12, 24, 16), first = 64),
  densenet161 = list(growth = 48, layers = c(6, 12, 36, 24), first = 96),
  densenet169 = list(growth = 32, layers = c(6, 12, 32, 32), first = 64),
  densenet201 = list(growth = 32, layers = c(6, 12, 48, 32), first = 64)
)

# The features, and as attribute "channels" those behind the first convolution and behind each block.
densenet_features <- function(name, in_channels, bn_size = 4, drop_rate = 0) {
  kind <- densenet_kinds[[name]]
  channels <- kind$first
  modules <- list(
    conv0 = nn_conv2d(in_channels, channels, 7, stride = 2, padding = 3, bias = FALSE),
    norm0 = nn_batch_norm2d(channels), relu0 = nn_relu(inplace = TRUE),
    pool0 = nn_max_pool2d(3, stride = 2, padding = 1)
  )
  stages <- channels
  for (i in seq_along(kind$layers)) {
    block <- dense_block(kind$layers[[i]], channels, kind$growth, bn_size, drop_rate)
    modules[[paste0("denseblock", i)]] <- block
    channels <- channels + kind$layers[[i]] * kind$growth
    stages <- c(stages, channels)
    if (i < 4) {
      modules[[paste0("transition", i)]] <- dense_transition(channels)
      channels <- channels / 2
    }
  }
  modules$norm5 <- nn_batch_norm2d(channels)
  list(features = named_sequential(modules), channels = stages)
}

initialise_densenet_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) nn_init_kaiming_normal_(layer$weight)
  if (inherits(layer, "nn_linear")) nn_init_zeros_(layer$bias)
}

densenet <- nn_module(
  "densenet",
  initialize = function(name, num_classes = 1000, bn_size = 4, drop_rate = 0, in_channels = 3) {
    made <- densenet_features(name, in_channels, bn_size, drop_rate)
    self$features <- made$features
    self$classifier <- nn_linear(made$channels[[5]], num_classes)
    self$apply(initialise_densenet_layer)
  },
  forward = function(x) {
    x <- nnf_relu(self$features(x))
    x <- nnf_adaptive_avg_pool2d(x, c(1, 1))
    self$classifier(torch_flatten(x, start_dim = 2))
  }
)

make_densenet <- function(name, pretrained, progress, ...) {
  load_pretrained(densenet(name, ...), name, pretrained, progress)
}

#' DenseNet
#'
#' Image classifiers whose layers see the results of all layers before them (Huang, Liu, van der Maaten, Weinberger
#' 2017,
#' \doi{10.1109/CVPR.2017.243}). Parameters have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `bn_size = 4`, channels within a layer, in units of those it adds; `drop_rate =
#'   0`, share of elements set to zero while training; `in_channels = 3`.
#' @return A module of class `densenet` for images N x 3 x H x W (float, normalised), with `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' model <- model_densenet121(num_classes = 10)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$shape
#' @family models
#' @export
model_densenet121 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_densenet("densenet121", pretrained, progress, ...)
}

#' @rdname model_densenet121
#' @export
model_densenet161 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_densenet("densenet161", pretrained, progress, ...)
}

#' @rdname model_densenet121
#' @export
model_densenet169 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_densenet("densenet169", pretrained, progress, ...)
}

#' @rdname model_densenet121
#' @export
model_densenet201 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_densenet("densenet201", pretrained, progress, ...)
}
