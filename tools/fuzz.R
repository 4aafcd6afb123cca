# Fuzzes every reader of files: seeds made here, mutated with a fixed seed, each read in a child process whose data
# and heap are limited; a child that dies names the file that killed it.
#
# usage: Rscript tools/fuzz.R [--seconds N] [--out FILE] [--readers "PNG,JPEG"]   (N seconds for each; default 3)
#
# Prints one line for each reader: executions, how many were read, refused, warned, how many crashed or took too long.
# Exit status 1 if any did. Files that failed are kept in the folder that is named.
argument <- function(name, default) {
  args <- commandArgs(TRUE)
  at <- match(paste0("--", name), args)
  if (is.na(at)) default else args[[at + 1]]
}
seconds <- as.numeric(argument("seconds", 3))
out <- argument("out", "")

# ---- in the child ----

# Reads the mutants of one seed file until the time is over, and writes down what it is about to read.

if (nzchar(argument("child", ""))) {
  suppressPackageStartupMessages(library(candela))
  torch_set_num_threads(1)
  reader <- argument("child", "")
  folder <- argument("folder", "")
  first <- as.integer(argument("first", 1))
  looked_at <- function(x) if (inherits(x, "torch_tensor")) as_array(x$sum()) else if (is.list(x)) lapply(x, looked_at)
  readers <- list(
    PNG = image_read, JPEG = image_read, TIFF = function(path) {
      for (page in seq_len(min(image_info(path)$pages, 3))) image_read(path, page = page)
    },
    labels = image_labels, safetensors = function(path) looked_at(load_safetensors(path)),
    `zip .pth` = function(path) looked_at(load_state_dict(path)),
    `stream .pth` = function(path) looked_at(load_state_dict(path)),
    torch_load = function(path) looked_at(torch_load(path)),
    polygons = function(path) {
      found <- candela:::labelme_pairs(path, "a.png")
      for (mask in Filter(length, found$masks)) candela:::draw_mask(mask[[1]], c(64, 64), "a", "a.png")
    },
    runs = function(path) candela:::which_in_runs(candela:::coco_runs(readChar(path, 1e5, useBytes = TRUE)), c(64, 64))
  )
  read <- readers[[reader]]
  seeds <- list.files(file.path(folder, "seeds"), full.names = TRUE)
  seeds <- lapply(seeds, function(f) readBin(f, "raw", 1e6))
  mutant <- file.path(folder, "mutant.bin")
  counts <- c(read = 0, refused = 0, other = 0, slow = 0)
  large <- as.raw(c(0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0x80, 1, 2, 0xfe))
  i <- first - 1L
  # What is loaded once is not counted.
  writeBin(as.raw(0:9), mutant)
  for (k in 1:2) try(suppressWarnings(read(mutant)), silent = TRUE)
  stop_at <- Sys.time() + as.numeric(argument("seconds", 3))
  while (Sys.time() < stop_at) {
    i <- i + 1L
    set.seed(i)
    bytes <- seeds[[1 + i %% length(seeds)]]
    for (k in seq_len(sample(1:6, 1))) {
      n <- length(bytes)
      at <- sample.int(n, 1)
      bytes <- switch(sample.int(6, 1),
        replace(bytes, at, xor(bytes[[at]], as.raw(bitwShiftL(1L, sample(0:7, 1))))),
        replace(bytes, at, as.raw(sample(0:255, 1))),
        replace(bytes, seq(at, min(n, at + 3)), sample(large, min(n, at + 3) - at + 1, TRUE)),
        if (n > 8) utils::head(bytes, at) else bytes,
        append(bytes, bytes[seq(at, min(n, at + sample.int(64, 1)))], sample.int(n, 1)),
        if (n > 8) bytes[-seq(at, min(n, at + sample.int(8, 1)))] else bytes
      )
      if (length(bytes) == 0) bytes <- as.raw(0)
    }
    writeBin(bytes, mutant)
    writeLines(as.character(i), file.path(folder, "at"))
    before <- proc.time()[["elapsed"]]
    how <- tryCatch({
      suppressWarnings(suppressMessages(read(mutant)))
      "read"
    }, candela_error = function(e) "refused", error = function(e) "other")
    took <- proc.time()[["elapsed"]] - before
    counts[[how]] <- counts[[how]] + 1
    if (how == "other" || took > 10) file.copy(mutant, file.path(folder, sprintf("%s-%d.bin", how, i)))
    if (took > 10) counts[["slow"]] <- counts[["slow"]] + 1
  }
  status <- readLines("/proc/self/status")
  peak <- as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
  writeLines(c(names(counts), "peak", counts, round(peak)), file.path(folder, "counts"))
  quit(status = 0)
}

# ---- seeds ----

suppressPackageStartupMessages(library(candela))
set.seed(1)
torch_manual_seed(1)

source("tools/sample-files.R")

# ---- the children, one after the other, each going on behind what killed the one before ----

script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
limit <- 4 * 1024^2 # kB of addresses: the pool of tensors reserves many; what is resident is counted as well

fuzz <- function(reader) {
  folder <- tempfile(gsub("[^a-z_A-Z]", "", reader))
  dir.create(file.path(folder, "seeds"), recursive = TRUE)
  seed_files(reader, file.path(folder, "seeds"))
  total <- c(read = 0, refused = 0, other = 0, slow = 0, peak = 0, crashed = 0, executions = 0)
  left <- seconds
  first <- 1L
  while (left > 0.5 && total[["crashed"]] < 20) {
    start <- proc.time()[["elapsed"]]
    arguments <- c("--vanilla", script, "--child", shQuote(reader), "--folder", shQuote(folder), "--first", first,
      "--seconds", left)
    command <- paste("ulimit -v", format(limit, scientific = FALSE), "-c 0;", "timeout", ceiling(left + 60),
      shQuote(file.path(R.home("bin"), "Rscript")), paste(arguments, collapse = " "))
    system2("bash", c("-c", shQuote(command)), stdout = FALSE, stderr = file.path(folder, "errors"))
    last <- as.integer(readLines(file.path(folder, "at"), warn = FALSE))
    counted <- file.path(folder, "counts")
    if (file.exists(counted)) {
      lines <- readLines(counted)
      values <- stats::setNames(as.numeric(lines[6:10]), lines[1:5])
      total[1:4] <- total[1:4] + values[1:4]
      total[["peak"]] <- max(total[["peak"]], values[["peak"]])
      unlink(counted)
      left <- 0
    } else {
      total[["crashed"]] <- total[["crashed"]] + 1
      file.copy(file.path(folder, "mutant.bin"), file.path(folder, sprintf("crash-%d.bin", last)))
    }
    total[["executions"]] <- last
    first <- last + 1L
    left <- left - (proc.time()[["elapsed"]] - start)
  }
  if (total[["crashed"]] + total[["slow"]] + total[["other"]] > 0) cat("kept in", folder, "\n")
  total
}

readers <- strsplit(argument("readers", paste(file_readers, collapse = ",")), ",", fixed = TRUE)[[1]]
failed <- 0
for (reader in readers) {
  n <- fuzz(reader)
  bad <- n[["crashed"]] + n[["slow"]] + (n[["peak"]] > 512)
  failed <- failed + bad
  line <- sprintf("fuzzing: %s\t%.0f\t%.0f\t(read %.0f, refused %.0f, other errors %.0f, peak %.0f MB)", reader,
    n[["executions"]], bad, n[["read"]], n[["refused"]], n[["other"]], n[["peak"]])
  cat(line, "\n", sep = "")
  if (nzchar(out)) cat(line, "\n", sep = "", file = out, append = TRUE)
}
quit(status = as.integer(failed > 0))
