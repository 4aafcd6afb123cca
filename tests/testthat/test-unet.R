small_unet <- function(...) unet("resnet18", classes = 3, weights = NULL, ...)

test_that("any size and number of bands", {
  torch_manual_seed(1)
  model <- small_unet(in_channels = 4)
  model$eval()
  for (size in list(c(32, 64), c(33, 45), c(7, 90), c(1, 1))) {
    y <- with_no_grad(model(torch_randn(1, 4, size[[1]], size[[2]])))
    expect_equal(dim(y), c(1L, 3L, as.integer(size)))
  }
  expect_error(model(torch_randn(1, 3, 32, 32)), "images of 4 channels.*got 3", class = "value_error")
  expect_error(model(torch_randn(4, 32, 32)), "tensor of images", class = "value_error")
})

test_that("padding mirrors the image and is cut back", {
  x <- torch_tensor(array(1:12, c(1, 1, 3, 4)), dtype = torch_float())
  padded <- pad_to_multiple(x, 8)
  expect_equal(dim(padded$x), c(1, 1, 8, 8))
  expect_equal(as.array(cut_padding(padded$x, padded$pad, c(3, 4))), as.array(x))
  columns <- as.array(padded$x)[1, 1, 4, ]
  expect_equal(columns[c(1, 2)], columns[c(5, 4)])
  expect_identical(pad_to_multiple(x, 1)$x, x)
})

test_that("classes may be a number, names or a table", {
  names_of <- function(x) levels(class_table(x)$class)
  expect_equal(names_of(2), c("class 1", "class 2"))
  expect_equal(names_of(c("a", "b")), c("a", "b"))
  expect_equal(class_table(c(background = 0, cell = 255))$value, c(0, 255))
  expect_equal(class_table(c(road = "#804080", car = "#400080"))$colour, c("#804080", "#400080"))
  expect_equal(class_table(data.frame(name = c("a", "b"), value = 5:6))$value, 5:6)
  expect_equal(class_table(class_table(c("a", "b"))), class_table(c("a", "b")))
  expect_error(class_table(c("a", "a")), "different names", class = "value_error")
  expect_error(class_table(list()), class = "value_error")
  expect_error(class_table(2.5), "whole number", class = "value_error")
  expect_error(class_table(data.frame(x = 1)), "column `name`", class = "value_error")
  model <- unet("plain", classes = c("background", "cell"), weights = NULL)
  expect_equal(names_of(model), c("background", "cell"))
  expect_error(input_spec(model), "does not know its input", class = "value_error")
  expect_error(unet("plain", weights = NULL), "`classes` is missing", class = "value_error")
  expect_error(unet("plain", classes = NULL, weights = NULL), "`classes` must be", class = "value_error")
})

test_that("a data set tells its classes and channels", {
  root <- withr::local_tempdir()
  drawn_cells(root, n = 4, size = 32)
  ds <- suppressMessages(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
    classes = c(background = 0, cell = 255)))
  model <- unet("plain", classes = ds, weights = NULL)
  expect_equal(class_table(model), class_table(ds))
  expect_equal(input_spec(model), input_spec(ds))
  expect_equal(model$in_channels, input_spec(ds)$channels)
})

test_that("options of the decoder", {
  x <- torch_randn(1, 3, 32, 32)
  plain <- small_unet(decoder_use_norm = FALSE)
  expect_false(any(grepl("running_mean", grep("^decoder", names(plain$state_dict()), value = TRUE))))
  expect_true("decoder.blocks.0.conv1.0.bias" %in% names(plain$state_dict()))
  transposed <- small_unet(decoder_type = "transposed", decoder_join_input = TRUE, decoder_attention_type = "scse")
  expect_equal(dim(transposed$decoder$blocks[[5]]$conv$weight), c(16, 19, 3, 3))
  expect_equal(dim(transposed(torch_cat(list(x, x)))), c(2, 3, 32, 32))
  shallow <- small_unet(encoder_depth = 3, decoder_channels = c(64, 32, 16))
  expect_equal(shallow$divisor, 8)
  shallow$eval()
  expect_equal(dim(shallow(x)), c(1, 3, 32, 32))
  expect_error(small_unet(decoder_channels = c(8, 4)), "`decoder_channels` must be 5 whole numbers",
    class = "value_error")
  expect_error(small_unet(decoder_type = "cubic"), "`decoder_type` must be one of", class = "value_error")
  expect_error(small_unet(decoder_attention_type = "se"), "`decoder_attention_type`", class = "value_error")
  expect_error(unet("resnet9", classes = 2), "`encoder` must be one of", class = "value_error")
})

test_that("normalisation and enlargement of the decoder are those that are named", {
  x <- torch_randn(2, 3, 32, 32)
  names_of <- function(model) names(model$state_dict())
  tiny_unet <- function(...) {
    unet("plain", classes = 2, weights = NULL, base = 4, decoder_channels = c(16, 8, 8, 8, 4), ...)
  }
  batch <- names_of(tiny_unet())
  expect_identical(names_of(tiny_unet(decoder_use_norm = "batchnorm")), batch)
  expect_identical(names_of(tiny_unet(decoder_use_norm = "identity")), names_of(tiny_unet(decoder_use_norm = FALSE)))
  instance <- tiny_unet(decoder_use_norm = "instancenorm")
  expect_false(any(grepl("^decoder.*(conv[12].1|bias)", names_of(instance))))
  expect_equal(dim(instance(x)), c(2, 2, 32, 32))
  expect_error(tiny_unet(decoder_use_norm = "layer"), "`decoder_use_norm` must be one of", class = "value_error")
  torch_manual_seed(1)
  near <- tiny_unet()
  torch_manual_seed(1)
  smooth <- tiny_unet(decoder_interpolation = "bilinear")
  near$eval()
  smooth$eval()
  block <- smooth$decoder$blocks[[5]]
  z <- torch_randn(1, 8, 4, 4)
  large <- nnf_interpolate(z, scale_factor = 2, mode = "bilinear")
  expect_equal(as_array(block(z)), as_array(block$conv2(block$conv1(large))), tolerance = 1e-6)
  expect_false(isTRUE(all.equal(as_array(near(x)), as_array(smooth(x)))))
  for (make in list(unet_plus_plus, manet, fpn)) {
    expect_error(make("plain", classes = 2, weights = NULL, decoder_interpolation = "cubic"), "decoder_interpolation")
  }
})

test_that("encoders of three and four stages", {
  x <- torch_randn(2, 3, 40, 36)
  for (depth in 3:4) {
    channels <- rep(8, depth)
    models <- list(
      unet("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth, decoder_channels = channels),
      unet_plus_plus("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth,
        decoder_channels = channels, decoder_interpolation = "bilinear"),
      manet("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth, decoder_channels = channels,
        decoder_interpolation = "bilinear"),
      linknet("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth),
      fpn("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth, decoder_pyramid_channels = 32,
        decoder_segmentation_channels = 32, decoder_interpolation = "bilinear"),
      pspnet("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth, psp_out_channels = 16),
      deeplabv3("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth, decoder_channels = 16),
      deeplabv3_plus("plain", classes = 2, weights = NULL, base = 4, encoder_depth = depth, decoder_channels = 16)
    )
    for (model in models) expect_equal(dim(model(x)), c(2, 2, 40, 36))
  }
})

test_that("arguments that neither the model nor its encoder has are named", {
  expect_error(small_unet(last_conv = TRUE), "`last_conv` was given, which .*\"resnet18\" takes", class = "value_error")
  expect_error(unet("plain", classes = 2, weights = NULL, width = 3), "of its own it has `base`", class = "value_error")
})

test_that("the last convolution of MobileNet may be kept", {
  with <- unet("mobilenet_v2", classes = 2, weights = NULL, last_conv = TRUE)
  without <- unet("mobilenet_v2", classes = 2, weights = NULL)
  expect_equal(dim(with$decoder$blocks[[1]]$conv1$`0`$weight)[[2]], 1280 + 96)
  expect_equal(dim(without$decoder$blocks[[1]]$conv1$`0`$weight)[[2]], 320 + 96)
  expect_setequal(
    grep("^encoder", names(without$state_dict()), value = TRUE),
    grep("^encoder.features.18", grep("^encoder", names(with$state_dict()), value = TRUE), value = TRUE, invert = TRUE)
  )
  expect_error(without$load_state_dict(with$state_dict()), "`last_conv = TRUE`", class = "value_error")
})

test_that("deep supervision adds losses of all stages", {
  torch_manual_seed(1)
  model <- unet("plain", classes = 2, weights = NULL, deep_supervision = TRUE)
  x <- torch_randn(2, 3, 40, 32)
  target <- torch_ones(2, 40, 32, dtype = torch_long())
  y <- model(x)
  auxiliary <- auxiliary_outputs(y)
  expect_length(auxiliary, 4)
  for (z in auxiliary) expect_equal(dim(z), c(2, 2, 40, 32))
  loss <- nn_cross_entropy_loss()
  each <- vapply(c(list(y), auxiliary), function(z) loss(z, target)$item(), 0)
  total <- supervised_loss(loss, y, target)
  expect_equal(total$item(), sum(each * 0.5^(0:4)), tolerance = 1e-6)
  total$backward()
  expect_gt(model$auxiliary_heads[[1]]$`0`$weight$grad$abs()$sum()$item(), 0)
  model$eval()
  expect_length(auxiliary_outputs(model(x)), 0)
  expect_equal(supervised_loss(loss, model(x), target)$item(), loss(model(x), target)$item())
})

test_that("a model is trained as it is, saved and loaded", {
  torch_manual_seed(1)
  model <- unet("plain", classes = c("ground", "spot"), weights = NULL, deep_supervision = TRUE, base = 4,
    decoder_channels = c(16, 8, 8, 4, 4))
  target <- torch_ones(8, 32, 32, dtype = torch_long())
  target[, 9:24, 9:24] <- 2L
  x <- torch_randn(8, 3, 32, 32) + target$unsqueeze(2)
  fitted <- model %>%
    setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = luz_metric_accuracy()) %>%
    set_opt_hparams(lr = 0.02) %>%
    fit(list(x, target), epochs = 5, verbose = FALSE, dataloader_options = list(batch_size = 4))
  losses <- get_metrics(fitted)
  losses <- losses$value[losses$metric == "loss"]
  expect_lt(losses[[5]], 0.8 * losses[[1]])
  path <- tempfile()
  on.exit(unlink(path))
  luz_save(fitted, path)
  loaded <- luz_load(path)
  expect_equal(levels(class_table(loaded)$class), c("ground", "spot"))
  expect_equal(as.array(predict(loaded, x)), as.array(predict(fitted, x)))
})

test_that("switches and shares of every decoder are checked", {
  make <- function(model, ...) model("plain", classes = 2, weights = NULL, base = 4, ...)
  for (depth in list(NULL, 2, 6, 3.5)) {
    for (model in list(unet, unet_plus_plus, manet, linknet, pspnet)) {
      expect_error(make(model, encoder_depth = depth), "`encoder_depth` must be", class = "value_error")
    }
  }
  expect_error(make(unet, deep_supervision = "yes"), "`deep_supervision` must be", class = "value_error")
  expect_error(make(unet, decoder_join_input = NULL), "`decoder_join_input` must be", class = "value_error")
  for (model in list(unet, unet_plus_plus, manet, linknet, pspnet)) {
    expect_error(make(model, decoder_use_norm = NA), "`decoder_use_norm` must be", class = "value_error")
  }
  expect_error(make(pspnet, psp_dropout = "a"), "`psp_dropout` must be", class = "value_error")
  expect_error(make(pspnet, psp_dropout = 2), "dropout probability", class = "value_error")
  expect_error(make(fpn, decoder_dropout = NULL), "`decoder_dropout` must be", class = "value_error")
})
