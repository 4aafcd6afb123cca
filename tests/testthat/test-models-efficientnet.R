test_that("stochastic depth leaves out whole images and keeps the mean", {
  torch_manual_seed(1)
  layer <- stochastic_depth(0.25)
  x <- torch_ones(400, 2, 1, 1)
  y <- as.array(layer(x))
  expect_equal(y[, 1, 1, 1], y[, 2, 1, 1])
  expect_setequal(round(unique(as.numeric(y)), 5), round(c(0, 4 / 3), 5))
  expect_equal(mean(y), 1, tolerance = 0.1)
  layer$eval()
  expect_equal(as.array(layer(x)), as.array(x))
})

test_that("sizes of the family", {
  count <- function(name) sum(vapply(get(name)()$parameters, function(p) prod(dim(p)), 0))
  expect_equal(count("model_efficientnet_b4"), 19341616)
})

test_that("a model trains", {
  torch_manual_seed(1)
  model <- model_efficientnet_b0(num_classes = 2, stochastic_depth_prob = 0.5)
  model(torch_randn(2, 3, 32, 32))$sum()$backward()
  expect_true(as.array(model$features[[1]][[1]]$weight$grad$abs()$sum() > 0))
})
