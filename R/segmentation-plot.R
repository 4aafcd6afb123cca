#' Draw images with their masks
#'
#' The photo, and each class as a translucent colour over it, as an outline, or both.
#'
#' @param image tensor C x H x W or N x C x H x W, array H x W x C or H x W, values of 0 to 1; other ranges
#'   (normalised images) are stretched; names of image files; a list of these. Of more than three bands the first
#'   three are drawn, of two the first.
#' @param mask classes, counted from 1: tensor H x W or N x H x W of integers, matrix, array N x H x W; or logits as a
#'   float tensor N x K x H x W or K x H x W, whose largest class is taken; or what `segment()` or [mask_objects()]
#'   returned (objects then have a colour each).
#' @param truth optional true classes, like `mask`: drawn as white outlines with black edges over the picture.
#' @param class_names names of the classes, for the legend; `NULL` for none, or those that `mask` knows. Also anything
#'   that [class_table()] takes, with the colours.
#' @param colours one per class; `NA` leaves a class clear. By default those of Okabe and Ito, then others; a class
#'   that is called background (or ground, none, other, rest) stays clear.
#' @param alpha opacity of the classes, 0 to 1; 0 leaves the outlines alone.
#' @param ncol pictures per row.
#' @param main titles.
#' @param legend draw a legend: of the classes when there are names, and of what is prediction and what is truth.
#' @param outline whether the classes of `mask` have outlines in their colours.
#' @param file name of a PNG file to draw to, instead of the current device.
#' @param width of the file in pixels; by default about 480 for each picture in a row.
#' @return Nothing, or the name of the file, invisibly. The graphical parameters are restored.
#' @seealso [overlay_segmentation()] for pictures at their own size, pixel by pixel.
#' @source Okabe and Ito (2008), Color Universal Design.
#' @examples
#' photo <- array(runif(16 * 16 * 3), c(16, 16, 3))
#' mask <- matrix(rep(1:2, each = 128), 16)
#' plot_segmentation(photo, mask, class_names = c("pet", "ground"))
#' @export
plot_segmentation <- function(image, mask, truth = NULL, class_names = NULL, colours = NULL, alpha = 0.45, ncol = NULL,
                              main = NULL, legend = !is.null(class_names) || !is.null(truth), outline = alpha == 0,
                              file = NULL, width = NULL) {
  check_number(alpha, "alpha", 0, 1)
  check_flag(outline, "outline")
  if (!is.null(ncol)) check_number(ncol, "ncol", least = 1)
  named <- names_and_colours(class_names, mask, colours)
  if (missing(legend)) legend <- !is.null(named$names) || !is.null(truth)
  images <- photos_of(image)
  masks <- masks_of(mask, "mask")
  truths <- if (!is.null(truth)) masks_of(truth, "truth")
  check_same_pictures(images, masks, truths)
  n <- length(images)
  if (is.null(ncol)) ncol <- ceiling(sqrt(n))
  if (!is.null(file)) {
    size <- sheet_size(images, min(ncol, n), width)
    open_png(file, size[[1]], size[[2]])
    on.exit(grDevices::dev.off())
  }
  largest <- max(unlist(lapply(c(masks, truths), max)), length(named$names))
  look <- list(
    colours = class_colours(named$colours, largest, named$names), alpha = alpha, outline = outline
  )
  entries <- if (legend) legend_entries(named$names, look, !is.null(truth))
  draw_sheet(images, masks, truths, look, entries, ncol, main)
  invisible(file)
}

# Names and colours of the classes: given, or known by the mask.
names_and_colours <- function(class_names, mask, colours) {
  if (is.null(class_names) && inherits(mask, "candela_segmentation")) class_names <- mask$classes
  if (inherits(mask, "candela_objects")) {
    return(list(names = NULL, colours = colours %||% distinct_colours(max(mask$labels, 1L))))
  }
  if (is.null(class_names) || is.character(class_names) && is.null(names(class_names))) {
    return(list(names = class_names, colours = colours))
  }
  table <- class_table(class_names)
  list(names = levels(table$class), colours = colours %||% clear_background(table$colour, levels(table$class)))
}

# Width and height of a sheet of pictures, in pixels.
sheet_size <- function(images, ncol, width) {
  if (!is.null(width)) check_number(width, "width", 50, 20000)
  width <- width %||% min(480 * ncol, 2400)
  rows <- ceiling(length(images) / ncol)
  shape <- max(vapply(images, function(x) nrow(x) / ncol(x), 0))
  c(width, min(ceiling(width / ncol * shape * rows + 45), 20000))
}

open_png <- function(file, width, height) {
  check_string(file, "file")
  check_place_for(path.expand(file))
  if (!capabilities("png")) value_error("this R has no PNG device: draw to another one, without `file`.")
  grDevices::png(path.expand(file), width = width, height = height, res = 96)
}

draw_sheet <- function(images, masks, truths, look, entries, ncol, main) {
  n <- length(images)
  old <- graphics::par(if (n > 1) c("mfrow", "oma", "mar") else "mar")
  on.exit(if (n > 1) graphics::par(old) else graphics::par(mar = old))
  room <- if (is.null(entries)) 0 else 0.6 + 1.3 * legend_rows(entries)
  if (n > 1) graphics::par(mfrow = c(ceiling(n / ncol), ncol), oma = c(room, 0, 0, 0))
  # A single picture may stand in a layout of the user's, so that only its margins are changed.
  graphics::par(mar = c(if (n == 1 && room > 0) room else 0.3, 0.3, if (is.null(main)) 0.3 else 1.8, 0.3))
  for (k in seq_len(n)) {
    draw_segmentation(images[[k]], masks[[k]], truths[[k]], look, main = if (!is.null(main)) rep_len(main, n)[k])
  }
  if (!is.null(entries)) draw_legend(entries, alone = n == 1)
}

# A class called background stays clear where nobody gave it a colour.
clear_background <- function(colours, names) {
  colours[which(tolower(names) %in% background_words)] <- NA
  colours
}

class_colours <- function(colours, n, names = NULL) {
  if (is.null(colours)) {
    return(clear_background(distinct_colours(n), names))
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
  if (is.character(image)) image <- as.list(image)
  if (inherits(image, "SpatRaster")) image <- terra::as.array(image)
  if (!is.list(image)) image <- list(image)
  lapply(image, photo_of)
}

photo_of <- function(x) {
  if (is.character(x)) {
    return(photo_of_file(x))
  }
  if (is_tensor(x)) {
    return(photos_of(x)[[1]])
  }
  if (is.matrix(x)) x <- array(x, c(dim(x), 1L))
  if (!is.numeric(x) || length(dim(x)) != 3 || dim(x)[[3]] < 1) {
    value_error("`image` must be C x H x W or N x C x H x W (tensor), or H x W or H x W x C (array), or a file.")
  }
  x <- x[, , seq_len(if (dim(x)[[3]] < 3) 1 else 3), drop = FALSE]
  x[is.na(x)] <- 0
  range <- range(x, finite = TRUE)
  if (range[[1]] < 0 || range[[2]] > 1) x <- (x - range[[1]]) / max(diff(range), 1e-8)
  if (dim(x)[[3]] == 1) array(rep(x, 3), c(dim(x)[1:2], 3)) else x
}

# Numbers of more than 8 bits, of which a file may use few, are stretched between percentiles.
photo_of_file <- function(path) {
  x <- image_read(path)
  info <- image_info(path)
  colours <- max(info$channels - info$alpha, 1)
  x <- x[, , seq_len(if (colours < 3) 1 else 3), drop = FALSE]
  if (info$bits > 8) {
    ends <- stats::quantile(x, c(0.005, 0.995), na.rm = TRUE, names = FALSE)
    x <- pmin(pmax((x - ends[[1]]) / max(diff(ends), 1e-8), 0), 1)
  }
  photo_of(x)
}

# A list of integer matrices.
masks_of <- function(mask, what) {
  if (inherits(mask, "candela_objects")) {
    return(list(mask$labels))
  }
  if (is.character(mask) || inherits(mask, c("candela_segmentation", "SpatRaster"))) {
    return(unname(lapply(class_masks(mask)$masks, function(m) replace(m$mask, is.na(m$mask), 0L))))
  }
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
    # Void, and what has no data, is left clear.
    x[is.na(x) | x == void_class] <- 0L
    if (any(x < 0)) value_error(sprintf("`%s` must hold classes from 1, or 0 for none.", what))
    x
  })
}

first_piece <- function(x, i) {
  size <- dim(x)
  array(matrix(x, size[[1]])[i, ], size[-1])
}

check_same_pictures <- function(images, masks, truths) {
  sizes <- function(list) vapply(list, function(x) paste(dim(x)[1:2], collapse = " x "), "", USE.NAMES = FALSE)
  for (other in list(mask = masks, truth = truths)) {
    if (!is.null(other) && !identical(sizes(other), sizes(images))) {
      value_error(sprintf(
        "masks (%s) do not fit the images (%s).", paste(sizes(other), collapse = ", "),
          paste(sizes(images), collapse = ", ")
      ))
    }
  }
}

draw_segmentation <- function(photo, mask, truth, look, main) {
  size <- dim(mask)
  graphics::plot(NULL,
    xlim = c(0, size[[2]]), ylim = c(0, size[[1]]), asp = 1, axes = FALSE, xlab = "", ylab = "", xaxs = "i", yaxs = "i",
    main = main
  )
  place <- function(x) graphics::rasterImage(x, 0, 0, size[[2]], size[[1]], interpolate = FALSE)
  place(grDevices::as.raster(photo))
  if (look$alpha > 0) place(mask_raster(mask, look$colours, look$alpha))
  if (look$outline) draw_class_outlines(mask, look$colours)
  if (!is.null(truth)) draw_outlines(truth)
}

mask_raster <- function(mask, colours, alpha) {
  tinted <- ifelse(is.na(colours), "#FFFFFF00", grDevices::adjustcolor(ifelse(is.na(colours), "white", colours), alpha))
  grDevices::as.raster(matrix(c("#FFFFFF00", tinted)[mask + 1L], nrow(mask)))
}

# Edges between pixels of different classes, those inside the picture: ends, and the classes on both sides.
class_edges <- function(mask) {
  h <- nrow(mask)
  w <- ncol(mask)
  down <- which(mask[-1, , drop = FALSE] != mask[-h, , drop = FALSE], arr.ind = TRUE)
  across <- which(mask[, -1, drop = FALSE] != mask[, -w, drop = FALSE], arr.ind = TRUE)
  step <- function(at, row, column) mask[cbind(at[, 1] + row, at[, 2] + column)]
  list(
    x0 = c(down[, 2] - 1, across[, 2]), y0 = h - c(down[, 1], across[, 1] - 1),
    x1 = c(down[, 2], across[, 2]), y1 = h - c(down[, 1], across[, 1]),
    first = c(step(down, 0, 0), step(across, 0, 0)), second = c(step(down, 1, 0), step(across, 0, 1))
  )
}

# A black line under a white one shows on any photo.
draw_outlines <- function(truth) {
  edges <- class_edges(truth)
  line <- function(col, lwd) graphics::segments(edges$x0, edges$y0, edges$x1, edges$y1, col = col, lwd = lwd)
  line("black", 2.5)
  line("white", 1)
}

# Lines of the colour of the class with the larger number, which is rarely the background's.
draw_class_outlines <- function(mask, colours) {
  edges <- class_edges(mask)
  colour <- function(class) c(NA, colours)[class + 1L]
  high <- colour(pmax(edges$first, edges$second))
  line <- ifelse(is.na(high), colour(pmin(edges$first, edges$second)), high)
  shown <- !is.na(line)
  graphics::segments(edges$x0[shown], edges$y0[shown], edges$x1[shown], edges$y1[shown], col = line[shown], lwd = 2)
}

# ---- legend ----

# What stands in the legend: text, the colour of a field or line, and which of them it is.
legend_entries <- function(names, look, with_truth) {
  shown <- which(!is.na(look$colours[seq_along(names)]))
  filled <- look$alpha > 0
  entries <- data.frame(
    text = as.character(names[shown]), colour = as.character(look$colours[shown]),
    kind = rep(if (filled) "field" else "line", length(shown)), stringsAsFactors = FALSE
  )
  if (with_truth) {
    kinds <- data.frame(text = c(if (filled) "area: prediction" else "line: prediction",
      "white line: truth"), colour = c("grey60", "white"), kind = c(if (filled) "field" else "line", "truth"))
    entries <- rbind(entries, kinds)
  }
  if (nrow(entries) > 0) entries
}

# Columns that fit across the device.
legend_columns <- function(entries) {
  width <- (max(nchar(entries$text)) + 9) * 0.55 * graphics::par("cin")[[1]]
  rows <- ceiling(nrow(entries) / max(1, floor(graphics::par("din")[[1]] / width)))
  ceiling(nrow(entries) / rows)
}

legend_rows <- function(entries) ceiling(nrow(entries) / legend_columns(entries))

draw_legend <- function(entries, alone) {
  if (!alone) {
    graphics::par(fig = c(0, 1, 0, 1), oma = rep(0, 4), mar = rep(0, 4), new = TRUE)
    graphics::plot.new()
  }
  line <- entries$kind != "field"
  # At the lower edge of the figure, whose margin leaves room for it.
  place <- function(col, lwd, text = NA, fields = NA) {
    graphics::legend(
      graphics::grconvertX(0.5, "nfc"), graphics::grconvertY(0, "nfc"), xjust = 0.5, yjust = 0,
      legend = paste0(entries$text, "        "),
      ncol = legend_columns(entries), bty = "n", xpd = NA, text.col = text, pch = ifelse(line, NA, 15), pt.cex = 1.8,
      col = ifelse(line, col, fields), lty = ifelse(line, 1, NA), lwd = lwd
    )
  }
  place("black", 4, readable_on(graphics::par("bg")), entries$colour)
  if (any(line)) place(entries$colour, 2, "#FFFFFF00", "#FFFFFF00")
}

readable_on <- function(background) {
  rgba <- grDevices::col2rgb(background, alpha = TRUE)
  if (rgba[[4]] > 0 && mean(rgba[1:3]) < 128) "white" else "black"
}
