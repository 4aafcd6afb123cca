# Masks as files: which number or colour stands for a class, and how the file is written.

# How classes are stored: a list with
#   kind     "value" or "colour",
#   code     per class, its value, or 65536 R + 256 G + B,
#   nodata   the same for pixels without data,
#   colour   per class, to draw it.
mask_codes <- function(spec, classes, values) {
  numbers <- list(kind = "value", code = seq_len(nrow(classes)), nodata = 0, colour = classes$colour)
  if (values == "class") {
    return(numbers)
  }
  colours <- identical(spec$mask$kind, "colour")
  code <- if (colours) colour_code(classes$colour) else classes$value
  if (anyNA(code)) {
    return(numbers)
  }
  list(kind = if (colours) "colour" else "value", code = code, nodata = unused_code(code, spec$mask$void, colours),
    colour = classes$colour)
}

# That of void where masks have one, else the first of black, white, ... that means no class.
unused_code <- function(code, void, colours) {
  void <- void[!is.na(void)]
  if (length(void) > 0) {
    return(void[[1]])
  }
  likely <- if (colours) c(0, 16777215, 16711935) else c(0, 255, 1:254, 65535)
  setdiff(c(likely, 1:65535), code)[[1]]
}

numbered_codes <- function(mask) {
  n <- max(0, mask, na.rm = TRUE)
  list(kind = "value", code = seq_len(n), nodata = 0, colour = NULL)
}

bits_for <- function(codes) {
  all <- c(codes$code, codes$nodata)
  if (codes$kind == "colour") {
    return(8)
  }
  if (any(all < 0) || any(all > .Machine$integer.max) || any(all != floor(all))) {
    return(NA)
  }
  if (max(all) <= 255) 8 else if (max(all) <= 65535) 16 else 32
}

write_mask_picture <- function(mask, path, codes) {
  code <- c(codes$code, codes$nodata)
  mask[is.na(mask)] <- length(code)
  if (codes$kind == "colour") {
    if (grepl("\\.jpe?g$", path, ignore.case = TRUE)) refuse(path, "path", "a PNG or TIFF file")
    rgb <- t(grDevices::col2rgb(colour_name(code)))
    pixels <- array(as.integer(rgb[as.vector(mask), ]), c(dim(mask), 3L))
    return(image_write(pixels, path))
  }
  bits <- bits_for(codes)
  if (is.na(bits)) {
    value_error(sprintf(paste("Masks with the values %s cannot be written as PNG or TIFF, which hold whole numbers",
      "from 0: use `values = \"class\"`."), toString(format(utils::head(code, 8)))))
  }
  if (bits == 32 && !is_tiff_name(path)) {
    value_error(sprintf("Masks with numbers up to %.0f are written as TIFF, others hold no more than 65535: got '%s'.",
      max(code), path))
  }
  pixels <- matrix(as.integer(code)[mask], nrow(mask))
  image_write(pixels, path, bits = bits)
}

# ---- rasters ----

# Opens a GeoTIFF on the grid; list(write(values, top, height), finish(), abort()). `values`: cells row by row, NA
# without data, one column per layer.
open_raster <- function(grid, path, type, nodata, layers = 1, names = NULL, colours = NULL) {
  part <- part_beside(path)
  r <- terra::rast(grid, nlyrs = layers)
  if (!is.null(names)) names(r) <- names
  if (!is.null(colours)) terra::coltab(r) <- colours
  options <- list(filename = part, overwrite = TRUE, datatype = type, NAflag = nodata,
    gdal = c("COMPRESS=DEFLATE", "TILED=YES", "BIGTIFF=IF_SAFER"))
  do.call(terra::writeStart, c(list(r), options))
  open <- TRUE
  list(
    write = function(values, top, height) terra::writeValues(r, values, top, height),
    finish = function() {
      open <<- FALSE
      terra::writeStop(r)
      put_in_place(part, path)
      unlink(paste0(part, ".aux.xml"))
    },
    abort = function() {
      if (open) try(terra::writeStop(r), silent = TRUE)
      open <<- FALSE
      unlink(paste0(part, c("", ".aux.xml")))
    }
  )
}

raster_type <- function(codes) {
  all <- c(codes$code, codes$nodata)
  if (any(all != floor(all))) {
    return("FLT4S")
  }
  if (min(all) < 0) {
    return(if (min(all) >= -32768 && max(all) <= 32767) "INT2S" else "INT4S")
  }
  if (max(all) <= 255) "INT1U" else if (max(all) <= 65535) "INT2U" else "INT4U"
}

# Colours of masks become a palette of class numbers.
raster_codes <- function(codes) {
  if (codes$kind != "colour") {
    return(codes)
  }
  list(kind = "value", code = seq_along(codes$code), nodata = 0, colour = codes$colour)
}

palette_table <- function(codes) {
  if (is.null(codes$colour) || raster_type(codes) != "INT1U") {
    return(NULL)
  }
  data.frame(value = codes$code, col = codes$colour)
}

#' Write masks of classes or numbered objects
#'
#' [segment()] writes its masks itself; this is for masks that were worked on afterwards. The file appears as a whole
#' or not at all.
#'
#' @param mask an integer matrix height x width of class numbers, or of numbered objects (0 for none); NA where there
#'   are no data.
#' @param path name of the file: `.png`, `.tif` or `.tiff`. Numbers above 255 make files of 16 bits, those above
#'   65,535 TIFF files of 32. A GeoTIFF is written where `grid` is given.
#' @param spec the model or data set whose masks had values or colours for the classes (whatever [input_spec()]
#'   takes): they are written. `NULL` writes the numbers as they are, and 0 for NA.
#' @param grid a `SpatRaster` of the package terra whose grid and projection the file gets.
#' @return `path`, invisibly.
#' @section Errors: Values that a file cannot hold are refused (`value_error`); a file that cannot be written is a
#'   `runtime_error`.
#' @examples
#' path <- tempfile(fileext = ".tif")
#' if ("TIFF" %in% image_formats()) {
#'   mask_write(matrix(c(0L, 0L, 1L, 300L), 2), path)
#'   image_info(path)$bits
#' }
#' @export
mask_write <- function(mask, path, spec = NULL, grid = NULL) {
  check_string(path, "path")
  if (!is.matrix(mask) || !is.numeric(mask) || any(mask < 0 | mask != floor(mask), na.rm = TRUE)) {
    refuse(mask, "mask", "a matrix height x width of whole numbers from 0")
  }
  storage.mode(mask) <- "integer"
  if (!is.null(spec)) spec <- input_spec(spec)
  codes <- if (is.null(spec)) numbered_codes(mask) else mask_codes(spec, spec$classes, "training")
  if (max(0L, mask, na.rm = TRUE) > length(codes$code)) {
    value_error(sprintf("`mask` has class %d, but `spec` %d classes.", max(mask, na.rm = TRUE), length(codes$code)))
  }
  mask[mask %in% 0L] <- NA
  path <- path.expand(path)
  if (is.null(grid)) {
    return(invisible(write_mask_picture(mask, path, codes)))
  }
  need_terra("`grid`")
  if (!inherits(grid, "SpatRaster") || any(dim(grid)[1:2] != dim(mask))) {
    refuse(grid, "grid", sprintf("a SpatRaster of %d x %d cells", nrow(mask), ncol(mask)))
  }
  codes <- raster_codes(codes)
  file <- open_raster(grid, path, raster_type(codes), codes$nodata, colours = palette_table(codes))
  on.exit(file$abort())
  file$write(as.vector(t(matrix(codes$code[mask], nrow(mask)))), 1, nrow(mask))
  file$finish()
  invisible(path)
}

need_terra <- function(what) {
  if (!requireNamespace("terra", quietly = TRUE)) {
    runtime_error(sprintf("%s needs the package terra: install.packages(\"terra\").", what))
  }
}
