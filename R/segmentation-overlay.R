#' Overlays at the picture's own size
#'
#' The picture with its classes tinted and outlined, pixel by pixel: for files to be opened elsewhere. For figures with
#' titles and a legend see [plot_segmentation()].
#'
#' @inheritParams plot_segmentation
#' @param image one picture, as there.
#' @param mask,truth classes of its size, as there. Predictions are tinted and have outlines inside their regions in the
#'   colours of the classes; of the truth there are white outlines with black edges.
#' @param classes what [class_table()] takes: names and colours.
#' @param outline width of the outlines of `mask` in pixels, 0 for none.
#' @param file name of a PNG, JPEG or TIFF file to write.
#' @return An array height x width x 3 of numbers in \[0, 1]; invisibly, where it is written.
#' @examples
#' root <- drawn_cells(tempfile(), n = 1, size = 48)
#' mask <- mask_objects(file.path(root, "masks", "cell-01.png"), c(background = 0, cell = 255))
#' file <- tempfile(fileext = ".png")
#' overlay_segmentation(file.path(root, "images", "cell-01.png"), mask, file = file)
#' @export
overlay_segmentation <- function(image, mask, truth = NULL, classes = NULL, colours = NULL, alpha = 0.35, outline = 1,
                                 file = NULL) {
  check_number(alpha, "alpha", 0, 1)
  check_whole_number(outline, "outline", 0, 100)
  named <- names_and_colours(classes, mask, colours)
  photos <- photos_of(image)
  masks <- masks_of(mask, "mask")
  truths <- if (!is.null(truth)) masks_of(truth, "truth")
  if (length(photos) != 1) value_error(sprintf("`image` must be one picture, but there are %d.", length(photos)))
  check_same_pictures(photos, masks, truths)
  colours <- class_colours(named$colours, max(masks[[1]], length(named$names), 1L), named$names)
  y <- tint_pixels(photos[[1]], masks[[1]], colours, alpha, outline)
  if (!is.null(truths)) y <- outline_pixels(y, truths[[1]])
  if (is.null(file)) {
    return(y)
  }
  image_write(y, file)
  invisible(y)
}

# Tinted by the classes; pixels near the border of their region have its colour alone. NA leaves a class clear.
tint_pixels <- function(photo, mask, colours, alpha, outline) {
  rgb <- rbind(0, t(grDevices::col2rgb(ifelse(is.na(colours), "black", colours))) / 255)
  strength <- c(0, ifelse(is.na(colours), 0, alpha))[mask + 1L]
  if (outline > 0) strength[border_pixels(mask, outline) & c(FALSE, !is.na(colours))[mask + 1L]] <- 1
  for (k in 1:3) photo[, , k] <- photo[, , k] * (1 - strength) + rgb[mask + 1L, k] * strength
  photo
}

# White on the inner side of borders and black outside.
outline_pixels <- function(photo, truth) {
  inner <- border_pixels(truth, 1, function(here, there) here > there)
  outer <- border_pixels(truth, 1, function(here, there) here < there)
  for (k in 1:3) photo[, , k][outer] <- 0
  for (k in 1:3) photo[, , k][inner] <- 1
  photo
}

# Pixels at most that many steps from one of another class; `differs` compares a pixel's class with its neighbour's.
border_pixels <- function(mask, steps, differs = `!=`) {
  h <- nrow(mask)
  w <- ncol(mask)
  near <- rbind(differs(mask[-h, , drop = FALSE], mask[-1, , drop = FALSE]), FALSE) |
    rbind(FALSE, differs(mask[-1, , drop = FALSE], mask[-h, , drop = FALSE])) |
    cbind(differs(mask[, -w, drop = FALSE], mask[, -1, drop = FALSE]), FALSE) |
    cbind(FALSE, differs(mask[, -1, drop = FALSE], mask[, -w, drop = FALSE]))
  for (step in seq_len(steps - 1)) {
    near <- near | rbind(near[-1, , drop = FALSE], FALSE) | rbind(FALSE, near[-h, , drop = FALSE]) |
      cbind(near[, -1, drop = FALSE], FALSE) | cbind(FALSE, near[, -w, drop = FALSE])
  }
  near
}

#' @rdname mask_objects
#' @param x what `mask_objects()` returned.
#' @param ... passed to [plot_segmentation()], such as `main` and `alpha`.
#' @param numbers whether the objects' numbers are drawn at their centroids.
#' @export
plot.candela_objects <- function(x, ..., image = NULL, numbers = nrow(x$table) <= 100) {
  picture <- if (is.null(image)) array(0, c(dim(x$labels), 3)) else image
  plot_segmentation(picture, x, ..., legend = FALSE, outline = TRUE)
  if (numbers && nrow(x$table) > 0) {
    y <- nrow(x$labels) - x$table$row + 0.5
    graphics::text(x$table$column - 0.5, y, x$table$id, col = "white", cex = 0.7)
  }
  invisible(x)
}
