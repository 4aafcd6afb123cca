counting <- function(h, w) torch_tensor(matrix(seq_len(h * w), h, byrow = TRUE))

test_that("masks keep their classes and dtype", {
  mask <- torch_tensor(matrix(sample(1:3, 63, TRUE), 7))
  for (y in list(
    transform_resize(mask, c(13, 20), interpolation = 0), transform_rotate(mask, 17), transform_hflip(mask),
    transform_vflip(mask), transform_center_crop(mask, 5), transform_affine(mask, 5, c(1, 0), 1.1, 3)
  )) {
    expect_equal(length(y$shape), 2)
    expect_true(y$dtype == torch_long())
    expect_true(all(as_array(y) %in% 0:3))
  }
  expect_equal(transform_resize(mask, c(13, 20), interpolation = "nearest")$shape, c(13, 20))
  expect_true(all(as_array(transform_resize(mask, c(13, 20), 0)) %in% 1:3))
})

test_that("a quarter turn is counter-clockwise", {
  y <- as_array(transform_rotate(counting(4, 4), 90))
  expect_equal(y[, 1], c(4, 3, 2, 1))
  expect_equal(as_array(transform_rotate(counting(4, 4), 360)), as_array(counting(4, 4)))
  expect_equal(dim(transform_rotate(counting(4, 6), 90, expand = TRUE)), c(6, 4))
  expect_equal(as_array(transform_rotate(counting(4, 6), 90, expand = TRUE))[, 1], c(6, 5, 4, 3, 2, 1))
})

test_that("resample is deprecated and works", {
  expect_warning(y <- transform_rotate(counting(4, 4), 90, resample = 0), class = "deprecated")
  expect_equal(as_array(y)[, 1], c(4, 3, 2, 1))
})

test_that("the middle is cut out as PyTorch does", {
  x <- counting(268, 2)
  expect_equal(as_array(transform_center_crop(x, c(224, 2)))[c(1, 224), 1], 2 * c(23, 246) - 1)
  small <- as_array(transform_center_crop(counting(2, 2), 4))
  expect_equal(small, rbind(0, c(0, 1, 2, 0), c(0, 3, 4, 0), 0), ignore_attr = TRUE)
})

test_that("flips, crops and padding on every rank", {
  base <- array(as.double(1:24), c(2, 3, 4))
  for (x in list(torch_tensor(base), torch_tensor(base)$unsqueeze(1))) {
    n <- length(x$shape)
    expect_equal(as_array(transform_hflip(x)$reshape(c(2, 3, 4))), base[, , 4:1])
    expect_equal(as_array(transform_vflip(x)$reshape(c(2, 3, 4))), base[, 3:1, ])
    expect_equal(as_array(transform_crop(x, 2, 3, 2, 2)$reshape(c(2, 2, 2))), base[, 2:3, 3:4])
    expect_equal(transform_pad(x, c(1, 2))$shape[(n - 1):n], c(7, 6))
  }
  row <- torch_tensor(matrix(1:4, 1))
  expect_equal(as.vector(as_array(transform_pad(row, c(2, 0), padding_mode = "edge"))), c(1, 1, 1:4, 4, 4))
  expect_equal(as.vector(as_array(transform_pad(row, c(2, 0), padding_mode = "reflect"))), c(3, 2, 1:4, 3, 2))
  expect_equal(as.vector(as_array(transform_pad(row, c(2, 0), padding_mode = "symmetric"))), c(2, 1, 1:4, 4, 3))
  expect_equal(as.vector(as_array(transform_pad(row, c(1, 2, 0, 0), fill = 9))), c(9, 1:4, 9, 9))
})

test_that("arrays H x W x C are images", {
  x <- array(runif(4 * 5 * 3), c(4, 5, 3))
  expect_equal(as_array(transform_hflip(x)), aperm(x[, 5:1, ], c(3, 1, 2)), tolerance = 1e-6)
  expect_equal(transform_resize(x, 8)$shape, c(3, 8, 10))
  expect_equal(as_array(transform_to_tensor(matrix(0:3, 2)))[1, , ], matrix(0:3, 2) / 255, tolerance = 1e-6)
  expect_error(transform_to_tensor("a"), class = "not_implemented_error")
})

test_that("a perspective of equal points changes nothing", {
  x <- torch_rand(3, 6, 8)
  points <- list(c(0, 0), c(7, 0), c(7, 5), c(0, 5))
  expect_equal(as_array(transform_perspective(x, points, points)), as_array(x), tolerance = 1e-4)
})

test_that("five and ten crops", {
  x <- counting(5, 5)
  crops <- lapply(transform_five_crop(x, 2), as_array)
  expect_equal(vapply(crops, function(m) m[1, 1], 1), c(1, 4, 16, 19, 13))
  expect_length(transform_ten_crop(x, 2), 10)
})

test_that("bad arguments are told", {
  x <- torch_rand(3, 4, 4)
  expect_error(transform_resize(x, c(1, 2, 3)), "size", class = "value_error")
  expect_error(transform_resize(x, 8, interpolation = 7), "interpolation", class = "value_error")
  expect_error(transform_crop(x, 1, 1, 5, 2), "rows 1 to 5", class = "value_error")
  expect_error(transform_crop(x, 0, 1, 2, 2), class = "value_error")
  expect_error(transform_normalize(x, 0.5, 0), "std evaluated to zero", class = "value_error")
  expect_error(transform_normalize(x, c(1, 2), 1), "one per channel", class = "value_error")
  expect_error(transform_pad(x, -3), "more than there is", class = "value_error")
  expect_error(transform_pad(x, -1, padding_mode = "symmetric"), "must not be negative", class = "value_error")
})

test_that("flips keep the order in memory and turn both dimensions", {
  x <- torch_randn(2, 5, 4, 3)$permute(c(1, 4, 2, 3))
  values <- as_array(x)
  expect_equal(as_array(torch_flip(x, c(2, 4))), values[, 3:1, , 4:1])
  expect_equal(as_array(torch_flip(x$permute(c(4, 2, 1, 3)), 1)), aperm(values, c(4, 2, 1, 3))[4:1, , , ])
  expect_equal(as_array(torch_flip(x, c(3, 3))), values)
  expect_equal(torch_flip(torch_tensor(3), 1)$item(), 3)
  picture <- x[1, ..]$permute(c(2, 3, 1))$contiguous()$permute(c(3, 1, 2))
  expect_equal(transform_vflip(picture)$stride(), picture$stride())
  expect_equal(as_array(transform_vflip(picture)), values[1, , 5:1, ])
  batch <- torch_stack(list(picture, transform_hflip(picture)))
  expect_equal(as_array(batch[1, ..]), values[1, , , ])
  expect_equal(as_array(batch[2, ..]), values[1, , , 4:1])
})

test_that("padding is left, right, top, bottom, and cuts where it is negative", {
  x <- torch_tensor(matrix(1:12 + 0, 3))
  padded <- as_array(transform_pad(x, c(1, 2, 3, 0), fill = 9))
  expect_equal(dim(padded), c(6L, 7L))
  expect_equal(padded[4:6, 2:5], as_array(x))
  expect_true(all(padded[1:3, ] == 9) && all(padded[, c(1, 6, 7)] == 9))
  expect_equal(as_array(transform_pad(x, c(-1, 1, -1, 0))), cbind(as_array(x)[2:3, 2:4], 0))
  expect_equal(as_array(transform_pad(x, c(-1, 1, 0, 0), padding_mode = "edge")), as_array(x)[, c(2:4, 4)])
  y <- torch_randn(2, 4, 5)
  expect_equal(as_array(transform_pad(y, c(1, 2, 3, 0))), as_array(nnf_pad(y, c(1, 2, 3, 0))))
})

test_that("quarter turns are exact, and swap the sides where the picture may grow", {
  values <- matrix(1:15 + 0, 3)
  x <- torch_tensor(values)
  left <- values[, 5:1]
  expect_equal(as_array(transform_rotate(x, 90, expand = TRUE)), t(left))
  expect_equal(as_array(transform_rotate(x, 270, expand = TRUE)), t(values)[, 3:1])
  expect_equal(as_array(transform_rotate(x, -90, expand = TRUE)), t(values)[, 3:1])
  expect_equal(as_array(transform_rotate(x, 180)), values[3:1, 5:1])
  expect_equal(as_array(transform_rotate(x, 360)), values)
  expect_equal(as_array(transform_rotate(x, 90, fill = 7)), cbind(7, t(left)[2:4, ], 7))
  square <- torch_rand(2, 3, 6, 6)
  grid <- function(angle) transform_rotate(square, angle + 1e-9)
  for (angle in c(90, 180, 270)) {
    expect_equal(as_array(transform_rotate(square, angle)), as_array(grid(angle)), tolerance = 1e-6)
  }
  expect_error(transform_rotate(x, 90, interpolation = 7), "interpolation", class = "value_error")
})

test_that("another package's kind of picture has methods of its own", {
  local({
    registerS3method("transform_hflip", "odd_picture", function(img, ...) "own method",
      envir = asNamespace("candela"))
  })
  picture <- structure(list(), class = "odd_picture")
  expect_identical(transform_hflip(picture), "own method")
  expect_identical(transform_random_horizontal_flip(picture, p = 1), "own method")
})
