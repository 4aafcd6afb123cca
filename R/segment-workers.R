# Pictures on several processes, which share the threads: daemons of mirai, or a cluster of parallel.

run_on_workers <- function(jobs, chunks, run, record) {
  n <- min(run$workers, length(chunks))
  folder <- tempfile("models-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  task <- list(
    models = travelling_models(run$predictor, folder), specs = run$predictor$specs, classes = run$classes,
    flips = run$predictor$flips, threads = max(1, torch_get_num_threads() %/% n),
    run = run[setdiff(names(run), c("predictor", "verbose"))]
  )
  parts <- lapply(chunks, function(chunk) jobs[chunk, ])
  libraries <- Sys.getenv("R_LIBS", NA)
  Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  on.exit(if (is.na(libraries)) Sys.unsetenv("R_LIBS") else Sys.setenv(R_LIBS = libraries), add = TRUE)
  if (length(find.package("mirai", quiet = TRUE)) > 0) {
    run_by_mirai(parts, chunks, task, n, record)
  } else {
    run_by_cluster(parts, chunks, task, n, record)
  }
}

# Paths of files, which each worker reads once: a task is sent for every chunk of pictures.
travelling_models <- function(predictor, folder) {
  lapply(seq_along(predictor$models), function(i) {
    path <- file.path(folder, sprintf("model-%d.pt", i))
    torch_save(predictor$models[[i]]$module, path)
    path
  })
}

run_by_cluster <- function(parts, chunks, task, n, record) {
  if (!requireNamespace("parallel", quietly = TRUE)) {
    runtime_error("`workers` needs the package mirai, install.packages(\"mirai\"), or parallel, which comes with R.")
  }
  cluster <- parallel::makePSOCKcluster(n)
  on.exit(parallel::stopCluster(cluster))
  for (first in seq(1, length(parts), by = n)) {
    round <- seq(first, min(first + n - 1, length(parts)))
    done <- parallel::clusterApply(cluster, parts[round], chunk_in_worker, task = task)
    for (i in seq_along(round)) record(chunks[[round[[i]]]], done[[i]])
  }
}

# Not among the suggested packages, which a check wants to be installed.
of_mirai <- function(name) getExportedValue("mirai", name)

run_by_mirai <- function(parts, chunks, task, n, record) {
  if (of_mirai("status")()$connections == 0) {
    of_mirai("daemons")(n)
    on.exit(of_mirai("daemons")(0))
  }
  start <- of_mirai("mirai")
  running <- lapply(parts, function(part) {
    start(work(part, task), .args = list(work = chunk_in_worker, part = part, task = task))
  })
  # Where this is interrupted, daemons of the user's go on with nothing.
  on.exit(for (task in running) of_mirai("stop_mirai")(task), add = TRUE, after = FALSE)
  for (i in seq_along(running)) {
    done <- of_mirai("call_mirai")(running[[i]])$data
    if (of_mirai("is_error_value")(done)) runtime_error(sprintf("A worker failed: %s", conditionMessage_of(done)))
    record(chunks[[i]], done)
  }
}

utils::globalVariables("work") # in the worker

conditionMessage_of <- function(x) paste(as.character(x), collapse = " ")

# Models that this process has read, by path.
worker_models <- new.env(parent = emptyenv())

chunk_in_worker <- function(jobs, task) {
  torch_set_num_threads(task$threads)
  key <- task$models[[1]]
  if (is.null(worker_models[[key]])) {
    rm(list = ls(worker_models), envir = worker_models)
    models <- lapply(task$models, function(path) list(module = torch_load(path)))
    worker_models[[key]] <- Predictor$new(models, task$specs, task$classes, task$flips)
    worker_models[[key]]$prepare()
  }
  run <- c(task$run, list(predictor = worker_models[[key]], verbose = FALSE))
  process_chunk(jobs, run)
}
