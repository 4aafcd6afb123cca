value <- function(x) as.numeric(as.array(x))

logits <- matrix(c(1, 2, -1, 0.5, 0, 3, -2, 1, 0.25, 1, 2, -1), 4)
classes <- c(1L, 3L, 2L, 3L)
log_p <- logits - log(rowSums(exp(logits)))
picked <- -log_p[cbind(1:4, classes)]

test_that("cross entropy of logits and its reductions", {
  x <- torch_tensor(logits)
  y <- torch_tensor(classes)
  expect_equal(value(nn_cross_entropy_loss()(x, y)), mean(picked), tolerance = 1e-6)
  expect_equal(value(nn_cross_entropy_loss(reduction = "sum")(x, y)), sum(picked), tolerance = 1e-6)
  expect_equal(value(nn_cross_entropy_loss(reduction = "none")(x, y)), picked, tolerance = 1e-6)
  w <- c(1, 2, 0.5)
  loss <- nn_cross_entropy_loss(weight = w)
  expect_named(loss$buffers, "weight")
  expect_equal(value(loss(x, y)), sum(w[classes] * picked) / sum(w[classes]), tolerance = 1e-6)
  loss <- nn_cross_entropy_loss()
  loss$reduction <- "sum"
  expect_equal(value(loss(x, y)), sum(picked), tolerance = 1e-6)
  smooth <- 0.9 * picked + 0.1 * rowMeans(-log_p)
  expect_equal(value(nn_cross_entropy_loss(label_smoothing = 0.1)(x, y)), mean(smooth), tolerance = 1e-6)
  expect_equal(value(nn_nll_loss()(torch_tensor(log_p), y)), mean(picked), tolerance = 1e-6)
})

test_that("classes of losses", {
  expect_identical(class_names(nn_cross_entropy_loss()),
    c("nn_cross_entropy_loss", "nn_weighted_loss", "nn_loss", "nn_module"))
  expect_identical(class_names(nn_mse_loss()), c("nn_mse_loss", "nn_loss", "nn_module"))
  expect_length(nn_cross_entropy_loss()$buffers, 0)
})

test_that("a target of 0 is an error", {
  expect_error(nn_cross_entropy_loss()(torch_tensor(logits), torch_tensor(c(0L, 1L, 1L, 1L))),
    "Indexing starts at 1 but found a 0.", fixed = TRUE)
})

test_that("an unknown reduction is an error", {
  expect_error(nn_mse_loss(reduction = "median"), "`reduction` must be", class = "value_error")
})

x <- c(0.5, -1, 2, 0.1)
y <- c(1, 0.5, -2, 0.2)
sign_y <- c(1, -1, 1, -1)
expect_loss <- function(loss, expected, target = y, input = x) {
  expect_equal(value(loss(torch_tensor(input), torch_tensor(target))), expected, tolerance = 1e-5)
}

test_that("losses of numbers are their formulas", {
  d <- abs(x - y)
  expect_loss(nn_mse_loss(), mean(d^2))
  expect_loss(nn_l1_loss("sum"), sum(d))
  expect_loss(nn_smooth_l1_loss(), mean(ifelse(d < 1, d^2 / 2, d - 0.5)))
  p <- c(0.1, 0.2, 0.3, 0.4)
  expect_loss(nn_kl_div_loss("sum"), sum(p * (log(p) - x)), target = p)
  expect_loss(nn_poisson_nll_loss(), mean(exp(x) - abs(y) * x), target = abs(y))
  expect_loss(nn_poisson_nll_loss(log_input = FALSE), mean(abs(x) - abs(y) * log(abs(x) + 1e-8)), abs(y), abs(x))
})

test_that("losses of yes and no are their formulas", {
  p <- 1 / (1 + exp(-x))
  t <- c(1, 0, 1, 0)
  entropy <- -(t * log(p) + (1 - t) * log(1 - p))
  w <- c(1, 2, 3, 4)
  expect_loss(nn_bce_loss(), mean(entropy), t, p)
  expect_loss(nn_bce_loss(weight = w), mean(w * entropy), t, p)
  expect_loss(nn_bce_with_logits_loss(reduction = "none"), entropy, t)
  expect_loss(nn_bce_with_logits_loss(pos_weight = 3), mean(-(3 * t * log(p) + (1 - t) * log(1 - p))), t)
  expect_loss(nn_soft_margin_loss(), mean(log1p(exp(-sign_y * x))), sign_y)
  expect_loss(nn_hinge_embedding_loss(), mean(ifelse(sign_y == 1, x, pmax(0, 1 - x))), sign_y)
})

test_that("losses that compare are their formulas", {
  a <- matrix(c(1, 2, 3, 0.5, -1, 2), 2)
  b <- matrix(c(2, 2, 1, 1.5, 0, -2), 2)
  z <- matrix(c(0, 1, 2, -2.5, 1, 1), 2)
  target <- c(1, -1)
  cosine <- rowSums(a * b) / sqrt(rowSums(a^2) * rowSums(b^2))
  expect_equal(value(nn_cosine_embedding_loss()(torch_tensor(a), torch_tensor(b), torch_tensor(target))),
    mean(ifelse(target == 1, 1 - cosine, pmax(0, cosine))), tolerance = 1e-5)
  expect_equal(value(nn_margin_ranking_loss(0.5)(torch_tensor(x), torch_tensor(y), torch_tensor(sign_y))),
    mean(pmax(0, -sign_y * (x - y) + 0.5)), tolerance = 1e-5)
  distance <- function(u, v) sqrt(rowSums((u - v)^2))
  expect_equal(value(nn_triplet_margin_loss()(torch_tensor(a), torch_tensor(b), torch_tensor(z))),
    mean(pmax(0, distance(a, b) - distance(a, z) + 1)), tolerance = 1e-4)
  margins <- vapply(1:4, function(i) sum(pmax(0, 1 - logits[i, classes[i]] + logits[i, -classes[i]])) / 3, 0)
  expect_equal(value(nn_multi_margin_loss()(torch_tensor(logits), torch_tensor(classes))), mean(margins),
    tolerance = 1e-5)
  many <- matrix(c(1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0), 4)
  p <- 1 / (1 + exp(-logits))
  expect_equal(value(nn_multilabel_soft_margin_loss()(torch_tensor(logits), torch_tensor(many))),
    mean(-(many * log(p) + (1 - many) * log(1 - p))), tolerance = 1e-5)
})

test_that("a maker of a loss that is given predictions and targets says how it is called", {
  for (loss in list(nn_bce_loss, nn_cross_entropy_loss, nn_nll_loss, nn_bce_with_logits_loss)) {
    expect_error(loss(torch_randn(2, 3), torch_randn(2, 3)), "()(output, target)", fixed = TRUE, class = "value_error")
  }
})
