# PyTorch's numbers. The tests carry a part of them in reference.safetensors and checkpoints/ (tools/golden.R made it);
# all of them are in the folder that CANDELA_REFERENCE names, or in shared/reference beside the project.

# The folder of the full set, or "".
reference_dir <- function() {
  set <- Sys.getenv("CANDELA_REFERENCE")
  if (nzchar(set)) {
    if (!dir.exists(set)) stop("CANDELA_REFERENCE names no folder: ", set, call. = FALSE)
    return(set)
  }
  above <- vapply(0:5, function(up) paste(c(rep("..", up), "shared", "reference"), collapse = "/"), "")
  found <- above[dir.exists(above)]
  if (length(found) > 0) normalizePath(found[[1]]) else ""
}

reference_path <- function(file) file.path(reference_dir(), file)

# For the networks' weights and results, which are too large to carry.
skip_without_reference <- function(file) {
  testthat::skip_if_not(
    nzchar(reference_dir()) && file.exists(reference_path(file)),
    "no reference folder: set CANDELA_REFERENCE"
  )
}

# A file that PyTorch wrote, of checkpoints/.
checkpoint_path <- function(file) file.path("checkpoints", file)

# Where the carried numbers are, from a test or from the project's root.
carried_reference <- function() {
  places <- file.path(c(".", "tests/testthat"), "reference.safetensors")
  places[file.exists(places)][[1]]
}

# A set's JSON as a list: "operators", "transforms", "optimizers", "schedules".
reference_json <- function(set) {
  full <- reference_path(paste0(set, ".json"))
  carried <- function() safetensors_header(carried_reference())$`__metadata__`[[set]]
  text <- if (nzchar(reference_dir())) readLines(full, warn = FALSE) else carried()
  jsonlite::fromJSON(paste(text, collapse = "\n"), simplifyVector = FALSE)
}

# All tensors of a set by name; those of which a sample is carried as list(sample, shape, sum, absolute).
reference_tensors <- function(set) {
  if (nzchar(reference_dir())) {
    return(read_safetensors(reference_path(paste0(set, ".safetensors"))))
  }
  path <- carried_reference()
  header <- safetensors_header(path)
  samples <- jsonlite::fromJSON(header$`__metadata__`$samples, simplifyVector = FALSE)
  names <- grep(paste0("^", set, "/"), names(header), value = TRUE)
  join <- function(x, sample) if (is.null(sample)) x else c(list(sample = x), sample)
  tensors <- Map(join, read_safetensors(path, names), samples[names])
  stats::setNames(tensors, sub("^[^/]*/", "", names))
}

# The cases of a set, of the operators `ops` alone where given. Fields that name tensors hold R arrays in the tensors'
# index order, with attribute "dtype" (read_safetensors()), or samples.
reference_cases <- function(set = "operators", ops = NULL) {
  cases <- reference_json(set)
  if (!is.null(ops)) cases <- Filter(function(case) case$op %in% ops, cases)
  lapply(cases, with_tensors, reference_tensors(set))
}

with_tensors <- function(case, tensors) {
  fields <- c("inputs", "input", "output", "grads", "grad_output", "running_before", "running_after", "w")
  for (field in intersect(fields, names(case))) {
    names <- case[[field]]
    case[[field]] <- if (is.list(names)) lapply(names, function(name) tensors[[name]]) else tensors[[names]]
  }
  # Some losses name their target among the arguments, some not at all.
  target <- c(case$args$target, paste0(case$id, ".target"))[[1]]
  if (!is.null(case$inputs) && is.null(case$inputs$target)) case$inputs$target <- tensors[[target]]
  case$args$target <- NULL
  case
}

# float32, or int64 where the file says so, unless told otherwise; without dimensions where the array is one number.
as_reference_tensor <- function(x, float = torch_float()) {
  scalar <- length(attr(x, "shape")) == 0
  dtype <- if (attr(x, "dtype") == "I64") torch_long() else float
  tensor <- torch_tensor(array(x, if (is.null(dim(x))) length(x) else dim(x)), dtype = dtype)
  if (scalar) tensor$reshape(integer()) else tensor
}

# `count` different places among `size`, spread evenly: multiples of a step coprime to size, near its golden section.
sample_places <- function(size, count) {
  divisor <- function(a, b) if (b == 0) a else divisor(b, a %% b)
  step <- round(0.618 * size)
  while (divisor(size, step) > 1) step <- step + 1
  1 + (seq_len(count) * step) %% size
}

# The shape is the same, and the largest difference is small beside the largest number. Of a sample: at its places; and
# the sums of all elements, and of their absolute values, differ by little beside the sum of absolute values.
expect_near <- function(actual, expected, tolerance, label) {
  shape <- as.integer(dim(actual))
  actual <- as_array(actual)
  actual <- as.numeric(if (length(dim(actual)) > 1) aperm(actual, rev(seq_along(dim(actual)))) else actual)
  if (is.list(expected)) {
    testthat::expect_equal(shape, as.integer(unlist(expected$shape)), label = paste(label, "shape"))
    off <- abs(c(sum(actual) - expected$sum, sum(abs(actual)) - expected$absolute)) / max(1e-30, expected$absolute)
    testthat::expect_lt(max(off), tolerance, label = paste(label, "error of the sums"))
    actual <- actual[sample_places(length(actual), length(expected$sample))]
    expected <- expected$sample
  } else {
    testthat::expect_equal(shape, as.integer(attr(expected, "shape")), label = paste(label, "shape"))
    expected <- if (length(dim(expected)) > 1) aperm(expected, rev(seq_along(dim(expected)))) else expected
  }
  error <- max(0, abs(actual - as.numeric(expected))) / max(1e-30, abs(expected))
  testthat::expect_lt(error, tolerance, label = paste(label, "error"))
}
