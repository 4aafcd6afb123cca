# Writes NAMESPACE and man/ from the roxygen comments: Rscript tools/document.R [namespace]
roclets <- if ("namespace" %in% commandArgs(TRUE)) "namespace" else c("namespace", "rd")
suppressMessages(roxygen2::roxygenise(".", roclets = roclets, load_code = roxygen2::load_source))
