# Series: windows as items, a recurrent network, forecasts of one and of several steps.
set.seed(4)
demand <- sin(1:360 / 6) + 0.5 * sin(1:360 / 17) + stats::rnorm(360, sd = 0.1)
centre <- mean(demand[1:240])
spread <- stats::sd(demand[1:240])
series_dataset <- dataset(
  name = "series_dataset",
  initialize = function(x, n_timesteps, n_forecast = 1) {
    self$n_timesteps <- n_timesteps
    self$n_forecast <- n_forecast
    self$x <- torch_tensor((x - centre) / spread)$unsqueeze(2)
  },
  .getitem = function(i) {
    last <- i + self$n_timesteps - 1
    list(x = self$x[i:last, ], y = self$x[(last + 1):(last + self$n_forecast), 1])
  },
  .length = function() nrow(self$x) - self$n_timesteps - self$n_forecast + 1
)
loaders <- function(n_forecast) {
  parts <- list(train = demand[1:240], valid = demand[241:360])
  lapply(parts, function(x) dataloader(series_dataset(x, 24, n_forecast), batch_size = 32))
}
forecaster <- nn_module(
  initialize = function(input_size, hidden_size, n_forecast, kind = "lstm", num_layers = 1, rec_dropout = 0) {
    layer <- if (kind == "lstm") nn_lstm else nn_gru
    self$rnn <- layer(input_size = input_size, hidden_size = hidden_size, num_layers = num_layers,
      dropout = rec_dropout, batch_first = TRUE)
    self$head <- nn_sequential(nn_linear(hidden_size, hidden_size), nn_relu(), nn_dropout(0.1),
      nn_linear(hidden_size, n_forecast))
  },
  forward = function(x) {
    states <- self$rnn(x)[[1]]
    self$head(states[, dim(states)[2], ])
  }
)
torch_manual_seed(8)
train <- function(n_forecast, kind, epochs) {
  data <- loaders(n_forecast)
  forecaster %>%
    setup(loss = nn_mse_loss(), optimizer = optim_adam) %>%
    set_hparams(input_size = 1, hidden_size = 16, n_forecast = n_forecast, kind = kind) %>%
    set_opt_hparams(lr = 0.02) %>%
    fit(data$train, epochs = epochs, valid_data = data$valid, verbose = FALSE,
      callbacks = list(luz_callback_early_stopping(patience = 6)))
}
one <- train(1, "lstm", 8)
losses <- subset(get_metrics(one), set == "valid")$value
stopifnot(min(losses) < 0.6)
predicted <- predict(one, loaders(1)$valid)
stopifnot(identical(dim(predicted), c(96L, 1L)))

several <- train(6, "gru", 4)
first <- dataloader_next(dataloader_make_iter(loaders(6)$valid))
forecast <- predict(several, torch_unsqueeze(first$x[1, , ], 1))
stopifnot(identical(dim(forecast), c(1L, 6L)), all(is.finite(as.numeric(forecast))))
# Step by step: each forecast becomes the newest input.
window <- first$x[1, , ]$unsqueeze(1)
one$model$eval()
for (step in 1:3) {
  nxt <- with_no_grad(one$model(window))
  window <- torch_cat(list(window[, 2:24, ], nxt$unsqueeze(3)), dim = 2)
}
stopifnot(identical(dim(window), c(1L, 24L, 1L)))
