.onLoad <- function(libname, pkgname) {
  .Call(cdr_init, parent.env(environment()))
  load_ops()
}

.onUnload <- function(libpath) {
  library.dynam.unload("candela", libpath)
}
