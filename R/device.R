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
