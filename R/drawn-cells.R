#' Drawn pictures of cells
#'
#' Small images with masks, for examples and trials: bright discs on a dark ground, with noise.
#'
#' @param root a folder, which is made if it is not there: it gets `images/cell-01.png`, ... (grey, 8 bits) and
#'   `masks/cell-01.png`, ... (0 background, 255 cell).
#' @param n how many.
#' @param size height and width in pixels.
#' @param seed of the draw; R's own generator is left as it is.
#' @return `root`, invisibly.
#' @examples
#' root <- drawn_cells(tempfile(), n = 2, size = 32)
#' list.files(root, recursive = TRUE)
#' @export
drawn_cells <- function(root, n = 12, size = 64, seed = 1) {
  check_whole_number(n, "n", 1, 1e6)
  check_whole_number(size, "size", 8, 16384)
  check_whole_number(seed, "seed", -.Machine$integer.max, .Machine$integer.max)
  for (folder in c("images", "masks")) dir.create(file.path(root, folder), recursive = TRUE, showWarnings = FALSE)
  local_r_seed(seed)
  for (i in seq_len(n)) {
    cells <- drawn_field(size)
    file <- sprintf("cell-%02d.png", i)
    image_write(pmin(pmax(cells$light, 0), 1), file.path(root, "images", file))
    image_write(matrix(as.integer(255 * cells$inside), size), file.path(root, "masks", file))
  }
  invisible(root)
}

# Three to six discs: brightness, and whether a pixel lies in one.
drawn_field <- function(size) {
  at <- seq_len(size) - 0.5
  light <- matrix(stats::rnorm(size^2, 0.2, 0.05), size)
  inside <- matrix(FALSE, size, size)
  for (k in seq_len(sample(3:6, 1))) {
    middle <- stats::runif(2, 0.1, 0.9) * size
    radius <- stats::runif(1, 0.08, 0.16) * size
    disc <- outer((at - middle[[1]])^2, (at - middle[[2]])^2, "+") <= radius^2
    light[disc] <- stats::rnorm(sum(disc), stats::runif(1, 0.5, 0.8), 0.05)
    inside <- inside | disc
  }
  list(light = light, inside = inside)
}
