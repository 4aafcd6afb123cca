# Attention.

#' Scaled dot-product attention
#'
#' For each head, softmax(scale q k' + mask) v, where the softmax runs over the keys. The matrix of queries by keys is
#' never held in memory: it is computed block by block, and again in the backward pass.
#'
#' @param query tensor (..., L, E): L queries of E elements. Leading dimensions, commonly batch and heads, are
#'   broadcast against those of `key` and `value`.
#' @param key tensor (..., S, E): S keys.
#' @param value tensor (..., S, V): their values.
#' @param attn_mask `NULL`, or a tensor that can be broadcast to (..., L, S): of dtype bool, `TRUE` where a query looks
#'   at a key, or a float tensor of the query's dtype that is added to the scores.
#' @param dropout_p probability with which a weight of the softmax is set to 0; the others are divided by
#'   1 - `dropout_p`. Applied whenever it is above 0: pass 0 in evaluation. The mask comes from a counter-based
#'   generator seeded by one draw of the default one (see [torch_manual_seed()]).
#' @param is_causal `TRUE`: query i looks at keys 1 to i; not together with `attn_mask`.
#' @param scale factor of the scores; `NULL`: 1 / sqrt(E).
#' @return A tensor (..., L, V). A query that looks at no key gets zeros.
#' @details Tensors of dtype float or double; all three and a float mask have the same one. Gradients flow to query,
#'   key, value, and a float mask. An error of class `value_error` names an argument that does not fit.
#' @source Vaswani et al. (2017), <https://arxiv.org/abs/1706.03762>; blocks after Dao et al. (2022),
#'   <https://arxiv.org/abs/2205.14135>; dropout's generator after Salmon et al. (2011), Parallel random numbers: as
#'   easy as 1, 2, 3.
#' @examples
#' torch_manual_seed(1)
#' q <- torch_randn(2, 4, 10, 8)
#' torch_scaled_dot_product_attention(q, q, q, is_causal = TRUE)$shape
#' @family functions
#' @export
torch_scaled_dot_product_attention <- function(query, key, value, attn_mask = NULL, dropout_p = 0, is_causal = FALSE,
                                               scale = NULL) {
  check_tensor(query, "query")
  check_tensor(key, "key")
  check_tensor(value, "value")
  if (length(attn_mask) == 0 && !is_tensor(attn_mask)) attn_mask <- NULL
  if (!is.null(attn_mask)) check_tensor(attn_mask, "attn_mask")
  check_number(dropout_p, "dropout_p", 0, 1)
  check_flag(is_causal, "is_causal")
  if (!is.null(scale)) check_number(scale, "scale")
  if (is_causal && !is.null(attn_mask)) {
    value_error("`attn_mask` must be NULL where `is_causal` is TRUE: put the causal mask into it instead.")
  }
  numbers <- c(if (is.null(scale)) NaN else scale, is_causal, dropout_p)
  apply_op(ops$attention, list(query, key, value, attn_mask), as.double(numbers))
}
