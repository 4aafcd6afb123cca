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

# Every argument of this kind in every function: a table made from the contracts themselves.
functions_with <- function(kinds) {
  namespace <- asNamespace("candela")
  names <- ls(namespace, pattern = "^(torch|nnf)_")
  cases <- lapply(names, function(name) {
    f <- get(name, namespace)
    arguments <- setdiff(names(formals(f)), "...")
    special <- candela:::special_contracts[[name]]
    kind <- vapply(arguments, candela:::kind_of, "", as.list(special), candela:::function_contracts)
    lapply(arguments[kind %in% kinds], function(argument) list(f = f, name = name, argument = argument))
  })
  unlist(cases, recursive = FALSE)
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
