test_that("the same seed draws the same pictures and leaves R's generator alone", {
  a <- withr::local_tempdir()
  b <- withr::local_tempdir()
  set.seed(9)
  before <- .Random.seed
  synthetic_pets(a, n = 3, seed = 5)
  expect_identical(.Random.seed, before)
  stats::runif(2)
  synthetic_pets(b, n = 3, seed = 5)
  files <- function(root) list.files(root, recursive = TRUE)
  expect_identical(files(a), files(b))
  expect_equal(unname(tools::md5sum(file.path(a, files(a)))), unname(tools::md5sum(file.path(b, files(b)))))
  expect_error(synthetic_pets(a, n = 2), "exists already", class = "value_error")
})

test_that("half are for training, trimaps fit and hold the three classes", {
  root <- withr::local_tempdir()
  synthetic_pets(root, n = 6, seed = 2)
  for (split in c("train", "valid")) {
    ds <- oxford_pet_dataset(root, split = split)
    expect_length(ds, 3)
    for (i in 1:3) {
      item <- ds[i]
      expect_equal(dim(item$x)[1:2], dim(item$y))
      expect_setequal(item$y, 1:3)
      share <- mean(item$y == 1)
      expect_true(share > 0.02 && share < 0.75)
    }
  }
  sizes <- lapply(1:3, function(i) dim(ds[i]$y))
  expect_gt(length(unique(sizes)), 1)
  expect_error(synthetic_pets(tempfile(), n = 0), "`n`", class = "value_error")
})
