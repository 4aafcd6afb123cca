#' @include tensor-class.R
NULL

#' Comparison
#'
#' Element by element, broadcast; the operators `== != < <= > >=` do the same.
#'
#' @param self,other tensors, or R numbers, vectors and arrays.
#' @param rtol,atol relative and absolute tolerance: close means |self - other| <= atol + rtol |other|.
#' @param equal_nan whether NaN is close to NaN.
#' @param e1,e2 a tensor and a tensor or number.
#' @return A bool tensor. `torch_allclose()` and `torch_equal()` give `TRUE` or `FALSE` for all elements together;
#'   `torch_equal()` also compares the shapes.
#' @examples
#' x <- torch_tensor(c(1, 2, NaN))
#' x > 1
#' torch_isnan(x)
#' torch_allclose(x, x, equal_nan = TRUE)
#' @export
torch_eq <- function(self, other) .Call(cdr_apply_2, ops$eq, self, other, NULL)

#' @rdname torch_eq
#' @export
torch_ne <- function(self, other) .Call(cdr_apply_2, ops$ne, self, other, NULL)

#' @rdname torch_eq
#' @export
torch_lt <- function(self, other) .Call(cdr_apply_2, ops$lt, self, other, NULL)

#' @rdname torch_eq
#' @export
torch_le <- function(self, other) .Call(cdr_apply_2, ops$le, self, other, NULL)

#' @rdname torch_eq
#' @export
torch_gt <- function(self, other) .Call(cdr_apply_2, ops$gt, self, other, NULL)

#' @rdname torch_eq
#' @export
torch_ge <- function(self, other) .Call(cdr_apply_2, ops$ge, self, other, NULL)

#' @rdname torch_eq
#' @export
torch_isnan <- function(self) .Call(cdr_apply_1, ops$isnan, self, NULL)

#' @rdname torch_eq
#' @export
torch_isinf <- function(self) .Call(cdr_apply_1, ops$isinf, self, NULL)

#' @rdname torch_eq
#' @export
torch_isfinite <- function(self) .Call(cdr_apply_1, ops$isfinite, self, NULL)

#' @rdname torch_eq
#' @export
torch_isclose <- function(self, other, rtol = 1e-05, atol = 1e-08, equal_nan = FALSE) {
  near <- torch_le(torch_abs(torch_sub(self, other)), torch_add(torch_mul(torch_abs(other), rtol), atol))
  close <- torch_logical_or(torch_eq(self, other), torch_logical_and(near, torch_isfinite(other)))
  if (equal_nan) close <- torch_logical_or(close, torch_logical_and(torch_isnan(self), torch_isnan(other)))
  close
}

#' @rdname torch_eq
#' @export
torch_allclose <- function(self, other, rtol = 1e-05, atol = 1e-08, equal_nan = FALSE) {
  as.logical(torch_all(torch_isclose(self, other, rtol, atol, equal_nan)))
}

#' @rdname torch_eq
#' @export
torch_equal <- function(self, other) {
  identical(dim(self), dim(other)) && as.logical(torch_all(torch_eq(self, other)))
}

#' Logic
#'
#' Element by element, broadcast; everything but 0 is true. The operators `& | !` do the same.
#'
#' @inheritParams torch_eq
#' @param x a tensor.
#' @return A bool tensor.
#' @examples
#' torch_logical_and(torch_tensor(c(TRUE, FALSE)), TRUE)
#' !torch_tensor(c(TRUE, FALSE))
#' @export
torch_logical_and <- function(self, other) .Call(cdr_apply_2, ops$logical_and, self, other, NULL)

#' @rdname torch_logical_and
#' @export
torch_logical_or <- function(self, other) .Call(cdr_apply_2, ops$logical_or, self, other, NULL)

#' @rdname torch_logical_and
#' @export
torch_logical_xor <- function(self, other) .Call(cdr_apply_2, ops$logical_xor, self, other, NULL)

#' @rdname torch_logical_and
#' @export
torch_logical_not <- function(self) .Call(cdr_apply_1, ops$logical_not, self, NULL)

#' @rdname torch_eq
#' @export
`==.candela_tensor` <- function(e1, e2) torch_eq(e1, e2)

#' @rdname torch_eq
#' @export
`!=.candela_tensor` <- function(e1, e2) torch_ne(e1, e2)

#' @rdname torch_eq
#' @export
`<.candela_tensor` <- function(e1, e2) torch_lt(e1, e2)

#' @rdname torch_eq
#' @export
`<=.candela_tensor` <- function(e1, e2) torch_le(e1, e2)

#' @rdname torch_eq
#' @export
`>.candela_tensor` <- function(e1, e2) torch_gt(e1, e2)

#' @rdname torch_eq
#' @export
`>=.candela_tensor` <- function(e1, e2) torch_ge(e1, e2)

#' @rdname torch_logical_and
#' @export
`&.candela_tensor` <- function(e1, e2) torch_logical_and(e1, e2)

#' @rdname torch_logical_and
#' @export
`|.candela_tensor` <- function(e1, e2) torch_logical_or(e1, e2)

#' @rdname torch_logical_and
#' @export
`!.candela_tensor` <- function(x) torch_logical_not(x)

#' @export
is.nan.candela_tensor <- function(x) torch_isnan(x)

#' @export
is.finite.candela_tensor <- function(x) torch_isfinite(x)

#' @export
is.infinite.candela_tensor <- function(x) torch_isinf(x)

for (name in c("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor")) {
  local({
    op <- name
    tensor_method(op, function(other) .Call(cdr_apply_2, ops[[op]], self, other, NULL))
    tensor_method(paste0(op, "_"), function(other) apply_op_(ops[[op]], list(self, other)))
  })
}
for (name in c("isnan", "isinf", "isfinite", "logical_not")) {
  local({
    op <- name
    tensor_method(op, function() .Call(cdr_apply_1, ops[[op]], self, NULL))
  })
}
rm(name)
tensor_method("logical_not_", function() apply_op_(ops$logical_not, list(self)))
tensor_method("isclose", function(other, rtol = 1e-05, atol = 1e-08, equal_nan = FALSE) {
  torch_isclose(self, other, rtol, atol, equal_nan)
})
tensor_method("allclose", function(other, rtol = 1e-05, atol = 1e-08, equal_nan = FALSE) {
  torch_allclose(self, other, rtol, atol, equal_nan)
})
tensor_method("equal", function(other) torch_equal(self, other))
