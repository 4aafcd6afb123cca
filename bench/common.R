# Shared by the benchmark scripts.
option <- function(name, default) {
  args <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), args)
  if (is.na(at)) default else args[[at + 1]]
}

count_option <- function(name, default) as.integer(option(name, default))

now <- function() as.numeric(Sys.time())

# Seconds of each of n calls, after one that warms up. Collections of garbage happen where they fall, as in a user's
# loop, unless `collect` makes them happen outside; a call that is not counted then fills the caches again.
seconds_of <- function(n, f, collect = FALSE) {
  f()
  vapply(seq_len(n), function(i) {
    if (collect) {
      gc(full = FALSE)
      f()
    }
    start <- now()
    f()
    now() - start
  }, 0)
}

# The least of n calls, of more where they are short: so many seconds of them, at most 200.
least_seconds <- function(n, f, seconds = 1) {
  s <- seconds_of(n, f, collect = TRUE)
  more <- min(200, ceiling(seconds / min(s))) - n
  if (more > 0) s <- c(s, seconds_of(more, f, collect = TRUE))
  min(s)
}

peak_rss_mib <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character())
  as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
}
