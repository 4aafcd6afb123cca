# Each in a process of its own: what is unloaded there is not what the other tests use.

in_new_process <- function(code) {
  script <- withr::local_tempfile(fileext = ".R")
  libraries <- sprintf(".libPaths(c(%s))", toString(encodeString(.libPaths(), quote = "\"")))
  writeLines(c(libraries, code), script)
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(script)), stdout = TRUE, stderr = TRUE)
}

test_that("unloading with live tensors harms neither them nor the session", {
  skip_if_not_installed("withr")
  out <- in_new_process(c(
    "library(candela); torch_set_num_threads(2)",
    "x <- torch_randn(200, 200); y <- torch_matmul(x, x); m <- nn_linear(3, 2); m(torch_ones(1, 3))",
    "detach('package:candela', unload = TRUE); stopifnot(!'candela' %in% loadedNamespaces())",
    "rm(y); for (i in 1:3) invisible(gc())",
    "library(candela); z <- torch_ones(3) + 1; stopifnot(identical(as_array(z), c(2, 2, 2)))",
    "rm(x, m); for (i in 1:3) invisible(gc())",
    "for (i in 1:3) { unloadNamespace('candela'); invisible(gc()); loadNamespace('candela') }",
    "cat('survived\\n')"
  ))
  expect_identical(utils::tail(out, 1), "survived", info = paste(out, collapse = "\n"))
})
