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
