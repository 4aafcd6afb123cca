# A picture whose first channel is its mask.
item_of <- function(h = 13, w = 17) {
  y <- matrix(sample(1:3, h * w, replace = TRUE), h)
  x <- torch_tensor(aperm(array(c(y, runif(h * w)), c(h, w, 2)), c(3, 1, 2)))
  list(x = x, y = torch_tensor(y))
}
first_channel <- function(item) as_array(item$x)[1, , ]
inside <- function(item) as_array(item$y) != void_class

expect_equal_masks <- function(item) {
  y <- as_array(item$y)
  expect_identical(item$y$dtype, torch_long())
  expect_true(all(y %in% c(1:3, void_class)))
  x <- first_channel(item)
  expect_identical(x[inside(item)], as.numeric(y[inside(item)]))
  expect_true(all(x[!inside(item)] == 0))
}

test_that("a mask that equals a channel stays equal to it", {
  set.seed(1)
  torch_manual_seed(1)
  changes <- list(
    item_transform_hflip, item_transform_vflip, function(x) item_transform_crop(x, 2, 3, 5, 6),
    function(x) item_transform_center_crop(x, 8), function(x) item_transform_center_crop(x, c(20, 9)),
    function(x) item_transform_resize(x, c(26, 9), interpolation = 0), function(x) item_transform_pad(x, c(1, 2, 3, 0)),
    function(x) item_transform_pad(x, 2, padding_mode = "reflect"),
    function(x) item_transform_rotate(x, 33, interpolation = 0), function(x) item_transform_rotate(x, 90, 0, FALSE),
    function(x) item_transform_affine(x, 10, c(2, -1), 1.3, c(5, 3), interpolation = 0),
    item_transform_random_horizontal_flip, item_transform_random_vertical_flip,
    function(x) item_transform_random_crop(x, 7), function(x) item_transform_random_crop(x, 20, pad_if_needed = TRUE),
    function(x) item_transform_random_crop(x, 9, padding = 4),
    function(x) item_transform_random_resized_crop(x, 9, interpolation = 0, scale = c(1, 1), ratio = c(1, 1)),
    function(x) item_transform_random_rotation(x, 40, interpolation = 0),
    function(x) item_transform_random_affine(x, 30, c(0.2, 0.2), c(0.7, 1.4), 10, interpolation = 0),
    function(x) item_transform_random_perspective(x, p = 1, interpolation = 0),
    function(x) item_transform_elastic(x, alpha = 4, sigma = 3, p = 1, interpolation = 0)
  )
  for (k in seq_along(changes)[-17]) expect_equal_masks(changes[[k]](item_of()))
  expect_true(all(as_array(changes[[17]](item_of())$y) %in% 1:3))
})

test_that("torchvision's four have its arguments and defaults", {
  expect_identical(as.list(formals(item_transform_rotate))[-(1:2)], list(interpolation = 2, expand = TRUE, fill = 0))
  expect_identical(names(formals(item_transform_center_crop)), c("x", "size"))
  item <- item_of(8, 8)
  turned <- item_transform_rotate(item, 45)
  expect_identical(image_size(turned$x), image_size(transform_rotate(item$x, 45, 2, expand = TRUE)))
  expect_equal(as_array(turned$x), as_array(transform_rotate(item$x, 45, 2, TRUE)))
  expect_identical(as_array(turned$y)[1, 1], void_class)
})

test_that("items are lists with and without names; other elements stay", {
  y <- matrix(1:4, 2)
  flipped <- item_transform_hflip(list(array(runif(12), c(2, 2, 3)), y))
  expect_identical(as_array(flipped[[2]]), y[, 2:1])
  named <- item_transform_hflip(list(mask = y, id = "a", image = torch_rand(1, 2, 2)))
  expect_identical(as_array(named$mask), y[, 2:1])
  expect_identical(named$id, "a")
  expect_identical(names(item_transform_hflip(list(x = torch_rand(3, 2, 2)))), "x")
  expect_error(item_transform_hflip(list(a = 1, b = 2)), "the item has no image", class = "value_error")
  expect_error(item_transform_hflip(list(x = torch_rand(3, 2, 2), y = matrix(1L, 3, 2))), "the mask is 3 x 2",
    class = "value_error")
})

test_that("logical masks stay so, and hold FALSE outside", {
  mask <- torch_tensor(matrix(TRUE, 5, 5))
  turned <- item_transform_rotate(list(x = torch_rand(1, 5, 5), y = mask), 45)
  expect_identical(turned$y$dtype, torch_bool())
  expect_false(as_array(turned$y)[1, 1])
  expect_true(as_array(turned$y)[4, 4])
})

test_that("a random crop finds the classes that are wanted", {
  set.seed(2)
  y <- matrix(1L, 40, 40)
  y[33, 6] <- 2L
  item <- list(x = torch_rand(1, 40, 40), y = torch_tensor(y))
  for (k in 1:10) expect_true(2L %in% as_array(item_transform_random_crop(item, 5, classes = 2)$y))
  expect_identical(image_size(item_transform_random_crop(item, 5, classes = 3)$y), c(5, 5))
})

test_that("the same seeds give the draws of the transforms of images", {
  x <- torch_rand(3, 12, 12)
  alone <- function(f, ...) {
    set.seed(3)
    torch_manual_seed(3)
    as_array(f(...))
  }
  paired <- function(f, ...) alone(function(...) f(list(x = x, y = torch_ones(12, 12)$to(dtype = "long")), ...)$x, ...)
  expect_equal(paired(item_transform_random_affine, 20, c(0.1, 0.1), c(0.5, 2), 5),
    alone(transform_random_affine, x, 20, c(0.1, 0.1), c(0.5, 2), 5, 2))
  expect_equal(paired(item_transform_random_crop, 5), alone(transform_random_crop, x, 5))
  expect_equal(paired(item_transform_random_perspective, 0.5, 1), alone(transform_random_perspective, x, 0.5, 1))
  expect_equal(paired(item_transform_color_jitter, 0.4, 0.4, 0.4, 0.1),
    alone(transform_color_jitter, x, 0.4, 0.4, 0.4, 0.1))
  expect_equal(paired(item_transform_random_resized_crop, 6), alone(transform_random_resized_crop, x, 6))
})

test_that("colours, blur and noise change the image alone", {
  item <- item_of()
  set.seed(4)
  for (f in list(
    function(x) item_transform_color_jitter(x, 0.5, 0.5), function(x) item_transform_gaussian_blur(x, 1, 1),
    function(x) item_transform_gaussian_noise(x, 0.1, 1)
  )) {
    changed <- f(item)
    expect_identical(as_array(changed$y), as_array(item$y))
    expect_false(isTRUE(all.equal(as_array(changed$x), as_array(item$x))))
    expect_identical(as.numeric(changed$x$shape), c(2, 13, 17))
  }
  flat <- list(x = torch_full(c(2, 9, 9), 0.3))
  expect_equal(as_array(item_transform_gaussian_blur(flat, 2, 1)$x), array(0.3, c(2, 9, 9)), tolerance = 1e-6)
  point <- torch_zeros(1, 21, 21)
  point[1, 11, 11] <- 1
  blurred <- as_array(item_transform_gaussian_blur(list(x = point), 1.5, 1)$x)[1, , ]
  expect_equal(blurred, outer(dnorm(-10:10, sd = 1.5), dnorm(-10:10, sd = 1.5)), tolerance = 5e-3)
})

test_that("a dataset is transformed item by item", {
  ds <- tensor_dataset(x = torch_rand(3, 1, 4, 4), y = torch_ones(3, 4, 4)$to(dtype = "long"))
  flipped <- item_transform_hflip(ds)
  expect_length(flipped, 3)
  expect_equal(as_array(flipped[2]$x), as_array(transform_hflip(ds[2]$x)))
  root <- drawn_cells(tempfile(), n = 2, size = 16)
  cells <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
    c(no = 0, yes = 255)))
  turned <- item_transform_rotate(item_transform_vflip(cells), 45, expand = FALSE)
  expect_s3_class(turned, "segmentation_dataset")
  expect_identical(input_spec(turned), input_spec(cells))
  expect_identical(as_array(turned[1]$y)[1, 1], void_class)
  expect_equal(as_array(item_transform_vflip(cells)[1]$x), as_array(transform_vflip(cells[1]$x)))
})

test_that("transforms are composed", {
  item <- item_of()
  both <- item_transform_compose(item_transform_hflip, item_transform_vflip)(item)
  expect_identical(as_array(both$y), as_array(item$y)[13:1, 17:1])
  expect_identical(as_array(item_transform_random_apply(item, list(item_transform_hflip), p = 1)$y),
    as_array(item$y)[, 17:1])
})

test_that("perspective and erasing by their other names", {
  item <- list(x = torch_rand(1, 8, 8), y = torch_tensor(matrix(1:64, 8)))
  corners <- list(c(0, 0), c(8, 0), c(8, 8), c(0, 8))
  same <- item_transform_perspective(item, corners, corners, interpolation = 0)
  expect_equal(as_array(same$x), as_array(item$x), tolerance = 1e-6)
  expect_equal(as_array(same$y), as_array(item$y))
  set.seed(1)
  erased <- item_transform_random_erasing(item, p = 1)
  expect_identical(as_array(erased$y), as_array(item$y))
  expect_gt(sum(as_array(erased$x) == 0), 0)
  set.seed(2)
  torch_manual_seed(2)
  a <- item_transform_random_resize_crop(item, 4)
  set.seed(2)
  torch_manual_seed(2)
  expect_identical(as_array(a$x), as_array(item_transform_random_resized_crop(item, 4)$x))
})
