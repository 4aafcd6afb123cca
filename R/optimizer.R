# Optimisers: the base class, which knows parameters, their groups and their states, and how new ones are defined.

# The tensors' states, found by the identity of the tensor. Where they were read from a file or come from another
# process, tensors have other addresses: `here`, a mark that is gone then, tells.
OptimizerState <- slim_class(R6::R6Class("optimizer_state",
  lock_objects = FALSE,
  public = list(
    map = NULL,
    params = NULL,
    here = NULL,
    initialize = function() self$clear(),
    get = function(param) self$known()[[rlang::obj_address(param)]],
    set = function(param, value) {
      map <- self$known()
      address <- rlang::obj_address(param)
      if (is.null(map[[address]])) self$params[[address]] <- param
      assign(address, value, envir = map)
    },
    has = function(param) exists(rlang::obj_address(param), envir = self$known(), inherits = FALSE),
    clear = function() {
      self$map <- new.env(parent = emptyenv())
      self$params <- list()
      self$here <- .Call(cdr_mark)
    },
    known = function() {
      if (!.Call(cdr_is_marked, self$here)) self$find_again()
      self$map
    },
    find_again = function() {
      states <- self$map
      params <- self$params
      self$clear()
      for (address in names(params)) self$set(params[[address]], states[[address]])
    }
  )
))

Optimizer <- slim_class(R6::R6Class("torch_optimizer",
  lock_objects = FALSE,
  public = list(
    defaults = NULL,
    param_groups = NULL,
    state = NULL,
    initialize = function(params, defaults) {
      self$defaults <- defaults
      self$state <- OptimizerState$new()
      self$param_groups <- list()
      for (group in as_param_groups(params)) self$add_param_group(group)
    },
    add_param_group = function(param_group) {
      group <- check_param_group(param_group)
      for (name in names(self$defaults)) {
        if (is.null(group[[name]])) group[name] <- list(self$defaults[[name]])
        if (is_optim_required(group[[name]])) {
          value_error(sprintf("parameter group didn't specify a value of required optimization parameter %s", name))
        }
      }
      known <- unlist(lapply(self$param_groups, function(g) vapply(g$params, rlang::obj_address, "")))
      if (any(vapply(group$params, rlang::obj_address, "") %in% known)) {
        value_error("some parameters appear in more than one parameter group")
      }
      self$param_groups[[length(self$param_groups) + 1]] <- group
      invisible(self)
    },
    step = function(closure = NULL) {
      not_implemented_error("`step()` is not implemented for this optimizer.")
    },
    zero_grad = function(set_to_none = FALSE) {
      for (group in self$param_groups) {
        if (set_to_none) {
          for (param in group$params) param$grad <- NULL
        } else {
          .Call(cdr_zero_grad, group$params)
        }
      }
      invisible(NULL)
    },
    state_dict = function() {
      params <- all_params(self$param_groups)
      states <- lapply(params, self$state$get)
      names(states) <- seq_along(params)
      list(param_groups = index_groups(self$param_groups), state = states[lengths(states) > 0])
    },
    load_state_dict = function(state_dict, ..., .refer_to_state_dict = FALSE) {
      check_state_dict(state_dict, self$param_groups)
      for (i in seq_along(self$param_groups)) {
        group <- state_dict$param_groups[[i]]
        group$params <- self$param_groups[[i]]$params
        self$param_groups[[i]] <- group
      }
      params <- all_params(self$param_groups)
      self$state$clear()
      for (name in names(state_dict$state)) {
        state <- state_dict$state[[name]]
        self$state$set(params[[as.integer(name)]], if (.refer_to_state_dict) state else copy_tensors(state))
      }
      invisible(self)
    },
    print = function(...) {
      cat(sprintf("<%s> with %d parameter group(s)\n", class_name(self), length(self$param_groups)))
      for (group in self$param_groups) {
        numbers <- group[setdiff(names(group), "params")]
        cat(sprintf("* %d tensors; %s\n", length(group$params), paste(names(numbers), vapply(
          numbers, function(x) paste(format(x), collapse = ", "), ""
        ), sep = " = ", collapse = "; ")))
      }
      invisible(self)
    }
  )
))

# A list of parameter groups out of what users give: one tensor, a list of tensors, a list of groups.
as_param_groups <- function(params) {
  if (is_tensor(params)) params <- list(params)
  if (!is.list(params)) {
    value_error("`params` must be a tensor, a list of tensors, or a list of parameter groups.")
  }
  if (length(params) == 0) value_error("optimizer got an empty parameter list")
  is_group <- vapply(params, function(p) is.list(p) && !is_tensor(p), NA)
  if (all(is_group)) params else list(list(params = params))
}

check_param_group <- function(group) {
  if (!is.list(group) || is.null(group$params)) {
    value_error("a parameter group must be a list with an element named `params`.")
  }
  if (is_tensor(group$params)) group$params <- list(group$params)
  for (param in group$params) {
    if (!is_tensor(param)) {
      value_error(sprintf("optimizer can only optimize Tensors, but one of the params is %s", class_name(param)))
    }
    if (!.Call(cdr_is_leaf, param)) value_error("can't optimize a non-leaf Tensor")
  }
  group
}

all_params <- function(groups) unlist(lapply(groups, function(group) unname(group$params)), recursive = FALSE)

# The groups with the positions of their parameters in place of these.
index_groups <- function(groups) {
  last <- 0L
  lapply(groups, function(group) {
    n <- length(group$params)
    group$params <- last + seq_len(n)
    last <<- last + n
    group
  })
}

check_state_dict <- function(state_dict, groups) {
  if (!is.list(state_dict$param_groups)) value_error("`state_dict` must be the result of an optimizer's state_dict().")
  if (length(state_dict$param_groups) != length(groups)) {
    value_error("Loaded state dict has a different number of parameter groups")
  }
  sizes <- function(x) vapply(x, function(group) length(group$params), 0L)
  if (any(sizes(state_dict$param_groups) != sizes(groups))) {
    value_error("Loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
  }
}

copy_tensors <- function(x) {
  if (is_tensor(x)) {
    return(with_no_grad(x$detach()$clone()))
  }
  if (is.list(x)) x[] <- lapply(x, copy_tensors)
  x
}

#' Defining optimizers
#'
#' `optimizer()` makes a new kind of optimizer. Its `initialize` must call `super$initialize(params, defaults)`; its
#' `step` walks over `self$param_groups`, each a list with `params` and the numbers of `defaults`, and keeps what it
#' remembers about a tensor in `self$state` (`get(param)`, `set(param, value)`, `has(param)`).
#'
#' Objects have the methods `step(closure = NULL)`, `zero_grad(set_to_none = FALSE)`, `add_param_group(group)`,
#' `state_dict()` and `load_state_dict(state_dict)`.
#'
#' @param name name of the class.
#' @param inherit what is inherited from: another optimizer, or the base class.
#' @param ... methods and fields.
#' @param private,active lists of private members and active fields, as in [R6::R6Class()].
#' @param parent_env environment in which `inherit` is found.
#' @param x any object.
#' @return `optimizer()` a function that creates an optimizer, with the arguments of `initialize`; `is_optimizer()`
#'   `TRUE` or `FALSE`; `optim_required()` a mark for `defaults` that have to be given by the user.
#' @examples
#' optim_plain <- optimizer(
#'   "optim_plain",
#'   initialize = function(params, lr = optim_required()) super$initialize(params, list(lr = lr)),
#'   step = function(closure = NULL) {
#'     with_no_grad({
#'       for (group in self$param_groups) {
#'         for (p in group$params) p$sub_(group$lr * p$grad)
#'       }
#'     })
#'   }
#' )
#' w <- torch_ones(2, requires_grad = TRUE)
#' opt <- optim_plain(w, lr = 0.5)
#' w$sum()$backward()
#' opt$step()
#' w
#' @family optimizers
#' @include class-generator.R
#' @export
optimizer <- function(name = NULL, inherit = Optimizer, ..., private = NULL, active = NULL,
                      parent_env = parent.frame()) {
  class <- derive_class(name, inherit, list(...), private, active, parent_env)
  constructor(class, c(name, "torch_optimizer_generator"))
}

#' @export
print.candela_optimizer_generator <- function(x, ...) {
  print(attr(x, "r6_class"))
  invisible(x)
}

#' @rdname optimizer
#' @export
is_optimizer <- function(x) inherits(x, "torch_optimizer")

#' @rdname optimizer
#' @export
optim_required <- function() structure(list(), class = "optim_required")

is_optim_required <- function(x) inherits(x, "optim_required")

# ---- what the optimisers of the package share ----

check_lr <- function(lr) check_range(lr, at_least_zero, "Invalid learning rate")
check_eps <- function(eps) check_range(eps, at_least_zero, "Invalid epsilon value")
check_decay <- function(x) check_range(x, at_least_zero, "Invalid weight_decay value")

check_betas <- function(betas) {
  if (length(betas) != 2) refuse(betas, "betas", "2 numbers")
  check_range(betas[[1]], below_one, "Invalid beta parameter at index 1")
  check_range(betas[[2]], below_one, "Invalid beta parameter at index 2")
}

# One step of an optimiser of the package: `rule` is the engine's name of it, `hyper(group)` its numbers in the engine's
# order, `states(group)` a named list that says how each state of a parameter begins (a function of the parameter, or
# NULL where the state is not needed), in the engine's order; `counts`, whether the number of updates is remembered.
fused_step <- function(optimizer, closure, rule, hyper, states, counts = TRUE) {
  loss <- if (is.null(closure)) NULL else with_enable_grad(closure())
  for (group in optimizer$param_groups) {
    params <- group$params[.Call(cdr_has_grad, group$params)]
    if (length(params) > 0) {
      fused_group_step(optimizer$state, params, rule, as.double(hyper(group)), states(group), counts)
    }
  }
  loss
}

fused_group_step <- function(store, params, rule, hyper, begin, counts) {
  map <- store$known()
  names <- names(begin)
  names[vapply(begin, is.null, NA)] <- ""
  kept <- vector("list", length(params))
  for (i in seq_along(params)) {
    address <- rlang::obj_address(params[[i]])
    known <- map[[address]]
    kept[[i]] <- begin_state(known, begin, params[[i]], counts)
    remembered <- if (counts) kept[[i]] else kept[[i]][names(kept[[i]]) != "step"]
    if (is.null(known) && length(remembered) > 0) store$set(params[[i]], list())
    if (!is.null(map[[address]])) map[[address]] <- remembered
  }
  .Call(cdr_optim_step, rule, hyper, params, kept, names)
}

# The state of a parameter for its next update, with all that `begin` names. Where updates are not counted, any that is
# not the first is the second.
begin_state <- function(state, begin, param, counts) {
  state$step <- if (!counts) 1 + (length(state) > 0) else if (is.null(state$step)) 1 else as.double(state$step) + 1
  for (name in names(begin)) {
    if (is.null(state[[name]]) && !is.null(begin[[name]])) state[[name]] <- with_no_grad(begin[[name]](param))
  }
  state
}

zeros_for <- function(param) torch_zeros_like(param)

full_for <- function(value) {
  force(value)
  function(param) torch_full_like(param, value)
}

#' Clipping gradients
#'
#' Limits gradients in place, between `backward()` and the optimizer's `step()`: `nn_utils_clip_grad_norm_()` multiplies
#' all of them by `max_norm / (norm + 1e-6)` where this is below 1, `nn_utils_clip_grad_value_()` moves each value into
#' `[-clip_value, clip_value]`.
#'
#' @param parameters a tensor or a list of tensors; those without gradient are passed over.
#' @param max_norm largest joint norm of the gradients.
#' @param norm_type which norm: 2, 1, any positive number, or `Inf` for the largest absolute value.
#' @param clip_value largest absolute value.
#' @return `nn_utils_clip_grad_norm_()` the joint norm before clipping, a tensor; `nn_utils_clip_grad_value_()` nothing.
#' @examples
#' w <- torch_ones(2, requires_grad = TRUE)
#' (3 * w)$sum()$backward()
#' nn_utils_clip_grad_norm_(w, max_norm = 1)
#' w$grad
#' @family optimizers
#' @export
nn_utils_clip_grad_norm_ <- function(parameters, max_norm, norm_type = 2) {
  check_range(norm_type, function(x) x > 0, "Invalid norm_type")
  norm <- .Call(cdr_clip_grad_norm, as_tensor_list(parameters), max_norm, as.double(norm_type))
  torch_scalar_tensor(norm)
}

#' @rdname nn_utils_clip_grad_norm_
#' @export
nn_utils_clip_grad_value_ <- function(parameters, clip_value) {
  check_range(clip_value, at_least_zero, "Invalid clip_value")
  invisible(.Call(cdr_clip_grad_value, as_tensor_list(parameters), as.double(clip_value)))
}

