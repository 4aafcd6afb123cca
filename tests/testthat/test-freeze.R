small <- function() unet("plain", classes = 2, weights = NULL, base = 4, decoder_channels = c(16, 8, 8, 4, 4))
trains <- function(model) vapply(model$parameters, function(p) p$requires_grad, NA)
values <- function(model, pattern) {
  state <- model$state_dict()
  unlist(lapply(state[grepl(pattern, names(state))], function(x) as.numeric(as.array(x))))
}

test_that("parts are frozen by name and by pattern, with batch norms or without", {
  model <- small()
  expect_identical(freeze(model, "encoder"), model)
  expect_equal(unname(trains(model)), !startsWith(names(trains(model)), "encoder."))
  unfreeze(model, "encoder.stage5")
  expect_true(all(trains(model)[startsWith(names(trains(model)), "encoder.stage5.")]))
  expect_false(any(trains(model)[startsWith(names(trains(model)), "encoder.stage4.")]))
  unfreeze(model)
  expect_true(all(trains(model)))
  freeze(model, c("decoder", "*head"), batch_norm = FALSE)
  frozen <- names(trains(model))[!trains(model)]
  expect_true("segmentation_head.0.weight" %in% frozen)
  expect_true("decoder.blocks.0.conv1.0.weight" %in% frozen)
  expect_false("decoder.blocks.0.conv1.1.weight" %in% frozen)
  expect_error(freeze(model, "backbone"), "no part \"backbone\"; its parts are encoder", class = "value_error")
  expect_error(freeze(model, 1), "`parts` must be", class = "value_error")
  expect_error(freeze(1), "`model` must be", class = "value_error")
})

test_that("frozen batch norms keep and use their running statistics", {
  torch_manual_seed(1)
  model <- small()
  x <- torch_randn(4, 3, 32, 32)
  model(x)
  freeze(model, "encoder")
  before <- values(model, "^encoder.*running")
  y <- model$encoder(x)[[6]]
  expect_equal(values(model, "^encoder.*running"), before)
  model$eval()
  expect_equal(as.array(y), as.array(model$encoder(x)[[6]]), tolerance = 1e-5)
  model$train()
  decoder <- values(model, "^decoder.*running_mean")
  model(x)
  expect_false(isTRUE(all.equal(values(model, "^decoder.*running_mean"), decoder)))
  freeze(unfreeze(model), "encoder", batch_norm = FALSE)
  model(x)
  expect_false(isTRUE(all.equal(values(model, "^encoder.*running"), before)))
})

test_that("what is frozen is not trained, in a copy as well", {
  torch_manual_seed(1)
  x <- torch_randn(8, 3, 32, 32)
  y <- torch_ones(8, 32, 32, dtype = torch_long())
  train <- function(model, epochs = 1, ...) {
    model %>%
      setup(loss = nn_cross_entropy_loss(), optimizer = optim_adamw) %>%
      set_opt_hparams(lr = 0.01, weight_decay = 0.1) %>%
      fit(list(x, y), epochs = epochs, verbose = FALSE, dataloader_options = list(batch_size = 4), ...)
  }
  model <- freeze(small(), "encoder")
  fitted <- train(model)
  expect_equal(values(fitted$model, "^encoder"), values(model, "^encoder"))
  expect_false(isTRUE(all.equal(values(fitted$model, "^decoder"), values(model, "^decoder"))))
  free <- small()
  seen <- list()
  watch <- luz_callback("watch", on_epoch_end = function() {
    seen[[ctx$epoch]] <<- c(values(ctx$model, "^encoder.stage5.0.0"), values(ctx$model, "^encoder.stage1.0.0"))
  })()
  stages <- luz_callback_fine_tune(c("encoder.stage5" = 2, encoder = 3))
  train(free, 3, callbacks = list(stages, watch))
  n <- length(values(free, "^encoder.stage5.0.0"))
  start <- c(values(free, "^encoder.stage5.0.0"), values(free, "^encoder.stage1.0.0"))
  expect_equal(seen[[1]], start)
  expect_false(isTRUE(all.equal(seen[[2]][1:n], start[1:n])))
  expect_equal(seen[[2]][-(1:n)], start[-(1:n)])
  expect_false(isTRUE(all.equal(seen[[3]][-(1:n)], start[-(1:n)])))
  expect_error(luz_callback_fine_tune(5), "`unfreeze` must be", class = "value_error")
})

test_that("learning rates by part", {
  model <- small()
  groups <- parameter_groups(model, "encoder.stage1" = 0.1, encoder = 0.2)
  expect_equal(lapply(groups, `[[`, "lr"), list(0.1, 0.2, NULL))
  counts <- lengths(lapply(groups, `[[`, "params"))
  names <- names(model$parameters)
  expect_equal(counts[[1]], sum(startsWith(names, "encoder.stage1.")))
  expect_equal(sum(counts), length(names))
  optimizer <- optim_by_part(optim_sgd, encoder = 0)(model$parameters, lr = 0.5)
  expect_equal(lapply(optimizer$param_groups, `[[`, "lr"), list(0, 0.5))
  expect_error(parameter_groups(model, 0.1), "by the names of parts", class = "value_error")
  expect_error(parameter_groups(model, stem = 0.1), "no part \"stem\"", class = "value_error")
  expect_error(parameter_groups(model, encoder = -1), "`encoder` must be", class = "value_error")
})
