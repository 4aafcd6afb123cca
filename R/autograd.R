#' @include tensor-class.R class-generator.R
NULL

#' Recording of operations
#'
#' Operations on tensors that require a gradient are recorded, unless code runs inside `with_no_grad()`.
#'
#' @param code an expression.
#' @param .env the environment (usually a function's) at whose end the previous state comes back.
#' @param enabled `TRUE` or `FALSE`.
#' @return The value of `code`; the `local_` functions and the setter: nothing.
#' @examples
#' x <- torch_ones(1, requires_grad = TRUE)
#' with_no_grad(x * 2)$requires_grad
#' @export
with_no_grad <- function(code) {
  before <- .Call(cdr_grad_mode, FALSE)
  on.exit(.Call(cdr_grad_mode, before))
  code
}

#' @rdname with_no_grad
#' @export
with_enable_grad <- function(code) {
  before <- .Call(cdr_grad_mode, TRUE)
  on.exit(.Call(cdr_grad_mode, before))
  code
}

#' @rdname with_no_grad
#' @export
local_no_grad <- function(.env = parent.frame()) local_grad_mode(FALSE, .env)

#' @rdname with_no_grad
#' @export
local_enable_grad <- function(.env = parent.frame()) local_grad_mode(TRUE, .env)

local_grad_mode <- function(enabled, env) {
  before <- .Call(cdr_grad_mode, enabled)
  at_exit(env, function() .Call(cdr_grad_mode, before))
  invisible(NULL)
}

#' @rdname with_no_grad
#' @export
autograd_set_grad_mode <- function(enabled) invisible(.Call(cdr_grad_mode, enabled))

#' @rdname with_no_grad
#' @export
local_autograd_set_grad_mode <- function(enabled, .env = parent.frame()) local_grad_mode(enabled, .env)

#' Finding where gradients become NaN
#'
#' Backward passes that run inside `with_detect_anomaly()` look at every gradient, and stop at the first operation that
#' makes one of them NaN, with its name. They take longer.
#'
#' @param code an expression.
#' @param .env the environment (usually a function's) at whose end the previous state comes back.
#' @return The value of `code`; `local_detect_anomaly()` nothing.
#' @section Errors: of class `candela_error_autograd`, "Function 'SqrtBackward0' returned nan values in its 0th output."
#' @examples
#' x <- torch_tensor(0, requires_grad = TRUE)
#' y <- torch_sqrt(x) * 0
#' try(with_detect_anomaly(y$backward()))
#' @export
with_detect_anomaly <- function(code) {
  before <- .Call(cdr_anomaly, TRUE)
  on.exit(.Call(cdr_anomaly, before))
  code
}

#' @rdname with_detect_anomaly
#' @export
local_detect_anomaly <- function(.env = parent.frame()) {
  before <- .Call(cdr_anomaly, TRUE)
  at_exit(.env, function() .Call(cdr_anomaly, before))
  invisible(NULL)
}

#' Compute gradients
#'
#' `autograd_backward()` adds the derivative of the sum of `tensors` (weighted by `grad_tensors`) to the `grad` of every
#' leaf they were computed from; `x$backward()` does so for one tensor. `autograd_grad()` returns the derivatives with
#' respect to `inputs` and leaves every `grad` alone.
#'
#' What the graph holds for the computation is given up afterwards unless `retain_graph` is `TRUE`.
#'
#' With `create_graph = TRUE` the pass is recorded itself, so that the gradients can be differentiated again, as often
#' as wanted: for penalties on gradients, Hessian products, and the like. Nearly all operators have second
#' derivatives; what was computed through one that has none (attention, grid sampling, segmentation losses) raises an
#' error that names it when it is differentiated. Leaves whose `grad` was made so hold the graph until it is removed
#' (`x$grad <- NULL`, `zero_grad()`): `autograd_grad()` is better there.
#'
#' @param tensors,outputs,inputs a tensor or list of tensors.
#' @param grad_tensors,grad_outputs a tensor or list of tensors in the shape of `tensors`; may be left out for tensors
#'   of one element.
#' @param retain_graph keep the graph for another pass.
#' @param create_graph record the pass, so that gradients can be differentiated.
#' @param allow_unused give an undefined tensor, instead of an error, for inputs that no gradient reaches.
#' @return `autograd_backward()`: nothing. `autograd_grad()`: a list of tensors.
#' @section Errors: of class `candela_error_autograd` when there is nothing to differentiate, when the graph was used
#'   before, when a tensor that backward needs was changed in place, and when an operator has no second derivative.
#' @examples
#' w <- torch_tensor(3, requires_grad = TRUE)
#' (w^2)$backward()
#' w$grad
#' slope <- autograd_grad((w^3)$sum(), w, create_graph = TRUE)[[1]]
#' autograd_grad(slope, w)
#' @export
autograd_backward <- function(tensors, grad_tensors = NULL, retain_graph = create_graph, create_graph = FALSE) {
  .Call(cdr_backward, as_tensor_list(tensors), as_gradient_list(grad_tensors, tensors, "grad_tensors"),
    retain_graph, create_graph)
  invisible(NULL)
}

#' @rdname autograd_backward
#' @export
autograd_grad <- function(outputs, inputs, grad_outputs = NULL, retain_graph = create_graph, create_graph = FALSE,
                          allow_unused = FALSE) {
  grads <- .Call(
    cdr_backward_to, as_tensor_list(outputs), as_gradient_list(grad_outputs, outputs, "grad_outputs"),
    retain_graph, create_graph, as_tensor_list(inputs)
  )
  unused <- vapply(grads, is_undefined_tensor, NA)
  if (any(unused) && !allow_unused) {
    runtime_error(sprintf(
      "input %d was not used to compute the outputs. Set allow_unused = TRUE if this is intended.", which(unused)[[1]]
    ))
  }
  grads
}

as_tensor_list <- function(x) if (is_tensor(x) || is.function(x)) list(x) else as.list(x)

# `of`: the tensors they are gradients of; `name`: of the argument.
as_gradient_list <- function(x, of, name) {
  if (is.null(x)) {
    return(NULL)
  }
  if (is_tensor(x) && is_tensor(of)) {
    return(list(x))
  }
  gradients <- if (is_tensor(x) || !is.list(x)) list(x) else x
  if (length(gradients) != length(as_tensor_list(of))) {
    value_error(sprintf("`%s` must hold a gradient, or NULL, for each of %d tensors, but has %d.", name,
      length(as_tensor_list(of)), length(gradients)))
  }
  lapply(gradients, function(g) if (is.null(g)) g else as_tensor(g, name))
}

tensor_method("backward", function(gradient = list(), retain_graph = create_graph, create_graph = FALSE,
                                   inputs = NULL) {
  gradient <- if (!is.list(gradient) || length(gradient) > 0) gradient
  if (length(inputs) == 0 && !is_tensor(inputs)) {
    return(autograd_backward(self, gradient, retain_graph, create_graph))
  }
  inputs <- as_tensor_list(inputs)
  gradients <- autograd_grad(self, inputs, gradient, retain_graph, create_graph)
  for (i in seq_along(inputs)) add_gradient(inputs[[i]], gradients[[i]])
})

add_gradient <- function(x, gradient) {
  known <- x$grad
  x$grad <- if (is.null(known) || is_undefined_tensor(known)) gradient else known + gradient
}

tensor_method("requires_grad_", function(requires_grad = TRUE) {
  invisible(.Call(cdr_set_requires_grad, self, requires_grad))
})
tensor_method("retain_grad", function() invisible(.Call(cdr_retain_grad, self)))
tensor_method("detach", function() keep_mark(.Call(cdr_detach, self), self))
tensor_method("detach_", function() .Call(cdr_detach_, self))
tensor_method("set_grad_", function(new_grad) invisible(.Call(cdr_set_grad, self, new_grad)))
tensor_method("set_data", function(new_data) invisible(.Call(cdr_set_data, self, new_data)))
tensor_field("output_nr", function(self) .Call(cdr_output_nr, self))
tensor_method("has_storage", function() !is_undefined_tensor(self))

# What x was derived from may be marked as a parameter or buffer: its copy is so, too.
keep_mark <- function(x, from) {
  if (inherits(from, c("nn_parameter", "nn_buffer"))) attributes(x) <- attributes(from)
  x
}

TensorStorage <- R6Class("torch_storage",
  public = list(
    initialize = function(tensor) private$tensor <- tensor,
    data_ptr = function() .Call(cdr_storage_ptr, private$tensor)
  ),
  private = list(tensor = NULL),
  cloneable = FALSE
)

#' Memory of tensors
#'
#' `x$storage()` stands for the memory behind `x`, which its views share; `x$storage()$data_ptr()` is the address
#' where it begins and `x$data_ptr()` that of the first element of `x`, as text: equal for tensors that share it.
#'
#' `x$set_data(new_data)` lets `x` show the memory of another tensor; it keeps its history and gradient. `x$detach_()`
#' takes its history away. `x$set_grad_(new_grad)` sets the gradient, as `x$grad <- new_grad` does.
#'
#' @param x Tensor.
#' @param new_data,new_grad Tensor of the dtype, or dtype and shape, of `x`.
#' @return `storage()` an object with the method `data_ptr()`; the others `x`.
#' @section Errors: of class `candela_error_autograd` for `detach_()` of a view, which has the history of its base.
#' @examples
#' x <- torch_ones(2, 3)
#' x$storage()$data_ptr() == x[2, ]$storage()$data_ptr()
#' @name tensor-storage
NULL

tensor_method("storage", function() TensorStorage$new(self))
tensor_field("requires_grad",
  get = function(self) .Call(cdr_requires_grad, self),
  set = function(self, value) .Call(cdr_set_requires_grad, self, value)
)
tensor_field("grad",
  get = function(self) .Call(cdr_grad, self),
  set = function(self, value) .Call(cdr_set_grad, self, value)
)
tensor_field("is_leaf", function(self) .Call(cdr_is_leaf, self))
tensor_field("dtype", function(self) dtypes[[.Call(cdr_dtype, self) + 1L]])

graph_node <- slim_class(R6Class("torch_graph_node",
  public = list(
    name = NULL,
    initialize = function(described) {
      self$name <- described[[1]]
      private$pointer <- described[[2]]
    },
    print = function(...) {
      cat(self$name, "\n", sep = "")
      invisible(self)
    }
  ),
  active = list(
    next_functions = function() lapply(.Call(cdr_next_functions, private$pointer), graph_node$new)
  ),
  private = list(pointer = NULL),
  cloneable = FALSE
))

tensor_field("grad_fn", function(self) {
  described <- .Call(cdr_grad_fn, self)
  if (!is.null(described)) graph_node$new(described)
})

#' Hooks on tensors
#'
#' `x$register_hook(hook)` calls `hook(gradient)` whenever a backward pass has computed the gradient of `x`. Where the
#' hook gives a tensor, that takes the gradient's place; anything else it gives is left aside. Of a leaf the hook sees
#' the sum of what one pass computes, before it is added to `x$grad`.
#'
#' Hooks run in the order they were registered in. What a hook computes is recorded when the pass was asked for with
#' `create_graph = TRUE`. An error in a hook ends the pass and is raised by `backward()`.
#'
#' @param x tensor that requires a gradient.
#' @param hook function of one tensor.
#' @return An object with a method `remove()`, which takes the hook away.
#' @examples
#' x <- torch_tensor(c(1, 2), requires_grad = TRUE)
#' hook <- x$register_hook(function(gradient) gradient * 10)
#' (x * 3)$sum()$backward()
#' x$grad
#' hook$remove()
#' @name register_hook
NULL

TensorHook <- slim_class(R6Class("torch_hook",
  public = list(
    x = NULL,
    pos = NULL,
    initialize = function(x, pos) {
      self$x <- x
      self$pos <- pos
    },
    remove = function() invisible(.Call(cdr_remove_hook, self$x, self$pos)),
    print = function(...) {
      cat("<torch_hook>\n")
      invisible(self)
    }
  ),
  cloneable = FALSE
))

# Made apart from the tensor, which the graph would else hold, and the tensor the graph.
hook_on_gradient <- function(hook) {
  force(hook)
  function(gradients) list(tensor_or_null(hook(gradients[[1]])))
}

tensor_method("register_hook", function(hook) {
  check_function(hook, "hook", "function(gradient) 2 * gradient")
  TensorHook$new(self, .Call(cdr_add_hook, self, hook_on_gradient(hook)))
})

tensor_or_null <- function(x) if (is_tensor(x) && !is_undefined_tensor(x)) x

#' Functions with a gradient of their own
#'
#' `autograd_function()` makes a function of tensors whose gradient is not derived from its steps but computed by
#' `backward`.
#'
#' `forward(ctx, ...)` computes the value, a tensor or a list of at most four tensors, without being recorded.
#' `backward(ctx, ...)` gets the gradient of each (zeros where there is none) and gives a list of the gradients of the
#' arguments of `forward`, by their names; `NULL` or a missing one means none. The context `ctx` links both:
#' * `ctx$save_for_backward(...)` keeps tensors and any other objects, which `ctx$saved_variables` then lists under
#'   the names they were given;
#' * `ctx$needs_input_grad` tells for each argument whether its gradient is wanted;
#' * `ctx$mark_dirty(...)` names inputs that `forward` has changed in place and returns;
#' * `ctx$mark_non_differentiable(...)` names values that have no gradient.
#'
#' With `create_graph = TRUE` what `backward` computes is recorded, so it can be differentiated where it consists of
#' operations on tensors.
#'
#' @param forward,backward functions as described.
#' @return A function with the arguments of `forward` but `ctx`.
#' @section Errors: in `forward` they are raised at once, in `backward` by the pass that calls it; of class
#'   `candela_error_shape` where a gradient has not the shape of its argument.
#' @examples
#' cube <- autograd_function(
#'   forward = function(ctx, x) {
#'     ctx$save_for_backward(x = x)
#'     x^3
#'   },
#'   backward = function(ctx, gradient) list(x = 3 * ctx$saved_variables$x^2 * gradient)
#' )
#' x <- torch_tensor(2, requires_grad = TRUE)
#' cube(x)$backward()
#' x$grad
#' @export
autograd_function <- function(forward, backward) {
  check_function(forward, "forward", "function(ctx, x) x^2")
  check_function(backward, "backward", "function(ctx, gradient) list(x = gradient)")
  names <- names(formals(forward))[-1]
  call <- lapply(rlang::syms(names), identity)
  names(call) <- ifelse(names == "...", "", names)
  rlang::new_function(formals(forward)[-1], rlang::expr(apply_function(!!forward, !!backward, list(!!!call))),
    environment())
}

apply_function <- function(forward, backward, arguments) {
  wanted <- vapply(arguments, function(x) is_tensor(x) && !is_undefined_tensor(x) && x$requires_grad, NA)
  ctx <- AutogradContext$new(as.list(wanted))
  value <- with_no_grad(do.call(forward, c(list(ctx), arguments)))
  values <- if (is_tensor(value)) list(value) else value
  if (!.Call(cdr_are_tensors, values)) {
    type_error("`forward` must return a tensor or a list of tensors.")
  }
  values <- lapply(values, separate_value, ctx)
  recorded <- lapply(values, function(x) if (!holds_tensor(ctx$constants, x)) x)
  go_back <- backward_caller(backward, ctx, values, names(which(wanted)))
  .Call(cdr_record_function, recorded, unname(arguments[wanted]), go_back)
  if (is_tensor(value)) values[[1]] else values
}

# A tensor of its own, for the history; what was changed in place keeps its identity.
separate_value <- function(x, ctx) {
  if (holds_tensor(ctx$dirty, x)) return(x)
  other <- x$detach()
  if (holds_tensor(ctx$constants, x)) ctx$constants <- c(ctx$constants, other)
  other
}

holds_tensor <- function(list, x) {
  identity <- .Call(cdr_identity, x)
  any(vapply(list, function(y) identical(.Call(cdr_identity, y), identity), NA))
}

backward_caller <- function(backward, ctx, values, wanted) {
  like <- lapply(values, function(x) list(dim = dim(x), dtype = x$dtype))
  force(backward)
  force(ctx)
  force(wanted)
  rm(values) # the graph holds what is returned: it must not hold the graph
  function(gradients) {
    missing <- vapply(gradients[seq_along(like)], is.null, NA)
    gradients <- gradients[seq_along(like)]
    gradients[missing] <- lapply(like[missing], function(x) torch_zeros(x$dim, dtype = x$dtype))
    given <- do.call(backward, c(list(ctx), unname(gradients)))
    if (is_tensor(given)) given <- list(given)
    if (is.null(names(given)) && length(given) > 0) {
      names(given) <- utils::head(names(ctx$needs_input_grad), length(given))
    }
    lapply(wanted, function(name) tensor_or_null(given[[name]]))
  }
}

AutogradContext <- slim_class(R6Class("torch_autograd_context",
  public = list(
    needs_input_grad = NULL,
    saved_variables = list(),
    dirty = list(),
    constants = list(),
    initialize = function(needs_input_grad) self$needs_input_grad <- needs_input_grad,
    save_for_backward = function(...) {
      self$saved_variables <- rlang::list2(...)
      invisible(NULL)
    },
    mark_dirty = function(...) {
      self$dirty <- c(self$dirty, rlang::list2(...))
      invisible(NULL)
    },
    mark_non_differentiable = function(...) {
      self$constants <- c(self$constants, rlang::list2(...))
      invisible(NULL)
    }
  ),
  active = list(saved_variable = function() self$saved_variables),
  cloneable = FALSE
))
