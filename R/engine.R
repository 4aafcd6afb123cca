# The R side of the C engine: operator ids, calls, conditions.

# Operator name -> position in the engine's table, filled when the package is loaded. Operators that print differently
# for a number operand are there twice: `op` and `op_number`; `paired` has both positions under the name of the first.
ops <- new.env(parent = emptyenv())
paired <- new.env(parent = emptyenv())

load_ops <- function() {
  names <- .Call(cdr_op_names)
  for (i in seq_along(names)) assign(names[[i]], i - 1L, envir = ops)
  for (twin in grep("_number$", names, value = TRUE)) {
    name <- sub("_number$", "", twin)
    assign(name, c(ops[[name]], ops[[twin]]), envir = paired)
  }
}

# Small operators are called as `.Call(cdr_apply_1, ops$relu, x, attrs)`, `_2` and `_3` with so many inputs, and
# `.Call(cdr_apply_binary, paired$add, x, y, attrs)`, without a function or a list in between.

# inputs: list of tensors, numbers, arrays or NULL; attrs: the operator's numbers, in the order of its C enum.
apply_op <- function(op, inputs, attrs = NULL) {
  .Call(cdr_apply_argument, op, inputs, attrs)
}

# The same, written into the first input.
apply_op_ <- function(op, inputs, attrs = NULL) {
  .Call(cdr_apply_in_place, op, inputs, attrs)
}

# Called by the C glue. The classes are those of the peers' conditions, after one of our own that says what kind: what
# an argument may not be is a value error, what is met while computing, such as an index outside of a tensor or no
# memory, a runtime error, as libtorch's. Indices of items, layers and parameters are arguments of R functions.
stop_engine <- function(kind, message) {
  peer_class <- switch(kind,
    shape = , value = , dtype = "value_error",
    format = , io = , index = , memory = , autograd = , internal = "runtime_error",
    NULL
  )
  if (kind == "interrupt") {
    signal_interrupt()
  }
  rlang::abort(message, class = c(paste0("candela_error_", kind), "candela_error", peer_class), call = NULL)
}

# What the engine was stopped by: Ctrl-C, or an error such as that of setTimeLimit().
signal_interrupt <- function() {
  pending <- .Call(cdr_pending_condition)
  if (inherits(pending, "error")) stop(pending)
  condition <- structure(list(message = "interrupted", call = NULL), class = c("interrupt", "condition"))
  signalCondition(condition)
  invokeRestart("abort")
}

# Errors of the R side: one message (a vector is shown as bullets), classed as the peers class theirs.
value_error <- function(message) raise(message, "value_error")
type_error <- function(message) raise(message, "type_error")
runtime_error <- function(message) raise(message, "runtime_error")
not_implemented_error <- function(message) raise(message, "not_implemented_error")

# What the engine has a note of. A file that is read in every epoch is told of once in a session.
warn_engine <- function(message) {
  if (!is.null(told_notes[[message]])) {
    return(invisible(NULL))
  }
  assign(message, TRUE, envir = told_notes)
  rlang::warn(message, class = "candela_warning_damaged")
}

told_notes <- new.env(parent = emptyenv())

raise <- function(message, class) {
  rlang::abort(message, class = c(class, "candela_error"), call = NULL)
}

# Dimensions count from 1 in R and from 0 in the engine; negative ones count from the end in both.
zero_based_dim <- function(dim) {
  if (!is.numeric(dim) || anyNA(dim)) {
    value_error(sprintf("`dim` must be a whole number, got %s.", rlang::as_label(dim)))
  }
  if (any(dim == 0)) {
    runtime_error("Indexing starts at 1 and got a 0.")
  }
  as.double(dim - (dim > 0))
}
