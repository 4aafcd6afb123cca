test_that("calls of a bank: categories become columns", {
  root <- withr::local_tempdir()
  folder <- file.path(root, "bank-marketing", "bank-additional", "bank-additional")
  dir.create(folder, recursive = TRUE)
  writeLines(c(
    paste0("age;job;marital;education;default;housing;loan;contact;month;day_of_week;",
      "poutcome;duration;rate;y"),
    '56;"cook";"single";"basic.4y";"no";"no";"no";"phone";"may";"mon";"none";261;1.1;"no"',
    '30;"nurse";"married";"high.school";"no";"yes";"no";"phone";"jun";"mon";"none";149;-0.5;"yes"'
  ), file.path(folder, "bank-additional-full.csv"))
  data <- bank_marketing_dataset(root)
  expect_length(data, 2)
  x <- data$features
  expect_equal(x[, "job_nurse"], c(0, 1))
  expect_equal(unname(x[, c("age", "education", "rate")]), rbind(c(56, 3, 1.1), c(30, 6, -0.5)))
  expect_false("duration" %in% colnames(x))
  item <- data[2]
  expect_equal(item$x$shape, ncol(x))
  expect_equal(item$y$item(), 1)
  expect_true("duration" %in% colnames(bank_marketing_dataset(root, with_call_duration = TRUE)$features))
  expect_length(bank_marketing_dataset(root, indexes = 2), 1)
  expect_error(bank_marketing_dataset(root, "test"), "`split` must be")
})

test_that("mails", {
  path <- withr::local_tempfile(lines = c("0.5 1 0", "0.25 2 1"))
  item <- spam_dataset(path)[2]
  expect_equal(as_array(item$x), c(0.25, 2))
  expect_true(item$y$dtype == torch_long() && as_array(item$y) == 1)
  item <- spam_dataset(paste0("file://", path), download = TRUE, transform = function(x) x * 2)[1]
  expect_equal(as_array(item$x), c(1, 2))
  expect_error(spam_dataset(tempfile()), "cannot be read", class = "runtime_error")
})

test_that("reviews become numbers of words", {
  root <- withr::local_tempdir()
  write <- function(name, text) {
    path <- file.path(root, "imdb", "aclImdb", name)
    dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
    writeLines(text, path)
  }
  write("train/pos/1.txt", "A good film, a good film!")
  write("train/neg/1.txt", "It's a bad film.")
  write("test/pos/1.txt", "good unknown film")
  write("test/neg/1.txt", "bad")
  data <- imdb_dataset(root, shuffle = FALSE)
  expect_equal(data$response, c(1, 0))
  expect_equal(data$vocabulary[1:2], c("a", "film"))
  good <- match("good", data$vocabulary) + 3L
  expect_equal(data[1]$x, c(2L, 4L, good, 5L, 4L, good, 5L))
  test <- imdb_dataset(root, split = "test", maxlen = 5)
  expect_equal(test[1]$x, c(1L, 2L, match("good", data$vocabulary) + 3L, 3L, 5L))
  expect_equal(imdb_dataset(root, split = "test", num_words = 1, maxlen = 2)[2]$x, c(2L, 3L))
  expect_error(imdb_dataset(tempfile()), "download = TRUE", class = "runtime_error")
})

test_that("streets beside their labels", {
  root <- withr::local_tempdir()
  folder <- file.path(root, "cityscapes-image-pairs", "cityscapes", "train")
  dir.create(folder, recursive = TRUE)
  both <- array(rep(c(0.2, 0.8), each = 8 * 8), c(8, 16, 3))
  image_write(both, file.path(folder, "1.jpg"))
  item <- cityscapes_pix2pix_dataset(root)[1]
  expect_equal(dim(item$input_img), c(8L, 8L, 3L))
  expect_equal(mean(item$input_img), 0.8, tolerance = 0.02)
  expect_equal(mean(item$real_img), 0.2, tolerance = 0.02)
})
