# The printed form of modules: a count, then one section for each kind of member that is there.

count_parameters <- function(module) {
  parameters <- collect_members(module_object(module), own_parameters)
  sum(vapply(parameters, function(p) prod(dim(p)), 0))
}

format_count <- function(n) {
  format(n, big.mark = ",", scientific = FALSE)
}

child_item <- function(child) {
  sprintf("<%s> #%s parameters", class_name(child), format_count(count_parameters(child)))
}

tensor_item <- function(x) {
  sprintf("%s [%s]", dtype_name(x$dtype), paste0("1:", dim(x), collapse = ", "))
}

print_section <- function(title, members, item) {
  if (length(members) == 0) {
    return()
  }
  cli::cat_line()
  cli::cat_rule(title)
  cli::cat_bullet(names(members), ": ", vapply(members, item, ""))
}

print_module <- function(object) {
  cli::cat_line("An `nn_module` containing ", format_count(count_parameters(object)), " parameters.")
  print_section("Modules", own_children(object), child_item)
  print_section("Parameters", own_parameters(object), tensor_item)
  print_section("Buffers", own_buffers(object), tensor_item)
}

print_generator <- function(generator) {
  arguments <- toString(names(formals(generator)))
  cli::cat_line("<", class_name(generator), "> module generator with arguments (", arguments, ")")
}

#' @export
print.candela_module <- function(x, ...) {
  if (is_nn_module(x)) attr(x, "module", exact = TRUE)$print() else print_generator(x)
  invisible(x)
}
