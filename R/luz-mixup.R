#' @include luz-callbacks.R
NULL

#' Mixup
#'
#' Trains on convex combinations of pairs of items of a batch. The callback mixes each batch; `nnf_mixup()` does so
#' for one batch; `nn_mixup_loss()` turns a loss into one for mixed targets,
#' `(1 - w) * loss(x, y1) + w * loss(x, y2)`, its mean over the batch.
#'
#' @details The weight of an item is drawn from a Beta(alpha, alpha) distribution, by R's generator; the larger of w
#'   and 1 - w is used. The pairs are drawn by the generator that [torch_manual_seed()] seeds.
#' @param alpha Parameter of the Beta distribution.
#' @param ... Not used.
#' @param run_valid Whether to mix validation batches too.
#' @param auto_loss Whether to make the loss of the model one for mixed targets during training. A module with a field
#'   `reduction` is wrapped in `nn_mixup_loss()`; another loss must not reduce: it gives one number for each item.
#' @param x Inputs, a tensor whose first dimension is the batch.
#' @param y Targets, likewise.
#' @param weight Tensor with the weight w of each item's partner; the item itself has 1 - w.
#' @param loss A loss module with a field `reduction`, such as [nn_cross_entropy_loss()].
#' @return `luz_callback_mixup()`: a callback. `nnf_mixup()`: a list with the mixed `x` and, as `y`, a list of `ys`, the
#'   targets of both items, and `weight`. `nn_mixup_loss()`: a loss module.
#' @source Zhang et al. (2018) mixup: Beyond Empirical Risk Minimization, <https://arxiv.org/abs/1710.09412>.
#' @examples
#' weight <- torch_tensor(c(0.9, 0.8, 0.7, 0.6))
#' mixed <- nnf_mixup(torch_randn(4, 3), torch_tensor(1:4), weight = weight)
#' loss <- nn_mixup_loss(nn_cross_entropy_loss())
#' loss(torch_randn(4, 4), mixed$y)
#' @export
luz_callback_mixup <- function(alpha = 0.4, ..., run_valid = FALSE, auto_loss = FALSE) {
  rlang::check_dots_empty()
  MixupCallback(alpha, run_valid, auto_loss)
}

MixupCallback <- luz_callback("mixup_callback",
  initialize = function(alpha, run_valid, auto_loss) {
    self$alpha <- alpha
    self$run_valid <- run_valid
    self$auto_loss <- auto_loss
  },
  on_train_begin = function() self$replace_loss(mixed = TRUE),
  on_train_end = function() self$restore_loss(),
  on_valid_begin = function() self$replace_loss(mixed = self$run_valid),
  on_valid_end = function() self$restore_loss(),
  replace_loss = function(mixed) {
    if (self$auto_loss) {
      self$loss <- ctx$loss_fn
      ctx$loss_fn <- automatic_mixup_loss(ctx$loss_fn, mixed)
    }
  },
  restore_loss = function() if (self$auto_loss) ctx$loss_fn <- self$loss,
  on_train_batch_begin = function() self$mix(),
  on_valid_batch_begin = function() if (self$run_valid) self$mix(),
  mix = function() {
    n <- ctx$input$shape[1]
    weight <- stats::rbeta(n, self$alpha, self$alpha)
    mixed <- nnf_mixup(ctx$input, ctx$target, torch_tensor(pmax(weight, 1 - weight)))
    ctx$batch <- list(mixed$x, mixed$y)
  }
)

# A loss module with a `reduction` knows both; another loss is taken for one number an item.
automatic_mixup_loss <- function(loss, mixed) {
  given <- original_loss(loss)
  if (inherits(given, "nn_module") && !is.null(given$reduction)) {
    return(nn_mixup_loss(given))
  }
  function(input, target) {
    (if (mixed) mixed_loss(loss, input, target[[1]], target[[2]]) else loss(input, target))$mean()
  }
}

# (1 - w) loss(x, y1) + w loss(x, y2)
mixed_loss <- function(loss, input, ys, weight) {
  first <- loss(input, ys[[1]])
  weight <- if (length(dim(first)) == 0) weight$mean() else broadcast_weight(weight, first)
  torch_lerp(first, loss(input, ys[[2]]), weight)
}

# The module that setup() was given, behind the method of the model.
original_loss <- function(loss) {
  given <- get0("loss_function", envir = environment(loss), inherits = TRUE)
  if (inherits(given, "nn_module")) given else loss
}

#' @rdname luz_callback_mixup
#' @export
nnf_mixup <- function(x, y, weight) {
  order <- torch_randperm(x$shape[1]) + 1L
  list(
    x = torch_lerp(x, x$index_select(1, order), broadcast_weight(weight, x)),
    y = list(ys = list(y1 = y, y2 = y$index_select(1, order)), weight = weight)
  )
}

# One weight per item, in a shape that broadcasts to `x`.
broadcast_weight <- function(weight, x) {
  weight$to(dtype = x$dtype)$view(c(-1, rep(1, length(dim(x)) - 1)))
}

#' @rdname luz_callback_mixup
#' @export
nn_mixup_loss <- function(loss) {
  if (!inherits(loss, "nn_module") || is.null(loss$reduction)) {
    value_error("`loss` must be a loss module with a field `reduction`, such as nn_cross_entropy_loss().")
  }
  nn_module(
    "nn_mixup_loss",
    initialize = function(loss) {
      self$reduction <- loss$reduction
      self$loss <- loss$clone(deep = TRUE)
      self$loss$reduction <- "none"
    },
    forward = function(input, target) {
      if (is.list(target)) {
        return(mixed_loss(self$loss, input, target[[1]], target[[2]])$mean())
      }
      value <- self$loss(input, target)
      switch(self$reduction, mean = value$mean(), sum = value$sum(), value)
    }
  )(loss)
}
