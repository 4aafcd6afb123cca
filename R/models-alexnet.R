#' @include models-resnet.R
NULL

alexnet <- nn_module(
  "alexnet",
  initialize = function(num_classes = 1000, dropout = 0.5, in_channels = 3) {
    relu <- function() nn_relu(inplace = TRUE)
    pool <- function() nn_max_pool2d(3, stride = 2)
    self$features <- nn_sequential(
      nn_conv2d(in_channels, 64, 11, stride = 4, padding = 2), relu(), pool(),
      nn_conv2d(64, 192, 5, padding = 2), relu(), pool(),
      nn_conv2d(192, 384, 3, padding = 1), relu(),
      nn_conv2d(384, 256, 3, padding = 1), relu(),
      nn_conv2d(256, 256, 3, padding = 1), relu(), pool()
    )
    self$avgpool <- nn_adaptive_avg_pool2d(c(6, 6))
    self$classifier <- nn_sequential(
      nn_dropout(dropout), nn_linear(256 * 36, 4096), relu(), nn_dropout(dropout), nn_linear(4096, 4096), relu(),
      nn_linear(4096, num_classes)
    )
  },
  forward = function(x) {
    x <- self$avgpool(self$features(x))
    self$classifier(torch_flatten(x, start_dim = 2))
  }
)

#' AlexNet
#'
#' The image classifier of Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks.
#' Parameters have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `dropout = 0.5`, share of elements set to zero while training; `in_channels = 3`.
#' @return A module of class `alexnet` for images N x 3 x H x W (float, normalised; at least 63 x 63), with
#'   `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' \donttest{
#' model <- model_alexnet(num_classes = 10)
#' model(torch_randn(1, 3, 64, 64))$shape
#' }
#' @family models
#' @export
model_alexnet <- function(pretrained = FALSE, progress = TRUE, ...) {
  load_pretrained(alexnet(...), "alexnet", pretrained, progress)
}
