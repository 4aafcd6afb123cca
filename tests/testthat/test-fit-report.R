test_that("base64 is that of RFC 4648", {
  expect_equal(vapply(c("f", "fo", "foo", "foob", "fooba", "foobar"), function(x) base64(charToRaw(x)), "",
    USE.NAMES = FALSE), c("Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"))
  skip_if_not_installed("jsonlite")
  expect_equal(base64(as.raw(0:255)), gsub("\n", "", jsonlite::base64_enc(as.raw(0:255))))
})

test_that("a page is written with curves, matrix and examples in it", {
  skip_if_not(capabilities("png"))
  made <- drawn_fit()
  file <- withr::local_tempfile(fileext = ".html")
  expect_equal(withVisible(report(made$fit, made$parts$valid, file, title = "<Cells> & \"more\"", examples = 2)),
    list(value = file, visible = FALSE))
  page <- paste(readLines(file, encoding = "UTF-8"), collapse = "\n")
  expect_match(page, "<title>&lt;Cells&gt; &amp; &quot;more&quot;</title>", fixed = TRUE)
  pictures <- regmatches(page, gregexpr("data:image/png;base64,[A-Za-z0-9+/=]+", page))[[1]]
  expect_length(pictures, 4)
  for (heading in c("Curves", "Classes, on the data given", "The worst", "The best", "Layers")) {
    expect_match(page, sprintf("<h2>%s</h2>", heading), fixed = TRUE)
  }
  expect_false(grepl("(src|href)=\"(?!data:)", page, perl = TRUE))
  opened <- lengths(regmatches(page, gregexpr("<(table|tr|td|th|h2|ul|li|p)[ >]", page)))
  closed <- lengths(regmatches(page, gregexpr("</(table|tr|td|th|h2|ul|li|p)>", page)))
  expect_equal(opened, closed)
  skip_if_not_installed("jsonlite")
  png <- withr::local_tempfile(fileext = ".png")
  writeBin(jsonlite::base64_dec(sub(".*,", "", pictures[[1]])), png)
  expect_equal(image_info(png)$format, "PNG")
})

test_that("names of classes and files are escaped", {
  expect_equal(html_escape("<a b=\"c\">'&'</a>"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;")
  table <- html_table(data.frame(class = "<script>", n = 1234567, share = 0.5), "a & b")
  expect_true(any(grepl("&lt;script&gt;", table)))
  expect_true(any(grepl("1,234,567", table)))
  expect_false(any(grepl("<script>", table)))
})

test_that("models without pictures, and without data, have a page", {
  skip_if_not(capabilities("png"))
  small <- small_classifier(2)
  file <- withr::local_tempfile(fileext = ".html")
  report(small$fit, small$data, file)
  expect_match(paste(readLines(file), collapse = ""), "Classes, on the data given")
  report(small$fit, file = file)
  page <- paste(readLines(file), collapse = "")
  expect_false(grepl("Classes", page))
  expect_error(report(small$fit, file = file.path(file, "a.html")), class = "candela_error")
  expect_error(report(1), class = "type_error")
})

test_that("the worst and best examples are drawn in order", {
  made <- drawn_fit()
  skip_if_not(capabilities("png"))
  file <- withr::local_tempfile(fileext = ".png")
  scores <- augment(made$fit, made$parts$train)
  rows <- plot_examples(made$fit, made$parts$train, n = 3, file = file)
  expect_equal(rows$item, utils::head(order(scores$.iou), 3))
  best <- plot_examples(made$fit, made$parts$train, "best", n = 1, by = ".accuracy", file = file)
  expect_equal(best$item, which.max(scores$.accuracy))
  expect_equal(plot_examples(made$fit, made$parts$train, c(4, 2), file = file)$item, c(4, 2))
  expect_error(plot_examples(made$fit, made$parts$train, by = "x"), "`by`", class = "value_error")
  expect_error(plot_examples(made$fit, made$parts$train, 9), "`which`", class = "value_error")
  # The picture is as it was before scaling.
  file_of_first <- augment(made$fit, made$parts$valid)$image[[1]]
  example <- one_example(made$fit, made$parts$valid, 1)
  expect_equal(example$photo[, , 1], image_read(file_of_first)[, , 1], tolerance = 1e-5)
})
