#' @include class-generator.R
NULL

# The progress bar: "12/115 [==>-----] - ETA: 3s - Loss: 0.6782", rewritten in place on the standard error stream.

shows_progress_bar <- function() {
  isTRUE(getOption("luz.force_progress_bar")) || (interactive() && cli::is_dynamic_tty(stderr()))
}

LuzProgressBar <- slim_class(R6::R6Class(
  classname = "luz_progress_bar",
  public = list(
    initialize = function(total) {
      private$total <- total
      private$start <- private$shown <- proc.time()[["elapsed"]]
      private$forced <- isTRUE(getOption("luz.force_progress_bar"))
    },
    # `metrics` is called only when the bar is drawn.
    tick = function(metrics) {
      private$current <- private$current + 1
      now <- proc.time()[["elapsed"]]
      last <- identical(private$current, as.numeric(private$total))
      if (private$forced || now - private$shown > 0.2 || (last && private$width > 0)) {
        private$shown <- now
        private$draw(private$line(now - private$start, metrics()))
      }
    },
    clear = function() {
      if (private$width > 0) {
        message(paste0("\r", strrep(" ", private$width), "\r"), appendLF = FALSE)
      }
      private$width <- 0
    }
  ),
  private = list(
    total = NULL, current = 0, start = NULL, shown = NULL, forced = FALSE, width = 0,
    line = function(elapsed, metrics) {
      tail <- if (length(metrics) > 0) paste0(" - ", names(metrics), ": ", metrics, " ", collapse = "") else ""
      if (is.na(private$total)) {
        spinner <- c("-", "\\", "|", "/")[private$current %% 4 + 1]
        rate <- private$current / max(elapsed, 1e-3)
        return(sprintf("%d/unk [%s] - Rate: %.3g iter/s%s", private$current, spinner, rate, tail))
      }
      if (getOption("luz.show_progress_bar_eta", TRUE)) {
        left <- elapsed / private$current * (private$total - private$current)
        tail <- paste0(" - ETA: ", pretty_seconds(left), tail)
      }
      head <- sprintf("%d/%d ", private$current, private$total)
      room <- getOption("width") - 4 - nchar(head) - nchar(tail)
      paste0(head, progress_bar_text(private$current / private$total, room), tail)
    },
    draw = function(line) {
      padding <- strrep(" ", max(0, private$width - nchar(line)))
      message(paste0("\r", line, padding), appendLF = FALSE)
      private$width <- nchar(line)
    }
  )
))

progress_bar_text <- function(share, width) {
  width <- max(width, 5)
  done <- round(width * share)
  head <- if (share >= 1) strrep("=", width) else paste0(strrep("=", max(done - 1, 0)), ">")
  paste0("[", head, strrep("-", max(width - nchar(head), 0)), "]")
}

pretty_seconds <- function(seconds) {
  if (is.na(seconds)) {
    "unknown"
  } else if (seconds < 1) {
    sprintf("%dms", round(seconds * 1000))
  } else if (seconds < 60) {
    paste0(format(round(seconds, 1), trim = TRUE), "s")
  } else if (seconds < 3600) {
    sprintf("%dm %.1fs", floor(seconds / 60), seconds %% 60)
  } else {
    sprintf("%dh %dm %.1fs", floor(seconds / 3600), floor(seconds / 60) %% 60, seconds %% 60)
  }
}
