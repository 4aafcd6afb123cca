# Kernels of every instruction set on awkward shapes: float32 against the same operation in double precision, and any
# number of threads bit by bit equal.

simd_levels <- function() {
  levels <- c("plain", "neon", "avx2", "avx512")
  Filter(function(level) withr::with_envvar(c(CANDELA_SIMD = level), candela_info()$simd) == level, levels)
}

with_simd <- function(level, code) {
  withr::with_envvar(c(CANDELA_SIMD = level), {
    candela_info()
    code
  })
}

# Runs f on copies of the inputs, gives the result and the gradients of sum(result * weights) as arrays.
value_and_gradients <- function(f, inputs, dtype) {
  inputs <- lapply(inputs, function(x) torch_tensor(x, dtype = dtype, requires_grad = TRUE))
  y <- do.call(f, unname(inputs))
  weight <- torch_tensor(array(sin(seq_len(prod(dim(y)))), dim(y)), dtype = dtype)
  (y * weight)$sum()$backward()
  c(list(as.array(y$detach())), unname(lapply(inputs, function(x) as.array(x$grad))))
}

# The results of `compute` with the kernels of each instruction set, the same on one thread and on two.
on_every_level <- function(compute, label) {
  threads <- torch_get_num_threads()
  withr::defer({
    torch_set_num_threads(threads)
    candela_info()
  })
  lapply(stats::setNames(nm = simd_levels()), function(level) {
    with_simd(level, {
      torch_set_num_threads(1)
      one <- compute()
      torch_set_num_threads(2)
      two <- compute()
    })
    expect_identical(two, one, label = paste(label, level, "on two threads"))
    one
  })
}

expect_kernels_agree <- function(f, inputs, label, tolerance = 2e-5) {
  exact <- value_and_gradients(f, inputs, torch_double())
  results <- on_every_level(function() value_and_gradients(f, inputs, torch_float()), label)
  for (level in names(results)) {
    for (i in seq_along(exact)) {
      error <- max(abs(results[[level]][[i]] - exact[[i]])) / max(abs(exact[[i]]), 1e-6)
      what <- if (i == 1) "value" else paste("gradient of input", i - 1)
      expect_lt(error, tolerance, label = paste(label, level, what))
    }
  }
}

# A mean far from zero costs digits of the result, hence the tolerance; it also makes the gradients of weight and bias
# next to nothing, so only values are compared.
expect_normalised_agree <- function(f, inputs, label) {
  value <- function(dtype) as.array(with_no_grad(do.call(f, lapply(inputs, torch_tensor, dtype = dtype))))
  exact <- value(torch_double())
  results <- on_every_level(function() value(torch_float()), label)
  for (level in names(results)) {
    expect_lt(max(abs(results[[level]] - exact)), 2e-4, label = paste(label, level))
  }
}

random_array <- function(...) array(stats::rnorm(prod(...)), c(...))

conv_case <- function(n, channels, out, h, w, k, ...) {
  options <- list(...)
  groups <- if (is.null(options$groups)) 1 else options$groups
  k <- rep_len(k, 2)
  inputs <- list(random_array(c(n, channels, h, w)), random_array(c(out, channels / groups, k)), random_array(out))
  label <- sprintf("conv2d %dx%dx%dx%d to %d, kernel %dx%d", n, channels, h, w, out, k[1], k[2])
  expect_kernels_agree(function(x, weight, bias) do.call(nnf_conv2d, c(list(x, weight, bias), options)), inputs, label)
}

test_that("this machine has the plain kernels and those it uses", {
  expect_true("plain" %in% simd_levels())
  expect_true(candela_info()$simd_best %in% simd_levels())
})

test_that("convolution, by hand", {
  x <- random_array(c(1, 2, 4, 5))
  w <- random_array(c(3, 2, 3, 2))
  y <- array(0, c(1, 3, 2, 4))
  for (k in 1:3) for (i in 1:2) for (j in 1:4) y[1, k, i, j] <- sum(x[1, , i:(i + 2), j:(j + 1)] * w[k, , , ])
  for (level in simd_levels()) {
    expect_equal(as.array(with_simd(level, nnf_conv2d(torch_tensor(x), torch_tensor(w)) + 0)), y, tolerance = 1e-5)
  }
})

test_that("dense convolutions of awkward shapes", {
  set.seed(1)
  conv_case(1, 1, 1, 1, 1, 1)
  conv_case(1, 3, 16, 13, 17, 3, padding = 1)
  conv_case(2, 19, 16, 9, 33, 3, padding = 1)
  conv_case(1, 16, 3, 21, 15, 3, padding = 1)
  conv_case(1, 3, 32, 15, 15, 3, stride = 2, padding = 1)
  conv_case(1, 7, 5, 11, 11, 5, stride = 3, padding = 2)
  conv_case(1, 4, 6, 10, 12, 2, stride = 5)
  conv_case(1, 4, 6, 12, 14, 3, dilation = 3, padding = 3)
  conv_case(2, 6, 9, 8, 7, c(1, 3), padding = c(0, 1), groups = 3)
  conv_case(1, 70, 65, 5, 6, 3, padding = 1)
  conv_case(3, 8, 8, 1, 1, 3, padding = 1)
})

test_that("wide 3 x 3 convolutions, odd sizes, several chains of channels and all kinds of borders", {
  set.seed(5)
  conv_case(2, 24, 27, 17, 11, 3, padding = 1)
  conv_case(1, 100, 40, 18, 21, 3)
  conv_case(2, 33, 50, 13, 15, 3, padding = 2)
  conv_case(2, 40, 32, 16, 16, 3, padding = c(0, 1))
})

test_that("errors of wide 3 x 3 convolutions stay near rounding, however many channels are summed", {
  set.seed(6)
  x <- random_array(c(2, 352, 14, 14))
  w <- random_array(c(64, 352, 3, 3)) / 60
  b <- random_array(64)
  exact <- value_and_gradients(function(x, w, b) nnf_conv2d(x, w, b, padding = 1), list(x, w, b), torch_double())
  single <- value_and_gradients(function(x, w, b) nnf_conv2d(x, w, b, padding = 1), list(x, w, b), torch_float())
  relative <- mapply(function(a, b) sqrt(mean((a - b)^2) / mean(b^2)), single, exact)
  expect_lt(max(relative[1:3]), 3.5e-7)
})

test_that("pointwise and depthwise convolutions", {
  set.seed(2)
  conv_case(1, 3, 1, 7, 7, 1)
  conv_case(2, 33, 65, 9, 11, 1)
  conv_case(1, 96, 24, 14, 13, 1)
  conv_case(1, 17, 31, 9, 9, 1, stride = 2)
  conv_case(1, 19, 19, 12, 13, 3, padding = 1, groups = 19)
  conv_case(2, 32, 32, 9, 9, 3, stride = 2, padding = 1, groups = 32)
  conv_case(1, 5, 10, 9, 8, 3, padding = 1, groups = 5)
  conv_case(1, 48, 48, 2, 2, 3, padding = 1, groups = 48)
})

test_that("depthwise kernels of 3 x 3 on several slabs of channels, both gradients at once or one by one", {
  set.seed(7)
  for (padding in 0:2) conv_case(17, 200, 200, 5, 6, 3, padding = padding, groups = 200)
  conv_case(16, 212, 212, 6, 5, 3, stride = 2, padding = 1, groups = 212)
  conv_case(2, 193, 193, 8, 7, 3, padding = 1, groups = 193)
})

test_that("depthwise kernels of 3 x 3 on rows around their pieces, gradients of few and of many images", {
  set.seed(6)
  for (width in c(1, 2, 3, 4, 5, 7, 8, 15)) {
    conv_case(2, 21, 21, 3, width, 3, padding = 1, groups = 21)
    conv_case(16, 9, 9, width, 4, 3, stride = 2, padding = 1, groups = 9)
  }
  conv_case(17, 33, 33, 6, 8, 3, padding = 1, groups = 33)
  conv_case(18, 4, 4, 9, 7, 3, groups = 4)
  conv_case(16, 4, 4, 7, 7, 5, padding = 2, groups = 4)
  conv_case(2, 5, 5, 4, 6, 3, padding = 2, groups = 5)
  conv_case(2, 19, 19, 9, 8, 3, stride = c(1, 2), padding = 1, groups = 19)
  conv_case(16, 19, 19, 9, 8, 3, stride = c(2, 1), padding = 1, groups = 19)
  conv_case(1, 40, 40, 31, 30, 3, padding = 1, groups = 40)
  conv_case(16, 24, 24, 29, 31, 3, stride = 2, padding = 1, groups = 24)
})

test_that("batch norm behind a depthwise convolution takes the statistics of what was computed", {
  set.seed(7)
  case <- function(n, channels, h, w, ...) {
    inputs <- list(
      random_array(c(n, channels, h, w)), random_array(c(channels, 1, 3, 3)), random_array(channels) + 300
    )
    normalised <- function(x, weight, bias) {
      nnf_batch_norm(nnf_conv2d(x, weight, bias, padding = 1, groups = channels, ...), NULL, NULL, training = TRUE)
    }
    expect_normalised_agree(normalised, inputs, sprintf("depthwise %dx%dx%dx%d", n, channels, h, w))
  }
  case(3, 21, 9, 8)
  case(1, 40, 60, 33)
  case(2, 33, 7, 7, stride = 2)
  case(16, 64, 14, 14)
})

test_that("transposed convolutions", {
  set.seed(3)
  case <- function(n, channels, out, h, w, k, ...) {
    inputs <- list(random_array(c(n, channels, h, w)), random_array(c(channels, out, k, k)), random_array(out))
    expect_kernels_agree(function(x, weight, bias) nnf_conv_transpose2d(x, weight, bias, ...), inputs,
      sprintf("conv_transpose2d %dx%dx%dx%d to %d, kernel %d", n, channels, h, w, out, k))
  }
  case(1, 1, 1, 1, 1, 2, stride = 2)
  case(2, 32, 16, 5, 7, 2, stride = 2)
  case(1, 19, 33, 3, 4, 2, stride = 2)
  case(1, 6, 4, 5, 4, 3, stride = 2, padding = 1, output_padding = 1)
  case(1, 3, 5, 4, 6, 2, stride = 3)
  case(1, 3, 5, 6, 6, 3, dilation = 2)
})

test_that("matrix products around the edges of tiles", {
  set.seed(4)
  for (size in list(c(1, 1, 1), c(5, 7, 3), c(17, 33, 65), c(64, 130, 31), c(1, 300, 9), c(97, 1, 50))) {
    inputs <- list(random_array(size[1:2]), random_array(size[2:3]))
    expect_kernels_agree(torch_matmul, inputs, paste("product", paste(size, collapse = "x")))
  }
})

test_that("batch norm in training and evaluation", {
  set.seed(5)
  for (shape in list(c(2, 1, 3, 3), c(3, 19, 7, 5), c(2, 32, 8, 9), c(9, 4), c(4, 5, 11))) {
    channels <- shape[[2]]
    inputs <- list(random_array(shape), random_array(channels), random_array(channels))
    for (training in c(TRUE, FALSE)) {
      mean <- random_array(channels)
      variance <- stats::runif(channels, 0.5, 2)
      batch_norm <- function(x, weight, bias) {
        dtype <- x$dtype
        nnf_batch_norm(x, torch_tensor(mean, dtype = dtype), torch_tensor(variance, dtype = dtype), weight, bias,
          training)
      }
      label <- paste("batch norm", paste(shape, collapse = "x"), if (training) "training" else "evaluation")
      expect_kernels_agree(batch_norm, inputs, label, tolerance = 1e-4)
    }
  }
})

test_that("activations, on lengths around a vector", {
  set.seed(6)
  activations <- list(
    relu = nnf_relu, relu6 = nnf_relu6, sigmoid = nnf_sigmoid, tanh = nnf_tanh, gelu = nnf_gelu, silu = nnf_silu,
    hardswish = nnf_hardswish, mish = nnf_mish, elu = nnf_elu, softplus = nnf_softplus, leaky_relu = nnf_leaky_relu,
    exp = torch_exp, log_softmax = function(x) nnf_log_softmax(x, dim = 1)
  )
  for (name in names(activations)) {
    for (n in c(1, 7, 16, 33)) {
      expect_kernels_agree(activations[[name]], list(array(c(0.5, 3 * stats::rnorm(n - 1)))), paste(name, n),
        tolerance = 1e-5)
    }
  }
})

test_that("pooling and interpolation", {
  set.seed(7)
  x <- list(random_array(c(2, 19, 9, 7)))
  expect_kernels_agree(function(x) nnf_max_pool2d(x, 3, 2, 1), x, "max pooling")
  expect_kernels_agree(function(x) nnf_avg_pool2d(x, 2), x, "average pooling")
  expect_kernels_agree(function(x) nnf_adaptive_avg_pool2d(x, c(2, 5)), x, "adaptive pooling")
  expect_kernels_agree(function(x) nnf_interpolate(x, size = c(13, 4), mode = "bilinear"), x, "bilinear", 1e-4)
  expect_kernels_agree(function(x) nnf_interpolate(x, size = c(5, 15)), x, "nearest")
})

test_that("four threads give the bits of one", {
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  skip_on_cran() # more than two threads
  set.seed(8)
  x <- random_array(c(4, 19, 40, 33))
  w <- random_array(c(24, 19, 3, 3))
  of <- function(n) {
    torch_set_num_threads(n)
    value_and_gradients(function(x, w) nnf_relu(nnf_conv2d(x, w, padding = 1)), list(x, w), torch_float())
  }
  expect_identical(of(4), of(1))
})

test_that("sorting keeps the order of equal elements, and NaN last", {
  x <- c(3, NaN, -1, 0, -0, 3, Inf, -Inf, 2)
  rising <- torch_sort(torch_tensor(x))
  expect_equal(as.array(rising[[2]]), c(8, 3, 4, 5, 9, 1, 6, 7, 2))
  falling <- torch_sort(torch_tensor(x), descending = TRUE)
  expect_equal(as.array(falling[[2]]), c(2, 7, 1, 6, 9, 4, 5, 3, 8))
  set.seed(9)
  for (n in c(1, 63, 64, 1000)) {
    for (values in list(stats::rnorm(n), sample(-50:50, n, TRUE))) {
      sorted <- torch_sort(torch_tensor(values, dtype = if (is.integer(values)) torch_long() else torch_double()))
      expect_equal(as.numeric(as.array(sorted[[1]])), sort(as.numeric(values)))
      expect_equal(as.numeric(as.array(sorted[[2]])), order(values))
      falling <- torch_sort(torch_tensor(values, dtype = torch_double()), descending = TRUE)
      expect_equal(as.numeric(as.array(falling[[2]])), order(values, decreasing = TRUE, method = "radix"))
    }
  }
  m <- matrix(stats::rnorm(600), 6)
  expect_equal(as.array(torch_sort(torch_tensor(m, dtype = torch_double()), dim = 1)[[1]]), apply(m, 2, sort))
  expect_equal(as.array(torch_median(torch_tensor(c(5, 1, 4, 2)))), 2)
})

# Every 2^17 th float or so: all exponents, denormal numbers among them, of both signs.
floats <- function() {
  bits <- c(seq(0, 2139095039, by = 131071), seq(1, 8388607, by = 9973))
  exponent <- bits %/% 2^23
  mantissa <- bits %% 2^23
  x <- ifelse(exponent == 0, mantissa * 2^-149, (1 + mantissa * 2^-23) * 2^(exponent - 127))
  c(x, -x, 0, -0, Inf, -Inf, NaN)
}

# Error in units of the last place of a float, denormal or not; 0 where both overflow or both are NaN.
last_places <- function(y, exact) {
  place <- 2^(floor(log2(pmax(abs(exact), 2^-126))) - 23)
  same <- y == exact | is.nan(y) & is.nan(exact) | abs(exact) >= 2^128 & y == sign(exact) * Inf
  ifelse(same %in% TRUE, 0, abs(y - exact) / place)
}

test_that("functions over the whole range of floats", {
  x <- floats()
  exact <- suppressWarnings(list(
    exp = exp(x), expm1 = expm1(x), log = log(x), log2 = log2(x), log10 = log10(x), log1p = log1p(x), tanh = tanh(x),
    sigmoid = stats::plogis(x), erf = sign(x) * stats::pchisq(2 * x * x, 1), sin = sin(x), cos = cos(x), tan = tan(x),
    asin = asin(x), acos = acos(x), atan = atan(x), sinh = sinh(x), cosh = cosh(x)
  ))
  tiny <- which(abs(x) < 1e-10)
  exact$erf[tiny] <- 2 / sqrt(pi) * x[tiny]
  limit <- c(exp = 1, expm1 = 1.1, log = 0.8, log1p = 0.9, tanh = 1.35, sigmoid = 2.35, erf = 1.4, tan = 1.4,
    sin = 0.6, cos = 0.6)
  for (name in names(exact)) {
    f <- getExportedValue("candela", paste0("torch_", name))
    y <- on_every_level(function() as.array(f(torch_tensor(x))), name)
    for (level in names(y)) {
      error <- last_places(y[[level]], exact[[name]])
      allowed <- if (name %in% names(limit)) limit[[name]] else 0.51
      expect_lt(max(error), allowed, label = paste(name, level, "at", x[which.max(error)]))
    }
  }
})

test_that("powers and angles of pairs of floats, special ones too", {
  special <- c(0, -0, Inf, -Inf, NaN, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 2^-149, -2^-149, 16777215, 1 + 2^-23, 1e30)
  set.seed(5)
  x <- c(rep(special, length(special)), exp(stats::runif(2000, -10, 10)))
  y <- c(rep(special, each = length(special)), stats::runif(2000, -8, 8))
  single <- function(v) as.array(torch_tensor(v))
  x <- single(x)
  y <- single(y)
  exact <- list(pow = suppressWarnings(x^y), atan2 = atan2(x, y))
  endless <- which(x < 0 & (is.infinite(y) | is.infinite(x) & y != round(y))) # NaN in R, not in C
  exact$pow[endless] <- abs(x[endless])^y[endless]
  negative_zero <- which(1 / x == -Inf & y < 0 & y == round(y) & y / 2 != round(y / 2)) # Inf in R
  exact$pow[negative_zero] <- -Inf
  found <- list(
    pow = on_every_level(function() as.array(torch_pow(torch_tensor(x), torch_tensor(y))), "pow"),
    atan2 = on_every_level(function() as.array(torch_atan2(torch_tensor(x), torch_tensor(y))), "atan2")
  )
  for (name in names(found)) {
    for (level in names(found[[name]])) {
      error <- last_places(found[[name]][[level]], exact[[name]])
      at <- which.max(error)
      expect_lt(max(error), 0.51, label = paste(name, level, "at", x[at], y[at]))
    }
  }
})

test_that("results that are denormal, and their neighbours", {
  x <- c(-87, -88, -90, -100, -103.9, -104, -200)
  for (level in simd_levels()) {
    with_simd(level, {
      y <- as.array(torch_exp(torch_tensor(x)))
      expect_equal(as.array(nnf_softmax(torch_tensor(c(0, -90)), 1))[2], y[3], tolerance = 0, label = level)
      expect_equal(as.array(torch_sigmoid(torch_tensor(x))), y, tolerance = 0, label = level)
    })
    expect_true(all(abs(y - exp(x)) <= 2^-149), label = level)
    expect_identical(y[6:7], c(0, 0), label = level)
  }
})

test_that("one formula has one value, whatever the kernel, the neighbours and the strides", {
  set.seed(3)
  x <- torch_tensor(stats::rnorm(1003) * 10)
  functions <- list(
    torch_exp, torch_log, torch_tanh, torch_sigmoid, nnf_silu, nnf_gelu, nnf_elu, nnf_selu, nnf_softplus,
    nnf_logsigmoid,
    function(x) nnf_gelu(x, approximate = "tanh"), nnf_hardswish, nnf_mish, torch_sin, torch_erf, torch_log10,
    function(x) torch_pow(torch_abs(x), 1.7)
  )
  for (level in simd_levels()) {
    with_simd(level, {
      expect_identical(as.array(nnf_silu(x)), as.array(x * torch_sigmoid(x)), label = level)
      for (f in functions) {
        whole <- as.array(f(x))
        apart <- as.array(f(torch_stack(list(x, x), dim = 2)[, 1]))
        expect_identical(apart, whole, label = level)
        for (first in c(2, 5, 997)) {
          expect_identical(as.array(f(x[first:1003])), whole[first:1003], label = paste(level, "from", first))
        }
      }
    })
  }
})

test_that("gradients in the other memory format are the same", {
  set.seed(11)
  values <- array(stats::rnorm(2 * 70 * 9 * 11), c(2, 70, 9, 11))
  gradient <- array(stats::rnorm(length(values)), dim(values))
  last <- function(x) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
  for (dtype in list(torch_float(), torch_double())) {
    for (f in list(nnf_relu, nnf_relu6, nnf_silu, torch_sigmoid, torch_exp, torch_sin)) {
      dx <- function(form_x, form_dy) {
        x <- form_x(torch_tensor(values, dtype = dtype))$detach()$requires_grad_(TRUE)
        f(x)$backward(form_dy(torch_tensor(gradient, dtype = dtype)))
        as.array(x$grad)
      }
      plain <- dx(identity, identity)
      expect_identical(dx(last, identity), plain)
      expect_identical(dx(identity, last), plain)
      expect_identical(dx(last, last), plain)
    }
  }
  x <- torch_tensor(values)
  expect_identical(as.array(x + last(x)), as.array(x + x))
  expect_identical(as.array(last(x) * x), as.array(x * x))
  expect_identical(as.array(torch_tensor(values[1, , , 1])$t() * 2), t(as.array(x)[1, , , 1]) * 2)
})

test_that("dropout decides the same on any threads, at every level and in both memory formats", {
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  last <- function(x) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
  x <- torch_ones(3, 37, 15, 13)
  for (f in list(nnf_dropout, nnf_dropout2d)) {
    drop <- function(x, n = 1) {
      torch_set_num_threads(n)
      torch_manual_seed(4)
      as.array(f(x, 0.3))
    }
    once <- drop(x)
    expect_setequal(round(unique(as.vector(once)), 4), c(0, round(1 / 0.7, 4)))
    expect_equal(mean(once == 0), 0.3, tolerance = if (identical(f, nnf_dropout)) 0.03 else 0.3)
    expect_identical(drop(x, 2), once)
    expect_identical(drop(last(x)), once)
    expect_equal(drop(x$to(dtype = torch_double())), once, tolerance = 1e-6)
    y <- on_every_level(function() drop(x), "dropout")
    for (level in names(y)) expect_identical(y[[level]], once, label = level)
    for (input in list(x$clone(), last(x))) {
      input$requires_grad_(TRUE)
      torch_manual_seed(4)
      f(input, 0.3)$backward(torch_ones_like(x))
      expect_identical(as.array(input$grad), once)
    }
  }
  expect_true(all(apply(once, 1:2, function(plane) length(unique(as.vector(plane))) == 1)))
})

test_that("dropout of other shapes, all and nothing, and the state it leaves", {
  torch_manual_seed(1)
  state <- torch_get_rng_state()
  first <- as.array(nnf_dropout(torch_ones(1000), 0.5))
  second <- as.array(nnf_dropout(torch_ones(1000), 0.5))
  expect_gt(mean(first != second), 0.3)
  torch_set_rng_state(state)
  expect_identical(as.array(nnf_dropout(torch_ones(10, 100), 0.5)), matrix(first, 10, byrow = TRUE))
  expect_identical(as.array(nnf_dropout(torch_ones(1000), 0.5)), second)
  expect_identical(as.numeric(nnf_dropout(torch_ones(70), 1)), numeric(70))
  expect_identical(dim(nnf_dropout(torch_ones(0, 3), 0.5)), c(0L, 3L))
  pairs <- table(utils::head(first, -1) > 0, utils::tail(first, -1) > 0)
  expect_gt(stats::chisq.test(pairs)$p.value, 1e-4)
})

test_that("the first of many are those of the whole order", {
  set.seed(12)
  values <- list(
    stats::rnorm(5000), rep(c(1, 2, 2, NaN, -0, 0), 800), seq(0, 1, length.out = 5000), seq(1, 0, length.out = 5000),
    rep(7, 3000), c(rep(NaN, 50), stats::rnorm(3000), Inf, -Inf)
  )
  for (x in values) {
    for (dtype in list(torch_float(), torch_double())) {
      for (k in c(1, 7, 300)) {
        for (largest in c(TRUE, FALSE)) {
          t <- torch_tensor(x, dtype = dtype)
          whole <- torch_sort(t, descending = largest)
          first <- torch_topk(t, k, largest = largest)
          expect_identical(as.array(first[[1]]), as.array(whole[[1]])[seq_len(k), drop = FALSE])
          expect_identical(as.array(first[[2]]), as.array(whole[[2]])[seq_len(k), drop = FALSE])
        }
      }
    }
  }
  m <- matrix(stats::rnorm(4000), 4)
  expect_equal(as.array(torch_topk(torch_tensor(m, dtype = torch_double()), 3, dim = 2)[[1]]),
    t(apply(m, 1, function(row) sort(row, decreasing = TRUE)[1:3])))
  expect_equal(as.array(torch_topk(torch_tensor(t(m), dtype = torch_double()), 3, dim = 1)[[1]]),
    apply(t(m), 2, function(row) sort(row, decreasing = TRUE)[1:3]))
  whole <- torch_tensor(sample(1e6, 4000), dtype = torch_long())
  expect_equal(as.integer(torch_topk(whole, 5)[[1]]), sort(as.integer(whole), decreasing = TRUE)[1:5])
})

test_that("results that are written past the caches are those of their parts", {
  torch_manual_seed(4)
  whole <- torch_randn(2, 9, 341, 345)
  other <- torch_randn(2, 9, 341, 345)
  norm <- nn_batch_norm2d(9)$eval()
  norm$running_mean$copy_(torch_linspace(-1, 1, 9))
  beside <- function(x) other$narrow(1, 3 - x$shape[1], x$shape[1])
  resized <- function(mode) function(x) nnf_interpolate(x$narrow(3, 1, 100), scale_factor = 2, mode = mode)
  functions <- list(
    relu = nnf_relu6, gelu = nnf_gelu, add = function(x) 2 - (x + beside(x)), norm = norm, nearest = resized("nearest"),
    bilinear = resized("bilinear"), joined = function(x) torch_cat(list(x, beside(x)), 2),
    image = nn_adaptive_avg_pool2d(1)
  )
  run <- function(f, x) {
    x <- x$requires_grad_(TRUE)
    y <- f(x)
    y$backward(torch_ones_like(y) * 0.5)
    list(y$detach(), x$grad)
  }
  for (format in list(torch_contiguous_format(), torch_channels_last_format())) {
    for (name in names(functions)) {
      all <- run(functions[[name]], whole$clone(memory_format = format))
      second <- run(functions[[name]], whole$narrow(1, 2, 1)$clone(memory_format = format))
      for (k in 1:2) expect_true(torch_equal(all[[k]]$narrow(1, 2, 1), second[[k]]), label = paste(name, k))
    }
  }
})
