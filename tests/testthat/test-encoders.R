test_that("weights of an encoder come from a list, a file, or where published weights are", {
  torch_manual_seed(1)
  source <- model_resnet18(num_classes = 7)
  state <- source$state_dict()
  same <- function(model) {
    expect_equal(as.array(model$encoder$layer4$`1`$conv2$weight), as.array(source$layer4$`1`$conv2$weight))
    expect_equal(as.array(model$encoder$conv1$weight), as.array(source$conv1$weight))
  }
  same(unet("resnet18", classes = 2, weights = state))
  folder <- withr::local_tempdir()
  withr::local_options(candela.weights = folder)
  path <- file.path(folder, "resnet18.safetensors")
  save_safetensors(state, path)
  same(unet("resnet18", classes = 2, weights = path))
  same(unet("resnet18", classes = 2))
  expect_error(unet("resnet18", classes = 2, weights = "nowhere.pth"), "`weights` must be", class = "value_error")
  state$layer1.0.conv1.weight <- torch_ones(1)
  expect_error(unet("resnet18", classes = 2, weights = state), "`layer1.0.conv1.weight` has shape",
    class = "value_error")
})

test_that("the first convolution is adapted to the number of channels", {
  weight <- torch_randn(4, 3, 3, 3)
  w <- as.array(weight)
  repeated <- as.array(adapt_input_weight(weight, 5, "repeat"))
  expect_equal(repeated, w[, c(1, 2, 3, 1, 2), , ] * 3 / 5, tolerance = 1e-6)
  mean <- as.array(adapt_input_weight(weight, 2, "mean"))
  expect_equal(mean[, 2, , ], apply(w, c(1, 3, 4), mean) * 3 / 2, tolerance = 1e-6)
  one <- as.array(adapt_input_weight(weight, 1, "repeat"))
  expect_equal(one[, 1, , ], apply(w, c(1, 3, 4), sum), tolerance = 1e-6)
  expect_identical(adapt_input_weight(weight, 3, "repeat"), weight)
  grey <- torch_randn(1, 1, 64, 64)
  source <- model_resnet18(num_classes = 2)
  of_grey <- unet("resnet18", in_channels = 1, classes = 2, weights = source$state_dict())$eval()
  of_colour <- unet("resnet18", in_channels = 3, classes = 2, weights = source$state_dict())$eval()
  features <- of_colour$encoder(torch_cat(list(grey, grey, grey), dim = 2))
  expect_equal(as.array(of_grey$encoder(grey)[[6]]), as.array(features[[6]]), tolerance = 1e-4)
})

test_that("features have the channels and sizes that are told", {
  for (name in c("resnet18", "mobilenet_v2", "plain")) {
    encoder <- make_encoder(name, 2, 5, NULL)
    encoder$eval()
    features <- encoder(torch_randn(1, 2, 64, 32))
    expect_equal(vapply(features, function(f) dim(f)[[2]], 0L), encoder$out_channels)
    expect_equal(vapply(features, function(f) dim(f)[[3]], 0L), 64 / 2^(0:5))
  }
})

test_that("an encoder whose weights are nowhere names the file, its address and the folder", {
  withr::local_options(candela.weights = NULL)
  withr::local_envvar(CANDELA_WEIGHTS = "", R_USER_CACHE_DIR = withr::local_tempdir())
  expect_error(unet("plain", classes = 2), "no published weights.*weights = NULL", class = "value_error")
  expect_equal(weight_source("resnet34")$url, "https://download.pytorch.org/models/resnet34-b627a593.pth")
  nowhere <- list(url = "file:///nowhere/resnet34-b627a593.pth", sha256 = "b627a593")
  message <- tryCatch(suppressMessages(download_weights("resnet34", nowhere, FALSE)), error = conditionMessage)
  expect_match(message, nowhere$url, fixed = TRUE)
  expect_match(message, "resnet34.pth", fixed = TRUE)
  expect_match(message, weights_cache(), fixed = TRUE)
  expect_error(unet("resnext101_32x4d", classes = 2), "No pretrained weights for 'resnext101_32x4d'",
    class = "runtime_error")
})

test_that("a dilated encoder keeps its size", {
  encoder <- dilate_encoder(make_encoder("resnet18", 3, 5, NULL), 8)
  encoder$eval()
  sizes <- vapply(encoder(torch_randn(1, 3, 64, 64)), function(f) dim(f)[[3]], 0L)
  expect_equal(sizes, c(64, 32, 16, 8, 8, 8))
})
