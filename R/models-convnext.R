#' @include models-efficientnet.R
NULL

# Layer norm over the channels of each pixel.
channel_norm <- nn_module(
  "channel_norm",
  inherit = nn_layer_norm,
  forward = function(x) {
    x <- nnf_layer_norm(x$permute(c(1, 3, 4, 2)), self$normalized_shape, self$weight, self$bias, self$eps)
    x$permute(c(1, 4, 2, 3))
  }
)

permutation <- nn_module(
  "permutation",
  initialize = function(order) {
    self$order <- order
  },
  forward = function(x) x$permute(self$order)
)

# x + scale (two linear layers of the channels behind a 7 x 7 convolution of each channel).
convnext_block <- nn_module(
  "convnext_block",
  initialize = function(channels, layer_scale, p) {
    self$layer_scale <- nn_parameter(torch_full(c(channels, 1, 1), layer_scale))
    self$block <- nn_sequential(
      nn_conv2d(channels, channels, 7, padding = 3, groups = channels), permutation(c(1, 3, 4, 2)),
      nn_layer_norm(channels, eps = 1e-6), nn_linear(channels, 4 * channels), nn_gelu(),
      nn_linear(4 * channels, channels),
      permutation(c(1, 4, 2, 3))
    )
    self$stochastic_depth <- stochastic_depth(p)
  },
  forward = function(x) {
    x + self$stochastic_depth(self$layer_scale * self$block(x))
  }
)

# Channels and blocks of the stages, and the probability of leaving out the last block.
convnext_kinds <- list(
  convnext_tiny = list(channels = c(96, 192, 384, 768), blocks = c(3, 3, 9, 3), p = 0.1),
  convnext_small = list(channels = c(96, 192, 384, 768), blocks = c(3, 3, 27, 3), p = 0.4),
  convnext_base = list(channels = c(128, 256, 512, 1024), blocks = c(3, 3, 27, 3), p = 0.5),
  convnext_large = list(channels = c(192, 384, 768, 1536), blocks = c(3, 3, 27, 3), p = 0.5)
)

# Weights are normal with standard deviation 0.02; to cut them off at 2, a hundred times that, changes none.
initialise_convnext_layer <- function(layer) {
  if (inherits(layer, c("nn_conv2d", "nn_linear"))) {
    nn_init_normal_(layer$weight, 0, 0.02)
    if (!is.null(layer$bias)) nn_init_zeros_(layer$bias)
  }
}

convnext <- nn_module(
  "convnext",
  initialize = function(name, num_classes = 1000, stochastic_depth_prob = NULL, layer_scale = 1e-6,
                        in_channels = 3) {
    kind <- convnext_kinds[[name]]
    p <- if (is.null(stochastic_depth_prob)) kind$p else stochastic_depth_prob
    channels <- kind$channels
    before <- cumsum(c(0, kind$blocks))
    norm <- function(n) channel_norm(n, eps = 1e-6)
    layers <- list(nn_sequential(nn_conv2d(in_channels, channels[[1]], 4, stride = 4), norm(channels[[1]])))
    for (i in seq_along(channels)) {
      blocks <- lapply(seq_len(kind$blocks[[i]]), function(j) {
        convnext_block(channels[[i]], layer_scale, p * (before[[i]] + j - 1) / (sum(kind$blocks) - 1))
      })
      layers <- c(layers, list(nn_sequential(!!!blocks)))
      if (i < length(channels)) {
        layers <- c(layers, list(nn_sequential(norm(channels[[i]]), nn_conv2d(channels[[i]], channels[[i + 1]], 2,
          stride = 2))))
      }
    }
    self$features <- nn_sequential(!!!layers)
    self$avgpool <- nn_adaptive_avg_pool2d(1)
    last <- channels[[length(channels)]]
    self$classifier <- nn_sequential(norm(last), nn_flatten(), nn_linear(last, num_classes))
    self$apply(initialise_convnext_layer)
  },
  forward = function(x) self$classifier(self$avgpool(self$features(x)))
)

make_convnext <- function(name, pretrained, progress, ...) {
  load_pretrained(convnext(name, ...), name, pretrained, progress)
}

#' ConvNeXt
#'
#' Image classifiers of large depthwise convolutions (Liu et al. 2022, \doi{10.1109/CVPR52688.2022.01167}). Parameters
#' have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `stochastic_depth_prob`, probability of leaving out the last block while training
#'   (less for those before); `layer_scale = 1e-6`, starting value of the factors of the blocks; `in_channels = 3`.
#' @return A module of class `convnext` for images N x 3 x H x W (float, normalised; at least 32 x 32), with
#'   `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' \donttest{
#' model <- model_convnext_tiny(num_classes = 10)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$shape
#' }
#' @family models
#' @export
model_convnext_tiny <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_convnext("convnext_tiny", pretrained, progress, ...)
}

#' @rdname model_convnext_tiny
#' @export
model_convnext_small <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_convnext("convnext_small", pretrained, progress, ...)
}

#' @rdname model_convnext_tiny
#' @export
model_convnext_base <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_convnext("convnext_base", pretrained, progress, ...)
}

#' @rdname model_convnext_tiny
#' @export
model_convnext_large <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_convnext("convnext_large", pretrained, progress, ...)
}

# ---- the same networks under the names of their authors' files ----

convnext_stage_block <- nn_module(
  "Block",
  initialize = function(channels, p, layer_scale = 1e-6) {
    self$dwconv <- nn_conv2d(channels, channels, 7, padding = 3, groups = channels)
    self$norm <- nn_layer_norm(channels, eps = 1e-6)
    self$pwconv1 <- nn_linear(channels, 4 * channels)
    self$pwconv2 <- nn_linear(4 * channels, channels)
    self$gamma <- nn_parameter(torch_full(channels, layer_scale))
    self$drop_path <- stochastic_depth(p)
  },
  forward = function(x) {
    y <- self$norm(self$dwconv(x)$permute(c(1, 3, 4, 2)))
    y <- self$gamma * self$pwconv2(nnf_gelu(self$pwconv1(y)))
    x + self$drop_path(y$permute(c(1, 4, 2, 3)))
  }
)

# The outputs of the four stages.
convnext_features <- function(model, x) {
  found <- list()
  for (i in 1:4) {
    x <- model$stages[[i]](model$downsample_layers[[i]](x))
    found[[i]] <- x
  }
  found
}

convnext_stages <- nn_module(
  "ConvNeXt",
  initialize = function(kind, channels, num_classes, drop_path_rate = 0) {
    check_whole_number(channels, "channels", 1)
    check_whole_number(num_classes, "num_classes", 1)
    dims <- kind$channels
    norm <- function(n) channel_norm(n, eps = 1e-6)
    down <- lapply(1:3, function(i) nn_sequential(norm(dims[[i]]), nn_conv2d(dims[[i]], dims[[i + 1]], 2, stride = 2)))
    self$downsample_layers <- nn_module_list(c(
      list(nn_sequential(nn_conv2d(channels, dims[[1]], 4, stride = 4), norm(dims[[1]]))), down
    ))
    rates <- split(seq(0, drop_path_rate, length.out = sum(kind$blocks)), rep(1:4, kind$blocks))
    self$stages <- nn_module_list(lapply(1:4, function(i) {
      nn_sequential(!!!lapply(unname(rates[[i]]), function(p) convnext_stage_block(dims[[i]], p)))
    }))
    self$norm <- nn_layer_norm(dims[[4]], eps = 1e-6)
    self$head <- nn_linear(dims[[4]], num_classes)
  },
  forward = function(x) self$head(self$norm(convnext_features(self, x)[[4]]$mean(dim = c(3, 4))))
)

make_convnext_stages <- function(name, pretrained, progress, channels, num_classes, ...) {
  model <- convnext_stages(convnext_kinds[[sub("_[^_]*$", "", name)]], channels, num_classes, ...)
  load_pretrained(model, name, pretrained, progress)
}

#' ConvNeXt by its authors' names
#'
#' The networks of [model_convnext_tiny()] with the names of parameters of their authors' files, which load: trained on
#' ImageNet with 1000 (`1k`) or 21841 classes (`22k`), or on the one after the other (`22k1k`).
#'
#' @inheritParams model_mobilenet_v2
#' @param channels number of bands of the pictures.
#' @param num_classes number of classes.
#' @param ... `drop_path_rate = 0`, probability of leaving out the last block while training (less for those before).
#' @return A module of class `ConvNeXt` for images N x `channels` x H x W (float, normalised; at least 32 x 32), with
#'   `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' \donttest{
#' model <- model_convnext_tiny_1k(num_classes = 10)
#' model(torch_randn(1, 3, 64, 64))$shape
#' }
#' @family models
#' @export
model_convnext_tiny_1k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 1000, ...) {
  make_convnext_stages("convnext_tiny_1k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_tiny_22k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 21841, ...) {
  make_convnext_stages("convnext_tiny_22k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_small_22k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 21841, ...) {
  make_convnext_stages("convnext_small_22k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_small_22k1k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 1000, ...) {
  make_convnext_stages("convnext_small_22k1k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_base_1k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 1000, ...) {
  make_convnext_stages("convnext_base_1k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_base_22k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 21841, ...) {
  make_convnext_stages("convnext_base_22k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_large_1k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 1000, ...) {
  make_convnext_stages("convnext_large_1k", pretrained, progress, channels, num_classes, ...)
}

#' @rdname model_convnext_tiny_1k
#' @export
model_convnext_large_22k <- function(pretrained = FALSE, progress = TRUE, channels = 3, num_classes = 21841, ...) {
  make_convnext_stages("convnext_large_22k", pretrained, progress, channels, num_classes, ...)
}
