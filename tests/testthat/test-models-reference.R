# Names, shapes, numbers of parameters, and outputs within 1e-4 of the largest.

test_that("the names of the reference are understood", {
  parsed <- parse_model_name("torchvision.segmentation.fcn_resnet50")
  none <- stats::setNames(list(), character())
  expect_equal(parsed, list(of = "torchvision", family = "fcn_resnet50", options = none))
  parsed <- parse_model_name("torchvision.mobilenet_v2(width_mult=0.5)")
  expect_equal(parsed[c("family", "options")], list(family = "mobilenet_v2", options = list(width_mult = 0.5)))
  parsed <- parse_model_name("smp.Unet(resnet18, decoder_attention_type=scse, decoder_channels=(64, 32), in_channels=4)"
  )
  expect_equal(parsed$family, "Unet")
  expect_equal(parsed$encoder, "resnet18")
  expect_equal(parsed$options, list(decoder_attention_type = "scse", decoder_channels = c(64, 32), in_channels = 4))
  expect_equal(parse_model_name("smp.Unet(efficientnet-b0)")$options, none)
  parsed <- parse_model_name("smp.Unet(encoder_name='vgg11', decoder_channels=[64, 32], decoder_use_batchnorm=False)")
  expect_equal(parsed$encoder, "vgg11")
  expect_equal(parsed$options, list(decoder_channels = c(64, 32), decoder_use_batchnorm = FALSE))
})

test_that("there are reference models", {
  skip_without_reference("segmentation/models.json")
  expect_gt(length(reference_models_to_test(reference_models())), 0)
})

if (nzchar(reference_dir()) && file.exists(reference_path("segmentation/models.json"))) {
  reference <- reference_models()
  for (name in reference_models_to_test(reference)) {
    test_that(name, {
      expect_reference_model(name, reference$models[[name]], reference$rule)
    })
  }
}
