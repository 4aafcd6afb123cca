# How forward functions free what they computed on the way, and what else of this package asks for it.
#
# R's collector finds an intermediate result late, and does not know how large it is. nn_module() therefore rewrites the
# body of `forward`, so that at certain points the tensors made since an earlier point are freed that nothing refers to
# any more (src/r/release.h says why they must have been made since):
#
#   function(x) {                       function(x) {
#                                         .made <- .handles_made()
#     y <- self$conv(x)                   y <- self$conv(x)
#                                         .release_since(.made)
#     y <- nnf_relu(y)          ->        y <- nnf_relu(y)
#                                         .release_since(.made)
#     x + nnf_relu(self$b(y))             .result_of(.made,
#                                           x + .release_after(nnf_relu(self$b(y))))
#   }                                   }
#
# - Between two statements: what the first one left behind, which is the old value of a variable it assigned, the
#   arguments it computed, and the variables of the functions it called, which R has given up with their frames.
# - After a call among the arguments of another: the same for that call.
# - At the end of a function with variables: what only these refer to.
#
# A function that is one call without a computed tensor among its arguments, as most layers' are, stays as it is.
#
# Only statements of the function itself are rewritten, with those of its `if`, `for`, `while` and `repeat`: in between
# them the evaluator holds no value of the function's. Functions defined within are left alone, and so are arguments
# of functions other than layers, methods, nnf_ and torch_ functions and arithmetic, which may quote them.

handles_made <- function() .Call(cdr_handles_made)

# Frees what was made since `made` and nothing refers to. For a place between two statements.
release_since <- function(made) .Call(cdr_release_since, made, NULL)

# The value of a function that ends, whose variables refer to nothing anybody else looks at again.
result_of <- function(made, value) .Call(cdr_release_frame, made, value, parent.frame())

# The value of the call, of which nothing is left behind: the argument is evaluated after the handles were counted.
release_after <- function(call) .Call(cdr_release_since, .Call(cdr_handles_made), call)

# Frees the tensors in a list made for the call (or in lists within it) that nothing else refers to.
release_all <- function(list) .Call(cdr_release_list, list)

# The same tensors behind handles of their own. What the frames of a call refer to until R collects them are then these,
# and the old handles can be released.
other_handles <- function(x) .Call(cdr_other_handles, x)

# Around the reading of a batch: what transforming its items leaves behind is collected once the batch is there.
batch_begins <- function() .Call(cdr_batch_begins)
batch_ends <- function() .Call(cdr_batch_ends)

# The names under which a rewritten function finds these: bound in the environment of its module's class.
bind_release <- function(env) {
  env$.handles_made <- handles_made
  env$.release_since <- release_since
  env$.release_after <- release_after
  env$.result_of <- result_of
}

# `forward`, rewritten where it has something to free. It prints as it was written. One that frees by itself is left as
# it is, which one taken from another module does.
with_release <- function(forward) {
  written <- body(forward)
  if (!is.call(written) || any(c(".handles_made", ".release_after", "cdr_handles_made") %in% all.names(written))) {
    return(forward)
  }
  new <- release_in(written, if (has_variables(written)) result_of_call else result_after)
  if (self_is_object(forward)) new <- members_at_once(new)
  if (identical(new, written)) {
    return(forward)
  }
  if (".made" %in% all.names(new)) new <- call("{", quote(.made <- .handles_made()), new)
  rewritten <- rlang::new_function(formals(forward), new, environment(forward))
  attributes(rewritten) <- attributes(forward)
  if (is.null(attr(forward, "srcref"))) attr(rewritten, "srcref") <- source_of(forward)
  rewritten
}

# `self` is an object with a class: for each `self$name` R looks for a method of `$`, which takes longer than a small
# layer, and leaves references to the function's frame until R collects, and so to all that its variables refer to.
# Members are therefore read without: `self$name` becomes `.subset2(self, "name")`, which is the same. That is done in
# arguments of the functions below, layers, methods, nnf_ and torch_ functions; others may quote theirs.
members_at_once <- function(e) {
  if (!is.call(e)) {
    return(e)
  }
  if (head_of(e) == "$" && identical(e[[2]], quote(self)) && is.symbol(e[[3]])) {
    return(call(".subset2", quote(self), as.character(e[[3]])))
  }
  if (!(head_of(e) %in% read_members || computes_tensor(e))) {
    return(e)
  }
  parts <- as.list(e)
  within <- vapply(parts, is.call, NA)
  if (head_of(e) %in% c("<-", "=", "for", "$")) within[2] <- head_of(e) == "$"
  parts[within] <- lapply(parts[within], members_at_once)
  new <- as.call(parts)
  attributes(new) <- attributes(e)
  new
}

self_is_object <- function(f) !"self" %in% c(names(formals(f)), assigned_in(body(f)))

# A method of a module; anything else is left as it is.
with_members_at_once <- function(f) {
  if (typeof(f) != "closure" || is.object(f) || !self_is_object(f)) {
    return(f)
  }
  new <- members_at_once(body(f))
  if (identical(new, body(f))) {
    return(f)
  }
  read_at_once <- rlang::new_function(formals(f), new, environment(f))
  attributes(read_at_once) <- attributes(f)
  read_at_once
}

read_members <- c("{", "(", "[[", "[", "$", "c", "list", "<-", "=", "if", "for", "while", "repeat", "return",
  "invisible", "is.null", "length", "!", "&&", "||", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "^",
  ".result_of", ".release_after")

# Names of the variables that e assigns.
assigned_in <- function(e) {
  if (!is.call(e)) {
    return(character())
  }
  own <- if (head_of(e) %in% c("<-", "=", "for") && is.symbol(e[[2]])) as.character(e[[2]])
  c(own, unlist(lapply(as.list(e)[-1], function(a) if (!identical(a, quote(expr = ))) assigned_in(a))))
}

source_of <- function(f) {
  lines <- deparse(f)
  last <- nchar(lines[[length(lines)]])
  srcref(srcfilecopy("forward", lines), c(1L, 1L, length(lines), last, 1L, last, 1L, length(lines)))
}

control <- c("if", "for", "while", "repeat")

head_of <- function(e) if (is.call(e) && is.symbol(e[[1]])) as.character(e[[1]]) else ""

has_variables <- function(e) {
  head_of(e) %in% c("{", "<-", "=", "for", "if", "while", "repeat") &&
    (head_of(e) %in% c("<-", "=", "for") || any_argument(e, has_variables))
}

# The last call of a function with variables, and of one without.
result_of_call <- function(e) if (is.call(e)) call(".result_of", quote(.made), release_within(e, FALSE)) else e
result_after <- function(e) release_within(e, TRUE)

# e, a statement in control position; `ending` rewrites an expression whose value is the function's.
release_in <- function(e, ending, last = TRUE) {
  inside <- function(e, is_last = last) release_in(e, ending, is_last)
  repeated <- function(body) release_behind(inside(body, FALSE), body)
  switch(head_of(e),
    `{` = release_between(e, inside),
    `if` = as.call(c(as.list(e[1:2]), lapply(as.list(e[-(1:2)]), inside))),
    `for` = as.call(c(as.list(e[1:3]), list(repeated(e[[4]])))),
    `while` = as.call(c(as.list(e[1:2]), list(repeated(e[[3]])))),
    `repeat` = as.call(c(as.list(e[1]), list(repeated(e[[2]])))),
    `<-` = ,
    `=` = as.call(c(as.list(e[1:2]), list(release_within(e[[3]], FALSE)))),
    `return` = if (length(e) == 2) as.call(list(e[[1]], ending(e[[2]]))) else e,
    `invisible` = if (last && length(e) == 2) as.call(list(e[[1]], ending(e[[2]]))) else e,
    `function` = e,
    if (last) ending(e) else release_within(e, FALSE)
  )
}

# A block, with the references to its source moved along.
release_between <- function(block, inside) {
  n <- length(block)
  statements <- lapply(seq_len(n - 1), function(i) {
    s <- block[[i + 1]]
    if (i == n - 1) list(inside(s)) else release_behind(inside(s, FALSE), s, block = FALSE)
  })
  new <- as.call(c(quote(`{`), unlist(statements, recursive = FALSE)))
  source <- attr(block, "srcref")
  if (!is.null(source)) {
    attributes(new) <- attributes(block)
    attr(new, "srcref") <- source[c(1, 1 + rep(seq_len(n - 1), lengths(statements)))]
  }
  new
}

# The statement, followed by a release where it may leave something behind.
release_behind <- function(statement, written, block = TRUE) {
  statements <- list(statement)
  if (leaves_something(written)) statements <- list(statement, quote(.release_since(.made)))
  if (!block) statements else if (length(statements) == 1) statement else as.call(c(quote(`{`), statements))
}

# Functions that make no tensor, or only pass on what they get.
plain <- c("{", "(", "$", "[[", "::", "@", "c", "list", "!", "&&", "||", "==", "!=", "<", ">", "<=", ">=", ":",
  "is.null", "is.list", "missing", "length", "dim", "names", "rev", "seq_along", "seq_len", "stop", "stopifnot",
  "next", "break", control)

leaves_something <- function(e) {
  if (!is.call(e) || head_of(e) == "function") {
    return(FALSE)
  }
  if (head_of(e) %in% c("<-", "=") && is.symbol(e[[2]]) && !is.call(e[[3]])) {
    return(TRUE)
  }
  if (!head_of(e) %in% c(plain, "<-", "=", "return")) {
    return(TRUE)
  }
  any(vapply(as.list(e)[-1], function(a) !identical(a, quote(expr = )) && leaves_something(a), NA))
}

arithmetic <- c("+", "-", "*", "/", "^")
carries <- c(arithmetic, "(", "list", "c")

# A layer (self$conv(x), self$blocks[[1]](x)), a method, or a function of this package's.
computes_tensor <- function(e) {
  if (!is.call(e)) {
    return(FALSE)
  }
  head <- e[[1]]
  if (head_of(head) %in% c("::", ":::")) head <- head[[3]]
  if (is.call(head)) head_of(head) %in% c("$", "[[") else startsWith(as.character(head), "nnf_") ||
    startsWith(as.character(head), "torch_")
}

gives_tensor <- function(e) {
  is.call(e) && (computes_tensor(e) || head_of(e) %in% carries && any_argument(e, gives_tensor))
}

any_argument <- function(e, test) {
  any(vapply(as.list(e)[-1], function(a) !identical(a, quote(expr = )) && test(a), NA))
}

# e, an expression: the calls in it that have intermediate results among their arguments free these at once, where
# `free` is TRUE or they are arguments themselves.
release_within <- function(e, free) {
  if (!is.call(e) || !(computes_tensor(e) || head_of(e) %in% carries)) {
    return(e)
  }
  worth <- free && !head_of(e) %in% setdiff(carries, arithmetic) && any_argument(e, gives_tensor)
  parts <- as.list(e)
  within <- vapply(parts, is.call, NA) & seq_along(parts) > 1
  parts[within] <- lapply(parts[within], release_within, TRUE)
  e <- as.call(parts)
  if (worth) call(".release_after", e) else e
}
