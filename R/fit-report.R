#' A page about a trained model
#'
#' Writes one HTML file, with its pictures in it: what was trained on what, the curves, the confusion matrix and metrics
#' by class on `data`, and its worst and best examples.
#'
#' @param object a trained model, as [fit()][fit.luz_module_generator] or [luz_load()] returns it.
#' @param data data with targets, such as `parts$valid`; `NULL` for a page without them.
#' @param file name of the file.
#' @param title of the page.
#' @param examples how many of the worst and of the best, for segmentation.
#' @param open whether to show the page in the browser.
#' @param dataloader_options list of arguments for [dataloader()].
#' @return The name of the file, invisibly.
#' @section Errors: Where this R has no PNG device (`capabilities("png")`), and where the file cannot be written; a file
#'   that was there before stays then.
#' @examples
#' root <- drawn_cells(tempfile(), n = 4, size = 32)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' fitted <- unet("plain", classes = ds, weights = NULL) %>%
#'   setup() %>%
#'   fit(ds, epochs = 1, verbose = FALSE)
#' report(fitted, ds, tempfile(fileext = ".html"), examples = 2)
#' @export
report <- function(object, data = NULL, file = "report.html", title = "Trained model", examples = 4,
                   open = interactive(), dataloader_options = NULL) {
  check_fitted(object)
  check_string(file, "file")
  check_string(title, "title")
  check_whole_number(examples, "examples", 0)
  check_flag(open, "open")
  file <- path.expand(file)
  summary <- summary.candela_module_fitted(object, data, dataloader_options = dataloader_options)
  body <- c(
    html_overview(object, summary), html_curves(object), html_confusion(summary),
    if (!is.null(data) && examples > 0) html_examples(object, data, examples, dataloader_options), html_layers(summary)
  )
  write_whole_file(file, function(temporary) {
    connection <- file(temporary, "wb")
    on.exit(close(connection))
    writeLines(enc2utf8(html_page(title, body)), connection, useBytes = TRUE)
  })
  if (open) utils::browseURL(file)
  invisible(file)
}

# ---- parts of the page ----

html_overview <- function(object, summary) {
  glance <- summary$glance
  lines <- c(
    sprintf("%s, %s parameters of which %s are trained", class_name(object$model), format_count(glance$parameters),
      format_count(glance$trainable)),
    training_line(glance), if (!is.null(summary$input)) input_lines(summary$input)
  )
  metrics <- if (!is.null(summary$metrics)) html_table(summary$metrics, "Metrics at the best and the last epoch")
  c(html_list(lines), metrics)
}

html_curves <- function(object) {
  metrics <- metrics_data_frame(object$records$metrics)
  if (nrow(metrics) == 0) {
    return(NULL)
  }
  panels <- length(unique(metrics$metric))
  draw <- function() plot_curves(metrics, best_epoch(object)$epoch)
  c(html_heading("Curves"), html_picture(draw, 330 * min(panels, 3), 300 * ceiling(panels / 3),
    "Metrics of each epoch"))
}

html_confusion <- function(summary) {
  if (is.null(summary$confusion)) {
    return(NULL)
  }
  k <- nrow(summary$confusion$counts)
  side <- min(900, 340 + 50 * k)
  c(
    html_heading(if (summary$measured == "data") "Classes, on the data given" else "Classes, on the validation data"),
    html_table(summary$by_class, "Metrics by class"),
    html_picture(function() plot.candela_confusion(summary$confusion), side, side, "Confusion matrix")
  )
}

html_examples <- function(object, data, n, options) {
  if (!is_map_dataset(data) || !is_one_mask_each(data)) {
    return(NULL)
  }
  scores <- augment.candela_module_fitted(object, data, dataloader_options = options)
  one <- function(which) {
    rows <- chosen_examples(scores, which, n, ".iou")
    file <- tempfile(fileext = ".png")
    on.exit(unlink(file))
    columns <- min(nrow(rows), 4)
    draw_examples(object, data, rows, ".iou", ncol = columns, file = file, width = 300 * columns)
    c(html_heading(sprintf("The %s", which)), html_image(file, sprintf("The %s examples", which)))
  }
  c(one("worst"), one("best"))
}

is_one_mask_each <- function(data) {
  item <- data[1]
  is.list(item) && length(item) > 1 && is_tensor(item[[2]]) && length(dim(item[[2]])) >= 2
}

html_layers <- function(summary) {
  layers <- as.data.frame(summary$layers)
  layers$name <- paste0(strrep("\u00a0\u00a0", layers$level), ifelse(nzchar(layers$name), layers$name, "(model)"))
  layers$level <- NULL
  c(html_heading("Layers"), html_table(layers))
}

# ---- curves ----

# A panel for each metric: circles are training, triangles validation; a line marks the best epoch.
plot_curves <- function(metrics, best) {
  names <- unique(metrics$metric)
  columns <- min(length(names), 3)
  old <- graphics::par(mfrow = c(ceiling(length(names) / columns), columns), mar = c(4, 3, 2, 0.5), mgp = c(2, 0.6, 0))
  on.exit(graphics::par(old))
  look <- list(train = list("#D55E00", 1), valid = list("#0072B2", 17))
  for (name in names) {
    panel <- metrics[metrics$metric == name & is.finite(metrics$value), ]
    sets <- intersect(names(look), panel$set)
    graphics::plot(NULL, xlim = range(metrics$epoch), ylim = if (nrow(panel) > 0) range(panel$value) else 0:1,
      xlab = "epoch", ylab = "", main = name)
    if (!is.null(best)) graphics::abline(v = best, col = "grey70", lty = 2)
    for (set in sets) {
      rows <- panel[panel$set == set, ]
      graphics::lines(rows$epoch, rows$value, type = "b", col = look[[set]][[1]], pch = look[[set]][[2]], cex = 0.7)
    }
    if (length(sets) > 0) {
      falls <- nrow(panel) > 1 && utils::tail(panel$value, 1) < panel$value[[1]]
      graphics::legend(if (falls) "topright" else "bottomright", sets, bty = "n", lty = 1, cex = 0.9,
        col = vapply(look[sets], `[[`, "", 1),
        pch = vapply(look[sets], `[[`, 0, 2))
    }
  }
}

# ---- HTML ----

html_escape <- function(x) {
  x <- enc2utf8(as.character(x))
  for (pair in list(c("&", "&amp;"), c("<", "&lt;"), c(">", "&gt;"), c("\"", "&quot;"), c("'", "&#39;"))) {
    x <- gsub(pair[[1]], pair[[2]], x, fixed = TRUE)
  }
  x
}

html_heading <- function(text) sprintf("<h2>%s</h2>", html_escape(text))

html_list <- function(lines) c("<ul>", sprintf("<li>%s</li>", html_escape(lines)), "</ul>")

html_table <- function(table, caption = NULL) {
  cells <- vapply(table, function(x) html_escape(cell_text(x)), character(nrow(table)))
  cells <- matrix(cells, nrow(table))
  align <- ifelse(vapply(table, is.numeric, NA), " class=\"number\"", "")
  row <- function(x, tag) paste0("<tr>", paste0("<", tag, align, ">", x, "</", tag, ">", collapse = ""), "</tr>")
  c(
    "<table>", if (!is.null(caption)) sprintf("<caption>%s</caption>", html_escape(caption)),
    row(html_escape(names(table)), "th"), vapply(seq_len(nrow(table)), function(i) row(cells[i, ], "td"), ""),
    "</table>"
  )
}

cell_text <- function(x) {
  if (!is.numeric(x)) {
    return(ifelse(is.na(x), "", as.character(x)))
  }
  whole <- all(x == floor(x), na.rm = TRUE)
  text <- if (whole) format(x, big.mark = ",", scientific = FALSE, trim = TRUE) else sprintf("%.4f", x)
  ifelse(is.na(x), "", text)
}

# What `draw` draws, as an element of the page.
html_picture <- function(draw, width, height, text) {
  file <- tempfile(fileext = ".png")
  on.exit(unlink(file))
  open_png(file, width, height)
  tryCatch(draw(), finally = grDevices::dev.off())
  html_image(file, text)
}

html_image <- function(file, text) {
  bytes <- readBin(file, "raw", file.size(file))
  sprintf("<p><img alt=\"%s\" src=\"data:image/png;base64,%s\"></p>", html_escape(text), base64(bytes))
}

# RFC 4648.
base64 <- function(bytes) {
  alphabet <- c(LETTERS, letters, 0:9, "+", "/")
  short <- (-length(bytes)) %% 3
  x <- matrix(as.integer(c(bytes, raw(short))), 3)
  code <- rbind(x[1, ] %/% 4, x[1, ] %% 4 * 16 + x[2, ] %/% 16, x[2, ] %% 16 * 4 + x[3, ] %/% 64, x[3, ] %% 64)
  text <- alphabet[code + 1]
  if (short > 0) text[length(text) - seq_len(short) + 1] <- "="
  paste(text, collapse = "")
}

html_page <- function(title, body) {
  c(
    "<!DOCTYPE html>", "<html lang=\"en\"><head><meta charset=\"utf-8\">",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">", sprintf("<title>%s</title>",
      html_escape(title)),
    "<style>", "body { font-family: sans-serif; max-width: 76em; margin: 2em auto; padding: 0 1em; color: #222; }",
    "table { border-collapse: collapse; margin: 1em 0; font-size: 90%; }",
    "caption { text-align: left; font-weight: bold; padding: 0.3em 0; }",
    "th, td { padding: 0.2em 0.8em; border-bottom: 1px solid #ddd; text-align: left; }",
    ".number { text-align: right; font-variant-numeric: tabular-nums; }", "img { max-width: 100%; }",
    "</style></head><body>",
    sprintf("<h1>%s</h1>", html_escape(title)), body,
    sprintf("<p><small>%s, candela %s, %s</small></p>", html_escape(format(Sys.time(), "%Y-%m-%d %H:%M")),
      html_escape(as.character(utils::packageVersion("candela"))), html_escape(R.version.string)),
    "</body></html>"
  )
}
