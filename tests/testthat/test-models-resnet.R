test_that("variants of residual networks", {
  torch_manual_seed(1)
  model <- model_resnet18(num_classes = 5, zero_init_residual = TRUE, in_channels = 2)
  expect_true(all(as.array(model$layer1$`0`$bn2$weight) == 0))
  model$eval()
  expect_equal(dim(model(torch_randn(2, 2, 33, 70))), c(2, 5))
  dilated <- model_resnet50(num_classes = 2, replace_stride_with_dilation = c(FALSE, TRUE, TRUE))
  expect_equal(dilated$layer4$`1`$conv2$dilation, c(4, 4))
  expect_equal(dilated$layer3$`0`$conv2$dilation, c(1, 1))
  expect_error(model_resnet18(replace_stride_with_dilation = c(FALSE, TRUE, TRUE)), "nor dilation",
    class = "value_error")
  expect_error(model_resnet50(replace_stride_with_dilation = TRUE), "three of TRUE and FALSE", class = "value_error")
  expect_error(model_resnet18(pretrained = "nowhere.pth"), "nowhere.pth")
})

test_that("gradients reach every parameter", {
  model <- model_resnext50_32x4d(num_classes = 2)
  model(torch_randn(2, 3, 32, 32))$sum()$backward()
  expect_true(all(vapply(model$parameters, function(p) is_tensor(p$grad) && as.array(p$grad$isfinite()$all()), NA)))
})
