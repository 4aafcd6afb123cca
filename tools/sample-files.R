# Small files of each format the package reads: seed_files(reader, folder) writes those of one reader, and
#
#     Rscript tools/sample-files.R FOLDER     all of them, in folders that are named after the readers
#
# From the source folder, with the package installed.
seed_files <- function(reader, folder) {
  at <- function(name) file.path(folder, name)
  grey <- matrix(as.integer(sample(0:255, 20 * 17, TRUE)), 20)
  colours <- array(runif(12 * 15 * 3), c(12, 15, 3))
  alpha <- array(runif(9 * 8 * 4), c(9, 8, 4))
  switch(reader,
    PNG = , labels = {
      image_write(grey, at("1.png"))
      image_write(grey, at("2.png"), bits = 16)
      if (reader == "PNG") image_write(colours, at("3.png"))
      if (reader == "PNG") image_write(alpha, at("4.png"))
    },
    JPEG = {
      image_write(grey, at("1.jpg"))
      image_write(colours, at("2.jpg"))
    },
    TIFF = {
      image_write(grey, at("1.tif"))
      image_write(colours, at("2.tif"), bits = 16)
      image_write(array(runif(8 * 8 * 6), c(8, 8, 6)), at("3.tif"))
    },
    safetensors = save_safetensors(list(a = torch_randn(3, 4), b = torch_ones(2, dtype = torch_long()),
      c = torch_zeros(0, 3), d = torch_tensor(TRUE)), at("1.safetensors"), metadata = c(made = "here")),
    torch_load = {
      torch_save(nn_linear(3, 2), at("1"))
      torch_save(list(x = torch_ones(2), note = "text", f = 1:3), at("2"))
      torch_save(torch_randn(4), at("3"))
    },
    `zip .pth` = file.copy("tests/testthat/checkpoints/checkpoint_zip.pth", at("1.pth")) &
      file.copy("tests/testthat/checkpoints/weights_zip.pth", at("2.pth")),
    `stream .pth` = file.copy("tests/testthat/checkpoints/weights_legacy.pth", at("1.pth")),
    polygons = writeLines(paste0('{"imagePath":"a.png","shapes":[{"label":"a","shape_type":"polygon","points":',
      '[[1,1],[30.5,2],[20,40]]},{"label":"a","shape_type":"circle","points":[[20,20],[25,20]]},',
      '{"label":"a","shape_type":"rectangle","points":[[3,4],[9,12]]}]}'), at("1")),
    runs = writeLines("o1PQ2dN3M1O2", at("1"))
  )
}

file_readers <- c("PNG", "JPEG", if ("TIFF" %in% candela::image_formats()) "TIFF", "labels", "safetensors", "zip .pth",
  "stream .pth", "torch_load", if (requireNamespace("jsonlite", quietly = TRUE)) "polygons", "runs")

if (sys.nframe() == 0) {
  suppressPackageStartupMessages(library(candela))
  set.seed(1)
  torch_manual_seed(1)
  for (reader in file_readers) {
    folder <- file.path(commandArgs(TRUE)[[1]], reader)
    dir.create(folder, recursive = TRUE, showWarnings = FALSE)
    invisible(seed_files(reader, folder))
  }
}
