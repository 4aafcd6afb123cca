#' @include dataset-folder.R target-transform.R
NULL

# Pictures whose target is more than a class: items are given to `item_transform` when they are complete.
AnnotatedPictures <- dataset("annotated_pictures",
  inherit = PictureFiles,
  kind = NULL, item_transform = NULL,
  target = function(i) {
    y <- self$read_target(i)
    if (is.null(self$target_transform)) y else self$target_transform(y)
  },
  .getitem = function(index) {
    item <- structure(list(x = self$picture(index), y = self$target(index)), class = c(self$kind, "list"))
    if (is.null(self$item_transform)) item else self$item_transform(item)
  }
)

pet_files <- function(root, train, download) {
  folder <- data_folder(file.path(path.expand(root), "oxfordiiitpet"), "raw", lapply(pet_archives, unlist), download)
  pets <- read_pet_list(folder, if (train) "train" else "test")
  pets$path <- file.path(folder, "images", paste0(pets$image, ".jpg"))
  pets$trimap <- file.path(folder, "annotations", "trimaps", paste0(pets$image, ".png"))
  list(pets = pets, breeds = gsub("_", " ", pet_breeds(folder)))
}

#' Published sets of pictures
#'
#' `oxfordiiitpet_dataset()`: the breeds of [oxford_pet_dataset()]; `_binary_`: cat or dog; `_segmentation_`: with
#' masks. `pascal_segmentation_dataset()` and `pascal_detection_dataset()`: Pascal VOC. `coco_detection_dataset()`,
#' `coco_segmentation_dataset()`, `coco_caption_dataset()`: Common Objects in Context. `caltech101_dataset()`,
#' `caltech256_dataset()`: 101 and 256 kinds of things. `eurosat_dataset()`, `eurosat_all_bands_dataset()`,
#' `eurosat100_dataset()`: land from above. `fer_dataset()`: moods in faces. `fgvc_aircraft_dataset()`: aircraft.
#' `flickr8k_caption_dataset()`, `flickr30k_caption_dataset()`: pictures and sentences. `lfw_people_dataset()`,
#' `lfw_pairs_dataset()`: faces. Files are read where they are, in the folders of torchvision below `root`.
#'
#' @param root folder for the files.
#' @param train `TRUE`: training set, `FALSE`: test or validation set.
#' @param split the part, by its name: `"train"`, `"val"`, `"test"`, of Pascal also `"trainval"`; of the faces
#'   `"original"` or `"funneled"`.
#' @param year of the edition, a string.
#' @param target_type `"category"` (breed) or `"binary-category"` (cat, dog).
#' @param annotation_level `"variant"`, `"family"`, `"manufacturer"` or `"all"` (three numbers).
#' @param transform,target_transform,item_transform functions applied to the picture (H x W x 3 array of numbers from 0
#'   to 1; `fer_dataset()`: matrix of 0 to 255; `eurosat_all_bands_dataset()`: tensor 13 x H x W; aircraft: 0 to 255),
#'   to the target, and to the whole item.
#' @param download get the archives where neither the folder nor they are there; published sums are checked.
#' @return A dataset with items `list(x, y)` and, where there are classes, the field `classes`. `y` is a number from 1;
#'   of detection sets a list with `boxes` (tensor n x 4: left, top, right, bottom), `labels` and the size of the
#'   picture; of segmentation sets a list with `masks` (tensor classes x H x W, logical; COCO: `segmentation`,
#'   polygons, see [target_transform_coco_masks()]); of captions text; of pairs 1 for the same person, 2 for two, and
#'   `x` two pictures.
#' @section Errors: a `runtime_error` where the files are missing, damaged, or cannot be had.
#' @source Parkhi et al. (2012), Cats and dogs; Everingham et al. (2010), The Pascal visual object classes challenge;
#'   Lin et al. (2014), Microsoft COCO; Li et al. (2022), Caltech 101; Griffin et al. (2022), Caltech 256; Helber et
#'   al. (2019), EuroSAT; Goodfellow et al. (2013), Challenges in representation learning; Maji et al. (2013),
#'   Fine-grained visual classification of aircraft; Hodosh et al. (2013), Framing image description; Young et al.
#'   (2014), From image descriptions to visual denotations; Huang et al. (2007), Labeled faces in the wild.
#' @examples
#' try(pascal_segmentation_dataset(tempfile()))
#' @name published_pictures
NULL

#' @rdname published_pictures
#' @export
oxfordiiitpet_dataset <- dataset("oxfordiiitpet",
  inherit = PictureFiles,
  initialize = function(root = tempdir(), train = TRUE, transform = NULL, target_transform = NULL, download = FALSE) {
    check_flag(train, "train")
    self$begin(transform, target_transform)
    found <- pet_files(root, train, download)
    self$paths <- found$pets$path
    self$targets <- self$classify(found)
    self$class_to_idx <- stats::setNames(seq_along(self$classes), self$classes)
  },
  classify = function(found) {
    self$classes <- found$breeds
    found$pets$class_id
  }
)

#' @rdname published_pictures
#' @export
oxfordiiitpet_binary_dataset <- dataset("oxfordiiitpet binary",
  inherit = oxfordiiitpet_dataset,
  classify = function(found) {
    self$classes <- c("Cat", "Dog")
    found$pets$species_id
  }
)

#' @rdname published_pictures
#' @export
oxfordiiitpet_segmentation_dataset <- dataset("oxfordiiitpet segmentation",
  inherit = AnnotatedPictures, kind = "image_with_segmentation_mask",
  initialize = function(root = tempdir(), train = TRUE, target_type = "category", transform = NULL,
                        target_transform = NULL, item_transform = NULL, download = FALSE) {
    check_flag(train, "train")
    check_choice(target_type, "target_type", c("category", "binary-category"))
    self$begin(transform, target_transform)
    self$item_transform <- item_transform
    found <- pet_files(root, train, download)
    self$paths <- found$pets$path
    self$trimaps <- found$pets$trimap
    binary <- target_type == "binary-category"
    self$labels <- if (binary) found$pets$species_id else found$pets$class_id
    self$classes <- if (binary) c("Cat", "Dog") else found$breeds
  },
  read_target = function(i) {
    masks <- target_transform_trimap_masks(list(trimap = image_labels(self$trimaps[[i]])))$masks
    list(masks = masks, label = self$labels[[i]])
  }
)

# ---- Pascal VOC ----

#' Names of the classes of published sets
#'
#' `pascal_voc_classes()` and `coco_classes()` are here; the others are lists that are downloaded to the package's
#' cache.
#'
#' @param class_id numbers of classes, from 1.
#' @return A character vector; `imagenet_21k_df()`: a data frame with the columns `id` and `label`.
#' @section Errors: a `runtime_error` where a list cannot be had, which says where to put it.
#' @examples
#' pascal_voc_classes(2:4)
#' @export
pascal_voc_classes <- function(class_id = 1:21) {
  classes_named(paste0("background|aeroplane|bicycle|bird|boat|bottle|bus|car|cat|chair|cow|dining table|dog|horse|",
    "motorbike|person|potted plant|sheep|sofa|train|tv/monitor"), class_id)
}

classes_named <- function(text, class_id) {
  names <- if (length(text) == 1) strsplit(text, "|", fixed = TRUE)[[1]] else text
  if (!is.numeric(class_id) || anyNA(class_id) || any(class_id < 1)) refuse(class_id, "class_id", "numbers of classes")
  if (any(class_id > length(names))) rlang::warn(sprintf("there are %d classes.", length(names)))
  names[class_id]
}

#' @rdname pascal_voc_classes
#' @export
coco_classes <- function(class_id = 1:90) {
  classes_named(paste0(
    "person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|N/A|stop sign|",
    "parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|N/A|backpack|umbrella|N/A|N/A|",
    "handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|",
    "surfboard|tennis racket|bottle|N/A|wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|",
    "broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed|N/A|dining table|N/A|N/A|toilet|N/A|",
    "tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|N/A|book|clock|vase|",
    "scissors|teddy bear|hair drier|toothbrush"
  ), class_id)
}

class_list_urls <- c(
  imagenet = "https://raw.githubusercontent.com/pytorch/hub/master/imagenet_classes.txt",
  ids = paste0("https://raw.githubusercontent.com/ailia-ai/ailia-models/refs/heads/master/object_detection/detic/",
    "datasets_detic/imagenet21k_wordnet_ids.txt"),
  lemmas = paste0("https://raw.githubusercontent.com/vkinakh/stable-diffusion-imagenet/refs/heads/main/",
    "imagenet21k_wordnet_lemmas.txt"),
  caltech = "https://raw.githubusercontent.com/vkinakh/stable-diffusion-imagenet/refs/heads/main/caltech256_classes.txt"
)

class_list <- function(name) {
  lines <- readLines(fetch_file(class_list_urls[[name]], weights_cache(), "a list of classes"), warn = FALSE)
  lines[nzchar(lines)]
}

#' @rdname pascal_voc_classes
#' @export
imagenet_classes <- function(class_id = 1:1000) classes_named(class_list("imagenet"), class_id)

#' @rdname pascal_voc_classes
#' @export
imagenet_1k_classes <- imagenet_classes

#' @rdname pascal_voc_classes
#' @export
imagenet_21k_df <- function(class_id = 1:21843) {
  data.frame(id = class_list("ids"), label = class_list("lemmas"))[class_id, ]
}

#' @rdname pascal_voc_classes
#' @export
imagenet_21k_classes <- function(class_id) imagenet_21k_df(class_id)$label

#' @rdname pascal_voc_classes
#' @export
caltech_classes <- function(class_id = 1:257) classes_named(sub("^[0-9]+[.]", "", class_list("caltech")), class_id)

pascal_archives <- list(
  `2007` = c("VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64"),
  `2007test` = c("VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f"),
  `2008` = c("VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a"),
  `2009` = c("VOCtrainval_11-May-2009.tar", "59065e4b188729180974ef6572f6a212"),
  `2010` = c("VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb"),
  `2011` = c("VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e"),
  `2012` = c("VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd")
)

#' @rdname published_pictures
#' @export
pascal_segmentation_dataset <- dataset("pascal_segmentation_dataset",
  inherit = AnnotatedPictures, kind = "image_with_segmentation_mask", list_folder = "Segmentation",
  base_url = "https://huggingface.co/datasets/DerrickUnleashed/Pascal_VOC/resolve/main/",
  initialize = function(root = tempdir(), year = "2012", split = "train", transform = NULL, target_transform = NULL,
                        item_transform = NULL, download = FALSE) {
    check_choice(year, "year", as.character(2007:2012))
    check_choice(split, "split", c("train", "val", "trainval", "test"))
    self$begin(transform, target_transform)
    self$item_transform <- item_transform
    self$classes <- pascal_voc_classes()
    archive <- pascal_archives[[paste0(year, if (split == "test") "test")]]
    if (is.null(archive)) value_error(sprintf("there is no `split = \"test\"` of the year %s.", year))
    archive[[1]] <- paste0(self$base_url, archive[[1]])
    name <- paste0("pascal-voc-", year, if (split == "test") "-test")
    folder <- data_folder(root, name, list(archive), download)
    folder <- paste(c(folder, if (year == "2011") "TrainVal", "VOCdevkit", paste0("VOC", year)), collapse = "/")
    ids <- readLines(data_file(folder, file.path("ImageSets", self$list_folder, paste0(split, ".txt"))))
    self$folder <- folder
    self$ids <- trimws(ids)
    self$paths <- file.path(folder, "JPEGImages", paste0(self$ids, ".jpg"))
  },
  read_target = function(i) {
    labels <- image_labels(file.path(self$folder, "SegmentationClass", paste0(self$ids[[i]], ".png")))
    masks <- torch_stack(lapply(0:20, function(class) torch_tensor(labels == class)))
    list(labels = which(0:20 %in% labels), masks = masks)
  }
)

#' @rdname published_pictures
#' @export
pascal_detection_dataset <- dataset("pascal_detection_dataset",
  inherit = pascal_segmentation_dataset, kind = "image_with_bounding_box", list_folder = "Main",
  read_target = function(i) read_voc(data_file(file.path(self$folder, "Annotations"), paste0(self$ids[[i]], ".xml")))
)

# The objects of an annotation: what stands between the first tags of these names.
read_voc <- function(path) {
  text <- paste(readLines(path, warn = FALSE), collapse = " ")
  between <- function(text, tag) sub(sprintf("^.*?<%s>\\s*(.*?)\\s*</%s>.*$", tag, tag), "\\1", text, perl = TRUE)
  objects <- regmatches(text, gregexpr("<object>.*?</object>", text, perl = TRUE))[[1]]
  number <- function(text, tag) as.numeric(between(text, tag))
  corners <- vapply(c("xmin", "ymin", "xmax", "ymax"), function(tag) number(objects, tag), numeric(length(objects)))
  if (anyNA(corners)) runtime_error(sprintf("'%s' is damaged: a box is not four numbers.", path))
  list(
    boxes = torch_tensor(matrix(corners, ncol = 4), dtype = torch_float()), labels = between(objects, "name"),
    image_height = number(text, "height"), image_width = number(text, "width")
  )
}

# ---- folders of classes ----

#' @rdname published_pictures
#' @export
caltech101_dataset <- dataset("caltech-101",
  inherit = PictureFiles, subname = file.path("caltech-101", "101_ObjectCategories"), folder_name = "caltech-101",
  resource = c("https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
    "3138e1922a9193bfa496528edbbc45d0"),
  initialize = function(root = tempdir(), transform = NULL, target_transform = NULL, download = FALSE) {
    self$begin(transform, target_transform)
    folder <- data_folder(root, self$folder_name, list(self$resource), download, prepare = unpack_categories)
    folder <- file.path(folder, self$subname)
    classes <- sort(list.dirs(folder, full.names = FALSE, recursive = FALSE), method = "radix")
    classes <- setdiff(classes, "BACKGROUND_Google")
    files <- class_files(folder, classes, ends_as_picture)
    self$paths <- files[[1]]
    self$targets <- files[[2]]
    self$classes <- sub("^[0-9]+[.]", "", classes)
  }
)

# An archive within the archive.
unpack_categories <- function(folder) {
  inner <- file.path(folder, "caltech-101")
  archive <- file.path(inner, "101_ObjectCategories.tar.gz")
  if (file.exists(archive)) unpack(archive, inner)
}

#' @rdname published_pictures
#' @export
caltech256_dataset <- dataset("caltech256",
  inherit = caltech101_dataset, subname = "256_ObjectCategories", folder_name = "caltech256",
  resource = c("https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
    "67b4f42ca05d46448c6bb8ecd2220f6d")
)

#' @rdname published_pictures
#' @export
lfw_people_dataset <- dataset("lfw_people",
  inherit = PictureFiles,
  base_url = "https://huggingface.co/datasets/DerrickUnleashed/LFW/resolve/main/",
  archives = list(
    original = c("lfw.tgz", "a17d05bd522c52d84eca14327a23d494"),
    funneled = c("lfwfunneled.tgz", "1b42dfed7d15c9b2dd63d5e5840c86ad")
  ),
  initialize = function(root = tempdir(), transform = NULL, split = "original", target_transform = NULL,
                        download = FALSE) {
    folder <- self$open(root, transform, split, target_transform, download)
    self$classes <- sort(list.dirs(folder, full.names = FALSE, recursive = FALSE), method = "radix")
    self$class_to_idx <- stats::setNames(seq_along(self$classes), self$classes)
    files <- class_files(folder, self$classes, ends_as_picture)
    self$paths <- files[[1]]
    self$targets <- files[[2]]
  },
  open = function(root, transform, split, target_transform, download) {
    check_choice(split, "split", names(self$archives))
    self$begin(transform, target_transform)
    archive <- self$archives[[split]]
    archive[[1]] <- paste0(self$base_url, archive[[1]])
    data_folder(root, c(original = "lfw", funneled = "lfw_funneled")[[split]], list(archive), download, inside = TRUE)
  }
)

#' @rdname published_pictures
#' @export
lfw_pairs_dataset <- dataset("lfw_pairs",
  inherit = lfw_people_dataset,
  lists = list(train = c("pairsDevTrain.txt", "4f27cbf15b2da4a85c1907eb4181ad21"),
    test = c("pairsDevTest.txt", "5132f7440eb68cf58910c8a45a2ac10b")),
  initialize = function(root = tempdir(), train = TRUE, transform = NULL, split = "original", target_transform = NULL,
                        download = FALSE) {
    check_flag(train, "train")
    folder <- self$open(root, transform, split, target_transform, download)
    which <- self$lists[[if (train) "train" else "test"]]
    which[[1]] <- paste0(self$base_url, which[[1]])
    if (!download && !file.exists(file.path(path.expand(root), basename(which[[1]])))) data_not_found(root)
    lines <- readLines(fetch_file(which, path.expand(root), "pairs of faces"))[-1]
    pairs <- lapply(strsplit(trimws(lines), "[ \t]+"), function(words) {
      if (length(words) == 3) words[c(1, 2, 1, 3)] else words
    })
    pairs <- do.call(rbind, Filter(function(words) length(words) == 4, pairs))
    path <- function(name, n) file.path(folder, name, sprintf("%s_%04d.jpg", name, as.integer(n)))
    self$paths <- path(pairs[, 1], pairs[, 2])
    self$others <- path(pairs[, 3], pairs[, 4])
    self$targets <- ifelse(pairs[, 1] == pairs[, 3], 1, 2)
    self$classes <- c("Same", "Different")
  },
  .getitem = function(index) {
    both <- lapply(c(self$paths[[index]], self$others[[index]]), self$loader)
    list(x = if (is.null(self$transform)) both else lapply(both, self$transform), y = self$target(index))
  }
)

# ---- EuroSAT, FER, aircraft ----

eurosat_url <- "https://huggingface.co/datasets/torchgeo/eurosat/resolve/main/"

#' @rdname published_pictures
#' @export
eurosat_dataset <- dataset("eurosat",
  inherit = PictureFiles, archive = c("EuroSAT.zip", "c8fa014336c82ac7804f0398fcb19387"), lists = "eurosat-%s.txt",
  initialize = function(root = tempdir(), split = "val", download = FALSE, transform = NULL, target_transform = NULL) {
    check_choice(split, "split", c("train", "val", "test"))
    self$begin(transform, target_transform, self$read)
    root <- path.expand(root)
    archive <- c(paste0(eurosat_url, self$archive[[1]]), self$archive[[2]])
    folder <- data_folder(file.path(root, class(self)[[1]]), "images", list(archive), download)
    list_name <- sprintf(self$lists, split)
    if (!download && !file.exists(file.path(root, list_name))) data_not_found(file.path(root, list_name))
    names <- tools::file_path_sans_ext(trimws(readLines(fetch_file(paste0(eurosat_url, list_name), root, "EuroSAT"))))
    files <- list.files(folder, "[.](tif|jpg)$", recursive = TRUE, full.names = TRUE)
    self$paths <- files[match(names, tools::file_path_sans_ext(basename(files)))]
    missing <- names[is.na(self$paths)]
    if (length(missing) > 0) runtime_error(sprintf("there is no picture '%s' in '%s'.", missing[[1]], folder))
    kind <- sub("_.*", "", names)
    self$classes <- unique(kind)
    self$class_to_idx <- stats::setNames(seq_along(self$classes) - 1, self$classes)
    self$targets <- match(kind, self$classes)
  },
  read = function(path) if (grepl("[.]jpg$", path)) base_loader(path) else read_image(path)
)

#' @rdname published_pictures
#' @export
eurosat_all_bands_dataset <- dataset("eurosat_all_bands",
  inherit = eurosat_dataset, archive = c("EuroSATallBands.zip", "5ac12b3b2557aa56e1826e981e8e200e")
)

#' @rdname published_pictures
#' @export
eurosat100_dataset <- dataset("eurosat100",
  inherit = eurosat_dataset, archive = c("EuroSAT100.zip", "c21c649ba747e86eda813407ef17d596"),
  lists = "eurosat-100-%s.txt"
)

#' @rdname published_pictures
#' @export
fer_dataset <- dataset("fer_dataset",
  inherit = PictureFiles, classes = c("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
  resource = c("https://huggingface.co/datasets/DerrickUnleashed/FER-2013/resolve/main/fer2013.tar.gz",
    "ca95d94fe42f6ce65aaae694d18c628a"),
  initialize = function(root = tempdir(), train = TRUE, transform = NULL, target_transform = NULL, download = FALSE) {
    check_flag(train, "train")
    self$begin(transform, target_transform)
    folder <- data_folder(root, "fer2013", list(self$resource), download, inside = TRUE)
    table <- utils::read.csv(data_file(folder, "fer2013.csv"), stringsAsFactors = FALSE)
    table <- table[(table$Usage == "Training") == train, ]
    self$class_to_idx <- stats::setNames(seq_along(self$classes), self$classes)
    self$paths <- table$pixels
    self$targets <- table$emotion + 1L
    self$loader <- function(text) matrix(as.integer(strsplit(text, " ", fixed = TRUE)[[1]]), 48, 48, byrow = TRUE)
  }
)

#' @rdname published_pictures
#' @export
fgvc_aircraft_dataset <- dataset("fgvc_aircraft",
  inherit = PictureFiles,
  resource = c("https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
    "d4acdd33327262359767eeaa97a4f732"),
  initialize = function(root = tempdir(), split = "train", annotation_level = "variant", transform = NULL,
                        target_transform = NULL, download = FALSE) {
    check_choice(split, "split", c("train", "val", "trainval", "test"))
    check_choice(annotation_level, "annotation_level", c("variant", "family", "manufacturer", "all"))
    self$begin(transform, target_transform, function(path) base_loader(path) * 255)
    folder <- data_folder(root, "fgvc-aircraft-2013b", list(self$resource), download, inside = TRUE)
    folder <- file.path(folder, "data")
    levels <- c(manufacturer = "manufacturers.txt", family = "families.txt", variant = "variants.txt")
    self$classes <- lapply(levels, function(file) trimws(readLines(data_file(folder, file))))
    number <- function(level) {
      lines <- readLines(data_file(folder, sprintf("images_%s_%s.txt", level, split)))
      list(id = substr(lines, 1, 7), class = match(trimws(substring(lines, 8)), self$classes[[level]]))
    }
    found <- lapply(stats::setNames(nm = names(levels)), number)
    id <- found$variant$id
    self$paths <- file.path(folder, "images", paste0(id, ".jpg"))
    numbers <- vapply(found, function(level) level$class[match(id, level$id)], integer(length(id)))
    numbers <- matrix(numbers, length(id), dimnames = list(NULL, names(levels)))
    self$targets <- if (annotation_level == "all") asplit(unname(numbers), 1) else numbers[, annotation_level]
  },
  target = function(i) {
    y <- as.integer(self$targets[[i]])
    if (is.null(self$target_transform)) y else self$target_transform(y)
  }
)

# ---- COCO and captions ----

read_json_tables <- function(path) {
  if (!requireNamespace("jsonlite", quietly = TRUE)) {
    runtime_error("The package jsonlite reads these annotations: install.packages(\"jsonlite\").")
  }
  tryCatch(jsonlite::fromJSON(path), error = function(e) {
    runtime_error(sprintf("'%s' cannot be read: %s.", path, conditionMessage(e)))
  })
}

coco_sums <- c(train2017 = "cced6f7f71b7629ddf16f17bbcfab6b2", val2017 = "442b8da7639aecaf257c1dceb8ba8c80",
  annotations2017 = "f4bbac642086de4f52a3fdda2de5fa2c", train2014 = "0da8cfa0e090c266b78f30e2d2874f1a",
  val2014 = "a3d79f5ed8d289b7a7554ce06a5782b3", annotations2014 = "0a379cfc70b0e71301e0f377548639bd")

# root/coco<year>/annotations and .../<split><year>.
coco_folder <- function(root, year, split, download) {
  folder <- file.path(path.expand(root), paste0("coco", year))
  url <- "http://images.cocodataset.org/"
  pictures <- paste0(split, year)
  data_folder(folder, "annotations", list(c(sprintf("%sannotations/annotations_trainval%s.zip", url, year),
    coco_sums[[paste0("annotations", year)]])), download, inside = TRUE)
  data_folder(folder, pictures, list(c(sprintf("%szips/%s.zip", url, pictures), coco_sums[[pictures]])), download,
    inside = TRUE)
  folder
}

#' @rdname published_pictures
#' @export
coco_detection_dataset <- dataset("coco_detection_dataset",
  inherit = AnnotatedPictures, kind = "image_with_bounding_box",
  initialize = function(root = tempdir(), train = TRUE, year = c("2017", "2014"), download = FALSE, transform = NULL,
                        target_transform = NULL, item_transform = NULL) {
    check_flag(train, "train")
    year <- year[[1]]
    check_choice(year, "year", c("2017", "2014"))
    self$begin(transform, target_transform)
    self$item_transform <- item_transform
    split <- if (train) "train" else "val"
    folder <- coco_folder(root, year, split, download)
    data <- read_json_tables(data_file(file.path(folder, "annotations"), sprintf("instances_%s%s.json", split, year)))
    paths <- file.path(folder, paste0(split, year), data$images$file_name)
    there <- file.exists(paths)
    self$paths <- paths[there]
    self$image_ids <- data$images$id[there]
    self$sizes <- data$images[there, c("height", "width")]
    self$annotations <- split(seq_len(nrow(data$annotations)), factor(data$annotations$image_id, self$image_ids))
    self$table <- data$annotations
    self$classes <- data$categories$name
    self$category_names <- stats::setNames(self$classes, data$categories$id)
  },
  objects = function(i) {
    found <- self$table[self$annotations[[i]], ]
    list(found = found, labels = self$category_names[as.character(found$category_id)],
      iscrowd = torch_tensor(as.logical(found$iscrowd)),
      size = list(image_height = self$sizes$height[[i]], image_width = self$sizes$width[[i]]))
  },
  read_target = function(i) {
    of <- self$objects(i)
    boxes <- matrix(as.numeric(unlist(of$found$bbox)), ncol = 4, byrow = TRUE)
    boxes[, 3:4] <- boxes[, 1:2] + boxes[, 3:4]
    c(list(boxes = torch_tensor(boxes, dtype = torch_float()), labels = of$labels,
      area = torch_tensor(as.numeric(of$found$area)), iscrowd = of$iscrowd), of$size)
  }
)

#' @rdname published_pictures
#' @export
coco_segmentation_dataset <- dataset("coco_segmentation_dataset",
  inherit = coco_detection_dataset, kind = "image_with_segmentation_mask",
  read_target = function(i) {
    of <- self$objects(i)
    c(list(labels = of$labels, iscrowd = of$iscrowd, segmentation = as_polygons(of$found$segmentation)), of$size)
  }
)

# Polygons of each object as lists of numbers: what JSON gives is a matrix where an object has several of one length.
as_polygons <- function(segmentation) {
  lapply(segmentation, function(polygons) {
    if (is.matrix(polygons)) asplit(polygons, 1) else if (is.list(polygons)) polygons else list(polygons)
  })
}

#' @rdname published_pictures
#' @export
coco_caption_dataset <- dataset("coco_caption_dataset",
  inherit = PictureFiles,
  initialize = function(root = tempdir(), train = TRUE, year = c("2014"), download = FALSE, transform = NULL,
                        target_transform = NULL) {
    check_flag(train, "train")
    check_choice(year, "year", "2014")
    self$begin(transform, target_transform)
    split <- if (train) "train" else "val"
    folder <- coco_folder(root, year, split, download)
    data <- read_json_tables(data_file(file.path(folder, "annotations"), sprintf("captions_%s%s.json", split, year)))
    self$paths <- file.path(folder, paste0(split, year),
      sprintf("COCO_%s%s_%012.0f.jpg", split, year, as.numeric(data$annotations$image_id)))
    self$image_ids <- unique(data$annotations$image_id)
    self$targets <- data$annotations$caption
  }
)

#' @rdname published_pictures
#' @export
flickr8k_caption_dataset <- dataset("flickr8k",
  inherit = PictureFiles,
  resources = list(
    c("https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/Flickr8k_text.zip",
      "bf6c1abcb8e4a833b7f922104de18627"),
    c("https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/Flickr8k_Dataset.zip",
      "f18a1e2920de5bd84dae7cf08ec78978")
  ),
  initialize = function(root = tempdir(), train = TRUE, transform = NULL, target_transform = NULL, download = FALSE) {
    check_flag(train, "train")
    self$begin(transform, target_transform)
    folder <- data_folder(file.path(path.expand(root), class(self)[[1]]), "raw", self$resources, download)
    found <- self$read(folder, train)
    self$paths <- found$paths
    self$classes <- found$captions
    self$targets <- unname(found$captions[basename(found$paths)])
  },
  read = function(folder, train) {
    lines <- readLines(data_file(folder, "Flickr8k.token.txt"))
    file <- sub("#.*", "", lines)
    captions <- split(sub("^[^\t]*\t", "", lines), file)
    ids <- trimws(readLines(data_file(folder, sprintf("Flickr_8k.%sImages.txt", if (train) "train" else "test"))))
    paths <- file.path(folder, "Flicker8k_Dataset", ids)
    list(paths = paths[file.exists(paths)], captions = captions)
  }
)

#' @rdname published_pictures
#' @export
flickr30k_caption_dataset <- dataset("flickr30k",
  inherit = flickr8k_caption_dataset,
  resources = list(
    c("https://uofi.app.box.com/shared/static/1cpolrtkckn4hxr1zhmfg0ln9veo6jpl.gz", "985ac761bbb52ca49e0c474ae806c07c"),
    c("https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip", "4fa8c08369d22fe16e41dc124bd1adc2")
  ),
  read = function(folder, train) {
    images <- read_json_tables(data_file(folder, "dataset_flickr30k.json"))$images
    images <- images[images$split == if (train) "train" else "test", ]
    captions <- stats::setNames(lapply(images$sentences, function(sentences) sentences$raw), images$filename)
    list(paths = file.path(folder, "flickr30k-images", images$filename), captions = captions)
  }
)
