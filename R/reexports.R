# Functions of other packages that users need without attaching those.

#' @importFrom generics fit
#' @export
generics::fit

#' @importFrom magrittr %>%
#' @export
magrittr::`%>%`
