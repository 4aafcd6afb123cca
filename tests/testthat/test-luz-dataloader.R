test_that("as_dataloader() of all kinds of data", {
  sizes <- function(x, ...) {
    loader <- as_dataloader(x, ...)
    batch <- dataloader_next(dataloader_make_iter(loader))
    list(length(loader), lapply(batch, dim))
  }
  expect_equal(sizes(linear_data(40)), list(2L, list(c(32, 10), c(32, 1))))
  expect_equal(sizes(list(torch_randn(40, 3), array(0, c(40, 2, 2))), batch_size = 10),
    list(4L, list(c(10, 3), c(10, 2, 2))))
  expect_equal(sizes(matrix(0, 40, 3)), list(2L, list(c(32, 3))))
  expect_equal(sizes(torch_randn(40, 3)), list(2L, list(c(32, 3))))
  expect_equal(sizes(c(1, 2, 3)), list(1L, list(3)))
  loader <- linear_loader(20)
  expect_identical(as_dataloader(loader), loader)
})

test_that("other objects are refused", {
  expect_error(as_dataloader("a"), "Unsupported object with class 'character'.", class = "value_error")
  expect_error(as_dataloader(dataset("mine")), "Call the generator first, to make a dataset", class = "value_error")
  expect_error(as_dataloader(NULL), class = "value_error")
  expect_error(as_dataloader(list("a")), class = "value_error")
})

test_that("training data are shuffled and full batches, validation data neither", {
  loaders <- fit_dataloaders(torch_randn(40, 3), torch_randn(40, 3), NULL)
  expect_length(loaders$train, 1)
  expect_s3_class(loaders$train$sampler, "random_sampler")
  expect_length(loaders$valid, 2)
  expect_s3_class(loaders$valid$sampler, "sequential_sampler")
  expect_warning(fit_dataloaders(torch_randn(40, 3), linear_loader(20), list(batch_size = 4)), "will be ignored")
})
