#' Printing tensors
#'
#' `print()` shows the elements (matrix by matrix, the first leading index running fastest), the dtype and shape, and
#' how the tensor was computed or that it requires a gradient. The number format is chosen for each matrix. `str()` and
#' `format()` give one line.
#'
#' @param x,object Tensor.
#' @param n Lines shown at most; `-1` for all. What is not shown costs nothing.
#' @param ... Not used.
#' @return `print()` and `str()` give the tensor invisibly, `format()` a string.
#' @examples
#' torch_tensor(matrix(c(1, 2.5, 3, 4), nrow = 2))
#' print(torch_tensor(1:100), n = 3)
#' str(torch_tensor(1:100))
#' @name print.torch_tensor
#' @export
print.candela_tensor <- function(x, n = 30, ...) {
  text <- .Call(cdr_tensor_text, x, n)
  cat("torch_tensor\n", text, "\n", sep = "")
  invisible(x)
}

#' @rdname print.torch_tensor
#' @export
format.candela_tensor <- function(x, ...) {
  text <- .Call(cdr_tensor_text, x, 2)[[1]]
  footer <- sub(".*\\[ CPU([A-Za-z]+)Type\\{([0-9,]*)\\} \\]$", "\\1 \\2", text)
  if (grepl("undefined", footer)) {
    return("<undefined tensor>")
  }
  parts <- strsplit(footer, " ", fixed = TRUE)[[1]]
  sizes <- if (length(parts) > 1) strsplit(parts[[2]], ",", fixed = TRUE)[[1]] else character()
  ranges <- if (length(sizes) > 0) paste0("1:", sizes) else "scalar"
  paste0(parts[[1]], " [", paste(ranges, collapse = ", "), "]")
}

#' @rdname print.torch_tensor
#' @importFrom utils str
#' @rawNamespace S3method(str, candela_tensor)
str.candela_tensor <- function(object, ...) {
  cat(format(object), "\n", sep = "")
  invisible(object)
}
