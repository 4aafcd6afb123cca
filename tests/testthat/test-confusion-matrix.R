test_that("masks are counted, void left out", {
  truth <- matrix(c(1, 1, 2, 2, 3, 0), 2)
  predicted <- matrix(c(1, 2, 2, 2, 1, 3), 2)
  x <- confusion_matrix(predicted, truth, classes = c("a", "b", "c"))
  expect_equal(unname(x$counts), rbind(c(1, 1, 0), c(0, 2, 0), c(1, 0, 0)))
  expect_equal(dimnames(x$counts), list(truth = c("a", "b", "c"), predicted = c("a", "b", "c")))
  expect_equal(as.matrix(x), x$counts)
  table <- as.data.frame(x)
  expect_equal(table$n[table$truth == "c" & table$predicted == "a"], 1)
  expect_equal(table$share[table$truth == "a"], c(0.5, 0.5, 0))
  scores <- tidy(x)
  expect_equal(scores$class, factor(c("a", "b", "c")))
  expect_equal(scores$iou, c(1 / 3, 2 / 3, 0))
  expect_equal(scores$precision, c(0.5, 2 / 3, NA))
  expect_equal(scores$recall, c(0.5, 1, 0))
  overall <- glance(x)
  expect_equal(overall$accuracy, 3 / 5)
  expect_equal(overall$mean_iou, 1 / 3)
  expect_equal(overall$kappa, (3 / 5 - 10 / 25) / (1 - 10 / 25))
  expect_output(print(x), "accuracy 0.6000")
})

test_that("the matrix of a model is that of the metric, and of its predictions", {
  made <- drawn_fit()
  valid <- made$parts$valid
  x <- confusion_matrix(made$fit, valid)
  expect_equal(dim(x$images), c(2, 2, 2))
  iou <- get_metrics(evaluate(made$fit, valid, metrics = luz_metric_iou(2), verbose = FALSE))
  expect_equal(glance(x)$mean_iou, iou$value[iou$metric == "iou"])
  scores <- predict(made$fit, valid)
  truth <- torch_stack(list(valid[1][[2]], valid[2][[2]]))
  expect_equal(confusion_matrix(scores, truth)$images, x$images, ignore_attr = TRUE)
  expect_equal(confusion_matrix(torch_argmax(scores, 2), truth)$counts, x$counts, ignore_attr = TRUE)
  expect_equal(levels(x$classes$class), c("background", "cell"))
})

test_that("one class a picture, and one channel", {
  small <- small_classifier(1)
  x <- confusion_matrix(small$fit, small$data, classes = c("a", "b", "c"))
  expect_equal(unname(rowSums(x$counts)), c(14, 13, 13))
  accuracy <- get_metrics(evaluate(small$fit, small$data, verbose = FALSE))
  expect_equal(glance(x)$accuracy, accuracy$value[accuracy$metric == "acc"])
  logits <- torch_tensor(c(-1, 2, 3, -2))$reshape(c(4, 1))
  binary <- confusion_matrix(logits, torch_tensor(c(0, 1, 0, 0))$reshape(c(4, 1)))
  expect_equal(unname(binary$counts), rbind(c(2, 1), c(0, 1)))
  expect_equal(levels(binary$classes$class), c("no", "yes"))
})

test_that("files and stored values are compared", {
  folder <- withr::local_tempdir()
  one <- matrix(c(0L, 255L, 255L, 0L), 2)
  files <- file.path(folder, c("a.png", "b.png"))
  image_write(one, files[[1]])
  image_write(255L - one, files[[2]])
  x <- confusion_matrix(files, files[c(1, 1)], classes = c(background = 0, cell = 255))
  expect_equal(unname(x$counts), matrix(2, 2, 2))
  expect_equal(unname(x$images[1, , ]), diag(2) * 2)
})

test_that("what cannot be compared is refused", {
  expect_error(confusion_matrix(matrix(1, 2, 2), matrix(1, 3, 2)), "sizes", class = "value_error")
  expect_error(confusion_matrix(matrix(3, 2, 2), matrix(1, 2, 2), classes = c("a", "b")), "class 3",
    class = "value_error")
  regression <- nn_linear %>%
    setup(loss = nn_mse_loss(), optimizer = optim_sgd) %>%
    set_hparams(in_features = 2, out_features = 2) %>%
    set_opt_hparams(lr = 0.1) %>%
    fit(list(torch_randn(8, 2), torch_randn(8, 2)), epochs = 1, verbose = FALSE,
      dataloader_options = list(batch_size = 4))
  expect_error(confusion_matrix(regression, list(torch_randn(4, 2), torch_randn(4, 2))), class = "value_error")
  made <- drawn_fit()
  expect_error(confusion_matrix(made$fit, made$parts), "parts\\$valid", class = "value_error")
  expect_error(confusion_matrix(made$fit, list(torch_randn(2, 1, 32, 32))), "no targets", class = "value_error")
})

test_that("it is drawn, by ggplot2 too", {
  skip_if_not(capabilities("png"))
  x <- confusion_matrix(matrix(1:3, 3, 4), matrix(c(1, 2, 2), 3, 4), classes = c("a", "b", "c"))
  file <- withr::local_tempfile(fileext = ".png")
  grDevices::png(file, 300, 300)
  before <- graphics::par("mai")
  expect_silent(plot(x))
  expect_equal(graphics::par("mai"), before)
  grDevices::dev.off()
  expect_gt(length(unique(as.vector(image_read(file, 3)))), 10)
  skip_if_not_installed("ggplot2")
  built <- ggplot2::ggplot_build(ggplot2::autoplot(x))
  expect_equal(nrow(built$data[[1]]), 9)
})
