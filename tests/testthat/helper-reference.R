# PyTorch's numbers: the folder of CANDELA_REFERENCE, or shared/reference beside the project.
reference_dir <- function() {
  set <- Sys.getenv("CANDELA_REFERENCE")
  if (nzchar(set)) {
    return(set)
  }
  above <- vapply(0:5, function(up) paste(c(rep("..", up), "shared", "reference"), collapse = "/"), "")
  found <- above[dir.exists(above)]
  if (length(found) > 0) normalizePath(found[[1]]) else ""
}

reference_path <- function(file) file.path(reference_dir(), file)

skip_without_reference <- function(file = "operators.json") {
  testthat::skip_if_not(
    nzchar(reference_dir()) && file.exists(reference_path(file)),
    "no reference folder: set CANDELA_REFERENCE"
  )
}

# The cases of a set ("operators", "transforms", "optimizers"), of the operators `ops` alone where given. Fields
# that name tensors hold R arrays in the tensors' index order, with attribute "dtype" (read_safetensors()).
reference_cases <- function(set = "operators", ops = NULL) {
  cases <- jsonlite::fromJSON(reference_path(paste0(set, ".json")), simplifyVector = FALSE)
  if (!is.null(ops)) cases <- Filter(function(case) case$op %in% ops, cases)
  lapply(cases, with_tensors, reference_tensors(set))
}

# All tensors of a set by name.
reference_tensors <- function(set) read_safetensors(reference_path(paste0(set, ".safetensors")))

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

# The largest difference is small beside the largest number.
expect_near <- function(actual, expected, tolerance, label) {
  actual <- as.numeric(as.array(actual))
  expected <- as.numeric(expected)
  testthat::expect_length(actual, length(expected))
  error <- max(0, abs(actual - expected)) / max(1e-30, abs(expected))
  testthat::expect_lt(error, tolerance, label = paste(label, "error"))
}
