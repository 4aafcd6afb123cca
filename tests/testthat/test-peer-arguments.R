# The arguments and defaults of the packages whose names we have, one function a line. Where one of ours differs, the
# line says why behind a #, by the name of the argument; no other may differ.

lines_of_peers <- readLines(test_path("peer-arguments.txt"))

# The arguments of what a generator of classes makes.
arguments_of <- function(f) {
  class <- attr(f, "module", exact = TRUE) %||% attr(f, "r6_class", exact = TRUE)
  while (!is.null(class) && is.null(class$public_methods$initialize)) class <- class$get_inherit()
  formals(if (is.null(class)) f else class$public_methods$initialize)
}

is_required <- function(default) is.name(default) && !nzchar(as.character(default))

same_default <- function(a, b) {
  if (is_required(a) || is_required(b)) {
    return(is_required(a) && is_required(b))
  }
  identical(a, b) || isTRUE(all.equal(eval(a, asNamespace("candela")), eval(b, asNamespace("candela"))))
}

differing <- function(theirs, ours) {
  names <- union(names(theirs), names(ours))
  same <- function(name) {
    name %in% names(theirs) && name %in% names(ours) &&
      tryCatch(same_default(theirs[[name]], ours[[name]]), error = function(e) FALSE)
  }
  names[!vapply(names, same, NA)]
}

# What a line does not account for.
problems_of <- function(line, namespace) {
  parts <- strsplit(line, " # ", fixed = TRUE)[[1]]
  name <- sub("\\(.*", "", parts[[1]])
  theirs <- formals(eval(str2lang(sub("^[^(]+", "function", paste(parts[[1]], "NULL")))))
  ours <- arguments_of(get(name, namespace))
  told <- if (length(parts) > 1) parts[[2]] else ""
  untold <- Filter(function(argument) !grepl(argument, told, fixed = TRUE), differing(theirs, ours))
  ordered <- identical(intersect(names(ours), names(theirs)), intersect(names(theirs), names(ours)))
  c(sprintf("%s(): `%s` differs", name, untold), if (!ordered) paste0(name, "(): another order"))
}

test_that("functions take the arguments of their peers, in their order, with their defaults", {
  expect_gt(length(lines_of_peers), 460)
  problems <- unlist(lapply(lines_of_peers, problems_of, asNamespace("candela")))
  expect_identical(as.character(problems), character())
})

test_that("a default that differs is found", {
  expect_identical(problems_of("torch_abs(self, other = 2)", asNamespace("candela")), "torch_abs(): `other` differs")
  expect_identical(problems_of("torch_cumsum(self, dim = 1, dtype = NULL)", asNamespace("candela")),
    "torch_cumsum(): `dim` differs")
})
