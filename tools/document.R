# Writes NAMESPACE and man/ from the roxygen comments: Rscript tools/document.R [namespace]
roclets <- c("collate", "namespace", if (!"namespace" %in% commandArgs(TRUE)) "rd")
suppressMessages(roxygen2::roxygenise(".", roclets = roclets, load_code = roxygen2::load_source))
