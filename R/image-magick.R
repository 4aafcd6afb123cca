# Pictures of the package magick: images it holds, and files that only it can read.

# H x W x C array of numbers in [0, 1]: 1 channel for grey, 2 for grey and alpha, 3 for RGB, 4 for RGB and
# alpha. magick
# hands over C x W x H bytes.
array_of_magick <- function(img) {
  bytes <- unclass(magick::image_data(img[1], "rgba"))
  values <- aperm(array(as.integer(bytes) / 255, dim(bytes)), c(3, 2, 1))
  grey <- magick::image_info(img)$colorspace[[1]] == "Gray"
  values[, , c(if (grey) 1 else 1:3, if (any(values[, , 4] < 1)) 4), drop = FALSE]
}

# A file that no codec knows, as such an array; NULL where magick is not there, or cannot either.
read_by_magick <- function(path, page) {
  if (!requireNamespace("magick", quietly = TRUE)) {
    return(NULL)
  }
  image <- if (!is_known_format(path)) tryCatch(magick::image_read(path), error = function(e) NULL)
  if (is.null(image) || page > length(image)) {
    return(NULL)
  }
  array_of_magick(magick::image_orient(image[page]))
}

# A damaged file of a format that is read here stays damaged.
is_known_format <- function(path) {
  bytes <- if (file.exists(path)) readBin(path, "raw", 8)
  starts <- function(...) identical(utils::head(bytes, ...length()), as.raw(c(...)))
  starts(0xff, 0xd8, 0xff) || starts(0x89, 0x50, 0x4e, 0x47) ||
    ("TIFF" %in% image_formats() && (starts(0x49, 0x49, 0x2a, 0) || starts(0x4d, 0x4d, 0, 0x2a) ||
      starts(0x49, 0x49, 0x2b, 0) || starts(0x4d, 0x4d, 0, 0x2b)))
}

info_by_magick <- function(path, page) {
  x <- read_by_magick(path, page)
  if (is.null(x)) {
    return(NULL)
  }
  size <- dim(x)
  format <- magick::image_info(magick::image_read(path))$format[[1]]
  list(format, size[[1]], size[[2]], size[[3]], 8L, 0L, size[[3]] %in% c(2L, 4L), 1L, NULL)
}

as_three_or_labels <- function(x, as, path) {
  colours <- dim(x)[[3]] - dim(x)[[3]] %in% c(2, 4)
  if (as == "rgb") {
    return(x[, , if (colours == 1) c(1, 1, 1) else 1:3, drop = FALSE])
  }
  if (colours != 1) {
    value_error(sprintf("'%s' holds colours; labels are read from grey or palette images.", path))
  }
  matrix(as.integer(round(x[, , 1] * 255)), dim(x)[[1]])
}
