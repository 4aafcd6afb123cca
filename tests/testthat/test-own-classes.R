# What torch 0.17, luz 0.5 and torchvision 0.10 register methods for: class: generics. Those of the second list are
# generics of their own.
shared_methods <- list(
  torch_tensor = c(
    "!", "!=", "%%", "%/%", "&", "*", "+", "-", "/", "<", "<=", "==", ">", ">=", "[", "[<-", "^", "|", "abs", "acos",
    "as.array", "as.complex", "as.double", "as.integer", "as.logical", "as.matrix", "as.numeric", "asin", "atan",
    "ceiling", "cos", "cosh", "cumsum", "dim", "exp", "expm1", "floor", "head", "length", "log", "log10", "log1p",
    "log2", "max", "mean", "min", "prod", "sign", "sin", "sinh", "sqrt", "str", "sum", "tail", "tan", "tanh", "trunc",
    ".DollarNames", if (getRversion() >= "4.3.0") "%*%"
  ),
  R7 = c("$", "$<-", "[[", "[[<-", "length", "print"),
  nn_module = c("$", "$<-", "[[", "[[<-", ".DollarNames", "names", "print"),
  nn_Module = c("$", "$<-", "[[", "[[<-"),
  nn_sequential = c("[", "[[", "length"),
  nn_module_list = c("[[", "as.list", "length"),
  dataset = c("[", "[[", "length"), iterable_dataset = "length", dataloader = "length", utils_sampler = "length",
  torch_device = c("!=", "==", "as.character"), torch_dtype = c("!=", "==", "as.character"),
  torch_memory_format = "==", slice = "print", dataset_generator = "print", iterable_dataset_generator = "print",
  torch_optimizer_generator = "print", luz_module_generator = c("fit", "print"), lr_records = c("plot", "print"),
  luz_module_fitted = c("plot", "predict", "print"), luz_module_evaluation = "print"
)
peer_generics <- list(
  torch_tensor = c("as_array", "torch_save", "as_dataloader", "transform_vflip", "get_image_size"),
  nn_module = c("torch_save", "nn_prune_head"), dataset = c("torch_save", "as_dataloader"),
  luz_module_fitted = "get_metrics", luz_module_evaluation = "get_metrics"
)

test_that("there are methods for classes of our own alone", {
  registered <- getNamespaceInfo("candela", "S3methods")
  shared <- !registered[, 1] %in% getNamespaceExports("candela")
  expect_gt(sum(shared), 100)
  expect_identical(intersect(unlist(registered[shared, 2]), c(peer_classes, "R7")), character())
  expect_identical(anyDuplicated(own_classes), 0L)
  expect_identical(own_first(c("nn_sequential", "nn_module")),
    c("candela_sequential", "nn_sequential", "candela_module", "nn_module"))
  expect_identical(own_first(own_first(c("mine", "dataset"))), c("mine", "candela_dataset", "dataset"))
  expect_identical(own_first(c("a", "b")), c("a", "b"))
})

# Objects of every kind that is called as one of a peer.
objects_like_peers <- function() {
  ds <- tensor_dataset(x = torch_randn(4, 2), y = torch_randn(4, 1))
  endless <- iterable_dataset("endless", .iter = function() as_iterator(1:3))
  adam <- optimizer("optim_none", initialize = function(params) super$initialize(params, list()))
  generator <- setup(nn_linear, nn_mse_loss(), optim_sgd) %>% set_hparams(2, 1) %>% set_opt_hparams(lr = 0.1)
  fitted <- fit(generator, ds, epochs = 1, verbose = FALSE, dataloader_options = list(batch_size = 2))
  mine <- nn_module("nn_sequential", forward = function(x) x)
  list(
    torch_randn(3, 2), nn_parameter(torch_ones(2)), nn_buffer(torch_ones(2)), nn_linear(2, 1), nn_linear,
    attr(nn_linear(2, 1), "module"), nn_sequential(nn_relu(), nn_relu()), nn_module_list(list(nn_relu())),
    nn_module_dict(list(a = nn_relu())), mine(), attr(mine(), "module"), ds, dataset_subset(ds, 1:2), endless(),
    endless, tensor_dataset, dataloader(ds), dataloader(ds)$sampler, torch_device("cpu"), torch_float(),
    torch_contiguous_format(), slc(1, 2), adam, optim_sgd, generator, fitted, evaluate(fitted, ds),
    lr_finder(generator, ds, steps = 2, verbose = FALSE, dataloader_options = list(batch_size = 2)),
    luz_metric_accuracy(), luz_callback("none")()
  )
}

test_that("a class of our own comes before each that a peer has, with the methods that the peer has for it", {
  ours <- getNamespaceInfo("candela", "S3methods")
  has_method <- function(generic, class) any(ours[, 1] == generic & ours[, 2] == class)
  seen <- character()
  for (x in objects_like_peers()) {
    classes <- class(x)
    for (at in which(classes %in% names(shared_methods))) {
      seen <- c(seen, classes[[at]])
      for (generic in shared_methods[[classes[[at]]]]) {
        found <- vapply(classes[seq_len(at - 1)], function(class) has_method(generic, class), NA)
        expect_true(any(found), label = paste(generic, "of", paste(classes, collapse = "/")))
      }
    }
  }
  expect_setequal(seen, names(shared_methods))
})

test_that("what is shown and written names the classes without ours", {
  expect_identical(class_name(nn_sequential()), "nn_sequential")
  expect_output(print(nn_sequential(nn_sequential(nn_relu()))), "<nn_sequential>", fixed = TRUE)
  expect_error(check_callbacks(list(torch_ones(1))), "torch_tensor/R7", fixed = TRUE)
  path <- withr::local_tempfile()
  torch_save(list(nn_parameter(torch_ones(2)), nn_sequential(nn_relu())), path)
  back <- torch_load(path)
  expect_identical(class(back[[1]]), c("nn_parameter", "candela_tensor", "torch_tensor", "R7"))
  expect_identical(class(back[[2]]), class(nn_sequential()))
  expect_identical(attributes_text(nn_parameter(torch_ones(2))), "nn_parameter torch_tensor R7")
})

# ---- beside a package of the peers' names ----

# The sources of a package that registers a method for every class, each of which tells that it was called.
write_hostile <- function(folder, name = "torch") {
  dir.create(file.path(folder, "R"), recursive = TRUE)
  write.dcf(list(Package = name, Version = "0.1", Title = "T", Description = "D.", License = "MIT", Author = "A",
    Maintainer = "A <a@b.org>"), file.path(folder, "DESCRIPTION"))
  pairs <- function(methods) {
    data.frame(class = rep(names(methods), lengths(methods)), generic = unlist(methods, use.names = FALSE))
  }
  all <- rbind(pairs(shared_methods), pairs(peer_generics))
  own <- unique(unlist(peer_generics))
  quoted <- function(x) encodeString(x, quote = "\"")
  writeLines(c(
    "importFrom(generics, fit)", "importFrom(stats, predict)", "importFrom(graphics, plot)",
    "importFrom(utils, head, tail, str, .DollarNames)", sprintf("export(%s)", own),
    sprintf("S3method(%s, %s)", quoted(all$generic), all$class)
  ), file.path(folder, "NAMESPACE"))
  writeLines(c(
    "called <- function(what) { options(hostile = c(getOption('hostile'), what)); NULL }",
    sprintf("%s <- function(x, ...) UseMethod('%s')", own, own),
    sprintf("`%s.%s` <- function(...) called('%s of %s')", all$generic, all$class, all$generic, all$class)
  ), file.path(folder, "R", "code.R"))
  folder
}

use_everything <- function() {
  x <- torch_tensor(matrix(c(0.1, 0.2, 0.3, 0.4), 2))
  for (f in list(abs, acos, as.array, as.complex, as.double, as.integer, as.logical, as.matrix, as.numeric, as_array,
    asin, atan, ceiling, cos, cosh, dim, exp, expm1, floor, head, length, log, log10, log1p, log2, max, mean, min, prod,
    sign, sin, sinh, sqrt, sum, tail, tan, tanh, trunc, as_dataloader)) f(x)
  cumsum(torch_ones(3))
  list(!(x > 0), x != x, x %% 2, x %/% 2, x * x, x + 1, -x, x / 2, x < 1, x <= 1, x == x, x[1, ], x^2, x >= 1,
    (x > 0) & (x > 1), (x > 0) | (x > 1), x$shape, x[["dtype"]])
  x[1, 1] <- 3
  x$requires_grad <- TRUE
  x[["requires_grad"]] <- FALSE
  utils::.DollarNames(x, "s")
  y <- nn_sequential(nn_linear(2, 3), nn_relu())
  y$extra <- 1
  y[["other"]] <- 2
  list(y[1], y[[1]], length(y), names(y), y(x), nn_prune_head(y, 1), utils::.DollarNames(y, "p"))
  parts <- nn_module_list(list(nn_relu(), nn_relu()))
  list(parts[[2]], as.list(parts), length(parts))
  model <- setup(nn_linear, nn_mse_loss(), optim_sgd) %>% set_hparams(2, 1) %>% set_opt_hparams(lr = 0.1)
  ds <- tensor_dataset(torch_randn(8, 2), torch_randn(8, 1))
  list(ds[1:2], ds[[1]], length(ds), length(dataloader(ds)), length(dataloader(ds, shuffle = TRUE)$sampler))
  fitted <- fit(model, ds, epochs = 1, verbose = FALSE, dataloader_options = list(batch_size = 4))
  predict(fitted, ds)
  scores <- evaluate(fitted, ds)
  get_metrics(fitted)
  get_metrics(scores)
  rates <- lr_finder(model, ds, steps = 2, verbose = FALSE, dataloader_options = list(batch_size = 4))
  grDevices::pdf(NULL)
  utils::capture.output({
    print(x)
    utils::str(x)
    print(y)
    print(model)
    print(fitted)
    print(scores)
    print(rates)
    print(plot(rates))
    print(slc(1, 2))
    print(nn_linear)
    print(optim_sgd)
    print(tensor_dataset)
    print(iterable_dataset("i", .iter = function() NULL))
  })
  list(torch_float() == torch_long(), torch_device("cpu") != torch_device("cpu"), as.character(torch_float()),
    as.character(torch_device("cpu")), torch_contiguous_format() == torch_preserve_format())
  torch_save(x, tempfile())
}

test_that("beside a package torch with methods for all these, none of them is called, and its generics give ours", {
  skip_on_cran()
  skip_if_not_installed("callr")
  lib <- withr::local_tempdir()
  sources <- write_hostile(file.path(withr::local_tempdir(), "torch"))
  install_sources(sources, lib, quiet = TRUE)
  # Whichever is loaded first.
  for (order in list(c("candela", "torch"), c("torch", "candela"))) {
    found <- callr::r(function(order, paths, use) {
      .libPaths(paths)
      said <- character()
      withCallingHandlers(for (package in order) loadNamespace(package), message = function(m) {
        said <<- c(said, conditionMessage(m))
      })
      suppressMessages(library(candela))
      environment(use) <- globalenv()
      use()
      x <- torch_ones(2)
      unknown <- tryCatch(getExportedValue("torch", "get_image_size")(x), error = conditionMessage)
      same <- identical(getExportedValue("torch", "as_array")(x), c(1, 1)) &&
        is_dataloader(getExportedValue("torch", "as_dataloader")(x))
      getExportedValue("torch", "torch_save")(nn_relu(), tempfile())
      # Theirs go to theirs.
      theirs <- structure(list(), class = c("torch_tensor", "R7"))
      before <- getOption("hostile")
      list(abs(theirs), theirs + 1, length(theirs))
      refused <- tryCatch(torch_abs(theirs), error = function(e) class(e))
      list(called = before, said = said, same = same, unknown = unknown, theirs = getOption("hostile"),
        refused = refused)
    }, list(order = order, paths = c(lib, .libPaths()), use = use_everything))
    expect_identical(found$called, NULL)
    expect_true(found$same)
    expect_match(found$unknown, "candela")
    expect_identical(found$theirs, c("abs of torch_tensor", "+ of torch_tensor", "length of torch_tensor"))
    expect_true("candela_error" %in% found$refused)
    expect_length(found$said, 1)
    expect_match(found$said, "torch is loaded beside candela")
  }
})

test_that("nothing is said of the stubs", {
  skip_on_cran()
  skip_if_not_installed("callr")
  lib <- withr::local_tempdir()
  as_torch_stub(lib, c("torch", "luz"))
  said <- callr::r(function(paths) {
    .libPaths(paths)
    said <- character()
    withCallingHandlers(for (package in c("torch", "luz", "candela")) loadNamespace(package), message = function(m) {
      said <<- c(said, conditionMessage(m))
    })
    said
  }, list(paths = c(lib, .libPaths())))
  expect_identical(said, character())
})
