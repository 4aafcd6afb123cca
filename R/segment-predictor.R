# The models behind segment(): pictures in shares of their type's unit to the mean of the probabilities.

new_predictor <- function(model, spec, flips) {
  models <- models_of(model)
  specs <- lapply(models, function(m) {
    if (is.null(spec)) input_spec(m$module) else input_spec(spec)
  })
  check_same_specs(specs)
  classes <- predicted_classes(models[[1]]$module, specs[[1]])
  Predictor$new(models, specs, classes, flips)
}

# list(list(module =, file =)); `file` where the model lies in one.
models_of <- function(model) {
  several <- is.character(model) || (is.list(model) && !inherits(model, "luz_module_fitted") && !is_nn_module(model))
  models <- if (several) as.list(model) else list(model)
  if (length(models) == 0) refuse(model, "model", "a trained model, or a list of such")
  lapply(models, function(m) {
    fitted <- if (is.character(m)) luz_load(m) else m
    module <- if (inherits(fitted, "luz_module_fitted")) fitted$model else fitted
    if (!is_nn_module(module)) {
      refuse(m, "model", "a trained model, a module, the path of a saved model, or a list of such",
        hint_if_generator(m, "nn_module", "module"))
    }
    list(module = module, file = if (is.character(m)) m)
  })
}

check_same_specs <- function(specs) {
  first <- specs[[1]]
  for (other in specs[-1]) {
    for (what in c("bands", "type", "resize", "size")) {
      if (!isTRUE(all.equal(first[[what]], other[[what]]))) {
        value_error(sprintf("the models differ in `%s` of their input: %s and %s.", what, toString(first[[what]]),
          toString(other[[what]])))
      }
    }
    if (!identical(levels(first$classes$class), levels(other$classes$class))) {
      value_error(sprintf("the models differ in their classes: %s; %s.", toString(levels(first$classes$class)),
        toString(levels(other$classes$class))))
    }
  }
}

# A model with one output tells the last of two classes from the other.
predicted_classes <- function(module, spec) {
  own <- if (is.data.frame(module$classes)) module$classes else spec$classes
  if (nrow(own) > 1) {
    return(if (nrow(spec$classes) == nrow(own)) spec$classes else own)
  }
  if (nrow(spec$classes) == 2) {
    return(spec$classes)
  }
  named_classes(c("background", levels(own$class)), c(0, if (is.na(own$value)) 255 else own$value))
}

Predictor <- R6::R6Class(
  "predictor",
  public = list(
    models = NULL, specs = NULL, spec = NULL, classes = NULL, flips = NULL, divisor = NULL, bytes = NULL,
    initialize = function(models, specs, classes, flips) {
      self$models <- models
      self$specs <- specs
      self$spec <- specs[[1]]
      self$classes <- classes
      self$flips <- flips
      self$divisor <- max(vapply(models, function(m) as.numeric(m$module$divisor %||% 32), 0))
    },
    prepare = function() {
      private$training <- vapply(self$models, function(m) isTRUE(m$module$training), NA)
      for (m in self$models) m$module$eval()
    },
    restore = function() for (m in self$models[private$training]) m$module$train(),
    # Percentiles of each picture, once; where it is resized they are taken afterwards.
    specs_for = function(source, resized) {
      lapply(self$specs, function(spec) {
        if (spec$scaling$method == "image" && !resized) {
          spec$scaling <- between_percentiles(source$sample(2^17) * type_unit(spec$type), spec$scaling$probs, "image")
        }
        spec
      })
    },
    # What each model sees of x, channels x h x w.
    scale = function(x, has_gaps, specs) lapply(specs, function(spec) scale_input(x, spec, has_gaps)),
    # x: channels x h x w; gaps: matrix or NULL. Where there are no data at all nothing is to be predicted.
    tile = function(x, gaps, specs) {
      if (!is.null(gaps) && all(gaps)) {
        return(torch_full(c(nrow(self$classes), dim(x)[2:3]), 1 / nrow(self$classes)))
      }
      scaled <- lapply(self$scale(x, !is.null(gaps), specs), function(x) x$unsqueeze(1))
      self$probabilities(scaled)$squeeze(1)
    },
    # `inputs`: for each model a batch. Value: batch x classes x h x w.
    probabilities = function(inputs) {
      local_no_grad()
      total <- NULL
      for (m in seq_along(inputs)) {
        for (flip in self$flips) {
          y <- release_after(private$flipped(self$models[[m]]$module, inputs[[m]], flip))
          total <- if (is.null(total)) y else total + y
        }
      }
      n <- length(inputs) * length(self$flips)
      if (n > 1) total / n else total
    },
    # Height and width of tiles that stay below the memory allowed; small pictures need not know.
    tile_for = function(source, run, specs) {
      if (!is.null(run$tile)) {
        return(rep(run$tile, 2))
      }
      if (max(source$size) <= 512) {
        return(c(512, 512))
      }
      self$bytes <- self$bytes %||% private$bytes_of_pixel(specs)
      # A row of tiles waits as class numbers of a byte, and as floats where these are wanted.
      row <- 1 + 4 * run$output$entropy + 4 * nrow(self$classes) * run$output$probabilities
      shared <- run$overlap + blend_of(run$overlap)
      choose_tile(source$size, run$memory, c(tile = self$bytes, row = row), shared, self$divisor)
    }
  ),
  private = list(
    training = NULL,
    flipped = function(module, x, flip) {
      apply_model <- module$predict %||% module
      if (is.null(flip)) {
        return(self$as_probabilities(apply_model(other_handles(x)), x))
      }
      torch_flip(self$as_probabilities(apply_model(torch_flip(x, flip)), x), flip)
    },
    # Of the tensors that a model makes for a pixel, seen with a small tile, and of what R reads for it as doubles.
    # Twice as much lies around besides: tensors of the tile before that R has not collected, blocks of other sizes.
    bytes_of_pixel = function(specs) {
      trial <- torch_zeros(c(self$spec$channels, 256, 256))
      before <- .Call(cdr_memory)[[1]]
      .Call(cdr_memory_control, NULL, FALSE, TRUE)
      release_after(self$tile(trial, NULL, specs))
      3 * ((.Call(cdr_memory)[[3]] - before) / 256^2 + (4 + 8) * self$spec$channels)
    }
  )
)

Predictor$set("public", "as_probabilities", function(y, x) {
  if (is.list(y) && !is_tensor(y)) y <- y[["out"]] %||% y[[1]]
  outputs <- nrow(self$classes)
  wanted <- c(dim(x)[[1]], NA, dim(x)[3:4])
  fits <- is_tensor(y) && length(dim(y)) == 4 && all(dim(y)[-2] == wanted[-2]) && dim(y)[[2]] %in% c(outputs, 1)
  if (!fits) {
    value_error(sprintf("the model must give scores N x %d x height x width of its input [%s], but gave %s.", outputs,
      toString(dim(x)), if (is_tensor(y)) sprintf("[%s]", toString(dim(y))) else describe(y)))
  }
  if (dim(y)[[2]] > 1) {
    return(nnf_softmax(y, dim = 2))
  }
  y <- torch_sigmoid(y)
  torch_cat(list(1 - y, y), dim = 2)
})
