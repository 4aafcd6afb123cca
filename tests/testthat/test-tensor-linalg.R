a <- matrix(c(0.5, -1, 2, 0.25, 3, 1.5), 2)
b <- matrix(c(1, 0.5, -2, 0.75, 1.25, 2, 3, -1, 0.1, 0.2, 0.3, 0.4), 3)

test_that("products agree with R for every dtype and stored order", {
  for (type in c("float", "double")) {
    x <- torch_tensor(a, dtype = type)
    y <- torch_tensor(b, dtype = type)
    expect_equal(as_array(torch_mm(x, y)), a %*% b, tolerance = 1e-6)
    expect_equal(as_array(torch_mm(y$t(), x$t())), t(a %*% b), tolerance = 1e-6)
    expect_equal(as_array(torch_mm(x, y$t()$contiguous()$t())), a %*% b, tolerance = 1e-6)
    expect_equal(as_array(torch_mv(x, torch_tensor(1:3, dtype = type))), as.vector(a %*% 1:3), tolerance = 1e-6)
    expect_equal(torch_dot(x[1, ], y[, 1])$item(), sum(a[1, ] * b[, 1]), tolerance = 1e-6)
    expect_equal(as_array(torch_addmm(torch_ones(4, dtype = type), x, y, beta = 2, alpha = 3)), 2 + 3 * a %*% b,
      tolerance = 1e-6
    )
  }
  whole <- matrix(1:6, 2)
  expect_equal(as_array(torch_mm(torch_tensor(whole), torch_tensor(t(whole)))), whole %*% t(whole))
  expect_equal(as_array(torch_outer(torch_tensor(c(1, 2)), torch_tensor(c(3, 4, 5)))), outer(1:2, 3:5))
  expect_equal(as_array(torch_mm(torch_ones(2, 0), torch_ones(0, 3))), matrix(0, 2, 3))
  expect_equal(dim(torch_mm(torch_ones(0, 2), torch_ones(2, 3))), c(0, 3))
})

test_that("matmul follows the number of dimensions", {
  m <- torch_tensor(a)
  expect_equal(torch_matmul(m[1, ], m[2, ])$shape, integer(0))
  expect_equal(torch_matmul(m, m[1, ])$shape, 2)
  expect_equal(torch_matmul(m[, 1], m)$shape, 3)
  batch <- torch_randn(5, 1, 4, 3)
  other <- torch_randn(2, 3, 6)
  product <- torch_matmul(batch, other)
  expect_equal(product$shape, c(5, 2, 4, 6))
  expect_equal(as_array(product[3, 2, , ]), as_array(batch[3, 1, , ]) %*% as_array(other[2, , ]), tolerance = 1e-5)
  expect_equal(torch_matmul(batch, torch_ones(3))$shape, c(5, 1, 4))
  expect_equal(torch_matmul(torch_ones(4), batch)$shape, c(5, 1, 3))
  expect_equal(torch_bmm(torch_ones(2, 3, 4), torch_ones(2, 4, 5))$shape, c(2, 3, 5))
})

test_that("what does not fit is named", {
  expect_error(torch_mm(torch_ones(2, 3), torch_ones(2, 3)), "\\[2, 3\\] and \\[2, 3\\]", class = "value_error")
  expect_error(torch_mm(torch_ones(2, 3), torch_ones(3)), "cannot be multiplied")
  expect_error(torch_mm(torch_ones(2, 3), torch_ones(3, 2, dtype = "double")), "same dtype")
  expect_error(torch_matmul(torch_ones(2, 3, 4), torch_ones(3, 4, 5)), "cannot be multiplied")
  expect_error(torch_matmul(torch_scalar_tensor(1), torch_ones(1)), "0-d")
})

test_that("gradients agree with differences", {
  expect_gradient(torch_mm, a, b)
  expect_gradient(torch_mv, a, c(1, -2, 0.5))
  expect_gradient(torch_dot, c(1, 2), c(-0.5, 3))
  expect_gradient(torch_matmul, array(sin(1:24), c(2, 1, 4, 3)), array(cos(1:18), c(2, 3, 3)))
  expect_gradient(function(x, w, b) nnf_linear(x, w, b), a, t(b), c(1, 2, 3, 4))
  expect_gradient(function(x, w) nnf_linear(x, w), array(sin(1:12), c(2, 2, 3)), t(b))
  expect_gradient(function(x, y) torch_einsum("ij,jk->k", list(x, y)), a, b)
})

test_that("einsum and tensordot", {
  x <- torch_tensor(a)
  y <- torch_tensor(b)
  expect_equal(as_array(torch_einsum("ij,jk->ki", list(x, y))), t(a %*% b), tolerance = 1e-6)
  expect_equal(as_array(torch_einsum("ij->j", list(x))), colSums(a))
  expect_equal(as_array(torch_einsum("ij,jk", list(x, y))), a %*% b, tolerance = 1e-6)
  expect_equal(as_array(torch_einsum("ii->i", list(torch_tensor(diag(c(1, 2, 3)))))), c(1, 2, 3))
  expect_equal(torch_einsum("ij,ij->", list(x, x))$item(), sum(a^2), tolerance = 1e-6)
  three <- torch_einsum("ij,jk,kl->il", list(x, y, y$t()))
  expect_equal(as_array(three), a %*% b %*% t(b), tolerance = 1e-5)
  expect_equal(as_array(torch_tensordot(x, y, 1)), a %*% b, tolerance = 1e-6)
  expect_error(torch_einsum("ij,jk->ik", list(x)), "2 operands")
  expect_error(torch_einsum("ijk->i", list(x)), "2 dimensions")
})

test_that("a batch of many products has the bits of each by itself, transposed and broadcast", {
  torch_manual_seed(1)
  a <- torch_randn(40, 37, 21)
  b <- torch_randn(40, 21, 50)
  c <- torch_randn(21, 50)
  both <- list(
    plain = list(a, b), left = list(torch_randn(40, 21, 37)$transpose(2, 3), b),
    right = list(a, torch_randn(40, 50, 21)$transpose(2, 3)), one = list(a, c),
    heads = list(torch_randn(5, 37, 8, 21)$transpose(2, 3), torch_randn(5, 1, 50, 21)$transpose(3, 4))
  )
  for (name in names(both)) {
    x <- both[[name]][[1]]
    y <- both[[name]][[2]]
    all <- torch_matmul(x, y)
    x <- x$contiguous()$view(c(-1, 37, 21))
    y <- y$expand(c(dim(all)[seq_len(length(dim(all)) - 2)], 21, 50))$contiguous()$view(c(-1, 21, 50))
    all <- all$view(c(-1, 37, 50))
    for (i in c(1, 2, 17, 40)) expect_identical(as.array(all[i]), as.array(torch_mm(x[i], y[i])), label = name)
  }
})
