# A small model trained on drawn cells, made once: list(fit =, parts =).
drawn_fit <- local({
  made <- NULL
  function() {
    if (is.null(made)) {
      root <- tempfile("cells")
      drawn_cells(root, n = 6, size = 32)
      ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
        classes = c(background = 0, cell = 255)))
      parts <- split(ds, rep(c("train", "valid"), c(4, 2)))
      torch_manual_seed(1)
      fit <- suppressMessages(unet("plain", classes = ds, weights = NULL, encoder_depth = 3,
        decoder_channels = c(16, 8, 8)) %>%
        setup() %>% fit(parts, epochs = 3, verbose = FALSE))
      made <<- list(fit = fit, parts = parts)
    }
    made
  }
})

# A small classifier of three classes, and its data.
small_classifier <- function(epochs = 2) {
  torch_manual_seed(2)
  data <- list(torch_randn(40, 3), torch_tensor(rep_len(1:3, 40)))
  fit <- nn_linear %>%
    setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = luz_metric_accuracy()) %>%
    set_hparams(in_features = 3, out_features = 3) %>%
    fit(data, epochs = epochs, valid_data = data, verbose = FALSE, dataloader_options = list(batch_size = 16))
  list(fit = fit, data = data)
}
