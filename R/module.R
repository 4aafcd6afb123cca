#' @include class-generator.R engine.R release.R
NULL

# Modules: an instance is its bound `forward` function, with the class vector and the R6 object as attributes.
#
# Parameters, buffers and children are ordinary bindings of the R6 object, so that `self$conv` is one look-up; the
# private fields only list their names, in order of registration.

module_object <- function(module) {
  if (is.function(module)) attr(module, "module", exact = TRUE) else module
}

module_private <- function(object) .subset2(object, ".__enclos_env__")$private

as_callable <- function(object) {
  instance <- .subset2(object, "forward")
  attributes(instance) <- list(class = .subset2(object, ".classes"), module = object)
  instance
}

# Binds even over a method: a registered member is found before a method of the same name.
bind_member <- function(object, name, value) {
  if (exists(name, envir = object, inherits = FALSE) && bindingIsLocked(name, object)) {
    rlang::env_binding_unlock(object, name)
  }
  assign(name, value, envir = object)
}

# Lists `name` under one kind of member and under no other.
list_member <- function(object, name, kind) {
  private <- module_private(object)
  if (name %in% private[[kind]]) {
    return()
  }
  for (other in member_kinds) {
    if (name %in% private[[other]]) private[[other]] <- setdiff(private[[other]], name)
  }
  private[[kind]] <- c(private[[kind]], name)
}

member_kinds <- c(".parameter_names", ".buffer_names", ".child_names")

own_members <- function(object, kind) {
  names <- module_private(object)[[kind]]
  members <- lapply(names, function(name) .subset2(object, name))
  names(members) <- names
  members[!vapply(members, is.null, NA)]
}

own_parameters <- function(object) own_members(object, ".parameter_names")
own_buffers <- function(object) own_members(object, ".buffer_names")
own_children <- function(object) own_members(object, ".child_names")

own_persistent_buffers <- function(object) {
  buffers <- own_buffers(object)
  buffers[!names(buffers) %in% module_private(object)$.transient_names]
}

# The lists that torch keeps among the private fields, `private$modules_` and its kin: what is registered, by name, seen
# and set as a list.
member_lists <- c(modules_ = ".child_names", parameters_ = ".parameter_names", buffers_ = ".buffer_names")

member_list <- function(object, kind) {
  force(object)
  force(kind)
  function(value) if (missing(value)) own_members(object, kind) else set_member_list(object, kind, value)
}

set_member_list <- function(object, kind, members) {
  private <- module_private(object)
  register <- switch(kind, .child_names = register_child, .parameter_names = register_parameter,
    .buffer_names = register_buffer)
  if (length(members) > 0 && !rlang::is_named(members)) {
    value_error("the lists of modules, parameters and buffers must have a name for each.")
  }
  gone <- setdiff(private[[kind]], names(members))
  rm(list = intersect(gone, names(object)), envir = object)
  transient <- private$.transient_names
  for (name in names(members)) {
    if (!identical(.subset2(object, name), members[[name]])) register(object, name, members[[name]])
  }
  private[[kind]] <- as.character(names(members))
  private$.transient_names <- intersect(transient, private$.buffer_names)
}

bind_member_lists <- function(object) {
  private <- module_private(object)
  if (exists("modules_", envir = private, inherits = FALSE) && bindingIsActive("modules_", private)) {
    return()
  }
  rm(list = intersect(names(member_lists), names(private)), envir = private)
  for (name in names(member_lists)) makeActiveBinding(name, member_list(object, member_lists[[name]]), private)
}

check_child <- function(name, module) {
  if (inherits(module, "nn_module_generator")) {
    value_error(sprintf("Module %s must be initialized", name))
  }
  if (!is_nn_module(module)) {
    value_error(sprintf("Expected <nn_module> but got object of type <%s>", class_name(module)))
  }
}

check_registered <- function(x, name, argument) {
  if (!is.null(x) && !is_tensor(x)) {
    refuse(x, argument, sprintf("a tensor or NULL to be registered as `%s`", name))
  }
}

register_child <- function(object, name, module) {
  name <- as.character(name)
  check_child(name, module)
  bind_member(object, name, module)
  list_member(object, name, ".child_names")
}

register_parameter <- function(object, name, param) {
  check_registered(param, name, "param")
  if (!is.null(param) && !is_nn_parameter(param)) {
    param <- nn_parameter(param, requires_grad = param$requires_grad)
  }
  bind_member(object, name, param)
  list_member(object, name, ".parameter_names")
}

register_buffer <- function(object, name, tensor, persistent = TRUE) {
  check_registered(tensor, name, "tensor")
  bind_member(object, name, tensor)
  list_member(object, name, ".buffer_names")
  private <- module_private(object)
  others <- private$.transient_names[private$.transient_names != name]
  private$.transient_names <- if (isFALSE(persistent)) c(others, name) else others
}

# What `module$name <- value` does, by the class of the value.
set_member <- function(object, name, value) {
  if (inherits(value, "nn_parameter")) {
    register_parameter(object, name, value)
  } else if (inherits(value, "nn_buffer")) {
    register_buffer(object, name, value, attr(value, "persistent"))
  } else if (is_nn_module(value)) {
    register_child(object, name, value)
  } else {
    set_field(object, name, value)
  }
}

set_field <- function(object, name, value) {
  private <- module_private(object)
  if (!is.null(value)) {
    if (name %in% private$.parameter_names && !is.null(.subset2(object, name))) {
      type_error(sprintf("`%s` is a parameter: assign nn_parameter() or NULL, not an object of class <%s>.",
        name, class_name(value)))
    }
    if (name %in% private$.buffer_names) {
      check_registered(value, name, "value")
    }
    private$.child_names <- setdiff(private$.child_names, name)
    private$.parameter_names <- setdiff(private$.parameter_names, name)
  }
  assign(name, value, envir = object)
}

get_member <- function(object, name) {
  if (is.numeric(name)) {
    return(nth_child(object, name))
  }
  find_method <- module_private(object)$find_method
  if (is.null(find_method) || exists(name, envir = object, inherits = FALSE)) {
    return(.subset2(object, name))
  }
  find_method(name)
}

nth_child <- function(object, position) {
  children <- own_children(object)
  if (length(position) != 1 || is.na(position) || position < 1 || position > length(children)) {
    value_error(sprintf("Subscript %s is out of bounds: the module has %d children.", toString(position),
      length(children)))
  }
  children[[position]]
}

# Names like "decoder.blocks.0.weight", of the children first, then the module's own; each object once.
collect_members <- function(object, own, recursive = TRUE) {
  members <- if (recursive) nested_members(object, own, "") else own(object)
  members[!duplicated(vapply(members, rlang::obj_address, ""))]
}

nested_members <- function(object, own, prefix) {
  children <- own_children(object)
  nested <- lapply(names(children), function(name) {
    nested_members(module_object(children[[name]]), own, paste0(prefix, name, "."))
  })
  mine <- own(object)
  if (length(mine) > 0) {
    names(mine) <- paste0(prefix, names(mine))
  }
  c(unlist(nested, recursive = FALSE), mine)
}

collect_modules <- function(object, path = "") {
  children <- own_children(object)
  nested <- lapply(names(children), function(name) {
    collect_modules(module_object(children[[name]]), if (nzchar(path)) paste0(path, ".", name) else name)
  })
  modules <- c(stats::setNames(list(as_callable(object)), path), unlist(nested, recursive = FALSE))
  modules[!duplicated(vapply(modules, function(m) rlang::obj_address(module_object(m)), ""))]
}

collect_state <- function(object, prefix, keepvars) {
  mine <- .subset2(object, ".save_to_state_dict")(prefix, keepvars)
  children <- own_children(object)
  nested <- lapply(names(children), function(name) {
    children[[name]]$state_dict(prefix = paste0(prefix, name, "."), keepvars = keepvars)
  })
  c(mine, unlist(nested, recursive = FALSE))
}

save_own_state <- function(object, prefix, keepvars) {
  mine <- c(own_parameters(object), own_persistent_buffers(object))
  if (!keepvars) {
    mine <- lapply(mine, function(x) x$detach()$requires_grad_(x$requires_grad))
  }
  if (length(mine) > 0) {
    names(mine) <- paste0(prefix, names(mine))
  }
  mine
}

load_member <- function(object, name, key, state_dict, refer) {
  if (!key %in% names(state_dict)) {
    value_error(sprintf("Could not find %s in the state_dict.", key))
  }
  source <- state_dict[[key]]
  if (refer) {
    return(refer_member(object, name, source))
  }
  target <- .subset2(object, name)
  check_fit(key, source, target)
  with_no_grad(target$copy_(source))
}

refer_member <- function(object, name, source) {
  if (name %in% module_private(object)$.parameter_names) {
    source <- nn_parameter(source, requires_grad = source$requires_grad)
  }
  assign(name, source, envir = object)
}

load_own_state <- function(object, prefix, state_dict, refer) {
  for (name in c(names(own_parameters(object)), names(own_persistent_buffers(object)))) {
    load_member(object, name, paste0(prefix, name), state_dict, refer)
  }
}

load_state <- function(object, prefix, state_dict, refer) {
  load <- .subset2(object, ".load_from_state_dict")
  if (length(formals(load)) > 2) load(state_dict, prefix, refer) else load(state_dict, prefix)
  children <- own_children(object)
  for (name in names(children)) {
    load_state(module_object(children[[name]]), paste0(prefix, name, "."), state_dict, refer)
  }
}

set_training <- function(object, mode) {
  check_flag(mode, "training")
  private <- module_private(object)
  private$.training <- mode
}

# A tensor whose type and place do not change stays the same object, so optimisers keep their references.
apply_to_member <- function(object, name, fn) {
  old <- .subset2(object, name)
  new <- with_no_grad(fn(old))
  if (identical(rlang::obj_address(old), rlang::obj_address(new))) {
    return()
  }
  if (name %in% module_private(object)$.parameter_names) {
    new <- nn_parameter(new$detach(), requires_grad = old$requires_grad)
    gradient <- old$grad
    if (is_tensor(gradient) && !is_undefined_tensor(gradient)) {
      new$grad <- with_no_grad(fn(gradient))
    }
  }
  assign(name, new, envir = object)
}

# Of memory formats, tensors of other than 4 dimensions have one only.
converter <- function(dtype, device, memory_format = NULL) {
  function(x) {
    wanted <- if (is.null(dtype) || !x$dtype$is_floating_point) x$dtype else dtype
    if (!is.null(memory_format) && length(dim(x)) == 4) x <- x$to(memory_format = memory_format)
    if (wanted == x$dtype && (is.null(device) || identical(device_type(device), x$device$type))) {
      return(x)
    }
    if (is.null(device)) x$to(dtype = wanted) else x$to(dtype = wanted, device = device)
  }
}

device_type <- function(device) {
  if (is.character(device)) sub(":.*", "", device) else device$type
}

convert_module <- function(object, dtype, device, memory_format = NULL) {
  if (!is.null(dtype) && !dtype$is_floating_point) {
    value_error("`to()` of a module only accepts floating point dtypes.")
  }
  .subset2(object, ".apply")(converter(dtype, device, memory_format))
}

zero_gradients <- function(object) {
  .Call(cdr_zero_grad, collect_members(object, own_parameters))
}

# Deep copies; `copies` maps addresses to copies, so what was shared stays shared.
clone_tensor <- function(x, copies) {
  address <- rlang::obj_address(x)
  if (is.null(copies[[address]])) {
    copy <- x$detach()$clone()$requires_grad_(x$requires_grad)
    attributes(copy) <- attributes(x)
    copies[[address]] <- copy
  }
  copies[[address]]
}

clone_object <- function(object, deep, replace_values, copies) {
  address <- rlang::obj_address(object)
  if (!is.null(copies[[address]])) {
    return(copies[[address]])
  }
  copy <- module_private(object)$.shallow_clone[[1]]()
  bind_member_lists(copy)
  use_own_clone(copy)
  copies[[address]] <- copy
  if (deep) {
    deepen_clone(copy, replace_values, copies)
  }
  copy
}

deepen_clone <- function(copy, replace_values, copies) {
  private <- module_private(copy)
  for (name in names(own_children(copy))) {
    child <- clone_object(module_object(.subset2(copy, name)), TRUE, replace_values, copies)
    assign(name, as_callable(child), envir = copy)
  }
  if (replace_values) {
    for (name in c(names(own_parameters(copy)), names(own_buffers(copy)))) {
      assign(name, clone_tensor(.subset2(copy, name), copies), envir = copy)
    }
  }
  if (is.function(private$finalize_deep_clone)) {
    private$finalize_deep_clone()
  }
}

# R6 reserves the name `clone` for its own shallow copy, which is kept aside, in a list because R6 locks the
# functions among the private fields of a copy.
use_own_clone <- function(object) {
  private <- module_private(object)
  shallow <- private$.shallow_clone[[1]]
  if (is.null(shallow)) {
    shallow <- .subset2(object, "clone")
  }
  environment(shallow) <- .subset2(object, ".__enclos_env__")
  private$.shallow_clone <- list(shallow)
  rlang::env_binding_unlock(object, "clone")
  object$clone <- function(deep = FALSE, ..., replace_values = TRUE) {
    as_callable(clone_object(object, deep, replace_values, new.env(parent = emptyenv())))
  }
}

read_only_list <- function(name) {
  runtime_error(sprintf("It's not possible to modify the %s list.", name))
}

nn_Module <- slim_class(R6::R6Class(
  own_first("nn_Module"),
  lock_objects = FALSE,
  public = list(
    .classes = own_first("nn_module"),
    initialize = function() {
      bind_member_lists(self)
    },
    forward = function(...) {
      not_implemented_error("Forward method is not implemented")
    },
    add_module = function(name, module) {
      register_child(self, name, module)
      invisible(as_callable(self))
    },
    register_module = function(name, module) {
      self$add_module(name, module)
    },
    register_parameter = function(name, param) {
      register_parameter(self, name, param)
      invisible(as_callable(self))
    },
    register_buffer = function(name, tensor, persistent = TRUE) {
      register_buffer(self, name, tensor, persistent)
      invisible(as_callable(self))
    },
    train = function(mode = TRUE) {
      set_training(self, mode)
      lapply(own_children(self), function(child) child$train(mode))
      invisible(as_callable(self))
    },
    eval = function() {
      self$train(FALSE)
    },
    .apply = function(fn) {
      lapply(own_children(self), function(child) child$.apply(fn))
      for (name in c(names(own_parameters(self)), names(own_buffers(self)))) {
        apply_to_member(self, name, fn)
      }
      invisible(as_callable(self))
    },
    apply = function(fn) {
      lapply(own_children(self), function(child) child$apply(fn))
      fn(as_callable(self))
      invisible(as_callable(self))
    },
    cuda = function(device = NULL) {
      self$to(device = if (is.null(device)) "cuda" else device)
    },
    cpu = function() {
      self$to(device = "cpu")
    },
    to = function(dtype = NULL, device = NULL, tensor = NULL, non_blocking = FALSE, copy = FALSE,
                  memory_format = NULL) {
      if (!is.null(tensor)) {
        dtype <- if (is.null(dtype)) tensor$dtype else dtype
        device <- if (is.null(device)) tensor$device else device
      }
      convert_module(self, dtype, device, memory_format)
    },
    print = function() {
      print_module(self)
      invisible(as_callable(self))
    },
    state_dict = function(prefix = "", keepvars = FALSE) {
      state <- collect_state(self, prefix, keepvars)
      if (is.null(state)) list() else state
    },
    .save_to_state_dict = function(prefix, keepvars) {
      save_own_state(self, prefix, keepvars)
    },
    .load_from_state_dict = function(state_dict, prefix, refer = FALSE) {
      load_own_state(self, prefix, state_dict, refer)
    },
    load_state_dict = function(state_dict, ..., .refer_to_state_dict = FALSE) {
      load_state(self, "", state_dict, .refer_to_state_dict)
      invisible(as_callable(self))
    },
    zero_grad = function() {
      zero_gradients(self)
      invisible(as_callable(self))
    },
    named_parameters = function(recursive = TRUE) {
      collect_members(self, own_parameters, recursive)
    },
    named_buffers = function(recursive = TRUE) {
      collect_members(self, own_buffers, recursive)
    }
  ),
  private = list(
    .parameter_names = character(),
    .buffer_names = character(),
    .transient_names = character(),
    .child_names = character(),
    .training = TRUE,
    .class = NULL,
    .shallow_clone = list(NULL)
  ),
  active = list(
    training = function(value) {
      if (missing(value)) private$.training else set_training(self, value)
    },
    parameters = function(value) {
      if (missing(value)) collect_members(self, own_parameters) else read_only_list("parameters")
    },
    buffers = function(value) {
      if (missing(value)) collect_members(self, own_buffers) else read_only_list("buffers")
    },
    modules = function(value) {
      if (missing(value)) collect_modules(self) else read_only_list("modules")
    },
    children = function(value) {
      if (missing(value)) own_children(self) else read_only_list("children")
    }
  )
))

# The body of every generator: repeats the generator's call with the constructor in its place, where it was
# written, so that missing arguments and defaults are those of `initialize` itself.
instantiate <- function(class) {
  call <- sys.call(-1)
  call[[1]] <- class$new
  frame <- parent.frame(2)
  object <- eval(call, frame)
  assign(".class", class, envir = module_private(object))
  use_own_clone(object)
  as_callable(object)
}

# A generator of modules of the same class that have no members yet, for take_members().
blank_generator <- function(module) {
  nn_module(inherit = module_private(module_object(module))$.class, initialize = function() NULL,
    parent_env = topenv())
}

# Gives `object`, of the same class or one that inherits, the fields, parameters, buffers and children of `from`.
take_members <- function(object, from) {
  methods <- function(name) identical(environment(.subset2(from, name)), .subset2(from, ".__enclos_env__"))
  active <- names(.subset2(from, ".__enclos_env__")$.__active__)
  own <- setdiff(ls(from, all.names = TRUE), c(".__enclos_env__", ".classes", "clone", active))
  for (name in own) if (!methods(name)) bind_member(object, name, .subset2(from, name))
  private <- module_private(object)
  kept <- module_private(from)
  fields <- Filter(function(name) !is.function(kept[[name]]), ls(kept, all.names = TRUE))
  left <- c(".shallow_clone", ".class", names(member_lists))
  for (name in setdiff(fields, left)) assign(name, kept[[name]], envir = private)
}

module_generator <- function(class, classes) {
  generator <- rlang::new_function(
    args = as.pairlist(formals(class_member(class, "initialize"))),
    body = as.call(list(instantiate, class)),
    env = class$parent_env
  )
  attributes(generator) <- list(class = c(classes, "nn_module_generator"), module = class)
  generator
}

inherited_class <- function(inherit) {
  if (inherits(inherit, "nn_module_generator")) {
    inherit <- attr(inherit, "module", exact = TRUE)
  }
  if (!R6::is.R6Class(inherit)) {
    refuse(inherit, "inherit", "a module generator, as nn_module() returns it, or an R6 class")
  }
  inherit
}

#' Define a module
#'
#' A module holds parameters (tensors to be trained), buffers (tensors that are only kept), and other modules, and
#' says in `forward` what it computes from them. `nn_module()` defines a kind of module and returns its generator;
#' calling the generator makes an instance, and calling the instance runs `forward`.
#'
#' @section Members:
#' In `initialize`, `self$name <- value` registers a value according to its class: [nn_parameter()] as a parameter,
#' [nn_buffer()] as a buffer, a module instance as a child; anything else is an ordinary field. They are found again
#' under the same name. `super` is the parent definition, `private` the private fields.
#'
#' @section Methods and fields of an instance:
#' * `parameters`, `buffers`: named lists of tensors, those of the children first; an object used twice is listed
#'   once. `named_parameters(recursive = TRUE)` and `named_buffers(recursive = TRUE)` likewise.
#' * `children`: the child modules; `modules`: the module itself and all modules inside it.
#' * `training`: `TRUE` in training mode. `train(mode = TRUE)` and `eval()` switch the module and its children.
#' * `state_dict()`: all parameters and persistent buffers by name, sharing memory with the module;
#'   `load_state_dict(state_dict)` copies such a list into the module.
#' * `to(dtype, device)`, `cpu()`: convert floating point parameters and buffers.
#' * `apply(fn)`: calls `fn` on every module inside, and on the module itself last.
#' * `zero_grad()`: sets all gradients to zero.
#' * `clone(deep = FALSE)`: see [clone_module()].
#' * `add_module(name, module)`, `register_parameter(name, param)`, `register_buffer(name, tensor, persistent)`:
#'   what `$<-` does, explicitly.
#'
#' `train()`, `eval()`, `to()`, `cpu()`, `apply()` and `load_state_dict()` return the module, invisibly.
#'
#' @param classname name of the module's class, or `NULL`.
#' @param inherit a generator to inherit from.
#' @param ... methods (`initialize`, `forward` and others) and fields, by name.
#' @param private,active named lists of private members and of active fields, as in [R6::R6Class()].
#' @param parent_env environment in which the methods look up what they do not define.
#' @return A generator: a function with the arguments of `initialize`. An instance is a function with the arguments
#'   of `forward`. Calling a module without `forward` is an error of class `not_implemented_error`.
#' @examples
#' net <- nn_module(
#'   initialize = function(inputs, hidden) {
#'     self$hidden <- nn_linear(inputs, hidden)
#'     self$scale <- nn_parameter(torch_ones(1))
#'   },
#'   forward = function(x) {
#'     self$hidden(x) * self$scale
#'   }
#' )
#' model <- net(3, 5)
#' model
#' names(model$parameters)
#' model(torch_randn(2, 3))
#' @family modules
#' @export
nn_module <- function(classname = NULL, inherit = nn_Module, ..., private = NULL, active = NULL,
                      parent_env = parent.frame()) {
  inherit <- inherited_class(inherit)
  env <- new.env(parent = parent_env)
  env$.__inherit__ <- inherit
  bind_release(env)
  env$.bind_member_lists <- bind_member_lists
  members <- rlang::list2(...)
  if (is.function(members$forward)) members$forward <- with_release(members$forward)
  methods <- names(members) != "forward"
  members[methods] <- lapply(members[methods], with_members_at_once)
  if (is.function(members$initialize)) members$initialize <- with_member_lists(members$initialize)
  private <- if (!is.null(private)) lapply(private, with_members_at_once)
  classes <- own_first(c(classname, inherit$public_fields$.classes))
  class <- slim_class(R6::R6Class(
    own_first(classname),
    inherit = .__inherit__,
    lock_objects = FALSE,
    public = c(list(.classes = classes), members),
    private = private,
    active = active,
    parent_env = env
  ))
  module_generator(class, classes)
}

utils::globalVariables(c(".__inherit__", ".bind_member_lists"))

# `initialize`, with the lists there before anything else.
with_member_lists <- function(initialize) {
  body(initialize) <- call("{", quote(.bind_member_lists(self)), body(initialize))
  initialize
}

#' Is it a module?
#'
#' @param x any object.
#' @return `TRUE` for a module instance, `FALSE` for anything else, generators included.
#' @examples
#' is_nn_module(nn_linear)
#' is_nn_module(nn_linear(2, 3))
#' @family modules
#' @export
is_nn_module <- function(x) {
  inherits(x, "candela_module") && !inherits(x, "nn_module_generator")
}

#' Copy a module
#'
#' A shallow copy (`deep = FALSE`) is a new module with the same parameters, buffers and children. A deep copy has its
#' own; what was shared between parts of the module is shared between the same parts of the copy. A private method
#' `finalize_deep_clone()`, if there is one, is called on each deep copy at the end.
#'
#' @param module a module.
#' @param deep copy the children, parameters and buffers as well?
#' @param ... not used.
#' @param replace_values in a deep copy, copy parameters and buffers (`TRUE`), or share them with the original?
#' @return The copy. Parameters of a deep copy are leaves without gradient and keep `requires_grad` and their class.
#' @examples
#' a <- nn_linear(2, 2)
#' b <- clone_module(a, deep = TRUE)
#' b$weight
#' @family modules
#' @export
clone_module <- function(module, deep = FALSE, ..., replace_values = TRUE) {
  check_module(module, "module")
  module$clone(deep = deep, replace_values = replace_values)
}

#' @export
`$.candela_module` <- function(x, name) {
  object <- attr(x, "module", exact = TRUE)
  value <- .subset2(object, name)
  if (is.null(value) && !inherits(x, "nn_module_generator")) get_member(object, name) else value
}

#' @export
`[[.candela_module` <- function(x, name) {
  if (is.numeric(name)) nth_child(attr(x, "module", exact = TRUE), name) else `$.candela_module`(x, name)
}

# Asked for at every `self$name`: what R does without a method.
#' @export
`$.candela_Module` <- .subset2

#' @export
`[[.candela_Module` <- function(x, name) get_member(x, name)

#' @export
`$<-.candela_module` <- function(x, name, value) {
  set_member(attr(x, "module", exact = TRUE), name, value)
  invisible(x)
}

#' @export
`[[<-.candela_module` <- function(x, name, value) {
  object <- attr(x, "module", exact = TRUE)
  if (is.numeric(name)) {
    nth_child(object, name)
    name <- names(own_children(object))[[name]]
  }
  set_member(object, name, value)
  invisible(x)
}

#' @export
`$<-.candela_Module` <- function(x, name, value) {
  set_member(x, name, value)
  invisible(x)
}

#' @export
`[[<-.candela_Module` <- function(x, name, value) {
  set_member(x, name, value)
  invisible(x)
}

#' @export
names.candela_module <- function(x) names(attr(x, "module", exact = TRUE))

#' @rawNamespace S3method(.DollarNames, candela_module)
.DollarNames.candela_module <- function(x, pattern = "") {
  candidates <- names(x)
  hidden <- startsWith(candidates, ".")
  odd <- make.names(candidates) != candidates
  candidates[odd] <- paste0("`", candidates[odd], "`")
  grep(pattern, sort(candidates[!hidden]), value = TRUE)
}
