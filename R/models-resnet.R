#' @include models-mobilenet.R
NULL

# A convolution as residual networks have it: padded so that only the stride changes the size, without bias.
residual_conv <- function(inputs, outputs, kernel_size, stride = 1, groups = 1, dilation = 1) {
  nn_conv2d(inputs, outputs, kernel_size, stride, padding = dilation * (kernel_size - 1) / 2, dilation = dilation,
    groups = groups, bias = FALSE)
}

# y = relu(x + two 3 x 3 convolutions of x).
basic_block <- nn_module(
  "basic_block",
  initialize = function(inputs, planes, stride = 1, downsample = NULL, groups = 1, base_width = 64, dilation = 1,
                        norm_layer = nn_batch_norm2d) {
    if (groups != 1 || base_width != 64 || dilation != 1) {
      value_error("ResNet 18 and 34 have neither groups, nor other widths, nor dilation.")
    }
    self$conv1 <- residual_conv(inputs, planes, 3, stride)
    self$bn1 <- norm_layer(planes)
    self$relu <- nn_relu(inplace = TRUE)
    self$conv2 <- residual_conv(planes, planes, 3)
    self$bn2 <- norm_layer(planes)
    self$downsample <- downsample
  },
  forward = function(x) {
    y <- self$relu(self$bn1(self$conv1(x)))
    y <- self$bn2(self$conv2(y))
    if (!is.null(self$downsample)) x <- self$downsample(x)
    self$relu(y + x)
  }
)

# y = relu(x + a 1 x 1, a 3 x 3 and a 1 x 1 convolution of x), the 3 x 3 with the stride, on fewer channels.
bottleneck_block <- nn_module(
  "bottleneck_block",
  initialize = function(inputs, planes, stride = 1, downsample = NULL, groups = 1, base_width = 64, dilation = 1,
                        norm_layer = nn_batch_norm2d) {
    width <- floor(planes * base_width / 64) * groups
    self$conv1 <- residual_conv(inputs, width, 1)
    self$bn1 <- norm_layer(width)
    self$conv2 <- residual_conv(width, width, 3, stride, groups, dilation)
    self$bn2 <- norm_layer(width)
    self$conv3 <- residual_conv(width, planes * 4, 1)
    self$bn3 <- norm_layer(planes * 4)
    self$relu <- nn_relu(inplace = TRUE)
    self$downsample <- downsample
  },
  forward = function(x) {
    y <- self$relu(self$bn1(self$conv1(x)))
    y <- self$relu(self$bn2(self$conv2(y)))
    y <- self$bn3(self$conv3(y))
    if (!is.null(self$downsample)) x <- self$downsample(x)
    self$relu(y + x)
  }
)

# Blocks of a stage; what a dilated stage does not reduce by its stride it makes up for by the dilation of its blocks
# behind the first.
resnet_stage <- function(type, inputs, planes, blocks, stride, dilation, dilate, options) {
  block <- if (type == "basic") basic_block else bottleneck_block
  outputs <- planes * resnet_expansion(type)
  first_dilation <- dilation
  if (dilate) {
    dilation <- dilation * stride
    stride <- 1
  }
  norm_layer <- options$norm_layer
  downsample <- if (stride != 1 || inputs != outputs) {
    nn_sequential(residual_conv(inputs, outputs, 1, stride), norm_layer(outputs))
  }
  make <- function(inputs, stride, downsample, dilation) {
    block(inputs, planes, stride, downsample, options$groups, options$width_per_group, dilation, norm_layer)
  }
  layers <- c(list(make(inputs, stride, downsample, first_dilation)),
    lapply(seq_len(blocks - 1), function(i) make(outputs, 1, NULL, dilation)))
  list(layers = nn_sequential(!!!layers), inputs = outputs, dilation = dilation)
}

resnet_expansion <- function(type) if (type == "basic") 1 else 4

# Kinds of residual networks: block, blocks of each stage, and where they differ groups and channels of a group.
resnet_kinds <- list(
  resnet18 = list("basic", c(2, 2, 2, 2)),
  resnet34 = list("basic", c(3, 4, 6, 3)),
  resnet50 = list("bottleneck", c(3, 4, 6, 3)),
  resnet101 = list("bottleneck", c(3, 4, 23, 3)),
  resnet152 = list("bottleneck", c(3, 8, 36, 3)),
  resnext50_32x4d = list("bottleneck", c(3, 4, 6, 3), groups = 32, width_per_group = 4),
  resnext101_32x4d = list("bottleneck", c(3, 4, 23, 3), groups = 32, width_per_group = 4),
  resnext101_32x8d = list("bottleneck", c(3, 4, 23, 3), groups = 32, width_per_group = 8),
  resnext101_32x16d = list("bottleneck", c(3, 4, 23, 3), groups = 32, width_per_group = 16),
  resnext101_64x4d = list("bottleneck", c(3, 4, 23, 3), groups = 64, width_per_group = 4),
  wide_resnet50_2 = list("bottleneck", c(3, 4, 6, 3), width_per_group = 128),
  wide_resnet101_2 = list("bottleneck", c(3, 4, 23, 3), width_per_group = 128)
)

initialise_resnet_layer <- function(layer) {
  if (inherits(layer, "nn_conv2d")) {
    nn_init_kaiming_normal_(layer$weight, mode = "fan_out", nonlinearity = "relu")
  }
}

# The last normalisation of each block starts at zero, so that the block starts as the identity.
zero_last_norm <- function(layer) {
  if (inherits(layer, "basic_block")) nn_init_zeros_(layer$bn2$weight)
  if (inherits(layer, "bottleneck_block")) nn_init_zeros_(layer$bn3$weight)
}

# `num_classes = NULL`: without the last layer, for encoders.
resnet <- nn_module(
  "resnet",
  initialize = function(block, layers, num_classes = 1000, zero_init_residual = FALSE, groups = 1,
                        width_per_group = 64, replace_stride_with_dilation = NULL, norm_layer = NULL,
                        in_channels = 3) {
    norm_layer <- if (is.null(norm_layer)) nn_batch_norm2d else norm_layer
    dilate <- replace_stride_with_dilation
    dilate <- if (is.null(dilate)) c(FALSE, FALSE, FALSE) else dilate
    if (!is.logical(dilate) || length(dilate) != 3 || anyNA(dilate)) {
      refuse(dilate, "replace_stride_with_dilation", "three of TRUE and FALSE")
    }
    self$conv1 <- residual_conv(in_channels, 64, 7, 2)
    self$bn1 <- norm_layer(64)
    self$relu <- nn_relu(inplace = TRUE)
    self$maxpool <- nn_max_pool2d(3, stride = 2, padding = 1)
    outputs <- self$add_stages(block, layers, c(FALSE, dilate),
      list(groups = groups, width_per_group = width_per_group, norm_layer = norm_layer))
    if (!is.null(num_classes)) {
      self$avgpool <- nn_adaptive_avg_pool2d(c(1, 1))
      self$fc <- nn_linear(outputs, num_classes)
    }
    self$apply(initialise_resnet_layer)
    if (zero_init_residual) self$apply(zero_last_norm)
  },
  add_stages = function(block, layers, dilate, options) {
    state <- list(inputs = 64, dilation = 1)
    for (i in 1:4) {
      state <- resnet_stage(block, state$inputs, 32 * 2^i, layers[[i]], if (i == 1) 1 else 2, state$dilation,
        dilate[[i]], options)
      self$add_module(paste0("layer", i), state$layers)
    }
    state$inputs
  },
  forward = function(x) {
    x <- self$maxpool(self$relu(self$bn1(self$conv1(x))))
    x <- self$layer4(self$layer3(self$layer2(self$layer1(x))))
    x <- self$avgpool(x)
    self$fc(torch_flatten(x, start_dim = 2))
  }
)

make_resnet <- function(name, pretrained, progress, ...) {
  kind <- resnet_kinds[[name]]
  options <- utils::modifyList(kind[-(1:2)], list(...), keep.null = TRUE)
  load_pretrained(rlang::inject(resnet(kind[[1]], kind[[2]], !!!options)), name, pretrained, progress)
}

#' ResNet, ResNeXt and Wide ResNet
#'
#' Image classifiers of residual blocks: ResNet of He et al. (2016), \doi{10.1109/CVPR.2016.90} (with the stride in
#' the 3 x 3 convolution of a bottleneck), ResNeXt of Xie et al. (2017), \doi{10.1109/CVPR.2017.634}, whose 3 x 3
#' convolutions are in groups, and Wide ResNet of Zagoruyko and Komodakis (2016), \doi{10.5244/C.30.87}, whose
#' bottlenecks have twice the channels. Parameters have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `zero_init_residual = FALSE`, do blocks start as the identity?
#'   `replace_stride_with_dilation = NULL`, or three of `TRUE` and `FALSE`: which of the stages 2 to 4 keep their size
#'   and dilate their convolutions instead; `norm_layer = NULL`, a module generator in place of [nn_batch_norm2d()];
#'   `in_channels = 3`; `groups` and `width_per_group`, groups of the 3 x 3 convolutions and their channels.
#' @return A module of class `resnet` for images N x 3 x H x W (float, normalised), with `num_classes` outputs.
#' @section Weights: `pretrained = TRUE` loads the weights learned on ImageNet, found or downloaded by
#' [pretrained_weights()]; a path loads a file (a PyTorch checkpoint, or safetensors). They expect images between 0
#' and 1, normalised with mean (0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225).
#' @examples
#' model <- model_resnet18(num_classes = 10)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$shape
#' @family models
#' @export
model_resnet18 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnet18", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnet34 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnet34", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnet50 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnet50", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnet101 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnet101", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnet152 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnet152", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnext50_32x4d <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnext50_32x4d", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnext101_32x8d <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnext101_32x8d", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_resnext101_64x4d <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("resnext101_64x4d", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_wide_resnet50_2 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("wide_resnet50_2", pretrained, progress, ...)
}

#' @rdname model_resnet18
#' @export
model_wide_resnet101_2 <- function(pretrained = FALSE, progress = TRUE, ...) {
  make_resnet("wide_resnet101_2", pretrained, progress, ...)
}
