# A TIFF whose tags of resolution and description are written by hand.
tiff_with <- function(entries, little = TRUE) {
  path <- tempfile(fileext = ".tif")
  connection <- file(path, "wb")
  on.exit(close(connection))
  endian <- if (little) "little" else "big"
  put <- function(x, size) writeBin(as.integer(x), connection, size = size, endian = endian)
  writeBin(charToRaw(if (little) "II" else "MM"), connection)
  put(42, 2)
  put(8, 4)
  put(length(entries), 2)
  data_at <- 8 + 2 + 12 * length(entries) + 4
  data <- list()
  for (e in entries) {
    put(c(e$tag, e$type), 2)
    put(e$count, 4)
    if (e$type == 3) {
      put(c(e$value, 0), 2)
    } else {
      put(data_at, 4)
      data <- c(data, list(e))
      data_at <- data_at + if (e$type == 5) 8 else e$count
    }
  }
  put(0, 4)
  for (e in data) if (e$type == 5) put(e$value, 4) else writeBin(c(charToRaw(e$value), as.raw(0)), connection)
  path
}
resolution <- function(tag, numbers) list(tag = tag, type = 5, count = 1, value = numbers)
unit_tag <- function(unit) list(tag = 296, type = 3, count = 1, value = unit)
text_tag <- function(text) list(tag = 270, type = 2, count = nchar(text, "bytes") + 1, value = text)

test_that("resolutions of TIFF files become micrometres", {
  per_cm <- function(...) tiff_with(list(resolution(282, c(40000, 2)), resolution(283, c(10000, 1)), unit_tag(3)), ...)
  for (little in c(TRUE, FALSE)) {
    size <- pixel_size_of_file(per_cm(little = little))
    expect_equal(as.numeric(size), c(1, 0.5))
    expect_identical(attr(size, "unit"), "um")
  }
  inch <- function(n) tiff_with(list(resolution(282, c(n, 1)), resolution(283, c(n, 1)), unit_tag(2)))
  expect_equal(as.numeric(pixel_size_of_file(inch(254))), c(100, 100))
  expect_null(pixel_size_of_file(inch(72)))
  imagej <- tiff_with(list(text_tag("ImageJ=1.53\nunit=micron\nspacing=1\n"), resolution(282, c(3, 1)),
    resolution(283, c(3, 1)), unit_tag(1)))
  expect_equal(as.numeric(pixel_size_of_file(imagej)), c(1, 1) / 3)
  ome <- "<OME><Pixels PhysicalSizeX=\"250\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"500\"/></OME>"
  ome <- tiff_with(list(text_tag(ome)))
  expect_equal(as.numeric(pixel_size_of_file(ome)), c(0.5, 0.25))
  path <- withr::local_tempfile()
  writeBin(charToRaw("no TIFF at all, but long enough"), path)
  expect_null(pixel_size_of_file(path))
  # A directory beyond the end, and one cut off.
  writeBin(c(charToRaw("II"), as.raw(c(42, 0, 255, 255, 0, 0)), raw(8)), path)
  expect_null(pixel_size_of_file(path))
  whole <- readBin(per_cm(), "raw", 1000)
  for (n in seq(8, length(whole), by = 3)) {
    writeBin(whole[seq_len(n)], path)
    expect_error(pixel_size_of_file(path), NA)
  }
})

test_that("sizes that are given have a unit", {
  expect_identical(attr(given_pixel_size(0.5), "unit"), "um")
  size <- given_pixel_size(c(mm = 0.2))
  expect_equal(as.numeric(size), c(0.2, 0.2))
  expect_identical(attr(size, "unit"), "mm")
  expect_error(given_pixel_size(-1), "`pixel_size` must be one number", class = "value_error")
})
