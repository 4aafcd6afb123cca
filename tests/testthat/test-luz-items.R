# Pictures of 8 x 8 whose third mask holds 0, of a folder or made up.
masked <- function(classes = 2L) {
  dataset("masked",
    .getitem = function(i) list(x = torch_ones(3, 8, 8), y = torch_full(c(8, 8), if (i == 3) 0L else classes,
      dtype = torch_long())),
    .length = function() 4L
  )()
}

small_net <- function(classes) nn_conv2d(3, classes, 1)

train <- function(ds, ..., valid = NULL) {
  fit(setup(small_net(2), loss = nn_cross_entropy_loss(), optimizer = optim_sgd, ...) %>% set_opt_hparams(lr = 0.1), ds,
    epochs = 1, valid_data = valid, verbose = FALSE, dataloader_options = list(batch_size = 2, shuffle = FALSE))
}

test_that("an error about a target names the item", {
  e <- expect_error(train(masked()), class = "candela_error_index")
  expect_match(conditionMessage(e), "cross entropy.*for one of 0 and 255 divide by 255.*In this batch item 3 holds 0")
  expect_error(train(masked(7L)), "class 7 is out of bounds.*item 1 holds 7, item 2 holds 7",
    class = "candela_error_index")
  expect_error(train(dataset_subset(masked(), c(1, 2)), valid = dataset_subset(masked(), c(4, 3))), "item 2 holds 0")
  loader <- dataloader(masked(), batch_size = 2)
  fitted <- train(dataset_subset(masked(), 1:2))
  expect_error(evaluate(fitted, loader, metrics = luz_metric_iou(2)), "item 3 holds 0")
})

test_that("for a dataset of files the error names the mask", {
  root <- drawn_cells(withr::local_tempdir(), n = 3, size = 16)
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
    c(background = 0, cell = 255), channels = 3, transform = function(item) list(x = item$x, y = item$y - 1L)))
  parts <- split(ds, c("train", "train", "valid"))
  expect_error(train(parts$train), "item 1 \\('.*masks/cell-01.png'\\) holds 0, item 2 \\('.*cell-02.png'\\) holds 0")
  expect_error(train(dataset_subset(parts$train, c(2, 1))), "item 1 \\('.*cell-02.png'\\) holds 0")
})

test_that("labels of one output are named, and errors of other kinds are left", {
  ones <- tensor_dataset(x = torch_ones(4, 3, 8, 8), y = torch_full(c(4, 1, 8, 8), 2))
  run <- function(loss) {
    fit(setup(small_net(1), loss = loss, optimizer = optim_sgd) %>% set_opt_hparams(lr = 0.1), ones, epochs = 1,
      verbose = FALSE, dataloader_options = list(batch_size = 2, shuffle = FALSE))
  }
  expect_error(run(nn_dice_loss("binary")), "labels are 0 or 1, but found 2.*item 1 holds 2",
    class = "candela_error_value")
  expect_error(run(function(input, target) stop("no")), "^no$")
})
