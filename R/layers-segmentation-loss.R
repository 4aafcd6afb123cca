#' @include module.R module-containers.R layers-loss.R void.R
NULL

# What the losses of segmentation have in common: how predictions are read, and which truth goes with them.
segmentation_loss <- nn_module(
  "nn_segmentation_loss",
  initialize = function(mode, ignore_index = void_class, from_logits = TRUE) {
    check_choice(mode, "mode", segmentation_modes)
    check_flag(from_logits, "from_logits")
    self$mode <- mode
    self$from_logits <- from_logits
    self$ignore_index <- as_ignored(ignore_index, mode)
  }
)

segmentation_modes <- c("binary", "multiclass", "multilabel")

# The number for kernels: NULL means that everything counts, for which a number stands that no target is.
as_ignored <- function(ignore_index, mode) {
  if (is.null(ignore_index)) {
    return(-2^40)
  }
  check_whole_number(ignore_index, "ignore_index")
  if (mode == "multiclass" && ignore_index == 0) {
    value_error("`ignore_index` must not be 0: classes count from 1.")
  }
  as.double(ignore_index)
}

# ---- overlap ----

overlap_loss <- nn_module(
  "nn_overlap_loss",
  inherit = segmentation_loss,
  initialize = function(mode, classes, log_loss, from_logits, smooth, ignore_index, eps, per_image, weight) {
    super$initialize(mode, ignore_index, from_logits)
    check_flag(log_loss, "log_loss")
    check_flag(per_image, "per_image")
    check_number(smooth, "smooth", least = 0)
    check_number(eps, "eps", least = 0)
    if (mode == "binary" && !is.null(classes)) {
      value_error("`classes` goes with several classes, not with mode = \"binary\".")
    }
    self$classes <- as_class_numbers(classes)
    self$log_loss <- log_loss
    self$smooth <- smooth
    self$eps <- eps
    self$per_image <- per_image
    self$register_buffer("weight", as_optional_tensor(weight))
  },
  forward = function(input, target) {
    sums <- nnf_overlap(input, target, self$mode, self$from_logits, self$ignore_index)
    if (!self$per_image) sums <- sums$sum(dim = 2, keepdim = TRUE)
    losses <- self$loss_of(self$score(sums[1, ..], sums[2, ..], sums[3, ..])) * there(sums[3, ..])
    self$summarise(losses)
  },
  loss_of = function(score) if (self$log_loss) -score$clamp(min = self$eps)$log() else 1 - score,
  summarise = function(losses) class_mean(losses, self$classes, self$weight),
  quotient = function(shared, all) (shared + self$smooth) / (all + self$smooth)$clamp(min = self$eps)
)

# 1 for classes that occur, else 0.
there <- function(true) (true > 0)$to(dtype = true$dtype)

as_class_numbers <- function(classes) {
  if (is.null(classes)) {
    return(NULL)
  }
  if (!is.numeric(classes) || length(classes) == 0 || anyNA(classes) || any(classes < 1 | classes != floor(classes))) {
    refuse(classes, "classes", "numbers of classes, from 1")
  }
  as.integer(classes)
}

# The mean over images and classes of losses [images, classes].
class_mean <- function(losses, classes, weight) {
  check_class_choice(classes, weight, dim(losses)[2])
  if (!is.null(weight)) weight <- weight$to(dtype = losses$dtype)
  if (!is.null(classes)) {
    index <- torch_tensor(classes, dtype = torch_long())
    losses <- losses$index_select(2, index)
    if (!is.null(weight)) weight <- weight$index_select(1, index)
  }
  if (is.null(weight)) losses$mean() else (losses * weight)$sum() / (weight$sum() * dim(losses)[1])
}

check_class_choice <- function(classes, weight, n) {
  if (!is.null(classes) && max(classes) > n) {
    value_error(sprintf("`classes` names class %d, but the predictions have %d.", max(classes), n))
  }
  if (!is.null(weight) && weight$numel() != n) {
    value_error(sprintf("`weight` must have %d numbers, one for each class, but has %d.", n, weight$numel()))
  }
}

#' Losses of overlap: Dice, Jaccard, Tversky
#'
#' With the sums of a class c over all pixels of all images that count, I = sum p t, P = sum p and T = sum t, where p is
#' its predicted probability and t is 1 where it is and 0 elsewhere, the score of class c is
#'
#' - `nn_dice_loss()`: (I + smooth) / ((P + T) / 2 + smooth);
#' - `nn_jaccard_loss()`: (I + smooth) / (P + T - I + smooth);
#' - `nn_tversky_loss()`: (I + smooth) / (I + alpha (P - I) + beta (T - I) + smooth).
#'
#' Divisors are at least `eps`. The loss of the class is 1 - score, or -log(score) with `log_loss`; 0 where the class
#' does not occur in the target. The mean over all classes is the result, for the Tversky loss to the power of `gamma`.
#'
#' One pass over the predictions computes probabilities and sums, and one the gradient.
#'
#' @param mode `"multiclass"`: one of C classes for each pixel, input N x C x H x W, target N x H x W with classes
#'   **from 1**; p is the softmax. `"binary"`: yes or no, input N x 1 x H x W, target of the same size (or N x H x W)
#'   of 0 and 1; p is the sigmoid. `"multilabel"`: C times yes or no, input and target N x C x H x W. Any number of
#'   dimensions may stand for H x W.
#' @param classes numbers of the classes that the mean is taken over, from 1; `NULL` for all.
#' @param log_loss take -log(score)?
#' @param from_logits are the inputs logits? Otherwise they are probabilities.
#' @param smooth added to dividend and divisor.
#' @param ignore_index pixels of this class (elements with this label) do not count, by default those of [void_class];
#'   `NULL`: all count.
#' @param eps smallest divisor, and smallest score whose logarithm is taken.
#' @param alpha,beta weights of false positives and of false negatives. With 0.5 each the loss is Dice, with 1 each
#'   Jaccard; a larger `beta` favours small structures.
#' @param gamma exponent of the loss, the "focal" Tversky loss.
#' @param per_image take the sums over each image by itself, and the mean over images too?
#' @param weight weights of the classes in the mean: vector or tensor, or `NULL`.
#' @return A module, called with input and target, that gives a single number.
#' @section Errors: a class of 0 or above C, or a label other than 0 to 1: candela_error_index and candela_error_value,
#'   which say what is expected; sizes that do not fit: candela_error_shape.
#' @references Milletari, Navab, Ahmadi (2016), V-Net, \doi{10.1109/3DV.2016.79}. Sudre, Li, Vercauteren, Ourselin,
#'   Cardoso (2017), Generalised Dice overlap, \doi{10.1007/978-3-319-67558-9_28}. Rahman, Wang (2016),
#'   Optimizing intersection-over-union, \doi{10.1007/978-3-319-50835-1_22}. Salehi, Erdogmus, Gholipour (2017), Tversky
#'   loss function, \doi{10.1007/978-3-319-67389-9_44}. Abraham, Khan (2019), A novel focal Tversky loss function,
#'   \doi{10.1109/ISBI.2019.8759329}.
#' @examples
#' logits <- torch_randn(2, 3, 8, 8, requires_grad = TRUE)
#' target <- torch_randint(1, 4, c(2, 8, 8), dtype = torch_long())
#' loss <- nn_dice_loss(mode = "multiclass")
#' loss(logits, target)$backward()
#'
#' nn_tversky_loss("binary", alpha = 0.3, beta = 0.7)(torch_randn(2, 1, 8, 8), torch_ones(2, 1, 8, 8))
#' @family losses
#' @export
nn_dice_loss <- nn_module(
  "nn_dice_loss",
  inherit = overlap_loss,
  initialize = function(mode, classes = NULL, log_loss = FALSE, from_logits = TRUE, smooth = 0,
                        ignore_index = void_class, eps = 1e-7, per_image = FALSE, weight = NULL) {
    super$initialize(mode, classes, log_loss, from_logits, smooth, ignore_index, eps, per_image, weight)
  },
  score = function(both, predicted, true) self$quotient(both, 0.5 * (predicted + true))
)

#' @rdname nn_dice_loss
#' @export
nn_jaccard_loss <- nn_module(
  "nn_jaccard_loss",
  inherit = overlap_loss,
  initialize = function(mode, classes = NULL, log_loss = FALSE, from_logits = TRUE, smooth = 0,
                        ignore_index = void_class, eps = 1e-7, per_image = FALSE, weight = NULL) {
    super$initialize(mode, classes, log_loss, from_logits, smooth, ignore_index, eps, per_image, weight)
  },
  score = function(both, predicted, true) self$quotient(both, predicted + true - both)
)

#' @rdname nn_dice_loss
#' @export
nn_tversky_loss <- nn_module(
  "nn_tversky_loss",
  inherit = overlap_loss,
  initialize = function(mode, classes = NULL, log_loss = FALSE, from_logits = TRUE, smooth = 0,
                        ignore_index = void_class, eps = 1e-7, alpha = 0.5, beta = 0.5, gamma = 1, per_image = FALSE,
                        weight = NULL) {
    super$initialize(mode, classes, log_loss, from_logits, smooth, ignore_index, eps, per_image, weight)
    check_number(alpha, "alpha", least = 0)
    check_number(beta, "beta", least = 0)
    check_number(gamma, "gamma", least = 0)
    self$alpha <- alpha
    self$beta <- beta
    self$gamma <- gamma
  },
  score = function(both, predicted, true) {
    self$quotient(both, both + self$alpha * (predicted - both) + self$beta * (true - both))
  },
  # The power of 0 has no slope that backward could use.
  summarise = function(losses) {
    loss <- class_mean(losses, self$classes, self$weight)
    if (self$gamma == 1) loss else loss$clamp(min = self$eps)$pow(self$gamma)
  }
)

# ---- focal ----

#' Focal loss
#'
#' For each pixel and class, with pt the probability (sigmoid) given to what is true, yes or no:
#'
#' -a (1 - pt)^gamma log(pt)
#'
#' which is cross entropy with what is easy left out. a is `alpha` for yes and 1 - `alpha` for no, or 1 for
#' `alpha = NULL`. The mean is taken over pixels and classes, as far as they count.
#'
#' @inheritParams nn_dice_loss
#' @param alpha weight of yes against no, 0 to 1, or `NULL`.
#' @param gamma how much easy pixels lose of their weight; 0 for none.
#' @param reduction `"mean"`, `"sum"`, `"none"` (a loss for each element of the input, 0 where it does not count) or
#'   `"batchwise_mean"`, the sum over the images.
#' @param normalized divide by the sum of (1 - pt)^gamma?
#' @param reduced_threshold where pt is below, the factor is 1, and elsewhere ((1 - pt) / threshold)^gamma; or `NULL`.
#' @param weight weights of the classes: vector or tensor, or `NULL`.
#' @return A module, called with logits and target as [nn_dice_loss()] is.
#' @section Errors: as for [nn_dice_loss()]; labels must be 0 or 1.
#' @references Lin, Goyal, Girshick, He, Dollar (2017), Focal loss for dense object detection,
#'   \doi{10.1109/ICCV.2017.324}.
#' @examples
#' logits <- torch_randn(2, 3, 8, 8)
#' target <- torch_randint(1, 4, c(2, 8, 8), dtype = torch_long())
#' nn_focal_loss("multiclass", alpha = 0.25)(logits, target)
#' @family losses
#' @export
nn_focal_loss <- nn_module(
  "nn_focal_loss",
  inherit = segmentation_loss,
  initialize = function(mode, alpha = NULL, gamma = 2, ignore_index = void_class, reduction = "mean",
                        normalized = FALSE, reduced_threshold = NULL, weight = NULL) {
    super$initialize(mode, ignore_index)
    check_number(gamma, "gamma", least = 0)
    check_choice(reduction, "reduction", c("mean", "sum", "none", "batchwise_mean"))
    check_flag(normalized, "normalized")
    if (!is.null(alpha)) check_number(alpha, "alpha", 0, 1)
    if (!is.null(reduced_threshold)) check_number(reduced_threshold, "reduced_threshold", 0, 1)
    self$numbers <- as.double(c(gamma, alpha %||% -1, reduced_threshold %||% -1))
    self$reduction <- reduction
    self$normalized <- normalized
    self$register_buffer("weight", as_optional_tensor(weight))
  },
  forward = function(input, target) {
    target <- as_truth(input, target, self$mode)
    if (self$reduction %in% c("mean", "sum")) {
      return(self$reduced(self$focal(input, target, summed = TRUE)))
    }
    losses <- self$by_class(self$focal(input, target, summed = FALSE))
    if (self$normalized) losses <- losses / self$terms(self$focal(input, target, summed = TRUE), losses)
    if (self$reduction == "none") losses else losses$sum(dim = 1)
  },
  # sums: of the losses, of the terms, and how many count, by class.
  reduced = function(sums) {
    losses <- self$by_class(sums[1, ])
    if (self$normalized) losses <- losses / self$terms(sums, losses)
    if (self$reduction == "sum") {
      return(losses$sum())
    }
    (losses / sums[3, ]$detach()$clamp(min = 1))$mean()
  },
  # What `normalized` divides by, class by class.
  terms = function(sums, losses) over_classes(sums[2, ], losses)$clamp(min = 1e-6),
  focal = function(input, target, summed) {
    numbers <- c(self$ignore_index, truth_kind(self$mode, hard = TRUE), summed, self$numbers)
    apply_op(ops$focal, list(input, target), numbers)
  },
  by_class = function(losses) {
    if (is.null(self$weight)) {
      return(losses)
    }
    check_class_choice(NULL, self$weight, dim(losses)[min(2, length(dim(losses)))])
    losses * over_classes(self$weight$to(dtype = losses$dtype), losses)
  }
)

# Numbers of classes [C], to be broadcast to losses [C] or N x C x ...
over_classes <- function(x, losses) x$reshape(c(-1, rep(1, max(length(dim(losses)) - 2, 0))))

# ---- Lovasz ----

#' Lovasz loss
#'
#' The Jaccard loss as a function of errors between 0 and 1 that is convex and has slopes everywhere. With the errors
#' e\[i\] of the pixels, largest first, y\[i\] = 1 where the class is and Y = sum y, the loss of a class is
#'
#' sum_k e\[k\] (J\[k\] - J\[k-1\]), J\[k\] = 1 - (Y - sum_{i<=k} y\[i\]) / (Y + sum_{i<=k} (1 - y\[i\]))
#'
#' For several classes the errors are |y - p| with p the softmax, and the mean over the classes that occur is the loss;
#' for binary and multilabel targets they are max(0, 1 - x) where y = 1 and max(0, 1 + x) elsewhere, of logits x, all
#' in one sum.
#'
#' @inheritParams nn_dice_loss
#' @param per_image take each image by itself, and the mean of the images?
#' @param from_logits are the inputs logits? Otherwise they are probabilities (multiclass only).
#' @return A module, called with input and target as [nn_dice_loss()] is, that gives a single number.
#' @section Errors: as for [nn_dice_loss()]; labels must be 0 or 1.
#' @references Berman, Rannen Triki, Blaschko (2018), The Lovasz-Softmax loss, \doi{10.1109/CVPR.2018.00464}.
#' @examples
#' logits <- torch_randn(2, 3, 8, 8)
#' target <- torch_randint(1, 4, c(2, 8, 8), dtype = torch_long())
#' nn_lovasz_loss("multiclass")(logits, target)
#' @family losses
#' @export
nn_lovasz_loss <- nn_module(
  "nn_lovasz_loss",
  inherit = segmentation_loss,
  initialize = function(mode, per_image = FALSE, ignore_index = void_class, from_logits = TRUE) {
    super$initialize(mode, ignore_index, from_logits)
    check_flag(per_image, "per_image")
    if (!from_logits && mode != "multiclass") {
      value_error("`from_logits = FALSE` goes with mode = \"multiclass\" only: the hinge is a function of logits.")
    }
    self$per_image <- per_image
  },
  forward = function(input, target) {
    target <- as_truth(input, target, self$mode)
    multiclass <- self$mode == "multiclass"
    if (multiclass && self$from_logits) input <- nnf_softmax(input, 2)
    numbers <- c(self$ignore_index, truth_kind(self$mode, hard = TRUE), self$per_image)
    out <- apply_op(ops$lovasz, list(input, target), numbers)
    if (!multiclass) {
      return(out[[1]]$mean())
    }
    occurring <- there(out[[2]])$sum(dim = 2)$clamp(min = 1)
    (out[[1]]$sum(dim = 2) / occurring)$mean()
  }
)

# ---- boundary ----

#' Boundary loss
#'
#' The mean over pixels and classes of phi p: p is the predicted probability, phi the distance in pixels to the
#' boundary of the class in the target, negative inside. Where a class is absent from an image, or fills it, phi is 0.
#' It is small where what is wrong lies near the boundary, and is meant to be added to a loss of overlap, with a weight
#' that grows in the course of training; see [nn_sum_loss()].
#'
#' @details With D(q, A) the distance of pixel q to the nearest pixel of A, phi(q) is D(q, class) outside, and
#'   1 - D(q, rest) inside, so that it is 0 at the innermost rim. Distances are exact, and found anew for each target.
#' @inheritParams nn_dice_loss
#' @param classes numbers of the classes that count, from 1 (the paper leaves out the background); `NULL` for all.
#' @return A module, called with input and target as [nn_dice_loss()] is (two dimensions of pixels), that gives a single
#'   number, which can be negative.
#' @section Errors: as for [nn_dice_loss()].
#' @references Kervadec, Bouchtiba, Desrosiers, Granger, Dolz, Ben Ayed (2019), Boundary loss for highly unbalanced
#'   segmentation, \doi{10.1016/j.media.2020.101851}. Felzenszwalb, Huttenlocher (2012), Distance transforms of sampled
#'   functions, \doi{10.4086/toc.2012.v008a019}.
#' @examples
#' logits <- torch_randn(1, 2, 8, 8)
#' target <- torch_ones(1, 8, 8, dtype = torch_long())
#' target[, 3:6, 3:6] <- 2L
#' nn_boundary_loss("multiclass", classes = 2)(logits, target)
#' @family losses
#' @export
nn_boundary_loss <- nn_module(
  "nn_boundary_loss",
  inherit = segmentation_loss,
  initialize = function(mode, classes = NULL, from_logits = TRUE, ignore_index = void_class) {
    super$initialize(mode, ignore_index, from_logits)
    self$classes <- as_class_numbers(classes)
  },
  forward = function(input, target) {
    target <- as_truth(input, target, self$mode)
    check_rank(input, "input", 4)
    p <- if (self$from_logits) self$probabilities(input) else input
    maps <- with_no_grad(self$maps(input, target))
    if (!is.null(self$classes)) {
      check_class_choice(self$classes, NULL, dim(input)[2])
      p <- p$index_select(2, torch_tensor(self$classes, dtype = torch_long()))
    }
    (p * maps$phi)$sum() / maps$counted
  },
  probabilities = function(input) if (self$mode == "multiclass") nnf_softmax(input, 2) else torch_sigmoid(input),
  # phi [N, classes, H, W], and how many of its elements count.
  maps = function(input, target) {
    # The kernel's checks of sizes and values.
    nnf_overlap(input, target, self$mode, FALSE, self$ignore_index)
    chosen <- self$classes %||% seq_len(dim(input)[2])
    counts <- target != self$ignore_index
    inside <- lapply(chosen, function(k) if (self$mode == "multiclass") target == k else target[, k, , ] > 0.5)
    inside <- torch_logical_and(torch_stack(inside, dim = 2), self$of_classes(counts, chosen))
    counts <- self$of_classes(counts, chosen)$to(dtype = input$dtype)$expand(dim(inside))
    list(phi = signed_distance(inside)$to(dtype = input$dtype) * counts, counted = counts$sum()$clamp(min = 1))
  },
  of_classes = function(counts, chosen) {
    if (self$mode == "multiclass") {
      return(counts$unsqueeze(2))
    }
    counts$index_select(2, torch_tensor(as.integer(chosen), dtype = torch_long()))
  }
)

# Pixels to the boundary of masks [N, C, H, W], negative inside; 0 where there is none in the picture.
signed_distance <- function(inside) {
  to_inside <- apply_op(ops$distance, list(inside))
  to_outside <- apply_op(ops$distance, list(torch_logical_not(inside)))
  phi <- torch_where(inside, 1 - to_outside, to_inside)
  phi$masked_fill(torch_isinf(phi), 0)
}

# ---- cross entropy ----

#' Soft cross entropies
#'
#' `nn_soft_cross_entropy_loss()`: cross entropy of classes with the share `smooth_factor` of each target spread evenly
#' over all classes; or with targets that are probabilities. The mean is taken over all pixels, also those that do not
#' count, which [nn_cross_entropy_loss()] leaves out of it. `nn_soft_bce_with_logits_loss()`: binary cross entropy of
#' logits with the target t drawn towards the other side, t (1 - `smooth_factor`) + (1 - t) `smooth_factor`.
#'
#' @param reduction `"mean"`, `"sum"`, or `"none"` for one value each.
#' @param smooth_factor 0 to 1, or `NULL` for 0.
#' @param ignore_index class of pixels, label of elements, that do not count.
#' @param weight weights of the classes; for `nn_soft_bce_with_logits_loss()` of the elements, broadcast to the input;
#'   or `NULL`.
#' @param pos_weight factor for the part of the positive label, broadcast to the input, or `NULL`.
#' @return A module, called with logits N x C x ... and classes from 1, N x ..., or probabilities of the logits' size;
#'   `nn_soft_bce_with_logits_loss()` with labels of the logits' size.
#' @references Szegedy, Vanhoucke, Ioffe, Shlens, Wojna (2016), Rethinking the Inception architecture,
#'   \doi{10.1109/CVPR.2016.308}.
#' @examples
#' logits <- torch_randn(2, 3, 8, 8)
#' target <- torch_randint(1, 4, c(2, 8, 8), dtype = torch_long())
#' nn_soft_cross_entropy_loss(smooth_factor = 0.1)(logits, target)
#' @family losses
#' @export
nn_soft_cross_entropy_loss <- nn_module(
  "nn_soft_cross_entropy_loss",
  inherit = nn_weighted_loss,
  initialize = function(reduction = "mean", smooth_factor = NULL, ignore_index = void_class, weight = NULL) {
    check_choice(reduction, "reduction", c("mean", "sum", "none"))
    super$initialize(weight, reduction)
    self$smooth_factor <- smooth_factor %||% 0
    check_number(self$smooth_factor, "smooth_factor", 0, 1)
    self$ignore_index <- as_ignored(ignore_index, "multiclass")
  },
  forward = function(input, target) {
    loss <- nnf_cross_entropy(input, target, self$weight, self$ignore_index,
      if (self$reduction == "mean") "sum" else self$reduction, self$smooth_factor)
    if (self$reduction != "mean") {
      return(loss)
    }
    loss / (input$numel() / dim(input)[min(2, length(dim(input)))])
  }
)

#' @rdname nn_soft_cross_entropy_loss
#' @export
nn_soft_bce_with_logits_loss <- nn_module(
  "nn_soft_bce_with_logits_loss",
  inherit = nn_weighted_loss,
  initialize = function(weight = NULL, ignore_index = void_class, reduction = "mean", smooth_factor = NULL,
                        pos_weight = NULL) {
    check_choice(reduction, "reduction", c("mean", "sum", "none"))
    super$initialize(weight, reduction)
    self$smooth_factor <- smooth_factor %||% 0
    check_number(self$smooth_factor, "smooth_factor", 0, 1)
    self$ignore_index <- as_ignored(ignore_index, "binary")
    self$register_buffer("pos_weight", as_optional_tensor(pos_weight))
  },
  forward = function(input, target) {
    target <- as_truth(input, target, "multilabel")
    with_no_grad(nnf_overlap(input, target, "multilabel", FALSE, self$ignore_index))
    counts <- (target != self$ignore_index)$to(dtype = input$dtype)
    soft <- target * (1 - 2 * self$smooth_factor) + self$smooth_factor
    losses <- nnf_binary_cross_entropy_with_logits(input, soft * counts, self$weight, "none", self$pos_weight) * counts
    reduce_loss(losses, self$reduction)
  }
)

# ---- sums ----

#' Weighted sums of losses
#'
#' weights\[1\] loss_1 + weights\[2\] loss_2 + ...
#'
#' @param ... losses: modules such as [nn_dice_loss()] or functions of input and target.
#' @param weights a number for each, or one for all.
#' @return A module, called with input and target, with the `weights` as a field that may be changed in the course of
#'   training.
#' @examples
#' loss <- nn_sum_loss(nn_cross_entropy_loss(), nn_dice_loss("multiclass"), weights = c(1, 0.5))
#' loss(torch_randn(2, 3, 8, 8), torch_randint(1, 4, c(2, 8, 8), dtype = torch_long()))
#' @family losses
#' @export
nn_sum_loss <- nn_module(
  "nn_sum_loss",
  initialize = function(..., weights = 1) {
    losses <- rlang::list2(...)
    if (length(losses) == 0) value_error("nn_sum_loss() takes at least one loss.")
    for (loss in losses) check_function(loss, "...", "nn_dice_loss(\"multiclass\")")
    check_numbers(weights, "weights", unique(c(1, length(losses))))
    self$weights <- rep_len(as.numeric(weights), length(losses))
    self$functions <- lapply(losses, function(x) if (is_nn_module(x)) NULL else x)
    self$modules_ <- nn_module_list(Filter(is_nn_module, losses))
    self$places <- cumsum(vapply(losses, is_nn_module, NA))
  },
  forward = function(input, target) {
    sum <- 0
    for (i in seq_along(self$weights)) {
      loss <- self$functions[[i]] %||% self$modules_[[self$places[[i]]]]
      sum <- loss(input, target) * self$weights[[i]] + sum
    }
    sum
  }
)
