backwards <- sampler(
  "backwards",
  initialize = function(data_source) self$n <- length(data_source),
  .iter = function() as_iterator(rev(seq_len(self$n))),
  .length = function() self$n
)

test_that("custom samplers decide the order", {
  ds <- tensor_dataset(x = torch_arange(1, 5))
  loader <- dataloader(ds, batch_size = 2, sampler = backwards(ds))
  expect_length(loader, 3)
  values <- c()
  loop(for (b in loader) values <- c(values, as_array(b$x)))
  expect_equal(values, 5:1)
})

test_that("custom batch samplers decide the batches", {
  ds <- tensor_dataset(x = torch_arange(1, 5))
  pairs <- sampler(
    "pairs",
    .iter = function() as_iterator(list(c(1, 5), c(2, 4), 3)),
    .length = function() 3L
  )
  loader <- dataloader(ds, batch_sampler = pairs(ds))
  expect_length(loader, 3)
  batches <- list()
  loop(for (b in loader) batches <- c(batches, list(as_array(b$x))))
  expect_equal(lapply(batches, as.numeric), list(c(1, 5), c(2, 4), 3))
})

test_that("samplers inherit", {
  forwards <- sampler("forwards", inherit = backwards, .iter = function() as_iterator(seq_len(self$n)))
  s <- forwards(tensor_dataset(torch_arange(1, 4)))
  expect_s3_class(s, c("forwards", "backwards", "utils_sampler"))
  expect_length(s, 4)
  expect_equal(collect_all(s$.iter()), as.list(1:4))
})

test_that("the random sampler depends on torch_manual_seed() alone", {
  ds <- tensor_dataset(x = torch_arange(1, 50))
  order_of <- function(seed) {
    torch_manual_seed(seed)
    unlist(collect_all(RandomSampler(ds)$.iter()))
  }
  expect_identical(order_of(1), order_of(1))
  expect_false(identical(order_of(1), order_of(2)))
  expect_setequal(order_of(3), 1:50)
})

test_that("a permutation is drawn for each epoch", {
  loader <- dataloader(tensor_dataset(x = torch_arange(1, 50)), batch_size = 50, shuffle = TRUE)
  first <- as_array(dataloader_next(dataloader_make_iter(loader))$x)
  second <- as_array(dataloader_next(dataloader_make_iter(loader))$x)
  expect_false(identical(first, second))
})

test_that("number of batches", {
  expect_identical(n_batches(10, 3, FALSE), 4L)
  expect_identical(n_batches(10, 3, TRUE), 3L)
  expect_identical(n_batches(9, 3, FALSE), 3L)
})
