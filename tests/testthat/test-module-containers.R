add_one <- nn_module(
  "add_one",
  initialize = function(by = 1) self$by <- by,
  forward = function(x) x + self$by
)

test_that("nn_sequential calls its modules in turn", {
  expect_equal(nn_sequential(add_one(), add_one(10))(5), 16)
  expect_equal(nn_sequential()(3), 3)
  expect_equal(nn_sequential(!!!list(add_one(2), add_one(3)))(0), 5)
})

test_that("the first module of a sequence takes all arguments", {
  sum_of_two <- nn_module(forward = function(x, y) x + y)
  expect_equal(nn_sequential(sum_of_two(), add_one())(1, 2), 4)
})

test_that("parts of a sequence share its modules and count from 0", {
  s <- nn_sequential(nn_linear(1, 2), nn_relu(), nn_linear(2, 3))
  part <- s[2:3]
  expect_identical(class(part), class(nn_sequential()))
  expect_named(part$children, c("0", "1"))
  expect_identical(rlang::obj_address(part$`1`$weight), rlang::obj_address(s$`2`$weight))
  expect_length(s, 3)
  expect_length(s[-1], 2)
  expect_error(s[4], "do not all exist", class = "value_error")
  expect_length(as.list(s), 3)
})

test_that("module lists grow by append, insert and extend", {
  x <- nn_module_list()
  expect_length(x, 0)
  expect_equal(seq_along(x), integer())
  x$append(add_one(1))
  x$extend(list(add_one(2), add_one(3)))
  x$insert(2, add_one(10))
  expect_named(x$children, c("0", "1", "2", "3"))
  expect_equal(vapply(as.list(x), function(m) m$by, 0), c(`0` = 1, `1` = 10, `2` = 2, `3` = 3))
  expect_equal(seq_along(x), 1:4)
  expect_equal(x[[2]]$by, 10)
  expect_equal(vapply(seq_along(x), function(i) x[[i]](0), 0), c(1, 10, 2, 3))
  expect_error(x$insert(9, add_one()), "`index` must be a whole number between 1 and 5", class = "value_error")
  expect_error(x$append(add_one), "must be initialized")
  expect_error(x(1), class = "not_implemented_error")
})

test_that("module dicts hold modules by name", {
  x <- nn_module_dict(list(a = add_one(1), b = add_one(2)))
  expect_equal(x$a$by, 1)
  expect_equal(x[["b"]](1), 3)
  expect_length(x, 2)
  expect_equal(x$keys(), c("a", "b"))
  expect_named(x$items(), c("a", "b"))
  expect_equal(x$pop("a")$by, 1)
  expect_equal(x$keys(), "b")
  expect_null(x$a)
  expect_error(nn_module_dict(list(add_one())), "name")
})

test_that("nn_prune_head leaves out the last children", {
  s <- nn_sequential(nn_linear(1, 2), nn_relu(), nn_linear(2, 3))
  expect_named(nn_prune_head(s, 1)$children, c("0", "1"))
  expect_length(nn_prune_head(s, 3), 0)
  expect_error(nn_prune_head(s, 4), "between 0 and 3", class = "value_error")
  m <- nn_module(initialize = function() {
    self$body <- add_one()
    self$head <- add_one(5)
  })()
  expect_equal(nn_prune_head(m, 1)(1), 2)
})

test_that("identity, flatten and unflatten", {
  x <- torch_randn(2, 3, 4)
  expect_identical(nn_identity(3, a = 1)(x), x)
  expect_equal(nn_flatten()(x)$shape, c(2L, 12L))
  expect_equal(nn_flatten(1, 2)(x)$shape, c(6L, 4L))
  expect_equal(nn_unflatten(3, c(2, 2))(x)$shape, c(2L, 3L, 2L, 2L))
  expect_equal(nn_unflatten(-1, c(2, 2))(x)$shape, c(2L, 3L, 2L, 2L))
})

test_that("a pruned module keeps the names of its children", {
  net <- nn_module(
    initialize = function() {
      self$body <- nn_linear(3, 4)
      self$act <- nn_relu()
      self$head <- nn_linear(4, 2)
    },
    forward = function(x) self$head(self$act(self$body(x)))
  )()
  pruned <- nn_prune_head(net)
  expect_named(pruned$children, c("body", "act"))
  expect_named(pruned$parameters, c("body.weight", "body.bias"))
  x <- torch_randn(2, 3)
  expect_equal(as_array(pruned(x)), as_array(net$act(net$body(x))))
  expect_error(nn_prune_head(3), "module")
})
