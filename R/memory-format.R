#' @include own-classes.R
NULL

# Memory formats as R objects. The codes are those of cd_format in the engine.

format_names <- c("contiguous_format", "channels_last_format", "preserve_format")

new_memory_format <- function(code) structure(list(code = as.double(code)), class = own_first("torch_memory_format"))
memory_formats <- lapply(0:2, new_memory_format)
names(memory_formats) <- format_names

#' Memory formats
#'
#' The order in memory of the elements of a tensor of shape N x C x H x W. Shapes stay the same, and so do values: only
#' `$stride()` tells formats apart, and how long some operations take. Convolutions give their result channels last
#' and like to read it; what is computed from it element by element, pooled, resampled, normalised or joined stays
#' channels last, also where another input is row-major. `$contiguous()` gives rows back.
#'
#' @param x any object
#' @return An object of class `torch_memory_format`, for the argument `memory_format` of `$contiguous()`,
#'   `$is_contiguous()`, `$to()`, `$clone()`, [torch_clone()], [torch_zeros_like()] and the like, and [nn_module()]'s
#'   `$to()`:
#'   * `torch_contiguous_format()`: row-major, the last dimension fastest
#'   * `torch_channels_last_format()`: N, H, W, C in memory, the channels fastest; for tensors of 4 dimensions
#'   * `torch_preserve_format()`: that of the tensor it is asked of; not for `$contiguous()`
#'
#'   `is_torch_memory_format()` gives `TRUE` or `FALSE`.
#' @examples
#' x <- torch_zeros(2, 3, 4, 5)
#' y <- x$to(memory_format = torch_channels_last_format())
#' y$shape
#' y$stride()
#' y$is_contiguous(memory_format = torch_channels_last_format())
#' torch_ones_like(y)$stride()
#' @name torch_memory_format
NULL

#' @rdname torch_memory_format
#' @export
torch_contiguous_format <- function() memory_formats$contiguous_format
#' @rdname torch_memory_format
#' @export
torch_channels_last_format <- function() memory_formats$channels_last_format
#' @rdname torch_memory_format
#' @export
torch_preserve_format <- function() memory_formats$preserve_format

#' @rdname torch_memory_format
#' @export
is_torch_memory_format <- function(x) inherits(x, "torch_memory_format")

#' @export
format.candela_memory_format <- function(x, ...) paste0("torch_", format_names[[x$code + 1]])

#' @export
`==.candela_memory_format` <- function(e1, e2) identical(unclass(e1)$code, unclass(e2)$code)

#' @export
`!=.candela_memory_format` <- function(e1, e2) !(e1 == e2)

#' @export
print.candela_memory_format <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

# The engine's code for what a user gave as memory_format; NULL is `default`.
as_format_code <- function(memory_format, default = torch_preserve_format(), preserve = TRUE) {
  if (is.null(memory_format)) memory_format <- default
  if (!is_torch_memory_format(memory_format) || (!preserve && memory_format$code == 2)) {
    wanted <- "torch_contiguous_format() or torch_channels_last_format()"
    refuse(memory_format, "memory_format", if (preserve) paste0("torch_preserve_format(), ", wanted) else wanted)
  }
  memory_format$code
}

has_format <- function(self, code) .Call(cdr_is_contiguous, self, code)

# A tensor that is in the format already stays the same object.
in_format <- function(self, code) if (has_format(self, code)) self else apply_op(ops$contiguous, list(self), code)
