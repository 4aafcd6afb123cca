# Checks of arguments. Each gives a `value_error` that names the argument, what it wanted and what it got:
#
#   `batch_size` must be a whole number of at least 1, but got "two".
#
# A new kind of argument is one more check_*(x, name, ...) here, which ends in refuse().

# A short description of any object for error messages.
describe <- function(x) {
  if (is.null(x)) {
    return("NULL")
  }
  plain <- (is.character(x) || is.numeric(x) || is.logical(x)) && !is.object(x) && is.null(dim(x))
  if (plain && length(x) %in% 1:6) {
    values <- if (is.character(x)) encodeString(x, quote = "\"") else vapply(x, format, "")
    return(if (length(x) == 1) values else sprintf("c(%s)", toString(values)))
  }
  if (plain) {
    return(if (length(x) == 0) sprintf("%s(0)", class_name(x)) else sprintf("%d %s values", length(x), class_name(x)))
  }
  sprintf("an object of class <%s>", paste(class_names(x), collapse = "/"))
}

refuse <- function(x, name, wanted, hint = "") {
  value_error(sprintf("`%s` must be %s, but got %s.%s", name, wanted, describe(x), hint))
}

# " Call the generator first, ..." where a generator was given for what it makes, else "".
hint_if_generator <- function(x, class, what = class) {
  if (is.function(x) && inherits(x, paste0(class, "_generator"))) {
    sprintf(" Call the generator first, to make a %s.", what)
  } else {
    ""
  }
}

# How a loss is called, for a constructor of losses that got a tensor for one of its settings; else "".
hint_to_call_loss <- function(x) {
  if (!is_tensor(x)) {
    return("")
  }
  for (i in rev(seq_len(sys.nframe()))) {
    self <- environment(sys.function(i))$self
    classes <- if (is.environment(self)) self[[".classes"]]
    if ("nn_loss" %in% classes) {
      return(sprintf(" Make the loss first, then call it: %s()(output, target).", classes[[1]]))
    }
  }
  ""
}

# ---- one value ----

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1 || is.na(x)) refuse(x, name, "TRUE or FALSE")
}

check_string <- function(x, name) {
  if (!is.character(x) || length(x) != 1 || is.na(x)) refuse(x, name, "a single string")
}

# " of at least 1", " between 0 and 1", or "" where there are no bounds.
bounds_text <- function(least, most) {
  if (least > -Inf && most < Inf) {
    sprintf(" between %g and %g", least, most)
  } else if (least > -Inf) {
    sprintf(" of at least %g", least)
  } else if (most < Inf) {
    sprintf(" of at most %g", most)
  } else {
    ""
  }
}

is_one_number <- function(x, least = -Inf, most = Inf) {
  is.numeric(x) && length(x) == 1 && !is.na(x) && x >= least && x <= most
}

check_number <- function(x, name, least = -Inf, most = Inf) {
  if (!is_one_number(x, least, most)) refuse(x, name, paste0("a single number", bounds_text(least, most)))
}

check_whole_number <- function(x, name, least = -Inf, most = Inf) {
  if (!is_one_number(x, least, most) || is.infinite(x) || x != floor(x)) {
    refuse(x, name, paste0("a whole number", bounds_text(least, most)))
  }
}

# The finite number that `x` is, or holds where it is a tensor.
as_number <- function(x, name, least = -Inf, most = Inf) {
  if (is_tensor(x)) x <- as.numeric(x)
  if (!is_one_number(x, least, most) || is.infinite(x)) {
    refuse(x, name, paste0("a single number", bounds_text(least, most)))
  }
  as.numeric(x)
}

check_choice <- function(x, name, choices) {
  if (!is.character(x) || length(x) != 1 || !x %in% choices) refuse_choice(x, name, choices)
}

# The one that `x` names: the first where it is all of them, as the default of an argument.
choice <- function(x, name, choices) {
  if (identical(x, choices)) {
    return(choices[[1]])
  }
  check_choice(x, name, choices)
  x
}

# For the last arm of a switch() over the choices.
refuse_choice <- function(x, name, choices) {
  quoted <- paste0("\"", choices, "\"")
  n <- length(quoted)
  refuse(x, name, sprintf("one of %s or %s", toString(quoted[-n]), quoted[[n]]))
}

# ---- several numbers ----

# `lengths`: how many there may be; a word for each of them goes into the message.
check_numbers <- function(x, name, lengths, least = -Inf, most = Inf) {
  if (!is.numeric(x) || !length(x) %in% lengths || anyNA(x) || any(x < least) || any(x > most)) {
    wanted <- paste(lengths, collapse = " or ")
    refuse(x, name, sprintf("%s number%s%s", wanted, if (identical(max(lengths), 1)) "" else "s",
      bounds_text(least, most)))
  }
}

# Height and width, or one number for both, where `square` allows it.
check_size <- function(x, name, square = TRUE) {
  if (!is.numeric(x) || !length(x) %in% (if (square) 1:2 else 2) || anyNA(x) || any(x < 1)) {
    refuse(x, name, sprintf("%sc(height, width), of at least 1", if (square) "one number or " else ""))
  }
}

# One number for each of n dimensions of an image.
per_dimension <- function(x, n, name) {
  if (is.double(x) && length(x) == n && !anyNA(x)) {
    return(x)
  }
  if (!is.numeric(x) || !(length(x) %in% c(1L, n)) || anyNA(x)) {
    refuse(x, name, if (n == 1) "one number" else sprintf("one number or %d numbers", n))
  }
  rep_len(as.double(x), n)
}

# ---- objects ----

check_function <- function(x, name, such_as) {
  if (!is.function(x)) refuse(x, name, paste("a function such as", such_as))
}

check_tensor <- function(x, name) {
  if (!is_tensor(x)) refuse(x, name, "a tensor")
}

# `ranks`: how many dimensions the tensor may have.
check_rank <- function(x, name, ranks) {
  check_tensor(x, name)
  if (!length(dim(x)) %in% ranks) {
    value_error(sprintf("`%s` must have %s dimensions, but has %d.", name, paste(ranks, collapse = " or "),
      length(dim(x))))
  }
}

check_float <- function(x, name) {
  if (!is_float(x)) type_error(sprintf("`%s` must be a float tensor, but got %s.", name, dtype_name(x$dtype)))
}

check_tensors <- function(x, name) {
  if (!.Call(cdr_are_tensors, x)) refuse(x, name, "a list of tensors")
}

check_module <- function(x, name) {
  if (!is_nn_module(x)) refuse(x, name, "a module", hint_if_generator(x, "nn_module", "module"))
}

# ---- several arguments, and what the peers have a text of their own for ----

check_optimizer <- function(x) {
  if (!is_optimizer(x)) type_error(sprintf("%s is not an optimizer", class_name(x)))
}

check_dropout <- function(p) {
  if (!is_one_number(p, 0, 1)) {
    value_error(sprintf("dropout probability has to be between 0 and 1, but got %s.", describe(p)))
  }
}

# A number whose message is a peer's: `ok` tells whether it is in its range.
check_range <- function(x, ok, text) {
  if (is_optim_required(x)) return(invisible())
  if (!is.numeric(x) || length(x) != 1 || is.na(x) || !ok(x)) {
    value_error(sprintf("%s: %s", text, paste(format(x), collapse = ", ")))
  }
}

at_least_zero <- function(x) x >= 0
below_one <- function(x) x >= 0 && x < 1

# Padding of a convolution that is given by name.
check_named_padding <- function(padding, stride) {
  if (!identical(padding, "same") && !identical(padding, "valid")) {
    refuse(padding, "padding", "a number, \"same\" or \"valid\"")
  }
  if (padding == "same" && any(stride != 1)) {
    value_error("`padding = \"same\"` is not supported for strided convolutions: use `stride = 1` or give a number.")
  }
}

check_divisible <- function(x, name, by, by_name) {
  check_whole_number(x, name, least = 1)
  check_whole_number(by, by_name, least = 1)
  if (x %% by != 0) {
    value_error(sprintf("`%s` (%g) must be divisible by `%s` (%g).", name, x, by_name, by))
  }
}

check_same_size <- function(input, target, what) {
  if (!identical(dim(input), dim(target))) {
    value_error(sprintf("%s: the target's size [%s] must be the input's, [%s].", what, toString(dim(target)),
      toString(dim(input))))
  }
}

# The entry `key` of a state, `found`, goes into the tensor `wanted`: shapes agree, or both have one element. `text` has
# the places of the key and of both shapes.
check_fit <- function(key, found, wanted, text = "`%s` has shape [%s] in the state_dict, but [%s] in the module.") {
  if (!is_tensor(found)) {
    value_error(sprintf("`%s` in the state_dict must be a tensor, but got %s.", key, describe(found)))
  }
  if (!identical(dim(found), dim(wanted)) && !(prod(dim(found)) == 1 && prod(dim(wanted)) == 1)) {
    value_error(sprintf(text, key, toString(dim(found)), toString(dim(wanted))))
  }
}
