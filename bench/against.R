# Two installed candelas beside each other: bench/run.R --against LIBRARY.
#
# Three programs take turns at every measurement: the other library's candela ("old"), the present one ("new"), and
# the other one once more ("again"), which tells what the machine does to equal programs.

groups <- function(batch, alternations, short) {
  turns <- c("--turns", "yes", "--passes", alternations)
  steps <- function(n) c("--steps", if (short) 1 else n)
  all <- list(
    small = c("small.R", turns),
    images = c("images.R", turns),
    predict = c("unet.R", "--mode", "predict", "--batch", batch, steps(3), turns),
    train = c("unet.R", "--mode", "train", "--batch", batch, steps(2), turns),
    layers = c("layers.R", "--batch", batch, "--repeats", 3, if (short) c("--short", "yes"), turns),
    epoch = if (!short) c("epoch.R", "--batch", batch, "--batches", 3, turns)
  )
  chosen <- option("only", NULL)
  if (is.null(chosen)) Filter(length, all) else all[strsplit(chosen, ",")[[1]]]
}

# The figures of a program's output as a list of vectors by name, in the order they were measured.
series <- function(lines) {
  table <- grepl("^[0-9]+,|^pass,", lines)
  found <- figures(lines[!table])
  found <- split(unname(found), factor(names(found), unique(names(found))))
  if (!any(table)) {
    return(found)
  }
  layers <- utils::read.csv(text = lines[table])
  by_name <- factor(layers$name, unique(layers$name))
  forward <- split(layers$forward_s, by_name)
  backward <- split(pmax(layers$both_s - layers$forward_s, 1e-6), by_name)
  names(forward) <- paste0(names(forward), ", forward")
  names(backward) <- paste0(names(backward), ", backward")
  c(found, forward, backward)
}

# The row of one figure. ratio: median of new / old over the alternations. spread: the median distance of again /
# old from 1, what one alternation of equal builds typically shows.
compare_figure <- function(name, old, new, again) {
  ratio <- stats::median(new / old)
  spread <- stats::median(abs(again / old - 1))
  data.frame(
    name = name, old = stats::median(old), new = stats::median(new), ratio = ratio, spread = spread,
    outside = abs(ratio - 1) > max(0.03, spread), slower = ratio > 1
  )
}

compare_group <- function(arguments, libraries) {
  commands <- lapply(libraries, function(library) c("Rscript", file.path(here, arguments[[1]]), arguments[-1]))
  environments <- lapply(libraries, function(library) c(R_LIBS = library, GOMP_SPINCOUNT = "1000"))
  sides <- lapply(take_turns(commands, environments), series)
  names <- intersect(names(sides$old), names(sides$new))
  do.call(rbind, lapply(names, function(name) {
    compare_figure(name, sides$old[[name]], sides$new[[name]], sides$again[[name]])
  }))
}

# Prints a line a figure as they are measured; TRUE if one is slower, or needs more memory, than it may.
compare_builds <- function(library) {
  short <- option("short", "no") == "yes"
  alternations <- count_option("alternations", 9)
  old <- normalizePath(library)
  if (!dir.exists(file.path(old, "candela"))) stop("no candela in ", old, call. = FALSE)
  new <- dirname(find.package("candela"))
  libraries <- list(old = old, new = new, again = old)
  cat(sprintf("old: %s\nnew: %s\n%d alternations\n\n", old, new, alternations))
  cat(sprintf("%-38s %12s %12s %9s %8s\n", "", "old", "new", "new / old", "spread"))
  rows <- lapply(groups(if (short) 8 else batch, alternations, short), function(arguments) {
    rows <- compare_group(arguments, libraries)
    verdict <- ifelse(!rows$outside, "", ifelse(rows$slower, "  MORE", "  less"))
    cat(sprintf("%-38s %12.5g %12.5g %9.3f %7.1f%%%s\n",
      rows$name, rows$old, rows$new, rows$ratio, 100 * rows$spread, verdict), sep = "")
    rows
  })
  rows <- do.call(rbind, rows)
  cat(sprintf("\n%d lines; beyond 3 %% and the spread: %d cost more, %d less\n", nrow(rows),
    sum(rows$outside & rows$slower), sum(rows$outside & !rows$slower)))
  any(rows$outside & rows$slower)
}
