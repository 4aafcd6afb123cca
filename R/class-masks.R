# Masks in any form, as matrices of class numbers with a table of classes: what counting, measuring and drawing start
# from.

# What the class that is no object is called: it stays clear in pictures, and has no objects.
background_words <- c("background", "bg", "backgr", "hintergrund", "ground", "none", "nothing", "other", "others",
  "rest")

# A list of masks: each a list with `mask`, an integer matrix whose numbers from 1 are classes (0 and NA are none),
# `classes`, a data frame as class_table() gives or NULL where numbers have no names, `from` ("pixels", "raster"), and
# of rasters `extent`, `crs`, `cell` (sizes of a cell). `single`: whether one was given by itself.
class_masks <- function(mask, classes = NULL, what = "mask") {
  if (inherits(mask, "candela_segmentation")) {
    own <- is.null(classes) || by_values(classes)
    return(segmented_masks(mask, if (own) mask$classes else class_table(classes), what))
  }
  if (inherits(mask, "SpatRaster")) {
    return(list(masks = list(raster_mask(mask, classes)), single = TRUE))
  }
  if (is.character(mask)) {
    masks <- lapply(mask, mask_of_file, classes)
    names(masks) <- if (length(mask) > 1) basename(mask)
    return(list(masks = masks, single = length(mask) == 1))
  }
  if (is.list(mask)) {
    mask <- Filter(Negate(is.null), mask)
    parts <- lapply(mask, class_masks, classes, what)
    masks <- unlist(lapply(unname(parts), `[[`, "masks"), recursive = FALSE)
    if (all(vapply(parts, function(p) length(p$masks), 0L) == 1)) names(masks) <- names(mask)
    return(list(masks = masks, single = FALSE))
  }
  if (is.factor(mask) && is.null(dim(mask))) refuse(mask, what, "a matrix of classes, or files")
  pieces <- matrices_of(mask, what)
  where <- sprintf("`%s` holds ", what)
  masks <- lapply(pieces, function(m) named_mask(list(values = m, kind = "value"), classes, where))
  list(masks = masks, single = length(masks) == 1 && length(dim(mask)) == 2)
}

# What segment() returned: masks in memory, or those that were written, with the size of their pixels.
segmented_masks <- function(x, classes, what) {
  read <- if (!is.null(x$mask)) class_masks(x$mask, classes, what) else written_masks(x$table, classes)
  sizes <- if (is.list(x$pixel_size)) x$pixel_size else list(x$pixel_size)
  read$masks <- Map(function(m, size) {
    if (is.null(m$cell)) m[c("cell", "unit")] <- list(size, attr(size, "unit"))
    m
  }, read$masks, if (length(sizes) %in% c(1, length(read$masks))) sizes else list(NULL))
  read
}

written_masks <- function(table, classes) {
  files <- unique(stats::na.omit(table$output))
  if (length(files) == 0) value_error("`mask` holds no masks, and none were written to files.")
  masks <- lapply(files, mask_of_file, classes)
  list(masks = stats::setNames(masks, basename(files)), single = length(files) == 1)
}

# Files hold the values or colours of the training masks, or class numbers. A table of classes knows the former: they
# are taken for them where it has all that are there.
mask_of_file <- function(path, classes) {
  stored <- read_mask_file(path)
  where <- sprintf("the mask '%s' holds ", path)
  if (!is.null(classes) && !by_values(classes)) {
    table <- class_table(classes)
    values <- if (stored$kind == "value") table$value else table$colour
    known <- if (stored$kind == "value") values else colour_code(values)
    if (!anyNA(values) && all(values_present(stored$values) %in% c(known, NA))) {
      classes <- stats::setNames(as.list(values), as.character(table$class))
    }
  }
  named_mask(stored, classes, where)
}

# Matrices of a matrix, an array N x H x W, or a tensor; scores N x K x H x W or K x H x W give the largest class.
matrices_of <- function(mask, what) {
  if (is_tensor(mask)) {
    if (is_float(mask)) return(masks_of(mask, what))
    mask <- as_array(mask$detach())
  }
  n <- length(dim(mask))
  if (is.factor(mask)) mask <- array(as.integer(mask), dim(mask))
  if (!(is.numeric(mask) || is.logical(mask)) || !n %in% 2:3) {
    refuse(mask, what, "a matrix of classes, a tensor, names of mask files, a raster, or what segment() returns")
  }
  if (n == 2) list(mask) else lapply(seq_len(dim(mask)[[1]]), function(i) first_piece(mask, i))
}

# Classes by their numbers, or, where `classes` gives the values that masks store, by these.
named_mask <- function(stored, classes, where) {
  plan <- if (by_values(classes) || stored$kind == "colour") class_plan(classes, NULL)
  if (!is.null(plan)) {
    plan <- plan_for_masks(plan, stored$kind == "colour")
    numbers <- classes_of_values(stored$values, plan, 0, where)
    attr(numbers, "odd") <- NULL
    numbers[numbers == void_class] <- NA
    return(list(mask = numbers, classes = table_of_plan(plan), from = "pixels"))
  }
  if (stored$kind == "colour") value_error(paste0(where, "colours: give `classes`; mask_classes() lists them."))
  numbers <- whole_numbers(stored$values, where)
  known <- if (!is.null(classes)) class_table(classes)
  if (!is.null(known) && max(numbers, 0L, na.rm = TRUE) > nrow(known)) {
    value_error(sprintf("%sclass %d, but there are %d classes: %s.", where, max(numbers, na.rm = TRUE), nrow(known),
      toString(levels(known$class))))
  }
  list(mask = numbers, classes = known, from = "pixels")
}

by_values <- function(classes) {
  (is.numeric(classes) && !is.null(names(classes))) || is.list(classes) && !is.object(classes) &&
    is.null(classes$scaling) || is.character(classes) && length(classes) == 1 && file.exists(classes)
}

whole_numbers <- function(x, where) {
  if (is.logical(x)) storage.mode(x) <- "integer"
  if (is.double(x)) {
    if (any(abs(x) > .Machine$integer.max, na.rm = TRUE) || any(x != floor(x), na.rm = TRUE)) {
      value_error(paste0(where, "numbers that are not whole: classes are numbers from 1, and 0 where there is none."))
    }
    storage.mode(x) <- "integer"
  }
  # What counts as void in targets, and NoData of rasters.
  if (length(x) > 0 && isTRUE(min(x, 0L, na.rm = TRUE) < 0)) x[which(x < 0L)] <- NA
  if (!identical(names(attributes(x)), "dim")) attributes(x) <- list(dim = dim(x))
  x
}

raster_mask <- function(x, classes) {
  if (terra::nlyr(x) != 1) {
    value_error(sprintf("`mask` must be a raster of one layer of classes, but has %d.", terra::nlyr(x)))
  }
  levels <- terra::levels(x)[[1]]
  known <- classes
  if (is.null(known) && is.data.frame(levels) && nrow(levels) > 0) {
    known <- stats::setNames(levels[[1]], as.character(levels[[2]]))
  }
  values <- matrix(terra::values(x, mat = FALSE), nrow(x), ncol(x), byrow = TRUE)
  read <- named_mask(list(values = values, kind = "value"), known, "the raster holds ")
  read$from <- "raster"
  read$extent <- as.vector(terra::ext(x))
  read$crs <- terra::crs(x)
  read$cell <- terra::res(x)[2:1]
  if (terra::is.lonlat(x, perhaps = FALSE, warn = FALSE)) {
    row_area <- terra::cellSize(x[[1]], unit = "m")
    read$row_area <- terra::values(row_area, mat = FALSE)[seq(1, by = ncol(x), length.out = nrow(x))]
  }
  read
}

# Numbers of the classes whose objects are wanted; `objects`: names or numbers of classes, or NULL for all but the
# background. NULL: all numbers from 1.
wanted_classes <- function(objects, classes) {
  if (is.null(classes)) {
    if (!is.null(objects) && !is.numeric(objects)) {
      refuse(objects, "objects", "numbers of classes, as the mask has no names for them")
    }
    return(objects)
  }
  names <- levels(classes$class)
  if (is.null(objects)) {
    return(setdiff(seq_along(names), background_of(classes)))
  }
  found <- if (is.numeric(objects)) objects else match(objects, names)
  if (anyNA(found) || any(!found %in% seq_along(names))) {
    refuse(objects, "objects", sprintf("classes among %s", toString(encodeString(names, quote = "\""))))
  }
  found
}

# The class that is no object: called so, or that of the value 0 where there is one other.
background_of <- function(classes) {
  named <- which(tolower(as.character(classes$class)) %in% background_words)
  if (length(named) == 0 && nrow(classes) == 2 && identical(classes$value[[1]], 0)) 1L else named
}

# n colours that can be told apart: those of the palette, then others around the circle of hues, light and dark.
distinct_colours <- function(n) {
  more <- n - length(class_palette)
  if (more <= 0) {
    return(class_palette[seq_len(max(n, 1))])
  }
  hue <- (seq_len(more) * 137.508) %% 360
  c(class_palette, grDevices::hcl(hue, c = 75, l = rep_len(c(70, 45, 85), more), fixup = TRUE))
}
