boxes <- torch_tensor(rbind(c(0, 0, 10, 10), c(2, 0, 12, 10), c(20, 20, 30, 32), c(1, 1, 10, 10)))

test_that("formats are converted there and back", {
  expect_equal(as_array(box_convert(boxes, "xyxy", "xywh"))[2, ], c(2, 0, 10, 10))
  expect_equal(as_array(box_convert(boxes, "xyxy", "cxcywh"))[3, ], c(25, 26, 10, 12))
  for (from in box_formats) {
    for (to in box_formats) {
      expect_equal(as_array(box_convert(box_convert(boxes, from, to), to, from)), as_array(boxes))
    }
  }
  expect_equal(box_convert(torch_zeros(2, 3, 4), "xywh", "xyxy")$shape, c(2, 3, 4))
  expect_error(box_convert(boxes, "xyxy", "yxyx"), "out_fmt", class = "value_error")
  expect_error(box_area(torch_zeros(2, 3)), "must be boxes", class = "value_error")
})

test_that("areas and overlaps are those of sets of pixels", {
  expect_equal(as.vector(as_array(box_area(boxes))), c(100, 100, 120, 81))
  pixels <- function(b) outer(0:39, 0:39, function(x, y) x >= b[1] & x < b[3] & y >= b[2] & y < b[4])
  corners <- as_array(boxes)
  iou <- as_array(box_iou(boxes, boxes[2:3, ]))
  giou <- as_array(generalized_box_iou(boxes, boxes[2:3, ]))
  for (i in 1:4) {
    for (j in 1:2) {
      a <- pixels(corners[i, ])
      b <- pixels(corners[j + 1, ])
      around <- pixels(c(pmin(corners[i, 1:2], corners[j + 1, 1:2]), pmax(corners[i, 3:4], corners[j + 1, 3:4])))
      expect_equal(iou[i, j], sum(a & b) / sum(a | b), tolerance = 1e-6)
      expect_equal(giou[i, j], iou[i, j] - (sum(around) - sum(a | b)) / sum(around), tolerance = 1e-6)
    }
  }
  expect_error(generalized_box_iou(torch_tensor(matrix(c(5, 5, 1, 1), 1)), boxes), "xyxy", class = "value_error")
})

test_that("boxes are clipped, small ones removed, worse ones suppressed", {
  expect_equal(as_array(clip_boxes_to_image(boxes, c(25, 11)))[2:3, ], rbind(c(2, 0, 11, 10), c(11, 20, 11, 25)))
  expect_equal(as.vector(as_array(remove_small_boxes(boxes, 9.5))), 1:3)
  scores <- torch_tensor(c(0.5, 0.9, 0.2, 0.8))
  expect_equal(as.vector(as_array(nms(boxes, scores, 0.5))), c(2, 3))
  expect_equal(as.vector(as_array(nms(boxes, scores, 0.7))), c(2, 4, 3))
  expect_equal(as.vector(as_array(nms(boxes, scores, 0.9))), c(2, 4, 1, 3))
  classes <- torch_tensor(c(1L, 1L, 1L, 2L))
  expect_equal(as.vector(as_array(batched_nms(boxes, scores, classes, 0.1))), c(2, 4, 3))
  expect_identical(nms(torch_zeros(0, 4), torch_zeros(0), 0.5)$shape, 0L)
  expect_identical(nms(boxes, scores, 0.5)$dtype, torch_long())
  expect_error(nms(boxes, torch_ones(2), 0.5), "one number for each", class = "value_error")
})
