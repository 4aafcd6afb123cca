# Attention of several heads, with its projections.

#' Attention of several heads
#'
#' Queries, keys and values are projected, split into `num_heads` heads, and each head's
#' softmax(q k' / sqrt(head size) + mask) v joined again and projected. [nn_multihead_attention()] calls this
#' function with its parameters. Without `need_weights` the weights are never held in memory
#' ([torch_scaled_dot_product_attention()]).
#'
#' @param query,key,value tensors L x N x E, S x N x kdim and S x N x vdim: L queries, S keys and their values, for
#'   each of N samples.
#' @param embed_dim_to_check E.
#' @param num_heads number of heads; divides E.
#' @param in_proj_weight weights of the projections of queries, keys and values, 3 E x E, or `NULL` with
#'   `use_separate_proj_weight`.
#' @param in_proj_bias their offsets, 3 E, or `NULL`.
#' @param bias_k,bias_v one more key and its value, 1 x 1 x E, or `NULL`.
#' @param add_zero_attn add a key and a value of zeros?
#' @param dropout_p probability of dropping a weight while `training`.
#' @param out_proj_weight,out_proj_bias the last projection, E x E and E (or `NULL`).
#' @param training is dropout on?
#' @param key_padding_mask N x S: keys that are not looked at (`TRUE`, or not 0).
#' @param need_weights give the weights, too?
#' @param attn_mask L x S or N `num_heads` x L x S: `TRUE` (not 0) where a query must not look at a key, or floats
#'   added to the scores.
#' @param avg_weights give the mean of the heads' weights, not each?
#' @param use_separate_proj_weight are the projections given one by one?
#' @param q_proj_weight,k_proj_weight,v_proj_weight those: E x E, E x kdim, E x vdim.
#' @param static_k,static_v projected keys and values to use instead, N `num_heads` x S x E / `num_heads`.
#' @return A list: the result, L x N x E, and the weights, N x L x S (each head's: N x `num_heads` x L x S), or
#'   `NULL`.
#' @source Vaswani et al. (2017), <https://arxiv.org/abs/1706.03762>.
#' @examples
#' x <- torch_randn(5, 2, 4)
#' w <- torch_randn(12, 4)
#' out <- nnf_multi_head_attention_forward(x, x, x, 4, 2, w, NULL, NULL, NULL, FALSE, 0,
#'   torch_eye(4), NULL)
#' out[[2]]$sum(dim = 3)
#' @family functions
#' @export
nnf_multi_head_attention_forward <- function(query, key, value, embed_dim_to_check, num_heads, in_proj_weight,
                                             in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight,
                                             out_proj_bias, training = TRUE, key_padding_mask = NULL,
                                             need_weights = TRUE, attn_mask = NULL, avg_weights = TRUE,
                                             use_separate_proj_weight = FALSE, q_proj_weight = NULL,
                                             k_proj_weight = NULL, v_proj_weight = NULL, static_k = NULL,
                                             static_v = NULL) {
  check_heads(query, key, value, embed_dim_to_check, num_heads)
  weights <- if (use_separate_proj_weight) list(q_proj_weight, k_proj_weight, v_proj_weight) else in_proj_weight
  parts <- project_heads(query, key, value, weights, in_proj_bias)
  size <- dim(query)
  masks <- list(attn = as_mask(attn_mask), padding = as_mask(key_padding_mask))
  more <- list()
  if (!is.null(bias_k) && is.null(static_k)) more <- c(more, list(list(bias_k, bias_v)))
  if (isTRUE(add_zero_attn)) more <- c(more, list(rep(list(torch_zeros(1, 1, size[3], dtype = query$dtype)), 2)))
  for (pair in more) {
    longer <- function(x, one) torch_cat(list(x, one$expand(c(1, size[2], size[3]))), dim = 1)
    parts[2:3] <- Map(longer, parts[2:3], pair)
    masks <- lapply(masks, one_key_more)
  }
  heads <- lapply(parts, split_heads, num_heads)
  as_heads <- function(x) x$reshape(c(size[2], num_heads, dim(x)[2:3]))
  if (!is.null(static_k)) heads[[2]] <- as_heads(static_k)
  if (!is.null(static_v)) heads[[3]] <- as_heads(static_v)
  mask <- attention_mask(masks, dim(heads[[1]]), dim(heads[[2]])[3], query$dtype)
  dropout <- if (training) dropout_p else 0
  out <- if (need_weights) {
    weigh_heads(heads, mask, dropout)
  } else {
    if (is_tensor(mask) && mask$dtype == torch_bool()) mask <- torch_logical_not(mask)
    list(torch_scaled_dot_product_attention(heads[[1]], heads[[2]], heads[[3]], mask, dropout), NULL)
  }
  joined <- out[[1]]$permute(c(3, 1, 2, 4))$reshape(size)
  weights <- out[[2]]
  if (need_weights && avg_weights) weights <- weights$mean(dim = 2)
  list(nnf_linear(joined, out_proj_weight, out_proj_bias), weights)
}

check_heads <- function(query, key, value, embed_dim, num_heads) {
  for (name in c("query", "key", "value")) check_rank(get(name), name, 3)
  check_whole_number(num_heads, "num_heads", least = 1)
  if (dim(query)[3] != embed_dim || embed_dim %% num_heads != 0) {
    value_error(sprintf("`query` must have %d numbers for each place, divisible by %d heads, but has size [%s].",
      embed_dim, num_heads, toString(dim(query))))
  }
  if (!identical(dim(key)[1:2], dim(value)[1:2]) || dim(key)[2] != dim(query)[2]) {
    value_error(sprintf("`query` [%s], `key` [%s] and `value` [%s] do not fit together.", toString(dim(query)),
      toString(dim(key)), toString(dim(value))))
  }
}

# list(q, k, v). One product serves those of the three that are the same tensor.
project_heads <- function(query, key, value, weights, bias) {
  n <- dim(query)[3]
  part <- function(x, i) if (is.null(x)) NULL else x$narrow(1, (i[1] - 1) * n + 1, length(i) * n)
  same <- function(a, b) identical(rlang::obj_address(a), rlang::obj_address(b))
  project <- function(x, i) nnf_linear(x, part(weights, i), part(bias, i))
  if (is.list(weights)) {
    return(lapply(1:3, function(i) nnf_linear(list(query, key, value)[[i]], weights[[i]], part(bias, i))))
  }
  if (same(query, key) && same(key, value)) {
    return(torch_chunk(nnf_linear(query, weights, bias), 3, dim = -1))
  }
  if (same(key, value)) {
    return(c(list(project(query, 1)), torch_chunk(project(key, 2:3), 2, dim = -1)))
  }
  list(project(query, 1), project(key, 2), project(value, 3))
}

# T x N x E to N x heads x T x E / heads.
split_heads <- function(x, num_heads) {
  size <- dim(x)
  x$reshape(c(size[1:2], num_heads, size[3] / num_heads))$permute(c(2, 3, 1, 4))
}

as_mask <- function(mask) {
  if (is.null(mask) || mask$dtype$is_floating_point) mask else mask$to(dtype = torch_bool())
}

one_key_more <- function(mask) {
  if (is.null(mask)) {
    return(NULL)
  }
  size <- dim(mask)
  torch_cat(list(mask, torch_zeros(c(size[-length(size)], 1), dtype = mask$dtype)), dim = -1)
}

# Both masks in one, which fits N x heads x L x S: bool, TRUE where nothing is looked at, or floats to be added.
attention_mask <- function(masks, size, keys, dtype) {
  attn <- masks$attn
  if (!is.null(attn)) {
    attn <- if (length(dim(attn)) == 3) attn$reshape(c(size[1:2], dim(attn)[2:3])) else attn
    fits <- identical(utils::tail(dim(attn), 2), as.integer(c(size[3], keys)))
    if (!fits) value_error(sprintf("`attn_mask` must be %d queries x %d keys, but has size [%s].", size[3], keys,
      toString(dim(masks$attn))))
  }
  padding <- masks$padding
  if (!is.null(padding)) {
    if (!identical(dim(padding), as.integer(c(size[1], keys)))) {
      value_error(sprintf("`key_padding_mask` must be of size [%d, %d], but is [%s].", size[1], keys,
        toString(dim(padding))))
    }
    padding <- padding$unsqueeze(2)$unsqueeze(3)
  }
  given <- Filter(Negate(is.null), list(attn, padding))
  if (length(given) < 2) {
    return(if (length(given) == 1) given[[1]])
  }
  if (all(vapply(given, function(m) m$dtype == torch_bool(), NA))) {
    return(torch_logical_or(given[[1]], given[[2]]))
  }
  added <- lapply(given, added_to_scores, dtype)
  added[[1]] + added[[2]]
}

added_to_scores <- function(mask, dtype) {
  if (mask$dtype != torch_bool()) {
    return(mask)
  }
  torch_where(mask, torch_tensor(-Inf, dtype = dtype), torch_tensor(0, dtype = dtype))
}

# list(result, weights), both by head.
weigh_heads <- function(heads, mask, dropout) {
  scores <- torch_matmul(heads[[1]] * (1 / sqrt(dim(heads[[1]])[4])), heads[[2]]$transpose(3, 4))
  if (!is.null(mask)) scores <- scores + added_to_scores(mask, scores$dtype)
  weights <- nnf_dropout(nnf_softmax(scores, dim = -1), dropout, dropout > 0)
  list(torch_matmul(weights, heads[[3]]), weights)
}
