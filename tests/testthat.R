library(testthat)
library(candela)

test_check("candela")
