#' @include models-efficientnet.R
NULL

# Rows: channels before, kernel, expanded, channels, weighing of channels, hardswish instead of ReLU, stride.
mobilenet_v3_rows <- list(
  mobilenet_v3_large = rbind(
    c(16, 3, 16, 16, 0, 0, 1), c(16, 3, 64, 24, 0, 0, 2), c(24, 3, 72, 24, 0, 0, 1), c(24, 5, 72, 40, 1, 0, 2),
    c(40, 5, 120, 40, 1, 0, 1), c(40, 5, 120, 40, 1, 0, 1), c(40, 3, 240, 80, 0, 1, 2), c(80, 3, 200, 80, 0, 1, 1),
    c(80, 3, 184, 80, 0, 1, 1), c(80, 3, 184, 80, 0, 1, 1), c(80, 3, 480, 112, 1, 1, 1),
    c(112, 3, 672, 112, 1, 1, 1), c(112, 5, 672, 160, 1, 1, 2), c(160, 5, 960, 160, 1, 1, 1),
    c(160, 5, 960, 160, 1, 1, 1)
  ),
  mobilenet_v3_small = rbind(
    c(16, 3, 16, 16, 1, 0, 2), c(16, 3, 72, 24, 0, 0, 2), c(24, 3, 88, 24, 0, 0, 1), c(24, 5, 96, 40, 1, 1, 2),
    c(40, 5, 240, 40, 1, 1, 1), c(40, 5, 240, 40, 1, 1, 1), c(40, 5, 120, 48, 1, 1, 1), c(48, 5, 144, 48, 1, 1, 1),
    c(48, 5, 288, 96, 1, 1, 2), c(96, 5, 576, 96, 1, 1, 1), c(96, 5, 576, 96, 1, 1, 1)
  )
)

mobilenet_v3_block <- nn_module(
  "mobilenet_v3_block",
  initialize = function(row, dilation) {
    inputs <- row[[1]]
    expanded <- row[[3]]
    outputs <- row[[4]]
    conv <- function(from, to, kernel, ..., active = TRUE) {
      activation <- if (active) if (row[[6]] == 1) nn_hardswish() else nn_relu(inplace = TRUE)
      conv_norm_activation(from, to, kernel, ..., norm_layer = norm_of_tensorflow, activation = activation)
    }
    stride <- if (dilation > 1) 1 else row[[7]]
    layers <- c(
      if (expanded != inputs) list(conv(inputs, expanded, 1)),
      list(conv(expanded, expanded, row[[2]], stride, expanded, dilation = dilation)),
      if (row[[5]] == 1) {
        list(squeeze_excite(expanded, round_channels(expanded %/% 4, 8), nn_relu(inplace = TRUE), nn_hardsigmoid()))
      },
      list(conv(expanded, outputs, 1, active = FALSE))
    )
    self$block <- nn_sequential(!!!layers)
    self$use_res_connect <- row[[7]] == 1 && inputs == outputs
    self$out_channels <- outputs
    self$.is_cn <- row[[7]] > 1
  },
  forward = function(x) {
    if (self$use_res_connect) x + self$block(x) else self$block(x)
  }
)

# `reduced_tail`: half the channels in the last three blocks. `dilated`: these blocks are dilated instead of strided.
mobilenet_v3 <- nn_module(
  "mobilenet_v3",
  initialize = function(name, num_classes = 1000, width_mult = 1, reduced_tail = FALSE, dilated = FALSE,
                        dropout = 0.2, in_channels = 3) {
    rows <- mobilenet_v3_rows[[name]]
    tail <- nrow(rows) - 2:0
    last <- if (name == "mobilenet_v3_large") 1280 else 1024
    if (reduced_tail) {
      rows[tail[-1], 1] <- rows[tail[-1], 1] / 2
      rows[tail[-1], 3] <- rows[tail[-1], 3] / 2
      rows[tail, 4] <- rows[tail, 4] / 2
      last <- last / 2
    }
    columns <- c(1, 3, 4)
    rows[, columns] <- vapply(rows[, columns] * width_mult, round_channels, 0, 8)
    conv <- function(from, to, kernel, stride) {
      conv_norm_activation(from, to, kernel, stride, norm_layer = norm_of_tensorflow, activation = nn_hardswish())
    }
    blocks <- lapply(seq_len(nrow(rows)), function(i) {
      mobilenet_v3_block(rows[i, ], dilation = if (dilated && i %in% tail) 2 else 1)
    })
    features <- 6 * rows[[nrow(rows), 4]]
    self$features <- nn_sequential(conv(in_channels, rows[[1, 1]], 3, 2), !!!blocks,
      conv(rows[[nrow(rows), 4]], features, 1, 1))
    self$avgpool <- nn_adaptive_avg_pool2d(1)
    last <- round_channels(last * width_mult, 8)
    self$classifier <- nn_sequential(nn_linear(features, last), nn_hardswish(), nn_dropout(dropout),
      nn_linear(last, num_classes))
    self$apply(initialise_mobilenet_layer)
  },
  forward = function(x) {
    x <- self$avgpool(self$features(x))
    self$classifier(torch_flatten(x, start_dim = 2))
  }
)

make_mobilenet_v3 <- function(name, pretrained, progress, ...) {
  load_pretrained(mobilenet_v3(name, ...), name, pretrained, progress)
}

#' MobileNet v3
#'
#' Image classifiers for small devices (Howard et al. 2019, \doi{10.1109/ICCV.2019.00140}). Parameters have the names
#' of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `width_mult = 1`, factor for the channels; `reduced_tail = FALSE`, half the
#'   channels in the last blocks? `dilated = FALSE`, are these dilated instead of strided? `dropout = 0.2`;
#'   `in_channels = 3`.
#' @return A module of class `mobilenet_v3` for images N x 3 x H x W (float, normalised), with `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' model <- model_mobilenet_v3_small(num_classes = 10)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$shape
#' @family models
#' @export
model_mobilenet_v3_large <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_mobilenet_v3("mobilenet_v3_large", pretrained, progress, ...)
}

#' @rdname model_mobilenet_v3_large
#' @export
model_mobilenet_v3_small <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_mobilenet_v3("mobilenet_v3_small", pretrained, progress, ...)
}
