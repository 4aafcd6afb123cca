fitted_line <- function() {
  torch_manual_seed(1)
  nn_linear %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_hparams(in_features = 2, out_features = 1) %>%
    set_opt_hparams(lr = 0.01) %>%
    fit(list(torch_randn(8, 2), torch_randn(8, 1)), epochs = 1, verbose = FALSE,
      dataloader_options = list(batch_size = 4))
}

test_that("a fitted model becomes a bundle that another session can use", {
  skip_if_not_installed("bundle")
  skip_if_not_installed("callr")
  fitted <- fitted_line()
  x <- matrix(c(1, 2, 3, 4), 2)
  kept <- getExportedValue("bundle", "bundle")(fitted)
  expect_s3_class(kept, c("bundled_luz_module_fitted", "bundle"))
  path <- withr::local_tempfile()
  saveRDS(kept, path)
  predicted <- callr::r(function(path, x, paths) {
    .libPaths(paths)
    candela::as_array(predict(getExportedValue("bundle", "unbundle")(readRDS(path)), x))
  }, list(path, x, .libPaths()))
  expect_identical(predicted, as_array(predict(fitted, x)))
})

test_that("a fitted model becomes a vetiver model that predicts and answers requests", {
  skip_if_not_installed("vetiver")
  fitted <- fitted_line()
  data <- data.frame(a = c(1, 2), b = c(3, 4))
  served <- getExportedValue("vetiver", "vetiver_model")(fitted, "line", prototype_data = data)
  expect_match(served$description, "3 parameters")
  expect_identical(names(served$prototype), c("a", "b"))
  expect_identical(nrow(served$prototype), 0L)
  expect_true("candela" %in% served$metadata$required_pkgs)
  expected <- as_array(predict(fitted, as.matrix(data)))
  expect_identical(as_array(predict(served, as.matrix(data))), expected)
  served$model <- getExportedValue("bundle", "unbundle")(served$model)
  answer <- getExportedValue("vetiver", "handler_predict")(served)(list(body = data[c("b", "a")]))
  expect_equal(unname(as.matrix(answer$preds)), expected)
  expect_error(getExportedValue("vetiver", "handler_predict")(served)(list(body = data["a"])), "no column b",
    class = "value_error")
  expect_error(getExportedValue("vetiver", "vetiver_model")(fitted, "line"), "prototype_data", class = "value_error")
})

test_that("the bytes of a model come back in a connection", {
  fitted <- fitted_line()
  out <- rawConnection(raw(), open = "wb")
  luz_save(fitted, out)
  bytes <- rawConnectionValue(out)
  close(out)
  back <- rawConnection(bytes)
  withr::defer(close(back))
  x <- torch_ones(3, 2)
  expect_identical(as_array(predict(luz_load(back), x)), as_array(predict(fitted, x)))
})

test_that("what is served is a data frame, one column for each output", {
  one <- served_output(torch_ones(2, 1))
  expect_identical(dim(one$preds), c(2L, 1L))
  two <- served_output(list(a = torch_ones(2), b = torch_zeros(2, 3)))
  expect_identical(names(two), c("a", "b"))
  expect_identical(nrow(two), 2L)
})
