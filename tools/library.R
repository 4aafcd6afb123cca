# Where packages go: the first library that can be written; else the user's own, which is made.
writable_library <- function() {
  libraries <- .libPaths()
  writable <- libraries[file.access(libraries, 2) == 0]
  if (length(writable) > 0) {
    return(writable[[1]])
  }
  own <- strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]][[1]]
  dir.create(own, recursive = TRUE, showWarnings = FALSE)
  .libPaths(own)
  own
}

cran_mirror <- function() {
  set <- getOption("repos")[["CRAN"]]
  if (is.null(set) || identical(set, "@CRAN@")) "https://cloud.r-project.org" else set
}
