# Tensors, and all that holds them, survive what R does to objects: saveRDS(), save(), other processes.

through_file <- function(x) {
  file <- withr::local_tempfile()
  saveRDS(x, file)
  readRDS(file)
}

test_that("tensors of every type, shape and order come back as they were", {
  tensors <- list(
    float = torch_randn(2, 3, 4), double = torch_randn(3, dtype = torch_double()), long = torch_tensor(c(1L, -5L)),
    int = torch_tensor(1:3, dtype = torch_int()), byte = torch_tensor(as.raw(c(0, 255))), bool = torch_randn(5) > 0,
    scalar = torch_tensor(pi), none = torch_zeros(0, 3), view = torch_randn(4, 5)[2:3, 2:4],
    turned = torch_randn(3, 4)$t(), expanded = torch_tensor(1)$expand(c(2, 3)), lazy = nnf_relu(torch_randn(2, 8, 4, 4))
  )
  back <- through_file(tensors)
  for (name in names(tensors)) {
    expect_equal(back[[name]]$dtype, tensors[[name]]$dtype, info = name)
    expect_identical(dim(back[[name]]), dim(tensors[[name]]), info = name)
    expect_identical(as_array(back[[name]]), as_array(tensors[[name]]), info = name)
  }
  x <- torch_randn(2, 8, 5, 5)$contiguous(memory_format = torch_channels_last_format())
  expect_identical(through_file(x)$stride(), x$stride())
})

test_that("a view is written without what it does not show", {
  x <- torch_zeros(1000, 1000)
  expect_lt(length(serialize(x[1, 1:10], NULL)), 2000)
})

test_that("what is special about a tensor stays, and one that is there twice is still one", {
  p <- nn_parameter(torch_ones(3))
  buffer <- nn_buffer(torch_ones(2))
  back <- through_file(list(p = p, again = p, buffer = buffer, undefined = p$grad, result = p * 2))
  expect_true(is_nn_parameter(back$p) && is_nn_buffer(back$buffer))
  expect_true(back$p$requires_grad)
  expect_true(back$result$requires_grad && back$result$is_leaf)
  with_no_grad(back$p$add_(1))
  expect_equal(as_array(back$again), c(2, 2, 2))
  (back$p * back$p)$sum()$backward()
  expect_equal(as_array(back$p$grad), c(4, 4, 4))
})

test_that("any first use makes the tensor", {
  x <- torch_randn(3, 2)
  index <- torch_tensor(2L)
  back <- function() through_file(list(x = x, index = index))
  uses <- list(
    function(l) l$x + 1, function(l) 1 + l$x, function(l) l$x[l$index, ], function(l) torch_cat(list(l$x, l$x)),
    function(l) l$x$add_(1), function(l) {l$x[1, ] <- l$x[2, ]; l$x}, function(l) torch_zeros(3, 2)$copy_(l$x),
    function(l) nnf_linear(l$x, torch_ones(4, 2)), function(l) l$x$shape, function(l) l$x$dtype,
    function(l) l$x$detach(),
    function(l) utils::capture.output(print(l$x)), function(l) {z <- torch_zeros(3); z[l$index] <- 5; z}
  )
  plain <- function(x) if (inherits(x, "torch_tensor")) as_array(x) else x
  for (use in uses) {
    expect_equal(plain(use(back())), plain(use(list(x = x$clone(), index = index))), info = deparse(body(use)))
  }
})

test_that("modules and optimisers go on where they were", {
  model <- nn_sequential(nn_conv2d(3, 8, 3), nn_batch_norm2d(8), nn_relu(), nn_flatten(), nn_linear(8 * 36, 2))
  optimizer <- optim_adam(model$parameters, lr = 0.1)
  x <- torch_randn(4, 3, 8, 8)
  train <- function(model, optimizer) {
    for (i in 1:2) {
      optimizer$zero_grad()
      model(x)$square()$mean()$backward()
      optimizer$step()
    }
  }
  train(model, optimizer)
  back <- through_file(list(model = model, optimizer = optimizer))
  expect_length(back$optimizer$state_dict()$state, length(model$parameters))
  train(model, optimizer)
  train(back$model, back$optimizer)
  for (name in names(model$state_dict())) {
    expect_identical(as_array(back$model$state_dict()[[name]]), as_array(model$state_dict()[[name]]), info = name)
  }
})

test_that("a parameter that two modules share is shared afterwards", {
  a <- nn_linear(2, 2)
  b <- nn_linear(2, 2)
  b$weight <- a$weight
  back <- through_file(list(a = a, b = b))
  with_no_grad(back$a$weight$fill_(7))
  expect_equal(as_array(back$b$weight), matrix(7, 2, 2))
})

test_that("a fitted model predicts in another process that has not attached the package", {
  skip_if_not_installed("callr")
  fitted <- nn_linear %>%
    setup(loss = nn_mse_loss(), optimizer = optim_adam) %>%
    set_hparams(in_features = 3, out_features = 1) %>%
    fit(list(torch_randn(32, 3), torch_randn(32, 1)), epochs = 1, verbose = FALSE)
  there <- callr::r(function(fitted, x) as.array(predict(fitted, x)), list(fitted, torch_ones(2, 3)),
    libpath = .libPaths())
  expect_equal(there, as.array(predict(fitted, torch_ones(2, 3))))
})

test_that("bytes that contradict themselves are an error", {
  bytes <- serialize(torch_ones(2, 3), NULL, ascii = TRUE)
  text <- rawToChar(bytes)
  # The shape 2, 3 becomes 2, 4: there are bytes for six elements.
  damaged <- unserialize(charToRaw(sub("\n14\n2\n2\n3\n", "\n14\n2\n2\n4\n", text, fixed = TRUE)))
  expect_error(damaged + 1, "is damaged", class = "candela_error_format")
  expect_error(dim(damaged), "is damaged")
})
