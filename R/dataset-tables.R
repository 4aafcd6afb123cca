#' @include dataset-folder.R
NULL

#' Published sets of tables, texts and pairs of pictures
#'
#' `bank_marketing_dataset()`: calls of a bank, categories as columns of zeros and ones. `spam_dataset()`: words and
#' characters in mails. `imdb_dataset()`: reviews of films as numbers of words. `cityscapes_pix2pix_dataset()`: streets
#' beside their label pictures.
#'
#' @param root folder that holds, or will hold, `bank-marketing`, `imdb` or `cityscapes-image-pairs`, or the archive.
#' @param split `"train"`, or for texts `"test"`, for streets anything else for the validation set.
#' @param indexes numbers of the rows to keep; `NULL`: all.
#' @param download get the archive where neither it nor the folder is there. These have no published sums.
#' @param with_call_duration keep the length of the call, which is not known before it?
#' @param url address or path of the table.
#' @param transform,target_transform functions applied to `x` and `y` (streets: to the label picture and the photo).
#' @param shuffle bring the reviews into random order, with R's generator?
#' @param num_words,skip_top number of words that are known, and of the most frequent ones that are not.
#' @param maxlen length of each review: longer ones are cut, before shorter ones stand ones.
#' @param start_char,oov_char,index_from numbers for the beginning, for words that are not known, and for the first
#'   word.
#' @param ... not used.
#' @return A dataset with items `list(x, y)`; of streets `list(input_img, real_img)`, arrays 256 x 256 x 3.
#' @section Errors: a `runtime_error` where the files are missing or cannot be had.
#' @source Moro et al. (2014), A data-driven approach to predict the success of bank telemarketing; Hastie et al.
#'   (2009), The elements of statistical learning; Maas et al. (2011), Learning word vectors for sentiment analysis;
#'   Isola et al. (2017), Image-to-image translation with conditional adversarial networks.
#' @examples
#' try(bank_marketing_dataset(tempfile()))
#' @export
bank_marketing_dataset <- dataset("BankMarketing",
  url = "https://archive.ics.uci.edu/ml/machine-learning-databases/00222/bank-additional.zip",
  initialize = function(root, split = "train", indexes = NULL, download = FALSE, with_call_duration = FALSE) {
    check_choice(split, "split", "train")
    check_flag(with_call_duration, "with_call_duration")
    folder <- data_folder(root, "bank-marketing", list(self$url), download)
    file <- list.files(folder, "^bank-additional-full[.]csv$", recursive = TRUE, full.names = TRUE)
    if (length(file) == 0) data_not_found(file.path(folder, "bank-additional-full.csv"))
    calls <- utils::read.csv2(file[[1]], dec = ".", stringsAsFactors = FALSE)
    if (!is.null(indexes)) calls <- calls[indexes, ]
    if (!with_call_duration) calls$duration <- NULL
    calls$education <- match(calls$education, c("unknown", "illiterate", "basic.4y", "basic.6y", "basic.9y",
      "high.school", "professional.course", "university.degree"))
    self$target <- as.numeric(calls$y == "yes")
    calls$y <- NULL
    kinds <- c("default", "job", "marital", "housing", "loan", "contact", "month", "day_of_week", "poutcome")
    kinds <- intersect(kinds, names(calls))
    columns <- lapply(kinds, function(name) {
      levels <- sort(unique(calls[[name]]))
      found <- outer(calls[[name]], levels, `==`) + 0
      colnames(found) <- paste(name, levels, sep = "_")
      found
    })
    self$features <- do.call(cbind, c(list(as.matrix(calls[setdiff(names(calls), kinds)])), columns))
  },
  .getitem = function(index) {
    list(x = torch_tensor(as.numeric(self$features[index, ])), y = torch_scalar_tensor(self$target[[index]]))
  },
  .length = function() nrow(self$features)
)

#' @rdname bank_marketing_dataset
#' @export
spam_dataset <- dataset("spam_dataset",
  initialize = function(url = "https://hastie.su.domains/ElemStatLearn/datasets/spam.data", download = FALSE,
                        transform = NULL, target_transform = NULL) {
    check_string(url, "url")
    path <- url
    if (download) {
      path <- tempfile(fileext = ".data")
      on.exit(unlink(path))
      download_checked(url, path, NULL, "the mails", progress = FALSE)
    }
    mails <- tryCatch(utils::read.table(path), error = function(e) {
      runtime_error(sprintf("'%s' cannot be read: %s.", path, conditionMessage(e)))
    })
    self$x_data <- as.matrix(mails[-ncol(mails)])
    self$y_data <- as.numeric(mails[[ncol(mails)]])
    self$transform <- transform
    self$target_transform <- target_transform
  },
  .getitem = function(index) {
    x <- unname(self$x_data[index, ])
    y <- self$y_data[[index]]
    if (!is.null(self$transform)) x <- self$transform(x)
    if (!is.null(self$target_transform)) y <- self$target_transform(y)
    list(x = torch_tensor(x, dtype = torch_float()), y = torch_tensor(y, dtype = torch_long()))
  },
  .length = function() nrow(self$x_data)
)

# Words in lower case; apostrophes within them belong to them.
words_of <- function(text) {
  regmatches(tolower(text), gregexpr("[[:alnum:]]+(['.][[:alnum:]]+)*", tolower(text)))[[1]]
}

#' @rdname bank_marketing_dataset
#' @export
imdb_dataset <- dataset("imdb",
  url = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
  initialize = function(root, download = FALSE, split = "train", shuffle = (split == "train"), num_words = Inf,
                        skip_top = 0, maxlen = Inf, start_char = 2, oov_char = 3, index_from = 4) {
    check_choice(split, "split", c("train", "test"))
    check_flag(shuffle, "shuffle")
    folder <- file.path(data_folder(root, "imdb", list(self$url), download), "aclImdb")
    found <- self$read(folder, split)
    known <- table(unlist(if (split == "train") found$texts else self$read(folder, "train")$texts))
    known <- names(sort(known, decreasing = TRUE))
    if (skip_top > 0) known <- known[-seq_len(skip_top)]
    self$vocabulary <- utils::head(known, min(num_words, length(known)))
    order <- if (shuffle) sample.int(length(found$texts)) else seq_along(found$texts)
    self$texts <- found$texts[order]
    self$response <- found$response[order]
    self$maxlen <- maxlen
    self$codes <- c(start = start_char, unknown = oov_char, first = index_from)
  },
  read = function(folder, split) {
    files <- lapply(c("pos", "neg"), function(kind) {
      sort(list.files(file.path(folder, split, kind), "[.]txt$", full.names = TRUE), method = "radix")
    })
    if (length(unlist(files)) == 0) data_not_found(file.path(folder, split))
    read <- function(file) words_of(paste(readLines(file, warn = FALSE, encoding = "UTF-8"), collapse = " "))
    list(texts = lapply(unlist(files), read), response = rep(c(1, 0), lengths(files)))
  },
  .getitem = function(i) {
    x <- match(self$texts[[i]], self$vocabulary) + as.integer(self$codes[["first"]]) - 1L
    x[is.na(x)] <- as.integer(self$codes[["unknown"]])
    x <- c(as.integer(self$codes[["start"]]), x)
    if (is.finite(self$maxlen)) {
      x <- c(rep(1L, max(self$maxlen - length(x), 0)), utils::head(x, self$maxlen))
    }
    list(x = x, y = self$response[[i]])
  },
  .length = function() length(self$texts)
)

#' @rdname bank_marketing_dataset
#' @export
cityscapes_pix2pix_dataset <- dataset("CityscapesImagePairs",
  url = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/cityscapes.tar.gz",
  initialize = function(root, split = "train", download = FALSE, ..., transform = NULL, target_transform = NULL) {
    folder <- data_folder(root, "cityscapes-image-pairs", list(self$url), download)
    folder <- file.path(folder, "cityscapes", if (identical(split, "train")) "train" else "val")
    self$split <- split
    self$files <- sort(list.files(folder, "[.]jpg$", full.names = TRUE), method = "radix")
    if (length(self$files) == 0) data_not_found(folder)
    self$transform <- transform %||% identity
    self$target_transform <- target_transform %||% identity
  },
  .getitem = function(i) {
    img <- base_loader(self$files[[i]])
    half <- dim(img)[[2]] / 2
    list(input_img = self$transform(img[, half + seq_len(half), ]),
      real_img = self$target_transform(img[, seq_len(half), ]))
  },
  .length = function() length(self$files)
)
