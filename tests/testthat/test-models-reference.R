test_that("models have the reference's names, shapes, sizes and outputs", {
  skip_without_reference("segmentation/models.json")
  reference <- reference_models()
  for (name in reference_models_to_test(reference)) {
    expect_reference_model(name, reference$models[[name]], reference$rule)
  }
})
