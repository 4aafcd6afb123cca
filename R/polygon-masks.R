# Masks that are drawn: polygons of COCO and LabelMe files, vector files and SpatVectors. A drawn mask is a list of
# class "drawn_mask" with `shapes`, each a list of `label` and what is inside: `rings` (matrices of x and y in pixels,
# from 0 at the upper left corner; even-odd, so that inner rings are holes), `runs` (column-major lengths of 0s and
# 1s), or a logical matrix `bitmap` whose first pixel lies `at`.

new_drawn_mask <- function(shapes, ...) structure(list(shapes = shapes, ...), class = "drawn_mask")

is_drawn <- function(mask) length(mask) == 1 && inherits(mask[[1]], "drawn_mask")

# Values of the labels: 0 where there is no shape, else the number of the label; later shapes lie over earlier ones.
draw_mask <- function(mask, size, labels, image) {
  if (!is.null(mask$vector)) {
    return(draw_vector(mask, size, labels, image))
  }
  check_drawn_size(mask, size, image)
  y <- matrix(0L, size[[1]], size[[2]])
  for (shape in mask$shapes) {
    inside <- if (!is.null(shape$runs)) {
      which_in_runs(shape$runs, size, mask$file)
    } else if (!is.null(shape$bitmap)) {
      which_in_bitmap(shape, size)
    } else {
      which_inside(shape$rings, size)
    }
    y[inside] <- match(shape$label, labels)
  }
  y
}

# Outlines count pixels, so the picture must have the size that they were drawn at; `drawn_at` may be missing.
check_drawn_size <- function(mask, size, image) {
  at <- suppressWarnings(as.numeric(unlist(mask$drawn_at)))
  if (length(at) == 2 && !anyNA(at) && all(at > 0) && any(at != size)) {
    value_error(sprintf("'%s' was outlined at %.0f x %.0f, but '%s' is %.0f x %.0f (height x width).", mask$file,
      at[[1]], at[[2]], image, size[[1]], size[[2]]))
  }
}

# Positions (in a matrix of that size) of pixels whose middle lies inside.
which_inside <- function(rings, size) {
  edges <- do.call(rbind, lapply(rings, function(ring) {
    cbind(ring, ring[c(seq_len(nrow(ring))[-1], 1), , drop = FALSE])
  }))
  if (is.null(edges)) {
    return(integer())
  }
  from <- max(1, floor(min(edges[, 2])))
  to <- min(size[[1]], ceiling(max(edges[, 2]) + 0.5))
  if (from > to) {
    return(integer())
  }
  unlist(lapply(seq(from, to), function(i) row_inside(edges, i, size)))
}

# In row i the polygon lies between the first and second, third and fourth, ... crossing of its middle.
row_inside <- function(edges, i, size) {
  y <- i - 0.5
  crossing <- (edges[, 2] <= y) != (edges[, 4] <= y)
  e <- edges[crossing, , drop = FALSE]
  x <- sort(e[, 1] + (y - e[, 2]) / (e[, 4] - e[, 2]) * (e[, 3] - e[, 1]))
  at <- unlist(lapply(seq_len(length(x) / 2), function(k) {
    first <- max(1, ceiling(x[[2 * k - 1]] + 0.5))
    last <- min(size[[2]], ceiling(x[[2 * k]] + 0.5) - 1)
    if (first <= last) seq(first, last)
  }))
  (at - 1) * size[[1]] + i
}

# `at`: row and column, from 0, of the bitmap's first pixel; what lies outside the picture is left out.
which_in_bitmap <- function(shape, size) {
  places <- which(shape$bitmap, arr.ind = TRUE)
  row <- places[, 1] + shape$at[[1]]
  column <- places[, 2] + shape$at[[2]]
  within <- row >= 1 & row <= size[[1]] & column >= 1 & column <= size[[2]]
  ((column - 1) * size[[1]] + row)[within]
}

which_in_runs <- function(runs, size, file) {
  if (anyNA(runs) || any(runs < 0)) value_error(sprintf("'%s': a run-length mask is damaged.", file))
  if (sum(runs) != prod(size)) {
    value_error(sprintf("'%s': a run-length mask has %.0f pixels, but its image %.0f.", file, sum(runs), prod(size)))
  }
  which(rep(rep_len(c(FALSE, TRUE), length(runs)), runs))
}

# ---- files ----

# Pairs whose masks are drawn; NULL where `masks` names pictures.
drawn_pairs <- function(masks, images, found, field) {
  one_file <- is.character(masks) && length(masks) == 1 && !dir.exists(masks)
  if (inherits(masks, "SpatVector") || (one_file && grepl(vector_pattern, masks, ignore.case = TRUE))) {
    return(vector_pairs(masks, found, field))
  }
  if (one_file && grepl("\\.json$", masks, ignore.case = TRUE) && file.exists(masks)) {
    return(if ("annotations" %in% names(read_json(masks))) coco_pairs(masks, found) else labelme_pairs(masks, found))
  }
  jsons <- json_files(masks %||% images)
  if (is.null(masks)) jsons <- Filter(function(path) "shapes" %in% names(read_json(path)), jsons)
  if (length(jsons) == 0) {
    return(NULL)
  }
  if (!all(c("images", "annotations") %in% names(read_json(jsons[[1]])))) {
    return(labelme_pairs(jsons, found))
  }
  if (length(jsons) > 1) {
    value_error(sprintf("`masks` has %d COCO files: give the name of one, such as '%s'.", length(jsons), jsons[[1]]))
  }
  coco_pairs(jsons, found)
}

# JSON files of a folder; none where masks are pictures in it.
json_files <- function(x) {
  folders <- if (is.character(x)) x[dir.exists(x)]
  listed <- list.files(folders, full.names = TRUE, recursive = TRUE)
  jsons <- grep("\\.json$", c(listed, setdiff(x, folders)), value = TRUE, ignore.case = TRUE)
  sort(jsons, method = "radix")
}

read_json <- function(path) {
  if (!requireNamespace("jsonlite", quietly = TRUE)) {
    runtime_error("JSON masks are read with the package jsonlite: install.packages(\"jsonlite\").")
  }
  tryCatch(jsonlite::read_json(path, simplifyVector = FALSE), error = function(e) {
    raise(sprintf("'%s' is no JSON file: %s.", path, conditionMessage(e)), c("candela_error_format", "runtime_error"))
  })
}

# x1, y1, x2, y2, ..., as one list or pair by pair.
points_matrix <- function(points, file) {
  xy <- suppressWarnings(as.numeric(unlist(points)))
  if (length(xy) == 0 || length(xy) %% 2 != 0 || anyNA(xy)) {
    value_error(sprintf("'%s': an outline must have pairs of numbers, x and y, but one has %d.", file, length(xy)))
  }
  matrix(xy, ncol = 2, byrow = TRUE)
}

# COCO: one file for all images; the category's name is the label. Small objects lie over large ones.
coco_pairs <- function(file, images) {
  json <- read_json(file)
  if (is.null(json$images) || is.null(json$annotations)) {
    value_error(sprintf("'%s' is no COCO file: it has no `images` and `annotations`.", file))
  }
  names <- vapply(json$categories, function(c) as.character(c$name), "")
  labels <- stats::setNames(names, vapply(json$categories, function(c) id_text(c$id), ""))
  check_annotations(json$annotations, labels, file)
  by_image <- split(json$annotations, factor(
    vapply(json$annotations, function(a) id_text(a$image_id), ""),
    levels = vapply(json$images, function(i) id_text(i$id), "")
  ))
  file_names <- vapply(json$images, function(i) as.character(i$file_name %||% ""), "")
  at <- match_files(file_names, images)
  masks <- lapply(images, function(path) list())
  for (k in which(!is.na(at))) {
    masks[[at[[k]]]] <- list(new_drawn_mask(coco_shapes(by_image[[k]], labels, file), file = file,
      drawn_at = json$images[[k]][c("height", "width")]))
  }
  structure(new_pairs(images, masks, left_over = file_names[is.na(at)]), labels = unique(names))
}

# Numbers and texts serve as ids.
id_text <- function(id) {
  if (length(id) != 1) {
    return("")
  }
  if (is.numeric(id)) format(id, scientific = FALSE, trim = TRUE, digits = 15) else as.character(id)
}

check_annotations <- function(annotations, labels, file) {
  ids <- vapply(annotations, function(a) id_text(a$category_id), "")
  unknown <- setdiff(ids, names(labels))
  if (length(unknown) > 0) {
    value_error(sprintf("'%s': there are annotations of category %s, but `categories` has %s.", file,
      toString(utils::head(unknown, 5)), toString(sprintf("%s (%s)", names(labels), labels))))
  }
  boxes <- sum(vapply(annotations, function(a) length(a$segmentation) == 0, NA))
  if (boxes > 0) {
    rlang::warn(sprintf("'%s': %d of %d annotations have a box alone, no outline, and are left out.", file, boxes,
      length(annotations)), class = "candela_warning_mask")
  }
}

# By whole relative path, else by the name of the file.
match_files <- function(names, images) {
  ends <- function(k) endsWith(images, paste0("/", names[[k]])) | images == names[[k]]
  vapply(seq_along(names), function(k) {
    found <- which(ends(k))
    if (length(found) == 0) found <- which(basename(images) == basename(names[[k]]))
    if (length(found) == 1) found else NA_integer_
  }, 0L)
}

coco_shapes <- function(annotations, labels, file) {
  area <- vapply(annotations, function(a) as.numeric(a$area %||% 0), 0)
  shapes <- lapply(annotations[order(-area)], function(a) {
    label <- labels[[id_text(a$category_id)]]
    s <- a$segmentation
    if (!is.null(s$counts)) {
      runs <- if (is.character(s$counts)) coco_runs(s$counts) else as.numeric(unlist(s$counts))
      return(list(list(label = label, runs = runs)))
    }
    # Parts of one object may overlap; their union is meant.
    lapply(s, function(part) list(label = label, rings = list(points_matrix(part, file))))
  })
  unlist(shapes, recursive = FALSE)
}

# The text form of run lengths: five bits in each character from "0" on, lowest first, the sixth says that more
# follow; from the third on, differences to the run before the last.
coco_runs <- function(text) {
  codes <- utf8ToInt(text) - 48L
  ends <- which(bitwAnd(codes, 32L) == 0)
  runs <- numeric(length(ends))
  n <- 0
  at <- 1
  while (at <= length(codes)) {
    value <- 0
    shift <- 0
    repeat {
      code <- if (at <= length(codes)) codes[[at]] else NA
      if (is.na(code) || code < 0L || code > 63L || shift > 45) value_error("a run-length mask is damaged.")
      value <- value + bitwAnd(code, 31L) * 2^shift
      shift <- shift + 5
      at <- at + 1
      if (bitwAnd(code, 32L) == 0) break
    }
    if (bitwAnd(code, 16L) != 0) value <- value - 2^shift
    runs[[n + 1]] <- if (n > 2) value + runs[[n - 1]] else value
    n <- n + 1
  }
  runs
}

# LabelMe: one file for each image.
labelme_pairs <- function(files, images) {
  json <- lapply(files, read_json)
  named <- vapply(json, function(j) basename(gsub("\\", "/", as.character(j$imagePath %||% ""), fixed = TRUE)), "")
  owner <- match(named, basename(images))
  by_stem <- match_names(images, files)
  owner <- ifelse(is.na(owner) | duplicated(named), by_stem, owner)
  masks <- lapply(seq_along(images), function(i) {
    k <- which(owner == i)
    if (length(k) > 0) labelme_mask(json[[k[[1]]]], files[[k[[1]]]])
  })
  labels <- unique(unlist(lapply(json, function(j) vapply(j$shapes, function(s) as.character(s$label), ""))))
  structure(new_pairs(images, masks, left_over = files[is.na(owner)]), labels = sort(labels, method = "radix"))
}

labelme_mask <- function(json, file) {
  list(new_drawn_mask(labelme_shapes(json$shapes, file), file = file,
    drawn_at = json[c("imageHeight", "imageWidth")]))
}

labelme_shapes <- function(shapes, file) {
  Filter(Negate(is.null), lapply(shapes, function(shape) {
    p <- points_matrix(shape$points, file)
    ring <- switch(shape$shape_type %||% "polygon",
      polygon = p,
      rectangle = rbind(p[1, ], c(p[2, 1], p[1, 2]), p[2, ], c(p[1, 1], p[2, 2])),
      circle = circle_ring(p),
      mask = labelme_bitmap(shape, p, file),
      rlang::warn(sprintf("'%s': a shape \"%s\" has no inside and is left out.", file, shape$shape_type),
        class = "candela_warning_mask")
    )
    if (is.matrix(ring)) list(label = as.character(shape$label), rings = list(ring)) else if (is.list(ring)) ring
  }))
}

# A mask drawn by brush: a PNG as text, for the box from the first point to the second.
labelme_bitmap <- function(shape, p, file) {
  png <- tempfile(fileext = ".png")
  on.exit(unlink(png))
  writeBin(jsonlite::base64_dec(shape$mask), png)
  inside <- tryCatch(image_labels(png) > 0, error = function(e) {
    value_error(sprintf("'%s': the bitmap of a shape \"mask\" cannot be read: %s", file, conditionMessage(e)))
  })
  list(label = as.character(shape$label), bitmap = inside, at = round(p[1, 2:1]))
}

# Middle and a point of the circle.
circle_ring <- function(p) {
  angle <- seq(0, 2 * pi, length.out = 121)[-1]
  radius <- sqrt(sum((p[2, ] - p[1, ])^2))
  cbind(p[1, 1] + radius * cos(angle), p[1, 2] + radius * sin(angle))
}

# ---- vector files and SpatVectors ----

needs_terra <- function() {
  if (!requireNamespace("terra", quietly = TRUE)) {
    runtime_error("vector files are read with the package terra: install.packages(\"terra\").")
  }
}

vector_pattern <- "\\.(shp|gpkg|geojson|kml|fgb)$"

# Every image takes the part of the polygons that lies on it.
vector_pairs <- function(masks, images, field) {
  needs_terra()
  v <- if (is.character(masks)) terra::vect(masks) else masks
  columns <- names(v)
  field <- field %||% columns[tolower(columns) %in% c("class", "label", "name", "type", "landcover", "land_cover",
    "code")][1]
  if (is.na(field) || !field %in% columns) {
    value_error(sprintf("`field` must name the column of classes, one of %s.", toString(columns)))
  }
  label <- as.character(as.data.frame(v)[[field]])
  labels <- sort(unique(label), method = "radix")
  packed <- terra::wrap(v[, field])
  pairs <- new_pairs(images, lapply(images, function(path) {
    list(new_drawn_mask(NULL, vector = packed, field = field,
      file = if (is.character(masks)) masks else "the SpatVector"))
  }))
  structure(pairs, labels = labels)
}

draw_vector <- function(mask, size, labels, image) {
  needs_terra()
  grid <- terra::rast(image)[[1]]
  v <- terra::unwrap(mask$vector)
  known <- nzchar(terra::crs(grid)) && nzchar(terra::crs(v))
  if (known && !identical(terra::crs(v), terra::crs(grid))) v <- terra::project(v, terra::crs(grid))
  v$candela_code <- match(as.character(as.data.frame(v)[[mask$field]]), labels)
  y <- terra::as.matrix(terra::rasterize(v, grid, field = "candela_code", background = 0), wide = TRUE)
  y[is.na(y)] <- 0
  storage.mode(y) <- "integer"
  unname(y)
}

# ---- their classes ----

# Which label is which class: those named in `classes`, in its order. What none of them names is background, and comes
# first where it is not named. Values are the numbers of the labels.
plan_of_labels <- function(classes, void, labels) {
  colour <- NULL
  if (is_table_name(classes)) classes <- read_table_file(classes)
  if (is.data.frame(classes)) {
    plan <- plan_from_table(classes)
    colour <- plan$classes$colour
    names <- plan$classes$name
  } else {
    names <- if (is.null(classes)) labels else names(classes) %||% as.character(classes)
  }
  names(colour) <- if (!is.null(colour)) names
  names <- setdiff(names, void)
  if (!any(!names %in% labels)) names <- c("background", names)
  grounds <- setdiff(names, labels)
  if (length(grounds) > 1) {
    value_error(sprintf("`classes` names %s, but the labels are %s.", toString(grounds), toString(labels)))
  }
  unnamed <- setdiff(labels, c(names, void))
  if (length(unnamed) > 0) {
    value_error(sprintf("the label%s %s must be named in `classes` or `void`.", if (length(unnamed) > 1) "s" else "",
      toString(unnamed)))
  }
  value <- match(names, labels)
  value[is.na(value)] <- 0
  plan <- new_plan(names, value, "value", if (!is.null(colour)) unname(colour[names]))
  plan$void <- as.numeric(match(intersect(void, labels), labels))
  check_plan(plan)
}
