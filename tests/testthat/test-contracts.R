# One rule for all functions: arrays and numbers are tensors wherever tensors are taken, and nonsense is refused by
# name.

test_that("numbers and arrays are taken for tensors, with the dtype of the tensor they meet", {
  x <- torch_randn(100, 3)
  b <- c(0.2, -1.3, -0.5)
  expect_equal(x$matmul(b)$shape, 100)
  expect_equal(as_array(x$matmul(b)), as.vector(as_array(x) %*% b), tolerance = 1e-5)
  expect_equal(x$double()$matmul(b)$dtype, torch_double())
  expect_equal(as_array(torch_matmul(matrix(1:4, 2), matrix(1:4, 2))), matrix(1:4, 2) %*% matrix(1:4, 2))
  expect_equal(as_array(torch_flatten(matrix(1:4, 2))), c(1, 3, 2, 4))
  expect_equal(as_array(torch_diff(c(1, 3, 6))), c(2, 3))
  expect_equal(as_array(torch_median(c(3, 1, 2))), 2)
  expect_equal(torch_ones_like(matrix(1, 2, 3))$shape, c(2, 3))
  expect_equal(torch_chunk(1:4, 2)[[2]]$dtype, torch_long())
  expect_equal(as_array(nnf_l1_loss(torch_tensor(c(1, 2)), c(2, 4))), 1.5)
  expect_equal(as_array(nnf_cross_entropy(torch_zeros(2, 3), c(1L, 3L))), log(3), tolerance = 1e-6)
  expect_equal(as_array(nnf_binary_cross_entropy_with_logits(torch_zeros(2), c(1, 0))), log(2), tolerance = 1e-6)
  expect_equal(as_array(nnf_cosine_similarity(c(1, 0), c(1, 0), dim = 1)), 1)
  expect_equal(as_array(torch_tensor(c(1, 2))$expand_as(matrix(0, 3, 2)))[3, ], c(1, 2))
})

# Every argument of this kind, in up to `most` functions each: a table made from the contracts themselves.
functions_with <- function(kinds, most = 3) {
  namespace <- asNamespace("candela")
  names <- ls(namespace, pattern = "^(torch|nnf)_")
  cases <- lapply(names, function(name) {
    f <- get(name, namespace)
    arguments <- setdiff(names(formals(f)), "...")
    special <- candela:::special_contracts[[name]]
    kind <- vapply(arguments, candela:::kind_of, "", as.list(special), candela:::function_contracts)
    lapply(arguments[kind %in% kinds], function(argument) list(f = f, name = name, argument = argument))
  })
  cases <- unlist(cases, recursive = FALSE)
  arguments <- vapply(cases, `[[`, "", "argument")
  cases[stats::ave(seq_along(cases), arguments, FUN = seq_along) <= most]
}

test_that("an argument that cannot be a tensor, a number or a flag is refused by its name", {
  nonsense <- list(tensor = list(1), flag = "a", number = "a", dims = "a", dim = "a", whole = "a", count = -1)
  for (kind in names(nonsense)) {
    cases <- functions_with(kind)
    expect_gt(length(cases), 0)
    for (case in cases) {
      message <- tryCatch(
        {
          do.call(case$f, stats::setNames(list(nonsense[[kind]]), case$argument))
          "no error"
        },
        candela_error = conditionMessage, error = function(e) paste("bare:", conditionMessage(e))
      )
      # Another argument, checked before it, may be missing: R names that one. The engine names no argument.
      told <- grepl("is missing, with no default", message) || grepl(case$argument, message, fixed = TRUE) ||
        grepl("can't convert an object of type 'list' to a tensor", message, fixed = TRUE)
      expect_true(told,
        info = paste(case$name, case$argument, message))
    }
  }
})

test_that("a dimension that is no single whole number is told, where one is wanted", {
  x <- torch_ones(2, 2)
  for (f in list(torch_softmax, torch_unsqueeze, torch_cumsum, torch_sort, torch_topk)) {
    for (dim in list(numeric(0), c(1, 2), 1.5, NA, "a")) {
      expect_error(if (identical(f, torch_topk)) f(x, 1, dim) else f(x, dim = dim), "`dim` must be a whole number",
        class = "value_error")
    }
  }
  expect_error(torch_var(x, unbiased = numeric(0)), "`unbiased` must be TRUE or FALSE, but got numeric\\(0\\)")
  expect_error(torch_argmax(x, dim = 1, keepdim = "a"), "`keepdim` must be TRUE or FALSE")
  expect_error(torch_narrow(x, 1, 1:13, 2), "`start` must be a whole number, but got 13 integer values")
  expect_error(nnf_softplus(x, threshold = c("a", "b")), "`threshold` must be a single number")
  expect_error(nnf_l1_loss("", ""), "`input` must be a tensor")
})

test_that("constructors and functions that take no tensor refuse nonsense by name as well", {
  expect_error(nn_batch_norm2d(3, affine = c(1, NA)), "`affine` must be TRUE or FALSE", class = "value_error")
  expect_error(nn_layer_norm(3, elementwise_affine = ""), "`elementwise_affine` must be TRUE or FALSE")
  expect_error(nn_conv2d(3, Inf, 1), "`out_channels` must be a whole number")
  expect_error(nn_conv2d(3, 4, 1, bias = NULL), "`bias` must be TRUE or FALSE, but got NULL")
  expect_error(dataset(parent_env = "a"), "`parent_env` must be an environment")
  expect_error(luz_metric(private = 1), "`private` must be NULL or a list whose elements have names")
  expect_error(transform_random_horizontal_flip(torch_ones(1, 2, 2), p = NaN), "`p` must be a single number")
  expect_error(get_metrics(1), "`object` must be a fitted model")
  expect_error(dataloader_next(1), "`iter` must be what dataloader_make_iter")
  expect_s3_class(nn_batch_norm2d(3, momentum = NULL), "nn_module")
})

# Each call with R data and with tensors made of them gives equal results: the calls as a reader would write them.
m <- matrix(c(0.2, 0.9, 0.4, 0.6, 0.3, 0.7), 2)
s <- matrix(c(0.2, 0.9, 0.4, 0.6), 2)
v <- c(0.2, 0.5, 0.3)
w <- c(0.7, 0.1, 0.4)
picture <- array(seq(-1, 1, length.out = 32), c(1, 2, 4, 4))
signal <- array(seq(-1, 1, length.out = 10), c(1, 1, 10))
classes <- c(2L, 3L)
truth <- c(TRUE, FALSE, TRUE)

calls_with_data <- list(
  quote(torch_matmul(m, v)), quote(torch_mm(s, m)), quote(torch_mv(m, v)), quote(torch_dot(v, w)),
  quote(torch_bmm(array(s, c(1, 2, 2)), array(s, c(1, 2, 2)))), quote(torch_outer(v, w)), quote(torch_addmm(m, s, m)),
  quote(torch_tensordot(s, m, 1)), quote(torch_einsum("ij,j->i", list(m, v))), quote(torch_einsum("ij,k", list(m, v))),
  quote(torch_add(v, w)), quote(torch_sub(v, w, alpha = 2)), quote(torch_div(v, w, rounding_mode = "floor")),
  quote(torch_pow(v, w)), quote(torch_maximum(v, w)), quote(torch_fmod(v, w)), quote(torch_lerp(v, w, 0.3)),
  quote(torch_clamp(v, min = w)), quote(torch_atan2(v, w)), quote(torch_eq(v, w)), quote(torch_isclose(v, w)),
  quote(torch_logical_and(truth, v)), quote(torch_where(truth, v, w)), quote(torch_masked_fill(v, truth, 0)),
  quote(torch_masked_select(v, truth)), quote(torch_gather(m, 1, matrix(1L, 1, 3))), quote(torch_take(m, 3L)),
  quote(torch_index_select(m, 2, classes)), quote(torch_scatter(m, 2, matrix(1L, 2, 1), matrix(9, 2, 1))),
  quote(torch_scatter_add(m, 2, matrix(1L, 2, 1), matrix(9, 2, 1))), quote(torch_index_add(m, 2, classes, s)),
  quote(torch_cat(list(v, w))), quote(torch_stack(list(v, w), 2)), quote(torch_hstack(list(v, w))),
  quote(torch_vstack(list(v, w))), quote(torch_block_diag(list(m, s))), quote(torch_meshgrid(list(v, w))[[1]]),
  quote(torch_broadcast_tensors(list(v, m))[[1]]), quote(torch_flatten(m)), quote(torch_chunk(v, 2)[[2]]),
  quote(torch_split(v, 2)[[1]]), quote(torch_unbind(m)[[2]]), quote(torch_tile(v, c(2, 2))), quote(torch_roll(v, 1)),
  quote(torch_repeat_interleave(v, classes[c(1, 1, 2)])), quote(torch_diff(v, prepend = w)), quote(torch_median(v)),
  quote(torch_sum(m, 1)), quote(torch_mean(m)), quote(torch_std(m, 2)), quote(torch_norm(v)),
  quote(torch_logsumexp(m, 1)),
  quote(torch_max(m, other = 0.5)), quote(torch_max(m, 2)[[2]]), quote(torch_argmin(v)), quote(torch_sort(v)[[1]]),
  quote(torch_topk(v, 2)[[2]]), quote(torch_cumsum(v, 1)), quote(torch_bincount(classes)), quote(torch_diag(v)),
  quote(torch_bincount(classes, weights = c(0.5, 2))), quote(torch_triu(m)), quote(torch_flip(m, 1)), quote(torch_t(m)),
  quote(torch_zeros_like(m)), quote(torch_full_like(v, 3)), quote(torch_permute(m, 2:1)), quote(torch_movedim(m, 1, 2)),
  quote(nnf_one_hot(classes)), quote(nnf_linear(m, m, v[1:2])), quote(nnf_softmax(m, 1)), quote(nnf_gelu(v)),
  quote(nnf_layer_norm(m, 3, v, w)), quote(nnf_embedding(classes, matrix(1:6, 3))), quote(nnf_mse_loss(v, w)),
  quote(nnf_l1_loss(v, w)), quote(nnf_smooth_l1_loss(v, w)), quote(nnf_binary_cross_entropy(v, w, weight = w)),
  quote(nnf_binary_cross_entropy_with_logits(v, w, pos_weight = w)), quote(nnf_kl_div(v, w)),
  quote(nnf_cross_entropy(m, classes, weight = v)), quote(nnf_nll_loss(m, classes)), quote(nnf_poisson_nll_loss(v, w)),
  quote(nnf_multi_margin_loss(m, classes)), quote(nnf_multilabel_soft_margin_loss(m, m)), quote(nnf_normalize(m)),
  quote(nnf_cosine_similarity(m, m)), quote(nnf_hinge_embedding_loss(v, c(1, -1, 1))), quote(nnf_pad(m, c(1, 2))),
  quote(nnf_triplet_margin_loss(m, m + 1, m - 1)), quote(nnf_margin_ranking_loss(v, w, c(1, -1, 1))),
  quote(nnf_conv1d(signal, array(1, c(1, 1, 3)), 2)), quote(nnf_conv2d(picture, array(1, c(1, 2, 3, 3)))),
  quote(nnf_interpolate(picture, scale_factor = 2)), quote(nnf_max_pool2d(picture, 2)), quote(nnf_unfold(picture, 2)),
  quote(nnf_grid_sample(picture, array(0.1, c(1, 2, 2, 2)))), quote(nnf_batch_norm(m, v, w, v, w)),
  quote(torch_scaled_dot_product_attention(array(m, c(1, 2, 3)), array(m, c(1, 2, 3)), array(m, c(1, 2, 3))))
)

as_tensors_in <- function(data) {
  lapply(data, function(x) if (is.atomic(x)) torch_tensor(x) else x)
}

test_that("a call gives the same with R data as with tensors", {
  data <- list(m = m, s = s, v = v, w = w, picture = picture, signal = signal, classes = classes, truth = truth)
  for (call in calls_with_data) {
    expected <- eval(call, as_tensors_in(data))
    found <- eval(call, data)
    expect_true(is_tensor(found), info = deparse(call)[[1]])
    expect_identical(as_array(found), as_array(expected), info = deparse(call)[[1]])
    expect_true(found$dtype == expected$dtype, info = deparse(call)[[1]])
  }
})

test_that("methods take R data for tensors, too", {
  x <- torch_tensor(m)
  expect_equal(x$matmul(v)$shape, 2)
  expect_equal(x$view_as(1:6)$shape, 6)
  expect_equal(x$reshape_as(matrix(0, 3, 2))$shape, c(3, 2))
  expect_equal(x$type_as(1:3)$dtype, torch_long())
  expect_equal(x$expand_as(array(0, c(2, 2, 3)))$shape, c(2, 2, 3))
  expect_equal(as_array(x$index_add(2, 1L, matrix(1, 2, 1))), m + cbind(c(1, 1), 0, 0), tolerance = 1e-6)
  expect_equal(as_array(x$clone()$copy_(m)), as_array(x))
  expect_equal(as_array(x$clone()$add_(m)), as_array(x * 2))
  expect_equal(as_array(x$where(m > 0.5, 0)), m * (m > 0.5), tolerance = 1e-6)
  expect_equal(nn_embedding(3, 5)(2L)$shape, c(1, 5))
})

test_that("numbers take the dtype of the float tensor they meet, without a detour", {
  third <- c(1, 2) / 3
  x <- torch_zeros(2, dtype = "double")
  expect_identical(as_array(x + third), third)
  expect_identical(as_array(torch_where(c(TRUE, TRUE), third, x)), third)
  expect_identical(as_array(torch_cat(list(third, x)))[1:2], third)
  expect_identical(as_array(x$clone()$add_(third)), third)
  y <- x$clone()
  y[1:2] <- third
  expect_identical(as_array(y), third)
  expect_identical(as_array(torch_mm(torch_eye(2, dtype = "double"), matrix(1:4, 2))), matrix(c(1, 2, 3, 4), 2))
  expect_equal((torch_zeros(2) + 1:2)$dtype, torch_float())
  expect_equal((torch_zeros(2, dtype = "long") + 1:2)$dtype, torch_long())
  expect_equal(torch_mm(matrix(1, 2, 2), matrix(1:4, 2))$dtype, torch_float())
})

test_that("a number is a tensor of one element where a dimension is needed, else a scalar", {
  expect_equal(torch_exp(2)$shape, 1)
  expect_equal(as_array(torch_cat(list(1, c(2, 3)))), c(1, 2, 3))
  expect_equal(torch_stack(list(1, 2))$shape, c(2, 1))
  expect_equal(torch_clone(2)$dtype, torch_float())
  expect_equal((torch_tensor(1L) * 2L)$dtype, torch_long())
  expect_equal(torch_ones(2, 2)$add(1)$shape, c(2, 2))
})

test_that("missing values of integers are NaN in floats", {
  expect_identical(as_array(torch_tensor(c(1L, NA, 3L), dtype = "float")), c(1, NaN, 3))
  expect_identical(as_array(torch_tensor(matrix(c(NA, TRUE, FALSE, NA), 2), dtype = "double")),
    matrix(c(NaN, 1, 0, NaN), 2))
  expect_identical(as_array(torch_ones(2) + c(1L, NA)), c(2, NaN))
  expect_error(torch_tensor(c(1L, NA)), "element 2 is NA", class = "candela_error_value")
  expect_error(torch_tensor(1:2) + NA_integer_, "is NA", class = "candela_error_value")
})

# ---- the same for every exported function, as far as its arguments can be made up ----

sizes_made_up <- c(kernel_size = 2, output_size = 1, pad = 1, split_size = 1, chunks = 1)

# What to give for a required argument of that name and kind: the data themselves, or a number.
made_up <- function(name, kind, data) {
  if (name %in% names(sizes_made_up)) return(sizes_made_up[[name]])
  switch(kind, tensor = , own = , target = , operand = data, tensors = list(data, data), dim = , dims = , index = 1L,
    number = , numbers = 0.5, count = , whole = 1L, NULL)
}

as_numbers <- function(x) {
  if (is_tensor(x)) return(list(as.vector(as_array(x)), dim(x), as.character(x$dtype)))
  if (is.list(x)) lapply(x, as_numbers) else x
}

call_seeded <- function(f, arguments) {
  torch_manual_seed(1)
  as_numbers(do.call(f, arguments))
}

test_that("every function of tensors gives the same with R data as with tensors of them", {
  data <- list(v, m, s, classes, truth, picture, signal, array(s, c(1, 2, 2)), array(picture, c(1, 2, 2, 2, 4)))
  names <- grep("^(torch|nnf|linalg)_.*[^_]$", getNamespaceExports("candela"), value = TRUE)
  names <- setdiff(names, "torch_empty_like")
  tried <- vapply(sort(names), function(name) {
    f <- getExportedValue("candela", name)
    arguments <- formals(f)
    required <- names(Filter(function(x) identical(x, quote(expr = )), arguments[names(arguments) != "..."]))
    kinds <- vapply(required, kind_of, "", as.list(special_contracts[[name]]), function_contracts)
    if (length(required) == 0 || !any(kinds %in% c(tensor_kinds, "tensors", "own"))) return(FALSE)
    for (x in data) {
      given <- Map(function(name, kind) made_up(name, if (is.na(kind)) "" else sub(" or NULL", "", kind), x),
        required, kinds)
      if (any(vapply(given, is.null, NA))) return(FALSE)
      as_them <- lapply(given, function(y) {
        if (is.list(y)) lapply(y, torch_tensor) else if (identical(y, x)) torch_tensor(y) else y
      })
      expected <- tryCatch(call_seeded(f, as_them), error = function(e) NULL)
      if (is.null(expected)) next
      found <- tryCatch(call_seeded(f, given), error = conditionMessage)
      expect_identical(found, expected, info = name)
      return(TRUE)
    }
    FALSE
  }, NA)
  expect_gt(sum(tried), 300)
})
