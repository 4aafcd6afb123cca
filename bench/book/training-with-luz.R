# Training by verbs: a data set of one's own, setup() and fit(), metrics and callbacks of one's own, a step by hand.
torch_manual_seed(12)
n <- 200
x <- torch_randn(n, 3)
y <- x$matmul(c(0.2, -1.3, -0.5))$unsqueeze(2) + 0.3 + torch_randn(n, 1) * 0.1
ds <- tensor_dataset(x = x, y = y)
parts <- list(
  train = dataset_subset(ds, 1:120), valid = dataset_subset(ds, 121:160), test = dataset_subset(ds, 161:200)
)
loaders <- lapply(parts, dataloader, batch_size = 20)

mlp <- nn_module(
  initialize = function(d_in, d_hidden, d_out) {
    self$net <- nn_sequential(nn_linear(d_in, d_hidden), nn_relu(), nn_linear(d_hidden, d_out))
  },
  forward = function(x) self$net(x)
)
largest_error <- luz_metric(
  abbrev = "Worst",
  initialize = function() self$worst <- 0,
  update = function(preds, target) self$worst <- max(self$worst, as.numeric((preds - target)$abs()$max())),
  compute = function() self$worst
)
seen <- character()
print_callback <- luz_callback(
  name = "print_callback",
  initialize = function(message) self$message <- message,
  on_train_batch_end = function() seen <<- c(seen, paste(self$message, ctx$iter)),
  on_epoch_end = function() ctx$log("note", "epochs", ctx$epoch)
)
fitted <- mlp %>%
  setup(loss = nn_mse_loss(), optimizer = optim_adam, metrics = list(luz_metric_mae(), largest_error())) %>%
  set_hparams(d_in = 3, d_hidden = 16, d_out = 1) %>%
  set_opt_hparams(lr = 0.02) %>%
  fit(loaders$train, epochs = c(2, 15), valid_data = loaders$valid, verbose = FALSE,
    callbacks = list(
      print_callback("batch"), luz_callback_early_stopping(patience = 10), luz_callback_keep_best_model()
    ))
stopifnot(utils::tail(get_metrics(fitted)$value, 1) > 0, length(seen) == 6 * length(fitted$records$note$epochs))
evaluated <- fitted %>% evaluate(data = loaders$test)
stopifnot(get_metrics(evaluated)$value[[1]] < 0.2)
predictions <- fitted %>% predict(loaders$test)
stopifnot(identical(dim(predictions), c(40L, 1L)))
file <- tempfile(fileext = ".rds")
luz_save(fitted, file)
stopifnot(torch_allclose(predict(luz_load(file), loaders$test), predictions))

# The same, every step by hand.
by_hand <- nn_module(
  inherit = mlp,
  set_optimizers = function(lr) list(opt = optim_sgd(self$parameters, lr = lr)),
  loss = function(input, target) nnf_mse_loss(input, target),
  step = function() {
    ctx$pred <- ctx$model(ctx$input)
    ctx$loss <- self$loss(ctx$pred, ctx$target)
    if (ctx$training) {
      ctx$optimizers$opt$zero_grad()
      ctx$loss$backward()
      ctx$optimizers$opt$step()
    }
  }
)
again <- by_hand %>% setup() %>% set_hparams(d_in = 3, d_hidden = 8, d_out = 1) %>% set_opt_hparams(lr = 0.05) %>%
  fit(loaders$train, epochs = 3, valid_data = loaders$valid, verbose = FALSE)
losses <- subset(get_metrics(again), set == "train")$value
stopifnot(losses[[3]] < losses[[1]])

# Two optimisers, each for a part and with a loss of its own.
two <- nn_module(
  initialize = function() {
    self$a <- nn_linear(3, 1)
    self$b <- nn_linear(3, 1)
  },
  forward = function(x) list(self$a(x), self$b(x)),
  loss = function(input, target) nnf_mse_loss(input[[if (ctx$opt_name == "a") 1 else 2]], target),
  set_optimizers = function() list(a = optim_adam(self$a$parameters), b = optim_adam(self$b$parameters))
)
both <- two %>% setup() %>% fit(loaders$train, epochs = 1, valid_data = loaders$valid, verbose = FALSE)
stopifnot(nrow(get_metrics(both)) == 4, length(predict(both, loaders$test)) == 2)
