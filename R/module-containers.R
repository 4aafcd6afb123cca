#' @include module.R
NULL

#' Chain modules
#'
#' Calls its modules one after the other, each with the result of the one before.
#'
#' `x[i]` is a new `nn_sequential` of the modules at the positions `i`, which are the same objects as in `x`;
#' `x[[i]]` is the module at position `i`; `length(x)` is the number of modules. Children are named `"0"`, `"1"`, and
#' so on.
#'
#' @param ... modules, in the order in which they are called. Lists can be spliced in with `!!!`.
#' @return A module that takes the arguments of its first module.
#' @examples
#' model <- nn_sequential(nn_linear(10, 32), nn_relu(), nn_linear(32, 1))
#' model(torch_randn(5, 10))
#' model[1:2]
#' @family containers
#' @export
nn_sequential <- nn_module(
  "nn_sequential",
  initialize = function(...) {
    modules <- rlang::list2(...)
    for (i in seq_along(modules)) {
      self$add_module(i - 1, modules[[i]])
    }
  },
  forward = function(...) {
    names <- private$.child_names
    if (length(names) == 0) {
      return(..1)
    }
    made <- .Call(cdr_handles_made)
    x <- .subset2(self, names[[1]])(...)
    .Call(cdr_release_dots, made, environment())
    for (name in names[-1]) {
      x <- .subset2(self, name)(x)
      .Call(cdr_release_since, made, NULL)
    }
    x
  }
)

child_positions <- function(x, i) {
  n <- length(x)
  positions <- seq_len(n)[i]
  if (anyNA(positions)) {
    value_error(sprintf("Positions %s do not all exist: the module has %d children.", toString(i), n))
  }
  positions
}

#' @export
`[.candela_sequential` <- function(x, i) {
  nn_sequential(!!!unname(x$children[child_positions(x, i)]))
}

#' @export
`[[.candela_sequential` <- function(x, name) get_member(module_object(x), name)

#' @export
length.candela_sequential <- function(x) length(x$children)

#' @export
as.list.candela_sequential <- function(x, ...) x$children

#' Lists of modules
#'
#' `nn_module_list()` holds modules by position, `nn_module_dict()` by name, so that their parameters belong to the
#' module they are assigned in. They cannot be called themselves.
#'
#' A module list `x` has `x[[i]]`, `length(x)`, `as.list(x)`, and the methods `append(module)`,
#' `insert(index, module)` (before the module now at position `index`) and `extend(modules)`. A module dict `x` has
#' `x[["name"]]` and `x$name`, `length(x)` and the methods `items()`, `keys()`, `values()` and `pop(key)`.
#'
#' @param modules list of modules.
#' @return A module.
#' @examples
#' layers <- nn_module_list(list(nn_linear(2, 3), nn_relu()))
#' layers$append(nn_linear(3, 1))
#' x <- torch_randn(4, 2)
#' for (i in seq_along(layers)) x <- layers[[i]](x)
#'
#' heads <- nn_module_dict(list(mean = nn_linear(2, 1), sd = nn_linear(2, 1)))
#' heads$mean
#' @family containers
#' @export
nn_module_list <- nn_module(
  "nn_module_list",
  initialize = function(modules = list()) {
    self$extend(modules)
  },
  append = function(module) {
    self$add_module(length(private$.child_names), module)
  },
  extend = function(modules) {
    if (is.function(modules)) refuse(modules, "modules", "a list of modules")
    for (module in as.list(modules)) {
      self$append(module)
    }
    invisible(as_callable(self))
  },
  insert = function(index, module) {
    modules <- unname(own_children(self))
    check_whole_number(index, "index", 1, length(modules) + 1)
    modules <- append(modules, list(module), after = index - 1)
    for (i in seq_along(modules)) {
      self$add_module(i - 1, modules[[i]])
    }
    invisible(as_callable(self))
  }
)

#' @export
`[[.candela_module_list` <- function(x, name) get_member(module_object(x), name)

#' @export
length.candela_module_list <- function(x) length(x$children)

#' @export
as.list.candela_module_list <- function(x, ...) x$children

#' @rdname nn_module_list
#' @param dict named list of modules.
#' @export
nn_module_dict <- nn_module(
  "nn_module_dict",
  initialize = function(dict = list()) {
    if (length(dict) > 0 && !rlang::is_named(dict)) {
      cli::cli_abort("{.arg dict} must be a list with a name for every module.",
        class = c("value_error", "candela_error"))
    }
    for (name in names(dict)) {
      self$add_module(name, dict[[name]])
    }
  },
  items = function() own_children(self),
  keys = function() private$.child_names,
  values = function() unname(own_children(self)),
  pop = function(key) {
    if (!key %in% private$.child_names) {
      value_error(sprintf("There is no module `%s`.", key))
    }
    module <- .subset2(self, key)
    private$.child_names <- setdiff(private$.child_names, key)
    rm(list = key, envir = self)
    module
  }
)

#' @export
length.candela_module_dict <- function(x) length(x$children)

#' @export
as.list.candela_module_dict <- function(x, ...) x$children

#' Remove the last layers
#'
#' @param x a module.
#' @param head_size how many of its last children to leave out.
#' @return An [nn_sequential()] of the other children, which are the same objects as in `x` and keep their names.
#' @examples
#' x <- nn_sequential(nn_linear(3, 4), nn_relu(), nn_linear(4, 2))
#' nn_prune_head(x, 1)
#' @family containers
#' @export
nn_prune_head <- function(x, head_size = 1L) UseMethod("nn_prune_head")

#' @export
nn_prune_head.default <- function(x, head_size = 1L) check_module(x, "x")

#' @export
nn_prune_head.candela_module <- function(x, head_size = 1L) {
  children <- x$children
  check_whole_number(head_size, "head_size", 0, length(children))
  nn_named_sequential(children[seq_len(length(children) - head_size)])
}

# One after the other, as nn_sequential(), by the names that they have.
nn_named_sequential <- nn_module(
  "nn_sequential",
  inherit = nn_sequential,
  initialize = function(children) for (name in names(children)) self$add_module(name, children[[name]])
)

#' Layers that change nothing but the shape
#'
#' `nn_identity()` returns its input. `nn_flatten()` joins the dimensions from `start_dim` to `end_dim` into one.
#' `nn_unflatten()` splits dimension `dim` into `unflattened_size`. `nn_pixel_shuffle()` moves channels into space:
#' N x C r^2 x H x W becomes N x C x H r x W r.
#'
#' @param ... ignored.
#' @param start_dim,end_dim first and last dimension to join, counted from 1; negative from the end.
#' @param dim dimension to split, counted from 1.
#' @param unflattened_size sizes of the new dimensions; their product is the size of `dim`.
#' @param upscale_factor the factor r.
#' @return A module.
#' @examples
#' nn_flatten()(torch_randn(2, 3, 4))$shape
#' nn_unflatten(2, c(3, 4))(torch_randn(2, 12))$shape
#' @family containers
#' @export
nn_identity <- nn_module(
  "nn_identity",
  initialize = function(...) {
  },
  forward = function(input) {
    input
  }
)

#' @rdname nn_identity
#' @export
nn_flatten <- nn_module(
  "nn_flatten",
  initialize = function(start_dim = 2, end_dim = -1) {
    self$start_dim <- start_dim
    self$end_dim <- end_dim
  },
  forward = function(input) {
    input$flatten(start_dim = self$start_dim, end_dim = self$end_dim)
  }
)

#' @rdname nn_identity
#' @export
nn_unflatten <- nn_module(
  "nn_unflatten",
  initialize = function(dim, unflattened_size) {
    self$dim <- dim
    self$unflattened_size <- unflattened_size
  },
  forward = function(input) {
    sizes <- dim(input)
    at <- if (self$dim < 0) length(sizes) + self$dim + 1 else self$dim
    input$reshape(append(sizes[-at], self$unflattened_size, after = at - 1))
  }
)

#' @rdname nn_identity
#' @export
nn_pixel_shuffle <- nn_module(
  "nn_pixel_shuffle",
  initialize = function(upscale_factor) {
    self$upscale_factor <- upscale_factor
  },
  forward = function(input) {
    nnf_pixel_shuffle(input, self$upscale_factor)
  }
)
