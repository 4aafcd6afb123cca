# Files appear whole or not at all, and what a killed process left goes away.

in_new_session <- function(code) {
  script <- tempfile(fileext = ".R")
  libraries <- sprintf(".libPaths(c(%s))", toString(encodeString(.libPaths(), quote = "\"")))
  writeLines(c(libraries, "library(candela)", code), script)
  script
}

hidden_in <- function(folder) list.files(folder, "^\\.saving-", all.files = TRUE)

test_that("a file that cannot be finished leaves the old one, and nothing beside it", {
  folder <- withr::local_tempdir()
  path <- file.path(folder, "x.png")
  image_write(matrix(0.5, 4, 4), path)
  before <- tools::md5sum(path)
  expect_error(candela:::write_whole_file(path, function(part) {
    writeLines("half", part)
    stop("no more")
  }), "no more")
  expect_identical(tools::md5sum(path), before)
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "x.png")
  expect_error(image_write(matrix(0, 2, 2), file.path(folder, "x.bmp")), "must end in .*x[.]bmp", class = "value_error")
  expect_error(image_write(matrix(0, 2, 2), file.path(folder, "none", "x.png")), "no folder",
    class = "candela_error_io")
  expect_error(save_safetensors(list(a = torch_ones(1)), folder), "is a folder", class = "candela_error_io")
})

test_that("links and devices stay what they are, and modes are kept", {
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  target <- file.path(folder, "target.png")
  image_write(matrix(0, 2, 2), target)
  Sys.chmod(target, "600")
  link <- file.path(folder, "link.png")
  file.symlink(target, link)
  image_write(matrix(1, 3, 3), link)
  expect_true(nzchar(Sys.readlink(link)))
  expect_equal(dim(image_read(target)), c(3, 3, 1))
  expect_equal(format(file.mode(target)), "600")
  expect_true(.Call(candela:::cdr_is_special_file, "/dev/null"))
  expect_false(.Call(candela:::cdr_is_special_file, target))
  torch_save(torch_ones(2), "/dev/null")
  expect_true(file.exists("/dev/null") && .Call(candela:::cdr_is_special_file, "/dev/null"))
})

test_that("what ended processes left is removed, what others are writing is not", {
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  host <- candela:::this_host()
  ended <- file.path(folder, sprintf(".saving-%s-%d-abc.png", host, 2^22 - 3))
  alive <- file.path(folder, sprintf(".saving-%s-%d-abc.png", host, Sys.getpid()))
  foreign <- file.path(folder, ".saving-elsewhere-12-abc.png")
  old <- file.path(folder, ".saving-elsewhere-13-abc.png")
  file.create(ended, alive, foreign, old)
  Sys.setFileTime(old, Sys.time() - 48 * 3600)
  image_write(matrix(0, 2, 2), file.path(folder, "x.png"))
  expect_setequal(hidden_in(folder), basename(c(alive, foreign)))
})

test_that("killed writers leave whole files", {
  skip_on_os("windows")
  skip_on_cran()
  folder <- withr::local_tempdir()
  script <- in_new_session(c(
    "torch_set_num_threads(1)",
    sprintf("path <- '%s'", file.path(folder, "x")),
    "x <- array(stats::runif(600 * 600 * 3), c(600, 600, 3))",
    "file.create(paste0(path, '.ready'))",
    "repeat image_write(x, paste0(path, '.png'))"
  ))
  for (wait in c(0.05, 0.17)) {
    process <- callr::process$new(file.path(R.home("bin"), "Rscript"), c("--vanilla", script))
    for (i in 1:200) if (file.exists(file.path(folder, "x.ready"))) break else Sys.sleep(0.05)
    Sys.sleep(wait)
    process$kill(grace = 0)
    process$wait()
    if (file.exists(file.path(folder, "x.png"))) {
      expect_equal(dim(image_read(file.path(folder, "x.png"))), c(600, 600, 3))
    }
    unlink(file.path(folder, "x.ready"))
  }
  rm(list = ls(candela:::cleaned), envir = candela:::cleaned)
  image_write(matrix(0, 2, 2), file.path(folder, "y.png"))
  expect_length(hidden_in(folder), 0)
})
