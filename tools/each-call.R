# Runs tests while each C function of the package, and each operator, is tried once more at its first call:
#
#     Rscript tools/each-call.R memory|torture [pattern of test files]
#
# memory   the first allocation of the call fails, then the second, and so on until none is left, alone and with all
#          that follow: each time there must be an error that says so, or the result, and the call after that must do
#          what it does without. Needs tools/fail-malloc.c preloaded; a build with CPPFLAGS = -DCD_PLAIN_MEMORY shows
#          blocks that are used again within a call, too.
# torture  R collects garbage at every allocation of the call (gctorture2(step = 1))
#
# The tests themselves see whether what was tried did harm. Prints what failed and one line that counts; exit status 1
# for failures. For an installation that is not compiled to byte code, with R_ENABLE_JIT=0: compiled code calls .Call by
# another way.
args <- commandArgs(TRUE)
mode <- match.arg(args[[1]], c("memory", "torture"))
pattern <- if (length(args) >= 2) args[[2]] else "."
suppressPackageStartupMessages(library(candela))
torch_set_num_threads(2)
namespace <- asNamespace("candela")
if (mode == "memory") dyn.load(strsplit(Sys.getenv("LD_PRELOAD"), "[ :]")[[1]][[1]])

# These ask about the frames of their callers, or change what a repetition would start from.
left_out <- c("cdr_init", "cdr_release_since", "cdr_release_dots", "cdr_release_frame", "cdr_release_list", "cdr_mark",
  "cdr_is_marked", "cdr_handles_made", "cdr_other_handles", "cdr_pending_condition", "cdr_batch_begins",
  "cdr_batch_ends", "cdr_memory_control", "cdr_memory", "cdr_backward", "cdr_backward_to", "cdr_record_function")
# These write into what they are given, so that a call that failed in its middle cannot be repeated.
changing <- c("cdr_apply_in_place", "cdr_assign", "cdr_optim_step", "cdr_fill_random", "cdr_become", "cdr_set_data")
if (mode == "torture") left_out <- setdiff(left_out, c("cdr_backward", "cdr_backward_to"))

tried <- new.env()
count <- c(calls = 0, failures = 0, survived = 0)
complaints <- character()
busy <- FALSE

# What tells one call from another: the function, and for operators which.
operators <- unlist(as.list(namespace$ops))
label_of <- function(entry, first) {
  is_operator <- startsWith(entry, "cdr_apply") && is.numeric(first)
  paste(entry, if (is_operator) names(operators)[match(first[[1]], operators)])
}

memory_words <- "alloc|memory|larger than|out of memory"

fail_each <- function(label, call) {
  drawn <- dot_call(namespace$cdr_rng_state)
  odd <- list()
  for (n in c(rbind(seq_len(1000), -seq_len(1000)))) {
    dot_call(namespace$cdr_memory_control, NULL, TRUE, TRUE)
    .C("fail_malloc_at", as.integer(n))
    result <- tryCatch(list(call()), error = function(e) e)
    state <- .C("fail_malloc_count", integer(2))[[1]]
    .C("fail_malloc_at", 0L)
    if (state[[1]] == 0) {
      # What the call itself refuses it may refuse before it misses the memory.
      own <- if (inherits(result, "error")) conditionMessage(result)
      for (e in odd) if (!identical(conditionMessage(e), own)) {
        complaints <<- c(complaints, sprintf("%s: %s", label, conditionMessage(e)))
      }
      if (inherits(result, "error")) stop(result)
      return(result[[1]])
    }
    dot_call(namespace$cdr_set_rng_state, drawn)
    count[["failures"]] <<- count[["failures"]] + 1
    if (!inherits(result, "error")) {
      count[["survived"]] <<- count[["survived"]] + 1
    } else if (!inherits(result, "candela_error") || !grepl(memory_words, conditionMessage(result))) {
      odd <- c(odd, list(result))
    }
  }
  call()
}

tortured <- function(label, call) {
  gctorture2(1)
  on.exit(gctorture2(0))
  call()
}

# R's own .Call is replaced: a namespace's parents cannot be.
dot_call <- base::.Call
entries <- list2env(stats::setNames(nm = as.list(names(getDLLRegisteredRoutines("candela")$.Call))))

hooked <- function(.NAME, ...) {
  entry <- if (is.list(.NAME)) .NAME$name
  if (busy || is.null(entry) || is.null(entries[[entry]]) || entry %in% left_out) return(dot_call(.NAME, ...))
  label <- label_of(entry, if (...length() > 0) ...elt(1))
  if (!is.null(tried[[label]]) || (mode == "memory" && entry %in% changing)) return(dot_call(.NAME, ...))
  tried[[label]] <- TRUE
  count[["calls"]] <<- count[["calls"]] + 1
  busy <<- TRUE
  on.exit(busy <<- FALSE)
  if (...length() > 0) for (i in seq_len(...length())) ...elt(i)
  (if (mode == "memory") fail_each else tortured)(label, function() dot_call(.NAME, ...))
}
unlockBinding(".Call", baseenv())
assign(".Call", hooked, envir = baseenv())

files <- list.files("tests/testthat", "^test-.*\\.R$")
names <- sub("^test-(.*)\\.R$", "\\1", files)
names <- names[grepl(pattern, names)]
results <- as.data.frame(testthat::test_dir("tests/testthat", filter = sprintf("^(%s)$", paste(names, collapse = "|")),
  reporter = "check", stop_on_failure = FALSE, load_package = "installed",
  package = "candela"))
failed <- sum(results$failed) + sum(results$error)
writeLines(complaints)
what <- if (mode == "memory") "an allocation fails, each in turn" else "garbage is collected at every allocation"
cat(sprintf("%s\t%d\t%d\t%d calls of C, one for each function and operator; %s%d tests, %d of them failed\n", what,
  if (mode == "memory") count[["failures"]] else count[["calls"]], length(complaints) + failed, count[["calls"]],
  if (mode == "memory") sprintf("%d done without; ", count[["survived"]]) else "", sum(results$nb), failed))
quit(status = as.integer(length(complaints) + failed > 0))
