# Functions of tensors against PyTorch's values and gradients (tools/function-numbers.py makes them), in float64, and in
# float32 to its precision.

numbers <- readLines(test_path("function-numbers.txt"))

at <- function(...) aperm(array(seq_len(prod(...)), rev(c(...))))

function_inputs <- function() {
  m <- sin(at(c(3, 3)) * 1.7) + 2 * diag(3)
  b <- cos(at(c(2, 3, 3)) * 2.3)
  for (i in 1:2) b[i, , ] <- b[i, , ] %*% t(b[i, , ]) + diag(3)
  list(
    x = c(-1.7, -0.6, 0.3, 0.9, 2.4), u = c(0.1, 0.35, 0.6, 0.9), p = c(0.4, 1.3, 2.7, 5.5),
    p5 = c(0.4, 1.3, 2.7, 5.5, 0.9), v3 = c(0.7, -1.2, 0.4), m = m,
    t = sin(at(c(3, 4)) * 2.1 + at(c(3, 4))^2 * 0.37) * 1.5, b = b,
    i2 = rbind(c(6L, 3L, 6L, 3L), c(10L, 12L, 7L, 12L))
  )
}

in_rows <- function(x) as.vector(if (is.null(dim(x))) x else aperm(x, rev(seq_along(dim(x)))))

numbers_of <- function(result) {
  parts <- if (is_tensor(result)) list(result) else result
  unlist(lapply(parts, function(part) as.numeric(in_rows(as_array(part)))), use.names = FALSE)
}

read_numbers <- function(text) if (text == "-") numeric() else as.numeric(strsplit(text, " ", fixed = TRUE)[[1]])

gradients_of <- function(result, leaves) {
  parts <- Filter(function(part) part$requires_grad, if (is_tensor(result)) list(result) else result)
  flat <- torch_cat(lapply(parts, torch_flatten))
  torch_sum(flat * cos(seq_len(length(flat))))$backward()
  used <- Filter(function(leaf) !is_undefined_tensor(leaf$grad) && !is.null(leaf$grad), leaves[sort(names(leaves))])
  unlist(lapply(used, function(leaf) in_rows(as_array(leaf$grad))), use.names = FALSE)
}

check_line <- function(line, dtype, tolerance) {
  fields <- strsplit(line, "\t", fixed = TRUE)[[1]]
  leaves <- lapply(function_inputs(), function(x) {
    if (is.integer(x)) torch_tensor(x) else torch_tensor(x, dtype = dtype, requires_grad = TRUE)
  })
  result <- tryCatch(eval(parse(text = fields[[1]])[[1]], leaves), error = function(e) conditionMessage(e))
  if (is.character(result)) {
    return(fail(paste(fields[[1]], result)))
  }
  expect_equal(numbers_of(result), read_numbers(fields[[2]]), tolerance = tolerance, info = fields[[1]])
  gradients <- read_numbers(fields[[3]])
  if (length(gradients) > 0) {
    floats <- Filter(function(leaf) leaf$requires_grad, leaves)
    expect_equal(gradients_of(result, floats), gradients, tolerance = 50 * tolerance,
      info = paste("gradient of", fields[[1]]))
  }
}

test_that("functions have PyTorch's values and gradients in float64", {
  for (line in numbers) check_line(line, torch_double(), 1e-9)
})

test_that("functions are as exact in float32 as it allows", {
  for (line in numbers[seq(1, length(numbers), by = 3)]) check_line(line, torch_float(), 2e-5)
})
