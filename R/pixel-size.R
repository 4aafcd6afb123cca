# How large a pixel is: what the user says, what a TIFF's tags tell, or the projection of a raster. It is
# c(height, width) with the attribute `unit` ("um", "m", ...), or NULL where nobody knows.

new_pixel_size <- function(size, unit) structure(rep_len(as.numeric(size), 2), unit = unit)

# `pixel_size`: one number or c(height, width), in micrometres or in the unit that its name says: c(um = 0.65).
given_pixel_size <- function(pixel_size) {
  if (is.null(pixel_size)) {
    return(NULL)
  }
  if (!is.numeric(pixel_size) || !length(pixel_size) %in% 1:2 || anyNA(pixel_size) || any(pixel_size <= 0)) {
    refuse(pixel_size, "pixel_size", "one number or c(height, width), above 0, with a unit or none: c(um = 0.65)")
  }
  unit <- names(pixel_size)[[1]] %||% "um"
  new_pixel_size(pixel_size, if (nzchar(unit)) unit else "um")
}

pixel_size_of_file <- function(path) {
  tags <- tiff_tags(path, c(270, 282, 283, 296))
  if (length(tags) == 0) NULL else size_from_description(tags) %||% size_from_resolution(tags)
}

micrometres <- c(um = 1, micron = 1, microns = 1, "\u00b5m" = 1, "\u03bcm" = 1, "\\u00B5m" = 1, nm = 1e-3, mm = 1e3,
  cm = 1e4, m = 1e6, inch = 25400)

# What microscopes write: OME's PhysicalSizeX, or ImageJ's unit, in which the resolution counts then.
size_from_description <- function(tags) {
  text <- tags[["270"]]
  if (is.null(text)) {
    return(NULL)
  }
  physical <- function(axis) as.numeric(matched(text, sprintf("PhysicalSize%s=\"([^\"]+)\"", axis)))
  if (length(physical("X")) == 1 && length(physical("Y")) == 1) {
    unit <- c(matched(text, "PhysicalSizeXUnit=\"([^\"]+)\""), "um")[[1]]
    return(if (unit %in% names(micrometres)) {
      new_pixel_size(c(physical("Y"), physical("X")) * micrometres[[unit]], "um")
    })
  }
  unit <- matched(text, "(?m)^unit=(.+?)\\s*$")
  known <- startsWith(text, "ImageJ") && length(unit) == 1 && unit %in% names(micrometres)
  if (known && all(c("282", "283") %in% names(tags))) {
    new_pixel_size(micrometres[[unit]] / c(tags[["283"]], tags[["282"]]), "um")
  }
}

# The part of the text that the first pair of parentheses holds; character(0) where nothing matches.
matched <- function(text, pattern) regmatches(text, regexec(pattern, text, perl = TRUE))[[1]][-1]

# Pixels per inch or centimetre. 72 and 96 per inch are what programs write that know nothing.
size_from_resolution <- function(tags) {
  per <- c(tags[["283"]], tags[["282"]])
  unit <- tags[["296"]] %||% 2
  if (length(per) != 2 || any(!is.finite(per)) || any(per <= 0) || !unit %in% 2:3) {
    return(NULL)
  }
  if (unit == 2 && all(per %in% c(1, 72, 96))) {
    return(NULL)
  }
  new_pixel_size(c(25400, 1e4)[[unit - 1]] / per, "um")
}

# The raster's resolution in the unit of its projection. In degrees a pixel's area changes from row to row, see
# row_areas().
pixel_size_of_raster <- function(r) {
  if (!has_grid(r)) {
    return(NULL)
  }
  new_pixel_size(rev(terra::res(r)), unit_of_map(r))
}

unit_of_map <- function(r) {
  if (isTRUE(terra::is.lonlat(r, perhaps = TRUE, warn = FALSE))) {
    return("degrees")
  }
  metres <- terra::linearUnits(r)
  if (isTRUE(metres == 1)) "m" else if (isTRUE(abs(metres - 0.3048) < 1e-5)) "ft" else "map units"
}

# Of a file whose grid is turned, which terra does not read: lengths of the sides of its pixels. NULL in degrees.
size_of_turned <- function(path) {
  m <- tiff_tags(path, 34264)[["34264"]]
  unit <- if (requireNamespace("terra", quietly = TRUE)) unit_of_map(quiet_raster(path)) else "map units"
  if (unit != "degrees") new_pixel_size(c(sqrt(m[[2]]^2 + m[[6]]^2), sqrt(m[[1]]^2 + m[[5]]^2)), unit)
}

# Does the raster lie somewhere?
has_grid <- function(r) {
  box <- as.vector(terra::ext(r))
  bare <- all(box == c(0, terra::ncol(r), 0, terra::nrow(r)))
  nzchar(terra::crs(r)) || !bare
}

# Areas of pixels by row, in square metres, for a raster in degrees.
row_areas <- function(r) {
  column <- terra::rast(nrows = terra::nrow(r), ncols = 1, xmin = terra::xmin(r),
    xmax = terra::xmin(r) + terra::xres(r), ymin = terra::ymin(r), ymax = terra::ymax(r), crs = terra::crs(r))
  terra::values(column) <- 1
  as.vector(terra::values(terra::cellSize(column, unit = "m")))
}
