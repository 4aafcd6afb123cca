printed <- function(x, width = 40) {
  withr::local_options(cli.width = width, cli.unicode = FALSE, cli.num_colors = 1L)
  utils::capture.output(print(x))
}

test_that("sections for modules, parameters and buffers appear when there are any", {
  m <- nn_module(
    initialize = function() {
      self$x <- nn_parameter(torch_zeros(10, 10))
      self$k <- nn_buffer(torch_zeros(5, 5))
      self$linear <- nn_linear(10, 10)
    }
  )()
  expect_equal(printed(m), c(
    "An `nn_module` containing 210 parameters.",
    "",
    "-- Modules -----------------------------",
    "* linear: <nn_linear> #110 parameters",
    "",
    "-- Parameters --------------------------",
    "* x: Float [1:10, 1:10]",
    "",
    "-- Buffers -----------------------------",
    "* k: Float [1:5, 1:5]"
  ))
  expect_equal(printed(nn_identity()), "An `nn_module` containing 0 parameters.")
})

test_that("counts have thousands separators and shared parameters count once", {
  layer <- nn_linear(1000, 1000)
  m <- nn_sequential(layer, layer)
  expect_equal(printed(m)[c(1, 4)], c(
    "An `nn_module` containing 1,001,000 parameters.",
    "* 0: <nn_linear> #1,001,000 parameters"
  ))
})

test_that("with unicode the rule and bullets are cli's, as wide as cli.width", {
  withr::local_options(cli.width = 20, cli.unicode = TRUE, cli.num_colors = 1L)
  lines <- utils::capture.output(print(nn_batch_norm2d(4)))
  expect_equal(lines[[3]], "\u2500\u2500 Parameters \u2500\u2500\u2500\u2500\u2500\u2500")
  expect_equal(lines[[4]], "\u2022 weight: Float [1:4]")
  expect_equal(lines[[10]], "\u2022 num_batches_tracked: Long [1:1]")
})

test_that("MobileNet v2 and its parts print as in the book", {
  model <- model_mobilenet_v2()
  expect_equal(printed(model), c(
    "An `nn_module` containing 3,504,872 parameters.",
    "",
    "-- Modules -----------------------------",
    "* features: <nn_sequential> #2,223,872 parameters",
    "* classifier: <nn_sequential> #1,281,000 parameters"
  ))
  expect_equal(printed(model$features[2]$`0`$conv), c(
    "An `nn_module` containing 896 parameters.",
    "",
    "-- Modules -----------------------------",
    "* 0: <conv_bn_activation> #352 parameters",
    "* 1: <nn_conv2d> #512 parameters",
    "* 2: <nn_batch_norm2d> #32 parameters"
  ))
  expect_equal(printed(model$features[2]$`0`$conv[1]$`0`), c(
    "An `nn_module` containing 352 parameters.",
    "",
    "-- Modules -----------------------------",
    "* 0: <nn_conv2d> #288 parameters",
    "* 1: <nn_batch_norm2d> #64 parameters",
    "* 2: <nn_relu6> #0 parameters"
  ))
})

test_that("a generator prints its arguments, and printing returns its argument", {
  expect_equal(printed(nn_linear), "<nn_linear> module generator with arguments (in_features, out_features, bias)")
  m <- nn_identity()
  utils::capture.output(value <- withVisible(print(m)))
  expect_false(value$visible)
  expect_identical(value$value, m)
})
