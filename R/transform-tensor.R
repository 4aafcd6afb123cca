#' Images to tensors, and their values
#'
#' @param img `transform_to_tensor()`: an array H x W x C or matrix H x W (doubles are kept, integers divided by 255),
#'   an array of 4 dimensions (only converted), a list of arrays of one size (stacked), a magick image. Elsewhere a
#'   tensor ..., C, H, W, or an array H x W x C, which is converted first.
#' @param mean,std one number per channel, or one for all.
#' @param inplace change `img` itself.
#' @param dtype the [torch_dtype] wanted. Between integers and floats values are scaled: 0 to 255 in uint8 is 0 to 1.
#' @param transformation_matrix D x D tensor, D = C H W.
#' @param mean_vector tensor of D numbers.
#' @return `transform_to_tensor()`: a float tensor C x H x W (1 x H x W for a matrix). An array whose first dimension
#'   is at most 4 and whose third is larger is taken as C x H x W already. `transform_normalize()`: `(img - mean) /
#'   std`. `transform_linear_transformation()`: `(flatten(img) - mean_vector) transformation_matrix`.
#' @examples
#' x <- transform_to_tensor(array(runif(4 * 5 * 3), c(4, 5, 3)))
#' x$shape
#' transform_normalize(x, mean = 0.5, std = 0.25)$shape
#' @export
transform_to_tensor <- function(img) UseMethod("transform_to_tensor")

#' @export
transform_to_tensor.default <- function(img) {
  not_implemented_error(sprintf("transform_to_tensor() is not implemented for %s.", describe(img)))
}

#' @export
transform_to_tensor.candela_tensor <- function(img) img

#' @export
transform_to_tensor.matrix <- function(img) array_to_planes(array(img, c(dim(img), 1L)))

#' @export
transform_to_tensor.array <- function(img) {
  tensor <- .Call(cdr_image_tensor, img)
  if (is.null(tensor)) array_to_planes(img) else tensor
}

#' @export
transform_to_tensor.list <- function(img) torch_stack(lapply(img, transform_to_tensor))

#' @exportS3Method candela::transform_to_tensor "magick-image"
`transform_to_tensor.magick-image` <- function(img) {
  x <- array_of_magick(img)
  # An alpha channel is left out.
  torch_tensor(aperm(x[, , seq_len(dim(x)[[3]] - dim(x)[[3]] %in% c(2, 4)), drop = FALSE], c(3, 1, 2)))
}

array_to_planes <- function(img) {
  size <- dim(img)
  if (!length(size) %in% 3:4 || !(is.numeric(img) || is.logical(img))) {
    value_error(sprintf(
      "`img` must have 2 to 4 dimensions (H x W, H x W x C, N x C x H x W), got %d.", length(size)
    ))
  }
  is_planes <- length(size) == 4 || (size[[1]] <= 4 && size[[3]] > 4)
  tensor <- torch_tensor(if (is_planes) img else aperm(img, c(3, 1, 2)))
  if (is.integer(img)) tensor$to(dtype = torch_float())$div(255) else tensor
}

# What the transforms work on: a tensor ..., H, W. Matrices are masks, which keep their values.
as_image <- function(img) {
  if (is_tensor(img)) {
    if (length(dim(img)) < 2) value_error("`img` must have at least two dimensions: height and width.")
    return(img)
  }
  if (is.matrix(img)) torch_tensor(img) else transform_to_tensor(img)
}

is_float <- function(x) .Call(cdr_dtype, x) %in% float_codes

# Applies f to a float copy where img is not float; the result has the dtype of img again.
as_float_image <- function(img, f, rounded = FALSE) {
  if (is_float(img)) {
    return(f(img))
  }
  result <- f(img$to(dtype = torch_float()))
  (if (rounded) torch_round(result) else result)$to(dtype = img$dtype)
}

# One number for each channel of ..., C, H, W.
channel_numbers <- function(values, img, what) {
  size <- dim(img)
  n <- size[[length(size) - 2]]
  values <- as.numeric(values)
  if (!length(values) %in% c(1, n)) {
    value_error(sprintf("`%s` must hold one number, or one per channel (%d), got %d.", what, n, length(values)))
  }
  rep_len(values, n)
}

# The same as a tensor that goes with ..., C, H, W.
channel_values <- function(values, img, what) {
  values <- channel_numbers(values, img, what)
  torch_tensor(values, dtype = img$dtype)$view(c(length(values), 1, 1))
}

#' @rdname transform_to_tensor
#' @export
transform_normalize <- function(img, mean, std, inplace = FALSE) UseMethod("transform_normalize")

#' @export
transform_normalize.default <- function(img, mean, std, inplace = FALSE) {
  img <- as_image(img)
  check_float(img, "img")
  if (length(dim(img)) < 3) value_error("`img` must have channels: C x H x W or N x C x H x W.")
  if (any(as.numeric(std) == 0)) {
    value_error(sprintf(
      "std evaluated to zero after conversion to %s, leading to division by zero.", format(img$dtype)
    ))
  }
  if (inplace) {
    return(img$sub_(channel_values(mean, img, "mean"))$div_(channel_values(std, img, "std")))
  }
  apply_op(ops$normalise, list(img), c(channel_numbers(mean, img, "mean"), channel_numbers(std, img, "std")))
}

#' @rdname transform_to_tensor
#' @export
transform_convert_image_dtype <- function(img, dtype = torch_float()) {
  UseMethod("transform_convert_image_dtype")
}

#' @export
transform_convert_image_dtype.default <- function(img, dtype = torch_float()) {
  img <- as_image(img)
  from <- largest_value(img$dtype)
  to <- largest_value(dtype)
  if (from == to) {
    return(img$to(dtype = dtype))
  }
  if (is_float(img)) {
    return(img$mul(to + 1 - 1e-3)$to(dtype = dtype))
  }
  if (dtype$is_floating_point) {
    return(img$to(dtype = dtype)$div(from))
  }
  scale <- (to + 1) / (from + 1)
  img$to(dtype = torch_double())$mul(scale)$floor()$to(dtype = dtype)
}

largest_value <- function(dtype) {
  if (dtype$is_floating_point) 1 else if (dtype_name(dtype) == "Bool") 1 else torch_iinfo(dtype)$max
}

#' @rdname transform_to_tensor
#' @export
transform_linear_transformation <- function(img, transformation_matrix, mean_vector) {
  UseMethod("transform_linear_transformation")
}

#' @export
transform_linear_transformation.default <- function(img, transformation_matrix, mean_vector) {
  img <- as_image(img)
  size <- utils::tail(img$shape, 3)
  if (!identical(as.numeric(dim(transformation_matrix)), rep(as.numeric(prod(size)), 2))) {
    value_error(sprintf("`transformation_matrix` must be %d x %d, for an image of that many values.", prod(size),
      prod(size)))
  }
  if (length(mean_vector) != prod(size)) {
    value_error(sprintf("`mean_vector` must have %d numbers, got %d.", prod(size), length(mean_vector)))
  }
  flat <- img$reshape(c(-1, prod(size))) - mean_vector
  torch_mm(flat, transformation_matrix)$reshape(img$shape)
}
