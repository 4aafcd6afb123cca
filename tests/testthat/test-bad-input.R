# What users do wrong: each case gives an error that names what is wrong, and harms nothing.

x <- torch_randn(2, 3, 4)
logits <- torch_randn(2, 3)
weights <- function() list(torch_ones(2, requires_grad = TRUE))

test_that("shapes that do not fit are told", {
  expect_error(x + torch_randn(5), "size of tensor a \\(4\\) must match the size of tensor b \\(5\\)")
  expect_error(torch_matmul(x, torch_randn(3, 3)),
    "matmul: shapes cannot be multiplied \\(\\[2, 3, 4\\] and \\[3, 3\\]")
  expect_error(torch_cat(list(x, torch_randn(5))), "Expected \\[2, 3, 4\\], got \\[5\\] for tensor 2")
  expect_error(torch_stack(list(x, torch_randn(4))), "equal size")
  expect_error(x$view(c(5, 5)), "'\\[5, 5\\]' is invalid for input of size 24")
  expect_error(nnf_linear(x, torch_randn(2, 2)), "\\[2, 3, 4\\].*\\[2, 2\\]")
  expect_error(torch_zeros(-1), "at least 0")
  expect_error(torch_zeros(2^40, 2^40), "larger than this machine can address")
})

test_that("convolutions check their arguments", {
  image <- torch_randn(1, 3, 8, 8)
  expect_error(nnf_conv2d(image, torch_randn(4, 2, 3, 3)), "2 channels, but got 3 channels")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 9, 9)), "can't be greater than actual input size")
  expect_error(nnf_conv2d(torch_randn(3, 8), torch_randn(4, 3, 3, 3)), "4 dimensions, got size \\[3, 8\\]")
  expect_error(nnf_conv2d(image$long(), torch_randn(4, 3, 3, 3)), "Long.*Float.*same dtype")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 3, 3), stride = 0), "stride must be at least 1")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 3, 3), padding = -1), "padding must not be negative")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 3, 3), padding = 1e10), "below 2\\^31")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 3, 3), stride = NA), "`stride`")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 3, 3), groups = 2), "groups=2")
  expect_error(nnf_conv2d(image, torch_randn(4, 3, 0, 3)), "kernel size must be at least 1.*\\[4, 3, 0, 3\\]")
  expect_error(nnf_conv_transpose2d(image, torch_randn(3, 4, 2, 0)), "kernel size must be at least 1")
  expect_error(nn_conv2d("3", 4, 3), "`in_channels` must be a whole number of at least 1, but got \"3\"")
  expect_error(nn_conv2d(3, 0, 3), "`out_channels` must be .* at least 1, but got 0")
  expect_error(nn_conv2d(3, 4, 3, groups = 1.5), "`groups` must be a whole number")
  expect_error(nn_conv2d(3, 4, 3, stride = 2, padding = "same"), "not supported for strided")
})

test_that("a dimension that is not there is told", {
  expect_error(torch_sum(x, 4), "Dimension out of range: got dim = 4 for a tensor of 3")
  expect_error(torch_sum(x, -4), "Dimension out of range")
  expect_error(torch_sum(x, 0), "Indexing starts at 1")
  expect_error(torch_sum(x, NA), "`dim` must be a whole number, but got NA", class = "value_error")
  expect_error(torch_sum(x, "a"), "`dim` must be a whole number", class = "value_error")
})

test_that("indices out of bounds, zero and missing are told", {
  expect_error(x[3, 1, 1], "index 3 is out of bounds for dimension 1 with size 2", class = "runtime_error")
  expect_error(x[-3, 1, 1], "index -3 is out of bounds")
  expect_error(x[0, 1, 1], "found a 0")
  expect_error(x[1, 1, 1, 1], "too many indices: 4")
  expect_error(x[NA_integer_, 1, 1], "an index is NA")
  expect_error(x["a", 1, 1], "cannot be indexed by names")
  expect_error({x[3, 1, 1] <- 1}, "out of bounds")
  expect_error({x[1, , ] <- torch_ones(7)}, "shape \\[7\\] cannot be broadcast to \\[3, 4\\]")
  y <- torch_randn(5)
  expect_error(y[torch_tensor(9L)], "index 9 is out of bounds")
  expect_error(y[torch_tensor(0L)], "Indexing starts at 1 but found a 0")
  expect_error(y[c(TRUE, FALSE)], "mask \\[2\\].*\\[5\\]")
  expect_error(torch_index_select(y, 1, torch_tensor(0L)), "found a 0")
  expect_error(torch_gather(y, 1, torch_tensor(6L)), "index 6 is out of bounds")
  expect_error(torch_index_add(y, 1, 1:2, torch_ones(3)), "2 positions for a dimension of size 3")
})

test_that("classes outside 1..C are told by cross entropy", {
  expect_error(nnf_cross_entropy(logits, torch_tensor(c(0L, 1L))), "Indexing starts at 1 but found a 0")
  expect_error(nnf_cross_entropy(logits, torch_tensor(c(4L, 1L))), "target class 4 is out of bounds for 3 classes")
  expect_error(nnf_cross_entropy(logits, torch_tensor(c(1, 2))), "expected a Long target, got Float")
  expect_error(nnf_cross_entropy(logits, torch_tensor(1:3)), "target of size \\[2\\].*got size \\[3\\]")
  expect_error(nnf_cross_entropy(logits, torch_tensor(1:2), weight = torch_ones(2)), "3 elements, one for each class")
  expect_error(nnf_cross_entropy(logits, torch_tensor(1:2), reduction = "max"), "\"mean\"")
  expect_error(nnf_binary_cross_entropy(torch_tensor(2), torch_tensor(1)), "between 0 and 1")
})

test_that("what is missing has no place in integers", {
  expect_error(torch_tensor(c(1L, NA)), "element 2 is NA.*integer and logical", class = "value_error")
  expect_error(torch_tensor(c(TRUE, NA)), "element 2 is NA")
  expect_error(torch_tensor(c(1, NA), dtype = torch_int64()), "element 2 is NA")
  expect_error(torch_tensor(NaN, dtype = torch_uint8()), "element 1 is NA")
  expect_error(torch_full(c(2, 2), NA), "`fill_value` is NA")
  expect_true(is.nan(as.array(torch_tensor(c(1, NA)))[[2]]))
})

test_that("data that are no numbers are refused", {
  expect_error(torch_tensor("a"), "got \"a\"")
  expect_error(torch_tensor(list(1, 2)), "torch_stack")
  expect_error(torch_tensor(data.frame(a = 1)), "<data.frame>")
  expect_error(torch_tensor(1i), "<complex>")
  expect_error(torch_tensor(sum), "<function>")
})

# As R reads it from a file that was written when tensors did not survive: in the text R writes, the object that the
# handle protects (from the code 238 on, up to the symbol that is its tag) is NULL (254).
handle_without_tensor <- function() {
  lines <- strsplit(rawToChar(serialize(torch_tensor(1), NULL, ascii = TRUE)), "\n", fixed = TRUE)[[1]]
  slot <- match("238", lines)
  tag <- match("candela_tensor", lines) - 3
  lines <- c(lines[seq_len(slot - 1)], "254", lines[tag:length(lines)])
  unserialize(charToRaw(paste0(paste(lines, collapse = "\n"), "\n")))
}

test_that("tensors whose data are gone say so and can be dropped", {
  restored <- list(x = handle_without_tensor())
  message <- "data (of a tensor )?are gone"
  expect_error(print(restored$x), message)
  expect_error(restored$x + 1, message)
  expect_error(as.array(restored$x), message)
  expect_error(dim(restored$x), message)
  expect_error(restored$x[1], message)
  expect_error({restored$x[1] <- 1}, message)
  rm(restored)
  gc()
  expect_equal(dim(x), c(2, 3, 4))
})

test_that("memory that is not there gives an error, and what was computed stays", {
  before <- x$sum()$item()
  candela_memory_limit(64e6)
  withr::defer(candela_memory_limit(0))
  expect_error(torch_zeros(1000, 1000, 100), "cannot allocate 400", class = "runtime_error")
  big <- torch_zeros(1000, 1000)
  expect_error(nnf_interpolate(big$reshape(c(1, 1, 1000, 1000)), size = c(9000, 9000))[1, 1, 1, 1], "smaller batch")
  expect_error(torch_matmul(torch_zeros(9000, 1), torch_zeros(1, 9000)), "cannot allocate")
  net <- nn_conv2d(3, 64, 3, padding = 1)
  expect_error(net(torch_randn(1, 3, 900, 900))$sum()$backward(), "cannot allocate")
  candela_memory_limit(0)
  expect_equal(x$sum()$item(), before)
  expect_equal(dim(net(torch_randn(1, 3, 9, 9))), c(1, 64, 9, 9))
})

test_that("a memory limit must be a number of bytes", {
  for (limit in list(-1, NA, "a", c(1, 2))) expect_error(candela_memory_limit(limit), "number of bytes")
})

test_that("optimisers refuse rates that make no sense", {
  for (make in list(optim_adam, optim_sgd, optim_adamw, optim_rmsprop, optim_adagrad, optim_rprop, optim_asgd)) {
    expect_error(make(weights(), lr = -1), "Invalid learning rate: -1", class = "value_error")
    expect_error(make(weights(), lr = NA), "Invalid learning rate: NA")
  }
  expect_error(optim_sgd(weights()), "lr")
  expect_error(optim_adam(list(), lr = 0.1), "empty parameter list")
  expect_error(optim_adam(list(weights()[[1]] * 2), lr = 0.1), "non-leaf")
  expect_error(optim_adam(weights(), betas = c(2, 0.9)), "Invalid beta parameter at index 1")
})

test_that("loaders refuse sizes that make no sense", {
  data <- tensor_dataset(torch_randn(10, 3))
  for (size in list(0, -1, NA, 1.5, "a", 1:2)) {
    expect_error(dataloader(data, batch_size = size), "`batch_size` must be a whole number of at least 1")
  }
  expect_error(dataloader(1:3), "must be a dataset")
  expect_error(dataloader(tensor_dataset(torch_zeros(0, 3)), batch_size = 2), "has no items")
  expect_error(dataset_subset(data, 11), "between 1 and the number of items, 10")
  expect_error(tensor_dataset(torch_zeros(2), torch_zeros(3)), "same first dimension")
  expect_error(data[11], "out of bounds")
  expect_error(data[0], "found a 0")
})

test_that("weights that do not fit name the parameter and both shapes", {
  net <- nn_linear(3, 2)
  before <- as.array(net$weight$detach())
  expect_error(net$load_state_dict(nn_linear(4, 2)$state_dict()),
    "weight.*\\[2, 4\\].*\\[2, 3\\]|weight.*\\[2, 3\\].*\\[2, 4\\]")
  expect_error(net$load_state_dict(list(weight = net$weight)), "bias")
  expect_equal(as.array(net$weight$detach()), before)
})

test_that("files that are missing, cut or of another kind are named", {
  folder <- withr::local_tempdir()
  missing_file <- file.path(folder, "not-there")
  for (read in list(image_read, load_safetensors, load_state_dict, torch_load)) {
    expect_error(read(missing_file), "not-there")
  }
  gif <- file.path(folder, "beagle.jpg")
  writeBin(c(charToRaw("GIF89a"), as.raw(rep(0, 60))), gif)
  expect_error(image_read(gif), "beagle\\.jpg.*GIF|GIF.*beagle\\.jpg")
  picture <- array(runif(3 * 20 * 20), c(20, 20, 3))
  for (extension in c("png", "jpg")) {
    whole <- file.path(folder, paste0("whole.", extension))
    image_write(picture, whole)
    bytes <- readBin(whole, "raw", file.size(whole))
    cut <- file.path(folder, paste0("cut.", extension))
    for (size in c(0, 3, 20, length(bytes) %/% 3)) {
      writeBin(utils::head(bytes, size), cut)
      expect_error(image_read(cut), paste0("cut\\.", extension))
    }
  }
  tensors <- file.path(folder, "whole.safetensors")
  save_safetensors(list(a = x), tensors)
  bytes <- readBin(tensors, "raw", file.size(tensors))
  cut <- file.path(folder, "cut.safetensors")
  for (size in c(0, 7, 30, length(bytes) - 1)) {
    writeBin(utils::head(bytes, size), cut)
    expect_error(load_safetensors(cut), "cut\\.safetensors")
  }
})

test_that("PyTorch files that end early are errors that name the file", {
  cut <- withr::local_tempfile(fileext = ".pth")
  for (name in c("weights_zip.pth", "weights_legacy.pth")) {
    bytes <- readBin(checkpoint_path(name), "raw", file.size(checkpoint_path(name)))
    for (size in c(0, 10, length(bytes) %/% 2, length(bytes) - 100)) {
      writeBin(utils::head(bytes, size), cut)
      expect_error(load_state_dict(cut), basename(cut), fixed = TRUE)
    }
  }
})

test_that("saving where nothing can be written leaves the old file", {
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  path <- file.path(folder, "model.safetensors")
  save_safetensors(list(a = x), path)
  before <- tools::md5sum(path)
  expect_error(save_safetensors(list(a = "no tensor"), path))
  expect_error(save_safetensors(list(a = x), file.path(folder, "no-folder", "model.safetensors")), "no-folder")
  expect_error(torch_save(x, file.path(folder, "no-folder", "model.pt")), "no-folder")
  expect_error(image_write(array(0.5, c(4, 4, 3)), file.path(folder, "no-folder", "a.png")), "no-folder")
  expect_identical(tools::md5sum(path), before)
  expect_identical(list.files(folder), "model.safetensors")
})

test_that("autograd says what is wrong", {
  expect_error((x * 2)$backward(), "grad")
  w <- torch_ones(2, requires_grad = TRUE)
  expect_error((w * 2)$backward(), "only for scalar outputs")
  loss <- (w * w)$sum()
  loss$backward()
  expect_error(loss$backward(), "retain_graph = TRUE")
  e <- w$exp()
  loss <- e$sum()
  e$add_(1)
  expect_error(loss$backward(), "modified by an inplace operation")
  expect_error(w$add_(1), "with_no_grad")
  expect_error(torch_tensor(1L, requires_grad = TRUE), "floating point")
  expect_error(x$item(), "24 elements cannot be converted to a scalar")
})

test_that("training checks callbacks and breakpoints, and warns once of losses that are not finite", {
  data <- list(torch_randn(96, 2), torch_randn(96, 1))
  model <- nn_linear %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_hparams(in_features = 2, out_features = 1) %>%
    set_opt_hparams(lr = 0.1)
  expect_error(fit(model, data, epochs = 1, callbacks = list(1), verbose = FALSE), "LuzCallback")
  expect_error(fit(model, data, epochs = 1, callbacks = luz_callback_csv_logger, verbose = FALSE), "initialize")
  expect_error(fit(model, data, epochs = "a", verbose = FALSE), "`epochs`")
  expect_warning(luz_callback_lr_scheduler(lr_step, step_size = 1, call_on = "on_batch_end"),
    "no breakpoint \"on_batch_end\"", class = "candela_warning_breakpoint")
  expect_error(fit(set_opt_hparams(model, lr = -1), data, epochs = 1, verbose = FALSE), "learning rate")
  warnings <- list()
  withCallingHandlers(
    fit(set_opt_hparams(model, lr = 1e30), data, epochs = 2, verbose = FALSE),
    warning = function(w) {
      warnings[[length(warnings) + 1]] <<- w
      invokeRestart("muffleWarning")
    }
  )
  expect_length(warnings, 1)
  expect_s3_class(warnings[[1]], "candela_warning_nan_loss")
  expect_match(conditionMessage(warnings[[1]]), "not finite in batch . of epoch 1")
})

test_that("no number, or too many, where an operator wants one is told", {
  apply <- function(op, attrs) .Call(candela:::cdr_apply, candela:::ops[[op]], list(x), attrs)
  for (op in c("softmax", "log_softmax", "unsqueeze", "tril", "one_hot", "to_dtype", "clamp", "topk", "var", "norm",
               "sort", "cumsum", "transpose", "diagonal", "interpolate", "max_pool2d", "dropout", "argmax")) {
    expect_error(apply(op, numeric(0)), paste0(op, ": an argument has the wrong length"),
      class = "candela_error_value", info = op)
    if (op != "argmax") expect_error(apply(op, NULL), "wrong length", info = op)
  }
  for (op in c("softmax", "unsqueeze", "relu", "sum", "argmax", "add_number")) {
    expect_error(.Call(candela:::cdr_apply, candela:::ops[[op]], if (op == "add_number") list(x, 1) else list(x),
      rep(1, 99)), "at most", info = op)
  }
})

test_that("a number of groups or heads that divides nothing is named", {
  x <- torch_ones(1, 4, 2, 2)
  for (groups in list(0, 1.5, NULL)) {
    expect_error(nn_group_norm(groups, 4), "`num_groups` must be", class = "value_error")
    expect_error(torch_channel_shuffle(x, groups), "`groups` must be", class = "value_error")
    expect_error(nn_conv2d(4, 4, 1, groups = groups), "`groups` must be", class = "value_error")
    expect_error(nnf_group_norm(x, groups), "`num_groups` must be", class = "value_error")
    expect_error(nn_init_dirac_(x, groups), "`groups` must be", class = "value_error")
    expect_error(nn_multihead_attention(4, groups), "`num_heads` must be", class = "value_error")
  }
  expect_error(nn_group_norm(2, 0), "`num_channels` must be", class = "value_error")
})

test_that("a gradient that is set has the tensor's shape and dtype", {
  x <- torch_zeros(3, requires_grad = TRUE)
  expect_error(x$grad <- torch_tensor(1:3), "dtype of the tensor, Float, but has Long", class = "candela_error_dtype")
  expect_error(x$grad <- torch_zeros(2), "the tensor, \\[3\\], but has \\[2\\]", class = "candela_error_shape")
  x$grad <- torch_ones(3)
  expect_identical(as_array(x$grad), rep(1, 3))
})

test_that("views by strides stay inside of the memory", {
  strided <- function(...) .Call(candela:::cdr_apply_1, candela:::ops$as_strided, torch_arange(1, 6)$float(), c(...))
  expect_identical(as_array(strided(1, 1, 2, 2)), c(2, 4))
  # Offset, stride of the base, then size and stride of each dimension.
  outside <- list(c(-9, 1, 3, 1), c(-1, 1, 1, 1), c(4, 1, 4, 1), c(0, 1, 2^62, 2^62), c(0, 1, 3, 2^62),
                  c(2^62, 1, 1, 1), c(0, 1, 2^32, 2^32, 2^32, 0), c(0, 1, 2, -1),
                  c(-1e300, 1, 1, 1), c(0, -1, 2, 1), c(-2, 2, 2, 1))
  for (numbers in outside) {
    expect_error(do.call(strided, as.list(numbers)), class = "candela_error", info = toString(numbers))
  }
})

test_that("what says it is a slice, and is none, is refused", {
  x <- torch_arange(1, 5)
  for (slice in list(1, 1L, c(1, 2), 1:3)) {
    expect_error(x[structure(slice, class = "slice")], "made by slc", class = "candela_error_index")
  }
  expect_equal(as_array(x[slc(1, 3)]), 1:3)
})

test_that("nonsense for schedules, data sets and decompositions is named", {
  optimizer <- optim_sgd(weights(), lr = 0.1)
  expect_error(lr_lambda(optimizer, function(epoch) 1, verbose = c(1, 2)), "`verbose` must be TRUE or FALSE")
  expect_error(lr_cosine_annealing(optimizer, 5, eta_min = list()), "`eta_min` must be a single number")
  expect_error(lr_reduce_on_plateau(optimizer, mode = matrix(1, 2, 2)), "`mode` must be a single string")
  expect_error(lr_finder(nn_linear(2, 2), list()), "`object` must be a model that setup\\(\\) made ready")
  expect_error(evaluate("a", NULL), "Expected a trained model")
  expect_error(image_folder_dataset(3), "`root` must be a single string")
  expect_error(mnist_dataset(root = NA_character_), "`root` must be a single string")
  expect_error(mnist_dataset(download = "yes"), "`download` must be TRUE or FALSE")
  expect_error(linalg_tensorinv(3), "`ind`")
  expect_error(linalg_svd(x[1], full_matrices = "a"), "`full_matrices` must be TRUE or FALSE")
  expect_error(class_weights(1:3, method = NULL), "`method`")
  expect_error(dataset(active = list(a = 1)), "`active` must be a list of functions")
  expect_error(transform_random_rotation(x, "a"), "degrees")
})

test_that("C takes vectors of the type and length it reads, and no others", {
  file <- tempfile(fileext = ".png")
  write <- function(values, dim, options) .Call(candela:::cdr_image_write, values, dim, file, options)
  expect_error(write(1:3, c(2L, 2L, 1L), c(8L, 90L)), "`values` must be a vector of 4 elements", class = "value_error")
  expect_error(write(c(1, 2), c(2L, 1L, 1L), c(8L, 90L)), "`values` must be", class = "value_error")
  expect_error(write(1:2, 2L, c(8L, 90L)), "`dim` must be", class = "value_error")
  expect_error(write(1:2, c(2L, 1L, 1L), 8), "`options` must be", class = "value_error")
  expect_error(write(1:2, c(2L, 1L, -1L), c(8L, 90L)), "`dim` must hold", class = "value_error")
  expect_error(write(1:2, c(2L, 1L, 1L), c(4L, 90L)), "8 bits or more", class = "value_error")
  expect_error(.Call(candela:::cdr_image_read_begin, file, integer(0), 1), "`as` must be", class = "value_error")
  expect_error(.Call(candela:::cdr_labels_batch, file, 5), "`size` must be", class = "value_error")
  expect_error(.Call(candela:::cdr_labels_batch, file, c(NaN, 5)), "`size` must be", class = "value_error")
  expect_error(.Call(candela:::cdr_image_batch, file, c(4, 4), 1, NULL), "`mean` must be", class = "value_error")
  expect_error(.Call(candela:::cdr_part_objects, matrix(1L, 2, 2), c(1, 2), 4), "`rules` must be",
    class = "value_error")
  save <- function(...) .Call(candela:::cdr_safetensors_write, file, ...)
  expect_error(save(c("a", "b"), list(torch_ones(1)), character()), "`names` must be", class = "value_error")
  expect_error(save("a", list(torch_ones(1)), "key"), "`meta` must be", class = "value_error")
  expect_error(.Call(candela:::cdr_tensor, 1, 99, FALSE), "unknown dtype", class = "candela_error_dtype")
  expect_error(.Call(candela:::cdr_fill_random, torch_ones(2), 17, 0, 1, FALSE), "unknown distribution",
    class = "candela_error_internal")
})
