# Files of published data sets: found, or downloaded and checked, and unpacked.

# The file named by a resource c(url, md5) in one of `folders`, downloaded into the first where it is in none. The sum
# of a file that was there is checked too: it may be the rest of an earlier attempt.
fetch_file <- function(resource, folders, what) {
  there <- Filter(file.exists, file.path(folders, basename(resource[[1]])))
  md5 <- if (length(resource) > 1) resource[[2]]
  if (length(there) > 0) {
    if (!is.null(md5)) check_sum_there(there[[1]], md5, what)
    return(there[[1]])
  }
  dir.create(folders[[1]], recursive = TRUE, showWarnings = FALSE)
  path <- file.path(folders[[1]], basename(resource[[1]]))
  tryCatch(download_checked(resource[[1]], path, md5, what, progress = interactive()),
    candela_error_download = function(e) {
      runtime_error(c(conditionMessage(e), i = sprintf(
        "Without a connection, get '%s' on another computer and put it into '%s'.", basename(resource[[1]]),
        utils::tail(folders, 1)
      )))
    })
  path
}

check_sum_there <- function(path, md5, what) {
  got <- unname(tools::md5sum(path))
  if (got != md5) {
    runtime_error(c(
      sprintf("Corrupt file! '%s' is not the one of %s: its md5 sum is %s, not %s.", path, what, got, md5),
      i = "Remove it and try again."
    ))
  }
}

data_not_found <- function(path) {
  runtime_error(c(
    "No data found. Please use `download = TRUE`, which gets the data set where it is not there yet.",
    i = sprintf("Looked for '%s'.", path)
  ))
}

unpack <- function(archive, into) {
  zipped <- identical(readBin(archive, "raw", 2), charToRaw("PK"))
  done <- tryCatch(suppressWarnings(
    if (zipped) length(utils::unzip(archive, exdir = into)) > 0 else utils::untar(archive, exdir = into) == 0
  ), error = function(e) FALSE)
  if (!isTRUE(done)) runtime_error(sprintf("'%s' cannot be unpacked: it is damaged.", archive))
}

# The folder in which data are looked for, and whether they may be downloaded.
data_root <- function(root, download = FALSE) {
  check_string(root, "root")
  check_flag(download, "download")
  path.expand(root)
}

# root/name, made from archives where it is missing: unpacked beside its final place, which appears by renaming.
# `inside`: whether the archive has that folder in it. `prepare(folder)` rearranges what was unpacked.
data_folder <- function(root, name, resources, download, inside = FALSE, prepare = identity) {
  root <- data_root(root, download)
  path <- file.path(root, name)
  if (dir.exists(path)) {
    return(path)
  }
  if (!download) data_not_found(path)
  dir.create(root, recursive = TRUE, showWarnings = FALSE)
  partial <- tempfile(paste0(name, "-partial-"), tmpdir = root)
  dir.create(partial)
  on.exit(unlink(partial, recursive = TRUE), add = TRUE)
  for (resource in resources) {
    file <- fetch_file(resource, c(partial, root), name)
    if (grepl("[.]mat$", file)) {
      if (dirname(file) != partial) file.copy(file, partial)
    } else {
      unpack(file, partial)
      if (dirname(file) == partial) unlink(file)
    }
  }
  ready <- if (inside) file.path(partial, name) else partial
  prepare(ready)
  if (!file.rename(ready, path)) runtime_error(sprintf("'%s' cannot be created.", path))
  path
}
