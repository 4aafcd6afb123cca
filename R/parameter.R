#' Parameters and buffers
#'
#' Marks a tensor so that assigning it in a module, `self$name <- nn_parameter(x)`, registers it: a parameter is
#' trained, a buffer is kept (saved with the module, converted by `to()`) but not trained.
#'
#' @param x a tensor. It is marked in place. For the `is_` functions: any object.
#' @param requires_grad shall gradients be computed for it?
#' @param persistent is the buffer part of the module's `state_dict()`?
#' @return The tensor `x`, with the class `nn_parameter` or `nn_buffer` added; `TRUE` or `FALSE` for the `is_`
#'   functions.
#' @examples
#' p <- nn_parameter(torch_zeros(2))
#' p$requires_grad
#' is_nn_parameter(p)
#' is_nn_buffer(nn_buffer(torch_zeros(2)))
#' @family modules
#' @export
nn_parameter <- function(x, requires_grad = TRUE) {
  x <- mark_tensor(x, "nn_parameter")
  x$requires_grad_(requires_grad)
  x
}

#' @rdname nn_parameter
#' @export
nn_buffer <- function(x, persistent = TRUE) {
  x <- mark_tensor(x, "nn_buffer")
  attr(x, "persistent") <- persistent
  x
}

mark_tensor <- function(x, mark) {
  check_tensor(x, "x")
  class(x) <- c(mark, setdiff(class(x), c("nn_parameter", "nn_buffer")))
  x
}

#' @rdname nn_parameter
#' @export
is_nn_parameter <- function(x) inherits(x, "nn_parameter")

#' @rdname nn_parameter
#' @export
is_nn_buffer <- function(x) inherits(x, "nn_buffer")
