# Installs R packages from CRAN into the first library that can be written, the user's own if need be.
source("tools/library.R")
install.packages(commandArgs(TRUE), lib = writable_library(), repos = cran_mirror(), quiet = TRUE)
missing <- setdiff(commandArgs(TRUE), rownames(installed.packages()))
if (length(missing) > 0) {
  stop("could not install: ", paste(missing, collapse = ", "), call. = FALSE)
}
