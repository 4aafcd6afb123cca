#' Polygons of objects
#'
#' The borders of objects, along the edges of pixels, as polygons with holes, so that areas are those of the pixels.
#'
#' @param x what [mask_objects()] returned, or a mask in a form that takes: then each connected region is a polygon.
#' @param ... arguments of [mask_objects()] where `x` is a mask.
#' @param as `"terra"`: a `SpatVector` of the package terra; `"table"`: a data frame of corners; `"auto"`: the former
#'   where terra is installed.
#' @return
#' * `"terra"`: a `SpatVector` of polygons with the columns of [mask_objects()]'s table. Coordinates are those of the
#'   map where `x` came from a raster, else in units of `pixel_size` with y upwards from the picture's lower edge, as
#'   terra places a matrix.
#' * `"table"`: a data frame with a row for each corner: `object`, `class`, `part` (an object whose pixels touch only
#'   at corners has several), `hole` (0 for the outer ring, else the number of the hole), `x`, `y`; coordinates of the
#'   map where there are such, else in units of `pixel_size` from the picture's left and top. Rings do not repeat
#'   their first corner; seen on the picture, outer ones go clockwise and holes anticlockwise.
#'
#'   For several masks a list of these.
#' @details Rings never cross or touch themselves; a hole may touch another ring at a point, as the Simple Features
#'   standard allows.
#' @examples
#' ring <- outer((1:20 - 10)^2, (1:20 - 10)^2, "+")
#' corners <- mask_polygons(ring <= 64 & ring >= 16, as = "table")
#' unique(corners[c("object", "part", "hole")])
#' plot(corners$x, corners$y, asp = 1, ylim = c(20, 0))
#' @export
mask_polygons <- function(x, ..., as = c("auto", "terra", "table")) {
  as <- choice(as, "as", c("auto", "terra", "table"))
  if (as == "auto") as <- if (rlang::is_installed("terra")) "terra" else "table"
  if (as == "terra" && !rlang::is_installed("terra")) {
    value_error("`as = \"terra\"` needs the package terra: install.packages(\"terra\"), or take `as = \"table\"`.")
  }
  if (!inherits(x, c("candela_objects", "candela_objects_list"))) x <- mask_objects(x, ...)
  if (inherits(x, "candela_objects")) polygons_of(x, as) else lapply(unclass(x), polygons_of, as)
}

polygons_of <- function(x, as) {
  corners <- object_corners(x$labels)
  height <- nrow(x$labels)
  if (!is.null(x$extent)) {
    corners$x <- x$extent[[1]] + corners$x * (x$extent[[2]] - x$extent[[1]]) / ncol(x$labels)
    corners$y <- x$extent[[4]] - corners$y * (x$extent[[4]] - x$extent[[3]]) / height
  } else {
    if (as == "terra") corners$y <- height - corners$y
    corners$x <- corners$x * x$pixel_size[[2]]
    corners$y <- corners$y * x$pixel_size[[1]]
  }
  if (as == "table") {
    return(cbind(corners["object"], class = x$table$class[corners$object], corners[-1]))
  }
  spat_vector(corners, x)
}

spat_vector <- function(corners, x) {
  table <- x$table
  table$class <- as.character(table$class)
  crs <- x$crs %||% ""
  if (nrow(corners) == 0) {
    empty <- terra::vect()
    if (nzchar(crs)) terra::crs(empty) <- crs
    return(empty)
  }
  terra::vect(as.matrix(corners[c("object", "part", "x", "y", "hole")]), "polygons", atts = table, crs = crs)
}

# Corners of all rings, in pixels from the left and the top: data frame of object, part, hole, x, y. Parts are what is
# connected by sides; each has one outer ring, from which those of holes are parted where they touch it.
object_corners <- function(labels) {
  pieces <- .Call(cdr_components, labels, 4)
  rings <- .Call(cdr_outline, pieces)
  names(rings) <- c("x", "y", "n", "piece", "crossed")
  # The object lies on the right of the way in memory, which holds columns; backwards it does so on the picture.
  rings <- lapply(rings, rev)
  ring <- rep(seq_along(rings$n), rings$n)
  key <- rings$y * (ncol(labels) + 1) + rings$x
  ring <- part_crossed(ring, key, which(rings$crossed), rings$n)
  order <- order(rings$piece[ring$from], ring$ring)
  from <- ring$from[order]
  ring <- match(ring$ring[order], unique(ring$ring[order]))
  x <- rings$x[order]
  y <- rings$y[order]
  object <- labels[measures_of(pieces)$first][rings$piece[from]]
  number_rings(data.frame(object = object, piece = rings$piece[from], ring = ring, x = x, y = y))
}

# Twice the area of each ring: positive where it goes clockwise on the picture.
ring_areas <- function(x, y, ring) {
  n <- length(x)
  ends <- which(c(ring[-1] != ring[-n], TRUE)[seq_len(n)])
  after <- seq_len(n) + 1L
  after[ends] <- c(1L, ends[-length(ends)] + 1L)[seq_along(ends)]
  as.vector(rowsum(as.numeric(x) * y[after] - as.numeric(x[after]) * y, ring))
}

number_rings <- function(corners) {
  if (nrow(corners) == 0) {
    return(data.frame(object = integer(), part = integer(), hole = integer(), x = numeric(), y = numeric()))
  }
  first <- !duplicated(corners$ring)
  rings <- corners[first, c("object", "piece", "ring")]
  rings$inner <- ring_areas(corners$x, corners$y, corners$ring) < 0
  rings <- rings[order(rings$object, rings$piece, rings$inner), ]
  new_part <- !duplicated(rings$piece)
  rings$part <- stats::ave(as.integer(new_part), rings$object, FUN = cumsum)
  rings$hole <- stats::ave(as.integer(rings$inner), rings$piece, FUN = cumsum)
  at <- match(corners$ring, rings$ring)
  order <- order(at)
  at <- at[order]
  data.frame(object = rings$object[at], part = rings$part[at], hole = rings$hole[at],
    x = as.numeric(corners$x[order]), y = as.numeric(corners$y[order]))
}

# Rings that pass a corner twice become several that do not. Two visits of a corner enclose a ring of its own, and
# such pairs of visits lie within one another or apart. Value: for each corner `from`, the ring it was in, and `ring`,
# the one it is in.
part_crossed <- function(ring, key, crossed, n) {
  ends <- cumsum(n)
  result <- as.numeric(ring)
  for (r in crossed) {
    at <- seq(ends[[r]] - n[[r]] + 1, ends[[r]])
    again <- duplicated(key[at])
    if (any(again)) result[at] <- r + loops_of(key[at], again) / (length(at) + 1)
  }
  list(from = ring, ring = result)
}

# For each corner of a ring the number of the loop it belongs to: 0, or the place where the loop began.
loops_of <- function(key, again) {
  partner <- match(key, key[again])
  loop <- integer(length(key))
  open <- 0
  from <- 1
  for (at in which(!is.na(partner))) {
    if (at > from) loop[from:(at - 1)] <- open[[length(open)]]
    from <- at
    open <- if (again[[at]]) open[-length(open)] else c(open, at)
  }
  loop[from:length(key)] <- open[[length(open)]]
  loop
}
