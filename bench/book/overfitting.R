# Against learning by heart: mixup, dropout, weight decay, early stopping.
source("pictures.R")
root <- write_pictures(tempfile("pictures-"), each = 16)
prepare <- function(x) x %>% transform_to_tensor() %>% transform_normalize(mean_of, sd_of)
train_ds <- image_folder_dataset(file.path(root, "train"), transform = prepare)
train_dl <- dataloader(train_ds, batch_size = 16, shuffle = TRUE)
valid_dl <- dataloader(image_folder_dataset(file.path(root, "val"), transform = prepare), batch_size = 16)

# What mixup makes of a batch, with fixed weights.
first <- dataloader_next(dataloader_make_iter(train_dl))
mixed <- nnf_mixup(first[[1]], first[[2]], torch_tensor(rep(0.9, 16)))
stopifnot(identical(dim(mixed$x), dim(first[[1]])), length(mixed$y$ys) == 2)

net <- function(p) {
  nn_module(
    initialize = function() {
      self$features <- nn_sequential(
        nn_conv2d(3, 16, 3, stride = 2), nn_relu(), nn_dropout2d(p),
        nn_conv2d(16, 32, 3, stride = 2), nn_relu(), nn_dropout2d(p), nn_adaptive_avg_pool2d(2), nn_flatten()
      )
      self$output <- nn_linear(128, 4)
    },
    forward = function(x) x %>% self$features() %>% self$output()
  )
}
torch_manual_seed(5)
runs <- list(
  dropout = net(0.2) %>% setup(nn_cross_entropy_loss(), optim_adam, metrics = luz_metric_accuracy()) %>%
    set_opt_hparams(lr = 0.01) %>%
    fit(train_dl, epochs = 3, valid_data = valid_dl, verbose = FALSE),
  mixup = net(0) %>% setup(nn_mixup_loss(nn_cross_entropy_loss()), optim_adam, metrics = luz_metric_accuracy()) %>%
    set_opt_hparams(lr = 0.01) %>%
    fit(train_dl, epochs = 3, valid_data = valid_dl, callbacks = luz_callback_mixup(), verbose = FALSE),
  decay = net(0) %>% setup(nn_cross_entropy_loss(), optim_adamw, metrics = luz_metric_accuracy()) %>%
    set_opt_hparams(lr = 0.01, weight_decay = 0.05) %>%
    fit(train_dl, epochs = 8, valid_data = valid_dl, verbose = FALSE,
      callbacks = luz_callback_early_stopping(monitor = "valid_loss", patience = 2, min_delta = 0.01))
)
stopifnot(vapply(runs, final, 0, "acc") > 0.4)

# A penalty by hand, in the loss of the module.
penalised <- nn_module(
  inherit = net(0),
  loss = function(input, target) {
    weights <- Filter(function(p) p$dim() > 1, self$parameters)
    penalty <- Reduce(`+`, lapply(weights, function(p) torch_sum(p^2)))
    nnf_cross_entropy(input, target) + 1e-3 * penalty
  }
)
fitted <- penalised %>% setup(optimizer = optim_sgd) %>% set_opt_hparams(lr = 0.05) %>%
  fit(train_dl, epochs = 1, verbose = FALSE)
stopifnot(is.finite(final(fitted, "loss", "train")))
