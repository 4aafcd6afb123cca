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

# With --turns yes, every single measurement is announced by the line "ready" and waits for a line of input, so that
# several such programs can take turns (turns.R).
turns <- if (option("turns", "no") == "yes") file("stdin", "r")
await_turn <- function() {
  if (!is.null(turns)) {
    cat("ready\n")
    readLines(turns, 1)
  }
}

# measurements: functions without arguments, by name. Prints "name value" of each, --passes times through all of them.
print_figures <- function(measurements) {
  for (pass in seq_len(count_option("passes", 1))) {
    for (name in names(measurements)) {
      await_turn()
      cat(sprintf("%s %.6g\n", name, measurements[[name]]()))
    }
  }
}
