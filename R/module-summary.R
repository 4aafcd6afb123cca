#' @include module.R
NULL

#' Layers of a module
#'
#' A table of the modules in a module, in the order in which they were registered, with the shapes of what they give
#' and the numbers of their parameters.
#'
#' @param object a module, made by [nn_module()] or a layer.
#' @param input what the module is called with: a tensor, or a list of tensors for several arguments. Nothing is
#'   changed by the call: it is made in evaluation mode without recording.
#' @param input_size instead of `input`: the shape of an image, `c(3, 224, 224)`, or of a batch, `c(8, 3, 224, 224)`, of
#'   random numbers; a list of shapes for several arguments. Models that know their input ([unet()]) have a default.
#' @param depth how many levels of modules within modules are shown. Deeper ones count with those they belong to.
#' @param ... not used.
#' @return A data frame of class `candela_module_summary`, with a row for each module: `name` (as in `state_dict()`;
#'   `""` is the module itself), `type`, `level`, `output` (its shape as text, batch first; several are joined by `;`;
#'   `NA` where it was not called or there was no input), `parameters` (in it and all below it), `trainable` (of
#'   these). A module that is called several times has the shape of the last call. Its attribute `total` holds
#'   `parameters`, `trainable`, `buffers`, and `megabytes` of both.
#' @examples
#' net <- nn_sequential(nn_conv2d(3, 8, 3), nn_relu(), nn_adaptive_avg_pool2d(1), nn_flatten(),
#'   nn_linear(8, 2))
#' summary(net, input_size = c(3, 32, 32))
#' @name summary.nn_module
#' @export
summary.candela_module <- function(object, input = NULL, input_size = NULL, depth = 3, ...) {
  if (!is_nn_module(object)) value_error("`object` is a module generator: call it first, to make a module.")
  check_number(depth, "depth", 0)
  if (is.null(input)) input <- example_input(object, input_size)
  shapes <- if (!is.null(input)) output_shapes(object, if (is_tensor(input)) list(input) else input)
  rows <- module_rows(module_object(object), "", 0, depth)
  table <- do.call(rbind, rows)
  table$output <- if (is.null(shapes)) NA_character_ else unname(shapes[table$address])
  rownames(table) <- NULL
  structure(table[c("name", "type", "level", "output", "parameters", "trainable")], total = module_total(object),
    class = c("candela_module_summary", "data.frame"))
}

# A batch of random numbers of that size; a batch of one where there is no dimension for it.
example_input <- function(object, input_size) {
  if (is.null(input_size)) input_size <- default_input_size(object)
  if (is.null(input_size)) {
    return(NULL)
  }
  sizes <- if (is.list(input_size)) input_size else list(input_size)
  lapply(sizes, function(size) {
    if (!is.numeric(size) || length(size) == 0 || anyNA(size) || any(size < 1)) {
      refuse(size, "input_size", "the shape of an input, such as c(3, 224, 224), or a list of shapes")
    }
    kept_generator(torch_randn(if (length(size) %in% c(1, 3)) c(1, size) else size))
  })
}

# The generator goes on as if nothing had been drawn.
kept_generator <- function(expr) {
  state <- torch_get_rng_state()
  on.exit(torch_set_rng_state(state))
  force(expr)
}

default_input_size <- function(object) {
  spec <- if (inherits(object, "segmentation_model")) object$input_spec
  if (!is.null(spec)) {
    return(c(spec$channels, spec$size))
  }
  if (inherits(object, "segmentation_model")) c(object$in_channels, 256, 256)
}

# Names are addresses of modules, values are shapes of their outputs as text. While the module runs, each of the modules
# in it is in a function that notes what it gives.
output_shapes <- function(object, input) {
  shapes <- new.env(parent = emptyenv())
  originals <- list()
  watch <- function(name, parent) {
    child <- .subset2(parent, name)
    address <- rlang::obj_address(module_object(child))
    originals[[length(originals) + 1L]] <<- list(parent = parent, name = name, child = child)
    bind_member(parent, name, watched(child, address, shapes))
    watch_children(module_object(child), address)
  }
  met <- character()
  watch_children <- function(parent, address) {
    if (!address %in% met) {
      met <<- c(met, address)
      lapply(names(own_children(parent)), watch, parent)
    }
  }
  training <- object$training
  on.exit({
    for (original in originals) bind_member(original$parent, original$name, original$child)
    object$train(training)
  })
  object$eval()
  address <- rlang::obj_address(module_object(object))
  watch_children(module_object(object), address)
  with_no_grad(y <- do.call(object, unname(input)))
  assign(address, shape_text(y), envir = shapes)
  unlist(as.list(shapes))
}

# The child with its attributes.
watched <- function(child, address, shapes) {
  force(child)
  call <- function(...) {
    y <- child(...)
    assign(address, shape_text(y), envir = shapes)
    y
  }
  attributes(call) <- attributes(child)
  call
}

shape_text <- function(y) {
  if (is_tensor(y)) {
    return(paste(dim(y), collapse = " x "))
  }
  tensors <- if (is.list(y)) Filter(is_tensor, unlist(y, recursive = TRUE)) else list()
  texts <- vapply(tensors, shape_text, "")
  if (length(texts) == 0) NA_character_ else paste(ifelse(nzchar(texts), texts, "number"), collapse = "; ")
}

module_rows <- function(object, name, level, depth) {
  row <- data.frame(
    name = name, type = class_name(as_callable(object)), level = level, parameters = count_parameters(object),
    trainable = count_trainable(object), address = rlang::obj_address(object), stringsAsFactors = FALSE
  )
  if (level >= depth) {
    return(list(row))
  }
  children <- own_children(object)
  nested <- lapply(names(children), function(child) {
    path <- if (nzchar(name)) paste0(name, ".", child) else child
    module_rows(module_object(children[[child]]), path, level + 1, depth)
  })
  c(list(row), unlist(nested, recursive = FALSE))
}

count_trainable <- function(object) {
  parameters <- collect_members(module_object(object), own_parameters)
  sum(vapply(parameters, function(p) if (p$requires_grad) prod(dim(p)) else 0, 0))
}

module_total <- function(object) {
  parameters <- collect_members(module_object(object), own_parameters)
  buffers <- collect_members(module_object(object), own_buffers)
  list(
    parameters = count_parameters(object), trainable = count_trainable(object),
    buffers = sum(vapply(buffers, function(x) prod(dim(x)), 0)),
    megabytes = sum(vapply(c(parameters, buffers), tensor_bytes, 0)) / 1e6
  )
}

tensor_bytes <- function(x) {
  prod(dim(x)) * switch(dtype_name(x$dtype), Double = , Long = 8, Byte = , Bool = , Char = 1, Half = , Short = ,
    BFloat16 = 2, 4)
}

# Of several outputs the last one, and how many there are.
short_shapes <- function(text) {
  several <- grepl(";", text, fixed = TRUE)
  n <- lengths(strsplit(text, ";", fixed = TRUE))
  ifelse(is.na(text), "", ifelse(several, paste0("(", n, ") ", sub(".*; ", "", text)), text))
}

#' @export
print.candela_module_summary <- function(x, ...) {
  total <- attr(x, "total")
  if (is.null(total)) {
    return(NextMethod())
  }
  shown <- data.frame(
    layer = paste0(strrep("  ", x$level), ifelse(nzchar(x$name), sub(".*[.]", "", x$name), "(model)"), " <", x$type,
      ">"),
    output = short_shapes(x$output), parameters = vapply(x$parameters, format_count, ""),
    trainable = ifelse(x$trainable == x$parameters, "", vapply(x$trainable, format_count, "")), stringsAsFactors = FALSE
  )
  if (all(is.na(x$output))) shown$output <- NULL
  if (all(shown$trainable == "")) shown$trainable <- NULL
  width <- max(nchar(c("layer", shown$layer)))
  names(shown)[[1]] <- formatC("layer", width = -width)
  shown[[1]] <- formatC(shown[[1]], width = -width)
  print.data.frame(shown, row.names = FALSE)
  cat(sprintf("%s parameters (%s trainable) and %s numbers in buffers: %.1f MB\n", format_count(total$parameters),
    format_count(total$trainable), format_count(total$buffers), total$megabytes))
  invisible(x)
}
