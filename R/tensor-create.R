#' @include tensor-class.R
NULL

#' Make a tensor from R data
#'
#' Keeps the index order: `torch_tensor(x)[i, j]` is `x[i, j]`. A vector, also one of length 1, becomes 1-d; for a
#' single number without dimensions use [torch_scalar_tensor()].
#'
#' @param data numeric, logical or raw vector, matrix or array; `bit64::integer64`; a factor (its codes); a tensor
#'   (copied, without history); `NULL` (an empty tensor).
#' @param dtype a [torch_dtype] or its name. By default double gives float (32-bit), integer and integer64 give long,
#'   logical gives bool, raw gives uint8.
#' @param device only `"cpu"`.
#' @param requires_grad record operations on the tensor, to compute gradients.
#' @param pin_memory ignored.
#' @return A tensor. `NA` becomes `NaN` in floats and is an error in integer and logical data.
#' @examples
#' torch_tensor(matrix(1:6, 2))
#' torch_tensor(c(1, 2), dtype = "double")
#' @export
torch_tensor <- function(data, dtype = NULL, device = NULL, requires_grad = FALSE, pin_memory = FALSE) {
  check_device(device)
  code <- as_dtype_code(dtype)
  if (is_tensor(data)) {
    return(copy_of_tensor(data, code, requires_grad))
  }
  if (is.null(data)) {
    return(torch_empty(0, dtype = if (is.null(code)) torch_bool() else new_dtype(code)))
  }
  if (is.list(data) || !is.atomic(data) || is.character(data) || is.complex(data)) {
    refuse(data, "data", "a numeric, logical or raw vector or array", hint_for_lists(data))
  }
  if (is.factor(data)) data <- as.integer(data)
  .Call(cdr_tensor, data, code, requires_grad)
}

hint_for_lists <- function(data) {
  if (is.data.frame(data)) {
    " Use as.matrix() to convert a data frame."
  } else if (is.list(data)) {
    " Use torch_stack() to join a list of tensors."
  } else {
    ""
  }
}

copy_of_tensor <- function(data, code, requires_grad) {
  copy <- data$detach()
  copy <- if (is.null(code) || code == dtype_code(data$dtype)) copy$clone() else copy$to(dtype = new_dtype(code))
  if (requires_grad) copy$requires_grad_(TRUE)
  copy
}

#' A tensor without dimensions
#'
#' @inheritParams torch_tensor
#' @param value a single number or logical.
#' @return A 0-d tensor.
#' @examples
#' torch_scalar_tensor(3)
#' @export
torch_scalar_tensor <- function(value, dtype = NULL, device = NULL, requires_grad = FALSE) {
  check_device(device)
  if (is_tensor(value)) value <- value$item()
  default <- if (is.logical(value)) 0L else if (is.integer(value)) 3L else default_dtype$code
  .Call(cdr_full, NULL, as.double(value), as_dtype_code(dtype, default), requires_grad)
}

# Sizes as separate numbers, one vector or list, or `size =`.
resolve_size <- function(...) {
  given <- list(...)
  if (!is.null(given[["size"]])) {
    if (length(given) > 1) value_error("Give the sizes either as `...` or as `size`, not both.")
    return(as_size(given[["size"]]))
  }
  as_size(given)
}

as_size <- function(size) {
  size <- unlist(lapply(size, function(s) if (is_tensor(s)) as.double(s) else s))
  if (length(size) > 0 && (!is.numeric(size) || anyNA(size) || any(size <= -1))) {
    value_error(sprintf(
      "sizes must be whole numbers of at least 0, got (%s).", paste(format(size), collapse = ", ")
    ))
  }
  trunc(as.double(size))
}

new_full <- function(size, value, dtype, default, device, requires_grad) {
  if (!is.null(value) && anyNA(value) && !new_dtype(as_dtype_code(dtype, default))$is_floating_point) {
    value_error("`fill_value` is NA: integer and logical tensors have no missing values.")
  }
  check_device(device)
  .Call(cdr_full, if (length(size) > 0) size, value, as_dtype_code(dtype, default), requires_grad)
}

# The shape of input, and its dtype and memory format unless others are given.
new_full_like <- function(input, value, dtype, device, requires_grad, memory_format) {
  code <- as_dtype_code(dtype, dtype_code(input$dtype))
  if (!is.null(value) && anyNA(value) && !new_dtype(code)$is_floating_point) {
    value_error("`fill_value` is NA: integer and logical tensors have no missing values.")
  }
  check_device(device)
  .Call(cdr_full_like, input, value, code, requires_grad, as_format_code(memory_format))
}

#' Tensors of one value
#'
#' @param ... sizes, as separate numbers or one vector; or `size = c(...)`. No size gives a 0-d tensor. What stands
#'   behind the decimal point is cut off.
#' @param names,layout not used.
#' @param dtype a [torch_dtype]; by default the default float type, for `torch_full()` by the type of `fill_value`.
#' @param device only `"cpu"`.
#' @param requires_grad record operations on the result.
#' @param size vector of sizes.
#' @param fill_value a single number or logical.
#' @param input a tensor whose shape, and dtype unless given, the result takes.
#' @param memory_format a [torch_memory_format]: by default the result lies in memory as `input` does.
#' @return A tensor. The elements of `torch_empty()` have no defined value.
#' @examples
#' torch_zeros(2, 3)
#' torch_full(c(2, 2), 7)
#' torch_ones_like(torch_zeros(3, dtype = "long"))
#' @export
torch_zeros <- function(..., names = NULL, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  new_full(resolve_size(...), 0, dtype, default_dtype$code, device, requires_grad)
}

#' @rdname torch_zeros
#' @export
torch_ones <- function(..., names = NULL, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  new_full(resolve_size(...), 1, dtype, default_dtype$code, device, requires_grad)
}

#' @rdname torch_zeros
#' @export
torch_empty <- function(..., names = NULL, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  new_full(resolve_size(...), NULL, dtype, default_dtype$code, device, requires_grad)
}

#' @rdname torch_zeros
#' @export
torch_full <- function(size, fill_value, names = NULL, dtype = NULL, layout = NULL, device = NULL,
                       requires_grad = FALSE) {
  if (is_tensor(fill_value)) fill_value <- fill_value$item()
  default <- if (is.logical(fill_value)) 0L else if (is.integer(fill_value)) 3L else default_dtype$code
  new_full(as_size(size), as.double(fill_value), dtype, default, device, requires_grad)
}

#' @rdname torch_zeros
#' @export
torch_zeros_like <- function(input, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                             memory_format = torch_preserve_format()) {
  new_full_like(input, 0, dtype, device, requires_grad, memory_format)
}

#' @rdname torch_zeros
#' @export
torch_ones_like <- function(input, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                            memory_format = torch_preserve_format()) {
  new_full_like(input, 1, dtype, device, requires_grad, memory_format)
}

#' @rdname torch_zeros
#' @export
torch_empty_like <- function(input, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                             memory_format = torch_preserve_format()) {
  new_full_like(input, NULL, dtype, device, requires_grad, memory_format)
}

#' @rdname torch_zeros
#' @export
torch_full_like <- function(input, fill_value, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                            memory_format = torch_preserve_format()) {
  new_full_like(input, as.double(fill_value), dtype, device, requires_grad, memory_format)
}

#' Sequences and the identity matrix
#'
#' @inheritParams torch_zeros
#' @param layout not used.
#' @param start,end first and last value; both are part of the result (as in R's [seq()]). `torch_arange()` of one
#'   number counts from 1 to it.
#' @param step distance between neighbours.
#' @param steps number of values.
#' @param base base of the powers.
#' @param n,m number of rows and columns.
#' @return A tensor: 1-d, or `n` x `m` for `torch_eye()`. `torch_arange()` of whole numbers is float unless `dtype` says
#'   otherwise or all arguments are integers.
#' @examples
#' torch_arange(1, 5)
#' torch_linspace(0, 1, steps = 5)
#' torch_eye(2)
#' @export
torch_arange <- function(start, end, step = 1L, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  if (missing(end)) {
    end <- start
    start <- if (is.integer(end)) 1L else 1
  }
  if (step == 0) value_error("`step` must not be 0.")
  if ((end - start) / step < 0) {
    value_error(sprintf(
      "upper bound and lower bound inconsistent with step sign: start = %g, end = %g, step = %g.", start, end, step
    ))
  }
  whole <- is.integer(start) && is.integer(end) && is.integer(step)
  code <- as_dtype_code(dtype, if (whole) 3L else default_dtype$code)
  torch_tensor(as.double(seq(start, end, by = step)), new_dtype(code), device, requires_grad)
}

#' @rdname torch_arange
#' @export
torch_linspace <- function(start, end, steps = 100, dtype = NULL, layout = NULL, device = NULL,
                           requires_grad = FALSE) {
  code <- as_dtype_code(dtype, default_dtype$code)
  torch_tensor(seq(start, end, length.out = steps), new_dtype(code), device, requires_grad)
}

#' @rdname torch_arange
#' @export
torch_logspace <- function(start, end, steps = 100, base = 10, dtype = NULL, layout = NULL, device = NULL,
                           requires_grad = FALSE) {
  code <- as_dtype_code(dtype, default_dtype$code)
  torch_tensor(base^seq(start, end, length.out = steps), new_dtype(code), device, requires_grad)
}

#' @rdname torch_arange
#' @export
torch_eye <- function(n, m = n, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  code <- as_dtype_code(dtype, default_dtype$code)
  torch_tensor(diag(1, n, m), new_dtype(code), device, requires_grad)
}

tensor_method("new_full", function(size, fill_value, dtype = NULL, ...) {
  new_full(as_size(size), as.double(fill_value), dtype, dtype_code(self$dtype), NULL, FALSE)
})
tensor_method("new_zeros", function(size, dtype = NULL, ...) {
  new_full(as_size(size), 0, dtype, dtype_code(self$dtype), NULL, FALSE)
})
tensor_method("new_ones", function(size, dtype = NULL, ...) {
  new_full(as_size(size), 1, dtype, dtype_code(self$dtype), NULL, FALSE)
})
tensor_method("new_empty", function(size, dtype = NULL, ...) {
  new_full(as_size(size), NULL, dtype, dtype_code(self$dtype), NULL, FALSE)
})
tensor_method("fill_", function(value) {
  if (is_tensor(value)) value <- value$item()
  apply_op_(ops$fill, list(self), as.double(value))
})
tensor_method("zero_", function() apply_op_(ops$fill, list(self), 0))
tensor_method("copy_", function(src, non_blocking = FALSE) apply_op_(ops$copy, list(self, src)))

#' Undefined tensors
#'
#' `x$grad` of a tensor without gradient is undefined: a tensor that holds nothing.
#' @param x a tensor.
#' @return `TRUE` or `FALSE`.
#' @examples
#' is_undefined_tensor(torch_ones(1)$grad)
#' @export
is_undefined_tensor <- function(x) is_tensor(x) && .Call(cdr_is_undefined, x)
