# Methods for the packages that keep trained models for later, or serve them: bundle and vetiver.

register_deployment <- function() {
  when_loaded("bundle", function(name) {
    registerS3method("bundle", own_classes[["luz_module_fitted"]], bundle_fitted, envir = asNamespace(name))
  })
  when_loaded("vetiver", function(name) {
    class <- own_classes[["luz_module_fitted"]]
    for (generic in names(vetiver_methods)) {
      registerS3method(generic, class, vetiver_methods[[generic]], envir = asNamespace(name))
    }
  })
}

# The bytes that luz_save() writes, and how to get a model of them in another session.
bundle_fitted <- function(x, ...) {
  rlang::check_dots_empty()
  path <- tempfile()
  on.exit(unlink(path))
  luz_save(x, path)
  make <- getExportedValue("bundle", "bundle_constr")
  make(readBin(path, "raw", file.size(path)), fitted_from_bytes(), desc_class = "luz_module_fitted")
}

# A function that takes nothing of this session with it.
fitted_from_bytes <- function() {
  rlang::new_function(alist(object = ), quote({
    path <- tempfile()
    on.exit(unlink(path))
    writeBin(object, path)
    candela::luz_load(path)
  }), new.env(parent = baseenv()))
}

vetiver_methods <- list(
  vetiver_create_description = function(model) {
    sprintf("A model trained by candela with %s parameters", format_count(count_parameters(model$model)))
  },
  vetiver_create_meta = function(model, metadata) {
    getExportedValue("vetiver", "vetiver_meta")(metadata, required_pkgs = c("candela", model$model$required_pkgs))
  },
  vetiver_ptype = function(model, ..., prototype_data = NULL) {
    if (!is.data.frame(prototype_data)) {
      refuse(prototype_data, "prototype_data", "a data frame: a row or more of what the model takes")
    }
    prototype_data[0, , drop = FALSE]
  },
  vetiver_prepare_model = function(model) bundle_fitted(model),
  handler_startup = function(vetiver_model) invisible(loadNamespace("candela")),
  handler_predict = function(vetiver_model, ...) {
    force(vetiver_model)
    function(req) {
      predicted <- stats::predict(vetiver_model$model, served_input(req$body, vetiver_model$prototype))
      served_output(predicted)
    }
  },
  vetiver_renviron_requirements = function(model) NULL
)

# What came in a request, as numbers of the columns that the model was shown.
served_input <- function(body, prototype) {
  if (!is.data.frame(body)) {
    return(body)
  }
  if (!is.null(prototype)) {
    absent <- setdiff(names(prototype), names(body))
    if (length(absent) > 0) value_error(sprintf("The request has no column %s.", toString(absent)))
    body <- body[names(prototype)]
  }
  as.matrix(body)
}

# A data frame with a row for each prediction.
served_output <- function(predicted) {
  values <- if (is_tensor(predicted)) list(preds = predicted) else predicted
  values <- lapply(values, as_array)
  data <- data.frame(row.names = seq_len(NROW(values[[1]])))
  for (name in names(values)) data[[name]] <- values[[name]]
  data
}
