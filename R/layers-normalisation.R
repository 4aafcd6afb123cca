#' @include module.R
NULL

# Shared by batch and instance norm: scale, offset and running statistics.
nn_norm_base <- nn_module(
  "nn_norm_base_",
  initialize = function(num_features, eps = 1e-5, momentum = 0.1, affine = TRUE, track_running_stats = TRUE) {
    self$num_features <- num_features
    self$eps <- eps
    self$momentum <- momentum
    self$affine <- affine
    self$track_running_stats <- track_running_stats
    self$register_parameter("weight", if (affine) empty_parameter(num_features))
    self$register_parameter("bias", if (affine) empty_parameter(num_features))
    self$register_buffer("running_mean", if (track_running_stats) torch_zeros(num_features))
    self$register_buffer("running_var", if (track_running_stats) torch_ones(num_features))
    self$register_buffer("num_batches_tracked", if (track_running_stats) torch_zeros(1, dtype = torch_long()))
    self$reset_parameters()
  },
  reset_running_stats = function() {
    if (self$track_running_stats) {
      self$running_mean$zero_()
      self$running_var$fill_(1)
      self$num_batches_tracked$zero_()
    }
  },
  reset_parameters = function() {
    self$reset_running_stats()
    if (self$affine) {
      nn_init_ones_(self$weight)
      nn_init_zeros_(self$bias)
    }
  },
  check_dimensions = function(n, allowed) {
    if (!n %in% allowed) {
      value_error(sprintf("expected %s input (got %dD input)", paste0(allowed, "D", collapse = " or "), n))
    }
  },
  .load_from_state_dict = function(state_dict, prefix, refer = FALSE) {
    key <- paste0(prefix, "num_batches_tracked")
    if (self$track_running_stats && !key %in% names(state_dict)) {
      state_dict[[key]] <- torch_zeros(1, dtype = torch_long())
    }
    super$.load_from_state_dict(state_dict, prefix, refer)
  }
)

nn_batch_norm_base <- nn_module(
  "nn_batch_norm_",
  inherit = nn_norm_base,
  count_batch = function() {
    count <- self$num_batches_tracked
    if (is.null(count)) {
      return(0)
    }
    count$add_(1L)
    if (is.null(self$momentum)) 1 / count$item() else self$momentum
  },
  forward = function(input) {
    self$check_input_dim(input)
    training <- self$training && !isTRUE(self$frozen)
    tracking <- self$track_running_stats
    momentum <- if (training && tracking) self$count_batch() else self$momentum
    if (is.null(momentum)) {
      momentum <- 0
    }
    batch_statistics <- training || is.null(self$running_mean)
    running <- !training || tracking
    nnf_batch_norm(
      input,
      if (running) self$running_mean,
      if (running) self$running_var,
      self$weight,
      self$bias,
      batch_statistics,
      momentum,
      self$eps
    )
  }
)

#' Batch normalisation
#'
#' y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel. In training mode mean and variance (divided by
#' n) are those of the batch, and the running ones move towards them: running = (1 - momentum) running +
#' momentum batch, with the variance divided by n - 1. In evaluation mode the running ones are used. Ioffe and
#' Szegedy (2015), <https://arxiv.org/abs/1502.03167>.
#'
#' A layer whose parameters do not require gradients still uses and updates batch statistics until `eval()` is called,
#' or [freeze()] freezes it with them.
#'
#' @param num_features number of channels.
#' @param eps added to the variance.
#' @param momentum weight of the newest batch; `NULL` for a plain average of all batches.
#' @param affine are weight and bias learned?
#' @param track_running_stats are running statistics kept? If not, batch statistics are always used.
#' @return A module with parameters `weight` (starts at 1) and `bias` (0), and buffers `running_mean` (0),
#'   `running_var` (1) and `num_batches_tracked`. Input: N x C or N x C x L for `1d`, N x C x H x W for `2d`, N x C x D
#'   x H x W for `3d`; other numbers of dimensions are a value_error.
#' @examples
#' bn <- nn_batch_norm2d(3)
#' y <- bn(torch_randn(4, 3, 8, 8))
#' bn$running_mean
#' @family layers
#' @export
nn_batch_norm1d <- nn_module(
  "nn_batch_norm1d",
  inherit = nn_batch_norm_base,
  check_input_dim = function(input) {
    self$check_dimensions(length(dim(input)), 2:3)
  }
)

#' @rdname nn_batch_norm1d
#' @export
nn_batch_norm2d <- nn_module(
  "nn_batch_norm2d",
  inherit = nn_batch_norm_base,
  check_input_dim = function(input) {
    self$check_dimensions(length(dim(input)), 4)
  }
)

#' @rdname nn_batch_norm1d
#' @export
nn_batch_norm3d <- nn_module(
  "nn_batch_norm3d",
  inherit = nn_batch_norm_base,
  check_input_dim = function(input) {
    self$check_dimensions(length(dim(input)), 5)
  }
)

nn_instance_norm_base <- nn_module(
  "nn_instance_norm_",
  inherit = nn_norm_base,
  initialize = function(num_features, eps = 1e-5, momentum = 0.1, affine = FALSE, track_running_stats = FALSE) {
    super$initialize(num_features, eps, momentum, affine, track_running_stats)
  },
  forward = function(input) {
    self$check_input_dim(input)
    nnf_instance_norm(input, self$running_mean, self$running_var, self$weight, self$bias,
      self$training || !self$track_running_stats, self$momentum, self$eps)
  }
)

#' Layer, group and instance normalisation
#'
#' Normalise each sample by its own mean and variance: over the last dimensions (`nn_layer_norm()`), over groups of
#' channels and all positions (`nn_group_norm()`), or over the positions of each channel (`nn_instance_norm1d()`,
#' `nn_instance_norm2d()`, `nn_instance_norm3d()`). Ba et al. (2016), Wu and He (2018), Ulyanov et al. (2016).
#'
#' @param normalized_shape sizes of the last dimensions, over which to normalise.
#' @param eps added to the variance.
#' @param elementwise_affine,affine are weight and bias learned?
#' @param num_groups number of groups; must divide `num_channels`.
#' @param num_channels,num_features number of channels.
#' @param momentum,track_running_stats running statistics for evaluation mode, as in [nn_batch_norm2d()].
#' @return A module.
#' @examples
#' nn_layer_norm(4)(torch_randn(2, 4))
#' nn_group_norm(2, 6)(torch_randn(1, 6, 4, 4))$shape
#' @family layers
#' @export
nn_layer_norm <- nn_module(
  "nn_layer_norm",
  initialize = function(normalized_shape, eps = 1e-5, elementwise_affine = TRUE) {
    self$normalized_shape <- normalized_shape
    self$eps <- eps
    self$elementwise_affine <- elementwise_affine
    self$register_parameter("weight", if (elementwise_affine) empty_parameter(normalized_shape))
    self$register_parameter("bias", if (elementwise_affine) empty_parameter(normalized_shape))
    self$reset_parameters()
  },
  reset_parameters = function() {
    if (self$elementwise_affine) {
      nn_init_ones_(self$weight)
      nn_init_zeros_(self$bias)
    }
  },
  forward = function(input) {
    nnf_layer_norm(input, self$normalized_shape, self$weight, self$bias, self$eps)
  }
)

#' Normalisation by the root mean square
#'
#' x / sqrt(mean(x^2) + eps) weight, the mean taken over the last dimensions of each sample. Zhang and Sennrich (2019),
#' <https://arxiv.org/abs/1910.07467>.
#'
#' @param normalized_shape sizes of the last dimensions, over which to normalise.
#' @param eps added to the mean square; `NULL` is the distance from 1 to the next number of the input's type.
#' @param elementwise_affine is a weight learned?
#' @return A module with the parameter `weight` (starts at 1) of size `normalized_shape`, or none. Input: any tensor
#'   whose last dimensions are `normalized_shape`, else it is a value_error.
#' @examples
#' nn_rms_norm(4)(torch_randn(2, 4))
#' @family layers
#' @export
nn_rms_norm <- nn_module(
  "nn_rms_norm",
  initialize = function(normalized_shape, eps = NULL, elementwise_affine = TRUE) {
    self$normalized_shape <- normalized_shape
    self$eps <- eps
    self$elementwise_affine <- elementwise_affine
    self$register_parameter("weight", if (elementwise_affine) empty_parameter(normalized_shape))
    self$reset_parameters()
  },
  reset_parameters = function() {
    if (self$elementwise_affine) nn_init_ones_(self$weight)
  },
  forward = function(input) nnf_rms_norm(input, self$normalized_shape, self$weight, self$eps)
)

#' @rdname nn_layer_norm
#' @export
nn_group_norm <- nn_module(
  "nn_group_norm",
  initialize = function(num_groups, num_channels, eps = 1e-5, affine = TRUE) {
    check_divisible(num_channels, "num_channels", num_groups, "num_groups")
    self$num_groups <- num_groups
    self$num_channels <- num_channels
    self$eps <- eps
    self$affine <- affine
    self$register_parameter("weight", if (affine) empty_parameter(num_channels))
    self$register_parameter("bias", if (affine) empty_parameter(num_channels))
    self$reset_parameters()
  },
  reset_parameters = function() {
    if (self$affine) {
      nn_init_ones_(self$weight)
      nn_init_zeros_(self$bias)
    }
  },
  forward = function(input) {
    nnf_group_norm(input, self$num_groups, self$weight, self$bias, self$eps)
  }
)

#' @rdname nn_layer_norm
#' @export
nn_instance_norm1d <- nn_module(
  "nn_instance_norm1d",
  inherit = nn_instance_norm_base,
  check_input_dim = function(input) {
    self$check_dimensions(length(dim(input)), 3)
  }
)

#' @rdname nn_layer_norm
#' @export
nn_instance_norm2d <- nn_module(
  "nn_instance_norm2d",
  inherit = nn_instance_norm_base,
  check_input_dim = function(input) {
    self$check_dimensions(length(dim(input)), 4)
  }
)

#' @rdname nn_layer_norm
#' @export
nn_instance_norm3d <- nn_module(
  "nn_instance_norm3d",
  inherit = nn_instance_norm_base,
  check_input_dim = function(input) {
    self$check_dimensions(length(dim(input)), 5)
  }
)
