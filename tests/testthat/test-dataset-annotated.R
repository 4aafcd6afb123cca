# Published sets, from small files of their formats.

photo <- function(path, value = 0.5, size = c(6, 5)) {
  dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
  image_write(array(value, c(size, 3)), path)
}

lines_at <- function(path, ...) {
  dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
  writeLines(c(...), path)
}

test_that("pets: breeds, species and masks", {
  root <- withr::local_tempdir()
  synthetic_pets(root, n = 4, seed = 1)
  dir.create(file.path(root, "oxfordiiitpet"))
  file.rename(file.path(root, "oxford-pet"), file.path(root, "oxfordiiitpet", "raw"))
  breeds <- oxfordiiitpet_dataset(root, transform = transform_to_tensor)
  expect_equal(breeds[1]$x$shape[[1]], 3)
  expect_true(all(breeds$targets %in% seq_along(breeds$classes)))
  binary <- oxfordiiitpet_binary_dataset(root)
  expect_equal(binary$classes, c("Cat", "Dog"))
  expect_true(all(binary$targets %in% 1:2))
  seen <- NULL
  masked <- oxfordiiitpet_segmentation_dataset(root, target_type = "binary-category", item_transform = function(item) {
    seen <<- class(item)
    item
  })
  item <- masked[2]
  expect_equal(seen, c("image_with_segmentation_mask", "list"))
  expect_equal(item$y$masks$shape, c(3, dim(item$x)[1:2]))
  expect_equal(item$y$label, binary$targets[[2]])
  expect_equal(as_array(item$y$masks$to(dtype = "int")$sum(1)), array(1, dim(item$x)[1:2]))
  expect_error(oxfordiiitpet_dataset(withr::local_tempdir()), "download = TRUE", class = "runtime_error")
})

test_that("Pascal VOC: masks and boxes", {
  root <- withr::local_tempdir()
  voc <- file.path(root, "pascal-voc-2012", "VOCdevkit", "VOC2012")
  photo(file.path(voc, "JPEGImages", "a.jpg"))
  labels <- matrix(c(0L, 1L, 20L, 255L, 0L, 1L), 2)
  dir.create(file.path(voc, "SegmentationClass"))
  image_write(labels / 255, file.path(voc, "SegmentationClass", "a.png"))
  lines_at(file.path(voc, "ImageSets", "Segmentation", "train.txt"), "a")
  lines_at(file.path(voc, "ImageSets", "Main", "train.txt"), "a")
  lines_at(file.path(voc, "Annotations", "a.xml"), "<annotation><size><width>5</width><height>6</height></size>",
    "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>4</xmax>", "<ymax>5</ymax></bndbox></object>",
    "<object><name>dog</name><part><name>head</name></part><bndbox><xmax>3</xmax><xmin>2</xmin><ymin>1</ymin>",
    "<ymax>2</ymax></bndbox></object></annotation>")
  y <- pascal_segmentation_dataset(root)[1]$y
  expect_equal(y$labels, c(1L, 2L, 21L))
  expect_equal(y$masks$shape, c(21, 2, 3))
  expect_equal(as_array(y$masks[21, , ]), labels == 20)
  y <- pascal_detection_dataset(root)[1]$y
  expect_equal(as_array(y$boxes), rbind(c(1, 2, 4, 5), c(2, 1, 3, 2)))
  expect_equal(y$labels, c("cat", "dog"))
  expect_equal(c(y$image_height, y$image_width), c(6, 5))
  expect_error(pascal_segmentation_dataset(root, year = "2010", split = "test"), "no `split = \"test\"`")
  expect_error(pascal_detection_dataset(root, split = "val"), "val.txt' is missing", class = "runtime_error")
})

test_that("folders of classes: Caltech and faces", {
  root <- withr::local_tempdir()
  for (class in c("BACKGROUND_Google", "ant", "wren")) {
    photo(file.path(root, "caltech-101", "caltech-101", "101_ObjectCategories", class, "1.jpg"))
  }
  for (class in c("001.ak47", "002.flag")) photo(file.path(root, "caltech256", "256_ObjectCategories", class, "1.jpg"))
  expect_equal(caltech101_dataset(root)$classes, c("ant", "wren"))
  data <- caltech256_dataset(root)
  expect_equal(data$classes, c("ak47", "flag"))
  expect_equal(data[2]$y, 2L)
  for (name in c("Ann_Bee", "Cy_Dee")) for (i in 1:2) {
    photo(file.path(root, "lfw", name, sprintf("%s_%04d.jpg", name, i)), i / 4)
  }
  people <- lfw_people_dataset(root)
  expect_equal(people$targets, c(1L, 1L, 2L, 2L))
  lines_at(file.path(root, "pairsDevTrain.txt"), "1", "Ann_Bee\t1\t2", "Ann_Bee\t2\tCy_Dee\t1")
  made <- dataset("made", inherit = lfw_pairs_dataset,
    lists = list(train = c("pairsDevTrain.txt", unname(tools::md5sum(file.path(root, "pairsDevTrain.txt"))))))
  pairs <- made(root)
  expect_equal(pairs$targets, c(1, 2))
  expect_equal(pairs[1]$x[[2]][1, 1, 1], 0.5, tolerance = 0.02)
  expect_error(lfw_pairs_dataset(root), "Corrupt file", class = "runtime_error")
})

test_that("land, moods and aircraft", {
  root <- withr::local_tempdir()
  photo(file.path(root, "eurosat", "images", "Forest", "Forest_1.jpg"), 0.25)
  photo(file.path(root, "eurosat", "images", "River", "River_7.jpg"))
  lines_at(file.path(root, "eurosat-val.txt"), "River_7.jpg", "Forest_1.jpg")
  land <- eurosat_dataset(root)
  expect_equal(land$classes, c("River", "Forest"))
  expect_equal(land[2]$y, 2L)
  expect_equal(land[2]$x[1, 1, 1], 0.25, tolerance = 0.02)
  expect_error(eurosat_dataset(root, split = "train"), "download = TRUE", class = "runtime_error")
  lines_at(file.path(root, "fer2013", "fer2013.csv"), "emotion,pixels,Usage",
    paste0("3,", paste(rep(c(1, 255), 48 * 24), collapse = " "), ",Training"),
    paste0("0,", paste(rep(7, 48 * 48), collapse = " "), ",PublicTest"))
  face <- fer_dataset(root)[1]
  expect_equal(face$y, 4L)
  expect_equal(face$x[1, 1:3], c(1L, 255L, 1L))
  expect_length(fer_dataset(root, train = FALSE), 1)
  craft <- file.path(root, "fgvc-aircraft-2013b", "data")
  lines_at(file.path(craft, "manufacturers.txt"), "Airbus", "Boeing")
  lines_at(file.path(craft, "families.txt"), "A320", "Boeing 737")
  lines_at(file.path(craft, "variants.txt"), "737-200", "A320")
  lines_at(file.path(craft, "images_manufacturer_train.txt"), "0000001 Boeing", "0000002 Airbus")
  lines_at(file.path(craft, "images_family_train.txt"), "0000002 A320", "0000001 Boeing 737")
  lines_at(file.path(craft, "images_variant_train.txt"), "0000001 737-200", "0000002 A320")
  photo(file.path(craft, "images", "0000001.jpg"), 0.2)
  expect_equal(fgvc_aircraft_dataset(root)$targets, c(1L, 2L))
  item <- fgvc_aircraft_dataset(root, annotation_level = "all")[1]
  expect_equal(item$y, c(2L, 2L, 1L))
  expect_equal(item$x[1, 1, 1], 51, tolerance = 0.1)
})

test_that("COCO: boxes, polygons, sentences", {
  skip_if_not_installed("jsonlite")
  root <- withr::local_tempdir()
  coco <- file.path(root, "coco2017")
  photo(file.path(coco, "val2017", "a.jpg"))
  lines_at(file.path(coco, "annotations", "instances_val2017.json"), '{"images": [
    {"id": 7, "file_name": "a.jpg", "height": 6, "width": 5},
    {"id": 8, "file_name": "gone.jpg", "height": 1, "width": 1}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
    "annotations": [
      {"image_id": 7, "category_id": 18, "bbox": [1, 1, 2, 3], "area": 4, "iscrowd": 0,
        "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]},
      {"image_id": 8, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0,
        "segmentation": [[0, 0, 1, 0, 1, 1]]}
    ]}')
  boxes <- coco_detection_dataset(root, train = FALSE)
  expect_length(boxes, 1)
  y <- boxes[1]$y
  expect_equal(as_array(y$boxes), matrix(c(1, 1, 3, 4), 1))
  expect_equal(unname(y$labels), "dog")
  masks <- coco_segmentation_dataset(root, train = FALSE, target_transform = target_transform_coco_masks)[1]$y$masks
  expect_equal(masks$shape, c(1, 6, 5))
  expect_equal(as_array(masks$sum()), 9)
  photo(file.path(root, "coco2014", "val2014", "COCO_val2014_000000000007.jpg"))
  lines_at(file.path(root, "coco2014", "annotations", "captions_val2014.json"),
    '{"annotations": [{"image_id": 7, "caption": "a dog"}, {"image_id": 7, "caption": "one dog"}]}')
  captions <- coco_caption_dataset(root, train = FALSE)
  expect_length(captions, 2)
  expect_equal(captions[2]$y, "one dog")
  raw <- file.path(root, "flickr8k", "raw")
  photo(file.path(raw, "Flicker8k_Dataset", "b.jpg"))
  lines_at(file.path(raw, "Flickr8k.token.txt"), "b.jpg#0\tA child .", "b.jpg#1\tTwo .", "c.jpg#0\tNone .")
  lines_at(file.path(raw, "Flickr_8k.trainImages.txt"), "b.jpg", "c.jpg")
  expect_equal(flickr8k_caption_dataset(root)[1]$y, c("A child .", "Two ."))
  raw <- file.path(root, "flickr30k", "raw")
  lines_at(file.path(raw, "dataset_flickr30k.json"), '{"images": [{"filename": "d.jpg", "split": "train",
    "sentences": [{"raw": "x"}, {"raw": "y"}]}, {"filename": "e.jpg", "split": "test", "sentences": [{"raw": "z"}]}]}')
  expect_equal(flickr30k_caption_dataset(root, train = FALSE)$targets, list("z"))
})

test_that("names of classes", {
  expect_equal(pascal_voc_classes(c(1, 21)), c("background", "tv/monitor"))
  expect_length(coco_classes(), 90)
  expect_equal(coco_classes(c(1, 18, 90)), c("person", "dog", "toothbrush"))
  expect_warning(pascal_voc_classes(22), "there are 21 classes")
  expect_error(coco_classes(0), "`class_id` must be numbers of classes", class = "value_error")
})
