#' @include tensor-class.R
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

#' Compute gradients
#'
#' `autograd_backward()` adds the derivative of the sum of `tensors` (weighted by `grad_tensors`) to the `grad` of every
#' leaf they were computed from; `x$backward()` does so for one tensor. `autograd_grad()` returns the derivatives with
#' respect to `inputs` and leaves every `grad` alone.
#'
#' What the graph holds for the computation is given up afterwards unless `retain_graph` is `TRUE`. Gradients of
#' gradients are not available.
#'
#' @param tensors,outputs,inputs a tensor or list of tensors.
#' @param grad_tensors,grad_outputs a tensor or list of tensors in the shape of `tensors`; may be left out for tensors
#'   of one element.
#' @param retain_graph keep the graph for another pass.
#' @param create_graph must be `FALSE`.
#' @param allow_unused give an undefined tensor, instead of an error, for inputs that no gradient reaches.
#' @return `autograd_backward()`: nothing. `autograd_grad()`: a list of tensors.
#' @section Errors: of class `candela_error_autograd` when there is nothing to differentiate, when the graph was used
#'   before, and when a tensor that backward needs was changed in place.
#' @examples
#' w <- torch_tensor(3, requires_grad = TRUE)
#' (w^2)$backward()
#' w$grad
#' autograd_grad((w^3)$sum(), w)
#' @export
autograd_backward <- function(tensors, grad_tensors = NULL, retain_graph = create_graph, create_graph = FALSE) {
  check_no_create_graph(create_graph)
  .Call(cdr_backward, as_tensor_list(tensors), as_gradient_list(grad_tensors, tensors, "grad_tensors"),
    retain_graph)
  invisible(NULL)
}

#' @rdname autograd_backward
#' @export
autograd_grad <- function(outputs, inputs, grad_outputs = NULL, retain_graph = create_graph, create_graph = FALSE,
                          allow_unused = FALSE) {
  check_no_create_graph(create_graph)
  grads <- .Call(
    cdr_backward_to, as_tensor_list(outputs), as_gradient_list(grad_outputs, outputs, "grad_outputs"),
    retain_graph, as_tensor_list(inputs)
  )
  unused <- vapply(grads, is_undefined_tensor, NA)
  if (any(unused) && !allow_unused) {
    runtime_error(sprintf(
      "input %d was not used to compute the outputs. Set allow_unused = TRUE if this is intended.", which(unused)[[1]]
    ))
  }
  grads
}

check_no_create_graph <- function(create_graph) {
  if (!identical(create_graph, FALSE)) {
    not_implemented_error("create_graph = TRUE is not available: gradients of gradients cannot be computed.")
  }
}

as_tensor_list <- function(x) if (is_tensor(x)) list(x) else as.list(x)

# `of`: the tensors they are gradients of; `name`: of the argument.
as_gradient_list <- function(x, of, name) {
  if (is.null(x)) {
    return(NULL)
  }
  gradients <- if (is_tensor(x) || !is.list(x)) list(x) else x
  if (length(gradients) != length(as_tensor_list(of))) {
    value_error(sprintf("`%s` must hold a gradient, or NULL, for each of %d tensors, but has %d.", name,
      length(as_tensor_list(of)), length(gradients)))
  }
  lapply(gradients, function(g) if (is.null(g)) g else as_tensor(g, name))
}

tensor_method("backward", function(gradient = list(), retain_graph = create_graph, inputs = list(),
                                   create_graph = FALSE) {
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
tensor_method("detach", function() .Call(cdr_detach, self))
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

graph_node <- R6Class("torch_graph_node",
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
)

tensor_field("grad_fn", function(self) {
  described <- .Call(cdr_grad_fn, self)
  if (!is.null(described)) graph_node$new(described)
})
