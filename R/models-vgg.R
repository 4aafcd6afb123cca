#' @include models-resnet.R
NULL

# Channels of the convolutions; 0 is a pooling step.
vgg_layers <- list(
  vgg11 = c(64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
  vgg13 = c(64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
  vgg16 = c(64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0),
  vgg19 = c(64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0)
)
vgg_names <- c(names(vgg_layers), paste0(names(vgg_layers), "_bn"))

vgg_features <- function(name, in_channels) {
  norm <- endsWith(name, "_bn")
  modules <- list()
  inputs <- in_channels
  for (channels in vgg_layers[[sub("_bn$", "", name)]]) {
    modules <- c(modules, if (channels == 0) {
      list(nn_max_pool2d(2, stride = 2))
    } else {
      c(list(nn_conv2d(inputs, channels, 3, padding = 1)), if (norm) list(nn_batch_norm2d(channels)),
        list(nn_relu(inplace = TRUE)))
    })
    if (channels > 0) inputs <- channels
  }
  nn_sequential(!!!modules)
}

initialise_vgg_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) {
    nn_init_kaiming_normal_(layer$weight, mode = "fan_out", nonlinearity = "relu")
    nn_init_zeros_(layer$bias)
  } else if (inherits(layer, "nn_linear")) {
    nn_init_normal_(layer$weight, 0, 0.01)
    nn_init_zeros_(layer$bias)
  }
}

vgg <- nn_module(
  "vgg",
  initialize = function(name, num_classes = 1000, dropout = 0.5, in_channels = 3) {
    self$features <- vgg_features(name, in_channels)
    self$avgpool <- nn_adaptive_avg_pool2d(c(7, 7))
    relu <- function() nn_relu(inplace = TRUE)
    self$classifier <- nn_sequential(
      nn_linear(512 * 49, 4096), relu(), nn_dropout(dropout), nn_linear(4096, 4096), relu(), nn_dropout(dropout),
      nn_linear(4096, num_classes)
    )
    self$apply(initialise_vgg_layer)
  },
  forward = function(x) {
    x <- self$avgpool(self$features(x))
    self$classifier(torch_flatten(x, start_dim = 2))
  }
)

make_vgg <- function(name, pretrained, progress, ...) load_pretrained(vgg(name, ...), name, pretrained, progress)

#' VGG
#'
#' Image classifiers of 3 x 3 convolutions, with batch norm (`_bn`) or without (Simonyan and Zisserman 2015, Very deep
#' convolutional networks for large-scale image recognition). Parameters have the names of torchvision, whose
#' published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `dropout = 0.5`, share of elements set to zero while training; `in_channels = 3`.
#' @return A module of class `vgg` for images N x 3 x H x W (float, normalised; at least 32 x 32), with `num_classes`
#'   outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' \donttest{
#' model <- model_vgg11(num_classes = 10)
#' model(torch_randn(1, 3, 64, 64))$shape
#' }
#' @family models
#' @export
model_vgg11 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg11", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg11_bn <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg11_bn", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg13 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg13", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg13_bn <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg13_bn", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg16 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg16", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg16_bn <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg16_bn", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg19 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg19", pretrained, progress, ...)
}

#' @rdname model_vgg11
#' @export
model_vgg19_bn <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_vgg("vgg19_bn", pretrained, progress, ...)
}
