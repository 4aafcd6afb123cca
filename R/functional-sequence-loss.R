# Losses of whole sequences and of whole rankings.

#' Connectionist temporal classification
#'
#' -log of the probability that a sequence of labels comes out when each step says a label or the blank, repetitions
#' count once and blanks are then left out: the sum over all such paths, by the forward recursion, in logarithms.
#'
#' @param log_probs float tensor T x N x C: logarithms of probabilities ([nnf_log_softmax()]).
#' @param targets labels, Long: N x S, or all one after the other. Labels count from 0, so label k is column k + 1 of
#'   `log_probs`; none is the blank.
#' @param input_lengths,target_lengths how many steps and labels each of the N samples has.
#' @param blank the blank's label, from 0.
#' @param reduction `"mean"` (each loss divided by its number of labels first), `"sum"` or `"none"`.
#' @param zero_infinity make infinite losses, and their gradients, 0? A loss is infinite where there are too few
#'   steps.
#' @return a tensor: a single number, or N losses with `reduction = "none"`. Lengths and labels that do not fit are a
#'   `value_error`.
#' @references Graves, Fernandez, Gomez, Schmidhuber (2006), Connectionist temporal classification.
#' @examples
#' x <- nnf_log_softmax(torch_randn(6, 2, 4), dim = 3)
#' nnf_ctc_loss(x, torch_tensor(rbind(c(1L, 2L), c(3L, 3L))), c(6, 6), c(2, 2))
#' @export
nnf_ctc_loss <- function(log_probs, targets, input_lengths, target_lengths, blank = 0,
                         reduction = c("mean", "sum", "none"), zero_infinity = FALSE) {
  check_rank(log_probs, "log_probs", 3)
  check_flag(zero_infinity, "zero_infinity")
  size <- dim(log_probs)
  code <- reduction_code(reduction)
  steps <- ctc_lengths(input_lengths, "input_lengths", size[2], size[1])
  lengths <- ctc_lengths(target_lengths, "target_lengths", size[2], Inf)
  check_whole_number(blank, "blank", 0, size[3] - 1)
  labels <- ctc_labels(targets, lengths, size[3], blank)
  losses <- -ctc_likelihood(log_probs, steps, labels, lengths, blank)
  impossible <- losses$detach() > -ctc_nothing / 2
  losses <- torch_where(impossible, torch_tensor(if (zero_infinity) 0 else Inf, dtype = log_probs$dtype), losses)
  if (code == 1) losses <- losses / torch_tensor(pmax(lengths, 1), dtype = log_probs$dtype)
  reduce_loss(losses, reduction)
}

# The logarithm of nothing, but finite: differences of it are numbers.
ctc_nothing <- -1e30

ctc_lengths <- function(x, name, n, most) {
  x <- as.numeric(if (is_tensor(x)) as_array(x) else unlist(x))
  if (length(x) != n || anyNA(x) || any(x < 0) || any(x > most)) {
    refuse(x, name, sprintf("%d numbers from 0 to %g", n, most))
  }
  x
}

# Matrix N x largest length; what is beyond a sample's length is 0.
ctc_labels <- function(targets, lengths, classes, blank) {
  if (!is_tensor(targets)) targets <- torch_tensor(targets)
  values <- as_array(targets)
  longest <- max(lengths, 1)
  labels <- matrix(0, length(lengths), longest)
  inside <- col(labels) <= lengths
  if (length(dim(targets)) == 2) {
    if (nrow(values) != length(lengths) || ncol(values) < max(lengths)) {
      value_error("`targets` must have a row for each sample, of at least as many labels as `target_lengths` says.")
    }
    if (any(inside)) labels[inside] <- values[, seq_len(longest), drop = FALSE][inside]
  } else {
    if (length(values) != sum(lengths)) value_error("`targets` must have as many labels as `target_lengths` says.")
    labels <- t(labels)
    labels[t(inside)] <- values
    labels <- t(labels)
  }
  used <- labels[inside]
  if (any(used < 0 | used >= classes | used == blank)) {
    value_error(sprintf("`targets` must be labels from 0 to %d other than the blank, %g.", classes - 1, blank))
  }
  labels
}

# Logarithm of the probability of each sample's labels. States are blank, label, blank, ..., blank.
ctc_likelihood <- function(log_probs, steps, labels, lengths, blank) {
  size <- dim(log_probs)
  states <- 2 * ncol(labels) + 1
  path <- matrix(blank, size[2], states)
  path[, 2 * seq_len(ncol(labels))] <- labels
  emitted <- log_probs$gather(3, long_tensor(path + 1)$unsqueeze(1)$expand(c(size[1], dim(path))))
  dtype <- log_probs$dtype
  # Two states back is possible from a label to another one.
  skips <- path != blank & cbind(blank, blank, path[, -c(states - 1, states), drop = FALSE]) != path
  penalty <- torch_tensor(ifelse(skips, 0, ctc_nothing), dtype = dtype)
  first <- torch_tensor(ifelse(col(path) <= 2, 0, ctc_nothing), dtype = dtype)
  alpha <- emitted$select(1, 1) + first
  for (t in seq_len(size[1])[-1]) {
    back <- nnf_pad(alpha, c(2, 0), value = ctc_nothing)
    ways <- torch_stack(list(alpha, back$narrow(2, 2, states), back$narrow(2, 1, states) + penalty), dim = 1)
    moved <- torch_logsumexp(ways$clamp(min = ctc_nothing), dim = 1) + emitted$select(1, t)
    alpha <- if (all(steps >= t)) moved else torch_where(torch_tensor(steps >= t)$unsqueeze(2), moved, alpha)
  }
  ends <- cbind(2 * lengths + 1, pmax(2 * lengths, 1))
  last <- alpha$gather(2, long_tensor(ends))
  # Without labels there is one last state only.
  one <- torch_tensor(cbind(0, ifelse(lengths > 0, 0, ctc_nothing)), dtype = dtype)
  torch_logsumexp((last + one)$clamp(min = ctc_nothing), dim = 2)
}

#' Area under the minimum of false positives and false negatives
#'
#' With FPR(c) and FNR(c) the shares of false positives and false negatives when c is added to all predictions, the
#' area under min(FPR(c), FNR(c)): 0 for a ranking without errors, and with a gradient, unlike the area under the ROC
#' curve.
#'
#' @param input float tensor of predictions.
#' @param target labels of the same number of elements; the larger one is the positive class.
#' @return a tensor with a single number; 0 where one class is missing.
#' @references Hillman, Hocking (2023), <https://arxiv.org/abs/2107.01285>.
#' @examples
#' nnf_area_under_min_fpr_fnr(torch_tensor(c(0.2, 0.9, 0.4)), torch_tensor(c(1L, 1L, 2L)))
#' @export
nnf_area_under_min_fpr_fnr <- function(input, target) {
  scores <- input$reshape(-1)
  labels <- as.numeric(as_array(target$reshape(-1)))
  if (length(labels) != length(scores)) value_error("`target` must have as many elements as `input`.")
  positive <- labels == max(labels)
  if (all(positive) || !any(positive)) {
    return(scores$sum() * 0)
  }
  values <- as.numeric(as_array(scores$detach()))
  order <- order(-values)
  fpr <- cumsum(!positive[order]) / sum(!positive)
  fnr <- rev(cumsum(rev(positive[order]))) / sum(positive)
  # Between neighbouring thresholds both rates stay the same; ties have no room between them.
  n <- length(order)
  height <- pmin(fpr[-n], fnr[-1])
  sorted <- scores$index_select(1, long_tensor(order))
  gaps <- sorted$narrow(1, 1, n - 1) - sorted$narrow(1, 2, n - 1)
  (gaps * torch_tensor(height, dtype = scores$dtype))$sum()
}
