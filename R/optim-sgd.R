#' Stochastic gradient descent
#'
#' `p = p - lr * g`, with weight decay added to the gradient; with momentum the step is `b = momentum b + (1 -
#' dampening) g` (`b = g` at the first step), with Nesterov's variant `g + momentum b`.
#'
#' @inheritParams optim_adam
#' @param lr learning rate; must be given.
#' @param momentum share of the previous step that is kept.
#' @param dampening reduces the share of the gradient in the momentum.
#' @param nesterov use Nesterov's momentum? Needs a momentum and no dampening.
#' @return An optimizer, see [optimizer()].
#' @source Sutskever, Martens, Dahl and Hinton (2013), On the importance of initialization and momentum in deep
#'   learning.
#' @examples
#' w <- torch_tensor(c(3, -2), requires_grad = TRUE)
#' opt <- optim_sgd(w, lr = 0.1, momentum = 0.9)
#' (w^2)$sum()$backward()
#' opt$step()
#' w
#' @family optimizers
#' @include optimizer.R
#' @export
optim_sgd <- optimizer(
  "optim_sgd",
  initialize = function(params, lr = optim_required(), momentum = 0, dampening = 0, weight_decay = 0,
                        nesterov = FALSE) {
    check_lr(lr)
    check_range(momentum, at_least_zero, "Invalid momentum value")
    check_decay(weight_decay)
    if (nesterov && (momentum <= 0 || dampening != 0)) {
      value_error("Nesterov momentum requires a momentum and zero dampening")
    }
    super$initialize(params, list(
      lr = lr, momentum = momentum, dampening = dampening, weight_decay = weight_decay, nesterov = nesterov
    ))
  },
  step = function(closure = NULL) {
    fused_step(self, closure, "sgd",
      hyper = function(group) {
        c(group$lr, group$momentum, group$dampening, group$weight_decay, group$nesterov)
      },
      states = function(group) list(momentum_buffer = if (group$momentum != 0) zeros_for), counts = FALSE
    )
  }
)

#' @rdname optim_sgd
#' @export
optim_ignite_sgd <- optim_sgd
