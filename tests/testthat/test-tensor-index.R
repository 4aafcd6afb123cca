values <- array(as.double(1:24), c(2, 3, 4))
cube <- function() torch_tensor(values)
expect_values <- function(x, expected) expect_equal(as_array(x), expected)

test_that("numbers drop their dimension, drop = FALSE keeps it", {
  x <- cube()
  expect_values(x[1, , ], values[1, , ])
  expect_values(x[2], values[2, , ])
  expect_values(x[, 2, 3], values[, 2, 3])
  expect_values(x[1, 2, 3], values[1, 2, 3])
  expect_equal(x[1, 2, 3]$shape, integer())
  expect_values(x[1, , , drop = FALSE], values[1, , , drop = FALSE])
  expect_values(x[.., 2, drop = FALSE], values[, , 2, drop = FALSE])
})

test_that("negative numbers count from the end", {
  x <- cube()
  expect_values(x[-1, , ], values[2, , ])
  expect_values(x[, , -2], values[, , 3])
  expect_values(x[, c(-1, 1), ], values[, c(3, 1), ])
  expect_values(x[, N, ], values[, 3, ])
  expect_values(x[.., -4, drop = FALSE], values[, , 1, drop = FALSE])
})

test_that("slices include both ends", {
  x <- cube()
  expect_values(x[, 2:3, ], values[, 2:3, ])
  expect_values(x[, , 1:4:2], values[, , c(1, 3)])
  expect_values(x[, , 2:-1], values[, , 2:4])
  expect_values(x[, , 2:N], values[, , 2:4])
  expect_values(x[, , 1:(N - 1)], values[, , 1:3])
  expect_values(x[, , -3:-2], values[, , 2:3])
  expect_values(x[, , 3:100], values[, , 3:4])
  expect_values(x[, , slc(2, Inf)], values[, , 2:4])
  expect_values(x[, , slc(1, 4, 3)], values[, , c(1, 4)])
  n <- 2
  expect_values(x[, n:(n + 1), ], values[, 2:3, ])
  expect_equal(x[, 3:2, ]$shape, c(2, 0, 4))
  expect_output(print(slc(1, 3)), "<slice>")
})

test_that("the ellipsis and new dimensions", {
  x <- cube()
  expect_values(x[.., 1], values[, , 1])
  expect_values(x[1, ..], values[1, , ])
  expect_values(x[1, .., 2], values[1, , 2])
  expect_values(x[..], values)
  expect_equal(x[newaxis, ..]$shape, c(1, 2, 3, 4))
  expect_equal(x[.., newaxis]$shape, c(2, 3, 4, 1))
  expect_equal(x[1, NULL, 2:3]$shape, c(1, 2, 4))
})

test_that("vectors act along their own dimension, as in R", {
  x <- cube()
  expect_values(x[, c(1, 3), ], values[, c(1, 3), ])
  expect_values(x[c(2, 1), , c(4, 1, 1)], values[c(2, 1), , c(4, 1, 1)])
  expect_values(x[c(2, 1), c(3, 3), c(4, 1, 1)], values[c(2, 1), c(3, 3), c(4, 1, 1)])
  expect_values(x[1, c(3, 2), 2:3], values[1, c(3, 2), 2:3])
  expect_values(x[, c(TRUE, FALSE, TRUE), ], values[, c(1, 3), ])
  expect_equal(x[NA]$shape, c(0, 3, 4))
  rows <- seq(1, 3, by = 2)
  expect_values(x[, rows, ], values[, c(1, 3), ])
  expect_values(x[, seq_len(2), ], values[, 1:2, ])
})

test_that("tensors as indices", {
  x <- cube()
  expect_values(x[, torch_tensor(c(3L, 1L)), ], values[, c(3, 1), ])
  expect_values(x[x > 20], c(21, 23, 22, 24))
  expect_values(x[, torch_tensor(c(TRUE, FALSE, TRUE)), 2], values[, c(1, 3), 2])
  expect_equal(x[, torch_tensor(matrix(c(1L, 2L, 3L, 1L), 2)), ]$shape, c(2, 2, 2, 4))
  mask <- torch_tensor(matrix(c(TRUE, FALSE, FALSE, FALSE, TRUE, FALSE), 2))
  expect_values(x[mask], rbind(values[1, 1, ], values[1, 3, ]))
})

test_that("views share memory, copies do not", {
  x <- cube()
  row <- x[1, 1]
  row$fill_(0)
  expect_equal(as_array(x)[1, 1, ], rep(0, 4))
  part <- x[c(1, 2), , ]
  part$fill_(9)
  expect_equal(as_array(x)[2, 1, 1], 2)
})

test_that("indices passed on in dots are evaluated where they were written", {
  pass <- function(x, ...) {
    n <- 1
    x[...]
  }
  n <- 3
  expect_values(pass(cube(), 1, n), values[1, 3, ])
  expect_values(pass(cube(), , 1:2, ), values[, 1:2, ])
  expect_values(lapply(list(cube()), `[`, 2)[[1]], values[2, , ])
})

test_that("wrong indices say what is wrong", {
  x <- cube()
  expect_error(x[3, , ], "index 3 is out of bounds for dimension 1 with size 2", class = "runtime_error")
  expect_error(x[, -4, ], "out of bounds for dimension 2")
  expect_error(x[, 5, , drop = FALSE], "out of bounds for dimension 2")
  expect_error(x[, c(1, 4), ], "index 4 is out of bounds for dimension 2 with size 3")
  expect_error(x[0, , ], "Indexing in R is 1-based and found a 0.")
  expect_error(x[0:1, , ], "Indexing in R is 1-based and found a 0.")
  expect_error(x[torch_tensor(0L)], "Indexing starts at 1 but found a 0.")
  expect_error(x[torch_tensor(c(1, 2))], "Only long and boolean tensors are supported")
  expect_error(x[1, 1, 1, 1], "too many indices")
  expect_error(x[c(TRUE, FALSE, TRUE), , ], "shape of the mask")
  expect_error(x["a"], "names")
  expect_error(x[.., 1, ..], "only once")
  expect_error(x[c(1, NA), , ], "NA")
})

test_that("assignment changes the tensor in place", {
  check <- function(assign_tensor, assign_array) {
    x <- cube()
    expect_equal(as_array(assign_tensor(x)), assign_array(values))
    expect_equal(as_array(x), assign_array(values))
  }
  check(function(x) {x[1, 2, 3] <- 100; x}, function(v) {v[1, 2, 3] <- 100; v})
  check(function(x) {x[1, ..] <- 0; x}, function(v) {v[1, , ] <- 0; v})
  check(function(x) {x[, 2:3, -1] <- 0; x}, function(v) {v[, 2:3, 4] <- 0; v})
  check(function(x) {x[, c(1, 3), ] <- 7; x}, function(v) {v[, c(1, 3), ] <- 7; v})
  check(function(x) {x[2, c(3, 1), 2] <- c(5, 6); x}, function(v) {v[2, c(3, 1), 2] <- c(5, 6); v})
  check(function(x) {x[x > 12] <- -1; x}, function(v) {v[v > 12] <- -1; v})
  check(function(x) {x[1, 1, ] <- torch_tensor(1:4); x}, function(v) {v[1, 1, ] <- 1:4; v})
  check(function(x) {x[, , 1] <- matrix(1:6, 2); x}, function(v) {v[, , 1] <- matrix(1:6, 2); v})
  check(function(x) {x[1, , ] <- x[2, , ]; x}, function(v) {v[1, , ] <- v[2, , ]; v})
  check(function(x) {x[, , torch_tensor(c(4L, 1L))] <- 0L; x}, function(v) {v[, , c(4, 1)] <- 0; v})
  check(function(x) {x[..] <- 3; x}, function(v) {v[] <- 3; v})
})

test_that("assignment keeps the dtype, reaches through views, and says what does not fit", {
  x <- torch_tensor(1:4)
  x[2] <- 7.9
  expect_equal(as_array(x), c(1, 7, 3, 4))
  m <- cube()
  t <- m$permute(c(3, 1, 2))
  t[1, 1, ] <- 0
  expect_equal(as_array(m)[1, , 1], rep(0, 3))
  expect_error(m[1, , ] <- torch_tensor(1:5), "broadcast")
  expect_error(m[c(1, 2), c(1, 2), ] <- 0, "Only one tensor is allowed in the index")
  expect_error(m[3, , ] <- 0, "out of bounds")
})

test_that("assignment obeys the rules of autograd", {
  leaf <- torch_tensor(c(1, 2, 3), requires_grad = TRUE)
  expect_error(leaf[1] <- 0, "leaf")
  with_no_grad(leaf[1] <- 5)
  expect_equal(as_array(leaf$detach()), c(5, 2, 3))
  expect_gradient(function(x, v) {
    y <- x$clone()
    y[2, 2:3] <- v
    y
  }, matrix(c(1, 2, 3, 4, 5, 6), 2), c(10, 20))
  expect_gradient(function(x, v) {
    y <- x$clone()
    y[, c(3, 1)] <- v
    y
  }, matrix(c(1, 2, 3, 4, 5, 6), 2), matrix(c(1, 2, 3, 4), 2))
  expect_gradient(function(x, v) {
    y <- x$clone()
    y[y > 3] <- v
    y
  }, matrix(c(1, 2, 3.5, 4, 5, 6), 2), 9)
})

test_that("gradients of indexing", {
  x <- array(sin(1:24), c(2, 3, 4))
  expect_gradient(function(x) x[1, 2:3, ], x)
  expect_gradient(function(x) x[.., 1:4:2], x)
  expect_gradient(function(x) x[, c(1, 1, 3), ], x)
  expect_gradient(function(x) x[x > 0], x)
  expect_gradient(function(x) x[c(2, 1), , c(4, 4)], x)
  expect_gradient(function(x) x[newaxis, .., -1], x)
})

test_that("index_select, gather, scatter, take", {
  m <- matrix(as.double(1:6), 2)
  x <- torch_tensor(m)
  expect_values(torch_index_select(x, 2, torch_tensor(c(3L, 1L))), m[, c(3, 1)])
  expect_values(x$index_select(1, 2L), m[2, , drop = FALSE])
  index <- matrix(c(1L, 3L, 2L, 2L), 2)
  expect_values(torch_gather(x, 2, torch_tensor(index)), matrix(m[cbind(c(1, 2, 1, 2), c(index))], 2))
  y <- torch_zeros(2, 3)
  y$scatter_(2, torch_tensor(matrix(c(3L, 1L), 2)), 1)
  expect_values(y, matrix(c(0, 1, 0, 0, 1, 0), 2))
  y$scatter_add_(2, torch_tensor(matrix(c(3L, 1L, 3L, 2L), 2)), torch_ones(2, 2))
  expect_values(y, matrix(c(0, 2, 0, 1, 3, 0), 2))
  expect_values(torch_take(x, c(1, 2, 6)), c(1, 3, 6))
  expect_error(torch_gather(x, 2, torch_tensor(matrix(4L))), "out of bounds")
  expect_error(torch_gather(x, 2, torch_tensor(matrix(0L))), "Indexing starts at 1 but found a 0.")
  index2 <- torch_tensor(index)
  expect_gradient(function(x) torch_gather(x, 2, index2), m)
  expect_gradient(function(x) torch_index_select(x, 2, c(1, 1, 2)), m)
  expect_gradient(function(x, s) torch_scatter(x, 2, torch_tensor(matrix(c(3L, 1L), 2)), s), m, matrix(c(7, 8), 2))
  expect_gradient(function(x, s) torch_scatter_add(x, 2, torch_tensor(matrix(c(3L, 1L), 2)), s), m, matrix(c(7, 8), 2))
})

test_that("masked_select, masked_fill, where, nonzero", {
  m <- matrix(c(1, -2, 3, -4, 5, -6), 2)
  x <- torch_tensor(m)
  mask <- torch_tensor(m > 0)
  expect_values(torch_masked_select(x, mask), m[1, ])
  expect_values(x$masked_fill(mask, 0), ifelse(m > 0, 0, m))
  expect_values(torch_where(mask, x, 0), ifelse(m > 0, m, 0))
  expect_values(torch_where(mask, 1L, 2L)$to(dtype = torch_float()), ifelse(m > 0, 1, 2))
  expect_equal(torch_where(mask, x, torch_tensor(1L))$dtype, torch_float())
  expect_values(torch_nonzero(mask), cbind(1L, 1:3))
  expect_equal(lapply(torch_where(mask), as_array), list(c(1L, 1L, 1L), 1:3))
  y <- torch_tensor(m)
  y$masked_fill_(mask, 9)
  expect_values(y, ifelse(m > 0, 9, m))
  expect_error(x$masked_fill(x, 1), "Bool")
  expect_gradient(function(a, b) torch_where(mask, a, b), m, c(1, 2, 3))
  expect_gradient(function(x) torch_masked_select(x, mask), m)
  expect_gradient(function(x, v) torch_masked_fill(x, mask, v), m, 3)
})

test_that("one_hot counts classes from 1", {
  expect_values(nnf_one_hot(torch_tensor(c(1L, 3L))), rbind(c(1L, 0L, 0L), c(0L, 0L, 1L)))
  expect_equal(nnf_one_hot(torch_tensor(matrix(1L, 2, 2)), 5)$shape, c(2, 2, 5))
  expect_error(nnf_one_hot(torch_tensor(4L), 3), "out of bounds")
  expect_error(nnf_one_hot(torch_tensor(0L), 3), "Indexing starts at 1")
})

test_that("head and tail", {
  expect_values(head(torch_tensor(1:10), 3), 1:3)
  expect_values(tail(torch_tensor(1:10), 3), 8:10)
  expect_values(head(torch_tensor(1:10), -8), 1:2)
  expect_equal(head(cube(), 1)$shape, c(1, 3, 4))
})

test_that("rows picked and added, gathered and scattered, are R's, and the same on any number of threads", {
  set.seed(3)
  threads <- torch_get_num_threads()
  withr::defer(torch_set_num_threads(threads))
  for (width in c(1, 7, 8, 33, 100)) {
    for (dtype in list(torch_float(), torch_double())) {
      m <- matrix(stats::rnorm(300 * width), 300)
      rows <- sample(300, 2000, replace = TRUE)
      dy <- matrix(stats::rnorm(2000 * width), 2000)
      sums <- rowsum(rbind(dy, m * 0), c(rows, 1:300))
      first <- NULL
      for (n in c(1, 2, 4)) {
        torch_set_num_threads(n)
        x <- torch_tensor(m, dtype = dtype)$requires_grad_(TRUE)
        y <- torch_index_select(x, 1, torch_tensor(rows))
        y$backward(torch_tensor(dy, dtype = dtype))
        expect_equal(as.array(y$detach()), m[rows, , drop = FALSE], tolerance = 1e-7)
        expect_equal(as.array(x$grad), unname(sums), tolerance = 1e-5)
        other <- torch_tensor(t(m), dtype = dtype)$requires_grad_(TRUE)
        torch_index_select(other, 2, torch_tensor(rows))$backward(torch_tensor(t(dy), dtype = dtype))
        expect_equal(as.array(other$grad), unname(t(sums)), tolerance = 1e-5)
        both <- list(as.array(x$grad), as.array(other$grad))
        if (is.null(first)) first <- both
        expect_identical(both, first)
      }
    }
  }
  index <- matrix(sample(50, 50 * 400, replace = TRUE), 400)
  m <- matrix(stats::rnorm(400 * 50), 400)
  place <- cbind(rep(1:400, 50), c(index))
  added <- matrix(tapply(c(m), factor(place[, 1] + 400 * (place[, 2] - 1), levels = 1:20000), sum, default = 0), 400)
  for (n in c(1, 2, 4)) {
    torch_set_num_threads(n)
    x <- torch_tensor(m, dtype = torch_double())
    i <- torch_tensor(index)
    zeros <- torch_zeros_like(x)
    expect_equal(as.array(torch_gather(x, 2, i)), matrix(m[place], 400))
    expect_equal(as.array(torch_gather(x$t(), 1, i$t()$contiguous())), t(matrix(m[place], 400)))
    expect_equal(as.array(torch_scatter_add(zeros, 2, i, x)), added)
    expect_equal(as.array(torch_scatter_add(zeros$t()$contiguous(), 1, i$t()$contiguous(), x$t())), t(added))
    expect_identical(as.array(torch_scatter_add(zeros, 2, i, x)), as.array(torch_scatter_add(zeros, 2, i, x)))
  }
})
