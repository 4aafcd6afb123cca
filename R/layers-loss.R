#' @include module.R layers-function.R
NULL

nn_loss <- nn_module(
  "nn_loss",
  initialize = function(reduction = "mean") {
    check_reduction(reduction)
    self$reduction <- reduction
  }
)

nn_weighted_loss <- nn_module(
  "nn_weighted_loss",
  inherit = nn_loss,
  initialize = function(weight = NULL, reduction = "mean") {
    super$initialize(reduction)
    if (is_tensor(weight) && weight$requires_grad) {
      refuse(weight, "weight", "numbers or a tensor without gradient", hint_to_call_loss(weight))
    }
    self$register_buffer("weight", as_optional_tensor(weight))
  }
)

check_reduction <- function(reduction) {
  if (is_tensor(reduction)) refuse(reduction, "reduction", "a string", hint_to_call_loss(reduction))
  check_choice(reduction, "reduction", c("mean", "sum", "none", "batchmean"))
}

as_optional_tensor <- function(x) {
  if (is.null(x) || is_tensor(x)) x else torch_tensor(x)
}

#' Losses for classes
#'
#' `nn_cross_entropy_loss()`: -log(softmax(x)\[y\]) from logits `x`; `nn_nll_loss()`: -x\[y\] from log probabilities.
#' `nn_multi_margin_loss()` is the hinge loss for classes. Classes are counted from 1.
#'
#' @param weight weights of the classes: vector or tensor, or `NULL`.
#' @param ignore_index class whose elements count nothing.
#' @param reduction `"mean"` (weighted, over the elements that count), `"sum"`, or `"none"` for one value each.
#' @param label_smoothing share of the target spread evenly over all classes, between 0 and 1.
#' @param p,margin exponent 1 or 2, and margin.
#' @return A module, called with logits N x C (or N x C x d1 x ...) and long targets N (or N x d1 x ...). A target
#'   that is 0 or above C is an error.
#' @examples
#' loss <- nn_cross_entropy_loss()
#' loss(torch_randn(4, 3), torch_tensor(c(1L, 3L, 2L, 2L)))
#' @family losses
#' @export
nn_cross_entropy_loss <- nn_module(
  "nn_cross_entropy_loss",
  inherit = nn_weighted_loss,
  initialize = function(weight = NULL, ignore_index = -100, reduction = "mean", label_smoothing = 0) {
    super$initialize(weight, reduction)
    self$ignore_index <- ignore_index
    self$label_smoothing <- label_smoothing
  },
  forward = function(input, target) {
    nnf_cross_entropy(input, target, self$weight, self$ignore_index, self$reduction, self$label_smoothing)
  }
)

#' @rdname nn_cross_entropy_loss
#' @export
nn_nll_loss <- nn_module(
  "nn_nll_loss",
  inherit = nn_weighted_loss,
  initialize = function(weight = NULL, ignore_index = -100, reduction = "mean") {
    super$initialize(weight, reduction)
    self$ignore_index <- ignore_index
  },
  forward = function(input, target) {
    nnf_nll_loss(input, target, self$weight, self$ignore_index, self$reduction)
  }
)

#' @rdname nn_cross_entropy_loss
#' @export
nn_multi_margin_loss <- nn_module(
  "nn_multi_margin_loss",
  inherit = nn_weighted_loss,
  initialize = function(p = 1, margin = 1, weight = NULL, reduction = "mean") {
    if (!is_one_number(p) || !p %in% 1:2) {
      value_error("only p = 1 and p = 2 are supported.")
    }
    super$initialize(weight, reduction)
    self$p <- p
    self$margin <- margin
  },
  forward = function(input, target) {
    nnf_multi_margin_loss(input, target, p = self$p, margin = self$margin, weight = self$weight,
      reduction = self$reduction)
  }
)

#' Losses for numbers
#'
#' `nn_mse_loss()`: (x - y)^2. `nn_l1_loss()`: |x - y|. `nn_smooth_l1_loss()`: (x - y)^2 / 2 where |x - y| < 1, else
#' |x - y| - 1/2. `nn_kl_div_loss()`: y (log y - x), from log probabilities x. `nn_poisson_nll_loss()`:
#' exp(x) - y x, or x - y log(x + eps) without `log_input`.
#'
#' @param reduction `"mean"`, `"sum"`, or `"none"` for one value each; `nn_kl_div_loss()` also knows `"batchmean"`,
#'   the sum divided by the batch size.
#' @param log_input is the input the logarithm of the rate?
#' @param full add Stirling's approximation of log(y!)?
#' @param eps keeps the logarithm finite.
#' @return A module, called with input and target of the same shape.
#' @examples
#' nn_mse_loss()(torch_tensor(c(1, 2)), torch_tensor(c(1, 4)))
#' @family losses
#' @export
nn_mse_loss <- nn_module(
  "nn_mse_loss",
  inherit = nn_loss,
  forward = function(input, target) {
    nnf_mse_loss(input, target, reduction = self$reduction)
  }
)

#' @rdname nn_mse_loss
#' @export
nn_l1_loss <- nn_module(
  "nn_l1_loss",
  inherit = nn_loss,
  forward = function(input, target) {
    nnf_l1_loss(input, target, reduction = self$reduction)
  }
)

#' @rdname nn_mse_loss
#' @export
nn_smooth_l1_loss <- nn_module(
  "nn_smooth_l1_loss",
  inherit = nn_loss,
  forward = function(input, target) {
    nnf_smooth_l1_loss(input, target, reduction = self$reduction)
  }
)

#' @rdname nn_mse_loss
#' @export
nn_kl_div_loss <- nn_module(
  "nn_kl_div_loss",
  inherit = nn_loss,
  forward = function(input, target) {
    nnf_kl_div(input, target, reduction = self$reduction)
  }
)

#' @rdname nn_mse_loss
#' @export
nn_poisson_nll_loss <- nn_module(
  "nn_poisson_nll_loss",
  inherit = nn_loss,
  initialize = function(log_input = TRUE, full = FALSE, eps = 1e-8, reduction = "mean") {
    super$initialize(reduction)
    self$log_input <- log_input
    self$full <- full
    self$eps <- eps
  },
  forward = function(input, target) {
    nnf_poisson_nll_loss(input, target, log_input = self$log_input, full = self$full, eps = self$eps,
      reduction = self$reduction)
  }
)

#' Losses for yes or no
#'
#' `nn_bce_loss()`: -(y log x + (1 - y) log(1 - x)) from probabilities; `nn_bce_with_logits_loss()`: the same from
#' logits. `nn_soft_margin_loss()`: log(1 + exp(-y x)) and `nn_hinge_embedding_loss()`: x where y = 1, else
#' max(0, margin - x), with targets 1 and -1. `nn_multilabel_margin_loss()` and `nn_multilabel_soft_margin_loss()`:
#' several classes at once.
#'
#' @param weight weights of the elements (of the classes for the multilabel loss): a vector or tensor that can be
#'   broadcast to the input, or `NULL`.
#' @param reduction `"mean"`, `"sum"`, or `"none"` for one value each.
#' @param pos_weight weights of the positive targets, or `NULL`.
#' @param margin the margin.
#' @return A module, called with input and target of the same shape.
#' @examples
#' nn_bce_with_logits_loss()(torch_tensor(c(-1, 2)), torch_tensor(c(0, 1)))
#' @family losses
#' @export
nn_bce_loss <- nn_module(
  "nn_bce_loss",
  inherit = nn_weighted_loss,
  forward = function(input, target) {
    nnf_binary_cross_entropy(input, target, weight = self$weight, reduction = self$reduction)
  }
)

#' @rdname nn_bce_loss
#' @export
nn_bce_with_logits_loss <- nn_module(
  "nn_bce_with_logits_loss",
  inherit = nn_weighted_loss,
  initialize = function(weight = NULL, reduction = "mean", pos_weight = NULL) {
    super$initialize(weight, reduction)
    self$register_buffer("pos_weight", as_optional_tensor(pos_weight))
  },
  forward = function(input, target) {
    nnf_binary_cross_entropy_with_logits(input, target, weight = self$weight, reduction = self$reduction,
      pos_weight = self$pos_weight)
  }
)

#' @rdname nn_bce_loss
#' @export
nn_soft_margin_loss <- nn_module(
  "nn_soft_margin_loss",
  inherit = nn_loss,
  forward = function(input, target) {
    nnf_soft_margin_loss(input, target, reduction = self$reduction)
  }
)

#' @rdname nn_bce_loss
#' @export
nn_hinge_embedding_loss <- nn_module(
  "nn_hinge_embedding_loss",
  inherit = nn_loss,
  initialize = function(margin = 1.0, reduction = "mean") {
    super$initialize(reduction)
    self$margin <- margin
  },
  forward = function(input, target) {
    nnf_hinge_embedding_loss(input, target, margin = self$margin, reduction = self$reduction)
  }
)

#' @rdname nn_bce_loss
#' @export
nn_multilabel_margin_loss <- nn_module(
  "nn_multilabel_margin_loss",
  inherit = nn_loss,
  forward = function(input, target) {
    nnf_multilabel_margin_loss(input, target, reduction = self$reduction)
  }
)

#' @rdname nn_bce_loss
#' @export
nn_multilabel_soft_margin_loss <- nn_module(
  "nn_multilabel_soft_margin_loss",
  inherit = nn_weighted_loss,
  forward = function(input, target) {
    nnf_multilabel_soft_margin_loss(input, target, weight = self$weight, reduction = self$reduction)
  }
)

#' Losses that compare
#'
#' `nn_cosine_embedding_loss()`: 1 - cos(x1, x2) where the target is 1, else max(0, cos(x1, x2) - margin).
#' `nn_margin_ranking_loss()`: max(0, -y (x1 - x2) + margin). `nn_triplet_margin_loss()`:
#' max(0, d(anchor, positive) - d(anchor, negative) + margin), where d is the distance in the `p`-norm;
#' `nn_triplet_margin_with_distance_loss()`: the same with another d.
#'
#' @param margin the margin.
#' @param reduction `"mean"`, `"sum"`, or `"none"` for one value each.
#' @param p exponent of the norm.
#' @param eps added to differences.
#' @param distance_function d, a function of two tensors; `NULL` for [nn_pairwise_distance()].
#' @param swap use the distance between positive and negative instead where it is smaller?
#' @return A module, called with two inputs and a target of 1 and -1, or with anchor, positive and negative.
#' @examples
#' nn_margin_ranking_loss()(torch_tensor(c(1, 2)), torch_tensor(c(2, 1)), torch_tensor(c(1, 1)))
#' @family losses
#' @export
nn_cosine_embedding_loss <- nn_module(
  "nn_cosine_embedding_loss",
  inherit = nn_loss,
  initialize = function(margin = 0, reduction = "mean") {
    super$initialize(reduction)
    self$margin <- margin
  },
  forward = function(input1, input2, target) {
    nnf_cosine_embedding_loss(input1, input2, target, margin = self$margin, reduction = self$reduction)
  }
)

#' @rdname nn_cosine_embedding_loss
#' @export
nn_margin_ranking_loss <- nn_module(
  "nn_margin_ranking_loss",
  inherit = nn_loss,
  initialize = function(margin = 0, reduction = "mean") {
    super$initialize(reduction)
    self$margin <- margin
  },
  forward = function(input1, input2, target) {
    nnf_margin_ranking_loss(input1, input2, target, margin = self$margin, reduction = self$reduction)
  }
)

#' @rdname nn_cosine_embedding_loss
#' @export
nn_triplet_margin_loss <- nn_module(
  "nn_triplet_margin_loss",
  inherit = nn_loss,
  initialize = function(margin = 1, p = 2, eps = 1e-6, swap = FALSE, reduction = "mean") {
    super$initialize(reduction)
    self$margin <- margin
    self$p <- p
    self$eps <- eps
    self$swap <- swap
  },
  forward = function(anchor, positive, negative) {
    nnf_triplet_margin_loss(anchor, positive, negative, margin = self$margin, p = self$p, eps = self$eps,
      swap = self$swap, reduction = self$reduction)
  }
)

#' @rdname nn_cosine_embedding_loss
#' @export
nn_triplet_margin_with_distance_loss <- nn_module(
  "nn_triplet_margin_with_distance_loss",
  inherit = nn_loss,
  initialize = function(distance_function = NULL, margin = 1, swap = FALSE, reduction = "mean") {
    super$initialize(reduction)
    self$distance_function <- distance_function %||% nn_pairwise_distance()
    check_function(self$distance_function, "distance_function", "nnf_pairwise_distance")
    self$margin <- margin
    self$swap <- swap
  },
  forward = function(anchor, positive, negative) {
    nnf_triplet_margin_with_distance_loss(anchor, positive, negative, self$distance_function, self$margin, self$swap,
      self$reduction)
  }
)

#' Distance of vectors, as a layer
#'
#' The p-norm of x1 - x2 + eps along the last dimension, see [nnf_pairwise_distance()].
#'
#' @param p order of the norm.
#' @param eps keeps the result away from 0.
#' @param keepdim keep the last dimension, of size 1?
#' @return A module, called with `(x1, x2)`.
#' @examples
#' nn_pairwise_distance()(torch_randn(3, 4), torch_randn(3, 4))
#' @family layers
#' @export
nn_pairwise_distance <- function_layer("nn_pairwise_distance", quote(nnf_pairwise_distance),
  alist(p = 2, eps = 1e-6, keepdim = FALSE), alist(x1 = , x2 = ))

#' Losses of sequences and rankings
#'
#' `nn_ctc_loss()`: connectionist temporal classification, see [nnf_ctc_loss()]. `nn_aum_loss()`: the area under the
#' minimum of false positives and false negatives, see [nnf_area_under_min_fpr_fnr()].
#'
#' @param blank the label of the blank, from 0.
#' @param reduction `"mean"`, `"sum"`, or `"none"` for one value each.
#' @param zero_infinity make infinite losses 0?
#' @return A module, called with `(log_probs, targets, input_lengths, target_lengths)`, or with `(input, target)`.
#' @examples
#' x <- nnf_log_softmax(torch_randn(6, 1, 4), dim = 3)
#' nn_ctc_loss()(x, torch_tensor(matrix(1:2, 1)), 6, 2)
#' nn_aum_loss()(torch_tensor(c(0.1, 0.7)), torch_tensor(c(2L, 1L)))
#' @family losses
#' @export
nn_ctc_loss <- nn_module(
  "nn_ctc_loss",
  inherit = nn_loss,
  initialize = function(blank = 0, reduction = "mean", zero_infinity = FALSE) {
    super$initialize(reduction)
    self$blank <- blank
    self$zero_infinity <- zero_infinity
  },
  forward = function(log_probs, targets, input_lengths, target_lengths) {
    nnf_ctc_loss(log_probs, targets, input_lengths, target_lengths, self$blank, self$reduction, self$zero_infinity)
  }
)

#' @rdname nn_ctc_loss
#' @export
nn_aum_loss <- nn_module(
  "nn_aum_loss",
  inherit = nn_loss,
  initialize = function() super$initialize(),
  forward = function(input, target) nnf_area_under_min_fpr_fnr(input, target)
)
