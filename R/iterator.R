# Iteration: an iterator is a function that returns the next element, then the end mark.

# The mark of the coro package, so that iterators of both packages can be mixed.
exhausted <- function() as.symbol(".__exhausted__.")

is_exhausted <- function(x) identical(x, exhausted())

#' Iterate over batches
#'
#' `loop(for (batch in loader) ...)` runs the body once per batch of a [dataloader()], or once per element of
#' any other iterable: an iterator function, a vector or a list. `break` and `next` work in the body.
#'
#' @details An iterator is a function without arguments that returns the next element and, after the last one,
#'   the symbol `` `.__exhausted__.` ``. This is the protocol of the coro package: its generators can be looped
#'   over here, and `coro::loop()` and `coro::collect()` accept the loaders of this package.
#' @param loop A `for` expression.
#' @param x An object to iterate over.
#' @return `loop()` returns `NULL`, invisibly. `as_iterator()` returns an iterator function.
#' @examples
#' loader <- dataloader(tensor_dataset(x = torch_randn(10, 3)), batch_size = 4)
#' loop(for (batch in loader) print(dim(batch$x)))
#' @export
loop <- function(loop) {
  expr <- substitute(loop)
  if (!rlang::is_call(expr, "for")) {
    value_error("`loop()` needs a `for` expression, as in `loop(for (batch in loader) ...)`.")
  }
  env <- parent.frame()
  iterator <- as_iterator(eval(expr[[3]], env))
  variable <- as.character(expr[[2]])
  advance <- function() {
    element <- iterator()
    if (is_exhausted(element)) {
      return(FALSE)
    }
    assign(variable, element, envir = env)
    TRUE
  }
  eval(as.call(list(as.name("while"), as.call(list(advance)), expr[[4]])), env)
  invisible(NULL)
}

#' @rdname loop
#' @export
as_iterator <- function(x) UseMethod("as_iterator")

#' @export
as_iterator.default <- function(x) {
  if (is.function(x)) {
    return(x)
  }
  i <- 0L
  function() {
    if (i == length(x)) {
      return(exhausted())
    }
    i <<- i + 1L
    x[[i]]
  }
}

#' @export
as_iterator.candela_dataloader <- function(x) {
  iter <- x$.iter()
  function() iter$.next()
}

#' @export
as_iterator.candela_dataloader_iter <- function(x) function() x$.next()

#' @export
as_iterator.candela_dataset <- function(x) {
  i <- 0L
  n <- length(x)
  function() {
    if (i >= n) {
      return(exhausted())
    }
    i <<- i + 1L
    x$.getitem(i)
  }
}

#' @export
as_iterator.candela_iterable_dataset <- function(x) x$.iter()

#' @export
as_iterator.candela_sampler <- function(x) x$.iter()

# Makes the methods known to coro, now or when it is loaded later.
register_iterators <- function(...) {
  for (class in own_classes[c("dataloader", "dataloader_iter", "dataset", "iterable_dataset", "utils_sampler")]) {
    method <- get(paste0("as_iterator.", class), envir = topenv(environment()))
    registerS3method("as_iterator", class, method, envir = asNamespace("coro"))
  }
}

register_iterators_on_load <- function() when_loaded("coro", register_iterators)

#' Enumerate an iterator
#'
#' Kept for code written for torch, where it is deprecated: use [loop()] instead.
#'
#' @param x A [dataloader()].
#' @param ... Not used.
#' @return A list with all the batches of the loader.
#' @examples
#' loader <- dataloader(tensor_dataset(torch_randn(10, 3)), batch_size = 5)
#' batches <- suppressWarnings(enumerate(loader))
#' length(batches)
#' @export
enumerate <- function(x, ...) UseMethod("enumerate")

#' @export
enumerate.default <- function(x, ...) {
  rlang::warn("`enumerate()` is deprecated, use `loop()` instead.", class = "deprecated")
  collect_all(as_iterator(x))
}

collect_all <- function(iterator) {
  elements <- list()
  while (!is_exhausted(element <- iterator())) {
    elements[[length(elements) + 1L]] <- element
  }
  elements
}
