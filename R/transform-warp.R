#' Rotate, shear and distort images
#'
#' @inheritParams transform_resize
#' @param angle degrees; counter-clockwise for `transform_rotate()`, clockwise for `transform_affine()`.
#' @param interpolation 0 or `"nearest"` (keeps the classes of masks), 2 or `"bilinear"`.
#' @param expand enlarge the result so that it holds the whole rotated image.
#' @param center c(x, y) in pixels, the point that stays; `NULL` for the middle.
#' @param fill,fillcolor value outside the image; `NULL` for 0.
#' @param resample the former name of `interpolation`; still accepted, with a warning of class `deprecated`.
#' @param translate c(right, down) in pixels.
#' @param scale factor of enlargement.
#' @param shear degrees, one number (along x) or two (x, y).
#' @param startpoints,endpoints list of four points c(x, y), counted from 0, and where they shall be in the result.
#' @return A tensor of the shape (except with `expand`) and dtype of `img`.
#' @section Details:
#' Points are mapped about the middle of the image, in pixels, and each pixel of the result looks up its place in `img`.
#' Nearest rounds halves to even.
#' @examples
#' x <- torch_tensor(matrix(1:16, 4, byrow = TRUE))
#' transform_rotate(x, 90)
#' transform_affine(x, angle = 0, translate = c(1, 0), scale = 1, shear = 0)
#' @export
transform_rotate <- function(img, angle, interpolation = 0, expand = FALSE, center = NULL, fill = NULL, resample) {
  UseMethod("transform_rotate")
}

#' @export
transform_rotate.default <- function(img, angle, interpolation = 0, expand = FALSE, center = NULL, fill = NULL,
                                     resample) {
  if (!missing(resample)) {
    warn_deprecated("resample", "interpolation")
    interpolation <- resample
  }
  img <- as_image(img)
  interpolation_mode(interpolation, c("nearest", "bilinear"))
  angle <- as_number(angle, "angle")
  turned <- quarter_turns(img, angle / 90, expand, center, fill)
  if (!is.null(turned)) {
    return(turned)
  }
  matrix <- inverse_affine(middle_offset(img, center), -angle, c(0, 0), 1, c(0, 0))
  size <- if (expand) expanded_size(matrix, image_size(img)) else image_size(img)
  warp(img, affine_grid(matrix, image_size(img), size), interpolation, fill)
}

# Turned by whole quarters about the middle, every pixel lands on a pixel; NULL where it does not: the middle of the
# turned picture lies between two pixels when height and width differ by an odd number, unless the result takes its
# size.
quarter_turns <- function(img, turns, expand, center, fill) {
  now <- image_size(img)
  if (turns != floor(turns) || !is.null(center) || (turns %% 2 == 1 && !expand && diff(now) %% 2 == 1)) {
    return(NULL)
  }
  n <- length(img$shape)
  turned <- switch(turns %% 4 + 1,
    img$clone(),
    torch_flip(img$transpose(n - 1, n), n - 1),
    torch_flip(img, c(n - 1, n)),
    torch_flip(img$transpose(n - 1, n), n)
  )
  missing <- (now - image_size(turned)) / 2
  if (expand || all(missing == 0)) {
    return(turned)
  }
  transform_pad(turned, missing[c(2, 2, 1, 1)], fill = if (is.null(fill)) 0 else as_number(fill, "fill"))
}

warn_deprecated <- function(old, new) {
  rlang::warn(sprintf("'%s' is deprecated, use '%s' instead", old, new), class = "deprecated")
}

middle_offset <- function(img, center) {
  if (is.null(center)) {
    return(c(0, 0))
  }
  check_numbers(center, "center", 2)
  center - rev(image_size(img)) / 2
}

#' @rdname transform_rotate
#' @export
transform_affine <- function(img, angle, translate, scale, shear, interpolation = 0, fill = NULL, resample, fillcolor,
                             center = NULL) {
  UseMethod("transform_affine")
}

#' @export
transform_affine.default <- function(img, angle, translate, scale, shear, interpolation = 0, fill = NULL, resample,
                                     fillcolor, center = NULL) {
  if (!missing(resample)) {
    warn_deprecated("resample", "interpolation")
    interpolation <- resample
  }
  if (!missing(fillcolor)) {
    warn_deprecated("fillcolor", "fill")
    fill <- fillcolor
  }
  img <- as_image(img)
  translate <- as.numeric(unlist(translate))
  shear <- as.numeric(unlist(shear))
  check_numbers(translate, "translate", 2)
  if (as_number(scale, "scale") <= 0) value_error("`scale` must be positive.")
  check_numbers(shear, "shear", 1:2)
  if (length(shear) == 1) shear <- c(shear, 0)
  matrix <- inverse_affine(middle_offset(img, center), as_number(angle, "angle"), translate, scale, shear)
  warp(img, affine_grid(matrix, image_size(img), image_size(img)), interpolation, fill)
}

# The 2 x 3 matrix that takes a place of the result (x, y, 1) to its source, both counted from the middle:
# inverse of T(translate) C R(angle) Shear Scale C^-1.
inverse_affine <- function(center, angle, translate, scale, shear) {
  rotation <- angle * pi / 180
  sx <- shear[[1]] * pi / 180
  sy <- shear[[2]] * pi / 180
  a <- cos(rotation - sy) / cos(sy)
  b <- -cos(rotation - sy) * tan(sx) / cos(sy) - sin(rotation)
  c <- sin(rotation - sy) / cos(sy)
  d <- -sin(rotation - sy) * tan(sx) / cos(sy) + cos(rotation)
  linear <- matrix(c(d, -c, -b, a), 2) / scale
  cbind(linear, center - linear %*% (center + translate))
}

# Corners of the result that holds all of the rotated image; differences below 1e-4 of a pixel do not count.
expanded_size <- function(matrix, size) {
  corners <- rbind(c(-1, -1, 1, 1) * size[[2]] / 2, c(-1, 1, 1, -1) * size[[1]] / 2, 1)
  ends <- t(apply(matrix %*% corners, 1, range)) + rev(size) / 2
  ends <- trunc(ends * 1e4) / 1e4
  rev(ceiling(ends[, 2]) - floor(ends[, 1]))
}

# Pixel centres counted from the middle: columns x, y, 1; x runs fastest.
pixel_centres <- function(size) {
  x <- seq_len(size[[2]]) - 0.5 - size[[2]] / 2
  y <- seq_len(size[[1]]) - 0.5 - size[[1]] / 2
  cbind(rep(x, size[[1]]), rep(y, each = size[[2]]), 1)
}

# 1 x H x W x 2, x and y from -1 to 1 over `size_in`. Computed in steps of single precision, as PyTorch does: a quarter
# turn of an image with an odd difference of its sides asks for places half-way between pixels, and the last bit
# decides.
affine_grid <- function(matrix, size_in, size_out) {
  at <- pixel_centres(size_out)
  m <- as_single(as_single(matrix) / (rev(size_in) / 2))
  along <- function(k) as_single(fused(at[, 1] * m[k, 1], at[, 2] * m[k, 2]) + m[k, 3])
  as_grid(cbind(along(1), along(2)), size_out)
}

# a + b, rounded once to single precision. Where a is too small to be seen beside b in double precision, it still
# decides between two floats equally near; b, a product of few bits, is never closer than 2^-40 to such a case.
fused <- function(a, b) {
  a <- as_single(a)
  unseen <- abs(a) < abs(b) * 2^-40
  as_single(b + ifelse(unseen, sign(a) * abs(b) * 2^-40, a))
}

# Rounded to the nearest 32-bit float.
as_single <- function(x) {
  x[] <- as_array(torch_tensor(as.vector(x)))
  x
}

as_grid <- function(source, size) {
  torch_tensor(aperm(array(source, c(size[[2]], size[[1]], 2)), c(2, 1, 3)))$unsqueeze(1)
}

warp <- function(img, grid, interpolation, fill = NULL) {
  mode <- interpolation_mode(interpolation, c("nearest", "bilinear"))
  fill <- if (is.null(fill)) 0 else as_number(fill, "fill")
  sample <- function(x) {
    n <- x$shape[[1]]
    nnf_grid_sample(x, if (n == 1) grid else grid$expand(c(n, -1, -1, -1)),
      mode = mode, padding_mode = "zeros", align_corners = FALSE
    )
  }
  # Outside, zeros were read: what is read of an image of ones says how much.
  filled <- function(x) if (fill == 0) sample(x) else sample(x) + (1 - sample(torch_ones_like(x))) * fill
  on_image_batch(img, function(x) as_float_image(x, filled, rounded = TRUE))
}

#' @rdname transform_rotate
#' @export
transform_perspective <- function(img, startpoints, endpoints, interpolation = 2, fill = NULL) {
  UseMethod("transform_perspective")
}

#' @export
transform_perspective.default <- function(img, startpoints, endpoints, interpolation = 2, fill = NULL) {
  img <- as_image(img)
  warp(img, perspective_grid(startpoints, endpoints, image_size(img)), interpolation, fill)
}

perspective_grid <- function(startpoints, endpoints, size) {
  p <- perspective_coefficients(four_points(startpoints, "startpoints"), four_points(endpoints, "endpoints"))
  centres <- cbind(rep(seq_len(size[[2]]) - 0.5, size[[1]]), rep(seq_len(size[[1]]) - 0.5, each = size[[2]]), 1)
  source <- centres %*% cbind(p[1:3], p[4:6]) / as.vector(centres %*% c(p[7:8], 1))
  as_grid(sweep(source, 2, rev(size) / 2, "/") - 1, size)
}

four_points <- function(points, what) {
  if (is.list(points)) points <- do.call(rbind, lapply(points, function(p) as.numeric(unlist(p))))
  if (!is.numeric(points) || !identical(dim(points), c(4L, 2L))) {
    refuse(points, what, "a list of four points c(x, y)")
  }
  points
}

# (a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1) takes every end point to its start point.
perspective_coefficients <- function(start, end) {
  x <- end[, 1]
  y <- end[, 2]
  of_x <- cbind(x, y, 1, 0, 0, 0, -start[, 1] * x, -start[, 1] * y)
  of_y <- cbind(0, 0, 0, x, y, 1, -start[, 2] * x, -start[, 2] * y)
  tryCatch(unname(solve(rbind(of_x, of_y), c(start[, 1], start[, 2]))), error = function(e) {
    value_error("three of the four points lie on a line.")
  })
}
