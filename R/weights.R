# Pretrained weights: where they are looked for, and how a file is fetched safely.

weight_files <- list(
  mobilenet_v2 = list(
    url = "https://torch-cdn.mlverse.org/models/vision/v2/models/mobilenet_v2.pth",
    md5 = "06af6062e42ad3c80e430219a6560ca0",
    size = "~13 MB"
  )
)

#' Pretrained weights
#'
#' Finds the weights of a model, and downloads them when they are nowhere on this computer. Looked through in this
#' order, for the file `<name>.pth` (a PyTorch checkpoint) or `<name>.safetensors`:
#' 1. the folders of `options(candela.weights = )`, or of the environment variable `CANDELA_WEIGHTS` (several are
#'    separated by `.Platform$path.sep`);
#' 2. the cache of the package, `tools::R_user_dir("candela", "cache")`;
#' 3. the address the file is published at. It is downloaded into the cache, compared with its checksum, and found
#'    there the next time.
#'
#' @param name name of the model: `"mobilenet_v2"` (ImageNet, 1000 classes; a file of about 13 MB). With a folder set,
#'   any name for which the folder has a file.
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
  source <- weight_files[[name]]
  if (is.null(source)) {
    runtime_error(c(sprintf("No pretrained weights for '%s' were found.", name), where_to_put_weights(name)))
  }
  download_weights(name, source, progress)
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
  candidates <- as.vector(t(outer(
    c(weights_folders(), weights_cache()), paste0(name, c(".pth", ".safetensors")), file.path
  )))
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
    "Model weights for <%s> (%s) will be downloaded to '%s'.", name, source$size, path
  ))
  dir.create(weights_cache(), recursive = TRUE, showWarnings = FALSE)
  withCallingHandlers(
    download_checked(source$url, path, source$md5, sprintf("the weights of %s", name), progress),
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
# and has the md5 sum. Nothing is left behind after a failure. `what` names the thing in messages.
download_checked <- function(url, destfile, md5, what, progress = TRUE) {
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
  check_md5(part, md5, what, url)
  if (!file.rename(part, destfile)) {
    runtime_error(sprintf("Cannot write '%s', where %s should go.", destfile, what))
  }
  invisible(destfile)
}

check_md5 <- function(path, md5, what, url) {
  got <- unname(tools::md5sum(path))
  if (!is.null(md5) && !identical(got, md5)) {
    runtime_error(c(
      sprintf("Corrupt file! The download of %s from %s is damaged: its md5 sum is %s, not %s.", what, url, got, md5),
      i = "It was removed. Try again."
    ))
  }
}
