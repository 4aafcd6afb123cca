#' Boxes around objects
#'
#' Boxes are tensors N x 4 of pixels: `"xyxy"` (left, top, right, bottom), `"xywh"` (left, top, width, height) or
#' `"cxcywh"` (middle, width, height). All functions but `box_convert()` take `"xyxy"`.
#'
#' @param boxes,boxes1,boxes2 tensors N x 4 (`box_convert()`, `clip_boxes_to_image()`: ... x 4).
#' @param in_fmt,out_fmt `"xyxy"`, `"xywh"` or `"cxcywh"`.
#' @param size `c(height, width)` of the image.
#' @param min_size smallest width and height to keep.
#' @param scores tensor of N numbers.
#' @param iou_threshold a box goes when it overlaps a better one by more than this.
#' @param idxs tensor of N classes: only boxes of one class push each other out.
#' @return `box_convert()`, `clip_boxes_to_image()`: boxes. `box_area()`: N numbers. `box_iou()`,
#'   `generalized_box_iou()`: N x M numbers, intersection over union, and that less the share of the smallest box
#'   around both that neither fills. `remove_small_boxes()`, `nms()`, `batched_nms()`: the numbers of the boxes to
#'   keep, from 1 (Long); the latter two by falling score.
#' @section Errors: a `value_error` for other shapes and unknown formats.
#' @source Rezatofighi et al. (2019) Generalized intersection over union, <https://arxiv.org/abs/1902.09630>.
#' @examples
#' boxes <- torch_tensor(rbind(c(0, 0, 10, 10), c(1, 1, 10, 10), c(20, 20, 30, 30)))
#' box_area(boxes)
#' box_iou(boxes, boxes)
#' nms(boxes, torch_tensor(c(0.9, 0.8, 0.7)), iou_threshold = 0.5)
#' box_convert(boxes, "xyxy", "cxcywh")
#' @export
box_convert <- function(boxes, in_fmt, out_fmt) {
  boxes <- as_boxes(boxes, "boxes", any_rank = TRUE)
  check_choice(in_fmt, "in_fmt", box_formats)
  check_choice(out_fmt, "out_fmt", box_formats)
  if (in_fmt == out_fmt) {
    return(boxes$clone())
  }
  n <- length(boxes$shape)
  first <- boxes$narrow(n, 1, 2)
  second <- boxes$narrow(n, 3, 2)
  corners <- switch(in_fmt,
    xyxy = list(first, second),
    xywh = list(first, first + second),
    cxcywh = list(first - second / 2, first + second / 2)
  )
  size <- corners[[2]] - corners[[1]]
  torch_cat(switch(out_fmt,
    xyxy = corners,
    xywh = list(corners[[1]], size),
    cxcywh = list((corners[[1]] + corners[[2]]) / 2, size)
  ), dim = n)
}

box_formats <- c("xyxy", "xywh", "cxcywh")

as_boxes <- function(x, name, any_rank = FALSE) {
  x <- as_tensor(x, name)
  size <- dim(x)
  if (length(size) == 0 || size[[length(size)]] != 4 || (!any_rank && length(size) != 2)) {
    value_error(sprintf("`%s` must be boxes, %s x 4, but its shape is [%s].", name, if (any_rank) "..." else "N",
      toString(size)))
  }
  x
}

#' @rdname box_convert
#' @export
box_area <- function(boxes) {
  boxes <- as_boxes(boxes, "boxes")
  size <- boxes$narrow(2, 3, 2) - boxes$narrow(2, 1, 2)
  size$select(2, 1) * size$select(2, 2)
}

#' @rdname box_convert
#' @export
box_iou <- function(boxes1, boxes2) {
  pairs <- overlaps(boxes1, boxes2)
  pairs$inside / pairs$union
}

#' @rdname box_convert
#' @export
generalized_box_iou <- function(boxes1, boxes2) {
  pairs <- overlaps(boxes1, boxes2)
  for (boxes in list(pairs$boxes1, pairs$boxes2)) {
    if (!as.logical((boxes$narrow(2, 3, 2) >= boxes$narrow(2, 1, 2))$all()$item())) {
      value_error("boxes must be \"xyxy\": right of left, bottom below top.")
    }
  }
  around <- pair_area(pairs$boxes1, pairs$boxes2, torch_minimum, torch_maximum)
  pairs$inside / pairs$union - (around - pairs$union) / around
}

# N x M areas: inside both of each pair, and inside either.
overlaps <- function(boxes1, boxes2) {
  boxes1 <- as_boxes(boxes1, "boxes1")
  boxes2 <- as_boxes(boxes2, "boxes2")
  inside <- pair_area(boxes1, boxes2, torch_maximum, torch_minimum)
  union <- box_area(boxes1)$unsqueeze(2) + box_area(boxes2)$unsqueeze(1) - inside
  list(boxes1 = boxes1, boxes2 = boxes2, inside = inside, union = union)
}

# Areas of the boxes from lower() of the upper left corners of each pair to upper() of the other corners.
pair_area <- function(boxes1, boxes2, lower, upper) {
  corner <- function(boxes, first, at) boxes$narrow(2, first, 2)$unsqueeze(at)
  size <- upper(corner(boxes1, 3, 2), corner(boxes2, 3, 1)) - lower(corner(boxes1, 1, 2), corner(boxes2, 1, 1))
  size <- torch_clamp(size, min = 0)
  size$select(3, 1) * size$select(3, 2)
}

#' @rdname box_convert
#' @export
clip_boxes_to_image <- function(boxes, size) {
  boxes <- as_boxes(boxes, "boxes", any_rank = TRUE)
  check_size(size, "size", square = FALSE)
  largest <- torch_tensor(rep(rev(as.numeric(size)), 2), dtype = boxes$dtype)
  torch_minimum(torch_clamp(boxes, min = 0), largest)
}

#' @rdname box_convert
#' @export
remove_small_boxes <- function(boxes, min_size) {
  boxes <- as_boxes(boxes, "boxes")
  check_number(min_size, "min_size", least = 0)
  corners <- as_array(boxes)
  large <- corners[, 3] - corners[, 1] >= min_size & corners[, 4] - corners[, 2] >= min_size
  torch_tensor(which(large), dtype = torch_long())
}

#' @rdname box_convert
#' @export
nms <- function(boxes, scores, iou_threshold) batched_nms(boxes, scores, NULL, iou_threshold)

#' @rdname box_convert
#' @export
batched_nms <- function(boxes, scores, idxs, iou_threshold) {
  boxes <- as_boxes(boxes, "boxes")
  check_number(iou_threshold, "iou_threshold")
  n <- dim(boxes)[[1]]
  scores <- as.vector(as_array(as_tensor(scores, "scores")))
  classes <- if (is.null(idxs)) rep(1, n) else as.vector(as_array(as_tensor(idxs, "idxs")))
  if (length(scores) != n || length(classes) != n) {
    value_error(sprintf("`scores` and `idxs` must hold one number for each of the %d boxes.", n))
  }
  torch_tensor(suppressed(as_array(boxes), scores, classes, iou_threshold), dtype = torch_long())
}

# The best box stays, those of its class that overlap it too much go, and so on with the best that is left. NaN is no
# overlap: two empty boxes stay beside each other.
suppressed <- function(boxes, scores, classes, threshold) {
  area <- (boxes[, 3] - boxes[, 1]) * (boxes[, 4] - boxes[, 2])
  left <- order(scores, decreasing = TRUE)
  kept <- integer()
  while (length(left) > 0) {
    best <- left[[1]]
    kept <- c(kept, best)
    left <- left[-1]
    width <- pmin(boxes[left, 3], boxes[best, 3]) - pmax(boxes[left, 1], boxes[best, 1])
    height <- pmin(boxes[left, 4], boxes[best, 4]) - pmax(boxes[left, 2], boxes[best, 2])
    inside <- pmax(width, 0) * pmax(height, 0)
    goes <- classes[left] == classes[[best]] & inside / (area[left] + area[[best]] - inside) > threshold
    left <- left[!(goes %in% TRUE)]
  }
  kept
}

#' Boxes that are turned
#'
#' `box_xyxy_to_xyxyr()` gives boxes around objects that are turned about their middles: left, top, right, bottom of the
#' upright box around what a box becomes, and the angle. Boxes that have an angle are turned further.
#'
#' @param boxes tensor N x 4 (left, top, right, bottom) or N x 5 (and the angle).
#' @param angle degrees, one number or N of them.
#' @return A tensor N x 5. At 45 degrees the sides of a box cannot be told from the upright box around it: boxes that
#'   have such an angle keep their area only roughly.
#' @section Errors: a `value_error` for other shapes.
#' @examples
#' box_xyxy_to_xyxyr(torch_tensor(matrix(c(0, 0, 4, 2), 1)), angle = 90)
#' @export
box_xyxy_to_xyxyr <- function(boxes, angle = 0) {
  boxes <- as_tensor(boxes, "boxes")
  size <- dim(boxes)
  if (length(size) != 2 || !size[[2]] %in% 4:5) {
    value_error(sprintf("`boxes` must be N x 4 or N x 5, but its shape is [%s].", toString(size)))
  }
  column <- function(k) boxes$narrow(2, k, 1)
  angle <- as_tensor(angle, "angle", boxes)$to(dtype = boxes$dtype)$reshape(c(-1, 1))$expand(c(size[[1]], 1))
  middle <- lapply(1:2, function(k) (column(k) + column(k + 2)) / 2)
  half <- lapply(1:2, function(k) (column(k + 2) - column(k)) / 2)
  if (size[[2]] == 5) {
    half <- lapply(unturned(half, column(5)), torch_clamp, min = 0)
    angle <- angle + column(5)
  }
  part <- turned_parts(angle)
  around <- list(half[[1]] * part$cos + half[[2]] * part$sin, half[[1]] * part$sin + half[[2]] * part$cos)
  torch_cat(list(middle[[1]] - around[[1]], middle[[2]] - around[[2]], middle[[1]] + around[[1]],
    middle[[2]] + around[[2]], angle), dim = 2)
}

turned_parts <- function(angle) {
  rad <- torch_deg2rad(angle)
  list(cos = torch_abs(torch_cos(rad)), sin = torch_abs(torch_sin(rad)))
}

# Half the sides of boxes, from those of the upright boxes around them.
unturned <- function(half, angle) {
  part <- turned_parts(angle)
  det <- torch_square(part$cos) - torch_square(part$sin)
  det <- torch_sign(det) * torch_clamp(torch_abs(det), min = 1e-6)
  list((part$cos * half[[1]] - part$sin * half[[2]]) / det, (part$cos * half[[2]] - part$sin * half[[1]]) / det)
}
