# What losses of segmentation compute of predictions and truth.

# The number of the kind of truth in C: classes, labels from 0 to 1, labels of 0 or 1.
truth_kind <- function(mode, hard = FALSE) if (mode == "multiclass") 0 else if (hard) 2 else 1

# The target as the kernels want it. One channel goes with a target that has no dimension for it, and labels of any
# dtype are taken; the kernels check sizes and values.
as_truth <- function(input, target, mode) {
  check_tensor(input, "input")
  check_tensor(target, "target")
  if (mode == "multiclass") {
    check_several_classes(input)
    return(target)
  }
  if (mode == "binary") check_one_channel(input)
  if (length(dim(target)) == length(dim(input)) - 1 && dim(input)[2] == 1) target <- target$unsqueeze(2)
  if (is_float(target)) target else target$to(dtype = input$dtype)
}

check_several_classes <- function(input) {
  if (length(dim(input)) >= 2 && dim(input)[2] == 1) {
    value_error(paste(
      "`input` has one channel, but mode = \"multiclass\" takes one for each of several classes.",
      "One channel of logits goes with mode = \"binary\" and targets of 0 and 1."
    ))
  }
}

check_one_channel <- function(input) {
  if (length(dim(input)) < 2 || dim(input)[2] != 1) {
    value_error(sprintf(
      "`input` must have one channel for mode = \"binary\", N x 1 x ..., but has size [%s]. %s",
      toString(dim(input)), "Several channels go with mode = \"multiclass\" or \"multilabel\"."
    ))
  }
}

# Sums of p t, of p and of t by image and class, 3 x N x C.
nnf_overlap <- function(input, target, mode, from_logits, ignore_index) {
  target <- as_truth(input, target, mode)
  multiclass <- mode == "multiclass"
  if (from_logits && !multiclass) input <- torch_sigmoid(input)
  apply_op(ops$overlap, list(input, target), c(ignore_index, truth_kind(mode), from_logits && multiclass))
}
