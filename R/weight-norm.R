#' Weight normalisation
#'
#' An R6 class that writes a parameter w of a module as g v / |v|, a length and a direction that are learned apart.
#' Its methods: `apply(module)` replaces the parameter `name` by the parameters `name_g` and `name_v`;
#' `recompute(module)` computes w from them, and belongs at the start of the module's `forward`; `remove(module)`
#' makes w a parameter again.
#'
#' @section Methods:
#' `$new(name, dim)`: `name` of the parameter, `dim` whose slices have a length each (from 1), or `NULL` for one
#' length.
#' @return `$new()` gives the object; its methods return the module, invisibly.
#' @references Salimans, Kingma (2016), <https://arxiv.org/abs/1602.07868>.
#' @examples
#' layer <- nn_linear(3, 2)
#' norm <- nn_utils_weight_norm$new(name = "weight", dim = 1)
#' norm$apply(layer)
#' layer$weight_g$shape
#' norm$recompute(layer)
#' layer(torch_randn(4, 3))$shape
#' @name nn_utils_weight_norm
#' @export nn_utils_weight_norm
NULL

nn_utils_weight_norm <- R6::R6Class(
  "WeightNorm",
  lock_objects = FALSE,
  public = list(
    name = NULL,
    dim = NULL,
    initialize = function(name = "weight", dim = 1) {
      check_string(name, "name")
      if (!is.null(dim)) check_whole_number(dim, "dim")
      self$name <- name
      self$dim <- dim
    },
    compute_weight = function(module, name = self$name, dim = self$dim) {
      v <- module[[paste0(name, "_v")]]
      v * (module[[paste0(name, "_g")]] / lengths_of_slices(v, dim))
    },
    apply = function(module, name = self$name, dim = self$dim) {
      check_module(module, "module")
      w <- module[[name]]
      if (!is_tensor(w)) value_error(sprintf("The module has no parameter `%s`.", name))
      module$register_parameter(name, NULL)
      module$register_parameter(paste0(name, "_g"), nn_parameter(lengths_of_slices(w$detach(), dim)))
      module$register_parameter(paste0(name, "_v"), nn_parameter(w$detach()$clone()))
      self$recompute(module)
    },
    call = function(module) {
      module$register_buffer(self$name, self$compute_weight(module), persistent = FALSE)
      invisible(module)
    },
    recompute = function(module) self$call(module),
    remove = function(module, name = self$name) {
      w <- self$compute_weight(module, name)
      module$register_parameter(paste0(name, "_g"), NULL)
      module$register_parameter(paste0(name, "_v"), NULL)
      module$register_parameter(name, nn_parameter(w$detach()))
      invisible(module)
    }
  )
)

lengths_of_slices <- function(v, dim) {
  others <- if (is.null(dim)) seq_along(base::dim(v)) else seq_along(base::dim(v))[-dim]
  (v * v)$sum(dim = others, keepdim = TRUE)$sqrt()
}
