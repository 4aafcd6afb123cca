#' @include class-generator.R
NULL

Sampler <- slim_class(R6::R6Class(
  classname = own_first("utils_sampler"),
  lock_objects = FALSE,
  public = list(
    initialize = function(data_source, ...) self$data_source <- data_source,
    .iter = function() not_implemented_error("The sampler has no `.iter()` method."),
    .length = function() length(self$data_source)
  )
))

#' Samplers
#'
#' A sampler says in which order a [dataloader()] takes the items of a dataset. `sampler()` defines a kind of
#' sampler and returns the function that makes them.
#'
#' @details Methods to define: `initialize(...)`; `.iter()`, called once per epoch, returns an iterator (see
#'   [loop()]) that gives indices from 1 one at a time, or, for use as `batch_sampler`, a vector of the indices of
#'   one batch at a time; `.length()`, the number of elements of the iterator.
#' @inheritParams dataset
#' @param inherit The sampler generator to inherit from.
#' @return A generator: a function with the arguments of `initialize`.
#' @examples
#' backwards <- sampler(
#'   "backwards",
#'   initialize = function(data_source) self$n <- length(data_source),
#'   .iter = function() as_iterator(rev(seq_len(self$n))),
#'   .length = function() self$n
#' )
#' ds <- tensor_dataset(x = torch_arange(1, 4))
#' loop(for (b in dataloader(ds, batch_size = 2, sampler = backwards(ds))) print(b$x))
#' @export
sampler <- function(name = NULL, inherit = Sampler, ..., private = NULL, active = NULL,
                    parent_env = parent.frame()) {
  class <- derive_class(name, inherit, rlang::list2(...), private, active, parent_env)
  constructor(class, "sampler_generator")
}

#' @export
print.candela_sampler_generator <- function(x, ...) {
  cat("<sampler_generator>\n")
  print(attr(x, "r6_class"))
  invisible(x)
}

#' @export
length.candela_sampler <- function(x) x$.length()

# Samplers that know all indices of an epoch beforehand.
SequentialSampler <- sampler("sequential_sampler",
  .indices = function() seq_len(length(self$data_source)),
  .iter = function() as_iterator(self$.indices())
)

# A new permutation for each epoch, from the generator that torch_manual_seed() seeds.
RandomSampler <- sampler("random_sampler",
  .indices = function() as.integer(torch_randperm(length(self$data_source))) + 1L,
  .iter = function() as_iterator(self$.indices())
)

BatchSampler <- sampler("batch_sampler",
  initialize = function(sampler, batch_size, drop_last) {
    self$sampler <- sampler
    self$batch_size <- batch_size
    self$drop_last <- drop_last
  },
  .iter = function() {
    if (is.null(self$sampler$.indices)) {
      batches_of(self$sampler$.iter(), self$batch_size, self$drop_last, unlist)
    } else {
      slices_of(self$sampler$.indices(), self$batch_size, self$.length())
    }
  },
  .length = function() n_batches(self$sampler$.length(), self$batch_size, self$drop_last)
)

slices_of <- function(indices, size, n) {
  i <- 0
  function() {
    if (i == n) {
      return(exhausted())
    }
    i <<- i + 1
    indices[seq.int((i - 1) * size + 1, min(i * size, length(indices)))]
  }
}

n_batches <- function(n, batch_size, drop_last) {
  as.integer(if (drop_last) n %/% batch_size else ceiling(n / batch_size))
}

# Groups the elements of an iterator; the last group may be smaller.
batches_of <- function(iterator, batch_size, drop_last, combine) {
  ended <- FALSE
  function() {
    elements <- list()
    while (!ended && length(elements) < batch_size) {
      element <- iterator()
      if (is_exhausted(element)) ended <<- TRUE else elements[[length(elements) + 1L]] <- element
    }
    incomplete <- length(elements) < batch_size
    if (length(elements) == 0 || (incomplete && drop_last)) exhausted() else combine(elements)
  }
}
