# Calls everything a user can call with nonsense, each argument in turn and all at random, and counts what happened:
#   Rscript tools/bad-calls.R [calls per function, default 25] [seed] [pattern of names]
# That is every export, every method of tensors, the forward of every module, operators and indexing. Each call runs
# in a child process, which is followed by another when it dies or hangs. Prints every call that crashed, hung or
# ended in an error that is R's own instead of the package's, and a line that counts them; exit status 1 where one did
# more than err.

suppressMessages(library(candela))
args <- commandArgs(TRUE)
number <- function(i, default) if (length(args) >= i) as.integer(args[[i]]) else default
per_function <- number(1, 25L)
seed <- number(2, 1L)
pattern <- if (length(args) >= 3 && !startsWith(args[[3]], "--")) args[[3]] else "."
namespace <- asNamespace("candela")
seconds_per_call <- 20

# Not called: they change the process that calls, or show pictures; nor what another package's generics do.
left_out <- c("tensor_image_browse", "candela_memory_limit", "torch_set_num_threads",
  "torch_set_num_interop_threads", "candela_memory_trim")

nonsense <- list(
  `NULL` = NULL, `NA` = NA, `NaN` = NaN, `Inf` = Inf, `-1` = -1, `0` = 0, `1e9` = 1e9, `1.5` = 1.5,
  `numeric(0)` = numeric(0), `character(0)` = character(0), `c(1, 2)` = c(1, 2), `c(1, NA)` = c(1, NA), `""` = "",
  `"a"` = "a", `NA_character_` = NA_character_, `c("a", "b")` = c("a", "b"), `TRUE` = TRUE, `-1:1` = -1:1,
  `2^40` = 2^40, `1i` = 1i, `list()` = list(), `list(1, "a")` = list(1, "a"), `named list` = list(a = 1, b = NULL),
  sum = sum, closure = function(x) x, factor = factor("a"), data.frame = data.frame(a = 1:2), matrix = matrix(1, 2, 2),
  date = as.Date("2020-01-01"), symbol = quote(x), environment = new.env(), raw = as.raw(1:3),
  long = torch_tensor(1:3), bool = torch_tensor(c(TRUE, FALSE)), double = torch_ones(2, 2, 2, dtype = torch_double()),
  empty = torch_ones(0), image = torch_ones(1, 3, 4, 4), scalar = torch_tensor(2), nan = torch_full(c(2, 3), NaN),
  negative = torch_tensor(-3L), `rank 5` = torch_ones(1, 2, 1, 2, 1), `zero batch` = torch_ones(0, 3),
  list_of_tensors = list(torch_ones(2), torch_ones(3, 1)), module = nn_linear(2, 2)
)

# What these arguments commonly are, so that only one is nonsense in a call.
m <- torch_ones(2, 3)
usual <- list(
  self = m, input = m, tensor = m, other = m, target = m, dim = 1, weight = torch_ones(3), tensors = list(m, m), x = m,
  img = torch_ones(3, 4, 4), kernel_size = 1, size = c(2, 3), index = torch_tensor(1L), p = 1,
  params = list(torch_ones(2, requires_grad = TRUE)),
  optimizer = optim_sgd(list(torch_ones(2, requires_grad = TRUE)), lr = 0.1),
  in_features = 3, out_features = 2, in_channels = 3, out_channels = 2, num_features = 3, x1 = m, x2 = m, input1 = m,
  input2 = m, mask = torch_ones(2, 3) > 0, value = 1, start = 1, end = 3, lr = 0.1, repeats = 2, chunks = 2, n = 3,
  normalized_shape = 3, num_groups = 1, num_channels = 3, output_size = 2, input_size = 3, hidden_size = 2,
  embed_dim = 4, num_heads = 2, d_model = 4, nhead = 2, num_embeddings = 3, embedding_dim = 2, num_classes = 2,
  dataset = tensor_dataset(torch_ones(4, 2), torch_ones(4)), module = nn_linear(3, 2), object = nn_linear(3, 2),
  query = torch_ones(2, 1, 4), key = torch_ones(2, 1, 4), output_dim = 2, upscale_factor = 1, n_classes = 2,
  step_size = 1, lr_lambda = function(epoch) 1, max_lr = 1, T_max = 2, milestones = 2, root = "data"
)

# ---- what is called: functions by what they are shown as ----

is_callable <- function(name) {
  f <- get(name, namespace)
  is.function(f) && length(formals(f)) > 0 && identical(topenv(environment(f)), namespace)
}
exports <- Filter(is_callable, sort(setdiff(getNamespaceExports(namespace), left_out)))
targets <- stats::setNames(lapply(exports, get, envir = namespace), exports)

methods <- setdiff(ls(namespace$tensor_methods), c("backward", "cuda"))
for (name in methods) {
  method <- do.call(`$`, list(m, name))
  if (is.function(method) && length(formals(method)) > 0) targets[[paste0("tensor$", name)]] <- method
}

generators <- Filter(function(name) inherits(get(name, namespace), "nn_module_generator") ||
  grepl("^nn_", name), exports)
for (name in generators) {
  formal <- formals(get(name, namespace))
  needed <- names(formal)[vapply(formal, identical, NA, quote(expr = ))]
  made <- tryCatch(do.call(get(name, namespace), usual[intersect(needed, names(usual))]), error = function(e) NULL)
  if (inherits(made, "nn_module") && is.function(made$forward) && length(formals(made$forward)) > 0) {
    targets[[paste0(name, "()$forward")]] <- made$forward
  }
}

targets <- c(targets, list(
  `x[i]` = function(x, i) x[i], `x[i, j]` = function(x, i, j) x[i, j], `x[[i]]` = function(x, i) x[[i]],
  `x$name` = function(x, i) do.call(`$`, list(x, i)),
  `x[i] <- value` = function(x, i, value) x[i] <- value,
  `x[i, j] <- value` = function(x, i, j, value) x$clone()[i, j] <- value,
  `x + other` = function(x, other) x + other, `other * x` = function(x, other) other * x,
  `x ^ other` = function(x, other) x^other, `x %/% other` = function(x, other) x %/% other,
  `x %% other` = function(x, other) x %% other, `x == other` = function(x, other) x == other,
  `x & other` = function(x, other) x & other, `x$add_(other)` = function(x, other) x$clone()$add_(other),
  `as.array(x)` = function(x) candela::as_array(x),
  `dataset[i]` = function(dataset, i) dataset[i], `dataset$.getitem(i)` = function(dataset, i) dataset$.getitem(i),
  `module(x)` = function(module, x) module(x),
  `load_state_dict()` = function(x) nn_linear(3, 2)$load_state_dict(x),
  `optimizer$load_state_dict()` = function(x) optim_adam(usual$params)$load_state_dict(x),
  `module$to()` = function(dtype, device) nn_linear(3, 2)$to(dtype = dtype, device = device)
))
targets <- targets[grepl(pattern, names(targets))]

# Whole models take seconds to be made; what their arguments share is tried with each.
calls_of <- ifelse(grepl("^(model_|emnist)", names(targets)), min(4L, per_function), per_function)
planned <- data.frame(name = rep(names(targets), calls_of), i = sequence(calls_of))
total <- nrow(planned)

call_of <- function(name, i) {
  set.seed(seed * 1e6 + sum(utf8ToInt(name)) * 1000 + i)
  formal <- formals(targets[[name]])
  names <- setdiff(names(formal), "...")
  bad <- sample(names(nonsense), length(names), replace = TRUE)
  names(bad) <- names
  given <- if (i %% 3 == 0) names else names[(i - 1) %% max(length(names), 1) + 1]
  values <- lapply(names, function(n) if (n %in% given) nonsense[[bad[[n]]]] else usual[[n]])
  names(values) <- names
  needed <- vapply(names, function(n) identical(formal[[n]], quote(expr = )), NA)
  keep <- names %in% given | (needed & names %in% names(usual))
  shown <- ifelse(names[keep] %in% given, bad[names[keep]], "usual")
  text <- sprintf("%s(%s)", name, toString(sprintf("%s = %s", names[keep], shown)))
  list(values = values[keep], text = text)
}

ours <- function(e) inherits(e, c("candela_error", "value_error", "type_error", "runtime_error",
  "not_implemented_error", "rlang_error"))
# R's own words for an argument that is not there or not known are as good as any.
plain_enough <- function(e) grepl("argument .* is missing, with no default|unused argument|formal argument",
  conditionMessage(e))

outcome <- function(call, f) {
  setTimeLimit(elapsed = seconds_per_call, transient = TRUE)
  on.exit(setTimeLimit())
  tryCatch({
    utils::capture.output(value <- suppressWarnings(suppressMessages(do.call(f, call$values, quote = TRUE))))
    "value"
  }, error = function(e) {
    if (grepl("reached elapsed time limit", conditionMessage(e))) {
      "slow"
    } else if (ours(e) || plain_enough(e)) {
      "error"
    } else {
      paste("bare:", conditionMessage(e))
    }
  }, interrupt = function(e) "interrupt")
}

child <- function(from, log) {
  writeLines(as.character(Sys.getpid()), paste0(log, ".pid"))
  dir.create(folder <- tempfile())
  setwd(folder)
  candela_memory_limit(2e9)
  torch_set_num_threads(1)
  for (k in from:total) {
    name <- planned$name[[k]]
    call <- call_of(name, planned$i[[k]])
    cat(k, "\t?\t", call$text, "\n", sep = "", file = log, append = TRUE)
    result <- gsub("[\n\t]+", " ", outcome(call, targets[[name]]))
    cat(k, "\t", result, "\t", call$text, "\n", sep = "", file = log, append = TRUE)
    if (length(list.files()) > 50) unlink(list.files(), recursive = TRUE)
  }
  writeLines("done", paste0(log, ".done"))
}

child_args <- grep("^--child=", args, value = TRUE)
if (length(child_args) > 0) {
  child(as.integer(sub("--child=", "", child_args)), sub("--log=", "", grep("^--log=", args, value = TRUE)))
  quit(status = 0)
}

# ---- the children, one after the other ----

log <- tempfile()
file.create(log)
script <- sub("--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
read_log <- function() {
  lines <- strsplit(readLines(log, warn = FALSE), "\t", fixed = TRUE)
  lines <- Filter(function(line) length(line) == 3, lines)
  data.frame(k = as.integer(vapply(lines, `[`, "", 1)), result = vapply(lines, `[`, "", 2),
    call = vapply(lines, `[`, "", 3))
}

is_running <- function(pid) length(pid) == 1 && isTRUE(tools::pskill(pid, 0))

# Waits for the child; one whose call takes far longer than it is given has hung.
watch <- function(began) {
  pid_file <- paste0(log, ".pid")
  pid <- integer()
  repeat {
    Sys.sleep(0.5)
    if (length(pid) == 0 && file.exists(pid_file)) pid <- as.integer(readLines(pid_file, warn = FALSE))
    quiet_for <- as.numeric(difftime(Sys.time(), max(file.mtime(log), began), units = "secs"))
    if (file.exists(paste0(log, ".done")) || (length(pid) == 1 && !is_running(pid))) return(invisible())
    if (quiet_for > 3 * seconds_per_call) {
      if (length(pid) == 1) tools::pskill(pid, tools::SIGKILL)
      return(invisible())
    }
  }
}

from <- 1L
while (from <= total) {
  unlink(paste0(log, c(".pid", ".done")))
  command <- sprintf("ulimit -v 12000000; ulimit -c 0; exec '%s' '%s' %d %d '%s' --child=%d --log='%s'",
    file.path(R.home("bin"), "Rscript"), script, per_function, seed, pattern, from, log)
  began <- Sys.time()
  system2("bash", c("-c", shQuote(command)), wait = FALSE, stdout = FALSE, stderr = FALSE)
  watch(began)
  seen <- read_log()
  last <- if (nrow(seen) == 0) 0L else max(seen$k)
  if (last < from) stop("a child ended before its first call.")
  from <- last + 1L
}
all <- read_log()
done <- all[all$result != "?", ]
died <- all[!all$k %in% done$k, ]
slow <- done[done$result == "slow", ]
bare <- done[startsWith(done$result, "bare: "), ]
for (i in seq_len(nrow(died))) cat("DIED  ", died$call[[i]], "\n")
for (i in seq_len(nrow(slow))) cat("SLOW  ", slow$call[[i]], "\n")
for (i in seq_len(nrow(bare))) cat("BARE  ", bare$call[[i]], " : ", bare$result[[i]], "\n")
cat(sprintf(
  "bad calls: %d of %d functions, values: %d, errors: %d, bare R errors: %d (%.2f %%), died or hung: %d, slow: %d\n",
  total, length(targets), sum(done$result == "value"), sum(done$result == "error"), nrow(bare),
  100 * nrow(bare) / total, nrow(died), nrow(slow)))
quit(status = as.integer(nrow(died) > 0 || nrow(bare) > 0.005 * total))
