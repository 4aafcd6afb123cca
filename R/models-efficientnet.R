#' @include models-resnet.R
NULL

# In training mode, each image's branch is left out with probability p, and otherwise divided by 1 - p.
stochastic_depth <- nn_module(
  "stochastic_depth",
  initialize = function(p) {
    self$p <- p
  },
  forward = function(x) {
    if (!self$training || self$p == 0) {
      return(x)
    }
    kept <- torch_rand(c(dim(x)[[1]], 1, 1, 1), dtype = x$dtype) >= self$p
    x * (kept$to(dtype = x$dtype) / (1 - self$p))
  }
)

conv_norm_activation <- function(inputs, outputs, kernel_size, stride = 1, groups = 1, norm_layer = nn_batch_norm2d,
                                 activation = NULL, dilation = 1) {
  conv <- residual_conv(inputs, outputs, kernel_size, stride, groups, dilation)
  layers <- c(list(conv, norm_layer(outputs)), if (!is.null(activation)) list(activation))
  nn_sequential(!!!layers)
}

# Channels weighed by their means: two 1 x 1 convolutions of these.
squeeze_excite <- nn_module(
  "squeeze_excite",
  initialize = function(channels, squeezed, activation, scale) {
    self$avgpool <- nn_adaptive_avg_pool2d(1)
    self$fc1 <- nn_conv2d(channels, squeezed, 1)
    self$fc2 <- nn_conv2d(squeezed, channels, 1)
    self$activation <- activation
    self$scale_activation <- scale
  },
  forward = function(x) {
    scale <- self$fc2(self$activation(self$fc1(self$avgpool(x))))
    x * self$scale_activation(scale)
  }
)

# The layers of a block of the efficient networks: expansion, depthwise convolution, weighing, projection; or with the
# first two as one full convolution ("fused").
mbconv_layers <- function(fused, inputs, outputs, expanded, kernel_size, stride, norm_layer) {
  conv <- function(from, to, kernel, ..., active = TRUE) {
    conv_norm_activation(from, to, kernel, ..., norm_layer = norm_layer,
      activation = if (active) nn_silu(inplace = TRUE))
  }
  if (fused && expanded == inputs) {
    return(list(conv(inputs, outputs, kernel_size, stride)))
  }
  if (fused) {
    return(list(conv(inputs, expanded, kernel_size, stride), conv(expanded, outputs, 1, active = FALSE)))
  }
  c(
    if (expanded != inputs) list(conv(inputs, expanded, 1)),
    list(
      conv(expanded, expanded, kernel_size, stride, expanded),
      squeeze_excite(expanded, max(1, inputs %/% 4), nn_silu(inplace = TRUE), nn_sigmoid()),
      conv(expanded, outputs, 1, active = FALSE)
    )
  )
}

mbconv <- nn_module(
  "mbconv",
  initialize = function(fused, inputs, outputs, expanded, kernel_size, stride, p, norm_layer) {
    self$block <- nn_sequential(!!!mbconv_layers(fused, inputs, outputs, expanded, kernel_size, stride, norm_layer))
    self$stochastic_depth <- stochastic_depth(p)
    self$use_res_connect <- stride == 1 && inputs == outputs
  },
  forward = function(x) {
    if (self$use_res_connect) x + self$stochastic_depth(self$block(x)) else self$block(x)
  }
)

# Rows: fused, expansion, kernel, stride of the first, channels before, channels, blocks.
efficientnet_rows <- function(...) {
  rows <- rbind(...)
  colnames(rows) <- c("fused", "expansion", "kernel", "stride", "inputs", "outputs", "blocks")
  rows
}
efficientnet_b_rows <- efficientnet_rows(
  c(0, 1, 3, 1, 32, 16, 1), c(0, 6, 3, 2, 16, 24, 2), c(0, 6, 5, 2, 24, 40, 2), c(0, 6, 3, 2, 40, 80, 3),
  c(0, 6, 5, 1, 80, 112, 3), c(0, 6, 5, 2, 112, 192, 4), c(0, 6, 3, 1, 192, 320, 1)
)

# Factors of width and depth, size of the pictures trained on, and dropout (Tan and Le 2019).
efficientnet_b_scale <- rbind(
  b0 = c(1, 1, 224, 0.2), b1 = c(1, 1.1, 240, 0.2), b2 = c(1.1, 1.2, 260, 0.3), b3 = c(1.2, 1.4, 300, 0.3),
  b4 = c(1.4, 1.8, 380, 0.4), b5 = c(1.6, 2.2, 456, 0.4), b6 = c(1.8, 2.6, 528, 0.5), b7 = c(2, 3.1, 600, 0.5)
)
colnames(efficientnet_b_scale) <- c("width", "depth", "size", "dropout")

scaled_efficientnet_rows <- function(size) {
  scale <- efficientnet_b_scale[size, ]
  rows <- efficientnet_b_rows
  width <- function(channels) vapply(channels * scale[["width"]], round_channels, 0, 8)
  rows[, c("inputs", "outputs")] <- width(rows[, c("inputs", "outputs")])
  rows[, "blocks"] <- ceiling(rows[, "blocks"] * scale[["depth"]] - 1e-9)
  rows
}

efficientnet_v2_kinds <- list(
  v2_s = list(dropout = 0.2, rows = efficientnet_rows(
    c(1, 1, 3, 1, 24, 24, 2), c(1, 4, 3, 2, 24, 48, 4), c(1, 4, 3, 2, 48, 64, 4), c(0, 4, 3, 2, 64, 128, 6),
    c(0, 6, 3, 1, 128, 160, 9), c(0, 6, 3, 2, 160, 256, 15)
  )),
  v2_m = list(dropout = 0.3, rows = efficientnet_rows(
    c(1, 1, 3, 1, 24, 24, 3), c(1, 4, 3, 2, 24, 48, 5), c(1, 4, 3, 2, 48, 80, 5), c(0, 4, 3, 2, 80, 160, 7),
    c(0, 6, 3, 1, 160, 176, 14), c(0, 6, 3, 2, 176, 304, 18), c(0, 6, 3, 1, 304, 512, 5)
  )),
  v2_l = list(dropout = 0.4, rows = efficientnet_rows(
    c(1, 1, 3, 1, 32, 32, 4), c(1, 4, 3, 2, 32, 64, 7), c(1, 4, 3, 2, 64, 96, 7), c(0, 4, 3, 2, 96, 192, 10),
    c(0, 6, 3, 1, 192, 224, 19), c(0, 6, 3, 2, 224, 384, 25), c(0, 6, 3, 1, 384, 640, 7)
  ))
)

# Rows, dropout, last channels, and the batch norm a model was trained with.
efficientnet_kind <- function(name) {
  size <- sub("efficientnet_", "", name)
  if (size %in% names(efficientnet_v2_kinds)) {
    return(c(efficientnet_v2_kinds[[size]], list(last = 1280, norm_layer = norm_with(eps = 1e-3))))
  }
  rows <- scaled_efficientnet_rows(size)
  large <- size %in% c("b5", "b6", "b7")
  list(
    rows = rows, dropout = efficientnet_b_scale[size, "dropout"], last = 4 * rows[[nrow(rows), "outputs"]],
    norm_layer = if (large) norm_with(eps = 1e-3, momentum = 0.01) else nn_batch_norm2d
  )
}

norm_with <- function(...) {
  options <- list(...)
  function(channels) rlang::inject(nn_batch_norm2d(channels, !!!options))
}

# The blocks of a row; their probabilities of being left out grow along the network.
efficientnet_stage <- function(row, first, total, p, norm_layer) {
  blocks <- lapply(seq_len(row[["blocks"]]), function(i) {
    inputs <- if (i == 1) row[["inputs"]] else row[["outputs"]]
    mbconv(row[["fused"]] == 1, inputs, row[["outputs"]], round_channels(inputs * row[["expansion"]], 8),
      row[["kernel"]], if (i == 1) row[["stride"]] else 1, p * (first + i - 1) / total, norm_layer)
  })
  nn_sequential(!!!blocks)
}

initialise_efficientnet_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) {
    nn_init_kaiming_normal_(layer$weight, mode = "fan_out")
    if (!is.null(layer$bias)) nn_init_zeros_(layer$bias)
  } else if (inherits(layer, "nn_linear")) {
    bound <- 1 / sqrt(dim(layer$weight)[[1]])
    nn_init_uniform_(layer$weight, -bound, bound)
    nn_init_zeros_(layer$bias)
  }
}

efficientnet <- nn_module(
  "efficientnet",
  initialize = function(name, num_classes = 1000, dropout = NULL, stochastic_depth_prob = 0.2, norm_layer = NULL,
                        in_channels = 3) {
    kind <- efficientnet_kind(name)
    norm_layer <- if (is.null(norm_layer)) kind$norm_layer else norm_layer
    rows <- kind$rows
    before <- cumsum(c(0, rows[, "blocks"]))
    conv <- function(from, to, kernel, stride) {
      conv_norm_activation(from, to, kernel, stride, norm_layer = norm_layer, activation = nn_silu(inplace = TRUE))
    }
    stages <- lapply(seq_len(nrow(rows)), function(i) {
      efficientnet_stage(rows[i, ], before[[i]], sum(rows[, "blocks"]), stochastic_depth_prob, norm_layer)
    })
    last <- rows[[nrow(rows), "outputs"]]
    self$features <- nn_sequential(conv(in_channels, rows[[1, "inputs"]], 3, 2), !!!stages,
      conv(last, kind$last, 1, 1))
    self$avgpool <- nn_adaptive_avg_pool2d(1)
    dropout <- if (is.null(dropout)) kind$dropout else dropout
    self$classifier <- nn_sequential(nn_dropout(dropout), nn_linear(kind$last, num_classes))
    self$apply(initialise_efficientnet_layer)
  },
  forward = function(x) {
    x <- self$avgpool(self$features(x))
    self$classifier(torch_flatten(x, start_dim = 2))
  }
)

make_efficientnet <- function(name, pretrained, progress, ...) {
  load_pretrained(efficientnet(name, ...), name, pretrained, progress)
}

#' EfficientNet
#'
#' Image classifiers of inverted residual blocks, scaled in width and depth together (Tan and Le 2019, EfficientNet:
#' Rethinking model scaling for convolutional neural networks; 2021, EfficientNetV2: Smaller models and faster
#' training). Parameters have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `dropout`, share of elements set to zero while training, and
#'   `stochastic_depth_prob = 0.2`, probability of leaving out the last block (less for those before); `norm_layer`, a
#'   function of the number of channels in place of [nn_batch_norm2d()]; `in_channels = 3`.
#' @return A module of class `efficientnet` for images N x 3 x H x W (float, normalised), with `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' model <- model_efficientnet_b0(num_classes = 10)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$shape
#' @family models
#' @export
model_efficientnet_b0 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b0", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b1 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b1", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b2 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b2", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b3 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b3", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b4 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b4", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b5 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b5", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b6 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b6", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_b7 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_b7", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_v2_s <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_v2_s", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_v2_m <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_v2_m", pretrained, progress, ...)
}

#' @rdname model_efficientnet_b0
#' @export
model_efficientnet_v2_l <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_efficientnet("efficientnet_v2_l", pretrained, progress, ...)
}
