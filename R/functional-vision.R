# Images as wholes: resizing, sampling, padding, patches.

interpolation_codes <- c(nearest = 0, bilinear = 1, bicubic = 2, linear = 1, trilinear = 1)

# The modes for inputs of 1, 2 and 3 dimensions, beside nearest and area.
interpolation_modes <- list("linear", c("bilinear", "bicubic"), "trilinear")

#' Resize images
#'
#' Nearest takes the element at floor(i in / out); linear, bilinear, trilinear and bicubic interpolate between the
#' centres of pixels without antialiasing; with `align_corners` the centres of the corner pixels stay where they are.
#' Area takes the mean of the elements an output covers, as [nnf_adaptive_avg_pool2d()] does.
#'
#' @param input float tensor, N x C x H x W, N x C x L or N x C x D x H x W.
#' @param size one number, or one for each of the last dimensions of the result.
#' @param scale_factor factor(s) to resize by, instead of `size`.
#' @param mode `"nearest"`, `"area"`, `"linear"` (N x C x L), `"bilinear"` or `"bicubic"` (N x C x H x W),
#'   `"trilinear"` (N x C x D x H x W).
#' @param align_corners see above.
#' @param recompute_scale_factor compute the scale from the sizes even where `scale_factor` is given?
#' @return a tensor, N x C x `size`.
#' @references Keys (1981), Cubic convolution interpolation for digital image processing.
#' @examples
#' x <- torch_tensor(array(1:4, c(1, 1, 2, 2)))$to(dtype = torch_float())
#' nnf_interpolate(x, size = c(3, 3), mode = "bilinear", align_corners = TRUE)
#' @export
nnf_interpolate <- function(input, size = NULL, scale_factor = NULL, mode = "nearest", align_corners = FALSE,
                            recompute_scale_factor = NULL) {
  n <- length(dim(input)) - 2
  check_interpolation(mode, n)
  if (is.null(size) == is.null(scale_factor)) {
    value_error("interpolate: give either `size` or `scale_factor`.")
  }
  check_float(input, "input")
  now <- utils::tail(dim(input), n)
  factor <- if (!is.null(scale_factor)) per_dimension(scale_factor, n, "scale_factor")
  new <- if (is.null(factor)) per_dimension(size, n, "size") else floor(now * factor)
  if (mode == "area") {
    return(area_pools[[n]](input, new))
  }
  distance <- if (is.null(factor) || isTRUE(recompute_scale_factor)) numeric(n) else 1 / factor
  code <- interpolation_codes[[mode]]
  if (n != 2) {
    return(resize_sides(input, new, code, isTRUE(align_corners), distance))
  }
  apply_op(ops$interpolate, list(input), as.double(c(new, code, isTRUE(align_corners), distance)))
}

area_pools <- list(
  function(x, size) nnf_adaptive_avg_pool1d(x, size), function(x, size) nnf_adaptive_avg_pool2d(x, size),
  function(x, size) nnf_adaptive_avg_pool3d(x, size)
)

check_interpolation <- function(mode, n) {
  if (!n %in% 1:3) value_error("interpolate: `input` must have 3 to 5 dimensions.")
  if (!(mode %in% c("area", names(interpolation_codes)))) {
    not_implemented_error(sprintf("interpolate: mode \"%s\" is not supported.", mode))
  }
  if (!(mode %in% c("area", "nearest", interpolation_modes[[n]])) && !(n == 1 && mode == "bilinear")) {
    value_error(sprintf("interpolate: mode \"%s\" does not take an input of %d dimensions.", mode, n + 2))
  }
}

# Of sequences, which are images of height 1, and of volumes.
resize_sides <- function(x, new, code, align, distance) {
  images <- function(x, new, distance) apply_op(ops$interpolate, list(x), as.double(c(new, code, align, distance)))
  if (length(new) == 1) {
    return(images(x$unsqueeze(3), c(1, new), c(0, distance))$squeeze(3))
  }
  on_sides(x, function(y) images(y, new[2:3], distance[2:3]),
    function(y) images(y, c(new[1], dim(y)[4]), c(distance[1], 0)))
}

#' Read images at given places
#'
#' `nnf_grid_sample()` gives the image at the places of a grid whose last dimension is (across, down), both -1 to 1
#' from edge to edge of the image. `nnf_affine_grid()` makes the grid of an affine map.
#'
#' @param input float tensor, N x C x H x W.
#' @param grid float tensor, N x height x width x 2.
#' @param mode `"bilinear"` or `"nearest"`.
#' @param padding_mode what is outside of the image: `"zeros"`, the `"border"`, its `"reflection"`.
#' @param align_corners are -1 and 1 the centres of the corner pixels, not their outer edges?
#' @param theta float tensor, N x 2 x 3: (across, down) = theta (across, down, 1).
#' @param size N, C, height, width of the result.
#' @return a tensor, N x C x height x width; the grid, N x height x width x 2.
#' @references Jaderberg et al. (2015), Spatial transformer networks.
#' @examples
#' x <- torch_randn(1, 1, 4, 4)
#' mirror <- torch_tensor(array(c(-1, 0, 0, 1, 0, 0), c(1, 2, 3)))
#' nnf_grid_sample(x, nnf_affine_grid(mirror, c(1, 1, 4, 4)))
#' @export
nnf_grid_sample <- function(input, grid, mode = c("bilinear", "nearest"),
                            padding_mode = c("zeros", "border", "reflection"), align_corners = FALSE) {
  mode <- choice(mode, "mode", c("bilinear", "nearest"))
  padding_mode <- choice(padding_mode, "padding_mode", c("zeros", "border", "reflection"))
  outside <- match(padding_mode, c("zeros", "border", "reflection")) - 1
  apply_op(ops$grid_sample, list(input, grid), as.double(c(mode == "nearest", outside, align_corners)))
}

#' @rdname nnf_grid_sample
#' @export
nnf_affine_grid <- function(theta, size, align_corners = FALSE) {
  check_numbers(size, "size", 4, 0)
  centres <- function(n) {
    if (align_corners) {
      if (n > 1) seq(-1, 1, length.out = n) else 0
    } else {
      (2 * seq_len(n) - 1) / n - 1
    }
  }
  height <- size[3]
  width <- size[4]
  places <- cbind(rep(centres(width), times = height), rep(centres(height), each = width), 1)
  base <- torch_tensor(places, dtype = theta$dtype)
  torch_matmul(base$unsqueeze(1), theta$transpose(2, 3))$reshape(c(dim(theta)[1], height, width, 2))
}

#' Pad a tensor
#'
#' @param input tensor.
#' @param pad elements to add before and after the last dimension, then the one before it, and so on. Negative numbers
#'   take away (mode `"constant"`).
#' @param mode `"constant"`, `"reflect"` (the border is not repeated), `"replicate"` (the border repeated) or
#'   `"circular"`.
#' @param value of the added elements in mode `"constant"`, 0 unless given.
#' @return the padded tensor.
#' @examples
#' nnf_pad(torch_tensor(matrix(1:4, 2)), c(1, 1), value = 9)
#' nnf_pad(torch_tensor(1:3), c(2, 0), mode = "reflect")
#' @export
nnf_pad <- function(input, pad, mode = "constant", value = NULL) {
  if (length(pad) %% 2 != 0 || length(pad) / 2 > length(dim(input))) {
    value_error(sprintf("pad: needs two numbers for each of the last dimensions, got %d.", length(pad)))
  }
  for (i in seq_len(length(pad) / 2)) {
    amounts <- as.integer(pad[c(2 * i - 1, 2 * i)])
    if (any(amounts != 0)) {
      input <- pad_dim(input, length(dim(input)) - i + 1, amounts, mode, if (is.null(value)) 0 else value)
    }
  }
  input
}

pad_dim <- function(input, dim, amounts, mode, value) {
  size <- dim(input)[dim]
  if (mode == "constant") {
    return(add_border(input, dim, amounts, value))
  }
  limit <- switch(mode,
    reflect = size - 1,
    replicate = Inf,
    circular = size,
    not_implemented_error(sprintf("pad: mode \"%s\" is not supported.", mode))
  )
  if (any(amounts < 0) || any(amounts > limit)) {
    value_error(sprintf("pad: %s padding of a dimension of size %d must be 0 to %s, got %s.", mode, size, limit,
      toString(amounts)))
  }
  place <- seq(1 - amounts[1], size + amounts[2])
  from <- switch(mode,
    reflect = ifelse(place < 1, 2 - place, ifelse(place > size, 2 * size - place, place)),
    replicate = pmin(pmax(place, 1), size),
    circular = (place - 1) %% size + 1
  )
  torch_index_select(input, dim, torch_tensor(as.integer(from), dtype = torch_long()))
}

add_border <- function(input, dim, amounts, value) {
  size <- dim(input)
  start <- 1 + max(0, -amounts[1])
  end <- size[dim] - max(0, -amounts[2])
  if (end < start) value_error(sprintf("pad: nothing is left of a dimension of size %d.", size[dim]))
  block <- function(n) {
    size[dim] <- n
    torch_full(size, value, dtype = input$dtype)
  }
  inner <- if (any(amounts < 0)) input$narrow(dim, start, end - start + 1) else input
  parts <- c(
    if (amounts[1] > 0) list(block(amounts[1])), list(inner), if (amounts[2] > 0) list(block(amounts[2]))
  )
  if (length(parts) > 1) torch_cat(parts, dim = dim) else inner
}

#' Patches of images
#'
#' `nnf_unfold()` lists the patches a convolution sees; `nnf_fold()` adds patches back into an image.
#' `nnf_pixel_shuffle()` turns blocks of r^2 channels into r x r pixels.
#'
#' @param input float tensor: N x C x H x W, for `nnf_fold()` N x C kh kw x L; N may be missing.
#' @param output_size height and width of the image.
#' @param kernel_size,dilation,padding,stride one number or two, as in [nnf_conv2d()].
#' @param upscale_factor r.
#' @return N x C kh kw x L patches; N x C x H x W images; N x C / r^2 x r H x r W images.
#' @references Shi et al. (2016), Real-time single image and video super-resolution (pixel shuffle).
#' @examples
#' x <- torch_randn(1, 2, 4, 4)
#' patches <- nnf_unfold(x, 2, stride = 2)
#' dim(patches)
#' nnf_fold(patches, c(4, 4), 2, stride = 2)
#' @export
nnf_unfold <- function(input, kernel_size, dilation = 1, padding = 0, stride = 1) {
  check_rank(input, "input", 3:4)
  attrs <- patch_numbers(kernel_size, dilation, padding, stride)
  unbatched(input, 4, function(x) apply_op(ops$unfold, list(x), attrs))
}

#' @rdname nnf_unfold
#' @export
nnf_fold <- function(input, output_size, kernel_size, dilation = 1, padding = 0, stride = 1) {
  check_rank(input, "input", 2:3)
  attrs <- c(patch_numbers(kernel_size, dilation, padding, stride), per_dimension(output_size, 2, "output_size"))
  unbatched(input, 3, function(x) apply_op(ops$fold, list(x), attrs))
}

# Of the height, then of the width: kernel, stride, padding, dilation.
patch_numbers <- function(kernel_size, dilation, padding, stride) {
  as.vector(rbind(
    per_dimension(kernel_size, 2, "kernel_size"), per_dimension(stride, 2, "stride"),
    per_dimension(padding, 2, "padding"), per_dimension(dilation, 2, "dilation")
  ))
}

#' @rdname nnf_unfold
#' @export
nnf_pixel_shuffle <- function(input, upscale_factor) {
  size <- dim(input)
  r <- upscale_factor
  if (!length(size) %in% 3:5 || r < 1 || size[length(size) - 2] %% r^2 != 0) {
    value_error(sprintf("pixel_shuffle: the channels of [%s] cannot be divided by %d.", toString(size), r^2))
  }
  lead <- utils::head(size, -3)
  last <- utils::tail(size, 3)
  blocks <- input$reshape(c(prod(lead), last[1] / r^2, r, r, last[2:3]))
  blocks$permute(c(1, 2, 5, 3, 6, 4))$reshape(c(lead, last[1] / r^2, last[2:3] * r))
}

#' Dropout
#'
#' While training, elements (`nnf_dropout2d()`, `nnf_dropout3d()`: whole channels of a sample) are set to 0 with
#' probability `p` and the others divided by 1 - `p`. `nnf_alpha_dropout()` (`nnf_feature_alpha_dropout()`: of whole
#' channels) sets them to the value [nnf_selu()] tends to, and then scales and moves all so that mean 0 and variance 1
#' stay what they are.
#'
#' @param input float tensor; those of whole channels: N x C x ...
#' @param p probability.
#' @param training drop at all?
#' @param inplace write the result into `input`?
#' @return a tensor like `input`.
#' @references Srivastava et al. (2014), Dropout. Klambauer et al. (2017), Self-normalizing neural networks.
#' @examples
#' torch_manual_seed(1)
#' nnf_dropout(torch_ones(6), p = 0.5)
#' @export
nnf_dropout <- function(input, p = 0.5, training = TRUE, inplace = FALSE) {
  drop_out(input, p, length(dim(input)), training, inplace)
}

#' @rdname nnf_dropout
#' @export
nnf_dropout2d <- function(input, p = 0.5, training = TRUE, inplace = FALSE) drop_out(input, p, 2, training, inplace)

#' @rdname nnf_dropout
#' @export
nnf_dropout3d <- function(input, p = 0.5, training = TRUE, inplace = FALSE) drop_out(input, p, 2, training, inplace)

#' @rdname nnf_dropout
#' @export
nnf_alpha_dropout <- function(input, p = 0.5, training = FALSE, inplace = FALSE) {
  alpha_drop_out(input, p, dim(input), training, inplace)
}

#' @rdname nnf_dropout
#' @export
nnf_feature_alpha_dropout <- function(input, p = 0.5, training = FALSE, inplace = FALSE) {
  check_rank(input, "input", 2:12)
  alpha_drop_out(input, p, c(dim(input)[1:2], rep(1, length(dim(input)) - 2)), training, inplace)
}

# Dropped elements become the value SELU tends to; scale and offset keep mean 0 and variance 1.
alpha_drop_out <- function(input, p, mask_size, training, inplace) {
  check_dropout(p)
  if (!training || p == 0) {
    return(input)
  }
  lowest <- -1.7580993408473766
  kept <- with_no_grad(torch_empty(mask_size, dtype = input$dtype)$bernoulli_(1 - p))
  scale <- if (p == 1) 0 else 1 / sqrt((1 - p) * (1 + p * lowest^2))
  factor <- kept * scale
  offset <- (1 - kept) * (lowest * scale) - scale * lowest * p
  if (isTRUE(inplace)) input$mul_(factor)$add_(offset) else input * factor + offset
}

drop_out <- function(input, p, dims, training, inplace) {
  check_dropout(p)
  if (!training || p == 0) input else activate(ops$dropout, input, inplace, as.double(c(p, dims)))
}
