#' @include segmentation-model.R layers-segmentation-loss.R luz-metrics-overlap.R luz-callbacks-monitor.R
NULL

# What setup() and fit() choose where nothing is given and the model is one for segmentation: see the help of setup().

segmentation_epochs <- 40
segmentation_batch <- 8
segmentation_rate <- 5e-3

# Which of the three are left to be chosen, for a model for segmentation; NULL for others.
automatic_choices <- function(class, loss, optimizer, metrics) {
  if (!inherits_class(class, "segmentation_model")) {
    return(NULL)
  }
  list(
    loss = is.null(loss) && !defines(class, "loss") && !defines(class, "step"),
    optimizer = is.null(optimizer) && !defines(class, "set_optimizers"), metrics = is.null(metrics)
  )
}

inherits_class <- function(class, name) {
  while (!is.null(class)) {
    if (identical(class$classname, name)) {
      return(TRUE)
    }
    class <- class$get_inherit()
  }
  FALSE
}

# list(train =, valid =) of datasets, such as split() gives.
is_parts <- function(data) {
  is.list(data) && !is.object(data) && is_map_dataset(data$train) && (is.null(data$valid) || is_map_dataset(data$valid))
}

# ---- the loss ----

# The classes are imbalanced where one has more than this many times the pixels of another.
imbalance <- 10

# How often each class occurs in the targets, void left out; of many items, in a part of them.
target_counts <- function(data, n) {
  if (is_dataloader(data)) data <- data$dataset
  if (knows_classes(data)) {
    return(unname(class_counts(data)))
  }
  if (!is_map_dataset(data)) {
    return(NULL)
  }
  items <- unique(round(seq(1, length(data), length.out = min(length(data), 100))))
  Reduce(`+`, lapply(items, function(i) {
    target <- as.integer(as_array(data[i][[2]]))
    tabulate(target[target > 0], n)
  }))
}

is_imbalanced <- function(counts) {
  counts <- counts[counts > 0]
  length(counts) > 1 && max(counts) > imbalance * min(counts)
}

# Which loss, as a plain list, which is saved with the model.
loss_for <- function(model, data) {
  classes <- nrow(model$classes)
  if (classes == 1) {
    return(list(kind = "binary"))
  }
  counts <- target_counts(data, classes)
  if (is.null(counts) || !is_imbalanced(counts)) {
    return(list(kind = "plain"))
  }
  list(kind = "balanced", weights = class_weights(counts, "sqrt"), shares = counts / sum(counts))
}

automatic_loss <- function(chosen, input, target) {
  if (is.null(chosen)) value_error("The model has no loss yet: fit() chooses it, or give `loss` to setup().")
  if (chosen$kind == "binary") {
    return(nn_soft_bce_with_logits_loss()(input, target) + nn_dice_loss("binary")(input, target))
  }
  if (!as.logical((target != void_class)$any()$item())) {
    return(input$sum() * 0)
  }
  if (chosen$kind == "plain") {
    return(nnf_cross_entropy(input, target))
  }
  weights <- torch_tensor(chosen$weights, dtype = input$dtype)
  nnf_cross_entropy(input, target, weights) + nn_dice_loss("multiclass")(input, target)
}

tell_loss <- function(chosen, model) {
  text <- switch(chosen$kind,
    binary = "binary cross entropy and Dice",
    plain = "cross entropy",
    balanced = sprintf(
      "cross entropy weighted by 1 / sqrt(frequency), and Dice: \"%s\" has %.2g %% of the pixels",
      levels(model$classes$class)[[which.min(chosen$shares)]], 100 * min(chosen$shares)
    )
  )
  rlang::inform(paste("Loss:", text), class = "candela_message_defaults")
}

# ---- metrics, optimiser, callbacks ----

automatic_metrics <- function(model) {
  classes <- nrow(model$classes)
  if (classes == 1) {
    return(list(luz_metric_iou(1, mode = "binary")))
  }
  list(luz_metric_iou(classes), luz_metric_accuracy())
}

automatic_options <- function(data, options, choices) {
  if (is.null(choices) || is_dataloader(data)) {
    return(options)
  }
  utils::modifyList(list(batch_size = segmentation_batch, drop_last = FALSE), as.list(options))
}

automatic_callbacks <- function(choices, callbacks, ctx) {
  if (!isTRUE(choices$optimizer)) {
    return(list())
  }
  has <- function(class) any(vapply(callbacks, inherits, NA, class))
  rate <- ctx$opt_hparams$lr %||% segmentation_rate
  steps <- ctx$max_epochs * length(ctx$train_data)
  best <- if (choices$metrics) c("valid_iou", "max") else c("valid_loss", "min")
  c(
    if (!has("lr_scheduler_callback") && steps > 1) {
      luz_callback_lr_scheduler(lr_one_cycle, max_lr = rate, total_steps = steps, call_on = "on_train_batch_end")
    },
    if (!has("keep_best_model_callback") && !is.null(ctx$valid_data)) {
      luz_callback_keep_best_model(monitor = best[[1]], mode = best[[2]])
    }
  )
}

# Puts what was left to be chosen into the context of fit().
choose_defaults <- function(ctx, choices) {
  ctx$model$input_spec <- spec_of_data(ctx$train_data) %||% ctx$model$input_spec
  if (isTRUE(choices$loss)) {
    ctx$model$chosen_loss <- loss_for(ctx$model, ctx$train_data)
    tell_loss(ctx$model$chosen_loss, ctx$model)
  }
  if (isTRUE(choices$metrics)) {
    ctx$model$metrics <- as_metric_set(automatic_metrics(ctx$model))
    ctx$metric_generators <- ctx$model$metrics
  }
  ctx$add_callbacks(automatic_callbacks(choices, ctx$callbacks, ctx))
}

spec_of_data <- function(loader) {
  if (knows_classes(loader$dataset)) input_spec(loader$dataset)
}

# Is it a segmentation_dataset(), or a part of one?
knows_classes <- function(data) {
  if (inherits(data, "dataset_subset")) data <- data$dataset
  inherits(data, "segmentation_dataset")
}
