unary <- c(
  "neg", "abs", "sign", "square", "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal",
  "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf", "floor", "ceil", "trunc"
)
in_r <- list(
  neg = `-`, square = function(x) x^2, rsqrt = function(x) 1 / sqrt(x), reciprocal = function(x) 1 / x,
  sigmoid = plogis, erf = function(x) 2 * pnorm(x * sqrt(2)) - 1, ceil = ceiling
)
torch_function <- function(name) get(paste0("torch_", name), envir = asNamespace("candela"))

test_that("unary functions agree with R in float32 and float64", {
  x <- c(0.01, 0.3, 0.5, 0.77, 0.999)
  for (name in unary) {
    expected <- (if (is.null(in_r[[name]])) get(name) else in_r[[name]])(x)
    expect_equal(as_array(torch_function(name)(torch_tensor(x))), expected, tolerance = 1e-6, label = name)
    double <- torch_tensor(x, dtype = "double")
    expect_equal(as_array(torch_function(name)(double)), expected, tolerance = 1e-13, label = name)
    method <- do.call(`$`, list(double, name))
    expect_equal(as_array(method()), expected, tolerance = 1e-13, label = name)
  }
})

test_that("vectorised functions are right over the whole range, at every level and layout", {
  x <- as_array(torch_tensor(c(seq(-90, 90, length.out = 4001), 1e-30, -1e-10, 1e-6)))
  relative <- function(name, x, expected) {
    got <- as_array(torch_function(name)(torch_tensor(x)))
    max(abs(got - expected) / pmax(abs(expected), 1e-37))
  }
  use_level <- function(level) {
    if (is.na(level)) Sys.unsetenv("CANDELA_SIMD") else Sys.setenv(CANDELA_SIMD = level)
    .Call(getFromNamespace("cdr_cpu", "candela"))[[1]]
  }
  set <- Sys.getenv("CANDELA_SIMD", NA)
  on.exit(use_level(set))
  expect_equal(use_level("plain"), "plain")
  for (level in unique(c("plain", use_level("avx2")))) {
    use_level(level)
    local({
      expect_lt(relative("exp", x[x > -87 & x < 88], exp(x[x > -87 & x < 88])), 1e-6)
      expect_lt(relative("tanh", x, tanh(x)), 1e-6)
      expect_lt(relative("sigmoid", x[x > -80], plogis(x[x > -80])), 1e-6)
      positive <- as_array(torch_tensor(exp(seq(-80, 80, length.out = 3000)) * 1.01))
      expect_lt(relative("log", positive, log(positive)), 1e-6)
    })
  }
  wide <- torch_tensor(matrix(x[1:4000], 40))
  expect_equal(as_array(torch_tanh(wide$t())), t(as_array(torch_tanh(wide))), tolerance = 0)
})

test_that("special values", {
  special <- torch_tensor(c(-Inf, Inf, NaN, 0, -200, 200))
  expect_equal(as_array(torch_exp(special)), c(0, Inf, NaN, 1, 0, Inf))
  expect_equal(as_array(torch_tanh(special)), c(-1, 1, NaN, 0, -1, 1))
  expect_equal(as_array(torch_sigmoid(special)), c(0, 1, NaN, 0.5, 0, 1))
  expect_equal(as_array(torch_log(special)), c(NaN, Inf, NaN, -Inf, NaN, log(200)), tolerance = 1e-6)
  expect_equal(as_array(torch_maximum(special, 1)), c(1, Inf, NaN, 1, 1, 200))
  expect_equal(as_array(torch_minimum(1, special)), c(-Inf, 1, NaN, 0, -200, 1))
  expect_equal(as_array(torch_round(torch_tensor(c(0.5, 1.5, -0.5, 2.5)))), c(0, 2, 0, 2))
  expect_equal(as_array(round(torch_tensor(c(1.234, -2.345)), 1)), c(1.2, -2.3), tolerance = 1e-6)
})

test_that("operands are broadcast and keep their types apart", {
  a <- array(as.numeric(1:24), c(2, 3, 4))
  b <- c(10, 20, 30, 40)
  expect_equal(as_array(torch_tensor(a) + torch_tensor(b)), sweep(a, 3, b, `+`))
  column <- torch_tensor(matrix(c(1, 2, 3), 3))
  expect_equal(as_array(column * torch_tensor(c(1, 10))), outer(1:3, c(1, 10)))
  expect_equal(dim(torch_ones(0, 3) + torch_ones(3)), c(0, 3))
  expect_error(torch_ones(2, 3) + torch_ones(2), "must match the size", class = "value_error")

  long <- torch_tensor(1:3)
  expect_equal((long + 1L)$dtype, torch_long())
  expect_equal((long + 1.5)$dtype, torch_float())
  expect_equal((long / 2L)$dtype, torch_float())
  expect_equal((long * TRUE)$dtype, torch_long())
  expect_equal((torch_tensor(1, dtype = "double") + torch_tensor(1))$dtype, torch_double())
  expect_equal((torch_tensor(c(1, 2)) + torch_scalar_tensor(1, dtype = "double"))$dtype, torch_float())
  expect_equal((torch_tensor(TRUE) + torch_tensor(TRUE))$dtype, torch_bool())
  expect_error(torch_tensor(TRUE) - torch_tensor(FALSE), "bool")
  expect_error(-torch_tensor(TRUE) %/% torch_tensor(0L), "zero")
})

test_that("integers are exact and wrap around", {
  skip_if_not_installed("bit64")
  big <- torch_tensor(bit64::as.integer64("9007199254740993"))
  expect_identical(as.character(bit64::as.integer64(big + 2L)), "9007199254740995")
  bytes <- torch_tensor(as.raw(c(250, 3)))
  expect_equal(as_array(bytes + torch_tensor(as.raw(10))), c(4, 13))
})

test_that("quotients and remainders follow R for every sign", {
  a <- c(7, -7, 7, -7, 0)
  b <- c(3, 3, -3, -3, 5)
  for (type in c("float", "double", "long", "int")) {
    x <- torch_tensor(a, dtype = type)
    y <- torch_tensor(b, dtype = type)
    expect_equal(as.numeric(as_array(x %% y)), a %% b, label = type)
    expect_equal(as.numeric(as_array(x %/% y)), a %/% b, label = type)
    expect_equal(as.numeric(as_array(torch_fmod(x, y))), a - trunc(a / b) * b, label = type)
    expect_equal(as.numeric(as_array(torch_div(x, y, rounding_mode = "trunc"))), trunc(a / b), label = type)
  }
  expect_error(torch_div(x, y, rounding_mode = "up"), "rounding_mode")
  expect_error(torch_tensor(1L) %% torch_tensor(0L), "zero")
  expect_error(torch_tensor(2L)^-1L, "negative integer powers")
  expect_equal(as_array(torch_tensor(c(-2L, 3L))^3L), c(-8, 27))
})

test_that("alpha, clamp, lerp, atan2", {
  x <- torch_tensor(c(1, 2, 3))
  expect_equal(as_array(torch_add(x, x, alpha = 2)), c(3, 6, 9))
  expect_equal(as_array(x$sub(1, alpha = 3)), c(-2, -1, 0))
  expect_equal(as_array(torch_clamp(x, 1.5, 2.5)), c(1.5, 2, 2.5))
  expect_equal(as_array(torch_clamp(x, max = 2)), c(1, 2, 2))
  expect_equal(as_array(torch_clamp(torch_tensor(1:3), min = 2L)), c(2, 2, 3))
  expect_error(torch_clamp(x), "min")
  expect_equal(as_array(torch_lerp(x, torch_tensor(c(3, 4, 5)), 0.5)), c(2, 3, 4))
  expect_equal(as_array(torch_atan2(x, -1)), atan2(1:3, -1), tolerance = 1e-6)
})

test_that("gradients agree with differences", {
  x <- matrix(c(0.21, 0.35, 0.48, 0.62, 0.77, 0.86), 2)
  y <- matrix(c(0.4, 0.81, 0.25, 0.33, 0.52, 0.9), 2)
  for (name in setdiff(unary, c("sign", "floor", "ceil", "trunc"))) expect_gradient(torch_function(name), x)
  for (name in c("add", "sub", "mul", "div", "pow", "maximum", "minimum", "fmod", "remainder", "atan2")) {
    expect_gradient(torch_function(name), x, y)
    expect_gradient(torch_function(name), x, c(0.3, 0.55, 0.7))
  }
  expect_gradient(function(x) 2 / x - x^3 + 1.5 * x^2, x)
  expect_gradient(function(x) torch_clamp(x, 0.3, 0.7), x)
  expect_gradient(function(x, y) torch_sub(x, y, alpha = 3), x, y)
})

test_that("powers of zero have finite gradients", {
  x <- torch_tensor(c(0, 2), requires_grad = TRUE)
  torch_sum(x^0 + x^2)$backward()
  expect_equal(as_array(x$grad), c(0, 4))
  exponent <- torch_tensor(c(2, 2), requires_grad = TRUE)
  torch_sum(torch_pow(torch_tensor(c(0, 1)), exponent))$backward()
  expect_equal(as_array(exponent$grad), c(0, 0))
})

test_that("printed names tell numbers from tensors", {
  x <- torch_tensor(1, requires_grad = TRUE)
  name <- function(y) trimws(capture.output(print(y$grad_fn))[[1]])
  expect_match(name(x + x), "AddBackward0")
  expect_match(name(x - 1), "SubBackward1")
  expect_match(name(-x), "SubBackward0")
  expect_match(name(x * 2), "MulBackward1")
  expect_match(name(torch_log(x)), "LogBackward0")
})

test_that("in-place forms change the tensor, also where operands share its memory", {
  x <- torch_tensor(matrix(c(1, 2, 3, 4), 2))
  x$add_(x$t())
  expect_equal(as_array(x), matrix(c(2, 5, 5, 8), 2))
  x$mul_(2)$sub_(1)$div_(3)
  expect_equal(as_array(x), matrix(c(1, 3, 3, 5), 2))
  x$sqrt_()
  expect_equal(as_array(x), sqrt(matrix(c(1, 3, 3, 5), 2)), tolerance = 1e-6)
  expect_error(torch_tensor(1:2)$add_(0.5), "can't be cast")
})

test_that("channels last stays, and threads change nothing", {
  x <- torch_randn(2, 24, 40, 30)
  last <- x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3))
  y <- torch_randn(24, 1, 1)
  expect_equal((last * y)$stride(), last$stride())
  expect_equal(as_array(last * y), as_array(x * y), tolerance = 0)
  threads <- torch_get_num_threads()
  on.exit(torch_set_num_threads(threads))
  results <- lapply(1:2, function(n) {
    torch_set_num_threads(n)
    as_array(torch_exp(last) * y + x)
  })
  expect_identical(results[[1]], results[[2]])
})
