# A first network for pictures: folders of pictures, transforms in a pipe, convolutions that halve the picture.
source("pictures.R")
root <- write_pictures(tempfile("pictures-"))
prepare <- function(x) x %>% transform_to_tensor() %>% transform_normalize(mean = mean_of, std = sd_of)
train_ds <- image_folder_dataset(file.path(root, "train"), transform = prepare)
valid_ds <- image_folder_dataset(file.path(root, "val"), transform = prepare, target_transform = function(y) y)
stopifnot(length(train_ds$classes) == 4, identical(dim(train_ds[1]$x), c(3L, 32L, 32L)))

train_dl <- dataloader(train_ds, batch_size = 16, shuffle = TRUE)
valid_dl <- dataloader(valid_ds, batch_size = 16)
batch <- train_dl %>% dataloader_make_iter() %>% dataloader_next()
stopifnot(batch$x$size(1) == 16, batch$y$dtype == torch_long())
as_array(vision_make_grid(batch$x, num_rows = 4))[1, 1, 1]

convnet <- nn_module(
  "convnet",
  initialize = function() {
    self$features <- nn_sequential(
      nn_conv2d(3, 16, kernel_size = 3, padding = 1), nn_relu(), nn_max_pool2d(kernel_size = 2),
      nn_conv2d(16, 32, kernel_size = 3, padding = 1), nn_relu(), nn_max_pool2d(kernel_size = 2),
      nn_conv2d(32, 64, kernel_size = 3, padding = 1), nn_relu(), nn_adaptive_avg_pool2d(c(1, 1))
    )
    self$classifier <- nn_sequential(nn_linear(64, 32), nn_relu(), nn_linear(32, 4))
  },
  forward = function(x) {
    x <- self$features(x)$squeeze()
    self$classifier(x)
  }
)

torch_manual_seed(777)
fitted <- convnet %>%
  setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = list(luz_metric_accuracy())) %>%
  set_opt_hparams(lr = 0.01) %>%
  fit(train_dl, epochs = 4, valid_data = valid_dl, verbose = FALSE)

stopifnot(final(fitted, "acc") > 0.7)
scores <- predict(fitted, valid_dl)
predicted <- as.integer(torch_argmax(scores, dim = 2))
stopifnot(mean(predicted == valid_ds$targets) == final(fitted, "acc"))
table(predicted, truth = valid_ds$targets)
