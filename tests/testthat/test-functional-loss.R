value <- function(x) as_array(x$detach())

test_that("the mean squared error and both gradients follow the formula", {
  x <- array(rnorm(24), c(2, 3, 2, 2))
  t <- array(rnorm(24), c(2, 3, 2, 2))
  for (reduction in c("mean", "sum")) {
    input <- torch_tensor(x, dtype = torch_double(), requires_grad = TRUE)
    target <- torch_tensor(t, dtype = torch_double(), requires_grad = TRUE)
    n <- if (reduction == "mean") length(x) else 1
    loss <- nnf_mse_loss(input, target, reduction)
    (3 * loss)$backward()
    expect_equal(value(loss), sum((x - t)^2) / n)
    expect_equal(value(input$grad), 6 * (x - t) / n)
    expect_equal(value(target$grad), -6 * (x - t) / n)
  }
})

test_that("the mean squared error takes other memory orders, dtypes and whole numbers", {
  x <- torch_randn(2, 4, 5, 3)$permute(c(1, 4, 2, 3))
  t <- torch_randint(0, 5, c(2, 3, 4, 5), dtype = torch_long())
  expected <- mean((as_array(x) - as_array(t))^2)
  expect_equal(as_array(nnf_mse_loss(x, t)), expected, tolerance = 1e-6)
  expect_equal(as_array(nnf_mse_loss(t, x)), expected, tolerance = 1e-6)
  expect_equal(nnf_mse_loss(x, t$to(dtype = torch_double()))$dtype, torch_double())
  expect_error(nnf_mse_loss(t, t), class = "value_error")
})

# Losses and gradients from log_softmax, element by element.
reference_cross_entropy <- function(x, target, weight, ignore, smoothing) {
  C <- dim(x)[2]
  p <- exp(x) / c(apply(exp(x), 1, sum))
  counts <- target != ignore
  w <- ifelse(counts, weight[pmin(pmax(target, 1), C)], 0)
  v <- matrix(rep(weight * smoothing / C, each = nrow(x)), nrow(x)) * counts
  at <- cbind(seq_along(target), ifelse(counts, target, 1))
  v[at] <- v[at] + (1 - smoothing) * w
  list(loss = sum(-v * log(p)) / sum(w), gradient = (p * rowSums(v) - v) / sum(w))
}

test_that("cross entropy of many rows: weights, ignored classes, smoothing", {
  n <- 150
  x <- matrix(rnorm(n * 3, sd = 3), n)
  target <- sample(1:3, n, replace = TRUE)
  target[c(1, 70, n)] <- 2L
  for (ignore in c(-100L, 2L)) {
    for (smoothing in c(0, 0.2)) {
      for (weight in list(c(1, 1, 1), c(0.5, 2, 3))) {
        expected <- reference_cross_entropy(x, target, weight, ignore, smoothing)
        input <- torch_tensor(x, dtype = torch_double(), requires_grad = TRUE)
        w <- if (all(weight == 1)) NULL else torch_tensor(weight, dtype = torch_double())
        loss <- nnf_cross_entropy(input, torch_tensor(target), w, ignore, "mean", smoothing)
        loss$backward()
        expect_equal(value(loss), expected$loss)
        expect_equal(value(input$grad), expected$gradient)
      }
    }
  }
})

test_that("cross entropy of images does not depend on the memory order", {
  x <- torch_randn(3, 4, 9, 7)
  target <- torch_randint(1, 5, c(3, 9, 7), dtype = torch_long())
  last <- torch_randn(3, 9, 7, 4)$permute(c(1, 4, 2, 3))
  last$copy_(x)
  x$requires_grad_(TRUE)
  last$requires_grad_(TRUE)
  nnf_cross_entropy(x, target)$backward()
  nnf_cross_entropy(last, target)$backward()
  expect_equal(value(last$grad), value(x$grad), tolerance = 1e-6)
  losses <- nnf_cross_entropy(last, target, reduction = "none")
  picked <- -value(nnf_log_softmax(x, 2)$gather(2, target$unsqueeze(2))$squeeze(2))
  expect_equal(value(losses), picked, tolerance = 1e-5)
})

test_that("targets out of range are refused, wherever they stand", {
  x <- torch_randn(20000, 3)
  target <- torch_ones(20000, dtype = torch_long())
  target[19999] <- 4L
  expect_error(nnf_cross_entropy(x, target), "target class 4 is out of bounds")
  target[5] <- 0L
  expect_error(nnf_cross_entropy(x, target), "Indexing starts at 1")
})

test_that("losses of elements follow their formulas, with both gradients", {
  set.seed(3)
  n <- 37
  x <- stats::rnorm(n, sd = 3)
  real <- stats::rnorm(n, sd = 2)
  share <- stats::runif(n)
  counts <- stats::rpois(n, 2) + 0.5
  softplus <- function(x) pmax(x, 0) + log1p(exp(-abs(x)))
  huber <- function(x, t, d) ifelse(abs(x - t) < d, (x - t)^2 / 2, d * (abs(x - t) - d / 2))
  cases <- list(
    mse = list(nnf_mse_loss, x, real, (x - real)^2),
    l1 = list(nnf_l1_loss, x, real, abs(x - real)),
    huber = list(function(x, t, r) nnf_huber_loss(x, t, r, 1.5), x, real, huber(x, real, 1.5)),
    smooth_l1 = list(function(x, t, r) nnf_smooth_l1_loss(x, t, r, 0.5), x, real, huber(x, real, 0.5) / 0.5),
    logits = list(function(x, t, r) nnf_binary_cross_entropy_with_logits(x, t, reduction = r), x, share,
      softplus(x) - share * x),
    bce = list(function(x, t, r) nnf_binary_cross_entropy(x, t, reduction = r), rev(share), share,
      -share * log(rev(share)) - (1 - share) * log1p(-rev(share))),
    kl = list(nnf_kl_div, -abs(x), share, share * (log(share) + abs(x))),
    poisson = list(function(x, t, r) nnf_poisson_nll_loss(x, t, reduction = r), x / 2, counts,
      exp(x / 2) - counts * x / 2),
    plain = list(function(x, t, r) nnf_poisson_nll_loss(x, t, FALSE, reduction = r), share + 1, counts,
      share + 1 - counts * log(share + 1 + 1e-8)),
    margin = list(nnf_soft_margin_loss, x, sign(real), softplus(-sign(real) * x))
  )
  for (name in names(cases)) {
    case <- cases[[name]]
    for (dtype in list(torch_float(), torch_double())) {
      tolerance <- if (dtype == torch_float()) 1e-5 else 1e-10
      input <- torch_tensor(case[[2]], dtype = dtype)
      target <- torch_tensor(case[[3]], dtype = dtype)
      expect_equal(as.numeric(value(case[[1]](input, target, "none"))), case[[4]], tolerance = tolerance, label = name)
      expect_equal(value(case[[1]](input, target, "mean")), mean(case[[4]]), tolerance = tolerance, label = name)
      expect_equal(value(case[[1]](input, target, "sum")), sum(case[[4]]), tolerance = tolerance, label = name)
    }
    for (reduction in c("none", "mean", "sum")) {
      expect_gradient(function(x, t) case[[1]](x, t, reduction), case[[2]], case[[3]])
    }
  }
})

test_that("losses of many elements have the same bits on any threads and values in any memory order", {
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  x <- torch_randn(2, 9, 61, 67)
  t <- torch_rand(2, 9, 61, 67)
  last <- function(x) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
  loss <- function(n, x, t) {
    torch_set_num_threads(n)
    value(nnf_binary_cross_entropy_with_logits(x, t))
  }
  expect_identical(loss(2, x, t), loss(1, x, t))
  expect_equal(loss(1, last(x), t), loss(1, x, t), tolerance = 1e-7)
  expect_equal(loss(1, x, last(t)), loss(1, x, t))
  weighted <- nnf_binary_cross_entropy_with_logits(x, t, weight = torch_tensor(2))
  expect_equal(value(weighted), 2 * loss(1, x, t), tolerance = 1e-6)
  positive <- nnf_binary_cross_entropy_with_logits(x, t, pos_weight = torch_tensor(1))
  expect_equal(value(positive), loss(1, x, t), tolerance = 1e-6)
  extreme <- torch_tensor(c(-200, 200, 0), requires_grad = TRUE)
  nnf_binary_cross_entropy_with_logits(extreme, torch_tensor(c(0, 1, 0.5)), reduction = "sum")$backward()
  expect_equal(as.numeric(extreme$grad), c(0, 0, 0), tolerance = 1e-7)
  edge <- nnf_binary_cross_entropy(torch_tensor(c(0, 1)), torch_tensor(c(1, 0)), reduction = "none")
  expect_equal(as.numeric(edge), c(100, 100))
})
