test_that("the pipe and fit() are exported", {
  exports <- getNamespaceExports("candela")
  expect_true(all(c("%>%", "fit") %in% exports))
  expect_identical(candela::`%>%`, magrittr::`%>%`)
})
