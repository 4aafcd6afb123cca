#' Draw images with their masks
#'
#' The photo, and each class as a translucent colour over it.
#'
#' @param image tensor C x H x W or N x C x H x W, array H x W x C or H x W, values of 0 to 1; other ranges (normalised
#'   images) are stretched.
#' @param mask classes, counted from 1: tensor H x W or N x H x W of integers, matrix, array N x H x W; or logits as a
#'   float tensor N x K x H x W or K x H x W, whose largest class is taken.
#' @param truth optional true classes, like `mask`: drawn as white-edged outlines over the picture.
#' @param class_names names of the classes, for the legend; `NULL` for none.
#' @param colours one per class; `NA` leaves a class clear. By default those of Okabe and Ito.
#' @param alpha opacity of the classes, 0 to 1.
#' @param ncol pictures per row.
#' @param main titles.
#' @param legend draw a legend when there are class names.
#' @return Nothing. The graphical parameters are restored.
#' @source Okabe and Ito (2008), Color Universal Design.
#' @examples
#' photo <- array(runif(16 * 16 * 3), c(16, 16, 3))
#' mask <- matrix(rep(1:2, each = 128), 16)
#' plot_segmentation(photo, mask, class_names = c("pet", "background"))
#' @export
plot_segmentation <- function(image, mask, truth = NULL, class_names = NULL, colours = NULL, alpha = 0.45, ncol = NULL,
                              main = NULL, legend = !is.null(class_names)) {
  images <- photos_of(image)
  masks <- masks_of(mask, "mask")
  truths <- if (!is.null(truth)) masks_of(truth, "truth")
  check_same_pictures(images, masks, truths)
  check_number(alpha, "alpha", 0, 1)
  if (!is.null(ncol)) check_number(ncol, "ncol", least = 1)
  colours <- class_colours(colours, max(unlist(lapply(c(masks, truths), max)), length(class_names)))
  n <- length(images)
  if (is.null(ncol)) ncol <- ceiling(sqrt(n))
  with_legend <- legend && !is.null(class_names)
  old <- graphics::par(if (n > 1) c("mfrow", "oma", "mar") else "mar")
  on.exit(if (n > 1) graphics::par(old) else graphics::par(mar = old))
  if (n > 1) graphics::par(mfrow = c(ceiling(n / ncol), ncol), oma = c(if (with_legend) 2 else 0, 0, 0, 0))
  # A single picture may stand in a layout of the user's, so that only its margins are changed.
  graphics::par(mar = c(if (n == 1 && with_legend) 2 else 0.3, 0.3, if (is.null(main)) 0.3 else 1.8, 0.3))
  for (k in seq_len(n)) {
    draw_segmentation(images[[k]], masks[[k]], truths[[k]], colours, alpha,
      main = if (!is.null(main)) rep_len(main, n)[k])
  }
  if (with_legend) draw_class_legend(class_names, colours, alone = n == 1)
  invisible(NULL)
}

okabe_ito <- c("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")

class_colours <- function(colours, n) {
  if (is.null(colours)) {
    return(rep_len(okabe_ito, max(n, 1)))
  }
  if (length(colours) < n) {
    value_error(sprintf("`colours` must name %d colours, one per class, got %d.", n, length(colours)))
  }
  colours
}

# A list of H x W x 3 arrays.
photos_of <- function(image) {
  if (is_tensor(image)) {
    image <- as_array(image$detach())
    image <- switch(as.character(length(dim(image))),
      `4` = lapply(seq_len(dim(image)[[1]]), function(i) aperm(array(image[i, , , ], dim(image)[-1]), c(2, 3, 1))),
      `3` = list(aperm(image, c(2, 3, 1))),
      image
    )
  }
  if (!is.list(image)) image <- list(image)
  lapply(image, photo_of)
}

photo_of <- function(x) {
  if (is.matrix(x)) x <- array(x, c(dim(x), 1L))
  if (!is.numeric(x) || length(dim(x)) != 3 || !dim(x)[[3]] %in% c(1, 3)) {
    value_error(
      "`image` must be C x H x W or N x C x H x W (tensor), or H x W or H x W x C (array), with 1 or 3 channels."
    )
  }
  range <- range(x, finite = TRUE)
  if (range[[1]] < 0 || range[[2]] > 1) x <- (x - range[[1]]) / max(diff(range), 1e-8)
  if (dim(x)[[3]] == 1) array(rep(x, 3), c(dim(x)[1:2], 3)) else x
}

# A list of integer matrices.
masks_of <- function(mask, what) {
  if (is.list(mask)) {
    return(unlist(lapply(mask, masks_of, what), recursive = FALSE))
  }
  scores <- is_tensor(mask) && is_float(mask)
  x <- if (is_tensor(mask)) as_array(mask$detach()) else mask
  n <- length(dim(x))
  if (!is.numeric(x) || n < 2 || n > (if (scores) 4 else 3)) {
    value_error(sprintf("`%s` must be H x W or N x H x W classes, or N x K x H x W logits.", what))
  }
  pieces <- if (n == (if (scores) 4 else 3)) lapply(seq_len(dim(x)[[1]]), function(i) first_piece(x, i)) else list(x)
  lapply(pieces, function(x) {
    if (length(dim(x)) == 3) x <- apply(x, 2:3, which.max)
    storage.mode(x) <- "integer"
    if (anyNA(x) || any(x < 0)) value_error(sprintf("`%s` must hold classes from 1, without NA.", what))
    x
  })
}

first_piece <- function(x, i) {
  size <- dim(x)
  array(matrix(x, size[[1]])[i, ], size[-1])
}

check_same_pictures <- function(images, masks, truths) {
  sizes <- function(list) vapply(list, function(x) paste(dim(x)[1:2], collapse = " x "), "")
  for (other in list(mask = masks, truth = truths)) {
    if (!is.null(other) && !identical(sizes(other), sizes(images))) {
      value_error(sprintf(
        "masks (%s) do not fit the images (%s).", paste(sizes(other), collapse = ", "),
          paste(sizes(images), collapse = ", ")
      ))
    }
  }
}

draw_segmentation <- function(photo, mask, truth, colours, alpha, main) {
  size <- dim(mask)
  graphics::plot(NULL,
    xlim = c(0, size[[2]]), ylim = c(0, size[[1]]), asp = 1, axes = FALSE, xlab = "", ylab = "", xaxs = "i", yaxs = "i",
    main = main
  )
  place <- function(x) graphics::rasterImage(x, 0, 0, size[[2]], size[[1]], interpolate = FALSE)
  place(grDevices::as.raster(photo))
  place(mask_raster(mask, colours, alpha))
  if (!is.null(truth)) draw_outlines(truth)
}

mask_raster <- function(mask, colours, alpha) {
  tinted <- ifelse(is.na(colours), "#FFFFFF00", grDevices::adjustcolor(ifelse(is.na(colours), "white", colours), alpha))
  grDevices::as.raster(matrix(c("#FFFFFF00", tinted)[mask + 1L], nrow(mask)))
}

# Edges between pixels of different classes: a black line under a white one shows on any photo.
draw_outlines <- function(truth) {
  h <- nrow(truth)
  w <- ncol(truth)
  across <- which(truth[-1, , drop = FALSE] != truth[-h, , drop = FALSE], arr.ind = TRUE)
  down <- which(truth[, -1, drop = FALSE] != truth[, -w, drop = FALSE], arr.ind = TRUE)
  x0 <- c(across[, 2] - 1, down[, 2])
  y0 <- h - c(across[, 1], down[, 1] - 1)
  x1 <- c(across[, 2], down[, 2])
  y1 <- h - c(across[, 1], down[, 1])
  graphics::segments(x0, y0, x1, y1, col = "black", lwd = 2.5)
  graphics::segments(x0, y0, x1, y1, col = "white", lwd = 1)
}

draw_class_legend <- function(class_names, colours, alone) {
  shown <- which(!is.na(colours[seq_along(class_names)]))
  if (!alone) {
    graphics::par(fig = c(0, 1, 0, 1), oma = rep(0, 4), mar = rep(0, 4), new = TRUE)
    graphics::plot.new()
  }
  # At the lower edge of the figure, whose margin leaves room for it.
  graphics::legend(
    graphics::grconvertX(0.5, "nfc"), graphics::grconvertY(0, "nfc"),
    xjust = 0.5, yjust = 0, legend = class_names[shown], fill = colours[shown], horiz = TRUE, bty = "n",
    border = NA, xpd = NA, text.col = readable_on(graphics::par("bg"))
  )
}

readable_on <- function(background) {
  rgba <- grDevices::col2rgb(background, alpha = TRUE)
  if (rgba[[4]] > 0 && mean(rgba[1:3]) < 128) "white" else "black"
}
