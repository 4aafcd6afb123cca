# Pretrained weights: where they are looked for, and how a file is fetched safely.

# Published files by the name of the model: at https://download.pytorch.org/models/ unless the address is whole. The
# eight digits in a name begin the SHA-256 sum of the file.
weight_files <- c(
  mobilenet_v2 = "mobilenet_v2-b0353104.pth",
  alexnet = "alexnet-owt-7be5be79.pth",
  convnext_base = "convnext_base-6075fbad.pth",
  convnext_large = "convnext_large-ea097f82.pth",
  convnext_small = "convnext_small-0c510722.pth",
  convnext_tiny = "convnext_tiny-983f1562.pth",
  deeplabv3_mobilenet_v3_large = "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
  deeplabv3_resnet101 = "deeplabv3_resnet101_coco-586e9e4e.pth",
  deeplabv3_resnet50 = "deeplabv3_resnet50_coco-cd0a2569.pth",
  densenet121 = "densenet121-a639ec97.pth",
  densenet161 = "densenet161-8d451a50.pth",
  densenet169 = "densenet169-b2777c0a.pth",
  densenet201 = "densenet201-c1103571.pth",
  efficientnet_b0 = "efficientnet_b0_rwightman-7f5810bc.pth",
  efficientnet_b1 = "efficientnet_b1_rwightman-bac287d4.pth",
  efficientnet_b2 = "efficientnet_b2_rwightman-c35c1473.pth",
  efficientnet_b3 = "efficientnet_b3_rwightman-b3899882.pth",
  efficientnet_b4 = "efficientnet_b4_rwightman-23ab8bcd.pth",
  efficientnet_b5 = "efficientnet_b5_lukemelas-1a07897c.pth",
  efficientnet_b6 = "efficientnet_b6_lukemelas-24a108a5.pth",
  efficientnet_b7 = "efficientnet_b7_lukemelas-c5b4e57e.pth",
  efficientnet_v2_l = "efficientnet_v2_l-59c71312.pth",
  efficientnet_v2_m = "efficientnet_v2_m-dc08266a.pth",
  efficientnet_v2_s = "efficientnet_v2_s-dd5fe13b.pth",
  fcn_resnet101 = "fcn_resnet101_coco-7ecb50ca.pth",
  fcn_resnet50 = "fcn_resnet50_coco-1167a1af.pth",
  lraspp_mobilenet_v3_large = "lraspp_mobilenet_v3_large-d234d4ea.pth",
  mobilenet_v3_large = "mobilenet_v3_large-8738ca79.pth",
  mobilenet_v3_small = "mobilenet_v3_small-047dcff4.pth",
  resnet101 = "resnet101-63fe2227.pth",
  resnet152 = "resnet152-394f9c45.pth",
  resnet18 = "resnet18-f37072fd.pth",
  resnet34 = "resnet34-b627a593.pth",
  resnet50 = "resnet50-0676ba61.pth",
  resnext101_32x8d = "resnext101_32x8d-8ba56ff5.pth",
  resnext101_64x4d = "resnext101_64x4d-173b62eb.pth",
  resnext50_32x4d = "resnext50_32x4d-7cdf4587.pth",
  squeezenet1_0 = "squeezenet1_0-b66bff10.pth",
  squeezenet1_1 = "squeezenet1_1-b8a52dc0.pth",
  vgg11 = "vgg11-8a719046.pth",
  vgg11_bn = "vgg11_bn-6002323d.pth",
  vgg13 = "vgg13-19584684.pth",
  vgg13_bn = "vgg13_bn-abd245e5.pth",
  vgg16 = "vgg16-397923af.pth",
  vgg16_bn = "vgg16_bn-6c64b313.pth",
  vgg19 = "vgg19-dcbb9e9d.pth",
  vgg19_bn = "vgg19_bn-c79401a0.pth",
  wide_resnet101_2 = "wide_resnet101_2-32ee1156.pth",
  wide_resnet50_2 = "wide_resnet50_2-95faca4d.pth"
)

# Other addresses, below https://torch-cdn.mlverse.org/models/vision/v2/models/, with md5 sums where they have been
# published.
mlverse_files <- list(
  mobilenet_v2 = c("mobilenet_v2.pth", "06af6062e42ad3c80e430219a6560ca0"),
  vit_b_16 = c("vit_b_16.pth", "dc04e8807c138d7ed4ae2754f59aec00"),
  vit_b_32 = c("vit_b_32.pth", "6ea9578eb4e1cf9ffe1eec998ffebe14"),
  vit_l_16 = c("vit_l_16.pth", "bc28a00cbcb48fb25318c7d542100915"),
  vit_l_32 = c("vit_l_32.pth", "fc44a3ff3f6905a6868f55070d6106af"),
  vit_h_14 = c("vit_h_14.pth", "1f8d098982a80ccbe8dab3a5ff45752b"),
  inception_v3 = c("inception_v3_google.pth", "8d60b4fcf263f2a8d2ed21f0f9690e3b"),
  facenet_pnet = c("facenet_pnet.pth", "7f59c98ccf07c4ed51caf68fde86373e"),
  facenet_rnet = c("facenet_rnet.pth", "c19b2f0df8f448455dd7ddbb47dcfa19"),
  facenet_onet = c("facenet_onet.pth", "4833e21e3a610b4064b5a3d20683a55f"),
  facenet_vggface2 = c("vggface2.pth", "c446a04f0b22763858226717ba1f7410"),
  `facenet_casia-webface` = c("casia-webface.pth", "ff4aff482f6c1941784abba5131bae20"),
  convnext_tiny_1k = "convnext_tiny_1k.pth", convnext_tiny_22k = "convnext_tiny_22k.pth",
  convnext_small_22k = "convnext_small_22k.pth", convnext_small_22k1k = "convnext_small_22k1k.pth",
  convnext_base_1k = "convnext_base_1k.pth", convnext_base_22k = "convnext_base_22k.pth",
  convnext_large_1k = "convnext_large_1k.pth", convnext_large_22k = "convnext_large_22k.pth",
  convnext_tiny_upernet = c("convnext_tiny_upernet_512.pth", "6a8321d6e804aaa92a55d8b91b7d6f39"),
  convnext_small_upernet = c("convnext_small_upernet_512.pth", "7040ac0cb06a748d25e4d26e7d27eedc"),
  convnext_base_upernet = c("convnext_base_upernet_512.pth", "df98aa4c6bca23a3732dae19680eceb9")
)

# The address of a model's file, and its checksum: an md5 sum or the beginning of the SHA-256 sum. NULL for no file.
weight_source <- function(name) {
  if (name %in% names(mlverse_files)) {
    file <- mlverse_files[[name]]
    return(list(url = paste0("https://torch-cdn.mlverse.org/models/vision/v2/models/", file[[1]]),
      md5 = if (length(file) > 1) file[[2]]))
  }
  file <- if (name %in% names(weight_files)) weight_files[[name]]
  if (is.null(file)) {
    return(NULL)
  }
  list(url = paste0("https://download.pytorch.org/models/", file), sha256 = sub(".*-([0-9a-f]+)\\.pth$", "\\1", file))
}

#' Pretrained weights
#'
#' Finds the weights of a model, and downloads them when they are nowhere on this computer. Looked through in this
#' order, for the file `<name>.pth` (a PyTorch checkpoint) or `<name>.safetensors`, or under the name it is published by
#' (such as `resnet18-f37072fd.pth`):
#' 1. the folders of `options(candela.weights = )`, or of the environment variable `CANDELA_WEIGHTS` (several are
#'    separated by `.Platform$path.sep`);
#' 2. the cache of the package, `tools::R_user_dir("candela", "cache")`;
#' 3. the address the file is published at. It is downloaded into the cache, compared with its checksum, and found
#'    there the next time.
#'
#' @param name name of the model without `model_`: `"mobilenet_v2"`, `"resnet18"` and so on (ImageNet, 1000 classes;
#'   `"deeplabv3_resnet50"` and other segmentation models: COCO, the 21 classes of Pascal VOC). With a folder set, any
#'   name for which the folder has a file.
#' @param progress show the progress of a download?
#' @return `pretrained_weights()` gives a named list of tensors, to be given to a model's `load_state_dict()`;
#'   `pretrained_weights_path()` the path of the file.
#' @section Errors:
#' A `runtime_error` when the file is nowhere and cannot be downloaded, which says where to put it; also when the
#' downloaded file is damaged.
#' @examples
#' # Weights in a folder of one's own
#' folder <- tempfile()
#' dir.create(folder)
#' save_safetensors(list(weight = torch_ones(2, 2)), file.path(folder, "tiny.safetensors"))
#' old <- options(candela.weights = folder)
#' pretrained_weights("tiny")
#' options(old)
#' @export
pretrained_weights <- function(name, progress = TRUE) {
  read_weights(pretrained_weights_path(name, progress))
}

#' @rdname pretrained_weights
#' @export
pretrained_weights_path <- function(name, progress = TRUE) {
  check_string(name, "name")
  found <- find_weights(name)
  if (!is.null(found)) {
    return(found)
  }
  source <- weight_source(name)
  if (is.null(source)) {
    runtime_error(c(sprintf("No pretrained weights for '%s' were found.", name), where_to_put_weights(name)))
  }
  download_weights(name, source, progress)
}

# The model, with the weights published under that name, or those of a file where `pretrained` is its path.
load_pretrained <- function(model, name, pretrained, progress) {
  if (is.character(pretrained)) {
    check_string(pretrained, "pretrained")
    return(load_weights(model, read_weights(pretrained), sprintf("'%s'", pretrained)))
  }
  check_flag(pretrained, "pretrained")
  if (pretrained) load_weights(model, pretrained_weights(name, progress), name)
  model
}

# Names in published files that have others in the modules: those of old files of DenseNets ("norm.1" for "norm1"),
# of PyTorch's vision transformers, and of the segmentation models of ConvNeXt.
modern_names <- function(weights) {
  found <- names(weights)
  names(weights) <- sub("(denselayer[0-9]+\\.(norm|conv))\\.([12]\\.)", "\\1\\3", found)
  of_vit <- any(startsWith(found, "encoder.layers.encoder_layer_"))
  renamed <- if (of_vit) vit_names else if (any(startsWith(found, "decode_head.conv_seg."))) upernet_names
  for (pattern in names(renamed)) names(weights) <- sub(pattern, renamed[[pattern]], names(weights))
  weights
}

load_weights <- function(model, weights, source) {
  weights <- modern_names(weights)
  check_weights_fit(weights, model, source)
  counters <- grep("num_batches_tracked$", names(model$state_dict()), value = TRUE)
  missing <- setdiff(counters, names(weights))
  weights[missing] <- model$state_dict()[missing]
  model$load_state_dict(weights)
}

# The first entry that a model asks for and the weights do not have in its shape is named in the error.
check_weights_fit <- function(weights, model, source) {
  wanted <- model$state_dict()
  shapes <- paste("The weights of", source, "do not fit: `%s` has shape [%s], but the model asks for [%s].")
  for (key in names(wanted)) {
    if (!key %in% names(weights) && !endsWith(key, "num_batches_tracked")) {
      value_error(sprintf("The weights of %s do not fit: `%s` is missing (%d tensors found, %d wanted).",
        source, key, length(weights), length(wanted)))
    }
    if (key %in% names(weights)) check_fit(key, weights[[key]], wanted[[key]], shapes)
  }
}

read_weights <- function(path) {
  if (grepl("\\.safetensors$", path)) load_safetensors(path) else load_state_dict(path)
}

weights_cache <- function() tools::R_user_dir("candela", "cache")

weights_folders <- function() {
  set <- getOption("candela.weights", Sys.getenv("CANDELA_WEIGHTS"))
  path.expand(as.character(unlist(strsplit(as.character(set), .Platform$path.sep, fixed = TRUE))))
}

find_weights <- function(name) {
  published <- if (name %in% names(weight_files)) weight_files[[name]]
  files <- c(paste0(name, c(".pth", ".safetensors")), published)
  candidates <- as.vector(t(outer(c(weights_folders(), weights_cache()), files, file.path)))
  found <- candidates[file.exists(candidates)]
  if (length(found) > 0) found[[1]]
}

where_to_put_weights <- function(name) {
  c(
    i = sprintf("Put the file '%s.pth' or '%s.safetensors' into a folder,", name, name),
    i = sprintf("and set options(candela.weights = \"<that folder>\") or CANDELA_WEIGHTS=<that folder>,"),
    i = sprintf("or put it into the cache '%s'.", weights_cache())
  )
}

download_weights <- function(name, source, progress) {
  path <- file.path(weights_cache(), basename(source$url))
  rlang::inform(sprintf(
    "Model weights for <%s> will be downloaded to '%s'.", name, path
  ))
  dir.create(weights_cache(), recursive = TRUE, showWarnings = FALSE)
  withCallingHandlers(
    download_checked(source$url, path, source$md5, sprintf("the weights of %s", name), progress, source$sha256),
    candela_error_download = function(e) {
      runtime_error(c(
        conditionMessage(e),
        i = sprintf("Without a connection, get the file '%s' on another computer from", basename(source$url)),
        " " = source$url,
        where_to_put_weights(name)
      ))
    }
  )
  path
}

# Downloads url to destfile: into a file beside it first, which takes the place of destfile only when it is complete
# and has the md5 sum, or a SHA-256 sum that begins with `sha256`. Nothing is left behind after a failure. `what` names
# the thing in messages.
download_checked <- function(url, destfile, md5, what, progress = TRUE, sha256 = NULL) {
  part <- tempfile("download-", dirname(destfile))
  old <- options(timeout = max(600, getOption("timeout")))
  on.exit({
    options(old)
    unlink(part)
  })
  problem <- tryCatch(
    suppressWarnings(utils::download.file(url, part, mode = "wb", quiet = !progress)),
    error = function(e) conditionMessage(e)
  )
  if (is.character(problem) || problem != 0 || !file.exists(part)) {
    reason <- if (is.character(problem)) problem else sprintf("status %s", problem)
    raise(sprintf("Cannot download %s from %s: %s.", what, url, reason), c("candela_error_download", "runtime_error"))
  }
  if (!is.null(md5)) check_sum(part, unname(tools::md5sum(part)), md5, "md5", what, url)
  if (!is.null(sha256)) check_sum(part, .Call(cdr_sha256, part), sha256, "SHA-256", what, url)
  if (!file.rename(part, destfile)) {
    runtime_error(sprintf("Cannot write '%s', where %s should go.", destfile, what))
  }
  invisible(destfile)
}

check_sum <- function(path, got, wanted, kind, what, url) {
  if (!startsWith(got, wanted)) {
    runtime_error(c(
      sprintf("Corrupt file! The download of %s from %s is damaged: its %s sum is %s, not %s.", what, url, kind, got,
        wanted),
      i = "It was removed. Try again."
    ))
  }
}
