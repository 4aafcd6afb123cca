# Calls every export with nonsense, each argument in turn and all at random, and counts what happened:
#   Rscript tools/bad-calls.R [calls per function, default 25] [seed] [pattern of names]
# Each call runs in a child process, which is followed by another when it dies or hangs. Prints a table and every call
# that crashed, hung or ended in an error that is R's own instead of the package's; exit status 1 where one did more
# than err.

suppressMessages(library(candela))
args <- commandArgs(TRUE)
number <- function(i, default) if (length(args) >= i) as.integer(args[[i]]) else default
per_function <- number(1, 25L)
seed <- number(2, 1L)
pattern <- if (length(args) >= 3 && !startsWith(args[[3]], "--")) args[[3]] else "."
namespace <- asNamespace("candela")

# Not called: they run code of the caller, wait for input, leave the process or work for minutes.
left_out <- c("%>%", "fit", "evaluate", "lr_finder", "setup", "loop", "tensor_image_browse", "candela_memory_limit",
  "torch_set_num_threads", "torch_set_num_interop_threads", "oxford_pet_dataset")

exports <- sort(setdiff(getNamespaceExports(namespace), left_out))
exports <- exports[grepl(pattern, exports)]
exports <- Filter(function(name) {
  is.function(get(name, namespace)) && length(formals(get(name, namespace))) > 0
}, exports)

nonsense <- list(
  `NULL` = NULL, `NA` = NA, `NaN` = NaN, `Inf` = Inf, `-1` = -1, `0` = 0, `1e9` = 1e9, `1.5` = 1.5,
  `numeric(0)` = numeric(0), `character(0)` = character(0), `c(1, 2)` = c(1, 2), `c(1, NA)` = c(1, NA), `""` = "",
  `"a"` = "a", `list()` = list(), `sum` = sum, factor = factor("a"), data.frame = data.frame(a = 1:2),
  environment = new.env(), long = torch_tensor(1:3), bool = torch_tensor(c(TRUE, FALSE)),
  double = torch_ones(2, 2, 2, dtype = torch_double()),
  empty = torch_ones(0), image = torch_ones(1, 3, 4, 4), scalar = torch_tensor(2)
)

# What these arguments commonly are, so that only one is nonsense in a call.
m <- torch_ones(2, 3)
usual <- list(
  self = m, input = m, tensor = m, other = m, target = m, dim = 1, weight = torch_ones(3), tensors = list(m, m), x = m,
  img = torch_ones(3, 4, 4), kernel_size = 1, size = c(2, 3), index = torch_tensor(1L), p = 1,
  params = list(torch_ones(2, requires_grad = TRUE)),
  optimizer = optim_sgd(list(torch_ones(2, requires_grad = TRUE)), lr = 0.1),
  in_features = 3, out_features = 2, in_channels = 3, out_channels = 2, num_features = 3, x1 = m, x2 = m, input1 = m,
  input2 = m, mask = torch_ones(2, 3) > 0, value = 1, start = 1, end = 3, lr = 0.1, repeats = 2, chunks = 2, n = 3
)

call_of <- function(name, i) {
  set.seed(seed * 1e6 + match(name, sort(getNamespaceExports(namespace))) * 1000 + i)
  formal <- formals(get(name, namespace))
  names <- setdiff(names(formal), "...")
  bad <- sample(names(nonsense), length(names), replace = TRUE)
  names(bad) <- names
  given <- if (i %% 3 == 0) names else names[(i - 1) %% max(length(names), 1) + 1]
  if (i %% 3 != 0) bad[given] <- names(nonsense)[(i + match(name, exports)) %% length(nonsense) + 1]
  values <- lapply(names, function(n) if (n %in% given) nonsense[[bad[[n]]]] else usual[[n]])
  names(values) <- names
  needed <- vapply(names, function(n) identical(formal[[n]], quote(expr = )), NA)
  keep <- names %in% given | (needed & names %in% names(usual))
  shown <- ifelse(names[keep] %in% given, bad[names[keep]], "usual")
  text <- sprintf("%s(%s)", name, toString(sprintf("%s = %s", names[keep], shown)))
  list(values = values[keep], text = text)
}

ours <- function(e) inherits(e, c("candela_error", "value_error", "type_error",
  "runtime_error", "not_implemented_error",
  "rlang_error"))
# R's own words for an argument that is not there or not known are as good as any.
plain_enough <- function(e) grepl("argument .* is missing, with no default|unused argument|formal argument",
  conditionMessage(e))

outcome <- function(call, f) {
  setTimeLimit(elapsed = 20, transient = TRUE)
  on.exit(setTimeLimit())
  tryCatch({
    utils::capture.output(value <- suppressWarnings(suppressMessages(do.call(f, call$values))))
    "value"
  }, error = function(e) if (ours(e) || plain_enough(e)) "error" else paste("bare:", conditionMessage(e)),
    interrupt = function(e) "interrupt")
}

child <- function(from, log) {
  setwd(tempfile_dir())
  candela_memory_limit(2e9)
  torch_set_num_threads(1)
  for (k in from:(length(exports) * per_function)) {
    name <- exports[[(k - 1) %/% per_function + 1]]
    call <- call_of(name, (k - 1) %% per_function + 1)
    cat(k, "\t?\t", call$text, "\n", sep = "", file = log, append = TRUE)
    result <- gsub("[\n\t]+", " ", outcome(call, get(name, namespace)))
    cat(k, "\t", result, "\t", call$text, "\n", sep = "", file = log, append = TRUE)
  }
}

tempfile_dir <- function() {
  dir <- tempfile()
  dir.create(dir)
  dir
}

child_args <- grep("^--child=", args, value = TRUE)
if (length(child_args) > 0) {
  child(as.integer(sub("--child=", "", child_args)), sub("--log=", "", grep("^--log=", args, value = TRUE)))
  quit(status = 0)
}

log <- tempfile()
file.create(log)
script <- sub("--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
total <- length(exports) * per_function
read_log <- function() {
  lines <- strsplit(readLines(log, warn = FALSE), "\t", fixed = TRUE)
  data.frame(k = as.integer(vapply(lines, `[`, "", 1)), result = vapply(lines, `[`, "", 2),
    call = vapply(lines, `[`, "", 3))
}
from <- 1L
while (from <= total) {
  command <- sprintf("ulimit -v 12000000; timeout -k 5 1800 %s %s %d %d '%s' --child=%d --log=%s > /dev/null 2>&1",
    file.path(R.home("bin"), "Rscript"), script, per_function, seed, pattern, from, log)
  system(command)
  seen <- read_log()
  from <- if (nrow(seen) == 0) total + 1L else max(seen$k) + 1L
}
all <- read_log()
done <- all[all$result != "?", ]
died <- all[!all$k %in% done$k, ]
bare <- done[startsWith(done$result, "bare: "), ]
for (i in seq_len(nrow(died))) cat("DIED  ", died$call[[i]], "\n")
for (i in seq_len(nrow(bare))) cat("BARE  ", bare$call[[i]], " : ", bare$result[[i]], "\n")
cat(sprintf("calls: %d, values: %d, errors: %d, bare R errors: %d (%.2f %%), died or hung: %d\n", total,
  sum(done$result == "value"), sum(done$result == "error"), nrow(bare), 100 * nrow(bare) / total, nrow(died)))
quit(status = as.integer(nrow(died) > 0 || nrow(bare) > 0.005 * total))
