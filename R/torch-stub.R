#' Packages torch, torchvision, luz and torchdatasets that are candela
#'
#' Writes and installs small packages under these names, whose functions are candela's, into a library of your choice.
#' Put in front of the others, it lets code that says `torch::torch_ones(2)`, and packages that import torch, run
#' unchanged.
#'
#' The packages hold no code of their own and nothing is compiled. What torch and the others export and candela does not
#' have is there as a function that says so when it is called, so that packages that import it can be installed. A
#' package of that name that is no such stub is never replaced.
#'
#' @param lib folder of the library; made if it is not there.
#' @param packages which of the four.
#' @param quiet do not show what R says while it installs.
#' @return `lib`, invisibly.
#' @section Errors: a `runtime_error` where `lib` holds the real package of that name, or R cannot install.
#' @examples
#' \donttest{
#' lib <- as_torch_stub(tempfile("library-"), packages = "torchdatasets")
#' list.files(lib)
#' # In a new session: .libPaths(c(lib, .libPaths())); library(torch); library(luz)
#' }
#' @export
as_torch_stub <- function(lib, packages = c("torch", "torchvision", "luz", "torchdatasets"), quiet = TRUE) {
  check_string(lib, "lib")
  check_flag(quiet, "quiet")
  peers <- peer_exports()
  if (!is.character(packages) || length(packages) == 0 || !all(packages %in% names(peers))) {
    refuse(packages, "packages", paste("some of", toString(names(peers))))
  }
  dir.create(lib, recursive = TRUE, showWarnings = FALSE)
  lib <- normalizePath(lib, mustWork = FALSE)
  if (!dir.exists(lib)) runtime_error(sprintf("The folder '%s' cannot be made.", lib))
  for (name in packages) check_replaceable(name, lib)
  work <- tempfile("stubs-")
  on.exit(unlink(work, recursive = TRUE))
  sources <- vapply(peers[packages], write_stub, "", folder = work)
  install_sources(sources, lib, quiet)
  invisible(lib)
}

# What each of the four packages exports, and in which version: list(name, version, exports).
peer_exports <- function() {
  lines <- readLines(system.file("peers", "exports.txt", package = "candela"))
  is_title <- !startsWith(lines, " ")
  peers <- lapply(split(lines, cumsum(is_title)), function(part) {
    title <- strsplit(part[[1]], " ", fixed = TRUE)[[1]]
    list(name = title[[1]], version = title[[2]], exports = unlist(strsplit(trimws(part[-1]), " ", fixed = TRUE)))
  })
  stats::setNames(peers, vapply(peers, `[[`, "", "name"))
}

is_stub <- function(name, lib = NULL) {
  if (!nzchar(system.file(package = name, lib.loc = lib))) {
    return(FALSE)
  }
  isTRUE(utils::packageDescription(name, lib.loc = lib, fields = "CandelaStub") == "yes")
}

check_replaceable <- function(name, lib) {
  if (dir.exists(file.path(lib, name)) && !is_stub(name, lib)) {
    runtime_error(sprintf("'%s' holds the package %s itself. Choose another folder for the stubs.", lib, name))
  }
}

# The sources of a stub in a folder below `folder`. Its functions are put into its namespace when it is loaded, so that
# they are candela's own and no copies, and `torch:::name` finds them too.
write_stub <- function(peer, folder) {
  path <- file.path(folder, peer$name)
  dir.create(file.path(path, "R"), recursive = TRUE)
  write.dcf(list(
    Package = peer$name, Version = peer$version,
    Title = sprintf("Functions of 'candela' Under the Names of '%s'", peer$name),
    Description = "Lets code that asks for this package run on 'candela'.", License = "MIT",
    Author = "as_torch_stub()", Maintainer = "as_torch_stub() <none@example.org>", Imports = "candela",
    CandelaStub = "yes"
  ), file.path(path, "DESCRIPTION"))
  quoted <- function(x) encodeString(x, quote = "\"")
  writeLines(sprintf("export(%s)", quoted(peer$exports)), file.path(path, "NAMESPACE"))
  writeLines(c(
    ".onLoad <- function(libname, pkgname) {",
    sprintf("  candela::fill_stub(environment(.onLoad), \"%s\")", peer$name),
    "}"
  ), file.path(path, "R", "stub.R"))
  path
}

#' Fill the namespace of a stub
#'
#' Called by the packages that [as_torch_stub()] makes, when they are loaded.
#'
#' @param env namespace of the stub.
#' @param name name of the package.
#' @return Nothing.
#' @examples
#' stub <- new.env()
#' fill_stub(stub, "torchdatasets")
#' ls(stub)
#' @keywords internal
#' @export
fill_stub <- function(env, name) {
  if (!is.environment(env)) refuse(env, "env", "an environment")
  peer <- peer_exports()[[name]]
  if (is.null(peer)) refuse(name, "name", "the name of one of the four packages")
  ours <- getNamespaceExports("candela")
  # What torch hands on from coro is coro's own: packages define methods for it.
  coro <- if (requireNamespace("coro", quietly = TRUE)) getNamespaceExports("coro")
  for (export in peer$exports) {
    value <- if (export %in% coro) {
      getExportedValue("coro", export)
    } else if (export %in% ours) {
      getExportedValue("candela", export)
    } else {
      absent(export, name)
    }
    assign(export, value, envir = env)
  }
  if (name == "torch") {
    env$is_torch_tensor <- is_tensor
    env$get_parameter_count <- function(x) sum(vapply(x$parameters, length, 0))
  }
  invisible(NULL)
}

absent <- function(export, package) {
  force(export)
  force(package)
  structure(function(...) {
    not_implemented_error(sprintf("%s::%s() is not there in candela.", package, export))
  }, class = c("candela_absent", "function"))
}

install_sources <- function(sources, lib, quiet) {
  where <- paste(c(lib, dirname(system.file(package = "candela")), .libPaths()), collapse = .Platform$path.sep)
  old <- Sys.getenv("R_LIBS", NA)
  Sys.setenv(R_LIBS = where)
  on.exit(if (is.na(old)) Sys.unsetenv("R_LIBS") else Sys.setenv(R_LIBS = old))
  options <- c("--no-docs", "--no-byte-compile", "--no-test-load", paste0("--library=", shQuote(lib)))
  said <- suppressWarnings(system2(
    file.path(R.home("bin"), "R"), c("CMD", "INSTALL", options, shQuote(sources)), stdout = TRUE, stderr = TRUE
  ))
  if (!quiet) writeLines(said)
  if (!is.null(attr(said, "status"))) {
    runtime_error(c("R cannot install the stubs:", utils::tail(said, 5)))
  }
}
