#' Change brightness and colours
#'
#' @param img tensor ..., C, H, W with values of 0 to 1 (floats) or 0 to 255 (integers); any number of bands C, except
#'   for hue (1 or 3) and grey (3). Arrays H x W x C become tensors.
#' @param brightness_factor,contrast_factor,saturation_factor at least 0: 0 gives a black, a grey, a black and white
#'   image, 1 the original, 2 twice the effect.
#' @param hue_factor of -0.5 to 0.5: by how much of a turn colours are shifted.
#' @param gamma exponent, at least 0: the result is `gain * img^gamma`.
#' @param gain factor.
#' @param num_output_channels 1 or 3 equal ones.
#' @return A tensor of the dtype of `img`, clamped to its range.
#' @section Details:
#' Grey is `0.2989 R + 0.587 G + 0.114 B`, or the mean of the bands where there are not three. Contrast blends with
#' the mean grey of each image, saturation with its grey version: `factor * img + (1 - factor) * other`.
#' @examples
#' x <- torch_rand(3, 4, 4)
#' transform_adjust_brightness(x, 1.4)$max()
#' transform_grayscale(x, 3)$shape
#' @export
transform_adjust_brightness <- function(img, brightness_factor) UseMethod("transform_adjust_brightness")

#' @export
transform_adjust_brightness.default <- function(img, brightness_factor) {
  factor <- as_number(brightness_factor, "brightness_factor", least = 0)
  adjust(img, function(x, largest) x * factor)
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_contrast <- function(img, contrast_factor) UseMethod("transform_adjust_contrast")

#' @export
transform_adjust_contrast.default <- function(img, contrast_factor) {
  factor <- as_number(contrast_factor, "contrast_factor", least = 0)
  adjust(img, function(x, largest) {
    n <- length(x$shape)
    blend(x, torch_mean(grey_of(x, largest), dim = c(n - 2, n - 1, n), keepdim = TRUE), factor)
  })
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_saturation <- function(img, saturation_factor) UseMethod("transform_adjust_saturation")

#' @export
transform_adjust_saturation.default <- function(img, saturation_factor) {
  factor <- as_number(saturation_factor, "saturation_factor", least = 0)
  adjust(img, function(x, largest) blend(x, grey_of(x, largest), factor))
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_hue <- function(img, hue_factor) UseMethod("transform_adjust_hue")

#' @export
transform_adjust_hue.default <- function(img, hue_factor) {
  shift <- as_number(hue_factor, "hue_factor", -0.5, 0.5)
  if (!channels_of(as_image(img)) %in% c(1, 3)) value_error("the hue of an image needs 1 or 3 channels.")
  adjust(img, function(x, largest) {
    if (channels_of(x) == 1) x else shift_hue(x / largest, shift) * largest
  })
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_gamma <- function(img, gamma, gain = 1) UseMethod("transform_adjust_gamma")

#' @export
transform_adjust_gamma.default <- function(img, gamma, gain = 1) {
  gamma <- as_number(gamma, "gamma", least = 0)
  adjust(img, function(x, largest) torch_pow(x / largest, gamma) * (gain * largest))
}

#' @rdname transform_adjust_brightness
#' @export
transform_rgb_to_grayscale <- function(img) UseMethod("transform_rgb_to_grayscale")

#' @export
transform_rgb_to_grayscale.default <- function(img) {
  img <- as_image(img)
  if (length(img$shape) < 3 || channels_of(img) != 3) {
    value_error("`img` must have 3 channels: 3 x H x W or N x 3 x H x W.")
  }
  as_float_image(img, function(x) grey_of(x, 1))
}

#' @rdname transform_adjust_brightness
#' @export
transform_grayscale <- function(img, num_output_channels = 1) UseMethod("transform_grayscale")

#' @export
transform_grayscale.default <- function(img, num_output_channels = 1) {
  if (!isTRUE(num_output_channels %in% c(1, 3))) refuse(num_output_channels, "num_output_channels", "1 or 3")
  grey <- transform_rgb_to_grayscale(img)
  if (num_output_channels == 1) {
    return(grey)
  }
  torch_cat(list(grey, grey, grey), dim = length(grey$shape) - 2)
}

channels_of <- function(img) img$shape[[length(img$shape) - 2]]

# f(float image, largest value), clamped, in the dtype of img.
adjust <- function(img, f) {
  img <- as_image(img)
  if (length(img$shape) < 3) value_error("`img` must have channels: C x H x W or N x C x H x W.")
  largest <- if (is_float(img)) 1 else 255
  as_float_image(img, function(x) torch_clamp(f(x, largest), 0, largest))
}

blend <- function(x, other, factor) x * factor + other * (1 - factor)

# The grey image with one channel; integer images have whole grey values.
grey_of <- function(x, largest) {
  channels <- channels_of(x)
  if (channels == 1) {
    return(x)
  }
  n <- length(x$shape) - 2
  grey <- if (channels == 3) {
    x$narrow(n, 1, 1) * 0.2989 + x$narrow(n, 2, 1) * 0.587 + x$narrow(n, 3, 1) * 0.114
  } else {
    torch_mean(x, dim = n, keepdim = TRUE)
  }
  if (largest > 1) torch_floor(grey) else grey
}

# By way of hue, saturation and value (Smith 1978), hue turned by `shift` of a full turn.
shift_hue <- function(x, shift) {
  n <- length(x$shape) - 2
  r <- x$narrow(n, 1, 1)
  g <- x$narrow(n, 2, 1)
  b <- x$narrow(n, 3, 1)
  value <- torch_maximum(torch_maximum(r, g), b)
  spread <- value - torch_minimum(torch_minimum(r, g), b)
  safe <- torch_where(spread == 0, torch_ones_like(spread), spread)
  sixth <- torch_where(value == r, (g - b) / safe,
    torch_where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
  turned <- sixth / 6 + shift
  hue <- (turned - torch_floor(turned)) * 6
  # Each channel is value - spread * max(0, min(k, 4 - k, 1)), k its distance around the circle.
  channel <- function(offset) {
    k <- hue + offset
    k <- k - torch_floor(k / 6) * 6
    value - spread * torch_clamp(torch_minimum(k, 4 - k), 0, 1)
  }
  torch_cat(list(channel(5), channel(3), channel(1)), dim = n)
}
