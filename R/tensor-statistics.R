#' @include tensor-reduce.R
NULL

#' Quantiles, ranks and counts
#'
#' * `torch_quantile()` gives the quantiles `q`, `torch_nanquantile()` those of the elements that are not NaN. Between
#'   two elements they are interpolated.
#' * `torch_kthvalue()` is the `k`-th smallest element along a dimension, `torch_mode()` the most frequent one (the
#'   smallest of equally frequent ones).
#' * `torch_histc()` counts the elements in `bins` intervals of equal width from `min` to `max`, both 0 for the range
#'   of the elements; those outside are left out.
#' * `torch_unique_consecutive()` drops elements that equal the one before.
#' * `torch_searchsorted()` finds where `self` would go into `sorted_sequence`, which goes up along its last dimension;
#'   `torch_bucketize()` the same for one sequence of boundaries. Positions count from 0, as in torch: how many
#'   elements stay in front.
#' * `torch_trapz()` integrates along a dimension by the trapezoidal rule.
#'
#' @param self,y,x a tensor.
#' @param q number, or 1-d tensor or vector of numbers, from 0 to 1. Several give a leading dimension.
#' @param dim dimension, from 1, negative from the end; `NULL` flattens first.
#' @param keepdim keep the dimension with size 1.
#' @param interpolation `"linear"`, `"lower"`, `"higher"`, `"nearest"` or `"midpoint"`.
#' @param k rank, from 1.
#' @param bins,min,max number of intervals, and their ends.
#' @param return_inverse,return_counts give the position of each element in the result, and how often it came.
#' @param sorted_sequence,boundaries a tensor that goes up.
#' @param out_int32 give integers of 32 bits.
#' @param right `FALSE`: in front of equal elements; `TRUE`: behind them.
#' @param side `"left"` or `"right"`, in place of `right`.
#' @param sorter positions (Long, from 1) that bring `sorted_sequence` into order.
#' @param dx distance of positions, unless `x` tells them.
#' @return A tensor. `torch_kthvalue()`, `torch_mode()`: a list of values and positions.
#'   `torch_unique_consecutive()`: a list of values, positions and counts (empty where not asked for).
#' @examples
#' torch_quantile(c(1, 2, 3, 4), 0.4)
#' torch_searchsorted(c(1, 3, 5), c(0, 3, 6))
#' torch_histc(c(1, 2, 2, 3), bins = 3)
#' @name torch_quantile
#' @export
torch_quantile <- function(self, q, dim = NULL, keepdim = FALSE, interpolation = "linear") {
  quantiles(self, q, dim, keepdim, interpolation, ignore_missing = FALSE)
}

#' @rdname torch_quantile
#' @export
torch_nanquantile <- function(self, q, dim = NULL, keepdim = FALSE, interpolation = "linear") {
  quantiles(self, q, dim, keepdim, interpolation, ignore_missing = TRUE)
}

quantiles <- function(self, q, dim, keepdim, interpolation, ignore_missing) {
  check_float(self, "self")
  check_choice(interpolation, "interpolation", c("linear", "lower", "higher", "nearest", "midpoint"))
  several <- (is_tensor(q) && length(base::dim(q)) == 1) || (!is_tensor(q) && length(q) > 1)
  q <- cast(as_tensor(q, "q", self), torch_double())$reshape(-1)
  if (as_array(torch_any((q < 0) | (q > 1)))) value_error("`q` must lie between 0 and 1.")
  shape <- base::dim(self)
  flat <- is.null(dim)
  if (flat) {
    self <- torch_flatten(self)
    dim <- 1
  }
  at <- resolved_dim(self, dim) + 1
  sorted <- torch_movedim(torch_sort(self, at)[[1]], at, -1)
  result <- sorted_quantiles(sorted, q, interpolation, ignore_missing)
  if (keepdim) {
    result <- if (flat) torch_reshape(result, c(length(q), rep(1, length(shape)))) else torch_unsqueeze(result, at + 1)
  }
  if (several) result else torch_squeeze(result, 1)
}

# Of the last dimension of `sorted`; the quantiles are the first dimension of the result.
sorted_quantiles <- function(sorted, q, interpolation, ignore_missing) {
  missing <- torch_isnan(sorted)
  count <- torch_sum(torch_logical_not(missing), -1, keepdim = TRUE)
  n <- dim(sorted)[length(dim(sorted))]
  position <- torch_mul(q, if (ignore_missing) torch_clamp(count - 1L, min = 0L) else n - 1L)
  lower <- torch_floor(position)
  upper <- torch_ceil(position)
  weight <- position - lower
  switch(interpolation,
    lower = upper <- lower,
    higher = lower <- upper,
    nearest = lower <- upper <- torch_round(position),
    midpoint = weight <- torch_full_like(weight, 0.5) * (upper > lower),
    NULL
  )
  shape <- c(dim(sorted)[-length(dim(sorted))], length(q))
  pick <- function(at) torch_gather(sorted, -1, cast(expand_tensor(at, shape), torch_long()) + 1L)
  low <- pick(lower)
  result <- torch_lerp(low, pick(upper), cast(weight, sorted$dtype))
  lost <- if (ignore_missing) torch_eq(count, 0L) else torch_lt(count, n)
  torch_movedim(torch_masked_fill(result, lost, NaN), -1, 1)
}

torch_nanmedian <- function(self, dim = NULL, keepdim = FALSE) {
  if (is.null(dim)) {
    return(nan_median(torch_flatten(self), 1, FALSE)[[1]])
  }
  nan_median(self, dim, keepdim)
}

# The lower of the middle elements that are not NaN.
nan_median <- function(self, dim, keepdim) {
  sorted <- torch_sort(self, dim)
  count <- torch_sum(torch_logical_not(torch_isnan(self)), dim, keepdim = TRUE)
  middle <- torch_clamp(torch_div(count + 1L, 2L, rounding_mode = "floor"), min = 1L)
  found <- lapply(sorted, torch_gather, dim, middle)
  if (keepdim) found else lapply(found, torch_squeeze, dim)
}

torch_msort <- function(self) torch_sort(self, 1)[[1]]

torch_aminmax <- function(self, dim = list(), keepdim = FALSE) {
  list(torch_amin(self, dim, keepdim), torch_amax(self, dim, keepdim))
}

torch_cov <- function(self, correction = 1L) {
  x <- if (length(dim(self)) < 2) torch_reshape(self, c(1, -1)) else self
  centred <- x - torch_mean(x, 2, keepdim = TRUE)
  torch_div(torch_mm(centred, torch_t(centred)), dim(x)[[2]] - correction)$squeeze()
}

torch_corrcoef <- function(self) {
  covariance <- torch_cov(self)
  if (length(dim(covariance)) == 0) {
    return(covariance / covariance)
  }
  deviation <- torch_sqrt(torch_diagonal(covariance))
  covariance / torch_unsqueeze(deviation, 2) / deviation
}

#' @rdname torch_quantile
#' @export
torch_kthvalue <- function(self, k, dim = -1L, keepdim = FALSE) {
  n <- tensor_size(self, dim)
  if (k < 1 || k > n) runtime_error(sprintf("torch_kthvalue(): `k` is %g, but the dimension has %d elements.", k, n))
  found <- lapply(torch_sort(self, dim), torch_narrow, dim, k, 1)
  if (keepdim) found else lapply(found, torch_squeeze, dim)
}

# Lengths of the runs of equal elements that end at each position of the sorted last dimension.
run_lengths <- function(sorted) {
  n <- dim(sorted)[length(dim(sorted))]
  position <- torch_tensor(seq_len(n))
  first <- torch_ones(c(dim(sorted)[-length(dim(sorted))], 1), dtype = torch_bool())
  new <- torch_cat(list(first, torch_narrow(sorted, -1, 2, n - 1) != torch_narrow(sorted, -1, 1, n - 1)), -1)
  starts <- torch_cummax(torch_where(new, position, 0L), -1)[[1]]
  position - starts + 1L
}

#' @rdname torch_quantile
#' @export
torch_mode <- function(self, dim = -1L, keepdim = FALSE) {
  at <- resolved_dim(self, dim) + 1
  sorted <- lapply(torch_sort(self, dim), torch_movedim, at, -1)
  # The first position where the longest run is complete ends the smallest of the most frequent elements.
  end <- torch_argmax(run_lengths(sorted[[1]]$detach()), -1, keepdim = TRUE)
  found <- lapply(sorted, function(x) torch_movedim(torch_gather(x, -1, end), -1, at))
  if (keepdim) found else lapply(found, torch_squeeze, dim)
}

#' @rdname torch_quantile
#' @export
torch_histc <- function(self, bins = 100L, min = 0L, max = 0L) {
  self <- torch_flatten(self$detach())
  if (min == max && length(self) > 0) {
    min <- as_array(torch_amin(self))
    max <- as_array(torch_amax(self))
  }
  if (!is.finite(min) || !is.finite(max)) runtime_error("torch_histc(): the range must be finite.")
  if (min > max) value_error("torch_histc(): `max` must not be below `min`.")
  if (min == max) {
    min <- min - 1
    max <- max + 1
  }
  inside <- torch_masked_select(self, (self >= min) & (self <= max))
  bin <- torch_floor((cast(inside, torch_double()) - min) / (max - min) * bins)
  counts <- torch_bincount(torch_clamp(cast(bin, torch_long()) + 1L, max = as.integer(bins)), minlength = bins)
  cast(counts, self$dtype)
}

#' @rdname torch_quantile
#' @export
torch_unique_consecutive <- function(self, return_inverse = FALSE, return_counts = FALSE, dim = NULL) {
  slices <- if (is.null(dim)) {
    torch_reshape(self, c(-1, 1))
  } else {
    torch_flatten(torch_movedim(self, dim, 1)$unsqueeze(-1), start_dim = 2)
  }
  n <- base::dim(slices)[[1]]
  new <- if (n < 2) {
    torch_ones(n, dtype = torch_bool())
  } else {
    changed <- torch_any(torch_ne(torch_narrow(slices, 1, 2, n - 1), torch_narrow(slices, 1, 1, n - 1)), 2)
    torch_cat(list(torch_ones(1, dtype = torch_bool()), changed), 1)
  }
  group <- torch_cumsum(new, 1)
  starts <- torch_reshape(torch_nonzero(new), -1)
  values <- if (is.null(dim)) torch_take(self, starts) else torch_index_select(self, dim, starts)
  list(
    values,
    if (return_inverse) {
      if (is.null(dim)) torch_reshape(group, base::dim(self)) else group
    } else {
      torch_empty(0, dtype = torch_long())
    },
    if (return_counts) torch_bincount(group) else torch_empty(0, dtype = torch_long())
  )
}

# The different elements in ascending order, as torch__unique.
torch_unique <- function(self, sorted = TRUE, return_inverse = FALSE, return_counts = FALSE) {
  order <- torch_sort(torch_flatten(self), 1)
  found <- torch_unique_consecutive(order[[1]], TRUE, return_counts)
  if (return_inverse) {
    found[[2]] <- torch_reshape(torch_scatter(torch_zeros_like(found[[2]]), 1, order[[2]], found[[2]]), dim(self))
  }
  if (!return_inverse && !return_counts) found[[1]] else found[c(TRUE, return_inverse, return_counts)]
}

#' @rdname torch_quantile
#' @export
torch_searchsorted <- function(sorted_sequence, self, out_int32 = FALSE, right = FALSE, side = NULL, sorter = list()) {
  if (!is.null(side)) {
    check_choice(side, "side", c("left", "right"))
    right <- side == "right"
  }
  if (length(sorter) > 0) sorted_sequence <- torch_gather(as_tensor(sorted_sequence, "sorted_sequence"), -1, sorter)
  scalar <- is_scalar_operand(self)
  sorted_sequence <- as_tensor(sorted_sequence, "sorted_sequence", self)
  self <- as_tensor(self, "self", sorted_sequence)
  found <- apply_op(ops$searchsorted, list(sorted_sequence, if (scalar) torch_squeeze(self) else self),
    as.double(right))
  if (out_int32) cast(found, torch_int()) else found
}

#' @rdname torch_quantile
#' @export
torch_bucketize <- function(self, boundaries, out_int32 = FALSE, right = FALSE) {
  boundaries <- as_tensor(boundaries, "boundaries", self)
  if (length(dim(boundaries)) != 1) value_error("torch_bucketize(): `boundaries` must have one dimension.")
  torch_searchsorted(boundaries, self, out_int32, right)
}

#' @rdname torch_quantile
#' @export
torch_trapz <- function(y, dx = 1L, x, dim = -1L) {
  n <- tensor_size(as_tensor(y, "y"), dim)
  y <- as_tensor(y, "y")
  means <- (torch_narrow(y, dim, 2, n - 1) + torch_narrow(y, dim, 1, n - 1)) / 2
  if (missing(x)) {
    return(torch_sum(means, dim) * dx)
  }
  torch_sum(means * torch_diff(as_tensor(x, "x", y), dim = if (length(base::dim(x)) > 1) dim else -1), dim)
}

#' Cumulative extremes and sums of exponentials
#'
#' @param self a tensor.
#' @param dim dimension to go along, from 1, negative from the end.
#' @return `torch_cummax()` and `torch_cummin()`: a list of the largest or smallest elements so far and their positions
#'   (the last of equal ones); NaN stays once it came. `torch_logcumsumexp()`: a tensor, log of the cumulated sum of
#'   exponentials, computed without overflow.
#' @examples
#' torch_cummax(c(1, 3, 2, 5), 1)
#' @export
torch_cummax <- function(self, dim) cumulated_extreme(self, dim, FALSE)

#' @rdname torch_cummax
#' @export
torch_cummin <- function(self, dim) cumulated_extreme(self, dim, TRUE)

cumulated_extreme <- function(self, dim, smallest) {
  index <- apply_op(ops$cumulated_extreme, list(self), c(zero_based_dim(dim), smallest))
  if (length(base::dim(self)) == 0) {
    return(list(torch_clone(self), index))
  }
  list(torch_gather(self, dim, index), index)
}

#' @rdname torch_cummax
#' @export
torch_logcumsumexp <- function(self, dim) apply_op(ops$logcumsumexp, list(self), zero_based_dim(dim))

#' Bits and divisors of integers
#'
#' `torch_bitwise_and()`, `torch_bitwise_or()`, `torch_bitwise_xor()` and `torch_bitwise_not()` work on the bits of
#' integers, or on bools; `torch_gcd()` and `torch_lcm()` give the greatest common divisor and the least common
#' multiple.
#' @param self,other tensors of integers or bools, or R integers.
#' @return A tensor of integers or bools.
#' @examples
#' torch_bitwise_and(6L, torch_tensor(c(2L, 4L, 8L)))
#' torch_gcd(torch_tensor(12L), 18L)
#' @export
torch_bitwise_and <- function(self, other) apply_op(ops$bitwise_and, list(self, other))

#' @rdname torch_bitwise_and
#' @export
torch_bitwise_or <- function(self, other) apply_op(ops$bitwise_or, list(self, other))

#' @rdname torch_bitwise_and
#' @export
torch_bitwise_xor <- function(self, other) apply_op(ops$bitwise_xor, list(self, other))

#' @rdname torch_bitwise_and
#' @export
torch_bitwise_not <- function(self) {
  if (dtype_name(self$dtype) == "Bool") torch_logical_not(self) else torch_bitwise_xor(self, -1L)
}

torch_bitwise_left_shift <- function(self, other) apply_op(ops$shift_left, list(self, other))
torch_bitwise_right_shift <- function(self, other) apply_op(ops$shift_right, list(self, other))

#' @rdname torch_bitwise_and
#' @export
torch_gcd <- function(self, other) apply_op(ops$gcd, list(self, other))

#' @rdname torch_bitwise_and
#' @export
torch_lcm <- function(self, other) {
  divisor <- torch_gcd(self, other)
  safe <- torch_where(torch_eq(divisor, 0L), torch_ones_like(divisor), divisor)
  torch_abs(torch_mul(torch_div(self, safe, rounding_mode = "trunc"), other))
}
