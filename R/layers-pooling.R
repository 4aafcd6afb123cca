#' @include module.R layers-function.R
NULL

nn_pool_base <- nn_module(
  "nn_pool_nd",
  initialize = function(kernel_size, stride = NULL, ...) {
    self$kernel_size <- kernel_size
    self$stride <- if (is.null(stride)) kernel_size else stride
    options <- list(...)
    for (name in names(options)) {
      assign(name, options[[name]], envir = self)
    }
  }
)

#' Pooling layers
#'
#' The largest value or the average of each window. With input size n the output has
#' floor((n + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1 values, rounded up with `ceil_mode`. The
#' adaptive ones choose the windows so that the output has the given size.
#'
#' @param kernel_size,stride,padding,dilation one number, or one for each dimension; `stride = NULL` is the kernel's
#'   size.
#' @param return_indices return a list of the maxima and of their positions (from 1, within a channel) instead?
#' @param ceil_mode round output sizes up?
#' @param count_include_pad do zeros of the padding count in an average?
#' @param divisor_override divide sums by this number instead of the number of values.
#' @param output_size size of the output, one number or one for each dimension; `NA` keeps the input's.
#' @return A module.
#' @examples
#' nn_max_pool2d(2)(torch_randn(1, 3, 8, 8))$shape
#' nn_adaptive_avg_pool2d(1)(torch_randn(1, 3, 8, 8))$shape
#' @name pooling
#' @family layers
NULL

#' @rdname pooling
#' @export
nn_max_pool1d <- nn_module(
  "nn_max_pool1d",
  inherit = nn_pool_base,
  initialize = function(kernel_size, stride = NULL, padding = 0, dilation = 1, return_indices = FALSE,
                        ceil_mode = FALSE) {
    super$initialize(kernel_size, stride, padding = padding, dilation = dilation, return_indices = return_indices,
      ceil_mode = ceil_mode)
  },
  forward = function(input) {
    nnf_max_pool1d(input, self$kernel_size, self$stride, self$padding, self$dilation, self$ceil_mode,
      self$return_indices)
  }
)

#' @rdname pooling
#' @export
nn_max_pool2d <- nn_module(
  "nn_max_pool2d",
  inherit = nn_pool_base,
  initialize = function(kernel_size, stride = NULL, padding = 0, dilation = 1, return_indices = FALSE,
                        ceil_mode = FALSE) {
    super$initialize(kernel_size, stride, padding = padding, dilation = dilation, return_indices = return_indices,
      ceil_mode = ceil_mode)
  },
  forward = function(input) {
    nnf_max_pool2d(input, self$kernel_size, self$stride, self$padding, self$dilation, self$ceil_mode,
      self$return_indices)
  }
)

#' @rdname pooling
#' @export
nn_avg_pool1d <- nn_module(
  "nn_avg_pool1d",
  inherit = nn_pool_base,
  initialize = function(kernel_size, stride = NULL, padding = 0, ceil_mode = FALSE, count_include_pad = TRUE) {
    super$initialize(kernel_size, stride, padding = padding, ceil_mode = ceil_mode,
      count_include_pad = count_include_pad)
  },
  forward = function(input) {
    nnf_avg_pool1d(input, self$kernel_size, self$stride, self$padding, self$ceil_mode, self$count_include_pad)
  }
)

#' @rdname pooling
#' @export
nn_avg_pool2d <- nn_module(
  "nn_avg_pool2d",
  inherit = nn_pool_base,
  initialize = function(kernel_size, stride = NULL, padding = 0, ceil_mode = FALSE, count_include_pad = TRUE,
                        divisor_override = NULL) {
    super$initialize(kernel_size, stride, padding = padding, ceil_mode = ceil_mode,
      count_include_pad = count_include_pad, divisor_override = divisor_override)
  },
  forward = function(input) {
    nnf_avg_pool2d(input, self$kernel_size, self$stride, self$padding, self$ceil_mode, self$count_include_pad,
      self$divisor_override)
  }
)

#' @rdname pooling
#' @export
nn_adaptive_avg_pool1d <- nn_module(
  "nn_adaptive_avg_pool1d",
  initialize = function(output_size) {
    self$output_size <- output_size
  },
  forward = function(input) {
    nnf_adaptive_avg_pool1d(input, self$output_size)
  }
)

#' @rdname pooling
#' @export
nn_adaptive_avg_pool2d <- nn_module(
  "nn_adaptive_avg_pool2d",
  initialize = function(output_size) {
    self$output_size <- output_size
  },
  forward = function(input) {
    nnf_adaptive_avg_pool2d(input, self$output_size)
  }
)

#' @rdname pooling
#' @export
nn_adaptive_max_pool2d <- nn_module(
  "nn_adaptive_max_pool2d",
  initialize = function(output_size, return_indices = FALSE) {
    self$output_size <- output_size
    self$return_indices <- return_indices
  },
  forward = function(input) {
    nnf_adaptive_max_pool2d(input, self$output_size, self$return_indices)
  }
)

#' Resize layer
#'
#' @param size height and width of the result (sequences: length; volumes: depth, height and width), or
#' @param scale_factor how many times as large, one number or one for each dimension.
#' @param mode `"nearest"`, `"area"`, `"linear"` (sequences), `"bilinear"`, `"bicubic"` or `"trilinear"` (volumes).
#' @param align_corners do the centres of the corner pixels of input and output coincide (not for `"nearest"`)?
#' @return A module.
#' @examples
#' nn_upsample(scale_factor = 2)(torch_randn(1, 3, 4, 4))$shape
#' @family layers
#' @export
nn_upsample <- nn_module(
  "nn_upsample",
  initialize = function(size = NULL, scale_factor = NULL, mode = "nearest", align_corners = NULL) {
    self$size <- size
    self$scale_factor <- scale_factor
    self$mode <- mode
    self$align_corners <- align_corners
  },
  forward = function(input) {
    align <- self$align_corners
    nnf_interpolate(input, self$size, self$scale_factor, self$mode, if (is.null(align)) FALSE else align)
  }
)

#' @rdname pooling
#' @export
nn_max_pool3d <- function_layer("nn_max_pool3d", quote(nnf_max_pool3d),
  alist(kernel_size = , stride = NULL, padding = 0, dilation = 1, return_indices = FALSE, ceil_mode = FALSE))

#' @rdname pooling
#' @export
nn_avg_pool3d <- function_layer("nn_avg_pool3d", quote(nnf_avg_pool3d),
  alist(kernel_size = , stride = NULL, padding = 0, ceil_mode = FALSE, count_include_pad = TRUE,
    divisor_override = NULL))

#' @rdname pooling
#' @export
nn_adaptive_avg_pool3d <- function_layer("nn_adaptive_avg_pool3d", quote(nnf_adaptive_avg_pool3d),
  alist(output_size = ))

#' @rdname pooling
#' @export
nn_adaptive_max_pool1d <- function_layer("nn_adaptive_max_pool1d", quote(nnf_adaptive_max_pool1d),
  alist(output_size = , return_indices = FALSE))

#' @rdname pooling
#' @export
nn_adaptive_max_pool3d <- function_layer("nn_adaptive_max_pool3d", quote(nnf_adaptive_max_pool3d),
  alist(output_size = , return_indices = FALSE))

#' Further pooling layers
#'
#' `nn_lp_pool1d()` and `nn_lp_pool2d()`: see [nnf_lp_pool2d()]. `nn_max_unpool1d()` to `nn_max_unpool3d()`: see
#' [nnf_max_unpool2d()]. `nn_fractional_max_pool2d()` and `nn_fractional_max_pool3d()`: see
#' [nnf_fractional_max_pool2d()].
#'
#' @param norm_type exponent p of the power average.
#' @param kernel_size,stride,padding one number, or one for each dimension; `stride = NULL` is the kernel's size.
#' @param ceil_mode round output sizes up?
#' @param output_size,output_ratio size of the output, or its share of the input's.
#' @param return_indices return a list of the maxima and of their positions instead?
#' @return A module; those of `nn_max_unpool1d()` to `nn_max_unpool3d()` are called with `(input, indices,
#'   output_size = NULL)`.
#' @examples
#' pool <- nn_max_pool2d(2, return_indices = TRUE)
#' pooled <- pool(torch_randn(1, 1, 4, 4))
#' nn_max_unpool2d(2)(pooled[[1]], pooled[[2]])
#' nn_lp_pool1d(2, kernel_size = 3)(torch_randn(1, 2, 9))$shape
#' @name further_pooling
#' @family layers
NULL

lp_arguments <- alist(norm_type = , kernel_size = , stride = NULL, ceil_mode = FALSE)

#' @rdname further_pooling
#' @export
nn_lp_pool1d <- function_layer("nn_lp_pool1d", quote(nnf_lp_pool1d), lp_arguments)

#' @rdname further_pooling
#' @export
nn_lp_pool2d <- function_layer("nn_lp_pool2d", quote(nnf_lp_pool2d), lp_arguments)

unpool_arguments <- alist(kernel_size = , stride = NULL, padding = 0)
unpool_inputs <- alist(input = , indices = , output_size = NULL)

#' @rdname further_pooling
#' @export
nn_max_unpool1d <- function_layer("nn_max_unpool1d", quote(nnf_max_unpool1d), unpool_arguments, unpool_inputs)

#' @rdname further_pooling
#' @export
nn_max_unpool2d <- function_layer("nn_max_unpool2d", quote(nnf_max_unpool2d), unpool_arguments, unpool_inputs)

#' @rdname further_pooling
#' @export
nn_max_unpool3d <- function_layer("nn_max_unpool3d", quote(nnf_max_unpool3d), unpool_arguments, unpool_inputs)

fractional_arguments <- alist(kernel_size = , output_size = NULL, output_ratio = NULL, return_indices = FALSE)

#' @rdname further_pooling
#' @export
nn_fractional_max_pool2d <- function_layer("nn_fractional_max_pool2d", quote(nnf_fractional_max_pool2d),
  fractional_arguments)

#' @rdname further_pooling
#' @export
nn_fractional_max_pool3d <- function_layer("nn_fractional_max_pool3d", quote(nnf_fractional_max_pool3d),
  fractional_arguments)
