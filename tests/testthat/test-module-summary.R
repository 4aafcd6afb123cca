test_that("layers have names, shapes and parameters", {
  net <- nn_sequential(nn_conv2d(3, 8, 3), nn_relu(), nn_adaptive_avg_pool2d(1), nn_flatten(), nn_linear(8, 2))
  s <- summary(net, input_size = c(3, 32, 32))
  expect_equal(s$name, c("", "0", "1", "2", "3", "4"))
  expect_equal(s$type, c("nn_sequential", "nn_conv2d", "nn_relu", "nn_adaptive_avg_pool2d", "nn_flatten", "nn_linear"))
  expect_equal(s$output, c("1 x 2", "1 x 8 x 30 x 30", "1 x 8 x 30 x 30", "1 x 8 x 1 x 1", "1 x 8", "1 x 2"))
  expect_equal(s$parameters, c(242, 224, 0, 0, 0, 18))
  expect_equal(attr(s, "total")$megabytes, 242 * 4 / 1e6)
  batch <- summary(net, input_size = c(5, 3, 16, 16))
  expect_equal(batch$output[[1]], "5 x 2")
  expect_equal(summary(net, input = torch_zeros(2, 3, 8, 8))$output[[6]], "2 x 2")
  expect_output(print(s), "242 parameters")
  expect_true(all(is.na(summary(net)$output)))
})

test_that("the module, its mode and the generator stay as they are", {
  net <- nn_module(
    initialize = function() {
      self$blocks <- nn_module_list(list(nn_linear(4, 4), nn_linear(4, 4)))
      self$drop <- nn_dropout(0.5)
      self$two <- nn_module(forward = function(x) list(x, x$sum()))()
    },
    forward = function(x) {
      for (i in seq_along(self$blocks)) x <- self$blocks[[i]](x)
      self$two(self$drop(x))
    }
  )()
  before <- net$state_dict()
  torch_manual_seed(7)
  expected <- as_array(torch_rand(2))
  torch_manual_seed(7)
  s <- summary(net, input_size = list(4))
  expect_equal(as_array(torch_rand(2)), expected)
  expect_true(net$training)
  expect_equal(s$output, c("1 x 4; number", NA, "1 x 4", "1 x 4", "1 x 4", "1 x 4; number"))
  expect_equal(names(net$state_dict()), names(before))
  expect_identical(formals(net$drop), formals(nn_dropout(0.5)))
  # A call that fails leaves no trace either.
  expect_error(summary(net, input_size = c(2, 9)))
  expect_equal(dim(net(torch_zeros(3, 4))[[1]]), c(3, 4))
  expect_false(any(grepl("tell", deparse(body(net$blocks[[1]])))))
})

test_that("depth folds layers, frozen ones are told, models know their input", {
  model <- unet("plain", classes = 2, weights = NULL, encoder_depth = 3, decoder_channels = c(16, 8, 8))
  s <- summary(model, depth = 1)
  expect_equal(s$level, c(0, rep(1, nrow(s) - 1)))
  expect_equal(s$output[[1]], "1 x 2 x 256 x 256")
  expect_equal(sum(s$parameters[-1]), s$parameters[[1]])
  freeze(model, "encoder")
  frozen <- summary(model, depth = 1, input_size = c(3, 32, 32))
  expect_equal(frozen$trainable[frozen$name == "encoder"], 0)
  expect_output(print(frozen), "trainable")
  expect_output(print(frozen), "(4) 1 x", fixed = TRUE)
})

test_that("what is no module or size is refused", {
  expect_error(summary(nn_linear(2, 2), input_size = "a"), "`input_size`", class = "value_error")
  expect_error(summary(nn_linear(2, 2), depth = -1), "`depth`", class = "value_error")
})
