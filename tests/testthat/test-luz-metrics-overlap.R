test_that("counts and scores are those of segmentation_models_pytorch", {
  skip_without_reference("segmentation/losses.json")
  cases <- jsonlite::fromJSON(reference_path("segmentation/losses.json"), simplifyDataFrame = FALSE)$metrics
  tensors <- read_safetensors(reference_path("segmentation/losses.safetensors"))
  metrics <- list(
    iou_score = luz_metric_iou, f1_score = luz_metric_dice, accuracy = luz_metric_class_accuracy,
    recall = luz_metric_recall, precision = luz_metric_precision, balanced_accuracy = luz_metric_balanced_accuracy
  )
  expect_length(cases, 4)
  for (case in cases) {
    logits <- tensors[[paste0(case$mode, ".logits")]]
    target <- tensors[[case$target]]
    if (case$mode == "multiclass") target <- ifelse(target == 255, 255, target + 1)
    target <- torch_tensor(array(target, dim(target)), dtype = torch_long())
    logits <- torch_tensor(array(logits, dim(logits)))
    for (name in names(case$scores)) {
      parts <- strsplit(name, ".", fixed = TRUE)[[1]]
      average <- if (parts[2] == "none") "none-imagewise" else parts[2]
      metric <- metrics[[parts[1]]](
        num_classes = dim(logits)[2], average = average, ignore_index = 255, mode = case$mode
      )$new()
      # Two batches.
      metric$update(logits[1:1, ..], target[1:1, ..])
      metric$update(logits[2:3, ..], target[2:3, ..])
      expect_equal(as.numeric(metric$compute()), as.numeric(case$scores[[name]]), tolerance = 1e-6,
        label = paste(case$target, name))
      if (average == "micro") {
        for (what in c("tp", "fp", "fn", "tn")) {
          expect_equal(as.numeric(metric$counts()[[what]]), as.numeric(case$counts[[what]]))
        }
      }
    }
  }
})

test_that("scores by class have names, and come from one confusion matrix of the epoch", {
  target <- torch_tensor(array(c(1L, 1L, 2L, 2L, 2L, void_class), c(1, 2, 3)))
  preds <- torch_tensor(array(c(1L, 2L, 2L, 2L, 1L, 1L), c(1, 2, 3)))
  metric <- luz_metric_iou(num_classes = c("ground", "cell", "nowhere"), average = "none")$new()
  for (i in 1:2) metric$update(preds, target)
  expect_equal(metric$confusion, 2 * rbind(c(1, 1, 0), c(1, 2, 0), 0))
  expect_equal(metric$compute(), c(ground = 1 / 3, cell = 2 / 4, nowhere = NaN))
  macro <- luz_metric_iou(num_classes = 3)$new()
  macro$update(preds, target)
  expect_equal(macro$compute(), mean(c(1 / 3, 1 / 2)))
  weighted <- luz_metric_recall(num_classes = 3, average = "weighted")$new()
  weighted$update(preds, target)
  expect_equal(weighted$compute(), 3 / 5)
  accuracy <- luz_metric_accuracy()$new()
  accuracy$update(nnf_one_hot(preds, 3)$permute(c(1, 4, 2, 3))$to(dtype = torch_float()), target)
  expect_equal(accuracy$compute(), 3 / 5)
})

test_that("what the metrics cannot count is told as by the losses", {
  logits <- torch_randn(1, 2, 3, 3)
  classes <- function(k) torch_full(c(1, 3, 3), k, dtype = torch_long())
  metric <- luz_metric_iou(num_classes = 2)$new()
  expect_error(metric$update(logits, classes(0L)), "count from 1", class = "candela_error_index")
  expect_error(metric$update(logits, classes(3L)), "out of bounds for 2 classes", class = "candela_error_index")
  expect_error(metric$update(logits[, 1:1, , ], classes(1L)), "mode = \"binary\"", class = "value_error")
  expect_error(metric$update(torch_randn(1, 3, 3, 3), classes(1L)), "num_classes = 2", class = "value_error")
  expect_error(metric$update(logits, torch_ones(1, 3, 4, dtype = torch_long())), "size")
  binary <- luz_metric_dice(num_classes = 1, mode = "binary")$new()
  expect_error(binary$update(logits[, 1:1, , ], classes(2L)), "labels are 0 or 1", class = "value_error")
  expect_error(luz_metric_iou(num_classes = 2, average = "mean")$new(), "average")
})

# Distances between all pairs of pixels.
brute_boundary_f1 <- function(predicted, true, tolerance) {
  boundary <- function(m) {
    at <- which(m, arr.ind = TRUE)
    keep <- apply(at, 1, function(p) {
      near <- rbind(p + c(1, 0), p - c(1, 0), p + c(0, 1), p - c(0, 1))
      inside <- near[, 1] >= 1 & near[, 1] <= nrow(m) & near[, 2] >= 1 & near[, 2] <= ncol(m)
      any(!m[near[inside, , drop = FALSE]])
    })
    at[keep, , drop = FALSE]
  }
  a <- boundary(predicted)
  b <- boundary(true)
  share <- function(from, to) {
    mean(apply(from, 1, function(p) min(sqrt(colSums((t(to) - p)^2))) <= tolerance))
  }
  p <- share(a, b)
  r <- share(b, a)
  if (p + r > 0) 2 * p * r / (p + r) else 0
}

test_that("boundary F1 is what looking at all pairs of pixels gives", {
  set.seed(2)
  for (tolerance in c(0, 1, 1.5, 2)) {
    true <- matrix(1L, 12, 10)
    true[3:8, 4:9] <- 2L
    predicted <- true
    predicted[sample(120, 25)] <- 2L
    metric <- luz_metric_boundary_f1(num_classes = 2, tolerance = tolerance, average = "none")$new()
    metric$update(torch_tensor(array(predicted, c(1, 12, 10))), torch_tensor(array(true, c(1, 12, 10))))
    expected <- vapply(1:2, function(k) brute_boundary_f1(predicted == k, true == k, tolerance), 0)
    expect_equal(metric$compute(), expected)
  }
})

test_that("boundary F1 leaves out void, and classes that are nowhere", {
  true <- array(1L, c(1, 8, 8))
  true[, , 5:8] <- 2L
  true[, , 4:5] <- void_class
  metric <- luz_metric_boundary_f1(num_classes = 3, average = "none")$new()
  metric$update(torch_tensor(replace(true, true < 0, 1L)), torch_tensor(true))
  expect_equal(metric$compute(), c(NaN, NaN, NaN))
})
