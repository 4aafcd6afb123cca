# torch, luz, torchvision and torchdatasets have classes that ours are called by too, so that code which asks for them
# finds ours. S3 methods belong to all packages together: the methods of the package loaded last would be called with
# the objects of either. So objects here have a class of their own in front of each such class, and methods are defined
# for that alone.

peer_classes <- c(
  "torch_tensor", "torch_device", "torch_dtype", "torch_memory_format", "torch_layout", "slice", "nn_module",
  "nn_Module", "nn_sequential", "nn_module_list", "nn_module_dict", "dataset", "iterable_dataset", "dataset_subset",
  "tensor_dataset", "dataloader", "dataloader_iter", "utils_sampler", "dataset_generator",
  "iterable_dataset_generator", "sampler_generator", "torch_optimizer_generator", "luz_module_generator",
  "luz_module_fitted", "luz_module_evaluation", "luz_context", "luz_fit_context", "lr_records", "luz_metric_generator",
  "LuzCallback"
)
own_classes <- paste0("candela_", sub("^(torch_|luz_|nn_|utils_|Luz)", "", peer_classes))
names(own_classes) <- peer_classes

# The classes, with our own in front of each that a peer has.
own_first <- function(classes) {
  if (!any(classes %in% peer_classes)) {
    return(classes)
  }
  classes <- classes[!classes %in% own_classes]
  unlist(lapply(classes, function(class) c(if (class %in% peer_classes) own_classes[[class]], class)))
}

# What is shown as the classes of an object.
class_names <- function(x) setdiff(class(x), own_classes)

class_name <- function(x) class_names(x)[[1]]

# ---- when the peers are loaded ----

# Calls `f` with the name of the package, at once where it is loaded, and whenever it is loaded again.
when_loaded <- function(package, f) {
  force(f)
  hook <- function(name, ...) f(name)
  if (isNamespaceLoaded(package)) f(package)
  setHook(packageEvent(package, "onLoad"), hook)
}

peer_packages <- c("torch", "torchvision", "luz", "torchdatasets")

# luz and torchvision themselves may be installed over the stub of torch: then they, too, work with our objects.
is_original <- function(package) {
  !is_stub(package) && !(package != "torch" && isNamespaceLoaded("torch") && is_stub("torch"))
}

meet_peers <- function() {
  for (package in peer_packages) {
    when_loaded(package, function(name) {
      if (is_original(name)) {
        register_with_peer(asNamespace(name))
        tell_of_original(name)
      }
    })
  }
}

# Generics of a peer find our method, which calls the function of that name here: as_array() of one of our tensors gives
# the same whichever package was attached last.
register_with_peer <- function(peer) {
  methods <- peer_methods(peer)
  methods <- methods[methods$class %in% peer_classes, ]
  for (i in seq_len(nrow(methods))) {
    generic <- methods$generic[[i]]
    if (exists(generic, envir = peer, mode = "function", inherits = FALSE)) {
      registerS3method(generic, own_classes[[methods$class[[i]]]], counterpart(generic, peer), envir = peer)
    }
  }
}

# A table of the S3 methods of a package: generic, class. While a package is loaded the entries are in a list.
peer_methods <- function(peer) {
  known <- getNamespaceInfo(peer, "S3methods")
  text <- function(column) vapply(known[, column], function(x) if (length(x) > 0) as.character(x)[[1]] else "", "")
  data.frame(generic = text(1), class = text(2))
}

counterpart <- function(generic, peer) {
  here <- get0(generic, envir = topenv(), mode = "function", inherits = FALSE)
  if (!is.null(here)) {
    return(function(...) here(...))
  }
  package <- getNamespaceName(peer)
  function(...) {
    text <- "%s::%s() takes no objects of candela, which has no such function."
    not_implemented_error(sprintf(text, package, generic))
  }
}

tell_of_original <- function(package) {
  text <- paste(
    "The package %s is loaded beside candela, which has functions of the same names: those of the package attached",
    "last are used. Tensors and models of one cannot be used by the other."
  )
  rlang::inform(sprintf(text, package), class = c("candela_message_originals", "packageStartupMessage"),
    .frequency = "once", .frequency_id = paste0("candela_", package))
}
