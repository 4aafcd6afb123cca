# Saving and loading: PyTorch checkpoints, safetensors files, and whole R objects that contain tensors.

#' Reading PyTorch checkpoints
#'
#' Reads a file written by `torch.save()` in Python: a state dict, or any nesting of lists, dictionaries, numbers,
#' texts and tensors (a training checkpoint). Both the zip format and the older stream format are recognised. Nothing in
#' the file is executed: a file that needs other Python objects is refused.
#'
#' Half precision and bfloat16 become float32, int16 and int8 become int32. Parameters come as plain tensors. Tensors
#' that shared memory in Python share it again.
#'
#' @param path name of the file.
#' @param ... not used.
#' @param legacy_stream accepted for compatibility; the format is recognised by itself.
#' @return A named list (dictionaries become named lists).
#' @section Errors:
#' Class `candela_error_io` when the file cannot be opened, `candela_error_format` when it is cut short, damaged or of
#' another kind; both are `runtime_error`s.
#' @examples
#' \dontrun{
#' weights <- load_state_dict("mobilenet_v2.pth")
#' }
#' @family saving
#' @export
load_state_dict <- function(path, ..., legacy_stream = FALSE) {
  check_string(path, "path")
  .Call(cdr_checkpoint_read, path.expand(path))
}

#' safetensors files
#'
#' Reads and writes tensors in the safetensors format, which Python and many other programs read too: names, shapes and
#' plain numbers, nothing else.
#'
#' @param path name of the file. An existing file is replaced only once the new one is complete.
#' @param tensors named list of tensors.
#' @param metadata named character vector of texts to be kept in the file.
#' @return `load_safetensors()` a named list of tensors with the attribute `metadata`; `save_safetensors()` `path`,
#'   invisibly.
#' @section Errors:
#' As for [load_state_dict()]; a `value_error` when names are missing or occur twice.
#' @examples
#' path <- tempfile(fileext = ".safetensors")
#' save_safetensors(list(a = torch_ones(2, 3)), path, metadata = c(made_by = "me"))
#' load_safetensors(path)
#' @family saving
#' @export
load_safetensors <- function(path) {
  check_string(path, "path")
  read <- .Call(cdr_safetensors_read, path.expand(path))
  metadata <- read[[2]]
  structure(read[[1]], metadata = if (is.list(metadata)) unlist(metadata))
}

#' @rdname load_safetensors
#' @export
save_safetensors <- function(tensors, path, metadata = NULL) {
  check_string(path, "path")
  check_tensors(tensors, "tensors")
  keys <- names(tensors) %||% character(length(tensors))
  if (!all(nzchar(keys)) || anyDuplicated(keys)) {
    value_error("`tensors` must have names, each of them once.")
  }
  if (!is.null(metadata) && (!is.character(metadata) || is.null(names(metadata)))) {
    refuse(metadata, "metadata", "a named character vector")
  }
  pairs <- as.character(rbind(names(metadata), unname(metadata)))
  write_whole_file(path, function(part) .Call(cdr_safetensors_write, part, keys, unname(tensors), pairs))
}

#' Saving and loading R objects with tensors
#'
#' `torch_save()` writes a tensor, a module, a state dict, an optimizer's state, or any list with tensors somewhere
#' inside it; `torch_load()` gives it back. `saveRDS()` does so as well, for tensors in any R object: values,
#' `requires_grad` and what is shared by several modules stay. Views become copies there, and
#' the graph, gradients and hooks of single tensors are not kept.
#'
#' The file is a safetensors file (its tensors can be read elsewhere) with the R object, its tensors taken out, as an
#' additional entry `__robj__`. Only load files from people you trust: an R object can contain code.
#'
#' @param obj a tensor, an `nn_module`, or a list.
#' @param path name of the file, or a connection; for `torch_load()` also a raw vector of `torch_serialize()`. An
#'   existing file is replaced only once the new one is complete.
#' @param device only `"cpu"`.
#' @param compress accepted for compatibility; the numbers are not compressed.
#' @param ... not used.
#' @return `torch_save()` nothing, `torch_serialize()` a raw vector, `torch_load()` the object.
#' @section Errors:
#' As for [load_state_dict()].
#' @examples
#' path <- tempfile(fileext = ".pt")
#' torch_save(list(weight = torch_ones(2), epoch = 3), path)
#' torch_load(path)
#' @family saving
#' @export
torch_save <- function(obj, path, ..., compress = TRUE) UseMethod("torch_save")

#' @export
torch_save.default <- function(obj, path, ..., compress = TRUE) {
  if (inherits(path, "connection")) {
    bytes <- torch_serialize(obj)
    if (!isOpen(path)) {
      open(path, "wb")
      on.exit(close(path))
    }
    writeBin(bytes, path)
  } else {
    check_string(path, "path")
    save_object(obj, path)
  }
  invisible(NULL)
}

#' @rdname torch_save
#' @export
torch_serialize <- function(obj, ...) {
  path <- tempfile()
  on.exit(unlink(path))
  save_object(obj, path)
  readBin(path, "raw", file.size(path))
}

#' @rdname torch_save
#' @export
torch_load <- function(path, device = "cpu") {
  if (is.null(device)) value_error("`device` must not be NULL.")
  if (is.raw(path) || inherits(path, "connection")) {
    bytes <- if (is.raw(path)) path else read_all(path)
    path <- tempfile()
    on.exit(unlink(path))
    writeBin(bytes, path)
  }
  check_string(path, "path")
  load_object(path)
}

read_all <- function(connection) {
  if (!isOpen(connection)) {
    open(connection, "rb")
    on.exit(close(connection))
  }
  pieces <- list()
  repeat {
    piece <- readBin(connection, "raw", 1e6)
    if (length(piece) == 0) break
    pieces[[length(pieces) + 1]] <- piece
  }
  as.raw(unlist(pieces))
}

single_tensor_name <- "...unnamed..."

save_object <- function(obj, path) {
  if (is_tensor(obj)) {
    return(save_typed(stats::setNames(list(obj), single_tensor_name), "tensor", path))
  }
  taken <- take_tensors(obj)
  type <- if (inherits(obj, "nn_module")) "module" else "list"
  robj <- torch_tensor(taken$object, dtype = torch_uint8())
  save_typed(c(taken$tensors, list(`__robj__` = robj)), type, path, .Call(cdr_sha256, taken$object))
}

# The object as bytes in which a tensor is only a name, and the tensors under these names. Parameters of a module
# have the names of its state dict.
take_tensors <- function(obj) {
  known <- if (inherits(obj, "nn_module")) obj$state_dict() else list()
  names_of <- new.env(parent = emptyenv())
  tensors <- list()
  for (name in names(known)) assign(rlang::obj_address(known[[name]]), name, envir = names_of)
  hook <- function(x) {
    if (!is_tensor(x)) {
      return(NULL)
    }
    address <- rlang::obj_address(x)
    name <- names_of[[address]] %||% sprintf("tensor.%d", length(tensors) + 1L)
    assign(address, name, envir = names_of)
    tensors[[name]] <<- x
    c(name, attributes_text(x))
  }
  object <- serialize(obj, NULL, refhook = hook)
  list(object = object, tensors = tensors)
}

# What a tensor is marked with (parameter, buffer, persistent), as texts.
attributes_text <- function(x) {
  persistent <- attr(x, "persistent")
  c(paste(class_names(x), collapse = " "), if (!is.null(persistent)) as.character(persistent))
}

# `sum` is that of the R object, which R would read without a word where its bytes are damaged.
save_typed <- function(tensors, type, path, sum = NULL) {
  grads <- vapply(tensors, function(x) x$requires_grad, NA)
  flags <- paste0(json_text(names(tensors)), ":", ifelse(grads, "true", "false"), collapse = ",")
  description <- sprintf('{"type":"%s","version":3,"requires_grad":{%s},"special_dtype":{}}', type, flags)
  save_safetensors(tensors, path, c(`__r__` = description, robj_sha256 = sum))
}

json_text <- function(x) paste0('"', gsub('(["\\\\])', "\\\\\\1", x), '"')

load_object <- function(path) {
  tensors <- load_safetensors(path)
  description <- attr(tensors, "metadata")["__r__"]
  sum <- attr(tensors, "metadata")["robj_sha256"]
  attr(tensors, "metadata") <- NULL
  if (length(description) == 0 || is.na(description)) {
    rlang::warn(sprintf("'%s' was not written by torch_save(): its tensors are returned as a list.", path))
    return(tensors)
  }
  description <- .Call(cdr_json_read, unname(description), sprintf("'%s'", path))
  for (name in names(tensors)) {
    if (isTRUE(description$requires_grad[[name]])) tensors[[name]]$requires_grad_(TRUE)
  }
  switch(description$type,
    tensor = tensors[[single_tensor_name]],
    state_dict = tensors,
    put_tensors_back(tensors, path, if (length(sum) == 1) sum)
  )
}

put_tensors_back <- function(tensors, path, sum) {
  if (is.null(tensors[["__robj__"]])) {
    runtime_error(sprintf("'%s' is damaged: the entry '__robj__' is missing.", path))
  }
  bytes <- .Call(cdr_as_array, tensors[["__robj__"]], "raw")
  if (!is.null(sum) && !is.na(sum) && .Call(cdr_sha256, bytes) != sum) {
    raise(sprintf("'%s' is damaged: the checksum of its R object is wrong.", path),
      c("candela_error_format", "runtime_error"))
  }
  hook <- function(text) {
    x <- tensors[[text[[1]]]]
    if (is.null(x)) runtime_error(sprintf("'%s' is damaged: the tensor '%s' is missing.", path, text[[1]]))
    class(x) <- own_first(strsplit(text[[2]], " ", fixed = TRUE)[[1]])
    if (length(text) > 2) attr(x, "persistent") <- as.logical(text[[3]])
    x
  }
  addresses_to_tensors(unserialize(bytes, refhook = hook), tensors)
}

# Lists written by torch have the names of tensors as texts of class "torch_tensor_address".
addresses_to_tensors <- function(x, tensors) {
  if (inherits(x, "torch_tensor_address")) {
    return(tensors[[as.character(unclass(x))]])
  }
  if (is.list(x) && !is.object(x)) x[] <- lapply(x, addresses_to_tensors, tensors)
  x
}
