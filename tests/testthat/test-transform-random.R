test_that("flips follow R's seed and probability", {
  x <- torch_tensor(array(as.double(1:12), c(1, 3, 4)))
  expect_equal(as_array(transform_random_horizontal_flip(x, p = 1)), as_array(transform_hflip(x)))
  expect_equal(as_array(transform_random_vertical_flip(x, p = 0)), as_array(x))
  flips <- function() {
    set.seed(3)
    vapply(1:20, function(i) as_array(transform_random_horizontal_flip(x))[1], 1)
  }
  expect_identical(flips(), flips())
  expect_setequal(flips(), c(1, 10))
})

test_that("crops have their size and come from the image", {
  torch_manual_seed(2)
  x <- torch_rand(3, 9, 11)
  for (i in 1:10) {
    y <- transform_random_crop(x, c(4, 5))
    expect_equal(y$shape, c(3, 4, 5))
    expect_true(all(as_array(y) %in% as_array(x)))
    expect_equal(transform_random_resized_crop(x, 6)$shape, c(3, 6, 6))
  }
  expect_equal(transform_random_crop(x, 20, pad_if_needed = TRUE)$shape, c(3, 20, 20))
  expect_error(transform_random_crop(x, 20), "pad_if_needed", class = "value_error")
})

test_that("the others keep the shape", {
  set.seed(1)
  x <- torch_rand(3, 8, 10)
  for (y in list(
    transform_random_rotation(x, 20), transform_random_affine(x, 10, c(0.1, 0.1), c(0.8, 1.2), 5),
    transform_random_perspective(x, p = 1), transform_color_jitter(x, 0.3, 0.3, 0.3, 0.1),
      transform_random_grayscale(x, 1),
    transform_random_apply(x, list(transform_hflip), p = 1), transform_random_choice(x, list(transform_vflip)),
    transform_random_order(x, list(transform_hflip, transform_vflip))
  )) expect_equal(y$shape, x$shape)
  expect_error(transform_random_rotation(x, -2), "positive", class = "value_error")
})

test_that("erasing leaves the original alone unless in place", {
  set.seed(1)
  x <- torch_ones(3, 20, 20)
  y <- transform_random_erasing(x, p = 1, value = 5)
  expect_equal(max(as_array(x)), 1)
  expect_gt(sum(as_array(y) == 5), 0)
  transform_random_erasing(x, p = 1, value = c(2, 3, 4), inplace = TRUE)
  expect_equal(range(as_array(x)), c(1, 4))
})

test_that("a grid holds the images", {
  x <- torch_ones(5, 3, 4, 6)
  y <- vision_make_grid(x, scale = FALSE, num_rows = 3, padding = 1, pad_value = 7)
  expect_equal(y$shape, c(3, 11, 22))
  expect_equal(sum(as_array(y)[1, , ] == 1), 5 * 24)
  expect_equal(vision_make_grid(torch_rand(5, 1, 4, 6), num_rows = 3, padding = 1)$shape, c(1, 11, 22))
})
