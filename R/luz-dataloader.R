#' Make a dataloader
#'
#' What [fit()][fit.luz_module_generator], [evaluate()] and `predict()` do with their data.
#'
#' @param x A [dataloader()], returned as it is; a [dataset()]; a tensor, vector, matrix or array whose first
#'   dimension counts the items; or a list of those (first the inputs, then the targets).
#' @param ... Passed to [dataloader()].
#' @param batch_size Items per batch.
#' @return A [dataloader()]. An object that cannot be converted gives a `value_error`.
#' @examples
#' as_dataloader(list(matrix(rnorm(200), 100), rnorm(100)))
#' @export
as_dataloader <- function(x, ...) UseMethod("as_dataloader")

#' @rdname as_dataloader
#' @export
as_dataloader.default <- function(x, ...) {
  value_error(sprintf(
    "Unsupported object with class '%s'.%s", paste(class_names(x), collapse = "', '"), hint_if_generator(x, "dataset")
  ))
}

#' @rdname as_dataloader
#' @export
as_dataloader.candela_dataset <- function(x, ..., batch_size = 32) dataloader(x, ..., batch_size = batch_size)

#' @rdname as_dataloader
#' @export
as_dataloader.candela_iterable_dataset <- function(x, ..., batch_size = 32) dataloader(x, ..., batch_size = batch_size)

#' @rdname as_dataloader
#' @export
as_dataloader.list <- function(x, ...) as_dataloader(as_dataset(x), ...)

#' @rdname as_dataloader
#' @export
as_dataloader.matrix <- function(x, ...) as_dataloader(as_dataset(x), ...)

#' @rdname as_dataloader
#' @export
as_dataloader.array <- function(x, ...) as_dataloader(as_dataset(x), ...)

#' @rdname as_dataloader
#' @export
as_dataloader.numeric <- function(x, ...) as_dataloader(as_dataset(x), ...)

#' @rdname as_dataloader
#' @export
as_dataloader.candela_tensor <- function(x, ...) as_dataloader(as_dataset(x), ...)

#' @rdname as_dataloader
#' @export
as_dataloader.candela_dataloader <- function(x, ...) x

as_dataset <- function(x) {
  if (is_map_dataset(x) || is_iterable_dataset(x)) {
    return(x)
  }
  if (is.object(x) && !is_tensor(x) || is.null(x)) as_dataloader.default(x)
  do.call(tensor_dataset, lapply(if (is.list(x)) x else list(x), as_data_tensor))
}

as_data_tensor <- function(x) {
  if (is_tensor(x)) {
    return(x)
  }
  if (!is.numeric(x) && !is.logical(x)) as_dataloader.default(x)
  torch_tensor(x)
}

# `data` and `valid_data` of fit() as two dataloaders (the second may be NULL).
fit_dataloaders <- function(data, valid_data, options) {
  if (is.numeric(valid_data) && is.null(dim(valid_data)) && length(valid_data) == 1) {
    parts <- split_dataset(data, valid_data)
    data <- parts$train
    valid_data <- parts$valid
  }
  if (is_dataloader(data) && !is.null(options)) {
    value_error("`dataloader_options` cannot be used: `data` is already a dataloader.")
  }
  list(train = as_train_dataloader(data, options), valid = as_valid_dataloader(valid_data, options))
}

split_dataset <- function(data, share) {
  if (is.na(share) || share < 0 || share >= 1) {
    value_error(sprintf("valid_data must be a value between 0 and 1, got %f", share))
  }
  if (is_dataloader(data) || is_iterable_dataset(data)) {
    value_error(paste(
      "A share of `data` as `valid_data` needs a dataset or tensors, but `data` is a dataloader or an iterable dataset."
    ))
  }
  data <- as_dataset(data)
  n <- length(data)
  chosen <- sample.int(n, floor(n * share))
  if (length(chosen) == 0) {
    return(list(train = data, valid = NULL))
  }
  list(train = dataset_subset(data, setdiff(seq_len(n), chosen)), valid = dataset_subset(data, chosen))
}

as_train_dataloader <- function(data, options) {
  if (is_dataloader(data)) {
    return(data)
  }
  defaults <- list(shuffle = !is_iterable_dataset(data), drop_last = TRUE)
  make_dataloader(data, utils::modifyList(defaults, as.list(options)))
}

as_valid_dataloader <- function(data, options) {
  if (is.null(data)) {
    return(NULL)
  }
  if (is_dataloader(data)) {
    if (!is.null(options)) {
      rlang::warn("`dataloader_options` will be ignored for validation data: it is already a dataloader.")
    }
    return(data)
  }
  options <- as.list(options)
  options["shuffle"] <- NULL
  make_dataloader(data, options)
}

as_predict_dataloader <- function(data, options) {
  if (isTRUE(options$shuffle)) {
    rlang::warn("`shuffle=TRUE` will be ignored for predictions.")
  }
  as_valid_dataloader(data, options)
}

make_dataloader <- function(data, options) {
  loader <- rlang::inject(as_dataloader(data, !!!options))
  if (identical(length(loader), 0L)) {
    value_error(sprintf(
      "There are only %d items, fewer than one batch of %d. Set a smaller `batch_size` in `dataloader_options`.",
      length(loader$dataset), as.integer(loader$batch_size)
    ))
  }
  loader
}
