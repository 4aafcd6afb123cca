local_pets <- function(env = parent.frame()) {
  root <- withr::local_tempdir(.local_envir = env)
  synthetic_pets(root, n = 6, seed = 1)
  root
}

test_that("items are image and target", {
  root <- local_pets()
  ds <- oxford_pet_dataset(root)
  expect_s3_class(ds, c("OxfordPet", "candela_dataset", "dataset", "R6"), exact = TRUE)
  expect_named(ds$imgs, c("image", "class_id", "species_id", "breed_id"))
  item <- ds[2]
  expect_named(item, c("x", "y"))
  expect_true(is.double(item$x) && is.integer(item$y))
  expect_equal(oxford_pet_dataset(root, target_type = "species")[1]$y, ds$imgs$species_id[1])
  expect_equal(oxford_pet_dataset(root, target_type = "breed")[1]$y, ds$imgs$class_id[1])
  doubled <- oxford_pet_dataset(root, transform = function(x) x * 2, target_transform = function(y) y + 1L)
  expect_equal(doubled[2]$x, item$x * 2)
  expect_equal(doubled[2]$y, item$y + 1L)
})

test_that("reading ahead gives the same items", {
  root <- local_pets()
  ds <- oxford_pet_dataset(root)
  plain <- lapply(1:3, function(i) ds[i])
  ds$.prefetch(c(3, 1, 3))
  expect_equal(lapply(1:3, function(i) ds[i]), plain)
  expect_null(candela:::take_ahead(ds$ahead, "rgb", 3))
  ds$.prefetch(1:3)
  restored <- unserialize(serialize(ds, NULL))
  expect_equal(lapply(1:3, function(i) restored[i]), plain)
})

test_that("damaged and missing images are errors that name the file; beagle_116 is left out", {
  root <- local_pets()
  list <- file.path(root, "oxford-pet", "annotations", "trainval.txt")
  lines <- readLines(list)
  writeLines(c(lines, "beagle_116 1 2 1"), list)
  ds <- oxford_pet_dataset(root)
  expect_length(ds, 3)
  image <- file.path(root, "oxford-pet", "images", paste0(ds$imgs$image[1], ".jpg"))
  writeBin(charToRaw("GIF89a000000"), image)
  expect_error(ds[1], "is a GIF image", class = "candela_error_format")
  expect_error(ds[1], basename(image), fixed = TRUE)
  ds$.prefetch(1:2)
  expect_error(ds[1], basename(image), fixed = TRUE)
  expect_silent(ds[2])
  unlink(image)
  expect_error(ds[1], basename(image), fixed = TRUE, class = "candela_error_io")
})

test_that("missing data are told", {
  root <- withr::local_tempdir()
  expect_error(oxford_pet_dataset(root), "No data found", class = "runtime_error")
  dir.create(file.path(root, "oxford-pet", "annotations"), recursive = TRUE)
  expect_error(oxford_pet_dataset(root), "trainval.txt", class = "runtime_error")
})

pack <- function(root, what, env = parent.frame()) {
  file <- withr::local_tempfile(fileext = ".tar.gz", .local_envir = env)
  withr::with_dir(file.path(root, "oxford-pet"), utils::tar(file, what, compression = "gzip", tar = "internal"))
  list(url = paste0("file://", file), md5 = unname(tools::md5sum(file)))
}

test_that("a download appears complete or not at all", {
  root <- local_pets()
  archives <- list(pack(root, "images"), pack(root, "annotations"))
  target <- withr::local_tempdir()
  damaged <- archives
  damaged[[2]]$md5 <- strrep("0", 32)
  expect_error(candela:::download_pets(file.path(target, "oxford-pet"), damaged), "md5", class = "runtime_error")
  expect_length(list.files(target, all.files = TRUE, no.. = TRUE), 0)
  candela:::download_pets(file.path(target, "oxford-pet"), archives)
  expect_equal(oxford_pet_dataset(target)[1], oxford_pet_dataset(root)[1])
  expect_equal(list.files(target), "oxford-pet")
})

test_that("items of a loader are those read one by one, and memory does not grow from batch to batch", {
  root <- withr::local_tempdir()
  synthetic_pets(root, n = 16, seed = 3)
  pets <- oxford_pet_dataset(root,
    split = "train",
    transform = function(x) x %>% transform_to_tensor() %>% transform_resize(c(160, 160)),
    target_transform = function(y) transform_resize(torch_tensor(y, dtype = torch_long()), c(160, 160), 0)
  )
  loader <- dataloader(pets, batch_size = 4)
  first <- dataloader_next(dataloader_make_iter(loader))
  expect_identical(as_array(first$x[3, ..]), as_array(pets[3]$x))
  expect_identical(as_array(first$y[3, ..]), as_array(pets[3]$y))
  read_all <- function() {
    batch_of <- dataloader_make_iter(loader)
    while (!is.null(dataloader_next(batch_of))) NULL
    candela_info()$memory[["in_use"]]
  }
  in_use <- replicate(40, read_all())
  expect_lt(max(in_use), in_use[[1]] + 450 * 2^20)
})
