# Three training steps of the chapter's U-Net against PyTorch's.

reference_unet <- function() {
  weights <- load_safetensors(reference_path("mobilenet.safetensors"))
  expected <- load_safetensors(reference_path("unet.safetensors"))
  mobilenet <- model_mobilenet_v2()
  state <- weights[startsWith(names(weights), "weights.")]
  names(state) <- sub("^weights\\.", "", names(state))
  own <- mobilenet$state_dict()
  own[names(state)] <- state
  mobilenet$load_state_dict(own)
  net <- chapter_unet(mobilenet$features)
  initial <- expected[startsWith(names(expected), "init.")]
  names(initial) <- sub("^init\\.", "", names(initial))
  own <- net$state_dict()
  own[names(initial)] <- initial
  net$load_state_dict(own)
  list(net = net, x = weights$x, y = expected$target0 + 1L, expected = expected)
}

relative_error <- function(actual, expected) {
  expected <- as_array(expected)
  max(abs(as_array(actual) - expected)) / max(abs(expected))
}

test_that("losses, logits, gradients and weights of three steps are PyTorch's", {
  skip_without_reference("unet.safetensors")
  reference <- reference_unet()
  net <- reference$net
  net$train()
  optimizer <- optim_adam(Filter(function(p) p$requires_grad, net$parameters), lr = 0.01)
  scheduler <- lr_one_cycle(optimizer, max_lr = 0.01, total_steps = 6)
  loss_fn <- nn_cross_entropy_loss()
  losses <- numeric()
  for (step in 1:3) {
    optimizer$zero_grad()
    logits <- net(reference$x)
    loss <- loss_fn(logits, reference$y)
    loss$backward()
    losses[[step]] <- loss$item()
    if (step == 1) {
      expect_lt(relative_error(logits, reference$expected$step1.logits), 1e-5)
      gradients <- grep("^step1\\.grad\\.", names(reference$expected), value = TRUE)
      for (name in gradients) {
        parameter <- net$parameters[[sub("^step1\\.grad\\.", "", name)]]
        expect_lt(relative_error(parameter$grad, reference$expected[[name]]), 1e-4, label = name)
      }
    }
    optimizer$step()
    scheduler$step()
  }
  for (name in grep("^step3\\.", names(reference$expected), value = TRUE)) {
    # Adam makes large steps of gradients that are rounding errors: single weights may differ, all together not.
    difference <- as_array(net$parameters[[sub("^step3\\.", "", name)]]) - as_array(reference$expected[[name]])
    expect_lt(sqrt(sum(difference^2) / sum(as_array(reference$expected[[name]])^2)), 1e-2, label = name)
  }
  json <- paste(readLines(reference_path("unet.json")), collapse = "")
  expected <- as.numeric(strsplit(sub(".*\"losses\": *\\[([^]]*)\\].*", "\\1", json), ",")[[1]])
  expect_equal(losses, expected, tolerance = 1e-4)
})

test_that("training leaves the engine's memory flat", {
  torch_manual_seed(1)
  net <- chapter_unet()
  optimizer <- optim_adam(Filter(function(p) p$requires_grad, net$parameters), lr = 1e-3)
  x <- torch_randn(2, 3, 32, 32)
  y <- torch_randint(1, 4, size = c(2, 32, 32), dtype = torch_long())
  loss_fn <- nn_cross_entropy_loss()
  in_use <- numeric()
  for (step in 1:60) {
    optimizer$zero_grad()
    loss_fn(net(x), y)$backward()
    optimizer$step()
    gc(full = FALSE)
    in_use[[step]] <- sum(candela_info()$memory[c("in_use", "cached")])
  }
  expect_lte(in_use[[60]], in_use[[10]] * 1.05)
})
