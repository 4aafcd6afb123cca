values <- array(sin(1:24), c(2, 3, 4))
cube <- function() torch_tensor(values, dtype = torch_float64())
expect_values <- function(x, expected) expect_equal(as_array(x), expected)
# The elements in row-major order in another shape.
reshaped <- function(x, shape) aperm(array(aperm(x), rev(shape)), rev(seq_along(shape)))

test_that("sizes", {
  x <- cube()
  expect_identical(dim(x), c(2L, 3L, 4L))
  expect_identical(x$shape, c(2L, 3L, 4L))
  expect_identical(x$size(), c(2L, 3L, 4L))
  expect_identical(x$size(2), 3L)
  expect_identical(x$size(-1), 4L)
  expect_error(x$size(0), "Indexing starts at 1 and got a 0.", class = "runtime_error")
  expect_equal(length(x), 24)
  expect_equal(x$numel(), 24)
  expect_equal(x$dim(), 3)
  expect_equal(x$ndim, 3)
  expect_equal(x$stride(), c(12, 4, 1))
  expect_equal(x$stride(-1), 1)
})

test_that("reshape and view keep the row-major order", {
  x <- cube()
  expect_values(x$reshape(c(4, 6)), reshaped(values, c(4, 6)))
  expect_values(x$reshape(c(-1, 8)), reshaped(values, c(3, 8)))
  expect_values(x$reshape(4, -1), reshaped(values, c(4, 6)))
  expect_values(x$view(c(3, 1, -1, 2)), reshaped(values, c(3, 1, 4, 2)))
  expect_values(x$permute(c(3, 1, 2))$reshape(c(8, 3)), reshaped(aperm(values, c(3, 1, 2)), c(8, 3)))
  expect_equal(torch_tensor(5)$reshape(integer())$shape, integer())
  expect_error(x$reshape(c(5, -1)), "invalid for input of size 24")
  expect_error(x$reshape(c(-1, -1)), "once")
})

test_that("view shares memory, also of a permuted tensor nobody else looks at", {
  x <- cube()
  flat <- x$view(-1)
  flat[1] <- 100
  expect_equal(as_array(x)[1, 1, 1], 100)
  expect_error(x$permute(c(3, 1, 2))$view(-1), "reshape")
  expect_equal(x[2:1]$shape, c(0, 3, 4))
  expect_equal(x[, 1:2]$view(c(2, 8))$shape, c(2, 8))
  expect_error(x[, , 1:2]$view(-1), "reshape")
})

test_that("squeeze, unsqueeze, flatten, unflatten", {
  x <- torch_tensor(array(1:6, c(1, 2, 1, 3)))
  expect_equal(x$squeeze()$shape, c(2, 3))
  expect_equal(x$squeeze(1)$shape, c(2, 1, 3))
  expect_equal(x$squeeze(2)$shape, c(1, 2, 1, 3))
  expect_equal(torch_squeeze(x, -2)$shape, c(1, 2, 3))
  expect_equal(x$unsqueeze(1)$shape, c(1, 1, 2, 1, 3))
  expect_equal(x$unsqueeze(-1)$shape, c(1, 2, 1, 3, 1))
  expect_error(x$unsqueeze(7), "out of range")
  y <- cube()
  expect_values(torch_flatten(y), as.vector(aperm(values)))
  expect_equal(torch_flatten(y, start_dim = 2)$shape, c(2, 12))
  expect_equal(y$flatten(start_dim = 1, end_dim = 2)$shape, c(6, 4))
  expect_equal(y$unflatten(3, c(2, 2))$shape, c(2, 3, 2, 2))
  expect_equal(torch_atleast_3d(torch_tensor(1:2))$shape, c(1, 2, 1))
  expect_equal(torch_atleast_2d(torch_tensor(1:2))$shape, c(1, 2))
})

test_that("in-place changes of shape", {
  x <- torch_tensor(matrix(1:6, 2))
  y <- x
  x$unsqueeze_(1)
  expect_equal(y$shape, c(1, 2, 3))
  x$squeeze_()
  x$t_()
  expect_values(y, t(matrix(1:6, 2)))
  x$transpose_(1, 2)
  expect_values(y, matrix(1:6, 2))
  leaf <- torch_tensor(c(1, 2), requires_grad = TRUE)
  expect_error(leaf$unsqueeze_(1), "leaf")
})

test_that("permute, transpose, t, movedim", {
  x <- cube()
  expect_values(x$permute(c(2, 3, 1)), aperm(values, c(2, 3, 1)))
  expect_values(x$permute(c(-1, 1, 2)), aperm(values, c(3, 1, 2)))
  expect_values(x$transpose(1, 3), aperm(values, c(3, 2, 1)))
  expect_values(x[1]$t(), t(values[1, , ]))
  expect_values(torch_movedim(x, 1, 3), aperm(values, c(2, 3, 1)))
  expect_values(torch_movedim(x, c(3, 1), c(1, 2)), aperm(values, c(3, 1, 2)))
  expect_values(x$permute(c(2, 3, 1))$contiguous(), aperm(values, c(2, 3, 1)))
  expect_error(x$permute(c(1, 2)), "3 dimensions")
  expect_error(x$permute(c(1, 1, 2)), "more than once")
  expect_error(x$t(), "at most 2")
})

test_that("expand, narrow, select, diagonal", {
  x <- torch_tensor(matrix(1:3, 1))
  expect_values(x$expand(c(2, 3)), rbind(1:3, 1:3))
  expect_equal(x$expand(c(4, -1, -1))$shape, c(4, 1, 3))
  expect_error(x$expand(c(2, 4)), "broadcast")
  y <- cube()
  expect_values(torch_narrow(y, 3, 2, 2), values[, , 2:3])
  expect_values(y$narrow(-1, -1, 1), values[, , 4, drop = FALSE])
  expect_equal(y$narrow(1, 1, 0)$shape, c(0, 3, 4))
  expect_error(y$narrow(1, 2, 2), "exceeds")
  expect_values(y$select(2, 3), values[, 3, ])
  expect_values(torch_diagonal(y[1]), diag(values[1, , ]))
  expect_values(torch_diagonal(y, 1, 2, 3), t(apply(values, 1, function(m) diag(m[, -1]))))
})

test_that("clone and contiguous copy, casts convert", {
  x <- cube()
  y <- x$clone()
  y[1] <- 0
  expect_values(x, values)
  expect_true(x$transpose(1, 2)$contiguous()$is_contiguous())
  expect_false(x$transpose(1, 2)$is_contiguous())
})

test_that("copies into another order are the same values", {
  for (columns in c(1, 2, 3, 7, 8, 19)) {
    for (rows in c(1, 15, 16, 33, 530)) {
      m <- array(rnorm(2 * columns * rows), c(2, columns, rows))
      for (dtype in list(torch_float(), torch_double(), torch_int())) {
        x <- torch_tensor(m * 100, dtype = dtype)
        expect_identical(as_array(x$transpose(2, 3)$contiguous()), aperm(as_array(x), c(1, 3, 2)))
      }
      flipped <- torch_flip(torch_tensor(m), c(1, 3))
      expect_identical(as_array(flipped$transpose(2, 3)$contiguous()), aperm(as_array(flipped), c(1, 3, 2)))
      half <- torch_tensor(m)[, , seq(1, rows, by = 2), drop = FALSE]
      expect_identical(as_array(half$transpose(2, 3)$contiguous()), aperm(as_array(half), c(1, 3, 2)))
    }
  }
})

test_that("cat and stack", {
  x <- cube()
  y <- torch_tensor(-values[, 1:2, ], dtype = torch_float64())
  both <- torch_cat(list(x, y), dim = 2)
  expect_values(both[, 1:3, ], values)
  expect_values(both[, 4:5, ], -values[, 1:2, ])
  expect_equal(torch_cat(list(x, x), dim = -1)$shape, c(2, 3, 8))
  expect_equal(torch_stack(list(x, x))$shape, c(2, 2, 3, 4))
  expect_values(torch_stack(list(x, -1 * values), dim = 3)[, , 1, ], values)
  expect_equal(torch_cat(list(torch_tensor(1:2), torch_tensor(0.5)))$dtype, torch_float())
  expect_values(torch_cat(list(torch_tensor(numeric()), torch_tensor(matrix(1:2, 1)))), matrix(c(1, 2), 1))
  expect_error(torch_cat(list(x, y), 1), "must match except in dimension 1")
  expect_error(torch_stack(list(x, y)), "equal size")
  expect_error(torch_cat(list()), "at least one")
  expect_equal(torch_hstack(list(torch_tensor(1:2), torch_tensor(3L)))$shape, 3)
  expect_equal(torch_vstack(list(torch_tensor(1:2), torch_tensor(3:4)))$shape, c(2, 2))
})

test_that("cat of channels-last images equals cat of row-major ones", {
  channels_last <- function(x) torch_tensor(aperm(x, c(1, 3, 4, 2)))$permute(c(1, 4, 2, 3))
  a <- array(rnorm(2 * 3 * 5 * 4), c(2, 3, 5, 4))
  b <- array(rnorm(2 * 2 * 5 * 4), c(2, 2, 5, 4))
  plain <- torch_cat(list(torch_tensor(a), torch_tensor(b)), 2)
  last <- torch_cat(list(channels_last(a), channels_last(b)), 2)
  expect_equal(as_array(last), as_array(plain))
  expect_equal(as_array(last)[, 4:5, , ], as_array(torch_tensor(b)))
  expect_equal(last$stride(2), 1)
  mixed <- torch_cat(list(channels_last(a), torch_tensor(b)), 2)
  expect_equal(as_array(mixed), as_array(plain))
  expect_equal(as_array(last$view(c(2, -1))), reshaped(as_array(plain), c(2, 100)))
})

test_that("split, chunk, unbind", {
  x <- torch_tensor(1:10)
  expect_equal(lapply(torch_split(x, 4), as_array), list(1:4, 5:8, 9:10))
  expect_equal(lapply(x$split(c(3, 7)), as_array), list(1:3, 4:10))
  expect_error(torch_split(x, c(3, 3)), "add up")
  expect_equal(lengths(lapply(torch_chunk(x, 3), as_array)), c(4, 4, 2))
  expect_equal(lapply(torch_unbind(torch_tensor(matrix(1:4, 2)), 2), as_array), list(1:2, 3:4))
})

test_that("repeat, tile, repeat_interleave, flip, roll", {
  m <- matrix(as.double(1:6), 2)
  x <- torch_tensor(m)
  expect_values(x$`repeat`(c(2, 1)), rbind(m, m))
  expect_equal(x$`repeat`(c(2, 1, 3))$shape, c(2, 2, 9))
  expect_values(torch_tile(x, 2), cbind(m, m))
  expect_values(torch_repeat_interleave(x, 2, dim = 1), m[c(1, 1, 2, 2), ])
  expect_values(torch_repeat_interleave(torch_tensor(1:3), torch_tensor(c(1L, 0L, 2L))), c(1L, 3L, 3L))
  expect_values(torch_flip(x, 2), m[, 3:1])
  expect_values(x$flip(c(1, 2)), m[2:1, 3:1])
  expect_values(torch_roll(x, 1, 2), m[, c(3, 1, 2)])
  expect_values(torch_roll(torch_tensor(1:4), -1), c(2:4, 1L))
  expect_values(torch_roll(x, c(1, -1), c(1, 2)), m[2:1, c(2, 3, 1)])
})

test_that("triangles and diagonals", {
  m <- matrix(as.double(1:12), 3)
  x <- torch_tensor(m)
  expect_values(torch_tril(x), ifelse(row(m) >= col(m), m, 0))
  expect_values(torch_triu(x, 1), ifelse(col(m) - row(m) >= 1, m, 0))
  expect_values(torch_tril(x, -1), ifelse(col(m) - row(m) <= -1, m, 0))
  expect_values(torch_diag(torch_tensor(c(1, 2, 3))), diag(c(1, 2, 3)))
  expect_values(torch_diag(torch_tensor(c(1, 2)), 1), rbind(c(0, 1, 0), c(0, 0, 2), 0))
  expect_values(torch_diag(x), diag(m))
  expect_values(torch_diag(x, -1), m[cbind(2:3, 1:2)])
  expect_values(torch_block_diag(list(x, torch_tensor(matrix(9)))), rbind(cbind(m, 0), c(0, 0, 0, 0, 9)))
})

test_that("broadcast_tensors and meshgrid", {
  pair <- torch_broadcast_tensors(list(torch_tensor(matrix(1:2, 2)), torch_tensor(1:3)))
  expect_values(pair[[1]], matrix(1:2, 2, 3))
  expect_values(pair[[2]], matrix(1:3, 2, 3, byrow = TRUE))
  expect_error(torch_broadcast_tensors(list(torch_tensor(1:2), torch_tensor(1:3))), "broadcast")
  grid <- torch_meshgrid(list(torch_tensor(1:2), torch_tensor(1:3)), indexing = "ij")
  expect_values(grid[[1]], matrix(1:2, 2, 3))
  expect_values(grid[[2]], matrix(1:3, 2, 3, byrow = TRUE))
  xy <- torch_meshgrid(list(torch_tensor(1:2), torch_tensor(1:3)), indexing = "xy")
  expect_values(xy[[1]], matrix(1:2, 3, 2, byrow = TRUE))
})

test_that("gradients", {
  expect_gradient(function(x) x$reshape(c(4, 6)), values)
  expect_gradient(function(x) x$permute(c(2, 3, 1))$reshape(-1), values)
  expect_gradient(function(x) x$view(c(6, 4))$t(), values)
  expect_gradient(function(x) x$transpose(1, 3), values)
  expect_gradient(function(x) x$unsqueeze(2)$squeeze(), values)
  expect_gradient(function(x) x$unsqueeze(1)$expand(c(3, 2, 3, 4)), values)
  expect_gradient(function(x) x$narrow(3, 2, 2), values)
  expect_gradient(function(x) torch_diagonal(x, 0, 2, 3), values)
  expect_gradient(function(x, y) torch_cat(list(x, y, x), 2), values, values[, 1:2, ])
  expect_gradient(function(x, y) torch_stack(list(x, y), 2), values, 2 * values)
  expect_gradient(function(x) torch_flip(x, c(1, 3)), values)
  expect_gradient(function(x) torch_roll(x, c(1, 2), c(1, 3)), values)
  expect_gradient(function(x) torch_tril(x), values)
  expect_gradient(function(x) torch_triu(x, -1), values)
  expect_gradient(function(x) torch_diag(x, -1), c(1, 2, 3))
  expect_gradient(function(x) torch_tile(x, c(2, 3)), matrix(1:4 + 0.5, 2))
  expect_gradient(function(x) torch_repeat_interleave(x, 3, 2), matrix(1:4 + 0.5, 2))
  expect_gradient(function(x) torch_block_diag(list(x, x)), matrix(1:4 + 0.5, 2))
  expect_gradient(function(x) x$clone()$contiguous(), values)
})

test_that("a gradient passes through a cast", {
  x <- torch_tensor(c(1, 2), requires_grad = TRUE)
  y <- x$to(dtype = torch_float64())
  expect_equal(y$dtype, torch_float64())
  autograd_backward(list(y), list(torch_tensor(c(3, 4), dtype = torch_float64())))
  expect_equal(as_array(x$grad), c(3, 4))
  expect_equal(x$grad$dtype, torch_float())
})

test_that("cat, stack, permute and flip give PyTorch's values and gradients", {
  skip_without_reference()
  calls <- list(
    cat = function(tensors, args) torch_cat(tensors, args$dim + 1),
    stack = function(tensors, args) torch_stack(tensors, args$dim + 1),
    permute = function(tensors, args) torch_permute(tensors[[1]], unlist(args$dims) + 1),
    flip = function(tensors, args) torch_flip(tensors[[1]], unlist(args$dims) + 1)
  )
  for (op in names(calls)) {
    for (case in reference_cases(op)) {
      tensors <- lapply(case$inputs, function(x) torch_tensor(x)$requires_grad_())
      out <- calls[[op]](unname(tensors), case$args)
      expect_equal(as_array(out$detach()), case$output, ignore_attr = "dtype", label = op)
      autograd_backward(list(out), list(torch_tensor(case$grad_output)))
      for (name in names(case$grads)) {
        expect_equal(as_array(tensors[[name]]$grad), case$grads[[name]], ignore_attr = "dtype", label = op)
      }
    }
  }
})
