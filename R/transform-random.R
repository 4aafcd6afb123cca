#' Random transforms
#'
#' For augmentation. Whether and which (`p`, choice, order, colour factors, erasing) is drawn from R's generator
#' ([set.seed()]), places and angles of crops and rotations from that of the tensors ([torch_manual_seed()]), as in
#' torchvision for R. To treat an image and its mask alike, draw the numbers yourself and use the deterministic
#' transforms.
#'
#' @inheritParams transform_rotate
#' @inheritParams transform_resize
#' @param p probability.
#' @param transforms list of functions of an image.
#' @param pad_if_needed pad images smaller than `size`.
#' @param scale for crops and erasing: range of the area, as a share of the image's; for `transform_random_affine()`:
#'   range of the scale.
#' @param ratio range of width / height.
#' @param degrees range of angles, or one number d for -d to d.
#' @param translate largest shifts, as shares of width and height.
#' @param shear range of shear angles along x (one number s for -s to s, two), and y (four).
#' @param brightness,contrast,saturation,hue range of factors, or one number b: 1 - b to 1 + b (-b to b for `hue`).
#' @param distortion_scale of 0 to 1: how far corners move.
#' @param value what erased pixels become: one number, one per channel, or `"random"` (normal noise).
#' @param inplace erase in `img` itself.
#' @return A tensor.
#' @examples
#' set.seed(1)
#' x <- torch_rand(3, 16, 16)
#' transform_random_horizontal_flip(x)$shape
#' transform_random_resized_crop(x, size = 8)$shape
#' transform_color_jitter(x, brightness = 0.4)$shape
#' @export
transform_random_horizontal_flip <- function(img, p = 0.5) UseMethod("transform_random_horizontal_flip")

#' @export
transform_random_horizontal_flip.default <- function(img, p = 0.5) {
  if (stats::runif(1) < p) transform_hflip(img) else as_image(img)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_vertical_flip <- function(img, p = 0.5) UseMethod("transform_random_vertical_flip")

#' @export
transform_random_vertical_flip.default <- function(img, p = 0.5) {
  if (stats::runif(1) < p) transform_vflip(img) else as_image(img)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_grayscale <- function(img, p = 0.1) UseMethod("transform_random_grayscale")

#' @export
transform_random_grayscale.default <- function(img, p = 0.1) {
  img <- as_image(img)
  if (stats::runif(1) < p) transform_grayscale(img, channels_of(img)) else img
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_apply <- function(img, transforms, p = 0.5) UseMethod("transform_random_apply")

#' @export
transform_random_apply.default <- function(img, transforms, p = 0.5) {
  if (p >= stats::runif(1)) {
    apply_all(img, transforms)
  } else if (is.array(img)) {
    as_image(img)
  } else {
    img
  }
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_choice <- function(img, transforms) UseMethod("transform_random_choice")

#' @export
transform_random_choice.default <- function(img, transforms) {
  transforms[[sample.int(length(transforms), 1)]](img)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_order <- function(img, transforms) UseMethod("transform_random_order")

#' @export
transform_random_order.default <- function(img, transforms) {
  apply_all(img, transforms[sample.int(length(transforms))])
}

apply_all <- function(img, transforms) {
  for (transform in transforms) img <- transform(img)
  img
}

# One draw from the tensors' generator.
draw_uniform <- function(range) as.numeric(torch_empty(1)$uniform_(range[[1]], range[[2]]))
draw_position <- function(n) as.numeric(torch_randint(1, n + 1, size = 1))

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_crop <- function(img, size, padding = NULL, pad_if_needed = FALSE, fill = 0,
  padding_mode = "constant") {
  UseMethod("transform_random_crop")
}

#' @export
transform_random_crop.default <- function(img, size, padding = NULL, pad_if_needed = FALSE, fill = 0,
  padding_mode = "constant") {
  img <- as_image(img)
  size <- square_size(size)
  if (!is.null(padding)) img <- transform_pad(img, padding, fill, padding_mode)
  short <- pmax(size - image_size(img), 0)
  if (any(short > 0)) {
    if (!pad_if_needed) {
      value_error(sprintf(
        "`size` %d x %d is larger than the image, %d x %d: use `pad_if_needed = TRUE`.",
        size[[1]], size[[2]], image_size(img)[[1]], image_size(img)[[2]]
      ))
    }
    img <- transform_pad(img, c(short[[2]], short[[1]]), fill, padding_mode)
  }
  room <- image_size(img) - size + 1
  if (all(room == 1)) {
    return(img)
  }
  top <- draw_position(room[[1]])
  transform_crop(img, top, draw_position(room[[2]]), size[[1]], size[[2]])
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_resized_crop <- function(img, size, scale = c(0.08, 1), ratio = c(3 / 4, 4 / 3), interpolation = 2) {
  UseMethod("transform_random_resized_crop")
}

#' @export
transform_random_resized_crop.default <- function(img, size, scale = c(0.08, 1), ratio = c(3 / 4, 4 / 3),
                                                  interpolation = 2) {
  img <- as_image(img)
  part <- random_part(image_size(img), scale, ratio)
  transform_resized_crop(img, part[[1]], part[[2]], part[[3]], part[[4]], size, interpolation)
}

# top, left, height, width: ten tries, then the middle.
random_part <- function(now, scale, ratio) {
  for (try in 1:10) {
    area <- prod(now) * draw_uniform(scale)
    aspect <- exp(draw_uniform(log(ratio)))
    size <- round(sqrt(area * c(1 / aspect, aspect)))
    if (all(size > 0) && all(size <= now)) {
      top <- draw_position(now[[1]] - size[[1]] + 1)
      return(c(top, draw_position(now[[2]] - size[[2]] + 1), size))
    }
  }
  middle_part(now, ratio)
}

middle_part <- function(now, ratio) {
  aspect <- min(max(now[[2]] / now[[1]], min(ratio)), max(ratio))
  size <- if (now[[2]] / now[[1]] < aspect) c(round(now[[2]] / aspect), now[[2]]) else c(now[[1]],
    round(now[[1]] * aspect))
  c((now - size) %/% 2 + 1, size)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_color_jitter <- function(img, brightness = 0, contrast = 0, saturation = 0, hue = 0) {
  UseMethod("transform_color_jitter")
}

#' @export
transform_color_jitter.default <- function(img, brightness = 0, contrast = 0, saturation = 0, hue = 0) {
  ranges <- list(
    jitter_range(brightness, "brightness"), jitter_range(contrast, "contrast"), jitter_range(saturation, "saturation"),
    jitter_range(hue, "hue", middle = 0, bounds = c(-0.5, 0.5))
  )
  adjust_by <- list(
    transform_adjust_brightness, transform_adjust_contrast, transform_adjust_saturation, transform_adjust_hue
  )
  wanted <- which(!vapply(ranges, is.null, NA))
  transforms <- lapply(wanted, function(k) {
    factor <- stats::runif(1, ranges[[k]][[1]], ranges[[k]][[2]])
    function(img) adjust_by[[k]](img, factor)
  })
  apply_all(as_image(img), transforms[sample.int(length(transforms))])
}

# NULL where nothing would change.
jitter_range <- function(value, what, middle = 1, bounds = c(0, Inf)) {
  if (!is.numeric(value) || !length(value) %in% 1:2 || anyNA(value) || (length(value) == 1 && value < 0)) {
    refuse(value, what, "one number of at least 0, or a range of two")
  }
  if (length(value) == 1) value <- c(max(middle - value, bounds[[1]]), middle + value)
  if (value[[1]] < bounds[[1]] || value[[2]] > bounds[[2]] || value[[1]] > value[[2]]) {
    value_error(sprintf("`%s` is out of bounds: a range within %g and %g.", what, bounds[[1]], bounds[[2]]))
  }
  if (all(value == middle)) NULL else value
}

angle_range <- function(degrees, what) {
  if (!is.numeric(degrees) || anyNA(degrees)) refuse(degrees, what, "one number, or two")
  if (length(degrees) == 1 && degrees < 0) value_error(sprintf("%s must be positive if it's a single value", what))
  if (!length(degrees) %in% 1:2) value_error(sprintf("%s must be length 1 or 2", what))
  if (length(degrees) == 1) c(-degrees, degrees) else degrees
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_rotation <- function(img, degrees, interpolation = 0, expand = FALSE, center = NULL, fill = NULL,
  resample) {
  UseMethod("transform_random_rotation")
}

#' @export
transform_random_rotation.default <- function(img, degrees, interpolation = 0, expand = FALSE, center = NULL,
  fill = NULL,
  resample) {
  if (!missing(resample)) {
    warn_deprecated("resample", "interpolation")
    interpolation <- resample
  }
  transform_rotate(img, draw_uniform(angle_range(degrees, "degrees")), interpolation, expand, center, fill)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_affine <- function(img, degrees, translate = NULL, scale = NULL, shear = NULL, interpolation = 0,
                                    fill = 0, resample, fillcolor) {
  UseMethod("transform_random_affine")
}

#' @export
transform_random_affine.default <- function(img, degrees, translate = NULL, scale = NULL, shear = NULL,
                                    interpolation = 0,
                                    fill = 0, resample, fillcolor) {
  if (!missing(resample)) {
    warn_deprecated("resample", "interpolation")
    interpolation <- resample
  }
  if (!missing(fillcolor)) {
    warn_deprecated("fillcolor", "fill")
    fill <- fillcolor
  }
  img <- as_image(img)
  angle <- draw_uniform(angle_range(degrees, "degrees"))
  transform_affine(
    img, angle, draw_shift(translate, image_size(img)), if (is.null(scale)) 1 else draw_uniform(scale),
    draw_shear(shear), interpolation, fill
  )
}

draw_shift <- function(translate, now) {
  if (is.null(translate)) {
    return(c(0, 0))
  }
  check_numbers(translate, "translate", 2, 0, 1)
  largest <- translate * rev(now)
  right <- round(draw_uniform(c(-largest[[1]], largest[[1]])))
  c(right, round(draw_uniform(c(-largest[[2]], largest[[2]]))))
}

draw_shear <- function(shear) {
  if (is.null(shear)) {
    return(c(0, 0))
  }
  along_x <- draw_uniform(angle_range(if (length(shear) == 4) shear[1:2] else shear, "shear"))
  c(along_x, if (length(shear) == 4) draw_uniform(shear[3:4]) else 0)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_perspective <- function(img, distortion_scale = 0.5, p = 0.5, interpolation = 2, fill = 0) {
  UseMethod("transform_random_perspective")
}

#' @export
transform_random_perspective.default <- function(img, distortion_scale = 0.5, p = 0.5, interpolation = 2, fill = 0) {
  img <- as_image(img)
  if (stats::runif(1) >= p) {
    return(img)
  }
  corners <- random_corners(image_size(img), distortion_scale)
  transform_perspective(img, corners$start, corners$end, interpolation, fill)
}

# Corners of a picture, and where they move to.
random_corners <- function(now, distortion_scale) {
  inwards <- rev(floor(distortion_scale * (now %/% 2)))
  move <- function(k) draw_position(inwards[[k]] + 1) - 1
  right <- now[[2]] - 1
  bottom <- now[[1]] - 1
  start <- list(c(0, 0), c(right, 0), c(right, bottom), c(0, bottom))
  end <- list(
    c(move(1), move(2)), c(right - move(1), move(2)), c(right - move(1), bottom - move(2)), c(move(1), bottom - move(2))
  )
  list(start = start, end = end)
}

#' @rdname transform_random_horizontal_flip
#' @export
transform_random_erasing <- function(img, p = 0.5, scale = c(0.02, 0.33), ratio = c(0.3, 3.3), value = 0,
                                     inplace = FALSE) {
  UseMethod("transform_random_erasing")
}

#' @export
transform_random_erasing.default <- function(img, p = 0.5, scale = c(0.02, 0.33), ratio = c(0.3, 3.3), value = 0,
                                     inplace = FALSE) {
  img <- as_image(img)
  if (stats::runif(1) >= p) {
    return(img)
  }
  if (!inplace) img <- img$clone()
  now <- image_size(img)
  for (try in 1:10) {
    area <- prod(now) * stats::runif(1, scale[[1]], scale[[2]])
    aspect <- exp(stats::runif(1, log(ratio[[1]]), log(ratio[[2]])))
    size <- round(sqrt(area * c(aspect, 1 / aspect)))
    if (all(size >= 1) && all(size < now)) {
      erase(img, sample.int(now[[1]] - size[[1]] + 1, 1), sample.int(now[[2]] - size[[2]] + 1, 1), size, value)
      break
    }
  }
  img
}

erase <- function(img, top, left, size, value) {
  part <- transform_crop(img, top, left, size[[1]], size[[2]])
  if (identical(value, "random")) {
    part$copy_(torch_randn(part$shape))
  } else if (length(value) == 1) {
    part$fill_(value)
  } else {
    part$copy_(channel_values(value, img, "value")$expand(part$shape))
  }
}
