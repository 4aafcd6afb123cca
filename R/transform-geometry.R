#' Resize, crop, flip and pad images
#'
#' All work on tensors C x H x W and N x C x H x W, on masks H x W, and on R arrays H x W x C, which become tensors.
#'
#' @param img tensor ..., H, W, or array.
#' @param size one number or `c(height, width)`. For `transform_resize()` one number is the new length of the short
#'   side, the other is scaled alike and truncated; elsewhere it means a square.
#' @param interpolation 0 or `"nearest"`, 2 or `"bilinear"`, 3 or `"bicubic"`. Use 0 for masks: it keeps the classes.
#' @param top,left first row and column, counted from 1.
#' @param height,width of the part cut out.
#' @param padding one number for all sides; two for left and right, top and bottom; four for left, right, top, bottom.
#'   Negative numbers cut off.
#' @param fill value of the padding.
#' @param padding_mode `"constant"`, `"edge"`, `"reflect"` or `"symmetric"`.
#' @param vertical_flip for `transform_ten_crop()`: flip top to bottom instead of left to right.
#' @return A tensor of the dtype of `img`. `transform_five_crop()`: a list of five (corners, then centre),
#'   `transform_ten_crop()`: of ten, the second five of the flipped image.
#' @section Details:
#' Resizing does not antialias, and does not align corners: `source = (target + 0.5) in / out - 0.5`; nearest takes
#' `floor(target in / out)`.
#'
#' `transform_center_crop()` cuts out the rows and columns PyTorch cuts out, where torchvision for R begins one earlier:
#' from 268 rows, 224 are 23 to 246. A larger size than the image pads with zeros.
#' @examples
#' x <- torch_rand(3, 6, 8)
#' transform_resize(x, c(12, 16))$shape
#' transform_center_crop(x, 4)$shape
#' transform_pad(x, c(1, 2))$shape
#' @export
transform_resize <- function(img, size, interpolation = 2) UseMethod("transform_resize")

#' @export
transform_resize.default <- function(img, size, interpolation = 2) {
  img <- as_image(img)
  mode <- interpolation_mode(interpolation, c("nearest", "bilinear", "bicubic"))
  size <- resized_size(img, size)
  if (all(size == image_size(img))) {
    return(img)
  }
  resize <- function(x) apply_op(ops$interpolate, list(x), c(size, interpolation_codes[[mode]], 0, 0, 0))
  if (length(dim(img)) == 3 && (mode == "nearest" || is_float(img))) {
    return(resize(img))
  }
  resized <- resize_batch(img, mode, resize)
  if (mode != "nearest" && is_mask(img)) refuse_invented(img, resized)
  resized
}

# Whole numbers H x W that are no bytes are classes, not grey values.
is_mask <- function(img) length(dim(img)) == 2 && dtype_name(img$dtype) %in% c("Long", "Int")

# Between class 1 and class 3 lies no class 2.
refuse_invented <- function(mask, resized) {
  invented <- setdiff(unique(as.vector(as_array(resized))), unique(as.vector(as_array(mask))))
  if (length(invented) > 0) {
    value_error(sprintf(paste(
      "resizing made classes that the mask has not: %s. Masks are resized with `interpolation = 0`, which takes the",
      "class of a pixel; give grey values as floats."
    ), toString(utils::head(sort(invented), 8))))
  }
}

resize_batch <- function(img, mode, resize) {
  on_image_batch(img, function(x) {
    if (mode == "nearest") {
      return(resize(x))
    }
    clamped <- mode == "bicubic" && !is_float(x)
    as_float_image(x, function(x) if (clamped) torch_clamp(resize(x), 0, 255) else resize(x))
  })
}

torchvision_modes <- c(nearest = 0L, bilinear = 2L, bicubic = 3L)

interpolation_mode <- function(interpolation, allowed) {
  mode <- interpolation
  if (!is.character(mode)) mode <- names(torchvision_modes)[match(mode, torchvision_modes)]
  if (length(mode) != 1 || is.na(mode) || !mode %in% allowed) {
    known <- torchvision_modes[names(torchvision_modes) %in% allowed]
    refuse(interpolation, "interpolation", paste("one of", toString(sprintf("%d (\"%s\")", known, names(known)))))
  }
  mode
}

# c(height, width)
image_size <- function(img) {
  size <- dim(img)
  as.numeric(size[length(size) - 1:0])
}

resized_size <- function(img, size) {
  check_size(size, "size")
  if (length(size) == 2) {
    return(trunc(as.numeric(size)))
  }
  now <- image_size(img)
  size <- trunc(as.numeric(size))
  if (now[[1]] <= now[[2]]) c(size, trunc(size * now[[2]] / now[[1]])) else c(trunc(size * now[[1]] / now[[2]]), size)
}

# Calls f with an N x C x H x W view of img; the result has the leading dimensions of img again.
on_image_batch <- function(img, f) {
  shape <- img$shape
  n <- length(shape)
  if (n == 4) {
    return(f(img))
  }
  if (n == 3) {
    return(f(img$unsqueeze(1))$squeeze(1))
  }
  y <- f(img$reshape(c(if (n == 2) c(1, 1) else c(-1, shape[[n - 2]]), shape[n - 1], shape[n])))
  y$reshape(c(if (n > 2) shape[seq_len(n - 2)], y$shape[3:4]))
}

#' @rdname transform_resize
#' @export
transform_hflip <- function(img) UseMethod("transform_hflip")

#' @export
transform_hflip.default <- function(img) {
  img <- as_image(img)
  torch_flip(img, length(dim(img)))
}

#' @rdname transform_resize
#' @export
transform_vflip <- function(img) UseMethod("transform_vflip")

#' @export
transform_vflip.default <- function(img) {
  img <- as_image(img)
  torch_flip(img, length(dim(img)) - 1)
}

#' @rdname transform_resize
#' @export
transform_crop <- function(img, top, left, height, width) UseMethod("transform_crop")

#' @export
transform_crop.default <- function(img, top, left, height, width) {
  img <- as_image(img)
  now <- image_size(img)
  check_number(top, "top")
  check_number(left, "left")
  check_number(height, "height")
  check_number(width, "width")
  part <- trunc(as.numeric(c(top, left, height, width)))
  if (any(part < 1) || part[[1]] + part[[3]] - 1 > now[[1]] || part[[2]] + part[[4]] - 1 > now[[2]]) {
    value_error(sprintf(
      "rows %d to %d and columns %d to %d do not lie within an image of %d x %d.",
      part[[1]], part[[1]] + part[[3]] - 1, part[[2]], part[[2]] + part[[4]] - 1, now[[1]], now[[2]]
    ))
  }
  n <- length(img$shape)
  img$narrow(n - 1, part[[1]], part[[3]])$narrow(n, part[[2]], part[[4]])
}

square_size <- function(size) {
  check_size(size, "size")
  trunc(rep_len(as.numeric(size), 2))
}

#' @rdname transform_resize
#' @export
transform_center_crop <- function(img, size) UseMethod("transform_center_crop")

#' @export
transform_center_crop.default <- function(img, size) {
  img <- as_image(img)
  size <- square_size(size)
  short <- pmax(size - image_size(img), 0)
  if (any(short > 0)) {
    before <- short %/% 2
    after <- (short + 1) %/% 2
    img <- transform_pad(img, c(before[[2]], after[[2]], before[[1]], after[[1]]))
  }
  # Halves are rounded to even, as PyTorch does.
  first <- round((image_size(img) - size) / 2) + 1
  transform_crop(img, first[[1]], first[[2]], size[[1]], size[[2]])
}

#' @rdname transform_resize
#' @export
transform_resized_crop <- function(img, top, left, height, width, size, interpolation = 2) {
  UseMethod("transform_resized_crop")
}

#' @export
transform_resized_crop.default <- function(img, top, left, height, width, size, interpolation = 2) {
  transform_resize(transform_crop(img, top, left, height, width), square_size(size), interpolation)
}

#' @rdname transform_resize
#' @export
transform_five_crop <- function(img, size) UseMethod("transform_five_crop")

#' @export
transform_five_crop.default <- function(img, size) {
  img <- as_image(img)
  size <- square_size(size)
  now <- image_size(img)
  if (any(size > now)) {
    value_error(sprintf("`size` %d x %d is larger than the image, %d x %d.", size[[1]], size[[2]], now[[1]], now[[2]]))
  }
  last <- now - size + 1
  corner <- function(top, left) transform_crop(img, top, left, size[[1]], size[[2]])
  list(
    corner(1, 1), corner(1, last[[2]]), corner(last[[1]], 1), corner(last[[1]], last[[2]]),
    transform_center_crop(img, size)
  )
}

#' @rdname transform_resize
#' @export
transform_ten_crop <- function(img, size, vertical_flip = FALSE) UseMethod("transform_ten_crop")

#' @export
transform_ten_crop.default <- function(img, size, vertical_flip = FALSE) {
  img <- as_image(img)
  flipped <- if (vertical_flip) transform_vflip(img) else transform_hflip(img)
  c(transform_five_crop(img, size), transform_five_crop(flipped, size))
}

#' @rdname transform_resize
#' @export
transform_pad <- function(img, padding, fill = 0, padding_mode = "constant") UseMethod("transform_pad")

#' @export
transform_pad.default <- function(img, padding, fill = 0, padding_mode = "constant") {
  img <- as_image(img)
  sides <- padding_sides(padding)
  now <- image_size(img)
  if (any(now + c(sum(sides[3:4]), sum(sides[1:2])) < 1)) {
    value_error(sprintf("`padding` cuts away more than there is of an image of %d x %d.", now[[1]], now[[2]]))
  }
  if (padding_mode == "constant") {
    return(pad_constant(img, sides, fill))
  }
  rows <- padded_positions(now[[1]], sides[[3]], sides[[4]], padding_mode)
  columns <- padded_positions(now[[2]], sides[[1]], sides[[2]], padding_mode)
  n <- length(img$shape)
  img$index_select(n - 1, torch_tensor(as.integer(rows)))$index_select(n, torch_tensor(as.integer(columns)))
}

# left, right, top, bottom
padding_sides <- function(padding) {
  check_numbers(padding, "padding", c(1, 2, 4))
  padding <- trunc(as.numeric(padding))
  switch(length(padding), rep(padding, 4), rep(padding, each = 2), NULL, padding)
}

pad_constant <- function(img, sides, fill) {
  now <- image_size(img)
  cut <- pmax(-sides, 0)
  size <- now - c(cut[[3]] + cut[[4]], cut[[1]] + cut[[2]])
  if (any(cut > 0)) img <- transform_crop(img, cut[[3]] + 1, cut[[1]] + 1, size[[1]], size[[2]])
  sides <- pmax(sides, 0)
  shape <- img$shape
  n <- length(shape)
  y <- torch_full(c(shape[seq_len(n - 2)], size + c(sides[[3]] + sides[[4]], sides[[1]] + sides[[2]])), fill,
    dtype = img$dtype
  )
  y$narrow(n - 1, sides[[3]] + 1, size[[1]])$narrow(n, sides[[1]] + 1, size[[2]])$copy_(img)
  y
}

# Which of 1 .. n stands at each place after padding.
padded_positions <- function(n, before, after, mode) {
  at <- seq(1 - before, n + after)
  switch(mode,
    edge = pmin(pmax(at, 1), n),
    reflect = {
      if (max(before, after) >= n) value_error("reflected padding must be smaller than the image.")
      if (min(before, after) < 0) value_error("reflected padding must not be negative.")
      at <- abs(at - 1) + 1
      n - abs(n - at)
    },
    symmetric = {
      if (min(before, after) < 0) value_error("symmetric padding must not be negative.")
      if (max(before, after) > n) value_error("symmetric padding must not be larger than the image.")
      at <- ifelse(at < 1, 1 - at, at)
      ifelse(at > n, 2 * n + 1 - at, at)
    },
    refuse_choice(mode, "padding_mode", c("constant", "edge", "reflect", "symmetric"))
  )
}
