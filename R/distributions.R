#' @include linalg.R autograd.R
NULL

# Where values may lie: a test of each element, and its words.
supports <- list(
  real = list("numbers", function(x) torch_logical_not(torch_isnan(x))),
  positive = list("numbers above 0", function(x) torch_gt(x, 0)),
  unit = list("numbers from 0 to 1", function(x) torch_logical_and(torch_ge(x, 0), torch_le(x, 1))),
  binary = list("0 and 1", function(x) torch_logical_or(torch_eq(x, 0), torch_eq(x, 1))),
  count = list("whole numbers of at least 0", function(x) {
    torch_logical_and(torch_ge(x, 0), torch_eq(x, torch_floor(x)))
  })
)

check_support <- function(x, name, support) {
  support <- supports[[support]]
  if (!as_array(torch_all(support[[2]](x$detach())))) {
    value_error(sprintf("`%s` must hold %s.", name, support[[1]]))
  }
}

distribution_class <- function(...) slim_class(R6Class(..., lock_objects = FALSE, parent_env = topenv()))

# What all have: a class gives log_density(), and sample() or rsample(). `domain` names the support of values,
# `parameters` those of the parameters, which are fields.
Distribution <- distribution_class("torch_Distribution",
    public = list(
    has_rsample = FALSE, has_enumerate_support = FALSE, domain = "real", parameters = character(),
    batch_shape = NULL, event_shape = NULL, .validate_args = FALSE,
    begin = function(batch_shape, event_shape = NULL, validate_args = NULL) {
      self$batch_shape <- as.numeric(batch_shape)
      self$event_shape <- as.numeric(event_shape)
      self$.validate_args <- isTRUE(validate_args)
      given <- Filter(function(name) !is.null(self[[name]]), names(self$parameters))
      if (self$.validate_args) for (name in given) check_support(self[[name]], name, self$parameters[[name]])
    },
    sample = function(sample_shape = NULL) with_no_grad(self$rsample(sample_shape)),
    sample_n = function(n) self$sample(n),
    rsample = function(sample_shape = NULL) self$lacks("rsample()"),
    log_prob = function(value) self$log_density(self$as_value(value)),
    cdf = function(value) self$lacks("cdf()"),
    icdf = function(value) self$lacks("icdf()"),
    entropy = function() self$lacks("entropy()"),
    perplexity = function() torch_exp(self$entropy()),
    enumerate_support = function(expand = TRUE) self$lacks("enumerate_support()"),
    expand = function(batch_shape, .instance = NULL) {
      expanded <- function(name) self[[name]]$expand(as.numeric(batch_shape))
      arguments <- sapply(names(self$parameters), expanded, simplify = FALSE)
      do.call(self$remake, c(arguments, validate_args = self$.validate_args))
    },
    .extended_shape = function(sample_shape = NULL) {
      c(as.numeric(unlist(sample_shape)), self$batch_shape, self$event_shape)
    },
    as_value = function(value) {
      value <- as_tensor(value, "value", self$mean)
      if (self$.validate_args) check_support(value, "value", self$domain)
      value
    },
    # Draws are made of independent numbers, one for each element, none copied.
    drawn = function(x, sample_shape) x$expand(self$.extended_shape(sample_shape))$contiguous(),
    lacks = function(what) not_implemented_error(sprintf("%s has no %s.", class(self)[[1]], what)),
    print = function() {
      cat("<", class(self)[[1]], ">", sep = "")
      cat(" batch [", toString(self$batch_shape), "], event [", toString(self$event_shape), "]\n", sep = "")
      invisible(self)
    }
  ),
  active = list(
    stddev = function() torch_sqrt(self$variance),
    support = function() self$domain
  )
)

# Numbers take the dtype of a tensor beside them.
broadcast_parameters <- function(...) {
  given <- list(...)
  as_tensors_beside <- function(x, name) do.call(as_tensor, c(list(x, name), unname(given)))
  torch_broadcast_tensors(Map(as_tensors_beside, given, names(given)))
}

# One of `probs` and `logits`, as a field of that name; the other follows from it.
start_from_odds <- function(self, probs, logits, prepare) {
  if (is.null(probs) == is.null(logits)) value_error("Either `probs` or `logits` must be specified, but not both.")
  if (is.null(probs)) self$given_logits <- prepare(logits, "logits") else self$given_probs <- prepare(probs, "probs")
}

kept_from_ends <- function(probs) {
  eps <- torch_finfo(probs$dtype)$eps
  torch_clamp(probs, eps, 1 - eps)
}

NormalDistribution <- distribution_class("torch_Normal",
  inherit = Distribution,
  public = list(
    loc = NULL, scale = NULL, has_rsample = TRUE, parameters = c(loc = "real", scale = "positive"),
    initialize = function(loc, scale, validate_args = NULL) {
      both <- broadcast_parameters(loc = loc, scale = scale)
      self$loc <- both[[1]]
      self$scale <- both[[2]]
      self$begin(dim(self$loc), validate_args = validate_args)
    },
    remake = function(...) NormalDistribution$new(...),
    rsample = function(sample_shape = NULL) {
      self$loc + torch_randn(self$.extended_shape(sample_shape), dtype = self$loc$dtype) * self$scale
    },
    log_density = function(value) {
      torch_square((value - self$loc) / self$scale) * -0.5 - torch_log(self$scale) - log(2 * pi) / 2
    },
    cdf = function(value) torch_erf((self$as_value(value) - self$loc) / self$scale / sqrt(2)) * 0.5 + 0.5,
    icdf = function(value) self$loc + self$scale * torch_erfinv(self$as_value(value) * 2 - 1) * sqrt(2),
    entropy = function() torch_log(self$scale) + (0.5 + 0.5 * log(2 * pi))
  ),
  active = list(
    mean = function() self$loc, stddev = function() self$scale, variance = function() torch_square(self$scale)
  )
)

BernoulliDistribution <- distribution_class("torch_Bernoulli",
  inherit = Distribution,
  public = list(
    given_probs = NULL, given_logits = NULL, has_enumerate_support = TRUE, domain = "binary",
    parameters = c(given_probs = "unit", given_logits = "real"),
    initialize = function(probs = NULL, logits = NULL, validate_args = NULL) {
      start_from_odds(self, probs, logits, as_tensor)
      self$begin(dim(self$given_probs %||% self$given_logits), validate_args = validate_args)
    },
    expand = function(batch_shape, .instance = NULL) {
      given <- Filter(Negate(is.null), list(probs = self$given_probs, logits = self$given_logits))
      given <- lapply(given, function(x) x$expand(batch_shape))
      do.call(BernoulliDistribution$new, c(given, validate_args = self$.validate_args))
    },
    sample = function(sample_shape = NULL) {
      with_no_grad(torch_bernoulli(self$drawn(self$probs, sample_shape)))
    },
    log_density = function(value) {
      both <- torch_broadcast_tensors(list(self$logits, value))
      -nnf_binary_cross_entropy_with_logits(both[[1]], both[[2]], reduction = "none")
    },
    entropy = function() nnf_binary_cross_entropy_with_logits(self$logits, self$probs, reduction = "none"),
    enumerate_support = function(expand = TRUE) {
      values <- torch_tensor(c(0, 1), dtype = self$probs$dtype)$view(c(2, rep(1, length(self$batch_shape))))
      if (expand) values$expand(c(2, self$batch_shape)) else values
    }
  ),
  active = list(
    probs = function() self$given_probs %||% torch_sigmoid(self$given_logits),
    logits = function() self$given_logits %||% torch_logit(kept_from_ends(self$given_probs)),
    param_shape = function() self$batch_shape,
    mean = function() self$probs, variance = function() self$probs * (1 - self$probs)
  )
)

CategoricalDistribution <- distribution_class("torch_Categorical",
  inherit = Distribution,
  public = list(
    given_probs = NULL, given_logits = NULL, has_enumerate_support = TRUE, domain = "count", .num_events = NULL,
    parameters = c(given_probs = "unit", given_logits = "real"),
    initialize = function(probs = NULL, logits = NULL, validate_args = NULL) {
      start_from_odds(self, probs, logits, as_tensor)
      if (!is.null(probs)) self$given_probs <- self$given_probs / self$given_probs$sum(-1, keepdim = TRUE)
      if (!is.null(logits)) self$given_logits <- torch_log_softmax(self$given_logits, -1)
      size <- dim(self$given_probs %||% self$given_logits)
      if (length(size) == 0) value_error("`probs` and `logits` must have at least one dimension, that of the classes.")
      self$.num_events <- size[[length(size)]]
      self$begin(utils::head(size, -1), validate_args = validate_args)
    },
    expand = function(batch_shape, .instance = NULL) {
      CategoricalDistribution$new(logits = self$logits$expand(c(batch_shape, self$.num_events)),
        validate_args = self$.validate_args)
    },
    sample = function(sample_shape = NULL) {
      n <- prod(as.numeric(unlist(sample_shape)))
      rows <- self$probs$detach()$reshape(c(-1, self$.num_events))
      torch_multinomial(rows, n, replacement = TRUE)$t()$reshape(self$.extended_shape(sample_shape))
    },
    log_prob = function(value) {
      value <- if (is_tensor(value)) cast(value, torch_long()) else as_index(value, "value")
      if (self$.validate_args && as_array(torch_any(torch_logical_or(value < 1L, value > self$.num_events)))) {
        value_error(sprintf("`value` must hold classes from 1 to %d.", self$.num_events))
      }
      both <- torch_broadcast_tensors(list(value$unsqueeze(-1), self$logits))
      both[[2]]$gather(-1, both[[1]]$narrow(-1, 1, 1))$squeeze(-1)
    },
    entropy = function() -(self$logits$clamp(min = torch_finfo(self$logits$dtype)$min) * self$probs)$sum(-1),
    enumerate_support = function(expand = TRUE) {
      values <- torch_arange(1, self$.num_events, dtype = torch_long())
      values <- values$view(c(-1, rep(1, length(self$batch_shape))))
      if (expand) values$expand(c(-1, self$batch_shape)) else values
    }
  ),
  active = list(
    probs = function() self$given_probs %||% nnf_softmax(self$given_logits, -1),
    logits = function() self$given_logits %||% torch_log(kept_from_ends(self$given_probs)),
    mean = function() torch_full(self$batch_shape, NaN, dtype = self$logits$dtype),
    variance = function() self$mean
  )
)

# Draws from gamma distributions of rate 1, by inversion of uniform numbers. A draw x with F(x, a) = u moves with a by
# -(dF/da) / f; dF/da is a central difference of second order, without its first error.
standard_gamma <- autograd_function(
  forward = function(ctx, concentration) {
    a <- as.double(as_array(concentration$detach()))
    u <- as.double(as_array(torch_rand(dim(concentration), dtype = torch_double())))
    smallest <- torch_finfo(concentration$dtype)$tiny
    x <- pmax(stats::qgamma(u, a), smallest)
    ctx$save_for_backward(a = a, x = x, shape = dim(concentration))
    torch_tensor(array(x, dim(concentration)), dtype = concentration$dtype)
  },
  backward = function(ctx, gradient) {
    saved <- ctx$saved_variables
    change <- function(h) (stats::pgamma(saved$x, saved$a + h) - stats::pgamma(saved$x, saved$a - h)) / (2 * h)
    h <- 1e-3 * saved$a
    slope <- -(4 * change(h / 2) - change(h)) / 3 / stats::dgamma(saved$x, saved$a)
    list(concentration = gradient * torch_tensor(array(slope, saved$shape), dtype = gradient$dtype))
  }
)

GammaDistribution <- distribution_class("torch_Gamma",
  inherit = Distribution,
  public = list(
    concentration = NULL, rate = NULL, has_rsample = TRUE, domain = "positive",
    parameters = c(concentration = "positive", rate = "positive"),
    initialize = function(concentration, rate, validate_args = NULL) {
      both <- broadcast_parameters(concentration = concentration, rate = rate)
      self$concentration <- both[[1]]
      self$rate <- both[[2]]
      self$begin(dim(self$rate), validate_args = validate_args)
    },
    remake = function(...) GammaDistribution$new(...),
    rsample = function(sample_shape = NULL) {
      value <- standard_gamma(self$drawn(self$concentration, sample_shape)) / self$rate
      torch_clamp(value, min = torch_finfo(value$dtype)$tiny)
    },
    log_density = function(value) {
      self$concentration * torch_log(self$rate) + (self$concentration - 1) * torch_log(value) - self$rate * value -
        torch_lgamma(self$concentration)
    },
    entropy = function() {
      self$concentration - torch_log(self$rate) + torch_lgamma(self$concentration) +
        (1 - self$concentration) * torch_digamma(self$concentration)
    }
  ),
  active = list(
    mean = function() self$concentration / self$rate, variance = function() self$concentration / self$rate^2
  )
)

Chi2Distribution <- distribution_class("torch_Chi2",
  inherit = GammaDistribution,
  public = list(
    initialize = function(df, validate_args = NULL) super$initialize(as_tensor(df, "df") / 2, 0.5, validate_args),
    expand = function(batch_shape, .instance = NULL) {
      Chi2Distribution$new(self$df$expand(batch_shape), self$.validate_args)
    }
  ),
  active = list(df = function() self$concentration * 2)
)

PoissonDistribution <- distribution_class("torch_Poisson",
  inherit = Distribution,
  public = list(
    rate = NULL, domain = "count", parameters = c(rate = "positive"),
    initialize = function(rate, validate_args = NULL) {
      self$rate <- as_tensor(rate, "rate")
      self$begin(dim(self$rate), validate_args = validate_args)
    },
    remake = function(...) PoissonDistribution$new(...),
    sample = function(sample_shape = NULL) with_no_grad(torch_poisson(self$drawn(self$rate, sample_shape))),
    log_density = function(value) torch_xlogy(value, self$rate) - self$rate - torch_lgamma(value + 1)
  ),
  active = list(mean = function() self$rate, variance = function() self$rate)
)

# The lower factor of a covariance matrix from its inverse P: where J reverses rows, J P J = M M', and J M^-T J is it.
factor_of_precision <- function(P) {
  M <- torch_flip(linalg_cholesky(torch_flip(P, c(-2, -1))), c(-2, -1))$transpose(-2, -1)
  size <- dim(P)[[length(dim(P))]]
  linalg_solve_triangular(M, torch_eye(size, dtype = P$dtype)$expand(dim(P)), upper = FALSE)
}

MultivariateNormalDistribution <- distribution_class("torch_MultivariateNormal",
  inherit = Distribution,
  public = list(
    loc = NULL, scale_tril = NULL, has_rsample = TRUE, parameters = c(loc = "real"),
    initialize = function(loc, covariance_matrix = NULL, precision_matrix = NULL, scale_tril = NULL,
                          validate_args = NULL) {
      given <- list(covariance_matrix = covariance_matrix, precision_matrix = precision_matrix, scale_tril = scale_tril)
      given <- Filter(Negate(is.null), given)
      if (length(given) != 1) {
        value_error("Exactly one of `covariance_matrix`, `precision_matrix` and `scale_tril` must be given.")
      }
      loc <- as_tensor(loc, "loc")
      matrix <- as_tensor(given[[1]], names(given), loc)
      size <- dim(matrix)
      n <- length(size)
      if (n < 2 || size[[n]] != size[[n - 1]] || length(dim(loc)) < 1 || utils::tail(dim(loc), 1) != size[[n]]) {
        value_error(sprintf("`%s` must be ... x n x n and `loc` ... x n, but got [%s] and [%s].", names(given),
          toString(size), toString(dim(loc))))
      }
      factor <- switch(names(given),
        covariance_matrix = linalg_cholesky(matrix), precision_matrix = factor_of_precision(matrix), scale_tril = matrix
      )
      batch <- broadcast_two(utils::head(size, -2), utils::head(dim(loc), -1))
      self$loc <- loc$expand(c(batch, size[[n]]))
      self$scale_tril <- factor$expand(c(batch, size[n - 1:0]))
      self$begin(batch, size[[n]], validate_args)
    },
    expand = function(batch_shape, .instance = NULL) {
      MultivariateNormalDistribution$new(self$loc$expand(c(batch_shape, self$event_shape)),
        scale_tril = self$scale_tril$expand(c(batch_shape, self$event_shape, self$event_shape)),
        validate_args = self$.validate_args)
    },
    rsample = function(sample_shape = NULL) {
      eps <- torch_randn(c(self$.extended_shape(sample_shape), 1), dtype = self$loc$dtype)
      self$loc + torch_matmul(self$scale_tril, eps)$squeeze(-1)
    },
    half_log_det = function() torch_log(torch_diagonal(self$scale_tril, dim1 = -2, dim2 = -1))$sum(-1),
    log_density = function(value) {
      off <- (value - self$loc)$unsqueeze(-1)
      factor <- self$scale_tril$expand(c(utils::head(dim(off), -2), self$event_shape, self$event_shape))
      distance <- torch_square(linalg_solve_triangular(factor, off, upper = FALSE))$sum(c(-2, -1))
      (distance + self$event_shape * log(2 * pi)) * -0.5 - self$half_log_det()
    },
    entropy = function() self$half_log_det() + 0.5 * self$event_shape * (1 + log(2 * pi))
  ),
  active = list(
    mean = function() self$loc,
    variance = function() torch_square(self$scale_tril)$sum(-1),
    covariance_matrix = function() torch_matmul(self$scale_tril, self$scale_tril$transpose(-2, -1)),
    precision_matrix = function() torch_inverse(self$covariance_matrix)
  )
)

MixtureDistribution <- distribution_class("torch_MixtureSameFamily",
  inherit = Distribution,
  public = list(
    mixture_distribution = NULL, component_distribution = NULL,
    initialize = function(mixture_distribution, component_distribution, validate_args = NULL) {
      if (!inherits(mixture_distribution, "torch_Categorical")) {
        refuse(mixture_distribution, "mixture_distribution", "made by distr_categorical()")
      }
      if (!inherits(component_distribution, "torch_Distribution")) {
        refuse(component_distribution, "component_distribution", "made by a function distr_*()")
      }
      parts <- component_distribution$batch_shape
      if (utils::tail(parts, 1) != mixture_distribution$.num_events) {
        value_error(sprintf("the mixture has %d components, but the last size of the components' batch is %d.",
          mixture_distribution$.num_events, utils::tail(parts, 1)))
      }
      self$mixture_distribution <- mixture_distribution
      self$component_distribution <- component_distribution
      self$begin(utils::head(parts, -1), component_distribution$event_shape, validate_args)
    },
    expand = function(batch_shape, .instance = NULL) {
      MixtureDistribution$new(self$mixture_distribution$expand(batch_shape),
        self$component_distribution$expand(c(batch_shape, self$mixture_distribution$.num_events)), self$.validate_args)
    },
    # Values get a dimension for the components, before those of one event.
    beside_components = function(value) {
      as_tensor(value, "value", self$component_distribution$mean)$unsqueeze(-1 - length(self$event_shape))
    },
    weighted = function(x) {
      weights <- self$mixture_distribution$probs
      (x * weights$reshape(c(dim(weights), rep(1, length(self$event_shape)))))$sum(-1 - length(self$event_shape))
    },
    sample = function(sample_shape = NULL) {
      with_no_grad({
        values <- self$component_distribution$sample(sample_shape)
        event <- self$event_shape
        of <- self$mixture_distribution$sample(sample_shape)
        at <- length(dim(of)) + 1
        of <- of$reshape(c(dim(of), rep(1, 1 + length(event))))$expand(c(dim(of), 1, event))
        torch_gather(values, at, of$contiguous())$squeeze(at)
      })
    },
    log_prob = function(value) {
      each <- self$component_distribution$log_prob(self$beside_components(value))
      torch_logsumexp(each + torch_log_softmax(self$mixture_distribution$logits, -1), -1)
    },
    cdf = function(value) {
      (self$component_distribution$cdf(self$beside_components(value)) * self$mixture_distribution$probs)$sum(-1)
    }
  ),
  active = list(
    mean = function() self$weighted(self$component_distribution$mean),
    variance = function() {
      off <- self$component_distribution$mean - self$mean$unsqueeze(-1 - length(self$event_shape))
      self$weighted(self$component_distribution$variance) + self$weighted(torch_square(off))
    }
  )
)

#' Probability distributions
#'
#' Objects to draw from and to compute densities with, whose gradients reach the parameters. Parameters are tensors or
#' numbers, broadcast together; their shape is the batch shape.
#'
#' An object has the methods `sample(sample_shape)`, `rsample(sample_shape)` (with gradients: normal, gamma, chi2 and
#' multivariate normal), `log_prob(value)`, `entropy()`, `perplexity()`, `cdf(value)`, `icdf(value)`,
#' `enumerate_support()` and `expand(batch_shape)` where the distribution has them, and the fields `mean`, `variance`,
#' `stddev`, `batch_shape` and `event_shape`. Draws come from the package's generator, see [torch_manual_seed()].
#' Classes of `distr_categorical()` count from 1.
#'
#' @param loc mean.
#' @param scale standard deviation, above 0.
#' @param probs,logits probabilities, or their log-odds (`distr_categorical()`: classes in the last dimension, scaled to
#'   sum 1, or logarithms up to a constant); one of the two.
#' @param concentration,rate shape and inverse scale of the gamma distribution; `rate`: mean of the Poisson
#'   distribution.
#' @param df degrees of freedom.
#' @param covariance_matrix,precision_matrix,scale_tril covariance ... x n x n, its inverse, or its lower Cholesky
#'   factor; one of the three.
#' @param mixture_distribution `distr_categorical()` over the components.
#' @param component_distribution a distribution whose last batch dimension counts the components.
#' @param validate_args `TRUE`: parameters and values are checked to be where the distribution has them, which costs a
#'   pass over them.
#' @return An object of class `torch_Distribution`.
#' @section Errors: a `value_error` for arguments that do not belong together and, with `validate_args = TRUE`, for
#'   those out of range; `not_implemented_error` for what a distribution does not have.
#' @source Gradients of draws from gamma distributions: Figurnov, Mohamed and Mnih (2018), Implicit reparameterization
#'   gradients, <https://arxiv.org/abs/1805.08498>.
#' @examples
#' normal <- distr_normal(c(0, 1), 2)
#' normal$log_prob(0.5)
#' normal$sample(3)$shape
#' parts <- distr_normal(torch_tensor(c(-1, 1)), torch_tensor(c(0.5, 0.5)))
#' distr_mixture_same_family(distr_categorical(c(0.3, 0.7)), parts)$mean
#' @export
distr_normal <- function(loc, scale, validate_args = NULL) NormalDistribution$new(loc, scale, validate_args)

#' @rdname distr_normal
#' @export
distr_bernoulli <- function(probs = NULL, logits = NULL, validate_args = NULL) {
  BernoulliDistribution$new(probs, logits, validate_args)
}

#' @rdname distr_normal
#' @export
distr_categorical <- function(probs = NULL, logits = NULL, validate_args = NULL) {
  CategoricalDistribution$new(probs, logits, validate_args)
}

#' @rdname distr_normal
#' @export
distr_gamma <- function(concentration, rate, validate_args = NULL) {
  GammaDistribution$new(concentration, rate, validate_args)
}

#' @rdname distr_normal
#' @export
distr_chi2 <- function(df, validate_args = NULL) Chi2Distribution$new(df, validate_args)

#' @rdname distr_normal
#' @export
distr_poisson <- function(rate, validate_args = NULL) PoissonDistribution$new(rate, validate_args)

#' @rdname distr_normal
#' @export
distr_multivariate_normal <- function(loc, covariance_matrix = NULL, precision_matrix = NULL, scale_tril = NULL,
                                      validate_args = NULL) {
  MultivariateNormalDistribution$new(loc, covariance_matrix, precision_matrix, scale_tril, validate_args)
}

#' @rdname distr_normal
#' @export
distr_mixture_same_family <- function(mixture_distribution, component_distribution, validate_args = NULL) {
  MixtureDistribution$new(mixture_distribution, component_distribution, validate_args)
}
