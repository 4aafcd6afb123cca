#' L-BFGS
#'
#' Limited-memory quasi-Newton steps: the direction is the gradient times an approximation of the inverse Hessian,
#' made of the last `history_size` steps and changes of the gradient by the two-loop recursion. For small problems
#' whose loss is computed from all data; one `step()` makes up to `max_iter` iterations and evaluates the loss several
#' times.
#'
#' `step()` must be given a closure that sets the gradients to zero, computes the loss, calls `backward()` on it and
#' returns it.
#'
#' Without a line search a step is `lr` times the direction (the first one is shortened to `lr / sum(|gradient|)` at
#' most). With `line_search_fn = "strong_wolfe"` its length is searched by cubic interpolation until the loss has
#' fallen by at least 1e-4 of what the slope promises and the slope has shrunk to 0.9 of what it was: the way to go
#' where the loss is not noisy.
#'
#' @inheritParams optim_adam
#' @param lr length of the steps.
#' @param max_iter largest number of iterations of one `step()`.
#' @param max_eval largest number of evaluations of one `step()`; `NULL` is 1.25 `max_iter`.
#' @param tolerance_grad stop when the largest absolute gradient is not above this.
#' @param tolerance_change stop when neither the parameters nor the loss change by more.
#' @param history_size number of steps that are remembered.
#' @param line_search_fn `NULL` or `"strong_wolfe"`.
#' @return An optimizer, see [optimizer()]. Its `step(closure)` gives the loss at the beginning.
#' @section Errors: a `value_error` for more than one group of parameters, or a `step()` without closure.
#' @source Liu and Nocedal (1989), Mathematical Programming 45, 503-528. Nocedal and Wright (2006),
#'   algorithms 3.5 and 7.4.
#' @examples
#' x <- torch_tensor(c(-1, 1), requires_grad = TRUE)
#' opt <- optim_lbfgs(x, line_search_fn = "strong_wolfe")
#' for (i in 1:2) {
#'   opt$step(function() {
#'     opt$zero_grad()
#'     loss <- (1 - x[1])^2 + 5 * (x[2] - x[1]^2)^2
#'     loss$backward()
#'     loss
#'   })
#' }
#' x
#' @family optimizers
#' @include optimizer.R
#' @export
optim_lbfgs <- optimizer(
  "optim_lbfgs",
  initialize = function(params, lr = 1, max_iter = 20, max_eval = NULL, tolerance_grad = 1e-7, tolerance_change = 1e-9,
                        history_size = 100, line_search_fn = NULL) {
    check_lr(lr)
    check_range(max_iter, function(x) x >= 1, "Invalid max_iter value")
    check_range(history_size, function(x) x >= 1, "Invalid history_size value")
    if (!is.null(line_search_fn) && !identical(line_search_fn, "strong_wolfe")) {
      value_error("`line_search_fn` must be NULL or \"strong_wolfe\": only 'strong_wolfe' is supported.")
    }
    super$initialize(params, list(
      lr = lr, max_iter = max_iter, max_eval = if (is.null(max_eval)) (max_iter * 5) %/% 4 else max_eval,
      tolerance_grad = tolerance_grad, tolerance_change = tolerance_change, history_size = history_size,
      line_search_fn = line_search_fn
    ))
    if (length(self$param_groups) != 1) {
      value_error("LBFGS doesn't support per-parameter options (parameter groups).")
    }
  },
  step = function(closure) {
    if (missing(closure) || !is.function(closure)) {
      value_error("`step()` needs a closure that computes the loss, calls backward() on it and returns it.")
    }
    with_no_grad(lbfgs_step(self$param_groups[[1]], self$state, closure))
  }
)

lbfgs_step <- function(group, store, closure) {
  params <- group$params
  state <- store$get(params[[1]])
  if (is.null(state)) state <- list(func_evals = 0, n_iter = 0)
  loss <- with_enable_grad(closure())
  at <- list(loss = loss$item(), grad = flat_gradient(params))
  if (largest(at$grad) > group$tolerance_grad) {
    state <- lbfgs_iterate(state, at, group, closure)
  } else {
    state$func_evals <- state$func_evals + 1
  }
  store$set(params[[1]], state)
  loss
}

# Iterations from the point `at`, which has been evaluated, until one of the limits is reached.
lbfgs_iterate <- function(state, at, group, closure) {
  evaluations <- 1
  for (iteration in seq_len(group$max_iter)) {
    state$n_iter <- state$n_iter + 1
    state <- lbfgs_direction(state, at$grad, group$history_size)
    state$prev_flat_grad <- at$grad
    state$prev_loss <- at$loss
    state$t <- group$lr * if (state$n_iter == 1) min(1, 1 / at$grad$abs()$sum()$item()) else 1
    slope <- at$grad$dot(state$d)$item()
    if (slope > -group$tolerance_change) break
    at <- lbfgs_move(state, at, slope, group, closure, iteration < group$max_iter)
    state$t <- at$t
    evaluations <- evaluations + at$evaluations
    if (evaluations >= group$max_eval || lbfgs_has_arrived(state, at, group)) break
  }
  state$func_evals <- state$func_evals + evaluations
  state
}

lbfgs_has_arrived <- function(state, at, group) {
  largest(at$grad) <= group$tolerance_grad ||
    largest(state$d) * abs(state$t) <= group$tolerance_change ||
    isTRUE(abs(at$loss - state$prev_loss) < group$tolerance_change)
}

# state$d: minus the gradient times the inverse Hessian that the history stands for.
lbfgs_direction <- function(state, grad, history_size) {
  if (state$n_iter == 1) {
    state[c("old_dirs", "old_stps")] <- list(list(), list())
    state$ro <- numeric()
    state$H_diag <- 1
    state$d <- -grad
    return(state)
  }
  state <- lbfgs_remember(state, grad, history_size)
  direction <- -grad
  share <- numeric(length(state$ro))
  for (i in rev(seq_along(share))) {
    share[i] <- state$old_stps[[i]]$dot(direction)$item() * state$ro[i]
    direction$sub_(state$old_dirs[[i]] * share[i])
  }
  direction <- direction * state$H_diag
  for (i in seq_along(share)) {
    other <- state$old_dirs[[i]]$dot(direction)$item() * state$ro[i]
    direction$add_(state$old_stps[[i]] * (share[i] - other))
  }
  state$d <- direction
  state
}

# The last step s and change of the gradient y, where the curvature y's is positive.
lbfgs_remember <- function(state, grad, history_size) {
  y <- grad - state$prev_flat_grad
  s <- state$d * state$t
  curvature <- y$dot(s)$item()
  if (!isTRUE(curvature > 1e-10)) {
    return(state)
  }
  kept <- utils::tail(seq_along(state$ro), history_size - 1)
  state$old_dirs <- c(state$old_dirs[kept], list(y))
  state$old_stps <- c(state$old_stps[kept], list(s))
  state$ro <- c(state$ro[kept], 1 / curvature)
  state$H_diag <- curvature / y$dot(y)$item()
  state
}

# Moves the parameters along the direction; the new point, its loss and gradient, and how often these were evaluated. A
# step of fixed length needs no evaluation at the end.
lbfgs_move <- function(state, at, slope, group, closure, evaluate_again) {
  params <- group$params
  if (!is.null(group$line_search_fn)) {
    found <- lbfgs_search(state, at, slope, group, closure)
    move_along(params, state$d, found$t)
    return(found)
  }
  move_along(params, state$d, state$t)
  if (evaluate_again) {
    loss <- with_enable_grad(closure())$item()
    at <- list(loss = loss, grad = flat_gradient(params))
  }
  c(at[c("loss", "grad")], t = state$t, evaluations = as.numeric(evaluate_again))
}

lbfgs_search <- function(state, at, slope, group, closure) {
  start <- lapply(group$params, function(p) p$clone())
  evaluations <- 0
  evaluate <- function(t) {
    move_along(group$params, state$d, t)
    loss <- with_enable_grad(closure())$item()
    grad <- flat_gradient(group$params)
    for (i in seq_along(start)) group$params[[i]]$copy_(start[[i]])
    evaluations <<- evaluations + 1
    list(t = t, loss = loss, grad = grad, slope = grad$dot(state$d)$item())
  }
  begin <- list(t = 0, loss = at$loss, grad = at$grad, slope = slope)
  found <- strong_wolfe(evaluate, begin, state$t, largest(state$d))
  c(found[c("loss", "grad", "t")], evaluations = evaluations)
}

flat_gradient <- function(params) {
  torch_cat(lapply(params, function(p) {
    grad <- p$grad
    if (is_undefined_tensor(grad)) torch_zeros(p$numel(), dtype = p$dtype) else grad$detach()$reshape(-1)$clone()
  }))
}

# p + t d for each parameter, whose part of the direction d is as long as it is.
move_along <- function(params, direction, t) {
  parts <- torch_split(direction, vapply(params, function(p) as.integer(p$numel()), 0L))
  for (i in seq_along(params)) params[[i]]$add_(parts[[i]]$reshape(dim(params[[i]])) * t)
}

largest <- function(x) x$abs()$max()$item()

# ---- line search ----

# The point, of those that evaluate(t) gives, that meets the strong Wolfe conditions; after `most` evaluations the
# lowest. size: of the largest change of a parameter for t = 1.
strong_wolfe <- function(evaluate, begin, t, size, c1 = 1e-4, c2 = 0.9, tolerance_change = 1e-9, most = 25) {
  falls_enough <- function(p) !isTRUE(p$loss > begin$loss + c1 * p$t * begin$slope)
  is_flat <- function(p) isTRUE(abs(p$slope) <= -c2 * begin$slope)
  before <- begin
  now <- evaluate(t)
  bracket <- NULL
  for (i in seq_len(most) - 1) {
    if (!falls_enough(now) || (i > 1 && isTRUE(now$loss >= before$loss))) {
      bracket <- list(before, now)
      break
    }
    if (is_flat(now)) {
      return(now)
    }
    if (isTRUE(now$slope >= 0)) {
      bracket <- list(before, now)
      break
    }
    t <- cubic_minimum(before, now, now$t + 0.01 * (now$t - before$t), 10 * now$t)
    before <- now
    now <- evaluate(t)
    i <- i + 1
  }
  if (is.null(bracket)) {
    return(if (isTRUE(begin$loss <= now$loss)) begin else now)
  }
  narrow_bracket(evaluate, bracket, falls_enough, is_flat, size, tolerance_change, most - i)
}

# The bracket's ends are kept as list(low, high) by their losses.
narrow_bracket <- function(evaluate, bracket, falls_enough, is_flat, size, tolerance_change, most) {
  by_loss <- function(ends) if (isTRUE(ends[[1]]$loss <= ends[[2]]$loss)) ends else rev(ends)
  bracket <- by_loss(bracket)
  stuck <- FALSE
  for (i in seq_len(most)) {
    ends <- range(bracket[[1]]$t, bracket[[2]]$t)
    if (diff(ends) * size < tolerance_change) break
    trial <- off_the_ends(cubic_minimum(bracket[[1]], bracket[[2]], ends[1], ends[2]), ends, stuck)
    stuck <- trial$stuck
    now <- evaluate(trial$t)
    low <- bracket[[1]]
    if (!falls_enough(now) || isTRUE(now$loss >= low$loss)) {
      bracket <- by_loss(list(low, now))
      next
    }
    if (is_flat(now)) {
      return(now)
    }
    turns <- isTRUE(now$slope * (bracket[[2]]$t - low$t) >= 0)
    bracket <- list(now, if (turns) low else bracket[[2]])
  }
  bracket[[1]]
}

# A trial close to an end is let pass once; the next time, or outside, it is moved a tenth of the length inwards.
off_the_ends <- function(t, ends, stuck) {
  margin <- 0.1 * diff(ends)
  if (min(ends[2] - t, t - ends[1]) >= margin) {
    return(list(t = t, stuck = FALSE))
  }
  if (!stuck && t < ends[2] && t > ends[1]) {
    return(list(t = t, stuck = TRUE))
  }
  upper <- abs(t - ends[2]) < abs(t - ends[1])
  list(t = if (upper) ends[2] - margin else ends[1] + margin, stuck = FALSE)
}

# Where the cubic through both points, with their slopes, is lowest, within the bounds; their middle where it is
# nowhere.
cubic_minimum <- function(a, b, lowest, highest) {
  if (a$t > b$t) {
    return(cubic_minimum(b, a, lowest, highest))
  }
  d1 <- a$slope + b$slope - 3 * (a$loss - b$loss) / (a$t - b$t)
  square <- d1^2 - a$slope * b$slope
  if (!isTRUE(square >= 0)) {
    return((lowest + highest) / 2)
  }
  d2 <- sqrt(square)
  t <- b$t - (b$t - a$t) * ((b$slope + d2 - d1) / (b$slope - a$slope + 2 * d2))
  if (is.finite(t)) min(max(t, lowest), highest) else (lowest + highest) / 2
}
