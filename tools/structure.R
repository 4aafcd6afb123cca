# Structure of the C sources: who includes and calls whom, and how many parameters functions have.
#
# usage: Rscript tools/structure.R OBJECTS        from the root, called by tools/lint.sh
# OBJECTS is a folder with the object file of every src/FOLDER/FILE.c as FOLDER/FILE.o.
#
# A file and its header are one part ("tensor/copy"). A part uses another when it includes its header, or when its
# object file leaves a symbol open that the other defines; `nm` lists both, and does not tell calls from addresses
# kept in tables, so a table of functions uses every file it points into. autograd/table.c is such a table: it uses
# all operators, and so whatever calls cd_op_find() or cd_op_at() uses them all as well. That is for those who find
# operators by name or number; an operator, or what operators are made from, that did so would close a circle.
#
# Said to be wrong: a part that uses a folder it may not; parts that use each other in a circle; an operator that uses
# another operator's file; a function with too many parameters.

# Folder, then the folders it may use.
may_use <- list(
  base = "base",
  kernels = c("kernels", "base"),
  tensor = c("tensor", "kernels", "base"),
  autograd = c("autograd", "tensor", "kernels", "base"),
  optim = c("optim", "tensor", "kernels", "base"),
  io = c("io", "tensor", "base"),
  image = c("image", "tensor", "kernels", "base"),
  r = c("r", "base", "kernels", "tensor", "autograd", "optim", "io", "image")
)

most_parameters <- 8
# Functions that may have more, each with the reason.
many_parameters <- c(
  sgemm_ = "the interface of BLAS", dgemm_ = "the interface of BLAS",
  dgetrs_ = "the interface of LAPACK", dtrtrs_ = "the interface of LAPACK", dorgqr_ = "the interface of LAPACK",
  dsyevd_ = "the interface of LAPACK", dgesdd_ = "the interface of LAPACK",
  "LOOP(gradient_rows)" = "pointers that do not alias, so that the loop becomes vector code"
)

objects <- commandArgs(trailingOnly = TRUE)[[1]]
sources <- list.files("src", "[.][ch]$", recursive = TRUE)
part_of <- function(file) sub("[.][cho]$", "", file)
folder_of <- function(part) dirname(part)
failed <- FALSE
complain <- function(...) {
  cat(..., "\n", sep = "")
  failed <<- TRUE
}

# ---- who uses whom ----

# Rows from, to, by: a part includes a header.
includes <- do.call(rbind, lapply(sources, function(file) {
  lines <- grep('^#include "[a-z_0-9]+/[a-z_0-9]+[.]h"', readLines(file.path("src", file)), value = TRUE)
  header <- sub('^#include "([^"]+)".*', "\\1", lines)
  data.frame(from = rep(part_of(file), length(lines)), to = part_of(header), by = rep("includes", length(lines)))
}))

# Rows from, to, by: a part's object refers to a symbol of another's.
symbols <- function() {
  files <- list.files(objects, "[.]o$", recursive = TRUE)
  lines <- system2("nm", c("-A", "-g", file.path(objects, files)), stdout = TRUE)
  lines <- substring(lines, nchar(objects) + 2)
  file <- sub(":.*", "", lines)
  fields <- strsplit(trimws(sub("^[^:]*:[0-9a-f]*", "", lines)), " +")
  data.frame(part = part_of(file), type = vapply(fields, `[[`, "", 1), name = vapply(fields, `[[`, "", 2))
}
found <- symbols()
defined <- found[!found$type %in% c("U", "w", "v"), ]
open <- found[found$type == "U" & found$name %in% defined$name, ]
calls <- data.frame(from = open$part, to = defined$part[match(open$name, defined$name)], by = open$name)

uses <- rbind(includes, calls)
uses <- unique(uses[uses$from != uses$to, ])

# src/init.c registers the entry points with R and stands above all folders.
of_folders <- uses[folder_of(uses$from) %in% names(may_use), ]
allowed <- mapply(function(from, to) to %in% may_use[[from]], folder_of(of_folders$from), folder_of(of_folders$to))
wrong <- of_folders[!allowed, ]
for (i in seq_len(nrow(wrong))) {
  complain("src/", wrong$from[i], " uses ", wrong$to[i], " (", wrong$by[i], "), of a folder it may not")
}

is_operator <- function(part) startsWith(part, "autograd/op_")
wrong <- uses[is_operator(uses$from) & is_operator(uses$to), ]
for (i in seq_len(nrow(wrong))) {
  complain("src/", wrong$from[i], ": an operator uses another's file, ", wrong$to[i], " (", wrong$by[i], ")")
}

# ---- circles ----

# The parts that can be reached from each part, as a matrix.
reach <- function(parts, uses) {
  reached <- matrix(FALSE, length(parts), length(parts), dimnames = list(parts, parts))
  reached[cbind(match(uses$from, parts), match(uses$to, parts))] <- TRUE
  repeat {
    further <- reached | (reached %*% reached > 0)
    if (identical(further, reached)) {
      return(reached)
    }
    reached <- further
  }
}

arrows_within <- function(circle) {
  inside <- uses[uses$from %in% circle & uses$to %in% circle, ]
  split(inside$by, factor(paste(inside$from, "->", inside$to), unique(paste(inside$from, "->", inside$to))))
}

few <- function(names) {
  more <- length(names) - 4
  paste(c(utils::head(names, 4), if (more > 0) paste(more, "more")), collapse = ", ")
}

parts <- sort(unique(c(uses$from, uses$to)))
reached <- reach(parts, uses)
in_circle <- parts[diag(reached)]
while (length(in_circle) > 0) {
  first <- in_circle[[1]]
  circle <- parts[reached[first, ] & reached[, first]]
  complain("a circle of ", length(circle), " files: ", paste(circle, collapse = ", "))
  arrows <- arrows_within(circle)
  for (arrow in names(arrows)) cat("    ", arrow, ": ", few(arrows[[arrow]]), "\n", sep = "")
  in_circle <- setdiff(in_circle, circle)
}

# ---- parameters ----

# The number of commas outside inner parentheses, plus one.
count_parameters <- function(text) {
  characters <- strsplit(text, "")[[1]]
  depth <- cumsum(characters == "(") - cumsum(characters == ")")
  sum(characters == "," & depth == 0) + 1
}

without_comments <- function(text) gsub("(?s)/\\*.*?\\*/", " ", text, perl = TRUE)

# A declaration or definition at the start of a line; the name may be made by a macro, as in FUNCTION(name).
declaration <- "(?m)^[A-Za-z_][\\w *()]*?\\b(\\w+|\\w+\\(\\w+\\))\\(([^;{}()]*(?:\\([^()]*\\)[^;{}()]*)*)\\)\\s*[{;]"
reported <- character()
for (file in sources) {
  text <- without_comments(paste(readLines(file.path("src", file)), collapse = "\n"))
  at <- gregexpr(declaration, text, perl = TRUE)[[1]]
  if (at[[1]] < 0) next
  start <- attr(at, "capture.start")
  end <- start + attr(at, "capture.length") - 1
  for (i in seq_len(nrow(start))) {
    name <- substring(text, start[i, 1], end[i, 1])
    count <- count_parameters(substring(text, start[i, 2], end[i, 2]))
    if (count > most_parameters && !name %in% c(names(many_parameters), reported)) {
      reported <- c(reported, name)
      complain("src/", file, ": ", name, " has ", count, " parameters, more than ", most_parameters)
    }
  }
}

quit(status = as.integer(failed))
