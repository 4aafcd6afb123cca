# How `tensor$name` works: methods are functions with a free variable `self`, fields are functions of the tensor.

tensor_methods <- new.env(parent = emptyenv())
tensor_fields <- new.env(parent = emptyenv())
tensor_field_setters <- new.env(parent = emptyenv())

# Defines tensor$name(...): `method` uses `self` for the tensor. What is kept is a function of `self` that makes the
# method, so that the method is compiled, and each call makes a closure over it and nothing else.
tensor_method <- function(name, method) {
  bound <- call("function", as.pairlist(formals(method)), body(method))
  assign(name, rlang::new_function(alist(self = ), bound, environment(method)), envir = tensor_methods)
}

# The method as a function of its own arguments, with the free variable `self`.
unbound_method <- function(bound) {
  parts <- body(bound)
  rlang::new_function(as.pairlist(parts[[2]]), parts[[3]], environment(bound))
}

# Defines tensor$name (without parentheses): get(tensor) gives the value, set(tensor, value) changes it.
tensor_field <- function(name, get, set = NULL) {
  assign(name, get, envir = tensor_fields)
  if (!is.null(set)) assign(name, set, envir = tensor_field_setters)
}

#' @export
`$.torch_tensor` <- function(x, name) {
  method <- tensor_methods[[name]]
  if (!is.null(method)) {
    return(method(x))
  }
  get <- tensor_fields[[name]]
  if (is.null(get)) {
    value_error(sprintf("A tensor has no method or field `%s`.", name))
  }
  get(x)
}

#' @export
`[[.torch_tensor` <- function(x, name) {
  if (is.character(name)) `$.torch_tensor`(x, name) else x[name]
}

#' @export
`$<-.torch_tensor` <- function(x, name, value) {
  set <- tensor_field_setters[[name]]
  if (is.null(set)) {
    value_error(sprintf("`%s` of a tensor cannot be set.", name))
  }
  set(x, value)
  invisible(x)
}

#' @importFrom utils .DollarNames
#' @rawNamespace S3method(.DollarNames, torch_tensor)
.DollarNames.torch_tensor <- function(x, pattern = "") {
  methods <- paste0(ls(tensor_methods), "(")
  grep(pattern, sort(c(methods, ls(tensor_fields))), value = TRUE)
}

is_tensor <- function(x) inherits(x, "torch_tensor")
