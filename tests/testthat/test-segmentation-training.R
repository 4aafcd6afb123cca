cells <- function(n = 6, size = 32) {
  root <- drawn_cells(tempfile(), n = n, size = size)
  suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
    classes = c(background = 0, cell = 255)))
}

small_unet <- function(classes) {
  unet("plain", classes = classes, weights = NULL, encoder_depth = 3, decoder_channels = c(8, 8, 8), base = 4)
}

quiet_fit <- function(object, ...) suppressMessages(fit(object, ..., verbose = FALSE))

test_that("a segmentation model is trained with nothing but its data", {
  ds <- cells()
  parts <- split(ds, c(train = 0.7, valid = 0.3))
  torch_manual_seed(1)
  rates <- c()
  note <- luz_callback(on_train_batch_end = function() rates <<- c(rates, ctx$optimizers$opt$param_groups[[1]]$lr))
  messages <- testthat::capture_messages(
    fitted <- small_unet(ds) %>% setup() %>% fit(parts, epochs = 3, verbose = FALSE, callbacks = note())
  )
  expect_match(paste(messages, collapse = ""), "Loss: cross entropy")
  metrics <- get_metrics(fitted)
  expect_setequal(unique(metrics$metric), c("loss", "iou", "acc"))
  expect_setequal(unique(metrics$set), c("train", "valid"))
  # One cycle: up, then down to nearly nothing.
  expect_gt(max(rates), 3e-3)
  expect_lt(rates[[length(rates)]], 1e-5)
  # The weights are those of the best epoch.
  best <- max(metrics$value[metrics$metric == "iou" & metrics$set == "valid"])
  again <- get_metrics(evaluate(fitted, parts$valid, verbose = FALSE))
  expect_equal(again$value[again$metric == "iou"], best)
})

test_that("what is given takes the place of a default", {
  ds <- cells()
  parts <- split(ds, c(train = 0.7, valid = 0.3))
  fitted <- small_unet(ds) %>%
    setup(loss = nn_focal_loss("multiclass"), optimizer = optim_sgd, metrics = luz_metric_dice(2)) %>%
    set_opt_hparams(lr = 0.1) %>%
    quiet_fit(parts, epochs = 1)
  expect_setequal(unique(get_metrics(fitted)$metric), c("loss", "dice"))
  rates <- c()
  note <- luz_callback(on_train_batch_end = function() rates <<- c(rates, ctx$optimizers$opt$param_groups[[1]]$lr))
  small_unet(ds) %>%
    setup() %>%
    set_opt_hparams(lr = 0.01) %>%
    quiet_fit(parts, epochs = 2, callbacks = list(note(), luz_callback_lr_scheduler(lr_step, step_size = 10)))
  expect_equal(unique(rates), 0.01)
})

test_that("the loss looks at how frequent classes are", {
  model <- small_unet(3)
  data <- function(rare) {
    y <- torch_ones(2, 16, 16, dtype = torch_long())
    y[, 1:6, ] <- 2L
    y[, 16, seq_len(rare)] <- 3L
    tensor_dataset(torch_randn(2, 3, 16, 16), y)
  }
  even <- loss_for(model, data(8))
  expect_equal(even$kind, "balanced")
  counts <- c(2 * (10 * 16 - 8), 2 * 6 * 16, 2 * 8)
  expect_equal(loss_for(model, data(8))$shares, counts / sum(counts))
  expect_false(is_imbalanced(c(100, 11)))
  expect_true(is_imbalanced(c(100, 9, 0)))
  weights <- 1 / sqrt(counts / sum(counts))
  expect_equal(even$weights, weights / mean(weights))
  x <- torch_randn(2, 3, 16, 16)
  y <- data(8)[1:2][[2]]
  expected <- nnf_cross_entropy(x, y, torch_tensor(even$weights)) + nn_dice_loss("multiclass")(x, y)
  expect_equal(as_array(automatic_loss(even, x, y)), as_array(expected), tolerance = 1e-6)
  void <- torch_full(c(2, 16, 16), void_class, dtype = torch_long())
  expect_equal(as_array(automatic_loss(even, x, void)), 0)
})

test_that("the weights of the loss are those of class_weights(), nothing for a class that does not occur", {
  ds <- tensor_dataset(torch_rand(2, 3, 32, 32), torch_ones(2, 32, 32, dtype = torch_long()))
  ds$tensors[[2]][, 1:2, 1:2] <- 2L
  model <- unet("plain", classes = c("a", "b", "c"), weights = NULL, decoder_channels = c(8, 8, 8, 8, 8))
  chosen <- loss_for(model, ds)
  expect_identical(chosen$kind, "balanced")
  expect_equal(chosen$weights, class_weights(c(2040, 8, 0), "sqrt"))
  expect_identical(chosen$weights[[3]], 0)
})

test_that("one class is trained with targets of 0 and 1", {
  x <- torch_randn(4, 3, 16, 16)
  y <- (x[, 1, , ] > 0)$to(dtype = torch_float())
  model <- small_unet(1)
  data <- tensor_dataset(x, y)
  fitted <- model %>% setup() %>% quiet_fit(list(train = data, valid = data), epochs = 1)
  expect_true(all(is.finite(get_metrics(fitted)$value)))
})

test_that("a trained model knows in another session what prediction needs", {
  skip_on_cran()
  ds <- cells(n = 4)
  parts <- split(ds, c(train = 0.5, valid = 0.5))
  fitted <- small_unet(ds) %>% setup() %>% quiet_fit(parts, epochs = 1)
  expect_equal(input_spec(fitted), input_spec(parts$train))
  path <- tempfile()
  luz_save(fitted, path)
  x <- parts$valid[1]$x$unsqueeze(1)
  fitted$model$eval()
  found <- callr::r(function(path, x) {
    library(candela)
    fitted <- luz_load(path)
    fitted$model$eval()
    y <- with_no_grad(fitted$model(torch_tensor(x)))
    data <- tensor_dataset(torch_tensor(x), torch_ones(1, 32, 32, dtype = torch_long()))
    list(spec = input_spec(fitted), classes = class_table(fitted), y = as_array(y),
      metrics = get_metrics(evaluate(fitted, data, verbose = FALSE)))
  }, list(path, as_array(x)))
  expect_equal(found$spec, input_spec(fitted))
  expect_equal(found$classes, class_table(ds))
  expect_equal(found$y, as_array(with_no_grad(fitted$model(x))), tolerance = 1e-6)
  expect_true(all(is.finite(found$metrics$value)))
})
