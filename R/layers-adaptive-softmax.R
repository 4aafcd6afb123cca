#' @include module.R
NULL

#' Softmax over many classes of very different frequency
#'
#' The most frequent classes have a place in the head each; the others are in clusters, which have one place in the
#' head and a softmax of their own, on fewer features: in_features / `div_value` for the first, in_features /
#' `div_value`^2 for the second. Only the clusters that occur in a batch are computed.
#'
#' @param in_features size of the input.
#' @param n_classes number of classes, sorted by frequency, the most frequent first.
#' @param cutoffs last class of the head, and of each cluster but the last, in increasing order.
#' @param div_value factor by which the features of clusters shrink.
#' @param head_bias has the head an offset?
#' @return A module, called with input (N x in_features, or in_features) and target (N classes, from 1; or one). It
#'   gives a list of `output`, the logarithm of each target's probability, and `loss`, minus their mean. Its methods:
#'   `log_prob(input)`, N x n_classes, and `predict(input)`, the most probable classes. Cutoffs and targets that do
#'   not fit are a `value_error`.
#' @references Grave et al. (2017), Efficient softmax approximation for GPUs, <https://arxiv.org/abs/1609.04309>.
#' @examples
#' loss <- nn_adaptive_log_softmax_with_loss(8, 20, cutoffs = c(5, 10), div_value = 2)
#' out <- loss(torch_randn(3, 8), torch_tensor(c(1L, 7L, 20L)))
#' out$loss
#' @family losses
#' @export
nn_adaptive_log_softmax_with_loss <- nn_module(
  "nn_adaptive_log_softmax_with_loss",
  initialize = function(in_features, n_classes, cutoffs, div_value = 4, head_bias = FALSE) {
    whole <- is.numeric(cutoffs) && length(cutoffs) > 0 && !anyNA(cutoffs) && all(cutoffs == floor(cutoffs))
    if (!whole || is.unsorted(cutoffs, strictly = TRUE) || cutoffs[1] < 1 || max(cutoffs) >= n_classes) {
      refuse(cutoffs, "cutoffs", sprintf("increasing whole numbers from 1 to %g", n_classes - 1))
    }
    self$in_features <- in_features
    self$n_classes <- n_classes
    self$cutoffs <- c(cutoffs, n_classes)
    self$div_value <- div_value
    self$head_bias <- head_bias
    self$shortlist_size <- cutoffs[1]
    self$n_clusters <- length(cutoffs)
    self$head_size <- self$shortlist_size + self$n_clusters
    self$head <- nn_linear(in_features, self$head_size, bias = head_bias)
    self$tail <- nn_module_list(lapply(seq_len(self$n_clusters), function(i) {
      features <- in_features %/% div_value^i
      nn_sequential(nn_linear(in_features, features, bias = FALSE),
        nn_linear(features, self$cutoffs[i + 1] - self$cutoffs[i], bias = FALSE))
    }))
  },
  reset_parameters = function() {
    self$head$reset_parameters()
    for (cluster in as.list(self$tail$children)) for (layer in cluster$children) layer$reset_parameters()
  },
  forward = function(input, target) {
    rows <- if (length(dim(input)) == 1) input$unsqueeze(1) else input
    classes <- as.numeric(as_array(target$reshape(-1)))
    if (length(classes) != dim(rows)[1] || any(classes < 1 | classes > self$n_classes)) {
      value_error(sprintf("`target` must be %d classes from 1 to %g.", dim(rows)[1], self$n_classes))
    }
    cluster <- findInterval(classes, self$cutoffs + 1)
    in_head <- ifelse(cluster == 0, classes, self$shortlist_size + cluster)
    head <- nnf_log_softmax(self$head(rows), 2)
    output <- head$gather(2, long_tensor(matrix(in_head)))$squeeze(2)
    for (i in setdiff(unique(cluster), 0)) {
      members <- long_tensor(which(cluster == i))
      own <- nnf_log_softmax(self$tail[[i]](torch_index_select(rows, 1, members)), 2)
      place <- long_tensor(matrix(classes[cluster == i] - self$cutoffs[i]))
      output <- output$index_add(1, members, own$gather(2, place)$squeeze(2))
    }
    list(output = if (length(dim(input)) == 1) output$squeeze(1) else output, loss = -output$mean())
  },
  log_prob = function(input) {
    head <- nnf_log_softmax(self$head(input), 2)
    n <- self$shortlist_size
    parts <- lapply(seq_len(self$n_clusters), function(i) {
      nnf_log_softmax(self$tail[[i]](input), 2) + head$narrow(2, n + i, 1)
    })
    torch_cat(c(list(head$narrow(2, 1, n)), parts), dim = 2)
  },
  predict = function(input) torch_argmax(self$log_prob(input), dim = 2)
)
