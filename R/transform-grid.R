#' Many images in one
#'
#' @param tensor N x C x H x W, or a list of C x H x W.
#' @param scale stretch the values of all images to 0 to 1.
#' @param num_rows images per row.
#' @param padding pixels between images.
#' @param pad_value their value.
#' @return A tensor C x H x W.
#' @examples
#' vision_make_grid(torch_rand(5, 3, 8, 8), num_rows = 3)$shape
#' @export
vision_make_grid <- function(tensor, scale = TRUE, num_rows = 8, padding = 2, pad_value = 0) {
  if (is.list(tensor)) tensor <- torch_stack(tensor)
  if (!is_tensor(tensor) || length(tensor$shape) != 4) value_error("`tensor` must be N x C x H x W.")
  x <- tensor$detach()$to(dtype = torch_float())
  if (scale) x <- stretched(x)
  n <- x$shape[[1]]
  columns <- min(num_rows, n)
  cell <- as.numeric(x$shape[3:4]) + padding
  grid <- torch_full(c(x$shape[[2]], cell * c(ceiling(n / columns), columns) + padding), pad_value)
  for (k in seq_len(n)) {
    corner <- c((k - 1) %/% columns, (k - 1) %% columns) * cell + padding + 1
    transform_crop(grid, corner[[1]], corner[[2]], x$shape[[3]], x$shape[[4]])$copy_(x$select(1, k))
  }
  grid
}

stretched <- function(x) {
  low <- min(as_array(x))
  high <- max(as_array(x))
  (x - low) / max(high - low, 1e-5)
}
