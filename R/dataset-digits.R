#' Handwritten digits, clothes, letters
#'
#' MNIST (LeCun et al.), Fashion-MNIST (Xiao et al.), KMNIST (Clanuwat et al.), QMNIST (Yadav and Bottou) and EMNIST
#' (Cohen et al.): grey pictures of 28 x 28 pixels. The files are looked for below `root`, in `<name>/raw` or `root`
#' itself, packed (`.gz`) or not.
#'
#' @param root folder for the files.
#' @param train `TRUE`: training set, `FALSE`: test set.
#' @param split `"train"`, `"test"` or, for QMNIST, `"nist"`.
#' @param dataset,kind part of EMNIST: `"byclass"`, `"bymerge"`, `"balanced"`, `"letters"`, `"digits"` or
#'   `"mnist"`.
#' @param transform,target_transform functions applied to the picture (integer array 1 x 28 x 28 of 0 to 255) and to
#'   the class (from 1).
#' @param download get files that are not there, and check the sums of all.
#' @param ... for `emnist_dataset()`: the arguments of `emnist_collection()`.
#' @return A dataset with items `list(x, y)` and the fields `data` (array n x 28 x 28), `targets` and `classes`.
#' @section Errors: a `runtime_error` where the files are missing, damaged, or cannot be had.
#' @source <https://yann.lecun.com/exdb/mnist/> tells the format of the files.
#' @examples
#' try(mnist_dataset(tempfile()))
#' @include dataset.R
#' @export
mnist_dataset <- dataset("mnist",
  folder = "mnist",
  resources = list(
    c("https://torch-cdn.mlverse.org/datasets/mnist/train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    c("https://torch-cdn.mlverse.org/datasets/mnist/train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
    c("https://torch-cdn.mlverse.org/datasets/mnist/t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
    c("https://torch-cdn.mlverse.org/datasets/mnist/t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c")
  ),
  classes = paste(0:9, "-", c("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")),
  initialize = function(root = tempdir(), train = TRUE, transform = NULL, target_transform = NULL, download = FALSE) {
    check_flag(train, "train")
    self$train <- train
    self$open(root, self$resources[if (train) 1:2 else 3:4], transform, target_transform, download)
  },
  open = function(root, resources, transform, target_transform, download) {
    self$root_path <- data_root(root, download)
    self$transform <- transform
    self$target_transform <- target_transform
    folders <- c(file.path(self$root_path, self$folder, "raw"), self$root_path)
    paths <- vapply(resources, function(r) idx_file(r, folders, download, class_name(self)), "")
    self$keep(read_idx(paths[[1]]), read_idx(paths[[2]]))
  },
  # One column of bytes for each picture: an array of all of them has four times the size.
  keep = function(images, labels) {
    labels <- matrix(as_integers(labels), nrow = prod(labels$size[-1]))
    if (length(images$size) != 3 || images$size[[1]] != ncol(labels)) {
      runtime_error("The files do not belong together: there is not one class for each picture.")
    }
    self$pictures <- matrix(images$bytes, ncol = images$size[[1]])
    self$size <- images$size[-1]
    self$targets <- labels[1, ] + 1L
  },
  .getitem = function(index) {
    x <- array(as.integer(self$pictures[, index]), c(rev(self$size), 1))
    x <- aperm(x, c(3, 2, 1))
    y <- self$targets[[index]]
    if (!is.null(self$transform)) x <- self$transform(x)
    if (!is.null(self$target_transform)) y <- self$target_transform(y)
    list(x = x, y = y)
  },
  .length = function() length(self$targets),
  active = list(
    data = function() {
      aperm(array(as.integer(self$pictures), c(rev(self$size), ncol(self$pictures))), c(3, 2, 1))
    },
    raw_folder = function() file.path(self$root_path, self$folder, "raw")
  )
)

# The file of a resource, or the same unpacked.
idx_file <- function(resource, folders, download, what) {
  unpacked <- file.path(folders, sub("[.](gz|xz)$", "", basename(resource[[1]])))
  there <- Filter(file.exists, unpacked)
  if (length(there) > 0) {
    return(there[[1]])
  }
  if (download) {
    return(fetch_file(resource, folders, what))
  }
  there <- Filter(file.exists, file.path(folders, basename(resource[[1]])))
  if (length(there) == 0) data_not_found(file.path(folders[[1]], basename(resource[[1]])))
  there[[1]]
}

idx_types <- c("8" = 1, "9" = 1, "11" = 2, "12" = 4, "13" = 4, "14" = 8)

# Two zero bytes, type, number of dimensions, the sizes, and the elements, the last dimension running fastest.
read_idx <- function(path) {
  file <- gzfile(path, "rb")
  on.exit(close(file))
  head <- readBin(file, "raw", 4)
  width <- if (length(head) == 4) idx_types[as.character(as.integer(head[[3]]))]
  if (length(head) < 4 || is.na(width) || any(head[1:2] != 0) || head[[4]] == 0) {
    runtime_error(sprintf("'%s' is damaged: it does not begin as an IDX file.", path))
  }
  size <- readBin(file, "integer", as.integer(head[[4]]), endian = "big")
  bytes <- if (length(size) == as.integer(head[[4]]) && all(size >= 0)) readBin(file, "raw", prod(size) * width)
  if (is.null(bytes) || length(bytes) != prod(size) * width) {
    runtime_error(sprintf("'%s' is damaged: it ends early.", path))
  }
  list(bytes = bytes, size = size, width = unname(width))
}

as_integers <- function(idx) {
  if (idx$width == 1) as.integer(idx$bytes) else {
    readBin(idx$bytes, "integer", prod(idx$size), size = idx$width, endian = "big")
  }
}

#' @rdname mnist_dataset
#' @export
kmnist_dataset <- dataset("kmnist_dataset",
  inherit = mnist_dataset, folder = "kmnist",
  resources = list(
    c("http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
    c("http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
    c("http://codh.rois.ac.jp/kmnist/dataset/kmnist/t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
    c("http://codh.rois.ac.jp/kmnist/dataset/kmnist/t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134")
  ),
  classes = c("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
)

fashion_url <- function(file) paste0("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", file, "-ubyte.gz")

#' @rdname mnist_dataset
#' @export
fashion_mnist_dataset <- dataset("fashion_mnist_dataset",
  inherit = mnist_dataset, folder = "fashion_mnist",
  resources = list(
    c(fashion_url("train-images-idx3"), "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    c(fashion_url("train-labels-idx1"), "25c81989df183df01b3e8a0aad5dffbe"),
    c(fashion_url("t10k-images-idx3"), "bef4ecab320f06d8554ea6380940ec79"),
    c(fashion_url("t10k-labels-idx1"), "bb300cfdad3c16e7a12a480ee83cd310")
  ),
  classes = c("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
)

qmnist_url <- function(file) paste0("https://raw.githubusercontent.com/facebookresearch/qmnist/master/", file)

#' @rdname mnist_dataset
#' @export
qmnist_dataset <- dataset("qmnist_dataset",
  inherit = mnist_dataset, folder = "qmnist",
  resources = list(
    train = list(
      c(qmnist_url("qmnist-train-images-idx3-ubyte.gz"), "ed72d4157d28c017586c42bc6afe6370"),
      c(qmnist_url("qmnist-train-labels-idx2-int.gz"), "0058f8dd561b90ffdd0f734c6a30e5e4")
    ),
    test = list(
      c(qmnist_url("qmnist-test-images-idx3-ubyte.gz"), "1394631089c404de565df7b7aeaf9412"),
      c(qmnist_url("qmnist-test-labels-idx2-int.gz"), "5b5b05890a5e13444e108efe57b788aa")
    ),
    nist = list(
      c(qmnist_url("xnist-images-idx3-ubyte.xz"), "7f124b3b8ab81486c9d8c2749c17f834"),
      c(qmnist_url("xnist-labels-idx2-int.xz"), "5ed0e788978e45d4a8bd4b7caec3d79d")
    )
  ),
  initialize = function(root = tempdir(), split = "train", transform = NULL, target_transform = NULL,
                        download = FALSE) {
    check_choice(split, "split", names(self$resources))
    self$split <- split
    self$open(root, self$resources[[split]], transform, target_transform, download)
  }
)

emnist_merged <- letters[c(1:2, 4:8, 14, 17:18, 20)]

#' @rdname mnist_dataset
#' @export
emnist_collection <- dataset("emnist_collection",
  inherit = mnist_dataset, folder = "emnist_collection",
  resources = list(c("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e")),
  classes_all_dataset = list(
    byclass = c(0:9, LETTERS, letters), bymerge = c(0:9, LETTERS, emnist_merged),
    balanced = c(0:9, LETTERS, emnist_merged), letters = letters, digits = as.character(0:9), mnist = as.character(0:9)
  ),
  initialize = function(root = tempdir(), split = "test", dataset = "balanced", transform = NULL,
                        target_transform = NULL, download = FALSE) {
    check_choice(split, "split", c("train", "test"))
    check_choice(dataset, "dataset", names(self$classes_all_dataset))
    self$split <- split
    self$dataset <- dataset
    self$classes <- self$classes_all_dataset[[dataset]]
    folder <- data_folder(root, self$folder, self$resources, download)
    files <- sprintf("emnist-%s-%s-%s-ubyte.gz", dataset, split, c("images-idx3", "labels-idx1"))
    self$open(file.path(folder, "gzip"), as.list(files), transform, target_transform, FALSE)
    # Letters alone are counted from 1 in the file.
    if (dataset == "letters") self$targets <- self$targets - 1L
  }
)

#' @rdname mnist_dataset
#' @export
emnist_dataset <- function(kind, ...) emnist_collection(dataset = kind, ...)
