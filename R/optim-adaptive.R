#' RMSprop, Adagrad, Adadelta
#'
#' Steps divided by a root of accumulated squared gradients: a running mean (`optim_rmsprop()`), the sum of all
#' (`optim_adagrad()`), or the ratio of two running means, which needs no learning rate (`optim_adadelta()`).
#' Weight decay is added to the gradient.
#'
#' @inheritParams optim_adam
#' @param alpha,rho how slowly the running mean changes, in `[0, 1)`.
#' @param momentum share of the previous step that is kept.
#' @param centered subtract the squared mean of the gradient?
#' @param lr_decay the learning rate at step t is `lr / (1 + (t - 1) lr_decay)`.
#' @param initial_accumulator_value where the sum begins.
#' @return An optimizer, see [optimizer()].
#' @source Tieleman and Hinton (2012), lecture 6.5 - RMSProp. Duchi, Hazan and Singer (2011), Adaptive subgradient
#'   methods for online learning and stochastic optimization. Zeiler (2012), ADADELTA: an adaptive learning rate method.
#' @examples
#' w <- torch_tensor(c(3, -2), requires_grad = TRUE)
#' opt <- optim_rmsprop(w, lr = 0.1)
#' (w^2)$sum()$backward()
#' opt$step()
#' w
#' @family optimizers
#' @include optimizer.R
#' @export
optim_rmsprop <- optimizer(
  "optim_rmsprop",
  initialize = function(params, lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0,
                        centered = FALSE) {
    check_lr(lr)
    check_eps(eps)
    check_range(momentum, at_least_zero, "Invalid momentum value")
    check_decay(weight_decay)
    check_range(alpha, at_least_zero, "Invalid alpha value")
    super$initialize(params, list(
      lr = lr, alpha = alpha, eps = eps, weight_decay = weight_decay, momentum = momentum, centered = centered
    ))
  },
  step = function(closure = NULL) {
    fused_step(self, closure, "rmsprop",
      hyper = function(group) {
        c(group$lr, group$alpha, group$eps, group$weight_decay, group$momentum, group$centered)
      },
      states = function(group) {
        list(
          square_avg = zeros_for,
          momentum_buffer = if (group$momentum > 0) zeros_for,
          grad_avg = if (group$centered) zeros_for
        )
      }
    )
  }
)

#' @rdname optim_rmsprop
#' @export
optim_adagrad <- optimizer(
  "optim_adagrad",
  initialize = function(params, lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0,
                        eps = 1e-10) {
    check_lr(lr)
    check_range(lr_decay, at_least_zero, "Invalid lr_decay value")
    check_decay(weight_decay)
    check_range(initial_accumulator_value, at_least_zero, "Invalid initial_accumulator_value")
    check_eps(eps)
    super$initialize(params, list(
      lr = lr, lr_decay = lr_decay, weight_decay = weight_decay,
      initial_accumulator_value = initial_accumulator_value, eps = eps
    ))
  },
  step = function(closure = NULL) {
    fused_step(self, closure, "adagrad",
      hyper = function(group) c(group$lr, group$lr_decay, group$weight_decay, group$eps),
      states = function(group) list(sum = full_for(group$initial_accumulator_value))
    )
  }
)

#' @rdname optim_rmsprop
#' @export
optim_adadelta <- optimizer(
  "optim_adadelta",
  initialize = function(params, lr = 1.0, rho = 0.9, eps = 1e-6, weight_decay = 0) {
    check_lr(lr)
    check_range(rho, function(x) x >= 0 && x <= 1, "Invalid rho value")
    check_eps(eps)
    check_decay(weight_decay)
    super$initialize(params, list(lr = lr, rho = rho, eps = eps, weight_decay = weight_decay))
  },
  step = function(closure = NULL) {
    fused_step(self, closure, "adadelta",
      hyper = function(group) c(group$lr, group$rho, group$eps, group$weight_decay),
      states = function(group) list(square_avg = zeros_for, acc_delta = zeros_for)
    )
  }
)

#' @rdname optim_rmsprop
#' @export
optim_ignite_rmsprop <- optim_rmsprop

#' @rdname optim_rmsprop
#' @export
optim_ignite_adagrad <- optim_adagrad
