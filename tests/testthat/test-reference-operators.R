# Every case of operators.json: values and gradients of PyTorch.

# Tensors of a safetensors file as R arrays (integers exact), with attribute "dtype".
read_reference_tensors <- function(path) {
  con <- file(path, "rb")
  on.exit(close(con))
  length <- readBin(con, "integer", 2, 4, endian = "little")[1]
  header <- jsonlite::fromJSON(rawToChar(readBin(con, "raw", length)), simplifyVector = TRUE)
  header[["__metadata__"]] <- NULL
  data <- readBin(con, "raw", file.size(path) - 8 - length)
  lapply(header, function(entry) reference_tensor(entry, data))
}

reference_tensor <- function(entry, data) {
  shape <- as.integer(entry$shape)
  bytes <- data[seq_len(diff(entry$data_offsets)) + entry$data_offsets[1]]
  values <- switch(entry$dtype,
    F32 = readBin(bytes, "numeric", prod(shape), 4, endian = "little"),
    F64 = readBin(bytes, "numeric", prod(shape), 8, endian = "little"),
    I64 = readBin(bytes, "integer", 2 * prod(shape), 4, endian = "little")[c(TRUE, FALSE)]
  )
  x <- if (length(shape) == 0) values else aperm(array(values, rev(shape)), rev(seq_along(shape)))
  attr(x, "reference_dtype") <- entry$dtype
  x
}

as_tensor <- function(x) {
  dtype <- if (identical(attr(x, "reference_dtype"), "I64")) torch_long() else torch_float()
  attr(x, "reference_dtype") <- NULL
  if (is.null(dim(x))) torch_tensor(x, dtype = dtype)$reshape(integer()) else torch_tensor(x, dtype = dtype)
}

from_one <- function(dim) ifelse(unlist(dim) >= 0, unlist(dim) + 1, unlist(dim))

# Case -> result. x: named list of tensors, a: the arguments (0-based dims), o: tensors that arguments name.
unary <- function(f) function(x, a, o) f(x$input)
binary <- function(f) function(x, a, o) f(x$input, x$other)
reduction <- function(f) {
  function(x, a, o) if (is.null(a$dim)) f(x$input) else f(x$input, dim = from_one(a$dim), keepdim = a$keepdim)
}
convolution <- function(f) function(x, a, o) do.call(f, c(list(x$input, x$weight, x$bias), lapply(a, unlist)))
on_dim <- function(f) function(x, a, o) f(x$input, from_one(a$dim))
pooling <- function(f) function(x, a, o) do.call(f, c(list(x$input), lapply(a, unlist)))
number_loss <- function(f) function(x, a, o) do.call(f, c(list(x$input, o), a[setdiff(names(a), "target")]))
class_loss_case <- function(f) {
  function(x, a, o) {
    if (!is.null(a$weight)) a$weight <- torch_tensor(unlist(a$weight))
    target <- x$target + 1L
    if (!is.null(a$ignore_index)) target <- torch_where(x$target == a$ignore_index, x$target, target)
    do.call(f, c(list(x$input, target), a))
  }
}

reference_calls <- function() {
  list(
    conv2d = convolution(nnf_conv2d), conv_transpose2d = convolution(nnf_conv_transpose2d),
    conv1d = convolution(nnf_conv1d), conv_transpose1d = convolution(nnf_conv_transpose1d),
    relu = unary(nnf_relu), relu6 = unary(nnf_relu6), sigmoid = unary(nnf_sigmoid), tanh = unary(nnf_tanh),
    gelu = unary(nnf_gelu), silu = unary(nnf_silu), hardswish = unary(nnf_hardswish), elu = unary(nnf_elu),
    leaky_relu = unary(nnf_leaky_relu), softplus = unary(nnf_softplus),
    exp = unary(torch_exp), neg = unary(torch_neg), abs = unary(torch_abs), square = unary(torch_square),
    log = unary(torch_log), sqrt = unary(torch_sqrt),
    softmax = on_dim(nnf_softmax), log_softmax = on_dim(nnf_log_softmax),
    add = binary(torch_add), sub = binary(torch_sub), mul = binary(torch_mul), div = binary(torch_div),
    maximum = binary(torch_maximum), minimum = binary(torch_minimum), matmul = binary(torch_matmul),
    linear = function(x, a, o) nnf_linear(x$input, x$weight, x$bias),
    sum = reduction(torch_sum), mean = reduction(torch_mean),
    var = function(x, a, o) torch_var(x$input, dim = from_one(a$dim), unbiased = a$unbiased),
    std = function(x, a, o) torch_std(x$input, unbiased = a$unbiased),
    max = function(x, a, o) torch_max(x$input, dim = from_one(a$dim))[[1]],
    argmax = function(x, a, o) torch_argmax(x$input, dim = from_one(a$dim)) - 1L,
    cat = function(x, a, o) torch_cat(unname(x), dim = from_one(a$dim)),
    stack = function(x, a, o) torch_stack(unname(x), dim = from_one(a$dim)),
    permute = function(x, a, o) torch_permute(x$input, from_one(a$dims)),
    flip = function(x, a, o) torch_flip(x$input, from_one(a$dims)),
    max_pool2d = pooling(nnf_max_pool2d), avg_pool2d = pooling(nnf_avg_pool2d),
    adaptive_avg_pool2d = pooling(nnf_adaptive_avg_pool2d),
    interpolate = function(x, a, o) {
      nnf_interpolate(x$input, size = unlist(a$size), mode = a$mode, align_corners = isTRUE(a$align_corners))
    },
    cross_entropy = class_loss_case(nnf_cross_entropy), nll_loss = class_loss_case(nnf_nll_loss),
    mse_loss = number_loss(nnf_mse_loss), l1_loss = number_loss(nnf_l1_loss),
    smooth_l1_loss = number_loss(nnf_smooth_l1_loss),
    binary_cross_entropy_with_logits = number_loss(nnf_binary_cross_entropy_with_logits)
  )
}

expect_near <- function(actual, expected, tolerance, label) {
  actual <- as.numeric(as.array(actual))
  expected <- as.numeric(expected)
  expect_length(actual, length(expected))
  error <- max(0, abs(actual - expected)) / max(1e-30, abs(expected))
  expect_lt(error, tolerance, label = paste(label, "error"))
}

run_case <- function(case, tensors, calls) {
  label <- paste0(case$op, " (case ", case$id, ")")
  x <- lapply(case$inputs, function(name) as_tensor(tensors[[name]]))
  for (name in names(case$grads)) x[[name]]$requires_grad_(TRUE)
  if (case$op == "batch_norm") {
    return(run_batch_norm(case, x, tensors, label))
  }
  expect_true(case$op %in% names(calls), label = paste("an R call for", case$op))
  other <- if (grepl("_loss$|with_logits$", case$op)) loss_target(case, tensors)
  y <- calls[[case$op]](x, case$args, other)
  check_case(case, x, y, tensors, label)
}

# Losses of numbers whose target is named nowhere are taken against zeros.
loss_target <- function(case, tensors) {
  name <- if (is.null(case$args$target)) case$inputs$target else case$args$target
  if (is.null(name)) name <- intersect(paste0(case$id, ".target"), names(tensors))
  if (length(name) > 0) as_tensor(tensors[[name[[1]]]]) else torch_zeros_like(as_tensor(tensors[[case$inputs$input]]))
}

run_batch_norm <- function(case, x, tensors, label) {
  running <- lapply(case$running_before, function(name) as_tensor(tensors[[name]]))
  a <- case$args
  y <- nnf_batch_norm(x$input, running[[1]], running[[2]], x$weight, x$bias, a$training, a$momentum, a$eps)
  check_case(case, x, y, tensors, label)
  after <- lapply(case$running_after, function(name) tensors[[name]])
  for (i in seq_along(after)) expect_near(running[[i]], after[[i]], 1e-5, paste(label, "running statistics"))
}

check_case <- function(case, x, y, tensors, label) {
  expect_near(y, tensors[[case$output]], 1e-5, label)
  if (length(case$grads) == 0) {
    return(invisible())
  }
  y$backward(gradient = as_tensor(tensors[[case$grad_output]]))
  for (name in names(case$grads)) {
    expect_near(x[[name]]$grad, tensors[[case$grads[[name]]]], 1e-4, paste(label, "gradient of", name))
  }
}

reference_cases <- function() {
  path <- reference_path("operators.json")
  if (nzchar(reference_dir()) && file.exists(path)) jsonlite::fromJSON(path, simplifyVector = FALSE)
}

skip_if_not_installed("jsonlite")
cases <- reference_cases()
tensors <- if (length(cases) > 0) read_reference_tensors(reference_path("operators.safetensors"))

test_that("there are cases for the operators", {
  skip_without_reference()
  expect_gt(length(cases), 0)
})

for (case in cases) {
  test_that(paste("PyTorch's values and gradients:", case$op, "case", case$id), {
    run_case(case, tensors, reference_calls())
  })
}
