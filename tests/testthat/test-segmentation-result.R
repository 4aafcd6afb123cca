test_that("rows of classes and of failures make one table, which is printed", {
  classes <- class_table(c("ground", "cell"))
  table <- rbind(
    segmentation_rows("a.png", classes, c(30, 10), c(3, 1), "um2", "out/a.png"),
    failed_row("b.png", classes, "'b.png' is damaged.")
  )
  x <- new_segmentation(table, classes)
  expect_equal(as.data.frame(x)$share, c(0.75, 0.25, NA))
  expect_identical(levels(x$table$class), c("ground", "cell"))
  expect_output(print(x), "2 pictures, 2 classes, 1 failed")
  expect_output(print(x), "failed: b.png: 'b.png' is damaged.")
})
