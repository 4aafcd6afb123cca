#' @include class-generator.R
NULL

LuzAccelerator <- slim_class(R6::R6Class(
  classname = "LuzAccelerator",
  public = list(
    device_placement = TRUE,
    initialize = function(device_placement) self$device_placement <- device_placement,
    prepare = function(...) {
      objects <- rlang::list2(...)
      if (length(objects) == 1) objects[[1]] else objects
    }
  ),
  active = list(
    device = function(value) if (missing(value)) "cpu" else read_only("device")
  )
))

#' The device for training
#'
#' Accepted by [fit()][fit.luz_module_generator], `predict()` and [evaluate()] for code written for luz. The engine
#' computes on the CPU, so there is nothing to place.
#'
#' @param device_placement,cpu,cuda_index Accepted, without effect.
#' @return An object with the field `device` (`"cpu"`) and the method `prepare(...)`, which returns what it gets.
#' @examples
#' accelerator()$device
#' @export
accelerator <- function(device_placement = TRUE, cpu = FALSE, cuda_index = cuda_current_device()) {
  LuzAccelerator$new(device_placement)
}
