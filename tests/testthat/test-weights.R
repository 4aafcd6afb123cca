test_that("weights are found in the folder of the option", {
  folder <- withr::local_tempdir()
  save_safetensors(list(w = torch_ones(2)), file.path(folder, "tiny.safetensors"))
  withr::local_options(candela.weights = folder)
  expect_equal(as.array(pretrained_weights("tiny")$w), c(1, 1))
  expect_error(pretrained_weights("unknown_model"), "candela.weights", class = "runtime_error")
})

test_that("a download is checked and leaves nothing behind", {
  folder <- withr::local_tempdir()
  source <- file.path(folder, "source")
  writeLines("text", source)
  url <- paste0("file://", source)
  target <- file.path(folder, "target")
  expect_error(download_checked(url, target, "0", "a file", FALSE), "Corrupt file", class = "runtime_error")
  expect_error(download_checked(paste0(url, "x"), target, "0", "a file", FALSE), "Cannot download",
    class = "runtime_error")
  expect_equal(list.files(folder), "source")
  download_checked(url, target, unname(tools::md5sum(source)), "a file", FALSE)
  expect_equal(readLines(target), "text")
})
