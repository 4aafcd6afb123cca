# Functions that magick has too, and whose code a user's script may mean when magick was attached first: they stay
# magick's then, and ours are called as candela::image_read().
shared_with_magick <- c("image_read", "image_write", "image_info")

.onAttach <- function(libname, pkgname) {
  if (!"package:magick" %in% search()) {
    return(invisible())
  }
  rm(list = shared_with_magick, envir = as.environment(paste0("package:", pkgname)))
  packageStartupMessage(
    "magick is attached: image_read(), image_write() and image_info() stay magick's; ",
    "those of candela are candela::image_read() and so on."
  )
}
