test_that("derivatives of derivatives of a power", {
  x <- torch_tensor(2, requires_grad = TRUE)
  first <- autograd_grad(x^3, x, create_graph = TRUE)[[1]]
  second <- autograd_grad(first, x, create_graph = TRUE)[[1]]
  third <- autograd_grad(second, x)[[1]]
  expect_equal(c(first$item(), second$item(), third$item()), c(12, 12, 6))
  expect_false(third$requires_grad)
})

draw <- function(...) {
  shape <- c(...)
  torch_tensor(array(cos(seq_len(prod(shape)) * 1.7) * 1.3, shape), dtype = torch_double())
}
between <- function(low, high, ...) low + (high - low) * torch_sigmoid(draw(...) * 3)

test_that("arithmetic", {
  a <- draw(2, 3)
  b <- between(0.5, 1.5, 2, 3)
  v <- between(0.3, 1.3, 3)
  expect_second_derivative(function(a, b) a * b * a, a, v)
  expect_second_derivative(function(a, b) (a + b)^2 - (a - b)^3, a, v)
  expect_second_derivative(function(a, b) a / b, a, v)
  expect_second_derivative(function(a, b) b^a, a, b)
  expect_second_derivative(function(b) b^2.5, b)
  expect_second_derivative(function(a, b) torch_maximum(a, b)^2 + torch_minimum(a, b)^3, a, b)
  expect_second_derivative(torch_atan2, a, b)
  expect_second_derivative(function(a) torch_clamp(a, -0.5, 0.5)^2, a)
})

test_that("functions of single elements", {
  x <- between(0.2, 0.8, 2, 2)
  names <- c(
    "neg", "abs", "sign", "square", "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf", "floor"
  )
  for (name in names) {
    f <- get(paste0("torch_", name))
    expect_second_derivative(function(x) f(x) * f(x), x)
  }
})

test_that("activations", {
  x <- draw(2, 3) * 2
  names <- c(
    "relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "hardswish", "hardsigmoid",
    "mish", "softplus", "logsigmoid", "tanhshrink", "softsign", "hardshrink", "softshrink"
  )
  for (name in names) {
    f <- get(paste0("nnf_", name))
    expect_second_derivative(function(x) f(x) * f(x), x)
  }
  expect_second_derivative(function(x) nnf_gelu(x, approximate = "tanh")^2, x)
  expect_second_derivative(function(x) nnf_softmax(x, 2)^2, x)
  expect_second_derivative(function(x) nnf_log_softmax(x, 1)^2, x)
})

test_that("reductions, and what is found", {
  a <- draw(2, 3)
  b <- between(0.5, 1.5, 2, 3)
  cases <- list(
    function(a) a$sum(1)^2, function(a) a$sum(2, keepdim = TRUE)^2 * a, function(a) a$mean(1)^2, function(a) a$mean()^3,
    function(a) a$prod(1)^2, function(a) a$amax(1)^2, function(a) a$max(dim = 1)[[1]]^2, function(a) a$max()^2,
    function(a) a$max(dim = 2, keepdim = TRUE)[[1]]^2, function(a) a$median(dim = 2)[[1]]^2, function(a) a$var(2),
    function(a) a$std(), function(a) a$norm(), function(a) a$norm(p = 3, dim = 1), function(a) a$norm(p = 1)^2,
    function(a) torch_logsumexp(a, 2), function(a) torch_cumsum(a, 2)^2, function(a) torch_sort(a, 2)[[1]]^2,
    function(a) torch_topk(a, 2, 2)[[1]]^2
  )
  for (f in cases) expect_second_derivative(f, a)
  expect_second_derivative(function(b) b$prod(), b)
})

test_that("products", {
  a <- draw(2, 3)
  v <- draw(3)
  expect_second_derivative(function(a, b) torch_mm(a, b)^2, a, draw(3, 2))
  expect_second_derivative(function(a, b) torch_matmul(a, b)^2, draw(2, 1, 3), draw(3, 2))
  expect_second_derivative(function(a, b) torch_bmm(a, b)^2, draw(2, 2, 3), draw(2, 3, 2))
  expect_second_derivative(function(a, b) torch_mv(a, b)^2, a, v)
  expect_second_derivative(function(a, b) torch_dot(a, b)^2, v, v * 2)
  expect_second_derivative(function(x, w, b) nnf_linear(x, w, b)^2, draw(2, 2, 3), draw(4, 3), draw(4))
})

test_that("shapes and parts", {
  a <- draw(2, 3)
  at <- torch_tensor(matrix(c(1L, 2L, 2L, 1L), 2))
  cases <- list(
    function(a) a$view(c(3, 2))^2, function(a) a$t()$reshape(6)^2, function(a) a$permute(c(2, 1))^2,
    function(a) a$unsqueeze(1)$expand(c(2, 2, 3))^2, function(a) a$unsqueeze(2)$squeeze(2)^2, function(a) a[1, 2:3]^2,
    function(a) a[, c(1, 3, 1)]^2, function(a) a[a > 0]^2, function(a) torch_masked_select(a, a > 0)^2,
    function(a) torch_diagonal(a)^2, function(a) torch_tril(a)^2, function(a) torch_triu(a)^2,
    function(a) torch_diag(a[1, ])^2, function(a) torch_flip(a, 1)^2, function(a) torch_roll(a, 1, 1)^2,
    function(a) torch_cat(list(a, a^2), 1)^2, function(a) torch_stack(list(a, a^2), 2)^2, function(a) a$clone()^2,
    function(a) torch_gather(a, 2, at)^2, function(a) torch_index_select(a, 2, torch_tensor(c(3L, 1L)))^2,
    function(a) torch_where(a > 0, a, a^3)^2, function(a) torch_masked_fill(a, a > 0, 2)^2
  )
  for (f in cases) expect_second_derivative(f, a)
  expect_second_derivative(function(a, s) torch_scatter(a, 2, at, s)^2, a, draw(2, 2))
  expect_second_derivative(function(a, s) torch_scatter_add(a, 2, at, s)^2, a, draw(2, 3))
})

test_that("changes in place", {
  a <- draw(2, 3)
  b <- draw(2, 3) * 2
  changes <- list(
    function(y, b) y[1, 2:3] <- b[1, 1:2], function(y, b) y[, c(1, 3)] <- b[, 1:2],
    function(y, b) y[1, 2:3]$mul_(b[1, 1:2]),
    function(y, b) y$copy_(b[1, ]), function(y, b) y$t()$add_(b$t()), function(y, b) y[2, ] <- 0
  )
  for (change in changes) {
    expect_second_derivative(function(a, b) {
      y <- a * 1
      change(y, b)
      y^2 * a + b$sum()^2
    }, a, b)
  }
})

test_that("convolutions, pooling, resizing", {
  expect_second_derivative(function(x, w, b) nnf_conv2d(x, w, b, padding = 1)^2,
    draw(1, 2, 3, 3), draw(2, 2, 3, 3), draw(2))
  expect_second_derivative(function(x, w, b) nnf_conv2d(x, w, b, stride = 2, padding = 1, dilation = 2, groups = 2)^2,
    draw(1, 2, 4, 4), draw(2, 1, 2, 2), draw(2))
  expect_second_derivative(function(x, w, b) nnf_conv_transpose2d(x, w, b, stride = 2, padding = 1)^2,
    draw(1, 2, 2, 2), draw(2, 2, 3, 3), draw(2))
  expect_second_derivative(function(x, w) nnf_conv1d(x, w, padding = 1)^2, draw(1, 2, 4), draw(2, 2, 3))
  expect_second_derivative(function(x, w, b) nnf_conv3d(x, w, b)^2, draw(1, 1, 2, 3, 3), draw(2, 1, 2, 2, 2), draw(2))
  expect_second_derivative(function(x, w, b) nnf_conv_transpose3d(x, w, b, stride = 2)^2, draw(1, 1, 1, 2, 2),
    draw(1, 2, 2, 1, 2), draw(2))
  x <- draw(1, 2, 4, 4)
  cases <- list(
    function(x) nnf_max_pool2d(x, 2), function(x) nnf_max_pool2d(x, 3, stride = 2, padding = 1),
    function(x) nnf_adaptive_max_pool2d(x, c(2, 3)), function(x) nnf_avg_pool2d(x, 2),
    function(x) nnf_adaptive_avg_pool2d(x, c(3, 1)),
    function(x) nnf_interpolate(x, scale_factor = 2, mode = "bilinear"),
    function(x) nnf_interpolate(x, scale_factor = 2), function(x) nnf_unfold(x, 2),
    function(x) nnf_fold(x$view(c(1, 8, 4)), 3, 2)
  )
  for (f in cases) expect_second_derivative(function(x) f(x)^2, x)
})

test_that("normalisation", {
  w <- between(0.5, 1.5, 2)
  expect_second_derivative(function(x, w, b) nnf_batch_norm(x, NULL, NULL, w, b, training = TRUE)^2,
    draw(2, 2, 2, 2), w, draw(2))
  expect_second_derivative(function(x) nnf_batch_norm(x, NULL, NULL, training = TRUE)^3, draw(4, 2))
  expect_second_derivative(function(x, w, b) {
    nnf_batch_norm(x, torch_tensor(c(0.1, 0.2)), torch_tensor(c(1.1, 0.7)), w, b, training = FALSE)^2
  }, draw(2, 2, 1, 2), w, draw(2))
  expect_second_derivative(function(x, w, b) nnf_layer_norm(x, 3, w, b)^2, draw(2, 3), draw(3), draw(3) * 2)
  expect_second_derivative(function(x, w, b) nnf_layer_norm(x, c(2, 3), w, b)^2,
    draw(2, 2, 3), draw(2, 3), draw(2, 3) * 2)
  expect_second_derivative(function(x, w) nnf_rms_norm(x, 3, w)^2, draw(2, 3), draw(3))
  expect_second_derivative(function(x, w, b) nnf_group_norm(x, 2, w, b)^2, draw(2, 4, 1, 2), draw(4), draw(4) * 2)
})

test_that("losses", {
  x <- draw(2, 3)
  p <- between(0.1, 0.9, 2, 3)
  target <- between(0.2, 0.8, 2, 3) + 0.05 * draw(2, 3)
  classes <- torch_tensor(c(3L, 1L))
  weight <- torch_tensor(c(0.5, 2, 1), dtype = torch_double())
  for (reduction in c("mean", "none")) {
    pairs <- list(
      nnf_mse_loss, nnf_l1_loss, nnf_smooth_l1_loss, nnf_binary_cross_entropy_with_logits, nnf_kl_div,
      nnf_poisson_nll_loss, nnf_soft_margin_loss
    )
    for (f in pairs) expect_second_derivative(function(x, t) f(x, t, reduction = reduction)^2, x, target)
    expect_second_derivative(function(p, t) nnf_binary_cross_entropy(p, t, reduction = reduction)^2, p, target)
    expect_second_derivative(function(x) nnf_cross_entropy(x, classes, weight = weight, reduction = reduction)^2, x)
    expect_second_derivative(function(x) nnf_nll_loss(x, classes, reduction = reduction)^2, x)
  }
  expect_second_derivative(function(x) nnf_cross_entropy(x, classes, label_smoothing = 0.1)^2, x)
  image <- torch_tensor(array(c(1L, 2L), c(1, 1, 2)))
  expect_second_derivative(function(x) nnf_cross_entropy(x, image)^2, draw(1, 2, 1, 2))
})

test_that("the third derivative, and gradients of outputs", {
  a <- draw(2, 2)
  expect_second_derivative(function(a) autograd_grad((a$tanh() * a)$sum(), a, create_graph = TRUE)[[1]], a)
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  v <- torch_tensor(c(3, 4), requires_grad = TRUE)
  g <- autograd_grad(x^2, x, grad_outputs = v, create_graph = TRUE)[[1]]
  expect_equal(as_array(autograd_grad(g$sum(), v)[[1]]), c(2, 4))
})

test_that("what has no second derivative says so when it is asked for", {
  grid <- torch_zeros(1, 2, 2, 2)
  image <- torch_ones(1, 1, 2, 2, requires_grad = TRUE)
  g <- autograd_grad((nnf_grid_sample(image, grid, align_corners = FALSE)^2)$sum(), image, create_graph = TRUE)[[1]]
  expect_equal(sum(as_array(g$detach())), 8)
  expect_error(g$sum()$backward(), "grid_sample has no second derivative", class = "candela_error_autograd")
})

# PyTorch 1.13: grad penalties (norm of the gradient by the input - 1)^2, and their gradients by the weights.
test_that("a gradient penalty trains", {
  net <- nn_sequential(nn_linear(3, 4), nn_tanh(), nn_linear(4, 1))
  with_no_grad({
    for (p in net$parameters) p$copy_(torch_linspace(-0.5, 0.7, p$numel())$reshape(dim(p)))
  })
  x <- torch_linspace(-1, 1, 6)$reshape(c(2, 3))$requires_grad_(TRUE)
  g <- autograd_grad(net(x)$sum(), x, create_graph = TRUE)[[1]]
  penalty <- ((g$norm(dim = 2) - 1)^2)$mean()
  penalty$backward()
  expect_equal(penalty$item(), 0.276235461, tolerance = 1e-6)
  expect_equal(as_array(net[[1]]$weight$grad), matrix(c(
    0.0393983424, -0.0305449739, -0.100488275, 0.0363889784, 0.0334143825, 0.0304397866, -0.0364816859,
    -0.00296922028, 0.0305432267, -0.011514945, 0.0478877835, 0.107290499
  ), 4, byrow = TRUE), tolerance = 1e-5)
  expect_equal(as.numeric(as_array(net[[3]]$weight$grad)), c(
    0.0983811989, 0.0703402236, -0.112851322, 0.0485764816
  ), tolerance = 1e-5)
  expect_equal(as_array(net[[1]]$bias$grad), c(
    -0.16249764, -0.00235225866, 0.0741464719, 0.138288721
  ), tolerance = 1e-5)
})

test_that("a gradient penalty of a convolutional network", {
  w <- torch_linspace(-0.5, 0.5, 2 * 1 * 9)$reshape(c(2, 1, 3, 3))$requires_grad_(TRUE)
  v <- torch_linspace(0.1, 0.9, 2 * 9)$reshape(c(1, 18))$requires_grad_(TRUE)
  x <- torch_sin(torch_linspace(1, 30, 36))$reshape(c(1, 1, 6, 6))$requires_grad_(TRUE)
  y <- nnf_linear(nnf_max_pool2d(nnf_silu(nnf_conv2d(x, w, padding = 1)), 2)$flatten(start_dim = 2), v)
  g <- autograd_grad(y$sum(), x, create_graph = TRUE)[[1]]
  (g^2)$sum()$backward()
  expect_equal(as.numeric(as_array(w$grad$reshape(-1))), c(
    -0.698201656, -0.561514437, 0.057852447, 0.112873837, -0.307438731, -0.384044528, 0.93482995, 0.408543646,
    -0.126757696, 2.0258162, 0.195764214, -1.08919692, 2.70743275, 3.48721838, 2.35422277, 1.0060972,
    3.90868235, 4.47056437
  ), tolerance = 1e-5)
  expect_equal(as.numeric(as_array(v$grad)), c(
    -0.0638753027, -0.228491068, -0.332620829, 0.4692114, 0.105883591, -0.338967204, 0.0704459026,
    0.166394636, 0.621662855, 1.36740279, 1.5938412, 1.36312795, 0.0558462106, 0.788463175, 1.71421349,
    0.726204574, 0.0676635057, -0.0248006806
  ), tolerance = 1e-5)
})

test_that("cumulative products and attention", {
  x <- torch_tensor(rbind(c(0.7, -1.2, 2, 0.4), c(1.5, 0.3, -0.8, 1.1)), dtype = "double")
  expect_second_derivative(function(x) torch_cumprod(x, 2), x)
  expect_second_derivative(function(x) torch_cumprod(x, 1), x)
  zero <- torch_tensor(c(0, 2), requires_grad = TRUE)
  g <- autograd_grad(torch_cumprod(zero, 1)$sum(), zero, create_graph = TRUE)[[1]]
  expect_error(g$sum()$backward(), "cumprod has no second derivative", class = "candela_error_autograd")
  torch_manual_seed(1)
  q <- torch_randn(2, 3, 2, dtype = "double")
  k <- torch_randn(1, 4, 2, dtype = "double")
  v <- torch_randn(2, 4, 3, dtype = "double")
  mask <- torch_randn(3, 4, dtype = "double")
  attend <- function(...) function(q, k, v) torch_scaled_dot_product_attention(q, k, v, ...)
  expect_second_derivative(attend(), q, k, v)
  expect_second_derivative(attend(is_causal = TRUE, scale = 0.3), q, k, v)
  seen <- torch_tensor(rbind(c(TRUE, FALSE, TRUE, TRUE), c(TRUE, TRUE, FALSE, FALSE), c(FALSE, TRUE, TRUE, TRUE)))
  expect_second_derivative(attend(seen), q, k, v)
  expect_second_derivative(function(q, m) torch_scaled_dot_product_attention(q, k, v, m), q, mask)
})

test_that("backward(create_graph = TRUE) gives gradients with a history", {
  x <- torch_tensor(3, requires_grad = TRUE)
  (x^3)$backward(create_graph = TRUE)
  expect_equal(x$grad$item(), 27)
  expect_true(x$grad$requires_grad)
  (x^2)$backward(create_graph = TRUE)
  total <- x$grad
  expect_equal(total$item(), 33)
  expect_equal(autograd_grad(total, x)[[1]]$item(), 20)
  x$grad <- NULL
  expect_true(is_undefined_tensor(x$grad))
})

test_that("a recorded pass costs no memory when it is forgotten", {
  x <- torch_randn(1000, requires_grad = TRUE)
  run <- function() {
    g <- autograd_grad((x$tanh()^2)$sum(), x, create_graph = TRUE)[[1]]
    autograd_grad((g^2)$sum(), x)
    invisible(gc())
  }
  run()
  before <- candela_info()$memory[["in_use"]]
  for (i in 1:5) run()
  expect_equal(candela_info()$memory[["in_use"]], before)
})
