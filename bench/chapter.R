# The chapter's training on real photographs, as luz runs it: frozen pretrained encoder, Adam at 4e-4 with beta1 0.95
# (the chapter's schedule is never stepped), vertical flips, batch 32. Prints the metrics of each epoch.
#
# usage: Rscript bench/chapter.R --pets DIR --weights DIR [--epochs 20] [--seed 1] [--threads 2]
suppressPackageStartupMessages(library(candela))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
source(file.path(here, "common.R"))
source(file.path(here, "unet-model.R"))
source(file.path(here, "pets.R"))

root <- option("pets", ".")
options(candela.weights = option("weights", "."))
epochs <- count_option("epochs", 20)
seed <- count_option("seed", 1)
torch_set_num_threads(count_option("threads", 2))
torch_manual_seed(seed)
set.seed(seed)

train_dl <- dataloader(
  pet_dataset(root = root, split = "train", size = c(224, 224), augmentation = flip),
  batch_size = 32, shuffle = TRUE
)
valid_dl <- dataloader(pet_dataset(root = root, split = "valid", size = c(224, 224)), batch_size = 32)

pretrained_unet <- nn_module(
  inherit = unet,
  initialize = function() super$initialize(model_mobilenet_v2(pretrained = TRUE)$features)
)

start <- now()
clock <- luz_callback(
  on_epoch_end = function() {
    values <- ctx$get_metrics_df()
    values <- values[values$epoch == ctx$epoch, ]
    cat(sprintf("epoch %d ", ctx$epoch), sprintf("%s %s %.4f ", values$set, values$metric, values$value),
      sprintf("%.0f s\n", now() - start), sep = "")
  }
)
fitted <- pretrained_unet %>%
  setup(
    optimizer = optim_adam, loss = nn_cross_entropy_loss(),
    metrics = list(luz_metric_accuracy(), luz_metric_iou(num_classes = 3))
  ) %>%
  set_opt_hparams(lr = 4e-4, betas = c(0.95, 0.999)) %>%
  fit(train_dl, epochs = epochs, valid_data = valid_dl, callbacks = list(clock()), verbose = FALSE)
