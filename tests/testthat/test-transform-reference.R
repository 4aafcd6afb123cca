test_that("all transforms give PyTorch's values", {
  skip_if_not_installed("jsonlite")
  cases <- reference_cases("transforms")
  expect_gt(length(cases), 0)
  for (case in cases) {
    what <- paste(case$op, jsonlite::toJSON(case$args, auto_unbox = TRUE))
    expect_near(run_transform_case(case, torch_tensor(case$input)), case$output, 1e-5, what)
  }
})
