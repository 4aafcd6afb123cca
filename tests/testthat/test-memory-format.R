channels_last <- function(x) x$to(memory_format = torch_channels_last_format())
rows <- function(x) x$contiguous()
is_rows <- function(x) x$is_contiguous()
is_last <- function(x) x$is_contiguous(memory_format = torch_channels_last_format()) && !is_rows(x)

picture <- function(...) {
  torch_manual_seed(3)
  torch_randn(...)
}

# Functions of one tensor of 4 dimensions whose result keeps the named format.
keeping <- list(
  relu = nnf_relu, relu6 = nnf_relu6, silu = nnf_silu, gelu = nnf_gelu, leaky_relu = nnf_leaky_relu, elu = nnf_elu,
  hardswish = nnf_hardswish, sigmoid = torch_sigmoid, tanh = torch_tanh, exp = torch_exp, neg = torch_neg,
  abs = torch_abs, clamp = function(x) torch_clamp(x, -1, 1), square = torch_square,
  add_number = function(x) x + 1, rsub = function(x) 1 - x, times_number = function(x) 2 * x, power = function(x) x^2,
  by_channel = function(x) x * torch_ones(1, 6, 1, 1), by_image = function(x) x + torch_ones(2, 1, 1, 1),
  by_place = function(x) x + torch_ones(4, 5), itself = function(x) x * x, scalar = function(x) x + torch_tensor(1),
  masked = function(x) x$masked_fill(x > 1, 0), chosen = function(x) torch_where(x > 0, x, -x),
  softmax = function(x) nnf_softmax(x, 2), log_softmax = function(x) nnf_log_softmax(x, 2),
  batch_norm = function(x) nn_batch_norm2d(6)(x),
  bilinear = function(x) nnf_interpolate(x, scale_factor = 2, mode = "bilinear"),
  nearest = function(x) nnf_interpolate(x, scale_factor = 2, mode = "nearest"),
  cat = function(x) torch_cat(list(x, x), 2), cat_images = function(x) torch_cat(list(x, x), 1),
  flip = function(x) torch_flip(x, 4), dropout = function(x) nnf_dropout(x, 0.5),
  clone = torch_clone, detach = function(x) x$detach(), double = function(x) x$to(dtype = torch_double()),
  zeros_like = torch_zeros_like, ones_like = torch_ones_like, empty_like = function(x) torch_empty_like(x)$zero_(),
  full_like = function(x) torch_full_like(x, 3), rand_like = torch_rand_like, randn_like = torch_randn_like,
  in_place = function(x) torch_clone(x)$add_(1)$mul_(2)
)

test_that("a result lies in memory as its one input does, with the same values", {
  x <- picture(2, 6, 4, 5)
  for (name in names(keeping)) {
    f <- function(x) {
      torch_manual_seed(1)
      keeping[[name]](x)
    }
    a <- f(x)
    b <- f(channels_last(x))
    expect_true(is_rows(a), label = paste(name, "of rows is rows"))
    expect_true(is_last(b), label = paste(name, "of channels last is channels last"))
    expect_equal(as.array(a), as.array(b), tolerance = 1e-6, label = name)
  }
})

# Functions of two tensors of the result's size, or joins.
joining <- list(
  add = `+`, sub = `-`, mul = `*`, div = `/`, maximum = function(a, b) torch_maximum(a, b),
  where = function(a, b) torch_where(a > 0, a, b), cat = function(a, b) torch_cat(list(a, b), 2),
  cat_images = function(a, b) torch_cat(list(a, b), 1), compare = function(a, b) a > b,
  mse = function(a, b) nnf_mse_loss(a, b, reduction = "none")
)

test_that("of two formats channels last wins, whichever comes first", {
  a <- picture(2, 6, 4, 5)
  b <- torch_randn(2, 6, 4, 5)
  for (name in names(joining)) {
    f <- joining[[name]]
    want <- as.array(f(a, b))
    expect_true(is_rows(f(a, b)), label = paste(name, "of rows"))
    for (both in list(list(channels_last(a), b), list(a, channels_last(b)), list(channels_last(a), channels_last(b)))) {
      y <- f(both[[1]], both[[2]])
      expect_true(is_last(y), label = paste(name, "with channels last"))
      expect_equal(as.array(y), want, tolerance = 1e-6, label = name)
    }
  }
})

test_that("what is broadcast does not decide, and a tensor that is in both formats is in neither", {
  x <- picture(2, 6, 4, 5)
  expect_true(is_rows(x + channels_last(torch_randn(1, 6, 4, 5))))
  expect_true(is_last(channels_last(x) + torch_randn(1, 6, 4, 5)))
  one <- torch_randn(2, 1, 4, 5)
  expect_true(is_rows(one) && one$is_contiguous(memory_format = torch_channels_last_format()))
  expect_true(is_rows(one + one))
})

test_that("convolutions write channels last and read both", {
  x <- picture(2, 6, 4, 5)
  layers <- list(nn_conv2d(6, 8, 3, padding = 1), nn_conv2d(6, 6, 3, groups = 6), nn_conv_transpose2d(6, 8, 2, 2))
  for (layer in layers) {
    expect_true(is_last(layer(x)))
    expect_true(is_last(layer(channels_last(x))))
    expect_equal(as.array(layer(x)), as.array(layer(channels_last(x))), tolerance = 1e-6)
  }
})

gradient <- function(f, x, format, of_dy) {
  x <- format(x)$detach()$requires_grad_(TRUE)
  torch_manual_seed(1)
  y <- f(x)
  torch_manual_seed(2)
  y$backward(of_dy(torch_randn(y$shape)))
  x$grad
}

test_that("backward takes a gradient in either format and gives the input's", {
  x <- picture(2, 6, 4, 5)
  without <- c("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "detach")
  joins <- list(
    add = function(x) x + torch_ones(2, 6, 4, 5), mul = function(x) x * channels_last(torch_ones(2, 6, 4, 5)),
    cat_mixed = function(x) torch_cat(list(x, torch_ones(2, 6, 4, 5)), 2), conv = {
      layer <- nn_conv2d(6, 8, 3, padding = 1)
      function(x) layer(x)
    }
  )
  layers <- list(
    batch_norm = local({
      layer <- nn_batch_norm2d(6)
      function(x) layer(x)
    })
  )
  cases <- c(keeping[setdiff(names(keeping), c(without, names(layers)))], layers, joins)
  cases$double <- function(x) x$to(dtype = torch_double())$to(dtype = torch_float())
  for (name in names(cases)) {
    want <- as.array(gradient(cases[[name]], x, rows, rows))
    for (format in list(rows, channels_last)) {
      for (of_dy in list(rows, channels_last)) {
        dx <- gradient(cases[[name]], x, format, of_dy)
        expect_equal(as.array(dx), want, tolerance = 1e-5, label = name)
        expect_identical(is_last(dx), identical(format, channels_last), label = paste(name, "gradient's format"))
      }
    }
  }
})

test_that("formats are asked for, kept, and given back", {
  x <- picture(2, 3, 4, 5)
  y <- channels_last(x)
  expect_equal(y$stride(), c(60, 1, 15, 3))
  expect_equal(y$shape, x$shape)
  expect_equal(as.array(y), as.array(x))
  expect_identical(y$to(memory_format = torch_channels_last_format())$data_ptr(), y$data_ptr())
  expect_identical(y$contiguous(memory_format = torch_channels_last_format())$data_ptr(), y$data_ptr())
  expect_equal(y$contiguous()$stride(), x$stride())
  expect_equal(y$to(memory_format = torch_contiguous_format())$stride(), x$stride())
  expect_equal(torch_clone(y, memory_format = torch_contiguous_format())$stride(), x$stride())
  expect_equal(x$clone(memory_format = torch_channels_last_format())$stride(), y$stride())
  expect_equal(x$to(dtype = torch_double(), memory_format = torch_channels_last_format())$stride(), y$stride())
  expect_equal(torch_ones_like(y, memory_format = torch_contiguous_format())$stride(), x$stride())
  expect_equal(torch_zeros_like(x, memory_format = torch_channels_last_format())$stride(), y$stride())
  expect_equal(torch_randint(1, 5, c(2, 3, 4, 5), memory_format = torch_channels_last_format())$stride(), y$stride())
  expect_false(y$is_contiguous())
  expect_false(x$is_contiguous(memory_format = torch_channels_last_format()))
  expect_false(torch_zeros(3)$is_contiguous(memory_format = torch_channels_last_format()))
})

# Strides that PyTorch 1.13.1 gives to clones and *_like of permuted, sliced and expanded tensors.
test_that("any order in memory is preserved, gaps closed", {
  x <- torch_zeros(2, 3, 4, 5)
  expect_equal(torch_ones_like(x$permute(c(3, 1, 4, 2)))$stride(), c(5, 60, 1, 20))
  expect_equal(torch_clone(x$permute(c(4, 3, 2, 1)))$stride(), c(1, 5, 20, 60))
  expect_equal(torch_ones_like(x[, , 1:2, ])$stride(), c(30, 10, 5, 1))
  expect_equal(torch_ones_like(channels_last(x)[, 1:2, , ])$stride(), c(40, 1, 10, 2))
  expect_equal(torch_clone(torch_zeros(3, 1)$expand(c(3, 4)))$stride(), c(4, 1))
  expect_equal(torch_zeros(3, 4)$t()$clone()$stride(), c(1, 4))
  expect_equal(torch_ones_like(torch_zeros(0, 3))$shape, c(0, 3))
})

test_that("a module's weights go to the format, and its results stay the same", {
  torch_manual_seed(1)
  net <- nn_sequential(nn_conv2d(3, 8, 3), nn_batch_norm2d(8), nn_relu(), nn_conv2d(8, 2, 1))
  x <- picture(2, 3, 6, 6)
  want <- as.array(net(x))
  net$to(memory_format = torch_channels_last_format())
  expect_true(is_last(net[[1]]$weight))
  expect_equal(as.array(net(x)), want, tolerance = 1e-5)
  optimiser <- optim_adam(net$parameters, lr = 0.1)
  net(x)$sum()$backward()
  expect_true(is_last(net[[1]]$weight$grad))
  optimiser$step()
  expect_true(is_last(net[[1]]$weight))
  path <- withr::local_tempfile()
  torch_save(net$state_dict(), path)
  expect_equal(as.array(torch_load(path)[["0.weight"]]), as.array(net[[1]]$weight))
})

test_that("unknown formats and shapes are refused by name", {
  x <- torch_zeros(2, 3, 4, 5)
  expect_error(x$contiguous(memory_format = torch_preserve_format()), "memory_format", class = "value_error")
  expect_error(x$is_contiguous(memory_format = torch_preserve_format()), "memory_format", class = "value_error")
  expect_error(x$to(memory_format = "channels_last"), "`memory_format` must be", class = "value_error")
  expect_error(torch_ones_like(x, memory_format = 1), "`memory_format` must be", class = "value_error")
  expect_error(torch_zeros(3)$to(memory_format = torch_channels_last_format()), "4 dimensions",
               class = "candela_error_shape")
  expect_output(print(torch_channels_last_format()), "torch_channels_last_format")
  expect_true(is_torch_memory_format(torch_contiguous_format()))
  expect_false(is_torch_memory_format("contiguous"))
})
