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

tensor_methods_alike <- function(names, method) for (name in names) tensor_method(name, method)

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
`$.candela_tensor` <- function(x, name) {
  method <- tensor_methods[[name]]
  if (!is.null(method)) {
    return(method(x))
  }
  get <- tensor_fields[[name]]
  if (!is.null(get)) {
    return(get(x))
  }
  method <- method_of_function(name)
  if (is.null(method)) {
    value_error(sprintf("A tensor has no method or field `%s`.", name))
  }
  method(x)
}

# Every function torch_name(self, ...) is a method, too, which is made when it is first asked for; with a name that ends
# in "_" it writes the result into the tensor, where torch has such a method.
method_of_function <- function(name) {
  in_place <- name %in% paste0(methods_in_place, "_")
  f <- get0(paste0("torch_", if (in_place) sub("_$", "", name) else name), envir = topenv(), inherits = FALSE)
  if (!is.function(f) || !identical(names(formals(f))[1], "self")) {
    return(NULL)
  }
  arguments <- formals(f)[-1]
  passed <- lapply(names(arguments), as.name)
  names(passed) <- ifelse(names(arguments) == "...", "", names(arguments))
  result <- as.call(c(as.name(paste0("torch_", sub(if (in_place) "_$" else "$", "", name))), quote(self), passed))
  if (in_place) result <- call("apply_op_", quote(ops$copy), call("list", quote(self), result))
  tensor_method(name, rlang::new_function(arguments, result, topenv()))
  tensor_methods[[name]]
}

methods_in_place <- c(
  "absolute", "acos", "acosh", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "arccos", "arccosh", "arcsin",
  "arcsinh", "arctan", "arctanh", "asinh", "atan2", "atanh", "baddbmm", "bitwise_and", "bitwise_left_shift",
  "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "celu", "clamp_max", "clamp_min", "clip",
  "copysign", "cumprod", "cumsum", "deg2rad", "digamma", "divide", "erfc", "erfinv", "exp2", "fill_diagonal", "fix",
  "float_power", "floor_divide", "frac", "gcd", "greater", "greater_equal", "heaviside", "hypot", "i0", "index_copy",
  "index_fill", "index_put", "lcm", "ldexp", "less", "less_equal", "lgamma", "logit", "masked_scatter", "multiply",
  "mvlgamma", "nan_to_num", "negative", "nextafter", "not_equal", "polygamma", "put", "rad2deg", "renorm", "sgn",
  "sinc", "subtract", "tril", "triu", "true_divide", "xlogy", "threshold", "selu", "elu", "leaky_relu", "silu",
  "hardtanh", "arctan2", "igamma", "igammac", "index_reduce", "scatter_reduce"
)

#' @export
`[[.candela_tensor` <- function(x, name) {
  if (is.character(name)) `$.candela_tensor`(x, name) else x[name]
}

#' @export
`$<-.candela_tensor` <- function(x, name, value) {
  set <- tensor_field_setters[[name]]
  if (is.null(set)) {
    value_error(sprintf("`%s` of a tensor cannot be set.", name))
  }
  set(x, value)
  invisible(x)
}

#' @export
`[[<-.candela_tensor` <- function(x, name, value) {
  if (is.character(name)) {
    return(`$<-.candela_tensor`(x, name, value))
  }
  x[name] <- value
  invisible(x)
}

#' @importFrom utils .DollarNames
#' @rawNamespace S3method(.DollarNames, candela_tensor)
.DollarNames.candela_tensor <- function(x, pattern = "") {
  has_self <- function(name) identical(names(formals(get(name, topenv())))[1], "self")
  functions <- Filter(has_self, ls(topenv(), pattern = "^torch_"))
  methods <- paste0(union(ls(tensor_methods), sub("^torch_", "", functions)), "(")
  grep(pattern, sort(c(methods, ls(tensor_fields))), value = TRUE)
}

is_tensor <- function(x) inherits(x, "candela_tensor")
