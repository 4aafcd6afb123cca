# Cuts the file of PyTorch's numbers that the tests carry out of the full reference.
#
# usage: Rscript tools/golden.R [REFERENCE] [OUT]
# by default ../shared/reference to tests/testthat/reference.safetensors. Every case of operators, transforms and
# optimisers stays, and all schedules. Of a result with many elements a sample stays, at the places of sample_places(),
# with the sum and the sum of absolute values of all elements. Inputs stay whole, but for convolutions with large ones:
# of several images the first stays, without the gradients that sum over images; of a single one the first output
# channels stay, without the gradient of the input. The cases themselves are JSON in the file's metadata ("operators",
# "transforms", "optimizers", "schedules"), in the form of the reference; "samples" tells of each sampled tensor its
# shape and sums. Tensors are named SET/NAME. Checkpoints are copied beside it.
source("tests/testthat/helper-safetensors.R")
source("tests/testthat/helper-reference.R")
arguments <- commandArgs(trailingOnly = TRUE)
reference <- if (length(arguments) > 0) arguments[[1]] else "../shared/reference"
out <- if (length(arguments) > 1) arguments[[2]] else "tests/testthat/reference.safetensors"
most_kept <- 96
large_inputs <- 20000 # bytes
channels_kept <- 8
largest_file <- 500000

json <- function(x) as.character(jsonlite::toJSON(x, auto_unbox = TRUE, digits = NA, null = "null"))
read_json <- function(set) jsonlite::fromJSON(file.path(reference, paste0(set, ".json")), simplifyVector = FALSE)

# The elements in the order of the file, last index fastest.
in_file_order <- function(x) if (is.null(dim(x))) as.vector(x) else as.vector(aperm(x, rev(seq_along(dim(x)))))

bytes_of <- function(values, dtype) {
  switch(dtype,
    F32 = writeBin(as.numeric(values), raw(), size = 4, endian = "little"),
    I64 = writeBin(as.vector(rbind(as.integer(values), ifelse(values < 0, -1L, 0L))), raw(), endian = "little")
  )
}

entries <- list()
samples <- list()
add <- function(name, x, whole) {
  values <- in_file_order(x)
  dtype <- attr(x, "dtype")
  shape <- attr(x, "shape")
  if (!whole && length(values) > most_kept) {
    samples[[name]] <<- list(shape = as.list(shape), sum = sum(values), absolute = sum(abs(values)))
    values <- values[sample_places(length(values), most_kept)]
    shape <- most_kept
  }
  entries[[name]] <<- list(dtype = dtype, shape = shape, bytes = bytes_of(values, dtype))
}

inputs_of <- function(case) unlist(case[c("inputs", "input", "grad_output", "running_before")])
results_of <- function(case) unlist(case[c("output", "grads", "running_after", "w")])

# A part of a tensor that the file holds as `x`: the first `n` along dimension `d`.
first_along <- function(x, d, n) {
  if (length(attr(x, "shape")) == 1) {
    part <- x[seq_len(n)]
  } else {
    part <- if (d == 1) x[seq_len(n), , , , drop = FALSE] else x[, seq_len(n), , , drop = FALSE]
  }
  structure(part, dtype = attr(x, "dtype"), shape = if (is.null(dim(part))) length(part) else dim(part))
}

# list(case, tensors) with less of a convolution whose inputs are large, else both as they are.
reduce_case <- function(case, tensors) {
  bytes <- 4 * sum(lengths(tensors[unlist(inputs_of(case))]))
  if (!startsWith(case$op, "conv") || bytes <= large_inputs) {
    return(list(case = case, tensors = tensors))
  }
  cut <- function(names, d, n) for (name in names) tensors[[name]] <<- first_along(tensors[[name]], d, n)
  if (dim(tensors[[case$inputs$input]])[[1]] > 1) {
    case$grads <- case$grads["input"]
    cut(c(case$inputs$input, case$output, case$grad_output, case$grads$input), 1, 1)
  } else {
    stopifnot(case$op == "conv2d", case$args$groups == 1)
    case$grads$input <- NULL
    cut(c(case$output, case$grad_output), 2, channels_kept)
    cut(unlist(c(case$inputs[c("weight", "bias")], case$grads)), 1, channels_kept)
  }
  list(case = case, tensors = tensors)
}

sets <- list(schedules = json(read_json("schedules")))
for (set in c("operators", "transforms", "optimizers")) {
  cases <- read_json(set)
  tensors <- read_safetensors(file.path(reference, paste0(set, ".safetensors")))
  for (i in seq_along(cases)) {
    reduced <- if (set == "operators") reduce_case(cases[[i]], tensors) else list(case = cases[[i]], tensors = tensors)
    left_out <- setdiff(unlist(cases[[i]]$grads), unlist(reduced$case$grads))
    cases[[i]] <- reduced$case
    tensors <- reduced$tensors[setdiff(names(reduced$tensors), left_out)]
  }
  inputs <- unlist(lapply(cases, inputs_of))
  results <- setdiff(unlist(lapply(cases, results_of)), inputs)
  rest <- setdiff(names(tensors), results) # named by an argument, or by nothing: an input all the same
  for (name in names(tensors)) add(paste(set, name, sep = "/"), tensors[[name]], whole = name %in% c(inputs, rest))
  sets[[set]] <- json(cases)
}
sets$samples <- json(samples)

sizes <- vapply(entries, function(entry) length(entry$bytes), 0)
ends <- cumsum(sizes)
header <- Map(function(entry, start, end) {
  list(dtype = entry$dtype, shape = as.list(entry$shape), data_offsets = list(start, end))
}, entries, ends - sizes, ends)
text <- charToRaw(json(c(list(`__metadata__` = sets), header)))
text <- c(text, rep(charToRaw(" "), (-length(text)) %% 8))
content <- c(writeBin(c(length(text), 0L), raw(), endian = "little"), text, unlist(lapply(entries, `[[`, "bytes")))
writeBin(content, out)

checkpoints <- file.path(dirname(out), "checkpoints")
dir.create(checkpoints, showWarnings = FALSE)
files <- c("weights_zip.pth", "weights_legacy.pth", "checkpoint_zip.pth", "weights_expected.safetensors")
stopifnot(file.copy(file.path(reference, files), checkpoints, overwrite = TRUE))

cat(sprintf("%s: %d tensors, %d of them sampled, %.0f bytes (inputs %.0f, cases %d)\n", out, length(entries),
  length(samples), file.size(out), sum(sizes), length(text)))
if (file.size(out) > largest_file) stop("larger than ", largest_file, " bytes", call. = FALSE)
