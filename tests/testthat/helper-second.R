# Second derivatives of f against finite differences of the first ones, in float64: s(x) = <weights, f(x)>, g = ds/dx,
# h(x) = <v, g(x)>, and dh/dx by backward and by central differences, with respect to each of the tensors in `at`.
expect_second_derivative <- function(f, ..., tolerance = 1e-5, step = 1e-5) {
  at <- lapply(list(...), function(x) if (is_float_tensor(x)) x$detach()$double() else x)
  vary <- which(vapply(at, is_float_tensor, NA))
  h <- function(values, create_graph) {
    y <- do.call(f, values)
    inputs <- values[vary]
    weights <- torch_linspace(0.4, 1.7, y$numel(), dtype = torch_double())$reshape(dim(y))
    gradients <- autograd_grad((y * weights)$sum(), inputs, create_graph = create_graph, allow_unused = TRUE)
    parts <- Map(function(g) {
      if (is_undefined_tensor(g)) return(torch_zeros(1, dtype = torch_double())$sum())
      (g * torch_linspace(-1.1, 0.9, g$numel(), dtype = torch_double())$reshape(dim(g)))$sum()
    }, gradients)
    Reduce(`+`, parts)
  }
  values <- at
  values[vary] <- lapply(at[vary], function(x) x$clone()$requires_grad_(TRUE))
  second <- autograd_grad(h(values, TRUE), values[vary], allow_unused = TRUE)
  for (k in seq_along(vary)) {
    x <- at[[vary[[k]]]]
    got <- if (is_undefined_tensor(second[[k]])) rep(0, x$numel()) else as.numeric(as_array(second[[k]]$reshape(-1)))
    expected <- vapply(seq_len(x$numel()), function(i) {
      moved <- function(by) {
        other <- values
        shift <- torch_zeros(x$numel(), dtype = torch_double())
        shift[i] <- by
        other[[vary[[k]]]] <- (x + shift$reshape(dim(x)))$requires_grad_(TRUE)
        h(other, FALSE)$item()
      }
      (moved(step) - moved(-step)) / (2 * step)
    }, 0)
    testthat::expect_equal(got, expected, tolerance = tolerance)
  }
}

is_float_tensor <- function(x) inherits(x, "torch_tensor") && x$dtype$is_floating_point
