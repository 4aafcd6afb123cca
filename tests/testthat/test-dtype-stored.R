# Types that are only stored: int8, int16, float16, bfloat16.

stored <- list(torch_int8(), torch_int16(), torch_half(), torch_bfloat16())

test_that("conversions round as PyTorch rounds", {
  x <- c(0.1, 1 / 3, 65519, 65520, 1e-5, 3e-8, -2.5e-8, 1e5, 2049, 2051, NaN, -1e-40)
  expect_identical(as_array(torch_tensor(x, dtype = "half")), c(
    0.0999755859375, 0.333251953125, 65504.0, Inf, 1.0013580322265625e-05, 5.960464477539063e-08, 0, Inf, 2048, 2052,
    NaN, 0
  ))
  expect_equal(as_array(torch_tensor(x, dtype = "bfloat16")), c(
    0.10009765625, 0.333984375, 65536, 65536, 1.0013580322265625e-05, 3.003515303134918e-08, -2.5029294192790985e-08,
    99840, 2048, 2048, NaN, -9.183549615799121e-41
  ), tolerance = 1e-12)
  expect_identical(as_array(torch_tensor(c(127L, 128L, 255L, -129L))$to(dtype = "int8")), c(127L, -128L, -1L, 127L))
  expect_identical(as_array(torch_tensor(c(32767L, 32768L))$short()), c(32767L, -32768L))
  # Every half is what it was after a detour.
  bits <- torch_arange(-2048, 2047, dtype = torch_double()) / 16
  expect_identical(as_array(bits$half()$double()$half()), as_array(bits$half()))
})

test_that("tensors are made, shown, indexed and changed", {
  for (dtype in stored) {
    x <- torch_tensor(matrix(1:6, 2), dtype = dtype)
    name <- format(dtype)
    expect_true(x$dtype == dtype, info = name)
    expect_identical(as.vector(as_array(x$float())), as.numeric(1:6), info = name)
    expect_output(print(x), sprintf("CPU%sType{2,3}", as.character(dtype)), fixed = TRUE)
    expect_equal(as.vector(as_array(x[2, ])), c(2, 4, 6), info = name)
    expect_true(x[, 1]$dtype == dtype && x[x > 3]$dtype == dtype && x[c(1L, 1L)]$dtype == dtype, info = name)
    expect_equal(as.vector(as_array(x[x > 3])), c(5, 4, 6), info = name)
    view <- x$view(6)
    view[1] <- 9
    view[5:6] <- c(7L, 8L)
    expect_equal(as.vector(as_array(x)), c(9, 2, 3, 7, 5, 8), info = name)
    x$t()$add_(1L)
    expect_equal(as.vector(as_array(x)), c(10, 3, 4, 8, 6, 9), info = name)
    expect_true(torch_zeros(2, dtype = dtype)$dtype == dtype && torch_ones_like(x)$dtype == dtype, info = name)
    expect_equal(as.vector(as_array(torch_full(2, 3, dtype = dtype))), c(3, 3), info = name)
    expect_true(torch_randint(0, 9, 4, dtype = dtype)$dtype == dtype, info = name)
    expect_equal(x$element_size(), if (dtype == torch_int8()) 1L else 2L)
  }
  torch_manual_seed(1)
  x <- torch_randn(4)
  torch_manual_seed(1)
  expect_identical(as_array(torch_randn(4, dtype = torch_half())), as_array(x$half()))
  expect_error(torch_tensor(NA_integer_, dtype = "int8"), "is NA", class = "candela_error_value")
})

test_that("what is computed is stored in the type that the operands have in common", {
  type <- function(x) as.character(x$dtype)
  half <- torch_tensor(c(1.1, 2.2, 3.3), dtype = "half")
  b <- torch_tensor(c(0.7, -1.3, 1e4), dtype = "half")
  expect_identical(as_array(half * b), as_array((half$float() * b$float())$half()))
  expect_equal(type(half + 2.5), "Half")
  expect_equal(type(half + 1:3), "Half")
  expect_equal(type(half + torch_ones(3)), "Float")
  expect_equal(type(half + torch_scalar_tensor(1)), "Half")
  expect_equal(type(half + torch_ones(3, dtype = "bfloat16")), "Float")
  expect_equal(type(half + torch_ones(3, dtype = "int16")), "Half")
  expect_equal(type(torch_exp(half)), "Half")
  expect_equal(type(half$sum()), "Half")
  expect_equal(type(half > 2), "Bool")
  expect_equal(lapply(half$sort(), type), list("Half", "Long"))
  expect_equal(type(torch_cat(list(half, half))), "Half")
  expect_equal(type(nnf_linear(half, torch_ones(2, 3, dtype = "half"))), "Half")
  char <- torch_tensor(c(100L, -100L), dtype = "int8")
  expect_equal(type(char + char), "Char")
  expect_identical(as_array(char + char), c(-56L, 56L))
  expect_equal(type(char + 1L), "Char")
  expect_equal(type(char + torch_tensor(1:2)), "Long")
  expect_equal(type(char + torch_ones(2, dtype = "uint8")), "Short")
  expect_equal(type(char$sum()), "Long")
  expect_equal(type(char / 2L), "Float")
  expect_equal(type(char * 0.5), "Float")
  expect_equal(type(torch_where(c(TRUE, FALSE), char, char)), "Char")
  expect_equal(type(char$index_select(1, 2L)), "Char")
  expect_true(torch_promote_types("half", "bfloat16") == torch_float())
  expect_true(torch_promote_types("int8", "uint8") == torch_int16())
  expect_true(torch_can_cast("int8", "half") && !torch_can_cast("half", "int16"))
  expect_error(char$add_(0.5), "result type Float can't be cast", class = "candela_error")
})

test_that("gradients come in the type of the tensor, summed and stepped", {
  x <- torch_tensor(c(1, 2, 3), dtype = "half", requires_grad = TRUE)
  y <- (x * x)$sum() + (x$expand(c(2, 3)) * 2)$sum()
  y$backward()
  expect_true(x$grad$dtype == torch_half())
  expect_equal(as_array(x$grad), c(6, 8, 10))
  (x * 1)$sum()$backward()
  expect_equal(as_array(x$grad), c(7, 9, 11))
  opt <- optim_adam(x, lr = 0.5)
  opt$step()
  expect_true(x$dtype == torch_half())
  expect_equal(as_array(x$detach()), c(0.5, 1.5, 2.5), tolerance = 1e-3)
  net <- nn_sequential(nn_linear(3, 4), nn_relu(), nn_linear(4, 1))
  net$to(dtype = torch_bfloat16())
  out <- net(torch_ones(2, 3, dtype = torch_bfloat16()))
  expect_true(out$dtype == torch_bfloat16())
  out$sum()$backward()
  expect_true(net$parameters[[1]]$grad$dtype == torch_bfloat16())
  z <- torch_tensor(c(1, 2), dtype = "half", requires_grad = TRUE)
  first <- autograd_grad((z^3)$sum(), z, create_graph = TRUE)[[1]]
  expect_equal(as_array(autograd_grad(first$sum(), z)[[1]]), c(6, 12))
})

test_that("files keep the types", {
  folder <- withr::local_tempdir()
  tensors <- lapply(stored, function(dtype) torch_tensor(c(1, -2, 100), dtype = dtype))
  names(tensors) <- vapply(stored, as.character, "")
  path <- file.path(folder, "all.safetensors")
  save_safetensors(tensors, path)
  read <- load_safetensors(path)
  torch_save(tensors, file.path(folder, "all.pt"))
  again <- torch_load(file.path(folder, "all.pt"))
  through <- unserialize(serialize(tensors, NULL))
  for (name in names(tensors)) for (found in list(read[[name]], again[[name]], through[[name]])) {
    expect_true(found$dtype == tensors[[name]]$dtype, info = name)
    expect_identical(as_array(found), as_array(tensors[[name]]), info = name)
  }
  layer <- nn_linear(2, 1)
  half <- lapply(layer$state_dict(), function(x) x$half())
  layer$load_state_dict(half)
  expect_true(layer$weight$dtype == torch_float())
})

test_that("limits", {
  expect_equal(torch_finfo(torch_half())[c("max", "eps", "tiny")], list(max = 65504, eps = 2^-10, tiny = 2^-14))
  expect_equal(torch_finfo(torch_bfloat16())$eps, 2^-7)
  expect_identical(torch_finfo(torch_double())[c("max", "eps", "tiny")],
    list(max = .Machine$double.xmax, eps = .Machine$double.eps, tiny = .Machine$double.xmin))
  expect_equal(torch_finfo(torch_float())$max, 3.4028234663852886e38)
  expect_equal(torch_iinfo(torch_int8())[c("min", "max")], list(min = -128, max = 127))
  expect_equal(torch_iinfo(torch_uint8())[c("min", "max")], list(min = 0, max = 255))
  expect_equal(torch_iinfo(torch_int16())$max, 32767)
  expect_error(torch_iinfo(torch_bool()), "integer dtype")
  expect_error(torch_finfo(torch_int8()), "float dtype")
})
