test_that("PyTorch checkpoints of both formats are read", {
  expected <- load_safetensors(checkpoint_path("weights_expected.safetensors"))
  for (file in c("weights_zip.pth", "weights_legacy.pth")) {
    got <- load_state_dict(checkpoint_path(file))
    expect_setequal(names(got), names(expected))
    for (name in names(expected)) expect_equal(as.array(got[[name]]), as.array(expected[[name]]), info = name)
  }
  checkpoint <- load_state_dict(checkpoint_path("checkpoint_zip.pth"))
  expect_equal(checkpoint$epoch, 3L)
  expect_true(is_tensor(checkpoint$state_dict$conv.weight))
})

attempt <- function(bytes, read) {
  path <- tempfile()
  on.exit(unlink(path))
  writeBin(bytes, path)
  tryCatch({
    read(path)
    "read"
  }, error = function(e) class(e)[[1]])
}

test_that("cut and damaged files give an error, never a crash", {
  readers <- list(
    weights_zip.pth = load_state_dict, weights_legacy.pth = load_state_dict,
    weights_expected.safetensors = load_safetensors
  )
  for (file in names(readers)) {
    bytes <- readBin(checkpoint_path(file), "raw", 1e6)
    cut <- vapply(seq(0, length(bytes) - 1, by = 7), function(n) attempt(bytes[seq_len(n)], readers[[file]]), "")
    expect_setequal(cut, "candela_error_format")
    set.seed(1)
    flipped <- vapply(1:300, function(i) {
      at <- sample(length(bytes), 1)
      bytes[at] <- xor(bytes[at], as.raw(bitwShiftL(1L, sample(0:7, 1))))
      attempt(bytes, readers[[file]])
    }, "")
    expect_true(all(flipped %in% c("read", "candela_error_format")), info = file)
  }
})

test_that("safetensors files come back as they were written", {
  tensors <- list(
    a = torch_tensor(matrix(1:6 / 4, 2)), `b "c"` = torch_tensor(c(TRUE, FALSE)), n = torch_tensor(1:3),
    view = torch_tensor(matrix(1:6, 2))$t(), empty = torch_zeros(0, 3)
  )
  path <- withr::local_tempfile()
  save_safetensors(tensors, path, c(key = "value \\ \"x\""))
  back <- load_safetensors(path)
  expect_named(back, names(tensors))
  for (name in names(tensors)) expect_equal(as.array(back[[name]]), as.array(tensors[[name]]))
  expect_equal(attr(back, "metadata"), c(key = "value \\ \"x\""))
  expect_error(save_safetensors(list(torch_ones(1)), path), class = "value_error")
  expect_error(load_safetensors(tempfile()), class = "candela_error_io")
})

test_that("tensors, lists and modules are saved and loaded", {
  path <- withr::local_tempfile()
  torch_save(torch_ones(2, requires_grad = TRUE), path)
  back <- torch_load(path)
  expect_true(back$requires_grad)
  expect_equal(as.array(back$detach()), c(1, 1))
  shared <- torch_ones(2)
  object <- torch_load(torch_serialize(list(a = shared, deep = list(b = shared, text = "x"), n = NULL, k = 3)))
  expect_equal(as.array(object$deep$b), c(1, 1))
  expect_equal(object$deep$text, "x")
  expect_equal(object$k, 3)
  model <- nn_linear(3, 2)
  torch_save(model, path)
  again <- torch_load(path)
  x <- torch_ones(1, 3)
  expect_equal(as.array(again(x)$detach()), as.array(model(x)$detach()))
  expect_true(again$weight$requires_grad)
})

test_that("a failed save leaves the old file alone", {
  folder <- withr::local_tempdir()
  path <- file.path(folder, "a.safetensors")
  save_safetensors(list(a = torch_ones(1)), path)
  expect_error(write_whole_file(path, function(part) {
    writeLines("half", part)
    stop("full")
  }), "full")
  expect_equal(list.files(folder), "a.safetensors")
  expect_equal(as.array(load_safetensors(path)$a), 1)
})
