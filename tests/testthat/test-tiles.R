test_that("tiles cover a dimension once, with ramps where they meet", {
  for (n in c(10, 64, 65, 100, 129, 500, 777)) for (tile in c(96, 128)) for (overlap in c(0, 8, 16)) {
    plan <- tile_plan(n, tile, overlap, 4, 32)
    weight <- numeric(plan$total)
    k <- length(plan$start)
    for (i in seq_len(k)) {
      w <- rep(1, plan$to[[i]] - plan$from[[i]])
      r <- plan$ramp[[i]]
      if (r > 0) w[seq_len(r)] <- (seq_len(r) - 0.5) / r
      if (i < k) w[length(w) + 1 - (4:1)] <- 1 - (1:4 - 0.5) / 4
      at <- plan$from[[i]] + seq_along(w)
      weight[at] <- weight[at] + w
      # What is kept sees half the overlap on both sides, but at the borders.
      if (i > 1) expect_gte(plan$from[[i]] - plan$start[[i]], overlap / 2)
      if (i < k) expect_gte(plan$start[[i]] + plan$tile - plan$to[[i]], overlap / 2)
    }
    expect_equal(weight, rep(1, plan$total))
    expect_true(all(plan$start %% 32 == 0))
  }
})

test_that("tiles give what the whole picture gives, where the overlap holds the receptive field", {
  torch_manual_seed(3)
  spec <- bright_spec()
  layers <- nn_module("layers",
    initialize = function() {
      self$layers <- nn_sequential(nn_conv2d(1, 4, 3, padding = 1), nn_relu(), nn_max_pool2d(2),
        nn_conv2d(4, 4, 5, padding = 2), nn_relu(), nn_conv_transpose2d(4, 2, 2, 2))
      self$input_spec <- spec
      self$classes <- spec$classes
    },
    forward = function(x) self$layers(x) * 20
  )
  model <- layers()
  set.seed(1)
  for (size in list(c(256, 320), c(251, 203))) {
    m <- matrix(sample(0:255, prod(size), TRUE), size[[1]])
    both <- lapply(c(1024, 128), function(tile) {
      segment(model, m, tile = tile, overlap = 32, output = c("mask", "probabilities"))
    })
    expect_lt(max(abs(both[[1]]$probabilities - both[[2]]$probabilities)), 1e-5)
    expect_identical(both[[1]]$mask, both[[2]]$mask)
    expect_gt(stats::sd(both[[1]]$probabilities), 0.05)
  }
})

test_that("the tile obeys the memory allowed", {
  model <- bright_model(bright_spec())
  predictor <- new_predictor(model, NULL, check_flips("none"))
  source <- source_of_tensor(torch_zeros(1, 2000, 2000), "x")
  predictor$prepare()
  run <- list(tile = NULL, overlap = 32, memory = 1e9, output = check_output("mask"))
  expect_gt(prod(predictor$tile_for(source, run, predictor$specs)), 1024^2)
  run$memory <- 1e7
  small <- predictor$tile_for(source, run, predictor$specs)
  expect_lt(prod(small), 600^2)
  expect_gte(min(small), 112)
  # A row of probabilities that waits takes its share.
  run$output <- check_output(c("mask", "probabilities"))
  expect_lt(prod(predictor$tile_for(source, run, predictor$specs)), prod(small))
})

test_that("of the tiles that the memory allows those are taken with which the fewest pixels are predicted", {
  predicted <- function(size, tile) {
    prod(mapply(function(n, side) {
      plan <- tile_plan(n, side, 96, 24, 32)
      length(plan$start) * plan$tile
    }, size, tile))
  }
  bytes <- c(tile = 400, row = 1)
  for (size in list(c(20000, 20000), c(5000, 20000), c(300, 9000), c(2048, 2048))) {
    before <- Inf
    for (memory in c(1e8, 3e8, 1e9)) {
      tile <- choose_tile(size, memory, bytes, 120, 32)
      expect_true(all(tile %% 32 == 0))
      expect_lte(prod(tile) * 400 + tile[[1]] * size[[2]], memory * 1.02)
      expect_lte(predicted(size, tile), before)
      before <- predicted(size, tile)
      square <- floor(sqrt(memory * 0.85 / 400) / 32) * 32
      if (all(square < size)) expect_lte(before, predicted(size, c(square, square)))
    }
  }
  expect_identical(choose_tile(c(900, 900), 1, bytes, 120, 32), c(288, 288))
})
