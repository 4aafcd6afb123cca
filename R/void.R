#' Pixels that do not count
#'
#' `void_class` is the class of pixels that nobody has labelled, or that are to be left out: losses, metrics, data sets
#' and masks all know it by this number. It is the default of every `ignore_index`, that of [nn_cross_entropy_loss()]
#' among them, so such pixels are left out of losses and metrics without being named.
#'
#' @format The integer -100.
#' @examples
#' target <- torch_tensor(matrix(c(1L, 2L, void_class, 1L), 2))$unsqueeze(1)
#' nn_cross_entropy_loss()(torch_randn(1, 2, 2, 2), target)
#' @family losses
#' @export
void_class <- -100L
