# Runs the scripts of this folder, each in a process of its own: chapters of a book on deep learning in R, written after
# their topics, with random stand-ins for data. Rscript bench/book/run.R [NAME ...]
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[[1]]))
wanted <- commandArgs(TRUE)
scripts <- setdiff(sub("[.]R$", "", list.files(folder, "[.]R$")), c("run", "pictures"))
if (length(wanted) > 0) scripts <- intersect(scripts, wanted)
setwd(folder)
failed <- 0
for (script in scripts) {
  began <- proc.time()[["elapsed"]]
  code <- sprintf("suppressMessages(library(candela)); torch_set_num_threads(2); source('%s.R', echo = FALSE)", script)
  rscript <- file.path(R.home("bin"), "Rscript")
  said <- suppressWarnings(system2(rscript, c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE))
  wrong <- !is.null(attr(said, "status"))
  failed <- failed + wrong
  cat(sprintf("%-24s %s %5.1f s\n", script, if (wrong) "FAILED" else "ok    ", proc.time()[["elapsed"]] - began))
  if (wrong) cat(utils::tail(said, 15), sep = "\n")
}
cat(sprintf("%d passed, %d failed\n", length(scripts) - failed, failed))
if (failed > 0) quit(status = 1)
