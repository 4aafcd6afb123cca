#' Objects in masks
#'
#' Finds the connected regions of a mask, parts those that touch, counts and measures them.
#'
#' @param mask classes in any form: what `segment()` returns; a matrix height x width, an array N x height x width or
#'   a tensor of class numbers, 0 where there is nothing (a logical matrix: `TRUE` is an object); a float tensor of
#'   scores, whose largest class counts; names of mask files; a `SpatRaster` of the package terra; a list of these.
#' @param classes what the numbers mean: as [segmentation_dataset()] takes it, such as `c(background = 0, cell = 255)`,
#'   for masks that hold stored values or colours; a model, a data set, names or a [class_table()] for masks of class
#'   numbers. `NULL`: the numbers are their own names.
#' @param objects names or numbers of the classes whose objects are wanted. `NULL`: all but the one called background
#'   (or ground, none, other, rest),
#'   or that of the value 0 where there are two.
#' @param connectivity 8: pixels that touch at a side or a corner belong together; 4: at a side.
#' @param part whether objects that touch are parted, by a watershed of the distance to their outside.
#' @param depth,neck,distance,smooth when two maxima of that distance are two objects: the lower one rises at least
#'   `depth` pixels above the pass between them, the pass is at most the share `neck` of it, and they are at least
#'   `distance` pixels apart. `smooth`: standard deviation in pixels of a bell that the distances are smoothed by first.
#'   More, or with `neck` less, means fewer parts.
#' @param min_area objects of less area are left out, in units of `area`.
#' @param pixel_size height and width of a pixel, or one number for both, for areas and lengths in physical units. For
#'   rasters that of a cell; there areas are in square units of the map, in degrees in square metres.
#' @param unit name of the unit of `pixel_size`, such as `"um"`.
#' @param image a picture of the same size (matrix, array height x width x bands, tensor bands x height x width, or the
#'   name of a file): its mean over each object becomes a column of the table.
#' @return An object of class `candela_objects`, for several masks a list of them. A list with
#'   * `labels`: an integer matrix, 0 or the number of the object, counted from the top, row by row;
#'   * `table`: a data frame with a row for each object: `id`, its number; `class`, a factor; `pixels`; `area`, in
#'     square
#'     units of `pixel_size`, or in pixels; `row`, `column` of the centroid (1 is the middle of the first pixel);
#'     `x`, `y`
#'     of it, from the left and the top of the picture in units of `pixel_size`, or coordinates of the map; `top`,
#'     `bottom`, `left`, `right`, its box in rows and columns; `perimeter`; `major`, `minor`, `angle`: axes of the
#'     ellipse of the same variances, and the direction of the longer one in degrees from the x axis,
#'     anticlockwise;
#'     `roundness`, 4 pi area / perimeter^2, at most 1; `at_border`: whether it touches the picture's border; and
#'     `mean`,
#'     or `mean_1`, ..., of `image`;
#'   * `classes`, `pixel_size`, `unit`, and of rasters `extent` and `crs`.
#'
#'   `print()` and `summary()` count by class, `as.data.frame()` gives the table (of several masks with a column
#'   `picture`), `plot()` draws the objects, [mask_polygons()] makes polygons.
#' @details Regions of different classes are different objects. The perimeter is Crofton's: ends of runs along rows,
#'   columns and both diagonals, each weighted by its share of directions; for discs it is right to about one per cent,
#'   where the edges of pixels are 4 / pi times as long.
#' @references Rosenfeld and Pfaltz (1966) Sequential operations in digital picture processing. Felzenszwalb and
#'   Huttenlocher (2012) Distance transforms of sampled functions, \doi{10.4086/toc.2012.v008a019}. Vincent and Soille
#'   (1991) Watersheds in digital spaces, \doi{10.1109/34.87344}.
#' @examples
#' # Two discs that touch.
#' at <- function(row, column, radius) outer((1:40 - row)^2, (1:60 - column)^2, "+") <= radius^2
#' mask <- at(20, 18, 12) | at(20, 40, 12)
#' mask_objects(mask)
#' cells <- mask_objects(mask, part = TRUE, pixel_size = 0.5, unit = "um")
#' as.data.frame(cells)[c("pixels", "area", "row", "column")]
#' plot(cells)
#' @export
mask_objects <- function(mask, classes = NULL, objects = NULL, connectivity = 8, part = FALSE, depth = 0.5, neck = 0.9,
                         distance = 0, smooth = 0, min_area = 0, pixel_size = NULL, unit = NULL, image = NULL) {
  if (!is_one_number(connectivity) || !connectivity %in% c(4, 8)) refuse(connectivity, "connectivity", "4 or 8")
  check_number(min_area, "min_area", 0)
  if (!is.null(pixel_size)) check_numbers(pixel_size, "pixel_size", 1:2, least = .Machine$double.xmin)
  if (!is.null(unit)) check_string(unit, "unit")
  rules <- parting_rules(part, depth, neck, distance, smooth)
  read <- class_masks(mask, classes)
  images <- if (!is.null(image)) pictures_for(image, length(read$masks))
  found <- Map(function(m, picture) {
    size <- pixel_size_of(m, pixel_size, unit)
    labels <- find_objects(m, wanted_classes(objects, m$classes), connectivity, rules)
    new_objects(m, labels, size, min_area, picture)
  }, read$masks, images %||% list(NULL))
  if (read$single) found[[1]] else structure(found, class = "candela_objects_list")
}

parting_rules <- function(part, depth, neck, distance, smooth) {
  check_flag(part, "part")
  check_number(depth, "depth", 0)
  check_number(neck, "neck", 0, 1)
  check_number(distance, "distance", 0)
  check_number(smooth, "smooth", 0, 50)
  if (part) as.double(c(depth, neck, distance, smooth))
}

pictures_for <- function(image, n) {
  if (is_tensor(image) && length(dim(image)) == 4) image <- lapply(seq_len(dim(image)[[1]]), function(i) image[i, , , ])
  if (is.character(image)) image <- as.list(image)
  if (!is.list(image)) image <- list(image)
  if (length(image) != n) value_error(sprintf("`image` has %d pictures, but there are %d masks.", length(image), n))
  image
}

# Height, width and name of the unit.
pixel_size_of <- function(m, pixel_size, unit) {
  size <- if (is.null(pixel_size)) m$cell %||% c(1, 1) else rep_len(as.numeric(pixel_size), 2)
  known <- if (is.null(pixel_size)) m$unit %||% (if (m$from == "raster") "map units" else "pixels") else "units"
  if (is.null(unit)) unit <- known
  list(size = size, unit = unit)
}

find_objects <- function(m, wanted, connectivity, rules) {
  mask <- m$mask
  if (!is.null(wanted)) mask[!mask %in% wanted] <- 0L
  labels <- .Call(cdr_components, mask, connectivity)
  if (is.null(rules)) labels else .Call(cdr_part_objects, labels, rules, connectivity)
}

new_objects <- function(m, labels, size, min_area, image) {
  table <- object_table(labels, m, size$size)
  keep <- table$area >= min_area
  if (!all(keep)) {
    number <- integer(nrow(table))
    number[keep] <- seq_len(sum(keep))
    labels[] <- c(0L, number)[labels + 1L]
    table <- table[keep, ]
  }
  table$id <- seq_len(nrow(table))
  rownames(table) <- NULL
  if (!is.null(image)) table <- cbind(table, object_means(labels, image, nrow(table)))
  structure(
    list(labels = labels, table = table, classes = m$classes, pixel_size = size$size, unit = size$unit,
      extent = m$extent, crs = m$crs),
    class = "candela_objects"
  )
}

# What cdr_measure_objects() gives of each, by name.
measures_of <- function(labels) {
  measures <- .Call(cdr_measure_objects, labels)
  colnames(measures) <- c("pixels", "first", "top", "bottom", "left", "right", "row", "column", "var_row", "var_column",
    "covariance", "along_rows", "along_columns", "diagonal_1", "diagonal_2")
  as.data.frame(measures)
}

object_table <- function(labels, m, size) {
  o <- measures_of(labels)
  class <- m$mask[o$first]
  names <- if (is.null(m$classes)) sort(unique(class)) else levels(m$classes$class)
  class <- if (is.null(m$classes)) factor(class, names) else factor(names[class], names)
  area <- if (is.null(m$row_area)) o$pixels * prod(size) else summed_by_row(labels, m$row_area, nrow(o))
  # Degrees are of different lengths along rows and columns.
  perimeter <- if (is.null(m$row_area)) crofton_perimeter(o, size) else rep(NA_real_, nrow(o))
  places <- places_of(o, m, size)
  cbind(
    data.frame(id = seq_len(nrow(o)), class = class, pixels = o$pixels, area = area, row = o$row, column = o$column,
      x = places$x, y = places$y, top = o$top, bottom = o$bottom, left = o$left, right = o$right,
      perimeter = perimeter),
    ellipse_axes(o, size),
    data.frame(roundness = pmin(1, 4 * pi * area / perimeter^2), at_border = o$top == 1 | o$left == 1 |
      o$bottom == nrow(labels) | o$right == ncol(labels))
  )
}

places_of <- function(o, m, size) {
  if (is.null(m$extent)) {
    return(list(x = (o$column - 0.5) * size[[2]], y = (o$row - 0.5) * size[[1]]))
  }
  list(x = m$extent[[1]] + (o$column - 0.5) * m$cell[[2]], y = m$extent[[4]] - (o$row - 0.5) * m$cell[[1]])
}

summed_by_row <- function(labels, weights, n) {
  inside <- labels > 0
  sums <- numeric(n)
  if (n > 0) sums[] <- rowsum(weights[row(labels)[inside]], labels[inside], reorder = TRUE)
  sums
}

# Half the integral, over directions and lines, of the number of times that lines cross the border. A direction stands
# for those up to the middle between it and its neighbours.
crofton_perimeter <- function(o, size) {
  slope <- atan2(size[[1]], size[[2]])
  between <- prod(size) / sqrt(sum(size^2))
  0.5 * (slope * size[[1]] * o$along_rows + (pi / 2 - slope) * size[[2]] * o$along_columns +
    pi / 4 * between * (o$diagonal_1 + o$diagonal_2))
}

# Each pixel is spread over its square, whose variance is 1/12.
ellipse_axes <- function(o, size) {
  yy <- (o$var_row + 1 / 12) * size[[1]]^2
  xx <- (o$var_column + 1 / 12) * size[[2]]^2
  xy <- -o$covariance * prod(size)
  spread <- sqrt((xx - yy)^2 / 4 + xy^2)
  middle <- (xx + yy) / 2
  data.frame(
    major = 4 * sqrt(middle + spread), minor = 4 * sqrt(pmax(middle - spread, 0)),
    angle = (atan2(2 * xy, xx - yy) / 2 * 180 / pi) %% 180
  )
}

object_means <- function(labels, image, n) {
  bands <- if (is.character(image)) image_read(image) else if (is_tensor(image)) planes_to_array(image) else image
  if (is.matrix(bands)) dim(bands) <- c(dim(bands), 1L)
  if (!is.numeric(bands) || length(dim(bands)) != 3 || !identical(dim(bands)[1:2], dim(labels))) {
    value_error(sprintf("`image` must have the size of the mask, %s, but has %s.", paste(dim(labels), collapse = " x "),
      paste(dim(bands), collapse = " x ")))
  }
  inside <- labels > 0
  at <- factor(labels[inside], seq_len(n))
  means <- lapply(seq_len(dim(bands)[[3]]), function(k) as.vector(tapply(bands[, , k][inside], at, mean)))
  names(means) <- if (length(means) == 1) "mean" else paste0("mean_", seq_along(means))
  as.data.frame(means)
}

# ---- methods ----

#' @export
as.data.frame.candela_objects <- function(x, ...) x$table

#' @export
as.data.frame.candela_objects_list <- function(x, ...) {
  names <- names(x) %||% as.character(seq_along(x))
  tables <- Map(function(objects, name) {
    cbind(picture = rep(name, nrow(objects$table)), objects$table, stringsAsFactors = FALSE)
  }, unclass(x), names)
  # Classes without names differ from mask to mask.
  table <- do.call(rbind, unname(tables))
  rownames(table) <- NULL
  table
}

#' @export
length.candela_objects <- function(x) nrow(x$table)

# length() is the number of objects, which must not be that of the list for those who walk over it.
#' @export
summary.candela_objects <- function(object, ...) {
  table <- object$table
  rows <- split(table, table$class)
  by_class <- data.frame(
    class = factor(names(rows), names(rows)), count = vapply(rows, nrow, 0L, USE.NAMES = FALSE),
    area = vapply(rows, function(r) sum(r$area), 0, USE.NAMES = FALSE),
    median_area = vapply(rows, function(r) if (nrow(r) > 0) stats::median(r$area) else NA_real_, 0, USE.NAMES = FALSE),
    share = vapply(rows, function(r) sum(r$pixels), 0, USE.NAMES = FALSE) / length(object$labels)
  )
  wanted <- by_class$count > 0 | !as.integer(by_class$class) %in% background_of(known_classes(object))
  by_class[wanted, , drop = FALSE]
}

known_classes <- function(object) {
  object$classes %||% data.frame(class = factor(character()), value = numeric())
}

#' @export
print.candela_objects <- function(x, ...) {
  n <- nrow(x$table)
  cat(sprintf("<candela_objects> %d object%s in %s pixels\n", n, if (n == 1) "" else "s",
    paste(dim(x$labels), collapse = " x ")))
  if (n > 0) {
    if (!identical(x$unit, "pixels")) cat(sprintf("areas in square %s, a pixel is %s\n", x$unit,
      paste(format(x$pixel_size), collapse = " x ")))
    print(summary.candela_objects(x), row.names = FALSE, digits = 4)
  }
  invisible(x)
}

#' @export
print.candela_objects_list <- function(x, ...) {
  counts <- vapply(unclass(x), function(o) nrow(o$table), 0L)
  cat(sprintf("<candela_objects_list> %d objects in %d masks\n", sum(counts), length(x)))
  names(counts) <- names(x) %||% seq_along(counts)
  print(counts)
  invisible(x)
}
