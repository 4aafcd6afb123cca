# Checks gradients against central differences in float64.

# f: function of tensors that gives a tensor; inputs: arrays or tensors, made into float64 leaves. The scalar
# differentiated is sum(f(...) * g) with fixed weights g, so that every output counts differently.
expect_gradient <- function(f, ..., step = 1e-5, tolerance = 1e-6) {
  inputs <- lapply(list(...), function(x) torch_tensor(as_input(x), dtype = torch_float64()))
  scalar <- function(values) {
    out <- as.numeric(as_array(do.call(f, values)))
    sum(out * cos(seq_along(out)))
  }
  leaves <- lapply(inputs, function(x) x$clone()$requires_grad_())
  out <- do.call(f, leaves)
  values <- as_array(out$detach())
  weights <- cos(seq_along(values))
  if (!is.null(dim(values))) dim(weights) <- dim(values)
  seed <- torch_tensor(weights, dtype = torch_float64())$reshape(out$shape)
  autograd_backward(list(out), list(seed))
  for (i in seq_along(inputs)) {
    expected <- numeric_gradient(scalar, inputs, i, step)
    testthat::expect_equal(as.numeric(as_array(leaves[[i]]$grad)), expected,
      tolerance = tolerance, label = sprintf("gradient of input %d", i)
    )
  }
}

as_input <- function(x) if (inherits(x, "torch_tensor")) as_array(x) else x

numeric_gradient <- function(scalar, inputs, i, step) {
  values <- as_array(inputs[[i]])
  vapply(seq_along(values), function(k) {
    moved <- function(by) {
      values[[k]] <- values[[k]] + by
      inputs[[i]] <- torch_tensor(values, dtype = torch_float64())$reshape(inputs[[i]]$shape)
      scalar(inputs)
    }
    (moved(step) - moved(-step)) / (2 * step)
  }, 0)
}
