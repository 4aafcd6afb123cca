# Installs R packages from CRAN into the first library that can be written, the user's own if need be. Quiet, but for
# the end of what a package says that fails.
source("tools/library.R")
library_path <- writable_library()
log <- tempfile()
dir.create(log)
utils::install.packages(commandArgs(TRUE), lib = library_path, repos = cran_mirror(), quiet = TRUE, keep_outputs = log)
missing <- setdiff(commandArgs(TRUE), rownames(installed.packages()))
for (package in missing) {
  output <- file.path(log, paste0(package, ".out"))
  cat("\n", package, " could not be installed:\n", sep = "")
  cat(if (file.exists(output)) utils::tail(readLines(output, warn = FALSE), 15) else "it was not found on CRAN.",
    sep = "\n")
}
if (length(missing) > 0) {
  stop("could not install: ", paste(missing, collapse = ", "), call. = FALSE)
}
