# Losses.

reduction_code <- function(reduction) {
  switch(reduction[[1]],
    none = 0,
    mean = 1,
    sum = 2,
    refuse_choice(reduction[[1]], "reduction", c("none", "mean", "sum"))
  )
}

reduce_loss <- function(loss, reduction) {
  switch(reduction_code(reduction) + 1, loss, loss$mean(), loss$sum())
}

#' Cross entropy of classes
#'
#' The loss of a classifier, for images one classification per pixel. For logits x and class t the loss is
#' weight\[t\] times -log softmax(x)\[t\]; `nnf_nll_loss()` takes log-probabilities instead of logits.
#' `"mean"` divides the sum of the losses by the sum of the weights of the classes that occurred. The gradient is
#' computed together with the loss.
#'
#' @param input float tensor of logits, N x C or N x C x d1 x ...; or just C.
#' @param target classes from 1 to C, Long, N or N x d1 x ...; or probabilities, float, of the size of `input`
#'   (cross entropy only).
#' @param weight C weights of the classes, or `NULL`.
#' @param ignore_index a class that does not count.
#' @param reduction `"mean"`, `"sum"` or `"none"`.
#' @param label_smoothing share of the target that is spread evenly over all classes, 0 to 1.
#' @return a tensor: a single number, or one loss for each target with `reduction = "none"`.
#' @section Errors: a target of 0 or above C.
#' @examples
#' logits <- torch_randn(2, 3, 4, 4, requires_grad = TRUE)
#' target <- torch_randint(1, 4, c(2, 4, 4), dtype = torch_long())
#' loss <- nnf_cross_entropy(logits, target)
#' loss$backward()
#' @export
nnf_cross_entropy <- function(input, target, weight = NULL, ignore_index = -100, reduction = c("mean", "sum", "none"),
                              label_smoothing = 0) {
  check_number(label_smoothing, "label_smoothing", 0, 1)
  if (has_probabilities(input, target)) {
    return(probability_cross_entropy(input, target, weight, reduction, label_smoothing))
  }
  class_loss(input, target, weight, ignore_index, reduction, label_smoothing, is_log = FALSE)
}

#' @rdname nnf_cross_entropy
#' @export
nnf_nll_loss <- function(input, target, weight = NULL, ignore_index = -100, reduction = "mean") {
  class_loss(input, target, weight, ignore_index, reduction, 0, is_log = TRUE)
}

#' @rdname nnf_cross_entropy
#' @export
torch_nll_loss <- nnf_nll_loss

class_loss <- function(input, target, weight, ignore_index, reduction, label_smoothing, is_log) {
  if (ignore_index == 0) {
    value_error("`ignore_index` must not be 0: classes count from 1.")
  }
  attrs <- as.double(c(ignore_index, reduction_code(reduction), label_smoothing, is_log))
  apply_op(ops$cross_entropy, list(input, target, weight), attrs)
}

has_probabilities <- function(input, target) {
  is_tensor(target) && identical(dim(input), dim(target)) && target$dtype$is_floating_point
}

probability_cross_entropy <- function(input, target, weight, reduction, label_smoothing) {
  rank <- length(dim(input))
  dim <- min(rank, 2L)
  if (label_smoothing > 0) target <- target * (1 - label_smoothing) + label_smoothing / dim(input)[dim]
  if (!is.null(weight)) target <- target * weight$reshape(c(-1, rep(1, max(rank - 2, 0))))
  losses <- -(nnf_log_softmax(input, dim) * target)$sum(dim = dim)
  switch(reduction_code(reduction) + 1, losses, losses$sum() / length(losses), losses$sum())
}

#' Losses of numbers
#'
#' With d = input - target for each element: `mse_loss` d^2; `l1_loss` |d|; `smooth_l1_loss` d^2 / (2 beta) where
#' |d| < beta, else |d| - beta / 2; `huber_loss` d^2 / 2 where |d| < delta, else delta (|d| - delta / 2).
#' `binary_cross_entropy` -(t log x + (1 - t) log(1 - x)), logarithms not below -100;
#' `binary_cross_entropy_with_logits` the same of sigmoid(x), computed without overflow; `kl_div` t (log t - x) for
#' log-probabilities x; `poisson_nll_loss` exp(x) - t x, or x - t log(x + eps).
#'
#' @param input,target float tensors of the same size; for `nnf_binary_cross_entropy()` dimensions of size 1 do not
#'   count.
#' @param reduction `"mean"`, `"sum"`, `"none"`; for `kl_div` also `"batchmean"`, the sum divided by N.
#' @param beta,delta where the loss turns from a square to a line.
#' @param weight factor for each element's loss, or `NULL`.
#' @param pos_weight factor for the part of the positive class, broadcast to the input, or `NULL`.
#' @param log_input is the input the logarithm of the rate?
#' @param full add Stirling's approximation of log(target!)?
#' @param eps avoids log(0).
#' @return a tensor: a single number, or of the input's size with `reduction = "none"`.
#' @examples
#' x <- torch_tensor(c(0.2, 0.9))
#' t <- torch_tensor(c(0, 1))
#' nnf_mse_loss(x, t)
#' nnf_binary_cross_entropy(x, t)
#' @export
nnf_mse_loss <- function(input, target, reduction = "mean") {
  element_loss(ops$mse_loss, input, target, reduction, warns = TRUE)
}

# A line of src/kernels/loss.def; input and target are broadcast to one size.
element_loss <- function(op, input, target, reduction, parameter = NULL, warns = FALSE) {
  code <- reduction_code(reduction)
  if (!identical(dim(input), dim(target))) {
    if (warns) warn_of_broadcast(input, target)
    both <- torch_broadcast_tensors(list(input, target))
    input <- both[[1]]
    target <- both[[2]]
  }
  apply_op(op, list(input, target), as.double(c(code, parameter)))
}

weighted_loss <- function(op, input, target, weight, reduction) {
  if (is.null(weight)) {
    return(element_loss(op, input, target, reduction))
  }
  reduce_loss(element_loss(op, input, target, "none") * weight, reduction)
}

warn_of_broadcast <- function(input, target) {
  rlang::warn(sprintf(
    "The target's size [%s] differs from the input's [%s]: broadcasting will likely give wrong results.",
    toString(dim(target)), toString(dim(input))
  ))
}

#' @rdname nnf_mse_loss
#' @export
nnf_l1_loss <- function(input, target, reduction = "mean") {
  element_loss(ops$l1_loss, input, target, reduction, warns = TRUE)
}

#' @rdname nnf_mse_loss
#' @export
nnf_smooth_l1_loss <- function(input, target, reduction = "mean", beta = 1) {
  if (beta == 0) {
    return(nnf_l1_loss(input, target, reduction))
  }
  element_loss(ops$smooth_l1_loss, input, target, reduction, beta, warns = TRUE)
}

#' @rdname nnf_mse_loss
#' @export
nnf_huber_loss <- function(input, target, reduction = "mean", delta = 1) {
  element_loss(ops$huber_loss, input, target, reduction, delta, warns = TRUE)
}

#' @rdname nnf_mse_loss
#' @export
nnf_binary_cross_entropy <- function(input, target, weight = NULL, reduction = c("mean", "sum", "none")) {
  squeezed <- function(x) dim(x)[dim(x) != 1]
  if (identical(squeezed(input), squeezed(target))) target <- target$reshape(dim(input))
  check_same_size(input, target, "binary_cross_entropy")
  weighted_loss(ops$bce, input, target, weight, reduction)
}

#' @rdname nnf_mse_loss
#' @export
nnf_binary_cross_entropy_with_logits <- function(input, target, weight = NULL, reduction = c("mean", "sum", "none"),
                                                 pos_weight = NULL) {
  check_same_size(input, target, "binary_cross_entropy_with_logits")
  if (is.null(pos_weight)) {
    return(weighted_loss(ops$bce_with_logits, input, target, weight, reduction))
  }
  loss <- -(target * pos_weight * nnf_logsigmoid(input) + (1 - target) * nnf_logsigmoid(-input))
  reduce_loss(if (is.null(weight)) loss else loss * weight, reduction)
}

#' @rdname nnf_mse_loss
#' @export
nnf_kl_div <- function(input, target, reduction = "mean") {
  if (identical(reduction, "batchmean")) {
    return(element_loss(ops$kl_div, input, target, "sum") / dim(input)[1])
  }
  element_loss(ops$kl_div, input, target, reduction)
}

#' @rdname nnf_mse_loss
#' @export
nnf_poisson_nll_loss <- function(input, target, log_input = TRUE, full = FALSE, eps = 1e-8, reduction = "mean") {
  op <- if (log_input) ops$poisson_nll_loss else ops$poisson_nll_loss_plain
  if (!full) {
    return(element_loss(op, input, target, reduction, eps))
  }
  large <- target$clamp(min = 1)
  stirling <- large * large$log() - large + (large * (2 * pi))$log() * 0.5
  loss <- element_loss(op, input, target, "none", eps)
  reduce_loss(loss + torch_where(target > 1, stirling, torch_zeros_like(stirling)), reduction)
}

#' Losses with margins
#'
#' For each element or row: `soft_margin_loss` log(1 + exp(-t x)), t = 1 or -1; `hinge_embedding_loss` x where t = 1,
#' max(0, margin - x) where t = -1; `margin_ranking_loss` max(0, -t (x1 - x2) + margin); `cosine_embedding_loss`
#' 1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1; `triplet_margin_loss` max(0, d(anchor,
#' positive) - d(anchor, negative) + margin), d the p-norm of the difference; `multi_margin_loss` the mean over the
#' classes i other than t of max(0, margin - x\[t\] + x\[i\])^p; `multilabel_margin_loss` the same for several true
#' classes (rows of `target` list them, ended by a value below 1); `multilabel_soft_margin_loss` binary cross entropy
#' with logits, averaged over the classes.
#'
#' @param input,input1,input2,anchor,positive,negative float tensors.
#' @param target labels, see the description; classes count from 1.
#' @param margin,p,eps numbers, see the description; `eps` keeps norms away from 0.
#' @param distance_function d, a function of two tensors; `NULL` for [nnf_pairwise_distance()].
#' @param swap use the distance positive - negative where it is smaller than that of anchor - negative?
#' @param weight weights of the classes, or `NULL`.
#' @param reduction `"mean"`, `"sum"` or `"none"`.
#' @return a tensor: a single number, or one loss for each element or row with `reduction = "none"`.
#' @examples
#' x <- torch_tensor(c(0.5, -1))
#' nnf_soft_margin_loss(x, torch_tensor(c(1, -1)))
#' @export
nnf_soft_margin_loss <- function(input, target, reduction = "mean") {
  element_loss(ops$soft_margin_loss, input, target, reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_hinge_embedding_loss <- function(input, target, margin = 1, reduction = "mean") {
  loss <- torch_where(target == 1, input, nnf_relu(margin - input))
  reduce_loss(loss, reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_margin_ranking_loss <- function(input1, input2, target, margin = 0, reduction = "mean") {
  reduce_loss(nnf_relu(target * (input2 - input1) + margin), reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_cosine_embedding_loss <- function(input1, input2, target, margin = 0,
                                      reduction = c("mean", "sum", "none")) {
  similarity <- nnf_cosine_similarity(input1, input2, dim = -1)
  reduce_loss(torch_where(target == 1, 1 - similarity, nnf_relu(similarity - margin)), reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_triplet_margin_loss <- function(anchor, positive, negative, margin = 1, p = 2, eps = 1e-6, swap = FALSE,
                                    reduction = "mean") {
  distance <- function(a, b) nnf_pairwise_distance(a, b, p, eps)
  far <- distance(anchor, negative)
  if (swap) far <- torch_minimum(far, distance(positive, negative))
  reduce_loss(nnf_relu(distance(anchor, positive) - far + margin), reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_triplet_margin_with_distance_loss <- function(anchor, positive, negative, distance_function = NULL, margin = 1,
                                                  swap = FALSE, reduction = "mean") {
  distance <- distance_function %||% nnf_pairwise_distance
  check_function(distance, "distance_function", "nnf_pairwise_distance")
  far <- distance(anchor, negative)
  if (swap) far <- torch_minimum(far, distance(positive, negative))
  reduce_loss(nnf_relu(distance(anchor, positive) - far + margin), reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_multi_margin_loss <- function(input, target, p = 1, margin = 1, weight = NULL, reduction = "mean") {
  index <- target$unsqueeze(-1)
  of_target <- input$gather(length(dim(input)), index)
  loss <- nnf_relu(margin - of_target + input)
  if (p == 2) loss <- loss * loss
  if (!is.null(weight)) loss <- loss * weight$index_select(1, target$reshape(-1))$reshape(dim(index))
  others <- 1 - nnf_one_hot(target, dim(input)[length(dim(input))])$to(dtype = input$dtype)
  reduce_loss((loss * others)$mean(dim = -1), reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_multilabel_margin_loss <- function(input, target, reduction = "mean") {
  check_rank(input, "input", 1:2)
  check_same_size(input, target, "multilabel_margin_loss")
  rows <- if (length(dim(input)) == 1) input$unsqueeze(1) else input
  labels <- matrix(as.numeric(as_array(target)), nrow = dim(rows)[1])
  n <- apply(labels < 1, 1, function(ends) which(c(ends, TRUE))[1] - 1)
  if (any(labels[col(labels) <= n] > ncol(labels))) value_error("multilabel_margin_loss: a label is above the classes.")
  listed <- col(labels) <= n
  labels[!listed] <- 1
  most <- seq_len(max(n, 1))
  other <- matrix(1, nrow(labels), ncol(labels))
  other[cbind(row(labels)[listed], labels[listed])] <- 0
  of_true <- rows$gather(2, long_tensor(labels[, most, drop = FALSE]))
  as_mask <- function(m) torch_tensor(m * 1, dtype = input$dtype)
  margins <- nnf_relu(1 - of_true$unsqueeze(3) + rows$unsqueeze(2)) * as_mask(listed[, most, drop = FALSE])$unsqueeze(3)
  losses <- (margins * as_mask(other)$unsqueeze(2))$sum(dim = c(2, 3)) / ncol(labels)
  reduce_loss(losses$reshape(utils::head(dim(input), -1)), reduction)
}

#' @rdname nnf_soft_margin_loss
#' @export
nnf_multilabel_soft_margin_loss <- function(input, target, weight = NULL, reduction = "mean") {
  losses <- nnf_binary_cross_entropy_with_logits(input, target, weight, "none")
  reduce_loss(losses$mean(dim = -1), reduction)
}

#' Similarity and distance of vectors
#'
#' `nnf_cosine_similarity()`: x1 . x2 / max(|x1| |x2|, eps). `nnf_pairwise_distance()`: the p-norm of x1 - x2 + eps
#' along the last dimension. `nnf_pdist()`: the p-norm of the difference of all pairs of rows, 1 and 2, 1 and 3, ...
#'
#' @param x1,x2 float tensors that can be broadcast together.
#' @param input float tensor N x M.
#' @param dim dimension of the vectors, from 1.
#' @param eps keeps the result finite.
#' @param p order of the norm.
#' @param keepdim keep the last dimension, of size 1?
#' @return a tensor without the dimension of the vectors; `nnf_pdist()`: N (N - 1) / 2 distances.
#' @examples
#' nnf_cosine_similarity(torch_tensor(matrix(1:2, 1)), torch_tensor(matrix(2:1, 1)))
#' @export
nnf_cosine_similarity <- function(x1, x2, dim = 2, eps = 1e-8) {
  if (!x1$dtype$is_floating_point) x1 <- x1$to(dtype = torch_float())
  if (!x2$dtype$is_floating_point) x2 <- x2$to(dtype = torch_float())
  squares <- (x1 * x1)$sum(dim = dim) * (x2 * x2)$sum(dim = dim)
  (x1 * x2)$sum(dim = dim) / squares$clamp(min = eps^2)$sqrt()
}

#' @rdname nnf_cosine_similarity
#' @export
nnf_pdist <- function(input, p = 2) {
  check_rank(input, "input", 2)
  check_number(p, "p", 0)
  n <- dim(input)[1]
  first <- rep(seq_len(n), n - seq_len(n))
  second <- sequence(n - seq_len(n), seq_len(n) + 1)
  pick <- function(i) torch_index_select(input, 1, long_tensor(i))
  torch_norm(pick(first) - pick(second), p, dim = 2)
}

#' @rdname nnf_cosine_similarity
#' @export
nnf_pairwise_distance <- function(x1, x2, p = 2, eps = 1e-6, keepdim = FALSE) {
  vector_norm(x1 - x2 + eps, p, -1, keepdim)
}
