squares <- dataset(
  "squares",
  initialize = function(n, power = 2) {
    self$n <- n
    self$power <- power
  },
  .getitem = function(i) list(x = i, y = i^self$power),
  .length = function() self$n
)

test_that("dataset() makes generators with the arguments of initialize", {
  expect_s3_class(squares, "dataset_generator")
  expect_named(formals(squares), c("n", "power"))
  ds <- squares(10)
  expect_equal(class_names(ds), c("squares", "dataset", "R6"))
  expect_length(ds, 10)
  expect_equal(ds[3], list(x = 3L, y = 9))
  expect_equal(ds[[4]], list(x = 4L, y = 16))
  expect_equal(ds[["n"]], 10)
  expect_error(ds[[1:2]], class = "value_error")
})

test_that("generators are printed", {
  expect_output(print(squares), "<dataset_generator>")
})

test_that("datasets inherit, with arguments through dots", {
  cubes <- dataset(
    inherit = squares,
    initialize = function(..., offset) {
      self$offset <- offset
      self$nothing <- NULL
      super$initialize(..., power = 3)
    },
    .getitem = function(i) super$.getitem(i)$y + self$offset
  )
  make <- function(...) cubes(..., offset = 1)
  ds <- make(n = 5)
  expect_equal(class_names(ds), c("squares", "dataset", "R6"))
  expect_length(ds, 5)
  expect_equal(ds[2], 9)
})

test_that("methods see the environment of the definition", {
  factory <- function(k) dataset(.getitem = function(i) i * k, .length = function() 3L)
  expect_equal(factory(10)()[2], 20)
})

test_that("private members and active bindings", {
  ds <- dataset(
    .getitem = function(i) private$double(i), .length = function() 1L,
    private = list(double = function(i) 2 * i), active = list(answer = function() 42)
  )()
  expect_equal(ds[4], 8)
  expect_equal(ds$answer, 42)
})

test_that("batch methods are used, but not those of a parent whose items are overridden", {
  batched <- dataset(
    .getitem = function(i) stop("one by one"), .getbatch = function(i) list(x = i * 1.0), .length = function() 6L
  )
  expect_equal(batched()[2:3], list(x = c(2, 3)))
  loader <- dataloader(batched(), batch_size = 4)
  expect_equal(as.numeric(as_array(dataloader_next(dataloader_make_iter(loader))$x)), 1:4)
  itemwise <- dataset(inherit = batched, .getitem = function(i) list(x = i * 100))
  loader <- dataloader(itemwise(), batch_size = 4)
  expect_equal(as.numeric(as_array(dataloader_next(dataloader_make_iter(loader))$x)), 1:4 * 100)
})

test_that("tensor datasets", {
  x <- torch_randn(10, 3)
  y <- torch_arange(1, 10)
  ds <- tensor_dataset(x = x, y = y)
  expect_length(ds, 10)
  expect_named(ds[1], c("x", "y"))
  expect_equal(dim(ds[1]$x), 3)
  expect_equal(as.numeric(as_array(ds[4]$y)), 4)
  expect_equal(dim(ds[c(2, 5)]$x), c(2, 3))
  expect_equal(dim(ds$.getbatch(3)$x), c(1, 3))
  expect_error(tensor_dataset(x, torch_randn(4)), "10, 4", class = "value_error")
  expect_error(tensor_dataset(), class = "value_error")
})

test_that("subsets", {
  ds <- squares(10)
  sub <- dataset_subset(ds, c(5, 7))
  expect_equal(class_names(sub), c("squares_subset", "dataset_subset", "dataset", "R6"))
  expect_length(sub, 2)
  expect_equal(sub[2], list(x = 7L, y = 49))
  expect_null(sub$.getbatch)
  expect_error(dataset_subset(ds, 11), "10", class = "value_error")
  expect_error(dataset_subset(ds, 0), class = "value_error")
  batched <- dataset_subset(tensor_dataset(x = torch_arange(1, 10)), c(2, 4, 6))
  expect_type(batched$.getbatch, "closure")
  expect_equal(as.numeric(as_array(batched$.getbatch(2:3)$x)), c(4, 6))
})

test_that("iterable datasets", {
  stream <- iterable_dataset(
    "stream",
    initialize = function(n) self$n <- n,
    .iter = function() as_iterator(as.list(seq_len(self$n)))
  )
  ds <- stream(5)
  expect_true(is.na(length(ds)))
  loader <- dataloader(ds, batch_size = 2)
  expect_true(is.na(length(loader)))
  sizes <- c()
  loop(for (b in loader) sizes <- c(sizes, dim(b)))
  expect_equal(sizes, c(2, 2, 1))
  sizes <- c()
  loop(for (b in dataloader(ds, batch_size = 2, drop_last = TRUE)) sizes <- c(sizes, dim(b)))
  expect_equal(sizes, c(2, 2))
  expect_error(dataloader(ds, sampler = SequentialSampler(1:3)), class = "value_error")
})
