# The second go: random transforms, dropout, batch normalisation, and a network that has learnt before.
source("pictures.R")
root <- write_pictures(tempfile("pictures-"))
augment <- function(x) {
  x %>%
    transform_to_tensor() %>%
    transform_random_resized_crop(size = c(32, 32), scale = c(0.6, 1)) %>%
    transform_color_jitter(brightness = 0.1, saturation = 0.1) %>%
    transform_random_horizontal_flip() %>%
    transform_normalize(mean = mean_of, std = sd_of)
}
plain <- function(x) x %>% transform_to_tensor() %>% transform_resize(c(32, 32)) %>% transform_normalize(mean_of, sd_of)
train_ds <- image_folder_dataset(file.path(root, "train"), transform = augment)
train_dl <- dataloader(train_ds, batch_size = 16, shuffle = TRUE)
valid_dl <- dataloader(image_folder_dataset(file.path(root, "val"), transform = plain), batch_size = 16)

block <- nn_module(
  initialize = function(from, to) {
    self$conv <- nn_conv2d(from, to, kernel_size = 3, stride = 2, padding = 1, bias = FALSE)
    self$norm <- nn_batch_norm2d(to)
    self$drop <- nn_dropout2d(0.1)
  },
  forward = function(x) x %>% self$conv() %>% self$norm() %>% nnf_relu() %>% self$drop()
)
torch_manual_seed(1)
convnet <- nn_module(
  initialize = function(classes) {
    self$body <- nn_sequential(block(3, 16), block(16, 32), block(32, 64))
    self$head <- nn_linear(64, classes)
  },
  forward = function(x) self$head(self$body(x)$mean(dim = c(3, 4)))
)
model <- convnet %>%
  setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = list(luz_metric_accuracy())) %>%
  set_hparams(classes = 4)
rates <- lr_finder(model, train_dl, steps = 6, verbose = FALSE)
stopifnot(nrow(rates) == 6)
checkpoints <- tempfile("checkpoints-")
fitted <- model %>%
  set_opt_hparams(lr = 0.01) %>%
  fit(train_dl, epochs = 4, valid_data = valid_dl, verbose = FALSE, callbacks = list(
    luz_callback_early_stopping(patience = 3),
    luz_callback_lr_scheduler(lr_one_cycle, max_lr = 0.02, epochs = 4, steps_per_epoch = length(train_dl),
      call_on = "on_train_batch_end"),
    luz_callback_model_checkpoint(path = paste0(checkpoints, "/"), save_best_only = TRUE),
    luz_callback_csv_logger(file.path(tempdir(), "log.csv"))
  ))
stopifnot(final(fitted, "acc") > 0.6, length(list.files(checkpoints)) >= 1)

# A residual network whose body stays as it is.
transfer <- nn_module(
  initialize = function(classes) {
    self$model <- model_resnet18(pretrained = FALSE)
    for (parameter in self$model$parameters) parameter$requires_grad_(FALSE)
    self$model$fc <- nn_sequential(nn_linear(self$model$fc$in_features, 32), nn_relu(), nn_linear(32, classes))
  },
  forward = function(x) self$model(x)
)
tuned <- transfer %>%
  setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = list(luz_metric_accuracy())) %>%
  set_hparams(classes = 4) %>%
  set_opt_hparams(lr = 0.005) %>%
  fit(train_dl, epochs = 1, verbose = FALSE)
trainable <- Filter(function(p) p$requires_grad, tuned$model$parameters)
stopifnot(length(trainable) == 4, is.finite(final(tuned, "loss", "train")))
