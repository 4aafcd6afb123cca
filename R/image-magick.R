# Pictures of the package magick: images it holds, and files that only it can read.

# H x W x C array of numbers in [0, 1]: 1 channel for grey, 2 for grey and alpha, 3 for RGB, 4 for RGB and alpha.
# magick hands over C x W x H bytes.
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
  if (colours != 1 && any(x[, , 1] != x[, , 2] | x[, , 1] != x[, , 3])) {
    raise(sprintf("'%s' holds colours; labels are read from grey or palette images.", path),
      c("candela_error_value", "value_error"))
  }
  matrix(as.integer(round(x[, , 1] * 255)), dim(x)[[1]])
}

# ---- transforms of pictures of magick give pictures of magick ----

# C x H x W with values of 0 to 1, alpha among the channels where there is any.
tensor_of_magick <- function(img) torch_tensor(aperm(array_of_magick(img), c(3, 1, 2)))

as_magick <- function(x) {
  if (is.list(x)) {
    return(lapply(x, as_magick))
  }
  bytes <- as.raw(round(pmin(pmax(aperm(as_array(x), c(1, 3, 2)), 0), 1) * 255))
  dim(bytes) <- dim(x)[c(1, 3, 2)]
  magick::image_read(bytes)
}

# Colours are changed beside the alpha channel, which stays.
beside_alpha <- function(x, f) {
  colours <- channels_of(x) - channels_of(x) %in% c(2, 4)
  if (colours == channels_of(x)) {
    return(f(x))
  }
  torch_cat(list(f(x$narrow(1, 1, colours)), x$narrow(1, colours + 1, 1)), dim = 1)
}

# Values of the results of these may be any, so they stay tensors.
tensor_transforms <- c("transform_normalize", "transform_convert_image_dtype", "transform_linear_transformation")

# These hand the picture on as it is.
transforms_of_transforms <- c("transform_random_apply", "transform_random_choice", "transform_random_order")

# These know pictures of magick themselves.
know_magick <- c("transform_to_tensor", "transform_sahi_crop")

colour_transforms <- c(
  paste0("transform_adjust_", c("brightness", "contrast", "saturation", "hue", "gamma")), "transform_grayscale",
  "transform_rgb_to_grayscale", "transform_random_grayscale", "transform_color_jitter"
)

magick_method <- function(name) {
  if (name %in% tensor_transforms) {
    function(img, ...) match.fun(name)(transform_to_tensor(img), ...)
  } else if (name %in% colour_transforms) {
    function(img, ...) as_magick(beside_alpha(tensor_of_magick(img), function(x) match.fun(name)(x, ...)))
  } else {
    function(img, ...) as_magick(match.fun(name)(tensor_of_magick(img), ...))
  }
}

register_magick_transforms <- function(env) {
  generics <- sub(".default", "", ls(env, pattern = "^transform_.*[.]default$"), fixed = TRUE)
  for (name in setdiff(generics, c(transforms_of_transforms, know_magick))) {
    registerS3method(name, "magick-image", magick_method(name), envir = env)
  }
}
