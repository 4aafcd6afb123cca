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

test_that("SHA-256 sums are those of the standard", {
  path <- withr::local_tempfile()
  sum_of <- function(bytes) {
    writeBin(bytes, path)
    .Call(cdr_sha256, path)
  }
  expect_equal(sum_of(raw()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  expect_equal(sum_of(charToRaw("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  expect_equal(sum_of(charToRaw("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
  expect_equal(sum_of(rep(charToRaw("a"), 1e6)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  expect_error(.Call(cdr_sha256, file.path(path, "none")), "none")
})

test_that("published files are found under their own names and checked by the digits in them", {
  folder <- withr::local_tempdir()
  withr::local_options(candela.weights = folder)
  file <- file.path(folder, "resnet18-f37072fd.pth")
  file.create(file)
  expect_equal(pretrained_weights_path("resnet18"), file)
  source <- weight_source("resnet18")
  expect_equal(source, list(url = "https://download.pytorch.org/models/resnet18-f37072fd.pth", sha256 = "f37072fd"))
  expect_match(unlist(weight_files), "-[0-9a-f]{8}\\.pth$")
  expect_error(download_checked(paste0("file://", file), file.path(folder, "x"), NULL, "it", FALSE, "f37072fd"),
    "SHA-256 sum is e3b0c442.*not f37072fd", class = "runtime_error")
})
