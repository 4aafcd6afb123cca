#' @include tensor-class.R
NULL

# Attributes of a reduction: keepdim, a second number, dimensions from 0 (none: all).
reduce_attrs <- function(dim, keepdim, second = -1) {
  c(as.double(keepdim), as.double(second), if (length(dim) > 0) zero_based_dim(unlist(dim)))
}

dtype_attr <- function(dtype) {
  code <- as_dtype_code(dtype)
  if (is.null(code)) -1 else code
}

#' Sums, means and other reductions
#'
#' @param self,x a tensor.
#' @param dim dimensions to reduce, from 1, negative from the end; `NULL` for all.
#' @param keepdim keep the reduced dimensions with size 1.
#' @param dtype type of the result; sums and products of integers and bools are long by default.
#' @param unbiased divide by n - 1 instead of n.
#' @param p order of the norm, (sum |x|^p)^(1/p); `Inf` for the largest absolute value.
#' @details `torch_nansum()` and `torch_nanmean()` leave out NaN. R's `sum()`, `prod()`, `mean()`, `any()`, `all()`,
#'   `max()`, `min()` and `range()` take several tensors as they take several vectors; `dim` must be named there.
#' @param ... for R's generics: tensors and numbers, of whose elements the result is made together.
#' @param na.rm leave out NaN.
#' @return A tensor without the reduced dimensions; `torch_var_mean()` and `torch_std_mean()` give a list of two.
#'   Floats are added in double precision, with the same result for any number of threads.
#' @section Errors: a mean, variance or norm of integers; a dimension given twice or out of range.
#' @examples
#' x <- torch_tensor(matrix(c(1, 2, 3, 4, 5, 6), 2))
#' torch_sum(x)
#' x$mean(dim = 1)
#' x$std(dim = 2, keepdim = TRUE)
#' torch_logsumexp(x, dim = 2)
#' @name torch_sum
#' @export
torch_sum <- function(self, dim = NULL, keepdim = FALSE, dtype = NULL) {
  .Call(cdr_apply_1, ops$sum, self, reduce_attrs(dim, keepdim, dtype_attr(dtype)))
}

#' @rdname torch_sum
#' @export
torch_mean <- function(self, dim = NULL, keepdim = FALSE, dtype = NULL) {
  .Call(cdr_apply_1, ops$mean, self, reduce_attrs(dim, keepdim, dtype_attr(dtype)))
}

#' @rdname torch_sum
#' @export
torch_prod <- function(self, dim = NULL, keepdim = FALSE, dtype = NULL) {
  if (length(dim) > 1) value_error("torch_prod() takes one dimension, or none for all.")
  .Call(cdr_apply_1, ops$prod, self, reduce_attrs(dim, keepdim, dtype_attr(dtype)))
}

#' @rdname torch_sum
#' @export
torch_var <- function(self, dim = NULL, unbiased = TRUE, keepdim = FALSE) {
  .Call(cdr_apply_1, ops$var, self, reduce_attrs(dim, keepdim, unbiased))
}

#' @rdname torch_sum
#' @export
torch_std <- function(self, dim = NULL, unbiased = TRUE, keepdim = FALSE) {
  .Call(cdr_apply_1, ops$std, self, reduce_attrs(dim, keepdim, unbiased))
}

#' @rdname torch_sum
#' @export
torch_var_mean <- function(self, dim = NULL, unbiased = TRUE, keepdim = FALSE) {
  list(torch_var(self, dim, unbiased, keepdim), torch_mean(self, dim, keepdim))
}

#' @rdname torch_sum
#' @export
torch_std_mean <- function(self, dim = NULL, unbiased = TRUE, keepdim = FALSE) {
  list(torch_std(self, dim, unbiased, keepdim), torch_mean(self, dim, keepdim))
}

#' @rdname torch_sum
#' @export
torch_norm <- function(self, p = 2L, dim = NULL, keepdim = FALSE, dtype = NULL) {
  if (!is.null(dtype)) self <- self$to(dtype = dtype)
  .Call(cdr_apply_1, ops$norm, self, reduce_attrs(dim, keepdim, p))
}

#' @rdname torch_sum
#' @export
torch_logsumexp <- function(self, dim, keepdim = FALSE) {
  .Call(cdr_apply_1, ops$logsumexp, self, reduce_attrs(dim, keepdim))
}

#' @rdname torch_sum
#' @export
torch_any <- function(self, dim = NULL, keepdim = FALSE) .Call(cdr_apply_1, ops$any, self, reduce_attrs(dim, keepdim))

#' @rdname torch_sum
#' @export
torch_all <- function(self, dim = NULL, keepdim = FALSE) .Call(cdr_apply_1, ops$all, self, reduce_attrs(dim, keepdim))

#' @rdname torch_sum
#' @export
torch_nansum <- function(self, dim = NULL, keepdim = FALSE, dtype = NULL) {
  torch_sum(torch_masked_fill(self, torch_isnan(self), 0), dim, keepdim, dtype)
}

#' @rdname torch_sum
#' @export
torch_nanmean <- function(self, dim = NULL, keepdim = FALSE, dtype = NULL) {
  total <- torch_nansum(self, dim, keepdim, dtype)
  torch_div(total, torch_sum(torch_logical_not(torch_isnan(self)), dim, keepdim))
}

#' @rdname torch_sum
#' @export
torch_count_nonzero <- function(self, dim = NULL) torch_sum(torch_ne(self, 0L), dim)

#' Largest and smallest elements
#'
#' @inheritParams torch_sum
#' @param dim dimension to search, from 1, negative from the end; `torch_amax()` and `torch_amin()` take several.
#' @param self a tensor.
#' @param other a tensor: the result is then that of [torch_maximum()] or [torch_minimum()].
#' @return Without `dim` a tensor of one value. With `dim`, `torch_max()`, `torch_min()` and `torch_median()` give a
#'   list of the values and their positions (long, from 1; the first of equal ones), `torch_argmax()` and
#'   `torch_argmin()` the positions, `torch_amax()` and `torch_amin()` the values. NaN counts as both largest and
#'   smallest. The median of an even number of elements is the lower one.
#' @section Errors: an empty dimension.
#' @examples
#' x <- torch_tensor(matrix(c(3, 1, 2, 6, 5, 4), 2))
#' torch_max(x)
#' torch_max(x, dim = 2)
#' torch_argmax(x, dim = 1)
#' @name torch_max
#' @export
torch_max <- function(self, dim = NULL, other = NULL, keepdim = FALSE) extreme(self, dim, other, keepdim, "max")

#' @rdname torch_max
#' @export
torch_min <- function(self, dim = NULL, other = NULL, keepdim = FALSE) extreme(self, dim, other, keepdim, "min")

extreme <- function(self, dim, other, keepdim, which) {
  if (is_tensor(dim)) {
    other <- dim
    dim <- NULL
  }
  if (!is.null(other)) {
    return(apply_op(ops[[paste0(which, "imum")]], list(self, other)))
  }
  if (is.null(dim)) {
    return(apply_op(ops[[paste0("a", which)]], list(self)))
  }
  apply_op(ops[[paste0(which, "_dim")]], list(self), c(as.double(keepdim), zero_based_dim(dim)))
}

#' @rdname torch_max
#' @export
torch_amax <- function(self, dim = list(), keepdim = FALSE) {
  .Call(cdr_apply_1, ops$amax, self, reduce_attrs(dim, keepdim))
}

#' @rdname torch_max
#' @export
torch_amin <- function(self, dim = list(), keepdim = FALSE) {
  .Call(cdr_apply_1, ops$amin, self, reduce_attrs(dim, keepdim))
}

#' @rdname torch_max
#' @export
torch_argmax <- function(self, dim = NULL, keepdim = FALSE) {
  .Call(cdr_apply_1, ops$argmax, self, c(as.double(keepdim), if (!is.null(dim)) zero_based_dim(dim)))
}

#' @rdname torch_max
#' @export
torch_argmin <- function(self, dim = NULL, keepdim = FALSE) {
  .Call(cdr_apply_1, ops$argmin, self, c(as.double(keepdim), if (!is.null(dim)) zero_based_dim(dim)))
}

#' @rdname torch_max
#' @export
torch_median <- function(self, dim = NULL, keepdim = FALSE) {
  if (is.null(dim)) {
    return(apply_op(ops$median, list(self$reshape(-1)), c(0, 0))[[1]])
  }
  .Call(cdr_apply_1, ops$median, self, c(as.double(keepdim), zero_based_dim(dim)))
}

#' Sorting
#'
#' @param self,x a tensor.
#' @param dim dimension along which to sort, from 1, negative from the end.
#' @param descending,decreasing largest first.
#' @param stable sorting is always stable: equal elements keep their order.
#' @param k how many.
#' @param largest the largest or the smallest ones.
#' @param sorted the result is always sorted.
#' @param ... not used.
#' @return `torch_sort()` and `torch_topk()`: a list of the values and their positions (long, from 1).
#'   `torch_argsort()`: the positions. NaN sorts as the largest.
#' @examples
#' torch_sort(torch_tensor(c(3, 1, 2)))
#' torch_topk(torch_tensor(c(3, 1, 2)), k = 2)
#' @export
torch_sort <- function(self, dim = -1L, descending = FALSE, stable = TRUE) {
  .Call(cdr_apply_1, ops$sort, self, c(as.double(descending), zero_based_dim(dim)))
}

#' @rdname torch_sort
#' @export
torch_argsort <- function(self, dim = -1L, descending = FALSE) torch_sort(self, dim, descending)[[2]]

#' @rdname torch_sort
#' @export
torch_topk <- function(self, k, dim = -1L, largest = TRUE, sorted = TRUE) {
  .Call(cdr_apply_1, ops$topk, self, c(as.double(largest), zero_based_dim(dim), as.double(k)))
}

#' Cumulative sums, products, and differences
#'
#' @param self,x a tensor.
#' @param dim dimension to go along, from 1, negative from the end.
#' @param dtype type of the result; long for integers and bools by default.
#' @param n how many times to take differences.
#' @param prepend,append a tensor put before or after `self` along `dim`, or `list()` for none.
#' @return A tensor; `torch_diff()` is shorter by `n` along `dim`.
#' @examples
#' torch_cumsum(torch_tensor(c(1, 2, 3)), dim = 1)
#' torch_diff(torch_tensor(c(1, 4, 9)))
#' @export
torch_cumsum <- function(self, dim, dtype = NULL) {
  .Call(cdr_apply_1, ops$cumsum, self, c(zero_based_dim(dim), dtype_attr(dtype)))
}

#' @rdname torch_cumsum
#' @export
torch_cumprod <- function(self, dim, dtype = NULL) {
  .Call(cdr_apply_1, ops$cumprod, self, c(zero_based_dim(dim), dtype_attr(dtype)))
}

#' @rdname torch_cumsum
#' @export
torch_diff <- function(self, n = 1L, dim = -1L, prepend = list(), append = list()) {
  parts <- Filter(is_tensor, list(prepend, self, append))
  if (length(parts) > 1) self <- torch_cat(parts, dim = dim)
  for (i in seq_len(n)) {
    size <- self$size(dim)
    self <- torch_sub(self$narrow(dim, 2, size - 1), self$narrow(dim, 1, size - 1))
  }
  self
}

#' Counts of integers
#'
#' @param self a 1-d tensor of integers of at least 1.
#' @param weights a tensor of the same length to add up instead of counting.
#' @param minlength least length of the result.
#' @return A 1-d tensor: element i counts how often i occurs.
#' @examples
#' torch_bincount(torch_tensor(c(1L, 3L, 3L)))
#' @export
torch_bincount <- function(self, weights = list(), minlength = 0L) {
  if (is_float(self)) type_error("torch_bincount: `self` must hold integers.")
  if (length(dim(self)) != 1) value_error("torch_bincount: `self` must have one dimension.")
  counted <- length(self) > 0
  if (counted && as_array(torch_amin(self)) < 1) value_error("torch_bincount: the integers must be at least 1.")
  size <- max(minlength, if (counted) as_array(torch_amax(self)))
  if (!is_tensor(weights)) weights <- torch_ones_like(self, dtype = torch_long())
  if (length(weights) != length(self)) {
    value_error(sprintf("torch_bincount: %d weights for %d integers.", length(weights), length(self)))
  }
  torch_scatter_add(torch_zeros(size, dtype = weights$dtype), 1, cast(self, torch_long()), weights)
}

for (name in c("sum", "mean", "prod")) {
  local({
    reduction <- get(paste0("torch_", name))
    tensor_method(name, function(dim = NULL, keepdim = FALSE, dtype = NULL) reduction(self, dim, keepdim, dtype))
  })
}
for (name in c("var", "std")) {
  local({
    reduction <- get(paste0("torch_", name))
    tensor_method(name, function(dim = NULL, unbiased = TRUE, keepdim = FALSE) reduction(self, dim, unbiased, keepdim))
  })
}
for (name in c("any", "all", "amax", "amin", "argmax", "argmin", "median", "logsumexp")) {
  local({
    reduction <- get(paste0("torch_", name))
    tensor_method(name, function(dim = NULL, keepdim = FALSE) reduction(self, dim, keepdim))
  })
}
for (name in c("max", "min")) {
  local({
    reduction <- get(paste0("torch_", name))
    tensor_method(name, function(dim = NULL, other = NULL, keepdim = FALSE) reduction(self, dim, other, keepdim))
  })
}
for (name in c("cumsum", "cumprod")) {
  local({
    cumulate <- get(paste0("torch_", name))
    tensor_method(name, function(dim, dtype = NULL) cumulate(self, dim, dtype))
  })
}
rm(name)
tensor_method("norm", function(p = 2L, dim = NULL, keepdim = FALSE, dtype = NULL) {
  torch_norm(self, p, dim, keepdim, dtype)
})
tensor_method("count_nonzero", function(dim = NULL) torch_count_nonzero(self, dim))
tensor_method("sort", function(dim = -1L, descending = FALSE, stable = TRUE) torch_sort(self, dim, descending))
tensor_method("argsort", function(dim = -1L, descending = FALSE) torch_argsort(self, dim, descending))
tensor_method("topk", function(k, dim = -1L, largest = TRUE, sorted = TRUE) torch_topk(self, k, dim, largest))
tensor_method("diff", function(n = 1L, dim = -1L) torch_diff(self, n, dim))
tensor_method("bincount", function(weights = list(), minlength = 0L) torch_bincount(self, weights, minlength))

# R's generics take several tensors or numbers, and may leave out what is missing; a dimension is given by its name.

# One vector of all elements of several tensors and numbers.
all_elements <- function(parts) {
  if (length(parts) == 1 && is_tensor(parts[[1]])) {
    return(parts[[1]])
  }
  torch_cat(lapply(as_tensors(unname(parts), "..."), torch_flatten))
}

# `reduction` over all elements of `parts`, or along `dim`, where missing ones count as `neutral` if na.rm is TRUE.
reduce_parts <- function(parts, reduction, na.rm, neutral, ...) {
  x <- all_elements(parts)
  if (na.rm && is_float(x)) x <- torch_masked_fill(x, torch_isnan(x), neutral)
  reduction(x, ...)
}

#' @rdname torch_sum
#' @export
sum.candela_tensor <- function(..., dim = NULL, keepdim = FALSE, dtype = NULL, na.rm = FALSE) {
  reduce_parts(list(...), torch_sum, na.rm, 0, dim = dim, keepdim = keepdim, dtype = dtype)
}

#' @rdname torch_sum
#' @export
prod.candela_tensor <- function(..., dim = NULL, keepdim = FALSE, dtype = NULL, na.rm = FALSE) {
  reduce_parts(list(...), torch_prod, na.rm, 1, dim = dim, keepdim = keepdim, dtype = dtype)
}

#' @rdname torch_sum
#' @export
mean.candela_tensor <- function(x, ..., dim = NULL, keepdim = FALSE, dtype = NULL, na.rm = FALSE) {
  if (is.null(dtype) && !x$dtype$is_floating_point) dtype <- torch_get_default_dtype()
  if (na.rm) torch_nanmean(x, dim, keepdim, dtype) else torch_mean(x, dim, keepdim, dtype)
}

#' @rdname torch_sum
#' @export
any.candela_tensor <- function(..., dim = NULL, keepdim = FALSE, na.rm = FALSE) {
  reduce_parts(list(...), torch_any, na.rm, 0, dim = dim, keepdim = keepdim)
}

#' @rdname torch_sum
#' @export
all.candela_tensor <- function(..., dim = NULL, keepdim = FALSE, na.rm = FALSE) {
  reduce_parts(list(...), torch_all, na.rm, 1, dim = dim, keepdim = keepdim)
}

#' @rdname torch_max
#' @param ... tensors and numbers: the largest or smallest element of all of them.
#' @param na.rm leave out NaN.
#' @export
max.candela_tensor <- function(..., dim = NULL, other = NULL, keepdim = FALSE, na.rm = FALSE) {
  reduce_parts(list(...), torch_max, na.rm, -Inf, dim = dim, other = other, keepdim = keepdim)
}

#' @rdname torch_max
#' @export
min.candela_tensor <- function(..., dim = NULL, other = NULL, keepdim = FALSE, na.rm = FALSE) {
  reduce_parts(list(...), torch_min, na.rm, Inf, dim = dim, other = other, keepdim = keepdim)
}

#' @rdname torch_max
#' @export
range.candela_tensor <- function(..., na.rm = FALSE) {
  torch_stack(list(min.candela_tensor(..., na.rm = na.rm), max.candela_tensor(..., na.rm = na.rm)))
}

#' @rdname torch_sort
#' @export
sort.candela_tensor <- function(x, decreasing = FALSE, dim = -1L, ...) torch_sort(x, dim, decreasing)

#' @rdname torch_cumsum
#' @export
cumsum.candela_tensor <- function(x) torch_cumsum(x$reshape(-1), 1)

#' @rdname torch_cumsum
#' @export
cumprod.candela_tensor <- function(x) torch_cumprod(x$reshape(-1), 1)
