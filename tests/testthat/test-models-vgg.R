test_that("classifiers have the published numbers of parameters", {
  count <- function(model) sum(vapply(model$parameters, function(p) prod(dim(p)), 0))
  expect_equal(count(model_squeezenet1_0()), 1248424)
  expect_equal(count(model_densenet169()), 14149480)
  # All of the published 143678248 but the three linear layers.
  expect_equal(count(vgg_features("vgg19_bn", 3)), 143678248 - (25088 + 1) * 4096 - 4097 * 4096 - 4097 * 1000)
})

test_that("old DenseNet files load", {
  torch_manual_seed(1)
  model <- model_densenet121(num_classes = 2)
  state <- model$state_dict()
  names(state) <- sub("(denselayer[0-9]+\\.(norm|conv))([12])\\.", "\\1.\\3.", names(state))
  path <- withr::local_tempfile(fileext = ".safetensors")
  save_safetensors(state, path)
  again <- model_densenet121(pretrained = path, num_classes = 2)
  expect_equal(as.array(again$features$denseblock2$denselayer3$conv2$weight),
    as.array(model$features$denseblock2$denselayer3$conv2$weight))
})
