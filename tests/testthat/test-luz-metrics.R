value_of <- function(generator, ...) {
  metric <- generator$new()
  for (batch in list(...)) metric$update(batch[[1]], batch[[2]])
  metric$compute()
}

test_that("luz_metric() makes generators that keep their arguments", {
  metric <- luz_metric(
    "MyMetric",
    initialize = function(y) {
      self$z <- 0
      self$y <- y
    },
    update = function(preds, target) self$z <- self$z + self$y,
    compute = function() self$z
  )
  generator <- metric(y = 1)
  expect_s3_class(generator, c("MyMetric_generator", "luz_metric_generator", "R6ClassGenerator"))
  m <- generator$new()
  expect_s3_class(m, c("MyMetric", "LuzMetric"))
  m$update(1, 1)
  expect_equal(m$compute(), 1)
  expect_equal(generator$new()$compute(), 0)
})

test_that("errors count elements, over batches of different size", {
  x <- list(torch_tensor(c(1, 2, 3)), torch_tensor(c(0, 0, 0)))
  y <- list(torch_tensor(4), torch_tensor(0))
  expect_equal(value_of(luz_metric_mae(), x, y), 10 / 4)
  expect_equal(value_of(luz_metric_mse(), x, y), 30 / 4)
  expect_equal(value_of(luz_metric_rmse(), x, y), sqrt(30 / 4))
})

test_that("accuracy of items and of pixels", {
  scores <- torch_tensor(rbind(c(2, 1, 0), c(0, 1, 2), c(0, 3, 2)))
  expect_equal(value_of(luz_metric_accuracy(), list(scores, torch_tensor(c(1L, 3L, 1L)))), 2 / 3)
  pixels <- array(0, c(1, 2, 2, 2))
  pixels[1, 2, 1, ] <- 1
  target <- torch_tensor(array(c(2L, 1L, 1L, 1L), c(1, 2, 2)))
  expect_equal(value_of(luz_metric_accuracy(), list(torch_tensor(pixels), target)), 3 / 4)
})

test_that("binary accuracies", {
  target <- torch_tensor(c(1, 1, 0, 0))
  expect_equal(value_of(luz_metric_binary_accuracy(), list(torch_tensor(c(0.9, 0.4, 0.6, 0.1)), target)), 0.5)
  expect_equal(value_of(luz_metric_binary_accuracy(0.3), list(torch_tensor(c(0.9, 0.4, 0.6, 0.1)), target)), 0.75)
  expect_equal(value_of(luz_metric_binary_accuracy_with_logits(), list(torch_tensor(c(2, -1, -2, -3)), target)), 0.75)
})

test_that("overlap of classes", {
  scores <- array(0, c(1, 3, 2, 2))
  predicted <- matrix(c(1, 1, 2, 2), 2)
  for (i in 1:2) for (j in 1:2) scores[1, predicted[i, j], i, j] <- 1
  batch <- list(torch_tensor(scores), torch_tensor(array(c(1L, 2L, 2L, 2L), c(1, 2, 2))))
  expect_equal(value_of(luz_metric_iou(3, average = "none"), batch), c(1 / 2, 2 / 3, NaN))
  expect_equal(value_of(luz_metric_iou(3), batch), mean(c(1 / 2, 2 / 3)))
  expect_equal(value_of(luz_metric_dice(3), batch, batch), mean(c(2 / 3, 4 / 5)))
})

test_that("area under the binary ROC curve, against the rank statistic", {
  set.seed(1)
  score <- runif(2000)
  y <- rbinom(2000, 1, score)
  ranks <- rank(score)
  expected <- (sum(ranks[y == 1]) - sum(y) * (sum(y) + 1) / 2) / (sum(y) * sum(1 - y))
  batches <- lapply(split(1:2000, rep(1:4, 500)), function(i) list(torch_tensor(score[i]), torch_tensor(y[i])))
  expect_equal(do.call(value_of, c(list(luz_metric_binary_auroc()), unname(batches))), expected, tolerance = 1e-3)
  logits <- list(torch_tensor(qlogis(score)), torch_tensor(y))
  expect_equal(value_of(luz_metric_binary_auroc(from_logits = TRUE), logits), expected, tolerance = 1e-3)
  few <- list(torch_tensor(c(0.1, 0.4, 0.35, 0.8)), torch_tensor(c(0, 0, 1, 1)))
  expect_equal(value_of(luz_metric_binary_auroc(thresholds = c(0.1, 0.35, 0.4, 0.8)), few), 0.75)
})

test_that("averages of the area over classes", {
  probabilities <- rbind(c(0.7, 0.2, 0.1), c(0.3, 0.4, 0.3), c(0.2, 0.3, 0.5), c(0.5, 0.3, 0.2))
  target <- c(1L, 2L, 3L, 2L)
  one_class <- function(k) {
    value_of(luz_metric_binary_auroc(), list(torch_tensor(probabilities[, k]), torch_tensor(as.numeric(target == k))))
  }
  areas <- vapply(1:3, one_class, numeric(1))
  batch <- list(torch_tensor(probabilities), torch_tensor(target))
  average <- function(how) value_of(luz_metric_multiclass_auroc(average = how), batch)
  expect_equal(average("none"), as.list(areas), tolerance = 1e-6)
  expect_equal(average("macro"), mean(areas), tolerance = 1e-6)
  expect_equal(average("weighted"), weighted.mean(areas, c(1, 2, 1)), tolerance = 1e-6)
  flat <- list(torch_tensor(as.numeric(probabilities)), torch_tensor(as.numeric(outer(target, 1:3, "=="))))
  expect_equal(average("micro"), value_of(luz_metric_binary_auroc(), flat), tolerance = 1e-6)
})

test_that("metrics for training and validation", {
  metrics <- luz_metric_set(luz_metric_mae(), train_metrics = luz_metric_rmse(), valid_metrics = luz_metric_mse())
  fitted <- fit(linear_model(metrics = metrics), linear_loader(20), epochs = 1, valid_data = linear_loader(20),
    verbose = FALSE)
  rows <- get_metrics(fitted)
  expect_equal(paste(rows$set, rows$metric),
    c("train loss", "train mae", "train rmse", "valid loss", "valid mae", "valid mse"))
  expect_error(luz_metric_set(list(1)), "Expected an object with class <luz_metric_generator>.", fixed = TRUE)
})

test_that("metrics see ctx and the environment they were defined in", {
  k <- 3
  metric <- luz_metric(abbrev = "K", initialize = function() NULL, update = function(preds, target) NULL,
    compute = function() k * ctx$epoch)
  fitted <- fit(scripted_model() %>% {
    attr(., "module")$public_fields$metrics <- luz_metric_set(metric())
    .
  }, scripted_loader(), epochs = 2, verbose = FALSE)
  expect_equal(fitted$records$metrics$train[[2]]$k, 6)
})

test_that("errors in metrics say where", {
  hello <- luz_metric("hello", abbrev = "h", update = function(preds, target) stop("error in metric!"))
  error <- expect_error(fit(linear_model(metrics = hello()), linear_loader(20), epochs = 1, verbose = FALSE))
  expect_match(conditionMessage(error$parent), 'abbrev "h" and class <hello/LuzMetric/R6>')
  expect_match(conditionMessage(error$parent), "iter 1 of epoch 1.*training mode")
  expect_equal(conditionMessage(error$parent$parent), "error in metric!")
})

test_that("metrics can format their values", {
  metric <- luz_metric(abbrev = "Pct", update = function(preds, target) NULL, compute = function() 0.25,
    format = function(v) paste0(100 * v, "%"))
  messages <- fit_messages(linear_model(metrics = metric()), linear_loader(20), epochs = 1)
  expect_match(messages[2], " - Pct: 25%$")
})

test_that("binary accuracies are called acc, and areas of single classes are a list", {
  expect_identical(luz_metric_binary_accuracy()$new()$abbrev, "Acc")
  expect_identical(luz_metric_binary_accuracy_with_logits()$new()$abbrev, "Acc")
  scores <- torch_tensor(rbind(c(0.9, 0.1), c(0.2, 0.8), c(0.6, 0.4)))
  areas <- value_of(luz_metric_multiclass_auroc(average = "none"), list(scores, torch_tensor(c(1L, 2L, 2L))))
  expect_type(areas, "list")
  expect_length(areas, 2)
})

test_that("a set of metrics prints their names", {
  set <- luz_metric_set(list(luz_metric_mae()), valid_metrics = luz_metric_rmse())
  expect_output(print(set), "training: luz_metric_mae\nvalidation: luz_metric_mae, luz_metric_rmse", fixed = TRUE)
  expect_output(print(luz_metric_set()), "training: none", fixed = TRUE)
})
