# What segment() returns: an object of class `candela_segmentation`, a list with
#
#   table          data frame, one row for each class of each picture:
#                  file     the file's path, or what names the picture ("x", "picture 2"),
#                  class    factor with the levels of classes$class; NA in the one row of a picture that failed,
#                  pixels   number of pixels of the class,
#                  share    of the pixels with data, 0 to 1,
#                  area     in `unit`; NA where nobody tells how large a pixel is,
#                  unit     "um2", "m2", ...; NA as area,
#                  output   path of the mask that was written; NA where none was,
#                  error    NA, or why the picture failed,
#   classes        class_table() of the model,
#   mask           integer matrix H x W of class numbers (1, 2, ...; NA where there are no data); for several pictures a
#                  list of such, named as in `file` (NULL for one that failed); NULL where masks were written instead,
#   probabilities  array H x W x classes, or a list of such; NULL where not asked for,
#   entropy        matrix H x W, 0 (sure) to 1 (all classes as probable), or a list of such; NULL where not asked for,
#   pixel_size     height and width of a pixel, with the attribute `unit` ("um", "m", ...), or a list; NULL if unknown.
new_segmentation <- function(table, classes, mask = NULL, probabilities = NULL, entropy = NULL, pixel_size = NULL) {
  structure(
    list(table = table, classes = classes, mask = mask, probabilities = probabilities, entropy = entropy,
      pixel_size = pixel_size),
    class = "candela_segmentation"
  )
}

# The rows of one picture. `pixels`: per class; `area`: per class, or NULL.
segmentation_rows <- function(file, classes, pixels, area = NULL, unit = NULL, output = NA_character_) {
  known <- !is.null(area)
  data.frame(
    file = file, class = classes$class, pixels = as.numeric(pixels), share = pixels / max(sum(pixels), 1),
    area = if (known) as.numeric(area) else NA_real_, unit = if (known) unit else NA_character_, output = output,
    error = NA_character_, stringsAsFactors = FALSE
  )
}

failed_row <- function(file, classes, error) {
  data.frame(
    file = file, class = factor(NA, levels(classes$class)), pixels = NA_real_, share = NA_real_, area = NA_real_,
    unit = NA_character_, output = NA_character_, error = error, stringsAsFactors = FALSE
  )
}

#' @export
print.candela_segmentation <- function(x, n = 12, ...) {
  table <- x$table
  files <- unique(table$file)
  failed <- table[!is.na(table$error), ]
  cat(sprintf("<candela_segmentation> %d picture%s, %d classes%s\n", length(files), if (length(files) == 1) "" else "s",
    nrow(x$classes), if (nrow(failed) > 0) sprintf(", %d failed", nrow(failed)) else ""))
  shown <- table[is.na(table$error), setdiff(names(table), c("error", if (all(is.na(table$area))) c("area", "unit"),
    if (all(is.na(table$output))) "output")), drop = FALSE]
  print(utils::head(shown, n), row.names = FALSE, digits = 4)
  if (nrow(shown) > n) cat(sprintf("... and %d more rows in $table\n", nrow(shown) - n))
  for (i in seq_len(min(nrow(failed), n))) cat(sprintf("failed: %s: %s\n", failed$file[[i]], failed$error[[i]]))
  invisible(x)
}

#' @export
as.data.frame.candela_segmentation <- function(x, ...) x$table
