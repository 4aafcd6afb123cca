# Writes NAMESPACE and man/ from the roxygen comments: Rscript tools/document.R [namespace]
roclets <- c("collate", "namespace", if (!"namespace" %in% commandArgs(TRUE)) "rd")
suppressMessages(roxygen2::roxygenise(".", roclets = roclets, load_code = roxygen2::load_source))

# Windows has no configure step: src/Makevars.win names the objects and the libraries of Rtools.
sources <- list.files("src", pattern = "[.]c$", recursive = TRUE)
folders <- c("base", "kernels", "tensor", "autograd", "optim", "io", "image", "r", ".")
sources <- sources[order(match(dirname(sources), folders), sources, method = "radix")]
objects <- sub("[.]c$", ".o", sources)
writeLines(c(
  "# Written by tools/document.R: libraries as Rtools has them, and every object file.",
  "PKG_CPPFLAGS = -I.",
  "PKG_CFLAGS = $(SHLIB_OPENMP_CFLAGS) $(C_VISIBILITY)",
  "PKG_LIBS = -lpng -lz -ljpeg $(LAPACK_LIBS) $(BLAS_LIBS) $(FLIBS) $(SHLIB_OPENMP_CFLAGS)",
  "",
  paste(c("OBJECTS =", objects), collapse = " ")
), "src/Makevars.win")
