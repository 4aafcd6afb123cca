#' What a dataset gives and a model takes
#'
#' `input_spec()` is all that prediction needs to know of the data a model was trained on, as a plain list without
#' tensors, which can be saved beside the weights; `class_table()` is the part about classes. `read_input()` reads one
#' more picture the same way.
#'
#' @param x for `input_spec()` and `class_table()`: a [segmentation_dataset()], a part of one, a list that
#'   `input_spec()` returned, or a model made for a data set ([unet()]), trained or not; for `class_table()` also what
#'   [unet()] takes as `classes`. For `read_input()`: the name of a file, an array height x width x bands, or a tensor
#'   bands x height x width, in the units of the files.
#' @param spec what `input_spec()` returned.
#' @param resize whether to bring the picture to `spec$size`; `FALSE` leaves it at its own.
#' @param ... not used.
#' @return `class_table()`: a data frame with one row per class, in the order of the numbers 1, 2, ... in targets:
#'   * `class`: a factor whose levels are the names in this order,
#'   * `value`: the value in mask files (colours: NA); where several values are one class, the first,
#'   * `colour`: colour in mask files, or the one it is drawn in, such as `"#804080"`.
#'
#'   `input_spec()`: a list with
#'   * `classes`: that data frame,
#'   * `void`: the number that means void in targets, -100, which [nn_cross_entropy_loss()] ignores by default,
#'   * `mask`: list of `kind` (`"value"` or `"colour"`), `value` and `class` (all stored values or codes
#'     65536 R + 256 G + B, and their classes) and `void` (those that mean void),
#'   * `bands`: numbers of the bands of a file that are read, `channels`: how many there are,
#'   * `type`: `"uint8"`, `"uint16"`, `"uint32"`, `"int16"`, ... or `"float32"`, as the files hold them,
#'   * `scaling`: list of `method`, `shift` and `factor` (one number per band in units of the file) and `clamp`; the
#'     model sees `(value - shift) / factor`, with `clamp` limited to 0 to 1; for `method = "image"` shift and factor
#'     are the percentiles `probs` of each picture by itself,
#'   * `nodata`: the value that means no data, or `NULL`,
#'   * `size`: height and width the model was trained at, `resize`: whether whole pictures were resized to it (`TRUE`)
#'     or parts of that size cut out at native resolution (`FALSE`),
#'   * `page`: number of the page that is read of TIFF files of several, or `NULL`.
#'
#'   `read_input()`: a list of `x`, a float tensor channels x height x width, `valid`, a logical matrix of the
#'   picture's own size or `NULL` where all pixels have data, and `size`, height and width of the file.
#' @section Errors: `read_input()` refuses a picture of other bands or of another type with both named
#'   (`value_error`).
#' @examples
#' root <- tempfile()
#' drawn_cells(root, n = 4, size = 32)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' class_table(ds)
#' str(input_spec(ds)$scaling)
#' read_input(file.path(root, "images", "cell-01.png"), input_spec(ds))$x$shape
#' @export
input_spec <- function(x, ...) UseMethod("input_spec")

#' @export
input_spec.default <- function(x, ...) {
  if (is.list(x) && !is.null(x[["scaling"]]) && !is.null(x[["classes"]])) {
    return(x)
  }
  refuse(x, "x", "a segmentation_dataset(), or what input_spec() returned")
}

#' @export
input_spec.segmentation_dataset <- function(x, ...) x$spec()

#' @export
input_spec.candela_dataset_subset <- function(x, ...) input_spec(x$dataset)

#' @rdname input_spec
#' @export
class_table <- function(x, ...) UseMethod("class_table")

#' @export
class_table.default <- function(x, ...) input_spec(x)$classes

#' @export
class_table.segmentation_dataset <- function(x, ...) table_of_plan(x$source$plan())

#' @export
class_table.candela_dataset_subset <- function(x, ...) class_table(x$dataset)

table_of_plan <- function(plan) {
  first <- !duplicated(plan$index)
  name <- plan$classes$name[first]
  colour <- plan$classes$colour[first]
  unknown <- is.na(colour)
  colour[unknown] <- distinct_colours(length(colour))[unknown]
  data.frame(
    class = factor(name, levels = name), value = if (plan$kind == "value") plan$classes$value[first] else NA_real_,
    colour = colour, stringsAsFactors = FALSE
  )
}

class_palette <- c(
  "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999", "#8C510A", "#5E3C99",
  "#A6D854", "#1B1B1B", "#E31A1C", "#B3CDE3", "#F781BF", "#66C2A5"
)

mask_spec <- function(plan) {
  list(kind = plan$kind, value = plan$classes$value, class = plan$index, void = plan$void)
}

# ---- scaling of numbers ----

imagenet_mean <- c(0.485, 0.456, 0.406)
imagenet_std <- c(0.229, 0.224, 0.225)

scalings <- c("auto", "imagenet", "normalise", "dtype", "percentile", "image", "none")

# The largest number of a type of samples, by which tensors of pictures are divided; floats are as they are.
type_unit <- function(type) {
  switch(type, uint8 = 255, uint16 = 65535, uint32 = 4294967295, 1)
}

check_scale <- function(scale) {
  if (is.list(scale)) {
    if (!is.numeric(scale$mean) || !is.numeric(scale$std) || any(scale$std == 0)) {
      refuse(scale, "scale", "list(mean =, std =) with numbers in the units of the files, std not 0")
    }
    return(scale)
  }
  check_choice(scale, "scale", scalings)
  scale
}

# `channels` and `type`: of the pictures; `sample()`: an n x channels matrix of their values in units of the file.
new_scaling <- function(scale, channels, type, sample, probs) {
  if (is.list(scale)) {
    return(scaling_of("given", rep_len(scale$mean, channels), rep_len(scale$std, channels)))
  }
  photo <- type == "uint8" && channels == 3
  if (scale == "auto") scale <- if (photo) "imagenet" else "normalise"
  if (scale == "imagenet" && !photo) {
    value_error(sprintf(
      "`scale = \"imagenet\"` is for RGB of 8 bits, but the pictures have %d band%s of type %s: use \"normalise\".",
      channels, if (channels == 1) "" else "s", type
    ))
  }
  switch(scale,
    imagenet = scaling_of(scale, imagenet_mean * 255, imagenet_std * 255),
    dtype = scaling_of(scale, rep(0, channels), rep(type_unit(type), channels)),
    none = scaling_of(scale, rep(0, channels), rep(1, channels)),
    normalise = normalising_numbers(sample()),
    percentile = c(between_percentiles(sample(), probs, scale), list(probs = probs)),
    image = c(scaling_of(scale, NA_real_, NA_real_, clamp = TRUE), list(probs = probs))
  )
}

scaling_of <- function(method, shift, factor, clamp = FALSE) {
  list(method = method, shift = as.numeric(shift), factor = as.numeric(factor), clamp = clamp)
}

# A band that is the same everywhere is only shifted.
normalising_numbers <- function(values) {
  spread <- apply(values, 2, stats::sd, na.rm = TRUE)
  spread[is.na(spread) | spread == 0] <- 1
  centre <- colMeans(values, na.rm = TRUE)
  centre[is.na(centre)] <- 0
  scaling_of("normalise", centre, spread)
}

between_percentiles <- function(values, probs, method) {
  ends <- apply(values, 2, stats::quantile, probs = probs, na.rm = TRUE, names = FALSE)
  ends[is.na(ends)] <- 0
  width <- ends[2, ] - ends[1, ]
  scaling_of(method, ends[1, ], ifelse(width > 0, width, 1), clamp = TRUE)
}

# x: channels x height x width in shares of the type's unit. Pixels without data become 0.
scale_input <- function(x, spec, has_gaps = FALSE) {
  scaling <- spec$scaling
  unit <- type_unit(spec$type)
  if (scaling$method == "image") {
    scaling <- between_percentiles(band_values(x, 2^17) * unit, scaling$probs, "image")
  }
  y <- transform_normalize(x, scaling$shift / unit, scaling$factor / unit)
  if (scaling$clamp) y <- torch_clamp(y, 0, 1)
  if (has_gaps) y <- torch_where(torch_isnan(y), torch_zeros_like(y), y)
  y
}

# Values of up to n pixels, evenly spread, as pixels x channels.
band_values <- function(x, n) {
  size <- dim(x)
  values <- matrix(as_array(x$detach()$reshape(c(size[[1]], prod(size[-1])))), size[[1]])
  at <- unique(round(seq(1, ncol(values), length.out = min(n, ncol(values)))))
  t(values[, at, drop = FALSE])
}

# ---- resizing ----

# Bilinear with antialiasing: each pixel of the result is the mean of the pixels under a triangle as wide as two of
# its own (one pixel of the picture, where that is enlarged), weighted by it. Pixels without data (NaN) have no
# weight.
resize_picture <- function(x, size, may_have_gaps = TRUE) {
  if (all(image_size(x) == size)) {
    return(x)
  }
  gaps <- if (may_have_gaps) torch_isnan(x)
  if (is.null(gaps) || !as.logical(gaps$any())) {
    return(resample(x, size))
  }
  weight <- resample((!gaps)$to(dtype = torch_float()), size)
  mean <- resample(torch_where(gaps, torch_zeros_like(x), x), size) / torch_clamp(weight, min = 1e-6)
  torch_where(weight < 0.5, torch_full_like(mean, NaN), mean)
}

# First along rows, then along columns: two products of matrices.
resample <- function(x, size) {
  shape <- as.numeric(x$shape)
  across <- torch_matmul(x$reshape(c(shape[[1]] * shape[[2]], shape[[3]])), triangle_weights(shape[[3]], size[[2]])$t())
  across <- across$reshape(c(shape[1:2], size[[2]]))$permute(c(2, 1, 3))$reshape(c(shape[[2]], shape[[1]] * size[[2]]))
  down <- torch_matmul(triangle_weights(shape[[2]], size[[1]]), across)
  down$reshape(c(size[[1]], shape[[1]], size[[2]]))$permute(c(2, 1, 3))
}

# size x now matrix of weights whose rows sum to 1.
triangle_weights <- function(now, size) {
  scale <- now / size
  support <- max(scale, 1)
  centre <- (seq_len(size) - 0.5) * scale
  distance <- abs(outer(centre, seq_len(now) - 0.5, "-")) / support
  weights <- pmax(1 - distance, 0)
  torch_tensor(weights / rowSums(weights))
}

# The value under the middle of each pixel of the result.
resize_mask <- function(mask, size) {
  now <- dim(mask)
  at <- function(k) pmin(floor((seq_len(size[[k]]) - 0.5) * now[[k]] / size[[k]]) + 1, now[[k]])
  if (all(now == size)) mask else mask[at(1), at(2), drop = FALSE]
}

# ---- pictures ----

# A picture as channels x height x width in shares of its type's unit, NaN where there is no data, and its type.
read_bands <- function(path, spec) {
  page <- spec$page %||% 1
  info <- image_info(path, page)
  bands <- if (spec$bands_given) spec$bands
  nodata <- spec$nodata
  x <- transform_to_tensor(image_read(path, page = page))
  colours <- info$channels - info$alpha
  wanted <- if (is.null(bands) && spec$channels == 3 && colours == 1) c(1, 1, 1) else default_bands(info, bands, NULL)
  take_bands(list(x = x, type = info$type, stored = colours), wanted, nodata %||% info[["nodata"]])
}

# Numbers of the bands that are read: all but an alpha channel, unless they are named. `channels = 3` makes RGB
# of grey.
default_bands <- function(info, bands, channels) {
  colours <- info$channels - info$alpha
  if (is.null(bands) && !is.null(channels) && !colours %in% c(1, channels)) {
    value_error(sprintf(
      "`channels = %d` is for pictures of grey%s, but one has %d bands: choose among them by `bands`.", channels,
      if (channels == 3) " or RGB" else "", colours
    ))
  }
  if (!is.null(bands)) {
    if (any(bands > info$channels)) {
      value_error(sprintf("`bands` must lie between 1 and %d, the number of bands in the file, but one is %d.",
        info$channels, max(bands)))
    }
    return(bands)
  }
  if (identical(channels, 3) && colours == 1) c(1, 1, 1) else seq_len(colours)
}

take_bands <- function(picture, bands, nodata) {
  x <- picture$x
  if (!identical(as.numeric(bands), as.numeric(seq_len(dim(x)[[1]])))) {
    x <- x$index_select(1, torch_tensor(as.integer(bands)))
  }
  if (!is.null(nodata)) {
    unit <- type_unit(picture$type)
    x <- torch_where(torch_abs(x - nodata / unit) < 0.5 / unit * (unit > 1) + 1e-6 * (unit == 1),
      torch_full_like(x, NaN), x)
  }
  picture$x <- x
  picture$nodata <- nodata
  picture
}

#' @rdname input_spec
#' @export
read_input <- function(x, spec, resize = spec$resize) {
  spec <- input_spec(spec)
  check_flag(resize, "resize")
  picture <- if (is.character(x)) {
    check_string(x, "x")
    read_bands(x, spec)
  } else {
    take_bands(picture_of_numbers(x, spec), seq_len(spec$channels), spec$nodata)
  }
  check_picture_fits(picture, spec, if (is.character(x)) sprintf("'%s'", x) else "`x`")
  size <- image_size(picture$x)
  gaps <- if (may_have_gaps(picture$type, picture$nodata)) gaps_of(picture$x)
  y <- if (resize) resize_picture(picture$x, spec$size, !is.null(gaps)) else picture$x
  # As a dataset keeps them.
  if (spec$type == "uint8" && is.null(gaps)) y <- torch_round(y * 255) / 255
  list(x = scale_input(y, spec, !is.null(gaps)), valid = if (!is.null(gaps)) !gaps, size = size)
}

picture_of_numbers <- function(x, spec) {
  if (!is_tensor(x)) {
    if (is.matrix(x)) dim(x) <- c(dim(x), 1L)
    if (!is.numeric(x) || length(dim(x)) != 3) refuse(x, "x", "the name of a file, an array or a tensor")
    x <- torch_tensor(aperm(x, c(3, 1, 2)), dtype = torch_float())
  }
  if (length(dim(x)) != 3) refuse(x, "x", "a tensor bands x height x width")
  if (dim(x)[[1]] != spec$channels) {
    value_error(sprintf("`x` has %d bands, but the model was trained on %d.", dim(x)[[1]], spec$channels))
  }
  list(x = x$to(dtype = torch_float()) / type_unit(spec$type), type = spec$type)
}

check_picture_fits <- function(picture, spec, name) {
  channels <- dim(picture$x)[[1]]
  if (channels != spec$channels || picture$type != spec$type) {
    # Grey that was made RGB is called what it is in the file.
    channels <- picture$stored %||% channels
    value_error(sprintf(
      "%s has %d band%s of type %s, but the model was trained on %d of type %s.", name, channels,
      if (channels == 1) "" else "s", picture$type, spec$channels, spec$type
    ))
  }
}

may_have_gaps <- function(type, nodata) !is.null(nodata) || type_unit(type) == 1

# Where any band has no data, or NULL.
gaps_of <- function(x) {
  gaps <- torch_isnan(x)
  if (!as.logical(gaps$any())) {
    return(NULL)
  }
  as_array(gaps$to(dtype = torch_float())$sum(dim = 1) > 0)
}
