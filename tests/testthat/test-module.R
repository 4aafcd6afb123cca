scale_module <- nn_module(
  "scale_module",
  initialize = function(n, start = 1) {
    self$n <- n
    self$scale <- nn_parameter(torch_full(n, start))
    self$seen <- nn_buffer(torch_zeros(1))
  },
  forward = function(x) {
    x * self$scale
  }
)

pair_module <- nn_module(
  initialize = function() {
    self$first <- scale_module(2)
    self$second <- scale_module(3)
    self$own <- nn_parameter(torch_ones(1))
  },
  forward = function(x) {
    x
  }
)

test_that("generators and instances have the classes of their definition", {
  expect_identical(class_names(scale_module), c("scale_module", "nn_module", "nn_module_generator"))
  expect_identical(class(scale_module(2)), c("scale_module", "candela_module", "nn_module"))
  expect_identical(class_names(pair_module), c("nn_module", "nn_module_generator"))
  expect_identical(class_names(pair_module()), "nn_module")
  kid <- nn_module("kid", inherit = scale_module)
  expect_identical(class_names(kid(1)), c("kid", "scale_module", "nn_module"))
  expect_false(is_nn_module(scale_module))
  expect_true(is_nn_module(scale_module(2)))
  expect_true(is.function(scale_module(2)))
})

test_that("a generator has the arguments of initialize, its own or an inherited one", {
  expect_named(formals(scale_module), c("n", "start"))
  expect_named(formals(nn_module(inherit = scale_module)), c("n", "start"))
  expect_null(formals(nn_module()))
})

test_that("arguments reach initialize as they were written", {
  shows <- nn_module(initialize = function(d, e = d * 2, call, ...) {
    self$d <- d
    self$e <- e
    self$no_call <- missing(call)
    self$more <- list(...)
  })
  m <- shows(2)
  expect_equal(list(m$d, m$e, m$no_call, m$more), list(2, 4, TRUE, list()))
  m <- do.call(shows, list(d = 1, call = 3, z = 5))
  expect_equal(list(m$e, m$no_call, m$more), list(2, FALSE, list(z = 5)))
  through_dots <- function(...) shows(...)
  expect_equal(through_dots(7, e = 1)$d, 7)
  expect_equal(lapply(1:2, shows)[[2]]$d, 2L)
})

test_that("a module without forward says so", {
  expect_error(nn_module("x")()(1), "Forward method is not implemented", class = "not_implemented_error")
})

test_that("inherited methods are reached through super, private fields through private", {
  kid <- nn_module(
    inherit = scale_module,
    initialize = function() {
      super$initialize(2, start = 3)
      private$secret <- 10
    },
    forward = function(x) {
      private$secret + super$forward(x)
    },
    private = list(secret = NULL),
    active = list(double = function() 2 * private$secret)
  )
  m <- kid()
  expect_equal(m$double, 20)
  expect_equal(as.numeric(m$scale$detach()), c(3, 3))
  expect_equal(as.numeric(m(torch_ones(2))$detach()), c(13, 13))
})

test_that("assignment registers by class", {
  m <- pair_module()
  m$extra <- nn_linear(1, 1)
  m$k <- nn_buffer(torch_zeros(2))
  m$w <- nn_parameter(torch_zeros(2))
  m$plain <- torch_zeros(4)
  m$generator <- nn_linear
  expect_named(m$children, c("first", "second", "extra"))
  expect_equal(names(m$parameters), c("first.scale", "second.scale", "extra.weight", "extra.bias", "own", "w"))
  expect_equal(names(m$buffers), c("first.seen", "second.seen", "k"))
  expect_s3_class(m$generator, "nn_module_generator")
  expect_null(m$nothing)
  m[["first"]] <- nn_identity()
  expect_s3_class(m$children$first, "nn_identity")
  expect_named(m$children, c("first", "second", "extra"))
})

test_that("children are found by name, quoted number and position", {
  s <- nn_sequential(nn_identity(), nn_linear(2, 2))
  expect_s3_class(s$`1`, "nn_linear")
  expect_s3_class(s[["1"]], "nn_linear")
  expect_s3_class(s[[2]], "nn_linear")
  expect_error(s[[3]], "out of bounds", class = "value_error")
  s[[1]] <- nn_relu()
  expect_s3_class(s$`0`, "nn_relu")
})

test_that("a registered name wins over a method of the same name", {
  m <- nn_module(initialize = function() self$apply <- nn_parameter(torch_ones(1)))()
  expect_true(is_nn_parameter(m$apply))
  expect_named(m$parameters, "apply")
})

test_that("a parameter cannot be overwritten by something else", {
  m <- scale_module(2)
  expect_error(m$scale <- 1, "is a parameter", class = "type_error")
  expect_error(m$seen <- "a", "must be a tensor", class = "value_error")
  m$seen <- torch_ones(1)
  expect_equal(as.numeric(m$buffers$seen), 1)
  m$scale <- NULL
  expect_length(m$parameters, 0)
})

test_that("add_module wants an instance", {
  m <- pair_module()
  expect_error(m$add_module("z", nn_linear), "Module z must be initialized", class = "value_error")
  expect_error(m$add_module("z", 3), "Expected <nn_module> but got object of type <numeric>")
  m$add_module("z", nn_identity())
  m$register_module("y", nn_identity())
  expect_true(all(c("z", "y") %in% names(m$children)))
})

test_that("the member lists cannot be set", {
  m <- pair_module()
  for (name in c("parameters", "buffers", "modules", "children")) {
    expect_error(m[[name]] <- 1, sprintf("It's not possible to modify the %s list.", name), class = "runtime_error",
      fixed = TRUE)
  }
})

test_that("train and eval reach all children and return the module", {
  m <- pair_module()
  expect_true(m$training)
  expect_s3_class(m$eval(), "nn_module")
  expect_false(m$training || m$first$training)
  expect_true(m$train()$second$training)
  m$training <- FALSE
  expect_false(m$training)
  expect_true(m$first$training)
  expect_error(m$training <- 3, class = "value_error")
})

test_that("parameters list children first, state_dict the module's own first", {
  m <- pair_module()
  expect_named(m$parameters, c("first.scale", "second.scale", "own"))
  expect_named(m$named_parameters(recursive = FALSE), "own")
  expect_named(m$named_buffers(), c("first.seen", "second.seen"))
  expect_named(m$state_dict(), c("own", "first.scale", "first.seen", "second.scale", "second.seen"))
  expect_named(m$state_dict(prefix = "a."), paste0("a.", names(m$state_dict())))
  expect_equal(names(m$modules), c("", "first", "second"))
})

test_that("what is used twice is listed once in parameters and twice in the state", {
  m <- pair_module()
  m$second <- m$first
  expect_named(m$parameters, c("first.scale", "own"))
  expect_length(m$modules, 2)
  expect_true(all(c("first.scale", "second.scale") %in% names(m$state_dict())))
})

test_that("state_dict shares memory, is detached and keeps requires_grad", {
  m <- scale_module(2)
  state <- m$state_dict()
  expect_true(state$scale$requires_grad)
  with_no_grad(m$scale$fill_(7))
  expect_equal(as.numeric(state$scale$detach()), c(7, 7))
  expect_true(is_nn_parameter(m$state_dict(keepvars = TRUE)$scale))
})

test_that("buffers that are not persistent stay out of the state", {
  m <- scale_module(1)
  m$register_buffer("scratch", torch_zeros(1), persistent = FALSE)
  m$other <- nn_buffer(torch_zeros(1), persistent = FALSE)
  expect_named(m$buffers, c("seen", "scratch", "other"))
  expect_named(m$state_dict(), c("scale", "seen"))
})

test_that("load_state_dict copies into the module", {
  from <- scale_module(2, start = 5)
  to <- scale_module(2)
  kept <- to$scale
  expect_s3_class(to$load_state_dict(from$state_dict()), "scale_module")
  expect_equal(as.numeric(kept$detach()), c(5, 5))
  expect_true(to$scale$requires_grad)
  with_no_grad(from$scale$fill_(0))
  expect_equal(as.numeric(to$scale$detach()), c(5, 5))
})

test_that("load_state_dict can take the tensors themselves", {
  from <- scale_module(2, start = 5)
  to <- scale_module(2)
  to$load_state_dict(from$state_dict(), .refer_to_state_dict = TRUE)
  with_no_grad(from$scale$fill_(2))
  expect_equal(as.numeric(to$scale$detach()), c(2, 2))
  expect_true(is_nn_parameter(to$scale))
})

test_that("load_state_dict ignores extra entries and names what is missing or does not fit", {
  m <- scale_module(2)
  state <- m$state_dict()
  m$load_state_dict(c(state, list(other = torch_zeros(1))))
  expect_error(m$load_state_dict(state["seen"]), "Could not find scale in the state_dict.", class = "value_error",
    fixed = TRUE)
  state$scale <- torch_zeros(3)
  expect_error(m$load_state_dict(state), "`scale` has shape [3] in the state_dict, but [2]", fixed = TRUE)
})

test_that("a number loads into a tensor of shape 1", {
  m <- scale_module(2)
  state <- m$state_dict()
  state$seen <- torch_scalar_tensor(4)
  m$load_state_dict(state)
  expect_equal(m$seen$shape, 1L)
  expect_equal(as.numeric(m$seen), 4)
})

test_that("apply visits children first and the module last", {
  m <- pair_module()
  seen <- list()
  m$apply(function(x) seen[[length(seen) + 1]] <<- class_name(x))
  expect_equal(unlist(seen), c("scale_module", "scale_module", "nn_module"))
})

test_that("to converts floating point members only and keeps what does not change", {
  m <- scale_module(2)
  m$count <- nn_buffer(torch_zeros(1, dtype = torch_long()))
  same <- m$scale
  m$to(device = "cpu")
  expect_identical(rlang::obj_address(m$scale), rlang::obj_address(same))
  m$to(dtype = torch_double())
  expect_true(m$scale$dtype == torch_double())
  expect_true(m$count$dtype == torch_long())
  expect_true(is_nn_parameter(m$scale) && m$scale$requires_grad)
  expect_error(m$to(dtype = torch_long()), class = "value_error")
})

test_that("to converts gradients as well", {
  m <- scale_module(2)
  m(torch_ones(2))$sum()$backward()
  m$to(dtype = torch_double())
  expect_true(m$scale$grad$dtype == torch_double())
  expect_equal(as.numeric(m$scale$grad), c(1, 1))
})

test_that("zero_grad clears all gradients", {
  m <- scale_module(2)
  m(torch_ones(2))$sum()$backward()
  expect_equal(as.numeric(m$scale$grad), c(1, 1))
  m$zero_grad()
  expect_equal(as.numeric(m$scale$grad), c(0, 0))
})

test_that("a shallow clone shares its members, a deep one has its own", {
  m <- pair_module()
  shallow <- m$clone()
  deep <- clone_module(m, deep = TRUE)
  with_no_grad(m$first$scale$fill_(9))
  expect_equal(as.numeric(shallow$first$scale$detach()), c(9, 9))
  expect_equal(as.numeric(deep$first$scale$detach()), c(1, 1))
  expect_named(deep$parameters, names(m$parameters))
  expect_true(is_nn_parameter(deep$own) && deep$own$requires_grad && deep$own$is_leaf)
  expect_equal(class(deep$first), class(m$first))
  shallow$new <- nn_parameter(torch_zeros(1))
  expect_null(m$new)
})

test_that("methods of a clone work on the clone", {
  m <- nn_module(
    initialize = function() self$value <- 1,
    forward = function(x) self$value,
    set = function(v) self$value <- v
  )()
  copy <- m$clone(deep = TRUE)
  copy$set(5)
  expect_equal(c(m(0), copy(0), copy$clone(deep = TRUE)(0)), c(1, 5, 5))
})

test_that("deep clones keep shared references shared and can share values", {
  m <- pair_module()
  m$second <- m$first
  m$tied <- m$first$scale
  copy <- m$clone(deep = TRUE)
  expect_named(copy$parameters, names(m$parameters))
  expect_identical(rlang::obj_address(copy$tied), rlang::obj_address(copy$first$scale))
  values_shared <- m$clone(deep = TRUE, replace_values = FALSE)
  expect_identical(rlang::obj_address(values_shared$own), rlang::obj_address(m$own))
})

test_that("finalize_deep_clone is called on the copy", {
  m <- nn_module(
    initialize = function() self$state <- "original",
    private = list(finalize_deep_clone = function() self$state <- "copy")
  )()
  expect_equal(m$clone(deep = TRUE)$state, "copy")
  expect_equal(m$clone()$state, "original")
  expect_equal(m$state, "original")
})

test_that("find_method is asked for names that do not exist", {
  m <- nn_module(private = list(find_method = function(name) if (name == "magic") 42))()
  expect_equal(m$magic, 42)
  expect_null(m$other)
})

test_that("completion offers members, odd names in backquotes", {
  s <- nn_sequential(nn_identity())
  offered <- utils::.DollarNames(s, "")
  expect_true(all(c("`0`", "parameters", "train") %in% offered))
  expect_true("forward" %in% names(s))
})

test_that("marks of parameters and buffers", {
  p <- nn_parameter(torch_zeros(1), requires_grad = FALSE)
  expect_true(is_nn_parameter(p) && !is_nn_buffer(p) && !p$requires_grad)
  expect_true(is_nn_buffer(nn_buffer(torch_zeros(1))))
  expect_false(is_nn_parameter(torch_zeros(1)))
  expect_error(nn_parameter(1), "`x` must be a tensor", class = "value_error")
  expect_error(pair_module()$register_parameter("x", 1), "must be a tensor or NULL")
})

test_that("inherit must be a module", {
  expect_error(nn_module(inherit = mean), "`inherit` must be a module generator", class = "value_error")
})

# How many functions of the package `code` calls, those that generic functions dispatch to not counted.
count_calls <- function(code) {
  calls <- 0
  count <- function(f) {
    force(f)
    function(...) {
      calls <<- calls + 1
      f(...)
    }
  }
  engine <- asNamespace("candela")
  functions <- Filter(is.function, as.list(engine))
  replace_all <- function(functions) {
    for (name in names(functions)) {
      unlockBinding(name, engine)
      assign(name, functions[[name]], engine)
      lockBinding(name, engine)
    }
  }
  withr::defer(replace_all(functions))
  replace_all(lapply(functions, count))
  force(code)
  calls
}

test_that("the way to a child's forward is short", {
  m <- pair_module()
  skip_if_not_installed("withr")
  expect_lte(count_calls(m$first), 2)
  expect_gt(count_calls(m$parameters), 2) # it does count
})

test_that("layers free an argument computed for them, and no other", {
  in_use <- function() candela_info()$memory[["in_use"]]
  relu <- nn_relu()
  sizes <- c(1024, 1024)
  bytes <- 4 * prod(sizes)
  gc()
  before <- in_use()
  y <- with_no_grad(nn_sequential(relu, relu, relu)(torch_randn(sizes)))
  expect_lt(in_use() - before, 1.5 * bytes)

  values <- c(-1, 0, 2)
  positive <- pmax(values, 0)
  x <- torch_tensor(values)
  held <- list(x = torch_tensor(values))
  marked <- structure(list(), tensor = torch_tensor(values))
  through <- function(input) {
    result <- relu(input)
    list(input, result)
  }
  expect_equal(as_array(relu(x)), positive)
  expect_equal(as_array(relu(held$x)), positive)
  expect_equal(as_array(relu(held[["x"]])), positive)
  expect_equal(as_array(relu(attr(marked, "tensor"))), positive)
  expect_equal(as_array(do.call(relu, unname(held))), positive)
  expect_equal(lapply(lapply(unname(held), relu), as_array), list(positive))
  expect_equal(as_array(x %>% relu() %>% relu()), positive)
  both <- through(torch_tensor(values))
  expect_equal(lapply(both, as_array), list(values, positive))
  for (tensor in list(x, held$x, attr(marked, "tensor"))) expect_equal(as_array(tensor), values)

  same <- nn_dropout(0.5)
  same$eval()
  expect_equal(as_array(same(torch_tensor(values))), values)
  expect_equal(as_array(nn_relu(inplace = TRUE)(torch_tensor(values))), positive)
  expect_equal(as_array(nn_flatten()(torch_ones(2, 3, 4))), matrix(1, 2, 12))
  conv <- nn_conv2d(1, 2, 3)
  loss <- relu(conv(torch_ones(1, 1, 5, 5)))$sum()
  loss$backward()
  expect_true(all(is.finite(as_array(conv$weight$grad))))
})

test_that("an argument bound in the caller while the layer runs is kept", {
  keeper <- new.env()
  keeping <- nn_module(
    initialize = function() self$relu <- nn_relu(),
    forward = function(x) {
      keeper$x <- x
      self$relu(x)
    }
  )
  y <- keeping()(torch_tensor(c(-1, 1)))
  expect_equal(as_array(keeper$x), c(-1, 1))
  expect_equal(as_array(y), c(0, 1))
})

# What torch's own modules and torchvision's do.
test_that("private lists of members read and set what is registered", {
  chain <- nn_module(
    "chain",
    initialize = function() {
      expect_equal(length(private$modules_), 0)
      self$add_module("first", nn_linear(2, 3))
      self$add_module("2", nn_relu())
      self$weight <- nn_parameter(torch_ones(2))
      self$register_buffer("count", torch_zeros(1))
    },
    forward = function(x) {
      for (module in private$modules_) x <- module(x)
      x
    },
    lists = function() list(names(private$modules_), names(private$parameters_), names(private$buffers_)),
    drop = function() private$modules_[["2"]] <- NULL,
    more = function() {
      private$modules_[["last"]] <- nn_linear(3, 1)
      private$parameters_[["bias"]] <- nn_parameter(torch_zeros(1))
      private$buffers_ <- list()
    }
  )
  x <- torch_randn(4, 2)
  model <- chain()
  expect_equal(model$lists(), list(c("first", "2"), "weight", "count"))
  expect_equal(as_array(model(x)), as_array(nnf_relu(model$first(x))))
  expect_equal(names(model$.__enclos_env__$private$modules_), c("first", "2"))
  model$drop()
  expect_equal(names(model$children), "first")
  expect_equal(as_array(model(x)), as_array(model$first(x)))
  copy <- model$clone(deep = TRUE)
  model$more()
  expect_equal(model$lists(), list(c("first", "last"), c("weight", "bias"), character()))
  expect_equal(dim(model(x)), c(4, 1))
  expect_equal(copy$lists(), list("first", "weight", "count"))
  copy$drop()
  copy$more()
  expect_equal(names(copy$children), c("first", "last"))
  expect_false(identical(copy$first$weight, model$first$weight))
  path <- tempfile(fileext = ".rds")
  saveRDS(model, path)
  again <- readRDS(path)
  unlink(path)
  expect_equal(as_array(again(x)), as_array(model(x)))
  expect_equal(again$lists(), model$lists())
  heir <- nn_module(inherit = chain, initialize = function() {
    private$modules_ <- list(only = nn_relu())
    self$flag <- 1
  })
  expect_equal(heir()$lists()[[1]], "only")
  expect_error(heir()$more(), NA)
  plain <- nn_module(inherit = chain)
  expect_equal(plain()$lists()[[1]], c("first", "2"))
})

test_that("a module may save and load in its own way", {
  odd <- nn_module(
    initialize = function() self$weight <- nn_parameter(torch_ones(2)),
    .save_to_state_dict = function(prefix, keepvars) {
      stats::setNames(list(self$weight$detach() * 2), paste0(prefix, "double"))
    },
    .load_from_state_dict = function(state_dict, prefix) {
      with_no_grad(self$weight$copy_(state_dict[[paste0(prefix, "double")]] / 2))
    }
  )
  outer <- nn_module(initialize = function() self$inner <- odd())
  model <- outer()
  state <- model$state_dict()
  expect_equal(names(state), "inner.double")
  expect_equal(as_array(state[[1]]), c(2, 2))
  model$load_state_dict(list(inner.double = torch_tensor(c(6, 8))))
  expect_equal(as_array(model$inner$weight$detach()), c(3, 4))
})

test_that("copies of parameters and buffers stay marked", {
  p <- nn_parameter(torch_ones(2))
  expect_true(is_nn_parameter(p$clone()))
  expect_true(is_nn_parameter(p$detach()))
  expect_false(p$detach()$requires_grad)
  expect_false(is_nn_parameter(p * 2))
  expect_true(is_nn_buffer(nn_buffer(torch_ones(2))$clone()))
  expect_equal(class(torch_ones(1)$clone()), class(torch_ones(1)))
})
