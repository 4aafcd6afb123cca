# Tables of vectors and bags of them.

#' Look up vectors
#'
#' Row `input` of `weight`, for each element of `input`.
#'
#' @param input Long tensor of any shape, rows counted from 1.
#' @param weight float tensor, number of vectors x their length.
#' @param padding_idx a row that gets no gradient, or `NULL`; negative from the end.
#' @param max_norm,norm_type rows looked up whose norm of order `norm_type` is larger than `max_norm` are shrunk to it
#'   in place, unless `NULL`.
#' @param scale_grad_by_freq divide the gradient of a row by how often it is looked up?
#' @param sparse not supported, must be `FALSE`.
#' @return a tensor of the shape of `input` with one more dimension, the last.
#' @examples
#' nnf_embedding(torch_tensor(c(2L, 1L)), torch_tensor(matrix(1:6, 3)))
#' @export
nnf_embedding <- function(input, weight, padding_idx = NULL, max_norm = NULL, norm_type = 2,
                          scale_grad_by_freq = FALSE, sparse = FALSE) {
  vectors <- look_up(input$reshape(-1), weight, max_norm, norm_type, scale_grad_by_freq, sparse)
  if (!is.null(padding_idx)) {
    if (padding_idx < 0) padding_idx <- dim(weight)[1] + padding_idx + 1
    vectors <- torch_where((input$reshape(-1) == padding_idx)$unsqueeze(2), vectors$detach(), vectors)
  }
  vectors$reshape(c(dim(input), dim(weight)[2]))
}

# Rows of the table, one for each element of `rows`.
look_up <- function(rows, weight, max_norm, norm_type, scale_grad_by_freq, sparse) {
  if (isTRUE(sparse)) not_implemented_error("embedding: `sparse` gradients are not supported.")
  if (!is.null(max_norm)) shrink_rows(weight, rows, max_norm, norm_type)
  vectors <- torch_index_select(weight, 1, rows)
  if (!isTRUE(scale_grad_by_freq)) {
    return(vectors)
  }
  place <- as.integer(as_array(rows))
  share <- torch_tensor(1 / tabulate(place, dim(weight)[1])[place], dtype = weight$dtype)$unsqueeze(2)
  fixed <- vectors$detach()
  fixed + (vectors - fixed) * share
}

shrink_rows <- function(weight, rows, max_norm, norm_type) {
  with_no_grad({
    norms <- vector_norm(weight, norm_type, 2)
    factor <- (max_norm / (norms + 1e-7))$clamp(max = 1)
    used <- torch_zeros(dim(weight)[1], 1)
    used[as.integer(as.array(rows)), ] <- 1
    weight$mul_(torch_where(used > 0, factor, torch_ones_like(factor)))
  })
}

#' Bags of vectors
#'
#' The sum, mean or largest elements of the rows of `weight` that a bag lists, without those that are `padding_idx`.
#' An empty bag gives zeros.
#'
#' @inheritParams nnf_embedding
#' @param input Long tensor of rows, counted from 1: bags x their size, or all bags one after the other.
#' @param offsets where bags begin in a one-dimensional `input`, counted from 0: the first is 0.
#' @param scale_grad_by_freq divide the gradient of a row by how often it is looked up? Not with mode `"max"`.
#' @param mode `"sum"`, `"mean"` or `"max"`.
#' @param per_sample_weights factors of the vectors, of the size of `input`, with mode `"sum"`; or `NULL`.
#' @param include_last_offset is the last of `offsets` the end of the last bag?
#' @param padding_idx a row that counts nothing, or `NULL`; negative from the end.
#' @return a tensor, bags x length of a vector.
#' @examples
#' table <- torch_tensor(matrix(1:6 / 1, 3))
#' nnf_embedding_bag(torch_tensor(c(1L, 2L, 3L)), table, offsets = c(0, 2), mode = "sum")
#' @export
nnf_embedding_bag <- function(input, weight, offsets = NULL, max_norm = NULL, norm_type = 2,
                              scale_grad_by_freq = FALSE, mode = "mean", sparse = FALSE, per_sample_weights = NULL,
                              include_last_offset = FALSE, padding_idx = NULL) {
  check_choice(mode, "mode", c("sum", "mean", "max"))
  check_rank(input, "input", 1:2)
  if (!is.null(per_sample_weights) && mode != "sum") {
    value_error(sprintf("`per_sample_weights` must be NULL with mode \"%s\": only \"sum\" takes them.", mode))
  }
  if (mode == "max" && isTRUE(scale_grad_by_freq)) {
    value_error("`scale_grad_by_freq` must be FALSE with mode \"max\".")
  }
  starts <- bag_starts(input, offsets, include_last_offset)
  rows <- input$reshape(-1)
  vectors <- look_up(rows, weight, max_norm, norm_type, scale_grad_by_freq, sparse)
  if (!is.null(per_sample_weights)) vectors <- vectors * per_sample_weights$reshape(c(-1, 1))
  bag <- rep(seq_along(starts), diff(c(starts, length(rows))))
  kept <- seq_along(bag)
  if (!is.null(padding_idx)) {
    if (padding_idx < 0) padding_idx <- dim(weight)[1] + padding_idx + 1
    kept <- which(as_array(rows) != padding_idx)
  }
  if (length(kept) == 0) {
    return(vectors$sum() * 0 + torch_zeros(length(starts), dim(weight)[2], dtype = weight$dtype))
  }
  if (length(kept) < length(bag)) vectors <- torch_index_select(vectors, 1, long_tensor(kept))
  reduce_bags(vectors, bag[kept], length(starts), mode)
}

# Counted from 0.
bag_starts <- function(input, offsets, include_last_offset) {
  size <- dim(input)
  if (length(size) == 2) {
    if (!is.null(offsets)) value_error("`offsets` must be NULL where the rows of `input` are the bags.")
    return((seq_len(size[1]) - 1) * size[2])
  }
  offsets <- as.numeric(if (is_tensor(offsets)) as_array(offsets) else unlist(offsets))
  if (isTRUE(include_last_offset)) offsets <- offsets[-length(offsets)]
  if (length(offsets) == 0 || offsets[1] != 0 || is.unsorted(offsets) || max(offsets) > size[1]) {
    value_error(sprintf("`offsets` must begin with 0, never fall, and be at most %d, but got %s.", size[1],
      describe(offsets)))
  }
  offsets
}

reduce_bags <- function(vectors, bag, n, mode) {
  size <- dim(vectors)
  count <- tabulate(bag, n)
  if (mode != "max") {
    sums <- torch_zeros(n, size[2], dtype = vectors$dtype)$index_add(1, long_tensor(bag), vectors)
    return(if (mode == "sum") sums else sums / torch_tensor(pmax(count, 1), dtype = vectors$dtype)$unsqueeze(2))
  }
  # Bags as rows of one length: what is missing is filled from the first vector, and covered.
  place <- matrix(1L, n, max(count))
  inside <- col(place) <= count
  place[cbind(bag, sequence(count[count > 0]))] <- seq_along(bag)
  wide <- torch_index_select(vectors, 1, long_tensor(as.vector(t(place))))$reshape(c(dim(place), size[2]))
  covered <- torch_where(torch_tensor(inside)$unsqueeze(3), wide, torch_tensor(-Inf, dtype = vectors$dtype))
  largest <- torch_max(covered, dim = 2)[[1]]
  torch_where(torch_tensor(count > 0)$unsqueeze(2), largest, torch_tensor(0, dtype = vectors$dtype))
}
