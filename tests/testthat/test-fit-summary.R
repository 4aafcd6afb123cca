test_that("a summary has layers, data, best epoch and metrics by class", {
  made <- drawn_fit()
  s <- summary(made$fit)
  expect_s3_class(s$layers, "candela_module_summary")
  expect_equal(s$layers$output[[1]], "1 x 2 x 32 x 32")
  expect_equal(s$input$channels, 1)
  metrics <- get_metrics(made$fit)
  iou <- metrics[metrics$set == "valid" & metrics$metric == "iou", ]
  expect_equal(s$glance$best_epoch, iou$epoch[[which.max(iou$value)]])
  expect_equal(s$glance$monitor, "valid_iou")
  expect_equal(s$glance$valid_iou, max(iou$value))
  expect_equal(s$metrics$last[s$metrics$set == "valid" & s$metrics$metric == "iou"], iou$value[[3]])
  # The weights are those of the best epoch, so both matrices agree.
  again <- summary(made$fit, data = made$parts$valid)
  expect_equal(s$confusion$counts, again$confusion$counts)
  expect_equal(s$by_class, again$by_class)
  expect_equal(mean(s$by_class$iou), max(iou$value))
  expect_output(print(s), "best epoch")
  expect_output(print(s), "By class, on the validation data at the best epoch")
})

test_that("it survives saving, and knows models without classes", {
  made <- drawn_fit()
  file <- withr::local_tempfile()
  luz_save(made$fit, file)
  expect_equal(summary(luz_load(file))$by_class, summary(made$fit)$by_class)
  small <- small_classifier(3)
  s <- summary(small$fit, input_size = 3)
  expect_equal(s$layers$output, "1 x 3")
  loss <- get_metrics(small$fit)
  loss <- loss[loss$set == "valid" & loss$metric == "loss", ]
  expect_equal(s$glance$best_epoch, which.min(loss$value))
  expect_null(s$by_class)
  expect_output(print(s), "3 epochs")
})

test_that("tidy, glance and augment are methods of the generics of generics", {
  small <- small_classifier(2)
  expect_equal(generics::tidy(small$fit), get_metrics(small$fit))
  g <- generics::glance(small$fit)
  expect_equal(nrow(g), 1)
  expect_equal(g$parameters, 12)
  expect_equal(g$epochs, 2)
  a <- generics::augment(small$fit, small$data)
  expect_equal(nrow(a), 40)
  expect_equal(as.integer(a$.truth), rep_len(1:3, 40))
  scores <- as_array(predict(small$fit, small$data))
  expect_equal(as.integer(a$.predicted), max.col(scores, "first"))
  expect_equal(a$.probability, apply(exp(scores) / rowSums(exp(scores)), 1, max), tolerance = 1e-5)
})

test_that("augment scores pictures by their files", {
  made <- drawn_fit()
  a <- augment(made$fit, made$parts$valid)
  expect_equal(basename(a$image), c("cell-05.png", "cell-06.png"))
  one <- luz_metric_iou(2, average = "none-imagewise")$new()
  one$update(predict(made$fit, made$parts$valid), torch_stack(list(made$parts$valid[1][[2]], made$parts$valid[2][[2]])))
  expect_equal(unname(as.matrix(a[c(".iou_background", ".iou_cell")])), unname(one$compute()))
  expect_equal(a$.iou, rowMeans(one$compute()))
})

test_that("numbers have residuals", {
  x <- torch_randn(12, 2)
  y <- torch_randn(12, 1)
  fit <- nn_linear %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_hparams(in_features = 2, out_features = 1) %>%
    set_opt_hparams(lr = 0.1) %>%
    fit(list(x, y), epochs = 1, verbose = FALSE, dataloader_options = list(batch_size = 4))
  a <- augment(fit, list(x, y))
  expect_equal(a$.fitted, as.numeric(as_array(predict(fit, x))))
  expect_equal(a$.resid, as.numeric(as_array(y)) - a$.fitted)
  expect_true(all(is.na(a$image)))
})

test_that("curves are drawn by autoplot, whichever package is loaded first", {
  skip_if_not_installed("ggplot2")
  small <- small_classifier(2)
  p <- ggplot2::autoplot(small$fit)
  expect_s3_class(p, "ggplot")
  expect_equal(class(plot(small$fit)), class(p))
  expect_true("ggplot2" %in% loadedNamespaces())
  expect_true(is.function(getS3method("autoplot", "candela_module_fitted", envir = asNamespace("ggplot2"))))
})
