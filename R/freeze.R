#' @include module.R luz-callbacks.R
NULL

# Whether a name ("encoder.layer1.0.conv1.weight") belongs to a part: the part itself, what is in it, or what a
# pattern with * fits.
in_part <- function(names, part) {
  fits <- if (grepl("[*?]", part)) {
    grepl(utils::glob2rx(part, trim.head = FALSE), names) | grepl(utils::glob2rx(paste0(part, ".*")), names)
  } else {
    FALSE
  }
  names == part | startsWith(names, paste0(part, ".")) | fits
}

# Which of the names belong to one of the parts; NULL is all. A part without any is an error.
in_parts <- function(names, parts, argument = "parts") {
  if (is.null(parts)) {
    return(rep(TRUE, length(names)))
  }
  if (!is.character(parts) || anyNA(parts)) refuse(parts, argument, "names of parts of the model, or NULL for all")
  found <- lapply(parts, function(part) in_part(names, part))
  nowhere <- parts[!vapply(found, any, NA)]
  if (length(nowhere) > 0) {
    value_error(sprintf("`%s`: the model has no part %s; its parts are %s, and what is in them.", argument,
      toString(encodeString(nowhere, quote = "\"")), toString(unique(sub("\\..*", "", names)))))
  }
  Reduce(`|`, found)
}

is_batch_norm <- function(layer) inherits(layer, "nn_batch_norm_")

as_model <- function(x) {
  if (inherits(x, "luz_module_fitted")) x <- x$model
  check_module(x, "model")
  x
}

set_frozen <- function(model, parts, batch_norm, frozen) {
  model <- as_model(model)
  check_flag(batch_norm, "batch_norm")
  layers <- model$modules
  norms <- layers[vapply(layers, is_batch_norm, NA)]
  parameters <- model$parameters
  chosen <- in_parts(names(parameters), parts)
  of_norm <- sub("\\.?[^.]*$", "", names(parameters)) %in% names(norms)
  for (parameter in parameters[chosen & (batch_norm | !of_norm)]) parameter$requires_grad_(!frozen)
  if (batch_norm) {
    norms <- norms[is.null(parts) | names(norms) %in% sub("\\.?[^.]*$", "", names(parameters)[chosen & of_norm])]
    for (layer in norms) layer$frozen <- frozen
  }
  invisible(model)
}

#' Freeze parts of a model
#'
#' Parameters of a frozen part are not trained. With `batch_norm`, its batch norms also keep their running mean and
#' variance and use these while the rest trains, as in evaluation mode; without, they go on learning with the
#' statistics of each batch.
#'
#' @param model a module, or what [fit()][fit.luz_module_generator] returned. It is changed in place.
#' @param parts names of parts, such as `"encoder"`, `"decoder"`, `"encoder.layer1"`, or patterns such as `"*.bn1"`;
#'   `NULL` is the whole model.
#' @param batch_norm are batch norms included?
#' @return The model, invisibly. A part that the model does not have is a value_error that names those it has.
#' @examples
#' model <- unet("plain", classes = 2, weights = NULL)
#' freeze(model, "encoder")
#' table(vapply(model$parameters, function(p) p$requires_grad, NA))
#' unfreeze(model, "encoder.stage5")
#' @family fine-tuning
#' @export
freeze <- function(model, parts = "encoder", batch_norm = TRUE) set_frozen(model, parts, batch_norm, TRUE)

#' @rdname freeze
#' @export
unfreeze <- function(model, parts = NULL, batch_norm = TRUE) set_frozen(model, parts, batch_norm, FALSE)

#' Learning rates by part
#'
#' `parameter_groups()` sorts the parameters of a model by parts with rates of their own, as optimisers take them;
#' `optim_by_part()` makes an optimiser that does so, for [setup()].
#'
#' @param model a module, or a named list of parameters.
#' @param ... learning rates, named by parts of the model as for [freeze()]; a parameter belongs to the first part
#'   that has it. All others have the rate of the optimiser.
#' @param optimizer an optimiser such as [optim_adam()].
#' @return `parameter_groups()`: a list of groups, each with `params` and `lr`, in the order of the parts; the last
#'   has all others, and no `lr`. `optim_by_part()`: a function like `optimizer`, to be called with named parameters.
#'   A schedule such as [lr_one_cycle()] takes one `max_lr` for each group.
#' @examples
#' model <- unet("plain", classes = 2, weights = NULL)
#' optimizer <- optim_adam(parameter_groups(model, encoder = 1e-4), lr = 1e-3)
#' prepared <- model %>%
#'   setup(loss = nn_cross_entropy_loss(), optimizer = optim_by_part(optim_adam, encoder = 1e-4)) %>%
#'   set_opt_hparams(lr = 1e-3)
#' @family fine-tuning
#' @export
parameter_groups <- function(model, ...) {
  rates <- check_part_rates(...)
  parameters <- if (is_nn_module(model)) model$parameters else check_named_parameters(model)
  group_of <- rep(NA_integer_, length(parameters))
  for (i in rev(seq_along(rates))) group_of[in_parts(names(parameters), names(rates)[[i]], "...")] <- i
  groups <- lapply(seq_along(rates), function(i) list(params = unname(parameters[group_of %in% i]), lr = rates[[i]]))
  rest <- unname(parameters[is.na(group_of)])
  c(groups[vapply(groups, function(g) length(g$params) > 0, NA)], if (length(rest) > 0) list(list(params = rest)))
}

#' @rdname parameter_groups
#' @export
optim_by_part <- function(optimizer, ...) {
  check_function(optimizer, "optimizer", "optim_adam")
  rates <- check_part_rates(...)
  function(params, ...) optimizer(rlang::inject(parameter_groups(params, !!!rates)), ...)
}

check_part_rates <- function(...) {
  rates <- list(...)
  if (length(rates) == 0 || !rlang::is_named(rates)) {
    value_error("Give learning rates by the names of parts, such as `encoder = 1e-4`.")
  }
  for (part in names(rates)) check_number(rates[[part]], part, least = 0)
  rates
}

check_named_parameters <- function(parameters) {
  if (!is.list(parameters) || !rlang::is_named(parameters)) refuse(parameters, "model", "a module or a named list")
  check_tensors(parameters, "model")
  parameters
}

#' Fine-tuning in stages
#'
#' Trains the new parts of a model first: the parts named are frozen when training begins, and each is released at the
#' beginning of its epoch.
#'
#' @param unfreeze epochs, named by parts of the model as for [freeze()]: `c(encoder = 5)` trains the encoder from
#'   epoch 5 on; `c("encoder.layer4" = 3, encoder = 6)` its last stage from epoch 3 and the rest from epoch 6 on.
#' @param batch_norm are batch norms frozen with their part (see [freeze()])?
#' @return A callback.
#' @examples
#' luz_callback_fine_tune(c(encoder = 5))
#' @family fine-tuning
#' @export
luz_callback_fine_tune <- function(unfreeze = c(encoder = 5), batch_norm = TRUE) {
  check_flag(batch_norm, "batch_norm")
  if (!is.numeric(unfreeze) || is.null(names(unfreeze)) || anyNA(unfreeze) || any(unfreeze < 1)) {
    refuse(unfreeze, "unfreeze", "epochs from 1 on, named by parts of the model")
  }
  FineTuneCallback(unfreeze, batch_norm)
}

FineTuneCallback <- luz_callback("fine_tune_callback",
  initialize = function(unfreeze, batch_norm) {
    self$epochs <- unfreeze
    self$batch_norm <- batch_norm
  },
  on_fit_begin = function() freeze(ctx$model, names(self$epochs), self$batch_norm),
  on_epoch_begin = function() {
    for (part in names(self$epochs)[self$epochs <= ctx$epoch]) unfreeze(ctx$model, part, self$batch_norm)
  }
)
