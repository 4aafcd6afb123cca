# Runs every benchmark, candela and PyTorch in turn, and prints tables of ratios, shares of the machine's peak, errors
# and memory, and at the end the project's targets beside what was measured. README.md tells how to read them.
#
# usage: Rscript bench/run.R [--batch 32] [--rounds 2] [--python PYTHON] [--through COMMAND]
#        Rscript bench/run.R --against LIBRARY [--alternations 9] [--batch 32] [--only GROUPS] [--short yes]
#          [--through COMMAND]
# The second compares the candela of another library with the present one, without PyTorch (against.R).
# COMMAND starts each measurement, such as "taskset -c 0,1". PyTorch's side needs Debian's python3-torch,
# python3-torchvision, python3-pil and libopenblas0-pthread; without them only candela's figures are printed.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
batch <- count_option("batch", 32)
rounds <- count_option("rounds", 2)
through <- strsplit(option("through", ""), " +")[[1]]
source(file.path(here, "turns.R"))

if (!is.null(option("against", NULL))) {
  source(file.path(here, "against.R"))
  quit(status = as.integer(compare_builds(option("against", NULL))))
}

# ---- running things ----

has_torch <- function(python) {
  file.exists(python) &&
    system2(python, c("-c", shQuote("import torch, torchvision, PIL")), stdout = FALSE, stderr = FALSE) == 0
}
python <- Find(has_torch, option("python", c("/usr/bin/python3", Sys.which("python3"))))
if (is.null(python)) {
  cat("No PyTorch for Python found (python3-torch): only candela is measured.\n")
} else {
  system2(python, c("-c", shQuote("import torch; print('PyTorch', torch.__version__)")))
}

start <- function(...) {
  command <- c(through, ...)
  system2(command[[1]], command[-1], stdout = TRUE)
}
ours <- function(script, ...) start("Rscript", file.path(here, script), ...)
theirs <- function(script, ...) if (!is.null(python)) start(python, file.path(here, script), ...)

# Both sides in turn, `rounds` times; the smallest figures of each.
alternate <- function(script, torch_script, ...) {
  runs <- lapply(seq_len(rounds), function(round) {
    list(own = figures(ours(script, ...)), other = figures(theirs(torch_script, ...)))
  })
  side <- function(name) {
    found <- Filter(length, lapply(runs, `[[`, name))
    if (length(found) > 0) Reduce(pmin, found)
  }
  list(own = side("own"), other = side("other"))
}

value <- function(figures, name) if (name %in% names(figures)) figures[[name]] else NA_real_
ratio <- function(result, name) value(result$other, name) / value(result$own, name)

print_ratios <- function(title, result) {
  cat("\n", title, "\n", sep = "")
  cat(sprintf("%-32s %12s %12s %18s\n", "", "candela", "PyTorch", "PyTorch / candela"))
  for (name in names(result$own)) {
    cat(sprintf(
      "%-32s %12.4g %12.4g %18.2f\n", name, result$own[[name]], value(result$other, name), ratio(result, name)
    ))
  }
}

# ---- the targets ----

summary_lines <- list()
judge <- function(what, measured, at_least = NULL, at_most = NULL, where = "") {
  good <- if (is.null(at_most)) measured >= at_least else measured <= at_most
  verdict <- if (is.na(good)) "not measured" else if (good) "ok" else if (is.null(at_most)) "below" else "above"
  summary_lines[[length(summary_lines) + 1]] <<- sprintf(
    "%-62s %8.3g %8s  %s", what, measured, paste(if (is.null(at_most)) ">=" else "<=", c(at_least, at_most)),
    paste0(verdict, if (!is.na(good) && nzchar(where)) paste0(" (", where, ")"))
  )
}

# ---- the machine ----

peak_program <- tempfile("peak")
if (system2("cc", c(
  "-O2", "-march=native", "-ffp-contract=fast", "-fopenmp", file.path(here, "peak.c"), "-o", peak_program
)) == 0) {
  measure_peak <- function() figures(start(peak_program))
} else {
  cat("peak.c could not be compiled: shares of peak are left out.\n")
  measure_peak <- function() numeric()
}
peak_before <- measure_peak()

# ---- U-Net ----

# GFLOP of the definition for one 224 x 224 image, 2 a multiply-add. The encoder is frozen: forward only.
encoder_gflop <- 2 * 0.279
decoder_gflop <- 2 * 0.914
# A prediction is short: more of them, so that the first ones, which get memory from the system, do not decide.
steps <- c(train = 3, predict = 9)
unet <- function(mode) {
  result <- alternate("unet.R", "torch_unet.py", "--batch", batch, "--mode", mode, "--steps", steps[[mode]])
  print_ratios(sprintf("U-Net, batch %d, 224 x 224, two threads: %s", batch, mode), result)
  result
}
train <- unet("train")
predict <- unet("predict")

# ---- layers ----

layer_options <- c("--batch", batch, "--repeats", 3, "--passes", 3 * rounds, "--turns", "yes")
layers <- take_turns(list(
  own = c("Rscript", file.path(here, "layers.R"), layer_options),
  other = if (!is.null(python)) c(python, file.path(here, "torch_layers.py"), layer_options)
))
layers <- lapply(layers, function(lines) utils::read.csv(text = lines))

# ---- operators bound by memory, in both formats ----

# Of every operator the least seconds of all passes, GB/s of the least bytes it has to move, their share of what a copy
# moves, and PyTorch's time and error divided by candela's.
moved_table <- function(sides) {
  sides <- lapply(sides, function(lines) utils::read.csv(text = lines))
  least <- function(x, column) c(tapply(x[[column]], factor(x$name, unique(x$name)), min))
  own <- sides$own
  table <- data.frame(name = unique(own$name))
  for (pass in c("forward", "both")) {
    seconds <- least(own, paste0(pass, "_s"))
    table[[paste0(pass, "_ms")]] <- 1e3 * seconds
    table[[paste0(pass, "_rate")]] <- 1e-9 * least(own, paste0(pass, "_bytes")) / seconds
    table[[paste0(pass, "_share")]] <- table[[paste0(pass, "_rate")]] / copied
    other <- if (is.null(sides$other)) NA_real_ else least(sides$other, paste0(pass, "_s"))
    table[[paste0(pass, "_ratio")]] <- other / seconds
  }
  for (error in c("error_y", "error_dx")) {
    other <- if (is.null(sides$other)) NA_real_ else least(sides$other, error)
    table[[error]] <- least(own, error) / other
  }
  table
}

print_moved <- function(format, table) {
  cat(sprintf("\nOperators bound by memory, %s; a copy moves %.0f GB/s\n", format, copied))
  heading <- sprintf("%8s %6s %5s %6s", "ms", "GB/s", "copy", "ratio")
  cat(sprintf("%-34s %s | %s | %6s %6s\n", "", heading, heading, "y", "dx"))
  one <- "%8.3f %6.1f %5.2f %6.2f"
  cat(do.call(sprintf, c(list(paste("%-34s", one, "|", one, "| %6.2f %6.2f\n")), unname(table))), sep = "")
}

copied <- value(peak_before, "copy_2")
for (format in c("last", "rows")) {
  format_options <- c("--format", format, "--passes", rounds, "--turns", "yes")
  print_moved(c(last = "channels last", rows = "row by row")[[format]], moved_table(take_turns(list(
    own = c("Rscript", file.path(here, "bandwidth.R"), format_options),
    other = if (!is.null(python)) c(python, file.path(here, "torch_bandwidth.py"), format_options)
  ))))
}

# ---- small work and images ----

small <- alternate("small.R", "torch_small.py")
print_ratios("Small work, one thread (microseconds)", small)

jpeg <- file.path(tempdir(), "bench.jpg")
images <- list()
for (round in seq_len(rounds)) {
  images$own <- c(images$own, list(figures(ours("images.R", "--keep", tempdir()))))
  images$other <- c(images$other, list(figures(theirs("torch_images.py", jpeg))))
}
images <- lapply(images, function(runs) Reduce(pmin, runs))
one_by_one <- value(images$other, "decode_resize_ms")
images$other[c("batch_1_thread_ms_per_image", "batch_2_threads_ms_per_image")] <- one_by_one
print_ratios("Decode, resize, normalise a 500 x 350 JPEG (milliseconds; PyTorch one by one)", images)

# ---- an epoch on photographs ----

cat("\nAn epoch on photographs and its steps alone (seconds)\n")
epoch_lines <- ours("epoch.R", "--batch", batch)
writeLines(epoch_lines)
epoch <- figures(epoch_lines)

# ---- scaling ----

cat("\nScaling of candela's training step\n")
scaling_lines <- ours("scaling.R")
writeLines(scaling_lines)
scaling <- figures(scaling_lines)

# ---- shares of peak and the table of layers ----

peak_after <- measure_peak()
peak <- max(value(peak_before, "peak_2"), value(peak_after, "peak_2"))
cat(sprintf("\nFused multiply-add peak: %.0f GFLOP/s on one thread, %.0f on two\n",
  max(value(peak_before, "peak_1"), value(peak_after, "peak_1")), peak))
share <- function(gflop, seconds) gflop / seconds / peak
train_share <- share(batch * (encoder_gflop + 3 * decoder_gflop), value(train$own, "train_step_s"))
predict_share <- share(batch * (encoder_gflop + decoder_gflop), value(predict$own, "predict_s"))
cat(sprintf("Share of peak: training step %.2f, prediction %.2f\n", train_share, predict_share))

errors <- c("error_y", "error_dx", "error_dw")

# For forward and backward GFLOP/s of either side, PyTorch's time / candela's, candela's share of peak: of every layer
# the median of all passes.
compare_layers <- function(layers) {
  own <- layers$own
  other <- if (is.null(layers$other)) replace(own, c("forward_s", "both_s"), NA) else layers$other
  seconds <- function(side) list(forward = side$forward_s, backward = pmax(side$both_s - side$forward_s, 1e-6))
  own_s <- seconds(own)
  other_s <- seconds(other)
  gflop <- list(forward = 2e-9 * own$multiply_adds, backward = 4e-9 * own$multiply_adds)
  of_layers <- function(figures) c(tapply(figures, factor(own$name, unique(own$name)), stats::median))
  table <- data.frame(name = unique(own$name))
  for (pass in c("forward", "backward")) {
    table[[paste0(pass, "_rate")]] <- of_layers(gflop[[pass]] / own_s[[pass]])
    table[[paste0(pass, "_torch_rate")]] <- of_layers(gflop[[pass]] / other_s[[pass]])
    table[[paste0(pass, "_ratio")]] <- of_layers(other_s[[pass]] / own_s[[pass]])
    table[[paste0(pass, "_share")]] <- of_layers(share(gflop[[pass]], own_s[[pass]]))
  }
  for (error in errors) {
    table[[error]] <- if (is.null(layers$other)) NA_real_ else of_layers(own[[error]] / other[[error]])
  }
  table
}
layer_table <- compare_layers(layers)
cat("\nLayers, batch ", batch, "\n", sep = "")
cat(sprintf("%-22s %-28s | %-28s | %s\n", "", "forward", "backward", "error / PyTorch's error"))
pass_heading <- sprintf("%7s %7s %6s %5s", "candela", "PyTorch", "ratio", "peak")
cat(sprintf("%-22s %s | %s | %6s %6s %6s\n", "", pass_heading, pass_heading, "y", "dx", "dw"))
pass_format <- "%7.1f %7.1f %6.2f %5.2f"
row_format <- paste("%-22s", pass_format, "|", pass_format, "| %6.2f %6.2f %6.2f\n")
cat(do.call(sprintf, c(list(row_format), unname(layer_table))), sep = "")

# ---- the summary ----

# The least favourable figure of the table's columns with these names, and the layer it belongs to.
worst <- function(columns, choose = which.min, among = TRUE) {
  figures <- unlist(layer_table[columns])
  figures[!among] <- NA
  at <- choose(figures)
  if (length(at) == 0) {
    return(list(figure = NA_real_, where = ""))
  }
  layer <- rep(layer_table$name, length(columns))[[at]]
  column <- rep(columns, each = nrow(layer_table))[[at]]
  list(figure = figures[[at]], where = paste0(layer, ", ", sub("_ratio|_share", "", column)))
}
judge_layers <- function(what, found, ...) judge(what, found$figure, ..., where = found$where)
ratios <- c("forward_ratio", "backward_ratio")
slow <- unlist(layer_table[c("forward_torch_rate", "backward_torch_rate")]) < 30
decoder <- rep(seq_len(nrow(layer_table)) <= 11, 2)

if (batch != 32) cat("\nThe targets are those of batch 32.\n")
judge("training step: PyTorch's time / candela's", ratio(train, "train_step_s"), at_least = 4)
judge("training step: share of peak", train_share, at_least = 0.5)
judge("prediction: PyTorch's time / candela's", ratio(predict, "predict_s"), at_least = 4)
judge("prediction: share of peak", predict_share, at_least = 0)
judge_layers("slowest layer: PyTorch's time / candela's", worst(ratios), at_least = 1)
judge_layers("same, decoder, where PyTorch runs under 30 GFLOP/s", worst(ratios, among = slow & decoder), at_least = 4)
judge_layers("same, encoder, where PyTorch runs under 30 GFLOP/s", worst(ratios, among = slow & !decoder), at_least = 4)
judge_layers("least exact layer: error / PyTorch's", worst(errors, which.max), at_most = 2)
judge("peak memory of training / PyTorch's", 1 / ratio(train, "peak_rss_mib"), at_most = 0.65)
judge("add of two 10-vectors, in C (microseconds)", value(small$own, "add_10_in_c_us"), at_most = 5)
judge("add of two 10-vectors, from R (microseconds)", value(small$own, "add_10_us"), at_most = 15)
judge("perceptron step: PyTorch's time / candela's", ratio(small, "perceptron_step_us"), at_least = 1)
judge("JPEG to tensor: PyTorch's time / candela's", ratio(images, "decode_resize_ms"), at_least = 1.3)
judge("same, batch on two threads", ratio(images, "batch_2_threads_ms_per_image"), at_least = 2.4)
judge("epoch / its compute steps", value(epoch, "epoch_ratio"), at_most = 1.08)
judge("exponent of time in batch, 8 to 64", value(scaling, "batch_exponent"), at_most = 1.05)
judge("exponent of time in pixels, 128 to 448 squared", value(scaling, "pixel_exponent"), at_most = 1.05)
judge("exponent of memory in batch, 8 to 64", value(scaling, "memory_exponent"), at_most = 1.05)
judge("2048 x 2048 prediction in one call (seconds)", value(scaling, "predict_2048_s"), at_most = Inf)
judge("training step on two threads / on one", value(scaling, "threads_speedup"), at_least = 1.85)
judge("equal bits on 1, 2 and 4 threads", value(scaling, "threads_equal"), at_least = 1)

cat(sprintf("\n%-62s %8s %8s", "Targets", "measured", "target"), unlist(summary_lines), sep = "\n")
