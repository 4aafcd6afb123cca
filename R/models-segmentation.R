#' @include aspp.R models-mobilenet-v3.R
NULL

# Segmentation models of torchvision: the features of a classifier, a head, and its scores resized to the image.

fcn_head <- function(inputs, classes, inner = inputs %/% 4) {
  nn_sequential(nn_conv2d(inputs, inner, 3, padding = 1, bias = FALSE), nn_batch_norm2d(inner), nn_relu(),
    nn_dropout(0.1), nn_conv2d(inner, classes, 1))
}

deeplab_head <- function(inputs, classes) {
  nn_sequential(aspp(inputs, 256, c(12, 24, 36)), nn_conv2d(256, 256, 3, padding = 1, bias = FALSE),
    nn_batch_norm2d(256), nn_relu(), nn_conv2d(256, classes, 1))
}

# Features of a ResNet without its last layer: behind layer 3 for the auxiliary head, behind layer 4 for the head.
resnet_backbone <- nn_module(
  "resnet_backbone",
  inherit = resnet,
  forward = function(x) {
    x <- self$maxpool(self$relu(self$bn1(self$conv1(x))))
    middle <- self$layer3(self$layer2(self$layer1(x)))
    list(middle = middle, last = self$layer4(middle))
  }
)

# Features of a MobileNet v3: behind its block 4, and of its last layer.
mobilenet_backbone <- nn_module(
  "mobilenet_backbone",
  inherit = nn_sequential,
  initialize = function(features) {
    super$initialize(!!!unname(features$children))
  },
  forward = function(x) {
    layers <- unname(self$children)
    for (layer in layers[1:5]) x <- layer(x)
    middle <- x
    for (layer in layers[-(1:5)]) x <- layer(x)
    list(middle = middle, last = x)
  }
)

# The backbone, the channels of its two features, and how it is called.
segmentation_backbone <- function(name, pretrained, progress) {
  if (startsWith(name, "resnet")) {
    kind <- resnet_kinds[[name]]
    backbone <- resnet_backbone(kind[[1]], kind[[2]], num_classes = NULL,
      replace_stride_with_dilation = c(FALSE, TRUE, TRUE))
    if (pretrained) load_weights(backbone, pretrained_weights(name, progress), name)
    return(list(module = backbone, middle = 1024, last = 2048))
  }
  whole <- mobilenet_v3(name, dilated = TRUE)
  if (pretrained) load_weights(whole, pretrained_weights(name, progress), name)
  list(module = mobilenet_backbone(whole$features), middle = 40, last = 960)
}

# list(out =, aux =) of the size of the images.
backbone_with_head <- nn_module(
  "backbone_with_head",
  initialize = function(backbone, classifier, aux_classifier) {
    self$backbone <- backbone
    self$classifier <- classifier
    self$aux_classifier <- aux_classifier
  },
  forward = function(x) {
    size <- dim(x)[3:4]
    features <- self$backbone(x)
    out <- nnf_interpolate(self$classifier(features$last), size = size, mode = "bilinear")
    if (is.null(self$aux_classifier)) {
      return(list(out = out))
    }
    list(out = out, aux = nnf_interpolate(self$aux_classifier(features$middle), size = size, mode = "bilinear"))
  }
)

lraspp_head <- nn_module(
  "lraspp_head",
  initialize = function(low, high, classes, inner = 128) {
    self$cbr <- nn_sequential(nn_conv2d(high, inner, 1, bias = FALSE), nn_batch_norm2d(inner), nn_relu(inplace = TRUE))
    self$scale <- nn_sequential(nn_adaptive_avg_pool2d(1), nn_conv2d(high, inner, 1, bias = FALSE), nn_sigmoid())
    self$low_classifier <- nn_conv2d(low, classes, 1)
    self$high_classifier <- nn_conv2d(inner, classes, 1)
  },
  forward = function(features) {
    low <- features$middle
    x <- self$cbr(features$last) * self$scale(features$last)
    x <- nnf_interpolate(x, size = dim(low)[3:4], mode = "bilinear")
    self$low_classifier(low) + self$high_classifier(x)
  }
)

lraspp <- nn_module(
  "lraspp",
  initialize = function(backbone, low, high, classes) {
    self$backbone <- backbone
    self$classifier <- lraspp_head(low, high, classes)
  },
  forward = function(x) {
    y <- self$classifier(self$backbone(x))
    list(out = nnf_interpolate(y, size = dim(x)[3:4], mode = "bilinear"))
  }
)

# The published weights have an auxiliary head, unless told otherwise.
make_segmentation <- function(head, backbone, pretrained, progress, num_classes, aux_loss, pretrained_backbone) {
  check_whole_number(num_classes, "num_classes", 1)
  aux <- if (is.null(aux_loss)) !isFALSE(pretrained) else aux_loss
  check_flag(aux, "aux_loss")
  check_flag(pretrained_backbone, "pretrained_backbone")
  part <- segmentation_backbone(backbone, pretrained_backbone && isFALSE(pretrained), progress)
  model <- if (head == "lraspp") {
    lraspp(part$module, part$middle, part$last, num_classes)
  } else {
    make_head <- if (head == "fcn") fcn_head else deeplab_head
    backbone_with_head(part$module, make_head(part$last, num_classes), if (aux) fcn_head(part$middle, num_classes))
  }
  load_pretrained(model, paste0(head, "_", backbone), pretrained, progress)
}

#' Segmentation models of torchvision
#'
#' Fully convolutional networks (Long, Shelhamer, Darrell 2015, \doi{10.1109/CVPR.2015.7298965}), DeepLabV3 (Chen et
#' al. 2017, Rethinking atrous convolution for semantic image segmentation) and LR-ASPP (Howard et al. 2019,
#' \doi{10.1109/ICCV.2019.00140}), on ResNets and MobileNet v3 whose last stages are dilated instead of strided.
#' Parameters
#' have the names of torchvision, whose published weights load. [unet()], [deeplabv3_plus()] and others are made for
#' training on one's own images.
#'
#' @inheritParams model_mobilenet_v2
#' @param pretrained load weights learned on COCO (21 classes, those of Pascal VOC), or those of the file of that
#'   path?
#' @param num_classes number of classes.
#' @param aux_loss is there a second head on the features before the last stage? `NULL`: with pretrained weights.
#' @param pretrained_backbone load weights of the backbone learned on ImageNet, where `pretrained` is `FALSE`?
#' @param ... must be empty.
#' @return A module for images N x 3 x H x W (float, normalised) that gives a list: `out`, scores N x `num_classes` x
#'   H x W, and with `aux_loss` also `aux`.
#' @inheritSection model_resnet18 Weights
#' @examples
#' model <- model_lraspp_mobilenet_v3_large(num_classes = 3)
#' model$eval()
#' model(torch_randn(1, 3, 64, 64))$out$shape
#' @family models
#' @export
model_fcn_resnet50 <- function(pretrained = FALSE, progress = TRUE, num_classes = 21, aux_loss = NULL,
                              pretrained_backbone = FALSE, ...) {
  make_segmentation("fcn", "resnet50", pretrained, progress, num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_fcn_resnet50
#' @export
model_fcn_resnet101 <- function(pretrained = FALSE, progress = TRUE, num_classes = 21, aux_loss = NULL,
                              pretrained_backbone = FALSE, ...) {
  make_segmentation("fcn", "resnet101", pretrained, progress, num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_fcn_resnet50
#' @export
model_deeplabv3_resnet50 <- function(pretrained = FALSE, progress = TRUE, num_classes = 21, aux_loss = NULL,
                              pretrained_backbone = FALSE, ...) {
  make_segmentation("deeplabv3", "resnet50", pretrained, progress, num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_fcn_resnet50
#' @export
model_deeplabv3_resnet101 <- function(pretrained = FALSE, progress = TRUE, num_classes = 21, aux_loss = NULL,
                              pretrained_backbone = FALSE, ...) {
  make_segmentation("deeplabv3", "resnet101", pretrained, progress, num_classes, aux_loss, pretrained_backbone, ...)
}

#' @rdname model_fcn_resnet50
#' @export
model_deeplabv3_mobilenet_v3_large <- function(pretrained = FALSE, progress = TRUE, num_classes = 21, aux_loss = NULL,
                              pretrained_backbone = FALSE, ...) {
  make_segmentation("deeplabv3", "mobilenet_v3_large", pretrained, progress, num_classes, aux_loss,
    pretrained_backbone, ...)
}

#' @rdname model_fcn_resnet50
#' @export
model_lraspp_mobilenet_v3_large <- function(pretrained = FALSE, progress = TRUE, num_classes = 21,
                              pretrained_backbone = FALSE, ...) {
  make_segmentation("lraspp", "mobilenet_v3_large", pretrained, progress, num_classes, FALSE, pretrained_backbone, ...)
}
