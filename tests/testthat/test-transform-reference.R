# The 0-based arguments of PyTorch's functions to ours.
apply_case <- function(case, img) {
  a <- lapply(case$args, unlist)
  mode <- c(nearest = 0, bilinear = 2, bicubic = 3)
  switch(case$op,
    resize = transform_resize(img, a$size, interpolation = mode[[a$interpolation]]),
    rotate = transform_rotate(img, a$angle, interpolation = mode[[a$resample]]),
    hflip = transform_hflip(img),
    vflip = transform_vflip(img),
    center_crop = transform_center_crop(img, a$size),
    crop = transform_crop(img, a$top + 1, a$left + 1, a$height, a$width),
    normalize = transform_normalize(img, a$mean, a$std),
    adjust_brightness = transform_adjust_brightness(img, a$brightness_factor),
    adjust_contrast = transform_adjust_contrast(img, a$contrast_factor),
    adjust_saturation = transform_adjust_saturation(img, a$saturation_factor),
    rgb_to_grayscale = transform_rgb_to_grayscale(img),
    pad = transform_pad(img, a$padding),
    affine = transform_affine(img, a$angle, a$translate, a$scale, a$shear, interpolation = mode[[a$resample]]),
    stop("a case of unknown transform: ", case$op)
  )
}

test_that("all transforms give PyTorch's values", {
  skip_without_reference("transforms.json")
  skip_if_not_installed("jsonlite")
  cases <- jsonlite::fromJSON(reference_path("transforms.json"), simplifyVector = FALSE)
  tensors <- lapply(read_safetensors(reference_path("transforms.safetensors")), torch_tensor)
  expect_gt(length(cases), 0)
  for (case in cases) {
    got <- as_array(apply_case(case, tensors[[case$input]]))
    want <- as_array(tensors[[case$output]])
    what <- paste(case$op, jsonlite::toJSON(case$args, auto_unbox = TRUE), "of", case$input)
    expect_equal(dim(got), dim(want), info = what)
    expect_lte(max(abs(got - want)) / max(abs(want), 1e-12), 1e-5, label = what)
  }
})
