# Sequences of different lengths, packed step by step.

#' Sequences of different lengths
#'
#' Recurrent layers take batches of sequences of different lengths packed: the elements of the first step of all
#' sequences, then those of the second of all that are long enough, and so on, the longest sequence first.
#'
#' * `nn_utils_rnn_pack_padded_sequence()` packs a padded batch, `nn_utils_rnn_pack_sequence()` a list of sequences.
#' * `nn_utils_rnn_pad_packed_sequence()` undoes it.
#' * `nn_utils_rnn_pad_sequence()` joins a list of sequences to a padded batch.
#'
#' @param input tensor, T x B x ..., or B x T x ... with `batch_first`.
#' @param lengths length of each of the B sequences: numbers or a Long tensor.
#' @param batch_first do batches come first, before time?
#' @param enforce_sorted must lengths not grow? Otherwise the sequences are sorted, and a recurrent layer's states
#'   come back in the order of the batch.
#' @param sequences list of tensors, length x ..., the rest of the sizes the same for all.
#' @param sequence a packed sequence.
#' @param padding_value what is put behind the ends.
#' @param total_length length to pad to, or `NULL` for the longest sequence's.
#' @return An object of class `PackedSequence`: a list of `data` (elements x ...), `batch_sizes` (Long, how many
#'   sequences have each step), `sorted_indices` and `unsorted_indices` (Long, from 1: the order the sequences are in
#'   and the way back). `nn_utils_rnn_pad_packed_sequence()`: a list of the padded tensor and of the lengths (Long).
#'   `nn_utils_rnn_pad_sequence()`: a tensor. Lengths that do not fit are a `value_error`.
#' @examples
#' x <- torch_tensor(rbind(c(1, 2, 0), c(3, 0, 0), c(4, 5, 6)))
#' packed <- nn_utils_rnn_pack_padded_sequence(x, c(2, 1, 3), batch_first = TRUE,
#'   enforce_sorted = FALSE)
#' packed$batch_sizes
#' nn_utils_rnn_pad_packed_sequence(packed, batch_first = TRUE)
#' @name packed_sequence
#' @family layers
NULL

#' @rdname packed_sequence
#' @export
nn_utils_rnn_pack_padded_sequence <- function(input, lengths, batch_first = FALSE, enforce_sorted = TRUE) {
  check_rank(input, "input", 2:12)
  check_flag(batch_first, "batch_first")
  check_flag(enforce_sorted, "enforce_sorted")
  if (batch_first) input <- input$transpose(1, 2)
  lengths <- check_lengths(lengths, dim(input)[1:2])
  order <- sorted_by_length(lengths, enforce_sorted)
  sizes <- step_sizes(lengths)
  places <- unlist(lapply(seq_along(sizes), function(t) (t - 1) * length(lengths) + order[seq_len(sizes[t])]))
  rows <- input$reshape(c(prod(dim(input)[1:2]), dim(input)[-(1:2)]))
  packed_sequence(torch_index_select(rows, 1, long_tensor(places)), sizes, order)
}

#' @rdname packed_sequence
#' @export
nn_utils_rnn_pack_sequence <- function(sequences, enforce_sorted = TRUE) {
  check_tensors(sequences, "sequences")
  lengths <- vapply(sequences, function(x) dim(x)[1], 0)
  nn_utils_rnn_pack_padded_sequence(nn_utils_rnn_pad_sequence(sequences), lengths, enforce_sorted = enforce_sorted)
}

#' @rdname packed_sequence
#' @export
nn_utils_rnn_pad_packed_sequence <- function(sequence, batch_first = FALSE, padding_value = 0, total_length = NULL) {
  if (!is_packed_sequence(sequence)) refuse(sequence, "sequence", "a packed sequence")
  check_flag(batch_first, "batch_first")
  check_number(padding_value, "padding_value")
  sizes <- as.numeric(as_array(sequence$batch_sizes))
  steps <- if (is.null(total_length)) length(sizes) else total_length
  if (!is_one_number(steps, length(sizes))) {
    refuse(total_length, "total_length", sprintf("a whole number of at least %d, the longest sequence", length(sizes)))
  }
  lengths <- vapply(seq_len(sizes[1]), function(b) sum(sizes >= b), 0)
  back <- as.numeric(as_array(sequence$unsorted_indices))
  # The row of the packed data for each step and sequence; those beyond the ends read the first, and are filled.
  starts <- cumsum(c(0, sizes))[seq_along(sizes)]
  place <- outer(c(starts, rep(0, steps - length(sizes))), back, "+")
  ended <- outer(seq_len(steps), lengths[back], ">")
  place[ended] <- 1
  data <- torch_index_select(sequence$data, 1, long_tensor(as.vector(t(place))))
  rest <- dim(sequence$data)[-1]
  data <- data$reshape(c(steps, sizes[1], rest))
  if (any(ended)) {
    mask <- torch_tensor(ended)$reshape(c(steps, sizes[1], rep(1, length(rest))))
    data <- torch_where(mask, torch_tensor(padding_value, dtype = data$dtype), data)
  }
  if (batch_first) data <- data$transpose(1, 2)
  list(data, long_tensor(lengths[back]))
}

#' @rdname packed_sequence
#' @export
nn_utils_rnn_pad_sequence <- function(sequences, batch_first = FALSE, padding_value = 0) {
  check_tensors(sequences, "sequences")
  check_flag(batch_first, "batch_first")
  check_number(padding_value, "padding_value")
  if (length(sequences) == 0) refuse(sequences, "sequences", "a list of at least one tensor")
  rests <- lapply(sequences, function(x) dim(x)[-1])
  if (length(unique(rests)) > 1 || any(vapply(sequences, function(x) length(dim(x)), 0L) == 0)) {
    value_error("`sequences` must be the same in all dimensions but the first.")
  }
  steps <- max(vapply(sequences, function(x) dim(x)[1], 0L))
  padded <- lapply(sequences, function(x) {
    add_border(x, 1, c(0, steps - dim(x)[1]), padding_value)
  })
  torch_stack(padded, dim = if (batch_first) 1 else 2)
}

packed_sequence <- function(data, sizes, order) {
  structure(list(
    data = data, batch_sizes = long_tensor(sizes), sorted_indices = long_tensor(order),
    unsorted_indices = long_tensor(order(order))
  ), class = "PackedSequence")
}

#' @export
print.PackedSequence <- function(x, ...) {
  steps <- as_array(x$batch_sizes)
  cat(sprintf("<PackedSequence> %d sequences of at most %d steps, data [%s]\n", steps[[1]], length(steps),
    toString(dim(x$data))))
  invisible(x)
}

is_packed_sequence <- function(x) inherits(x, "PackedSequence")

# Of the same dimensions.
long_tensor <- function(x) {
  storage.mode(x) <- "integer"
  torch_tensor(x, dtype = torch_long())
}

check_lengths <- function(lengths, size) {
  if (is_tensor(lengths)) lengths <- as_array(lengths)
  lengths <- as.numeric(unlist(lengths))
  if (length(lengths) != size[2] || anyNA(lengths) || any(lengths < 1) || any(lengths > size[1])) {
    value_error(sprintf("`lengths` must be %d numbers from 1 to %d, one for each sequence, but got %s.",
      size[2], size[1], describe(lengths)))
  }
  lengths
}

sorted_by_length <- function(lengths, enforce_sorted) {
  if (!enforce_sorted) {
    return(order(-lengths))
  }
  if (is.unsorted(rev(lengths))) {
    value_error("`lengths` must not grow, unless `enforce_sorted = FALSE` is given: then the sequences are sorted.")
  }
  seq_along(lengths)
}

# How many sequences have each step.
step_sizes <- function(lengths) vapply(seq_len(max(lengths)), function(t) sum(lengths >= t), 0)
