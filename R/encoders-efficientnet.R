#' @include encoders.R models-efficientnet.R layers-convolution.R
NULL

# EfficientNets as segmentation_models_pytorch has them, after TensorFlow's: convolutions with stride are padded so
# that pictures of the size trained on are halved, which may be one pixel less before than behind, and batch norm has
# an eps of 1e-3. torchvision's are padded evenly; with its weights an encoder becomes like that.

padded_conv <- nn_module(
  "padded_conv",
  inherit = nn_conv2d,
  forward = function(input) {
    if (is.null(self$uneven)) {
      return(self$convolve(nnf_conv2d, input))
    }
    self$convolve(nnf_conv2d, nnf_pad(input, rep(self$uneven, 2)))
  }
)

# `size`: of the picture, where the model is trained on.
same_conv <- function(inputs, outputs, kernel_size, stride, groups, size) {
  total <- max((ceiling(size / stride) - 1) * stride + kernel_size - size, 0)
  even <- total %% 2 == 0
  conv <- padded_conv(inputs, outputs, kernel_size, stride, padding = if (even) total / 2 else 0, groups = groups,
    bias = FALSE)
  if (!even) conv$uneven <- c(total %/% 2, total - total %/% 2)
  conv
}

# Batch norm with the constants of models that were first trained in TensorFlow.
norm_of_tensorflow <- function(channels) nn_batch_norm2d(channels, eps = 1e-3, momentum = 0.01)

efficientnet_block <- nn_module(
  "efficientnet_block",
  initialize = function(inputs, outputs, expansion, kernel_size, stride, size, p) {
    expanded <- inputs * expansion
    if (expansion != 1) {
      self$`_expand_conv` <- nn_conv2d(inputs, expanded, 1, bias = FALSE)
      self$`_bn0` <- norm_of_tensorflow(expanded)
    }
    self$`_depthwise_conv` <- same_conv(expanded, expanded, kernel_size, stride, expanded, size)
    self$`_bn1` <- norm_of_tensorflow(expanded)
    squeezed <- max(1, inputs %/% 4)
    self$`_se_reduce` <- nn_conv2d(expanded, squeezed, 1)
    self$`_se_expand` <- nn_conv2d(squeezed, expanded, 1)
    self$`_project_conv` <- nn_conv2d(expanded, outputs, 1, bias = FALSE)
    self$`_bn2` <- norm_of_tensorflow(outputs)
    self$stochastic_depth <- stochastic_depth(p)
    self$connects <- stride == 1 && inputs == outputs
  },
  forward = function(x) {
    y <- x
    if (!is.null(self$`_expand_conv`)) y <- nnf_silu(self$`_bn0`(self$`_expand_conv`(y)))
    y <- nnf_silu(self$`_bn1`(self$`_depthwise_conv`(y)))
    weights <- self$`_se_expand`(nnf_silu(self$`_se_reduce`(nnf_adaptive_avg_pool2d(y, 1))))
    y <- y * nnf_sigmoid(weights)
    y <- self$`_bn2`(self$`_project_conv`(y))
    if (self$connects) x + self$stochastic_depth(y) else y
  }
)

# One row for each block: its row of the table, place in it (from 0), channels before, and stride.
efficientnet_blocks <- function(rows) {
  do.call(rbind, lapply(seq_len(nrow(rows)), function(r) {
    row <- rows[r, ]
    n <- row[["blocks"]]
    data.frame(
      row = r, place = seq_len(n) - 1, inputs = c(row[["inputs"]], rep(row[["outputs"]], n - 1)),
      outputs = row[["outputs"]], expansion = row[["expansion"]], kernel = row[["kernel"]],
      stride = c(row[["stride"]], rep(1, n - 1))
    )
  }))
}

# Blocks before the ends of stages 2, 3 and 4; stage 5 has the rest.
efficientnet_ends <- list(
  b0 = c(3, 5, 9), b1 = c(5, 8, 16), b2 = c(5, 8, 16), b3 = c(5, 8, 18), b4 = c(6, 10, 22), b5 = c(8, 13, 27),
  b6 = c(9, 15, 31), b7 = c(11, 18, 38)
)

efficientnet_encoder <- nn_module(
  "efficientnet_encoder",
  initialize = function(name, in_channels = 3) {
    size_name <- sub("efficientnet-", "", name)
    rows <- scaled_efficientnet_rows(size_name)
    table <- efficientnet_blocks(rows)
    size <- efficientnet_b_scale[size_name, "size"]
    first <- table$inputs[[1]]
    self$`_conv_stem` <- same_conv(in_channels, first, 3, 2, 1, size)
    self$`_bn0` <- norm_of_tensorflow(first)
    size <- ceiling(size / 2)
    blocks <- list()
    for (i in seq_len(nrow(table))) {
      b <- table[i, ]
      blocks[[i]] <- efficientnet_block(b$inputs, b$outputs, b$expansion, b$kernel, b$stride, size,
        0.2 * (i - 1) / nrow(table))
      size <- ceiling(size / b$stride)
    }
    self$`_blocks` <- nn_module_list(blocks)
    last <- table$outputs[[nrow(table)]]
    self$`_conv_head` <- nn_conv2d(last, 4 * last, 1, bias = FALSE)
    self$`_bn1` <- norm_of_tensorflow(4 * last)
    self$ends <- c(efficientnet_ends[[size_name]], nrow(table))
    self$out_channels <- c(in_channels, first, table$outputs[self$ends])
    self$apply(initialise_efficientnet_layer)
  },
  stages = function() {
    blocks <- unname(self$`_blocks`$children)
    starts <- c(0, self$ends[-4]) + 1
    c(
      list(list(self$`_conv_stem`, self$`_bn0`, nnf_silu)),
      lapply(seq_along(starts), function(i) blocks[starts[[i]]:self$ends[[i]]])
    )
  },
  # Weights under the encoder's own names.
  own_weights = function(weights, name) {
    if (!"features.0.0.weight" %in% names(weights)) {
      return(weights)
    }
    size_name <- sub("efficientnet-", "", name)
    self$pad_evenly(large = size_name %in% c("b5", "b6", "b7"))
    map <- efficientnet_name_map(scaled_efficientnet_rows(size_name))
    prefix <- sub("^(.*)\\.[^.]*$", "\\1", names(weights))
    known <- prefix %in% names(map)
    ending <- sub("^.*\\.", "", names(weights)[known])
    stats::setNames(weights[known], paste0(map[prefix[known]], ".", ending))
  },
  # As torchvision's networks are.
  pad_evenly = function(large) {
    self$apply(function(layer) {
      if (inherits(layer, "padded_conv")) {
        layer$uneven <- NULL
        layer$padding <- (layer$kernel_size - 1) / 2
      } else if (inherits(layer, "nn_batch_norm2d") && !large) {
        layer$eps <- 1e-5
        layer$momentum <- 0.1
      }
    })
  },
  forward = encode
)

# torchvision's names of layers, with those of the encoder.
efficientnet_name_map <- function(rows) {
  table <- efficientnet_blocks(rows)
  blocks <- lapply(seq_len(nrow(table)), function(i) {
    b <- table[i, ]
    parts <- c("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_se_reduce", "_se_expand", "_project_conv", "_bn2")
    places <- c("0.0", "0.1", "1.0", "1.1", "2.fc1", "2.fc2", "3.0", "3.1")
    if (b$expansion == 1) {
      parts <- parts[-(1:2)]
      places <- c("0.0", "0.1", "1.fc1", "1.fc2", "2.0", "2.1")
    }
    stats::setNames(sprintf("_blocks.%d.%s", i - 1L, parts), sprintf("features.%d.%d.block.%s", b$row, b$place, places))
  })
  last <- paste0("features.", nrow(rows) + 1)
  ends <- stats::setNames(c("_conv_stem", "_bn0", "_conv_head", "_bn1"),
    c("features.0.0", "features.0.1", paste0(last, c(".0", ".1"))))
  c(ends, unlist(blocks))
}
