# Tables: numbers as they are, factors through embeddings.
set.seed(2)
n <- 300
people <- data.frame(
  age = sample(30:75, n, TRUE), pressure = stats::rnorm(n, 130, 15), sex = factor(sample(c("f", "m"), n, TRUE)),
  pain = factor(sample(c("none", "typical", "other"), n, TRUE)), slope = sample(c(1:3, NA), n, TRUE)
)
people$ill <- as.numeric(people$age / 20 + (people$pain == "typical") * 2 + stats::rnorm(n) > 3.5)

table_dataset <- dataset(
  name = "table_dataset",
  initialize = function(df) {
    factors <- df[c("sex", "pain", "slope")]
    factors$slope <- addNA(factor(factors$slope))
    self$levels <- vapply(factors, nlevels, 0L)
    codes <- vapply(factors, as.integer, integer(nrow(df)))
    self$x_cat <- torch_tensor(codes, dtype = torch_long())
    self$x_num <- df[c("age", "pressure")] %>% scale() %>% as.matrix() %>% torch_tensor()
    self$y <- torch_tensor(as.matrix(df["ill"]))
  },
  .getitem = function(i) list(x = list(self$x_cat[i, ], self$x_num[i, ]), y = self$y[i]),
  .length = function() self$y$size()[[1]]
)
ds <- table_dataset(people)
rows <- sample.int(n, 200)
train_dl <- dataset_subset(ds, rows) %>% dataloader(batch_size = 50, shuffle = TRUE)
valid_dl <- dataset_subset(ds, setdiff(seq_len(n), rows)) %>% dataloader(batch_size = 50)

embeddings <- nn_module(
  initialize = function(levels, dim) {
    self$embeddings <- nn_module_list(lapply(levels, function(n) nn_embedding(num_embeddings = n, embedding_dim = dim)))
  },
  forward = function(x) {
    torch_cat(lapply(seq_along(self$embeddings), function(i) self$embeddings[[i]](x[, i])), dim = 2)
  }
)
net <- nn_module(
  initialize = function(levels, n_numbers, dim, hidden) {
    self$embed <- embeddings(levels, dim)
    self$fc1 <- nn_linear(length(levels) * dim + n_numbers, hidden)
    self$drop <- nn_dropout(p = 0.1)
    self$output <- nn_linear(hidden, 1)
  },
  forward = function(x) {
    both <- torch_cat(list(self$embed(x[[1]]), x[[2]]$to(dtype = torch_float())), dim = 2)
    both %>% self$fc1() %>% nnf_relu() %>% self$drop() %>% self$output()
  }
)
torch_manual_seed(9)
fitted <- net %>%
  setup(loss = nn_bce_with_logits_loss(), optimizer = optim_adam,
    metrics = list(luz_metric_binary_accuracy_with_logits(), luz_metric_binary_auroc(from_logits = TRUE))) %>%
  set_hparams(levels = ds$levels, n_numbers = 2, dim = 3, hidden = 16) %>%
  set_opt_hparams(lr = 0.02) %>%
  fit(train_dl, epochs = c(2, 12), valid_data = valid_dl, verbose = FALSE, callbacks = list(
    luz_callback_early_stopping(monitor = "valid_acc", mode = "max", patience = 4)
  ))
metrics <- get_metrics(fitted)
stopifnot(max(metrics$value[metrics$metric == "acc" & metrics$set == "valid"]) > 0.75)
# What the network makes of the kinds of pain.
weights <- fitted$model$embed$embeddings[[2]]$weight$cpu()$detach()
parts <- stats::prcomp(as.matrix(weights), center = TRUE, scale. = TRUE, rank. = 2)$x
stopifnot(identical(dim(parts), c(3L, 2L)))
