test_that("loop() goes over loaders, functions and vectors", {
  seen <- c()
  loop(for (i in c(3, 1, 2)) seen <- c(seen, i))
  expect_equal(seen, c(3, 1, 2))
  n <- 0
  count_to_three <- function() {
    n <<- n + 1
    if (n > 3) as.symbol(".__exhausted__.") else n
  }
  seen <- c()
  loop(for (i in count_to_three) seen <- c(seen, i))
  expect_equal(seen, 1:3)
})

test_that("break and next work in loop()", {
  seen <- c()
  loop(for (i in 1:10) {
    if (i == 2) next
    if (i == 4) break
    seen <- c(seen, i)
  })
  expect_equal(seen, c(1, 3))
})

test_that("loop() needs a for expression", {
  expect_error(loop(1 + 1), class = "value_error")
})

test_that("coro iterates over loaders and datasets", {
  skip_if_not_installed("coro")
  loader <- dataloader(tensor_dataset(torch_arange(1, 10)), batch_size = 4)
  batches <- coro::collect(loader)
  expect_length(batches, 3)
  sizes <- c()
  coro::loop(for (batch in loader) sizes <- c(sizes, dim(batch[[1]])))
  expect_equal(sizes, c(4, 4, 2))
})

test_that("enumerate() warns and gives all batches", {
  loader <- dataloader(tensor_dataset(torch_arange(1, 10)), batch_size = 4)
  expect_warning(batches <- enumerate(loader), class = "deprecated")
  expect_length(batches, 3)
})
