#' Oxford-IIIT Pet data
#'
#' 37 breeds of cats and dogs, with a trimap for every photo. Expects, below `root`, the folder `oxford-pet` with
#' `images/`, `annotations/trainval.txt`, `annotations/test.txt` and `annotations/trimaps/`.
#'
#' @param root folder that holds, or will hold, `oxford-pet`.
#' @param split `"train"` for the images of `trainval.txt`; anything else (such as `"valid"`) for those of `test.txt`.
#' @param target_type `"trimap"`: an integer matrix H x W, 1 pet, 2 background, 3 border; `"species"`: 1 cat, 2 dog;
#'   `"breed"`: 1 to 37.
#' @param download download the data (about 800 MB) when the folder is missing. The archives are checked, and the
#'   folder appears only when it is complete.
#' @param ... not used.
#' @param transform,target_transform functions applied to the image (an H x W x 3 array of doubles in \[0, 1]) and to
#'   the target.
#' @return A dataset whose items are `list(x = image, y = target)`. Field `imgs` is a data frame with the columns
#'   `image`, `class_id`, `species_id`, `breed_id`.
#' @section Details:
#' Images are recognised by their content: some files named .jpg are PNG. `beagle_116`, a damaged image, is left out.
#' Any other image that cannot be read is an error that names the file.
#' @source Parkhi, Vedaldi, Zisserman and Jawahar (2012), Cats and Dogs, CVPR.
#'   <https://www.robots.ox.ac.uk/~vgg/data/pets/>
#' @examples
#' root <- tempfile()
#' synthetic_pets(root, n = 4, seed = 1)
#' pets <- oxford_pet_dataset(root, split = "train")
#' length(pets)
#' table(pets[1]$y)
#' @include dataset.R
#' @export
oxford_pet_dataset <- dataset(
  name = "OxfordPet",
  initialize = function(root, split = "train", target_type = c("trimap", "species", "breed"), download = FALSE, ...,
                        transform = NULL, target_transform = NULL) {
    self$data_path <- file.path(data_root(root), "oxford-pet")
    self$split <- split
    self$target_type <- choice(target_type, "target_type", c("trimap", "species", "breed"))
    if (!dir.exists(self$data_path) && download) download_pets(self$data_path)
    if (!dir.exists(self$data_path)) {
      runtime_error(c(
        "No data found. Please use `download = TRUE`.",
        i = sprintf("Looked for the folder '%s'.", self$data_path)
      ))
    }
    self$imgs <- read_pet_list(self$data_path, split)
    self$transform <- transform
    self$target_transform <- target_transform
    self$trimap_classes <- c("Pixel belonging to the pet", "Surrounding pixel", "Pixel bordering the pet")
    self$species_classes <- c("cat", "dog")
    self$breed_classes <- pet_breeds(self$data_path)
    self$classes <- switch(self$target_type,
      trimap = self$trimap_classes,
      species = self$species_classes,
      breed = self$breed_classes
    )
  },
  .prefetch = function(indices) {
    wanted <- unique(as.integer(indices))
    image <- self$imgs$image[wanted]
    paths <- list(rgb = self$image_path(image), labels = if (self$target_type == "trimap") self$trimap_path(image))
    self$ahead <- read_ahead(wanted, paths)
  },
  .getitem = function(i) {
    image <- self$imgs$image[i]
    if (is.na(image)) value_error(sprintf("item %s is out of bounds: there are %d images.", i, nrow(self$imgs)))
    x <- take_ahead(self$ahead, "rgb", i) %||% base_loader(self$image_path(image))
    y <- self$target_reader(i)
    if (!is.null(self$transform)) x <- self$transform(x)
    if (!is.null(self$target_transform)) y <- self$target_transform(y)
    list(x = x, y = y)
  },
  target_reader = function(i) {
    switch(self$target_type,
      trimap = take_ahead(self$ahead, "labels", i) %||% image_labels(self$trimap_path(self$imgs$image[i])),
      species = self$imgs$species_id[i],
      breed = self$imgs$class_id[i]
    )
  },
  image_path = function(image) file.path(self$data_path, "images", paste0(image, ".jpg")),
  trimap_path = function(image) file.path(self$data_path, "annotations", "trimaps", paste0(image, ".png")),
  .length = function() nrow(self$imgs)
)

# Begins to read the files of these items, item by item; `paths` holds a vector for each way to read them. Where a file
# cannot be read nothing is read ahead: its own item will report it.
read_ahead <- function(items, paths) {
  paths <- do.call(rbind, paths)
  as <- rownames(paths)
  reading <- tryCatch(begin_reading(c(paths), rep(as, length(items))), candela_error = function(e) NULL)
  if (!is.null(reading)) list(reading = reading, items = items, as = as)
}

# A picture that was asked for ahead, once; else NULL.
take_ahead <- function(ahead, as, item) {
  at <- (match(item, ahead$items) - 1L) * length(ahead$as) + match(as, ahead$as)
  if (!is.na(at)) take_picture(ahead$reading, at)
}

# What the data sets' authors left damaged.
damaged_pets <- "beagle_116"

read_pet_list <- function(data_path, split) {
  file <- file.path(data_path, "annotations", if (identical(split, "train")) "trainval.txt" else "test.txt")
  if (!file.exists(file)) {
    runtime_error(sprintf("'%s' is missing: the data are incomplete. Remove the folder and download again.", file))
  }
  imgs <- tryCatch(
    utils::read.table(file,
      col.names = c("image", "class_id", "species_id", "breed_id"), stringsAsFactors = FALSE,
      colClasses = c("character", "integer", "integer", "integer"), comment.char = "#"
    ),
    error = function(e) runtime_error(sprintf("'%s' cannot be read: %s.", file, conditionMessage(e)))
  )
  imgs <- imgs[!imgs$image %in% damaged_pets, ]
  rownames(imgs) <- NULL
  imgs
}

# Names of the classes 1, 2, ...: those of the images without their numbers.
pet_breeds <- function(data_path) {
  both <- rbind(read_pet_list(data_path, "train"), read_pet_list(data_path, "test"))
  first <- both[!duplicated(both$class_id), ]
  breeds <- rep(NA_character_, max(0L, first$class_id))
  breeds[first$class_id] <- sub("_[0-9]+$", "", first$image)
  breeds
}

pet_archives <- list(
  list(
    url = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", md5 = "5c4f3ee8e5d25df40f4fd59a7f44e54c"
  ),
  list(
    url = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
    md5 = "95a8c909bbe2e81eed6a22bccdf3f68f"
  )
)

# Everything is unpacked beside its final place, which appears by renaming.
download_pets <- function(data_path, archives = pet_archives) {
  dir.create(dirname(data_path), recursive = TRUE, showWarnings = FALSE)
  partial <- tempfile("oxford-pet-partial-", tmpdir = dirname(data_path))
  dir.create(partial)
  on.exit(unlink(partial, recursive = TRUE), add = TRUE)
  for (archive in archives) {
    file <- file.path(partial, basename(archive$url))
    download_checked(archive$url, file, archive$md5, paste("Oxford pets,", basename(archive$url)))
    if (utils::untar(file, exdir = partial) != 0) runtime_error(sprintf("'%s' cannot be unpacked.", file))
    unlink(file)
  }
  if (!file.rename(partial, data_path)) runtime_error(sprintf("'%s' cannot be created.", data_path))
}
