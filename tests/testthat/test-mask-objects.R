disc <- function(size, row, column, radius) {
  outer((seq_len(size[[1]]) - row)^2, (seq_len(size[[2]]) - column)^2, "+") <= radius^2
}

# Labels by spreading from pixel to pixel.
spread_labels <- function(mask, connectivity) {
  labels <- matrix(0L, nrow(mask), ncol(mask))
  n <- 0L
  steps <- expand.grid(-1:1, -1:1)
  steps <- steps[rowSums(abs(steps)) %in% (if (connectivity == 8) 1:2 else 1), ]
  for (at in which(t(mask) > 0)) {
    row <- (at - 1) %/% ncol(mask) + 1
    column <- (at - 1) %% ncol(mask) + 1
    if (labels[row, column] > 0) next
    n <- n + 1L
    open <- list(c(row, column))
    labels[row, column] <- n
    while (length(open) > 0) {
      here <- open[[1]]
      open <- open[-1]
      for (k in seq_len(nrow(steps))) {
        to <- here + as.integer(steps[k, ])
        if (any(to < 1) || any(to > dim(mask))) next
        if (labels[to[[1]], to[[2]]] == 0 && mask[to[[1]], to[[2]]] == mask[here[[1]], here[[2]]]) {
          labels[to[[1]], to[[2]]] <- n
          open <- c(open, list(to))
        }
      }
    }
  }
  labels
}

test_that("components are those of spreading, in reading order, with 4 and 8 neighbours", {
  set.seed(1)
  for (size in list(c(1, 9), c(9, 1), c(11, 14))) {
    for (share in c(0.4, 0.6)) {
      mask <- matrix(sample(0:2, prod(size), TRUE, c(1 - share, share, share)), size[[1]])
      for (connectivity in c(4, 8)) {
        objects <- mask_objects(mask, connectivity = connectivity)
        expect_identical(objects$labels, spread_labels(mask, connectivity))
        expect_equal(nrow(objects$table), max(objects$labels))
        expect_equal(objects$table$pixels, tabulate(objects$labels))
        expect_equal(as.character(objects$table$class), as.character(vapply(seq_len(max(objects$labels)),
          function(k) mask[which(objects$labels == k)[[1]]], 0L)))
      }
    }
  }
})

test_that("long winding components are joined", {
  comb <- matrix(0L, 41, 60)
  comb[seq(1, 41, 2), ] <- 1L
  comb[cbind(seq(2, 40, 2), rep_len(c(60, 1), 20))] <- 1L
  expect_equal(nrow(mask_objects(comb)$table), 1)
  spiral <- 1L - comb
  expect_identical(mask_objects(spiral, connectivity = 4)$labels, spread_labels(spiral, 4))
})

test_that("measures are those of the pixels", {
  set.seed(2)
  mask <- matrix(stats::rbinom(400, 1, 0.5), 16)
  objects <- mask_objects(mask, pixel_size = c(2, 0.5))
  for (k in seq_len(nrow(objects$table))) {
    at <- which(objects$labels == k, arr.ind = TRUE)
    o <- objects$table[k, ]
    expect_equal(o$area, nrow(at))
    expect_equal(c(o$row, o$column), unname(colMeans(at)))
    expect_equal(c(o$x, o$y), unname((rev(colMeans(at)) - 0.5) * c(0.5, 2)))
    expect_equal(c(o$top, o$bottom, o$left, o$right), c(range(at[, 1]), range(at[, 2])))
    expect_equal(o$at_border, any(at[, 1] %in% c(1, 16)) || any(at[, 2] %in% c(1, 25)))
    spread <- cov(rbind(at, at)) * (2 * nrow(at) - 1) / (2 * nrow(at))
    spread <- (spread + diag(2) / 12) * outer(c(2, 0.5), c(2, 0.5))
    expect_equal(c(o$major, o$minor), 4 * sqrt(eigen(spread)$values))
  }
})

test_that("discs are counted, parted and measured right", {
  size <- c(220, 300)
  centres <- rbind(c(40, 40), c(40, 84), c(80, 60), c(150, 60), c(150, 105), c(120, 220), c(170, 220), c(145, 255))
  radii <- c(23, 22, 23, 24, 22, 26, 27, 20)
  mask <- Reduce(`|`, lapply(seq_along(radii), function(k) disc(size, centres[k, 1], centres[k, 2], radii[[k]])))
  whole <- mask_objects(mask)$table
  expect_lt(nrow(whole), length(radii))
  expect_equal(sum(whole$pixels), sum(mask))
  parted <- mask_objects(mask, part = TRUE)
  expect_equal(nrow(parted$table), length(radii))
  expect_equal(sum(parted$table$pixels), sum(mask))
  distance <- as.matrix(dist(rbind(centres, as.matrix(parted$table[c("row", "column")]))))[1:8, 9:16]
  found <- apply(distance, 1, which.min)
  expect_setequal(found, 1:8)
  expect_lt(max(apply(distance, 1, min)), 1.5)
  expect_equal(parted$table$area[found] / (pi * radii^2), rep(1, 8), tolerance = 0.06)
})

test_that("discs have the circumference, axes and roundness of circles", {
  for (radius in c(8, 15.3, 40)) {
    o <- mask_objects(disc(c(100, 100), 50.3, 50.6, radius), pixel_size = 0.25, unit = "um")$table
    expect_equal(o$area, pi * radius^2 / 16, tolerance = 0.02)
    expect_equal(o$perimeter, 2 * pi * radius / 4, tolerance = 0.015)
    expect_equal(c(o$major, o$minor), rep(radius / 2, 2), tolerance = 0.01)
    expect_gt(o$roundness, 0.97)
  }
  # The same disc in pixels twice as high as wide.
  stretched <- outer((2 * seq_len(60) - 60)^2, (seq_len(120) - 60)^2, "+") <= 40^2
  o <- mask_objects(stretched, pixel_size = c(2, 1))$table
  expect_equal(o$perimeter, 2 * pi * 40, tolerance = 0.02)
  expect_equal(c(o$major, o$minor), c(80, 80), tolerance = 0.01)
})

test_that("ellipses have their axes and angle", {
  for (angle in c(0, 30, 90, 135)) {
    turn <- angle * pi / 180
    x <- matrix(seq_len(120) - 60, 120, 120, byrow = TRUE)
    y <- 60 - matrix(seq_len(120), 120, 120)
    along <- x * cos(turn) + y * sin(turn)
    across <- y * cos(turn) - x * sin(turn)
    o <- mask_objects((along / 40)^2 + (across / 15)^2 <= 1)$table
    expect_equal(c(o$major, o$minor), c(80, 30), tolerance = 0.02)
    expect_lt(abs(((o$angle - angle + 90) %% 180) - 90), 1)
  }
})

test_that("more depth, distance and smoothing part less; a single disc stays whole", {
  bone <- disc(c(60, 100), 30, 30, 20) | disc(c(60, 100), 30, 62, 20)
  count <- function(...) nrow(mask_objects(bone, part = TRUE, ...)$table)
  expect_equal(count(), 2)
  expect_equal(count(depth = 12), 1)
  expect_equal(count(distance = 40), 1)
  expect_equal(count(neck = 0.3), 1)
  expect_equal(count(smooth = 15), 1)
  for (radius in c(1, 3, 5.5, 10, 30)) {
    expect_equal(nrow(mask_objects(disc(c(80, 80), 40.2, 39.7, radius), part = TRUE)$table), 1)
  }
  everything <- matrix(TRUE, 5, 7)
  expect_equal(nrow(mask_objects(everything, part = TRUE)$table), 1)
})

test_that("parting keeps pixels and classes, and numbers in reading order", {
  set.seed(3)
  noise <- matrix(sample(0:2, 60 * 50, TRUE, c(0.3, 0.5, 0.2)), 60)
  for (connectivity in c(4, 8)) {
    o <- mask_objects(noise, part = TRUE, depth = 0, neck = 1, connectivity = connectivity)
    expect_identical(o$labels > 0, noise > 0)
    inside <- o$labels > 0
    expect_identical(as.integer(as.character(o$table$class))[o$labels[inside]], noise[inside])
    first <- vapply(seq_len(max(o$labels)), function(k) which(t(o$labels) == k)[[1]], 0L)
    expect_false(is.unsorted(first))
    # Each part is connected.
    expect_equal(nrow(mask_objects(o$labels, connectivity = connectivity)$table), max(o$labels))
  }
})

test_that("classes have names, and the background is no object", {
  mask <- matrix(1L, 12, 12)
  mask[2:4, 2:4] <- 2L
  mask[8:10, 3:9] <- 3L
  o <- mask_objects(mask, classes = c("background", "cell", "debris"))
  expect_equal(as.character(o$table$class), c("cell", "debris"))
  expect_equal(levels(o$table$class), c("background", "cell", "debris"))
  expect_equal(nrow(mask_objects(mask, c("background", "cell", "debris"), objects = "debris")$table), 1)
  expect_equal(nrow(mask_objects(mask)$table), 3)
  values <- matrix(c(0, 255)[(mask == 2) + 1], 12)
  expect_equal(as.character(mask_objects(values, c(background = 0, cell = 255))$table$class), "cell")
  expect_equal(mask_objects(values, c(membrane = 0, cell = 255))$table$pixels, 9)
  expect_equal(mask_objects(torch_tensor(mask), objects = 2)$table$pixels, 9)
  scores <- torch_tensor(array(c(mask == 1, mask == 2), c(12, 12, 2)) + 0)$permute(c(3, 1, 2))
  expect_equal(mask_objects(scores$unsqueeze(1), objects = 2)[[1]]$table$pixels, 9)
})

test_that("files, lists and small objects", {
  folder <- withr::local_tempdir()
  mask <- 255L * disc(c(30, 30), 10, 10, 5) + 255L * disc(c(30, 30), 25, 25, 1)
  files <- file.path(folder, c("a.png", "b.png"))
  for (file in files) image_write(mask, file)
  classes <- c(background = 0, cell = 255)
  both <- mask_objects(files, classes)
  table <- as.data.frame(both)
  expect_equal(table$picture, rep(c("a.png", "b.png"), each = 2))
  expect_equal(table$pixels, rep(c(81, 5), 2))
  one <- mask_objects(files[[1]], classes, min_area = 10, image = matrix(1:900, 30))
  expect_equal(one$table$mean, mean(which(one$labels == 1)))
  expect_equal(max(one$labels), 1)
  expect_output(print(one), "1 object")
  expect_output(print(both), "4 objects in 2 masks")
  expect_equal(summary(one)$count, 1)
  colours <- array(0, c(30, 30, 3))
  colours[, , 1] <- mask / 255
  image_write(colours, files[[1]])
  expect_equal(mask_objects(files[[1]], c(none = "black", cell = "red"))$table$pixels, c(81, 5))
  expect_error(mask_objects(files[[1]]), "colours: give `classes`", class = "value_error")
})

test_that("empty masks have no objects", {
  o <- mask_objects(matrix(0L, 5, 4), part = TRUE)
  expect_equal(nrow(o$table), 0)
  expect_output(print(o), "0 objects")
  expect_equal(nrow(mask_polygons(o, as = "table")), 0)
  expect_equal(nrow(mask_objects(matrix(0L, 0, 4))$table), 0)
  expect_equal(nrow(mask_objects(matrix(NA_integer_, 3, 4))$table), 0)
})

test_that("what is no mask is refused", {
  expect_error(mask_objects("none.png"), "none.png")
  expect_error(mask_objects(matrix(0.5, 2, 2)), "not whole", class = "value_error")
  expect_error(mask_objects(1:4), "`mask` must be", class = "value_error")
  expect_error(mask_objects(matrix(5L, 2, 2), c("a", "b")), "class 5, but there are 2", class = "value_error")
  expect_error(mask_objects(diag(2), connectivity = 6), "`connectivity`", class = "value_error")
  expect_error(mask_objects(diag(2), pixel_size = 0), "`pixel_size`", class = "value_error")
  expect_error(mask_objects(diag(2), c("a", "b"), objects = "c"), "`objects`", class = "value_error")
  expect_error(mask_objects(diag(2), image = matrix(0, 3, 3)), "size of the mask", class = "value_error")
})

test_that("what segment() returns is counted, from memory and from files", {
  mask <- 1L + disc(c(30, 30), 10, 10, 5)
  classes <- class_table(c(background = 0, cell = 255))
  table <- data.frame(file = "a", output = NA_character_)
  size <- structure(c(0.5, 0.5), unit = "um")
  x <- structure(list(table = table, classes = classes, mask = mask, pixel_size = size), class = "candela_segmentation")
  o <- mask_objects(x)
  expect_equal(o$table$area, 81 / 4)
  expect_equal(o$unit, "um")
  x$mask <- list(a = mask, b = NULL, c = mask)
  expect_equal(as.data.frame(mask_objects(x))$picture, c("a", "c"))
  x["mask"] <- list(NULL)
  expect_error(mask_objects(x), "no masks", class = "value_error")
  x$table$output <- withr::local_tempfile(fileext = ".png")
  image_write(matrix(c(0L, 255L)[mask], 30), x$table$output)
  expect_equal(mask_objects(x)$table$pixels, 81)
  image_write(mask, x$table$output)
  expect_equal(as.character(mask_objects(x)$table$class), "cell")
})

test_that("pictures are segmented, counted, drawn and compared", {
  made <- drawn_fit()
  files <- augment(made$fit, made$parts$valid)$image
  found <- segment(made$fit, files)
  objects <- mask_objects(found, part = TRUE)
  expect_s3_class(objects, "candela_objects_list")
  expect_equal(length(objects), 2)
  cells <- vapply(unclass(objects), function(o) sum(o$table$pixels), 0, USE.NAMES = FALSE)
  expect_equal(cells, found$table$pixels[found$table$class == "cell"])
  truth <- sub("images", "masks", files)
  x <- confusion_matrix(found, truth, classes = c(background = 0, cell = 255))
  expect_equal(unname(colSums(x$counts)[["cell"]]), sum(cells))
  expect_equal(x$counts, confusion_matrix(made$fit, made$parts$valid)$counts, ignore_attr = TRUE)
  expect_equal(confusion_matrix(found, truth)$counts, x$counts)
  file <- withr::local_tempfile(fileext = ".png")
  expect_silent(plot_segmentation(files, found, file = file))
  one <- segment(made$fit, files[[1]])
  expect_equal(mask_objects(one)$labels, mask_objects(found)[[1]]$labels)
  expect_silent(overlay_segmentation(files[[1]], one, file = file))
  folder <- withr::local_tempdir()
  written <- suppressMessages(segment(made$fit, files, to = folder, verbose = FALSE))
  expect_equal(as.data.frame(mask_objects(written))$pixels, as.data.frame(mask_objects(found))$pixels)
})
