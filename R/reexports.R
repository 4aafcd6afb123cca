# Functions of other packages that users need without attaching those.

#' @importFrom generics fit
#' @export
generics::fit

#' @importFrom magrittr %>%
#' @export
magrittr::`%>%`

#' @importFrom generics tidy
#' @export
generics::tidy

#' @importFrom generics glance
#' @export
generics::glance

#' @importFrom generics augment
#' @export
generics::augment
