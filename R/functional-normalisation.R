# Normalisation: batch, layer, group, instance; vectors to unit length.

#' Batch normalisation
#'
#' y = (x - mean) / sqrt(var + eps) weight + bias for each channel. When `training`, mean and (biased) variance are
#' those of the batch, and the running statistics move towards them in place: running = (1 - momentum) running +
#' momentum batch, with the unbiased variance. Otherwise the running statistics are used.
#'
#' @param input float tensor, N x C or N x C x ...
#' @param running_mean,running_var tensors of C elements; may be `NULL` when `training`.
#' @param weight,bias tensors of C elements, or `NULL` for 1 and 0.
#' @param training use the statistics of the batch?
#' @param momentum share of the new statistics.
#' @param eps added to the variance.
#' @return a tensor like `input`.
#' @references Ioffe, Szegedy (2015), Batch normalization.
#' @examples
#' x <- torch_randn(8, 3, 4, 4) * 2 + 1
#' y <- nnf_batch_norm(x, torch_zeros(3), torch_ones(3), training = TRUE)
#' y$mean()
#' @export
nnf_batch_norm <- function(input, running_mean, running_var, weight = NULL, bias = NULL, training = FALSE,
                           momentum = 0.1, eps = 1e-5) {
  numbers <- as.double(c(training, if (is.null(momentum)) 0 else momentum, eps))
  apply_op(ops$batch_norm, list(input, weight, bias, running_mean, running_var), numbers)
}

#' Layer, group and instance normalisation
#'
#' (x - mean) / sqrt(var + eps), mean and (biased) variance taken for each sample: over the last dimensions
#' (`layer_norm`), over groups of channels and all positions (`group_norm`), or over the positions of each channel
#' (`instance_norm`).
#'
#' @inheritParams nnf_batch_norm
#' @param normalized_shape sizes of the last dimensions, over which to normalise.
#' @param weight,bias factors and offsets, or `NULL`: of size `normalized_shape` for `layer_norm`, else one for each
#'   channel.
#' @param num_groups number of groups; divides the number of channels.
#' @param use_input_stats use the statistics of the input? Otherwise the running ones are used.
#' @return a tensor like `input`.
#' @references Ba, Kiros, Hinton (2016), Layer normalization. Wu, He (2018), Group normalization.
#' @examples
#' x <- torch_randn(2, 4, 3, 3)
#' dim(nnf_group_norm(x, 2))
#' nnf_layer_norm(torch_tensor(matrix(c(1, 5, 2, 2, 3, 8), 2)), 3)
#' @export
nnf_layer_norm <- function(input, normalized_shape, weight = NULL, bias = NULL, eps = 1e-5) {
  check_last_dimensions("layer_norm", input, normalized_shape)
  apply_op(ops$layer_norm, list(input, weight, bias), as.double(c(prod(normalized_shape), eps)))
}

check_last_dimensions <- function(name, input, normalized_shape) {
  size <- dim(input)
  last <- utils::tail(size, length(normalized_shape))
  if (!identical(as.double(last), as.double(normalized_shape))) {
    value_error(sprintf(
      "%s: expected an input whose last dimensions are [%s], got size [%s].", name, toString(normalized_shape),
      toString(size)
    ))
  }
}

#' Normalisation by the root mean square
#'
#' x / sqrt(mean(x^2) + eps) weight, the mean taken over the last dimensions of each sample. Unlike
#' [nnf_layer_norm()] it subtracts no mean.
#'
#' @inheritParams nnf_layer_norm
#' @param weight factors of size `normalized_shape`, or `NULL` for 1.
#' @param eps added to the mean square; `NULL` is the distance from 1 to the next number of the input's type
#'   (`torch_finfo(input$dtype)$eps`: 1.19e-7 for Float, 2.22e-16 for Double).
#' @return a tensor like `input`. A `value_error` where the last dimensions of `input` are not `normalized_shape`.
#' @references Zhang, Sennrich (2019), <https://arxiv.org/abs/1910.07467>.
#' @examples
#' nnf_rms_norm(torch_tensor(matrix(c(3, 4, 6, 8), 2, byrow = TRUE)), 2)
#' @export
nnf_rms_norm <- function(input, normalized_shape, weight = NULL, eps = NULL) {
  check_last_dimensions("rms_norm", input, normalized_shape)
  if (is.null(eps)) eps <- torch_finfo(input$dtype)$eps
  apply_op(ops$rms_norm, list(input, weight), as.double(c(prod(normalized_shape), eps)))
}

#' @rdname nnf_layer_norm
#' @export
nnf_group_norm <- function(input, num_groups, weight = NULL, bias = NULL, eps = 1e-5) {
  size <- dim(input)
  check_whole_number(num_groups, "num_groups", least = 1)
  if (length(size) < 2 || size[2] %% num_groups != 0) {
    value_error(sprintf(
      "group_norm: expected the number of channels to be divisible by %s groups, got an input of size [%s].",
      format(num_groups), toString(size)
    ))
  }
  apply_op(ops$group_norm, list(input, weight, bias), as.double(c(num_groups, eps)))
}

#' @rdname nnf_layer_norm
#' @export
nnf_instance_norm <- function(input, running_mean = NULL, running_var = NULL, weight = NULL, bias = NULL,
                              use_input_stats = TRUE, momentum = 0.1, eps = 1e-5) {
  if (!use_input_stats) {
    return(nnf_batch_norm(input, running_mean, running_var, weight, bias, FALSE, momentum, eps))
  }
  if (!is.null(running_mean)) {
    move_instance_statistics(input, running_mean, running_var, momentum)
  }
  nnf_group_norm(input, dim(input)[2], weight, bias, eps)
}

# The running statistics move towards the mean over the samples of their statistics.
move_instance_statistics <- function(input, running_mean, running_var, momentum) {
  with_no_grad({
    size <- dim(input)
    rows <- input$reshape(c(size[1:2], prod(size[-(1:2)])))
    mean <- rows$mean(dim = 3, keepdim = TRUE)
    unbiased <- ((rows - mean)^2)$sum(dim = 3) / (dim(rows)[3] - 1)
    running_mean$mul_(1 - momentum)$add_(mean$squeeze(3)$mean(dim = 1) * momentum)
    running_var$mul_(1 - momentum)$add_(unbiased$mean(dim = 1) * momentum)
  })
}

#' Vectors of unit length
#'
#' x / max(norm of order `p` of x, eps) along a dimension.
#'
#' @param input float tensor.
#' @param p order of the norm.
#' @param dim dimension of the vectors, from 1.
#' @param eps smallest divisor.
#' @param out not supported, must be `NULL`.
#' @return a tensor like `input`.
#' @examples
#' nnf_normalize(torch_tensor(matrix(c(3, 4), 1)), dim = 2)
#' @export
nnf_normalize <- function(input, p = 2, dim = 2, eps = 1e-12, out = NULL) {
  if (!is.null(out)) value_error("normalize: `out` is not supported.")
  input / vector_norm(input, p, dim)$clamp(min = eps)
}

#' Local response normalisation
#'
#' x / (k + alpha mean)^beta, with the mean of x^2 over `size` neighbouring channels (those beyond the first and last
#' count as zeros).
#'
#' @param input float tensor, N x C x ...
#' @param size number of channels.
#' @param alpha,beta,k numbers, see the formula.
#' @return a tensor like `input`.
#' @references Krizhevsky, Sutskever, Hinton (2012), ImageNet classification with deep convolutional neural networks.
#' @examples
#' nnf_local_response_norm(torch_randn(2, 6, 4, 4), size = 3)$shape
#' @export
nnf_local_response_norm <- function(input, size, alpha = 1e-4, beta = 0.75, k = 1) {
  check_rank(input, "input", 3:12)
  shape <- dim(input)
  squares <- nnf_pad((input * input)$reshape(c(shape[1], 1, shape[2], prod(shape[-(1:2)]))),
    c(0, 0, size %/% 2, (size - 1) %/% 2))
  mean <- nnf_avg_pool2d(squares, c(size, 1), stride = 1)$reshape(shape)
  input / (mean * alpha + k)^beta
}

vector_norm <- function(x, p, dim, keepdim = TRUE) {
  if (p == 1) {
    x$abs()$sum(dim = dim, keepdim = keepdim)
  } else if (p == 2) {
    ((x * x)$sum(dim = dim, keepdim = keepdim))$sqrt()
  } else {
    (x$abs()^p)$sum(dim = dim, keepdim = keepdim)^(1 / p)
  }
}
