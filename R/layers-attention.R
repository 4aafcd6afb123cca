#' @include module.R
NULL

#' Attention of several heads
#'
#' Each of L queries looks at S keys, in several heads at once, and gives their values weighted by the softmax of the
#' products; formula with [nnf_multi_head_attention_forward()].
#'
#' @param embed_dim size E of queries and results.
#' @param num_heads number of heads; divides E.
#' @param dropout probability of dropping a weight while training.
#' @param bias are offsets of the projections learned?
#' @param add_bias_kv learn one more key and its value?
#' @param add_zero_attn add a key and a value of zeros?
#' @param kdim,vdim sizes of keys and values; E where `NULL`.
#' @param batch_first are inputs and results N x L x E, not L x N x E?
#' @return A module with the parameters `in_proj_weight` (3 E x E; or `q_proj_weight`, `k_proj_weight`,
#'   `v_proj_weight`), `in_proj_bias`, `out_proj$weight`, `out_proj$bias`, `bias_k` and `bias_v`. It is called with
#'   `(query, key, value, key_padding_mask = NULL, need_weights = TRUE, attn_mask = NULL, avg_weights = TRUE)`, see
#'   [nnf_multi_head_attention_forward()], and gives a list of the result and of the weights (N x L x S, or `NULL`).
#'   It is fastest with `need_weights = FALSE` and one and the same tensor as query, key and value.
#' @source Vaswani et al. (2017), <https://arxiv.org/abs/1706.03762>.
#' @examples
#' attention <- nn_multihead_attention(embed_dim = 8, num_heads = 2)
#' x <- torch_randn(5, 3, 8)
#' out <- attention(x, x, x)
#' out[[1]]$shape
#' out[[2]]$shape
#' @family layers
#' @export
nn_multihead_attention <- nn_module(
  "nn_multihead_attention",
  initialize = function(embed_dim, num_heads, dropout = 0., bias = TRUE, add_bias_kv = FALSE, add_zero_attn = FALSE,
                        kdim = NULL, vdim = NULL, batch_first = FALSE) {
    check_divisible(embed_dim, "embed_dim", num_heads, "num_heads")
    check_dropout(dropout)
    for (name in c("bias", "add_bias_kv", "add_zero_attn", "batch_first")) check_flag(get(name), name)
    if (!is.null(kdim)) check_whole_number(kdim, "kdim", least = 1)
    if (!is.null(vdim)) check_whole_number(vdim, "vdim", least = 1)
    self$embed_dim <- embed_dim
    self$kdim <- kdim %||% embed_dim
    self$vdim <- vdim %||% embed_dim
    self$num_heads <- num_heads
    self$dropout <- dropout
    self$head_dim <- embed_dim %/% num_heads
    self$add_zero_attn <- add_zero_attn
    self$batch_first <- batch_first
    self$qkv_same_embed_dim_ <- self$kdim == embed_dim && self$vdim == embed_dim
    own <- function(...) if (!self$qkv_same_embed_dim_) empty_parameter(...)
    self$register_parameter("q_proj_weight", own(embed_dim, embed_dim))
    self$register_parameter("k_proj_weight", own(embed_dim, self$kdim))
    self$register_parameter("v_proj_weight", own(embed_dim, self$vdim))
    self$register_parameter("in_proj_weight",
      if (self$qkv_same_embed_dim_) empty_parameter(3 * embed_dim, embed_dim))
    self$register_parameter("in_proj_bias", if (bias) empty_parameter(3 * embed_dim))
    self$out_proj <- nn_linear(embed_dim, embed_dim, bias = bias)
    self$register_parameter("bias_k", if (add_bias_kv) empty_parameter(1, 1, embed_dim))
    self$register_parameter("bias_v", if (add_bias_kv) empty_parameter(1, 1, embed_dim))
    self$reset_parameters()
  },
  reset_parameters = function() {
    for (name in c("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")) {
      if (!is.null(self[[name]])) nn_init_xavier_uniform_(self[[name]])
    }
    if (!is.null(self$in_proj_bias)) {
      nn_init_zeros_(self$in_proj_bias)
      nn_init_zeros_(self$out_proj$bias)
    }
    for (name in c("bias_k", "bias_v")) {
      if (!is.null(self[[name]])) nn_init_xavier_normal_(self[[name]])
    }
  },
  forward = function(query, key, value, key_padding_mask = NULL, need_weights = TRUE, attn_mask = NULL,
                     avg_weights = TRUE) {
    inputs <- if (self$batch_first) times_first(list(query, key, value)) else list(query, key, value)
    out <- nnf_multi_head_attention_forward(inputs[[1]], inputs[[2]], inputs[[3]], self$embed_dim, self$num_heads,
      self$in_proj_weight, self$in_proj_bias, self$bias_k, self$bias_v, self$add_zero_attn, self$dropout,
      self$out_proj$weight, self$out_proj$bias,
      training = self$training, key_padding_mask = key_padding_mask, need_weights = need_weights,
      attn_mask = attn_mask, avg_weights = avg_weights, use_separate_proj_weight = !self$qkv_same_embed_dim_,
      q_proj_weight = self$q_proj_weight, k_proj_weight = self$k_proj_weight, v_proj_weight = self$v_proj_weight)
    if (self$batch_first) out[[1]] <- out[[1]]$transpose(1, 2)
    out
  }
)

# Tensors with their first two dimensions exchanged; those that are one and the same stay so.
times_first <- function(tensors) {
  address <- vapply(tensors, rlang::obj_address, "")
  turned <- lapply(tensors[!duplicated(address)], function(x) x$transpose(1, 2))
  turned[match(address, unique(address))]
}

#' Transformer layers
#'
#' `nn_transformer_encoder_layer()` is attention of all places to one another and a network of two linear layers,
#' each with a residual connection, dropout and a layer norm behind it, x = norm(x + f(x)), or before it with
#' `norm_first`, x = x + f(norm(x)). `nn_transformer_encoder()` is several copies of such a layer on top of one
#' another.
#'
#' @param d_model size of the input and result at each place.
#' @param nhead number of heads; divides `d_model`.
#' @param dim_feedforward size between the two linear layers.
#' @param dropout probability of dropout, in the attention as well.
#' @param activation `"relu"`, `"gelu"` or a function of a tensor, between the two linear layers.
#' @param layer_norm_eps added to variances.
#' @param batch_first are inputs and results N x L x `d_model`, not L x N x `d_model`?
#' @param norm_first are layer norms applied first?
#' @param bias are offsets learned? Without, layer norms have no parameters.
#' @param encoder_layer a module such as `nn_transformer_encoder_layer()` makes; it is copied with its parameters.
#' @param num_layers number of copies.
#' @param norm a module applied at the end, or `NULL`.
#' @return A module, called with `(src, src_mask = NULL, src_key_padding_mask = NULL, is_causal = FALSE)`, the
#'   encoder with `mask` for `src_mask`: masks as in [nnf_multi_head_attention_forward()]; `is_causal` lets each
#'   place look at itself and those before it, and is a `value_error` together with a mask. The result has the size
#'   of `src`.
#' @source Vaswani et al. (2017), <https://arxiv.org/abs/1706.03762>.
#' @examples
#' layer <- nn_transformer_encoder_layer(d_model = 8, nhead = 2, dim_feedforward = 16,
#'   batch_first = TRUE)
#' encoder <- nn_transformer_encoder(layer, num_layers = 2)
#' encoder(torch_randn(3, 5, 8))$shape
#' @family layers
#' @export
nn_transformer_encoder_layer <- nn_module(
  "nn_transformer_encoder_layer",
  initialize = function(d_model, nhead, dim_feedforward = 2048, dropout = 0.1, activation = "relu",
                        layer_norm_eps = 1e-5, batch_first = FALSE, norm_first = FALSE, bias = TRUE) {
    check_flag(norm_first, "norm_first")
    self$norm_first <- norm_first
    self$self_attn <- nn_multihead_attention(d_model, nhead, dropout = dropout, bias = bias,
      batch_first = batch_first)
    self$linear1 <- nn_linear(d_model, dim_feedforward, bias = bias)
    self$dropout <- nn_dropout(dropout)
    self$linear2 <- nn_linear(dim_feedforward, d_model, bias = bias)
    self$norm1 <- nn_layer_norm(d_model, eps = layer_norm_eps, elementwise_affine = bias)
    self$norm2 <- nn_layer_norm(d_model, eps = layer_norm_eps, elementwise_affine = bias)
    self$dropout1 <- nn_dropout(dropout)
    self$dropout2 <- nn_dropout(dropout)
    self$activation <- activation_named(activation)
  },
  attend = function(x, mask, padding) {
    self$dropout1(self$self_attn(x, x, x, key_padding_mask = padding, need_weights = FALSE, attn_mask = mask)[[1]])
  },
  feed = function(x) {
    self$dropout2(self$linear2(self$dropout(self$activation(self$linear1(x)))))
  },
  forward = function(src, src_mask = NULL, src_key_padding_mask = NULL, is_causal = FALSE) {
    if (is_causal) {
      if (!is.null(src_mask)) value_error("`src_mask` must be NULL with `is_causal = TRUE`.")
      src_mask <- causal_mask(dim(src)[if (self$self_attn$batch_first) 2 else 1])
    }
    if (self$norm_first) {
      src <- src + self$attend(self$norm1(src), src_mask, src_key_padding_mask)
      src <- src + self$feed(self$norm2(src))
    } else {
      src <- self$norm1(src + self$attend(src, src_mask, src_key_padding_mask))
      src <- self$norm2(src + self$feed(src))
    }
    src
  }
)

activation_named <- function(activation) {
  if (is.function(activation)) {
    return(activation)
  }
  check_choice(activation, "activation", c("relu", "gelu"))
  if (activation == "relu") function(x) nnf_relu(x) else function(x) nnf_gelu(x)
}

# TRUE where the key comes after the query.
causal_mask <- function(n) torch_tensor(upper.tri(matrix(0, n, n)))

#' @rdname nn_transformer_encoder_layer
#' @export
nn_transformer_encoder <- nn_module(
  "nn_transformer_encoder",
  initialize = function(encoder_layer, num_layers, norm = NULL) {
    check_module(encoder_layer, "encoder_layer")
    check_whole_number(num_layers, "num_layers", least = 1)
    self$num_layers <- num_layers
    self$layers <- nn_module_list(lapply(seq_len(num_layers), function(i) clone_module(encoder_layer, deep = TRUE)))
    self$norm <- norm
  },
  forward = function(src, mask = NULL, src_key_padding_mask = NULL, is_causal = FALSE) {
    for (i in seq_len(self$num_layers)) {
      src <- self$layers[[i]](src, mask, src_key_padding_mask, is_causal)
    }
    if (is.null(self$norm)) src else self$norm(src)
  }
)
