# Runs every benchmark, candela and PyTorch one after the other, twice in turn, and prints tables of ratios.
#
# usage: Rscript bench/run.R [--batch 32] [--rounds 2]
# PyTorch's side needs Debian's python3-torch, python3-torchvision, python3-pil and libopenblas0-pthread; without them
# only candela's figures are printed.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
batch <- option("batch", "32")
rounds <- as.integer(option("rounds", 2))

python <- Filter(function(p) {
  nzchar(p) && system2(p, c("-c", shQuote("import torch, torchvision, PIL")), stdout = FALSE, stderr = FALSE) == 0
}, c("/usr/bin/python3", Sys.which("python3")))
python <- if (length(python) > 0) python[[1]]
if (is.null(python)) cat("No PyTorch for Python found: only candela is measured.\n")

ours <- function(script, ...) system2("Rscript", c(file.path(here, script), ...), stdout = TRUE)
theirs <- function(script, ...) {
  if (!is.null(python)) system2(python, c(file.path(here, script), ...), stdout = TRUE)
}

# "name value ..." lines as a named vector
figures <- function(lines) {
  parts <- strsplit(grep("^[a-z0-9_]+ [0-9.]+", lines, value = TRUE), " +")
  stats::setNames(as.numeric(vapply(parts, `[[`, "", 2)), vapply(parts, `[[`, "", 1))
}

best <- function(runs) {
  runs <- Filter(length, runs)
  if (length(runs) == 0) NULL else do.call(pmin, runs)
}

alternate <- function(script, torch_script, ...) {
  own <- list()
  other <- list()
  for (k in seq_len(rounds)) {
    own[[k]] <- figures(ours(script, ...))
    other[[k]] <- figures(theirs(torch_script, ...))
  }
  list(own = best(own), other = best(other))
}

print_ratios <- function(title, result) {
  cat("\n", title, "\n", sep = "")
  cat(sprintf("%-32s %12s %12s %18s\n", "", "candela", "PyTorch", "PyTorch / candela"))
  for (name in names(result$own)) {
    other <- if (name %in% names(result$other)) result$other[[name]] else NA
    cat(sprintf("%-32s %12.4g %12.4g %18.2f\n", name, result$own[[name]], other, other / result$own[[name]]))
  }
}

for (mode in c("train", "predict")) {
  print_ratios(
    sprintf("U-Net, batch %s, 224 x 224, two threads: %s", batch, mode),
    alternate("unet.R", "torch_unet.py", "--batch", batch, "--mode", mode)
  )
}

layer_table <- function(lines) if (length(lines) > 1) utils::read.csv(text = lines)
own <- layer_table(ours("layers.R", "--batch", batch))
other <- layer_table(theirs("torch_layers.py", "--batch", batch))
cat("\nLayers, batch ", batch, ": GFLOP/s, PyTorch's time / candela's, error against float64 / PyTorch's error\n",
  sep = "")
cat(sprintf(
  "%-24s %9s %9s %9s %9s %10s %10s\n", "", "forward", "backward", "f ratio", "b ratio", "error y", "error dw"
))
for (i in seq_len(nrow(own))) {
  f <- own$forward_s[[i]]
  b <- own$backward_s[[i]]
  ratio <- function(column) if (is.null(other)) NA else other[[column]][[i]] / own[[column]][[i]]
  cat(sprintf(
    "%-24s %9.1f %9.1f %9.2f %9.2f %10.2f %10.2f\n", own$name[[i]], 2e-9 * own$multiply_adds[[i]] / f,
    4e-9 * own$multiply_adds[[i]] / b, ratio("forward_s"), ratio("backward_s"), 1 / ratio("error_y"),
    1 / ratio("error_dw")
  ))
}

print_ratios("Small work, one thread (microseconds)", alternate("small.R", "torch_small.py"))

jpeg <- file.path(tempdir(), "bench.jpg")
own <- figures(ours("images.R", "--keep", tempdir()))
other <- figures(theirs("torch_images.py", jpeg))
print_ratios("Decode, resize, normalise a 500 x 350 JPEG (milliseconds)", list(own = own, other = other))
if (length(other) > 0) {
  cat(sprintf(
    "%-32s %44.2f\n", "per image of a batch, 2 threads",
      other[["decode_resize_ms"]] / own[["batch_2_threads_ms_per_image"]]
  ))
}

cat("\nScaling of candela\n")
writeLines(ours("scaling.R"))
