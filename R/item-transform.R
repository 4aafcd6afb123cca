#' Transforms of an image together with its mask
#'
#' Each draws its numbers once and treats the image and the mask of an item alike: a mask that equals a channel of its
#' image stays equal to it under flips and crops, and under the others with `interpolation = 0`. Masks are never
#' interpolated, and keep their dtype: what comes into them from outside the picture is void ([void_class]; `FALSE` in
#' logical masks).
#'
#' @param x an item: `list(x, y)` (image, then mask), or a named list with an image (called `x`, `image`, `img` or
#'   `input`) and, if there is one, a mask (`y`, `mask`, `masks`, `label`, `labels`, `target` or `segmentation`);
#'   other elements are left as they are. Images are tensors C x H x W or arrays H x W x C, masks tensors or matrices
#'   H x W. Or a [dataset()] of such items: the result is a dataset that transforms each item as it is asked for, with
#'   a new draw each time.
#' @param size,interpolation,top,left,height,width,padding,padding_mode,fill,angle,expand,center,translate,scale,shear
#'   as for [transform_resize()], [transform_crop()], [transform_pad()], [transform_rotate()] and
#'   [transform_affine()]; `fill` is for images.
#' @param p probability that anything is done.
#' @param startpoints,endpoints,value,inplace as for [transform_perspective()] and [transform_random_erasing()], whose
#'   rectangle is erased in the image alone.
#' @param degrees,ratio,pad_if_needed,distortion_scale,brightness,contrast,saturation,hue as for
#'   [transform_random_affine()] and its kin, with the same draws from the same seeds.
#' @param classes for `item_transform_random_crop()`: numbers of classes; if the mask has pixels of them, the crop
#'   holds one of these, drawn at random.
#' @param alpha,sigma for `item_transform_elastic()`: largest shifts in pixels are about `alpha`, and change over
#'   about `sigma` pixels. For `item_transform_gaussian_blur()`: range of standard deviations in pixels, or one
#'   number.
#' @param sd for `item_transform_gaussian_noise()`: range of standard deviations of the noise, or one number, in the
#'   units of the image.
#' @param transforms list of functions of an item.
#' @param ... for `item_transform_compose()`: functions of an item, in their order.
#' @return An item, or a dataset, as `x`; `item_transform_compose()`: a function of an item. Images and masks are
#'   tensors.
#' @section Details: Resizing, cropping and warping take places as the `transform_*()` of that name do; masks of
#'   `item_transform_resize()` take the value under the middle of each pixel. `item_transform_elastic()` moves each
#'   pixel by smoothed normal noise (Simard, Steinkraus and Platt 2003, Best practices for convolutional neural
#'   networks, ICDAR). Colours, blur and noise change the image alone; values are kept within 0 and 1 where they were.
#'   `item_transform_color_jitter()` takes any number of bands for brightness and contrast.
#' @examples
#' item <- list(x = torch_rand(3, 8, 8), y = torch_ones(8, 8, dtype = "long"))
#' turned <- item_transform_rotate(item, 30, expand = FALSE)
#' turned$y
#' augment <- item_transform_compose(
#'   item_transform_random_horizontal_flip,
#'   function(item) item_transform_random_affine(item, degrees = 20, scale = c(0.8, 1.2))
#' )
#' augment(item)$x$shape
#' @name item_transform_hflip
NULL

image_names <- c("x", "image", "img", "input")
mask_names <- c("y", "mask", "masks", "label", "labels", "target", "segmentation")

# Where the image and the mask lie in an item; the latter may be missing.
item_places <- function(item) {
  if (!is.list(item) || is.object(item) || length(item) == 0) {
    refuse(item, "x", "an item, list(x = image, y = mask), or a dataset of such items")
  }
  if (is.null(names(item))) {
    return(list(image = 1L, mask = if (length(item) > 1) 2L))
  }
  image <- match(image_names, names(item))
  mask <- match(mask_names, names(item))
  image <- image[!is.na(image)]
  mask <- mask[!is.na(mask)]
  if (length(image) == 0) {
    value_error(sprintf("the item has no image: one of its elements must be called %s, but they are called %s.",
      toString(image_names), toString(names(item))))
  }
  list(image = image[[1]], mask = if (length(mask) > 0) mask[[1]])
}

# `draw(image)`: is called once for each item and gives list(image =, mask =), functions of a tensor; NULL changes
# nothing. `mask` defaults to `image`.
transform_item <- function(x, draw) {
  if (is_map_dataset(x)) {
    return(transformed_dataset(x, function(item) transform_item(item, draw)))
  }
  at <- item_places(x)
  image <- as_image(x[[at$image]])
  mask <- if (!is.null(at$mask)) mask_tensor(x[[at$mask]])
  if (!is.null(mask)) check_same_place(image, mask)
  what <- draw(image, mask)
  if (!is.null(what$image)) image <- what$image(image)
  x[[at$image]] <- image
  if (!is.null(mask)) {
    if (!is.null(what$mask)) mask <- what$mask(mask)
    x[[at$mask]] <- mask
  }
  x
}

mask_tensor <- function(mask) {
  if (is.factor(mask)) refuse(mask, "y", "a matrix of class numbers")
  mask <- if (is_tensor(mask)) mask else torch_tensor(mask)
  if (length(dim(mask)) < 2) value_error("the mask of an item must have a height and a width.")
  mask
}

check_same_place <- function(image, mask) {
  if (!identical(image_size(image), image_size(mask))) {
    value_error(sprintf("the mask is %s, but its image %s (height x width).", paste(image_size(mask), collapse = " x "),
      paste(image_size(image), collapse = " x ")))
  }
}

both <- function(f) list(image = f, mask = f)
nothing <- list()

outside_mask <- function(mask) if (dtype_name(mask$dtype) %in% c("Bool", "Byte")) 0 else void_class

#' @include dataset.R
TransformedDataset <- dataset("transformed_dataset",
  initialize = function(dataset, change) {
    self$dataset <- dataset
    self$change <- change
    if (is.function(dataset$.prefetch)) self$.prefetch <- function(indices) self$dataset$.prefetch(indices)
  },
  .getitem = function(i) self$change(self$dataset$.getitem(i)),
  .length = function() length(self$dataset)
)

transformed_dataset <- function(ds, change) {
  if (!inherits(ds, "segmentation_dataset") || inherits(ds, "dataset_subset")) {
    return(TransformedDataset(ds, change))
  }
  # Before numbers are scaled, as `transform` of segmentation_dataset().
  before <- ds$transform
  copy <- ds$part(ds$items)
  copy$at_random <- ds$at_random
  copy$reference <- ds$reference %||% ds
  copy$transform <- if (is.null(before)) change else function(item) change(before(item))
  copy
}

# ---- one of the deterministic transforms ----

#' @rdname item_transform_hflip
#' @export
item_transform_hflip <- function(x) transform_item(x, function(...) both(transform_hflip))

#' @rdname item_transform_hflip
#' @export
item_transform_vflip <- function(x) transform_item(x, function(...) both(transform_vflip))

#' @rdname item_transform_hflip
#' @export
item_transform_crop <- function(x, top, left, height, width) {
  transform_item(x, function(...) both(function(img) transform_crop(img, top, left, height, width)))
}

#' @rdname item_transform_hflip
#' @export
item_transform_center_crop <- function(x, size) {
  size <- square_size(size)
  transform_item(x, function(image, ...) {
    if (all(image_size(image) >= size)) {
      return(both(function(img) transform_center_crop(img, size)))
    }
    list(image = function(img) transform_center_crop(img, size), mask = function(mask) {
      short <- pmax(size - image_size(mask), 0)
      sides <- c(rbind(rev(short %/% 2), rev((short + 1) %/% 2)))
      transform_center_crop(pad_constant(mask, sides, outside_mask(mask)), size)
    })
  })
}

#' @rdname item_transform_hflip
#' @export
item_transform_resize <- function(x, size, interpolation = 2) {
  transform_item(x, function(image, ...) {
    size <- resized_size(image, size)
    list(
      image = function(img) transform_resize(img, size, interpolation),
      mask = if (interpolation_mode(interpolation, names(torchvision_modes)) == "nearest") {
        function(mask) transform_resize(mask, size, 0)
      } else {
        function(mask) nearest_resized(mask, size)
      }
    )
  })
}

# The value under the middle of each pixel.
nearest_resized <- function(mask, size) {
  n <- length(dim(mask))
  now <- image_size(mask)
  at <- function(k) torch_tensor(as.integer(pmin(floor((seq_len(size[[k]]) - 0.5) * now[[k]] / size[[k]]) + 1,
    now[[k]])))
  mask$index_select(n - 1, at(1))$index_select(n, at(2))
}

#' @rdname item_transform_hflip
#' @export
item_transform_pad <- function(x, padding, fill = 0, padding_mode = "constant") {
  transform_item(x, function(...) padded(padding, fill, padding_mode))
}

padded <- function(padding, fill, padding_mode) {
  list(
    image = function(img) transform_pad(img, padding, fill, padding_mode),
    mask = function(mask) transform_pad(mask, padding, outside_mask(mask), padding_mode)
  )
}

#' @rdname item_transform_hflip
#' @export
item_transform_rotate <- function(x, angle, interpolation = 2, expand = TRUE, fill = 0) {
  check_flag(expand, "expand")
  angle <- as_number(angle, "angle")
  transform_item(x, function(image, ...) rotated(image, angle, interpolation, expand, NULL, fill))
}

rotated <- function(image, angle, interpolation, expand, center, fill) {
  turn <- function(x, fill) quarter_turns(x, angle / 90, expand, center, fill)
  if (!is.null(turn(image, fill))) {
    return(list(image = function(img) turn(img, fill), mask = function(mask) turn(mask, outside_mask(mask))))
  }
  now <- image_size(image)
  matrix <- inverse_affine(middle_offset(image, center), -angle, c(0, 0), 1, c(0, 0))
  warped(affine_grid(matrix, now, if (expand) expanded_size(matrix, now) else now), interpolation, fill)
}

# One grid of places for both.
warped <- function(grid, interpolation, fill) {
  list(
    image = function(img) warp(img, grid, interpolation, fill),
    mask = function(mask) warp_mask(mask, grid)
  )
}

warp_mask <- function(mask, grid) {
  outside <- outside_mask(mask)
  moved <- warp(mask$to(dtype = torch_float()), grid, 0, outside)
  if (dtype_name(mask$dtype) == "Bool") moved > 0.5 else torch_round(moved)$to(dtype = mask$dtype)
}

#' @rdname item_transform_hflip
#' @export
item_transform_affine <- function(x, angle = 0, translate = c(0, 0), scale = 1, shear = 0, interpolation = 2, fill = 0,
                                  center = NULL) {
  transform_item(x, function(image, ...) {
    affine(image, as_number(angle, "angle"), translate, scale, shear, interpolation, fill, center)
  })
}

affine <- function(image, angle, translate, scale, shear, interpolation, fill, center = NULL) {
  translate <- as.numeric(unlist(translate))
  shear <- as.numeric(unlist(shear))
  check_numbers(translate, "translate", 2)
  check_numbers(shear, "shear", 1:2)
  if (as_number(scale, "scale") <= 0) value_error("`scale` must be positive.")
  matrix <- inverse_affine(middle_offset(image, center), angle, translate, scale, c(shear, 0)[1:2])
  warped(affine_grid(matrix, image_size(image), image_size(image)), interpolation, fill)
}

# ---- random ones ----

#' @rdname item_transform_hflip
#' @export
item_transform_random_horizontal_flip <- function(x, p = 0.5) {
  check_number(p, "p", 0, 1)
  transform_item(x, function(...) if (stats::runif(1) < p) both(transform_hflip) else nothing)
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_vertical_flip <- function(x, p = 0.5) {
  check_number(p, "p", 0, 1)
  transform_item(x, function(...) if (stats::runif(1) < p) both(transform_vflip) else nothing)
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_crop <- function(x, size, padding = NULL, pad_if_needed = FALSE, fill = 0,
                                       padding_mode = "constant", classes = NULL) {
  size <- square_size(size)
  transform_item(x, function(image, mask) {
    before <- if (is.null(padding)) both(identity) else padded(padding, fill, padding_mode)
    sides <- if (is.null(padding)) rep(0, 4) else padding_sides(padding)
    now <- image_size(image) + c(sides[[3]] + sides[[4]], sides[[1]] + sides[[2]])
    short <- pmax(size - now, 0)
    check_crop_fits(size, now, pad_if_needed)
    more <- if (any(short > 0)) padded(c(short[[2]], short[[1]]), fill, padding_mode) else both(identity)
    now <- now + 2 * short
    place <- function(img, how) how(img)
    at <- random_place(if (!is.null(classes)) more$mask(before$mask(mask)), now, size, classes)
    cut <- function(img) transform_crop(img, at[[1]], at[[2]], size[[1]], size[[2]])
    list(image = function(img) cut(more$image(before$image(img))),
      mask = function(mask) cut(more$mask(before$mask(mask))))
  })
}

check_crop_fits <- function(size, now, pad_if_needed) {
  if (any(size > now) && !pad_if_needed) {
    value_error(sprintf("`size` %d x %d is larger than the image, %d x %d: use `pad_if_needed = TRUE`.", size[[1]],
      size[[2]], now[[1]], now[[2]]))
  }
}

# First row and column of a part; with classes, one that holds a pixel of them.
random_place <- function(mask, now, size, classes) {
  room <- now - size + 1
  wanted <- if (!is.null(mask)) which(array(as_array(mask) %in% classes, now), arr.ind = TRUE)
  if (is.null(wanted) || nrow(wanted) == 0) {
    return(if (all(room == 1)) c(1, 1) else c(draw_position(room[[1]]), draw_position(room[[2]])))
  }
  pixel <- wanted[draw_position(nrow(wanted)), ]
  first <- pmax(1, pixel - size + 1)
  last <- pmin(room, pixel)
  c(first[[1]] + draw_position(last[[1]] - first[[1]] + 1) - 1,
    first[[2]] + draw_position(last[[2]] - first[[2]] + 1) - 1)
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_resized_crop <- function(x, size, scale = c(0.08, 1), ratio = c(3 / 4, 4 / 3),
  interpolation = 2) {
  size <- square_size(size)
  transform_item(x, function(image, ...) {
    part <- random_part(image_size(image), scale, ratio)
    cut <- function(img) transform_crop(img, part[[1]], part[[2]], part[[3]], part[[4]])
    list(
      image = function(img) transform_resize(cut(img), size, interpolation),
      mask = function(mask) nearest_resized(cut(mask), size)
    )
  })
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_rotation <- function(x, degrees, interpolation = 2, expand = FALSE, fill = 0, center = NULL) {
  range <- angle_range(degrees, "degrees")
  transform_item(x, function(image, ...) rotated(image, draw_uniform(range), interpolation, expand, center, fill))
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_affine <- function(x, degrees, translate = NULL, scale = NULL, shear = NULL, interpolation = 2,
                                         fill = 0) {
  range <- angle_range(degrees, "degrees")
  transform_item(x, function(image, ...) {
    angle <- draw_uniform(range)
    shift <- draw_shift(translate, image_size(image))
    affine(image, angle, shift, if (is.null(scale)) 1 else draw_uniform(scale), draw_shear(shear), interpolation, fill)
  })
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_resize_crop <- function(x, size, scale = c(0.08, 1), ratio = c(3 / 4, 4 / 3), interpolation = 2) {
  item_transform_random_resized_crop(x, size, scale, ratio, interpolation)
}

#' @rdname item_transform_hflip
#' @export
item_transform_perspective <- function(x, startpoints, endpoints, interpolation = 2, fill = NULL) {
  transform_item(x, function(image, ...) {
    warped(perspective_grid(startpoints, endpoints, image_size(image)), interpolation, fill %||% 0)
  })
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_erasing <- function(x, p = 0.5, scale = c(0.02, 0.33), ratio = c(0.3, 3.3), value = 0,
                                          inplace = FALSE) {
  transform_item(x, function(...) {
    list(image = function(img) transform_random_erasing(img, p, scale, ratio, value, inplace))
  })
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_perspective <- function(x, distortion_scale = 0.5, p = 0.5, interpolation = 2, fill = 0) {
  check_number(distortion_scale, "distortion_scale", 0, 1)
  transform_item(x, function(image, ...) {
    if (stats::runif(1) >= p) {
      return(nothing)
    }
    corners <- random_corners(image_size(image), distortion_scale)
    warped(perspective_grid(corners$start, corners$end, image_size(image)), interpolation, fill)
  })
}

#' @rdname item_transform_hflip
#' @export
item_transform_elastic <- function(x, alpha = 8, sigma = 8, p = 0.5, interpolation = 2, fill = 0) {
  check_number(alpha, "alpha", 0)
  check_number(sigma, "sigma", 0.1)
  transform_item(x, function(image, ...) {
    if (stats::runif(1) >= p) nothing else warped(elastic_grid(image_size(image), alpha, sigma), interpolation, fill)
  })
}

# Each place moved by noise that is smoothed, then scaled so that shifts have a root mean square of alpha / 2.
elastic_grid <- function(size, alpha, sigma) {
  shifts <- gaussian_blurred(torch_randn(2, size[[1]], size[[2]]), sigma)
  spread <- as.numeric((shifts * shifts)$mean()$sqrt())
  shifts <- as_array(shifts * (alpha / 2 / max(spread, 1e-12)))
  at <- pixel_centres(size)
  moved <- cbind(at[, 1] + as.vector(t(shifts[1, , ])), at[, 2] + as.vector(t(shifts[2, , ])))
  as_grid(sweep(moved, 2, rev(size) / 2, "/"), size)
}

# ---- the image alone ----

#' @rdname item_transform_hflip
#' @export
item_transform_color_jitter <- function(x, brightness = 0, contrast = 0, saturation = 0, hue = 0) {
  transform_item(x, function(image, ...) {
    if (channels_of(image) %in% c(1, 3) && is_share(image)) {
      return(list(image = function(img) transform_color_jitter(img, brightness, contrast, saturation, hue)))
    }
    if (any(saturation != 0) || any(hue != 0)) {
      value_error("`saturation` and `hue` are for pictures of 3 channels with values of 0 to 1.")
    }
    list(image = jitter_bands(jitter_range(brightness, "brightness"), jitter_range(contrast, "contrast")))
  })
}

is_share <- function(image) {
  if (!is_float(image)) {
    return(dtype_name(image$dtype) == "Byte")
  }
  as.numeric(image$min()) >= 0 && as.numeric(image$max()) <= 1
}

# Bands of any number and range: brightness is a factor, contrast blends with the mean of each band.
jitter_bands <- function(brightness, contrast) {
  factor <- function(range) if (is.null(range)) 1 else stats::runif(1, range[[1]], range[[2]])
  lighter <- factor(brightness)
  sharper <- factor(contrast)
  function(img) {
    n <- length(dim(img))
    as_float_image(img, function(x) {
      x <- x * lighter
      blend(x, torch_mean(x, dim = c(n - 1, n), keepdim = TRUE), sharper)
    })
  }
}

#' @rdname item_transform_hflip
#' @export
item_transform_gaussian_blur <- function(x, sigma = c(0.1, 2), p = 0.5) {
  range <- number_range(sigma, "sigma")
  transform_item(x, function(...) {
    if (stats::runif(1) >= p) {
      return(nothing)
    }
    sigma <- stats::runif(1, range[[1]], range[[2]])
    list(image = function(img) as_float_image(img, function(img) gaussian_blurred(img, sigma), rounded = TRUE))
  })
}

number_range <- function(value, what) {
  check_numbers(value, what, 1:2, least = 0)
  if (length(value) == 1) c(value, value) else sort(value)
}

# Convolved with a normal density along both sides; at borders the picture is mirrored.
gaussian_blurred <- function(img, sigma) {
  reach <- min(ceiling(3 * sigma), image_size(img) - 1)
  if (sigma <= 0 || reach < 1) {
    return(img)
  }
  weights <- stats::dnorm(seq(-reach, reach), sd = sigma)
  weights <- torch_tensor(weights / sum(weights))
  shape <- as.numeric(img$shape)
  planes <- img$reshape(c(prod(shape) / prod(utils::tail(shape, 2)), 1, utils::tail(shape, 2)))
  planes <- transform_pad(planes, reach, padding_mode = "reflect")
  planes <- nnf_conv2d(planes, weights$view(c(1, 1, -1, 1)))
  nnf_conv2d(planes, weights$view(c(1, 1, 1, -1)))$reshape(shape)
}

#' @rdname item_transform_hflip
#' @export
item_transform_gaussian_noise <- function(x, sd = c(0, 0.05), p = 0.5) {
  range <- number_range(sd, "sd")
  transform_item(x, function(image, ...) {
    if (stats::runif(1) >= p) {
      return(nothing)
    }
    sd <- stats::runif(1, range[[1]], range[[2]])
    share <- is_share(image)
    list(image = function(img) {
      largest <- if (is_float(img)) 1 else 255
      as_float_image(img, function(img) {
        noisy <- img + torch_randn(img$shape) * sd
        if (share) torch_clamp(noisy, 0, largest) else noisy
      }, rounded = TRUE)
    })
  })
}

# ---- several ----

#' @rdname item_transform_hflip
#' @export
item_transform_compose <- function(...) {
  transforms <- list(...)
  if (length(transforms) == 1 && is.list(transforms[[1]])) transforms <- transforms[[1]]
  for (f in transforms) check_function(f, "...", "item_transform_hflip")
  function(item) apply_all(item, transforms)
}

#' @rdname item_transform_hflip
#' @export
item_transform_random_apply <- function(x, transforms, p = 0.5) {
  check_number(p, "p", 0, 1)
  change <- function(item) if (p < stats::runif(1)) item else apply_all(item, transforms)
  if (is_map_dataset(x)) transformed_dataset(x, change) else change(x)
}
