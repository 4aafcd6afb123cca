#' @include tensor-special.R
NULL

#' Names that torch has for the same
#'
#' `torch_cosine_similarity()`, `torch_pixel_shuffle()`, `torch_celu()` and functions whose names end in `_`, which
#' write into the tensor, are those of the same name that begin with `nnf_`. `torch_range()` is [torch_arange()].
#' `torch_poisson()` draws from Poisson distributions, by inversion of uniform numbers.
#' `torch_reduction_mean()`, `_none()` and `_sum()` are the codes 1, 0 and 2. `torch_strided()` is the only layout.
#'
#' @param self,x1,x2 a tensor.
#' @param dim,eps see [nnf_cosine_similarity()].
#' @param upscale_factor see [nnf_pixel_shuffle()].
#' @param alpha,threshold,value,lower,upper,training see the functions `nnf_`.
#' @param start,end,step,dtype,layout,device,requires_grad see [torch_arange()].
#' @param generator not used.
#' @return A tensor; a number for the codes.
#' @examples
#' torch_cosine_similarity(torch_ones(1, 2), torch_ones(1, 2))
#' @export
torch_cosine_similarity <- function(x1, x2, dim = 2L, eps = 1e-08) nnf_cosine_similarity(x1, x2, dim, eps)

#' @rdname torch_cosine_similarity
#' @export
torch_pixel_shuffle <- function(self, upscale_factor) nnf_pixel_shuffle(self, upscale_factor)

#' @rdname torch_cosine_similarity
#' @export
torch_celu <- function(self, alpha = 1L) nnf_celu(self, alpha)

#' @rdname torch_cosine_similarity
#' @export
torch_celu_ <- function(self, alpha = 1L) nnf_celu_(self, alpha)

#' @rdname torch_cosine_similarity
#' @export
torch_selu_ <- function(self) nnf_selu_(self)

#' @rdname torch_cosine_similarity
#' @export
torch_threshold_ <- function(self, threshold, value) nnf_threshold_(self, threshold, value)

#' @rdname torch_cosine_similarity
#' @export
torch_rrelu_ <- function(self, lower = 0.125, upper = 0.333333333333333, training = FALSE, generator = NULL) {
  nnf_rrelu_(self, lower, upper, training)
}

#' @rdname torch_cosine_similarity
#' @export
torch_range <- function(start, end, step = 1, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  torch_arange(start, end, step, dtype, layout, device, requires_grad)
}

#' @rdname torch_cosine_similarity
#' @export
torch_poisson <- function(self, generator = NULL) {
  check_float(self, "self")
  rates <- as_array(self$detach())
  if (anyNA(rates) || any(rates < 0)) value_error("torch_poisson(): rates must be at least 0.")
  draws <- as_array(torch_rand_like(self, dtype = torch_double()))
  torch_reshape(torch_tensor(stats::qpois(draws, rates), dtype = self$dtype), dim(self))
}

#' @rdname torch_cosine_similarity
#' @export
torch_reduction_mean <- function() 1L

#' @rdname torch_cosine_similarity
#' @export
torch_reduction_none <- function() 0L

#' @rdname torch_cosine_similarity
#' @export
torch_reduction_sum <- function() 2L

#' @rdname torch_cosine_similarity
#' @export
torch_strided <- function() structure(list(name = "strided"), class = own_first("torch_layout"))

#' @export
print.candela_layout <- function(x, ...) {
  cat("<torch_layout> ", x$name, "\n", sep = "")
  invisible(x)
}

#' @rdname torch_matmul
#' @param x,y tensors, or R vectors and matrices; x %*% y is `torch_matmul()`.
#' @rawNamespace if (getRversion() >= "4.3.0") S3method("%*%", candela_tensor)
`%*%.candela_tensor` <- function(x, y) torch_matmul(x, y)

#' Call a function by its name
#'
#' `call_torch_function()` calls `torch_name()`, also one that is not exported. `yield()` belongs inside a generator of
#' the package coro.
#'
#' @param name name of the function, such as `"torch_relu"`.
#' @param ... its arguments.
#' @param quiet not used: functions that are not exported count from 1 as well.
#' @param x a value.
#' @return What the function gives.
#' @section Errors: a `value_error` where there is no such function.
#' @examples
#' call_torch_function("torch_add", torch_ones(2), 1, quiet = TRUE)
#' @export
call_torch_function <- function(name, ..., quiet = FALSE) {
  check_string(name, "name")
  f <- get0(name, envir = topenv(), mode = "function", inherits = FALSE)
  if (is.null(f) || !startsWith(name, "torch_")) {
    value_error(sprintf("No function named %s can be found: only those that begin with 'torch_'.", name))
  }
  f(...)
}

#' @rdname call_torch_function
#' @export
yield <- function(x) runtime_error("`yield()` belongs inside a generator of the package coro.")
