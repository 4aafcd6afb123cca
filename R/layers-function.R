#' @include module.R
NULL

# Layers that are one function of their input: the arguments of the generator become fields of the same names, and the
# function gets them by these names. `arguments`: their defaults, an alist(); `inputs`: the arguments of `forward`;
# `more`: further arguments of the function, as expressions.
function_layer <- function(classname, f, arguments = alist(), inputs = alist(input = ), more = alist()) {
  fields <- names(arguments)
  set <- lapply(fields, function(name) call("<-", call("$", quote(self), as.name(name)), as.name(name)))
  passed <- stats::setNames(lapply(fields, function(name) call("$", quote(self), as.name(name))), fields)
  given <- stats::setNames(lapply(names(inputs), as.name), names(inputs))
  nn_module(
    classname,
    initialize = rlang::new_function(as.pairlist(arguments), as.call(c(quote(`{`), set)), topenv()),
    forward = rlang::new_function(as.pairlist(inputs), as.call(c(f, given, passed, more)), topenv()),
    parent_env = topenv()
  )
}
