# An epoch on photographs, as luz runs it, and the same number of steps on one batch that is in memory already.
#
# usage: Rscript bench/epoch.R [--pets DIR] [--batch 32] [--batches 6] [--rounds 13] [--threads 2]
#   [--passes 9 --turns yes]
# DIR holds oxford-pet/; without it ../shared/pets is taken where it exists, else pictures are drawn.
# Prints: name value. In each round the epoch comes between two runs of the steps alone, and their mean counts, for
# the machine's speed may drift; epoch_ratio is the median of the rounds. With --turns: reading and an epoch alone.
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "unet-model.R"))
source(file.path(here, "pets.R"))

batch <- count_option("batch", 32)
batches <- count_option("batches", 6)
rounds <- count_option("rounds", 13)
torch_set_num_threads(count_option("threads", 2))
torch_manual_seed(1)
set.seed(1)

drawn_pets <- function() {
  folder <- file.path(tempdir(), "pets")
  dir.create(folder)
  synthetic_pets(folder, n = 2 * batch * batches)
}
shared_pets <- file.path(here, "..", "..", "shared", "pets")
root <- option("pets", if (dir.exists(shared_pets)) shared_pets else drawn_pets())

photos <- pet_dataset(root = root, split = "train", size = c(224, 224), augmentation = flip)
batches <- min(batches, length(photos) %/% batch)
photos <- dataloader(dataset_subset(photos, seq_len(batches * batch)), batch_size = batch, shuffle = TRUE)

read_all <- function() {
  batch_of <- dataloader_make_iter(photos)
  while (!is.null(dataloader_next(batch_of))) NULL
}
for (round in 1:4) read_all()
loading_ms <- function(rounds, ...) 1e3 * least_seconds(rounds, read_all, ...) / batches
resident_before <- peak_rss_mib()
if (is.null(turns)) {
  cat(sprintf("loading_ms_per_batch %.1f\n", loading_ms(rounds)))
  cat(sprintf("loading_growth_mib %.1f\n", peak_rss_mib() - resident_before))
}

in_memory <- dataset(
  initialize = function(items) self$items <- items,
  .getbatch = function(indices) self$items,
  .length = function() batches * batch
)
fixed <- dataloader(in_memory(dataloader_next(dataloader_make_iter(photos))), batch_size = batch)

model <- unet %>%
  setup(optimizer = optim_adam, loss = nn_cross_entropy_loss()) %>%
  set_opt_hparams(lr = 4e-4)
epoch_seconds <- function(data) {
  seconds <- NULL
  clock <- luz_callback(
    on_epoch_begin = function() self$start <- now(),
    on_epoch_end = function() seconds <<- now() - self$start
  )
  fit(model, data, epochs = 1, callbacks = list(clock()), verbose = FALSE)
  gc()
  seconds
}
invisible(epoch_seconds(fixed))
if (!is.null(turns)) {
  print_figures(list(
    loading_ms_per_batch = function() loading_ms(1, seconds = 0), epoch_s = function() epoch_seconds(photos)
  ))
  quit()
}
steps <- epoch_seconds(fixed)
epochs <- numeric()
for (round in seq_len(rounds)) {
  epochs <- c(epochs, epoch_seconds(photos))
  steps <- c(steps, epoch_seconds(fixed))
}
around <- (steps[-1] + steps[-length(steps)]) / 2
cat(sprintf("epoch_s %.3f\nsteps_s %.3f\nepoch_ratio %.3f\n", median(epochs), median(steps), median(epochs / around)))
