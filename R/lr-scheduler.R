# Learning rate schedules.

LRScheduler <- slim_class(R6::R6Class("lr_scheduler",
  lock_objects = FALSE,
  public = list(
    optimizer = NULL,
    base_lrs = NULL,
    last_epoch = NULL,
    verbose = NULL,
    initialize = function(optimizer, last_epoch = -1, verbose = FALSE) {
      check_optimizer(optimizer)
      check_whole_number(last_epoch, "last_epoch", -1)
      check_flag(verbose, "verbose")
      self$optimizer <- optimizer
      for (i in seq_along(optimizer$param_groups)) {
        group <- optimizer$param_groups[[i]]
        if (last_epoch == -1 && is.null(group[["initial_lr"]])) {
          optimizer$param_groups[[i]][["initial_lr"]] <- group$lr
        } else if (is.null(group[["initial_lr"]])) {
          value_error(sprintf("param 'initial_lr' is not specified in param_groups[[%d]] when resuming an optimizer",
            i))
        }
      }
      self$base_lrs <- vapply(optimizer$param_groups, function(group) as.double(group[["initial_lr"]]), 0)
      self$last_epoch <- last_epoch
      self$verbose <- verbose
      self$step()
    },
    state_dict = function() {
      fields <- setdiff(names(self), c("optimizer", ".__enclos_env__"))
      values <- stats::setNames(lapply(fields, function(name) self[[name]]), fields)
      values[!vapply(values, function(x) is.function(x) || is.environment(x), NA)]
    },
    load_state_dict = function(state_dict) {
      for (name in names(state_dict)) self[[name]] <- state_dict[[name]]
      invisible(self)
    },
    get_last_lr = function() self$.last_lr,
    get_lr = function() not_implemented_error("`get_lr()` is not implemented for this scheduler."),
    print_lr = function(is_verbose, group, lr) {
      if (is_verbose) rlang::inform(sprintf("Adjusting learning rate of group %s to %.4f", group, lr))
    },
    step = function() {
      self$last_epoch <- self$last_epoch + 1
      values <- as.double(unlist(self$get_lr()))
      for (i in seq_along(self$optimizer$param_groups)) {
        self$optimizer$param_groups[[i]]$lr <- values[[i]]
        self$print_lr(self$verbose, i, values[[i]])
      }
      self$.last_lr <- values
      invisible(self)
    },
    .current_lrs = function() vapply(self$optimizer$param_groups, function(group) as.double(group$lr), 0)
  )
))

#' Defining learning rate schedulers
#'
#' `lr_scheduler()` makes a new kind of scheduler. Its `get_lr` returns the learning rates of all groups for the step
#' number `self$last_epoch` (0 at construction); `self$base_lrs` are those the optimizer began with. An `initialize` of
#' its own ends with `super$initialize(optimizer, last_epoch, verbose)`, which performs the first step.
#'
#' @param classname name of the class.
#' @param inherit what is inherited from: another scheduler, or the base class.
#' @param ... methods and fields.
#' @param parent_env environment in which `inherit` is found.
#' @return A function that creates a scheduler. Schedulers have the methods `step()`, `get_last_lr()`, `state_dict()`
#'   and `load_state_dict(state_dict)`.
#' @examples
#' lr_halving <- lr_scheduler("lr_halving", get_lr = function() self$base_lrs / 2^self$last_epoch)
#' opt <- optim_sgd(torch_ones(1, requires_grad = TRUE), lr = 1)
#' scheduler <- lr_halving(opt)
#' scheduler$step()
#' scheduler$get_last_lr()
#' @family schedulers
#' @include class-generator.R
#' @export
lr_scheduler <- function(classname = NULL, inherit = LRScheduler, ..., parent_env = parent.frame()) {
  class <- derive_class(classname, inherit, list(...), NULL, NULL, parent_env)
  constructor(class, c(classname, "lr_scheduler_generator"))
}

#' Learning rate schedulers
#'
#' Change the learning rates of an optimizer's groups at each `step()`: by a function of the step number
#' (`lr_lambda()`: initial rate times its value; `lr_multiplicative()`: present rate times its value), by the factor
#' `gamma` every `step_size` steps (`lr_step()`), or along half a cosine down to `eta_min` at step `T_max`
#' (`lr_cosine_annealing()`).
#'
#' @param optimizer an optimizer.
#' @param lr_lambda a function of the step number, or a list of one for each parameter group.
#' @param step_size number of steps between two reductions.
#' @param gamma factor of a reduction.
#' @param T_max number of steps of half a period.
#' @param eta_min smallest learning rate.
#' @param last_epoch number of the last step, -1 to begin.
#' @param verbose announce each change?
#' @return A scheduler, see [lr_scheduler()].
#' @source Loshchilov and Hutter (2016), SGDR: stochastic gradient descent with warm restarts.
#' @examples
#' opt <- optim_sgd(torch_ones(1, requires_grad = TRUE), lr = 1)
#' scheduler <- lr_step(opt, step_size = 2)
#' for (i in 1:4) scheduler$step()
#' scheduler$get_last_lr()
#' @family schedulers
#' @export
lr_lambda <- lr_scheduler(
  "lr_lambda",
  initialize = function(optimizer, lr_lambda, last_epoch = -1, verbose = FALSE) {
    self$lr_lambdas <- for_each_group(lr_lambda, optimizer)
    super$initialize(optimizer, last_epoch, verbose)
  },
  get_lr = function() {
    self$base_lrs * vapply(self$lr_lambdas, function(f) as.double(f(self$last_epoch)), 0)
  }
)

#' @rdname lr_lambda
#' @export
lr_multiplicative <- lr_scheduler(
  "lr_multiplicative",
  initialize = function(optimizer, lr_lambda, last_epoch = -1, verbose = FALSE) {
    self$lr_lambdas <- for_each_group(lr_lambda, optimizer)
    super$initialize(optimizer, last_epoch, verbose)
  },
  get_lr = function() {
    lrs <- self$.current_lrs()
    if (self$last_epoch > 0) lrs <- lrs * vapply(self$lr_lambdas, function(f) as.double(f(self$last_epoch)), 0)
    lrs
  }
)

#' @rdname lr_lambda
#' @export
lr_step <- lr_scheduler(
  "lr_step",
  initialize = function(optimizer, step_size, gamma = 0.1, last_epoch = -1) {
    self$step_size <- step_size
    self$gamma <- gamma
    super$initialize(optimizer, last_epoch)
  },
  get_lr = function() {
    due <- self$last_epoch > 0 && self$last_epoch %% self$step_size == 0
    self$.current_lrs() * if (due) self$gamma else 1
  }
)

#' @rdname lr_lambda
#' @export
lr_cosine_annealing <- lr_scheduler(
  "lr_cosine_annealing",
  initialize = function(optimizer, T_max, eta_min = 0, last_epoch = -1, verbose = FALSE) {
    check_number(T_max, "T_max")
    check_number(eta_min, "eta_min")
    self$T_max <- T_max
    self$eta_min <- eta_min
    super$initialize(optimizer, last_epoch, verbose)
  },
  get_lr = function() {
    self$eta_min + (self$base_lrs - self$eta_min) * (1 + cos(pi * self$last_epoch / self$T_max)) / 2
  }
)

for_each_group <- function(value, optimizer) {
  n <- if (is_optimizer(optimizer)) length(optimizer$param_groups) else 1
  if (!is.list(value)) return(rep(list(value), n))
  if (length(value) != n) {
    value_error(sprintf("Expected %d values, one for each parameter group, got %d.", n, length(value)))
  }
  value
}

#' One-cycle learning rate schedule
#'
#' The learning rate rises from `max_lr / div_factor` to `max_lr` during the first `pct_start` of all steps, then
#' falls to `max_lr / (div_factor * final_div_factor)`; the momentum (or Adam's first beta) moves the other way. To be
#' stepped after every batch; the total number of steps is `total_steps` or `epochs * steps_per_epoch`.
#'
#' @inheritParams lr_lambda
#' @param max_lr largest learning rate, or one for each parameter group.
#' @param total_steps,epochs,steps_per_epoch number of steps.
#' @param pct_start share of the steps with a rising rate.
#' @param anneal_strategy `"cos"` or `"linear"`.
#' @param cycle_momentum move the momentum too?
#' @param base_momentum,max_momentum its limits.
#' @param div_factor,final_div_factor see above.
#' @return A scheduler, see [lr_scheduler()].
#' @source Smith and Topin (2017), Super-convergence: very fast training of neural networks using large learning rates.
#' @examples
#' opt <- optim_adam(torch_ones(1, requires_grad = TRUE))
#' scheduler <- lr_one_cycle(opt, max_lr = 0.01, epochs = 2, steps_per_epoch = 5)
#' scheduler$step()
#' scheduler$get_last_lr()
#' @family schedulers
#' @export
lr_one_cycle <- lr_scheduler(
  "lr_one_cycle",
  initialize = function(optimizer, max_lr, total_steps = NULL, epochs = NULL, steps_per_epoch = NULL, pct_start = 0.3,
                        anneal_strategy = "cos", cycle_momentum = TRUE, base_momentum = 0.85, max_momentum = 0.95,
                        div_factor = 25, final_div_factor = 1e4, last_epoch = -1, verbose = FALSE) {
    check_optimizer(optimizer)
    self$total_steps <- one_cycle_total(total_steps, epochs, steps_per_epoch)
    check_range(pct_start, function(x) x >= 0 && x <= 1, "Expected number between 0 and 1 pct_start, but got")
    if (!anneal_strategy %in% c("cos", "linear")) {
      value_error(sprintf("anneal_strategy must be one of 'cos' or 'linear', got '%s'", anneal_strategy))
    }
    self$step_size_up <- pct_start * self$total_steps - 1
    self$step_size_down <- self$total_steps - self$step_size_up - 1
    self$anneal_strategy <- anneal_strategy
    self$cycle_momentum <- cycle_momentum
    self$use_betas <- "betas" %in% names(optimizer$defaults)
    if (cycle_momentum && !any(c("betas", "momentum") %in% names(optimizer$defaults))) {
      value_error("optimizer must support momentum with `cycle_momentum` option enabled")
    }
    max_lrs <- unlist(for_each_group(if (length(max_lr) > 1) as.list(max_lr) else max_lr, optimizer))
    if (last_epoch == -1) {
      for (i in seq_along(optimizer$param_groups)) {
        initial <- max_lrs[[i]] / div_factor
        optimizer$param_groups[[i]][c("initial_lr", "max_lr", "min_lr")] <-
          list(initial, max_lrs[[i]], initial / final_div_factor)
        if (cycle_momentum) {
          optimizer$param_groups[[i]][c("max_momentum", "base_momentum")] <- list(max_momentum, base_momentum)
        }
      }
    }
    super$initialize(optimizer, last_epoch, verbose)
  },
  get_lr = function() {
    if (self$last_epoch > self$total_steps) {
      value_error(sprintf(
        "Tried to step %s times. The specified number of total steps is %s", self$last_epoch + 1, self$total_steps
      ))
    }
    lrs <- numeric()
    for (i in seq_along(self$optimizer$param_groups)) {
      group <- self$optimizer$param_groups[[i]]
      lrs[[i]] <- self$.between(group[["initial_lr"]], group$max_lr, group$min_lr)
      if (self$cycle_momentum) {
        self$.set_momentum(i, self$.between(group$max_momentum, group$base_momentum, group$max_momentum))
      }
    }
    lrs
  },
  # The value at this step of something that goes from `start` over `turn` to `end`.
  .between = function(start, turn, end) {
    s <- self$last_epoch
    if (s <= self$step_size_up) {
      anneal(self$anneal_strategy, start, turn, s / self$step_size_up)
    } else {
      anneal(self$anneal_strategy, turn, end, (s - self$step_size_up) / self$step_size_down)
    }
  },
  .set_momentum = function(i, value) {
    if (self$use_betas) {
      self$optimizer$param_groups[[i]]$betas[[1]] <- value
    } else {
      self$optimizer$param_groups[[i]]$momentum <- value
    }
  }
)

anneal <- function(strategy, from, to, share) {
  if (strategy == "cos") to + (from - to) / 2 * (1 + cos(pi * share)) else from + (to - from) * share
}

one_cycle_total <- function(total_steps, epochs, steps_per_epoch) {
  positive <- function(x) x > 0
  if (!is.null(total_steps)) {
    check_range(total_steps, positive, "Expected positive total_steps, but got")
    return(total_steps)
  }
  if (is.null(epochs) || is.null(steps_per_epoch)) {
    value_error("You must define either total_steps OR (epochs AND steps_per_epoch)")
  }
  check_range(epochs, positive, "Expected positive epochs, but got")
  check_range(steps_per_epoch, positive, "Expected positive steps_per_epoch, but got")
  epochs * steps_per_epoch
}

#' Reducing the learning rate when progress stops
#'
#' Multiplies the learning rates by `factor` when the value given to `step(metrics)` has not improved for more than
#' `patience` steps.
#'
#' @inheritParams lr_lambda
#' @param mode is a smaller (`"min"`) or a larger (`"max"`) value better?
#' @param factor factor of a reduction, below 1.
#' @param patience number of steps without improvement that are tolerated.
#' @param threshold,threshold_mode how much counts as an improvement: a share of the best value (`"rel"`) or a
#'   difference (`"abs"`).
#' @param cooldown number of steps after a reduction during which nothing is counted.
#' @param min_lr smallest learning rate, or one for each parameter group.
#' @param eps smaller changes of a rate are not made.
#' @return A scheduler, see [lr_scheduler()], whose `step()` needs the value watched.
#' @examples
#' opt <- optim_sgd(torch_ones(1, requires_grad = TRUE), lr = 1)
#' scheduler <- lr_reduce_on_plateau(opt, patience = 1)
#' for (loss in c(3, 3, 3, 3)) scheduler$step(loss)
#' opt$param_groups[[1]]$lr
#' @family schedulers
#' @export
lr_reduce_on_plateau <- lr_scheduler(
  "lr_reduce_on_plateau",
  initialize = function(optimizer, mode = "min", factor = 0.1, patience = 10, threshold = 1e-4, threshold_mode = "rel",
                        cooldown = 0, min_lr = 0, eps = 1e-8, verbose = FALSE) {
    check_optimizer(optimizer)
    check_number(factor, "factor")
    check_string(mode, "mode")
    check_string(threshold_mode, "threshold_mode")
    check_flag(verbose, "verbose")
    if (factor >= 1) value_error("Factor should be < 1.0.")
    if (!mode %in% c("min", "max")) value_error(sprintf("mode %s is unknown!", mode))
    if (!threshold_mode %in% c("rel", "abs")) value_error(sprintf("threshold mode %s is unknown!", threshold_mode))
    given <- c("optimizer", "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps", "verbose")
    for (name in given) self[[name]] <- get(name)
    self$min_lrs <- unlist(for_each_group(if (length(min_lr) > 1) as.list(min_lr) else min_lr, optimizer))
    self$best <- if (mode == "min") Inf else -Inf
    self$num_bad_epochs <- 0
    self$cooldown_counter <- 0
    self$last_epoch <- 0
    self$.last_lr <- self$.current_lrs()
  },
  step = function(metrics) {
    current <- as.double(if (is_tensor(metrics)) metrics$item() else metrics)
    self$last_epoch <- self$last_epoch + 1
    if (self$.is_better(current)) {
      self$best <- current
      self$num_bad_epochs <- 0
    } else {
      self$num_bad_epochs <- self$num_bad_epochs + 1
    }
    if (self$cooldown_counter > 0) {
      self$cooldown_counter <- self$cooldown_counter - 1
      self$num_bad_epochs <- 0
    }
    if (self$num_bad_epochs > self$patience) {
      self$.reduce_lr()
      self$cooldown_counter <- self$cooldown
      self$num_bad_epochs <- 0
    }
    self$.last_lr <- self$.current_lrs()
    invisible(self)
  },
  .is_better = function(value) {
    margin <- if (self$threshold_mode == "rel") self$threshold * self$best else self$threshold
    if (is.infinite(self$best)) margin <- 0
    if (self$mode == "min") isTRUE(value < self$best - margin) else isTRUE(value > self$best + margin)
  },
  .reduce_lr = function() {
    for (i in seq_along(self$optimizer$param_groups)) {
      old <- self$optimizer$param_groups[[i]]$lr
      new <- max(old * self$factor, self$min_lrs[[i]])
      if (old - new > self$eps) {
        self$optimizer$param_groups[[i]]$lr <- new
        if (self$verbose) {
          rlang::inform(sprintf("Epoch %s: reducing learning rate of group %s to %.4e", self$last_epoch, i, new))
        }
      }
    }
  }
)
