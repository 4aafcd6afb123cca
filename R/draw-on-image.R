#' Draw on images
#'
#' Boxes, masks and key points, drawn into a copy of an image.
#'
#' @param x,image image: tensor C x H x W with 1 or 3 channels, bytes (uint8) or floats of 0 to 1. `x` may also be an
#'   item of class `image_with_bounding_box` or `image_with_segmentation_mask`, a list `x`, `y` with the image and the
#'   list of `boxes` and `labels`, or `masks`.
#' @param ... passed on to methods: the following arguments.
#' @param boxes tensor N x 4: left, top, right, bottom in pixels from 0.
#' @param labels texts, one for each box or one for all; need the package magick.
#' @param colors names of colours, one for each box, mask or key point, or one for all; `NULL`: a palette.
#' @param fill whether boxes are filled.
#' @param width of lines, in pixels.
#' @param font,font_size of labels.
#' @param lazy leave out boxes that are empty; else they are an error.
#' @param masks logical tensor N x H x W or H x W; or floats N x H x W, scores of classes, of which the largest
#'   is drawn.
#' @param alpha opacity of masks, 0 to 1.
#' @param keypoints tensor of persons x points x 2, x and y in pixels from 0.
#' @param connectivity list of pairs of points that are joined by a line.
#' @param radius of points, in pixels.
#' @param browser,animate passed to `magick::image_browse()` and `magick::image_display()`.
#' @return A tensor of bytes, 3 x H x W. `tensor_image_browse()`, `tensor_image_display()`: nothing; the image is
#'   shown by magick in the browser, or in a window.
#' @section Errors: a `value_error` for batches, other numbers of channels, and numbers of colours or labels
#'   that fit not.
#' @examples
#' x <- torch_zeros(3, 20, 20)
#' framed <- draw_bounding_boxes(x, torch_tensor(matrix(c(3, 4, 12, 15), 1)), colors = "red")
#' framed[1, 5, 4:8]
#' mask <- torch_zeros(20, 20, dtype = torch_bool())
#' mask[5:10, 5:10] <- TRUE
#' draw_segmentation_masks(x, mask, colors = "blue", alpha = 0.5)[3, 4:6, 5]
#' @export
draw_bounding_boxes <- function(x, ...) UseMethod("draw_bounding_boxes")

#' @export
draw_bounding_boxes.default <- function(x, ...) refuse(x, "x", "an image, as a tensor, or an item with boxes")

#' @export
draw_bounding_boxes.image_with_bounding_box <- function(x, ...) {
  draw_bounding_boxes(x$x, boxes = x$y$boxes, labels = x$y$labels, ...)
}

#' @rdname draw_bounding_boxes
#' @export
draw_bounding_boxes.candela_tensor <- function(x, boxes, labels = NULL, colors = NULL, fill = FALSE, width = 1,
                                             font = c("serif", "plain"), font_size = 10, lazy = TRUE, ...) {
  canvas <- canvas_of(x)
  check_flag(fill, "fill")
  check_flag(lazy, "lazy")
  check_number(width, "width", 0)
  check_number(font_size, "font_size", 0)
  boxes <- as_array(as_boxes(boxes, "boxes"))
  n <- nrow(boxes)
  colors <- colours_for(colors, n, "box")
  if (is_tensor(labels)) labels <- as_array(labels)
  if (!is.null(labels)) labels <- rep_len(check_one_or_each(labels, n, "labels", "box"), n)
  full <- boxes[, 1] < boxes[, 3] & boxes[, 2] < boxes[, 4]
  if (!lazy && !all(full)) {
    value_error(sprintf("box %d is empty: left must be below right, top below bottom.", which(!full)[[1]]))
  }
  if (!any(full)) rlang::warn("There is no box to draw.")
  for (i in which(full)) canvas <- draw_box(canvas, boxes[i, ], colors[, i], fill, width)
  if (!is.null(labels) && any(full)) {
    colors <- colors[, full, drop = FALSE]
    canvas <- draw_texts(canvas, boxes[full, , drop = FALSE], labels[full], colors, font, font_size)
  }
  bytes_of(canvas)
}

# H x W x 3 numbers of 0 to 255.
canvas_of <- function(image) {
  check_tensor(image, "image")
  if (length(dim(image)) == 4 && dim(image)[[1]] == 1) image <- image$squeeze(1)
  if (length(dim(image)) != 3) value_error("Draw on one image, C x H x W, not on a batch.")
  if (!dim(image)[[1]] %in% c(1, 3)) value_error("Only images of 1 or 3 channels can be drawn on.")
  if (!is_float(image) && dtype_name(image$dtype) != "Byte") {
    type_error("the image must hold bytes (torch_uint8) or floats of 0 to 1.")
  }
  values <- aperm(as_array(image$detach()), c(2, 3, 1)) * (if (is_float(image)) 255 else 1)
  values[, , rep_len(seq_len(dim(values)[[3]]), 3), drop = FALSE]
}

bytes_of <- function(canvas) {
  torch_tensor(aperm(trunc(pmin(pmax(canvas, 0), 255)), c(3, 1, 2)))$to(dtype = torch_uint8())
}

check_one_or_each <- function(x, n, name, noun) {
  if (!length(x) %in% c(1, n)) {
    value_error(sprintf("`%s` must hold one value, or one for each %s (%d), but has %d.", name, noun, n, length(x)))
  }
  x
}

# 3 x n numbers of 0 to 255.
colours_for <- function(colors, n, noun) {
  colors <- check_one_or_each(colors %||% grDevices::hcl.colors(max(n, 1)), n, "colors", noun)
  grDevices::col2rgb(rep_len(colors, max(n, 1)))
}

painted <- function(canvas, where, colour, alpha = 1) {
  for (k in 1:3) {
    plane <- canvas[, , k]
    plane[where] <- plane[where] * (1 - alpha) + colour[[k]] * alpha
    canvas[, , k] <- plane
  }
  canvas
}

# The frame lies within the box, and is cut at the borders of the image.
draw_box <- function(canvas, box, colour, fill, width) {
  at <- trunc(box)
  within <- function(n, from, to) seq_len(n) - 1 >= from & seq_len(n) - 1 <= to
  rows <- function(inset) within(nrow(canvas), at[[2]] + inset, at[[4]] - inset)
  columns <- function(inset) within(ncol(canvas), at[[1]] + inset, at[[3]] - inset)
  where <- outer(rows(0), columns(0))
  if (!fill) where <- where & !outer(rows(width), columns(width))
  painted(canvas, where == 1, colour)
}

# On a sheet that R's margins fit on, however small the image.
draw_texts <- function(canvas, boxes, labels, colours, font, size) {
  needs_magick("labels")
  rows <- seq_len(nrow(canvas))
  columns <- seq_len(ncol(canvas))
  sheet <- array(0, c(pmax(dim(canvas)[1:2], 400), 3))
  sheet[rows, columns, ] <- canvas
  blank <- as_magick(torch_tensor(aperm(sheet / 255, c(3, 1, 2))))
  picture <- magick::image_draw(blank)
  colours <- grDevices::rgb(t(colours), maxColorValue = 255)
  graphics::text(boxes[, 1] + size, boxes[, 2] + 2, labels = labels, col = colours, vfont = font, cex = size / 10)
  grDevices::dev.off()
  rgb_of_magick(picture)[rows, columns, ] * 255
}

rgb_of_magick <- function(picture) {
  bytes <- unclass(magick::image_data(picture[1], "rgb"))
  aperm(array(as.integer(bytes) / 255, dim(bytes)), c(3, 2, 1))
}

needs_magick <- function(what) {
  if (!requireNamespace("magick", quietly = TRUE)) {
    runtime_error(sprintf("%s need the package magick: install.packages(\"magick\").", what))
  }
}

#' @rdname draw_bounding_boxes
#' @export
draw_segmentation_masks <- function(x, ...) UseMethod("draw_segmentation_masks")

#' @export
draw_segmentation_masks.default <- function(x, ...) type_error(sprintf(
  "`x` must be an image, as a tensor, or an item with masks, but got %s.", describe(x)))

#' @export
draw_segmentation_masks.image_with_segmentation_mask <- function(x, alpha = 0.5, ...) {
  draw_segmentation_masks(x$x, masks = x$y$masks, alpha = alpha, ...)
}

#' @rdname draw_bounding_boxes
#' @export
draw_segmentation_masks.candela_tensor <- function(x, masks, alpha = 0.8, colors = NULL, ...) {
  canvas <- canvas_of(x)
  check_number(alpha, "alpha", 0, 1)
  masks <- logical_masks(masks, dim(canvas)[1:2])
  if (length(masks) == 0) rlang::warn("There is no mask to draw.")
  if (!is.null(colors) && length(masks) %% length(colors) != 0) {
    value_error(sprintf("`colors` must be one for each of the %d masks, but there are %d.", length(masks),
      length(colors)))
  }
  colours <- grDevices::col2rgb(rep_len(colors %||% grDevices::hcl.colors(length(masks) + 1), length(masks)))
  over <- array(0, dim(canvas))
  for (i in seq_along(masks)) over <- over + outer(masks[[i]] + 0, colours[, i])
  bytes_of(trunc(canvas) * (1 - alpha) + pmin(over, 255) * alpha)
}

# A list of matrices.
logical_masks <- function(masks, size) {
  masks <- as_tensor(masks, "masks")
  if (length(dim(masks)) == 2) masks <- masks$unsqueeze(1)
  if (length(dim(masks)) != 3 || any(dim(masks)[2:3] != size)) {
    value_error(sprintf("`masks` must be N x %d x %d, as the image, but the shape is [%s].", size[[1]], size[[2]],
      toString(dim(masks))))
  }
  if (is_float(masks)) {
    best <- as_array(torch_argmax(masks, dim = 1))
    return(lapply(seq(min(best), max(best)), function(class) best == class))
  }
  values <- as_array(masks) != 0
  lapply(seq_len(dim(masks)[[1]]), function(i) matrix(values[i, , ], size[[1]]))
}

#' @rdname draw_bounding_boxes
#' @export
draw_keypoints <- function(image, keypoints, connectivity = NULL, colors = NULL, radius = 2, width = 3) {
  canvas <- canvas_of(image)
  keypoints <- as_tensor(keypoints, "keypoints")
  if (length(dim(keypoints)) != 3 || dim(keypoints)[[3]] != 2) {
    value_error(sprintf("`keypoints` must be persons x points x 2, but the shape is [%s].", toString(dim(keypoints))))
  }
  check_number(radius, "radius", 0)
  check_number(width, "width", 0)
  check_connectivity(connectivity, dim(keypoints)[[2]])
  points <- trunc(as_array(keypoints))
  colours <- colours_for(colors, dim(points)[[2]], "point")
  for (person in seq_len(dim(points)[[1]])) {
    for (pair in connectivity) {
      near <- near_line(dim(canvas), points[person, pair[[1]], ], points[person, pair[[2]], ], width / 2)
      canvas <- painted(canvas, near, colours[, pair[[1]]])
    }
    for (k in seq_len(dim(points)[[2]])) {
      at <- points[person, k, ]
      canvas <- painted(canvas, near_line(dim(canvas), at, at, radius), colours[, k])
    }
  }
  bytes_of(canvas)
}

# Pairs of the numbers of points.
check_connectivity <- function(connectivity, n) {
  is_pair <- function(pair) is.numeric(pair) && length(pair) == 2 && all(pair %in% seq_len(n))
  if (!is.null(connectivity) && !all(vapply(connectivity, is_pair, NA))) {
    value_error(sprintf("`connectivity` must be a list of pairs of numbers of points, from 1 to %d.", n))
  }
}

# Which pixels lie within `reach` of the line from one point to another.
near_line <- function(size, from, to, reach) {
  x <- matrix(seq_len(size[[2]]) - 1, size[[1]], size[[2]], byrow = TRUE) - from[[1]]
  y <- matrix(seq_len(size[[1]]) - 1, size[[1]], size[[2]]) - from[[2]]
  along <- to - from
  share <- if (all(along == 0)) 0 else pmin(pmax((x * along[[1]] + y * along[[2]]) / sum(along^2), 0), 1)
  (x - share * along[[1]])^2 + (y - share * along[[2]])^2 <= reach^2
}

#' @rdname draw_bounding_boxes
#' @export
tensor_image_browse <- function(image, browser = getOption("browser")) {
  needs_magick("pictures in the browser")
  magick::image_browse(picture_of(image), browser = browser)
  invisible(NULL)
}

#' @rdname draw_bounding_boxes
#' @export
tensor_image_display <- function(image, animate = TRUE) {
  needs_magick("pictures in a window")
  magick::image_display(picture_of(image), animate = animate)
  invisible(NULL)
}

picture_of <- function(image) as_magick(torch_tensor(aperm(canvas_of(image) / 255, c(3, 1, 2))))
