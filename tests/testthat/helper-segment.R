# A model of one convolution that finds bright pixels, with what it has to know of its input.
bright_model <- function(spec, kernel = 3, channels = spec$channels) {
  layer <- nn_module("bright",
    initialize = function() {
      self$conv <- nn_conv2d(channels, nrow(spec$classes), kernel, padding = kernel %/% 2)
      self$input_spec <- spec
      self$classes <- spec$classes
    },
    forward = function(x) self$conv(x)
  )
  model <- layer()
  with_no_grad({
    model$conv$weight$zero_()
    middle <- kernel %/% 2 + 1
    model$conv$weight[2, 1, middle, middle] <- 20
    model$conv$weight[1, 1, 1, 1] <- 0.1
    model$conv$bias$zero_()
    model$conv$bias[2] <- -10
  })
  model
}

bright_spec <- function(type = "uint8", channels = 1, resize = FALSE, size = c(32, 32), ...) {
  unit <- type_unit(type)
  spec <- list(
    classes = class_table(c(ground = 0, cell = 255)), void = void_class,
    mask = list(kind = "value", value = c(0, 255), class = 1:2, void = numeric()), bands = seq_len(channels),
    bands_given = FALSE, channels = channels, type = type,
    scaling = list(method = "dtype", shift = rep(0, channels), factor = rep(unit, channels), clamp = FALSE),
    nodata = NULL, size = size, resize = resize
  )
  utils::modifyList(spec, list(...))
}

drawn_picture <- function(height = 40, width = 56) {
  m <- matrix(rep_len(c(10L, 30L, 20L), height * width), height)
  m[5:12, 9:20] <- 240L
  m
}

truth_of <- function(m) 1L + (m > 127)
