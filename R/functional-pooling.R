# Pooling of images. One-dimensional inputs are images of height 1; volumes are pooled as images and then along the
# depth.

#' Pooling
#'
#' The largest element or the mean of each window of an image. A window is moved by `stride`; the image is surrounded
#' by `padding`, which never is the largest and counts as zeros for means. Adaptive pooling cuts the image into
#' `output_size` windows: window i of n reaches from floor(i size / n) to ceiling((i + 1) size / n).
#'
#' @param input,self float tensor, N x C x H x W (one-dimensional: N x C x L, three-dimensional: N x C x D x H x W);
#'   N may be missing.
#' @param kernel_size,stride,padding,dilation one number, or one for each spatial dimension; `stride` is
#'   `kernel_size` unless given.
#' @param ceil_mode round the output's size up instead of down?
#' @param return_indices give the places of the largest elements, too?
#' @param count_include_pad divide by the window's size with the padding in it?
#' @param divisor_override divide by this instead.
#' @param output_size one number, or one for each spatial dimension; `NULL` or `NA` keeps the input's size.
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
nnf_max_pool3d <- function(input, kernel_size, stride = NULL, padding = 0, dilation = 1, ceil_mode = FALSE,
                           return_indices = FALSE) {
  attrs <- volume_pooling_numbers(kernel_size, stride, padding, dilation, ceil_mode)
  max_pool_volume("max_pool2d", input, attrs$image, function(width) attrs$depth, return_indices)
}

#' @rdname nnf_max_pool2d
#' @export
nnf_avg_pool3d <- function(input, kernel_size, stride = NULL, padding = 0, ceil_mode = FALSE,
                           count_include_pad = TRUE, divisor_override = NULL) {
  divisor <- if (is.null(divisor_override)) c(0, 0) else c(divisor_override, 1)
  attrs <- volume_pooling_numbers(kernel_size, stride, padding, 1, ceil_mode, count_include_pad, divisor)
  pool <- function(attrs) function(x) apply_op(ops$avg_pool2d, list(x), attrs)
  check_rank(input, "input", 4:5)
  unbatched(input, 5, function(x) on_sides(x, pool(attrs$image), pool(attrs$depth)))
}

#' @rdname nnf_max_pool2d
#' @export
nnf_adaptive_avg_pool3d <- function(input, output_size) {
  check_rank(input, "input", 4:5)
  size <- adaptive_size(input, output_size, 3)
  pool <- function(x, size) apply_op(ops$adaptive_avg_pool2d, list(x), size)
  unbatched(input, 5, function(x) {
    on_sides(x, function(y) pool(y, size[2:3]), function(y) pool(y, c(size[1], dim(y)[4])))
  })
}

#' @rdname nnf_max_pool2d
#' @export
nnf_adaptive_max_pool3d <- function(input, output_size, return_indices = FALSE) {
  size <- adaptive_size(input, output_size, 3)
  max_pool_volume("adaptive_max_pool2d", input, size[2:3], function(width) c(size[1], as.double(width)), return_indices)
}

#' @rdname nnf_max_pool2d
#' @export
torch_adaptive_avg_pool1d <- function(self, output_size) nnf_adaptive_avg_pool1d(self, output_size)

#' @rdname nnf_max_pool2d
#' @export
torch_avg_pool1d <- function(self, kernel_size, stride = list(), padding = 0L, ceil_mode = FALSE,
                             count_include_pad = TRUE) {
  nnf_avg_pool1d(self, kernel_size, unlist(stride), padding, ceil_mode, count_include_pad)
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
  if (is.numeric(output_size) && length(output_size) == n && !anyNA(output_size)) {
    return(as.double(output_size))
  }
  now <- utils::tail(dim(input), n)
  if (is.null(output_size)) {
    return(as.double(now))
  }
  size <- if (is.list(output_size)) lapply(output_size, function(s) if (is.null(s)) NA else s) else output_size
  if (!all(vapply(size, function(s) (is.numeric(s) || is.logical(s)) && length(s) == 1, NA)) ||
    !length(size) %in% c(1, n)) {
    refuse(output_size, "output_size", sprintf("one number or %d, NA for the input's size", n))
  }
  size <- rep_len(as.double(unlist(size)), n)
  ifelse(is.na(size), as.double(now), size)
}

# Places are from 0 inside of the engine.
max_pool <- function(name, x, attrs, return_indices) {
  if (!return_indices) {
    return(apply_op(ops[[name]], list(x), attrs))
  }
  pair <- apply_op(ops[[paste0(name, "_with_indices")]], list(x), attrs)
  list(pair[[1]], pair[[2]] + 1L)
}

# list(image, depth): the numbers of the operator for the slices of a volume and for its depth.
volume_pooling_numbers <- function(kernel_size, stride, padding, dilation, ceil_mode, count_pad = TRUE,
                                   divisor = c(0, 0)) {
  if (length(stride) == 0) stride <- kernel_size
  sides <- rbind(
    per_dimension(kernel_size, 3, "kernel_size"), per_dimension(stride, 3, "stride"),
    per_dimension(padding, 3, "padding"), per_dimension(dilation, 3, "dilation")
  )
  numbers <- function(sides, divisor) as.double(c(t(sides), ceil_mode, count_pad, divisor))
  list(image = numbers(sides[, 2:3], divisor[[1]]), depth = numbers(cbind(sides[, 1], c(1, 1, 0, 1)), divisor[[2]]))
}

# Volumes N x C x D x H x W as images: of_slices works on their slices of H x W, of_depth on images of D x (H W).
# Both keep the order in memory, so that nothing is copied where the volume lies without gaps, channels first or last.
on_sides <- function(x, of_slices, of_depth) {
  size <- dim(x)
  last <- !x$is_contiguous()
  slices <- if (last) x$permute(c(1, 3, 2, 4, 5)) else x
  y <- of_slices(slices$reshape(c(prod(dim(slices)[1:2]), dim(slices)[3:5])))
  plane <- dim(y)[3:4]
  y <- y$reshape(c(dim(slices)[1:3], plane))
  if (last) y <- y$permute(c(1, 3, 2, 4, 5))
  y <- of_depth(y$reshape(c(size[1:3], prod(plane))))
  y$reshape(c(size[1:2], dim(y)[3], plane))
}

# of_depth gives the numbers for a depth whose slices have that many elements. The place of an element is that of its
# slice, which the second pooling tells, and in it, which the first tells.
max_pool_volume <- function(name, input, of_slices, of_depth, return_indices) {
  check_rank(input, "input", 4:5)
  unbatched(input, 5, function(x) {
    if (!return_indices) {
      pool <- function(x, attrs) apply_op(ops[[name]], list(x), attrs)
      return(on_sides(x, function(y) pool(y, of_slices), function(y) pool(y, of_depth(dim(y)[4]))))
    }
    size <- dim(x)
    first <- max_pool(name, x$reshape(c(size[1] * size[2], size[3:5])), of_slices, TRUE)
    plane <- dim(first[[1]])[3:4]
    rows <- lapply(first, function(y) y$reshape(c(size[1:3], prod(plane))))
    second <- max_pool(name, rows[[1]], of_depth(prod(plane)), TRUE)
    at <- second[[2]]$reshape(c(size[1:2], -1))
    within <- rows[[2]]$reshape(c(size[1:2], -1))$gather(3, at)
    slice <- apply_op(ops$div_floor, list(at - 1L, as.integer(prod(plane))))
    place <- slice * as.integer(prod(size[4:5])) + within
    shape <- c(size[1:2], dim(second[[1]])[3], plane)
    list(second[[1]]$reshape(shape), place$reshape(shape))
  })
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

#' Power-average pooling
#'
#' (sum of x^p over each window)^(1 / p): p = 1 is the sum, and the larger p, the nearer to the largest element. A
#' window whose sum is 0 has gradient 0.
#'
#' @inheritParams nnf_max_pool2d
#' @param norm_type p.
#' @param input float tensor, N x C x H x W (`1d`: N x C x L).
#' @param kernel_size,stride one number, or one for each spatial dimension.
#' @return a tensor, pooled as by [nnf_avg_pool2d()].
#' @examples
#' nnf_lp_pool2d(torch_ones(1, 1, 4, 4), norm_type = 2, kernel_size = 2)
#' @export
nnf_lp_pool1d <- function(input, norm_type, kernel_size, stride = NULL, ceil_mode = FALSE) {
  power_pool(nnf_avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)
}

#' @rdname nnf_lp_pool1d
#' @export
nnf_lp_pool2d <- function(input, norm_type, kernel_size, stride = NULL, ceil_mode = FALSE) {
  power_pool(nnf_avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)
}

power_pool <- function(pool, n, input, norm_type, kernel_size, stride, ceil_mode) {
  check_number(norm_type, "norm_type")
  kernel_size <- per_dimension(kernel_size, n, "kernel_size")
  mean <- pool(input^norm_type, kernel_size, stride, 0, ceil_mode)
  (torch_sign(mean) * nnf_relu(mean$abs()) * prod(kernel_size))^(1 / norm_type)
}

#' Undo maximum pooling
#'
#' Puts each element at the place it was taken from, as [nnf_max_pool2d()] tells it with `return_indices`, and zeros
#' at all others.
#'
#' @inheritParams nnf_max_pool2d
#' @param input float tensor, pooled: N x C x H x W, N x C x L (`1d`) or N x C x D x H x W (`3d`); N may be missing.
#' @param kernel_size,stride,padding those of the pooling, see [nnf_max_pool2d()].
#' @param indices Long tensor of the size of `input`: places, counted from 1 along the rows of the image.
#' @param output_size size of the result, where another than (n - 1) stride - 2 padding + kernel_size is wanted:
#'   numbers for the spatial dimensions, or for all. It must be nearer to that one than `stride`.
#' @return a tensor N x C x `output_size`. A `value_error` tells sizes that do not fit.
#' @examples
#' x <- torch_randn(1, 1, 4, 4)
#' pooled <- nnf_max_pool2d(x, 2, return_indices = TRUE)
#' nnf_max_unpool2d(pooled[[1]], pooled[[2]], 2)
#' @export
nnf_max_unpool2d <- function(input, indices, kernel_size, stride = NULL, padding = 0, output_size = NULL) {
  max_unpool(2, input, indices, kernel_size, stride, padding, output_size)
}

#' @rdname nnf_max_unpool2d
#' @export
nnf_max_unpool1d <- function(input, indices, kernel_size, stride = NULL, padding = 0, output_size = NULL) {
  max_unpool(1, input, indices, kernel_size, stride, padding, output_size)
}

#' @rdname nnf_max_unpool2d
#' @export
nnf_max_unpool3d <- function(input, indices, kernel_size, stride = NULL, padding = 0, output_size = NULL) {
  max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
}

max_unpool <- function(n, input, indices, kernel_size, stride, padding, output_size) {
  check_rank(input, "input", n + 1:2)
  check_same_size(input, indices, "max_unpool")
  stride <- per_dimension(if (length(stride) == 0) kernel_size else stride, n, "stride")
  size <- dim(input)
  lead <- utils::head(size, -n)
  usual <- (utils::tail(size, n) - 1) * stride - 2 * per_dimension(padding, n, "padding") +
    per_dimension(kernel_size, n, "kernel_size")
  wanted <- unpooled_size(usual, stride, output_size, length(lead))
  flat <- function(x) x$reshape(c(lead, -1))
  place <- flat(indices)
  if (length(place) > 0 && (place$min()$item() < 1 || place$max()$item() > prod(wanted))) {
    value_error(sprintf("max_unpool: `indices` must be between 1 and %d, the size of the output.", prod(wanted)))
  }
  zeros <- torch_zeros(c(lead, prod(wanted)), dtype = input$dtype)
  torch_scatter(zeros, length(lead) + 1, place, flat(input))$reshape(c(lead, wanted))
}

unpooled_size <- function(usual, stride, output_size, n_lead) {
  if (is.null(output_size)) {
    return(usual)
  }
  n <- length(usual)
  wanted <- unlist(output_size)
  if (length(wanted) == n + n_lead) wanted <- utils::tail(wanted, n)
  if (length(wanted) != n || any(wanted <= usual - stride) || any(wanted >= usual + stride)) {
    value_error(sprintf("`output_size` [%s] is out of range: less than [%s] away from [%s] is possible.",
      toString(wanted), toString(stride), toString(usual)))
  }
  wanted
}

#' Fractional maximum pooling
#'
#' The largest element of windows of one size whose places are drawn at random, so that an image shrinks by a factor
#' that need not be whole: with n inputs, m outputs, kernel k and u uniform on (0, 1), window i begins at
#' floor((i + u) a) - floor(u a), a = (n - k) / (m - 1), and the last one at n - k.
#'
#' @param input float tensor N x C x H x W or N x C x D x H x W; N may be missing.
#' @param kernel_size,output_size one number, or one for each spatial dimension.
#' @param output_ratio share of the input's size, between 0 and 1, instead of `output_size`.
#' @param return_indices give the places, too?
#' @param random_samples tensor N x C x 2 or N x C x 3 with u for each spatial dimension, the last one first for
#'   images; drawn unless given.
#' @return a tensor N x C x `output_size`; with `return_indices` a list of it and of the places, from 1.
#' @references Graham (2014), Fractional max-pooling, <https://arxiv.org/abs/1412.6071>.
#' @examples
#' nnf_fractional_max_pool2d(torch_randn(1, 2, 9, 9), kernel_size = 2, output_size = 5)$shape
#' @export
nnf_fractional_max_pool2d <- function(input, kernel_size, output_size = NULL, output_ratio = NULL,
                                      return_indices = FALSE, random_samples = NULL) {
  fractional_pool(2, input, kernel_size, output_size, output_ratio, return_indices, random_samples)
}

#' @rdname nnf_fractional_max_pool2d
#' @export
nnf_fractional_max_pool3d <- function(input, kernel_size, output_size = NULL, output_ratio = NULL,
                                      return_indices = FALSE, random_samples = NULL) {
  fractional_pool(3, input, kernel_size, output_size, output_ratio, return_indices, random_samples)
}

fractional_pool <- function(n, input, kernel_size, output_size, output_ratio, return_indices, random_samples) {
  check_rank(input, "input", n + 1:2)
  kernel <- per_dimension(kernel_size, n, "kernel_size")
  if (is.null(output_size) == is.null(output_ratio)) {
    value_error("fractional_max_pool: give either `output_size` or `output_ratio`.")
  }
  now <- utils::tail(dim(input), n)
  new <- if (is.null(output_size)) {
    floor(now * per_dimension(output_ratio, n, "output_ratio"))
  } else {
    per_dimension(output_size, n, "output_size")
  }
  if (any(new < 1) || any(new + kernel - 1 > now)) {
    value_error(sprintf("fractional_max_pool: [%s] windows of [%s] do not fit into [%s].", toString(new),
      toString(kernel), toString(now)))
  }
  pooled <- unbatched(input, n + 2, function(x) {
    lead <- dim(x)[1:2]
    u <- if (is.null(random_samples)) torch_rand(c(lead, n), dtype = x$dtype) else random_samples
    place <- fractional_places(matrix(as_array(u$reshape(c(-1, n))), ncol = n), now, new, kernel)
    largest_at(x, torch_tensor(place, dtype = torch_long()), prod(lead), c(lead, new))
  })
  if (return_indices) pooled else pooled[[1]]
}

# Places in the image, from 1 along its rows: array planes x outputs x taps. u: planes x sides, in the order of
# `sides`.
fractional_places <- function(u, now, new, kernel) {
  n <- length(now)
  planes <- nrow(u)
  # Of images the first sample is that of the width.
  sample_of <- if (n == 2) 2:1 else 1:3
  place <- array(0, c(planes, 1, 1))
  for (d in seq_len(n)) {
    a <- if (new[d] > 1) (now[d] - kernel[d]) / (new[d] - 1) else 0
    start <- outer(u[, sample_of[d]], seq_len(new[d]) - 1, function(u, i) floor((i + u) * a) - floor(u * a))
    start[, new[d]] <- now[d] - kernel[d]
    size <- dim(place)
    # The dimensions before are the slower ones: outputs and taps of this side run faster.
    outputs <- cbind(rep(seq_len(size[2]), each = new[d]), rep(seq_len(new[d]), times = size[2]))
    taps <- cbind(rep(seq_len(size[3]), each = kernel[d]), rep(seq_len(kernel[d]) - 1, times = size[3]))
    before <- place[, outputs[, 1], taps[, 1], drop = FALSE]
    own <- array(start[, outputs[, 2]], dim(before)) + rep(taps[, 2], each = planes * nrow(outputs))
    place <- before * now[d] + own
  }
  place + 1
}

largest_at <- function(x, place, planes, shape) {
  size <- dim(place)
  values <- x$reshape(c(planes, -1))$gather(2, place$reshape(c(planes, -1)))$reshape(size)
  best <- torch_max(values, dim = 3)
  at <- place$gather(3, best[[2]]$unsqueeze(3))$reshape(shape)
  list(best[[1]]$reshape(shape), at)
}
