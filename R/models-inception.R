#' @include models-resnet.R
NULL

# Convolution, batch norm, relu.
basic_conv2d <- nn_module(
  "BasicConv2d",
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0) {
    self$conv <- nn_conv2d(in_channels, out_channels, kernel_size, stride, padding, bias = FALSE)
    self$bn <- nn_batch_norm2d(out_channels, eps = 0.001)
  },
  forward = function(x) nnf_relu(self$bn(self$conv(x)))
)

# Branches of convolutions, joined. `branches` names the modules each runs through, "avg" and "max" pooling among them;
# a list at the end of one is run beside each other. `layers` holds channels in, out, kernel, stride and padding of
# each.
mixed_block <- nn_module(
  "Mixed",
  initialize = function(branches, layers) {
    self$branches <- branches
    for (name in names(layers)) self$add_module(name, do.call(basic_conv2d, layers[[name]]))
  },
  run = function(x, steps) {
    for (step in steps) {
      x <- if (is.list(step)) torch_cat(lapply(step, function(name) self[[name]](x)), dim = 2)
        else switch(step,
          avg = nnf_avg_pool2d(x, 3, stride = 1, padding = 1), max = nnf_max_pool2d(x, 3, stride = 2),
          self[[step]](x))
    }
    x
  },
  forward = function(x) torch_cat(lapply(self$branches, function(steps) self$run(x, steps)), dim = 2)
)

long <- list(c(1, 7), padding = c(0, 3))
tall <- list(c(7, 1), padding = c(3, 0))

inception_a <- function(n, pooled) {
  mixed_block(
    list("branch1x1", c("branch5x5_1", "branch5x5_2"), paste0("branch3x3dbl_", 1:3), c("avg", "branch_pool")),
    list(branch1x1 = list(n, 64, 1), branch5x5_1 = list(n, 48, 1), branch5x5_2 = list(48, 64, 5, padding = 2),
      branch3x3dbl_1 = list(n, 64, 1), branch3x3dbl_2 = list(64, 96, 3, padding = 1),
      branch3x3dbl_3 = list(96, 96, 3, padding = 1), branch_pool = list(n, pooled, 1))
  )
}

inception_b <- function(n) {
  mixed_block(
    list("branch3x3", paste0("branch3x3dbl_", 1:3), "max"),
    list(branch3x3 = list(n, 384, 3, 2), branch3x3dbl_1 = list(n, 64, 1), branch3x3dbl_2 = list(64, 96, 3, padding = 1),
      branch3x3dbl_3 = list(96, 96, 3, 2))
  )
}

inception_c <- function(n, c7) {
  mixed_block(
    list("branch1x1", paste0("branch7x7_", 1:3), paste0("branch7x7dbl_", 1:5), c("avg", "branch_pool")),
    list(branch1x1 = list(n, 192, 1), branch7x7_1 = list(n, c7, 1), branch7x7_2 = c(c7, c7, long),
      branch7x7_3 = c(c7, 192, tall), branch7x7dbl_1 = list(n, c7, 1), branch7x7dbl_2 = c(c7, c7, tall),
      branch7x7dbl_3 = c(c7, c7, long), branch7x7dbl_4 = c(c7, c7, tall), branch7x7dbl_5 = c(c7, 192, long),
      branch_pool = list(n, 192, 1))
  )
}

inception_d <- function(n) {
  mixed_block(
    list(c("branch3x3_1", "branch3x3_2"), paste0("branch7x7x3_", 1:4), "max"),
    list(branch3x3_1 = list(n, 192, 1), branch3x3_2 = list(192, 320, 3, 2), branch7x7x3_1 = list(n, 192, 1),
      branch7x7x3_2 = c(192, 192, long), branch7x7x3_3 = c(192, 192, tall), branch7x7x3_4 = list(192, 192, 3, 2))
  )
}

inception_e <- function(n) {
  wide <- list(384, 384, c(1, 3), padding = c(0, 1))
  high <- list(384, 384, c(3, 1), padding = c(1, 0))
  mixed_block(
    list("branch1x1", list("branch3x3_1", list("branch3x3_2a", "branch3x3_2b")),
      list("branch3x3dbl_1", "branch3x3dbl_2", list("branch3x3dbl_3a", "branch3x3dbl_3b")), c("avg", "branch_pool")),
    list(branch1x1 = list(n, 320, 1), branch3x3_1 = list(n, 384, 1), branch3x3_2a = wide, branch3x3_2b = high,
      branch3x3dbl_1 = list(n, 448, 1), branch3x3dbl_2 = list(448, 384, 3, padding = 1), branch3x3dbl_3a = wide,
      branch3x3dbl_3b = high, branch_pool = list(n, 192, 1))
  )
}

inception_aux <- nn_module(
  "InceptionAux",
  initialize = function(n, num_classes) {
    self$conv0 <- basic_conv2d(n, 128, 1)
    self$conv1 <- basic_conv2d(128, 768, 5)
    self$fc <- nn_linear(768, num_classes)
  },
  forward = function(x) {
    x <- self$conv1(self$conv0(nnf_avg_pool2d(x, 5, stride = 3)))
    self$fc(torch_flatten(nnf_adaptive_avg_pool2d(x, 1), start_dim = 2))
  }
)

# Standard deviations of first weights: 0.1 but for the last two layers of the side branch.
initialise_inception <- function(model) {
  draw <- function(layer, std) nn_init_trunc_normal_(layer$weight, std = std, a = -2, b = 2)
  for (layer in model$modules) if (inherits(layer, c("nn_conv2d", "nn_linear"))) draw(layer, 0.1)
  if (!is.null(model$AuxLogits)) {
    draw(model$AuxLogits$conv1$conv, 0.01)
    draw(model$AuxLogits$fc, 0.001)
  }
}

inception3 <- nn_module(
  "Inception3",
  initialize = function(num_classes = 1000, aux_logits = TRUE, transform_input = FALSE, init_weights = TRUE,
                        dropout = 0.5) {
    self$aux_logits <- aux_logits
    self$transform_input <- transform_input
    self$Conv2d_1a_3x3 <- basic_conv2d(3, 32, 3, 2)
    self$Conv2d_2a_3x3 <- basic_conv2d(32, 32, 3)
    self$Conv2d_2b_3x3 <- basic_conv2d(32, 64, 3, padding = 1)
    self$maxpool1 <- nn_max_pool2d(3, stride = 2)
    self$Conv2d_3b_1x1 <- basic_conv2d(64, 80, 1)
    self$Conv2d_4a_3x3 <- basic_conv2d(80, 192, 3)
    self$maxpool2 <- nn_max_pool2d(3, stride = 2)
    self$Mixed_5b <- inception_a(192, 32)
    self$Mixed_5c <- inception_a(256, 64)
    self$Mixed_5d <- inception_a(288, 64)
    self$Mixed_6a <- inception_b(288)
    self$Mixed_6b <- inception_c(768, 128)
    self$Mixed_6c <- inception_c(768, 160)
    self$Mixed_6d <- inception_c(768, 160)
    self$Mixed_6e <- inception_c(768, 192)
    if (aux_logits) self$AuxLogits <- inception_aux(768, num_classes)
    self$Mixed_7a <- inception_d(768)
    self$Mixed_7b <- inception_e(1280)
    self$Mixed_7c <- inception_e(2048)
    self$dropout <- nn_dropout(dropout)
    self$fc <- nn_linear(2048, num_classes)
    if (isTRUE(init_weights)) initialise_inception(self)
  },
  # From ImageNet's mean and standard deviation of each channel to those of the published weights, 0.5.
  as_trained = function(x) {
    if (!self$transform_input) {
      return(x)
    }
    channels <- function(values) torch_tensor(values)$view(c(1, 3, 1, 1))
    x * channels(c(0.229, 0.224, 0.225) / 0.5) + channels((c(0.485, 0.456, 0.406) - 0.5) / 0.5)
  },
  forward = function(x) {
    x <- self$Conv2d_2b_3x3(self$Conv2d_2a_3x3(self$Conv2d_1a_3x3(self$as_trained(x))))
    x <- self$Conv2d_4a_3x3(self$Conv2d_3b_1x1(self$maxpool1(x)))
    x <- self$Mixed_5d(self$Mixed_5c(self$Mixed_5b(self$maxpool2(x))))
    x <- self$Mixed_6c(self$Mixed_6b(self$Mixed_6a(x)))
    x <- self$Mixed_6e(self$Mixed_6d(x))
    aux <- if (self$training && self$aux_logits) self$AuxLogits(x)
    x <- self$Mixed_7c(self$Mixed_7b(self$Mixed_7a(x)))
    x <- self$fc(self$dropout(torch_flatten(nnf_adaptive_avg_pool2d(x, 1), start_dim = 2)))
    if (is.null(aux)) x else list(logits = x, aux_logits = aux)
  }
)

#' Inception v3
#'
#' The image classifier of Szegedy et al. (2016), Rethinking the Inception architecture for computer vision,
#' \doi{10.1109/CVPR.2016.308}. Parameters have the names of torchvision, whose published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `num_classes = 1000`; `aux_logits = TRUE`, classify from the middle of the network as well while training;
#'   `transform_input`, whether pictures come with ImageNet's mean and standard deviation and are to get those that the
#'   published weights know (`TRUE` with them, else `FALSE`); `init_weights = TRUE`, draw them from normal
#'   distributions; `dropout = 0.5`.
#' @return A module of class `Inception3` for images N x 3 x H x W (float, normalised; at least 75 x 75, made for
#'   299 x 299, which the classifier in the middle needs), with `num_classes` outputs; while training with
#'   `aux_logits`, `list(logits, aux_logits)`.
#' @inheritSection model_resnet18 Weights
#' @examples
#' \donttest{
#' model <- model_inception_v3(num_classes = 10)
#' model$eval()
#' model(torch_randn(1, 3, 96, 96))$shape
#' }
#' @family models
#' @export
model_inception_v3 <- function(pretrained = FALSE, progress = TRUE, ...) {
  arguments <- list(...)
  if (isFALSE(pretrained)) {
    return(inception3(...))
  }
  wanted <- !isFALSE(arguments$aux_logits)
  whole <- utils::modifyList(list(transform_input = TRUE), c(arguments, aux_logits = TRUE, init_weights = FALSE))
  model <- load_pretrained(do.call(inception3, whole), "inception_v3", pretrained, progress)
  if (wanted) {
    return(model)
  }
  # The file holds the side branch, too, which is left out after reading.
  without <- do.call(inception3, utils::modifyList(whole, list(aux_logits = FALSE)))
  weights <- model$state_dict()
  without$load_state_dict(weights[!startsWith(names(weights), "AuxLogits.")])
}
