test_that("evaluations are printed", {
  with_two_streams(1, {
    x <- torch_randn(100, 10)
    y <- torch_randn(100, 1)
  })
  fitted <- fit(linear_model(metrics = luz_metric_mae()), list(x, y), epochs = 1, verbose = FALSE,
    dataloader_options = list(batch_size = 2, shuffle = FALSE))
  result <- evaluate(fitted, list(x, y), metrics = list(luz_metric_mae(), luz_metric_mse(), luz_metric_rmse()))
  expect_s3_class(result, "luz_module_evaluation")
  lines <- capture.output(print(result))
  expect_equal(lines[1], "A `luz_module_evaluation`")
  expect_match(lines[2], "Results")
  expect_equal(lines[3:6], c("loss: 1.5146", "mae: 1.0251", "mse: 1.5159", "rmse: 1.2312"))
  expect_named(get_metrics(result), c("metric", "value"))
})

test_that("trained models are printed", {
  fitted <- fit(scripted_model(c(2, 1.23456)), scripted_loader(), epochs = 2, valid_data = scripted_loader(),
    verbose = FALSE)
  lines <- capture.output(print(fitted))
  expect_equal(lines[1], "A `luz_module_fitted`")
  expect_true(any(grepl("Total time: ", lines)))
  expect_true(any(grepl("Avg time per training epoch: ", lines)))
  expect_true(any(grepl("Avg time per validation epoch: ", lines)))
  expect_equal(sum(lines == "loss: 1.2346"), 2)
  expect_match(lines, "Training:", all = FALSE)
})

test_that("metrics are drawn", {
  fitted <- fit(scripted_model(), scripted_loader(), epochs = 3, verbose = FALSE)
  pdf(NULL)
  on.exit(dev.off())
  expect_silent(plot_metrics_base(get_metrics(fitted)))
  skip_if_not_installed("ggplot2")
  expect_s3_class(plot(fitted), "ggplot")
})
