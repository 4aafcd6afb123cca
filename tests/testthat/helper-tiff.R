# TIFF files made byte by byte, uncompressed, in one strip, little-endian.

tiff_shorts <- function(x) as.raw(rbind(x %% 256, x %/% 256))
tiff_longs <- function(x) as.raw(rbind(x %% 256, x %/% 256 %% 256, x %/% 65536 %% 256, x %/% 16777216))

# pages: each list(width, height, data = raw bytes, tags = list(c(tag, values...)), bits, samples, format, photometric).
write_tiff <- function(path, ...) {
  pages <- list(...)
  bytes <- c(charToRaw("II"), as.raw(c(42, 0)), raw(4))
  link <- 5
  for (page in pages) {
    data_at <- length(bytes)
    bytes <- c(bytes, page$data, raw(length(page$data) %% 2))
    entries <- c(list(
      c(256, page$width), c(257, page$height), c(258, rep(page$bits %||% 8, page$samples %||% 1)), c(259, 1),
      c(262, page$photometric %||% 1), c(273, data_at), c(277, page$samples %||% 1), c(278, page$height),
      c(279, length(page$data)), c(339, rep(page$format %||% 1, page$samples %||% 1))
    ), page$tags)
    entries <- entries[order(vapply(entries, `[[`, 0, 1))]
    ifd <- raw()
    for (entry in entries) {
      values <- entry[-1]
      long <- entry[[1]] %in% c(256, 257, 273, 278, 279)
      packed <- if (long) tiff_longs(values) else tiff_shorts(values)
      if (length(packed) > 4) {
        at <- length(bytes)
        bytes <- c(bytes, packed)
        packed <- tiff_longs(at)
      }
      ifd <- c(ifd, tiff_shorts(c(entry[[1]], if (long) 4 else 3)), tiff_longs(length(values)), packed,
        raw(4 - length(packed)))
    }
    bytes[link + 0:3] <- tiff_longs(length(bytes))
    bytes <- c(bytes, tiff_shorts(length(entries)), ifd, raw(4))
    link <- length(bytes) - 3
  }
  writeBin(bytes, path)
  path
}

`%||%` <- function(x, y) if (is.null(x)) y else x

skip_without_tiff <- function() testthat::skip_if_not("TIFF" %in% image_formats(), "built without libtiff")
