#' @include models-resnet.R
NULL

# Few channels, then as many from 1 x 1 as from 3 x 3 convolutions, joined.
fire_module <- nn_module(
  "fire_module",
  initialize = function(inputs, squeezed, expanded) {
    self$squeeze <- nn_conv2d(inputs, squeezed, 1)
    self$squeeze_activation <- nn_relu(inplace = TRUE)
    self$expand1x1 <- nn_conv2d(squeezed, expanded, 1)
    self$expand1x1_activation <- nn_relu(inplace = TRUE)
    self$expand3x3 <- nn_conv2d(squeezed, expanded, 3, padding = 1)
    self$expand3x3_activation <- nn_relu(inplace = TRUE)
  },
  forward = function(x) {
    x <- self$squeeze_activation(self$squeeze(x))
    ones <- self$expand1x1_activation(self$expand1x1(x))
    torch_cat(list(ones, self$expand3x3_activation(self$expand3x3(x))), dim = 2)
  }
)

# Rows: channels before, squeezed and expanded; 0 is a pooling step.
squeezenet_layers <- list(
  squeezenet1_0 = rbind(0, c(96, 16, 64), c(128, 16, 64), c(128, 32, 128), 0, c(256, 32, 128), c(256, 48, 192),
    c(384, 48, 192), c(384, 64, 256), 0, c(512, 64, 256)),
  squeezenet1_1 = rbind(0, c(64, 16, 64), c(128, 16, 64), 0, c(128, 32, 128), c(256, 32, 128), 0, c(256, 48, 192),
    c(384, 48, 192), c(384, 64, 256), c(512, 64, 256))
)

squeezenet <- nn_module(
  "squeezenet",
  initialize = function(name, num_classes = 1000, dropout = 0.5, in_channels = 3) {
    rows <- squeezenet_layers[[name]]
    modules <- lapply(seq_len(nrow(rows)), function(i) {
      if (rows[i, 1] == 0) {
        nn_max_pool2d(3, stride = 2, ceil_mode = TRUE)
      } else {
        fire_module(rows[i, 1], rows[i, 2], rows[i, 3])
      }
    })
    first <- if (name == "squeezenet1_0") c(96, 7) else c(64, 3)
    self$features <- nn_sequential(nn_conv2d(in_channels, first[[1]], first[[2]], stride = 2),
      nn_relu(inplace = TRUE), !!!modules)
    self$classifier <- nn_sequential(nn_dropout(dropout), nn_conv2d(512, num_classes, 1), nn_relu(inplace = TRUE),
      nn_adaptive_avg_pool2d(c(1, 1)))
    self$apply(function(layer) {
      if (inherits(layer, "nn_conv2d")) {
        nn_init_kaiming_uniform_(layer$weight)
        nn_init_zeros_(layer$bias)
      }
    })
    nn_init_normal_(self$classifier[[2]]$weight, 0, 0.01)
  },
  forward = function(x) {
    torch_flatten(self$classifier(self$features(x)), start_dim = 2)
  }
)

make_squeezenet <- function(name, pretrained, progress, ...) {
  load_pretrained(squeezenet(name, ...), name, pretrained, progress)
}

#' SqueezeNet
#'
#' Small image classifiers (Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters).
#' Parameters have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `dropout = 0.5`, share of elements set to zero while training; `in_channels = 3`.
#' @return A module of class `squeezenet` for images N x 3 x H x W (float, normalised; at least 21 x 21), with
#'   `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' model <- model_squeezenet1_1(num_classes = 10)
#' model(torch_randn(1, 3, 64, 64))$shape
#' @family models
#' @export
model_squeezenet1_0 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_squeezenet("squeezenet1_0", pretrained, progress, ...)
}

#' @rdname model_squeezenet1_0
#' @export
model_squeezenet1_1 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_squeezenet("squeezenet1_1", pretrained, progress, ...)
}
