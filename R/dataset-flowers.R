#' Oxford flowers
#'
#' Photos of 102 kinds of flowers. `flowers102_dataset()` is torchvision's, `oxford_flowers102_dataset()` that of
#' torchdatasets; both read the folder `oxford-flowers102` below `root`, with `jpg/`, `imagelabels.mat` and
#' `setid.mat`, or make it from the archives.
#'
#' @param root folder that holds, or will hold, `oxford-flowers102`, or the archives.
#' @param split `"train"`, `"val"` or `"test"`; for `oxford_flowers102_dataset()` `"train"`, `"valid"`,
#'   `"test"`, or several.
#' @param target_type only `"categories"`.
#' @param transform,target_transform functions applied to the photo (H x W x 3 array of numbers from 0 to 1) and to
#'   the class, from 1.
#' @param download get the archives where neither the folder nor they are there; their sums are checked.
#' @param ... not used.
#' @return A dataset with items `list(x, y)` and the field `classes`.
#' @section Errors: a `runtime_error` where the files are missing, damaged, or cannot be had.
#' @source Nilsback and Zisserman (2008) Automated flower classification over a large number of classes,
#'   <https://www.robots.ox.ac.uk/~vgg/data/flowers/102/>.
#' @examples
#' try(flowers102_dataset(tempfile()))
#' @include dataset-folder.R
#' @export
flowers102_dataset <- dataset("flowers102",
  inherit = PictureFiles,
  resources = list(
    c("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
    c("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
    c("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c")
  ),
  initialize = function(root = tempdir(), split = "train", transform = NULL, target_transform = NULL,
                        download = FALSE) {
    check_choice(split, "split", c("train", "val", "test"))
    self$open(root, c(train = "trnid", val = "valid", test = "tstid")[[split]], transform, target_transform, download)
  },
  open = function(root, sets, transform, target_transform, download) {
    self$begin(transform, target_transform)
    self$classes <- flower_names
    folder <- data_folder(root, "oxford-flowers102", self$resources, download)
    ids <- read_mat(data_file(folder, "setid.mat"))
    ids <- as.integer(unlist(ids[sets]))
    self$targets <- as.integer(read_mat(data_file(folder, "imagelabels.mat"))$labels)[ids]
    self$labels <- self$targets
    self$paths <- file.path(folder, "jpg", sprintf("image_%05d.jpg", ids))
    self$imgs <- self$paths
  }
)

#' @rdname flowers102_dataset
#' @export
oxford_flowers102_dataset <- dataset("OxfordFlowers102",
  inherit = flowers102_dataset,
  initialize = function(root, split = "train", target_type = c("categories"), download = FALSE, ..., transform = NULL,
                        target_transform = NULL) {
    sets <- c(train = "trnid", valid = "valid", test = "tstid")
    if (!is.character(split) || length(split) == 0) check_string(split, "split")
    for (one in split) check_choice(one, "split", names(sets))
    check_choice(target_type, "target_type", "categories")
    self$split <- split
    self$open(root, sets[split], transform, target_transform, download)
  }
)

# ---- arrays of MATLAB files (level 5) ----

mat_types <- list(
  "1" = list("integer", 1, TRUE), "2" = list("integer", 1, FALSE), "3" = list("integer", 2, TRUE),
  "4" = list("integer", 2, FALSE), "5" = list("integer", 4, TRUE), "6" = list("integer", 4, TRUE),
  "7" = list("numeric", 4, TRUE), "9" = list("numeric", 8, TRUE)
)

# A named list of the real arrays in a file.
read_mat <- function(path) {
  bytes <- readBin(path, "raw", file.size(path))
  arrays <- tryCatch({
    if (length(bytes) < 136 || rawToChar(bytes[127:128]) != "IM") stop("no MATLAB file of level 5")
    lapply(mat_elements(bytes[-(1:128)]), mat_array)
  }, error = function(e) {
    runtime_error(sprintf("'%s' is damaged: it cannot be read as a MATLAB file (%s).", path, conditionMessage(e)))
  })
  stats::setNames(lapply(arrays, `[[`, "values"), vapply(arrays, `[[`, "", "name"))
}

# The elements one after the other: each its type, and its bytes. Short ones share eight bytes with their tag.
mat_elements <- function(bytes) {
  elements <- list()
  while (length(bytes) >= 8) {
    tag <- readBin(bytes, "integer", 4, size = 2, signed = FALSE, endian = "little")
    short <- tag[[2]] > 0
    type <- tag[[1]]
    size <- if (short) tag[[2]] else tag[[3]] + 65536 * tag[[4]]
    from <- if (short) 4 else 8
    if (from + size > length(bytes)) stop("it ends early")
    data <- bytes[from + seq_len(size)]
    packed <- type == 15
    found <- if (packed) mat_elements(memDecompress(data, "gzip")) else list(list(type = type, data = data))
    elements <- c(elements, found)
    bytes <- bytes[-seq_len(if (short) 8 else if (packed) 8 + size else 8 + ceiling(size / 8) * 8)]
  }
  elements
}

mat_numbers <- function(element) {
  how <- mat_types[[as.character(element$type)]]
  if (is.null(how)) stop("its numbers are of another type")
  n <- length(element$data) / how[[2]]
  readBin(element$data, how[[1]], n, size = how[[2]], signed = how[[3]], endian = "little")
}

mat_array <- function(element) {
  if (element$type != 14) stop("it holds no arrays")
  parts <- mat_elements(element$data)
  list(name = rawToChar(parts[[3]]$data), values = array(mat_numbers(parts[[4]]), mat_numbers(parts[[2]])))
}

flower_names <- strsplit(paste(
  "pink primrose|hard-leaved pocket orchid|canterbury bells|sweet pea|english marigold|tiger lily",
  "moon orchid|bird of paradise|monkshood|globe thistle|snapdragon|colt's foot|king protea",
  "spear thistle|yellow iris|globe-flower|purple coneflower|peruvian lily|balloon flower",
  "giant white arum lily|fire lily|pincushion flower|fritillary|red ginger|grape hyacinth|corn poppy",
  "prince of wales feathers|stemless gentian|artichoke|sweet william|carnation|garden phlox",
  "love in the mist|mexican aster|alpine sea holly|ruby-lipped cattleya|cape flower|great masterwort",
  "siam tulip|lenten rose|barbeton daisy|daffodil|sword lily|poinsettia|bolero deep blue|wallflower",
  "marigold|buttercup|oxeye daisy|common dandelion|petunia|wild pansy|primula|sunflower|pelargonium",
  "bishop of llandaff|gaura|geranium|orange dahlia|pink-yellow dahlia?|cautleya spicata",
  "japanese anemone|black-eyed susan|silverbush|californian poppy|osteospermum|spring crocus",
  "bearded iris|windflower|tree poppy|gazania|azalea|water lily|rose|thorn apple|morning glory",
  "passion flower|lotus|toad lily|anthurium|frangipani|clematis|hibiscus|columbine|desert-rose",
  "tree mallow|magnolia|cyclamen|watercress|canna lily|hippeastrum|bee balm|ball moss|foxglove",
  "bougainvillea|camellia|mallow|mexican petunia|bromelia|blanket flower|trumpet creeper",
  "blackberry lily",
  sep = "|"
), "|", fixed = TRUE)[[1]]
