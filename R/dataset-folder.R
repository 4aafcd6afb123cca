# Data sets of picture files. `paths` and `targets` are set by the class; pictures are read ahead, batch by batch,
# where the loader is the package's own.
PictureFiles <- dataset("picture_files",
  begin = function(transform, target_transform, loader = base_loader) {
    self$transform <- transform
    self$target_transform <- target_transform
    self$loader <- loader
  },
  .prefetch = function(indices) {
    if (identical(self$loader, base_loader)) {
      wanted <- unique(as.integer(indices))
      self$ahead <- read_ahead(wanted, list(rgb = self$paths[wanted]))
    }
  },
  picture = function(i) {
    if (is.na(self$paths[i])) value_error(sprintf("item %s is out of bounds: there are %d.", i, length(self$paths)))
    x <- take_ahead(self$ahead, "rgb", i) %||% self$loader(self$paths[[i]])
    if (is.null(self$transform)) x else self$transform(x)
  },
  target = function(i) {
    y <- self$targets[[i]]
    if (is.null(self$target_transform)) y else self$target_transform(y)
  },
  .getitem = function(index) list(x = self$picture(index), y = self$target(index)),
  .length = function() length(self$paths)
)

picture_endings <- c("jpg", "jpeg", "png", "tif", "tiff")

#' Data sets of pictures in files
#'
#' `image_folder_dataset()`: a folder for each class, with pictures in it or in folders below it.
#' `tiny_imagenet_dataset()`, `bird_species_dataset()`, `dogs_vs_cats_dataset()`,
#' `guess_the_correlation_dataset()`:
#' published sets, which are unpacked below `root`.
#'
#' @param root folder. For the published sets the one that holds, or will hold, `tiny-imagenet-200`, `bird-species`,
#'   `dogs-vs-cats` or `guess-the-correlation`, or the archive of that name.
#' @param transform,target_transform functions applied to the picture (H x W x 3 array of numbers from 0 to 1) and to
#'   the class (from 1, classes in the order of their names).
#' @param loader function that reads a file; `NULL`: [base_loader()], which reads the pictures of a batch in
#'   threads.
#' @param is_valid_file function that tells which paths count; `NULL`: those that end in jpg, jpeg, png, tif or
#'   tiff.
#' @param split `"train"`, `"val"` (tiny imagenet), `"valid"` (birds), `"test"`, or `"submission"` (correlations).
#' @param download get the archive where neither the folder nor the archive is there. These archives have no published
#'   sums.
#' @param indexes numbers of the items to keep; `NULL`: all.
#' @param path of a picture.
#' @param ... for `tiny_imagenet_dataset()` and `bird_species_dataset()`: further arguments of
#'   `image_folder_dataset()`; else not used.
#' @return A dataset with items `list(x, y)`; those of `guess_the_correlation_dataset()` are grey tensors, the
#'   correlation and the name of the picture, `list(x, y, id)`. `image_folder_dataset()` has the fields `classes`,
#'   `class_to_idx`, `samples` (paths and classes), `imgs` (the same) and `targets`. `magick_loader()`: a picture of
#'   the package magick.
#' @section Errors: a `runtime_error` where there are no pictures, or data are missing or cannot be had.
#' @examples
#' root <- tempfile()
#' for (class in c("dark", "light")) {
#'   dir.create(file.path(root, class), recursive = TRUE)
#'   image_write(array(if (class == "dark") 0.1 else 0.9, c(4, 4, 3)), file.path(root, class, "1.png"))
#' }
#' pictures <- image_folder_dataset(root, transform = transform_to_tensor)
#' pictures$classes
#' pictures[2]$y
#' @include dataset.R
#' @export
image_folder_dataset <- dataset("image_folder",
  inherit = PictureFiles,
  initialize = function(root, transform = NULL, target_transform = NULL, loader = NULL, is_valid_file = NULL) {
    self$begin(transform, target_transform, loader %||% base_loader)
    self$root <- data_root(root)
    if (!is.null(is_valid_file)) check_function(is_valid_file, "is_valid_file", "function(paths) TRUE")
    if (!dir.exists(self$root)) runtime_error(sprintf("There is no folder '%s'.", self$root))
    self$classes <- sort(list.dirs(self$root, full.names = FALSE, recursive = FALSE), method = "radix")
    self$class_to_idx <- stats::setNames(seq_along(self$classes), self$classes)
    self$samples <- class_files(self$root, self$classes, is_valid_file %||% ends_as_picture)
    if (length(self$samples[[1]]) == 0) {
      runtime_error(c(sprintf("Found 0 files in subfolders of %s", self$root),
        i = if (is.null(is_valid_file)) paste("Supported extensions are", toString(picture_endings))))
    }
    self$imgs <- self$samples
    self$paths <- self$samples[[1]]
    self$targets <- self$samples[[2]]
  }
)

ends_as_picture <- function(paths) tolower(tools::file_ext(paths)) %in% picture_endings

# list(paths, classes), class by class.
class_files <- function(root, classes, is_valid) {
  files <- lapply(classes, function(class) {
    found <- sort(list.files(file.path(root, class), recursive = TRUE), method = "radix")
    found <- file.path(root, class, found)
    found[as.logical(vapply(found, is_valid, NA))]
  })
  list(as.character(unlist(files)), rep(seq_along(classes), lengths(files)))
}

#' @rdname image_folder_dataset
#' @export
magick_loader <- function(path) {
  needs_magick("pictures of magick")
  if (!is.raw(path)) check_string(path, "path")
  tryCatch(magick::image_read(path), error = function(e) {
    io_error(sprintf("magick cannot read %s: %s", if (is.raw(path)) "these bytes" else sprintf("'%s'", path),
      conditionMessage(e)))
  })
}

#' @rdname image_folder_dataset
#' @export
tiny_imagenet_dataset <- dataset("tiny_imagenet",
  inherit = image_folder_dataset, tar_name = "tiny-imagenet-200",
  url = "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
  initialize = function(root, split = "train", download = FALSE, ...) {
    check_string(split, "split")
    self$root_path <- data_root(root, download)
    folder <- data_folder(root, self$tar_name, list(self$url), download, inside = TRUE, prepare = sort_by_annotation)
    super$initialize(root = file.path(folder, split), ...)
  }
)

# Pictures for validation come in one folder, with a table of their classes.
sort_by_annotation <- function(folder) {
  val <- file.path(folder, "val")
  table <- file.path(val, "val_annotations.txt")
  if (!file.exists(table)) {
    return(invisible())
  }
  images <- utils::read.table(table, stringsAsFactors = FALSE, comment.char = "")
  for (class in unique(images[[2]])) dir.create(file.path(val, class), showWarnings = FALSE)
  file.rename(file.path(val, "images", images[[1]]), file.path(val, images[[2]], images[[1]]))
  unlink(file.path(val, "images"), recursive = TRUE)
}

#' @rdname image_folder_dataset
#' @export
bird_species_dataset <- dataset("bird_species",
  inherit = image_folder_dataset, url = "https://torch-cdn.mlverse.org/datasets/bird-species.zip",
  initialize = function(root, split = "train", download = FALSE, ...) {
    check_choice(split, "split", c("train", "valid", "test"))
    folder <- data_folder(root, "bird-species", list(self$url), download)
    super$initialize(root = file.path(folder, split), ...)
  }
)

# Archives within the archive.
unpack_inner <- function(folder) {
  for (archive in list.files(folder, "[.]zip$", full.names = TRUE)) {
    unpack(archive, folder)
    unlink(archive)
  }
}

#' @rdname image_folder_dataset
#' @export
dogs_vs_cats_dataset <- dataset("dogs_vs_cats",
  inherit = PictureFiles, classes = c("dog", "cat"),
  url = "https://torch-cdn.mlverse.org/datasets/dogs-vs-cats.zip",
  initialize = function(root, split = "train", download = FALSE, ..., transform = NULL, target_transform = NULL) {
    check_choice(split, "split", c("train", "test"))
    self$begin(transform, target_transform)
    folder <- data_folder(root, "dogs-vs-cats", list(self$url), download, prepare = unpack_inner)
    files <- sort(list.files(file.path(folder, c(train = "train", test = "test1")[[split]]), full.names = TRUE),
      method = "radix")
    if (length(files) == 0) runtime_error(sprintf("There are no pictures in '%s'.", folder))
    self$images <- files
    self$paths <- files
    self$targets <- match(sub("[.].*", "", basename(files)), self$classes)
  },
  .getitem = function(i) list(self$picture(i), self$target(i))
)

#' @rdname image_folder_dataset
#' @export
guess_the_correlation_dataset <- dataset("GuessTheCorrelation",
  inherit = PictureFiles, url = "https://torch-cdn.mlverse.org/datasets/guess-the-correlation.zip",
  initialize = function(root, split = "train", transform = NULL, target_transform = NULL, indexes = NULL,
                        download = FALSE) {
    check_choice(split, "split", c("train", "submission"))
    folder <- data_folder(root, "guess-the-correlation", list(self$url), download, prepare = unpack_inner)
    train <- split == "train"
    images <- utils::read.csv(data_file(folder, if (train) "train.csv" else "example_submition.csv"),
      colClasses = c("character", "numeric"))
    if (!train) images$corr <- NA_real_
    self$images <- if (is.null(indexes)) images else images[indexes, ]
    self$begin(function(x) {
      x <- transform_rgb_to_grayscale(transform_to_tensor(x))
      if (is.null(transform)) x else transform(x)
    }, target_transform)
    self$paths <- file.path(folder, if (train) "train_imgs" else "test_imgs", paste0(self$images$id, ".png"))
    self$targets <- lapply(self$images$corr, function(y) torch_tensor(y)$squeeze())
  },
  .getitem = function(index) list(x = self$picture(index), y = self$target(index), id = self$images$id[[index]])
)
