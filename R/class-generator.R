# Functions that make R6 classes from their arguments: dataset(), sampler(), luz_callback(), luz_metric().

# A class with the given methods and fields. `inherit` is an R6 class or something made by one of those functions.
derive_class <- function(name, inherit, members, private, active, parent_env) {
  env <- new.env(parent = parent_env)
  env$.inherited_class <- r6_class(inherit)
  R6::R6Class(
    classname = name, inherit = .inherited_class, public = members, private = private, active = active,
    parent_env = env, lock_objects = FALSE
  )
}

r6_class <- function(x) {
  if (inherits(x, "R6ClassGenerator") && is.environment(x)) x else attr(x, "r6_class", exact = TRUE)
}

# The method or field of that name in the nearest class of the chain; NULL without.
class_member <- function(class, name) {
  while (!is.null(class)) {
    found <- class$public_methods[[name]] %||% class$active[[name]] %||% class$public_fields[[name]]
    if (!is.null(found)) {
      return(found)
    }
    class <- class$get_inherit()
  }
  NULL
}

# A function with the formals of the class' `initialize` that makes an instance.
constructor <- function(class, type) {
  f <- function() {
    call <- sys.call()
    call[[1]] <- class$new
    eval(call, parent.frame())
  }
  formals(f) <- formals(class_member(class, "initialize"))
  structure(f, class = type, r6_class = class)
}

#' @importFrom rlang %||%
NULL

utils::globalVariables(c(".inherited_class", "private", "super"))
