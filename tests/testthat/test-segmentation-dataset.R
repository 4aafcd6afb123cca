cells <- function(n = 6, size = 32, ...) {
  root <- drawn_cells(tempfile("cells-"), n = n, size = size)
  quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), ...))
}
quietly <- function(code) suppressMessages(code, classes = "candela_message_dataset")
two_classes <- c(background = 0, cell = 255)

test_that("pairs of a folder become pictures and classes", {
  ds <- cells(classes = two_classes)
  expect_length(ds, 6)
  item <- ds[2]
  expect_identical(as.numeric(item$x$shape), c(1, 32, 32))
  expect_identical(item$y$dtype, torch_long())
  file <- ds$source$pairs$image[[2]]
  stored <- image_labels(sub("images", "masks", file))
  expect_identical(as_array(item$y), ifelse(stored == 255L, 2L, 1L))
  scaling <- input_spec(ds)$scaling
  expect_identical(scaling$method, "normalise")
  expect_equal(as_array(item$x)[1, , ], (image_labels(file) - scaling$shift) / scaling$factor, tolerance = 1e-5)
  all_values <- unlist(lapply(ds$source$pairs$image, image_labels))
  expect_equal(c(scaling$shift, scaling$factor), c(mean(all_values), sd(all_values)), tolerance = 1e-5)
})

test_that("what a model needs to know is a plain list", {
  ds <- cells(classes = two_classes)
  spec <- input_spec(ds)
  expect_identical(levels(class_table(ds)$class), c("background", "cell"))
  expect_identical(class_table(spec), class_table(ds))
  expect_identical(unserialize(serialize(spec, NULL)), spec)
  expect_identical(spec$void, -100L)
  expect_identical(spec[c("channels", "type", "resize")], list(channels = 1L, type = "uint8", resize = TRUE))
  read <- read_input(ds$source$pairs$image[[3]], spec)
  expect_equal(as_array(read$x), as_array(ds[3]$x))
  expect_identical(read$size, c(32, 32))
})

test_that("a picture of other bands is refused with both named", {
  spec <- input_spec(cells(classes = two_classes))
  file <- tempfile(fileext = ".png")
  image_write(array(0.5, c(8, 8, 3)), file)
  expect_error(read_input(file, spec), "3 bands of type uint8, but the model was trained on 1 of type uint8",
    class = "value_error")
  image_write(matrix(0.5, 8, 8), file, bits = 16)
  expect_error(read_input(file, spec), "1 band of type uint16, but", class = "value_error")
})

test_that("parts are reproducible, disjoint, and scale as the training part", {
  ds <- cells(n = 10, classes = two_classes)
  parts <- split(ds, c(train = 0.6, valid = 0.2, test = 0.2))
  expect_identical(lengths(parts), c(train = 6L, valid = 2L, test = 2L))
  expect_identical(split(ds, c(train = 0.6, valid = 0.2, test = 0.2))$valid$items, parts$valid$items)
  expect_setequal(unlist(lapply(parts, function(p) p$items)), 1:10)
  expect_identical(input_spec(parts$test), input_spec(parts$train))
  expect_false(identical(input_spec(ds)$scaling, input_spec(parts$train)$scaling))
})

test_that("groups stay together", {
  root <- drawn_cells(tempfile(), n = 12, size = 16)
  of <- function(path) as.integer(substr(basename(path), 6, 7)) %/% 3
  ds <- quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), two_classes, group = of))
  for (part in split(ds, 3)) {
    groups <- lapply(part, function(p) unique(ds$source$pairs$group[p$items]))
    expect_length(intersect(groups$train, groups$valid), 0)
  }
})

test_that("classes are weighed by counts", {
  ds <- cells(classes = two_classes)
  stored <- unlist(lapply(list.files(dirname(sub("images", "masks", ds$source$pairs$image[[1]])), full.names = TRUE),
    image_labels))
  expect_identical(class_counts(ds), c(background = sum(stored == 0), cell = sum(stored == 255)) + 0)
})

test_that("a dataset is drawn", {
  withr::local_pdf(NULL)
  expect_silent(plot(cells(classes = two_classes), 1:2))
})

test_that("masks of one image are numbered where that is asked for", {
  root <- withr::local_tempdir()
  for (k in 1:2) {
    dir.create(file.path(root, k, "masks"), recursive = TRUE)
    image_write(matrix(0.5, 4, 6), file.path(root, k, "image.png"))
    for (m in seq_len(k)) {
      mask <- matrix(0L, 4, 6)
      mask[, m * 2] <- 255L
      image_write(mask, file.path(root, k, "masks", sprintf("%d.png", m)))
    }
  }
  ds <- quietly(segmentation_dataset(file.path(root, "*/image.png"), many = "number"))
  expect_identical(levels(class_table(ds)$class), c("background", "object 1", "object 2"))
  expect_identical(as_array(ds[2]$y)[1, ], c(1L, 2L, 1L, 3L, 1L, 1L))
  expect_error(quietly(segmentation_dataset(file.path(root, "*/image.png"), classes = two_classes, many = "number"))[1],
    "leave it out", class = "value_error")
})

# A palette PNG of one row, written chunk by chunk; `colours` are those of the values 0, 1, ...
palette_png <- function(path, values, colours) {
  image_write(matrix(as.integer(values), 1), path)
  bytes <- readBin(path, "raw", 1e5)
  header <- bytes[seq_len(33)]
  header[[26]] <- as.raw(3)
  header[30:33] <- crc32(header[13:29])
  palette <- c(charToRaw("PLTE"), as.raw(grDevices::col2rgb(colours)))
  size <- function(n) as.raw(c(n %/% 16777216, n %/% 65536 %% 256, n %/% 256 %% 256, n %% 256))
  at <- grepRaw("IDAT", bytes, fixed = TRUE)
  writeBin(c(header, size(length(palette) - 4), palette, crc32(palette), bytes[(at - 4):length(bytes)]), path)
}

crc32 <- function(bytes) {
  table <- vapply(0:255, function(n) {
    for (k in 1:8) n <- if (n %% 2 == 1) xor_32(n %/% 2, 0xEDB88320) else n %/% 2
    n
  }, 0)
  crc <- 0xFFFFFFFF
  for (b in as.integer(bytes)) {
    low <- bitwXor(as.integer(crc %% 256), b)
    crc <- xor_32(table[[low + 1]], crc %/% 256)
  }
  crc <- 0xFFFFFFFF - crc
  as.raw(c(crc %/% 16777216, crc %/% 65536 %% 256, crc %/% 256 %% 256, crc %% 256))
}

xor_32 <- function(a, b) {
  high <- bitwXor(as.integer(a %/% 65536), as.integer(b %/% 65536))
  high * 65536 + bitwXor(as.integer(a %% 65536), as.integer(b %% 65536))
}

test_that("palettes give classes their colours, and palettes that differ are read as colours", {
  root <- withr::local_tempdir()
  for (folder in c("images", "masks")) dir.create(file.path(root, folder))
  for (k in 1:2) image_write(matrix(0.5, 1, 4), file.path(root, "images", sprintf("%d.png", k)))
  mask <- function(k) file.path(root, "masks", sprintf("%d.png", k))
  make <- function(...) quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), ...))
  for (k in 1:2) palette_png(mask(k), c(0, 1, 1, 2), c("black", "red", "white"))
  ds <- make(c(sky = 0, tree = 1), void = 2)
  expect_identical(class_table(ds)[c("value", "colour")],
    data.frame(value = c(0, 1), colour = c("#000000", "#FF0000")))
  expect_identical(as_array(ds[1]$y)[1, ], c(1L, 2L, 2L, -100L))
  by_colour <- make(c(sky = "black", tree = "red"), void = "white")
  expect_identical(as_array(by_colour[1]$y), as_array(ds[1]$y))
  palette_png(mask(2), c(1, 0, 0, 2), c("red", "black", "white"))
  expect_identical(mask_classes(file.path(root, "masks"))[c("colour", "pixels")],
    data.frame(colour = c("#FF0000", "#000000", "#FFFFFF"), pixels = c(4, 2, 2)))
  found <- make()
  expect_identical(levels(class_table(found)$class), c("#000000", "#FF0000", "#FFFFFF"))
  expect_identical(as_array(found[2]$y), as_array(found[1]$y))
  expect_error(make(c(sky = 0, tree = 1), void = 2)[1], "the masks hold colours", class = "value_error")
})

test_that("pixels that are moved to the nearest class are counted in one warning, once", {
  root <- drawn_cells(withr::local_tempdir(), n = 3, size = 16)
  for (file in list.files(file.path(root, "masks"), full.names = TRUE)) {
    mask <- image_labels(file)
    mask[1, 1:2] <- c(3L, 250L)
    image_write(mask, file)
  }
  ds <- quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), two_classes, tolerance = 8))
  w <- capture_warnings(class_counts(ds))
  expect_length(w, 1)
  expect_match(w, "3 masks hold 6 pixels .*cell-01.png")
  expect_silent(class_counts(ds))
  expect_silent(ds[2])
})

test_that("`channels` is for pictures that can have as many", {
  root <- drawn_cells(withr::local_tempdir(), n = 1, size = 16)
  file <- list.files(file.path(root, "images"), full.names = TRUE)
  image_write(array(0.5, c(16, 16, 3)), file)
  make <- function(...) {
    quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), two_classes, ...))
  }
  expect_error(make(channels = 1), "one has 3 bands: choose among them by `bands`", class = "value_error")
  expect_identical(input_spec(make(bands = 2))$channels, 1L)
})

test_that("arguments that cannot be are told by name", {
  root <- drawn_cells(withr::local_tempdir(), n = 2, size = 16)
  make <- function(...) quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), ...))
  expect_error(make(crop = 1.5), "`crop` must be whole numbers", class = "value_error")
  expect_error(make(bands = 1.5), "`bands` must be whole numbers", class = "value_error")
  expect_error(make("gone.csv"), "'gone.csv' does not exist", class = "value_error")
  expect_error(make(two_classes, transform = function(item) item$x)[1], "`transform\\(item\\)` must be an item",
    class = "value_error")
  expect_error(make(c(background = 0, cell = 254), tolerance = 0)[1], "a value that no class has: 255",
    class = "value_error")
  for (file in list.files(file.path(root, "masks"), full.names = TRUE)) {
    image_write(matrix(as.integer(image_labels(file) > 0), 16), file)
  }
  expect_error(make(two_classes)[1], "In masks of 1 bit white is 1", class = "value_error")
})

test_that("masks that only magick reads are values where they are grey", {
  skip_if_not_installed("magick")
  root <- drawn_cells(withr::local_tempdir(), n = 2, size = 16)
  for (file in list.files(file.path(root, "masks"), full.names = TRUE)) {
    magick::image_write(magick::image_read(file), sub("png$", "bmp", file), "bmp")
    unlink(file)
  }
  ds <- quietly(segmentation_dataset(file.path(root, "images"), file.path(root, "masks"), two_classes))
  expect_identical(sort(unique(as.vector(as_array(ds[1]$y)))), 1:2)
})
