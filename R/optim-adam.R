#' Adam and AdamW
#'
#' Steps scaled by running means of the gradient and its square: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
#' `p = p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`. In `optim_adam()` weight decay is added to the
#' gradient (`g + weight_decay p`); in `optim_adamw()` the parameter shrinks by `lr * weight_decay` instead.
#' Gradients themselves are never changed by a step. Parameters without gradient are passed over.
#'
#' The `optim_ignite_` names are the same optimizers.
#'
#' @param params a tensor, a list of tensors (`model$parameters`), or a list of groups, each a list with `params` and
#'   values of its own for the other arguments.
#' @param lr learning rate.
#' @param betas two numbers in `[0, 1)`: how slowly the two means change.
#' @param eps added to the denominator.
#' @param weight_decay strength of the pull towards zero.
#' @param amsgrad use the largest `v` so far?
#' @return An optimizer, see [optimizer()].
#' @source Kingma and Ba (2014), Adam: a method for stochastic optimization. Reddi, Kale and Kumar (2018), On the
#'   convergence of Adam and beyond. Loshchilov and Hutter (2017), Decoupled weight decay regularization.
#' @examples
#' w <- torch_tensor(c(3, -2), requires_grad = TRUE)
#' opt <- optim_adam(w, lr = 0.1)
#' for (i in 1:50) {
#'   opt$zero_grad()
#'   loss <- (w^2)$sum()
#'   loss$backward()
#'   opt$step()
#' }
#' w
#' @family optimizers
#' @include optimizer.R
#' @export
optim_adam <- optimizer(
  "optim_adam",
  initialize = function(params, lr = 1e-3, betas = c(0.9, 0.999), eps = 1e-8, weight_decay = 0, amsgrad = FALSE) {
    check_lr(lr)
    check_eps(eps)
    check_betas(betas)
    check_decay(weight_decay)
    super$initialize(params, list(
      lr = lr, betas = betas, eps = eps, weight_decay = weight_decay, amsgrad = amsgrad
    ))
  },
  decoupled = FALSE,
  step = function(closure = NULL) {
    fused_step(self, closure, "adam",
      hyper = function(group) {
        c(group$lr, group$betas, group$eps, group$weight_decay, group$amsgrad, self$decoupled)
      },
      states = function(group) {
        list(exp_avg = zeros_for, exp_avg_sq = zeros_for, max_exp_avg_sq = if (group$amsgrad) zeros_for)
      }
    )
  }
)

#' @rdname optim_adam
#' @export
optim_adamw <- optimizer(
  "optim_adamw",
  inherit = optim_adam,
  initialize = function(params, lr = 1e-3, betas = c(0.9, 0.999), eps = 1e-8, weight_decay = 1e-2,
                        amsgrad = FALSE) {
    super$initialize(params, lr, betas, eps, weight_decay, amsgrad)
  },
  decoupled = TRUE
)

#' @rdname optim_adam
#' @export
optim_ignite_adam <- optim_adam

#' @rdname optim_adam
#' @export
optim_ignite_adamw <- optim_adamw
