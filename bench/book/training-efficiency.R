# Faster learning: batch normalisation, a search for the learning rate, one cycle, a body that has learnt before.
source("pictures.R")
root <- write_pictures(tempfile("pictures-"), each = 16)
prepare <- function(x) x %>% transform_to_tensor() %>% transform_normalize(mean_of, sd_of)
train_ds <- image_folder_dataset(file.path(root, "train"), transform = prepare)
train_dl <- dataloader(train_ds, batch_size = 16, shuffle = TRUE)
valid_dl <- dataloader(image_folder_dataset(file.path(root, "val"), transform = prepare), batch_size = 16)
net <- nn_module(
  initialize = function(normalised) {
    norm <- function(n) if (normalised) nn_batch_norm2d(n) else nn_identity()
    self$features <- nn_sequential(
      nn_conv2d(3, 16, 3, stride = 2), norm(16), nn_relu(), nn_conv2d(16, 32, 3, stride = 2), norm(32), nn_relu(),
      nn_adaptive_avg_pool2d(1), nn_flatten()
    )
    self$output <- nn_linear(32, 4)
  },
  forward = function(x) x %>% self$features() %>% self$output()
)
model <- net %>%
  setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = list(luz_metric_accuracy())) %>%
  set_hparams(normalised = TRUE)
torch_manual_seed(3)
rates_and_losses <- model %>% lr_finder(train_dl, start_lr = 1e-4, end_lr = 0.5, steps = 12, verbose = FALSE)
grDevices::pdf(NULL)
print(plot(rates_and_losses))
invisible(grDevices::dev.off())
best <- rates_and_losses$lr[which.min(rates_and_losses$loss)]

epochs <- 4
fitted <- model %>% fit(train_dl, epochs = epochs, valid_data = valid_dl, verbose = FALSE, callbacks = list(
  luz_callback_early_stopping(patience = 4),
  luz_callback_lr_scheduler(lr_one_cycle, max_lr = min(best, 0.05), epochs = epochs, steps_per_epoch = length(train_dl),
    call_on = "on_train_batch_end")
))
stopifnot(final(fitted, "acc") > 0.5)

# Statistics of batches are kept, and used in evaluation.
norm <- fitted$model$features[[2]]
stopifnot(norm$num_batches_tracked$item() > 0, !fitted$model$training)
slow <- model %>% set_hparams(normalised = FALSE) %>% fit(train_dl, epochs = 1, verbose = FALSE)
stopifnot(length(slow$model$parameters) == 6, length(fitted$model$parameters) == 10)
pruned <- nn_prune_head(model_resnet18(pretrained = FALSE), 2)$eval()
stopifnot(identical(dim(pruned(torch_randn(1, 3, 32, 32))), c(1L, 512L, 1L, 1L)))
