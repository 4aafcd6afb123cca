# Operators may defer work and do it together with the next one. Nobody must be able to tell.

fusing <- function(on, code) {
  before <- .Call(cdr_fusing, on)
  on.exit(.Call(cdr_fusing, before))
  force(code)
}

both_ways <- function(code) {
  code <- substitute(code)
  env <- parent.frame()
  list(fused = fusing(TRUE, eval(code, env)), plain = fusing(FALSE, eval(code, env)))
}

expect_same_both_ways <- function(code, tolerance = 0) {
  result <- eval(substitute(both_ways(code)), parent.frame())
  expect_equal(result$fused, result$plain, tolerance = tolerance)
}

conv_relu_gradients <- function(layer, activation) {
  torch_manual_seed(4)
  layer <- layer()
  x <- torch_randn(2, 3, 7, 5, requires_grad = TRUE)
  y <- activation(layer(x))
  y$backward(torch_randn(dim(y)))
  lapply(list(y$detach(), x$grad, layer$weight$grad, layer$bias$grad), as_array)
}

test_that("an activation behind a convolution gives the same values and gradients", {
  layers <- list(
    function() nn_conv2d(3, 8, 3, padding = 1), function() nn_conv2d(3, 6, 3, stride = 2, groups = 3),
    function() nn_conv_transpose2d(3, 5, 2, stride = 2)
  )
  for (layer in layers) {
    expect_same_both_ways(conv_relu_gradients(layer, nnf_relu))
    expect_same_both_ways(conv_relu_gradients(layer, nnf_relu6))
    expect_same_both_ways(conv_relu_gradients(layer, function(x) nnf_relu(x, inplace = TRUE)))
    expect_same_both_ways(conv_relu_gradients(layer, nnf_silu))
  }
})

# The bits of a mask are made by the thread that wrote the results: bands of rows, blocks of pixels, tiles, and, for
# large results, blocks that are moved out afterwards. Rows that are not whole bytes of mask take a pass of their own.
test_that("the mask of a rectifier is made with any convolution, and is the one of its result", {
  layers <- list(
    function() nn_conv2d(6, 16, 3, padding = 1), function() nn_conv2d(6, 5, 3, padding = 1),
    function() nn_conv2d(6, 16, 3, stride = 2), function() nn_conv2d(6, 24, 1), function() nn_conv2d(6, 3, 1),
    function() nn_conv2d(6, 72, 3, padding = 1), function() nn_conv2d(6, 16, 3, groups = 2),
    function() nn_conv_transpose2d(6, 16, 2, stride = 2), function() nn_conv_transpose2d(6, 8, 3, stride = 3),
    function() nn_conv_transpose2d(6, 8, 3, stride = 2, output_padding = 1), function() nn_conv_transpose2d(6, 7, 2)
  )
  run <- function(layer, size, activation, N = 3) {
    torch_manual_seed(5)
    layer <- layer()
    x <- torch_randn(N, layer$in_channels, size, size + 2, requires_grad = TRUE)
    y <- activation(layer(x * 3))
    y$backward(torch_randn(dim(y)))
    # Of large images sums will do: a bit that is wrong changes that of the gradient.
    all <- if (size < 100) list(y$detach(), x$grad) else list(y$detach()$sum(), x$grad$sum())
    lapply(c(all, layer$weight$grad, layer$bias$grad), as_array)
  }
  for (layer in layers) {
    for (size in c(3, 19)) {
      expect_same_both_ways(run(layer, size, nnf_relu))
      expect_same_both_ways(run(layer, size, nnf_relu6))
      expect_same_both_ways(run(layer, size, function(x) nnf_relu6(x, inplace = TRUE)))
    }
  }
  for (channels in c(24, 20)) {
    expect_same_both_ways(run(function() nn_conv2d(channels, channels, 3, groups = channels), 17, nnf_relu))
  }
  large <- list(
    function() nn_conv2d(4, 16, 3, padding = 1), function() nn_conv2d(4, 16, 1),
    function() nn_conv2d(16, 16, 3, padding = 1, groups = 16), function() nn_conv2d(16, 16, 5, padding = 2, groups = 16)
  )
  for (layer in large) {
    expect_same_both_ways(run(layer, 370, nnf_relu, N = 1))
  }
  # Wide layers: tiles of 2 x 2 outputs.
  expect_same_both_ways(run(function() nn_conv2d(64, 64, 3, padding = 1), 21, nnf_relu))
})

test_that("a second rectifier has a mask of its own", {
  torch_manual_seed(5)
  conv <- nn_conv2d(3, 8, 3)
  x <- torch_randn(2, 3, 9, 9) * 9
  expect_same_both_ways({
    y <- with_no_grad(nnf_relu6(conv(x)))$requires_grad_()
    z <- nnf_relu(y)
    z$sum()$backward()
    list(as_array(z$detach()), as_array(y$grad))
  })
})

test_that("batch norm with an activation moves the running statistics once, in training and in evaluation", {
  run <- function(training) {
    torch_manual_seed(4)
    conv <- nn_conv2d(3, 8, 3)
    norm <- nn_batch_norm2d(8)
    norm$train(training)
    y <- nnf_relu6(norm(conv(torch_randn(2, 3, 9, 9))), inplace = TRUE)
    lapply(list(y$detach(), norm$running_mean, norm$running_var, norm$num_batches_tracked), as_array)
  }
  expect_same_both_ways(run(TRUE), tolerance = 1e-6)
  expect_same_both_ways(run(FALSE))
  expect_same_both_ways(with_no_grad(run(FALSE)), tolerance = 1e-6)
})

test_that("batch statistics taken with the convolution are those of its result", {
  run <- function(conv, bias) {
    torch_manual_seed(4)
    conv <- conv()
    with_no_grad(conv$bias$copy_(torch_full(8, bias)))
    norm <- nn_batch_norm2d(8, momentum = 1)
    x <- torch_randn(3, 8, 13, 11, requires_grad = TRUE)
    y <- norm(conv(x))
    y$backward(torch_randn(dim(y)))
    lapply(list(y$detach(), norm$running_mean, norm$running_var, x$grad, conv$weight$grad), as_array)
  }
  convolutions <- list(
    function() nn_conv2d(8, 8, 1), function() nn_conv2d(8, 8, 3, stride = 2, padding = 1),
    function() nn_conv2d(8, 8, 3, padding = 1, groups = 8), function() nn_conv2d(8, 8, 3, groups = 2)
  )
  for (conv in convolutions) {
    expect_same_both_ways(run(conv, 0), tolerance = 1e-5)
    # Far from zero the variance is still that of the values.
    expect_same_both_ways(run(conv, 1000)[2:3], tolerance = 1e-5)
  }
})

depthwise_behind_norm <- function(size, activate, channels = 20, ...) {
  torch_manual_seed(4)
  behind_norm(nn_conv2d(channels, channels, 3, padding = 1, groups = channels, ...), size, activate)
}

behind_norm <- function(conv, size, activate) {
  channels <- conv$in_channels
  norm <- nn_batch_norm2d(channels)
  after <- nn_batch_norm2d(conv$out_channels)
  x <- nn_conv2d(2, channels, 1)(torch_randn(3, 2, size, size))
  with_no_grad({
    z <- activate(norm(x))
    y <- after(conv(z))
    lapply(list(y, after$running_mean, after$running_var, norm$running_mean, z, conv(z)), as_array)
  })
}

test_that("a depthwise convolution normalises its own input when no gradient is wanted", {
  activations <- list(
    identity, nnf_relu, nnf_relu6, function(x) nnf_relu6(x, inplace = TRUE), function(x) nnf_relu(nnf_relu6(x), TRUE)
  )
  for (activate in activations) {
    for (size in c(1, 2, 7, 40)) {
      expect_same_both_ways(depthwise_behind_norm(size, activate), tolerance = 1e-5)
      expect_same_both_ways(depthwise_behind_norm(size, activate, stride = 2), tolerance = 1e-5)
    }
    expect_same_both_ways(depthwise_behind_norm(9, activate, stride = c(1, 2)), tolerance = 1e-5)
    expect_same_both_ways(depthwise_behind_norm(9, activate, dilation = 2), tolerance = 1e-5)
  }
})

test_that("so does a pointwise convolution", {
  for (channels in list(c(20, 7), c(3, 50), c(300, 12))) {
    for (size in c(1, 7, 30)) {
      for (activate in list(identity, nnf_relu, nnf_relu6)) {
        expect_same_both_ways(
          {
            torch_manual_seed(4)
            behind_norm(nn_conv2d(channels[[1]], channels[[2]], 1), size, activate)
          },
          tolerance = 1e-5
        )
      }
    }
  }
})

test_that("a batch norm that a convolution has taken can still be read, changed and differentiated", {
  torch_manual_seed(4)
  norm <- nn_batch_norm2d(6)
  conv <- nn_conv2d(6, 6, 3, padding = 1, groups = 6, bias = FALSE)
  x <- torch_randn(2, 6, 8, 8)
  exact <- fusing(FALSE, with_no_grad(as_array(conv(nnf_relu(norm(x))))))
  with_no_grad({
    z <- norm(x)
    y <- conv(nnf_relu(z))
    z$add_(100)
    x$fill_(7)
    expect_equal(as_array(y), exact, tolerance = 1e-5)
  })
  y <- conv(with_no_grad(norm(torch_randn(2, 6, 8, 8))))
  y$sum()$backward()
  expect_gt(sum(abs(as_array(conv$weight$grad))), 0)
})

test_that("a rectifier in place on what is still to be computed changes it for whoever looks later, not for others", {
  torch_manual_seed(4)
  conv <- nn_conv2d(3, 5, 3)
  x <- torch_randn(1, 3, 6, 6)
  with_no_grad({
    before <- as_array(fusing(FALSE, conv(x)))
    y <- conv(x)
    same <- y
    sum_before <- nnf_relu6(y)
    y$relu_()
    expect_identical(as_array(same), as_array(y))
    expect_equal(as_array(y), pmax(before, 0), tolerance = 1e-6)
    expect_equal(as_array(sum_before), pmin(pmax(before, 0), 6), tolerance = 1e-6)
  })
})

test_that("gradients through batch norm and activation are the same", {
  run <- function() {
    torch_manual_seed(4)
    norm <- nn_batch_norm2d(3)
    x <- torch_randn(4, 3, 5, 5, requires_grad = TRUE)
    y <- nnf_relu6(norm(x))
    y$backward(torch_randn(dim(y)))
    lapply(list(y$detach(), x$grad, norm$weight$grad, norm$bias$grad), as_array)
  }
  expect_same_both_ways(run())
})

test_that("the result before the activation can still be used", {
  x <- torch_randn(1, 3, 5, 5)
  conv <- nn_conv2d(3, 4, 3)
  before <- conv(x)
  after <- nnf_relu(before)
  expect_equal(as_array(after$detach()), pmax(as_array(before$detach()), 0))
  expect_equal(as_array((before + after)$detach()), as_array(before$detach()) + as_array(after$detach()))
})

test_that("a lazy result keeps the values its inputs had", {
  torch_manual_seed(1)
  x <- torch_randn(1, 3, 5, 5)
  conv <- nn_conv2d(3, 4, 3)
  expected <- as_array(fusing(FALSE, conv(x))$detach())
  y <- conv(x)
  with_no_grad(conv$weight$zero_())
  expect_equal(as_array(y$detach()), expected)
  z <- conv(x)
  x$fill_(100)
  with_no_grad(conv$bias$add_(1))
  expect_equal(as_array(z$detach())[1, , 1, 1], as_array(conv$bias$detach()) - 1, tolerance = 1e-6)
})

test_that("an optimiser's step does not change a result computed before it", {
  torch_manual_seed(1)
  x <- torch_randn(1, 3, 5, 5)
  conv <- nn_conv2d(3, 4, 3)
  optimizer <- optim_sgd(conv$parameters, lr = 1)
  conv(x)$sum()$backward()
  expected <- as_array(fusing(FALSE, conv(x))$detach())
  y <- conv(x)
  optimizer$step()
  expect_equal(as_array(y$detach()), expected)
})

test_that("shape and dtype of a lazy result are known, and printing computes it", {
  y <- nn_conv2d(1, 1, 1)(torch_ones(1, 1, 2, 2))
  expect_equal(dim(y), c(1L, 1L, 2L, 2L))
  expect_true(y$dtype == torch_float())
  expect_output(print(y), "grad_fn = <ConvolutionBackward0>", fixed = TRUE)
})

# A large image is not kept beside the join it went into: it is copied from there when it is looked at.
large_image <- function(channels) {
  nnf_conv2d(torch_randn(2, channels, 256, 256), torch_ones(channels, 1, 1, 1), groups = channels)$detach()
}

test_that("an image that went into a join keeps its values, whatever happens to the join", {
  torch_manual_seed(1)
  x <- large_image(3)$requires_grad_()
  skip <- large_image(2)
  changes <- list(
    function(up, joined) NULL,
    function(up, joined) joined$mul_(3),
    function(up, joined) joined[, 1, , ]$fill_(7),
    function(up, joined) up$add_(1)
  )
  for (change in changes) {
    expect_same_both_ways({
      up <- x * 2
      joined <- torch_cat(list(up, skip), dim = 2)
      with_no_grad(change(up, joined))
      list(as_array(joined$detach()), as_array(up$detach()), as_array(torch_relu(up)$detach()))
    })
  }
})

test_that("an image joined twice, or used after the join, gives the same gradients", {
  torch_manual_seed(1)
  x <- large_image(3)$requires_grad_()
  expect_same_both_ways({
    x$grad <- NULL
    up <- x * 2
    twice <- torch_cat(list(up, up), dim = 2)
    again <- torch_cat(list(up, twice[, 1:2, , ]), dim = 2)
    (again$square()$sum() + nnf_relu6(up)$sum() + twice$sum())$backward()
    as_array(x$grad)
  })
})

test_that("an image that is upsampled inside of a join is the same there, and afterwards", {
  layers <- list(
    function() nn_conv_transpose2d(5, 16, 2, stride = 2), function() nn_conv_transpose2d(5, 3, 3, stride = 3),
    function() nn_conv_transpose2d(5, 19, 3, stride = 2, output_padding = 1),
    function() nn_conv_transpose2d(5, 5, 2, stride = 2, groups = 5), function() nn_conv_transpose2d(5, 8, 3),
    function() nn_conv_transpose2d(5, 40, 2, stride = c(2, 1), bias = FALSE), function() nn_conv2d(5, 8, 3)
  )
  for (layer in layers) {
    torch_manual_seed(2)
    up <- layer()
    input <- torch_randn(2, 5, 6, 7)
    for (activation in list(identity, nnf_relu, nnf_relu6)) {
      expect_same_both_ways(with_no_grad({
        x <- input$clone()
        a <- activation(up(x))
        skip <- torch_ones(2, 3, dim(a)[[3]], dim(a)[[4]])
        first <- torch_cat(list(a, skip), dim = 2)
        again <- torch_cat(list(a, a), dim = 2)
        rows <- torch_cat(list(a, a), dim = 3)
        behind <- torch_cat(list(skip, activation(up(x))), dim = 2)
        x$mul_(2)
        lapply(list(first, again, rows, behind, a), as_array)
      }))
    }
  }
})

test_that("the part of a join that alone wants a gradient gets the one it would get with the others", {
  gradients <- function(wanted, others = FALSE, groups = 1, sizes = c(3, 5, 4), retain = FALSE) {
    torch_manual_seed(6)
    parts <- lapply(sizes, function(k) torch_randn(2, k, 7, 6))
    conv <- nn_conv2d(sum(sizes), 6, 3, padding = 1, groups = groups)
    for (i in seq_along(parts)) parts[[i]]$requires_grad_(others || i == wanted)
    y <- nnf_relu(conv(torch_cat(parts, dim = 2)))
    dy <- torch_randn(dim(y))
    if (retain) y$backward(dy, retain_graph = TRUE)
    y$backward(dy)
    lapply(list(parts[[wanted]]$grad, conv$weight$grad, conv$bias$grad), as_array)
  }
  for (wanted in 1:3) {
    whole <- gradients(wanted, others = TRUE)
    expect_equal(gradients(wanted), whole, tolerance = 1e-6)
    expect_equal(gradients(wanted, retain = TRUE), lapply(whole, function(g) 2 * g), tolerance = 1e-6)
    expect_equal(gradients(wanted, groups = 2), gradients(wanted, others = TRUE, groups = 2), tolerance = 1e-6)
  }
  # Somebody who looks at the gradient of the join gets all of it.
  x <- torch_randn(1, 2, 5, 5, requires_grad = TRUE)
  joined <- torch_cat(list(x, torch_randn(1, 3, 5, 5)), dim = 2)
  joined$retain_grad()
  nn_conv2d(5, 4, 3)(joined)$sum()$backward()
  expect_equal(dim(joined$grad), c(1, 5, 5, 5))
  expect_equal(as_array(joined$grad)[, 1:2, , , drop = FALSE], as_array(x$grad))
  expect_gt(sum(abs(as_array(joined$grad)[, 3:5, , ])), 0)
})

test_that("frozen weights do not keep the part of a join from its gradient", {
  torch_manual_seed(6)
  conv <- nn_conv2d(5, 4, 3)
  x <- torch_randn(1, 2, 6, 6, requires_grad = TRUE)
  skip <- torch_randn(1, 3, 6, 6)
  conv(torch_cat(list(skip, x), dim = 2))$sum()$backward()
  expected <- as_array(x$grad)
  x$grad <- NULL
  for (p in conv$parameters) p$requires_grad_(FALSE)
  conv(torch_cat(list(skip, x), dim = 2))$sum()$backward()
  expect_equal(as_array(x$grad), expected)
})

test_that("rectifiers one behind the other, and two of one result", {
  torch_manual_seed(3)
  conv <- nn_conv2d(3, 8, 3)
  norm <- nn_batch_norm2d(8)
  x <- torch_randn(2, 3, 9, 9) * 20
  expect_same_both_ways(with_no_grad({
    y <- conv(x)
    low <- nnf_relu(y)
    both <- nnf_relu6(low)
    other <- nnf_relu(nnf_relu6(y))
    normed <- nnf_relu6(nnf_relu(conv(low[, 1:3, , ])))
    lapply(list(both, other, low, y, normed), as_array)
  }))
  # Statistics are those of the rectified result.
  expect_same_both_ways(with_no_grad(as_array(norm(nnf_relu(conv(x))))), tolerance = 1e-6)
  norm$eval()
  expect_same_both_ways(with_no_grad(as_array(norm(nnf_relu(conv(x))))), tolerance = 1e-6)
})

# Pictures read from files are bytes until their values are wanted.
a_picture <- function(height, width, channels = 3) {
  file <- tempfile(fileext = ".png")
  on.exit(unlink(file))
  image_write(array((seq_len(height * width * channels) * 37L) %% 256L, c(height, width, channels)), file)
  transform_to_tensor((if (channels == 3) base_loader else image_read)(file))
}

normal <- function(x) transform_normalize(x, c(0.485, 0.456, 0.406), c(0.229, 0.224, 0.225))

test_that("pictures are resized, normalised, flipped and stacked together as one by one", {
  steps <- list(
    function(x) transform_resize(x, c(5, 8)),
    function(x) normal(transform_resize(x, c(13, 4))),
    function(x) transform_vflip(normal(transform_resize(x, c(5, 8)))),
    function(x) normal(transform_hflip(transform_resize(x, c(5, 8)))),
    function(x) transform_hflip(transform_vflip(transform_hflip(normal(transform_resize(x, c(5, 8)))))),
    function(x) transform_resize(transform_resize(x, c(5, 8)), c(3, 3)),
    function(x) transform_resize(transform_vflip(x), c(5, 8)),
    function(x) transform_resize(normal(x), c(5, 8)),
    function(x) normal(normal(transform_resize(x, c(5, 8)))),
    function(x) nnf_relu(normal(transform_resize(x, c(5, 8)))),
    function(x) nnf_relu6(3 * normal(x)),
    function(x) torch_flip(transform_resize(x, c(5, 8)), 1),
    normal, transform_vflip
  )
  for (step in steps) {
    expect_same_both_ways(as_array(step(a_picture(9, 7))))
    expect_same_both_ways(as_array(torch_stack(list(step(a_picture(9, 7)), step(a_picture(9, 7))))))
  }
})

test_that("a picture that was stacked keeps its values, and the batch does not follow it", {
  x <- normal(transform_resize(a_picture(9, 7), c(5, 8)))
  batch <- torch_stack(list(x, transform_hflip(x)))
  values <- as_array(batch)
  expect_equal(as_array(x), values[1, , , ])
  expect_equal(as_array(x)[, , 8:1], values[2, , , ])
  x$mul_(2)
  expect_equal(as_array(batch), values)
  expect_equal(as_array(x), 2 * values[1, , , ])
  before <- candela_info()$memory[["in_use"]]
  waiting <- normal(transform_resize(a_picture(9, 7), c(500, 800)))
  expect_lt(candela_info()$memory[["in_use"]] - before, 4 * 3 * 500 * 800)
  expect_equal(waiting$shape, c(3, 500, 800))
  turned <- torch_stack(list(x, x), dim = 3)
  expect_equal(dim(turned), c(3, 5, 2, 8))
  expect_equal(torch_stack(list(x, x))$stride(), c(120, 1, 24, 3))
})

test_that("pictures of other than three channels, and gradients", {
  two <- function(x) transform_normalize(x, c(0.1, 0.2, 0.3, 0.4), 1:4)
  expect_same_both_ways(as_array(torch_stack(list(two(transform_resize(a_picture(6, 5, 4), c(3, 7)))))))
  one <- function() {
    x <- a_picture(6, 5)$requires_grad_(TRUE)
    y <- transform_vflip(normal(transform_resize(x, c(3, 7))))
    (y * torch_arange(1, 7))$sum()$backward()
    as_array(x$grad)
  }
  expect_same_both_ways(one())
})

test_that("labels are resized, flipped, looked at in parts and stacked as bytes as they would be as integers", {
  labels <- function() {
    file <- tempfile(fileext = ".png")
    on.exit(unlink(file))
    image_write(matrix(rep(1:3, length.out = 63), 9), file)
    torch_tensor(image_labels(file), dtype = torch_long())
  }
  small <- function() transform_resize(labels()[newaxis, ..], c(4, 6), interpolation = 0)[1, ..]
  expect_same_both_ways(as_array(small()))
  expect_same_both_ways(as_array(transform_vflip(small())))
  expect_same_both_ways(as_array(torch_stack(list(small(), transform_hflip(small()), labels()[1:4, 1:6]))))
  expect_same_both_ways(as_array(torch_stack(list(small(), small()), dim = 2)))
  expect_same_both_ways(as_array(transform_hflip(small()[2:3, ])))
  changed <- function() {
    x <- small()
    y <- transform_vflip(x)
    batch <- torch_stack(list(x, y))
    x$add_(5L)
    list(as_array(x), as_array(y), as_array(batch), batch$dtype == torch_long(), as_array(y * 2))
  }
  expect_same_both_ways(changed())
})

test_that("bytes flipped without resizing have the values of floats", {
  bytes <- torch_randint(0, 256, c(7, 9, 3))$to(dtype = torch_uint8())
  image <- function() .Call(candela:::cdr_bytes_image, bytes)
  float <- torch_tensor(aperm(as_array(bytes), c(3, 1, 2)) / 255)
  for (dims in list(2, 3, c(2, 3))) {
    flipped <- torch_flip(image(), dims)
    expect_equal(as_array(flipped), as_array(torch_flip(float, dims)), tolerance = 1e-7)
    normalised <- transform_normalize(torch_flip(image(), dims), c(0.1, 0.2, 0.3), c(1, 2, 3))
    stacked <- torch_stack(list(normalised, transform_normalize(image(), c(0.1, 0.2, 0.3), c(1, 2, 3))))
    expect_equal(as_array(stacked[1, ..]),
      as_array(transform_normalize(torch_flip(float, dims), c(0.1, 0.2, 0.3), c(1, 2, 3))),
      tolerance = 1e-6)
  }
})

test_that("a collection that fails while a tensor is changed leaves nothing behind", {
  source <- torch_randn(2, 3, 40, 40)
  layer <- nn_conv2d(3, 8, 3)
  plain <- gc
  unlockBinding("gc", baseenv())
  restore <- function() {
    assign("gc", plain, baseenv())
    lockBinding("gc", baseenv())
  }
  on.exit(restore())
  expected <- as_array(with_no_grad(layer(source$clone())))
  failing <- function() {
    x <- source$clone()
    y <- with_no_grad(layer(x)) # is to be computed from x, which changes first
    assign("gc", function(...) stop("no collection"), baseenv())
    on.exit(assign("gc", plain, baseenv()))
    x$add_(1)
    assign("gc", plain, baseenv())
    c(as_array(y)[1:9], as_array(x)[1:9])
  }
  found <- failing()
  expect_identical(found, c(expected[1:9], as_array(source + 1)[1:9]))
  # The error comes with the next question for an interrupt.
  expect_error({
    x <- torch_ones(2, requires_grad = TRUE)
    for (i in 1:3) {
      Sys.sleep(0.02)
      x$sum()$backward()
    }
  }, "no collection")
})

# Without recording, weights are folded and packed once, and kept until they change.
predicting_net <- function() {
  torch_manual_seed(7)
  nn_sequential(
    nn_conv2d(3, 32, 3, padding = 1, bias = FALSE), nn_batch_norm2d(32), nn_relu(), nn_conv2d(32, 40, 3, padding = 1),
    nn_batch_norm2d(40), nn_conv2d(40, 24, 1), nn_batch_norm2d(24), nn_conv_transpose2d(24, 16, 2, stride = 2),
    nn_conv2d(16, 8, 3, stride = 2, padding = 1, groups = 2), nn_batch_norm2d(8)
  )$eval()
}

test_that("predictions follow what changes in weights, statistics and inputs", {
  net <- predicting_net()
  x <- torch_randn(3, 3, 20, 18)
  predict_now <- function(net, x) with_no_grad(as_array(net(x)))
  # A copy has kept nothing yet.
  expect_fresh <- function(x) {
    fresh <- predict_now(net$clone(deep = TRUE), x)
    expect_identical(predict_now(net, x), fresh)
    expect_identical(predict_now(net, x), fresh)
    fresh
  }
  first <- expect_fresh(x)
  changes <- list(
    function() net[[1]]$weight$mul_(1.5), function() net[[4]]$weight$add_(0.1), function() net[[2]]$running_var$mul_(2),
    function() net[[5]]$bias$add_(1), function() net[[6]]$weight[1, 1, 1, 1] <- 3, function() net[[8]]$weight$zero_(),
    function() net[[9]]$weight$copy_(torch_randn(8, 8, 3, 3))
  )
  for (change in changes) {
    with_no_grad(change())
    now <- expect_fresh(x)
    expect_false(identical(now, first))
    first <- now
  }
  expect_fresh(torch_randn(1, 3, 33, 40))
  expect_fresh(torch_randn(5, 3, 8, 8))
  optimizer <- optim_sgd(net$parameters, lr = 0.1)
  net$train()
  net(x)$sum()$backward()
  optimizer$step()
  net$eval()
  expect_fresh(x)
})

test_that("training gives back what predictions have kept", {
  in_use <- function() {
    gc()
    candela_info()$memory[["in_use"]]
  }
  net <- predicting_net()
  for (parameter in net$parameters) parameter$requires_grad_(FALSE)
  x <- torch_randn(1, 3, 16, 16)
  net(x)$data_ptr()
  before <- in_use()
  with_no_grad(net(x)$data_ptr())
  kept <- in_use() - before
  weights <- 4 * sum(vapply(net$parameters, function(p) p$numel(), 0))
  expect_gt(kept, weights)
  expect_lt(kept, 6 * weights)
  with_no_grad(net(x)$data_ptr())
  expect_equal(in_use() - before, kept)
  net$train()
  net(x)$data_ptr()
  expect_lt(in_use() - before, kept / 4)
})
