#' Resilient backpropagation and averaged gradient descent
#'
#' `optim_rprop()` uses only the sign of the gradient: each element has a step size of its own, which grows while the
#' sign stays and shrinks when it turns. `optim_asgd()` is gradient descent with a falling step size that also keeps the
#' average of the parameters (state `ax`) from step `t0` on.
#'
#' @inheritParams optim_adam
#' @param etas two numbers: the factors by which a step size shrinks (below 1) and grows (above 1).
#' @param step_sizes smallest and largest step size.
#' @param lambda decay of the parameters.
#' @param alpha power of the fall of the step size.
#' @param t0 step at which averaging begins.
#' @return An optimizer, see [optimizer()].
#' @source Riedmiller and Braun (1993), A direct adaptive method for faster backpropagation learning: the RPROP
#'   algorithm. Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging.
#' @examples
#' w <- torch_tensor(c(3, -2), requires_grad = TRUE)
#' opt <- optim_rprop(w)
#' (w^2)$sum()$backward()
#' opt$step()
#' w
#' @family optimizers
#' @include optimizer.R
#' @export
optim_rprop <- optimizer(
  "optim_rprop",
  initialize = function(params, lr = 1e-2, etas = c(0.5, 1.2), step_sizes = c(1e-6, 50)) {
    check_lr(lr)
    if (length(etas) != 2 || !(0 < etas[[1]] && etas[[1]] < 1 && 1 < etas[[2]])) {
      value_error(sprintf("Invalid eta values: %s", paste(etas, collapse = ", ")))
    }
    if (length(step_sizes) != 2) refuse(step_sizes, "step_sizes", "2 numbers")
    super$initialize(params, list(lr = lr, etas = etas, step_sizes = step_sizes))
  },
  step = function(closure = NULL) {
    fused_step(self, closure, "rprop",
      hyper = function(group) c(group$etas, group$step_sizes),
      states = function(group) list(prev = zeros_for, step_size = full_for(group$lr))
    )
  }
)

#' @rdname optim_rprop
#' @export
optim_asgd <- optimizer(
  "optim_asgd",
  initialize = function(params, lr = 1e-2, lambda = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0) {
    check_lr(lr)
    check_decay(weight_decay)
    super$initialize(params, list(lr = lr, lambda = lambda, alpha = alpha, t0 = t0, weight_decay = weight_decay))
  },
  step = function(closure = NULL) {
    fused_step(self, closure, "asgd",
      hyper = function(group) c(group$lr, group$lambda, group$alpha, group$t0, group$weight_decay),
      states = function(group) list(ax = zeros_for)
    )
  }
)
