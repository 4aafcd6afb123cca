#' The best and the worst examples of a trained model
#'
#' Draws pictures with what a model for segmentation makes of them (coloured areas) and the truth (white lines).
#'
#' @param object a trained model, as [fit()][fit.luz_module_generator] returns it.
#' @param data a data set with pictures and masks, such as a part of a [segmentation_dataset()].
#' @param which `"worst"`, `"best"` or `"first"`; or the numbers of items.
#' @param n how many.
#' @param by the column of [augment()][summary.luz_module_fitted] by which they are chosen: `".iou"`, `".dice"`,
#'   `".accuracy"`, or that of a class.
#' @param ... passed to [plot_segmentation()], such as `ncol`, `alpha` or `file`.
#' @param main titles; by default file and score.
#' @param dataloader_options list of arguments for [dataloader()].
#' @return The rows of [augment()][summary.luz_module_fitted] of those that were drawn, invisibly.
#' @examples
#' root <- drawn_cells(tempfile(), n = 4, size = 32)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' fitted <- unet("plain", classes = ds, weights = NULL) %>%
#'   setup() %>%
#'   fit(ds, epochs = 1, verbose = FALSE)
#' plot_examples(fitted, ds, n = 2)
#' @export
plot_examples <- function(object, data, which = c("worst", "best", "first"), n = 6, by = ".iou", ..., main = NULL,
                          dataloader_options = NULL) {
  check_whole_number(n, "n", 1)
  check_examples(object, data)
  scores <- augment.candela_module_fitted(object, data, dataloader_options = dataloader_options)
  draw_examples(object, data, chosen_examples(scores, which, n, by), by, ..., main = main)
}

check_examples <- function(object, data) {
  check_fitted(object)
  if (!is_map_dataset(data)) {
    hint <- if (is_dataloader(data)) " Its `$dataset` may be one." else ""
    refuse(data, "data", "a data set of pictures and masks", hint)
  }
}

# Rows of `scores`, in the order in which they are to be drawn.
chosen_examples <- function(scores, which, n, by) {
  if (is.numeric(which)) {
    if (!all(which %in% scores$item)) refuse(which, "which", sprintf("numbers between 1 and %d", nrow(scores)))
    return(scores[match(which, scores$item), ])
  }
  which <- choice(which, "which", c("worst", "best", "first"))
  if (!is.character(by) || length(by) != 1 || !is.numeric(scores[[by]])) {
    refuse(by, "by", sprintf("a score: %s", toString(names(scores)[-(1:2)])))
  }
  order <- switch(which, worst = order(scores[[by]]), best = order(-scores[[by]]), first = seq_len(nrow(scores)))
  scores[utils::head(order, n), ]
}

draw_examples <- function(object, data, rows, by, ..., main = NULL, outline = TRUE) {
  examples <- lapply(rows$item, function(i) one_example(object, data, i))
  classes <- examples[[1]]$classes
  part <- function(what) lapply(examples, `[[`, what)
  label <- ifelse(is.na(rows$image), paste("item", rows$item), short_names(rows$image))
  score <- if (is.numeric(rows[[by]])) sprintf(", %s %.3f", sub("^[.]", "", by), rows[[by]]) else ""
  plot_segmentation(part("photo"), part("mask"), truth = part("truth"), class_names = classes,
    main = main %||% paste0(label, score), outline = outline, ...)
  invisible(rows)
}

# Names of files; of those that are all called alike, with their folders.
short_names <- function(paths) {
  names <- basename(paths)
  if (anyDuplicated(names)) file.path(basename(dirname(paths)), names) else names
}

one_example <- function(object, data, i) {
  item <- data[i]
  model <- object$model
  training <- model$training
  on.exit(model$train(training))
  model$eval()
  x <- item[[1]]$unsqueeze(1)
  target <- item[[2]]$unsqueeze(1)
  scores <- with_no_grad((model$predict %||% model)(x))
  if (length(dim(scores)) < 3) value_error("examples are drawn for models that give a class for each pixel.")
  classes <- classes_of_predictions(object, scores, target, NULL)
  binary <- scores$numel() == target$numel()
  found <- if (binary) {
    (scores$reshape(target$shape) > 0)$to(dtype = torch_long()) + 1L
  } else {
    torch_argmax(scores, dim = 2)
  }
  truth <- if (binary) binary_truth(target) else target
  as_mask <- function(t) matrix(as.integer(as_array(t)), utils::tail(dim(t), 2)[[1]])
  list(photo = photo_of_input(item[[1]], data), mask = as_mask(found), truth = as_mask(truth), classes = classes)
}

# The picture as it was before its numbers were scaled, where that is known.
photo_of_input <- function(x, data) {
  photo <- aperm(as_array(x$detach()), c(2, 3, 1))
  spec <- if (knows_classes(data)) input_spec(data)
  if (!is.null(spec) && !anyNA(spec$scaling$shift)) {
    unit <- type_unit(spec$type)
    for (k in seq_len(dim(photo)[[3]])) {
      photo[, , k] <- (photo[, , k] * spec$scaling$factor[[k]] + spec$scaling$shift[[k]]) / unit
    }
  }
  if (!is.null(spec) && spec$type == "uint8") pmin(pmax(photo, 0), 1) else photo
}
