#' @include own-classes.R
NULL

# Element types as R objects. The codes are those of cd_dtype in the engine.

dtype_names <- c("Bool", "Byte", "Int", "Long", "Float", "Double", "Char", "Short", "Half", "BFloat16")

new_dtype <- function(code) structure(list(code = code), class = own_first("torch_dtype"))

dtypes <- lapply(seq_along(dtype_names) - 1L, new_dtype)
names(dtypes) <- dtype_names

# Bits, and those of the exponent of floats, smallest integer.
dtype_sizes <- list(
  Bool = 8, Byte = c(8, 0), Int = c(32, -2^31), Long = c(64, -2^63), Float = c(32, 8), Double = c(64, 11),
  Char = c(8, -2^7), Short = c(16, -2^15), Half = c(16, 5), BFloat16 = c(16, 8)
)

float_dtypes <- c("Float", "Double", "Half", "BFloat16")
float_codes <- match(float_dtypes, dtype_names) - 1L

dtype_aliases <- c(
  bool = "Bool", uint8 = "Byte", byte = "Byte", int = "Int", int32 = "Int", long = "Long", int64 = "Long",
  float = "Float", float32 = "Float", double = "Double", float64 = "Double", int8 = "Char", short = "Short",
  int16 = "Short", half = "Half", float16 = "Half", bfloat16 = "BFloat16"
)

#' Element types of tensors
#'
#' `torch_float()` (32-bit) is the default and what the engine is made for; `torch_long()` holds class labels and
#' indices. `torch_float64()` works everywhere, more slowly. Tensors of `torch_half()` (IEEE, 5 bits of exponent),
#' `torch_bfloat16()` (8 bits), `torch_int8()` and `torch_int16()` are stored so, and take half or a quarter of the
#' memory; what is computed with them is computed in float32 or int32 and rounded when it is done. Complex numbers are
#' not available.
#'
#' @return An object of class `torch_dtype`; compare with `==`. The field `is_floating_point` tells floats from the
#'   others.
#' @examples
#' torch_float()
#' torch_tensor(1:3)$dtype == torch_long()
#' @name torch_dtype
NULL

#' @rdname torch_dtype
#' @export
torch_float <- function() dtypes$Float
#' @rdname torch_dtype
#' @export
torch_float32 <- function() dtypes$Float
#' @rdname torch_dtype
#' @export
torch_double <- function() dtypes$Double
#' @rdname torch_dtype
#' @export
torch_float64 <- function() dtypes$Double
#' @rdname torch_dtype
#' @export
torch_long <- function() dtypes$Long
#' @rdname torch_dtype
#' @export
torch_int64 <- function() dtypes$Long
#' @rdname torch_dtype
#' @export
torch_int <- function() dtypes$Int
#' @rdname torch_dtype
#' @export
torch_int32 <- function() dtypes$Int
#' @rdname torch_dtype
#' @export
torch_uint8 <- function() dtypes$Byte
#' @rdname torch_dtype
#' @export
torch_bool <- function() dtypes$Bool
#' @rdname torch_dtype
#' @export
torch_int8 <- function() dtypes$Char
#' @rdname torch_dtype
#' @export
torch_int16 <- function() dtypes$Short
#' @rdname torch_dtype
#' @export
torch_short <- function() dtypes$Short
#' @rdname torch_dtype
#' @export
torch_half <- function() dtypes$Half
#' @rdname torch_dtype
#' @export
torch_float16 <- function() dtypes$Half
#' @rdname torch_dtype
#' @export
torch_bfloat16 <- function() dtypes$BFloat16

#' @rdname torch_dtype
#' @param x any object
#' @export
is_torch_dtype <- function(x) inherits(x, "torch_dtype")

#' @export
print.candela_dtype <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
format.candela_dtype <- function(x, ...) paste0("torch_", dtype_name(x))

#' @export
as.character.candela_dtype <- function(x, ...) dtype_name(x)

#' @export
`==.candela_dtype` <- function(e1, e2) {
  is_torch_dtype(e1) && is_torch_dtype(e2) && dtype_code(e1) == dtype_code(e2)
}

#' @export
`!=.candela_dtype` <- function(e1, e2) !(e1 == e2)

#' @export
`$.candela_dtype` <- function(x, name) {
  switch(name,
    is_floating_point = dtype_code(x) %in% float_codes,
    code = dtype_code(x),
    NULL
  )
}

dtype_code <- function(x) unclass(x)[["code"]]
dtype_name <- function(x) dtype_names[[dtype_code(x) + 1L]]

# The engine's code for what a user gave as dtype: an object, a name, or NULL for `default`.
as_dtype_code <- function(dtype, default = NULL) {
  if (is.null(dtype)) {
    return(default)
  }
  if (is_torch_dtype(dtype)) {
    return(dtype_code(dtype))
  }
  if (is.character(dtype) && length(dtype) == 1 && dtype %in% names(dtype_aliases)) {
    return(dtype_code(dtypes[[dtype_aliases[[dtype]]]]))
  }
  names <- toString(paste0("\"", names(dtype_aliases), "\""))
  refuse(dtype, "dtype", paste("a torch_dtype such as torch_float() or one of", names))
}

default_dtype <- new.env(parent = emptyenv())
default_dtype$code <- 4L

#' The float type of new tensors
#'
#' Used by [torch_randn()], [torch_zeros()] and the like when no `dtype` is given.
#' @param d `torch_float()` or `torch_double()`.
#' @return `torch_get_default_dtype()`: the dtype; the setter: nothing.
#' @examples
#' torch_get_default_dtype()
#' @export
torch_set_default_dtype <- function(d) {
  if (!is_torch_dtype(d) || !d$is_floating_point) {
    type_error("only floating-point types are supported as the default type.")
  }
  default_dtype$code <- dtype_code(d)
  invisible(NULL)
}

#' @rdname torch_set_default_dtype
#' @export
torch_get_default_dtype <- function() new_dtype(default_dtype$code)

#' Numerical limits of element types
#'
#' @param dtype a [torch_dtype].
#' @return A list: `bits`, `min`, `max`, and for floats `eps` and `tiny` (the smallest normal number). Limits of
#'   64-bit integers are rounded to doubles.
#' @examples
#' torch_finfo(torch_float())$eps
#' torch_iinfo(torch_uint8())$max
#' @export
torch_finfo <- function(dtype) {
  if (!inherits(dtype, "torch_dtype")) refuse(dtype, "dtype", "a dtype such as torch_float()")
  size <- dtype_sizes[[dtype_name(dtype)]]
  if (!dtype$is_floating_point) {
    value_error(sprintf("torch_finfo() needs a float dtype, got %s.", format(dtype)))
  }
  eps <- 2^-(size[[1]] - size[[2]] - 1)
  top <- 2^(size[[2]] - 1) - 1
  largest <- (2 - eps) * 2^top
  list(bits = as.integer(size[[1]]), max = largest, min = -largest, eps = eps, tiny = 2^(1 - top))
}

#' @rdname torch_finfo
#' @export
torch_iinfo <- function(dtype) {
  if (!inherits(dtype, "torch_dtype")) refuse(dtype, "dtype", "a dtype such as torch_int()")
  size <- dtype_sizes[[dtype_name(dtype)]]
  if (dtype$is_floating_point || length(size) < 2) {
    value_error(sprintf("torch_iinfo() needs an integer dtype, got %s.", format(dtype)))
  }
  # 2^63 - 1 is 2^63 in doubles.
  list(bits = as.integer(size[[1]]), min = size[[2]], max = size[[2]] + 2^size[[1]] - 1)
}
