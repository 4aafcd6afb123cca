# The U-Net of the chapter, built from the MobileNet v2 features given.
chapter_encoder <- nn_module(
  initialize = function(features) {
    self$stages <- nn_module_list(list(
      nn_identity(), features[1:2], features[3:4], features[5:7], features[8:14], features[15:18]
    ))
    for (par in self$parameters) par$requires_grad_(FALSE)
  },
  forward = function(x) {
    features <- list()
    for (i in 1:length(self$stages)) {
      x <- self$stages[[i]](x)
      features[[length(features) + 1]] <- x
    }
    features
  }
)

chapter_decoder_block <- nn_module(
  initialize = function(in_channels, skip_channels, out_channels) {
    self$upsample <- nn_conv_transpose2d(
      in_channels = in_channels, out_channels = out_channels, kernel_size = 2, stride = 2
    )
    self$activation <- nn_relu()
    self$conv <- nn_conv2d(
      in_channels = out_channels + skip_channels, out_channels = out_channels, kernel_size = 3, padding = "same"
    )
  },
  forward = function(x, skip) {
    x <- x %>%
      self$upsample() %>%
      self$activation()
    torch_cat(list(x, skip), dim = 2) %>%
      self$conv() %>%
      self$activation()
  }
)

chapter_decoder <- nn_module(
  initialize = function(decoder_channels = c(256, 128, 64, 32, 16), encoder_channels = c(16, 24, 32, 96, 320)) {
    encoder_channels <- rev(encoder_channels)
    skip_channels <- c(encoder_channels[-1], 3)
    in_channels <- c(encoder_channels[1], decoder_channels)
    self$blocks <- nn_module_list()
    for (i in seq_along(encoder_channels)) {
      self$blocks$append(chapter_decoder_block(in_channels[i], skip_channels[i], decoder_channels[i]))
    }
  },
  forward = function(features) {
    features <- rev(features)
    x <- features[[1]]
    for (i in seq_along(self$blocks)) x <- self$blocks[[i]](x, features[[i + 1]])
    x
  }
)

chapter_unet <- nn_module(
  initialize = function(features = model_mobilenet_v2()$features) {
    self$encoder <- chapter_encoder(features)
    self$decoder <- chapter_decoder()
    self$output <- nn_conv2d(in_channels = 16, out_channels = 3, kernel_size = 3, padding = "same")
  },
  forward = function(x) x %>% self$encoder() %>% self$decoder() %>% self$output()
)
