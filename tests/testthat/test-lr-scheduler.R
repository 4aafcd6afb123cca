sgd <- function(lr = 1, momentum = 0) optim_sgd(torch_ones(1, requires_grad = TRUE), lr = lr, momentum = momentum)

rates <- function(scheduler, n) {
  vapply(seq_len(n), function(i) {
    lr <- scheduler$get_last_lr()
    scheduler$step()
    lr
  }, 0)
}

# Learning rate and beta1 before each of n steps.
course <- function(scheduler, optimizer, n) {
  force(scheduler) # its construction sets what the first step uses
  at <- lapply(seq_len(n), function(i) {
    group <- optimizer$param_groups[[1]]
    scheduler$step()
    c(group$lr, group$betas[[1]])
  })
  list(lr = vapply(at, `[[`, 0, 1), beta1 = vapply(at, `[[`, 0, 2))
}

test_that("schedules reproduce PyTorch's rates and momenta", {
  skip_if_not_installed("jsonlite")
  makers <- list(
    "one_cycle max_lr=0.01 epochs=20 steps_per_epoch=10" = function(opt) {
      lr_one_cycle(opt, max_lr = 0.01, epochs = 20, steps_per_epoch = 10)
    },
    "one_cycle max_lr=0.1 total_steps=50 pct_start=0.25 linear" = function(opt) {
      lr_one_cycle(opt, max_lr = 0.1, total_steps = 50, pct_start = 0.25, anneal_strategy = "linear")
    },
    "step step_size=5 gamma=0.3" = function(opt) lr_step(opt, step_size = 5, gamma = 0.3),
    "cosine_annealing T_max=10" = function(opt) lr_cosine_annealing(opt, T_max = 10),
    "multiplicative 0.9" = function(opt) lr_multiplicative(opt, function(epoch) 0.9)
  )
  schedules <- reference_json("schedules")
  expect_setequal(names(schedules), names(makers))
  for (name in names(schedules)) {
    expected <- lapply(schedules[[name]], unlist)
    opt <- optim_adam(torch_ones(1, requires_grad = TRUE), lr = expected$lr[[1]])
    found <- course(makers[[name]](opt), opt, length(expected$lr))
    expect_equal(found$lr, expected$lr, tolerance = 1e-7, label = paste(name, "rates"))
    expect_equal(found$beta1, expected$beta1, tolerance = 1e-7, label = paste(name, "momenta"))
  }
})

test_that("one cycle works with two groups and ends where it says", {
  opt <- optim_adam(list(
    list(params = torch_ones(1, requires_grad = TRUE)), list(params = torch_ones(1, requires_grad = TRUE))
  ))
  scheduler <- lr_one_cycle(opt, max_lr = c(1, 2), total_steps = 6, div_factor = 1)
  expect_equal(scheduler$get_last_lr(), c(1, 2))
  for (i in 1:6) scheduler$step()
  expect_error(scheduler$step(), "Tried to step 8 times. The specified number of total steps is 6",
    class = "value_error")
})

test_that("step, lambda, multiplicative and cosine schedules", {
  expect_equal(rates(lr_step(sgd(), 2), 5), c(1, 1, 0.1, 0.1, 0.01))
  expect_equal(rates(lr_lambda(sgd(2), function(epoch) 1 / (epoch + 1)), 3), 2 / 1:3)
  expect_equal(rates(lr_multiplicative(sgd(), function(epoch) 0.5), 3), c(1, 0.5, 0.25))
  expect_equal(rates(lr_cosine_annealing(sgd(), 4), 5), (1 + cos(pi * 0:4 / 4)) / 2)
})

test_that("a plateau reduces the rate", {
  opt <- sgd()
  scheduler <- lr_reduce_on_plateau(opt, patience = 1)
  for (loss in c(3, 3, 3)) scheduler$step(loss)
  expect_equal(opt$param_groups[[1]]$lr, 0.1)
  expect_error(lr_step(1, 2), "not an optimizer", class = "type_error")
})
