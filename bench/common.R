# Shared by the benchmark scripts.
option <- function(name, default) {
  args <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), args)
  if (is.na(at)) default else args[[at + 1]]
}

now <- function() as.numeric(Sys.time())

# Seconds of each of n calls, after one that warms up; collections of garbage happen outside.
seconds_of <- function(n, f) {
  f()
  vapply(seq_len(n), function(i) {
    gc(full = FALSE)
    start <- now()
    f()
    now() - start
  }, 0)
}

least_seconds <- function(n, f) min(seconds_of(n, f))

peak_rss_mib <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character())
  as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
}
