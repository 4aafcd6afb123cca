# Classes of masks: how stored values or colours become classes 1, 2, ..., and what they are called.

void_words <- c("void", "ignore", "ignored", "unlabelled", "unlabeled", "unknown", "nodata", "no data")

# One number for a colour, so that masks of colours are looked up as those of values are.
colour_code <- function(colours) {
  rgb <- tryCatch(grDevices::col2rgb(colours), error = function(e) {
    value_error(sprintf("`classes` must hold colours such as \"#804080\": %s.", conditionMessage(e)))
  })
  as.numeric(65536 * rgb[1, ] + 256 * rgb[2, ] + rgb[3, ])
}

colour_name <- function(codes) {
  sprintf("#%02X%02X%02X", as.integer(codes %/% 65536), as.integer(codes %/% 256 %% 256), as.integer(codes %% 256))
}

is_colour <- function(x) {
  is.character(x) & !is.na(x) & (grepl("^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$", x) | tolower(x) %in% grDevices::colours())
}

# The plan by which masks are decoded: a list with classes  data frame with `name`, `value` (as stored; a code where
#   masks hold colours) and `colour` (to draw it), void     values that mean void, kind     "value" or "colour".
# NULL: to be found by looking at the masks.
class_plan <- function(classes, void) {
  if (is.null(classes) || is.function(classes)) {
    return(NULL)
  }
  if (is_table_name(classes)) classes <- read_table_file(classes)
  plan <- if (is.data.frame(classes)) plan_from_table(classes) else plan_from_vector(classes)
  if (!is.null(plan)) check_plan(set_void(plan, void))
}

# A file that is there, or, by its ending, one that should be: read_table_file() tells when it is not.
is_table_name <- function(x) {
  is.character(x) && length(x) == 1 && !is.na(x) && is.null(names(x)) &&
    (file.exists(x) || grepl("\\.(csv|tsv|txt)$", x, ignore.case = TRUE))
}

plan_from_vector <- function(classes) {
  names <- rep(names(classes), lengths(classes))
  if (is.list(classes)) classes <- unlist(classes, use.names = FALSE)
  if (is.numeric(classes)) {
    return(new_plan(if (length(names) > 0) names else paste("class", classes), classes, "value"))
  }
  if (!is.character(classes) || anyNA(classes)) {
    refuse(classes, "classes", "named values, named colours, a table, the name of a CSV file, or a function")
  }
  if (!all(is_colour(classes))) {
    return(NULL)
  }
  new_plan(if (length(names) > 0) names else classes, colour_code(classes), "colour")
}

new_plan <- function(name, value, kind, colour = NULL) {
  if (is.null(colour) && kind == "colour") colour <- colour_name(value)
  list(
    classes = data.frame(name = as.character(name), value = as.numeric(value),
      colour = colour %||% rep(NA_character_, length(value)), stringsAsFactors = FALSE),
    void = numeric(), kind = kind
  )
}

plan_from_table <- function(table) {
  names(table) <- tolower(names(table))
  pick <- function(...) {
    found <- intersect(c(...), names(table))
    if (length(found) > 0) table[[found[[1]]]]
  }
  colour <- pick("colour", "color", "hex")
  rgb <- list(pick("red", "r"), pick("green", "g"), pick("blue", "b"))
  if (is.null(colour) && !any(vapply(rgb, is.null, NA))) {
    colour <- colour_name(65536 * rgb[[1]] + 256 * rgb[[2]] + rgb[[3]])
  }
  value <- pick("value", "id", "index", "label_id", "grey", "gray", "code", "class_id")
  name <- pick("name", "class", "label", "class_name", "category")
  if (is.null(value) && is.null(colour)) {
    value_error(sprintf("a table of classes needs a column `value`, `colour`, or `red`, `green` and `blue`; it has %s.",
      toString(names(table))))
  }
  name <- name %||% paste("class", value %||% colour)
  plan <- new_plan(name, value %||% colour_code(colour), if (is.null(value)) "colour" else "value", colour)
  # Where there are both, the masks decide (plan_for_masks()).
  if (!is.null(value) && !is.null(colour)) plan$codes <- colour_code(colour)
  plan
}

# Rows that are void leave the classes: those named so, and those that `void` names or whose value it is.
set_void <- function(plan, void) {
  wanted <- rep(FALSE, nrow(plan$classes))
  if (is.null(void)) wanted <- tolower(plan$classes$name) %in% void_words
  by_name <- is.character(void) & void %in% plan$classes$name
  wanted <- wanted | plan$classes$name %in% void[by_name]
  others <- if (length(void) > 0) void[!by_name]
  values <- if (is.character(others)) (if (length(others) > 0) colour_code(others)) else others
  wanted <- wanted | plan$classes$value %in% values
  plan$void <- unique(c(plan$classes$value[wanted], values))
  if (!is.null(plan$codes)) {
    plan$void_codes <- plan$codes[wanted]
    plan$codes <- plan$codes[!wanted]
  }
  plan$classes <- plan$classes[!wanted, , drop = FALSE]
  rownames(plan$classes) <- NULL
  plan
}

check_plan <- function(plan) {
  if (nrow(plan$classes) < 1) value_error("`classes` must name at least one class that is not void.")
  # Several values may be one class: "cell" twice is one class with two values.
  if (anyNA(plan$classes$value)) value_error("`classes` must not hold missing values.")
  if (anyDuplicated(plan$classes$value)) {
    twice <- plan$classes$value[duplicated(plan$classes$value)][[1]]
    value_error(sprintf(
      "`classes`: two classes have the value %s.", if (plan$kind == "colour") colour_name(twice) else format(twice)
    ))
  }
  plan$index <- match(plan$classes$name, unique(plan$classes$name))
  plan
}

# A table with values and colours serves both kinds of masks.
plan_for_masks <- function(plan, are_colours) {
  if (plan$kind == "value" && are_colours) {
    if (is.null(plan$codes)) {
      value_error(paste(
        "the masks hold colours: give `classes` as colours, such as c(road = \"#804080\"), or a table with colours;",
        "mask_classes() lists them."
      ))
    }
    plan$classes$value <- plan$codes
    plan$void <- plan$void_codes
    plan$kind <- "colour"
    plan <- check_plan(plan)
  }
  plan
}

# ---- reading masks ----

# What a mask file stores: list(values =, kind =), an H x W matrix of values, or of colour codes.
read_mask_file <- function(path, kind = NULL, page = 1) {
  if (!identical(kind, "colour")) {
    values <- tryCatch(image_labels(path, page), candela_error_value = function(e) NULL)
    if (!is.null(values)) {
      nodata <- if (grepl("\\.tiff?$", path, ignore.case = TRUE)) image_info(path, page)[["nodata"]]
      if (!is.null(nodata)) values[values == nodata] <- NA
      return(list(values = values, kind = "value"))
    }
  }
  colours <- mask_colours(path, page)
  grey <- colours %/% 65536 == colours %% 256 & colours %/% 256 %% 256 == colours %% 256
  if (!identical(kind, "colour") && all(grey)) {
    return(list(values = colours %% 256, kind = "value"))
  }
  list(values = colours, kind = "colour")
}

mask_colours <- function(path, page = 1) {
  x <- image_read(path, channels = 3, page = page)
  size <- dim(x)[1:2]
  matrix(matrix(round(x * 255), ncol = 3) %*% c(65536, 256, 1), size[[1]], size[[2]])
}

# The values of one pair's masks, of which there may be several.
read_mask_values <- function(mask, kind, size, many = "unite", page = 1) {
  if (length(mask) == 0) {
    return(NULL)
  }
  values <- if (all(vapply(mask, is.character, NA))) {
    read_mask_files(unlist(mask), kind, many, page)
  } else {
    matrix_mask(mask[[1]])
  }
  if (!identical(dim(values$values), as.integer(size))) {
    value_error(sprintf(
      "the mask %sis %s, but its image is %s (height x width).", mask_label(mask),
      paste(dim(values$values), collapse = " x "), paste(size, collapse = " x ")
    ))
  }
  values
}

# Several files are united (a pixel has the largest value), or numbered: a pixel has the number of the last file that
# is not 0 there.
read_mask_files <- function(paths, kind, many = "unite", page = 1) {
  if (length(paths) == 1 && many == "unite") {
    return(read_mask_file(paths, kind, page))
  }
  reading <- if (!identical(kind, "colour")) {
    tryCatch(begin_reading(path.expand(paths), "labels"), candela_error_value = function(e) NULL)
  }
  if (!is.null(reading)) {
    return(list(values = .Call(cdr_image_unite, reading, many == "number"), kind = "value"))
  }
  parts <- lapply(paths, read_mask_file, kind = kind)
  check_united(parts)
  values <- lapply(parts, `[[`, "values")
  if (many == "number") values <- Map(function(x, i) ifelse(x != 0, i, 0), values, seq_along(values))
  list(values = Reduce(pmax, values), kind = parts[[1]]$kind)
}

check_united <- function(parts) {
  sizes <- unique(vapply(parts, function(p) paste(dim(p$values), collapse = " x "), ""))
  if (length(sizes) > 1) {
    value_error(sprintf("masks of one image must have one size, but there are %s.", paste(sizes, collapse = " and ")))
  }
}

matrix_mask <- function(m) {
  if (is_tensor(m)) m <- as_array(m)
  if (!is.matrix(m) || !(is.numeric(m) || is.logical(m))) {
    refuse(m, "masks", "a function that gives names of files or a matrix height x width of whole numbers")
  }
  list(values = m + 0, kind = "value")
}

mask_label <- function(mask) {
  if (is_drawn(mask)) {
    return(sprintf("'%s' ", mask[[1]]$file))
  }
  paths <- Filter(is.character, mask)
  if (length(paths) == 0) "" else sprintf("'%s' ", paths[[1]])
}

# Classes 1 .. K and void_class of stored values. `tolerance`: how far a value, or each channel of a colour, may lie
# from that of its class. Value: an integer matrix with the attribute `odd`, the number of pixels that were moved.
classes_of_values <- function(values, plan, tolerance, where) {
  present <- values_present(values)
  known <- c(plan$classes$value, plan$void)
  class <- c(plan$index, rep(void_class, length(plan$void)))
  to <- class[match(present, known)]
  to[is.na(present)] <- void_class
  odd <- is.na(to)
  moved <- 0L
  if (any(odd)) {
    near <- nearest_class(present[odd], known, plan$kind)
    if (any(near$distance > tolerance)) refuse_values(values, present[odd][near$distance > tolerance], plan, where)
    to[odd] <- class[near$at]
    moved <- sum(values %in% present[odd])
  }
  result <- looked_up(values, present, to)
  dim(result) <- dim(values)
  attr(result, "odd") <- moved
  result
}

# Whole numbers to 65535 are counted and looked up in a table, which is quicker than hashing.
values_present <- function(values) {
  if (is.integer(values) && !anyNA(values) && min(values) >= 0 && max(values) < 65536) {
    return(which(tabulate(values + 1L, max(values) + 1L) > 0) - 1L)
  }
  unique(as.vector(values))
}

looked_up <- function(values, present, to) {
  if (!is.integer(values) || anyNA(present) || min(present) < 0 || max(present) >= 65536) {
    return(to[match(values, present)])
  }
  table <- integer(max(present) + 1L)
  table[present + 1L] <- to
  table[values + 1L]
}

nearest_class <- function(values, known, kind) {
  parts <- function(x) if (kind == "colour") cbind(x %/% 65536, x %/% 256 %% 256, x %% 256) else cbind(x)
  a <- parts(values)
  b <- parts(known)
  at <- integer(length(values))
  distance <- numeric(length(values))
  for (i in seq_along(values)) {
    away <- abs(b - rep(a[i, ], each = nrow(b)))
    worst <- apply(away, 1, max)
    best <- order(worst, rowSums(away))[[1]]
    at[[i]] <- best
    distance[[i]] <- worst[[best]]
  }
  list(at = at, distance = distance)
}

refuse_values <- function(values, odd, plan, where) {
  n <- sum(values %in% odd)
  text <- function(x) toString(if (plan$kind == "colour") colour_name(x) else format(x, trim = TRUE))
  more <- length(odd) - 8
  value_error(paste0(
    where, sprintf(
      "%d pixel%s of a value that no class has: %s%s. ", n, if (n == 1) "" else "s",
      text(utils::head(sort(odd), 8)), if (more > 0) sprintf(" and %d more", more) else ""
    ),
    sprintf("The classes are %s. ", text(unique(plan$classes$value))),
    if (plan$kind == "value" && identical(as.numeric(odd), 1) && 255 %in% plan$classes$value) {
      "In masks of 1 bit white is 1: where there are both kinds, classes = list(black = 0, white = c(1, 255)). "
    },
    "Add them to `classes` or `void`, or give `tolerance`; mask_classes() lists what the masks hold."
  ))
}

#' What masks hold
#'
#' Looks through mask files and tells which values or colours they hold, and how many pixels of each: the first step
#' to `classes` of [segmentation_dataset()].
#'
#' @param masks a folder, a pattern such as `"masks/*.png"`, names of files, or a [segmentation_dataset()].
#' @param classes classes as [segmentation_dataset()] takes them: values that belong to none are told apart, with the
#'   nearest class and the distance.
#' @param void as there.
#' @param n how many rows at most, the most frequent ones; the rest is summed up in the attribute `rest`.
#' @return A data frame, ordered by share: `value` (NA for colours), `colour` (as `"#804080"`; for palette images that
#'   of the palette, and where palettes differ from file to file there are colours alone; else NA), `pixels`, `share`
#'   of all pixels, `files` that hold it, and `first`, one of them. With
#'   `classes`: `class`, a factor (NA for void and for values of no class), `void`, and for values of no class
#'   `nearest` and `distance`, the largest difference of a channel. A warning of class `candela_warning_mask` counts
#'   pixels that belong to no class, as anti-aliased edges and masks saved as JPEG have them.
#' @examples
#' root <- drawn_cells(tempfile(), n = 2, size = 32)
#' mask_classes(file.path(root, "masks"))
#' @export
mask_classes <- function(masks, classes = NULL, void = NULL, n = 64) {
  check_whole_number(n, "n", 1)
  table <- count_values(files_and_pages(masks))
  plan <- class_plan(classes, void)
  if (is.null(plan) && !is.null(classes)) refuse(classes, "classes", "values or colours with names, or a table of them")
  if (!is.null(plan)) table <- with_classes(table, plan_for_masks(plan, attr(table, "kind") == "colour"))
  table <- table[order(-table$pixels, table$value, table$colour), ]
  rest <- sum(table$share) - sum(utils::head(table$share, n))
  table <- utils::head(table, n)
  rownames(table) <- NULL
  attr(table, "kind") <- NULL
  attr(table, "rest") <- rest
  table
}

# A data frame of `path` and `page`: of the masks of a dataset those it reads, of TIFF files all pages.
files_and_pages <- function(masks) {
  if (inherits(masks, "dataset_subset")) masks <- whole_dataset(masks, "masks")
  if (inherits(masks, "segmentation_dataset")) {
    pairs <- masks$source$pairs[unique(masks$source$pair_of(masks$items)), ]
    files <- lapply(pairs$mask, function(mask) as.character(unlist(Filter(is.character, mask))))
    found <- data.frame(path = unlist(files), page = rep(pairs$mask_page, lengths(files)))
    if (nrow(found) == 0) value_error("`masks`: the masks of this dataset are no files; class_counts() counts them.")
    return(found)
  }
  files <- files_of(masks, "masks")
  pages <- vapply(files, pages_of_file, 0, USE.NAMES = FALSE)
  data.frame(path = rep(files, pages), page = sequence(pages))
}

count_values <- function(files) {
  palettes <- lapply(unique(files$path), palette_of)
  mixed <- length(unique(Filter(Negate(is.null), palettes))) > 1
  kind <- if (mixed) "colour" else "value"
  counts <- Map(function(path, page) {
    read <- read_mask_file(path, if (mixed) "colour", page)
    if (read$kind == "colour") kind <<- "colour"
    tallied(read$values, read$kind, path)
  }, files$path, files$page)
  counts <- do.call(rbind, lapply(counts, function(tally) {
    # Beside masks of colours, grey ones are colours too.
    if (kind == "colour" && tally$kind[[1]] == "value") tally$value <- tally$value * (65536 + 256 + 1)
    tally
  }))
  by_value <- split(seq_len(nrow(counts)), counts$value)
  value <- as.numeric(names(by_value))
  pixels <- vapply(by_value, function(rows) sum(counts$pixels[rows]), 0, USE.NAMES = FALSE)
  table <- data.frame(
    value = if (kind == "value") value else NA_real_,
    colour = if (kind == "colour") colour_name(value) else NA_character_,
    pixels = pixels, share = pixels / sum(pixels), files = lengths(by_value, use.names = FALSE),
    first = vapply(by_value, function(rows) counts$file[[rows[[1]]]], "", USE.NAMES = FALSE), stringsAsFactors = FALSE
  )
  palette <- if (kind == "value") palettes[[1]]
  if (!is.null(palette)) table$colour <- palette[value + 1]
  attr(table, "kind") <- kind
  table
}

tallied <- function(values, kind, path) {
  present <- values_present(values)
  pixels <- tabulate(match(values, present), length(present))
  data.frame(value = as.numeric(present), pixels = as.numeric(pixels), kind = kind, file = path,
    stringsAsFactors = FALSE)
}

with_classes <- function(table, plan) {
  value <- if (plan$kind == "colour") colour_code(table$colour) else table$value
  at <- match(value, plan$classes$value)
  names <- unique(plan$classes$name)
  table$class <- factor(names[plan$index[at]], names)
  table$void <- value %in% plan$void
  odd <- is.na(at) & !table$void
  near <- nearest_class(value[odd], plan$classes$value, plan$kind)
  table$nearest <- factor(NA, names)
  table$distance <- NA_real_
  table$nearest[odd] <- names[plan$index[near$at]]
  table$distance[odd] <- near$distance
  if (any(odd)) {
    rlang::warn(sprintf(
      "%.0f pixels (%.2g %%) hold %d values of no class, within %g of one: `tolerance = %g` takes them for it.",
      sum(table$pixels[odd]), 100 * sum(table$share[odd]), sum(odd), max(near$distance), max(near$distance)
    ), class = "candela_warning_mask")
  }
  table
}

# Colours of a palette PNG, for its values 0, 1, ...; NULL for other files.
palette_of <- function(path) {
  bytes <- readBin(path, "raw", 65536)
  if (length(bytes) < 33 || !identical(bytes[2:4], charToRaw("PNG")) || bytes[[26]] != 3) {
    return(NULL)
  }
  at <- grepRaw("PLTE", bytes, fixed = TRUE)
  if (length(at) == 0) {
    return(NULL)
  }
  n <- sum(as.integer(bytes[at - 4:1]) * 256^(3:0))
  rgb <- matrix(as.integer(bytes[at + 3 + seq_len(n)]), 3)
  sprintf("#%02X%02X%02X", rgb[1, ], rgb[2, ], rgb[3, ])
}
