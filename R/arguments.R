# Checks of arguments: each gives a `value_error` that names the argument, what it got and what it wanted.

# A short description of any object for error messages.
describe <- function(x) {
  if (is.character(x) && length(x) == 1) {
    return(paste0('"', x, '"'))
  }
  if (is.numeric(x) && length(x) == 1) {
    return(format(x))
  }
  sprintf("an object of class <%s>", paste(class(x), collapse = "/"))
}

check_string <- function(x, name) {
  if (!is.character(x) || length(x) != 1 || is.na(x)) {
    value_error(sprintf("`%s` must be a single string, but got %s.", name, describe(x)))
  }
}

is_one_number <- function(x, least = -Inf) {
  is.numeric(x) && length(x) == 1 && !is.na(x) && x >= least
}

check_number <- function(x, name, least = -Inf) {
  if (!is_one_number(x, least)) {
    value_error(sprintf(
      "`%s` must be a single number%s, but got %s.", name, if (least > -Inf) paste(" of at least", least) else "",
      describe(x)
    ))
  }
}

check_whole_number <- function(x, name, least) {
  if (!is_one_number(x, least) || x != floor(x)) {
    value_error(sprintf("`%s` must be a whole number of at least %g, but got %s.", name, least, describe(x)))
  }
}

check_function <- function(x, name, such_as) {
  if (!is.function(x)) {
    value_error(sprintf("`%s` must be a function such as %s, but got %s.", name, such_as, describe(x)))
  }
}

# " Call the generator first, ..." where a generator was given for what it makes, else "".
hint_if_generator <- function(x, what) {
  if (is.function(x) && inherits(x, paste0(what, "_generator"))) {
    sprintf(" Call the generator first, to make a %s.", what)
  } else {
    ""
  }
}
