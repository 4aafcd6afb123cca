test_that("a saved model gives the same predictions", {
  fitted <- fit(linear_model(), linear_loader(20), epochs = 2, verbose = FALSE)
  path <- withr::local_tempfile()
  luz_save(fitted, path)
  loaded <- luz_load(path)
  x <- torch_randn(5, 10)
  expect_equal(as_array(predict(loaded, x)), as_array(predict(fitted, x)))
  expect_equal(get_metrics(loaded), get_metrics(fitted))
  expect_equal(loaded$ctx, fitted$ctx)
  expect_error(luz_save(1, path), class = "type_error")
  expect_equal(as_array(predict(luz_load(path), x)), as_array(predict(fitted, x)))
})

test_that("a model that uses ctx can be saved", {
  module <- nn_module(
    initialize = function() self$fc <- nn_linear(10, 1),
    forward = function(x) self$fc(x) * length(ctx$hparams)
  )
  fitted <- module %>%
    setup(loss = nn_mse_loss(), optimizer = optim_adam) %>%
    fit(linear_loader(20), epochs = 1, verbose = FALSE)
  path <- withr::local_tempfile()
  luz_save(fitted, path)
  expect_equal(as.numeric(as_array(predict(luz_load(path), torch_ones(2, 10)))), c(0, 0))
})

test_that("weights alone", {
  first <- fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE)
  second <- fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE)
  path <- withr::local_tempfile()
  expect_null(luz_save_model_weights(first, path))
  expect_null(luz_load_model_weights(second, path))
  expect_equal(as_array(first$model$fc$weight), as_array(second$model$fc$weight))
})

test_that("other files are refused", {
  path <- withr::local_tempfile()
  saveRDS(list(1), path)
  expect_error(luz_load(path), "luz_save", class = "value_error")
})

test_that("files that cannot be read or written are named, and nothing else is said", {
  fitted <- fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE)
  missing <- file.path(withr::local_tempdir(), "none", "model.rds")
  expect_no_warning(
    expect_error(luz_save(fitted, missing), "none/model.rds' cannot be written", class = "runtime_error")
  )
  expect_no_warning(expect_error(luz_load(missing), "no file .*none/model.rds", class = "runtime_error"))
  expect_error(luz_save(fitted, 3), "`path` must be a single string, but got 3", class = "value_error")
  damaged <- withr::local_tempfile(lines = "not a model")
  expect_no_warning(expect_error(luz_load(damaged), "damaged", class = "value_error"))
})

test_that("a checkpoint is loaded into a model or the context of training", {
  path <- withr::local_tempfile(fileext = ".pt")
  first <- fit(linear_model(), linear_loader(20), epochs = 1, valid_data = linear_loader(20), verbose = FALSE,
    callbacks = luz_callback_model_checkpoint(path))
  other <- fit(linear_model(), linear_loader(20), epochs = 1, verbose = FALSE)
  luz_load_checkpoint(other, path)
  expect_equal(as_array(other$model$fc$weight), as_array(first$model$fc$weight))
  restored <- NULL
  load <- luz_callback(on_fit_begin = function() {
    luz_load_checkpoint(ctx, path, restore_records = FALSE)
    restored <<- as_array(ctx$model$fc$weight)
  })
  fit(linear_model(), linear_loader(20), epochs = 1, callbacks = load(), verbose = FALSE)
  expect_equal(restored, as_array(first$model$fc$weight))
  expect_error(luz_load_checkpoint(3, path), class = "type_error")
})
