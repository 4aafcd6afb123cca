# Which mask belongs to which image: by names of files, from a table, or by a function. All of it gives a data frame
# of pairs with the columns `image` (path), `mask` (list of what the mask is read from), `name` and `group`.

picture_extensions <- c("png", "jpg", "jpeg", "tif", "tiff", "bmp", "gif", "webp", "jp2")
picture_pattern <- sprintf("\\.(%s)$", paste(picture_extensions, collapse = "|"))

# Files of a folder (with its folders), of globs, or as they are named; sorted without regard to the locale.
files_of <- function(x, name, pattern = picture_pattern) {
  if (!is.character(x) || length(x) == 0 || anyNA(x)) {
    refuse(x, name, "a folder, names of files, or a pattern such as \"photos/*.jpg\"")
  }
  found <- unlist(lapply(path.expand(x), files_of_one, name = name, pattern = pattern))
  if (length(found) == 0) value_error(sprintf("`%s`: there are no pictures in %s.", name, toString(x)))
  if (length(x) == 1) sort(unique(found), method = "radix") else unique(found)
}

files_of_one <- function(path, name, pattern) {
  if (dir.exists(path)) {
    return(list.files(path, pattern, full.names = TRUE, recursive = TRUE, ignore.case = TRUE))
  }
  if (grepl("[*?]|\\[.*\\]", path) && !file.exists(path)) {
    return(grep(pattern, Sys.glob(path), value = TRUE, ignore.case = TRUE))
  }
  if (!file.exists(path)) value_error(sprintf("`%s`: '%s' does not exist.", name, path))
  path
}

# ---- names that go together ----

mask_words <- c(
  "mask", "masks", "label", "labels", "seg", "segm", "segmentation", "annotation", "annotations", "annot", "gt",
  "groundtruth", "ground_truth", "target", "targets", "trimap", "trimaps", "truth"
)
image_words <- c("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "raw", "input", "sat")

# "a/0001_mask" -> "a/0001", "mask_0001" -> "0001"; a name that is nothing but such a word stays.
without_words <- function(stems, words) {
  any_word <- paste(words[order(-nchar(words))], collapse = "|")
  bare <- sub(sprintf("[-_. ](%s)$", any_word), "", basename(stems), ignore.case = TRUE)
  bare <- sub(sprintf("^(%s)[-_. ]", any_word), "", bare, ignore.case = TRUE)
  folders <- dirname(stems)
  ifelse(folders == ".", bare, paste0(folders, "/", bare))
}

# The same for folders: "009/masks" -> "009", "train_labels" and "trainannot" -> "train".
folders_without_words <- function(folders, words) {
  any_word <- paste(words[order(-nchar(words))], collapse = "|")
  ends <- sprintf("[-_. ]?(%s)$|^(%s)[-_. ]?", any_word, any_word)
  vapply(strsplit(folders, "/", fixed = TRUE), function(parts) {
    bare <- sub(ends, "", parts[parts != "."], ignore.case = TRUE)
    paste(bare[nzchar(bare)], collapse = "/")
  }, "")
}

# Words (with a letter in them) that all names begin or end with are left out: "0001_L" -> "0001" where all end in "L".
without_common_words <- function(names) {
  for (end in c(FALSE, TRUE)) {
    pattern <- if (end) "[-_. ][^-_. ]*[[:alpha:]][^-_. ]*$" else "^[^-_. ]*[[:alpha:]][^-_. ]*[-_. ]"
    repeat {
      shorter <- sub(pattern, "", names)
      word <- ifelse(nchar(shorter) < nchar(names) & nzchar(shorter), if (end) {
        substring(names, nchar(shorter) + 1)
      } else {
        substring(names, 1, nchar(names) - nchar(shorter))
      }, NA)
      if (anyNA(word) || length(unique(word)) > 1) break
      names <- shorter
    }
  }
  names
}

# Paths below the folder that all of them share, without their ends.
stems_of <- function(paths) {
  parts <- strsplit(dirname(normalizePath(paths, "/", mustWork = FALSE)), "/", fixed = TRUE)
  shared <- 0
  while (shared < min(lengths(parts)) && length(unique(vapply(parts, `[`, "", shared + 1))) == 1) {
    shared <- shared + 1
  }
  folders <- vapply(parts, function(p) paste(p[-seq_len(shared)], collapse = "/"), "")
  stems <- sub("\\.[^.]*$", "", basename(paths))
  ifelse(nzchar(folders), paste0(folders, "/", stems), stems)
}

picture_keys <- function(paths, words) {
  stems <- stems_of(paths)
  named <- without_words(stems, words)
  folders <- folders_without_words(dirname(stems), words)
  bare <- folders_without_words(dirname(named), words)
  list(
    path = ifelse(nzchar(bare), paste0(bare, "/", basename(named)), basename(named)), file = basename(named),
    core = without_common_words(basename(named)), folder = folders, last_folder = basename(folders)
  )
}

# How keys of images and masks may go together; the first that matches most images is taken. With "folder" an image
# may own several masks.
pairings <- list(
  c("path", "path"), c("file", "file"), c("core", "core"), c("path", "folder"), c("file", "last_folder"),
  c("folder", "folder"), c("last_folder", "last_folder"), c("folder", "path"), c("last_folder", "file")
)

# For each mask the number of its image, or NA. Attribute `known`: which images could be told apart at all.
match_names <- function(images, masks) {
  if (length(images) == 1 && length(masks) == 1) {
    return(1L)
  }
  of_images <- picture_keys(images, c(image_words, mask_words))
  of_masks <- picture_keys(masks, c(image_words, mask_words))
  best <- rep(NA_integer_, length(masks))
  for (pairing in pairings) {
    keys <- of_images[[pairing[[1]]]]
    wanted <- of_masks[[pairing[[2]]]]
    if (anyDuplicated(keys) || !any(nzchar(keys))) next
    found <- match(wanted, keys)
    found[!nzchar(wanted)] <- NA
    owned <- found[!is.na(found)]
    if (anyDuplicated(owned) && !grepl("folder", pairing[[2]])) next
    if (length(unique(owned)) > length(unique(best[!is.na(best)]))) best <- found
  }
  best
}

# ---- pairs ----

pairs_by_name <- function(images, masks) {
  owner <- match_names(images, masks)
  new_pairs(images, lapply(seq_along(images), function(i) masks[which(owner == i)]), left_over = masks[is.na(owner)])
}

new_pairs <- function(image, mask, left_over = character(), group = NULL) {
  names <- stems_of(image)
  pairs <- data.frame(image = image, name = names, stringsAsFactors = FALSE)
  pairs$mask <- mask
  pairs$group <- if (is.null(group)) pairs$name else as.character(group)
  attr(pairs, "left_over") <- left_over
  pairs
}

# Pictures without a mask and masks without a picture, before anything is read. Masks may also be matrices, which a
# function gave, or polygons.
check_pairs <- function(pairs, missing) {
  without <- lengths(pairs$mask) == 0
  left_over <- attr(pairs, "left_over")
  lines <- c(
    if (any(without) && missing == "error") unmatched_line(pairs$image[without], "image", "without a mask"),
    if (length(left_over) > 0) unmatched_line(left_over, "mask", "without an image")
  )
  if (length(lines) > 0 && (missing == "error" || all(without))) {
    raise(c(
      "Images and masks do not all match.", stats::setNames(lines, rep("x", length(lines))),
      i = paste(
        "They go together by name (`a.jpg`, `a.png`, `a_mask.png`), by folder, or as a table or a function says.",
        if (any(without) && missing == "error") "`missing = \"background\"` takes images without a mask as background."
      )
    ), c("candela_error_pairs", "value_error"))
  }
  if (length(lines) > 0) rlang::warn(lines, class = "candela_warning_pairs")
  pairs
}

# ---- pages of TIFF files ----

# Columns `page` and `mask_page`. With page = NULL each page of a file of several is a pair by itself, where its mask
# has as many.
with_pages <- function(pairs, page) {
  pairs$page <- pairs$mask_page <- rep(1, nrow(pairs))
  pages <- vapply(pairs$image, pages_of_file, 0, USE.NAMES = FALSE)
  mask_pages <- vapply(pairs$mask, pages_of_mask, 0)
  with_mask <- lengths(pairs$mask) > 0
  wrong <- with_mask & mask_pages != pages & !(mask_pages == 1 & !is.null(page))
  if (any(wrong)) refuse_pages(pairs[which(wrong)[[1]], ], pages[wrong][[1]], mask_pages[wrong][[1]])
  if (!is.null(page)) {
    if (any(pages < page)) {
      value_error(sprintf("`page` is %d, but '%s' has %.0f.", page, pairs$image[pages < page][[1]],
        pages[pages < page][[1]]))
    }
    pairs$page[] <- page
    pairs$mask_page[mask_pages > 1] <- page
    return(pairs)
  }
  if (all(pages == 1)) pairs else one_row_a_page(pairs, pages)
}

one_row_a_page <- function(pairs, pages) {
  labels <- attr(pairs, "labels")
  number <- sequence(pages)
  at <- rep(seq_len(nrow(pairs)), pages)
  own_groups <- identical(pairs$group, pairs$name)
  pairs <- pairs[at, ]
  rownames(pairs) <- NULL
  pairs$page <- number
  pairs$mask_page <- number
  several <- pages[at] > 1
  pairs$name[several] <- sprintf("%s, page %d", pairs$name[several], number[several])
  if (own_groups) pairs$group <- pairs$name
  structure(pairs, labels = labels)
}

refuse_pages <- function(pair, pages, mask_pages) {
  text <- function(n) sprintf("%.0f page%s", n, if (n == 1) "" else "s")
  value_error(sprintf("'%s' has %s, but its mask %shas %s.%s", pair$image, text(pages), mask_label(pair$mask[[1]]),
    text(mask_pages), if (pages > 1 && mask_pages == 1) " Give `page`, the number of the one to read." else ""))
}

# Of TIFF files, by their names; all others have one.
pages_of_file <- function(path) {
  if (grepl("\\.tiff?$", path, ignore.case = TRUE)) as.numeric(image_info(path)$pages) else 1
}

# Of several files of one image, and of what is no file, each is one page.
pages_of_mask <- function(mask) {
  if (length(mask) == 1 && is.character(mask[[1]])) pages_of_file(mask[[1]]) else 1
}

unmatched_line <- function(paths, noun, what) {
  shown <- utils::head(paths, 10)
  more <- length(paths) - length(shown)
  sprintf(
    "%d %s%s %s: %s%s", length(paths), noun, if (length(paths) == 1) "" else "s", what,
    paste0("'", shown, "'", collapse = ", "), if (more > 0) sprintf(", and %d more", more) else ""
  )
}

# A table with a column of images and one of masks; relative paths count from the folder of the CSV file.
pairs_from_table <- function(table, folder = NULL) {
  column <- function(words, needed) {
    at <- match(TRUE, tolower(names(table)) %in% words)
    if (is.na(at) && needed) {
      value_error(sprintf(
        "the table of images must have a column %s, but has %s.", paste0("`", words[[1]], "`"),
        toString(paste0("`", names(table), "`"))
      ))
    }
    if (is.na(at)) NULL else table[[at]]
  }
  image <- below(column(c("image", "images", "img", "x", "file", "filename", "path"), TRUE), folder)
  mask <- column(c("mask", "masks", "label", "labels", "y", "target", "annotation"), TRUE)
  if (!is.list(mask)) mask <- lapply(below(mask, folder), function(path) path[!is.na(path) & nzchar(path)])
  gone <- c(image[!file.exists(image)], missing_files(mask))
  if (length(gone) > 0) value_error(unmatched_line(gone, "file", "of the table that do not exist"))
  # One image in several rows: all their masks are its own.
  first <- !duplicated(image)
  owned <- lapply(image[first], function(path) unlist(mask[image == path], recursive = FALSE))
  pairs <- new_pairs(image[first], owned,
    group = column(c("group", "subject", "patient", "scene", "site"), FALSE)[first])
  part <- column(c("split", "part", "subset", "fold"), FALSE)
  if (!is.null(part)) pairs$part <- as.character(part)[first]
  pairs
}

below <- function(paths, folder) {
  paths <- path.expand(as.character(paths))
  relative <- !is.na(paths) & nzchar(paths) & !grepl("^(/|[A-Za-z]:|\\\\)", paths)
  if (is.null(folder)) paths else ifelse(relative & !file.exists(paths), file.path(folder, paths), paths)
}

missing_files <- function(masks) {
  paths <- unlist(Filter(is.character, masks))
  paths[!file.exists(paths)]
}

pairs_by_function <- function(images, f) {
  mask <- lapply(images, function(path) {
    found <- f(path)
    if (is.null(found)) found <- character()
    if (is.character(found)) found[!is.na(found) & nzchar(found) & file.exists(found)] else list(found)
  })
  new_pairs(images, mask)
}

# Files of folders called `masks` or the like in those of the images; empty where images name such files themselves.
masks_beside <- function(images) {
  folders <- list.dirs(unique(dirname(images)), recursive = FALSE)
  folders <- folders[tolower(basename(folders)) %in% mask_words]
  files <- list.files(folders, picture_pattern, full.names = TRUE, recursive = TRUE, ignore.case = TRUE)
  if (any(normalizePath(files) %in% normalizePath(images))) character() else sort(files, method = "radix")
}

# One folder that holds both: files whose names say mask, and the others.
split_folder <- function(paths) {
  stems <- stems_of(paths)
  words <- paste(mask_words[order(-nchar(mask_words))], collapse = "|")
  is_mask <- grepl(sprintf("(^|[-_. /])(%s)($|[-_. /])", words), stems, ignore.case = TRUE)
  if (!any(is_mask) || all(is_mask)) {
    value_error(paste(
      "`masks` is missing, and the names of the files do not tell images and masks apart:",
      "give `masks`, a folder, names of files, a table, or a function."
    ))
  }
  list(images = paths[!is_mask], masks = paths[is_mask])
}

find_pairs <- function(images, masks, field = NULL) {
  if (is.character(images) && length(images) == 1 && grepl("\\.(csv|tsv|txt)$", images, ignore.case = TRUE)) {
    return(pairs_from_table(read_table_file(images), dirname(images)))
  }
  if (is.data.frame(images)) {
    return(pairs_from_table(images))
  }
  if (!is.null(masks) && !is.character(masks) && !is.function(masks) && !inherits(masks, "SpatVector")) {
    refuse(masks, "masks", "a folder, a pattern, names of files, a function, a SpatVector or NULL")
  }
  found <- files_of(images, "images")
  if (is.function(masks)) {
    return(pairs_by_function(found, masks))
  }
  drawn <- drawn_pairs(masks, images, found, field)
  if (!is.null(drawn)) {
    return(drawn)
  }
  if (is.null(masks) || identical(masks, images)) {
    beside <- masks_beside(found)
    parted <- if (length(beside) > 0) list(images = found, masks = beside) else split_folder(found)
    return(pairs_by_name(parted$images, parted$masks))
  }
  pairs_by_name(found, files_of(masks, "masks"))
}

read_table_file <- function(path) {
  if (!file.exists(path)) value_error(sprintf("'%s' does not exist.", path))
  first <- readLines(path, 1, warn = FALSE)
  separator <- if (grepl("\t", first)) "\t" else if (grepl(";", first) && !grepl(",", first)) ";" else ","
  utils::read.csv(path, sep = separator, stringsAsFactors = FALSE, check.names = FALSE, strip.white = TRUE)
}
