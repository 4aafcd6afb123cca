test_that("normals are libtorch's", {
  torch_manual_seed(1)
  expect_equal(torch_randn(1)$item(), 0.661352157592773, tolerance = 1e-7)
  torch_manual_seed(1)
  few <- as_array(torch_randn(2, 3))
  expect_equal(few[1, 1:2], c(0.6613522, 0.2669241), tolerance = 1e-6)
  expect_equal(few[2, ], c(0.6213173, -0.4519060, -0.1661302), tolerance = 1e-6)
})

test_that("uniforms are libtorch's, bit for bit", {
  torch_manual_seed(1)
  expect_identical(as_array(torch_rand(3)) * 2^24, c(0.75763160, 0.27931088, 0.40306926) |> (\(x) round(x * 2^24))())
})

test_that("permutations hold every index once and depend on the seed only", {
  torch_manual_seed(3)
  a <- as_array(torch_randperm(100))
  torch_manual_seed(3)
  b <- as_array(torch_randperm(100))
  expect_identical(a, b)
  expect_identical(sort(a), 0:99)
})

test_that("integers lie in their range", {
  torch_manual_seed(1)
  x <- torch_randint(2, 5, size = 1000)
  expect_true(x$dtype == torch_float())
  expect_setequal(unique(as_array(x)), 2:4)
  expect_error(torch_randint(5, 5, size = 1), "low < high")
})

test_that("an empty range of integers, or one that the dtype does not hold, is refused", {
  expect_error(torch_randint(0.2, 0.7, 3), "low < high", class = "candela_error_value")
  expect_error(torch_randint_like(torch_zeros(2), -0.5, 0.5), "low < high", class = "candela_error_value")
  expect_error(torch_zeros(2)$random_(0.1, 0.4), "low < high", class = "candela_error_value")
  expect_error(torch_randint(0, NaN, 3), "`high` must be a single number", class = "value_error")
  for (high in c(Inf, 1e300, 2^63)) {
    expect_error(torch_randint(0, high, 3), "beyond the range", class = "candela_error_value")
  }
  expect_error(torch_randint(-Inf, 0, 3, dtype = torch_long()), "beyond the range", class = "candela_error_value")
  expect_error(torch_zeros(2, dtype = torch_bool())$random_(0, 3), "range of Bool", class = "candela_error_value")
  expect_error(torch_zeros(2, dtype = torch_uint8())$random_(-1, 3), "range of Byte", class = "candela_error_value")
  expect_setequal(as_array(torch_randint(0, 256, 5000, dtype = torch_uint8())), 0:255)
  expect_setequal(as_array(torch_randint(0.9, 2.9, 50, dtype = torch_int32())), 0:1)
  expect_error(torch_zeros(2)$uniform_(-Inf, 1), "finite", class = "candela_error_value")
})

test_that("the last sixteen are drawn again where the size is no multiple of sixteen", {
  torch_manual_seed(5)
  long <- as_array(torch_randn(20))
  torch_manual_seed(5)
  u <- as_array(torch_rand(36))
  block <- function(u) {
    radius <- sqrt(-2 * log(1 - u[1:8]))
    c(radius * cos(2 * pi * u[9:16]), radius * sin(2 * pi * u[9:16]))
  }
  expect_equal(long[1:4], block(u[1:16])[1:4], tolerance = 1e-5)
  expect_equal(long[5:20], block(u[21:36]), tolerance = 1e-5)
})

test_that("moments are right in float64 too", {
  torch_manual_seed(1)
  x <- as_array(torch_randn(20000, dtype = "double"))
  expect_lt(abs(mean(x)), 0.03)
  expect_lt(abs(sd(x) - 1), 0.03)
})

test_that("a seed holds for an expression or a function only", {
  torch_manual_seed(1)
  before <- torch_get_rng_state()
  a <- with_torch_manual_seed(as_array(torch_rand(2)), seed = 9)
  expect_identical(torch_get_rng_state(), before)
  f <- function() {
    local_torch_manual_seed(9)
    as_array(torch_rand(2))
  }
  expect_identical(f(), a)
  expect_identical(torch_get_rng_state(), before)
})

test_that("R's own generator is left alone", {
  set.seed(1)
  state <- .Random.seed
  torch_randn(100)
  expect_identical(.Random.seed, state)
})

test_that("wrong parameters are named", {
  expect_error(torch_empty(2, dtype = "long")$normal_(), "float tensor", class = "candela_error_dtype")
  expect_error(torch_empty(2)$uniform_(2, 1), "from <= to")
  expect_error(torch_empty(2)$bernoulli_(2), "between 0 and 1")
  expect_error(torch_manual_seed("a"), "`seed`", class = "value_error")
})

test_that("Poisson numbers have their mean, and refuse rates below 0", {
  torch_manual_seed(2)
  x <- torch_poisson(torch_tensor(rep(4, 4000)))
  expect_equal(x$mean()$item(), 4, tolerance = 0.03)
  expect_equal(x$var()$item(), 4, tolerance = 0.08)
  expect_error(torch_poisson(c(-1, 2)), "at least 0", class = "value_error")
})

test_that("a state that no generator has is refused, and changes nothing", {
  torch_manual_seed(4)
  before <- torch_get_rng_state()
  for (bad in list(c(3, NaN), c(3, -1), c(3, 0.5), c(624, 2^32), c(625, NaN), c(625, 625), c(626, 2), c(627, NaN))) {
    state <- replace(before + 0, bad[[1]], bad[[2]])
    expect_error(torch_set_rng_state(state), "must come from torch_get_rng_state", class = "candela_error_value")
  }
  expect_identical(torch_get_rng_state(), before)
})

test_that("a seed for a while leaves both generators of old versions as they were", {
  old <- function(on) options(torch.old_seed_behavior = on)
  before <- old(TRUE)
  on.exit(options(before))
  draw <- function(inside) {
    torch_manual_seed(1)
    if (inside) with_torch_manual_seed(torch_zeros(2)$normal_(), seed = 3)
    list(as_array(torch_zeros(2)$normal_()), as_array(torch_randn(2)))
  }
  expect_identical(draw(TRUE), draw(FALSE))
  expect_length(torch_get_rng_state(), 2 * 627)
  # A block with the second generator, in a session without.
  old(FALSE)
  alone <- draw(FALSE)
  torch_manual_seed(1)
  local({
    old(TRUE)
    with_torch_manual_seed(torch_zeros(2)$normal_(), seed = 3)
    old(FALSE)
  })
  expect_identical(as_array(torch_zeros(2)$normal_()), alone[[1]])
})

test_that("a parameter of a distribution is named as its user names it", {
  x <- torch_zeros(2)
  expect_error(x$normal_(std = "a"), "`std` must be a single number")
  expect_error(x$uniform_(to = 1:2), "`to` must be")
  expect_error(torch_randint("a", 3, 2), "`low` must be")
  expect_error(x$bernoulli_(c(0.1, 0.2)), "`p` must be")
})
