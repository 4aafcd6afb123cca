first_batch <- function(loader) dataloader_next(dataloader_make_iter(loader))

items <- function(get, n = 4L) {
  dataset(.getitem = get, .length = function() n)()
}

test_that("what is no flag, number or function is named", {
  ds <- tensor_dataset(torch_randn(4, 2))
  expect_error(dataloader(ds, shuffle = "yes"), "`shuffle` must be TRUE or FALSE", class = "value_error")
  expect_error(dataloader(ds, drop_last = NULL), "`drop_last` must be", class = "value_error")
  expect_error(dataloader(ds, num_workers = NA), "`num_workers` must be", class = "value_error")
  expect_error(dataloader(ds, num_workers = -1), "`num_workers` must be", class = "value_error")
  expect_error(dataloader(ds, collate_fn = "mean"), "`collate_fn` must be a function", class = "value_error")
  expect_error(dataloader(ds, worker_init_fn = 1), "`worker_init_fn` must be a function", class = "value_error")
  expect_error(dataloader(ds, timeout = "long"), "`timeout` must be", class = "value_error")
})

test_that("length with and without the last batch", {
  ds <- tensor_dataset(torch_arange(1, 10))
  expect_length(dataloader(ds, batch_size = 4), 3)
  expect_length(dataloader(ds, batch_size = 4, drop_last = TRUE), 2)
  expect_length(dataloader(ds), 10)
  expect_true(is_dataloader(dataloader(ds)))
  expect_false(is_dataloader(ds))
})

test_that("tensors, arrays and vectors are stacked", {
  b <- first_batch(dataloader(items(function(i) list(torch_ones(2, 3), matrix(0, 2, 2), c(1, 2, 3))), batch_size = 3))
  expect_equal(lapply(b, dim), list(c(3, 2, 3), c(3, 2, 2), c(3, 3)))
})

test_that("single values become tensors of one dimension", {
  get <- function(i) list(int = i, dbl = i / 2, lgl = i > 1, chr = letters[i])
  b <- first_batch(dataloader(items(get), batch_size = 3))
  expect_named(b, c("int", "dbl", "lgl", "chr"))
  expect_true(b$int$dtype == torch_long())
  expect_true(b$dbl$dtype == torch_float())
  expect_true(b$lgl$dtype == torch_bool())
  expect_equal(b$chr, c("a", "b", "c"))
  expect_equal(dim(b$int), 3)
})

test_that("nested lists keep their names", {
  b <- first_batch(dataloader(items(function(i) list(x = list(a = i, b = 2), y = i)), batch_size = 2))
  expect_named(b, c("x", "y"))
  expect_named(b$x, c("a", "b"))
})

test_that("a batch of one keeps its dimension", {
  expect_equal(dim(first_batch(dataloader(tensor_dataset(torch_randn(3, 2))))[[1]]), c(1, 2))
  expect_equal(dim(first_batch(dataloader(items(function(i) torch_ones(2))))), c(1, 2))
})

test_that("without batch size items come as they are", {
  b <- first_batch(dataloader(items(function(i) list(x = torch_ones(2), y = 1)), batch_size = NULL))
  expect_equal(dim(b$x), 2)
})

test_that("custom collate functions", {
  b <- first_batch(dataloader(items(function(i) i), batch_size = 3, collate_fn = function(items) sum(unlist(items))))
  expect_equal(b, 6)
})

test_that("items that cannot be put together say so", {
  loader <- dataloader(items(function(i) quote(a)), batch_size = 2)
  expect_error(first_batch(loader), "collate_fn", class = "value_error")
})

test_that("errors name the item and keep the message", {
  ds <- items(function(i) if (i == 3) stop("cannot read 'img/17.jpg'") else i)
  iter <- dataloader_make_iter(dataloader(ds, batch_size = 2))
  dataloader_next(iter)
  expect_error(dataloader_next(iter), "item 3: cannot read 'img/17.jpg'", class = "runtime_error")
})

test_that("the end of an epoch", {
  iter <- dataloader_make_iter(dataloader(tensor_dataset(torch_arange(1, 2)), batch_size = 2))
  expect_false(is.null(dataloader_next(iter)))
  expect_null(dataloader_next(iter))
  expect_equal(dataloader_next(iter, completed = "done"), "done")
  expect_identical(iter$.next(), as.symbol(".__exhausted__."))
})

test_that("bad arguments", {
  ds <- tensor_dataset(torch_arange(1, 10))
  expect_error(dataloader(1:3), class = "value_error")
  expect_error(dataloader(tensor_dataset), "generator", class = "value_error")
  expect_error(dataloader(ds, batch_size = 0), "batch_size", class = "value_error")
  expect_error(dataloader(ds, sampler = "random"), "`sampler` must be a sampler.*\"random\"", class = "value_error")
  expect_error(dataloader(ds, batch_sampler = sampler("mine")), "Call the generator first, to make a sampler")
  expect_error(dataloader(ds, shuffle = TRUE, sampler = SequentialSampler(ds)), class = "value_error")
  expect_error(dataloader(ds, batch_size = 2, batch_sampler = SequentialSampler(ds)), class = "value_error")
  expect_error(dataloader(items(function(i) i, 0L)), "no items", class = "value_error")
})

test_that("workers are accepted", {
  rlang::local_options(rlib_message_verbosity = "verbose")
  ds <- tensor_dataset(torch_arange(1, 4))
  expect_message(loader <- dataloader(ds, batch_size = 2, num_workers = 2), class = "candela_message_workers")
  expect_equal(dim(first_batch(loader)[[1]]), 2)
})

test_that("datasets are told which items come next", {
  told <- list()
  ds <- dataset(
    .prefetch = function(indices) told <<- c(told, list(indices)), .getitem = function(i) i, .length = function() 5L
  )
  child <- dataset(inherit = ds, .getitem = function(i) super$.getitem(i) * 2)
  loop(for (b in dataloader(dataset_subset(child(), c(5, 3, 1)), batch_size = 2)) b)
  expect_equal(told, list(c(5L, 3L), 1L))
})

test_that("errors of whole batches name the items", {
  ds <- dataset(.getbatch = function(i) stop("broken"), .getitem = function(i) i, .length = function() 5L)
  expect_error(first_batch(dataloader(ds(), batch_size = 3)), "items 1, 2, 3: broken", class = "runtime_error")
})

test_that("an iterable dataset may be asked to shuffle, and keeps its order", {
  numbers <- iterable_dataset("numbers", initialize = function() NULL, .iter = function() {
    i <- 0
    function() {
      i <<- i + 1
      if (i <= 4) i else coro::exhausted()
    }
  })
  iter <- dataloader_make_iter(dataloader(numbers(), batch_size = 2, shuffle = TRUE))
  expect_equal(as.vector(as_array(dataloader_next(iter))), c(1, 2))
})
