bar_text <- function(expr) {
  text <- c()
  withCallingHandlers(expr, message = function(m) {
    text <<- c(text, conditionMessage(m))
    invokeRestart("muffleMessage")
  })
  text
}

test_that("the bar of predictions", {
  withr::local_options(luz.force_progress_bar = TRUE, luz.show_progress_bar_eta = FALSE, width = 80)
  bar <- LuzProgressBar$new(50)
  text <- bar_text({
    for (i in 1:50) bar$tick(function() NULL)
    bar$clear()
  })
  expect_equal(text[1], paste0("\r1/50 [>", strrep("-", 70), "]"))
  expect_equal(text[10], paste0("\r10/50 [", strrep("=", 13), ">", strrep("-", 56), "]"))
  expect_equal(text[50], paste0("\r50/50 [", strrep("=", 70), "]"))
  expect_match(text[51], "^\r +\r$")
})

test_that("the bar of training shows metrics and the time left", {
  withr::local_options(luz.force_progress_bar = TRUE, width = 80)
  text <- bar_text(fit(scripted_model(0.5), scripted_loader(), epochs = 1, verbose = TRUE))
  expect_match(text, "^\r1/2 \\[=*>-*\\] - ETA: [0-9.]+m?s - Loss: 0.5 $", all = FALSE)
  expect_match(text, "^\r2/2 \\[=+\\]", all = FALSE)
})

test_that("without a known length the rate is shown", {
  withr::local_options(luz.force_progress_bar = TRUE)
  bar <- LuzProgressBar$new(NA)
  expect_match(bar_text(bar$tick(function() c(Loss = "1"))), "1/unk \\[.\\] - Rate: .* iter/s - Loss: 1 $")
})

test_that("times are short", {
  expect_equal(pretty_seconds(0.0123), "12ms")
  expect_equal(pretty_seconds(1.23), "1.2s")
  expect_equal(pretty_seconds(75), "1m 15.0s")
  expect_equal(pretty_seconds(3725), "1h 2m 5.0s")
})
