# Trials of tools/trust.sh that R drives: each adds a line "what, how many, how many failed, remark" to the table.
#
# usage: Rscript tools/trust.R short|full TABLE
form <- commandArgs(TRUE)[[1]]
table <- commandArgs(TRUE)[[2]]
times <- function(short, full) if (form == "short") short else full
row <- function(what, n, failed, remark = "") {
  line <- sprintf("%s\t%.0f\t%.0f\t%s", what, n, failed, remark)
  cat(line, "\n", sep = "")
  cat(line, "\n", sep = "", file = table, append = TRUE)
}
suppressPackageStartupMessages(library(candela))
rscript <- file.path(R.home("bin"), "Rscript")

# Starts R code in a process of its own; gives its number, which the code writes into a file first.
start <- function(code, folder) {
  script <- file.path(folder, "code.R")
  ready <- file.path(folder, "pid")
  unlink(ready)
  writeLines(c(
    sprintf(".libPaths(c(%s))", toString(encodeString(.libPaths(), quote = "\""))),
    "suppressPackageStartupMessages(library(candela)); torch_set_num_threads(1)", code[[1]],
    sprintf("writeLines(as.character(Sys.getpid()), '%s')", ready), code[-1]
  ), script)
  system2(rscript, c("--vanilla", shQuote(script)), wait = FALSE, stdout = FALSE, stderr = FALSE)
  for (i in 1:600) if (file.exists(ready) && file.size(ready) > 1) break else Sys.sleep(0.1)
  as.integer(readLines(ready))
}

# ---- kill -9 during every saver ----

savers <- list(
  `image_write(), PNG` = list(make = "x <- array(runif(500 * 500 * 3), c(500, 500, 3))",
    save = "image_write(x, 'x.png')", read = function() image_read("x.png")),
  `image_write(), JPEG` = list(make = "x <- array(runif(900 * 900 * 3), c(900, 900, 3))",
    save = "image_write(x, 'x.jpg')", read = function() image_read("x.jpg")),
  `image_write(), TIFF` = list(make = "x <- array(runif(500 * 500 * 3), c(500, 500, 3))",
    save = "image_write(x, 'x.tif')", read = function() image_read("x.tif")),
  `save_safetensors()` = list(make = "x <- list(a = torch_randn(2e6))", save = "save_safetensors(x, 'x.safetensors')",
    read = function() load_safetensors("x.safetensors")),
  `torch_save()` = list(make = "x <- nn_linear(1500, 1000)", save = "torch_save(x, 'x.pt')",
    read = function() torch_load("x.pt")),
  `luz_save()` = list(make = paste("x <- fit(setup(nn_linear, nn_mse_loss(), optim_sgd) %>%",
    "set_hparams(in_features = 800, out_features = 800) %>% set_opt_hparams(lr = 1e-6),",
    "list(torch_randn(32, 800), torch_randn(32, 800)), epochs = 1, verbose = FALSE)"), save = "luz_save(x, 'x.luz')",
    read = function() luz_load("x.luz")),
  `luz_callback_auto_resume()` = list(make = paste("d <- list(torch_randn(64, 400), torch_randn(64, 400));",
    "m <- setup(nn_linear, nn_mse_loss(), optim_adam) %>% set_hparams(in_features = 400, out_features = 400)"),
    save = "fit(m, d, epochs = 50, verbose = FALSE, callbacks = list(luz_callback_auto_resume('x.pt')))",
    read = function() torch_load("x.pt")),
  `segment()` = list(make = paste("root <- drawn_cells(tempfile(), n = 8, size = 96);",
    "ds <- segmentation_dataset(file.path(root, 'images'), file.path(root, 'masks'),",
    "classes = c(background = 0, cell = 255)); model <- unet('plain', classes = ds, weights = NULL, base = 4,",
    "encoder_depth = 3, decoder_channels = c(16, 8, 4));",
    "fitted <- fit(setup(model), ds, epochs = 1, verbose = FALSE)"),
    save = "segment(fitted, file.path(root, 'images'), to = '.', verbose = FALSE)",
    read = function() lapply(list.files(pattern = "png$", recursive = TRUE), image_read))
)
for (name in names(savers)) {
  saver <- savers[[name]]
  folder <- tempfile("kill")
  dir.create(folder)
  old <- setwd(folder)
  torn <- 0
  in_middle <- 0
  n <- times(1, 25)
  for (i in seq_len(n)) {
    pid <- start(c(saver$make, sprintf("repeat %s", saver$save)), folder)
    Sys.sleep(runif(1, 0.05, 0.4))
    tools::pskill(pid, tools::SIGKILL)
    for (wait in 1:200) if (candela:::has_ended(pid)) break else Sys.sleep(0.05)
    in_middle <- in_middle + (length(list.files(folder, "^\\.saving-", all.files = TRUE, recursive = TRUE)) > 0)
    written <- setdiff(list.files(folder), c("code.R", "pid"))
    if (length(written) > 0) torn <- torn + inherits(try(saver$read(), silent = TRUE), "try-error")
  }
  rm(list = ls(candela:::cleaned), envir = candela:::cleaned)
  image_write(matrix(0, 2, 2), "last.png")
  left <- length(list.files(folder, "^\\.saving-", all.files = TRUE))
  setwd(old)
  row(paste("kill -9 during", name), n, torn + left,
    sprintf("%.0f torn files, %.0f left behind; %.0f killed in the middle of a file", torn, left, in_middle))
}

# ---- interrupts at random times ----

outcome <- function(code) tryCatch({
  force(code)
  "finished"
}, interrupt = function(e) "interrupted")
big <- function(n = 1e8) torch_ones(1)$expand(n)$contiguous()
square <- function(n, dtype = torch_float()) torch_ones(c(1, 1), dtype = dtype)$expand(c(n, n))$contiguous()
# What each makes first is not timed, the function it gives is: it takes seconds, or is repeated until it does.
long <- list(
  `random numbers` = function() function() torch_randn(3e8),
  `a permutation` = function() function() torch_randperm(1e8),
  `a product` = function() {
    x <- square(6000)
    function() torch_matmul(x, x)
  },
  `a product of float64` = function() {
    x <- square(2500, torch_double())
    function() torch_matmul(x, x)
  },
  `a product of integers` = function() {
    x <- square(2000, torch_long())
    function() torch_matmul(x, x)
  },
  `a convolution` = function() {
    x <- torch_ones(1, 64, 1500, 1500)
    w <- torch_ones(128, 64, 5, 5)
    function() as_array(nnf_conv2d(x, w)[1, 1, 1, 1])
  },
  `a convolution of float64` = function() {
    x <- torch_ones(4, 32, 128, 128, dtype = torch_double())
    w <- torch_ones(64, 32, 3, 3, dtype = torch_double())
    function() as_array(nnf_conv2d(x, w)[1, 1, 1, 1])
  },
  `a transposed convolution` = function() {
    x <- torch_ones(1, 128, 700, 700)
    w <- torch_ones(128, 64, 4, 4)
    function() as_array(nnf_conv_transpose2d(x, w, stride = 2)[1, 1, 1, 1])
  },
  `a gradient of a convolution` = function() {
    x <- torch_ones(1, 64, 700, 700, requires_grad = TRUE)
    w <- torch_ones(64, 64, 5, 5, requires_grad = TRUE)
    y <- nnf_conv2d(x, w)$sum()
    function() y$backward(retain_graph = TRUE)
  },
  `a convolution of volumes` = function() {
    x <- torch_ones(1, 32, 64, 128, 128)
    w <- torch_ones(64, 32, 3, 3, 3)
    function() as_array(nnf_conv3d(x, w)[1, 1, 1, 1, 1])
  },
  `many small steps` = function() {
    x <- torch_ones(4, 16, 64, 64)
    w <- torch_ones(16, 16, 3, 3)
    function() for (i in 1:2000) nnf_conv2d(x, w)
  },
  `a conversion` = function() {
    x <- big(2e8)
    function() for (i in 1:20) x$to(dtype = torch_double())
  },
  `an array of R` = function() {
    x <- big(1.5e8)
    function() for (i in 1:20) as_array(x)
  },
  `a tensor of an array` = function() {
    x <- rep(1, 1e8)
    function() for (i in 1:20) torch_tensor(x)
  },
  `sorting` = function() {
    x <- torch_rand(2e7)
    function() for (i in 1:10) x$sort()
  },
  `the largest` = function() {
    x <- torch_rand(5e7)
    function() for (i in 1:20) x$topk(100)
  },
  `functions of elements` = function() {
    x <- big()
    function() for (i in 1:100) torch_erf(x)
  },
  `special functions` = function() {
    x <- big(1e8)
    function() torch_digamma(x)
  },
  `sums along` = function() {
    x <- big()
    function() for (i in 1:50) x$cumsum(1)
  },
  `a softmax` = function() {
    x <- square(8000)
    function() for (i in 1:100) nnf_softmax(x, 1)
  },
  `joining` = function() {
    x <- big()
    function() for (i in 1:50) torch_cat(list(x, x))
  },
  `choosing` = function() {
    x <- torch_rand(1e8)
    function() for (i in 1:20) x[x > 0.5]
  },
  `singular values` = function() {
    x <- torch_randn(1500, 1500)
    function() linalg_svd(x)
  },
  `a linear system` = function() {
    x <- torch_randn(5000, 5000)
    y <- torch_randn(5000, 5000)
    function() linalg_solve(x, y)
  },
  `eigenvalues` = function() {
    x <- torch_randn(2000, 2000)
    function() linalg_eigh(x)
  },
  `a recurrent layer` = function() {
    layer <- nn_lstm(64, 256, batch_first = TRUE)
    x <- torch_ones(16, 4000, 64)
    function() layer(x)
  },
  `attention` = function() {
    layer <- nn_multihead_attention(64, 8)
    x <- torch_ones(12000, 1, 64)
    function() with_no_grad(layer(x, x, x))
  },
  `resizing` = function() {
    x <- torch_ones(4, 16, 500, 500)
    function() for (i in 1:50) nnf_interpolate(x, scale_factor = 3, mode = "bilinear")
  },
  `a file of tensors` = function() {
    path <- tempfile()
    save_safetensors(list(x = big(3e8)), path)
    function() for (i in 1:20) load_safetensors(path)
  },
  `pictures` = function() {
    path <- tempfile(fileext = ".png")
    image_write(array(runif(3e6), c(1000, 1000, 3)), path)
    function() for (i in 1:500) image_read(path)
  }
)
late <- 0
slowest <- 0
finished <- character()
too_late <- character()
most_left <- 0
resident_mb <- function() {
  gc()
  as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1]][[2]]) * 4096 / 2^20
}
rounds <- times(1, 4)
chosen <- if (form == "short") names(long)[c(3, 6, 23)] else names(long)
before <- resident_mb()
for (name in rep(chosen, rounds)) {
  code <- tryCatch(long[[name]](), error = function(e) NULL)
  if (is.null(code)) {
    cat("no", name, "in this version\n")
    next
  }
  after <- runif(1, 0.05, 0.6)
  ended <- 0
  system(sprintf("(sleep %.3f; kill -INT %d) &", after, Sys.getpid()))
  began <- proc.time()[["elapsed"]]
  how <- outcome({
    code()
    ended <- proc.time()[["elapsed"]]
    Sys.sleep(max(0, began + after - ended) + 0.5)
  })
  took <- proc.time()[["elapsed"]] - began - after
  if (ended > 0) finished <- union(finished, name)
  slowest <- max(slowest, took)
  if (took > 1) too_late <- c(too_late, sprintf("%s %.1f s", name, took))
  stopifnot(as_array(torch_ones(2) + 1) == 2)
  rm(code)
  most_left <- max(most_left, resident_mb() - before)
}
row("interrupts at random times: control within a second", rounds * length(chosen), length(too_late),
  sprintf("%d kinds of work, slowest %.2f s%s", length(chosen), slowest,
    if (length(too_late) > 0) paste(":", toString(too_late)) else ""))
row("memory after an interrupt and gc(): at most 64 MB more than before", rounds * length(chosen), most_left > 64,
  sprintf("at most %.0f MB", most_left))
if (length(finished) > 0) cat("ended before the interrupt:", toString(finished), "\n")

# ---- resuming ----

net <- nn_module(
  initialize = function() {
    self$a <- nn_linear(2, 16)
    self$drop <- nn_dropout(0.3)
    self$b <- nn_linear(16, 1)
  },
  forward = function(x) self$b(self$drop(nnf_relu(self$a(x)))),
  set_optimizers = function(lr) {
    list(one = optim_adam(self$a$parameters, lr = lr), two = optim_sgd(self$b$parameters, lr = lr, momentum = 0.9))
  },
  step = function() {
    ctx$loss <- list()
    for (name in c("one", "two")) {
      ctx$pred <- ctx$model(ctx$input)
      ctx$optimizers[[name]]$zero_grad()
      ctx$loss[[name]] <- nnf_mse_loss(ctx$pred, ctx$target)
      ctx$loss[[name]]$backward()
      ctx$optimizers[[name]]$step()
    }
  }
)
data <- tensor_dataset(torch_randn(48, 2), torch_randn(48, 1))
train <- function(stop_at, path) {
  torch_manual_seed(4)
  set.seed(4)
  halt <- luz_callback(weight = Inf, on_epoch_end = function() if (ctx$epoch == stop_at) stop("halt"))
  suppressMessages(fit(setup(net) %>% set_opt_hparams(lr = 0.02),
    dataloader(data, batch_size = 8, shuffle = TRUE), epochs = 8, verbose = FALSE,
    callbacks = list(luz_callback_auto_resume(path), halt(),
      luz_callback_lr_scheduler(lr_step, step_size = 2, gamma = 0.7, opt_name = "one"))))
}
weights <- function(fitted) lapply(fitted$model$state_dict(), as_array)
whole <- weights(train(0, tempfile()))
different <- 0
epochs <- times(4, rep(1:7, 3))
for (epoch in epochs) {
  path <- tempfile()
  try(train(epoch, path), silent = TRUE)
  different <- different + !identical(weights(train(0, path)), whole)
}
row("runs that stopped and were resumed: the same bits", length(epochs), different,
  "dropout, shuffling, a schedule, two optimisers")

# ---- flat memory ----

# R's own memory grows in steps of its own, which a short form would take for ours.
if (form == "full" && file.exists("/proc/self/statm")) {
  # Ten looks; flat: after the first never 16 MB more, and within 1.3 times the most that was in use, and 64 MB, of
  # what R held before.
  flat <- function(what, n, work) {
    for (k in 1:5) work(1) # R compiles functions when they are called again
    gc()
    at_first <- resident_mb()
    sizes <- numeric()
    for (k in 1:10) {
      work(n / 10)
      sizes <- c(sizes, resident_mb())
    }
    limit <- max(sizes[[1]] + 16, at_first + 1)
    row(paste0(what, ": memory is flat after the first tenth"), n, sum(sizes[-1] > limit),
      sprintf("%.0f MB, then at most %.0f", sizes[[1]], max(sizes[-1])))
  }
  model <- nn_sequential(nn_conv2d(3, 8, 3), nn_relu(), nn_conv2d(8, 4, 3))
  optimizer <- optim_adam(model$parameters)
  flat("steps of training", 2000, function(n) for (i in seq_len(n)) {
    optimizer$zero_grad()
    model(torch_randn(4, 3, 32, 32))$mean()$backward()
    optimizer$step()
  })
  flat("predictions", 10000, function(n) with_no_grad(for (i in seq_len(n)) {
    as_array(model(torch_randn(1, 3, 32, 32)))
  }))
  numbers <- list(torch_randn(256, 10), torch_randn(256, 1))
  flat("epochs of fit()", 200, function(n) {
    fit(setup(nn_linear, nn_mse_loss(), optim_adam) %>% set_hparams(in_features = 10, out_features = 1),
      numbers, epochs = n, verbose = FALSE)
  })
}

# ---- forks and threads ----

if (.Platform$OS.type == "unix") {
  n <- times(4, 50)
  drawn <- unlist(parallel::mclapply(seq_len(n), function(i) as_array(torch_rand(1)), mc.cores = 2,
    mc.preschedule = FALSE))
  row("forked children: no two draw the same, none hangs", n, n - length(unique(drawn)))
}
x <- torch_randn(130, 70)
sums <- lapply(c(1, 2, 4), function(threads) {
  torch_set_num_threads(threads)
  as_array(torch_matmul(x, x$t()))
})
row("1, 2 and 4 threads: the same bits", 3, sum(!vapply(sums[-1], identical, NA, sums[[1]])))
