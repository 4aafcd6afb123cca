# Every case of the reference: values and gradients of PyTorch.

check_case <- function(case) {
  label <- paste0(case$op, " (case ", case$id, ")")
  expect_true(case$op %in% names(reference_calls()), label = paste("an R call for", case$op))
  result <- run_operator_case(case)
  expect_near(result$y, case$output, 1e-5, label)
  for (name in names(case$grads)) {
    expect_near(result$grads[[name]], case$grads[[name]], 1e-4, paste(label, "gradient of", name))
  }
  for (i in seq_along(case$running_after)) {
    expect_near(result$running[[i]], case$running_after[[i]], 1e-5, paste(label, "running statistics"))
  }
}

skip_if_not_installed("jsonlite")
cases <- reference_cases()

test_that("there are cases of every operator", {
  expect_gte(length(cases), 88)
  expect_setequal(vapply(cases, `[[`, "", "op"), setdiff(names(reference_calls()), c("conv1d", "conv_transpose1d")))
  expect_true(any(lengths(lapply(cases, `[[`, "grads")) > 0))
})

for (case in cases) {
  test_that(paste("PyTorch's values and gradients:", case$op, "case", case$id), {
    check_case(case)
  })
}
