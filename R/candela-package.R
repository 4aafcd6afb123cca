#' candela: image segmentation and deep learning on the CPU
#'
#' Tensors with automatic differentiation, layers, optimisers, training loops, image reading and augmentation,
#' computed by a C engine that is part of the package. Functions carry the names and conventions of torch,
#' torchvision, luz and torchdatasets: dimensions, indices and classes count from 1, images are
#' batch x channel x height x width.
#'
#' @keywords internal
#' @useDynLib candela, .registration = TRUE
#' @importFrom R6 R6Class
#' @importFrom magrittr %>%
#' @importFrom generics fit
#' @importFrom stats predict
"_PACKAGE"

# `self` is bound when a method is taken from a tensor with `$`.
utils::globalVariables("self")
