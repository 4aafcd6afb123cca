test_that("factor 1 changes nothing, factor 0 gives black and grey", {
  x <- torch_rand(3, 5, 6)
  for (f in list(transform_adjust_brightness, transform_adjust_contrast, transform_adjust_saturation)) {
    expect_equal(as_array(f(x, 1)), as_array(x), tolerance = 1e-6)
    expect_error(f(x, -1), "of at least 0", class = "value_error")
  }
  expect_equal(max(as_array(transform_adjust_brightness(x, 0))), 0)
  expect_equal(as_array(transform_adjust_saturation(x, 0)), as_array(transform_grayscale(x, 3)), tolerance = 1e-6)
  expect_equal(as_array(transform_adjust_hue(x, 0)), as_array(x), tolerance = 1e-6)
})

test_that("a third of a turn takes red to green", {
  red <- torch_tensor(array(c(1, 0, 0), c(3, 1, 1)))
  expect_equal(as.vector(as_array(transform_adjust_hue(red, 1 / 3))), c(0, 1, 0), tolerance = 1e-6)
  expect_error(transform_adjust_hue(red, 0.6), "hue_factor", class = "value_error")
})

test_that("bytes stay bytes", {
  x <- torch_tensor(array(c(100L, 200L, 50L), c(3, 1, 1)), dtype = "uint8")
  y <- transform_adjust_brightness(x, 1.5)
  expect_true(y$dtype == torch_uint8())
  expect_equal(as.vector(as_array(y)), c(150, 255, 75))
  expect_equal(as.vector(as_array(transform_convert_image_dtype(x))), c(100, 200, 50) / 255, tolerance = 1e-6)
})

test_that("gamma is a power", {
  x <- torch_tensor(array(c(0.25, 0.5, 1), c(3, 1, 1)))
  expect_equal(as.vector(as_array(transform_adjust_gamma(x, 2, gain = 0.5))), c(0.03125, 0.125, 0.5), tolerance = 1e-6)
})

test_that("brightness, contrast, saturation and gamma take any number of bands", {
  for (bands in c(1, 2, 4, 6)) {
    x <- torch_rand(2, bands, 3, 4)
    values <- as_array(x)
    grey <- apply(values, c(1, 3, 4), mean)
    expect_equal(as_array(transform_adjust_brightness(x, 0.5)), values / 2, tolerance = 1e-6)
    flat <- as_array(transform_adjust_saturation(x, 0))
    for (band in seq_len(bands)) expect_equal(flat[, band, , ], grey, tolerance = 1e-6)
    expect_equal(as_array(transform_adjust_contrast(x, 0))[2, bands, 1, 1], mean(grey[2, , ]), tolerance = 1e-6)
    expect_equal(as_array(transform_adjust_gamma(x, 2)), values^2, tolerance = 1e-6)
  }
  expect_error(transform_adjust_hue(torch_rand(4, 2, 2), 0.1), "1 or 3 channels", class = "value_error")
})

test_that("hue is that of grDevices, turned", {
  x <- torch_rand(3, 5, 6)
  values <- array(as_array(x), c(3, 30))
  for (shift in c(-0.4, 0.15, 0.5)) {
    hsv <- grDevices::rgb2hsv(values, maxColorValue = 1)
    turned <- grDevices::hsv((hsv[1, ] + shift) %% 1, hsv[2, ], hsv[3, ])
    expected <- grDevices::col2rgb(turned) / 255
    ours <- as_array(transform_adjust_hue(x, shift))
    expect_lt(max(abs(array(ours, c(3, 30)) - expected)), 1 / 255)
  }
})
