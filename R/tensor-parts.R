#' @include tensor-matrix.R
NULL

# Methods of tensors only: parts of a tensor as views, and tensors with a part replaced. A function torch_name(self,
# ...) is the method `name`.

#' @rdname torch_diag_embed
#' @export
torch_as_strided <- function(self, size, stride, storage_offset = NULL) {
  size <- as.numeric(unlist(size))
  stride <- as.numeric(unlist(stride))
  if (length(size) != length(stride)) value_error("torch_as_strided(): `size` and `stride` must have the same length.")
  from <- if (is.null(storage_offset)) 0 else as_number(storage_offset, "storage_offset") - self$storage_offset()
  if (from < 0) not_implemented_error("torch_as_strided() reads from the first element of the tensor on.")
  apply_op(ops$as_strided, list(self), c(from, self$stride(), rbind(size, stride)))
}

# Windows of `size` every `step` positions, side by side in a new last dimension: a view, windows may overlap.
torch_unfold <- function(self, dimension, size, step) {
  at <- resolved_dim(self, dimension) + 1
  n <- dim(self)[[at]]
  if (size > n || size < 0 || step < 1) {
    runtime_error(sprintf("$unfold(): size %g and step %g for a dimension of size %d.", size, step, n))
  }
  stride <- self$stride()
  shape <- replace(dim(self), at, (n - size) %/% step + 1)
  apply_op(ops$as_strided, list(self),
    c(0, stride, rbind(c(shape, size), c(replace(stride, at, stride[[at]] * step), stride[[at]]))))
}

# From position `start`, counted from 0, to before `end`, as libtorch counts: negative ones from the end.
torch_slice <- function(self, dim = 1L, start = NULL, end = NULL, step = 1L) {
  at <- resolved_dim(self, dim)
  n <- base::dim(self)[[at + 1]]
  bounds <- c(start %||% 0, end %||% n)
  bounds <- pmin(pmax(ifelse(bounds < 0, bounds + n, bounds), 0), n)
  if (bounds[[2]] <= bounds[[1]]) {
    return(torch_index_select(self, dim, integer()))
  }
  apply_op(ops$slice, list(self), c(rep(whole_dim, at), 2, bounds[[1]] + 1, bounds[[2]], step))
}

# A copy in which what view(copy) shows is `src`.
with_part <- function(self, src, view) {
  copy <- torch_clone(self)
  view(copy)$copy_(as_tensor(src, "src", self))
  copy
}

torch_select_scatter <- function(self, src, dim, index) with_part(self, src, function(x) torch_select(x, dim, index))
torch_slice_scatter <- function(self, src, dim = 1L, start = NULL, end = NULL, step = 1L) {
  with_part(self, src, function(x) torch_slice(x, dim, start, end, step))
}
torch_diagonal_scatter <- function(self, src, offset = 0L, dim1 = 1L, dim2 = 2L) {
  with_part(self, src, function(x) torch_diagonal(x, offset, dim1, dim2))
}
torch_as_strided_scatter <- function(self, src, size, stride, storage_offset = NULL) {
  with_part(self$contiguous(), src, function(x) torch_as_strided(x, size, stride, storage_offset))
}

# hsplit, vsplit, dsplit: at positions, or into equal sections.
split_along <- function(self, indices, sections, dim) {
  n <- tensor_size(self, dim)
  if (missing(indices)) indices <- sections
  if (length(indices) == 1 && n %% indices != 0) {
    runtime_error(sprintf("dimension %g of size %d cannot be split into %g equal parts.", dim, n, indices))
  }
  torch_tensor_split(self, indices, dim)
}

torch_vsplit <- function(self, indices, sections) split_along(self, indices, sections, 1)
torch_hsplit <- function(self, indices, sections) split_along(self, indices, sections, min(2, length(dim(self))))
torch_dsplit <- function(self, indices, sections) split_along(self, indices, sections, 3)
torch_unsafe_split_with_sizes <- function(self, split_sizes, dim = 1L) torch_split(self, split_sizes, dim)

torch_broadcast_to <- function(self, size) self$expand(size)
torch_alias <- function(self) self$view(dim(self))
torch_argwhere <- function(self) torch_nonzero(self)
torch_swapaxes_ <- function(self, axis0, axis1) self$transpose_(axis0, axis1)
torch_swapdims_ <- function(self, dim0, dim1) self$transpose_(dim0, dim1)
torch_new_empty_strided <- function(self, size, stride, options = list()) {
  torch_empty_strided(size, stride, dtype = options$dtype %||% self$dtype)
}

# Transposed last two dimensions; for real numbers also conjugated.
tensor_methods_alike(c("adjoint", "mH", "mT", "matrix_H"), function() torch_transpose(self, -2, -1))
tensor_method("numpy_T", function() torch_permute(self, rev(seq_along(dim(self)))))

# Of real, dense tensors on a CPU.
tensor_methods_alike(
  c("is_conj", "is_neg", "is_distributed", "is_inference", "is_quantized", "is_coalesced"), function() FALSE
)
tensor_methods_alike(c("resolve_conj", "resolve_neg", "conj_physical", "conj_physical_", "to_dense"), function() self)
tensor_method("is_set_to", function(tensor) {
  identical(self$data_ptr(), tensor$data_ptr()) && identical(dim(self), dim(tensor)) &&
    identical(self$stride(), tensor$stride())
})

# What is written by the operators of Python, and in place with an i before the name.
python_operator <- function(name, f) {
  method <- rlang::new_function(alist(other = ), call(paste0("torch_bitwise_", f), quote(self), quote(other)), topenv())
  tensor_method(sprintf("__%s__", name), method)
  body(method) <- call("apply_op_", quote(ops$copy), call("list", quote(self), body(method)))
  tensor_method(sprintf("__i%s__", name), method)
}
Map(python_operator, c("and", "or", "xor", "lshift", "rshift"), c("and", "or", "xor", "left_shift", "right_shift"))

# ---- reductions to indices ----

# The largest (smallest) of what goes to each place, without history: rows of `src` in the order of their values are
# written one over the other.
extremes_at <- function(self, dim, index, src, largest, include_self) {
  at <- resolved_dim(self, dim) + 1
  start <- as_array(self)
  values <- as_array(src)
  place <- arrayInd(seq_along(values), base::dim(src))
  place[, at] <- as.vector(as_array(index))
  place <- 1 + as.vector((place - 1) %*% cumprod(c(1, base::dim(self)))[seq_along(base::dim(self))])
  if (!include_self) start[place] <- if (largest) -Inf else Inf
  order <- order(values, decreasing = !largest)
  start[place[order]] <- (if (largest) pmax else pmin)(start[place[order]], values[order])
  torch_tensor(start, dtype = self$dtype)
}

# Gradients go to all that equal the extreme, in equal parts.
scatter_extreme <- function(self, dim, index, src, largest, include_self) {
  best <- extremes_at(self$detach(), dim, index, src$detach(), largest, include_self)
  of_src <- cast(torch_eq(src$detach(), torch_gather(best, dim, index)), self$dtype)
  of_self <- if (include_self) cast(torch_eq(self$detach(), best), self$dtype) else untouched(self, dim, index)
  count <- torch_scatter_add(of_self, dim, index, of_src)
  value <- torch_scatter_add(torch_where(of_self > 0, self, 0), dim, index, torch_where(of_src > 0, src, 0))
  torch_div(value, count)
}

# 1 where no index points, else 0.
untouched <- function(self, dim, index) {
  torch_scatter(torch_ones_like(self), dim, index, value = 0)
}

torch_scatter_reduce <- function(self, dim, index, src, reduce, include_self = TRUE) {
  check_choice(reduce, "reduce", c("sum", "prod", "mean", "amax", "amin"))
  src <- as_tensor(src, "src", self)$contiguous()
  src <- torch_as_strided(src, dim(index), src$stride())
  if (reduce %in% c("amax", "amin")) {
    return(scatter_extreme(self, dim, index, src, reduce == "amax", include_self))
  }
  if (reduce == "prod") {
    not_implemented_error("`reduce = \"prod\"` is not there: use sums of logarithms.")
  }
  start <- if (include_self) self else torch_mul(self, untouched(self, dim, index))
  total <- torch_scatter_add(start, dim, index, src)
  if (reduce == "sum") {
    return(total)
  }
  start <- if (include_self) torch_ones_like(self) else untouched(self, dim, index)
  torch_div(total, torch_scatter_add(start, dim, index, torch_ones_like(src)))
}

torch_index_reduce <- function(self, dim, index, source, reduce, include_self = TRUE) {
  torch_scatter_reduce(self, dim, spread_index(index, dim, source), source, reduce, include_self)
}
