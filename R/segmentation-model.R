#' @include decoders.R
NULL

# What the segmentation models share: encoder, decoder, head; sizes and bands of the input; classes; deep supervision.

# ---- classes and bands ----

#' @export
class_table.numeric <- function(x, ...) {
  if (!is.null(names(x))) {
    return(named_classes(names(x), value = as.numeric(x)))
  }
  check_whole_number(x, "classes", 1, 65536)
  named_classes(if (x == 1) "foreground" else paste("class", seq_len(x)))
}

#' @export
class_table.character <- function(x, ...) {
  if (is.null(names(x))) named_classes(x) else named_classes(names(x), colour = unname(x))
}

#' @export
class_table.factor <- function(x, ...) named_classes(levels(x))

#' @export
class_table.data.frame <- function(x, ...) {
  name <- if (is.null(x$name)) x$class else x$name
  if (is.null(name)) {
    value_error(sprintf("A table of classes needs a column `name`, but has %s.", toString(names(x))))
  }
  named_classes(as.character(name), x$value, x$colour)
}

#' @export
class_table.candela_module <- function(x, ...) x$classes

#' @export
class_table.candela_module_fitted <- function(x, ...) class_table(x$model)

#' @export
input_spec.candela_module <- function(x, ...) {
  if (is.null(x$input_spec)) {
    value_error("The model does not know its input: make it with `classes = ` the data set it is to be trained on.")
  }
  x$input_spec
}

#' @export
input_spec.candela_module_fitted <- function(x, ...) input_spec(x$model)

named_classes <- function(name, value = NULL, colour = NULL) {
  twice <- name[duplicated(name)]
  if (length(name) == 0 || anyNA(name) || any(!nzchar(name)) || length(twice) > 0) {
    value_error(sprintf("Classes need different names, but got %s.", toString(encodeString(name, quote = "\""))))
  }
  data.frame(
    class = factor(name, levels = name), value = if (is.null(value)) NA_real_ else value,
    colour = if (is.null(colour)) distinct_colours(length(name)) else colour, stringsAsFactors = FALSE
  )
}

check_classes <- function(classes) {
  if (missing(classes)) {
    value_error(paste("`classes` is missing: give the number of classes, their names, or the data set to be trained",
      "on. One class is one output, for targets of 0 and 1."))
  }
  if (is.null(classes) || is.logical(classes)) {
    refuse(classes, "classes", "a number of classes, their names, or a data set that knows them")
  }
  class_table(classes)
}

# ---- sizes ----

# Rows or columns to add before and after, so that `size` becomes a multiple of `divisor`.
padding_to_multiple <- function(size, divisor) {
  total <- (-size) %% divisor
  c(total %/% 2, total - total %/% 2)
}

# The padded image and the padding: before and after of the columns, then of the rows. The border is a mirror's, or,
# where the image is too small for one, the outermost pixels again.
pad_to_multiple <- function(x, divisor) {
  pad <- c(padding_to_multiple(dim(x)[[4]], divisor), padding_to_multiple(dim(x)[[3]], divisor))
  if (any(pad > 0)) {
    for (side in list(pad * c(1, 1, 0, 0), pad * c(0, 0, 1, 1))) {
      if (all(side == 0)) next
      size <- dim(x)[[if (any(side[1:2] > 0)) 4 else 3]]
      x <- nnf_pad(x, side, mode = if (max(side) < size) "reflect" else "replicate")
    }
  }
  list(x = x, pad = pad)
}

# The part of y that lies on the image of that size within its padding.
cut_padding <- function(y, pad, size) {
  if (all(pad == 0)) y else y$narrow(3, pad[[3]] + 1, size[[1]])$narrow(4, pad[[1]] + 1, size[[2]])
}

check_image_batch <- function(x, channels) {
  if (!is_tensor(x) || length(dim(x)) != 4) {
    value_error(sprintf("The input must be a tensor of images, N x %d x height x width, but got %s.", channels,
      if (is_tensor(x)) sprintf("one of shape [%s]", toString(dim(x))) else describe(x)))
  }
  if (dim(x)[[2]] != channels) {
    value_error(sprintf("The model was made for images of %d channels (`in_channels`), but got %d: shape [%s].",
      channels, dim(x)[[2]], toString(dim(x))))
  }
  if (any(dim(x) == 0)) value_error(sprintf("The images are empty: shape [%s].", toString(dim(x))))
}

# ---- deep supervision ----

# The loss of y, and of the outputs that came with it (deep supervision), each half as heavy as the one after it.
supervised_loss <- function(loss, y, target) {
  auxiliary <- auxiliary_outputs(y)
  total <- loss(y, target)
  for (i in seq_along(auxiliary)) total <- total + loss(auxiliary[[i]], target) * 0.5^i
  total
}

#' Outputs of deep supervision
#'
#' A model made with `deep_supervision = TRUE` computes outputs from all stages of its decoder in training mode. They
#' come with its output, and [setup()] adds their losses to the loss: with weights 1/2, 1/4, ... from the last stage
#' but one to the first (Lee et al. 2015, Deeply-supervised nets).
#'
#' @param output what the model gave.
#' @return A list of tensors of the shape of `output`, from the last stage to the first; empty in evaluation mode and
#'   for other models.
#' @examples
#' model <- unet("plain", classes = 2, weights = NULL, deep_supervision = TRUE)
#' y <- model(torch_randn(2, 3, 32, 32))
#' length(auxiliary_outputs(y))
#' @family segmentation models
#' @export
auxiliary_outputs <- function(output) {
  auxiliary <- attr(output, "auxiliary", exact = TRUE)
  if (is.null(auxiliary)) list() else auxiliary
}

# ---- the model ----

# Weights of segmentation_models_pytorch have MobileNet's last convolution.
check_last_convolution <- function(model, state_dict) {
  last <- "encoder.features.18.0.weight"
  if (last %in% names(state_dict) && !last %in% names(model$state_dict())) {
    value_error(paste("These weights hold the last convolution of the encoder, to 1280 channels, which this model",
      "does not have: make it with `last_conv = TRUE`."))
  }
}

# Classes that inherit call set_encoder() and set_decoder() in `initialize`. The decoder is a module that turns the
# list of features into one tensor, which the head turns into the classes.
segmentation_model <- nn_module(
  "segmentation_model",
  set_encoder = function(encoder, in_channels, classes, depth, weights, input_weights, ...) {
    self$classes <- check_classes(classes)
    knows <- inherits(classes, c("segmentation_dataset", "dataset_subset"))
    self$input_spec <- if (knows) input_spec(classes)
    if (is.null(in_channels)) in_channels <- if (knows) self$input_spec$channels else 3
    check_whole_number(in_channels, "in_channels", 1)
    self$in_channels <- in_channels
    self$encoder_name <- encoder
    self$encoder <- make_encoder(encoder, in_channels, depth, weights, input_weights, ...)
    self$divisor <- 2^depth
  },
  # Keeps the encoder's smallest features at 1 / stride of the image's size.
  set_output_stride = function(stride) {
    dilate_encoder(self$encoder, stride)
    self$divisor <- min(stride, self$divisor)
  },
  set_decoder = function(decoder, channels, kernel_size = 3, upsampling = 1) {
    self$decoder <- decoder
    self$segmentation_head <- segmentation_head(channels, nrow(self$classes), kernel_size, upsampling)
    decoder$apply(initialise_decoder_layer)
    self$segmentation_head$apply(initialise_head_layer)
  },
  load_state_dict = function(state_dict, ...) {
    if (identical(self$encoder_name, "mobilenet_v2")) check_last_convolution(self, state_dict)
    super$load_state_dict(state_dict, ...)
  },
  # A head for each of the decoder's stages but the last, of that many channels.
  set_auxiliary_heads = function(channels) {
    heads <- lapply(channels, segmentation_head, classes = nrow(self$classes), kernel_size = 1)
    self$auxiliary_heads <- nn_module_list(heads)
    self$auxiliary_heads$apply(initialise_head_layer)
  },
  forward = function(x) {
    check_image_batch(x, self$in_channels)
    padded <- pad_to_multiple(x, self$divisor)
    size <- dim(x)[3:4]
    features <- self$encoder(padded$x)
    if (self$training && !is.null(self$auxiliary_heads)) {
      return(self$forward_supervised(features, padded$pad, size))
    }
    y <- self$segmentation_head(self$decoder(features))
    cut_padding(y, padded$pad, size)
  },
  forward_supervised = function(features, pad, size) {
    stages <- self$decoder$all_stages(features)
    last <- length(stages)
    y <- self$segmentation_head(stages[[last]])
    padded_size <- dim(y)[3:4]
    auxiliary <- lapply(rev(seq_len(last - 1)), function(i) {
      z <- self$auxiliary_heads[[i]](stages[[i]])
      cut_padding(nnf_interpolate(z, size = padded_size, mode = "bilinear"), pad, size)
    })
    y <- cut_padding(y, pad, size)
    attr(y, "auxiliary") <- auxiliary
    y
  }
)
