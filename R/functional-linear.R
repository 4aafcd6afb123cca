#' Linear functions
#'
#' `nnf_linear()`: y = x W' + b. `nnf_bilinear()`: y_k = x1' W_k x2 + b_k. Both work on the last dimension.
#'
#' @param input,input1,input2 tensors whose last dimension is in_features (in1_features, in2_features) long.
#' @param weight tensor out_features x in_features, or out_features x in1_features x in2_features.
#' @param bias tensor of length out_features, or `NULL`.
#' @return A tensor whose last dimension is out_features long.
#' @examples
#' nnf_linear(torch_randn(5, 3), torch_randn(2, 3), torch_zeros(2))
#' @family functions
#' @export
nnf_linear <- function(input, weight, bias = NULL) {
  .Call(cdr_apply_3, ops$linear, input, weight, bias, NULL)
}

#' @rdname nnf_linear
#' @export
nnf_bilinear <- function(input1, input2, weight, bias = NULL) {
  check_rank(weight, "weight", 3)
  shape <- dim(weight)
  outer_sizes <- utils::head(dim(input1), -1)
  rows <- torch_reshape(input1, c(-1, shape[[2]]))
  by_input1 <- torch_reshape(torch_permute(weight, c(2, 1, 3)), c(shape[[2]], shape[[1]] * shape[[3]]))
  products <- torch_reshape(torch_matmul(rows, by_input1), c(-1, shape[[1]], shape[[3]]))
  columns <- torch_reshape(input2, c(-1, shape[[3]], 1))
  y <- torch_reshape(torch_matmul(products, columns), c(outer_sizes, shape[[1]]))
  if (is.null(bias)) y else y + bias
}
