#' @include module.R
NULL

padding_modes <- c("zeros", "reflect", "replicate", "circular")

check_convolution <- function(in_channels, out_channels, groups, stride, padding, padding_mode) {
  check_whole_number(in_channels, "in_channels", least = 1)
  check_whole_number(out_channels, "out_channels", least = 1)
  check_divisible(in_channels, "in_channels", groups, "groups")
  check_divisible(out_channels, "out_channels", groups, "groups")
  if (is.character(padding)) check_named_padding(padding, stride)
  check_choice(padding_mode, "padding_mode", padding_modes)
}

# Numbers to add before and after each dimension, the last dimension first, as nnf_pad() wants them.
pad_amounts <- function(padding, kernel_size, dilation) {
  if (identical(padding, "valid")) {
    padding <- 0 * kernel_size
  }
  total <- if (is.character(padding)) dilation * (kernel_size - 1) else 2 * padding
  before <- total %/% 2
  as.vector(rbind(rev(before), rev(total - before)))
}

nn_conv_nd <- nn_module(
  "nn_conv_nd",
  initialize = function(n, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                        padding_mode, transposed = FALSE, output_padding = 0) {
    check_convolution(in_channels, out_channels, groups, stride, padding, padding_mode)
    self$in_channels <- in_channels
    self$out_channels <- out_channels
    self$kernel_size <- per_dimension(kernel_size, n, "kernel_size")
    self$stride <- per_dimension(stride, n, "stride")
    self$padding <- if (is.character(padding)) padding else per_dimension(padding, n, "padding")
    self$dilation <- per_dimension(dilation, n, "dilation")
    self$transposed <- transposed
    self$output_padding <- per_dimension(output_padding, n, "output_padding")
    self$groups <- groups
    self$padding_mode <- padding_mode
    channels <- if (transposed) c(in_channels, out_channels / groups) else c(out_channels, in_channels / groups)
    self$weight <- empty_parameter(c(channels, self$kernel_size))
    self$register_parameter("bias", if (bias) empty_parameter(out_channels))
    self$reset_parameters()
  },
  reset_parameters = function() {
    init_uniform_by_fan(self$weight, self$bias)
  },
  # By the name of their argument, members are read at once (release.R).
  convolve = function(nnf_conv, input) {
    padding <- self$padding
    if (self$padding_mode != "zeros") {
      input <- nnf_pad(input, pad_amounts(padding, self$kernel_size, self$dilation), mode = self$padding_mode)
      padding <- 0
    }
    nnf_conv(input, self$weight, self$bias, self$stride, padding, self$dilation, self$groups)
  },
  convolve_transposed = function(nnf_conv, input, output_size) {
    output_padding <- self$output_padding
    if (!is.null(output_size)) {
      output_padding <- self$padding_for(dim(input), output_size)
    }
    nnf_conv(input, self$weight, self$bias, self$stride, self$padding, output_padding, self$groups, self$dilation)
  },
  padding_for = function(input_size, output_size) {
    n <- length(self$kernel_size)
    output_size <- utils::tail(as.numeric(output_size), n)
    smallest <- (utils::tail(input_size, n) - 1) * self$stride - 2 * self$padding +
      self$dilation * (self$kernel_size - 1) + 1
    largest <- smallest + self$stride - 1
    if (length(output_size) != n || any(output_size < smallest) || any(output_size > largest)) {
      value_error(sprintf("`output_size` [%s] is out of range: from [%s] to [%s] is possible for this input.",
        toString(output_size), toString(smallest), toString(largest)))
    }
    output_size - smallest
  }
)

# Transposed convolutions know zero padding only.
check_zero_padding <- function(padding_mode) {
  if (padding_mode != "zeros") {
    value_error("Only `zeros` padding mode is supported for transposed convolutions.")
  }
}

#' Convolution layers
#'
#' Convolution of images (`2d`, batch x channel x height x width), sequences (`1d`, batch x channel x length) or
#' volumes (`3d`, batch x channel x depth x height x width), and the transposed convolution, which spreads every
#' input value over the kernel's area instead.
#'
#' With input size n, a convolution gives floor((n + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, a
#' transposed one (n - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.
#'
#' Weight and bias start uniform on (-b, b), b = 1 / sqrt(fan_in), with fan_in = the weight's second dimension times
#' the kernel's area.
#'
#' @param in_channels,out_channels numbers of channels.
#' @param kernel_size,stride,padding,dilation,output_padding one number, or one for each dimension. `padding` may
#'   also be `"valid"` (none) or `"same"` (output as large as the input; stride must be 1).
#' @param groups number of groups into which input and output channels are split; each output group sees only its
#'   own input group.
#' @param bias is an offset for each output channel learned?
#' @param padding_mode `"zeros"`, `"reflect"`, `"replicate"` or `"circular"`; transposed convolutions know `"zeros"`.
#' @return A module with parameters `weight` (out x in / groups x kernel; transposed: in x out / groups x kernel) and
#'   `bias`. The transposed ones are called with `(input, output_size = NULL)`, where `output_size` chooses among
#'   the sizes that `stride` makes possible.
#' @examples
#' conv <- nn_conv2d(3, 8, kernel_size = 3, padding = "same")
#' conv(torch_randn(1, 3, 16, 16))$shape
#' up <- nn_conv_transpose2d(8, 4, kernel_size = 2, stride = 2)
#' up(torch_randn(1, 8, 16, 16))$shape
#' @family layers
#' @export
nn_conv2d <- nn_module(
  "nn_conv2d",
  inherit = nn_conv_nd,
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0, dilation = 1, groups = 1,
                        bias = TRUE, padding_mode = "zeros") {
    super$initialize(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
      padding_mode)
  },
  forward = function(input) {
    self$convolve(nnf_conv2d, input)
  }
)

#' @rdname nn_conv2d
#' @export
nn_conv1d <- nn_module(
  "nn_conv1d",
  inherit = nn_conv_nd,
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0, dilation = 1, groups = 1,
                        bias = TRUE, padding_mode = "zeros") {
    super$initialize(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
      padding_mode)
  },
  forward = function(input) {
    self$convolve(nnf_conv1d, input)
  }
)

#' @rdname nn_conv2d
#' @export
nn_conv_transpose2d <- nn_module(
  "nn_conv_transpose2d",
  inherit = nn_conv_nd,
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0, output_padding = 0,
                        groups = 1, bias = TRUE, dilation = 1, padding_mode = "zeros") {
    check_zero_padding(padding_mode)
    super$initialize(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
      padding_mode, transposed = TRUE, output_padding = output_padding)
  },
  forward = function(input, output_size = NULL) {
    self$convolve_transposed(nnf_conv_transpose2d, input, output_size)
  }
)

#' @rdname nn_conv2d
#' @export
nn_conv_transpose1d <- nn_module(
  "nn_conv_transpose1d",
  inherit = nn_conv_nd,
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0, output_padding = 0,
                        groups = 1, bias = TRUE, dilation = 1, padding_mode = "zeros") {
    check_zero_padding(padding_mode)
    super$initialize(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
      padding_mode, transposed = TRUE, output_padding = output_padding)
  },
  forward = function(input, output_size = NULL) {
    self$convolve_transposed(nnf_conv_transpose1d, input, output_size)
  }
)

#' @rdname nn_conv2d
#' @export
nn_conv3d <- nn_module(
  "nn_conv3d",
  inherit = nn_conv_nd,
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0, dilation = 1, groups = 1,
                        bias = TRUE, padding_mode = "zeros") {
    super$initialize(3, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
      padding_mode)
  },
  forward = function(input) {
    self$convolve(nnf_conv3d, input)
  }
)

#' @rdname nn_conv2d
#' @export
nn_conv_transpose3d <- nn_module(
  "nn_conv_transpose3d",
  inherit = nn_conv_nd,
  initialize = function(in_channels, out_channels, kernel_size, stride = 1, padding = 0, output_padding = 0,
                        groups = 1, bias = TRUE, dilation = 1, padding_mode = "zeros") {
    check_zero_padding(padding_mode)
    super$initialize(3, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
      padding_mode, transposed = TRUE, output_padding = output_padding)
  },
  forward = function(input, output_size = NULL) {
    self$convolve_transposed(nnf_conv_transpose3d, input, output_size)
  }
)

#' Patches of images
#'
#' `nn_unfold()` takes the patches of N x C x H x W images as columns: N x C kh kw x L. `nn_fold()` adds such columns
#' up to images of size `output_size`.
#'
#' @param kernel_size,dilation,padding,stride one number, or one for each dimension.
#' @param output_size height and width of the result.
#' @return A module.
#' @examples
#' nn_unfold(kernel_size = 3)(torch_randn(1, 2, 5, 5))$shape
#' @family layers
#' @export
nn_unfold <- nn_module(
  "nn_unfold",
  initialize = function(kernel_size, dilation = 1, padding = 0, stride = 1) {
    self$kernel_size <- kernel_size
    self$dilation <- dilation
    self$padding <- padding
    self$stride <- stride
  },
  forward = function(input) {
    nnf_unfold(input, self$kernel_size, self$dilation, self$padding, self$stride)
  }
)

#' @rdname nn_unfold
#' @export
nn_fold <- nn_module(
  "nn_fold",
  initialize = function(output_size, kernel_size, dilation = 1, padding = 0, stride = 1) {
    self$output_size <- output_size
    self$kernel_size <- kernel_size
    self$dilation <- dilation
    self$padding <- padding
    self$stride <- stride
  },
  forward = function(input) {
    nnf_fold(input, self$output_size, self$kernel_size, self$dilation, self$padding, self$stride)
  }
)
