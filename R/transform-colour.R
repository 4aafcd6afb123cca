#' Change brightness and colours
#'
#' @param img tensor ..., C, H, W with values of 0 to 1 (floats) or 0 to 255 (integers); C is 3, or 1 where colours do
#'   not matter. Arrays H x W x C become tensors.
#' @param brightness_factor,contrast_factor,saturation_factor at least 0: 0 gives a black, a grey, a black and white
#'   image, 1 the original, 2 twice the effect.
#' @param hue_factor of -0.5 to 0.5: by how much of a turn colours are shifted.
#' @param gamma exponent, at least 0: the result is `gain * img^gamma`.
#' @param gain factor.
#' @param num_output_channels 1 or 3 equal ones.
#' @return A tensor of the dtype of `img`, clamped to its range.
#' @section Details:
#' Grey is `0.2989 R + 0.587 G + 0.114 B`. Contrast blends with the mean grey of each image, saturation with its grey
#' version: `factor * img + (1 - factor) * other`.
#' @examples
#' x <- torch_rand(3, 4, 4)
#' transform_adjust_brightness(x, 1.4)$max()
#' transform_grayscale(x, 3)$shape
#' @export
transform_adjust_brightness <- function(img, brightness_factor) {
  factor <- as_number(brightness_factor, "brightness_factor", least = 0)
  adjust(img, function(x, largest) x * factor)
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_contrast <- function(img, contrast_factor) {
  factor <- as_number(contrast_factor, "contrast_factor", least = 0)
  adjust(img, function(x, largest) {
    n <- length(x$shape)
    blend(x, torch_mean(grey_of(x, largest), dim = c(n - 2, n - 1, n), keepdim = TRUE), factor)
  })
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_saturation <- function(img, saturation_factor) {
  factor <- as_number(saturation_factor, "saturation_factor", least = 0)
  adjust(img, function(x, largest) blend(x, grey_of(x, largest), factor))
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_hue <- function(img, hue_factor) {
  shift <- as_number(hue_factor, "hue_factor", -0.5, 0.5)
  adjust(img, function(x, largest) {
    if (channels_of(x) == 1) x else shift_hue(x / largest, shift) * largest
  })
}

#' @rdname transform_adjust_brightness
#' @export
transform_adjust_gamma <- function(img, gamma, gain = 1) {
  gamma <- as_number(gamma, "gamma", least = 0)
  adjust(img, function(x, largest) torch_pow(x / largest, gamma) * (gain * largest))
}

#' @rdname transform_adjust_brightness
#' @export
transform_rgb_to_grayscale <- function(img) {
  img <- as_image(img)
  if (length(img$shape) < 3 || channels_of(img) != 3) {
    value_error("`img` must have 3 channels: 3 x H x W or N x 3 x H x W.")
  }
  as_float_image(img, function(x) grey_of(x, 1))
}

#' @rdname transform_adjust_brightness
#' @export
transform_grayscale <- function(img, num_output_channels = 1) {
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
  if (length(img$shape) < 3 || !channels_of(img) %in% c(1, 3)) {
    value_error("`img` must have 1 or 3 channels: C x H x W or N x C x H x W.")
  }
  largest <- if (is_float(img)) 1 else 255
  as_float_image(img, function(x) torch_clamp(f(x, largest), 0, largest))
}

blend <- function(x, other, factor) x * factor + other * (1 - factor)

# The grey image with one channel; integer images have whole grey values.
grey_of <- function(x, largest) {
  if (channels_of(x) == 1) {
    return(x)
  }
  n <- length(x$shape) - 2
  grey <- x$narrow(n, 1, 1) * 0.2989 + x$narrow(n, 2, 1) * 0.587 + x$narrow(n, 3, 1) * 0.114
  if (largest > 1) torch_floor(grey) else grey
}

# By way of hue, saturation and value (Smith 1978), hue turned by `shift` of a full turn.
shift_hue <- function(x, shift) {
  shape <- x$shape
  values <- as_array(x$detach()$reshape(c(-1, 3, prod(utils::tail(shape, 2)))))
  channel <- function(i) as.vector(values[, i, ])
  rgb <- hue_shifted(channel(1), channel(2), channel(3), shift)
  size <- dim(values)[c(1, 3)]
  planes <- aperm(array(rgb, c(size, 3)), c(1, 3, 2))
  torch_tensor(planes, dtype = x$dtype)$reshape(shape)
}

hue_shifted <- function(r, g, b, shift) {
  value <- pmax(r, g, b)
  spread <- value - pmin(r, g, b)
  safe <- ifelse(spread == 0, 1, spread)
  sixth <- ifelse(value == r, (g - b) / safe, ifelse(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
  hue <- (sixth / 6 + shift) %% 1 * 6
  # Each channel is value - spread * max(0, min(k, 4 - k, 1)), k its distance around the circle.
  channel <- function(offset) {
    k <- (offset + hue) %% 6
    value - spread * pmax(0, pmin(k, 4 - k, 1))
  }
  c(channel(5), channel(3), channel(1))
}
