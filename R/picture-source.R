# Pictures to be segmented, wherever they come from: an environment with
#
#   name        what errors and tables call it,
#   path        its file, or NULL,
#   size        height and width,
#   channels, type   of the numbers; type is NULL where nobody knows it,
#   times       by which the numbers that window() reads are multiplied: see choose_times(),
#   window(top, left, height, width)   a float tensor channels x height x width, NaN where there are no data,
#   sample(n)   about n pixels x channels, evenly spread, as window() gives them,
#   gaps        whether there may be pixels without data,
#   grid        SpatRaster without values whose grid the masks are written on, or NULL,
#   pixel       size of a pixel, or NULL,
#   close()     what is to be done at the end.

new_source <- function(name, size, channels, window, sample, ..., type = NULL, path = NULL, times = 1, gaps = TRUE,
                       grid = NULL, pixel = NULL, close = function() NULL) {
  rlang::check_dots_empty()
  source <- list2env(list(name = name, path = path, size = as.numeric(size), channels = channels, type = type,
    times = times, gaps = gaps, grid = grid, pixel = pixel, close = close), parent = emptyenv())
  source$window <- function(top, left, height, width) {
    x <- window(top, left, height, width)
    if (source$times == 1) x else x * source$times
  }
  source$sample <- function(n) sample(n) * source$times
  source
}

# Of a tensor channels x height x width.
source_of_tensor <- function(x, name, ...) {
  window <- function(top, left, height, width) {
    if (all(c(height, width) == dim(x)[2:3])) x else x$narrow(2, top, height)$narrow(3, left, width)
  }
  new_source(name, dim(x)[2:3], dim(x)[[1]], window, function(n) band_values(x, n), ...)
}

# ---- files ----

# Pixels above which a TIFF or PNG is read window by window by terra, if that is there.
streamed_pixels <- function() getOption("candela.streamed_pixels", 3e7)

source_of_file <- function(path, spec) {
  if (!file.exists(path)) value_error(sprintf("'%s' does not exist.", path))
  if (is_terra_file(path)) {
    return(source_of_raster(quiet_raster(path), spec, path, path))
  }
  page <- spec$page %||% 1
  info <- image_info(path, page)
  if (is.null(spec$page) && info$pages > 1) {
    rlang::inform(sprintf("'%s' has %d pages; the first is read.", path, info$pages), class = "candela_message_pages")
  }
  nodata <- spec$nodata %||% info[["nodata"]]
  bands <- checked_bands(info$channels, info$channels - info$alpha, spec, path)
  picture <- take_bands(list(x = transform_to_tensor(image_read(path, page = page)), type = info$type,
    stored = info$channels - info$alpha), bands, nodata)
  check_picture_fits(picture, spec, sprintf("'%s'", path))
  source_of_tensor(picture$x, path, type = info$type, path = path, gaps = may_have_gaps(info$type, nodata),
    pixel = if (is_turned(path)) size_of_turned(path) else pixel_size_of_file(path))
}

# Does terra read it? Loading the package takes time, so what the file is comes first.
is_terra_file <- function(path) wants_terra(path) && requireNamespace("terra", quietly = TRUE)

wants_terra <- function(path) {
  if (grepl("\\.(vrt|img|nc|asc|grd|gpkg|bil|dem|hgt|envi)$", path, ignore.case = TRUE) || is_georeferenced(path)) {
    return(!is_turned(path))
  }
  if (!grepl("\\.(tiff?|png)$", path, ignore.case = TRUE)) {
    return(FALSE)
  }
  info <- tryCatch(image_info(path), error = function(e) NULL)
  !is.null(info) && info$height * info$width > streamed_pixels() && (tiff_tags(path, 274)[["274"]] %||% 1) == 1
}

# Has the TIFF a place: a scale and a tie point, or a matrix?
is_georeferenced <- function(path) {
  tags <- tiff_tags(path, c(33550, 33922, 34264))
  !is.null(tags[["34264"]]) || (!is.null(tags[["33550"]]) && !is.null(tags[["33922"]]))
}

# Are the rows of the grid not parallel to the axes of the map?
is_turned <- function(path) {
  m <- tiff_tags(path, 34264)[["34264"]]
  length(m) == 16 && (m[[2]] != 0 || m[[5]] != 0)
}

quiet_raster <- function(path) suppressWarnings(terra::rast(path))

# Numbers of the bands to read, of a picture that has so many in all and so many without alpha.
checked_bands <- function(channels, colours, spec, name) {
  wanted <- spec$channels
  if (spec$bands_given) {
    if (max(spec$bands) <= channels) {
      return(spec$bands)
    }
    refuse_bands(name, channels, sprintf("bands %s of pictures that have more", toString(spec$bands)))
  }
  if (wanted == 3 && colours == 1) {
    return(c(1, 1, 1))
  }
  if (colours == wanted || channels == wanted) {
    return(seq_len(wanted))
  }
  refuse_bands(name, colours, sprintf("%d", wanted))
}

refuse_bands <- function(name, channels, wanted) {
  value_error(sprintf("%s has %d band%s, but the model was trained on %s.",
    if (grepl("^`", name)) name else sprintf("'%s'", name), channels, if (channels == 1) "" else "s", wanted))
}

# ---- rasters ----

terra_types <- c(INT1U = "uint8", INT2U = "uint16", INT4U = "uint32", INT8U = "uint64", INT1S = "int8", INT2S = "int16",
  INT4S = "int32", INT8S = "int64", FLT4S = "float32", FLT8S = "float64")

source_of_raster <- function(r, spec, name, path = NULL) {
  file <- terra::sources(r)
  file <- if (is.data.frame(file)) file$source else file
  file <- file[nzchar(file)]
  colours <- if (length(file) == 1 && file.exists(file)) colours_of_file(file, terra::nlyr(r)) else terra::nlyr(r)
  bands <- if (terra::nlyr(r) == spec$channels) seq_len(spec$channels) else
    checked_bands(terra::nlyr(r), colours, spec, name)
  type <- unname(terra_types[unique(terra::datatype(r[[unique(bands)]]))])
  type <- if (length(type) == 1 && !is.na(type)) type
  if (!is.null(type) && type != spec$type) refuse_type(name, length(bands), type, spec)
  r <- r[[bands]]
  direct <- direct_window(r, file, spec$nodata)
  window <- raster_window(r, spec)
  reading <- FALSE
  cache <- bounded_cache()
  new_source(name, c(terra::nrow(r), terra::ncol(r)), length(bands),
    function(...) {
      if (!is.null(direct)) {
        # What terra can do besides: tiles that were never written.
        x <- tryCatch(direct(...), candela_error = function(e) NULL)
        if (!is.null(x)) {
          return(x)
        }
        direct <<- NULL
      }
      if (!reading) reading <<- terra::readStart(r)
      window(...)
    },
    raster_sample(r), type = type, path = path, times = if (is.null(type)) 1 else 1 / type_unit(type),
    grid = terra::rast(r, nlyrs = 1), pixel = pixel_size_of_raster(r),
    close = function() {
      if (reading) terra::readStop(r)
      terra::gdalCache(cache)
      reading <<- FALSE
    })
}

# GDAL keeps up to a twentieth of the machine's memory of what it has read; 256 megabytes hold a row of tiles.
# Value: how much it was, in megabytes.
bounded_cache <- function() {
  before <- terra::gdalCache()
  terra::gdalCache(min(before, 256))
  before
}

# Bands without alpha, where the file is one that says so.
colours_of_file <- function(path, layers) {
  info <- tryCatch(image_info(path), error = function(e) NULL)
  if (is.null(info) || info$channels != layers) layers else info$channels - info$alpha
}

refuse_type <- function(name, channels, type, spec) {
  check_picture_fits(list(x = torch_empty(c(channels, 1, 1)), type = type), spec,
    if (grepl("^`", name)) name else sprintf("'%s'", name))
}

# Values come cell by cell, row by row, for one layer after the other: the order of a tensor.
raster_window <- function(r, spec) {
  layers <- terra::nlyr(r)
  nodata <- spec$nodata
  function(top, left, height, width) {
    values <- terra::readValues(r, top, height, left, width, mat = FALSE)
    if (!is.null(nodata)) values[values %in% nodata] <- NaN
    torch_tensor(values, dtype = torch_float())$reshape(c(layers, height, width))
  }
}

# A function that reads windows of a TIFF without terra, which takes many times as long for it; NULL where the raster is
# more than bands of an upright file.
direct_window <- function(r, file, nodata) {
  shape <- if (length(file) == 1 && file.exists(file)) .Call(cdr_tiff_shape, path.expand(file))
  if (is.null(shape) || any(shape[1:2] != dim(r)[1:2]) || is_upside_down(file)) {
    return(NULL)
  }
  bands <- terra::sources(r, bands = TRUE)$bands
  scaled <- terra::scoff(r)
  plain <- length(bands) == terra::nlyr(r) && all(bands >= 1 & bands <= shape[[3]]) && all(scaled[, 1] == 1) &&
    all(scaled[, 2] == 0) && all(is.na(terra::NAflag(r)))
  if (!plain) {
    return(NULL)
  }
  own <- suppressWarnings(as.numeric(tiff_tags(file, 42113)[["42113"]]))
  missing <- as.double(c(nodata, own[!is.na(own)]))
  function(top, left, height, width) {
    place <- as.double(c(top - 1, left - 1, height, width))
    .Call(cdr_tiff_window, path.expand(file), place, as.double(bands - 1), missing)
  }
}

# Do rows go from south to north?
is_upside_down <- function(path) {
  tags <- tiff_tags(path, c(33550, 34264))
  isTRUE(tags[["33550"]][2] < 0) || isTRUE(tags[["34264"]][6] > 0)
}

raster_sample <- function(r) {
  function(n) as.matrix(terra::spatSample(r, min(n, terra::ncell(r)), method = "regular"))
}

# ---- numbers ----

# Arrays, tensors, magick images and rasters, by name. `numbers`: those whose units nobody knows are looked at.
source_of_object <- function(x, spec, name) {
  if (inherits(x, "SpatRaster")) {
    source <- source_of_raster(x, spec, name)
    if (is.null(source$type)) choose_times(source, spec)
    return(source)
  }
  if (inherits(x, "magick-image")) {
    x <- array_of_magick(x)
    picture <- list(x = torch_tensor(aperm(x, c(3, 1, 2)), dtype = torch_float()), type = "uint8")
    bands <- checked_bands(dim(x)[[3]], dim(x)[[3]] - dim(x)[[3]] %in% c(2, 4), spec, name)
    if (spec$type != "uint8") refuse_type(name, length(bands), "uint8", spec)
    return(source_of_tensor(take_bands(picture, bands, NULL)$x, name, type = "uint8", gaps = FALSE))
  }
  x <- tensor_of_numbers(x, name)
  bands <- if (dim(x)[[1]] == spec$channels) seq_len(spec$channels) else
    checked_bands(dim(x)[[1]], dim(x)[[1]], spec, name)
  if (!is.null(spec$nodata)) x <- torch_where(x == spec$nodata, torch_full_like(x, NaN), x)
  source <- source_of_tensor(take_bands(list(x = x), bands, NULL)$x, name)
  choose_times(source, spec)
  source
}

tensor_of_numbers <- function(x, name) {
  what <- paste("names of files, an array height x width x bands, a tensor bands x height x width, an image of magick,",
    "or a raster of terra")
  if (is_tensor(x)) {
    if (length(dim(x)) == 2) x <- x$unsqueeze(1)
    if (length(dim(x)) != 3) refuse(x, name, what)
    return(x$detach()$to(dtype = torch_float()))
  }
  if (is.matrix(x)) dim(x) <- c(dim(x), 1L)
  if (!is.numeric(x) || length(dim(x)) != 3 || any(dim(x) == 0)) refuse(x, name, what)
  torch_tensor(aperm(x, c(3, 1, 2)), dtype = torch_float())
}

# Numbers of unknown units: those of the files, or shares of the largest number that their type holds, as image_read()
# and transform_to_tensor() give them. What cannot be meant is refused, what is doubtful is said.
choose_times <- function(source, spec) {
  values <- source$sample(2^16)
  seen <- values[is.finite(values)]
  if (length(seen) == 0) {
    return(invisible(source))
  }
  unit <- type_unit(spec$type)
  whole <- all(seen == floor(seen))
  if (unit > 1) {
    shares <- max(seen) <= 1 && !whole
    if (min(seen) < 0 || max(seen) > unit) {
      value_error(sprintf("%s has numbers from %g to %g, but the model was trained on %d band%s of type %s, 0 to %.0f.",
        source$name, min(seen), max(seen), spec$channels, if (spec$channels == 1) "" else "s", spec$type, unit))
    }
    if (shares) tell_scaled(source, sprintf("from 0 to 1 are taken as shares of %.0f", unit))
    source$times <- if (shares) 1 else 1 / unit
  } else if (whole && max(seen) > 1 && max(seen) <= 255 && min(seen) >= 0 && max(seen) > 4 * expected_most(spec)) {
    tell_scaled(source, "from 0 to 255 are divided by 255: the model was trained on 0 to 1")
    source$times <- 1 / 255
  }
  warn_far(source, spec, values * source$times)
  invisible(source)
}

tell_scaled <- function(source, what) {
  rlang::inform(sprintf("Numbers of %s %s.", source$name, what), class = "candela_message_scaling")
}

# About the largest number that the training pictures had, in the units of their files.
expected_most <- function(spec) {
  scaling <- spec$scaling
  if (anyNA(scaling$shift)) 1 else max(scaling$shift + (if (scaling$clamp) 1 else 4) * scaling$factor)
}

# Warns where most numbers are none that the training pictures can have had. `values` are shares.
warn_far <- function(source, spec, values) {
  scaling <- spec$scaling
  if (anyNA(scaling$shift) || scaling$method == "none") {
    return(invisible())
  }
  values <- values * type_unit(spec$type)
  scaled <- abs(sweep(sweep(values, 2, scaling$shift), 2, scaling$factor, "/"))
  if (isTRUE(stats::median(scaled, na.rm = TRUE) > 20)) {
    text <- "Numbers of %s lie around %.4g, but those the model was trained on around %.4g: are they scaled?"
    rlang::warn(sprintf(text, source$name, stats::median(values, na.rm = TRUE), mean(scaling$shift)),
      class = "candela_warning_scaling")
  }
}
