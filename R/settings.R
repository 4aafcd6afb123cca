#' Threads, instruction set and memory of the engine
#'
#' Results do not depend on the number of threads. The default is the number of processors, capped by the environment
#' variables `CANDELA_NUM_THREADS`, `OMP_NUM_THREADS` and `OMP_THREAD_LIMIT`.
#'
#' The vector instructions are chosen when the package is loaded; `CANDELA_SIMD` (`plain`, `avx2`, `avx512`, `neon`)
#' chooses lower ones, to compare results.
#'
#' `vignette("speed", package = "candela")` tells what speed to expect, and what to do when it is slow.
#'
#' @param num_threads number of threads, at least 1.
#' @param limit upper bound in bytes for the memory of all tensors, beyond which an operation fails with an error of
#'   class `candela_error_memory` instead of exhausting the machine; 0 for none.
#' @details `gc()` gives the memory that waits in the pool back to the system, but for a fifth of what is in use by
#'   tensors; `candela_memory_trim()` all of it.
#' @return `torch_get_num_threads()`: the number of threads. `candela_info()`: a list with `threads`, `simd` (in use),
#'   `simd_best` (what the machine has) and `memory` (bytes `in_use` by tensors, `cached` for reuse, `peak` in use).
#' @examples
#' torch_set_num_threads(2)
#' torch_get_num_threads()
#' candela_info()$simd
#' @export
torch_set_num_threads <- function(num_threads) {
  check_whole_number(num_threads, "num_threads", least = 1)
  invisible(.Call(cdr_threads, as.double(num_threads)))
}

#' @rdname torch_set_num_threads
#' @export
torch_get_num_threads <- function() .Call(cdr_threads, NULL)

#' @rdname torch_set_num_threads
#' @export
torch_set_num_interop_threads <- function(num_threads) invisible(NULL)

#' @rdname torch_set_num_threads
#' @export
torch_get_num_interop_threads <- function() 1L

#' @rdname torch_set_num_threads
#' @export
candela_info <- function() {
  cpu <- .Call(cdr_cpu)
  list(
    threads = torch_get_num_threads(), simd = cpu[[1]], simd_best = cpu[[2]],
    memory = stats::setNames(.Call(cdr_memory), c("in_use", "cached", "peak"))
  )
}

#' @rdname torch_set_num_threads
#' @export
candela_memory_limit <- function(limit) {
  if (!is_one_number(limit, least = 0)) refuse(limit, "limit", "a number of bytes, 0 for no limit")
  if (limit > 2^53) limit <- 0 # more than any machine has
  invisible(.Call(cdr_memory_control, as.double(limit), FALSE, FALSE))
}

#' @rdname torch_set_num_threads
#' @export
candela_memory_trim <- function() {
  gc()
  invisible(.Call(cdr_memory_control, NULL, TRUE, TRUE))
}

# For the finalizer that runs in each collection: whether a user's gc() is what called it. What system.time() is about
# to measure finds the memory that waits.
called_by_gc <- function() {
  n <- sys.nframe() - 1L
  n > 0L && identical(sys.function(n), base::gc) && isTRUE(get0("full", sys.frame(n), inherits = FALSE)) &&
    !(n > 1L && identical(sys.function(n - 1L), base::system.time))
}

#' Is the engine there?
#'
#' Always: it is part of the package. `install_torch()` has nothing to do; it exists so that scripts that call it run.
#' @param recheck,... ignored.
#' @return `TRUE`; nothing for `install_torch()`.
#' @examples
#' torch_is_installed()
#' @export
torch_is_installed <- function(recheck = FALSE) TRUE

#' @rdname torch_is_installed
#' @export
install_torch <- function(...) {
  rlang::inform("Nothing to install: candela's engine is part of the package.")
  invisible(NULL)
}
