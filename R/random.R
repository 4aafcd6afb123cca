#' @include tensor-class.R
NULL

UNIFORM <- 0
NORMAL <- 1
INTEGER_RANGE <- 2
BERNOULLI <- 3

fill_random <- function(x, kind, a, b, in_place = TRUE) .Call(cdr_fill_random, x, kind, a, b, in_place)

drawn <- function(x, kind, a, b, requires_grad) {
  fill_random(x, kind, a, b, in_place = FALSE)
  if (requires_grad) x$requires_grad_(TRUE)
  x
}

new_random <- function(size, kind, a, b, dtype, default, device, requires_grad) {
  drawn(new_full(size, NULL, dtype, default, device, FALSE), kind, a, b, requires_grad)
}

# The numbers are the same in every memory format: they are drawn in the order of rows.
new_random_like <- function(input, kind, a, b, dtype, device, requires_grad, memory_format) {
  drawn(new_full_like(input, NULL, dtype, device, FALSE, memory_format), kind, a, b, requires_grad)
}

#' Random tensors
#'
#' Draws from the package's own generator, seeded by [torch_manual_seed()], not from R's. The stream is that of
#' libtorch on a CPU: the same integers and uniforms bit for bit, normals to 1e-6.
#'
#' A process forked by `parallel::mclapply()` or `parallel::mcparallel()` draws other numbers than its parent and than
#' the other children, the same each time the parent is seeded and forks in the same order.
#'
#' @inheritParams torch_zeros
#' @param low,high integers are drawn from `low` to `high - 1`.
#' @param n `torch_randperm()` permutes 0 to `n - 1`, as torch does: add 1 for indices.
#' @param mean,std number or tensor of means and standard deviations; `torch_normal()` takes `dtype` and the other
#'   arguments of `torch_randn()` in its dots.
#' @param generator not used.
#' @param self tensor of probabilities.
#' @param p a single probability used instead.
#' @return A tensor: uniform on \[0, 1) (`torch_rand()`), standard normal (`torch_randn()`), integers as floats unless
#'   `dtype` says otherwise (`torch_randint()`), a long permutation (`torch_randperm()`), zeros and ones
#'   (`torch_bernoulli()`).
#' @source Matsumoto and Nishimura (1998), Mersenne Twister; Box and Muller (1958).
#' @examples
#' torch_manual_seed(1)
#' torch_randn(1)
#' @export
torch_randn <- function(..., names = NULL, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  new_random(resolve_size(...), NORMAL, 0, 1, dtype, default_dtype$code, device, requires_grad)
}

#' @rdname torch_randn
#' @export
torch_rand <- function(..., names = NULL, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  new_random(resolve_size(...), UNIFORM, 0, 1, dtype, default_dtype$code, device, requires_grad)
}

#' @rdname torch_randn
#' @export
torch_randn_like <- function(input, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                             memory_format = torch_preserve_format()) {
  new_random_like(input, NORMAL, 0, 1, dtype, device, requires_grad, memory_format)
}

#' @rdname torch_randn
#' @export
torch_rand_like <- function(input, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE,
                            memory_format = torch_preserve_format()) {
  new_random_like(input, UNIFORM, 0, 1, dtype, device, requires_grad, memory_format)
}

#' @rdname torch_randn
#' @export
torch_randint <- function(low, high, size, generator = NULL, dtype = NULL, layout = NULL, device = NULL,
                          requires_grad = FALSE, memory_format = torch_preserve_format()) {
  format <- as_format_code(memory_format)
  x <- new_random(as_size(size), INTEGER_RANGE, low, high, dtype, default_dtype$code, device, FALSE)
  if (format == torch_channels_last_format()$code) x <- in_format(x, format)
  if (requires_grad) x$requires_grad_(TRUE)
  x
}

#' @rdname torch_randn
#' @export
torch_randint_like <- function(input, low, high, dtype = NULL, layout = NULL, device = NULL, requires_grad = FALSE) {
  new_random_like(input, INTEGER_RANGE, low, high, dtype, device, requires_grad, torch_preserve_format())
}

#' @rdname torch_randn
#' @export
torch_randperm <- function(n, dtype = torch_int64(), layout = NULL, device = NULL, requires_grad = FALSE) {
  check_device(device)
  x <- .Call(cdr_randperm, as.double(n), 0)
  if (dtype == torch_int64()) x else x$to(dtype = dtype)
}

#' @rdname torch_randn
#' @export
torch_normal <- function(mean, std, size = NULL, generator = NULL, ...) {
  if (is.null(size)) {
    size <- if (is_tensor(mean)) mean$shape else if (is_tensor(std)) std$shape else 1
  }
  x <- torch_randn(size, ...) * std + mean
  dtype <- list(...)$dtype
  if (is.null(dtype)) x else cast(x, dtype)
}

#' @rdname torch_randn
#' @export
torch_bernoulli <- function(self, p, generator = NULL) {
  if (missing(p)) {
    return((torch_rand_like(self) < self)$to(dtype = self$dtype))
  }
  torch_empty_like(self)$bernoulli_(p)
}

#' Draw positions with given probabilities
#'
#' @param self a float vector or matrix (one draw per row) of weights of at least 0, which need not add up to 1.
#' @param num_samples how many positions to draw.
#' @param replacement whether a position may be drawn again.
#' @param generator not used.
#' @return A long tensor of positions, from 1: of length `num_samples`, or with one row for each row of `self`.
#' @examples
#' torch_multinomial(torch_tensor(c(0, 10, 3, 0)), 2)
#' @export
torch_multinomial <- function(self, num_samples, replacement = FALSE, generator = NULL) {
  weights <- self$detach()$double()
  check_weights(weights, num_samples, replacement)
  weights <- weights$reshape(c(-1, weights$size(-1)))
  drawn <- with_no_grad(if (replacement) {
    cumulative <- weights$cumsum(2) / weights$sum(2, keepdim = TRUE)
    point <- torch_rand(weights$size(1), num_samples, dtype = torch_double())
    ((cumulative$unsqueeze(2) < point$unsqueeze(3))$sum(3) + 1L)$clamp(max = weights$size(2))
  } else {
    torch_topk(weights / -torch_log1p(-torch_rand_like(weights)), num_samples, dim = 2)[[2]]
  })
  if (length(dim(self)) == 1) drawn$reshape(-1) else drawn
}

check_weights <- function(weights, num_samples, replacement) {
  if (!length(dim(weights)) %in% 1:2) {
    value_error("torch_multinomial(): the weights must be a vector or a matrix.")
  }
  if (as_array(!torch_all(torch_isfinite(weights) & weights >= 0)) || as_array(torch_any(weights$sum(-1) <= 0))) {
    value_error("torch_multinomial(): weights must be finite and at least 0, and their sum above 0.")
  }
  available <- as_array((weights > 0)$sum(-1)$min())
  if (!replacement && num_samples > available) {
    value_error(sprintf(
      "torch_multinomial(): cannot draw %g positions without replacement from %d of weight above 0.", num_samples,
      available
    ))
  }
}

tensor_method("multinomial", function(num_samples, replacement = FALSE, generator = NULL) {
  torch_multinomial(self, num_samples, replacement)
})
tensor_method("uniform_", function(from = 0, to = 1, generator = NULL) {
  fill_random(self, UNIFORM, from, to)
})
tensor_method("normal_", function(mean = 0, std = 1, generator = NULL) {
  fill_random(self, NORMAL, mean, std)
})
tensor_method("random_", function(from = 0, to, generator = NULL) {
  fill_random(self, INTEGER_RANGE, from, to)
})
tensor_method("bernoulli_", function(p = 0.5, generator = NULL) {
  fill_random(self, BERNOULLI, p, 0)
})

#' Seed the generator of random tensors
#'
#' With `options(torch.old_seed_behavior = TRUE)` in-place operations (and so the initial weights of layers) draw from a
#' second generator, as in old versions of the R package torch.
#'
#' @param seed a whole number.
#' @param code an expression run with the seed; the generator's state is restored afterwards.
#' @param ... not used.
#' @param .env the environment (usually a function's) at whose end the state is restored.
#' @param state what `torch_get_rng_state()` gave: the generator's 624 words, its position, whether it keeps a normal,
#'   and that normal, as a double vector; behind it the same of the second generator where there is one.
#' @return `torch_manual_seed()`: nothing. `with_torch_manual_seed()`: the value of `code`.
#' @examples
#' torch_manual_seed(1)
#' torch_rand(2)
#' with_torch_manual_seed(torch_rand(2), seed = 1)
#' @export
torch_manual_seed <- function(seed) {
  check_whole_number(seed, "seed")
  invisible(.Call(cdr_seed, as.double(seed), isTRUE(getOption("torch.old_seed_behavior"))))
}

#' @rdname torch_manual_seed
#' @export
with_torch_manual_seed <- function(code, ..., seed) {
  local_torch_manual_seed(seed)
  force(code)
}

#' @rdname torch_manual_seed
#' @export
local_torch_manual_seed <- function(seed, .env = parent.frame()) {
  state <- torch_get_rng_state()
  at_exit(.env, function() torch_set_rng_state(state))
  torch_manual_seed(seed)
}

#' @rdname torch_manual_seed
#' @export
torch_get_rng_state <- function() .Call(cdr_rng_state)

#' @rdname torch_manual_seed
#' @export
torch_set_rng_state <- function(state) invisible(.Call(cdr_set_rng_state, state))

# Runs `action` when the function whose frame is `env` ends.
at_exit <- function(env, action) {
  do.call(base::on.exit, list(as.call(list(action)), add = TRUE, after = FALSE), envir = env)
}

seed_from_clock <- function() {
  .Call(cdr_seed, (as.numeric(Sys.time()) * 1e6 + Sys.getpid() * 7919) %% 2^52, FALSE)
}

# Seeds R's generator until the calling function ends.
local_r_seed <- function(seed, .env = parent.frame()) {
  had <- get0(".Random.seed", envir = globalenv(), inherits = FALSE)
  kind <- RNGkind()
  at_exit(.env, function() {
    if (is.null(had)) {
      do.call(RNGkind, as.list(kind))
      rm(".Random.seed", envir = globalenv())
    } else {
      assign(".Random.seed", had, envir = globalenv())
    }
  })
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
}
