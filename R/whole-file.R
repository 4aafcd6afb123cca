# Every file this package writes appears at once and whole, or not at all.

# Lets `write` make a file beside path, which takes the place of path only when that succeeded. What is killed in
# between leaves a file that the next writer into that folder removes. Pipes and devices are written to as they are.
write_whole_file <- function(path, write) {
  path <- path.expand(path)
  check_place_for(path)
  if (.Call(cdr_is_special_file, path)) {
    write(path)
    return(invisible(path))
  }
  if (nzchar(Sys.readlink(path))) path <- normalizePath(path, mustWork = FALSE)
  remove_leftovers(dirname(path))
  part <- part_beside(path)
  on.exit(unlink(part))
  tryCatch(write(part), candela_error = function(e) {
    e$message <- gsub(part, path, conditionMessage(e), fixed = TRUE)
    rlang::cnd_signal(e)
  })
  put_in_place(part, path)
}

check_place_for <- function(path) {
  folder <- dirname(path)
  if (!dir.exists(folder)) {
    io_error(sprintf("The file '%s' cannot be written: there is no folder '%s'.", path, folder))
  }
  if (dir.exists(path)) io_error(sprintf("The file '%s' cannot be written: it is a folder.", path))
}

# The last step: what was made beside path becomes path, with the permissions of a file that was there.
put_in_place <- function(part, path) {
  if (file.exists(path)) Sys.chmod(part, file.mode(path), use_umask = FALSE)
  if (!suppressWarnings(file.rename(part, path))) io_error(sprintf("The file '%s' cannot be written.", path))
  invisible(path)
}

io_error <- function(message) raise(message, c("candela_error_io", "runtime_error"))

# The end of the name stays, as it tells the format.
part_beside <- function(path) {
  end <- regmatches(path, regexpr("\\.[[:alnum:]]{1,5}$", path))
  tempfile(sprintf(".saving-%s-%d-", this_host(), Sys.getpid()), dirname(path), if (length(end) > 0) end else "")
}

this_host <- function() gsub("[^[:alnum:].]", "", Sys.info()[["nodename"]])

# Folders that have been looked at by this process.
cleaned <- new.env(parent = emptyenv())

# What processes left that have ended; of other machines what is older than a day. A process looks into a folder once,
# unless it is to look `again`.
remove_leftovers <- function(folder, again = FALSE) {
  key <- normalizePath(folder)
  if (!again && identical(cleaned[[key]], Sys.getpid())) {
    return(invisible(NULL))
  }
  assign(key, Sys.getpid(), envir = cleaned)
  files <- list.files(folder, "^\\.saving-", all.files = TRUE, full.names = TRUE)
  files <- files[!dir.exists(files)]
  if (length(files) > 0) unlink(files[is_left_over(files)])
}

# Also one that has ended, but whose parent has not asked how.
has_ended <- function(pid) {
  status <- sprintf("/proc/%d/stat", pid)
  state <- if (file.exists(status)) sub("^.*\\) ([A-Z]).*$", "\\1", readLines(status, warn = FALSE)[1])
  identical(state, "Z") || !tools::pskill(pid, 0L)
}

is_left_over <- function(files) {
  info <- file.info(files)
  old <- difftime(Sys.time(), info$mtime, units = "hours") > 24
  if (.Platform$OS.type != "unix") {
    return(old %in% TRUE)
  }
  parts <- regmatches(basename(files), regexec("^\\.saving-([[:alnum:].]*)-([0-9]+)-", basename(files)))
  ended <- vapply(parts, function(p) length(p) == 3 && p[[2]] == this_host() && has_ended(as.integer(p[[3]])), NA)
  (old | (ended & info$uname == Sys.info()[["effective_user"]])) %in% TRUE
}
