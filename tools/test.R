# Runs the tests against the installed package; the last line counts them. Exit status 1 if any failed.
Sys.setenv(NOT_CRAN = "true") # here tests may use four threads
library(testthat)
library(candela)
torch_set_num_threads(2)
filter <- commandArgs(TRUE)
results <- test_dir(
  "tests/testthat",
  package = "candela", load_package = "installed", stop_on_failure = FALSE,
  filter = if (length(filter) > 0) filter[[1]], reporter = SummaryReporter$new(max_reports = 200)
)
counts <- as.data.frame(results)
failed <- sum(counts$failed) + sum(counts$error)
skips <- unlist(lapply(results, function(test) {
  lapply(Filter(function(r) inherits(r, "expectation_skip"), test$results), conditionMessage)
}))
for (reason in unique(skips)) cat("skipped:", sum(skips == reason), "x", sub("Reason: ", "", reason), "\n")
slow <- utils::head(counts[order(-counts$real), c("file", "test", "real")], 10)
cat("\nSlowest tests:\n", sprintf("%6.1f s  %s: %s\n", slow$real, slow$file, slow$test), "\n", sep = "")
cat(sprintf("tests: %d passed, %d failed, %d skipped\n", sum(counts$passed), failed, sum(counts$skipped)))
quit(status = as.integer(failed > 0))
