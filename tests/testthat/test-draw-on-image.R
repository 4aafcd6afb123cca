test_that("boxes are framed or filled", {
  x <- torch_zeros(3, 12, 10)
  framed <- as_array(draw_bounding_boxes(x, torch_tensor(rbind(c(2, 3, 6, 8))), colors = "#0a141e"))
  expect_identical(dim(framed), c(3L, 12L, 10L))
  expect_equal(framed[, 4, 3], c(10, 20, 30))
  frame <- framed[1, , ] > 0
  expect_equal(which(rowSums(frame) > 0), 4:9)
  expect_equal(sum(frame), 2 * 5 + 2 * 4)
  filled <- as_array(draw_bounding_boxes(x, torch_tensor(rbind(c(2, 3, 6, 8))), colors = "white", fill = TRUE))
  expect_equal(sum(filled[1, , ] > 0), 30)
  boxes <- list(boxes = torch_tensor(rbind(c(2, 3, 6, 8))))
  item <- structure(list(x = x, y = boxes), class = "image_with_bounding_box")
  expect_equal(as_array(draw_bounding_boxes(item, colors = "white", fill = TRUE)), filled)
  two <- torch_tensor(rbind(c(1, 1, 3, 3), c(5, 5, 4, 8)))
  expect_equal(sum(as_array(draw_bounding_boxes(x, two, colors = "white", fill = TRUE))[1, , ] > 0), 9)
  expect_error(draw_bounding_boxes(x, two, lazy = FALSE), "box 2 is empty", class = "value_error")
  expect_error(draw_bounding_boxes(x, two, colors = rep("red", 3)), "`colors` must hold", class = "value_error")
  expect_error(draw_bounding_boxes(torch_zeros(2, 3, 4, 4), two), "not on a batch", class = "value_error")
  expect_error(draw_bounding_boxes("x"), class = "value_error")
})

test_that("labels are written", {
  skip_if_not_installed("magick")
  x <- torch_zeros(3, 40, 60)
  box <- torch_tensor(rbind(c(2, 12, 30, 38)))
  plain <- draw_bounding_boxes(x, box, colors = "white")
  written <- draw_bounding_boxes(x, box, labels = "cat", colors = "white")
  expect_identical(dim(written), dim(plain))
  expect_gt(sum(as_array(written) > 0), sum(as_array(plain) > 0))
})

test_that("masks are mixed with the image", {
  x <- torch_ones(1, 4, 4, dtype = torch_float()) * 0.5
  masks <- torch_zeros(2, 4, 4, dtype = torch_bool())
  masks[1, 1:2, ] <- TRUE
  masks[2, , 4] <- TRUE
  drawn <- as_array(draw_segmentation_masks(x, masks, alpha = 0.5, colors = c("red", "blue")))
  expect_equal(drawn[, 1, 1], trunc(c(127, 0, 0) / 2 + c(255, 0, 0) / 2 + c(0, 127, 127) / 2))
  expect_equal(drawn[, 4, 4], c(63, 63, 191))
  expect_equal(drawn[, 1, 4], c(191, 63, 191))
  scores <- torch_zeros(2, 4, 4)
  scores[2, 1, ] <- 1
  drawn <- as_array(draw_segmentation_masks(x, scores, alpha = 1, colors = c("black", "white")))
  expect_equal(drawn[1, , 1], c(255, 0, 0, 0))
  expect_error(draw_segmentation_masks(x, masks[, 1:3, ]), "as the image", class = "value_error")
  expect_error(draw_segmentation_masks(3, masks), class = "type_error")
})

test_that("key points and their connections", {
  x <- torch_zeros(3, 20, 20)
  points <- torch_tensor(array(c(3, 15, 4, 4), c(1, 2, 2)))
  drawn <- as_array(draw_keypoints(x, points, colors = c("red", "blue"), radius = 1))
  expect_equal(sum(drawn[1, , ] > 0), 5)
  expect_equal(drawn[3, 5, 16], 255)
  joined <- as_array(draw_keypoints(x, points, connectivity = list(c(1, 2)), colors = "white", radius = 0, width = 1))
  expect_equal(sum(joined[1, , ] > 0), 13)
  expect_error(draw_keypoints(x, torch_zeros(2, 2)), "persons x points", class = "value_error")
})

test_that("widths, switches and pairs of points are checked", {
  image <- torch_zeros(3, 8, 8)
  boxes <- torch_tensor(matrix(c(1, 1, 5, 5), 1))
  expect_error(draw_bounding_boxes(image, boxes, fill = "red"), "`fill` must be", class = "value_error")
  expect_error(draw_bounding_boxes(image, boxes, lazy = NA), "`lazy` must be", class = "value_error")
  expect_error(draw_bounding_boxes(image, boxes, width = "a"), "`width` must be", class = "value_error")
  expect_error(draw_bounding_boxes(image, boxes, font_size = -1), "`font_size` must be", class = "value_error")
  points <- torch_tensor(array(1:4, c(1, 2, 2)))
  expect_error(draw_keypoints(image, points, radius = -1), "`radius` must be", class = "value_error")
  for (pairs in list(list(c(1, 3)), list(1), list("a"), list(c(0, 1)))) {
    expect_error(draw_keypoints(image, points, connectivity = pairs), "`connectivity` must be", class = "value_error")
  }
})
