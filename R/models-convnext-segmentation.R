#' @include models-convnext.R models-segmentation.R
NULL

# ConvNeXt as the features of a segmentation model; with `norms`, each of the four behind its own layer norm.
convnext_backbone <- nn_module(
  "convnext_backbone",
  initialize = function(model, norms = NULL) {
    self$model <- model
    for (i in seq_along(norms)) self$add_module(paste0("norm", i - 1), channel_norm(norms[[i]], eps = 1e-6))
    self$normed <- length(norms) > 0
  },
  forward = function(x) {
    found <- convnext_features(self$model, x)
    if (self$normed) {
      return(lapply(1:4, function(i) self[[paste0("norm", i - 1)]](found[[i]])))
    }
    list(middle = found[[3]], last = found[[4]])
  }
)

norm_relu <- function(inputs, outputs, kernel) {
  nn_sequential(nn_conv2d(inputs, outputs, kernel, padding = (kernel - 1) / 2, bias = FALSE), nn_batch_norm2d(outputs),
    nn_relu())
}

pooled_pyramid <- nn_module(
  "PPM",
  initialize = function(inputs, channels, scales) {
    self$stages <- nn_module_list(lapply(scales, function(scale) {
      nn_sequential(nn_adaptive_avg_pool2d(scale), nn_conv2d(inputs, channels, 1, bias = FALSE),
        nn_batch_norm2d(channels), nn_relu())
    }))
  },
  forward = function(x) {
    size <- dim(x)[3:4]
    lapply(seq_along(self$stages), function(i) nnf_interpolate(self$stages[[i]](x), size = size, mode = "bilinear"))
  }
)

upernet_head <- nn_module(
  "UPerNetHead",
  initialize = function(inputs, channels, classes, scales) {
    self$psp_modules <- pooled_pyramid(inputs[[4]], channels, scales)
    self$bottleneck <- norm_relu(inputs[[4]] + length(scales) * channels, channels, 3)
    self$lateral_convs <- nn_module_list(lapply(inputs[1:3], function(n) norm_relu(n, channels, 1)))
    self$fpn_convs <- nn_module_list(lapply(1:3, function(i) norm_relu(channels, channels, 3)))
    self$fpn_bottleneck <- norm_relu(4 * channels, channels, 3)
    self$cls_seg <- nn_conv2d(channels, classes, 1)
  },
  forward = function(features) {
    resized <- function(x, like) nnf_interpolate(x, size = dim(like)[3:4], mode = "bilinear")
    levels <- lapply(1:3, function(i) self$lateral_convs[[i]](features[[i]]))
    levels[[4]] <- self$bottleneck(torch_cat(c(features[4], self$psp_modules(features[[4]])), dim = 2))
    for (i in 3:1) levels[[i]] <- levels[[i]] + resized(levels[[i + 1]], levels[[i]])
    levels[1:3] <- lapply(1:3, function(i) self$fpn_convs[[i]](levels[[i]]))
    levels[2:4] <- lapply(levels[2:4], resized, levels[[1]])
    self$cls_seg(self$fpn_bottleneck(torch_cat(levels, dim = 2)))
  }
)

convnext_upernet <- nn_module(
  "convnext_upernet",
  initialize = function(backbone, decode_head, aux_classifier) {
    self$backbone <- backbone
    self$decode_head <- decode_head
    self$aux_classifier <- aux_classifier
  },
  forward = function(x) {
    resized <- function(y) nnf_interpolate(y, size = dim(x)[3:4], mode = "bilinear")
    features <- self$backbone(x)
    out <- list(out = resized(self$decode_head(features)))
    if (!is.null(self$aux_classifier)) out$aux <- resized(self$aux_classifier(features[[3]]))
    out
  }
)

# The names in published files and those of the modules.
upernet_names <- c(
  "backbone[.]" = "backbone.model.", "backbone[.]model[.]norm([0-9])" = "backbone.norm\\1",
  "psp_modules[.]" = "psp_modules.stages.", depthwise_ = "dw", pointwise_ = "pw",
  "([0-9][.][0-9])[.]conv[.]weight" = "\\1.weight", "[.]conv[.]weight" = ".0.weight",
  "[.]([0-9])[.]1[.]bn[.]" = ".\\1.2.", "[.]bn[.]" = ".1.", "decode_head[.]conv_seg" = "decode_head.cls_seg",
  "auxiliary_head[.]convs[.]0[.]" = "aux_classifier.", "auxiliary_head[.]conv_seg[.]" = "aux_classifier.4."
)

# The network with its published weights of ImageNet where those of the backbone are asked for.
segmented_convnext <- function(size, pretrained_backbone, ...) {
  check_flag(pretrained_backbone, "pretrained_backbone")
  name <- c(tiny = "convnext_tiny_1k", small = "convnext_small_22k", base = "convnext_base_1k")[[size]]
  classes <- if (endsWith(name, "22k")) 21841 else 1000
  model <- make_convnext_stages(name, pretrained_backbone, TRUE, channels = 3, num_classes = classes, ...)
  list(model = model, channels = convnext_kinds[[paste0("convnext_", size)]]$channels)
}

make_convnext_fcn <- function(size, num_classes, aux_loss, pretrained_backbone, ...) {
  check_whole_number(num_classes, "num_classes", 1)
  check_flag(aux_loss, "aux_loss")
  part <- segmented_convnext(size, pretrained_backbone, ...)
  aux <- if (aux_loss) fcn_head(part$channels[[3]], num_classes, 256)
  backbone_with_head(convnext_backbone(part$model), fcn_head(part$channels[[4]], num_classes, 512), aux)
}

make_convnext_upernet <- function(size, num_classes, aux_loss, pretrained, pretrained_backbone, pool_scales, ...) {
  check_whole_number(num_classes, "num_classes", 1)
  check_flag(aux_loss, "aux_loss")
  pool_scales <- several_numbers(pool_scales, "pool_scales")
  part <- segmented_convnext(size, pretrained_backbone && isFALSE(pretrained), ...)
  model <- nn_prune_head(part$model, 2)
  aux <- if (aux_loss || !isFALSE(pretrained)) fcn_head(part$channels[[3]], num_classes, 256)
  model <- convnext_upernet(convnext_backbone(model, part$channels),
    upernet_head(part$channels, 512, num_classes, pool_scales), aux)
  load_pretrained(model, sprintf("convnext_%s_upernet", size), pretrained, TRUE)
}

#' Segmentation models on ConvNeXt
#'
#' Fully convolutional heads, and UPerNet (Xiao et al. 2018, Unified perceptual parsing for scene understanding,
#' <https://arxiv.org/abs/1807.10221>), on the features of [model_convnext_tiny_1k()] and its kin.
#'
#' @param num_classes number of classes.
#' @param aux_loss is there a second head on the features before the last stage?
#' @param pretrained load published weights of the whole (ADE20K, 150 classes), or those of the file of that path?
#' @param pretrained_backbone load weights of the backbone learned on ImageNet?
#' @param pool_scales sizes of the pooled pictures of the pyramid.
#' @param ... `drop_path_rate = 0`, as for the backbone.
#' @return A module for images N x 3 x H x W (float, normalised) that gives a list: `out`, scores N x `num_classes` x
#'   H x W, and with `aux_loss` also `aux`.
#' @inheritSection model_resnet18 Weights
#' @examples
#' \donttest{
#' model <- model_convnext_tiny_fcn(num_classes = 3)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$out$shape
#' }
#' @family models
#' @export
model_convnext_tiny_fcn <- function(num_classes = 21, aux_loss = FALSE, pretrained_backbone = FALSE, ...) {
  make_convnext_fcn("tiny", num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_convnext_tiny_fcn
#' @export
model_convnext_small_fcn <- function(num_classes = 21, aux_loss = FALSE, pretrained_backbone = FALSE, ...) {
  make_convnext_fcn("small", num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_convnext_tiny_fcn
#' @export
model_convnext_base_fcn <- function(num_classes = 21, aux_loss = FALSE, pretrained_backbone = FALSE, ...) {
  make_convnext_fcn("base", num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_convnext_tiny_fcn
#' @export
model_convnext_tiny_upernet <- function(num_classes = if (pretrained) 150 else 21, aux_loss = FALSE,
                                        pretrained = FALSE, pretrained_backbone = FALSE,
                                        pool_scales = c(1, 2, 3, 6), ...) {
  make_convnext_upernet("tiny", num_classes, aux_loss, pretrained, pretrained_backbone, pool_scales, ...)
}

#' @rdname model_convnext_tiny_fcn
#' @export
model_convnext_small_upernet <- function(num_classes = if (pretrained) 150 else 21, aux_loss = FALSE,
                                        pretrained = FALSE, pretrained_backbone = FALSE,
                                        pool_scales = c(1, 2, 3, 6), ...) {
  make_convnext_upernet("small", num_classes, aux_loss, pretrained, pretrained_backbone, pool_scales, ...)
}

#' @rdname model_convnext_tiny_fcn
#' @export
model_convnext_base_upernet <- function(num_classes = if (pretrained) 150 else 21, aux_loss = FALSE,
                                        pretrained = FALSE, pretrained_backbone = FALSE,
                                        pool_scales = c(1, 2, 3, 6), ...) {
  make_convnext_upernet("base", num_classes, aux_loss, pretrained, pretrained_backbone, pool_scales, ...)
}
