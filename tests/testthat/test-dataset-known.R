# Published data sets, from small files of their formats.

big_endian <- function(...) writeBin(as.integer(c(...)), raw(), endian = "big")

# An IDX file of bytes.
write_idx <- function(path, x) {
  size <- dim(x) %||% length(x)
  con <- gzfile(path, "wb")
  writeBin(c(as.raw(c(0, 0, 8, length(size))), big_endian(size)), con)
  writeBin(as.raw(if (length(size) > 1) aperm(x, rev(seq_along(size))) else x), con)
  close(con)
}

pictures <- array(sample(0:255, 5 * 28 * 28, TRUE), c(5, 28, 28))
labels <- c(3L, 0L, 9L, 1L, 1L)

digits_in <- function(folder, start = "train") {
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  write_idx(file.path(folder, paste0(start, "-images-idx3-ubyte.gz")), pictures)
  write_idx(file.path(folder, paste0(start, "-labels-idx1-ubyte.gz")), labels)
}

test_that("digits are read from packed files", {
  root <- withr::local_tempdir()
  for (kind in list(list(mnist_dataset, "mnist"), list(kmnist_dataset, "kmnist"),
    list(fashion_mnist_dataset, "fashion_mnist"))) {
    digits_in(file.path(root, kind[[2]], "raw"))
    data <- kind[[1]](root)
    expect_length(data, 5)
    expect_identical(data[3]$x, array(pictures[3, , ], c(1, 28, 28)))
    expect_identical(data[3]$y, 10L)
    expect_identical(data$data, pictures)
    expect_identical(data$targets, labels + 1L)
    expect_length(data$classes, 10)
  }
  digits_in(root, "t10k")
  data <- mnist_dataset(root, train = FALSE, transform = transform_to_tensor, target_transform = function(y) y * 10L)
  expect_equal(as_array(data[2]$x)[1, , ], pictures[2, , ] / 255, tolerance = 1e-6)
  expect_identical(data[2]$y, 10L)
  batch <- dataloader_next(dataloader_make_iter(dataloader(data, batch_size = 3)))
  expect_identical(dim(batch$x), c(3L, 1L, 28L, 28L))
})

test_that("QMNIST has eight numbers for each picture, EMNIST comes in a zip", {
  root <- withr::local_tempdir()
  raw <- file.path(root, "qmnist", "raw")
  dir.create(raw, recursive = TRUE)
  write_idx(file.path(raw, "qmnist-train-images-idx3-ubyte.gz"), pictures)
  numbers <- rbind(labels, matrix(7L, 7, 5))
  con <- gzfile(file.path(raw, "qmnist-train-labels-idx2-int.gz"), "wb")
  writeBin(c(as.raw(c(0, 0, 12, 2)), big_endian(5, 8), big_endian(numbers)), con)
  close(con)
  expect_identical(qmnist_dataset(root)$targets, labels + 1L)

  gzip <- file.path(root, "emnist_collection", "gzip")
  dir.create(gzip, recursive = TRUE)
  write_idx(file.path(gzip, "emnist-letters-test-images-idx3-ubyte.gz"), pictures)
  write_idx(file.path(gzip, "emnist-letters-test-labels-idx1-ubyte.gz"), c(1, 26, 2, 3, 4))
  letters_set <- emnist_dataset("letters", root = root)
  expect_identical(letters_set$classes[letters_set$targets], c("a", "z", "b", "c", "d"))
  expect_length(letters_set$classes_all_dataset$balanced, 47)
})

test_that("files are downloaded with their sums, and used where they are", {
  source <- withr::local_tempdir()
  digits_in(source)
  files <- file.path(source, c("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"))
  url <- paste0("file://", files)
  sums <- unname(tools::md5sum(files))
  made <- function(sums, url) dataset("made", inherit = mnist_dataset, resources = Map(c, url, sums))
  root <- withr::local_tempdir()
  expect_error(made(sums, url)(root), "download = TRUE", class = "runtime_error")
  expect_length(made(sums, url)(root, download = TRUE), 5)
  expect_length(made(sums, paste0("file:///nowhere/", basename(files)))(root, download = TRUE), 5)
  expect_error(made(c("none", "none"), url)(root, download = TRUE), "Corrupt file", class = "runtime_error")
  elsewhere <- withr::local_tempdir()
  expect_error(made(c("none", "none"), url)(elsewhere, download = TRUE), "Corrupt file", class = "runtime_error")
  gone <- made(sums, paste0("file:///nowhere/", basename(files)))
  expect_error(gone(withr::local_tempdir(), download = TRUE), "on another computer", class = "runtime_error")
})

test_that("damaged digits are told", {
  root <- withr::local_tempdir()
  digits_in(root)
  writeBin(as.raw(1:20), file.path(root, "train-labels-idx1-ubyte"))
  expect_error(mnist_dataset(root), "does not begin as an IDX file", class = "runtime_error")
  writeBin(c(as.raw(c(0, 0, 8, 1)), big_endian(5), as.raw(1:3)), file.path(root, "train-labels-idx1-ubyte"))
  expect_error(mnist_dataset(root), "ends early", class = "runtime_error")
  writeBin(c(as.raw(c(0, 0, 8, 1)), big_endian(3), as.raw(1:3)), file.path(root, "train-labels-idx1-ubyte"))
  expect_error(mnist_dataset(root), "do not belong together", class = "runtime_error")
})

cifar_files <- function(folder, names, label_bytes, class_file, classes) {
  dir.create(folder, recursive = TRUE)
  writeLines(classes, file.path(folder, class_file))
  photos <- array(sample(0:255, 2 * 32 * 32 * 3, TRUE), c(2, 32, 32, 3))
  records <- lapply(1:2, function(i) c(rep(0, label_bytes - 1), i, aperm(photos[i, , , ], c(2, 1, 3))))
  for (name in names) writeBin(as.raw(unlist(records)), file.path(folder, name))
  photos
}

test_that("CIFAR is read from its folder or archive", {
  root <- withr::local_tempdir()
  photos <- cifar_files(file.path(root, "cifar-10-batches-bin"), sprintf("data_batch_%d.bin", 1:5), 1,
    "batches.meta.txt", c("plane", "car", "bird", ""))
  data <- cifar10_dataset(root)
  expect_length(data, 10)
  expect_identical(data[2], list(x = photos[2, , , ], y = 3L))
  expect_identical(data$classes, c("plane", "car", "bird"))
  expect_identical(data$x[9:10, , , ], photos)
  expect_error(cifar10_dataset(root, train = FALSE), "test_batch.bin' is missing", class = "runtime_error")

  photos <- cifar_files(file.path(root, "cifar-100-binary"), c("train.bin", "test.bin"), 2, "fine_label_names.txt",
    letters)
  archive <- file.path(root, "cifar-100-binary.tar.gz")
  withr::with_dir(root, utils::tar(archive, "cifar-100-binary", "gzip", tar = "internal"))
  unlink(file.path(root, "cifar-100-binary"), recursive = TRUE)
  made <- dataset("made", inherit = cifar100_dataset, md5 = unname(tools::md5sum(archive)), 
    url = paste0("file:///nowhere/", basename(archive)))
  expect_error(made(root), "download = TRUE", class = "runtime_error")
  data <- made(root, train = FALSE, download = TRUE)
  expect_identical(data[1], list(x = photos[1, , , ], y = 2L))
  expect_identical(cifar100_dataset(root)[2]$y, 3L)
})

picture_at <- function(path, value) {
  dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
  image_write(array(value, c(6, 5, 3)), path)
}

test_that("a folder of folders of pictures", {
  root <- withr::local_tempdir()
  picture_at(file.path(root, "b", "1.png"), 0.2)
  picture_at(file.path(root, "a", "deep", "2.PNG"), 0.4)
  picture_at(file.path(root, "a", "3.png"), 0.6)
  writeLines("no picture", file.path(root, "a", "notes.txt"))
  data <- image_folder_dataset(root, transform = transform_to_tensor)
  expect_identical(data$class_to_idx, c(a = 1L, b = 2L))
  expect_identical(data$targets, c(1L, 1L, 2L))
  expect_identical(basename(data$samples[[1]]), c("3.png", "2.PNG", "1.png"))
  batch <- dataloader_next(dataloader_make_iter(dataloader(data, batch_size = 3)))
  expect_equal(as_array(batch$x)[, 1, 1, 1], c(0.6, 0.4, 0.2), tolerance = 1e-6)
  expect_equal(as.vector(as_array(batch$y)), c(1, 1, 2))
  only <- image_folder_dataset(root, is_valid_file = function(path) grepl("1[.]png$", path), loader = basename)
  expect_identical(only[1], list(x = "1.png", y = 2L))
  expect_error(image_folder_dataset(file.path(root, "b")), "Found 0 files", class = "runtime_error")
  expect_error(image_folder_dataset(file.path(root, "none")), "There is no folder", class = "runtime_error")
  skip_if_not_installed("magick")
  expect_s3_class(image_folder_dataset(root, loader = magick_loader)[1]$x, "magick-image")
})

zip_of <- function(archive, files) {
  utils::zip(archive, files, flags = "-q -r", extras = NULL)
  archive
}

test_that("tiny imagenet, birds, dogs and cats from their archives", {
  skip_if(Sys.which("zip") == "")
  work <- withr::local_tempdir()
  root <- withr::local_tempdir()
  withr::local_dir(work)
  picture_at("tiny-imagenet-200/train/n1/images/n1_0.png", 0.1)
  picture_at("tiny-imagenet-200/val/images/val_0.png", 0.2)
  picture_at("tiny-imagenet-200/val/images/val_1.png", 0.3)
  writeLines(c("val_0.png\tn2\t0\t0\t1\t1", "val_1.png\tn1\t0\t0\t1\t1"), "tiny-imagenet-200/val/val_annotations.txt")
  zip_of(file.path(root, "tiny-imagenet-200.zip"), "tiny-imagenet-200")
  expect_error(tiny_imagenet_dataset(root), "download = TRUE", class = "runtime_error")
  val <- tiny_imagenet_dataset(root, split = "val", download = TRUE)
  expect_identical(val$classes, c("n1", "n2"))
  expect_equal(val[1]$x[1, 1, 1], 0.3, tolerance = 0.01)
  expect_length(tiny_imagenet_dataset(root), 1)

  picture_at("train/cat.0.png", 0.1)
  picture_at("train/dog.1.png", 0.9)
  picture_at("test1/1.png", 0.5)
  for (part in c("train", "test1")) {
    zip_of(paste0(part, ".zip"), part)
    unlink(part, recursive = TRUE)
  }
  zip_of(file.path(root, "dogs-vs-cats.zip"), c("train.zip", "test1.zip"))
  pets <- dogs_vs_cats_dataset(root, download = TRUE, transform = transform_to_tensor)
  expect_identical(pets$targets, c(2L, 1L))
  expect_identical(pets[2][[2]], 1L)
  expect_identical(dogs_vs_cats_dataset(root, "test")$targets, NA_integer_)
  expect_length(dataloader_next(dataloader_make_iter(dataloader(pets, batch_size = 2))), 2)

  picture_at("test/crow/1.png", 0.4)
  zip_of(file.path(root, "bird-species.zip"), "test")
  expect_identical(bird_species_dataset(root, "test", download = TRUE)$classes, "crow")

  picture_at("train_imgs/a.png", 0.4)
  writeLines(c("id,corr", "a,0.25"), "train.csv")
  zip_of("train_imgs.zip", "train_imgs")
  zip_of(file.path(root, "guess-the-correlation.zip"), c("train_imgs.zip", "train.csv"))
  item <- guess_the_correlation_dataset(root, download = TRUE)[1]
  expect_equal(item$x$shape, c(1, 6, 5))
  expect_equal(item$y$item(), 0.25)
  expect_identical(item$id, "a")
})

# A MATLAB file with row vectors of doubles.
write_mat <- function(path, values, packed) {
  int <- function(...) writeBin(as.integer(c(...)), raw(), endian = "little")
  element <- function(type, data) c(int(type, length(data)), data, raw(-length(data) %% 8))
  arrays <- lapply(names(values), function(name) {
    body <- c(
      element(6, int(6, 0)), element(5, int(1, length(values[[name]]))), element(1, charToRaw(name)),
      if (packed) element(4, writeBin(as.integer(values[[name]]), raw(), size = 2, endian = "little")) else
        element(9, writeBin(as.double(values[[name]]), raw(), endian = "little"))
    )
    whole <- c(int(14, length(body)), body)
    if (packed) {
      small <- memCompress(whole, "gzip")
      c(int(15, length(small)), small)
    } else {
      whole
    }
  })
  head <- c(charToRaw(formatC("MATLAB 5.0 MAT-file", width = -124)), as.raw(c(0, 1)), charToRaw("IM"))
  writeBin(c(head, unlist(arrays)), path)
}

test_that("flowers, with the classes of MATLAB files", {
  root <- withr::local_tempdir()
  folder <- file.path(root, "oxford-flowers102")
  for (i in 1:4) picture_at(file.path(folder, "jpg", sprintf("image_%05d.jpg", i)), i / 5)
  write_mat(file.path(folder, "imagelabels.mat"), list(labels = c(5, 102, 7, 1)), packed = TRUE)
  write_mat(file.path(folder, "setid.mat"), list(trnid = c(4, 2), valid = 1, tstid = 3), packed = FALSE)
  train <- flowers102_dataset(root)
  expect_identical(train$targets, c(1L, 102L))
  expect_equal(train[2]$x[1, 1, 1], 0.4, tolerance = 0.02)
  expect_identical(train$classes[train[2]$y], "blackberry lily")
  both <- oxford_flowers102_dataset(root, split = c("train", "valid"))
  expect_identical(both$targets, c(1L, 102L, 5L))
  writeBin(raw(300), file.path(folder, "setid.mat"))
  expect_error(flowers102_dataset(root), "cannot be read as a MATLAB file", class = "runtime_error")
})
