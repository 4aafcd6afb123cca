# Trains a U-Net on pets and draws what it has learnt: the script behind `make demo`.
#
# usage: Rscript pet_segmentation.R [--pets DIR] [--weights DIR] [--epochs N] [--out DIR]
#   --pets     folder holding oxford-pet/ (default: pictures drawn by synthetic_pets() in a temporary folder)
#   --weights  folder holding mobilenet_v2.pth (default: the encoder starts from random numbers and is trained as well)
#   --epochs   number of epochs (default 20 for photographs, 30 for drawn pictures)
#   --out      where pet_segmentation.png goes (default: here)
suppressPackageStartupMessages(library(candela))

option <- function(name, default = NULL) {
  args <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), args)
  if (is.na(at) || at == length(args) || !nzchar(args[[at + 1]])) default else args[[at + 1]]
}

pets <- option("pets")
weights <- option("weights")
drawn <- is.null(pets)
pretrained <- !is.null(weights)
epochs <- as.integer(option("epochs", if (drawn) 30 else 20))
out <- option("out", ".")
dir.create(out, recursive = TRUE, showWarnings = FALSE)
if (!dir.exists(out)) stop("--out ", out, ": there is no such folder, and it cannot be made")
size <- if (drawn) c(96, 96) else c(224, 224)
if (pretrained) options(candela.weights = weights)

if (drawn) {
  pets <- tempfile("pets")
  cat("Drawing 320 pictures of animals ...\n")
  synthetic_pets(pets, n = 320, seed = 1)
}

pet_dataset <- dataset(
  inherit = oxford_pet_dataset,
  initialize = function(..., augment = FALSE, normalize = TRUE) {
    self$augment <- augment
    super$initialize(
      ...,
      transform = function(x) {
        x <- transform_resize(transform_to_tensor(x), size)
        if (normalize) x <- transform_normalize(x, c(0.485, 0.456, 0.406), c(0.229, 0.224, 0.225))
        x
      },
      target_transform = function(y) {
        transform_resize(torch_tensor(y, dtype = torch_long()), size, interpolation = 0)
      }
    )
  },
  .getitem = function(i) {
    item <- super$.getitem(i)
    if (self$augment && runif(1) > 0.5) {
      list(x = transform_hflip(item$x), y = transform_hflip(item$y))
    } else {
      list(x = item$x, y = item$y)
    }
  }
)

encoder <- nn_module(
  initialize = function() {
    features <- model_mobilenet_v2(pretrained = pretrained)$features
    self$stages <- nn_module_list(list(
      nn_identity(), features[1:2], features[3:4], features[5:7], features[8:14], features[15:18]
    ))
    if (pretrained) for (parameter in self$parameters) parameter$requires_grad_(FALSE)
  },
  forward = function(x) {
    stages <- list()
    for (i in seq_along(self$stages)) stages[[i]] <- x <- self$stages[[i]](x)
    stages
  }
)

decoder_block <- nn_module(
  initialize = function(in_channels, skip_channels, out_channels) {
    self$upsample <- nn_conv_transpose2d(in_channels, out_channels, kernel_size = 2, stride = 2)
    self$conv <- nn_conv2d(out_channels + skip_channels, out_channels, kernel_size = 3, padding = "same")
  },
  forward = function(x, skip) {
    x <- nnf_relu(self$upsample(x))
    nnf_relu(self$conv(torch_cat(list(x, skip), dim = 2)))
  }
)

unet <- nn_module(
  initialize = function() {
    channels <- c(320, 256, 128, 64, 32, 16)
    skips <- c(96, 32, 24, 16, 3)
    self$encoder <- encoder()
    self$blocks <- nn_module_list()
    for (i in 1:5) self$blocks$append(decoder_block(channels[[i]], skips[[i]], channels[[i + 1]]))
    self$output <- nn_conv2d(16, 3, kernel_size = 3, padding = "same")
  },
  forward = function(x) {
    stages <- rev(self$encoder(x))
    x <- stages[[1]]
    for (i in 1:5) x <- self$blocks[[i]](x, stages[[i + 1]])
    self$output(x)
  }
)

torch_manual_seed(1)
set.seed(1)
train_set <- pet_dataset(root = pets, split = "train", augment = TRUE)
# A network learns by steps: with few pictures or epochs the batches are smaller, so that there are some hundreds, and
# the rate follows their size.
largest <- if (drawn) 16 else 32
batch_size <- max(4, min(largest, floor(length(train_set) * epochs / if (drawn) 480 else 900)))
max_lr <- (if (drawn) 4e-3 else 1e-3) * sqrt(batch_size / largest)
train <- dataloader(train_set, batch_size = batch_size, shuffle = TRUE)
valid_set <- pet_dataset(root = pets, split = "valid")
valid <- dataloader(valid_set, batch_size = batch_size)

cat(sprintf("Training on %d pictures, %d epoch%s ...\n", length(train$dataset), epochs, if (epochs == 1) "" else "s"))
fitted <- unet %>%
  setup(loss = nn_cross_entropy_loss(), optimizer = optim_adam, metrics = list(luz_metric_accuracy())) %>%
  fit(
    train,
    epochs = epochs, valid_data = valid, verbose = TRUE,
    callbacks = list(luz_callback_lr_scheduler(
      lr_one_cycle,
      max_lr = max_lr, epochs = epochs, steps_per_epoch = length(train),
      call_on = "on_train_batch_end"
    ))
  )

shown <- if (length(valid_set) >= 8) round(seq(1, length(valid_set), length.out = 8)) else seq_along(valid_set)
logits <- predict(fitted, dataloader(dataset_subset(valid_set, shown), batch_size = 8))
plain <- pet_dataset(root = pets, split = "valid", normalize = FALSE)
images <- torch_stack(lapply(shown, function(i) plain[i]$x))
truth <- torch_stack(lapply(shown, function(i) plain[i]$y))

file <- file.path(out, "pet_segmentation.png")
plot_segmentation(images, torch_argmax(logits, 2), truth = truth, class_names = c("pet", "background", "border"),
  colours = c("#E6007E", NA, "#00C8FF"), alpha = 0.4, outline = TRUE, ncol = 4, file = file, width = 1600)
cat("Wrote ", file, "\n", sep = "")
