# A linear model on random data, and a model whose losses are given in advance.

linear_model <- function(metrics = NULL, loss = nn_mse_loss(), optimizer = optim_adam, ...) {
  nn_module(
    initialize = function(input_size, output_size) self$fc <- nn_linear(input_size, output_size),
    forward = function(x) self$fc(x)
  ) %>%
    setup(loss = loss, optimizer = optimizer, metrics = metrics, ...) %>%
    set_hparams(input_size = 10, output_size = 1)
}

linear_data <- function(n = 100) {
  dataset(
    initialize = function() {
      self$x <- torch_randn(n, 10)
      self$y <- torch_randn(n, 1)
    },
    .getitem = function(i) list(self$x[i, ], self$y[i, ]),
    .length = function() n
  )()
}

linear_loader <- function(n = 100) dataloader(linear_data(n), batch_size = 10)

# Epoch e has the training loss train[e] and the validation loss valid[e], in each of its batches.
scripted_model <- function(train = rep(1, 100), valid = train) {
  nn_module(
    initialize = function() self$weight <- nn_parameter(torch_zeros(1)),
    forward = function(x) x,
    step = function() {
      ctx$pred <- ctx$input
      loss <- if (ctx$training) train[[ctx$epoch]] else valid[[ctx$epoch]]
      ctx$loss <- list(opt = loss)
      if (ctx$training) with_no_grad(self$weight$fill_(ctx$epoch))
    },
    set_optimizers = function(lr = 0.1) optim_sgd(self$parameters, lr = lr)
  ) %>%
    setup()
}

scripted_loader <- function() dataloader(tensor_dataset(torch_arange(1, 4), torch_arange(1, 4)), batch_size = 2)

fit_messages <- function(...) {
  messages <- c()
  withCallingHandlers(
    fit(..., verbose = TRUE),
    message = function(m) {
      messages <<- c(messages, sub("\n$", "", conditionMessage(m)))
      invokeRestart("muffleMessage")
    }
  )
  messages
}

# A callback that notes the breakpoints it is called at.
breakpoint_recorder <- function(names) {
  calls <- new.env()
  calls$names <- c()
  methods <- lapply(stats::setNames(names, names), function(name) {
    eval(bquote(function() calls$names <- c(calls$names, .(name)), list(name = name)))
  })
  list(callback = rlang::inject(luz_callback(!!!methods))(), calls = calls)
}

# torch's option torch.old_seed_behavior, under which the known numbers arose: data come from the generator seeded with
# `seed`, after one draw, and weights from a second generator, seeded with that draw.
with_two_streams <- function(seed, data) {
  torch_manual_seed(seed)
  second_seed <- torch_randint(1, 1e6, 1)$item()
  force(data)
  torch_manual_seed(second_seed)
  data
}
