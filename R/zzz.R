.onLoad <- function(libname, pkgname) {
  .Call(cdr_init, parent.env(environment()))
  load_ops()
  register_iterators_on_load()
  meet_peers()
  register_deployment()
  register_magick_transforms(parent.env(environment()))
  seed_from_clock()
}

.onUnload <- function(libpath) {
  library.dynam.unload("candela", libpath)
}

apply_contracts(environment())
