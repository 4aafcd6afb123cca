# The chapter's U-Net: MobileNet v2 encoder (frozen, batch norm in training mode), five decoder blocks.
unet_encoder <- candela::nn_module(
  initialize = function(features) {
    self$stages <- candela::nn_module_list(list(
      candela::nn_identity(), features[1:2], features[3:4], features[5:7], features[8:14], features[15:18]
    ))
    for (parameter in self$parameters) parameter$requires_grad_(FALSE)
  },
  forward = function(x) {
    stages <- list()
    for (i in seq_along(self$stages)) stages[[i]] <- x <- self$stages[[i]](x)
    stages
  }
)

unet_block <- candela::nn_module(
  initialize = function(in_channels, skip_channels, out_channels) {
    self$upsample <- candela::nn_conv_transpose2d(in_channels, out_channels, kernel_size = 2, stride = 2)
    self$activation <- candela::nn_relu()
    self$conv <- candela::nn_conv2d(out_channels + skip_channels, out_channels, kernel_size = 3, padding = "same")
  },
  forward = function(x, skip) {
    x <- self$activation(self$upsample(x))
    self$activation(self$conv(candela::torch_cat(list(x, skip), dim = 2)))
  }
)

unet_decoder <- candela::nn_module(
  initialize = function() {
    channels <- c(320, 256, 128, 64, 32, 16)
    skips <- c(96, 32, 24, 16, 3)
    self$blocks <- candela::nn_module_list()
    for (i in 1:5) self$blocks$append(unet_block(channels[[i]], skips[[i]], channels[[i + 1]]))
  },
  forward = function(stages) {
    stages <- rev(stages)
    x <- stages[[1]]
    for (i in 1:5) x <- self$blocks[[i]](x, stages[[i + 1]])
    x
  }
)

unet <- candela::nn_module(
  initialize = function(features = candela::model_mobilenet_v2()$features) {
    self$encoder <- unet_encoder(features)
    self$decoder <- unet_decoder()
    self$output <- candela::nn_conv2d(16, 3, kernel_size = 3, padding = "same")
  },
  forward = function(x) self$output(self$decoder(self$encoder(x)))
)

# One training step on random images, as a function to call again and again; returns the loss.
unet_training <- function(net, batch, size) {
  trainable <- Filter(function(p) p$requires_grad, net$parameters)
  optimizer <- candela::optim_adam(trainable, lr = 1e-3)
  loss_fn <- candela::nn_cross_entropy_loss()
  x <- candela::torch_randn(batch, 3, size, size)
  y <- candela::torch_randint(1, 4, size = c(batch, size, size), dtype = candela::torch_long())
  function() {
    optimizer$zero_grad()
    loss <- loss_fn(net(x), y)
    loss$backward()
    optimizer$step()
    loss$item()
  }
}
