# Each layer of the chapter's U-Net, and layers of other networks, alone: forward and backward, speed and error.
#
# usage: Rscript bench/layers.R [--batch 32] [--threads 2] [--repeats 5] [--passes 3] [--turns yes] [--short yes]
# All layers are measured `passes` times, one after the other, for the machine's speed drifts; --short takes every
# fifth. One CSV line per pass and layer: pass, name, seconds of the forward pass and of both passes (least of the
# repeats), multiply-adds of the forward pass, and the largest error of the output and of the gradients of input
# and weight against float64, relative to the largest value. Errors are those of two images, for which the methods
# are those of many. Last the ways the convolution takes (src/kernels/conv_way.h), forward/gradient of the
# input/gradient of the weights.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))

batch <- count_option("batch", 32)
repeats <- count_option("repeats", 5)
passes <- count_option("passes", 3)
torch_set_num_threads(count_option("threads", 2))
torch_manual_seed(1)
layers <- read.csv(file.path(here, "layers.csv"))
if (option("short", "no") == "yes") layers <- layers[seq(2, nrow(layers), 5), ]

new_layer <- function(l) {
  if (l$kind == "transpose") {
    nn_conv_transpose2d(l$in_channels, l$out_channels, l$kernel, l$stride, l$padding)
  } else {
    nn_conv2d(l$in_channels, l$out_channels, l$kernel, l$stride, l$padding, l$dilation, groups = l$groups)
  }
}

# A convolution is computed when its result is looked at: data_ptr() does.
run <- function(layer, x, dy = NULL) {
  y <- layer(x)
  y$data_ptr()
  if (!is.null(dy)) y$backward(dy)
  y
}

relative_error <- function(actual, exact) {
  max(abs(as_array(actual) - as_array(exact))) / max(abs(as_array(exact)))
}

errors <- function(layer, l) {
  x <- torch_randn(2, l$in_channels, l$size, l$size, requires_grad = TRUE)
  x_exact <- x$detach()$to(dtype = torch_double())$requires_grad_(TRUE)
  exact <- layer$clone(deep = TRUE)$to(dtype = torch_double())
  dy <- torch_randn(dim(layer(x)))
  layer$zero_grad()
  y <- run(layer, x, dy)
  y_exact <- run(exact, x_exact, dy$to(dtype = torch_double()))
  c(
    relative_error(y$detach(), y_exact$detach()), relative_error(x$grad, x_exact$grad),
    relative_error(layer$weight$grad, exact$weight$grad)
  )
}

# The images come channels last, as the layer before would hand them on; the input's gradient is wanted too.
measure <- function(layer, l) {
  x <- nn_conv2d(1, l$in_channels, 1)(torch_randn(batch, 1, l$size, l$size))$detach()
  x$requires_grad_(TRUE)
  y <- layer(x)
  dy <- (y * 0.5)$detach()
  await_turn()
  forward <- least_seconds(repeats, function() with_no_grad(run(layer, x)), seconds = 1 / 4)
  # In a network nothing is added to the gradient of an input.
  both <- least_seconds(repeats, function() {
    x$grad <- NULL
    run(layer, x, dy)
  }, seconds = 1 / 4)
  madds <- batch * prod(dim(y)[3:4]) * l$out_channels * l$in_channels / l$groups * l$kernel^2
  if (l$kind == "transpose") madds <- madds / l$stride^2
  c(forward, both, madds)
}

rows <- lapply(seq_len(nrow(layers)), function(i) layers[i, ])
modules <- lapply(rows, new_layer)
found_errors <- do.call(rbind, Map(errors, modules, rows))
measured <- lapply(seq_len(passes), function(pass) do.call(rbind, Map(measure, modules, rows)))

# Which ways the layer goes, forward and to the gradients of its input and weights; a transposed one goes forward as the
# other to the gradient of its input.
way <- function(layer, l) {
  image <- if (l$kind == "transpose") {
    c(batch, l$out_channels, rep((l$size - 1) * l$stride - 2 * l$padding + l$kernel, 2))
  } else {
    c(batch, l$in_channels, l$size, l$size)
  }
  ways <- candela:::convolution_ways(image, dim(layer$weight), l$stride, l$padding, l$dilation, l$groups)
  paste(if (l$kind == "transpose") ways[c(2, 1, 3)] else ways, collapse = "/")
}
ways <- mapply(way, modules, rows)

cat("pass,name,forward_s,both_s,multiply_adds,error_y,error_dx,error_dw,way\n")
for (pass in seq_len(passes)) {
  times <- measured[[pass]]
  cat(sprintf(
    "%d,%s,%.6f,%.6f,%.0f,%.2e,%.2e,%.2e,%s\n", pass, layers$name, times[, 1], times[, 2], times[, 3],
    found_errors[, 1], found_errors[, 2], found_errors[, 3], ways
  ), sep = "")
}
