test_that("weights follow their formulas, with mean 1", {
  counts <- c(a = 900, b = 90, c = 10)
  expect_equal(class_weights(counts, "inverse"), (1 / counts) / mean(1 / counts))
  expect_equal(class_weights(counts, "sqrt"), (1 / sqrt(counts)) / mean(1 / sqrt(counts)))
  effective <- (1 - 0.99) / (1 - 0.99^counts)
  expect_equal(class_weights(counts, "effective", beta = 0.99), effective / mean(effective))
  expect_equal(class_weights(c(counts, d = 0), "inverse"), c(class_weights(counts, "inverse"), d = 0))
  expect_error(class_weights(c(a = 0, b = 0)), "counts of pixels by class", class = "value_error")
})

test_that("the median frequency counts items that hold a class", {
  by_item <- rbind(c(a = 50, b = 50), c(100, 0))
  share <- c(a = 150 / 200, b = 50 / 100)
  expect_equal(candela:::share_where_present(by_item), share)
})

test_that("items with rare classes are drawn more often", {
  root <- tempfile()
  for (folder in c("x", "y")) dir.create(file.path(root, folder), recursive = TRUE)
  for (k in 1:4) {
    image_write(matrix(0.5, 8, 8), file.path(root, "x", sprintf("%d.png", k)))
    y <- matrix(0L, 8, 8)
    if (k == 3) y[1, 1:4] <- 1L
    image_write(y, file.path(root, "y", sprintf("%d.png", k)))
  }
  ds <- suppressMessages(segmentation_dataset(file.path(root, "x"), file.path(root, "y"), c(no = 0, yes = 1)))
  expect_identical(class_counts(ds), c(no = 252, yes = 4))
  torch_manual_seed(1)
  sampler <- class_sampler(ds, power = 1, n = 400)
  drawn <- table(factor(unlist(collect_all(sampler$.iter())), 1:4))
  # Expected: the mean of 1 / f over pixels, 1.016 without the class and 4.95 with it.
  weights <- c(256 / 252, 256 / 252, (60 * 256 / 252 + 4 * 64) / 64, 256 / 252)
  expect_gt(chisq.test(drawn, p = weights / sum(weights))$p.value, 0.001)
  expect_length(dataloader(ds, batch_size = 3, sampler = class_sampler(ds)), 2)
})

test_that("an argument is named as its function names it", {
  expect_error(class_counts(1), "`ds` must be a segmentation_dataset", class = "value_error")
  expect_error(class_sampler(list(1)), "`data_source` must be a segmentation_dataset", class = "value_error")
  expect_error(class_weights("a"), "`x` must be a segmentation_dataset", class = "value_error")
  expect_error(class_weights(c(1, 2), "log"), "`method` must be one of \"sqrt\"", class = "value_error")
})
