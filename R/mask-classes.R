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

# The plan by which masks are decoded: a list with
#   classes  data frame with `name`, `value` (as stored; a code where masks hold colours) and `colour` (to draw it),
#   void     values that mean void,
#   kind     "value" or "colour".
# NULL: to be found by looking at the masks.
class_plan <- function(classes, void) {
  if (is.null(classes) || is.function(classes)) {
    return(NULL)
  }
  if (is.character(classes) && length(classes) == 1 && file.exists(classes)) classes <- read_table_file(classes)
  plan <- if (is.data.frame(classes)) plan_from_table(classes) else plan_from_vector(classes)
  if (!is.null(plan)) check_plan(set_void(plan, void))
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
read_mask_file <- function(path, kind = NULL) {
  if (!identical(kind, "colour")) {
    values <- tryCatch(image_labels(path), candela_error_value = function(e) NULL)
    if (!is.null(values)) {
      return(list(values = values, kind = "value"))
    }
  }
  colours <- mask_colours(path)
  grey <- colours %/% 65536 == colours %% 256 & colours %/% 256 %% 256 == colours %% 256
  if (!identical(kind, "colour") && all(grey)) {
    return(list(values = colours %% 256, kind = "value"))
  }
  list(values = colours, kind = "colour")
}

mask_colours <- function(path) {
  x <- image_read(path, channels = 3) * 255
  x <- round(x)
  x[, , 1] * 65536 + x[, , 2] * 256 + x[, , 3]
}

# The values of one pair's masks. Of several files each pixel has the largest value.
read_mask_values <- function(mask, kind, size) {
  if (length(mask) == 0) {
    return(NULL)
  }
  parts <- lapply(mask, function(m) {
    if (is.character(m)) read_mask_file(m, kind) else matrix_mask(m)
  })
  values <- Reduce(function(a, b) united(a, b), parts)
  if (!identical(dim(values$values), as.integer(size))) {
    value_error(sprintf(
      "the mask %sis %s, but its image is %s (height x width).", mask_label(mask),
      paste(dim(values$values), collapse = " x "), paste(size, collapse = " x ")
    ))
  }
  values
}

united <- function(a, b) {
  if (!identical(dim(a$values), dim(b$values))) {
    value_error(sprintf("masks of one image must have one size, but there are %s and %s.",
      paste(dim(a$values), collapse = " x "), paste(dim(b$values), collapse = " x ")))
  }
  list(values = pmax(a$values, b$values), kind = a$kind)
}

matrix_mask <- function(m) {
  if (is_tensor(m)) m <- as_array(m)
  if (!is.matrix(m) || !(is.numeric(m) || is.logical(m))) {
    refuse(m, "masks", "a function that gives names of files or a matrix height x width of whole numbers")
  }
  list(values = m + 0, kind = "value")
}

mask_label <- function(mask) {
  paths <- Filter(is.character, mask)
  if (length(paths) == 0) "" else sprintf("'%s' ", paths[[1]])
}

# Classes 1 .. K and void_class of stored values. `tolerance`: how far a value, or each channel of a colour, may lie
# from that of its class. Value: an integer matrix with the attribute `odd`, the number of pixels that were moved.
classes_of_values <- function(values, plan, tolerance, where) {
  present <- unique(as.vector(values))
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
  result <- to[match(values, present)]
  dim(result) <- dim(values)
  attr(result, "odd") <- moved
  result
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
    "Add them to `classes` or `void`, or give `tolerance`; mask_classes() lists what the masks hold."
  ))
}
