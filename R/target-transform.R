#' Transform targets
#'
#' For the `target_transform` of data sets with boxes or masks: a target is a list with `boxes`, `segmentation`
#' (polygons), or `trimap`, and the `image_height` and `image_width` that they refer to.
#'
#' @param target,y the target.
#' @param size `c(height, width)`, or the length of the longer side.
#' @return The target. `target_transform_resize()` scales `boxes` and keeps the new size.
#'   `target_transform_coco_masks()` adds `masks`, logical, objects x H x W, from the polygons;
#'   `target_transform_trimap_masks()` adds `masks`, 3 x H x W, where the trimap is 1, 2 and 3.
#' @section Errors: a `value_error` where a field is missing.
#' @examples
#' square <- list(list(c(1, 1, 5, 1, 5, 5, 1, 5)))
#' boxes <- torch_tensor(matrix(c(1, 1, 5, 5), 1))
#' target <- list(boxes = boxes, segmentation = square, image_height = 8, image_width = 6)
#' target_transform_resize(target, c(16, 6))$boxes
#' target_transform_coco_masks(target)$masks$sum()
#' @export
target_transform_resize <- function(target, size) UseMethod("target_transform_resize")

#' @export
target_transform_resize.default <- function(target, size) {
  now <- target_fields(target, c("boxes", "image_height", "image_width"))
  now <- as.numeric(c(now$image_height, now$image_width))
  check_size(size, "size")
  new <- if (length(size) == 1) round(now * size / max(now)) else as.numeric(size)
  boxes <- target$boxes
  target$boxes <- boxes * torch_tensor(rep(rev(new / now), 2), dtype = boxes$dtype)
  target$image_height <- new[[1]]
  target$image_width <- new[[2]]
  target
}

target_fields <- function(target, fields) {
  missing <- setdiff(fields, names(target))
  if (!is.list(target) || length(missing) > 0) {
    value_error(sprintf("the target must be a list with %s, but has no %s.", toString(fields), toString(missing)))
  }
  unclass(target)[fields]
}

#' @rdname target_transform_resize
#' @export
target_transform_coco_masks <- function(y) UseMethod("target_transform_coco_masks")

#' @export
target_transform_coco_masks.default <- function(y) {
  fields <- target_fields(y, c("segmentation", "image_height", "image_width"))
  size <- as.integer(c(fields$image_height, fields$image_width))
  drawn <- Filter(function(polygons) is.list(polygons) && length(polygons) > 0, fields$segmentation)
  masks <- array(FALSE, c(length(drawn), size))
  for (i in seq_along(drawn)) {
    inside <- matrix(FALSE, size[[1]], size[[2]])
    for (polygon in drawn[[i]]) {
      points <- unlist(polygon)
      points <- matrix(points[seq_len(length(points) %/% 2 * 2)], ncol = 2, byrow = TRUE)
      if (nrow(points) >= 3) inside[which_inside(list(points), size)] <- TRUE
    }
    masks[i, , ] <- inside
  }
  y$masks <- if (length(drawn) > 0) torch_tensor(masks) else torch_zeros(c(0, size), dtype = torch_bool())
  y
}

#' @rdname target_transform_resize
#' @export
target_transform_trimap_masks <- function(y) UseMethod("target_transform_trimap_masks")

#' @export
target_transform_trimap_masks.default <- function(y) {
  trimap <- as_tensor(target_fields(y, "trimap")$trimap, "trimap")
  if (length(dim(trimap)) != 2) value_error("`trimap` must be H x W.")
  y$masks <- torch_stack(lapply(1:3, function(k) trimap == k))
  y
}

#' Turn the boxes of a target
#'
#' `target_transform_rotate()` turns each box about its middle and makes it so much smaller that it stays within the
#' picture, where its size is known. `target_transform_affine()` moves the middles of boxes as [transform_affine()]
#' moves the picture. Both give boxes with an angle, see [box_xyxy_to_xyxyr()].
#'
#' @param target a list with `boxes`, and `image_height` and `image_width`; or a [dataset()] whose targets are such
#'   lists (`target_transform_rotate()`).
#' @param angle,translate,scale,shear,center as for [transform_affine()].
#' @return The target, with boxes N x 5; a dataset for a dataset.
#' @section Errors: a `value_error` where a field is missing.
#' @examples
#' target <- list(boxes = torch_tensor(matrix(c(2, 2, 6, 4), 1)), image_height = 8, image_width = 8)
#' target_transform_rotate(target, 90)$boxes
#' target_transform_affine(target, translate = c(1, 0))$boxes
#' @export
target_transform_rotate <- function(target, angle = 0) UseMethod("target_transform_rotate")

#' @export
target_transform_rotate.dataset <- function(target, angle = 0) {
  before <- target$target_transform %||% identity
  target$target_transform <- function(y) target_transform_rotate(before(y), angle)
  target
}

#' @export
target_transform_rotate.default <- function(target, angle = 0) {
  boxes <- target_fields(target, "boxes")$boxes
  turned <- box_xyxy_to_xyxyr(boxes, angle)
  if (!is.null(target$image_height) && !is.null(target$image_width)) {
    size <- as.numeric(c(target$image_height, target$image_width))
    turned <- within_picture(boxes, turned$narrow(2, 5, 1), size[[1]], size[[2]])
  }
  target$boxes <- turned
  target
}

# Boxes about their middles, as large as their turned corners leave room for, with their angles.
within_picture <- function(boxes, angle, height, width) {
  column <- function(k) boxes$narrow(2, k, 1)
  x <- (column(1) + column(3)) / 2
  y <- (column(2) + column(4)) / 2
  hw <- (column(3) - column(1)) / 2
  hh <- (column(4) - column(2)) / 2
  rad <- torch_deg2rad(angle)
  turned <- lapply(list(c(-1, -1), c(1, -1)), function(s) {
    list(abs(hw * s[[1]] * cos(rad) - hh * s[[2]] * sin(rad)), abs(hw * s[[1]] * sin(rad) + hh * s[[2]] * cos(rad)))
  })
  reach <- lapply(1:2, function(k) torch_clamp(torch_maximum(turned[[1]][[k]], turned[[2]][[k]]), min = 1e-8))
  room <- list(torch_minimum(x, width - x), torch_minimum(y, height - y))
  scale <- torch_clamp(torch_minimum(room[[1]] / reach[[1]], room[[2]] / reach[[2]]), min = 0, max = 1)
  torch_cat(list(x - hw * scale, y - hh * scale, x + hw * scale, y + hh * scale, angle), dim = 2)
}

#' @rdname target_transform_rotate
#' @export
target_transform_affine <- function(target, angle = 0, translate = c(0, 0), scale = 1, shear = 0, center = NULL) {
  UseMethod("target_transform_affine")
}

#' @export
target_transform_affine.default <- function(target, angle = 0, translate = c(0, 0), scale = 1, shear = 0,
                                            center = NULL) {
  boxes <- target_fields(target, c("boxes", if (is.null(center)) c("image_height", "image_width")))$boxes
  at <- center %||% c(as.numeric(target$image_width), as.numeric(target$image_height)) / 2
  rad <- pi / 180 * c(angle, rep_len(c(shear, 0), 2))
  turn <- rad[[1]] - rad[[3]]
  m <- scale * rbind(
    c(cos(turn) / cos(rad[[3]]), -cos(turn) * tan(rad[[2]]) / cos(rad[[3]]) - sin(rad[[1]])),
    c(sin(turn) / cos(rad[[3]]), -sin(turn) * tan(rad[[2]]) / cos(rad[[3]]) + cos(rad[[1]]))
  )
  low <- boxes$narrow(2, 1, 2)
  high <- boxes$narrow(2, 3, 2)
  middle <- torch_matmul((low + high) / 2 - at, t(m)) + (at + translate)
  half <- (high - low) / 2 * scale
  moved <- list(middle - half, middle + half)
  if (dim(boxes)[[2]] == 5) moved <- c(moved, boxes$narrow(2, 5, 1))
  target$boxes <- box_xyxy_to_xyxyr(torch_cat(moved, dim = 2), angle)
  target
}

# ---- pictures in windows (SAHI) ----

#' Large pictures in overlapping windows
#'
#' `prepare_sahi_split()` lays windows over a picture, `transform_sahi_crop()` cuts a picture into them, and
#' `target_transform_sahi_crop()` gives each window the boxes that lie in it.
#'
#' @param x a picture (tensor ... x H x W, magick image), `c(height, width)`, or a [dataset()] whose first picture
#'   tells.
#' @param size `c(height, width)` of the windows.
#' @param overlap_size_ratio shares of the height and the width by which neighbours overlap.
#' @param sahi_split what `prepare_sahi_split()` gave.
#' @param y a target: a list with `boxes` (N x 4), `labels`, and perhaps `area` and `iscrowd`; or a list of targets.
#' @param min_area_ratio smallest share of a box that is worth keeping.
#' @return `prepare_sahi_split()`: a list with `crop_windows` (`top`, `left` from 1, `height`, `width`), of class
#'   `sahi_split`. `transform_sahi_crop()`: the windows, in the first dimension. `target_transform_sahi_crop()`: a list
#'   of targets, one for each window.
#' @section Errors: a `value_error` for other sizes and objects.
#' @source Akyon et al. (2022), Slicing aided hyper inference, <https://arxiv.org/abs/2202.06934>.
#' @examples
#' split <- prepare_sahi_split(c(100, 80), size = c(60, 60))
#' length(split$crop_windows)
#' transform_sahi_crop(torch_zeros(3, 100, 80), split)$shape
#' @export
prepare_sahi_split <- function(x, size = c(512L, 512L), overlap_size_ratio = c(0.2, 0.2)) {
  UseMethod("prepare_sahi_split")
}

#' @export
prepare_sahi_split.default <- function(x, size = c(512L, 512L), overlap_size_ratio = c(0.2, 0.2)) {
  now <- if (is.numeric(x) && is.null(dim(x))) x else image_size(if (inherits(x, "magick-image")) as_image(x) else x)
  check_size(now, "x", square = FALSE)
  check_size(size, "size", square = FALSE)
  check_numbers(overlap_size_ratio, "overlap_size_ratio", 2, 0)
  window <- pmin(as.integer(size), as.integer(now))
  starts <- lapply(1:2, function(k) {
    step <- max(as.integer(size[[k]] - round(size[[k]] * overlap_size_ratio[[k]])), 1L)
    n <- max(ceiling((now[[k]] - window[[k]]) / step) + 1, 1)
    as.integer(pmin((seq_len(n) - 1) * step, now[[k]] - window[[k]]))
  })
  at <- expand.grid(left = starts[[2]], top = starts[[1]])
  windows <- Map(function(top, left) list(top = top + 1L, left = left + 1L, height = window[[1]], width = window[[2]]),
    at$top, at$left)
  structure(list(crop_windows = windows, size = size, overlap_size_ratio = overlap_size_ratio,
    image_height = now[[1]], image_width = now[[2]]), class = "sahi_split")
}

#' @export
prepare_sahi_split.dataset <- function(x, size = c(512L, 512L), overlap_size_ratio = c(0.2, 0.2)) {
  if (length(x) == 0) value_error("`x` has no picture that would tell the size.")
  picture <- x[1]$x
  now <- if (is_tensor(picture)) utils::tail(dim(picture), 2) else dim(picture)[1:2]
  prepare_sahi_split(as.numeric(now), size, overlap_size_ratio)
}

check_split <- function(x) if (!inherits(x, "sahi_split")) refuse(x, "sahi_split", "made by prepare_sahi_split()")

#' @rdname prepare_sahi_split
#' @export
transform_sahi_crop <- function(x, sahi_split) UseMethod("transform_sahi_crop")

#' @export
transform_sahi_crop.default <- function(x, sahi_split) {
  check_split(sahi_split)
  cut <- lapply(sahi_split$crop_windows, function(w) transform_crop(x, w$top, w$left, w$height, w$width))
  if (inherits(x, "magick-image")) {
    return(magick::image_join(cut))
  }
  cut <- torch_stack(cut)
  if (length(dim(cut)) == 5) torch_flatten(cut, start_dim = 1, end_dim = 2) else cut
}

#' @rdname prepare_sahi_split
#' @export
target_transform_sahi_crop <- function(y, sahi_split, min_area_ratio = 0.1) UseMethod("target_transform_sahi_crop")

#' @export
target_transform_sahi_crop.default <- function(y, sahi_split, min_area_ratio = 0.1) {
  if (is.list(y) && !"boxes" %in% names(y)) {
    splits <- if (inherits(sahi_split, "sahi_split")) list(sahi_split) else sahi_split
    return(unname(Map(function(one, split) target_transform_sahi_crop(one, split, min_area_ratio), y, splits)))
  }
  check_split(sahi_split)
  boxes <- target_fields(y, "boxes")$boxes
  corners <- matrix(as_array(boxes), ncol = 4)
  lapply(sahi_split$crop_windows, function(w) boxes_in_window(y, corners, w, min_area_ratio))
}

boxes_in_window <- function(y, corners, w, min_area_ratio) {
  start <- c(w$left, w$top) - 1
  limit <- start + c(w$width, w$height)
  area <- function(x) (x[, 3] - x[, 1]) * (x[, 4] - x[, 2])
  inside <- corners
  for (k in 1:4) inside[, k] <- pmin(pmax(corners[, k], start[[2 - k %% 2]]), limit[[2 - k %% 2]])
  kept <- which(area(inside) > 0 & area(inside) / area(corners) >= min_area_ratio)
  picked <- function(x) if (is_tensor(x)) torch_index_select(x, 1, kept) else x[kept]
  shifted <- sweep(inside[kept, , drop = FALSE], 2, rep(start, 2))
  area_before <- y$area
  y$boxes <- torch_tensor(matrix(shifted, ncol = 4), dtype = y$boxes$dtype)
  for (field in intersect(c("labels", "iscrowd"), names(y))) y[[field]] <- picked(y[[field]])
  if (!is.null(area_before)) y$area <- torch_tensor(area(inside)[kept], dtype = area_before$dtype)
  if (!is.null(y$image_height)) y$image_height <- w$height
  if (!is.null(y$image_width)) y$image_width <- w$width
  y
}
