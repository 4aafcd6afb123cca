refused <- function(code) conditionMessage(expect_error(code, class = "value_error"))

test_that("a refusal names the argument, what it wanted and what it got", {
  expect_equal(refused(check_flag(NA, "shuffle")), "`shuffle` must be TRUE or FALSE, but got NA.")
  expect_equal(refused(check_string(3, "path")), "`path` must be a single string, but got 3.")
  expect_equal(refused(check_string(NULL, "path")), "`path` must be a single string, but got NULL.")
  expect_equal(refused(check_number("a", "x")), "`x` must be a single number, but got \"a\".")
  expect_equal(refused(check_number(1:2, "x", 0)), "`x` must be a single number of at least 0, but got c(1, 2).")
  expect_equal(refused(check_number(2, "p", 0, 1)), "`p` must be a single number between 0 and 1, but got 2.")
  expect_equal(refused(check_number(2, "p", most = 1)), "`p` must be a single number of at most 1, but got 2.")
  expect_equal(refused(check_whole_number(1.5, "n", 1)), "`n` must be a whole number of at least 1, but got 1.5.")
  expect_equal(
    refused(check_choice("c", "mode", c("a", "b"))), "`mode` must be one of \"a\" or \"b\", but got \"c\"."
  )
  expect_equal(refused(check_numbers(1:3, "padding", 1:2)), "`padding` must be 1 or 2 numbers, but got c(1, 2, 3).")
  expect_equal(
    refused(check_size(0, "size")), "`size` must be one number or c(height, width), of at least 1, but got 0."
  )
  expect_equal(
    refused(per_dimension(1:3, 2, "stride")), "`stride` must be one number or 2 numbers, but got c(1, 2, 3)."
  )
  expect_equal(
    refused(check_function(1, "loss", "nn_mse_loss()")), "`loss` must be a function such as nn_mse_loss(), but got 1."
  )
  expect_equal(refused(check_tensor(list(), "x")), "`x` must be a tensor, but got an object of class <list>.")
  expect_equal(refused(check_tensors(1, "x")), "`x` must be a list of tensors, but got 1.")
  expect_match(refused(check_module(nn_relu, "x")), "must be a module, .* Call the generator first, to make a module")
  expect_equal(refused(check_rank(torch_ones(2), "x", 2:3)), "`x` must have 2 or 3 dimensions, but has 1.")
  expect_equal(refused(check_divisible(3, "n", 2, "groups")), "`n` (3) must be divisible by `groups` (2).")
  expect_equal(
    conditionMessage(expect_error(check_float(torch_ones(2, dtype = torch_long()), "x"), class = "type_error")),
    "`x` must be a float tensor, but got Long."
  )
})

test_that("what is asked for passes without a word", {
  expect_no_error({
    check_flag(TRUE, "x")
    check_string("", "x")
    check_number(Inf, "x")
    check_number(1L, "x", 1, 1)
    check_whole_number(1e9, "x", 0)
    check_choice("a", "x", c("a", "b"))
    check_numbers(c(0, 1), "x", 1:2, 0, 1)
    check_size(c(1, 2), "x")
    check_function(identity, "x", "identity")
    check_tensor(torch_ones(1), "x")
    check_tensors(list(), "x")
    check_module(nn_relu(), "x")
  })
})

test_that("each check refuses what is missing, several, or of another kind", {
  nonsense <- list(
    NULL, NA, NaN, NA_character_, character(), c(1, NA), list(1), torch_ones(2), sum, quote(a + b), nn_relu
  )
  for (value in nonsense) {
    expect_error(check_string(value, "x"), "`x` must be", class = "value_error")
    expect_error(check_number(value, "x"), "`x` must be", class = "value_error")
    expect_error(check_whole_number(value, "x"), "`x` must be", class = "value_error")
    expect_error(check_flag(value, "x"), "`x` must be", class = "value_error")
    expect_error(check_choice(value, "x", c("a", "b")), "`x` must be", class = "value_error")
    expect_error(check_numbers(value, "x", 1:2), "`x` must be", class = "value_error")
    expect_error(check_size(value, "x"), "`x` must be", class = "value_error")
    expect_error(per_dimension(value, 2, "x"), "`x` must be", class = "value_error")
    expect_error(check_module(value, "x"), "`x` must be", class = "value_error")
    expect_error(as_number(value, "x"), "`x` must be", class = "value_error")
  }
})

test_that("numbers are taken from tensors, and must be finite", {
  expect_identical(as_number(torch_tensor(2), "x"), 2)
  expect_identical(as_number(3L, "x"), 3)
  expect_error(as_number(Inf, "x"), "`x` must be a single number", class = "value_error")
  expect_error(as_number(-1, "x", least = 0), "of at least 0", class = "value_error")
})

test_that("one number stands for every dimension", {
  expect_identical(per_dimension(2L, 3, "x"), c(2, 2, 2))
  expect_identical(per_dimension(c(1, 2), 2, "x"), c(1, 2))
})

test_that("states that do not fit are told with both shapes, in the words of who asks", {
  one <- torch_ones(1, 1)
  expect_no_error(check_fit("k", one, torch_tensor(1)))
  expect_equal(
    refused(check_fit("k", torch_ones(2, 3), torch_ones(3, 2))),
    "`k` has shape [2, 3] in the state_dict, but [3, 2] in the module."
  )
  expect_equal(refused(check_fit("k", torch_ones(2), one, "%s: [%s], not [%s].")), "k: [2], not [1, 1].")
  expect_equal(refused(check_fit("k", 1, one)), "`k` in the state_dict must be a tensor, but got 1.")
})

test_that("the same nonsense is told alike wherever it is given", {
  x <- torch_ones(1, 1, 3, 3)
  stride <- "`stride` must be one number or 2 numbers, but got \"a\"."
  expect_equal(refused(nnf_conv2d(x, x, stride = "a")), stride)
  expect_equal(refused(nn_conv2d(1, 1, 1, stride = "a")), stride)
  for (padding in list("valide", c("same", "valid"))) {
    expect_error(nn_conv2d(1, 1, 1, padding = padding), "`padding` must be a number, \"same\" or \"valid\", but got")
    expect_error(nnf_conv2d(x, x, padding = padding), "`padding` must be a number, \"same\" or \"valid\", but got")
  }
  expect_error(nn_dropout(2), "dropout probability has to be between 0 and 1, but got 2.", fixed = TRUE)
  expect_error(nnf_dropout(torch_ones(1), "a"), "dropout probability .* got \"a\"", class = "value_error")
  expect_error(nn_mse_loss(reduction = "all"), "`reduction` must be one of", class = "value_error")
  expect_error(nnf_mse_loss(torch_ones(1), torch_ones(1), reduction = "all"), "`reduction` must be one of")
  expect_error(transform_adjust_hue(torch_ones(3, 2, 2), 2), "`hue_factor` must be .* between -0.5 and 0.5, but got 2")
  expect_error(transform_rotate(torch_ones(3, 2, 2), "a"), "`angle` must be a single number, but got \"a\"")
})
