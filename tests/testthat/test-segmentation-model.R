test_that("all heads take any size, number of classes and of channels", {
  torch_manual_seed(1)
  heads <- list(unet = unet, unet_plus_plus = unet_plus_plus, fpn = fpn, linknet = linknet, deeplabv3 = deeplabv3,
    deeplabv3_plus = deeplabv3_plus, pspnet = pspnet, manet = manet)
  for (name in names(heads)) {
    model <- heads[[name]]("plain", in_channels = 2, classes = 3, weights = NULL, base = 4)
    x <- torch_randn(2, 2, 45, 70)
    y <- model(x)
    expect_equal(dim(y), c(2, 3, 45, 70), label = name)
    y$sum()$backward()
    reached <- vapply(model$parameters, function(p) is_tensor(p$grad) && !is_undefined_tensor(p$grad), NA)
    unused <- names(reached)[!reached]
    # Stages that a shallow encoder has but does not use.
    expect_true(all(grepl("^encoder.stage[45]", unused)), label = paste(name, toString(unused)))
    expect_equal(nrow(class_table(model)), 3)
  }
})

test_that("deep supervision of other decoders", {
  for (make in list(unet_plus_plus, manet)) {
    model <- make("plain", classes = 2, weights = NULL, base = 4, deep_supervision = TRUE)
    y <- model(torch_randn(2, 3, 32, 32))
    expect_length(auxiliary_outputs(y), 4)
    expect_equal(dim(auxiliary_outputs(y)[[4]]), dim(y))
  }
})

test_that("bad arguments are named", {
  expect_error(fpn("plain", classes = 2, weights = NULL, decoder_merge_policy = "sum"), "`decoder_merge_policy`",
    class = "value_error")
  expect_error(deeplabv3_plus("plain", classes = 2, weights = NULL, encoder_output_stride = 32),
    "`encoder_output_stride` must be 8 or 16", class = "value_error")
  expect_error(deeplabv3_plus("vgg11", classes = 2, weights = NULL), "cannot be dilated", class = "value_error")
  expect_error(deeplabv3("plain", classes = 2, weights = NULL, decoder_atrous_rates = 1:2), "`decoder_atrous_rates`",
    class = "value_error")
  expect_error(pspnet("plain", classes = 2, weights = NULL, encoder_depth = 7), "`encoder_depth`",
    class = "value_error")
})

test_that("each of many classes has a colour of its own", {
  expect_identical(anyDuplicated(check_classes(paste0("class", 1:40))$colour), 0L)
})
