#' @include luz-callbacks.R
NULL

#' Resume training
#'
#' `luz_callback_auto_resume()` saves the state of training after each epoch; if training stops with an error or the
#' process ends, the same call of [fit()][fit.luz_module_generator] goes on after the last finished epoch. The file is
#' deleted when training ends. `luz_callback_resume_from_checkpoint()` starts training from a checkpoint.
#'
#' The state holds the weights, the metrics, the optimisers, the callbacks (with their schedules) and where the random
#' generators stand, this package's and R's: a run that was interrupted and resumed ends with the same bits as one that
#' was not, with shuffling and dropout too. The order in which callbacks are given does not matter: the state is saved
#' after all callbacks without a `weight` of their own.
#'
#' @param path Path of the file with the state; for `luz_callback_resume_from_checkpoint()` also a folder, whose
#'   last file in alphabetical order is used.
#' @param ... Not used.
#' @param restore_model_state,restore_records,restore_optimizer_state,restore_callbacks_state,restore_random_state What
#'   to restore.
#' @return A callback.
#' @examples
#' luz_callback_auto_resume(tempfile(fileext = ".pt"))
#' @export
luz_callback_auto_resume <- luz_callback("auto_resume_callback",
  weight = Inf,
  finished_epochs = 0,
  random = NULL,
  initialize = function(path = "./state.pt") {
    check_string(path, "path")
    self$path <- path
  },
  on_fit_begin = function() {
    self$finished_epochs <- 0
    ctx$epoch_handlers$skip_epoch <- function(condition) NULL
    if (file.exists(self$path)) {
      rlang::inform("Resuming model training from the state that `luz_callback_auto_resume()` saved")
      state <- restore_checkpoint(ctx, self$path)
      self$finished_epochs <- state$epoch
      self$random <- state$random
    }
  },
  on_epoch_begin = function() {
    if (ctx$epoch <= self$finished_epochs) {
      # Behind all that draws on the way to the first epoch that is trained.
      if (ctx$epoch == self$finished_epochs) restore_random_state(self$random)
      rlang::signal("The epoch was finished before.", class = "skip_epoch")
    }
  },
  on_epoch_end = function() luz_save_checkpoint(ctx, self$path),
  on_fit_end = function() unlink(self$path)
)

#' @rdname luz_callback_auto_resume
#' @export
luz_callback_resume_from_checkpoint <- function(path, ..., restore_model_state = TRUE, restore_records = FALSE,
                                                restore_optimizer_state = FALSE, restore_callbacks_state = FALSE,
                                                restore_random_state = FALSE) {
  rlang::check_dots_empty()
  check_string(path, "path")
  ResumeFromCallback(path, list(
    model = restore_model_state, records = restore_records, optimizers = restore_optimizer_state,
    callbacks = restore_callbacks_state, random = restore_random_state
  ))
}

ResumeFromCallback <- luz_callback("resume_from_checkpoint_callback",
  weight = Inf,
  initialize = function(path, restore) {
    self$path <- path
    self$restore <- restore
  },
  on_fit_begin = function() {
    path <- checkpoint_path(self$path)
    if (is.null(path)) {
      rlang::warn(sprintf("There is no checkpoint at '%s': training starts anew.", self$path))
    } else {
      rlang::inject(restore_checkpoint(ctx, path, !!!self$restore))
    }
  }
)

checkpoint_path <- function(path) {
  if (dir.exists(path)) {
    files <- sort(list.files(path, full.names = TRUE))
    path <- if (length(files) > 0) files[[length(files)]]
  }
  if (!is.null(path) && file.exists(path)) path
}
