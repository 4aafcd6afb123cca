#' @include models-resnet.R layers-attention.R
NULL

# Pictures as rows of patches, each through one linear map.
patch_embedding <- nn_module(
  "patch_embed",
  initialize = function(patch_size, in_chans, embed_dim) {
    self$proj <- nn_conv2d(in_chans, embed_dim, patch_size, stride = patch_size)
  },
  forward = function(x) torch_flatten(self$proj(x), start_dim = 3)$transpose(2, 3)
)

# x + attention(norm(x)), then x + two linear layers of norm(x).
vit_block <- nn_module(
  "encoder_block",
  initialize = function(embed_dim, num_heads, mlp_ratio, qkv_bias, dropout) {
    hidden <- as.integer(embed_dim * mlp_ratio)
    self$norm1 <- nn_layer_norm(embed_dim, eps = 1e-6)
    self$attn <- nn_multihead_attention(embed_dim, num_heads, bias = qkv_bias, dropout = dropout, batch_first = TRUE)
    self$norm2 <- nn_layer_norm(embed_dim, eps = 1e-6)
    self$mlp <- nn_sequential(
      nn_linear(embed_dim, hidden), nn_gelu(), nn_dropout(dropout), nn_linear(hidden, embed_dim), nn_dropout(dropout)
    )
  },
  forward = function(x) {
    y <- self$norm1(x)
    x <- x + self$attn(y, y, y, need_weights = FALSE)[[1]]
    x + self$mlp(self$norm2(x))
  }
)

initialise_vit_layer <- function(layer) {
  if (inherits(layer, "nn_linear")) {
    nn_init_trunc_normal_(layer$weight, std = 0.02)
    if (!is.null(layer$bias)) nn_init_zeros_(layer$bias)
  }
}

vit_model <- nn_module(
  "vit_model",
  initialize = function(img_size = 224, patch_size = 16, in_chans = 3, num_classes = 1000, embed_dim = 768, depth = 12,
                        num_heads = 12, mlp_ratio = 4, qkv_bias = TRUE, dropout = 0) {
    check_divisible(img_size, "img_size", patch_size, "patch_size")
    self$img_size <- img_size
    self$patch_embed <- patch_embedding(patch_size, in_chans, embed_dim)
    self$class_token <- nn_parameter(torch_zeros(1, 1, embed_dim))
    self$pos_embedding <- nn_parameter(torch_zeros(1, (img_size / patch_size)^2 + 1, embed_dim))
    self$pos_drop <- nn_dropout(dropout)
    self$blocks <- nn_module_list(lapply(seq_len(depth), function(i) {
      vit_block(embed_dim, num_heads, mlp_ratio, qkv_bias, dropout)
    }))
    self$norm <- nn_layer_norm(embed_dim, eps = 1e-6)
    self$head <- if (is.null(num_classes) || num_classes == 0) nn_identity() else nn_linear(embed_dim, num_classes)
    nn_init_trunc_normal_(self$pos_embedding, std = 0.02)
    nn_init_trunc_normal_(self$class_token, std = 0.02)
    self$apply(initialise_vit_layer)
  },
  forward = function(x) {
    check_rank(x, "x", 4)
    if (any(dim(x)[3:4] != self$img_size)) {
      value_error(sprintf("`x` must be pictures of %d x %d, but got [%s].", as.integer(self$img_size),
        as.integer(self$img_size), toString(dim(x))))
    }
    x <- self$patch_embed(x)
    x <- torch_cat(list(self$class_token$expand(c(dim(x)[[1]], -1, -1)), x), dim = 2)
    x <- self$pos_drop(x + self$pos_embedding)
    for (i in seq_along(self$blocks)) x <- self$blocks[[i]](x)
    self$head(self$norm(x$select(2, 1)))
  }
)

vit_kinds <- list(
  vit_b_16 = list(), vit_b_32 = list(patch_size = 32),
  vit_l_16 = list(embed_dim = 1024, depth = 24, num_heads = 16),
  vit_l_32 = list(patch_size = 32, embed_dim = 1024, depth = 24, num_heads = 16),
  vit_h_14 = list(img_size = 518, patch_size = 14, embed_dim = 1280, depth = 32, num_heads = 16)
)

# PyTorch's names in published files, and those of the modules.
vit_names <- c(
  "^conv_proj[.]" = "patch_embed.proj.", "^encoder[.]layers[.]encoder_layer_([0-9]+)[.]" = "blocks.\\1.",
  "[.]ln_([12])[.]" = ".norm\\1.", "[.]self_attention[.]" = ".attn.", "[.]mlp[.]linear_1[.]" = ".mlp.0.",
  "[.]mlp[.]linear_2[.]" = ".mlp.3.", "^encoder[.]pos_embedding" = "pos_embedding", "^encoder[.]ln[.]" = "norm.",
  "^heads[.]head[.]" = "head."
)

make_vit <- function(name, pretrained, progress, ...) {
  model <- do.call(vit_model, utils::modifyList(vit_kinds[[name]], list(...)))
  load_pretrained(model, name, pretrained, progress)
}

#' Vision transformers
#'
#' Image classifiers that look at a picture as a sequence of patches (Dosovitskiy et al. 2021,
#' <https://arxiv.org/abs/2010.11929>). The published weights load.
#'
#' @inheritParams model_mobilenet_v2
#' @param ... `img_size = 224` (`model_vit_h_14()`: 518), side of the pictures, a multiple of the patches' 16, 32 or
#'   14; `num_classes = 1000` (0 or `NULL`: the features); `in_chans = 3`; `dropout = 0`; and to make others,
#'   `patch_size`, `embed_dim`, `depth`, `num_heads`, `mlp_ratio = 4` and `qkv_bias = TRUE`.
#' @return A module of class `vit_model` for images N x 3 x `img_size` x `img_size` (float, normalised), with
#'   `num_classes` outputs.
#' @inheritSection model_resnet18 Weights
#' @examples
#' model <- model_vit_b_16(img_size = 32, embed_dim = 24, depth = 2, num_heads = 3, num_classes = 5)
#' model(torch_randn(2, 3, 32, 32))$shape
#' @family models
#' @export
model_vit_b_16 <- function(pretrained = FALSE, progress = TRUE, ...) make_vit("vit_b_16", pretrained, progress, ...)

#' @rdname model_vit_b_16
#' @export
model_vit_b_32 <- function(pretrained = FALSE, progress = TRUE, ...) make_vit("vit_b_32", pretrained, progress, ...)

#' @rdname model_vit_b_16
#' @export
model_vit_l_16 <- function(pretrained = FALSE, progress = TRUE, ...) make_vit("vit_l_16", pretrained, progress, ...)

#' @rdname model_vit_b_16
#' @export
model_vit_l_32 <- function(pretrained = FALSE, progress = TRUE, ...) make_vit("vit_l_32", pretrained, progress, ...)

#' @rdname model_vit_b_16
#' @export
model_vit_h_14 <- function(pretrained = FALSE, progress = TRUE, ...) make_vit("vit_h_14", pretrained, progress, ...)
