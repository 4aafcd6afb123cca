# As text, since the peers are no packages that the tests need.
with_peers <- '
library(torch)
library(luz)
missing <- setdiff(getNamespaceExports("torch"), getNamespaceExports("candela"))
absent <- if (length(missing) > 0) tryCatch(get(missing[[1]])(), error = function(e) conditionMessage(e))
fitted <- nn_linear %>%
  setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
  set_hparams(in_features = 3, out_features = 1) %>%
  set_opt_hparams(lr = 0.01) %>%
  fit(list(torch_randn(32, 3), torch_randn(32, 1)), epochs = 1, verbose = FALSE)
list(
  ones = torch::as_array(torch::torch_ones(2)), same = identical(torch::nn_linear, candela::nn_linear),
  inner = torch:::is_torch_tensor(torch_ones(1)), absent = absent, fitted = class(fitted),
  version = packageVersion("torch") >= "0.17", several = "nn_module" %in% getNamespaceExports("torch")
)
'

test_that("packages of the peers' names are candela", {
  skip_on_cran()
  skip_if_not_installed("callr")
  lib <- withr::local_tempdir()
  expect_identical(as_torch_stub(lib, c("torch", "luz")), normalizePath(lib))
  expect_setequal(list.files(lib), c("torch", "luz"))
  found <- callr::r(function(lib, paths, script) {
    .libPaths(c(lib, paths))
    eval(parse(text = script))
  }, list(lib = lib, paths = .libPaths(), script = with_peers))
  expect_equal(found$ones, c(1, 1))
  expect_true(found$same && found$inner && found$version && found$several)
  if (!is.null(found$absent)) expect_match(found$absent, "is not there in candela")
  expect_true("luz_module_fitted" %in% found$fitted)
  # A stub is made anew, a package that is none stays.
  as_torch_stub(lib, "luz")
  dir.create(file.path(lib, "torchvision"))
  expect_error(as_torch_stub(lib), "holds the package torchvision itself", class = "runtime_error")
  expect_error(as_torch_stub(lib, "keras"), "packages", class = "value_error")
})
