# Tells which results of two installed candelas differ, and by how many bits.
#
# usage: Rscript tools/same-bits.R OLD_LIBRARY NEW_LIBRARY [--threads 1,2] [--only pattern] [--quick yes]
# In both libraries, with each number of threads, it computes: every operator's case of the reference with its
# gradients (float32 and float64, images channels first and channels last), every pointwise function over a wide
# range at lengths that leave every remainder, the layers of bench/layers.csv forward and backward, fused pairs,
# transforms and images, the optimisers' cases, two training steps and a prediction of the chapter's U-Net. --only
# computes the sections whose name matches: operators, pointwise, layers, pairs, images, optimizers, unet. --quick
# leaves out the large layers. The reference is CANDELA_REFERENCE, ../shared/reference or what the tests carry;
# CANDELA_SIMD is passed on.
#
# One line for each result that differs: section, name, threads, elements that differ, of how many, and the largest
# distance in units in the last place. The new build is also compared with itself on different numbers of threads.
# The last line counts; exit status 1 if anything differs or is missing on one side.
arguments <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
option <- function(name, default) {
  at <- match(paste0("--", name), arguments)
  if (is.na(at)) default else arguments[[at + 1]]
}
root <- normalizePath(file.path(here, ".."))
threads <- as.integer(strsplit(option("threads", "1,2"), ",")[[1]])
only <- option("only", ".")
quick <- option("quick", "no") == "yes"

# ---- one side: computes everything and writes a file for each section ----

compute <- function(folder, threads) {
  suppressPackageStartupMessages(library(candela))
  torch_set_num_threads(threads)
  for (file in c("reference", "safetensors", "operators")) {
    sys.source(file.path(root, "tests", "testthat", paste0("helper-", file, ".R")), globalenv())
  }
  sys.source(file.path(root, "bench", "unet-model.R"), globalenv())
  setwd(root)
  for (section in grep(only, names(sections), value = TRUE)) {
    found <- flat(sections[[section]](), character())
    saveRDS(found, file.path(folder, paste0(section, ".rds")), compress = FALSE)
  }
}

# Nested lists of tensors and vectors as one list, with the names of the way to each.
flat <- function(x, path) {
  if (is.null(x)) {
    return(list())
  }
  if (!is.list(x)) {
    return(stats::setNames(list(values_of(x)), paste(path, collapse = "/")))
  }
  steps <- names(x)
  if (is.null(steps)) steps <- seq_along(x)
  unlist(lapply(seq_along(x), function(i) flat(x[[i]], c(path, steps[[i]]))), recursive = FALSE)
}

# A tensor as a vector that can be compared bit by bit, float32 as bytes.
values_of <- function(x) {
  if (!inherits(x, "torch_tensor")) {
    return(x)
  }
  x <- x$detach()
  values <- as.vector(as_array(if (x$dtype == torch_bool()) x$to(dtype = torch_long()) else x))
  if (x$dtype == torch_float()) writeBin(as.numeric(values), raw(), size = 4) else values
}

drawn <- function(..., float = torch_float()) torch_randn(..., dtype = float)
floats <- function() list(float32 = torch_float(), float64 = torch_double())
layouts <- function() list(first = identity, last = channels_last)

each_operator <- function() {
  cases <- reference_cases()
  names(cases) <- vapply(cases, function(case) paste(case$id, case$op), "")
  lapply(floats(), function(float) {
    lapply(layouts(), function(layout) lapply(cases, run_operator_case, float, layout))
  })
}

# Every function of one tensor that gives a tensor, with its gradient; lengths 1 to 70 and a large one.
each_pointwise <- function() {
  names <- grep("^(torch|nnf)_", getNamespaceExports("candela"), value = TRUE)
  known <- c(
    "neg", "abs", "sign", "square", "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf", "floor", "ceil", "trunc",
    "round", "relu", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "hardtanh", "elu", "selu", "celu",
    "leaky_relu", "softplus", "softsign", "mish", "tanhshrink", "softshrink", "hardshrink", "logsigmoid", "threshold"
  )
  found <- sort(intersect(names, c(paste0("torch_", known), paste0("nnf_", known))))
  points <- c(seq(-110, 110, length.out = 4093), 10^seq(-45, 38, length.out = 500), -10^seq(-45, 38, length.out = 500))
  lapply(stats::setNames(found, found), function(name) {
    f <- get(name, asNamespace("candela"))
    if (sum(vapply(formals(f), function(x) identical(x, quote(expr = )), NA)) != 1) {
      return(NULL)
    }
    lapply(floats(), function(float) lapply(c(seq(1, 70, 3), length(points)), with_gradient, f, points, float))
  })
}

with_gradient <- function(n, f, points, float) {
  at <- if (n == length(points)) seq_len(n) else 1 + (seq_len(n) * 1597) %% length(points)
  x <- torch_tensor(points[at], dtype = float, requires_grad = TRUE)
  y <- f(x)
  if (y$requires_grad) y$backward(torch_tensor(cos(seq_len(n)), dtype = float))
  list(y = y, dx = x$grad)
}

each_layer <- function() {
  layers <- utils::read.csv(file.path(root, "bench", "layers.csv"))
  if (quick) layers <- layers[layers$size <= 56, ]
  torch_manual_seed(3)
  lapply(stats::setNames(seq_len(nrow(layers)), layers$name), function(i) layer_passes(layers[i, ]))
}

layer_passes <- function(l) {
  layer <- if (l$kind == "transpose") {
    nn_conv_transpose2d(l$in_channels, l$out_channels, l$kernel, l$stride, l$padding)
  } else {
    nn_conv2d(l$in_channels, l$out_channels, l$kernel, l$stride, l$padding, l$dilation, groups = l$groups)
  }
  x <- channels_last(drawn(3, l$in_channels, l$size, l$size))$requires_grad_(TRUE)
  y <- layer(x)
  y$backward(channels_last(drawn(dim(y))))
  list(y = y, dx = x$grad, dw = layer$weight$grad, db = layer$bias$grad)
}

# What may be computed together: outputs and gradients of short chains of layers.
each_pair <- function() {
  torch_manual_seed(4)
  unit <- function(activation, ...) {
    nn_sequential(nn_conv2d(8, 24, 3, padding = 1, ...), nn_batch_norm2d(24), activation)
  }
  join <- nn_module(
    initialize = function() {
      self$up <- nn_conv_transpose2d(8, 16, 2, stride = 2)
      self$conv <- nn_conv2d(24, 16, 3, padding = 1)
    },
    forward = function(x) {
      y <- nnf_relu(self$up(x))
      nnf_relu(self$conv(torch_cat(list(y, nnf_interpolate(x, scale_factor = 2, mode = "nearest")), dim = 2)))
    }
  )
  chains <- list(
    relu = nn_sequential(nn_conv2d(8, 24, 3), nn_relu()),
    relu6 = nn_sequential(nn_conv2d(8, 24, 1), nn_relu6()),
    silu = nn_sequential(nn_conv2d(8, 24, 3, groups = 4), nn_silu(), nn_sigmoid()),
    norm_relu = unit(nn_relu()), norm_relu6 = unit(nn_relu6(), bias = FALSE),
    two = nn_sequential(
      unit(nn_relu()), nn_conv2d(24, 24, 3, groups = 24), nn_batch_norm2d(24), nn_relu6(), nn_conv2d(24, 8, 1)
    ),
    up = nn_sequential(nn_conv_transpose2d(8, 16, 2, stride = 2), nn_relu()),
    join = join(),
    pool = nn_sequential(
      nn_conv2d(8, 16, 3), nn_relu(), nn_max_pool2d(2), nn_flatten(), nn_linear(16 * 49, 10), nn_relu()
    )
  )
  lapply(c(training = TRUE, evaluation = FALSE), function(training) {
    lapply(layouts(), function(layout) lapply(chains, chain_passes, training, layout))
  })
}

chain_passes <- function(chain, training, layout) {
  chain$train(training)
  for (p in chain$parameters) p$grad <- NULL
  x <- layout(drawn(3, 8, 16, 16))
  without <- with_no_grad(chain(x))
  x$requires_grad_(TRUE)
  y <- chain(x)
  y$backward(drawn(dim(y)))
  gradients <- lapply(chain$parameters, function(p) p$grad)
  list(y = y, without = without, dx = x$grad, dp = gradients, state = chain$state_dict())
}

each_image <- function() {
  cases <- reference_cases("transforms")
  names(cases) <- vapply(cases, function(case) paste(case$id, case$op), "")
  transformed <- lapply(cases, function(case) run_transform_case(case, torch_tensor(case$input)))
  row <- outer(1:150, 1:211, function(i, j) sin(i / 17) * cos(j / 23) / 3 + 0.5)
  picture <- array(c(row, 1 - row, row^2), c(150, 211, 3))
  files <- file.path(tempdir(), c("bits.png", "bits.jpg"))
  for (file in files) image_write(picture, file)
  size <- c(112, 96)
  mean <- c(0.485, 0.456, 0.406)
  deviation <- c(0.229, 0.224, 0.225)
  one <- function(file, size) {
    resized <- transform_resize(transform_to_tensor(base_loader(file)), size)
    transform_normalize(resized, mean, deviation)
  }
  list(
    transforms = transformed,
    read = lapply(files, function(file) transform_to_tensor(base_loader(file))),
    resized = lapply(files, one, size),
    enlarged = lapply(files, one, c(300, 333)),
    same = lapply(files, one, c(150, 211)),
    flipped = lapply(files, function(file) transform_vflip(transform_hflip(one(file, size)))),
    stacked = torch_stack(lapply(rep(files, 3), one, size)),
    convolved = {
      torch_manual_seed(5)
      nn_conv2d(3, 8, 3, stride = 2)(torch_stack(lapply(rep(files, 3), one, size)))
    },
    batch = read_image_batch(rep(files, 3), size = size, mean = mean, std = deviation)
  )
}

each_optimizer <- function() {
  tensors <- lapply(reference_tensors("optimizers"), torch_tensor)
  cases <- reference_cases("optimizers")
  reference <- lapply(cases, run_optimizer_case, tensors$w0, tensors[paste0("x", 0:5)])
  torch_manual_seed(6)
  start <- drawn(1003)
  others <- grep("^optim_", getNamespaceExports("candela"), value = TRUE)
  others <- sort(setdiff(others, c("optim_required", "optim_lbfgs")))
  trained <- lapply(stats::setNames(others, others), function(name) optimizer_steps(get(name), start))
  list(reference = reference, trained = trained)
}

optimizer_steps <- function(make, start) {
  w <- start$clone()$requires_grad_(TRUE)
  arguments <- list(w)
  if ("lr" %in% names(formals(make))) arguments$lr <- 0.01
  optimizer <- tryCatch(do.call(make, arguments), error = function(e) NULL)
  if (is.null(optimizer)) {
    return(NULL)
  }
  for (step in 1:5) {
    w$grad <- torch_sin(w$detach() * step)
    optimizer$step()
  }
  w$detach()
}

each_unet <- function() {
  torch_manual_seed(7)
  net <- unet()
  step <- unet_training(net, 2, 96)
  losses <- c(step(), step())
  gradients <- lapply(Filter(function(p) p$requires_grad, net$parameters), function(p) p$grad)
  state <- net$state_dict()
  net$eval()
  predicted <- lapply(c(a = 96, b = if (quick) 64 else 224), function(size) with_no_grad(net(drawn(2, 3, size, size))))
  list(losses = losses, gradients = gradients, state = state, predicted = predicted)
}

sections <- list(
  operators = each_operator, pointwise = each_pointwise, layers = each_layer, pairs = each_pair, images = each_image,
  optimizers = each_optimizer, unet = each_unet
)

# ---- the comparison ----

as_numbers <- function(x) if (is.raw(x)) readBin(x, "numeric", length(x) / 4, size = 4) else as.numeric(x)

# The elements whose bits differ (any NaN equals any other), and the largest distance in units in the last place.
difference <- function(a, b) {
  digits <- if (is.raw(a)) 23 else 52
  least <- if (is.raw(a)) -126 else -1022
  a <- as_numbers(a)
  b <- as_numbers(b)
  if (length(a) != length(b)) {
    return(list(count = max(length(a), length(b)), of = length(b), ulp = Inf))
  }
  same <- (is.nan(a) & is.nan(b)) | (!is.nan(a) & !is.nan(b) & a == b & (a != 0 | 1 / a == 1 / b))
  a <- a[!same]
  b <- b[!same]
  unit <- 2^(pmax(floor(log2(pmax(abs(a), abs(b)))), least) - digits)
  ulp <- abs(a - b) / unit
  ulp[is.nan(ulp)] <- Inf
  list(count = length(a), of = length(same), ulp = max(0, ulp))
}

compare <- function(section, old, new, label) {
  missing <- union(setdiff(names(old), names(new)), setdiff(names(new), names(old)))
  for (name in missing) cat(sprintf("%-10s %-60s %s: only on one side\n", section, name, label))
  both <- intersect(names(old), names(new))
  differing <- sum(vapply(both, function(name) {
    found <- difference(old[[name]], new[[name]])
    if (found$count > 0) {
      line <- "%-10s %-60s %s: %d of %d differ, largest %.4g ulp\n"
      cat(sprintf(line, section, name, label, found$count, found$of, found$ulp))
    }
    found$count > 0
  }, NA))
  c(results = length(both) + length(missing), differing = differing + length(missing))
}

run_side <- function(library, threads) {
  folder <- tempfile("bits")
  dir.create(folder)
  script <- file.path(root, "tools", "same-bits.R")
  status <- system2("Rscript", c(
    shQuote(script), "--side", folder, "--threads", threads, "--only", shQuote(only), "--quick", option("quick", "no")
  ), env = paste0("R_LIBS=", shQuote(library)))
  if (status != 0) stop("candela of ", library, " stopped", call. = FALSE)
  folder
}

if ("--side" %in% arguments) {
  compute(option("side"), threads)
} else {
  libraries <- normalizePath(arguments[1:2])
  folders <- lapply(libraries, function(library) lapply(threads, function(n) run_side(library, n)))
  total <- c(results = 0, differing = 0)
  for (section in grep(only, names(sections), value = TRUE)) {
    read <- function(folder) readRDS(file.path(folder, paste0(section, ".rds")))
    for (i in seq_along(threads)) {
      new <- read(folders[[2]][[i]])
      total <- total + compare(section, read(folders[[1]][[i]]), new, sprintf("%d thread(s)", threads[[i]]))
      if (i > 1) {
        label <- sprintf("new, %d and %d threads", threads[[1]], threads[[i]])
        total <- total + compare(section, read(folders[[2]][[1]]), new, label)
      }
    }
  }
  cat(sprintf("%d results compared, %d differ\n", total[["results"]], total[["differing"]]))
  quit(status = as.integer(total[["differing"]] > 0))
}
