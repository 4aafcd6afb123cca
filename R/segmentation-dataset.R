#' Images and masks of your own
#'
#' Pairs images with masks, reads and checks them, and gives them to a [dataloader()] or
#' [fit()][fit.luz_module_generator]
#' as items `list(x, y)`: `x` the picture, a float tensor channels x height x width whose numbers are scaled, `y` its
#' classes, a long tensor height x width with 1 for the first class, and -100 for void.
#'
#' @param images a folder (with the folders in it), a pattern such as `"cells/*/image.png"`, names of files, a data
#'   frame or the name of a CSV file with the columns `image` and `mask` (and `group` and `split`, if there are such).
#' @param masks a folder, a pattern or names of files; a function of the name of an image that returns the name of its
#'   mask or a matrix of its values, or `NULL` for none; `NULL` where a table has them, where images and masks lie in
#'   one folder, or masks in one called `masks` or the like beside each image. Polygons are drawn: the name of a COCO
#'   file (`"instances.json"`, with polygons or run lengths), a folder of LabelMe files, or, for images with
#'   coordinates, a vector file or a `SpatVector` of the package terra.
#' @param classes what the masks hold, class by class:
#'   * values, `c(background = 0, cell = 255)`; with a list a class may have several values;
#'   * colours, `c(road = "#804080", tree = "darkgreen")`;
#'   * a data frame, or the name of a CSV file, with the columns `name` and `value`, and colours as `colour` or
#'     as `red`,
#'     `green` and `blue`;
#'   * for polygons, the names of their labels in the order wanted; what lies in none of them is background, the first
#'     class where `classes` has no other name for it;
#'   * names alone, `c("background", "cell")`, for the values found, in their order;
#'   * a function of the stored matrix that returns one of values;
#'   * `NULL`: the values found, which are told.
#' @param size height and width (or one number for both) that whole pictures are resized to. The default is the size
#'   of the pictures where they all have one of at most 512, else 256.
#' @param crop height and width (or one number) of parts cut out at native resolution instead. Every picture is
#'   cut into such parts, the last of a row ending at its border; pictures that are smaller are padded with void.
#' @param overlap of neighbouring parts, as a share of `crop`, below 1.
#' @param scale how numbers are scaled: `"imagenet"` (mean and standard deviation of ImageNet, for RGB of 8 bits
#'   alone), `"normalise"` (mean and standard deviation of each band over the training pictures), `"dtype"` (largest
#'   number of the type becomes 1), `"percentile"` (percentiles `probs` of the training pictures become 0 and 1),
#'   `"image"` (the same of each picture), `"none"`, or `list(mean =, std =)` in units of the files. `"auto"` is
#'   `"imagenet"` for RGB of 8 bits, else `"normalise"`.
#' @param missing `"error"` where an image has no mask, or a mask no image; `"background"` takes images without a mask
#'   as pictures of the first class, and tells what was left out.
#' @param void stored values, colours or names of classes that are void: they count in no loss and no metric. By
#'   default those called void, ignore, unlabelled or the like.
#' @param tolerance how far a stored value (each channel of a colour) may lie from that of its class; such pixels are
#'   counted in a warning. 0: every value must be known.
#' @param bands numbers of the bands to read, for pictures of many; by default all but an alpha channel.
#' @param channels 3 makes RGB of grey pictures. Where some pictures are grey and others RGB that is the default.
#' @param nodata a number that means no data in the pictures; it is void in masks.
#' @param group for each image, or as a function of its name: what it belongs to (a patient, a slide, a scene).
#'   [split()][split.segmentation_dataset] keeps a group together.
#' @param transform a function of an item, `list(x, y)`, that changes both alike, for training: a part called `train`
#'   has it, other parts do not. Numbers of `x` are 0 to 1 then, those of float pictures as in the file.
#' @param field column of a vector file or `SpatVector` that holds the classes; by default one called class, label or
#'   the like.
#' @param many of several mask files of one image: `"unite"` (each pixel has the largest value), or `"number"`: the
#'   classes are `background`, where all of them are 0, and `object 1`, `object 2`, ..., one for each file in the order
#'   of their names, later ones over earlier ones.
#' @param page number of the page that is read of TIFF files of several. `NULL`: each page is a pair by itself, for
#'   which the mask file must have as many.
#' @param probs two probabilities, for the percentiles.
#' @param cache keep pictures and masks in memory as they are read: `TRUE`, `FALSE`, or `"auto"`, which does so up to
#'   `getOption("candela.cache_bytes", 2e9)` bytes.
#' @return A [dataset()]. `length()` is the number of items, `[` gives an item; [class_table()] and [input_spec()]
#'   tell what the numbers mean, [class_counts()] how frequent classes are, `plot()` shows pairs.
#' @details
#' Files go together by names: the same up to their ends (`a.jpg`, `a.png`), up to words such as `image`, `mask` or
#' `label` before or behind (`a_mask.png`), in folders of the same names, or in a folder for each picture
#' (`007/image.png`, `007/masks/*.png`). Several masks of one image are united: each pixel has the largest value.
#'
#' Resizing is bilinear with antialiasing for images, and takes the value under the middle of each pixel for masks.
#' The dataset remembers whether it resizes or crops, and prediction does the same.
#'
#' Pixels without data (`nodata`, NaN) become void in `y` and 0 in `x`.
#' @section Errors: Of class `candela_error_pairs` where files do not match, with a list of them. Values that no class
#'   has, masks of another size than their image, and pictures of different bands or types are refused with the file
#'   named (`value_error`), when the pair is read; [class_counts()] reads all.
#' @examples
#' root <- tempfile()
#' drawn_cells(root, n = 6, size = 48)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' parts <- split(ds, c(train = 0.7, valid = 0.3))
#' parts$train[1]$x$shape
#' class_counts(ds)
#' plot(ds, 1:2)
#' @include dataset.R
#' @export
segmentation_dataset <- function(images, masks = NULL, classes = NULL, size = NULL, crop = NULL, overlap = 0,
                                 scale = "auto", missing = c("error", "background"), void = NULL, tolerance = 0,
                                 bands = NULL, channels = NULL, nodata = NULL, group = NULL, transform = NULL,
                                 field = NULL, probs = c(0.01, 0.99), cache = "auto", many = c("unite", "number"),
                                 page = NULL) {
  missing <- choice(missing, "missing", c("error", "background"))
  many <- choice(many, "many", c("unite", "number"))
  check_dataset_arguments(size, crop, overlap, tolerance, bands, channels, transform, cache)
  if (!is.null(page)) check_whole_number(page, "page", 1)
  pairs <- check_pairs(find_pairs(images, masks, field), missing)
  if (!is.null(group)) pairs$group <- groups_of(group, pairs)
  pairs <- with_pages(pairs, page)
  source <- PairSource$new(
    pairs = pairs, classes = classes, void = void, tolerance = tolerance, bands = bands, channels = channels,
    nodata = nodata, scale = check_scale(scale), probs = probs, cache = cache, many = many, page = page
  )
  source$choose_size(size, crop, overlap)
  ds <- SegmentationDataset(source, seq_len(source$n_items()), transform)
  ds$tell()
  ds
}

check_dataset_arguments <- function(size, crop, overlap, tolerance, bands, channels, transform, cache) {
  if (!is.null(size) && !is.null(crop)) value_error("Give `size` (to resize) or `crop` (to cut out), not both.")
  for (name in c("size", "crop")) {
    given <- if (name == "size") size else crop
    if (is.null(given)) next
    check_size(given, name)
    if (any(given != floor(given))) refuse(given, name, "whole numbers of pixels")
  }
  check_number(overlap, "overlap", 0, 0.99)
  check_number(tolerance, "tolerance", 0)
  if (!is.null(bands)) {
    check_numbers(bands, "bands", seq_len(max(length(bands), 1)), least = 1)
    if (any(bands != floor(bands))) refuse(bands, "bands", "whole numbers")
  }
  if (!is.null(channels) && !isTRUE(channels %in% c(1, 3))) refuse(channels, "channels", "NULL, 1 or 3")
  if (!is.null(transform)) check_function(transform, "transform", "function(item) item_transform_hflip(item)")
  if (!identical(cache, "auto")) check_flag(cache, "cache")
}

groups_of <- function(group, pairs) {
  if (is.function(group)) group <- vapply(pairs$image, function(path) as.character(group(path)), "", USE.NAMES = FALSE)
  if (length(group) != nrow(pairs) || anyNA(group)) {
    value_error(sprintf("`group` must give one value for each of %d images, without NA, but got %d.", nrow(pairs),
      length(group)))
  }
  as.character(group)
}

# ---- where items come from: shared by all parts of a dataset ----

PairSource <- slim_class(R6::R6Class(
  "pair_source",
  lock_objects = FALSE,
  public = list(
    initialize = function(...) {
      list2env(list(...), envir = self)
      self$described <- describe_pictures(self$pairs$image, self$pairs$page)
      self$set_bands()
      self$kept <- new.env(parent = emptyenv())
      # Numbers of the pairs whose mask a warning was about.
      self$warned <- new.env(parent = emptyenv())
    },
    # The plan of classes, found by looking where it was not given.
    plan = function() {
      if (is.null(self$decoded)) self$decoded <- self$make_plan()
      self$decoded
    },
    make_plan = function() {
      labels <- attr(self$pairs, "labels")
      if (!is.null(labels)) {
        return(plan_of_labels(self$classes, self$void, labels))
      }
      if (self$many == "number") {
        return(plan_of_objects(self$classes, max(lengths(self$pairs$mask))))
      }
      plan <- class_plan(self$classes, self$void)
      if (is.null(plan)) {
        return(plan_by_looking(self, if (is.character(self$classes)) self$classes))
      }
      with_palette(plan_for_masks(plan, plan$kind == "value" && first_kind(self$pairs) == "colour"), self$pairs$mask)
    },
    set_bands = function() {
      colours <- self$described$colours
      if (is.null(self$channels) && is.null(self$bands) && setequal(unique(colours), c(1, 3))) self$channels <- 3
      self$used <- lapply(seq_len(nrow(self$described)), function(i) {
        default_bands(as.list(self$described[i, ]), self$bands, self$channels)
      })
      check_alike(self$described, lengths(self$used), self$pairs$image)
    },
    choose_size = function(size, crop, overlap) {
      sizes <- unique(self$described[c("height", "width")])
      self$resize <- is.null(crop)
      self$size <- if (!is.null(crop)) square_size(crop) else chosen_size(size, sizes)
      self$boxes <- if (self$resize) NULL else all_boxes(self$described, self$size, overlap)
    },
    n_items = function() if (self$resize) nrow(self$pairs) else nrow(self$boxes),
    pair_of = function(items) if (self$resize) items else self$boxes$pair[items],
    keeps = function() {
      own <- sum(self$described$height * self$described$width)
      pixels <- if (self$resize) nrow(self$pairs) * prod(self$size) else own
      bytes <- pixels * (length(self$used[[1]]) * (if (self$described$type[[1]] == "uint8") 1 else 4) + 4)
      if (identical(self$cache, "auto")) bytes <= getOption("candela.cache_bytes", 2e9) else self$cache
    },
    # One pair, resized or at its own size: list(x =, y =, bytes =, gaps =).
    pair = function(i) {
      key <- as.character(i)
      if (is.null(self$kept[[key]])) {
        read <- read_pair(self, i)
        if (!self$keeps()) {
          return(read)
        }
        self$kept[[key]] <- read
      }
      self$kept[[key]]
    }
  )
))

describe_pictures <- function(paths, pages) {
  infos <- unname(Map(image_info, paths, pages))
  pick <- function(what) vapply(infos, function(info) as.numeric(info[[what]]), 0)
  described <- data.frame(height = pick("height"), width = pick("width"), channels = pick("channels"),
    bits = pick("bits"))
  described$type <- vapply(infos, `[[`, "", "type")
  described$alpha <- vapply(infos, `[[`, NA, "alpha")
  described$colours <- described$channels - described$alpha
  described$nodata <- vapply(infos, function(info) info[["nodata"]] %||% NA_real_, 0)
  described
}

check_alike <- function(described, channels, paths) {
  kind <- paste(channels, ifelse(channels == 1, "band", "bands"), "of type", described$type)
  common <- names(which.max(table(kind)))
  odd <- which(kind != common)
  if (length(odd) > 0) {
    value_error(sprintf(
      "pictures must have the same bands and type: most have %s, but '%s' has %s%s. See `bands`, `channels`.", common,
      paths[[odd[[1]]]], kind[[odd[[1]]]], if (length(odd) > 1) sprintf(" (and %d more)", length(odd) - 1) else ""
    ))
  }
}

chosen_size <- function(size, sizes) {
  if (!is.null(size)) {
    return(square_size(size))
  }
  if (nrow(sizes) == 1 && max(sizes) <= 512) as.numeric(sizes[1, ]) else c(256, 256)
}

# Parts of all pictures: pair, top, left.
all_boxes <- function(described, size, overlap) {
  boxes <- lapply(seq_len(nrow(described)), function(i) {
    tops <- tile_starts(described$height[[i]], size[[1]], overlap)
    lefts <- tile_starts(described$width[[i]], size[[2]], overlap)
    data.frame(pair = i, top = rep(tops, each = length(lefts)), left = rep(lefts, length(tops)))
  })
  do.call(rbind, boxes)
}

# First rows of tiles that cover 1 .. n; the last one ends at n.
tile_starts <- function(n, size, overlap = 0) {
  if (n <= size) {
    return(1)
  }
  step <- max(1, floor(size * (1 - overlap)))
  unique(c(seq(1, n - size + 1, by = step), n - size + 1))
}

read_pair <- function(source, i) {
  size <- unlist(source$described[i, c("height", "width")], use.names = FALSE)
  path <- source$pairs$image[[i]]
  stored <- transform_to_tensor(image_read(path, page = source$pairs$page[[i]]))
  x <- take_bands(list(x = stored, type = source$described$type[[i]]), source$used[[i]], nodata_of(source, i))$x
  y <- read_classes(source, i, size)
  gaps <- if (may_have_gaps(source$described$type[[i]], nodata_of(source, i))) gaps_of(x)
  if (!is.null(gaps)) y[gaps] <- void_class
  if (source$resize) {
    x <- resize_picture(x, source$size, !is.null(gaps))
    y <- resize_mask(y, source$size)
  }
  bytes <- source$described$type[[i]] == "uint8" && is.null(gaps)
  list(
    x = if (bytes) as_bytes(x) else x$contiguous(), y = torch_tensor(y, dtype = torch_int32()), bytes = bytes,
    gaps = !is.null(gaps)
  )
}

# What the user says, or the file.
nodata_of <- function(source, i) {
  stored <- source$described$nodata[[i]]
  source$nodata %||% (if (!is.na(stored)) stored)
}

# Height x width x channels of whole numbers to 255.
as_bytes <- function(x) torch_round(x$permute(c(2, 3, 1)) * 255)$to(dtype = torch_uint8())$contiguous()

read_classes <- function(source, i, size) {
  plan <- source$plan()
  mask <- source$pairs$mask[[i]]
  stored <- if (is_drawn(mask)) {
    list(values = draw_mask(mask[[1]], size, attr(source$pairs, "labels"), source$pairs$image[[i]]))
  } else {
    read_mask_values(mask, plan$kind, size, source$many, source$pairs$mask_page[[i]])
  }
  if (is.null(stored)) {
    return(matrix(1L, size[[1]], size[[2]]))
  }
  where <- sprintf("the mask %sholds ", mask_label(mask))
  values <- if (is.function(source$classes)) applied_to_mask(source$classes, stored$values) else stored$values
  classes <- classes_of_values(values, plan, source$tolerance, where)
  if (attr(classes, "odd") > 0 && !isTRUE(source$warned[[as.character(i)]])) {
    assign(as.character(i), TRUE, envir = source$warned)
    warn_moved(attr(classes, "odd"), length(classes), mask)
  }
  attr(classes, "odd") <- NULL
  classes
}

warn_moved <- function(n, of, mask) {
  rlang::warn(sprintf("the mask %sholds %d pixels (%.2g %%) of other values; each took the nearest class.",
    mask_label(mask), n, 100 * n / of), class = c("candela_warning_moved", "candela_warning_mask"), n = n, of = of)
}

# What is read in one go, with one warning in place of one for each mask.
with_one_warning <- function(read) {
  told <- list()
  result <- withCallingHandlers(read, candela_warning_moved = function(w) {
    told[[length(told) + 1]] <<- w
    rlang::cnd_muffle(w)
  })
  if (length(told) > 1) {
    n <- sum(vapply(told, function(w) as.numeric(w$n), 0))
    of <- sum(vapply(told, function(w) as.numeric(w$of), 0))
    rlang::warn(sprintf(
      "%d masks hold %.0f pixels (%.2g %%) of other values; each took the nearest class. The first: %s", length(told),
      n, 100 * n / of, conditionMessage(told[[1]])
    ), class = c("candela_warning_moved", "candela_warning_mask"), n = n, of = of)
  } else if (length(told) == 1) {
    rlang::warn(conditionMessage(told[[1]]), class = c("candela_warning_moved", "candela_warning_mask"),
      n = told[[1]]$n, of = told[[1]]$of)
  }
  result
}

applied_to_mask <- function(f, values) {
  result <- f(values)
  if (is.factor(result)) result <- array(as.integer(result), dim(values))
  if (!is.numeric(result) || !identical(dim(result), dim(values))) {
    refuse(result, "classes(mask)", sprintf("a matrix %s of values", paste(dim(values), collapse = " x ")))
  }
  result
}

# Do masks hold values or colours? Palette pictures whose palettes differ have the same colours by different values.
first_kind <- function(pairs) {
  i <- which(lengths(pairs$mask) > 0)[[1]]
  first <- pairs$mask[[i]][[1]]
  if (!is.character(first)) {
    return("value")
  }
  if (palettes_differ(pairs$mask)) "colour" else read_mask_file(first, NULL, pairs$mask_page[[i]])$kind
}

palettes_differ <- function(masks) {
  files <- grep("\\.png$", unlist(Filter(is.character, masks)), value = TRUE, ignore.case = TRUE)
  palette <- if (length(files) > 0) palette_of(files[[1]])
  if (is.null(palette)) {
    return(FALSE)
  }
  for (file in files[-1]) {
    other <- palette_of(file)
    if (!is.null(other) && !identical(other, palette)) return(TRUE)
  }
  FALSE
}

# Classes are drawn in the colours of the masks' palette, where these tell them apart.
with_palette <- function(plan, masks) {
  first <- c(unlist(Filter(is.character, masks)), NA)[[1]]
  palette <- if (plan$kind == "value" && !is.na(first) && all(is.na(plan$classes$colour))) palette_of(first)
  colours <- palette[plan$classes$value + 1]
  if (!is.null(palette) && !anyNA(colours) && !anyDuplicated(colours)) plan$classes$colour <- colours
  plan
}

plan_of_objects <- function(classes, n) {
  if (!is.null(classes)) value_error("`classes` are the numbers of objects with `many = \"number\"`: leave it out.")
  check_plan(new_plan(c("background", paste("object", seq_len(n))), 0:n, "value"))
}

# Classes of the values that the masks hold. `names`: what they are called, in the order of the values.
plan_by_looking <- function(source, names) {
  found <- list()
  kind <- first_kind(source$pairs)
  for (i in which(lengths(source$pairs$mask) > 0)) {
    size <- unlist(source$described[i, c("height", "width")], use.names = FALSE)
    values <- read_mask_values(source$pairs$mask[[i]], kind, size, page = source$pairs$mask_page[[i]])$values
    if (is.function(source$classes)) values <- applied_to_mask(source$classes, values)
    found[[i]] <- unique(as.vector(values))
  }
  values <- sort(unique(unlist(found)))
  void <- source$void
  if (is.character(void)) void <- colour_code(void)
  values <- setdiff(values, void)
  check_found(values, names, kind)
  plan <- new_plan(names %||% names_of_values(values, kind), values, kind)
  plan$void <- as.numeric(void)
  with_palette(check_plan(plan), source$pairs$mask)
}

check_found <- function(values, names, kind) {
  text <- toString(if (kind == "colour") colour_name(utils::head(values, 20)) else utils::head(values, 20))
  if (!is.null(names) && length(names) != length(values)) {
    value_error(sprintf("`classes` names %d classes, but the masks hold %d values: %s.", length(names), length(values),
      text))
  }
  if (is.null(names) && length(values) > 64) {
    value_error(sprintf("the masks hold %d values (%s, ...): give `classes`; mask_classes() counts them.",
      length(values), text))
  }
}

names_of_values <- function(values, kind) {
  if (kind == "colour") {
    return(colour_name(values))
  }
  if (length(values) == 2 && values[[1]] == 0) c("background", "foreground") else paste("class", values)
}

# ---- the dataset ----

SegmentationDataset <- dataset(
  "segmentation_dataset",
  initialize = function(source, items, transform = NULL, reference = NULL) {
    self$source <- source
    self$items <- items
    self$transform <- transform
    self$reference <- reference
    self$at_random <- FALSE
  },
  .length = function() length(self$items),
  # Scaling is that of the training part.
  spec = function() {
    if (!is.null(self$reference)) {
      return(self$reference$spec())
    }
    if (is.null(self$known_spec)) self$known_spec <- make_spec(self)
    self$known_spec
  },
  raw_item = function(i) {
    if (!is_one_number(i, 1, length(self$items))) {
      value_error(sprintf("item %s is out of bounds: there are %d.", format(i), length(self$items)))
    }
    item <- self$items[[i]]
    pair <- self$source$pair(self$source$pair_of(item))
    x <- if (pair$bytes) .Call(cdr_bytes_image, pair$x) else pair$x
    result <- list(x = x, y = pair$y)
    if (!self$source$resize) result <- cut_box(result, self$source$boxes[item, ], self$source$size, self$at_random)
    result$y <- result$y$to(dtype = torch_long())
    list(item = result, gaps = pair$gaps || !self$source$resize)
  },
  # Pixels of each class in an item, without augmentation.
  count = function(i) {
    item <- self$items[[i]]
    y <- self$source$pair(self$source$pair_of(item))$y
    box <- self$source$boxes[item, ]
    if (!self$source$resize) {
      part <- pmin(self$source$size, dim(y))
      y <- transform_crop(y, box$top, box$left, part[[1]], part[[2]])
    }
    y <- as_array(y)
    tabulate(y[y > 0], nlevels(class_table(self)$class))
  },
  .getitem = function(i) {
    raw <- self$raw_item(i)
    item <- self$changed(raw$item)
    item$x <- scale_input(item$x, self$spec(), raw$gaps)
    item
  },
  # After `transform`, which must leave an item.
  changed = function(item) {
    if (is.null(self$transform)) {
      return(item)
    }
    changed <- self$transform(item)
    if (!is.list(changed) || !is_tensor(changed[["x"]]) || !is_tensor(changed[["y"]])) {
      refuse(changed, "transform(item)", "an item, list(x = picture, y = mask) of tensors")
    }
    changed
  },
  # Some of the items, by the numbers that `items` holds.
  part = function(items, training = FALSE, reference = NULL) {
    part <- SegmentationDataset(self$source, items, if (training) self$transform, reference %||% self$reference)
    part$at_random <- training
    part
  },
  tell = function() {
    rlang::inform(dataset_lines(self), class = "candela_message_dataset")
  }
)

# A part of a pair, at native resolution; what lies outside is void, and has no data. At random: moved by up to half
# of its size, within the picture.
cut_box <- function(item, box, size, at_random) {
  now <- dim(item$y)
  start <- c(box$top, box$left)
  if (at_random) start <- start + round(stats::runif(2, -size / 2, size / 2))
  start <- pmax(1, pmin(start, now - size + 1))
  part <- pmin(size, now)
  x <- transform_crop(item$x, start[[1]], start[[2]], part[[1]], part[[2]])
  y <- transform_crop(item$y, start[[1]], start[[2]], part[[1]], part[[2]])
  short <- size - part
  if (any(short > 0)) {
    x <- pad_constant(x, c(0, 0, short[[2]], short[[1]]), NaN)
    y <- pad_constant(y, c(0, 0, short[[2]], short[[1]]), void_class)
  }
  list(x = x, y = y)
}

make_spec <- function(ds) {
  source <- ds$source
  plan <- source$plan()
  type <- source$described$type[[1]]
  channels <- length(source$used[[1]])
  sample <- function() sample_values(ds, type_unit(type))
  list(
    classes = table_of_plan(plan), void = void_class, mask = mask_spec(plan), bands = source$used[[1]],
    bands_given = !is.null(source$bands), channels = channels, type = type,
    scaling = new_scaling(source$scale, channels, type, sample, source$probs), nodata = source$nodata,
    size = source$size, resize = source$resize, page = source$page
  )
}

# Up to two million values of the pixels of the dataset's pictures, in units of the files.
sample_values <- function(ds, unit) {
  pairs <- unique(ds$source$pair_of(ds$items))
  each <- max(64, ceiling(2e6 / length(pairs) / length(ds$source$used[[1]])))
  do.call(rbind, with_one_warning(lapply(pairs, function(i) {
    pair <- ds$source$pair(i)
    x <- if (pair$bytes) pair$x$permute(c(3, 1, 2))$to(dtype = torch_float()) else pair$x * unit
    band_values(x, each)
  })))
}

dataset_lines <- function(ds) {
  source <- ds$source
  plan <- source$plan()
  channels <- length(source$used[[1]])
  scale <- source$scale
  photo <- channels == 3 && source$described$type[[1]] == "uint8"
  if (identical(scale, "auto")) scale <- if (photo) "imagenet" else "normalise"
  c(
    sprintf("%d items from %d pairs of images and masks", length(ds), length(unique(source$pair_of(ds$items)))),
    "*" = sprintf("%d band%s of type %s, scaled by %s", channels, if (channels == 1) "" else "s",
      source$described$type[[1]], if (is.list(scale)) "the numbers given" else sprintf("\"%s\"", scale)),
    "*" = sprintf(if (source$resize) "whole pictures resized to %s" else "parts of %s at native resolution",
      paste(source$size, collapse = " x ")),
    "*" = sprintf("classes %s%s", toString(paste0(seq_along(unique(plan$index)), " ", unique(plan$classes$name))),
      if (length(plan$void) > 0) sprintf("; void: %s",
        toString(if (plan$kind == "colour") colour_name(plan$void) else plan$void)) else "")
  )
}

#' @export
print.segmentation_dataset <- function(x, ...) {
  lines <- dataset_lines(x)
  cat("<segmentation_dataset> ", lines[[1]], "\n", paste0("  ", lines[-1], "\n"), sep = "")
  invisible(x)
}

#' Counts of pixels by class
#'
#' Reads (and so checks) all masks of a dataset.
#'
#' @param ds a [segmentation_dataset()], or a part of one.
#' @return A named vector: pixels of each class, in the order of [class_table()], void left out.
#' @inherit segmentation_dataset examples
#' @export
class_counts <- function(ds) colSums(item_counts(ds, "ds"))

#' Look at pairs of images and masks
#'
#' Draws items of a [segmentation_dataset()] as the model sees them, after resizing, cropping and augmentation, with
#' the outlines of their classes.
#'
#' @param x a [segmentation_dataset()], or a part of one.
#' @param i numbers of the items; by default the first six.
#' @param bands three numbers of bands to be drawn red, green and blue, for pictures of many bands (counted among
#'   those that are read); by default the first three, or the first.
#' @param alpha of the tint, 0 to 1; 0 leaves the outlines alone.
#' @param ... passed to [plot_segmentation()], for example `ncol` and `main`.
#' @return `x`, invisibly.
#' @examples
#' root <- drawn_cells(tempfile(), n = 2, size = 32)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' plot(ds, 1:2)
#' @export
plot.segmentation_dataset <- function(x, i = NULL, bands = NULL, alpha = 0.35, ...) {
  i <- i %||% seq_len(min(6, length(x)))
  items <- lapply(i, function(k) drawn_item(x, k, bands))
  classes <- class_table(x)
  plot_segmentation(
    lapply(items, `[[`, "photo"), lapply(items, `[[`, "mask"), class_names = levels(classes$class),
    colours = classes$colour, alpha = alpha, outline = TRUE, ...
  )
  invisible(x)
}

drawn_item <- function(ds, i, bands) {
  item <- ds$changed(ds$raw_item(i)$item)
  channels <- dim(item$x)[[1]]
  bands <- bands %||% (if (channels >= 3) 1:3 else 1)
  photo <- aperm(as_array(item$x$detach()), c(2, 3, 1))[, , bands, drop = FALSE]
  photo[is.nan(photo)] <- min(0, photo, na.rm = TRUE)
  mask <- as_array(item$y)
  mask[mask < 0] <- 0L
  list(photo = photo, mask = mask)
}
