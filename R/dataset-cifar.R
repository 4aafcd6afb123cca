#' Small photos of ten or a hundred kinds of things
#'
#' CIFAR-10 and CIFAR-100: photos of 32 x 32 pixels. Expects, below `root`, the folder `cifar-10-batches-bin` or
#' `cifar-100-binary`.
#'
#' @param root folder for the files.
#' @param train `TRUE`: training set, `FALSE`: test set.
#' @param transform,target_transform functions applied to the photo (integer array 32 x 32 x 3 of 0 to 255) and to the
#'   class (from 1).
#' @param download get the archive where neither the folder nor the archive is there; its sum is checked.
#' @return A dataset with items `list(x, y)` and the fields `x` (array n x 32 x 32 x 3), `y`, `classes` and
#'   `class_to_idx`.
#' @section Errors: a `runtime_error` where the files are missing, damaged, or cannot be had.
#' @source Krizhevsky (2009) Learning Multiple Layers of Features from Tiny Images,
#'   <https://www.cs.toronto.edu/~kriz/cifar.html>.
#' @examples
#' try(cifar10_dataset(tempfile()))
#' @include dataset.R
#' @export
cifar10_dataset <- dataset("cifar10_dataset",
  url = "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz", md5 = "c32a1d4ab5d03f1284b67883e8d87530",
  fname = "cifar-10-batches-bin", label_fname = "batches.meta.txt", label_bytes = 1,
  files = list(train = sprintf("data_batch_%d.bin", 1:5), test = "test_batch.bin"),
  initialize = function(root = tempdir(), train = TRUE, transform = NULL, target_transform = NULL, download = FALSE) {
    check_flag(train, "train")
    self$root <- data_root(root, download)
    self$train <- train
    self$transform <- transform
    self$target_transform <- target_transform
    folder <- data_folder(root, self$fname, list(c(self$url, self$md5)), download, inside = TRUE)
    self$classes <- Filter(nzchar, readLines(data_file(folder, self$label_fname), warn = FALSE))
    self$class_to_idx <- stats::setNames(seq_along(self$classes), self$classes)
    files <- self$files[[if (train) "train" else "test"]]
    records <- lapply(files, function(file) read_records(data_file(folder, file), self$label_bytes + 3072))
    self$records <- do.call(cbind, records)
    self$y <- as.integer(self$records[self$label_bytes, ]) + 1L
  },
  .getitem = function(i) {
    x <- record_photo(self$records[, i], self$label_bytes)
    y <- self$y[[i]]
    if (!is.null(self$transform)) x <- self$transform(x)
    if (!is.null(self$target_transform)) y <- self$target_transform(y)
    list(x = x, y = y)
  },
  .length = function() length(self$y),
  active = list(
    x = function() {
      aperm(array(as.integer(self$records[-seq_len(self$label_bytes), ]), c(32, 32, 3, length(self$y))), c(4, 2, 1, 3))
    }
  )
)

data_file <- function(folder, name) {
  path <- file.path(folder, name)
  if (!file.exists(path)) {
    runtime_error(sprintf("'%s' is missing: the data are incomplete. Remove the folder and download again.", path))
  }
  path
}

# One column for each record of that many bytes.
read_records <- function(path, width) {
  bytes <- readBin(path, "raw", file.size(path))
  if (length(bytes) == 0 || length(bytes) %% width != 0) {
    runtime_error(sprintf("'%s' is damaged: it does not hold whole records of %d bytes.", path, as.integer(width)))
  }
  matrix(bytes, width)
}

# Red, green and blue planes, row by row.
record_photo <- function(record, label_bytes) {
  aperm(array(as.integer(record[-seq_len(label_bytes)]), c(32, 32, 3)), c(2, 1, 3))
}

#' @rdname cifar10_dataset
#' @export
cifar100_dataset <- dataset("cifar100_dataset",
  inherit = cifar10_dataset,
  url = "https://cave.cs.toronto.edu/kriz/cifar-100-binary.tar.gz", md5 = "03b5dce01913d631647c71ecec9e9cb8",
  fname = "cifar-100-binary", label_fname = "fine_label_names.txt", label_bytes = 2,
  files = list(train = "train.bin", test = "test.bin")
)
