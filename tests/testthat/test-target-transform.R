test_that("boxes are scaled with their picture", {
  target <- list(boxes = torch_tensor(rbind(c(1, 2, 5, 6))), image_height = 8, image_width = 16)
  resized <- target_transform_resize(target, c(16, 8))
  expect_equal(as.vector(as_array(resized$boxes)), c(0.5, 4, 2.5, 12))
  expect_equal(target_transform_resize(target, 32)[c("image_height", "image_width")],
    list(image_height = 16, image_width = 32))
  expect_error(target_transform_resize(list(boxes = 1), 3), "image_height", class = "value_error")
})

test_that("polygons and trimaps become masks", {
  two <- list(c(0, 0, 2, 0, 2, 2, 0, 2), c(4, 4, 6, 4, 6, 6, 4, 6))
  target <- list(segmentation = list(list(c(1, 1, 5, 1, 5, 4, 1, 4)), two), image_height = 7, image_width = 8)
  masks <- as_array(target_transform_coco_masks(target)$masks)
  expect_identical(dim(masks), c(2L, 7L, 8L))
  expect_equal(which(masks[1, , ]), as.vector(outer(2:4, 1:4 * 7, `+`)))
  expect_equal(sum(masks[2, , ]), 8)
  target$segmentation <- list()
  expect_identical(target_transform_coco_masks(target)$masks$shape, c(0L, 7L, 8L))
  trimap <- matrix(c(1, 2, 3, 1), 2)
  expect_equal(as_array(target_transform_trimap_masks(list(trimap = trimap))$masks)[3, , ], trimap == 3)
})
