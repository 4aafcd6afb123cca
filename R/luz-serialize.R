#' Save and load trained models
#'
#' `luz_save()` writes everything about a trained model to one file, `luz_load()` reads it back.
#' `luz_save_model_weights()` and `luz_load_model_weights()` do so for the weights alone; loading puts them into a
#' model of the same structure. `luz_load_checkpoint()` does so with a file written by
#' [luz_callback_model_checkpoint()].
#'
#' @param obj A trained model, as returned by [fit()][fit.luz_module_generator]; for `luz_load_checkpoint()` also the
#'   `ctx` that callbacks see during training, whose optimisers, records and callbacks are restored too.
#' @param path Path of the file; for `luz_save()` and `luz_load()` an open connection, too.
#' @param ... Not used.
#' @return `luz_load()` returns the trained model, the other functions `NULL`, invisibly.
#' @examples
#' x <- torch_randn(64, 3)
#' fitted <- nn_linear %>%
#'   setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
#'   set_hparams(in_features = 3, out_features = 1) %>%
#'   set_opt_hparams(lr = 0.01) %>%
#'   fit(list(x, x$sum(2, keepdim = TRUE)), epochs = 1, verbose = FALSE)
#' path <- tempfile()
#' luz_save(fitted, path)
#' luz_load(path)
#' @export
luz_save <- function(obj, path, ...) {
  rlang::check_dots_empty()
  check_fitted(obj)
  if (!inherits(path, "connection")) check_string(path, "path")
  obj$ctx$.serialized_model <- torch_serialize(obj$model)
  obj$ctx$.serialization_version <- 2L
  obj$model <- NULL
  if (inherits(path, "connection")) saveRDS(obj, path) else write_whole_file(path, function(part) saveRDS(obj, part))
  invisible(NULL)
}

#' @rdname luz_save
#' @export
luz_load <- function(path) {
  if (!inherits(path, "connection")) {
    check_string(path, "path")
    if (!file.exists(path)) runtime_error(sprintf("There is no file '%s'.", path))
  }
  obj <- tryCatch(readRDS(path), error = function(e) NULL)
  if (!inherits(obj, "luz_module_fitted") || is.null(obj$ctx$.serialized_model)) {
    value_error(sprintf("'%s' was not written by luz_save(), or is damaged.", source_name(path)))
  }
  connection <- rawConnection(obj$ctx$.serialized_model)
  on.exit(close(connection))
  model <- torch_load(connection)
  obj$ctx$.serialized_model <- NULL
  obj$ctx$.serialization_version <- NULL
  structure(c(list(model = model), unclass(obj)), class = own_first(class(obj)))
}

source_name <- function(path) if (inherits(path, "connection")) summary(path)$description else path

#' @rdname luz_save
#' @export
luz_save_model_weights <- function(obj, path) {
  torch_save(check_fitted(obj)$model$state_dict(), path)
  invisible(NULL)
}

#' @rdname luz_save
#' @export
luz_load_model_weights <- function(obj, path, ...) {
  rlang::check_dots_empty()
  check_fitted(obj)$model$load_state_dict(torch_load(path))
  invisible(NULL)
}

#' @rdname luz_save
#' @export
luz_load_checkpoint <- function(obj, path, ...) UseMethod("luz_load_checkpoint")

#' @export
luz_load_checkpoint.default <- function(obj, path, ...) check_fitted(obj)

#' @export
luz_load_checkpoint.candela_module_fitted <- function(obj, path, ...) {
  rlang::check_dots_empty()
  obj$model$load_state_dict(torch_load(path)$model)
  invisible(NULL)
}

#' @export
luz_load_checkpoint.candela_fit_context <- function(obj, path, ..., restore_records = TRUE,
                                                    restore_optimizer_state = TRUE, restore_callbacks_state = TRUE,
                                                    restore_model_state = TRUE) {
  rlang::check_dots_empty()
  restore_checkpoint(obj, path, restore_model_state, restore_records, restore_optimizer_state, restore_callbacks_state)
  invisible(NULL)
}

make_folder_of <- function(path) {
  folder <- dirname(path)
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  if (!dir.exists(folder)) {
    runtime_error(sprintf("The file '%s' cannot be written: the folder '%s' cannot be made.", path, folder))
  }
}

luz_save_checkpoint <- function(ctx, path) {
  make_folder_of(path)
  torch_save(ctx$state_dict(), path)
}

# Where the generators stand, this package's and R's, from which shuffling, dropout and augmentation draw.
random_state <- function() {
  list(tensors = torch_get_rng_state(), r = get0(".Random.seed", globalenv(), inherits = FALSE))
}

restore_random_state <- function(state) {
  if (!is.null(state$tensors)) torch_set_rng_state(state$tensors)
  if (!is.null(state$r)) assign(".Random.seed", state$r, envir = globalenv())
}

# Puts the parts of a checkpoint into the context of fit(); returns the checkpoint.
restore_checkpoint <- function(ctx, path, model = TRUE, records = TRUE, optimizers = TRUE, callbacks = TRUE,
                               random = FALSE) {
  state <- torch_load(path)
  if (model) ctx$model$load_state_dict(state$model)
  if (records) ctx$unsafe_set_records(state$records)
  if (optimizers) {
    for (name in names(state$optimizers)) ctx$optimizers[[name]]$load_state_dict(state$optimizers[[name]])
  }
  if (callbacks) load_callback_states(ctx$callbacks, state$callbacks)
  if (random) restore_random_state(state$random)
  state
}

# States are matched by the position among the callbacks of the same class.
callback_keys <- function(callbacks) {
  make.unique(vapply(callbacks, class_name, character(1)))
}

callback_states <- function(callbacks) {
  names(callbacks) <- callback_keys(callbacks)
  has_state <- vapply(callbacks, function(x) is.function(x$state_dict), logical(1))
  lapply(callbacks[has_state], function(x) x$state_dict())
}

load_callback_states <- function(callbacks, states) {
  names(callbacks) <- callback_keys(callbacks)
  for (name in intersect(names(callbacks), names(states))) {
    if (is.function(callbacks[[name]]$load_state_dict)) callbacks[[name]]$load_state_dict(states[[name]])
  }
}
