# The cases of smp, whose classes count from 0 and whose void is 255.
segmentation_reference <- function() {
  skip_without_reference("segmentation/losses.json")
  list(
    cases = jsonlite::fromJSON(reference_path("segmentation/losses.json"), simplifyVector = FALSE),
    tensors = read_safetensors(reference_path("segmentation/losses.safetensors"))
  )
}

# The target as this package counts: classes from 1, void as it is.
own_target <- function(x, mode) {
  if (mode == "multiclass") x <- ifelse(x == 255, 255, x + 1)
  torch_tensor(array(x, dim(x)), dtype = if (mode == "multiclass") torch_long() else torch_float())
}

own_loss <- function(case) {
  name <- c(
    DiceLoss = "nn_dice_loss", JaccardLoss = "nn_jaccard_loss", TverskyLoss = "nn_tversky_loss",
    FocalLoss = "nn_focal_loss", LovaszLoss = "nn_lovasz_loss", SoftCrossEntropyLoss = "nn_soft_cross_entropy_loss",
    SoftBCEWithLogitsLoss = "nn_soft_bce_with_logits_loss"
  )[[case$loss]]
  arguments <- case$arguments
  if (!is.null(arguments$classes)) arguments$classes <- unlist(arguments$classes) + 1L
  if (!startsWith(case$loss, "Soft")) arguments$mode <- case$mode
  do.call(name, arguments, envir = asNamespace("candela"))
}

test_that("values and gradients are those of segmentation_models_pytorch", {
  reference <- segmentation_reference()
  expect_length(reference$cases$losses, 48)
  for (case in reference$cases$losses) {
    label <- paste(case$loss, case$mode, jsonlite::toJSON(case$arguments, auto_unbox = TRUE), case$target)
    target <- own_target(reference$tensors[[case$target]], case$mode)
    input <- as_reference_tensor(reference$tensors[[case$logits]])$requires_grad_()
    loss <- own_loss(case)(input, target)
    loss$backward()
    expect_equal(as.numeric(loss$item()), case$value, tolerance = 3e-6, label = label)
    expect_near(input$grad, reference$tensors[[case$gradient]], 2e-5, paste("gradient of", label))
  }
})

example <- function(mode, void = TRUE) {
  set.seed(3)
  x <- array(rnorm(2 * 3 * 5 * 4), c(2, if (mode == "binary") 1 else 3, 5, 4))
  target <- if (mode == "multiclass") {
    array(sample(1:3, 40, replace = TRUE), c(2, 5, 4))
  } else {
    array(sample(0:1, length(x), replace = TRUE), dim(x))
  }
  if (void) target[sample(length(target), 5)] <- void_class
  list(x = x, target = torch_tensor(target, dtype = if (mode == "multiclass") torch_long() else torch_double()))
}

# The gradient times random directions is the difference quotient along them.
expect_slopes <- function(loss, x, target, directions = 3, step = 1e-5) {
  value <- function(x) {
    y <- loss(torch_tensor(x, dtype = torch_double()), target)
    sum(as_array(y))
  }
  input <- torch_tensor(x, dtype = torch_double(), requires_grad = TRUE)
  loss(input, target)$sum()$backward()
  gradient <- as_array(input$grad)
  for (k in seq_len(directions)) {
    v <- array(rnorm(length(x)), dim(x))
    expect_equal(sum(gradient * v), (value(x + step * v) - value(x - step * v)) / (2 * step), tolerance = 1e-6)
  }
}

test_that("gradients are those of finite differences, with void pixels", {
  losses <- function(mode) {
    list(
      nn_dice_loss(mode), nn_dice_loss(mode, log_loss = TRUE, smooth = 0.5, per_image = TRUE),
      nn_jaccard_loss(mode, smooth = 1), nn_tversky_loss(mode, alpha = 0.3, beta = 0.7, gamma = 1.5),
      nn_focal_loss(mode), nn_focal_loss(mode, alpha = 0.3, gamma = 1.5, normalized = TRUE),
      nn_focal_loss(mode, reduction = "none"), nn_focal_loss(mode, reduced_threshold = 0.4, reduction = "sum"),
      nn_lovasz_loss(mode), nn_lovasz_loss(mode, per_image = TRUE), nn_boundary_loss(mode)
    )
  }
  for (mode in c("binary", "multiclass", "multilabel")) {
    case <- example(mode)
    for (loss in losses(mode)) expect_slopes(loss, case$x, case$target)
  }
  case <- example("multiclass")
  weight <- c(1, 2, 0.5)
  expect_slopes(nn_dice_loss("multiclass", weight = weight, classes = 2:3), case$x, case$target)
  expect_slopes(nn_focal_loss("multiclass", weight = weight), case$x, case$target)
  expect_slopes(nn_soft_cross_entropy_loss(smooth_factor = 0.2), case$x, case$target)
  case <- example("multilabel")
  expect_slopes(nn_soft_bce_with_logits_loss(smooth_factor = 0.2), case$x, case$target)
})

test_that("losses do not depend on memory order, and void counts as if it were not there", {
  losses <- list(
    nn_dice_loss("multiclass"), nn_jaccard_loss("multiclass"), nn_focal_loss("multiclass"),
    nn_lovasz_loss("multiclass"), nn_tversky_loss("multiclass", gamma = 2)
  )
  x <- array(rnorm(3 * 4 * 70), c(1, 4, 3, 70))
  target <- array(sample(1:4, 210, replace = TRUE), c(1, 3, 70))
  void <- target
  void[, , 41:70] <- void_class
  for (loss in losses) {
    value <- function(x, target, last = FALSE) {
      x <- torch_tensor(x, dtype = torch_double())
      if (last) x <- x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
      x$requires_grad_()
      y <- loss(x, torch_tensor(target, dtype = torch_long()))
      y$backward()
      list(as.numeric(y$item()), as_array(x$grad))
    }
    expect_equal(value(x, void), value(x, void, last = TRUE))
    part <- value(x[, , , 1:40, drop = FALSE], target[, , 1:40, drop = FALSE])
    whole <- value(x, void)
    expect_equal(whole[[1]], part[[1]])
    expect_equal(whole[[2]][, , , 1:40, drop = FALSE], part[[2]])
    expect_true(all(whole[[2]][, , , 41:70] == 0))
  }
})

test_that("losses have the same bits on any number of threads, and are finite for large logits", {
  x <- torch_randn(2, 5, 60, 70) * 200
  target <- torch_randint(1, 6, c(2, 60, 70), dtype = torch_long())
  before <- torch_get_num_threads()
  withr_threads <- function(n, code) {
    torch_set_num_threads(n)
    on.exit(torch_set_num_threads(before))
    code()
  }
  for (loss in list(nn_dice_loss("multiclass"), nn_focal_loss("multiclass"), nn_lovasz_loss("multiclass"))) {
    run <- function() {
      input <- x$clone()$requires_grad_()
      y <- loss(input, target)
      y$backward()
      list(as_array(y$detach()), as_array(input$grad))
    }
    one <- withr_threads(1, run)
    expect_identical(withr_threads(2, run), one)
    expect_true(all(is.finite(unlist(one))))
  }
})

test_that("the losses of overlap are their formulas", {
  p <- c(0.9, 0.2, 0.6, 0.1)
  t <- c(1, 0, 0, 1)
  input <- torch_tensor(array(p, c(1, 1, 4)))
  target <- torch_tensor(array(t, c(1, 1, 4)))
  value <- function(loss) as.numeric(loss(input, target)$item())
  both <- sum(p * t)
  expect_equal(value(nn_dice_loss("binary", from_logits = FALSE)), 1 - 2 * both / sum(p + t), tolerance = 1e-6)
  expect_equal(value(nn_jaccard_loss("binary", from_logits = FALSE)), 1 - both / (sum(p + t) - both), tolerance = 1e-6)
  tversky <- both / (both + 0.3 * sum(p * (1 - t)) + 0.7 * sum((1 - p) * t))
  expect_equal(value(nn_tversky_loss("binary", from_logits = FALSE, alpha = 0.3, beta = 0.7)), 1 - tversky,
    tolerance = 1e-6
  )
})

test_that("distances to a boundary are those found by looking at all pixels", {
  set.seed(5)
  inside <- array(runif(2 * 9 * 7) < 0.3, c(2, 1, 9, 7))
  found <- as_array(signed_distance(torch_tensor(inside)))
  for (n in 1:2) {
    at <- which(inside[n, 1, , ], arr.ind = TRUE)
    away <- which(!inside[n, 1, , ], arr.ind = TRUE)
    nearest <- function(i, j, to) sqrt(min((to[, 1] - i)^2 + (to[, 2] - j)^2))
    expected <- outer(1:9, 1:7, Vectorize(function(i, j) {
      if (inside[n, 1, i, j]) 1 - nearest(i, j, away) else nearest(i, j, at)
    }))
    expect_equal(found[n, 1, , ], expected, tolerance = 1e-6)
  }
  expect_true(all(as_array(signed_distance(torch_zeros(1, 2, 3, 4, dtype = torch_bool()))) == 0))
})

test_that("wrong targets are answered", {
  x <- torch_randn(1, 3, 4, 4)
  classes <- function(k) torch_full(c(1, 4, 4), k, dtype = torch_long())
  losses <- list(
    nn_cross_entropy_loss(), nn_dice_loss("multiclass"), nn_focal_loss("multiclass"), nn_lovasz_loss("multiclass"),
    nn_boundary_loss("multiclass"), nn_soft_cross_entropy_loss()
  )
  for (loss in losses) {
    expect_error(loss(x, classes(0L)), "count from 1", class = "candela_error_index")
    expect_error(loss(x, classes(4L)), "out of bounds for 3 classes", class = "candela_error_index")
    expect_error(loss(x, classes(255L)), "out of bounds")
    expect_error(loss(x, torch_ones(1, 4, 5, dtype = torch_long())), "expected a target of size")
  }
  for (loss in losses[2:5]) expect_error(loss(x[, 1:1, , ], classes(1L)), "mode = \"binary\"", class = "value_error")
  for (make in list(nn_dice_loss, nn_focal_loss, nn_lovasz_loss)) {
    expect_error(make("binary")(x[, 1:1, , ], torch_full(c(1, 1, 4, 4), 2)), "labels are 0 or 1")
    expect_error(make("binary")(x, classes(1L)), "one channel")
    expect_error(make("multi"), "`mode` must be one of")
  }
  expect_error(nn_dice_loss("multiclass", classes = 4)(x, classes(1L)), "class 4")
  expect_error(nn_dice_loss("multiclass", weight = 1:2)(x, classes(1L)), "`weight` must have 3")
  expect_error(nn_focal_loss("multiclass", ignore_index = 0), "count from 1")
})

test_that("weighted sums of losses", {
  x <- torch_randn(1, 3, 4, 4)
  target <- torch_randint(1, 4, c(1, 4, 4), dtype = torch_long())
  square <- function(input, target) (input * input)$mean()
  loss <- nn_sum_loss(nn_cross_entropy_loss(), square, nn_dice_loss("multiclass"), weights = c(1, 2, 3))
  expected <- nnf_cross_entropy(x, target) + 2 * square(x) + 3 * nn_dice_loss("multiclass")(x, target)
  expect_equal(as_array(loss(x, target)), as_array(expected), tolerance = 1e-6)
  expect_error(nn_sum_loss(), "at least one")
  expect_error(nn_sum_loss(square, weights = 1:2), "`weights`")
})
