#' @include own-classes.R
NULL

# Functions that make R6 classes from their arguments: dataset(), sampler(), luz_callback(), luz_metric().

# A class with the given methods and fields. `inherit` is an R6 class or something made by one of those functions.
derive_class <- function(name, inherit, members, private, active, parent_env) {
  if (!is.null(active) && (!is.list(active) || !all(vapply(active, is.function, NA)))) {
    refuse(active, "active", "a list of functions")
  }
  env <- new.env(parent = parent_env)
  env$.inherited_class <- r6_class(inherit)
  slim_class(R6::R6Class(
    classname = own_first(name), inherit = .inherited_class, public = members, private = private, active = active,
    parent_env = env, lock_objects = FALSE
  ))
}

# Every R6 class holds functions of R6's own, as large as a layer of this package is. What is installed of the package's
# classes therefore has a short function in the place of each, which puts the whole ones there when it is first called.
whole_class <- R6::R6Class("whole_class")
large_functions <- c("new", "set", "clone_method")

# Of classes of users, which are not installed, nothing is taken.
slim_class <- function(class) {
  if (identical(topenv(class$parent_env), topenv())) {
    for (name in large_functions) assign(name, small_function(class, name), envir = class)
    class$public_methods$clone <- NULL
    class$.slim <- TRUE
  }
  class
}

# The namespace is looked up, since what a class' functions see is R6's.
small_function <- function(class, name) {
  whole <- as.call(list(quote(asNamespace("candela")$whole_function), quote(self), name))
  rlang::new_function(alist(... = ), as.call(list(whole, quote(...))), class)
}

whole_function <- function(class, name) {
  restore_class(class)
  class[[name]]
}

# Classes it inherits from come first: their methods are copied into each instance.
restore_class <- function(class) {
  parent <- class$get_inherit()
  if (!is.null(parent)) restore_class(parent)
  if (isTRUE(class$.slim)) {
    class$.slim <- FALSE
    for (name in large_functions) assign(name, with_environment(whole_class[[name]], class), envir = class)
    if (class$cloneable) class$public_methods$clone <- class$clone_method
  }
}

with_environment <- function(f, env) {
  environment(f) <- env
  f
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
  structure(f, class = own_first(type), r6_class = class)
}

#' @importFrom rlang %||%
NULL

utils::globalVariables(c(".inherited_class", "private", "super"))
