#' @include tensor-class.R
NULL

#' From tensors to R
#'
#' Index order is kept. 0-d and 1-d tensors give plain vectors, 2-d matrices, others arrays.
#'
#' @param x a tensor; gradients and strides do not matter.
#' @param ... not used.
#' @return Floats give doubles; long, int and uint8 tensors integers (long values beyond R's integers give doubles, with
#'   a warning); bool logicals. `as.integer64()` of bit64 keeps 64 bits. torch gives raw vectors for uint8; use
#'   `as.raw(as_array(x))` for these.
#' @examples
#' as_array(torch_tensor(matrix(1:4, 2)))
#' as.numeric(torch_tensor(c(1, 2)))
#' torch_tensor(3)$item()
#' @export
as_array <- function(x) UseMethod("as_array")

#' @export
as_array.default <- function(x) {
  if (!is.atomic(x) || is.null(x)) refuse(x, "x", "a tensor, or a vector or array")
  as.array(x)
}

#' @export
as_array.candela_tensor <- function(x) {
  if (dtype_name(x$dtype) == "Long") {
    return(long_to_r(x))
  }
  .Call(cdr_as_array, x, NULL)
}

long_to_r <- function(x) {
  values <- .Call(cdr_as_array, x, "double")
  if (length(values) > 0 && max(abs(values)) > .Machine$integer.max) {
    rlang::warn("Some values exceed R's integers: converted to double.", class = "candela_warning_precision")
    return(values)
  }
  storage.mode(values) <- "integer"
  values
}

#' @rdname as_array
#' @export
as.array.candela_tensor <- function(x, ...) as_array(x)

#' @export
as.matrix.candela_tensor <- function(x, ...) as.matrix(as_array(x))
#' @export
as.numeric.candela_tensor <- function(x, ...) as.numeric(as_array(x))
#' @export
as.double.candela_tensor <- function(x, ...) as.double(as_array(x))
#' @export
as.integer.candela_tensor <- function(x, ...) as.integer(as_array(x))
#' @export
as.logical.candela_tensor <- function(x, ...) as.logical(as_array(x))
#' @export
as.vector.candela_tensor <- function(x, mode = "any") as.vector(as_array(x), mode)
#' @export
as.character.candela_tensor <- function(x, ...) as.character(as_array(x))

#' @export
as.complex.candela_tensor <- function(x, ...) as.complex(as.vector(as_array(x)))

#' @exportS3Method bit64::as.integer64
as.integer64.candela_tensor <- function(x, ...) {
  values <- .Call(cdr_as_array, x, "integer64")
  class(values) <- "integer64"
  values
}

tensor_method("item", function() {
  if (prod(self$shape) != 1) {
    runtime_error(sprintf(
      "a Tensor with %s elements cannot be converted to a scalar: $item() needs exactly one.",
      format(prod(self$shape), scientific = FALSE)
    ))
  }
  as.vector(as_array(self))
})
tensor_method("tolist", function() as.list(as_array(self)))
tensor_method("data_ptr", function() .Call(cdr_data_ptr, self))
tensor_method("is_floating_point", function() self$dtype$is_floating_point)
tensor_method("data", function() self$detach())

# Whether two R handles are one variable.
same_tensor <- function(a, b) identical(.Call(cdr_identity, a), .Call(cdr_identity, b))

tensor_field("ptr", function(self) self)

# What R needs to make a table of a tensor: its different elements, and their order.
#' @export
unique.candela_tensor <- function(x, incomparables = FALSE, ...) torch_tensor(unique(as.vector(as_array(x))), x$dtype)

#' @export
xtfrm.candela_tensor <- function(x) as.numeric(as_array(x))

# Without it, all.equal() would compare no values.
#' @export
all.equal.candela_tensor <- function(target, current, ...) {
  if (!is_tensor(current)) {
    return(sprintf("current is no tensor, but of class <%s>", paste(class(current), collapse = "/")))
  }
  if (target$dtype != current$dtype) {
    return(sprintf("dtype: %s and %s", dtype_name(target$dtype), dtype_name(current$dtype)))
  }
  if (!identical(dim(target), dim(current))) {
    return(sprintf("shape: %s and %s", toString(dim(target)), toString(dim(current))))
  }
  all.equal(as_array(target), as_array(current), ...)
}

# How testthat's expect_equal() looks at tensors.
#' @exportS3Method waldo::compare_proxy
compare_proxy.candela_tensor <- function(x, path = "x") {
  list(object = list(dtype = dtype_name(x$dtype), shape = dim(x), values = as_array(x)), path = path)
}
