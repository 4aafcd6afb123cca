#' Read and write images
#'
#' JPEG, PNG and TIFF (where the package was built with libtiff: [image_formats()]) are recognised by their content,
#' whatever the file is called. Anything else is read through the package magick, if it is installed.
#'
#' Pictures are turned upright as their EXIF orientation says. PNG and TIFF keep 16 bits. TIFF (and BigTIFF) may hold
#' 1 to 64 bits, whole numbers with or without sign or floats, any number of bands, in strips or tiles, compressed as
#' the local libtiff can; several pages.
#'
#' @param path,paths file name(s); `~` is expanded.
#' @param channels `NULL` for the channels in the file (grey 1, grey and alpha 2, RGB 3, RGB and alpha 4, or the bands
#'   of a TIFF); 3 for RGB always: grey is repeated, alpha and bands after the third are dropped. CMYK files give RGB.
#' @param bands numbers of the bands that are wanted, in this order; instead of `channels`.
#' @param page which picture of a TIFF of several pages, from 1.
#' @param x for `image_write()`: an H x W or H x W x C array (C up to 4, for TIFF any: those are bands, none is
#'   alpha) of numbers in \[0, 1], or a tensor C x H x W or H x W
#'   with such values; integer arrays and tensors of integers are written as they are (0 to 255).
#' @param quality of a JPEG file, 1 to 100.
#' @param bits per channel in a PNG or TIFF file, 8 or 16; in a TIFF file also 32, for integers.
#' @param size height and width of the result.
#' @param mean,std three numbers each: `(x - mean) / std` for each channel; `NULL` leaves the values in \[0, 1].
#' @return
#' * `image_read()`, `base_loader()`: an array H x W x C of doubles, in \[0, 1] for whole numbers of up to 16 bits
#'   without sign, others as they are in the file; `base_loader()` always has 3 channels.
#' * `image_labels()`: an integer matrix H x W of the grey values or palette indices as they are stored, for masks; NA
#'   where a float TIFF holds NaN.
#' * `image_formats()`: names of the formats that are read without magick.
#' * `image_info()`: a list with `format`, `height`, `width`, `channels`, `bits` and `type` of a sample (`"uint8"`,
#'   `"int16"`, `"float32"`, ...), `alpha` (whether the last channel is), `pages` and `nodata` (the number that means
#'   no data, of GeoTIFFs, or `NULL`), read from the header alone.
#' * `image_write()`: `path`, invisibly. An existing file is replaced only once the new one is complete.
#' * `read_image_batch()`: a float tensor N x 3 x H x W, `read_label_batch()`: a long tensor N x H x W; the files are
#'   decoded and resized by [torch_get_num_threads()] threads, images bilinearly and labels to the nearest, as
#'   [transform_resize()] does.
#' @section Errors: Of class `candela_error_io` when a file cannot be opened, and `candela_error_format` when it is
#' damaged, ends early, or is of another format. All name the file.
#' @examples
#' file <- tempfile(fileext = ".png")
#' image_write(array(runif(4 * 5 * 3), c(4, 5, 3)), file)
#' dim(image_read(file))
#' image_info(file)$format
#' read_image_batch(file, size = c(8, 8))$shape
#' @export
image_read <- function(path, channels = NULL, bands = NULL, page = 1) {
  if (!is.null(channels) && !(is_one_number(channels) && channels == 3)) refuse(channels, "channels", "NULL or 3")
  check_whole_number(page, "page", 1)
  if (is.null(bands)) {
    return(read_picture(image_path(path), if (is.null(channels)) "stored" else "rgb", page))
  }
  if (!is.null(channels)) value_error("Give `channels` or `bands`, not both.")
  pick_bands(read_picture(image_path(path), "stored", page), bands, path)
}

pick_bands <- function(x, bands, path) {
  n <- dim(x)[[3]]
  if (!is.numeric(bands) || length(bands) == 0 || anyNA(bands) || any(bands < 1) || any(bands > n)) {
    refuse(bands, "bands", sprintf("numbers between 1 and %d, the bands of '%s'", n, path))
  }
  x[, , bands, drop = FALSE]
}

# Starts to decode files in the order given, by several threads, while R goes on. `as` may differ from path to path.
begin_reading <- function(paths, as, page = 1) {
  forms <- match(as, c("stored", "rgb", "labels")) - 1L
  .Call(cdr_image_read_begin, paths, rep_len(forms, length(paths)), page)
}

# Picture `i` of them, as soon as it is there; NULL where it has been taken before.
take_picture <- function(reading, i) .Call(cdr_image_read_take, reading, i)

read_picture <- function(path, as, page = 1) {
  tryCatch(take_picture(begin_reading(path, as, page), 1L), candela_error_format = function(e) {
    other <- read_by_magick(path, page)
    if (is.null(other)) rlang::cnd_signal(e)
    if (as == "stored") other else as_three_or_labels(other, as, path)
  })
}

#' @rdname image_read
#' @export
base_loader <- function(path) image_read(path, channels = 3)

#' @rdname image_read
#' @export
image_labels <- function(path, page = 1) {
  check_whole_number(page, "page", 1)
  read_picture(image_path(path), "labels", page)
}

#' @rdname image_read
#' @export
image_info <- function(path, page = 1) {
  check_whole_number(page, "page", 1)
  info <- tryCatch(.Call(cdr_image_inspect, image_path(path), page), candela_error_format = function(e) {
    info_by_magick(image_path(path), page) %||% rlang::cnd_signal(e)
  })
  sample <- c("uint", "int", "float")[[info[[6]] + 1]]
  bits <- if (sample == "uint") max(8, 2^ceiling(log2(info[[5]]))) else info[[5]]
  c(
    stats::setNames(info[1:5], c("format", "height", "width", "channels", "bits")),
    list(type = sprintf("%s%d", sample, as.integer(bits)), alpha = info[[7]], pages = info[[8]]),
    if (!is.null(info[[9]])) list(nodata = info[[9]])
  )
}

#' @rdname image_read
#' @export
image_formats <- function() .Call(cdr_image_formats)

image_path <- function(path) {
  check_string(path, "path")
  path.expand(path)
}

#' @rdname image_read
#' @export
image_write <- function(x, path, quality = 90, bits = 8) {
  if (is_tensor(x)) x <- planes_to_array(x)
  if (length(dim(x)) == 2) dim(x) <- c(dim(x), 1L)
  check_writable(x, quality, bits, is_tiff_name(path))
  largest <- min(2^bits - 1, .Machine$integer.max)
  values <- if (is.integer(x)) x else as.integer(floor(x * largest + 0.5))
  if (anyNA(values) || any(values < 0L) || any(values > largest)) {
    value_error(sprintf("`x` must hold numbers of 0 to 1, or integers of 0 to %d, without NA.", largest))
  }
  write_whole_file(image_path(path), function(part) {
    .Call(cdr_image_write, values, dim(x), part, as.integer(c(bits, quality)))
  })
  invisible(path)
}

planes_to_array <- function(x) {
  values <- as_array(x$detach())
  if (length(dim(values)) == 3) aperm(values, c(2, 3, 1)) else values
}

is_tiff_name <- function(path) grepl("\\.tiff?$", path, ignore.case = TRUE)

check_writable <- function(x, quality, bits, as_tiff) {
  if (!is.numeric(x) || length(dim(x)) != 3 || dim(x)[[3]] < 1 || (dim(x)[[3]] > 4 && !as_tiff)) {
    refuse(x, "x", "an H x W or H x W x C array with 1 to 4 channels (in a TIFF file: any number)")
  }
  check_number(quality, "quality", 1, 100)
  deep <- as_tiff && is.integer(x)
  if (!is_one_number(bits) || !bits %in% c(8, 16, if (deep) 32)) {
    refuse(bits, "bits", "8 or 16, or for integers in a TIFF file 32")
  }
}

#' @rdname image_read
#' @export
read_image_batch <- function(paths, size, mean = NULL, std = NULL) {
  if (is.null(mean) != is.null(std)) value_error("Give both `mean` and `std`, or none.")
  if (any(std == 0)) value_error("`std` must not be zero.")
  .Call(
    cdr_image_batch, path.expand(paths), batch_size_of(size),
    if (!is.null(mean)) as.double(mean), if (!is.null(std)) as.double(std)
  )
}

#' @rdname image_read
#' @export
read_label_batch <- function(paths, size) {
  .Call(cdr_labels_batch, path.expand(paths), batch_size_of(size))
}

batch_size_of <- function(size) {
  check_size(size, "size", square = FALSE)
  as.double(trunc(size))
}
