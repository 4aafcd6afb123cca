#' @include models-inception.R
NULL

# The networks of MTCNN: convolutions in, out, kernel; pooling kernels behind them (NA: none); the size that comes out
# for the pictures they are made for; hidden units; numbers of the outputs.
face_kinds <- list(
  facenet_pnet = list(convolutions = list(c(3, 10, 3), c(10, 16, 3), c(16, 32, 3)), pools = c(2, NA, NA)),
  facenet_rnet = list(convolutions = list(c(3, 28, 3), c(28, 48, 3), c(48, 64, 2)), pools = c(3, 3, NA),
    dense = c(576, 128), heads = c(`_1` = 2, `_2` = 4)),
  facenet_onet = list(convolutions = list(c(3, 32, 3), c(32, 64, 3), c(64, 64, 3), c(64, 128, 2)),
    pools = c(3, 3, 2, NA), dense = c(1152, 256), heads = c(`_1` = 2, `_2` = 4, `_3` = 10))
)

face_network <- nn_module(
  "facenet",
  initialize = function(kind) {
    self$kind <- kind
    n <- length(kind$convolutions)
    for (i in seq_len(n)) {
      size <- kind$convolutions[[i]]
      self$add_module(paste0("conv", i), nn_conv2d(size[[1]], size[[2]], size[[3]]))
      self$add_module(paste0("prelu", i), nn_prelu(size[[2]]))
    }
    if (is.null(kind$dense)) {
      self$conv4_1 <- nn_conv2d(32, 2, 1)
      self$conv4_2 <- nn_conv2d(32, 4, 1)
      self$heads <- c("conv4_1", "conv4_2")
    } else {
      self$add_module(paste0("dense", n + 1), nn_linear(kind$dense[[1]], kind$dense[[2]]))
      self$add_module(paste0("prelu", n + 1), nn_prelu(kind$dense[[2]]))
      self$heads <- paste0("dense", n + 2, names(kind$heads))
      for (i in seq_along(self$heads)) self$add_module(self$heads[[i]], nn_linear(kind$dense[[2]], kind$heads[[i]]))
    }
    self$eval()
  },
  forward = function(x) {
    part <- function(kind, i) self[[paste0(kind, i)]]
    n <- length(self$kind$convolutions)
    for (i in seq_len(n)) {
      x <- part("prelu", i)(part("conv", i)(x))
      pool <- self$kind$pools[[i]]
      if (!is.na(pool)) x <- nnf_max_pool2d(x, pool, stride = 2, ceil_mode = TRUE)
    }
    if (!is.null(self$kind$dense)) {
      x <- torch_flatten(x$permute(c(1, 4, 3, 2)), start_dim = 2)
      x <- part("prelu", n + 1)(part("dense", n + 1)(x))
    }
    out <- lapply(self$heads, function(name) self[[name]](x))
    c(list(boxes = out[[2]]), if (length(out) > 2) list(landmarks = out[[3]]), list(cls = nnf_softmax(out[[1]], 2)))
  }
)

make_face_network <- function(name, pretrained, progress) {
  load_pretrained(face_network(face_kinds[[name]]), name, pretrained, progress)
}

#' Faces: detection and recognition
#'
#' `model_facenet_pnet()`, `model_facenet_rnet()` and `model_facenet_onet()` are the three networks of MTCNN (Zhang et
#' al. 2016, \doi{10.1109/LSP.2016.2603342}) for patches of 12, 24 and 48 pixels; `model_mtcnn()` holds all three and
#' gives the last one's answer for whole pictures. `model_facenet_inception_resnet_v1()` turns a picture of a face into
#' 512 numbers of length 1, close for the same person (Schroff et al. 2015, \doi{10.1109/CVPR.2015.7298682}).
#' Parameters have the names of the published files.
#'
#' @param pretrained `TRUE`: load published weights, as [pretrained_weights()] finds them; or the path of a file. For
#'   `model_facenet_inception_resnet_v1()` `"vggface2"` (also `TRUE`), `"casia-webface"`, `NULL` or `FALSE` for none.
#' @param progress show the progress of a download?
#' @param classify `TRUE`: give the scores of `num_classes` persons instead.
#' @param num_classes number of persons.
#' @param dropout_prob share of features set to zero while training.
#' @param ... not used.
#' @return A module. The networks of MTCNN give `list(boxes, cls)`, with `landmarks` between them for the last:
#'   corrections of a box (4 numbers), ten coordinates, and the probabilities of no face and of a face, N x k for
#'   patches (`model_facenet_pnet()`: N x k x H x W, for each place of a picture). They are made in evaluation mode.
#' @inheritSection model_resnet18 Weights
#' @examples
#' pnet <- model_facenet_pnet(pretrained = FALSE)
#' pnet(torch_randn(1, 3, 12, 12))$cls$shape
#' @family models
#' @export
model_facenet_pnet <- function(pretrained = TRUE, progress = FALSE, ...) {
  make_face_network("facenet_pnet", pretrained, progress)
}

#' @rdname model_facenet_pnet
#' @export
model_facenet_rnet <- function(pretrained = TRUE, progress = FALSE, ...) {
  make_face_network("facenet_rnet", pretrained, progress)
}

#' @rdname model_facenet_pnet
#' @export
model_facenet_onet <- function(pretrained = TRUE, progress = FALSE, ...) {
  make_face_network("facenet_onet", pretrained, progress)
}

mtcnn <- nn_module(
  "MTCNN",
  initialize = function(pretrained, progress) {
    self$pnet <- model_facenet_pnet(pretrained, progress)
    self$rnet <- model_facenet_rnet(pretrained, progress)
    self$onet <- model_facenet_onet(pretrained, progress)
  },
  forward = function(x) {
    resized <- function(x, size) nnf_interpolate(x, size = c(size, size), mode = "bilinear", align_corners = FALSE)
    self$onet(resized(resized(x, 24), 48))
  }
)

#' @rdname model_facenet_pnet
#' @export
model_mtcnn <- function(pretrained = TRUE, progress = TRUE, ...) mtcnn(pretrained, progress)

# x + scale (one convolution of what the branches find), and relu.
face_block <- nn_module(
  "face_block",
  initialize = function(n, branches, scale, relu = TRUE) {
    self$scale <- scale
    self$rectified <- relu
    sizes <- vapply(branches, function(layers) layers[[length(layers)]][[2]], 0)
    for (i in seq_along(branches)) self$add_module(paste0("branch", i - 1), convolutions(branches[[i]]))
    self$branch_names <- paste0("branch", seq_along(branches) - 1)
    self$conv2d <- nn_conv2d(sum(sizes), n, 1)
  },
  forward = function(x) {
    x <- x + self$scale * self$conv2d(torch_cat(lapply(self$branch_names, function(name) self[[name]](x)), dim = 2))
    if (self$rectified) nnf_relu(x) else x
  }
)

convolutions <- function(layers) {
  layers <- lapply(layers, function(layer) do.call(basic_conv2d, layer))
  if (length(layers) == 1) layers[[1]] else nn_sequential(!!!layers)
}

# Branches beside a pooling, each halving the picture.
face_reduction <- nn_module(
  "face_reduction",
  initialize = function(branches) {
    self$branch_names <- paste0("branch", seq_along(branches) - 1)
    for (i in seq_along(branches)) self$add_module(self$branch_names[[i]], convolutions(branches[[i]]))
  },
  forward = function(x) {
    found <- lapply(self$branch_names, function(name) self[[name]](x))
    torch_cat(c(found, nnf_max_pool2d(x, 3, stride = 2)), dim = 2)
  }
)

same <- function(n, out, kernel) list(n, out, kernel, padding = (kernel - 1) / 2)

face_features <- list(
  block35 = function() face_block(256, list(list(same(256, 32, 1)), list(same(256, 32, 1), same(32, 32, 3)),
    list(same(256, 32, 1), same(32, 32, 3), same(32, 32, 3))), 0.17),
  block17 = function() face_block(896, list(list(same(896, 128, 1)),
    list(same(896, 128, 1), same(128, 128, c(1, 7)), same(128, 128, c(7, 1)))), 0.1),
  block8 = function(scale = 0.2, relu = TRUE) face_block(1792, list(list(same(1792, 192, 1)),
    list(same(1792, 192, 1), same(192, 192, c(1, 3)), same(192, 192, c(3, 1)))), scale, relu),
  mixed_6a = function() face_reduction(list(list(list(256, 384, 3, 2)),
    list(same(256, 192, 1), same(192, 192, 3), list(192, 256, 3, 2)))),
  mixed_7a = function() face_reduction(list(list(same(896, 256, 1), list(256, 384, 3, 2)),
    list(same(896, 256, 1), list(256, 256, 3, 2)), list(same(896, 256, 1), same(256, 256, 3), list(256, 256, 3, 2))))
)

face_recogniser <- nn_module(
  "InceptionResnetV1",
  initialize = function(classify, num_classes, dropout_prob) {
    several <- function(n, block) nn_sequential(!!!lapply(seq_len(n), function(i) face_features[[block]]()))
    self$conv2d_1a <- basic_conv2d(3, 32, 3, 2)
    self$conv2d_2a <- basic_conv2d(32, 32, 3)
    self$conv2d_2b <- basic_conv2d(32, 64, 3, padding = 1)
    self$maxpool_3a <- nn_max_pool2d(3, stride = 2)
    self$conv2d_3b <- basic_conv2d(64, 80, 1)
    self$conv2d_4a <- basic_conv2d(80, 192, 3)
    self$conv2d_4b <- basic_conv2d(192, 256, 3, 2)
    self$repeat_1 <- several(5, "block35")
    self$mixed_6a <- face_features$mixed_6a()
    self$repeat_2 <- several(10, "block17")
    self$mixed_7a <- face_features$mixed_7a()
    self$repeat_3 <- several(5, "block8")
    self$block8 <- face_features$block8(1, FALSE)
    self$dropout <- nn_dropout(dropout_prob)
    self$last_linear <- nn_linear(1792, 512, bias = FALSE)
    self$last_bn <- nn_batch_norm1d(512, eps = 0.001)
    self$classify <- classify
    if (!is.null(num_classes)) self$logits <- nn_linear(512, num_classes)
  },
  forward = function(x) {
    x <- self$conv2d_2b(self$conv2d_2a(self$conv2d_1a(x)))
    x <- self$conv2d_4b(self$conv2d_4a(self$conv2d_3b(self$maxpool_3a(x))))
    x <- self$repeat_2(self$mixed_6a(self$repeat_1(x)))
    x <- self$block8(self$repeat_3(self$mixed_7a(x)))
    x <- self$dropout(torch_flatten(nnf_adaptive_avg_pool2d(x, 1), start_dim = 2))
    x <- self$last_bn(self$last_linear(x))
    if (self$classify) self$logits(x) else nnf_normalize(x, dim = 2)
  }
)

#' @rdname model_facenet_pnet
#' @export
model_facenet_inception_resnet_v1 <- function(pretrained = NULL, classify = FALSE, num_classes = NULL,
                                              dropout_prob = 0.6, ...) {
  check_flag(classify, "classify")
  if (isTRUE(pretrained)) pretrained <- "vggface2"
  if (is.null(pretrained) || isFALSE(pretrained)) {
    if (classify && is.null(num_classes)) value_error("`num_classes` must be given with `classify = TRUE`.")
    return(face_recogniser(classify, if (classify) num_classes, dropout_prob))
  }
  persons <- c(vggface2 = 8631, `casia-webface` = 10575)
  check_choice(pretrained, "pretrained", names(persons))
  model <- face_recogniser(classify, persons[[pretrained]], dropout_prob)
  load_pretrained(model, paste0("facenet_", pretrained), TRUE, TRUE)
  if (classify && !is.null(num_classes)) model$logits <- nn_linear(512, num_classes)
  model
}
