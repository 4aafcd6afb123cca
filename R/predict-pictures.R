#' @include dataset.R
NULL

# What predict() takes besides data sets and batches: names of picture files, and a single picture as a tensor.

# Files as items list(x), read as the model's training pictures were.
PictureFiles <- dataset(
  "picture_files",
  initialize = function(files, spec) {
    self$files <- files
    self$spec <- spec
  },
  .getitem = function(i) list(read_input(self$files[[i]], self$spec)$x),
  .length = function() length(self$files)
)

as_pictures <- function(newdata, model) {
  if (is.character(newdata)) {
    files <- files_of(newdata, "newdata")
    spec <- input_spec(model)
    if (!spec$resize) check_sizes_of_files(files)
    return(PictureFiles(files, spec))
  }
  one <- is_tensor(newdata) && length(dim(newdata)) == 3
  if (one && identical(channels_of_model(model), as.numeric(dim(newdata)[[1]]))) newdata$unsqueeze(1) else newdata
}

check_sizes_of_files <- function(files) {
  sizes <- vapply(files, function(path) paste(image_info(path)[c("height", "width")], collapse = " x "), "")
  if (length(unique(sizes)) > 1) {
    value_error(sprintf("the pictures have different sizes (%s): predict one at a time, or use segment().",
      toString(utils::head(unique(sizes), 4))))
  }
}

# Channels of the pictures that a model takes, or NULL for models of other things.
channels_of_model <- function(model) {
  if (is.numeric(model$in_channels) && length(model$in_channels) == 1) {
    return(as.numeric(model$in_channels))
  }
  for (module in model$modules) {
    if (inherits(module, "nn_conv2d")) {
      return(as.numeric(module$in_channels))
    }
    if (length(module$children) == 0 && length(module$parameters) > 0) {
      return(NULL)
    }
  }
}
