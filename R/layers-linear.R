#' @include module.R layers-function.R
NULL

# Weights and biases start uniform on (-b, b), b = 1 / sqrt(fan_in); the weight is drawn first.
init_uniform_by_fan <- function(weight, bias) {
  nn_init_kaiming_uniform_(weight, a = sqrt(5))
  if (!is.null(bias)) {
    bound <- 1 / sqrt(fans(weight)[["fan_in"]])
    nn_init_uniform_(bias, -bound, bound)
  }
}

empty_parameter <- function(...) nn_parameter(torch_empty(...))

#' Linear layers
#'
#' `nn_linear()`: y = x W' + b, on the last dimension. `nn_bilinear()`: y = x1' W x2 + b.
#'
#' Weight and bias start uniform on (-b, b), with b = 1 / sqrt(in_features).
#'
#' @param in_features,in1_features,in2_features,out_features sizes of the last dimension of inputs and output.
#' @param bias is b learned?
#' @return A module with parameters `weight` (out_features x in_features, or out_features x in1_features x
#'   in2_features) and `bias` (out_features).
#' @examples
#' layer <- nn_linear(3, 2)
#' layer(torch_randn(5, 3))
#' @family layers
#' @export
nn_linear <- nn_module(
  "nn_linear",
  initialize = function(in_features, out_features, bias = TRUE) {
    self$in_features <- in_features
    self$out_features <- out_features
    self$weight <- empty_parameter(out_features, in_features)
    self$register_parameter("bias", if (bias) empty_parameter(out_features))
    self$reset_parameters()
  },
  reset_parameters = function() {
    init_uniform_by_fan(self$weight, self$bias)
  },
  forward = function(input) {
    nnf_linear(input, self$weight, self$bias)
  }
)

#' @rdname nn_linear
#' @export
nn_bilinear <- nn_module(
  "nn_bilinear",
  initialize = function(in1_features, in2_features, out_features, bias = TRUE) {
    self$in1_features <- in1_features
    self$in2_features <- in2_features
    self$out_features <- out_features
    self$weight <- empty_parameter(out_features, in1_features, in2_features)
    self$register_parameter("bias", if (bias) empty_parameter(out_features))
    self$reset_parameters()
  },
  reset_parameters = function() {
    bound <- 1 / sqrt(self$in1_features)
    nn_init_uniform_(self$weight, -bound, bound)
    if (!is.null(self$bias)) {
      nn_init_uniform_(self$bias, -bound, bound)
    }
  },
  forward = function(input1, input2) {
    nnf_bilinear(input1, input2, self$weight, self$bias)
  }
)

#' Embedding
#'
#' Looks up rows of a table.
#'
#' @param num_embeddings,embedding_dim number and length of the rows.
#' @param padding_idx index (from 1) of a row that starts at zero and gets no gradient, or `NULL`.
#' @param max_norm,norm_type rows with a `norm_type`-norm above `max_norm` are scaled down to it when looked up.
#' @param scale_grad_by_freq divide gradients by how often the row occurs in the batch?
#' @param sparse not supported, must be `FALSE`: gradients are dense.
#' @param .weight a tensor num_embeddings x embedding_dim to start from, instead of standard normal numbers.
#' @return A module that takes a long tensor of indices, counted from 1, and returns a tensor with one dimension more.
#' @examples
#' nn_embedding(10, 3)(torch_tensor(c(1L, 5L)))
#' @family layers
#' @export
nn_embedding <- nn_module(
  "nn_embedding",
  initialize = function(num_embeddings, embedding_dim, padding_idx = NULL, max_norm = NULL, norm_type = 2,
                        scale_grad_by_freq = FALSE, sparse = FALSE, .weight = NULL) {
    self$num_embeddings <- num_embeddings
    self$embedding_dim <- embedding_dim
    self$padding_idx <- check_padding_index(padding_idx, num_embeddings)
    self$max_norm <- max_norm
    self$norm_type <- norm_type
    self$scale_grad_by_freq <- scale_grad_by_freq
    self$sparse <- sparse
    if (is.null(.weight)) {
      self$weight <- empty_parameter(num_embeddings, embedding_dim)
      self$reset_parameters()
    } else {
      self$weight <- nn_parameter(check_table(.weight, num_embeddings, embedding_dim))
    }
  },
  reset_parameters = function() {
    nn_init_normal_(self$weight)
    if (!is.null(self$padding_idx)) {
      weight <- self$weight
      with_no_grad(weight$narrow(1, self$padding_idx, 1)$zero_())
    }
  },
  forward = function(input) {
    nnf_embedding(input, self$weight, self$padding_idx, self$max_norm, self$norm_type, self$scale_grad_by_freq,
      self$sparse)
  }
)

#' Bags of embeddings
#'
#' The sum, mean or largest elements of rows of a table, see [nnf_embedding_bag()].
#'
#' @param num_embeddings,embedding_dim number and length of the rows, which start from standard normal numbers.
#' @param max_norm,norm_type rows with a `norm_type`-norm above `max_norm` are scaled down to it when looked up.
#' @param scale_grad_by_freq divide gradients by how often the row occurs in the batch?
#' @param mode `"mean"`, `"sum"` or `"max"`.
#' @param sparse not supported, must be `FALSE`.
#' @param include_last_offset is the last offset the end of the last bag?
#' @param padding_idx a row (from 1) that starts at zero and counts nothing, or `NULL`.
#' @param .weight a tensor num_embeddings x embedding_dim to start from.
#' @return A module with the parameter `weight`, called with `(input, offsets = NULL, per_sample_weights = NULL)`;
#'   the result is bags x embedding_dim.
#' @examples
#' bags <- nn_embedding_bag(10, 3, mode = "sum")
#' bags(torch_tensor(c(1L, 2L, 4L, 5L)), offsets = torch_tensor(c(0L, 2L)))
#' @family layers
#' @export
nn_embedding_bag <- nn_module(
  "nn_embedding_bag",
  inherit = nn_embedding,
  initialize = function(num_embeddings, embedding_dim, max_norm = NULL, norm_type = 2, scale_grad_by_freq = FALSE,
                        mode = "mean", sparse = FALSE, include_last_offset = FALSE, padding_idx = NULL,
                        .weight = NULL) {
    check_choice(mode, "mode", c("sum", "mean", "max"))
    super$initialize(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
      .weight)
    self$mode <- mode
    self$include_last_offset <- include_last_offset
  },
  forward = function(input, offsets = NULL, per_sample_weights = NULL) {
    nnf_embedding_bag(input, self$weight, offsets, self$max_norm, self$norm_type, self$scale_grad_by_freq, self$mode,
      self$sparse, per_sample_weights, self$include_last_offset, self$padding_idx)
  }
)

check_padding_index <- function(index, n) {
  if (is.null(index)) {
    return(NULL)
  }
  if (index < 0) {
    index <- n + index + 1
  }
  if (index < 1 || index > n) {
    value_error(sprintf("`padding_idx` must be between 1 and num_embeddings = %d.", n))
  }
  index
}

check_table <- function(weight, rows, columns) {
  if (!identical(as.numeric(dim(weight)), as.numeric(c(rows, columns)))) {
    value_error(sprintf("`.weight` has shape [%s], but num_embeddings and embedding_dim say [%d, %d].",
      toString(dim(weight)), rows, columns))
  }
  weight
}
