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

# All numbers together: the length of the difference relative to that of what is expected.
distance <- function(actual, expected) {
  expected <- as_array(expected)
  sqrt(sum((as_array(actual) - expected)^2) / sum(expected^2))
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
        # A rectifier whose input is a rounding error away from zero passes the gradient in one program and not in the
        # other, which all layers before it see: there the whole is compared, behind the last one each number.
        gradient <- net$parameters[[sub("^step1\\.grad\\.", "", name)]]$grad
        last <- grepl("output|blocks\\.4\\.conv", name)
        error <- if (last) relative_error else distance
        expect_lt(error(gradient, reference$expected[[name]]), if (last) 1e-4 else 5e-3, label = name)
      }
    }
    optimizer$step()
    scheduler$step()
  }
  for (name in grep("^step3\\.", names(reference$expected), value = TRUE)) {
    # Adam makes large steps of gradients that are rounding errors: single weights may differ, all together not.
    parameter <- net$parameters[[sub("^step3\\.", "", name)]]
    expect_lt(distance(parameter, reference$expected[[name]]), 0.1, label = name)
  }
  json <- paste(readLines(reference_path("unet.json")), collapse = "")
  expected <- as.numeric(strsplit(sub(".*\"losses\": *\\[([^]]*)\\].*", "\\1", json), ",")[[1]])
  expect_equal(losses, expected, tolerance = 1e-4)
})

# One stage down and one up: what the chapter's network does with memory, in little time.
small_unet <- nn_module(
  initialize = function() {
    self$down <- nn_sequential(nn_conv2d(3, 8, 3, stride = 2, padding = 1), nn_batch_norm2d(8), nn_relu6())
    self$up <- chapter_decoder_block(8, 3, 8)
    self$output <- nn_conv2d(8, 3, 1)
  },
  forward = function(x) self$output(self$up(self$down(x), x))
)

resident_kilobytes <- function() {
  line <- grep("^VmRSS", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line))
}

test_that("training leaves memory flat", {
  torch_manual_seed(1)
  net <- small_unet()
  optimizer <- optim_adam(net$parameters, lr = 1e-3)
  x <- torch_randn(8, 3, 64, 64)
  y <- torch_randint(1, 4, size = c(8, 64, 64), dtype = torch_long())
  loss_fn <- nn_cross_entropy_loss()
  watch_resident <- file.exists("/proc/self/status")
  in_use <- resident <- numeric()
  for (step in 1:200) {
    optimizer$zero_grad()
    loss_fn(net(x), y)$backward()
    optimizer$step()
    in_use[[step]] <- sum(candela_info()$memory[c("in_use", "cached")])
    if (watch_resident) resident[[step]] <- resident_kilobytes()
  }
  # The engine asks R for collections as memory fills: the first steps fill it.
  expect_lte(max(in_use[101:200]), max(in_use[1:100]) * 1.05)
  if (watch_resident) expect_lte(resident[[200]], resident[[10]] * 1.05)
})

# Seven gigabytes of intermediate results in all.
test_that("what predictions leave behind is collected, whether each is looked at or not", {
  torch_manual_seed(1)
  net <- small_unet()
  net$eval()
  x <- torch_randn(16, 3, 128, 128)
  for (look in c(TRUE, FALSE)) {
    in_use <- with_no_grad(vapply(1:120, function(pass) {
      y <- net(x)
      if (look) y$data_ptr()
      candela_info()$memory[["in_use"]]
    }, 0))
    expect_lt(max(in_use), 7e8)
  }
})

# What a step cannot do without, in bytes: input and target; of each convolution in the decoder the input; a bit for
# each element of a rectifier; the logits and their gradient.
needed_bytes <- function(batch, size) {
  up <- 8 * size^2
  joined <- (8 + 3) * size^2
  kept <- 4 * (up + joined + 8 * (size / 2)^2) + 2 * up / 8
  batch * (kept + 3 * 4 * size^2 + 8 * size^2 + 2 * 4 * 3 * size^2)
}

test_that("a training step takes little more memory than what backward must keep", {
  torch_manual_seed(1)
  net <- small_unet()
  for (p in net$down$parameters) p$requires_grad_(FALSE)
  optimizer <- optim_adam(net$up$parameters, lr = 1e-3)
  loss_fn <- nn_cross_entropy_loss()
  size <- 192
  batches <- c(16, 32) # less is not worth a collection
  peak <- vapply(batches, function(batch) {
    x <- torch_randn(batch, 3, size, size)
    y <- torch_randint(1, 4, size = c(batch, size, size), dtype = torch_long())
    gc()
    .Call(cdr_memory_control, NULL, FALSE, TRUE)
    for (step in 1:4) {
      optimizer$zero_grad()
      loss_fn(net(x), y)$backward()
      optimizer$step()
    }
    candela_info()$memory[["peak"]]
  }, 0)
  expect_lt(peak[[1]], 1.1 * needed_bytes(batches[[1]], size))
  expect_lt(peak[[2]], 1.1 * needed_bytes(batches[[2]], size))
})
