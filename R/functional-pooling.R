# Pooling of images; one-dimensional inputs are images of height 1.

#' Pooling
#'
#' The largest element or the mean of each window of an image. A window is moved by `stride`; the image is surrounded
#' by `padding`, which never is the largest and counts as zeros for means. Adaptive pooling cuts the image into
#' `output_size` windows: window i of n reaches from floor(i size / n) to ceiling((i + 1) size / n).
#'
#' @param input float tensor, N x C x H x W (one-dimensional: N x C x L); N may be missing.
#' @param kernel_size,stride,padding,dilation one number, or one for each spatial dimension; `stride` is
#'   `kernel_size` unless given.
#' @param ceil_mode round the output's size up instead of down?
#' @param return_indices give the places of the largest elements, too?
#' @param count_include_pad divide by the window's size with the padding in it?
#' @param divisor_override divide by this instead.
#' @param output_size one number, or height and width; `NULL` or `NA` keeps the input's size.
#' @return a tensor; with `return_indices` a list of it and a Long tensor with the places, counted from 1 along the
#'   rows of the image.
#' @examples
#' x <- torch_tensor(array(1:16, c(1, 1, 4, 4)))$to(dtype = torch_float())
#' nnf_max_pool2d(x, 2)
#' nnf_adaptive_avg_pool2d(x, 1)
#' @export
nnf_max_pool2d <- function(input, kernel_size, stride = kernel_size, padding = 0, dilation = 1, ceil_mode = FALSE,
                           return_indices = FALSE) {
  attrs <- pooling_numbers(kernel_size, stride, padding, dilation, 2, ceil_mode)
  unbatched(input, 4, function(x) max_pool("max_pool2d", x, attrs, return_indices))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_max_pool1d <- function(input, kernel_size, stride = NULL, padding = 0, dilation = 1, ceil_mode = FALSE,
                           return_indices = FALSE) {
  attrs <- pooling_numbers(kernel_size, stride, padding, dilation, 1, ceil_mode)
  on_rows(input, function(x) max_pool("max_pool2d", x, attrs, return_indices))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_avg_pool2d <- function(input, kernel_size, stride = NULL, padding = 0, ceil_mode = FALSE,
                           count_include_pad = TRUE, divisor_override = NULL) {
  divisor <- if (is.null(divisor_override)) 0 else divisor_override
  attrs <- pooling_numbers(kernel_size, stride, padding, 1, 2, ceil_mode, count_include_pad, divisor)
  unbatched(input, 4, function(x) apply_op(ops$avg_pool2d, list(x), attrs))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_avg_pool1d <- function(input, kernel_size, stride = NULL, padding = 0, ceil_mode = FALSE,
                           count_include_pad = TRUE) {
  attrs <- pooling_numbers(kernel_size, stride, padding, 1, 1, ceil_mode, count_include_pad)
  on_rows(input, function(x) apply_op(ops$avg_pool2d, list(x), attrs))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_adaptive_avg_pool2d <- function(input, output_size) {
  size <- adaptive_size(input, output_size, 2)
  unbatched(input, 4, function(x) apply_op(ops$adaptive_avg_pool2d, list(x), size))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_adaptive_avg_pool1d <- function(input, output_size) {
  size <- c(1, adaptive_size(input, output_size, 1))
  on_rows(input, function(x) apply_op(ops$adaptive_avg_pool2d, list(x), size))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_adaptive_max_pool2d <- function(input, output_size, return_indices = FALSE) {
  size <- adaptive_size(input, output_size, 2)
  unbatched(input, 4, function(x) max_pool("adaptive_max_pool2d", x, size, return_indices))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_adaptive_max_pool1d <- function(input, output_size, return_indices = FALSE) {
  size <- c(1, adaptive_size(input, output_size, 1))
  on_rows(input, function(x) max_pool("adaptive_max_pool2d", x, size, return_indices))
}

#' @rdname nnf_max_pool2d
#' @export
torch_max_pool2d <- nnf_max_pool2d

#' @rdname nnf_max_pool2d
#' @export
torch_avg_pool2d <- nnf_avg_pool2d

# The numbers of the operator, in its order; one dimension gets a window of height 1.
pooling_numbers <- function(kernel_size, stride, padding, dilation, n, ceil_mode, count_pad = TRUE, divisor = 0) {
  if (length(stride) == 0) stride <- kernel_size
  kernel_size <- per_dimension(kernel_size, n, "kernel_size")
  stride <- per_dimension(stride, n, "stride")
  padding <- per_dimension(padding, n, "padding")
  dilation <- per_dimension(dilation, n, "dilation")
  if (n == 1) {
    sides <- c(1, kernel_size, 1, stride, 0, padding, 1, dilation)
  } else {
    sides <- c(kernel_size, stride, padding, dilation)
  }
  as.double(c(sides, ceil_mode, count_pad, divisor))
}

adaptive_size <- function(input, output_size, n) {
  if (is.numeric(output_size) && !anyNA(output_size)) {
    return(if (length(output_size) == n) as.double(output_size) else rep_len(as.double(output_size), n))
  }
  now <- utils::tail(dim(input), n)
  if (is.null(output_size)) {
    return(as.double(now))
  }
  size <- rep_len(unlist(lapply(output_size, function(s) if (is.null(s)) NA else s)), n)
  as.double(ifelse(is.na(size), now, size))
}

# Places are from 0 inside of the engine.
max_pool <- function(name, x, attrs, return_indices) {
  if (!return_indices) {
    return(apply_op(ops[[name]], list(x), attrs))
  }
  pair <- apply_op(ops[[paste0(name, "_with_indices")]], list(x), attrs)
  list(pair[[1]], pair[[2]] + 1L)
}

each_tensor <- function(x, f) if (is_tensor(x)) f(x) else lapply(x, f)

# f of input with a batch dimension; its tensors lose it again where the input has none.
unbatched <- function(input, rank, f) {
  if (length(dim(input)) != rank - 1) {
    return(f(input))
  }
  each_tensor(f(input$unsqueeze(1)), function(y) y$squeeze(1))
}

on_rows <- function(input, f) {
  unbatched(input, 3, function(x) each_tensor(f(x$unsqueeze(3)), function(y) y$squeeze(3)))
}
