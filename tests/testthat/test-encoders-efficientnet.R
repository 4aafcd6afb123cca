test_that("torchvision's weights give torchvision's features", {
  torch_manual_seed(1)
  classifier <- model_efficientnet_b0(num_classes = 2)
  for (b in classifier$buffers) if (length(dim(b)) == 1 && dim(b) > 1) b$uniform_(0.5, 1.5)
  model <- unet("efficientnet-b0", classes = 2, weights = classifier$state_dict())
  model$eval()
  x <- torch_randn(1, 3, 64, 32)
  classifier$eval()
  expected <- with_no_grad(classifier$features[1:8](x))
  expect_equal(as.array(with_no_grad(model$encoder(x))[[6]]), as.array(expected), tolerance = 1e-5)
})

test_that("each layer of torchvision's has a name in the encoder", {
  for (size in c("b0", "b3")) {
    map <- efficientnet_name_map(scaled_efficientnet_rows(size))
    layers <- unique(sub("\\.[^.]*$", "", names(efficientnet_encoder(paste0("efficientnet-", size))$state_dict())))
    expect_setequal(unname(map), layers)
  }
})

test_that("strides are padded for the size trained on", {
  encoder <- efficientnet_encoder("efficientnet-b0")
  expect_equal(encoder$`_conv_stem`$uneven, c(0, 1))
  expect_equal(encoder$`_blocks`[[4]]$`_depthwise_conv`$uneven, c(1, 2))
  # 260 pixels are halved to 130, 65, 33: there the padding is even.
  expect_null(efficientnet_encoder("efficientnet-b2")$`_blocks`[[6]]$`_depthwise_conv`$uneven)
})
