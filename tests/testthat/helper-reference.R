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
