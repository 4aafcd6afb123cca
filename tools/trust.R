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
  `save_safetensors()` = list(make = "x <- list(a = torch_randn(2e6))", save = "save_safetensors(x, 'x.safetensors')",
    read = function() load_safetensors("x.safetensors")),
  `torch_save()` = list(make = "x <- nn_linear(1500, 1000)", save = "torch_save(x, 'x.pt')",
    read = function() torch_load("x.pt")),
  `luz_save()` = list(make = paste("x <- fit(setup(nn_linear, nn_mse_loss(), optim_sgd) %>%",
    "set_hparams(in_features = 800, out_features = 800) %>% set_opt_hparams(lr = 1e-6),",
    "list(torch_randn(32, 800), torch_randn(32, 800)), epochs = 1, verbose = FALSE)"), save = "luz_save(x, 'x.luz')",
    read = function() luz_load("x.luz"))
)
for (name in names(savers)) {
  saver <- savers[[name]]
  folder <- tempfile("kill")
  dir.create(folder)
  old <- setwd(folder)
  torn <- 0
  n <- times(2, 40)
  for (i in seq_len(n)) {
    pid <- start(c(saver$make, sprintf("repeat %s", saver$save)), folder)
    Sys.sleep(runif(1, 0.05, 0.4))
    tools::pskill(pid, tools::SIGKILL)
    Sys.sleep(0.05)
    written <- setdiff(list.files(folder), c("code.R", "pid"))
    if (length(written) > 0) torn <- torn + inherits(try(saver$read(), silent = TRUE), "try-error")
  }
  rm(list = ls(candela:::cleaned), envir = candela:::cleaned)
  image_write(matrix(0, 2, 2), "last.png")
  left <- length(list.files(folder, "^\\.saving-", all.files = TRUE))
  setwd(old)
  row(paste("kill -9 during", name), n, torn + left, sprintf("%.0f torn files, %.0f left behind", torn, left))
}

# ---- interrupts at random times ----

outcome <- function(code) tryCatch({
  force(code)
  "finished"
}, interrupt = function(e) "interrupted")
long <- list(
  function() torch_randn(3e8), function() torch_randperm(1e8),
  function() torch_matmul(torch_ones(9000, 9000), torch_ones(9000, 9000)),
  function() for (i in 1:1000) nnf_conv2d(torch_ones(4, 16, 64, 64), torch_ones(16, 16, 3, 3)),
  function() torch_randn(3e7)$sort()
)
late <- 0
slowest <- 0
n <- times(3, 100)
for (i in seq_len(n)) {
  gc()
  after <- runif(1, 0.05, 0.6)
  system(sprintf("(sleep %.3f; kill -INT %d) &", after, Sys.getpid()))
  began <- proc.time()[["elapsed"]]
  how <- outcome(long[[1 + i %% length(long)]]())
  took <- proc.time()[["elapsed"]] - began - after
  if (how == "finished") outcome(Sys.sleep(1))
  slowest <- max(slowest, took)
  late <- late + (how == "interrupted" && took > 1)
  stopifnot(as_array(torch_ones(2) + 1) == 2)
}
row("interrupts at random times: control within a second", n, late, sprintf("slowest %.2f s", slowest))

# ---- resuming ----

net <- nn_module(
  initialize = function() {
    self$a <- nn_linear(2, 16)
    self$drop <- nn_dropout(0.3)
    self$b <- nn_linear(16, 1)
  },
  forward = function(x) self$b(self$drop(nnf_relu(self$a(x))))
)
data <- tensor_dataset(torch_randn(48, 2), torch_randn(48, 1))
train <- function(stop_at, path) {
  torch_manual_seed(4)
  halt <- luz_callback(weight = Inf, on_epoch_end = function() if (ctx$epoch == stop_at) stop("halt"))
  suppressMessages(fit(setup(net, nn_mse_loss(), optim_adam) %>% set_opt_hparams(lr = 0.02),
    dataloader(data, batch_size = 8, shuffle = TRUE), epochs = 8, verbose = FALSE,
    callbacks = list(luz_callback_auto_resume(path), halt(),
      luz_callback_lr_scheduler(lr_step, step_size = 2, gamma = 0.7))))
}
weights <- function(fitted) lapply(fitted$model$state_dict(), as_array)
whole <- weights(train(0, tempfile()))
different <- 0
for (epoch in times(4, 1:7)) {
  path <- tempfile()
  try(train(epoch, path), silent = TRUE)
  different <- different + !identical(weights(train(0, path)), whole)
}
row("runs that stopped and were resumed: the same bits", length(times(4, 1:7)), different,
  "dropout, shuffling, schedule")

# ---- flat memory ----

resident <- function() {
  gc()
  as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1]][[2]]) * 4096 / 2^20
}
if (file.exists("/proc/self/statm")) {
  model <- nn_sequential(nn_conv2d(3, 8, 3), nn_relu(), nn_conv2d(8, 4, 3))
  optimizer <- optim_adam(model$parameters)
  n <- times(200, 2000)
  sizes <- numeric()
  for (i in seq_len(n)) {
    optimizer$zero_grad()
    model(torch_randn(4, 3, 32, 32))$mean()$backward()
    optimizer$step()
    if (i %% (n / 10) == 0) sizes <- c(sizes, resident())
  }
  row("steps of training: memory flat after the first tenth", n, max(sizes[-1]) > sizes[[1]] + 16,
    sprintf("%.0f MB, then at most %.0f", sizes[[1]], max(sizes[-1])))
  with_no_grad(for (i in seq_len(n)) model(torch_randn(1, 3, 32, 32)))
  row("predictions: memory flat", n, resident() > max(sizes) + 16)
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
