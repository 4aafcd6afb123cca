# What a case of the reference is in R. x: named list of tensors; a: the arguments, with dimensions counted from 0.

from_one <- function(dim) ifelse(unlist(dim) >= 0, unlist(dim) + 1, unlist(dim))

reference_calls <- function() {
  unary <- function(f) function(x, a) f(x$input)
  binary <- function(f) function(x, a) f(x$input, x$other)
  reduction <- function(f) {
    function(x, a) if (is.null(a$dim)) f(x$input) else f(x$input, dim = from_one(a$dim), keepdim = a$keepdim)
  }
  convolution <- function(f) function(x, a) do.call(f, c(list(x$input, x$weight, x$bias), lapply(a, unlist)))
  on_dim <- function(f) function(x, a) f(x$input, from_one(a$dim))
  pooling <- function(f) function(x, a) do.call(f, c(list(x$input), lapply(a, unlist)))
  # A loss of numbers whose target is named nowhere is taken against zeros.
  number_loss <- function(f) {
    function(x, a) do.call(f, c(list(x$input, if (is.null(x$target)) torch_zeros_like(x$input) else x$target), a))
  }
  class_loss <- function(f) {
    function(x, a) {
      if (!is.null(a$weight)) a$weight <- torch_tensor(unlist(a$weight), dtype = x$input$dtype)
      target <- x$target + 1L
      if (!is.null(a$ignore_index)) target <- torch_where(x$target == a$ignore_index, x$target, target)
      do.call(f, c(list(x$input, target), a))
    }
  }
  list(
    conv2d = convolution(nnf_conv2d), conv_transpose2d = convolution(nnf_conv_transpose2d),
    conv1d = convolution(nnf_conv1d), conv_transpose1d = convolution(nnf_conv_transpose1d),
    relu = unary(nnf_relu), relu6 = unary(nnf_relu6), sigmoid = unary(nnf_sigmoid), tanh = unary(nnf_tanh),
    gelu = unary(nnf_gelu), silu = unary(nnf_silu), hardswish = unary(nnf_hardswish), elu = unary(nnf_elu),
    leaky_relu = unary(nnf_leaky_relu), softplus = unary(nnf_softplus),
    exp = unary(torch_exp), neg = unary(torch_neg), abs = unary(torch_abs), square = unary(torch_square),
    log = unary(torch_log), sqrt = unary(torch_sqrt),
    softmax = on_dim(nnf_softmax), log_softmax = on_dim(nnf_log_softmax),
    add = binary(torch_add), sub = binary(torch_sub), mul = binary(torch_mul), div = binary(torch_div),
    maximum = binary(torch_maximum), minimum = binary(torch_minimum), matmul = binary(torch_matmul),
    linear = function(x, a) nnf_linear(x$input, x$weight, x$bias),
    batch_norm = function(x, a) {
      nnf_batch_norm(x$input, x$mean, x$var, x$weight, x$bias, a$training, a$momentum, a$eps)
    },
    sum = reduction(torch_sum), mean = reduction(torch_mean),
    var = function(x, a) torch_var(x$input, dim = from_one(a$dim), unbiased = a$unbiased),
    std = function(x, a) torch_std(x$input, unbiased = a$unbiased),
    max = function(x, a) torch_max(x$input, dim = from_one(a$dim))[[1]],
    argmax = function(x, a) torch_argmax(x$input, dim = from_one(a$dim)) - 1L,
    cat = function(x, a) torch_cat(unname(x), dim = from_one(a$dim)),
    stack = function(x, a) torch_stack(unname(x), dim = from_one(a$dim)),
    permute = function(x, a) torch_permute(x$input, from_one(a$dims)),
    flip = function(x, a) torch_flip(x$input, from_one(a$dims)),
    max_pool2d = pooling(nnf_max_pool2d), avg_pool2d = pooling(nnf_avg_pool2d),
    adaptive_avg_pool2d = pooling(nnf_adaptive_avg_pool2d),
    interpolate = function(x, a) {
      nnf_interpolate(x$input, size = unlist(a$size), mode = a$mode, align_corners = isTRUE(a$align_corners))
    },
    cross_entropy = class_loss(nnf_cross_entropy), nll_loss = class_loss(nnf_nll_loss),
    mse_loss = number_loss(nnf_mse_loss), l1_loss = number_loss(nnf_l1_loss),
    smooth_l1_loss = number_loss(nnf_smooth_l1_loss),
    binary_cross_entropy_with_logits = number_loss(nnf_binary_cross_entropy_with_logits)
  )
}

# The same elements, stored with the channels last.
channels_last <- function(x) {
  if (length(x$shape) == 4) x$permute(c(1, 3, 4, 2))$contiguous()$permute(c(1, 4, 2, 3)) else x
}

# The result of an operator's case and of its backward pass: list(y, grads, running), grads and running by name.
# arrange is applied to every input before it becomes a leaf.
run_operator_case <- function(case, float = torch_float(), arrange = identity) {
  as_leaf <- function(x) if (!is.null(x)) arrange(as_reference_tensor(x, float))
  x <- lapply(case$inputs, as_leaf)
  for (name in names(case$grads)) x[[name]]$requires_grad_(TRUE)
  running <- lapply(case$running_before, as_leaf)
  y <- reference_calls()[[case$op]](c(x, stats::setNames(running, c("mean", "var")[seq_along(running)])), case$args)
  if (length(case$grads) > 0) y$backward(gradient = as_leaf(case$grad_output))
  list(y = y, grads = lapply(x[names(case$grads)], function(leaf) leaf$grad), running = running)
}

# A transform's case; the arguments count pixels from 0 and name the interpolation.
run_transform_case <- function(case, img) {
  a <- lapply(case$args, unlist)
  mode <- c(nearest = 0, bilinear = 2, bicubic = 3)
  switch(case$op,
    resize = transform_resize(img, a$size, interpolation = mode[[a$interpolation]]),
    rotate = transform_rotate(img, a$angle, interpolation = mode[[a$resample]]),
    hflip = transform_hflip(img),
    vflip = transform_vflip(img),
    center_crop = transform_center_crop(img, a$size),
    crop = transform_crop(img, a$top + 1, a$left + 1, a$height, a$width),
    normalize = transform_normalize(img, a$mean, a$std),
    adjust_brightness = transform_adjust_brightness(img, a$brightness_factor),
    adjust_contrast = transform_adjust_contrast(img, a$contrast_factor),
    adjust_saturation = transform_adjust_saturation(img, a$saturation_factor),
    rgb_to_grayscale = transform_rgb_to_grayscale(img),
    pad = transform_pad(img, if (length(a$padding) == 4) a$padding[c(1, 3, 2, 4)] else a$padding),
    affine = transform_affine(img, a$angle, a$translate, a$scale, a$shear, interpolation = mode[[a$resample]]),
    stop("a case of unknown transform: ", case$op)
  )
}

# w after one step of mean((x w)^2) for each of the batches x.
run_optimizer_case <- function(case, w0, batches) {
  w <- w0$clone()$requires_grad_(TRUE)
  optimizer <- do.call(paste0("optim_", case$optimizer), c(list(w), case$args))
  for (x in batches) {
    optimizer$zero_grad()
    torch_mean(torch_matmul(x, w)^2)$backward()
    optimizer$step()
  }
  w$detach()
}
