test_that("MobileNet v2 has the published numbers of parameters", {
  model <- model_mobilenet_v2()
  count <- function(x) sum(vapply(x$parameters, function(p) prod(dim(p)), 0))
  expect_equal(count(model), 3504872)
  expect_equal(unname(vapply(model$features$children, count, 0)), c(
    928, 896, 5136, 8832, 10000, 14848, 14848, 21056, 54272, 54272, 54272, 66624, 118272, 118272, 155264, 320000,
    320000, 473920, 412160
  ))
  expect_equal(count(model$features[1:18]), 1811712)
  expect_length(model$parameters, 158)
  expect_length(model$buffers, 156)
})

test_that("names are those of the published weights", {
  keys <- names(model_mobilenet_v2()$state_dict())
  expect_equal(keys[1:7], c(
    "features.0.0.weight", "features.0.1.weight", "features.0.1.bias", "features.0.1.running_mean",
    "features.0.1.running_var", "features.0.1.num_batches_tracked", "features.1.conv.0.0.weight"
  ))
  expect_true(all(c("features.1.conv.1.weight", "features.2.conv.1.0.weight", "features.2.conv.3.running_var",
    "features.18.0.weight", "classifier.1.weight", "classifier.1.bias") %in% keys))
  expect_length(keys, 314)
})

test_that("classes and fields of the blocks", {
  model <- model_mobilenet_v2(num_classes = 5)
  expect_s3_class(model, c("mobilenet_v2", "candela_module", "nn_module"), exact = TRUE)
  first <- model$features[[1]]
  expect_s3_class(first, c("conv_bn_activation", "candela_sequential", "nn_sequential", "candela_module", "nn_module"),
    exact = TRUE)
  expect_equal(first$out_channels, 32)
  expect_true(first$`2`$inplace)
  block <- model$features[[4]]
  expect_true(block$use_res_connect)
  expect_equal(c(block$stride, block$out_channels), c(1, 24))
  expect_false(block$.is_cn)
  expect_true(model$features[[3]]$.is_cn)
  expect_equal(model$classifier$`1`$out_features, 5)
})

test_that("width and rounding", {
  narrow <- model_mobilenet_v2(width_mult = 0.35)
  expect_equal(narrow$features[[1]]$out_channels, 16)
  expect_equal(narrow$features[[2]]$out_channels, 8)
  expect_equal(narrow$last_channel, 1280)
  expect_equal(model_mobilenet_v2(width_mult = 1.4)$last_channel, 1792)
  tiny <- model_mobilenet_v2(inverted_residual_setting = list(c(1, 16, 1, 1), c(6, 24, 1, 2)))
  expect_length(tiny$features, 4)
  expect_error(model_mobilenet_v2(inverted_residual_setting = matrix(1, 2, 3)), class = "value_error")
})

test_that("weights are drawn for the layers that follow", {
  model <- model_mobilenet_v2()
  spread <- function(w) stats::sd(as.numeric(as.array(w$detach())))
  expect_equal(spread(model$features[[19]]$`0`$weight), sqrt(2 / 1280), tolerance = 0.02)
  expect_equal(spread(model$classifier$`1`$weight), 0.01, tolerance = 0.02)
  expect_true(all(as.numeric(model$classifier$`1`$bias$detach()) == 0))
})

test_that("weights that do not fit are named", {
  model <- model_mobilenet_v2()
  weights <- model$state_dict()
  expect_silent(candela:::check_weights_fit(weights, model, "here"))
  expect_error(candela:::check_weights_fit(weights[-3], model, "here"), "`features.0.1.bias` is missing",
    class = "value_error")
  other <- model_mobilenet_v2(num_classes = 7)
  expect_error(candela:::check_weights_fit(weights, other, "here"),
    "`classifier.1.weight` has shape [1000, 1280], but the model asks for [7, 1280]", fixed = TRUE)
  tracked <- !grepl("num_batches_tracked", names(weights))
  expect_silent(candela:::check_weights_fit(weights[tracked], model, "here"))
})

test_that("classification gives one number for each class", {
  model <- model_mobilenet_v2(num_classes = 4)
  model$eval()
  with_no_grad(y <- model(torch_randn(2, 3, 64, 64)))
  expect_equal(y$shape, c(2L, 4L))
})

encoder_stages <- function(model) {
  ranges <- list(1:2, 3:4, 5:7, 8:14, 15:18)
  lapply(ranges, function(range) model$features[range])
}

expect_stages <- function(model, reference, mode) {
  x <- reference$x
  stages <- encoder_stages(model)
  for (i in seq_along(stages)) {
    with_no_grad(x <- stages[[i]](x))
    wanted <- as.array(reference[[sprintf("%s.stage%d", mode, i + 1)]])
    error <- max(abs(as.array(x) - wanted)) / max(abs(wanted))
    # Batch statistics of few values magnify the rounding of both sides.
    expect_lt(error, if (mode == "train") 3e-4 else 1e-4, label = sprintf("relative error of %s stage %d", mode, i + 1))
  }
}

reference_encoder <- function() {
  reference <- load_safetensors(reference_path("mobilenet.safetensors"))
  weights <- reference[startsWith(names(reference), "weights.")]
  names(weights) <- sub("^weights.", "", names(weights))
  model <- model_mobilenet_v2()
  state <- model$state_dict()
  state[names(weights)] <- weights
  model$load_state_dict(state)
  list(model = model, reference = reference)
}

test_that("encoder stages equal PyTorch's in evaluation and training mode", {
  skip_without_reference("mobilenet.safetensors")
  case <- reference_encoder()
  case$model$eval()
  expect_stages(case$model, case$reference, "eval")
  case$model$train()
  expect_stages(case$model, case$reference, "train")
  after <- case$reference[startsWith(names(case$reference), "train.after.")]
  for (name in names(after)) {
    buffer <- case$model$state_dict()[[sub("^train.after.", "", name)]]
    expect_equal(as.numeric(buffer), as.numeric(after[[name]]), tolerance = 1e-4, label = name)
  }
  expect_equal(as.numeric(case$model$features[[1]]$`1`$num_batches_tracked), 1)
})
