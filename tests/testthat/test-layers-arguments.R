# Every layer and function of layers has torch's arguments and defaults, or a line that says why not.

as_arguments <- function(text) {
  arguments <- formals(eval(parse(text = paste("function", text, "NULL"))))
  value <- function(x) if (is.language(x)) tryCatch(eval(x, baseenv()), error = function(e) x) else x
  lapply(arguments, function(x) if (identical(x, quote(expr = ))) x else value(x))
}

test_that("names and defaults of arguments are torch's", {
  lines <- strsplit(grep("^nn", readLines("layer-arguments.txt"), value = TRUE), " | ", fixed = TRUE)
  expect_gt(length(lines), 200)
  expect_true(all(lengths(lines) %in% c(1, 3)))
  differs <- vapply(lines, function(parts) {
    name <- sub("[(].*", "", parts[[1]])
    torch <- as_arguments(sub("^[^(]*", "", parts[[1]]))
    wanted <- if (length(parts) == 3) as_arguments(parts[[2]]) else torch
    ours <- formals(get(name, envir = asNamespace("candela")))
    ours <- lapply(ours, function(x) if (is.call(x)) tryCatch(eval(x, baseenv()), error = function(e) x) else x)
    needless <- length(parts) == 3 && identical(torch, wanted)
    if (isTRUE(all.equal(ours, wanted)) && !needless) "" else name
  }, "")
  expect_equal(differs[differs != ""], character())
})

test_that("layers and functions of layers that are not in the table are not torch's", {
  named <- sub("[(].*", "", grep("^nn", readLines("layer-arguments.txt"), value = TRUE))
  ours <- grep("^nnf?_", getNamespaceExports("candela"), value = TRUE)
  own <- c("nn_boundary_loss", "nn_dice_loss", "nn_focal_loss", "nn_fold", "nn_instance_norm1d", "nn_instance_norm2d",
    "nn_instance_norm3d", "nn_jaccard_loss", "nn_lovasz_loss", "nn_mish", "nn_mixup_loss", "nn_module",
    "nn_pixel_shuffle", "nn_rms_norm", "nn_soft_bce_with_logits_loss", "nn_soft_cross_entropy_loss", "nn_sum_loss",
    "nn_tversky_loss", "nn_unfold", "nn_utils_weight_norm", "nnf_feature_alpha_dropout", "nnf_huber_loss",
    "nnf_mish", "nnf_mixup", "nnf_rms_norm", "nnf_tanh")
  expect_equal(setdiff(ours, c(named, own)), character())
})
