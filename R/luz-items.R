# Which items of a batch an error is about: the loss and the metrics see a batch, its numbers and files are known to the
# dataloader and the dataset.

# Evaluates `run()`; an error about what targets hold names the items that hold it. `items`: a function that gives their
# numbers in the dataset, or NULL.
naming_items <- function(ctx, items, run) {
  withCallingHandlers(run(), candela_error_index = function(e) name_wrong_targets(e, ctx, items()),
    candela_error_value = function(e) name_wrong_targets(e, ctx, items()))
}

# Signals the error again, with the items in its message; returns where no target explains it.
name_wrong_targets <- function(e, ctx, items) {
  target <- if (is.list(ctx$batch) && length(ctx$batch) > 1) ctx$batch[[2]]
  if (is.null(items) || !is_tensor(target) || !identical(dim(target)[[1]], length(items))) {
    return(invisible())
  }
  classes <- if (is_tensor(ctx$pred) && length(dim(ctx$pred)) > 1) dim(ctx$pred)[[2]] else Inf
  wrong <- lapply(seq_along(items), function(i) wrong_values(as_array(target$select(1, i)), classes))
  bad <- which(lengths(wrong) > 0)
  if (length(bad) > 0) {
    lines <- vapply(utils::head(bad, 3), function(i) {
      sprintf("item %d%s holds %s", items[[i]], item_file(ctx$data$dataset, items[[i]]),
        toString(utils::head(wrong[[i]], 5)))
    }, "")
    more <- length(bad) - length(lines)
    e$message <- sprintf("%s In this batch %s%s.", conditionMessage(e), paste(lines, collapse = ", "),
      if (more > 0) sprintf(", and %d more items such values", more) else "")
    rlang::cnd_signal(e)
  }
}

# Values that are no class from 1 on; of targets for one output, that are neither 0 nor 1.
wrong_values <- function(target, classes) {
  values <- sort(unique(as.vector(target)))
  allowed <- if (classes == 1) values %in% 0:1 else values >= 1 & values <= classes
  values[!allowed & values != void_class]
}

# " ('masks/a.png')" for an item of a segmentation_dataset() or of a part of one; else "".
item_file <- function(data, i) {
  if (inherits(data, "dataset_subset")) {
    return(item_file(data$dataset, data$indices[[i]]))
  }
  if (inherits(data, "transformed_dataset")) {
    return(item_file(data$dataset, i))
  }
  if (!inherits(data, "segmentation_dataset")) {
    return("")
  }
  source <- data$source
  pair <- source$pair_of(data$items[[i]])
  mask <- trimws(mask_label(source$pairs$mask[[pair]]))
  sprintf(" (%s)", if (nzchar(mask)) mask else sprintf("'%s'", source$pairs$image[[pair]]))
}
