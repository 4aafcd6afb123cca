test_that("files become masks, overlays and a table, and what is damaged is reported", {
  root <- withr::local_tempdir()
  sizes <- list(c(40, 56), c(40, 56), c(33, 47))
  pictures <- lapply(sizes, function(size) drawn_picture(size[[1]], size[[2]]))
  dir.create(file.path(root, "new", "more"), recursive = TRUE)
  files <- file.path(root, "new", c("a.png", "b.jpg", "more/a.png"))
  for (k in 1:3) image_write(pictures[[k]], files[[k]], quality = 100)
  writeBin(readBin(files[[1]], "raw", 60), file.path(root, "new", "cut.png"))
  image_write(array(0.5, c(8, 8, 3)), file.path(root, "new", "rgb.png"))
  model <- bright_model(bright_spec())
  to <- file.path(root, "out")
  expect_warning(result <- segment(model, file.path(root, "new"), to, pixel_size = c(um = 0.5)),
    "2 of 5 pictures", class = "candela_warning_segment")
  expect_s3_class(result, "candela_segmentation")
  expect_setequal(list.files(to, recursive = TRUE, all.files = TRUE), c("a.png", "b.png", "more/a.png", "areas.csv",
    "overlays/a.png", "overlays/b.png", "overlays/more/a.png"))
  for (k in 1:3) {
    mask <- image_labels(file.path(to, c("a.png", "b.png", "more/a.png")[[k]]))
    expect_identical(mask, matrix(ifelse(pictures[[k]] > 127, 255L, 0L), nrow(mask)))
  }
  table <- result$table
  expect_identical(sum(!is.na(table$error)), 2L)
  expect_match(table$error[grepl("rgb", table$file)], "'.*rgb.png' has 3 bands, but the model was trained on 1")
  cells <- table[table$file == files[[1]] & table$class %in% "cell", ]
  expect_equal(cells$pixels, 96)
  expect_equal(cells$area, 24)
  expect_identical(cells$unit, "um2")
  expect_equal(cells$share, 96 / (40 * 56))
  expect_identical(image_info(file.path(to, "overlays", "a.png"))$channels, 3L)
  read <- utils::read.csv(file.path(to, "areas.csv"))
  expect_equal(read$pixels, table$pixels)
})

test_that("arrays, tensors, magick images and lists of them stay in memory", {
  model <- bright_model(bright_spec())
  m <- drawn_picture()
  result <- segment(model, m, output = c("mask", "probabilities", "entropy"))
  expect_identical(result$mask, truth_of(m))
  expect_equal(unname(apply(result$probabilities, 1:2, sum)), matrix(1, 40, 56), tolerance = 1e-6, ignore_attr = TRUE)
  expect_true(all(result$entropy >= 0 & result$entropy <= 1))
  p <- result$probabilities[, , 2]
  expect_equal(result$entropy, -(p * log(p) + (1 - p) * log(1 - p)) / log(2), tolerance = 1e-4)
  expect_message(shares <- segment(model, m / 255), "taken as shares of 255", class = "candela_message_scaling")
  expect_identical(shares$mask, truth_of(m))
  expect_identical(segment(model, torch_tensor(m))$mask, truth_of(m))
  batch <- torch_tensor(array(rep(m, each = 2), c(2, 1, dim(m))))
  two <- segment(model, batch)
  expect_named(two$mask, c("picture 1", "picture 2"))
  expect_identical(two$mask[[2]], truth_of(m))
  list <- segment(model, list(first = m, other = m[1:20, ]))
  expect_identical(list$mask$other, truth_of(m[1:20, ]))
  expect_identical(model$training, TRUE)
  skip_if_not_installed("magick")
  grey <- magick::image_convert(magick::image_read(array(rep(m / 255, 3), c(dim(m), 3))), colorspace = "gray")
  expect_identical(segment(model, grey)$mask, truth_of(m))
})

test_that("models of resized pictures bring probabilities back to the picture's size", {
  model <- bright_model(bright_spec(resize = TRUE, size = c(16, 16)))
  m <- matrix(10L, 64, 96)
  m[, 49:96] <- 240L
  result <- segment(model, list(m, m[1:50, ]), output = c("mask", "probabilities"))
  expect_identical(result$mask[[1]][, c(1:46, 51:96)], truth_of(m)[, c(1:46, 51:96)])
  expect_identical(dim(result$mask[[2]]), c(50L, 96L))
  small <- predict(structure(list(model = model, ctx = list()), class = own_first("luz_module_fitted")),
    torch_round(resize_picture(torch_tensor(m / 255)$unsqueeze(1), c(16, 16)) * 255) / 255, verbose = FALSE)
  whole <- as_array(nnf_interpolate(nnf_softmax(small, 2), size = c(64, 96), mode = "bilinear"))
  expect_lt(max(abs(result$probabilities[[1]][, , 2] - whole[1, 2, , ])), 1e-4)
  # The same, strip by strip.
  source <- source_of_tensor(torch_tensor(m / 255)$unsqueeze(1), "x")
  at_once <- resized_source(source, c(16, 16))
  withr::local_options(candela.streamed_pixels = 700)
  expect_identical(strip_rows(c(64, 96)), 7)
  expect_equal(as_array(resized_source(source, c(16, 16))), as_array(at_once), tolerance = 1e-5)
  expect_identical(segment(model, m)$mask, result$mask[[1]])
})

test_that("flips and several models give the mean of probabilities", {
  spec <- bright_spec()
  model <- bright_model(spec)
  other <- bright_model(spec)
  with_no_grad(other$conv$weight$mul_(0.5))
  m <- drawn_picture(32, 32)
  p <- function(model, m, ...) segment(model, m, output = "probabilities", ...)$probabilities
  expect_equal(p(list(model, other), m), (p(model, m) + p(other, m)) / 2, tolerance = 1e-6)
  mirrored <- p(model, m[, 32:1])[, 32:1, ]
  expect_equal(p(model, m, flips = TRUE), (p(model, m) + mirrored) / 2, tolerance = 1e-6)
  all <- list(p(model, m), mirrored, p(model, m[32:1, ])[32:1, , ], p(model, m[32:1, 32:1])[32:1, 32:1, ])
  expect_equal(p(model, m, flips = "both"), Reduce(`+`, all) / 4, tolerance = 1e-6)
  both <- (p(model, m, flips = "vertical") + p(other, m, flips = "vertical")) / 2
  expect_equal(p(list(model, other), m, flips = "vertical"), both, tolerance = 1e-6)
  # By tiles too.
  expect_equal(p(list(model, other), m, flips = "vertical", tile = 96, overlap = 8), both, tolerance = 1e-6)
  expect_error(segment(list(model, bright_model(bright_spec("uint16"))), m), "differ in `type`", class = "value_error")
})

test_that("masks have the values or colours of training, or numbers of classes", {
  root <- withr::local_tempdir()
  m <- drawn_picture(20, 24)
  spec <- bright_spec(nodata = 30, mask = list(kind = "value", value = c(7, 1000), class = 1:2, void = 9))
  spec$classes$value <- c(7, 1000)
  model <- bright_model(spec)
  segment(model, m, file.path(root, "v.png"), output = "mask")
  expect_identical(image_info(file.path(root, "v.png"))$bits, 16L)
  expect_identical(image_labels(file.path(root, "v.png")), matrix(ifelse(m == 30, 9L, ifelse(m > 127, 1000L, 7L)), 20))
  segment(model, m, file.path(root, "n.png"), output = "mask", values = "class")
  expect_identical(image_labels(file.path(root, "n.png")), matrix(ifelse(m == 30, 0L, truth_of(m)), 20))
  spec$mask$kind <- "colour"
  spec$classes$colour <- c("#102030", "#FF0080")
  segment(bright_model(spec), m, file.path(root, "c.png"), output = "mask")
  rgb <- round(image_read(file.path(root, "c.png")) * 255)
  expect_equal(unique(matrix(rgb, ncol = 3)[m > 127, ]), rbind(c(255, 0, 128)))
  expect_equal(unique(matrix(rgb, ncol = 3)[m %in% c(10, 20), ]), rbind(c(16, 32, 48)))
  expect_error(segment(model, m, file.path(root, "g.tif"), format = "geotiff"), "coordinates|terra")
  skip_without_tiff()
  segment(model, m, root, format = "tiff", output = c("mask", "probabilities", "entropy"))
  expect_identical(image_labels(file.path(root, "x.tif"))[6, 10], 1000L)
  expect_identical(image_info(file.path(root, "probabilities", "x.tif"))$channels, 2L)
})

test_that("numbers of other units, types and bands are scaled, said or refused", {
  model <- bright_model(bright_spec())
  m <- drawn_picture()
  expect_error(segment(model, m * 16), "0 to|numbers from 160 to 3840.*uint8, 0 to 255", class = "value_error")
  expect_error(segment(model, array(1, c(8, 8, 4))), "`x` has 4 bands, but the model was trained on 1",
    class = "value_error")
  float <- bright_model(bright_spec("float32"))
  expect_message(scaled <- segment(float, m), "divided by 255", class = "candela_message_scaling")
  expect_identical(scaled$mask, truth_of(m))
  expect_silent(expect_identical(segment(float, m / 255)$mask, truth_of(m)))
  far <- bright_spec("float32", scaling = list(method = "normalise", shift = 0.3, factor = 0.1, clamp = FALSE))
  expect_warning(segment(bright_model(far), m * 41.5), "lie around", class = "candela_warning_scaling")
  file <- withr::local_tempfile(fileext = ".png")
  image_write(m / 255, file, bits = 16)
  expect_error(segment(model, file), "1 band of type uint16, but the model was trained on 1 of type uint8",
    class = "value_error")
  expect_error(segment(model, "nowhere/*.png"), "no pictures", class = "value_error")
  expect_error(segment(nn_conv2d(1, 2, 3), m), "does not know its input", class = "value_error")
  expect_error(segment(model, m, tile = 100), "multiple of 32", class = "value_error")
  expect_error(segment(model, m, tile = 64), "at least", class = "value_error")
  own <- withr::local_tempdir()
  image_write(m, file.path(own, "a.png"))
  expect_error(segment(model, own, own), "take the picture's place", class = "value_error")
})

test_that("a killed run leaves whole files, and goes on where it stopped", {
  skip_if_not_installed("callr")
  skip_on_cran()
  root <- withr::local_tempdir()
  dir.create(file.path(root, "new"))
  m <- matrix(sample(0:255, 150 * 150, TRUE), 150)
  for (k in 1:16) image_write(m, file.path(root, "new", sprintf("%02d.png", k)))
  torch_save(bright_model(bright_spec()), file.path(root, "model.pt"))
  work <- function(root) {
    library(candela)
    torch_set_num_threads(1)
    segment(torch_load(file.path(root, "model.pt")), file.path(root, "new"), file.path(root, "out"), batch_size = 1)
  }
  child <- callr::r_bg(work, list(root))
  while (child$is_alive() && length(list.files(file.path(root, "out"), "png$")) < 3) Sys.sleep(0.002)
  child$kill()
  child$wait()
  done <- list.files(file.path(root, "out"), "png$", full.names = TRUE, recursive = TRUE)
  expect_gt(length(done), 2)
  expect_lt(length(done), 32)
  for (path in done) expect_identical(dim(image_read(path))[1:2], c(150L, 150L))
  table <- utils::read.csv(file.path(root, "out", "areas.csv"))
  known <- unique(table$output[!is.na(table$output)])
  before <- file.mtime(known)
  model <- torch_load(file.path(root, "model.pt"))
  result <- segment(model, file.path(root, "new"), file.path(root, "out"), resume = TRUE)
  expect_identical(file.mtime(known), before)
  expect_identical(nrow(result$table), 32L)
  expect_true(all(file.exists(result$table$output)))
  expect_length(list.files(file.path(root, "out"), "^\\.(segment|saving)-", all.files = TRUE, recursive = TRUE), 0)
  expect_equal(result$table$pixels[1:2], result$table$pixels[31:32])
})

test_that("an interrupt leaves whole files, of a folder and of a raster", {
  skip_if_not_installed("callr")
  skip_if_not_installed("terra")
  skip_on_cran()
  skip_on_os("windows")
  root <- withr::local_tempdir()
  dir.create(file.path(root, "new"))
  m <- matrix(sample(0:255, 150 * 150, TRUE), 150)
  for (k in 1:16) image_write(m, file.path(root, "new", sprintf("%02d.png", k)))
  # The last one is a raster of many small tiles.
  r <- terra::rast(nrows = 900, ncols = 900, xmin = 0, xmax = 900, ymin = 0, ymax = 900, vals = rep_len(m, 900^2),
    crs = "EPSG:32633")
  terra::writeRaster(r, file.path(root, "new", "scene.tif"), datatype = "INT1U")
  torch_save(bright_model(bright_spec()), file.path(root, "model.pt"))
  work <- function(root) {
    library(candela)
    torch_set_num_threads(1)
    segment(torch_load(file.path(root, "model.pt")), file.path(root, "new"), file.path(root, "out"), batch_size = 1,
      tile = 96, overlap = 8, resume = TRUE, output = "mask")
  }
  written <- function(pattern) list.files(file.path(root, "out"), pattern, all.files = TRUE, full.names = TRUE)
  masks <- told <- NULL
  stopped_when <- function(there) {
    child <- callr::r_bg(work, list(root))
    while (child$is_alive() && !there()) Sys.sleep(0.002)
    child$interrupt()
    child$wait(20000)
    expect_error(child$get_result())
    expect_length(written("^[.]saving"), 0)
    table <- utils::read.csv(file.path(root, "out", "areas.csv"))
    masks <<- list.files(file.path(root, "out"), "png$|tif$")
    told <<- table$output
    expect_true(all(basename(told) %in% masks))
    # One may have been written, but not told.
    expect_lte(length(setdiff(masks, basename(told))), 1)
    for (path in written("png$")) expect_identical(dim(image_read(path))[1:2], c(150L, 150L))
  }
  stopped_when(function() length(written("png$")) >= 3)
  first <- told
  before <- file.mtime(first)
  expect_lt(length(masks), 16)
  stopped_when(function() length(written("^[.]saving.*tif$")) == 1)
  expect_identical(masks, sprintf("%02d.png", 1:16))
  expect_identical(file.mtime(first), before)
})

test_that("of a file of several pages the first is taken, and that is said", {
  root <- withr::local_tempdir()
  file <- file.path(root, "stack.tif")
  page <- function(value) list(width = 4, height = 3, data = as.raw(rep(value, 12)))
  write_tiff(file, page(200), page(10))
  skip_without_tiff()
  expect_message(result <- segment(bright_model(bright_spec()), file), "has 2 pages",
    class = "candela_message_pages")
  expect_identical(result$mask, matrix(2L, 3, 4))
  expect_silent(second <- segment(bright_model(bright_spec(page = 2)), file))
  expect_identical(second$mask, matrix(1L, 3, 4))
  expect_identical(segment(bright_model(bright_spec()), image_read(file, page = 2)[, , 1] * 255)$mask, matrix(1L, 3, 4))
})

test_that("workers share the files", {
  skip_on_cran()
  root <- withr::local_tempdir()
  dir.create(file.path(root, "new"))
  for (k in 1:4) image_write(drawn_picture(30 + k, 40), file.path(root, "new", sprintf("%d.png", k)))
  writeBin(as.raw(1:100), file.path(root, "new", "bad.png"))
  model <- bright_model(bright_spec())
  expect_warning(result <- segment(model, file.path(root, "new"), file.path(root, "out"), workers = 2), "1 of 5")
  expect_warning(here <- segment(model, file.path(root, "new"), file.path(root, "here")), "1 of 5")
  expect_identical(result$table$pixels, here$table$pixels)
  expect_identical(image_labels(file.path(root, "out", "3.png")), image_labels(file.path(root, "here", "3.png")))
})

test_that("a bar shows the progress", {
  withr::local_options(luz.force_progress_bar = TRUE)
  m <- drawn_picture()
  expect_message(segment(bright_model(bright_spec()), list(m, m[1:20, ])), "2/2")
})

test_that("predict() takes names of files, and one picture", {
  root <- withr::local_tempdir()
  m <- drawn_picture()
  for (name in c("a.png", "b.png")) image_write(m, file.path(root, name))
  fitted <- structure(list(model = bright_model(bright_spec(resize = TRUE)), ctx = list()),
    class = own_first("luz_module_fitted"))
  y <- predict(fitted, file.path(root, "a.png"), verbose = FALSE)
  expect_equal(dim(y), c(1, 2, 32, 32))
  expect_equal(dim(predict(fitted, root, verbose = FALSE)), c(2, 2, 32, 32))
  x <- read_input(file.path(root, "a.png"), fitted$model)$x
  expect_equal(as_array(predict(fitted, x, verbose = FALSE)), as_array(y))
  fitted$model <- bright_model(bright_spec())
  expect_equal(dim(predict(fitted, file.path(root, "a.png"), verbose = FALSE)), c(1, 2, 40, 56))
  image_write(m[1:20, ], file.path(root, "b.png"))
  expect_error(predict(fitted, root, verbose = FALSE), "different sizes", class = "value_error")
})
