#' @include class-generator.R
NULL

#' Batches of a dataset
#'
#' A dataloader goes through a dataset in batches, in order or shuffled anew for each epoch.
#'
#' @details A batch is put together from items by these rules: tensors, arrays and vectors are stacked along a new
#'   first dimension; single numbers become a tensor with one dimension (integers: `torch_long()`, doubles:
#'   `torch_float()`, logicals: `torch_bool()`); strings a character vector; lists are treated element by element and
#'   keep their names. A dataset with a `.getbatch()` method is asked for whole batches instead; one with a
#'   `.prefetch()` method is told the indices of each batch before it is asked for the items.
#'
#'   `shuffle = TRUE` draws from the generator seeded by [torch_manual_seed()].
#'
#'   Images are decoded and transformed in threads of the C engine. `num_workers` and the other arguments about
#'   worker processes are accepted for compatibility; batches are always read in the calling process.
#'
#' @param dataset A [dataset()], or an [iterable_dataset()].
#' @param batch_size Items per batch; `NULL` gives single items without a batch dimension.
#' @param shuffle Whether to take the items in random order. An iterable dataset keeps its own order.
#' @param sampler,batch_sampler A [sampler()] that gives the indices of the items one by one, or batch by batch.
#' @param num_workers,pin_memory,timeout,worker_init_fn,worker_globals,worker_packages Accepted, without effect.
#' @param collate_fn Function that makes a batch out of a list of items.
#' @param drop_last Whether to leave out a last, incomplete batch.
#' @param x,iter,dataloader A dataloader, or what `dataloader_make_iter()` returned.
#' @param completed What `dataloader_next()` returns after the last batch.
#' @return `dataloader()` returns a dataloader: `length()` is the number of batches (`NA` if unknown), [loop()] goes
#'   through them. `dataloader_make_iter()` starts an epoch; `dataloader_next()` returns its next batch.
#' @section Errors: An error in `.getitem()` is raised again with the number of the item and the original message
#'   (class `runtime_error`). A dataset without items, or options that exclude each other, give a `value_error`.
#' @examples
#' ds <- tensor_dataset(x = torch_randn(10, 3), y = torch_randn(10))
#' loader <- dataloader(ds, batch_size = 4, shuffle = TRUE)
#' length(loader)
#' iter <- dataloader_make_iter(loader)
#' dim(dataloader_next(iter)$x)
#' @export
dataloader <- function(dataset, batch_size = 1, shuffle = FALSE, sampler = NULL, batch_sampler = NULL,
                       num_workers = 0, collate_fn = NULL, pin_memory = FALSE, drop_last = FALSE, timeout = -1,
                       worker_init_fn = NULL, worker_globals = NULL, worker_packages = NULL) {
  check_dataloader_arguments(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
  check_loading(num_workers, collate_fn, worker_init_fn, timeout)
  if (num_workers > 0) inform_about_workers()
  if (is_map_dataset(dataset)) {
    sampler <- sampler %||% (if (shuffle) RandomSampler else SequentialSampler)(dataset)
    if (is.null(batch_sampler) && !is.null(batch_size)) {
      batch_sampler <- BatchSampler(sampler, batch_size, drop_last)
    }
  }
  DataLoader$new(
    dataset = dataset, batch_size = batch_size, sampler = sampler, batch_sampler = batch_sampler,
    num_workers = num_workers, collate_fn = collate_fn, pin_memory = pin_memory, drop_last = drop_last,
    timeout = timeout
  )
}

check_loading <- function(num_workers, collate_fn, worker_init_fn, timeout) {
  check_whole_number(num_workers, "num_workers", 0)
  check_number(timeout, "timeout")
  if (!is.null(collate_fn)) check_function(collate_fn, "collate_fn", "dataloader()'s own, which stacks items")
  if (!is.null(worker_init_fn)) check_function(worker_init_fn, "worker_init_fn", "function(id) set.seed(id)")
}

check_dataloader_arguments <- function(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last) {
  if (!is_map_dataset(dataset) && !is_iterable_dataset(dataset)) {
    refuse(dataset, "dataset", "a dataset", hint_if_generator(dataset, "dataset"))
  }
  check_flag(shuffle, "shuffle")
  check_flag(drop_last, "drop_last")
  if (is_map_dataset(dataset) && length(dataset) == 0) {
    value_error("The dataset has no items: its `.length()` is 0, so there are no batches to make.")
  }
  if (!is.null(batch_size)) check_whole_number(batch_size, "batch_size", least = 1)
  if (!is.null(sampler)) check_sampler(sampler, "sampler")
  if (!is.null(batch_sampler)) check_sampler(batch_sampler, "batch_sampler")
  check_sampling_arguments(is_iterable_dataset(dataset), batch_size, shuffle, sampler, batch_sampler, drop_last)
}

check_sampler <- function(x, name) {
  if (!is.recursive(x) || is.function(x) || !is.function(x$.iter) || !is.function(x$.length)) {
    refuse(x, name, "a sampler, with the methods `.iter()` and `.length()`", hint_if_generator(x, "sampler"))
  }
}

check_sampling_arguments <- function(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last) {
  if (iterable && (!is.null(sampler) || !is.null(batch_sampler))) {
    value_error("An iterable dataset gives its items in its own order: `sampler` and `batch_sampler` cannot be used.")
  }
  check_flag(shuffle, "shuffle")
  check_flag(drop_last, "drop_last")
  if (shuffle && !is.null(sampler)) {
    value_error("`sampler` and `shuffle = TRUE` exclude each other.")
  }
  batching <- shuffle || drop_last || !is.null(sampler) || !identical(as.numeric(batch_size), 1)
  if (!is.null(batch_sampler) && batching) {
    value_error("`batch_sampler` excludes `batch_size`, `shuffle`, `sampler` and `drop_last`.")
  }
  if (is.null(batch_size) && drop_last) {
    value_error("`drop_last = TRUE` needs a `batch_size`.")
  }
}

inform_about_workers <- function() {
  rlang::inform(
    "`num_workers` has no effect: images are decoded in threads of this process, see torch_set_num_threads().",
    class = "candela_message_workers", .frequency = "once", .frequency_id = "candela_num_workers"
  )
}

DataLoader <- slim_class(R6::R6Class(
  classname = own_first("dataloader"),
  lock_objects = FALSE,
  public = list(
    initialize = function(...) list2env(list(...), envir = self),
    .iter = function() DataLoaderIter$new(self),
    .length = function() {
      if (!is.null(self$batch_sampler)) {
        return(self$batch_sampler$.length())
      }
      n <- if (is.null(self$sampler)) self$dataset$.length() else self$sampler$.length()
      if (is.null(self$batch_size)) n else n_batches(n, self$batch_size, self$drop_last)
    },
    print = function(...) {
      batches <- self$.length()
      cat(sprintf(
        "<dataloader> of %s batches of up to %s items\n", if (is.na(batches)) "an unknown number of" else batches,
        self$batch_size %||% "1"
      ))
      invisible(self)
    }
  )
))

# One epoch.
DataLoaderIter <- slim_class(R6::R6Class(
  classname = own_first("dataloader_iter"),
  public = list(
    # Numbers of the items of the last batch; NULL where the dataset has none.
    items = NULL,
    initialize = function(loader) {
      private$next_batch <- if (is_iterable_dataset(loader$dataset)) {
        stream_batches(loader)
      } else {
        map_batches(loader, function(indices) self$items <- indices)
      }
    },
    .next = function() {
      if (private$ended) {
        return(exhausted())
      }
      batch <- private$next_batch()
      private$ended <- is_exhausted(batch)
      batch
    }
  ),
  private = list(next_batch = NULL, ended = FALSE)
))

map_batches <- function(loader, keep) {
  next_indices <- (loader$batch_sampler %||% loader$sampler)$.iter()
  fetch <- batch_fetcher(loader)
  function() {
    indices <- next_indices()
    if (is_exhausted(indices)) {
      return(indices)
    }
    indices <- as.integer(unlist(indices))
    keep(indices)
    fetch(indices)
  }
}

batch_fetcher <- function(loader) {
  dataset <- loader$dataset
  collate <- loader$collate_fn %||% default_collate
  if (is.null(loader$batch_sampler)) {
    convert <- loader$collate_fn %||% default_convert
    return(function(index) convert(get_item(dataset, index)))
  }
  if (!is.null(dataset$.getbatch) && is.null(loader$collate_fn)) {
    return(function(indices) default_convert(get_batch(dataset, indices)))
  }
  function(indices) {
    batch_begins()
    on.exit(batch_ends())
    if (is.function(dataset$.prefetch)) prefetch(dataset, indices)
    collate(lapply(indices, function(i) get_item(dataset, i)))
  }
}

prefetch <- function(dataset, indices) name_items(dataset$.prefetch, indices)

get_item <- function(dataset, index) name_items(dataset$.getitem, index)

get_batch <- function(dataset, indices) name_items(dataset$.getbatch, indices)

# Calls `read`, a method of a dataset; an error tells the items.
name_items <- function(read, indices) {
  withCallingHandlers(read(indices), error = function(e) {
    which <- paste(c(utils::head(indices, 8), if (length(indices) > 8) "..."), collapse = ", ")
    noun <- if (length(indices) == 1) "item" else "items"
    item_error(sprintf("Error when getting dataset %s %s: %s", noun, which, conditionMessage(e)), e)
  })
}

item_error <- function(message, parent) {
  rlang::abort(message, class = c("runtime_error", "candela_error"), parent = parent, call = NULL)
}

stream_batches <- function(loader) {
  next_item <- loader$dataset$.iter()
  if (is.null(loader$batch_size)) {
    convert <- loader$collate_fn %||% default_convert
    return(function() {
      item <- next_item()
      if (is_exhausted(item)) item else convert(item)
    })
  }
  batches_of(next_item, loader$batch_size, loader$drop_last, loader$collate_fn %||% default_collate)
}

#' @export
length.candela_dataloader <- function(x) x$.length()

#' @rdname dataloader
#' @export
dataloader_make_iter <- function(dataloader) {
  if (!is_dataloader(dataloader)) refuse(dataloader, "dataloader", "what dataloader() returns")
  dataloader$.iter()
}

#' @rdname dataloader
#' @export
dataloader_next <- function(iter, completed = NULL) {
  if (!is.environment(iter) || !is.function(iter$.next)) {
    refuse(iter, "iter", "what dataloader_make_iter() returns")
  }
  batch <- iter$.next()
  if (is_exhausted(batch)) completed else batch
}

#' @rdname dataloader
#' @export
is_dataloader <- function(x) inherits(x, "dataloader")
