# The arguments and defaults of the packages whose names we have, one function a line: theirs, or `theirs | ours | why`.

lines_of_peers <- grep("^#", readLines(test_path("peer-arguments.txt")), value = TRUE, invert = TRUE)
names_of_peers <- sub("[(].*", "", lines_of_peers)

# The arguments of what a generator of classes makes.
arguments_of <- function(f) {
  class <- attr(f, "module", exact = TRUE) %||% attr(f, "r6_class", exact = TRUE)
  while (!is.null(class) && is.null(class$public_methods$initialize)) class <- class$get_inherit()
  formals(if (is.null(class)) f else class$public_methods$initialize)
}

# Their values where they have one: no default, and one that names other arguments, stay as they are.
values_of <- function(arguments) {
  lapply(arguments, function(x) {
    if (identical(x, quote(expr = )) || !is.language(x)) {
      return(x)
    }
    tryCatch(eval(x, asNamespace("candela")), error = function(e) x)
  })
}

arguments_in <- function(text) values_of(formals(eval(str2lang(paste("function", text, "NULL")))))

# Is the line true, and needed where it tells of a difference?
holds <- function(line) {
  parts <- strsplit(line, " | ", fixed = TRUE)[[1]]
  theirs <- arguments_in(sub("^[^(]*", "", parts[[1]]))
  wanted <- if (length(parts) == 3) arguments_in(parts[[2]]) else theirs
  ours <- values_of(arguments_of(get(sub("[(].*", "", line), envir = asNamespace("candela"))))
  needless <- length(parts) == 3 && identical(theirs, wanted)
  length(parts) %in% c(1, 3) && isTRUE(all.equal(ours, wanted)) && !needless
}

test_that("functions take the arguments of their peers, in their order, with their defaults", {
  expect_gt(length(lines_of_peers), 900)
  expect_gt(sum(grepl("^nn", lines_of_peers)), 200)
  expect_identical(anyDuplicated(names_of_peers), 0L)
  expect_identical(Filter(Negate(holds), lines_of_peers), character())
})

test_that("a default or an order that differs is found", {
  expect_false(holds("torch_abs(self, other = 2)"))
  expect_false(holds("torch_cumsum(self, dim = 1, dtype = NULL)"))
  expect_false(holds("torch_cumsum(self, dtype = NULL, dim)"))
  expect_true(holds("torch_cumsum(self, dim, dtype = NULL)"))
  expect_false(holds("torch_abs(self) | (self) | nothing differs"))
})

test_that("layers and functions of layers that are not in the table are not torch's", {
  ours <- grep("^nnf?_", getNamespaceExports("candela"), value = TRUE)
  own <- c("nn_boundary_loss", "nn_dice_loss", "nn_focal_loss", "nn_fold", "nn_instance_norm1d", "nn_instance_norm2d",
    "nn_instance_norm3d", "nn_jaccard_loss", "nn_lovasz_loss", "nn_mish", "nn_mixup_loss", "nn_module",
    "nn_pixel_shuffle", "nn_rms_norm", "nn_soft_bce_with_logits_loss", "nn_soft_cross_entropy_loss", "nn_sum_loss",
    "nn_tversky_loss", "nn_unfold", "nn_utils_weight_norm", "nnf_feature_alpha_dropout", "nnf_huber_loss",
    "nnf_mish", "nnf_mixup", "nnf_rms_norm", "nnf_tanh")
  expect_equal(setdiff(ours, c(names_of_peers, own)), character())
})
