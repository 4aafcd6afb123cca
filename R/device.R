#' @include tensor-class.R own-classes.R
NULL

#' Devices
#'
#' Everything is computed on the CPU. Device objects exist so that scripts written for machines with a graphics card
#' run: `x$to(device = "cpu")` gives `x`, `x$cuda()` an error, `cuda_is_available()` is `FALSE`. With
#' `options(candela.cuda = "cpu")` the device "cuda" means the CPU, for scripts that name it without asking.
#'
#' @param type `"cpu"`, or another device's name such as `"cuda"` or `"cuda:0"`.
#' @param index number of the device, or `NULL`.
#' @param x any object.
#' @return `torch_device()`: an object with the fields `type` and `index`.
#' @examples
#' device <- torch_device(if (cuda_is_available()) "cuda" else "cpu")
#' torch_ones(2)$to(device = device)
#' @export
torch_device <- function(type, index = NULL) {
  if (is_torch_device(type)) {
    return(type)
  }
  if (!is.character(type) || length(type) != 1) {
    refuse(type, "type", "a string such as \"cpu\"")
  }
  if (!grepl("^(cpu|cuda|mps|meta)(:[0-9]+)?$", type)) {
    runtime_error(sprintf("Expected one of cpu, cuda, mps, meta device type, got \"%s\".", type))
  }
  parts <- strsplit(type, ":", fixed = TRUE)[[1]]
  if (length(parts) == 2) index <- as.integer(parts[[2]])
  structure(list(type = parts[[1]], index = index), class = own_first("torch_device"))
}

#' @rdname torch_device
#' @export
is_torch_device <- function(x) inherits(x, "torch_device")

#' @export
print.candela_device <- function(x, ...) {
  index <- if (is.null(x$index)) "" else paste0(", index=", x$index)
  cat("torch_device(type='", x$type, "'", index, ")\n", sep = "")
  invisible(x)
}

#' @export
as.character.candela_device <- function(x, ...) paste(c(x$type, x$index), collapse = ":")

#' @export
`==.candela_device` <- function(e1, e2) {
  e1 <- torch_device(e1)
  e2 <- torch_device(e2)
  e1$type == e2$type && identical(e1$index, e2$index)
}

#' @export
`!=.candela_device` <- function(e1, e2) !(e1 == e2)

cpu_device <- structure(list(type = "cpu", index = NULL), class = own_first("torch_device"))

# Every computation is on the CPU: any other device is an error that says so, but for "cuda" where the option says that
# it means the CPU.
check_device <- function(device) {
  if (is.null(device)) {
    return(invisible())
  }
  type <- torch_device(device)$type
  if (type != "cpu" && !(type == "cuda" && identical(getOption("candela.cuda"), "cpu"))) {
    runtime_error(sprintf(
      "candela computes on the CPU: device \"%s\" is not available. Use device = \"cpu\" or leave it out.",
      as.character(torch_device(device))
    ))
  }
}

#' @rdname torch_device
#' @export
cuda_is_available <- function() FALSE
#' @rdname torch_device
#' @export
cuda_device_count <- function() 0L
#' @rdname torch_device
#' @export
cuda_current_device <- function() {
  runtime_error("There is no CUDA device: candela computes on the CPU.")
}
#' @rdname torch_device
#' @export
cuda_empty_cache <- function() invisible(NULL)
#' @rdname torch_device
#' @export
cuda_synchronize <- function(device = NULL) invisible(NULL)
#' @rdname torch_device
#' @param device ignored.
#' @export
backends_mps_is_available <- function() FALSE
#' @rdname torch_device
#' @export
backends_cudnn_is_available <- function() FALSE

tensor_field("device", function(self) cpu_device)
tensor_field("is_cuda", function(self) FALSE)
tensor_method("cpu", function() self)
tensor_method("cuda", function(device = NULL, ...) {
  check_device("cuda")
  self
})

#' Code for other machines
#'
#' `with_device()` and `local_device()` choose the device of new tensors: the CPU, any other is refused as by
#' [torch_device()]. Automatic mixed precision is for graphics cards: `with_autocast()`, `local_autocast()`,
#' `set_autocast()` and `cuda_amp_grad_scaler()` do nothing with `enabled = FALSE`, and are refused otherwise, since
#' all is computed in float32. `backends_*()` tell what the engine uses.
#'
#' @param device the device.
#' @param code an expression.
#' @param ... must be empty.
#' @param .env environment at whose end the choice ends.
#' @param device_type,dtype,cache_enabled not used.
#' @param enabled `FALSE`.
#' @param context what `set_autocast()` returned.
#' @param init_scale,growth_factor,backoff_factor,growth_interval not used.
#' @param x any object.
#' @return `with_*()`: the value of `code`. `cuda_amp_grad_scaler()`: a list of functions `scale(loss)`,
#'   `unscale_(optimizer)`, `step(optimizer)` and `update()`, of which the first gives the loss and the third steps.
#'   `backends_*()`, `is_*()`: `TRUE` or `FALSE`.
#' @section Errors: a `runtime_error` for other devices, a `not_implemented_error` for `enabled = TRUE`.
#' @examples
#' with_device(device = "cpu", torch_ones(2))
#' with_autocast(device_type = "cuda", enabled = cuda_is_available(), torch_ones(2))
#' @export
with_device <- function(code, ..., device) {
  check_device(device)
  force(code)
}

#' @rdname with_device
#' @export
local_device <- function(device, ..., .env = parent.frame()) {
  check_device(device)
  invisible(device)
}

check_autocast <- function(enabled) {
  check_flag(enabled, "enabled")
  if (enabled) {
    not_implemented_error(paste("Automatic mixed precision is for graphics cards: everything is computed in float32.",
      "Use enabled = FALSE."))
  }
}

#' @rdname with_device
#' @export
with_autocast <- function(code, ..., device_type, dtype = NULL, enabled = TRUE, cache_enabled = NULL) {
  check_autocast(enabled)
  force(code)
}

#' @rdname with_device
#' @export
local_autocast <- function(device_type, dtype = NULL, enabled = TRUE, cache_enabled = NULL, ...,
                           .env = parent.frame()) {
  check_autocast(enabled)
}

#' @rdname with_device
#' @export
set_autocast <- function(device_type, dtype = NULL, enabled = TRUE, cache_enabled = NULL) {
  check_autocast(enabled)
  list(device = device_type, enabled = FALSE)
}

#' @rdname with_device
#' @export
unset_autocast <- function(context) invisible(NULL)

#' @rdname with_device
#' @export
cuda_amp_grad_scaler <- function(init_scale = 2^16, growth_factor = 2.0, backoff_factor = 0.5, growth_interval = 2000,
                                 enabled = TRUE) {
  check_autocast(enabled)
  list(
    scale = function(outputs) outputs, unscale_ = function(optimizer) invisible(NULL),
    step = function(optimizer, ...) optimizer$step(...), update = function(new_scale = NULL) invisible(NULL),
    is_enabled = function() FALSE
  )
}

#' @rdname with_device
#' @export
backends_mkl_is_available <- function() FALSE
#' @rdname with_device
#' @export
backends_mkldnn_is_available <- function() FALSE
#' @rdname with_device
#' @export
backends_cudnn_version <- function() NULL
#' @rdname with_device
#' @export
is_torch_layout <- function(x) inherits(x, "torch_layout")
#' @rdname with_device
#' @export
is_torch_qscheme <- function(x) FALSE
