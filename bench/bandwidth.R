# Operators that are bound by memory: pooling, resizing, norms, reductions, softmax, activations, joins; and attention.
# Speed, bytes and error.
#
# usage: Rscript bench/bandwidth.R [--format last] [--threads 2] [--repeats 5] [--passes 3] [--turns yes]
# The lines are bandwidth.csv's; images come channels last with --format last, else row by row (--format rows). One CSV
# line per pass and operator: pass, name, seconds of the forward pass and of both passes (least of the repeats), the
# least bytes either has to move, and the largest error of the output and of the input's gradient against float64,
# relative to the largest value. The least of a forward pass is its input (norms: twice, as statistics come first) and
# its output; of a backward pass the gradient of the output (norms: it and the input, twice) and that of the input.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

repeats <- count_option("repeats", 5)
passes <- count_option("passes", 3)
last <- option("format", "last") == "last"
torch_set_num_threads(count_option("threads", 2))
torch_manual_seed(1)
lines <- read.csv(file.path(here, "bandwidth.csv"))
shapes <- lapply(strsplit(lines$shape, "x"), as.integer)
operators <- lapply(lines$candela, function(code) eval(parse(text = code)))

in_format <- function(x) {
  if (last && length(dim(x)) == 4) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3)) else x
}

run <- function(operator, x, dy = NULL) {
  y <- operator(x)
  y$data_ptr()
  if (!is.null(dy)) y$backward(dy)
  y
}

relative_error <- function(actual, exact) {
  max(abs(as_array(actual) - as_array(exact))) / max(abs(as_array(exact)))
}

errors <- function(operator, shape) {
  x <- in_format(torch_randn(c(2, shape[-1])))$requires_grad_(TRUE)
  exact <- if (inherits(operator, "nn_module")) operator$clone(deep = TRUE)$to(dtype = torch_double()) else operator
  x_exact <- x$detach()$to(dtype = torch_double())$requires_grad_(TRUE)
  dy <- torch_randn(dim(operator(x)))
  y <- run(operator, x, dy)
  y_exact <- run(exact, x_exact, dy$to(dtype = torch_double()))
  c(relative_error(y$detach(), y_exact$detach()), relative_error(x$grad, x_exact$grad))
}

measure <- function(operator, shape, reads) {
  x <- in_format(torch_randn(shape))$requires_grad_(TRUE)
  y <- operator(x)
  dy <- (y * 0.5)$detach()
  await_turn()
  forward <- least_seconds(repeats, function() with_no_grad(run(operator, x)), seconds = 1 / 4)
  both <- least_seconds(repeats, function() {
    x$grad <- NULL
    run(operator, x, dy)
  }, seconds = 1 / 4)
  input <- 4 * prod(shape)
  output <- 4 * prod(dim(y))
  kept <- if (reads > 1) input * 2 + output else 0
  c(forward, both, reads * input + output, reads * input + output + kept + output + input)
}

found_errors <- do.call(rbind, Map(errors, operators, shapes))
measured <- lapply(seq_len(passes), function(pass) do.call(rbind, Map(measure, operators, shapes, lines$reads)))

cat("pass,name,forward_s,both_s,forward_bytes,both_bytes,error_y,error_dx\n")
for (pass in seq_len(passes)) {
  times <- measured[[pass]]
  cat(sprintf(
    "%d,%s,%.6f,%.6f,%.0f,%.0f,%.2e,%.2e\n", pass, lines$name, times[, 1], times[, 2], times[, 3], times[, 4],
    found_errors[, 1], found_errors[, 2]
  ), sep = "")
}
