# Programs that measure one figure at a time, in turn. `through` is what starts each of them.

# "name value ..." lines as a named vector
figures <- function(lines) {
  parts <- strsplit(grep("^[a-z0-9_]+ [0-9.]+", lines, value = TRUE), " +")
  stats::setNames(as.numeric(vapply(parts, `[[`, "", 2)), vapply(parts, `[[`, "", 1))
}

# Programs that wait before every measurement, one measurement of each at a time: what they are compared by lies less
# than a second apart. environments: variables of each program, named vectors by the programs' names. Returns their
# lines of output; an error if one of them fails.
take_turns <- function(commands, environments = list()) {
  programs <- lapply(stats::setNames(nm = names(Filter(length, commands))), function(side) {
    command <- c(through, commands[[side]])
    processx::process$new(
      command[[1]], command[-1], stdin = "|", stdout = "|", stderr = "", env = c("current", environments[[side]])
    )
  })
  output <- lapply(programs, function(program) character())
  # Reads until the program waits for its turn or ends.
  listen <- function(side) {
    lines <- character()
    while (!"ready" %in% lines && programs[[side]]$is_incomplete_output()) {
      programs[[side]]$poll_io(-1)
      lines <- c(lines, programs[[side]]$read_output_lines())
    }
    output[[side]] <<- c(output[[side]], setdiff(lines, "ready"))
    "ready" %in% lines
  }
  waiting <- vapply(names(programs), listen, NA)
  while (any(waiting)) {
    for (side in names(programs)[waiting]) {
      programs[[side]]$write_input("go\n")
      waiting[[side]] <- listen(side)
    }
  }
  for (side in names(programs)) {
    programs[[side]]$wait()
    if (programs[[side]]$get_exit_status() != 0) {
      stop(side, " failed: ", paste(commands[[side]], collapse = " "), call. = FALSE)
    }
  }
  output
}
