# Models against PyTorch's: names, shapes and outputs in segmentation/models.json of the reference folder, for weights
# and inputs that are made by a rule.

reference_models <- function() {
  path <- reference_path("segmentation/models.json")
  jsonlite::fromJSON(path, simplifyVector = FALSE)
}

# Models below 30 million parameters; all of them where CANDELA_TEST_MODELS is set (`make test-models`).
reference_models_to_test <- function(reference) {
  if (nzchar(Sys.getenv("CANDELA_TEST_MODELS"))) {
    return(names(reference$models))
  }
  names(Filter(function(case) case$parameters < 3e7, reference$models))
}

# "smp.Unet(resnet18, in_channels=4)" as list(family = "Unet", of = "smp", encoder = "resnet18", options = ...).
parse_model_name <- function(name) {
  of <- sub("\\..*", "", name)
  rest <- sub("^[^.]*\\.(segmentation\\.)?", "", name)
  inside <- if (grepl("(", rest, fixed = TRUE)) sub("^[^(]*\\((.*)\\)$", "\\1", rest) else ""
  arguments <- trimws(strsplit(inside, ",(?![^(]*\\))(?![^\\[]*\\])", perl = TRUE)[[1]])
  named <- grepl("=", arguments)
  values <- stats::setNames(lapply(trimws(sub("^[^=]*=", "", arguments[named])), python_value),
    trimws(sub("=.*", "", arguments[named])))
  c(list(of = of, family = sub("\\(.*", "", rest)), if (of == "smp") {
    list(encoder = values$encoder_name %||% gsub("['\"]", "", arguments[!named][[1]]))
  }, list(options = values[!names(values) %in% c("encoder_name", "classes", "num_classes", "encoder_weights")]))
}

python_value <- function(text) {
  if (grepl("^[[(]", text)) {
    return(as.numeric(strsplit(gsub("[][()]", "", text), ",")[[1]]))
  }
  switch(text,
    True = TRUE,
    False = FALSE,
    None = NULL,
    if (grepl("^[0-9.]+(e-?[0-9]+)?$", text)) as.numeric(text) else gsub("['\"]", "", text)
  )
}

# The shape of the last entry of the state tells the number of classes.
build_reference_model <- function(name, case) {
  parsed <- parse_model_name(name)
  shapes <- state_shapes(case)
  if (parsed$of == "torchvision") {
    classes <- case$outputs$out$shape[[2]]
    make <- get(paste0("model_", parsed$family), asNamespace("candela"))
    aux <- if (any(startsWith(names(shapes), "aux_classifier"))) list(aux_loss = TRUE)
    return(do.call(make, c(list(num_classes = classes), aux, parsed$options)))
  }
  makers <- c(
    Unet = "unet", UnetPlusPlus = "unet_plus_plus", FPN = "fpn", Linknet = "linknet", DeepLabV3 = "deeplabv3",
    DeepLabV3Plus = "deeplabv3_plus", PSPNet = "pspnet", MAnet = "manet"
  )
  arguments <- list(parsed$encoder, classes = case$outputs$out$shape[[2]], weights = NULL)
  if (parsed$encoder == "mobilenet_v2") arguments$last_conv <- TRUE
  older <- c(decoder_use_batchnorm = "decoder_use_norm", psp_use_batchnorm = "decoder_use_norm")
  renamed <- names(parsed$options) %in% names(older)
  names(parsed$options)[renamed] <- older[names(parsed$options)[renamed]]
  do.call(get(makers[[parsed$family]], asNamespace("candela")), c(arguments, parsed$options))
}

state_shapes <- function(case) {
  shapes <- lapply(case$state, function(entry) as.integer(unlist(entry[[2]])))
  names(shapes) <- vapply(case$state, function(entry) entry[[1]], "")
  shapes
}

# The value of the rule for entry t, as numbers in row-major order.
rule_values <- function(t, name, shape, rule) {
  n <- prod(shape)
  # The numbers repeat after P elements.
  v <- rep_len(((seq_len(rule$P) - 1) * rule$A + rule$B * t) %% rule$P / rule$P - 0.5, n)
  if (endsWith(name, "running_var")) {
    1 + 0.5 * v
  } else if (endsWith(name, "running_mean")) {
    0.1 * v
  } else if (length(shape) >= 2) {
    v * sqrt(24 * shape[[1]] / n)
  } else if (endsWith(name, "weight")) {
    1 + 0.1 * v
  } else {
    0.1 * v
  }
}

# A tensor of that shape from numbers in row-major order.
from_row_major <- function(values, shape) torch_tensor(values, dtype = torch_float())$reshape(shape)

fill_by_rule <- function(model, shapes, rule) {
  state <- model$state_dict()
  for (t in seq_along(shapes)) {
    name <- names(shapes)[[t]]
    if (endsWith(name, "num_batches_tracked")) next
    values <- rule_values(t - 1, name, shapes[[t]], rule)
    with_no_grad(state[[name]]$copy_(from_row_major(values, shapes[[t]])))
  }
}

rule_input <- function(shape, rule) {
  from_row_major(((seq_len(prod(shape)) - 1) * rule$S) %% rule$Q / rule$Q * 2 - 1, shape)
}

flat_values <- function(x) {
  as.numeric(as.array(x$contiguous()$reshape(-1)))
}

expect_reference_model <- function(name, case, rule) {
  model <- build_reference_model(name, case)
  shapes <- state_shapes(case)
  found <- lapply(model$state_dict(), dim)
  same <- function(shape) if (length(shape) == 0) 1L else shape
  testthat::expect_setequal(names(found), names(shapes))
  testthat::expect_equal(lapply(found[names(shapes)], same), lapply(shapes, same), label = paste(name, "shapes"))
  count <- sum(vapply(model$parameters, function(p) prod(dim(p)), 0))
  testthat::expect_equal(count, case$parameters, label = paste(name, "parameters"))
  fill_by_rule(model, shapes, rule)
  model$eval()
  output <- with_no_grad(model(rule_input(unlist(case$input), rule)))
  for (part in names(case$outputs)) {
    expect_reference_output(if (is.list(output)) output[[part]] else output, case$outputs[[part]], name)
  }
}

expect_reference_output <- function(output, expected, name) {
  testthat::expect_equal(dim(output), as.integer(unlist(expected$shape)), label = paste(name, "shape"))
  values <- flat_values(output)
  wanted <- unlist(expected$values)
  largest <- max(abs(wanted))
  error <- max(abs(values[unlist(expected$at) + 1] - wanted)) / largest
  testthat::expect_lt(error, 1e-4, label = paste(name, "error"))
  testthat::expect_lt(abs(mean(values) - expected$mean) / largest, 1e-4, label = paste(name, "error of the mean"))
  spread <- sqrt(mean((values - mean(values))^2))
  testthat::expect_lt(abs(spread - expected$std) / largest, 1e-3, label = paste(name, "error of the spread"))
  invisible(error)
}
