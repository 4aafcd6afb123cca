#' Segment pictures with a trained model
#'
#' Finds the class of every pixel of files, folders, arrays, tensors, images of magick or rasters of terra, at their own
#' size, and writes masks, overlays and a table of areas. The model knows the rest: classes, bands, scaling, and
#' whether it was trained on whole pictures that were resized or on parts at native resolution.
#'
#' @param model a model that [fit()][fit.luz_module_generator] has trained on a [segmentation_dataset()], the path of a
#'   file that [luz_save()] wrote, a module that knows its input ([input_spec()]), or a list of such, whose
#'   probabilities are averaged.
#' @param x names of files, folders (with the folders in them) or patterns such as `"new/*.jpg"`; a numeric array
#'   height x width x bands or a matrix; a tensor bands x height x width, or several, N x bands x height x width; an
#'   image of magick; a `SpatRaster` of terra; a list of such; or a [segmentation_dataset()], whose pictures are taken.
#' @param to folder that the files are written to, which is made if it is not there; for a single picture also the
#'   name of its mask (`"out/map.tif"`). `NULL` writes nothing: masks are in the result.
#' @param ... must be empty.
#' @param output what is made: `"mask"`, `"overlay"` (the picture with the classes' colours over it, if `to` is
#'   given; shrunk to about 4 million pixels where the picture is read window by window), `"probabilities"` of all
#'   classes, `"entropy"`, how unsure the model is.
#' @param values in mask files: `"training"`, the values or colours that the training masks had, or `"class"`, the
#'   numbers of the classes, 1, 2, ... and 0 where there are no data.
#' @param format of mask files: `"png"`, `"tiff"` or `"geotiff"`; `"auto"` is `"geotiff"` for rasters, for files with
#'   coordinates, and for those that are read window by window (see Details), else `"png"`. A mask that is written as
#'   PNG or TIFF is held in memory until then.
#' @param flips test-time augmentation: `"none"`; `"horizontal"`, `"vertical"`, the mean of the probabilities of the
#'   picture and its mirror image; `"both"`, that of all four. `TRUE` is `"horizontal"`.
#' @param tile largest height and width in pixels of the parts that large pictures are predicted in, a multiple of 32;
#'   `NULL`: those with which the fewest pixels are predicted twice, as `memory` allows.
#' @param overlap of tiles: every pixel sees at least half of it on all sides, so that a model whose receptive field is
#'   smaller gives what it would give for the whole picture. Beyond it tiles share `overlap / 4` pixels, where they are
#'   blended.
#' @param memory about how many bytes may be taken by one tile, while the model predicts it, and by the row of tiles
#'   that waits to be written.
#' @param batch_size how many pictures of one size are predicted at once.
#' @param pixel_size height and width of a pixel, or one number for both, in micrometres, or in the unit that its name
#'   says: `c(mm = 0.2)`. `NULL`: that of the file (resolution of a TIFF, or as ImageJ and OME write it; 72 and 96 per
#'   inch mean nothing) or of the projection.
#' @param workers number of processes that share files and threads: daemons of the package mirai where it is installed
#'   (those that the user has set, if any), else of the package parallel.
#' @param resume go on where a call before was stopped: pictures in `areas.csv` whose masks are there, and newer than
#'   the picture, are left alone.
#' @param spec what the model has to know of its input, for models that do not: see [input_spec()].
#' @param verbose show a progress bar? By default in interactive sessions.
#' @return An object of class `candela_segmentation`, a list with
#'   * `table`: a data frame with a row for each class of each picture: `file`, `class` (a factor), `pixels`, `share` of
#'     the pixels with data, `area` and `unit` (`"um2"`, `"m2"`, ...; NA where the size of a pixel is not known),
#'     `output` (path of the mask), `error` (NA, or why there is no mask: then the row has no class);
#'   * `classes`: the [class_table()];
#'   * `mask`: an integer matrix of class numbers, NA where there are no data, or a list of such for several pictures;
#'     `NULL` where they were written;
#'   * `probabilities` (height x width x classes) and `entropy` (0 to 1), the same way, if asked for;
#'   * `pixel_size`: height and width of a pixel, with the attribute `unit`, or a list of such.
#'
#'   With `to`, the folder holds `NAME.png` (`.tif`), `overlays/NAME.png`, `probabilities/NAME.tif`,
#'   `entropy/NAME.tif` and the table as `areas.csv`; folders in a folder stay apart.
#' @details
#' A model trained on resized pictures predicts at that size, and its probabilities are brought to the picture's size
#' bilinearly. One trained on parts at native resolution goes over the picture in tiles; small pictures of one size go
#' in batches.
#'
#' Files with coordinates, rasters, and TIFF and PNG files of more than 30 million pixels are read and written window
#' by window by the package terra (`options(candela.streamed_pixels = )` sets that number): memory
#' does not grow with the number of rows. Masks of rasters have the grid and the projection of the raster, a
#' palette with the classes' colours, and NoData where any band has none. Masks of colours become class numbers with
#' those colours there.
#'
#' Of a TIFF of several pages that page is taken which the model was trained on (`page` of [segmentation_dataset()]),
#' else the first, which is told. A GeoTIFF whose grid is turned against the map's axes, which terra does not read, is
#' held in memory; its mask is a TIFF in the same place.
#'
#' In files without coordinates pixels without data have the value of void, where the training masks have one, else
#' 0 or 255, whichever means no class. Entropy and probabilities are written with 16 bits, 0 to 65535 for 0 to 1, or, on
#' grids, as floats.
#'
#' Every file appears as a whole: it is written under a hidden name first. What is finished when the call is
#' interrupted stays, and is left alone by `resume = TRUE`.
#'
#' Numbers of arrays, tensors and rasters in memory are in units of the files that the model was trained on, or shares
#' of the largest number (0 to 1, as [image_read()] gives them), which is told. Numbers of 0 to 255 for a model of
#' 0 to 1 are divided by 255, which is told as well.
#' @section Errors: Files of other bands or of another type than the model's are refused with both named
#'   (`value_error`). Among several pictures those that fail are reported in the table and in a warning of class
#'   `candela_warning_segment`; an only picture's error, or the first if all fail, is raised.
#' @source Blending by partition of unity; entropy of Shannon (1948), A Mathematical Theory of Communication.
#' @seealso [mask_write()] for masks that were worked on afterwards.
#' @examples
#' root <- drawn_cells(tempfile(), n = 6, size = 48)
#' ds <- segmentation_dataset(file.path(root, "images"), file.path(root, "masks"),
#'   classes = c(background = 0, cell = 255))
#' model <- unet("plain", classes = ds, weights = NULL, base = 4, encoder_depth = 3,
#'   decoder_channels = c(16, 8, 4))
#' fitted <- model %>% setup() %>% fit(ds, epochs = 1, verbose = FALSE)
#' segment(fitted, file.path(root, "images"), to = file.path(root, "out"), pixel_size = c(um = 0.5))
#' list.files(file.path(root, "out"), recursive = TRUE)
#' @export
segment <- function(model, x, to = NULL, ..., output = c("mask", "overlay"), values = c("training", "class"),
                    format = c("auto", "png", "tiff", "geotiff"), flips = "none", tile = NULL, overlap = 96,
                    memory = 1e9, batch_size = 8, pixel_size = NULL, workers = 1, resume = FALSE, spec = NULL,
                    verbose = NULL) {
  rlang::check_dots_empty()
  run <- list(
    output = check_output(output), values = rlang::arg_match(values), format = rlang::arg_match(format),
    flips = check_flips(flips), tile = check_tile(tile), overlap = overlap, memory = memory, batch_size = batch_size,
    pixel_size = given_pixel_size(pixel_size), workers = workers, resume = resume,
    verbose = verbose %||% shows_progress_bar()
  )
  check_numbers_of_run(run)
  run$predictor <- new_predictor(model, spec, run$flips)
  run$classes <- run$predictor$classes
  run$spec <- run$predictor$spec
  run$codes <- mask_codes(run$spec, run$classes, run$values)
  jobs <- plan_outputs(find_inputs(x), to, run)
  if (!is.null(to)) remove_unfinished(jobs)
  run$predictor$prepare()
  on.exit(run$predictor$restore())
  finish_segmentation(run_jobs(jobs, run, to), run, to)
}

# ---- arguments ----

outputs <- c("mask", "overlay", "probabilities", "entropy")

check_output <- function(output) {
  if (!is.character(output) || length(output) == 0 || !all(output %in% outputs)) {
    refuse(output, "output", sprintf("some of %s", toString(paste0("\"", outputs, "\""))))
  }
  stats::setNames(as.list(outputs %in% output), outputs)
}

check_flips <- function(flips) {
  if (isTRUE(flips)) flips <- "horizontal"
  if (isFALSE(flips)) flips <- "none"
  check_choice(flips, "flips", c("none", "horizontal", "vertical", "both"))
  switch(flips, none = list(NULL), horizontal = list(NULL, 4), vertical = list(NULL, 3), both = list(NULL, 4, 3, 3:4))
}

check_tile <- function(tile) {
  if (is.null(tile)) {
    return(NULL)
  }
  check_whole_number(tile, "tile", 32)
  if (tile %% 32 != 0) refuse(tile, "tile", "a multiple of 32")
  tile
}

check_numbers_of_run <- function(run) {
  check_whole_number(run$overlap, "overlap", 0)
  check_number(run$memory, "memory", 1e6)
  check_whole_number(run$batch_size, "batch_size", 1)
  check_whole_number(run$workers, "workers", 1)
  check_flag(run$resume, "resume")
  check_flag(run$verbose, "verbose")
  blend <- blend_of(run$overlap)
  if (!is.null(run$tile) && run$tile < 2 * (run$overlap + blend) + 32) {
    value_error(sprintf("`tile` (%d) must be at least %d for an `overlap` of %d.", run$tile,
      ceiling((2 * (run$overlap + blend) + 32) / 32) * 32, run$overlap))
  }
}

blend_of <- function(overlap) max(2, overlap %/% 4)

# ---- pictures ----

# list(x =, names =): file names, or objects.
find_inputs <- function(x) {
  if (inherits(x, "dataset_subset") || inherits(x, "segmentation_dataset")) x <- pictures_of_dataset(x)
  if (is.character(x)) {
    files <- files_of(x, "x")
    return(list(x = as.list(files), names = files))
  }
  if (is.list(x) && !is.object(x)) {
    if (length(x) == 0) refuse(x, "x", "pictures")
    names <- vapply(seq_along(x), function(i) {
      named <- any(nzchar(names(x)[i]))
      if (is.character(x[[i]])) x[[i]][[1]] else if (named) names(x)[[i]] else sprintf("picture %d", i)
    }, "")
    return(list(x = x, names = make.unique(names, " ")))
  }
  if (inherits(x, "magick-image") && length(x) > 1) {
    return(find_inputs(lapply(seq_along(x), function(i) x[i])))
  }
  if (is_tensor(x) && length(dim(x)) == 4) {
    return(find_inputs(lapply(seq_len(dim(x)[[1]]), function(i) x$select(1, i))))
  }
  list(x = list(x), names = "`x`")
}

pictures_of_dataset <- function(x) {
  items <- x$indices
  if (inherits(x, "dataset_subset")) x <- x$dataset
  pairs <- x$source$pair_of(x$items)
  if (is.null(x$source$page) && any(x$source$pairs$page > 1)) {
    value_error("The pictures of this dataset are pages of files: give segment() files of one picture, or arrays.")
  }
  x$source$pairs$image[unique(if (is.null(items)) pairs else pairs[items])]
}

# A data frame of the jobs: name, input (list column), size, format, and paths of what is written.
plan_outputs <- function(inputs, to, run) {
  n <- length(inputs$x)
  is_file <- vapply(inputs$x, is.character, NA)
  jobs <- data.frame(name = inputs$names, is_file = is_file, stringsAsFactors = FALSE)
  jobs$input <- inputs$x
  if (is.null(to)) {
    return(jobs)
  }
  check_string(to, "to")
  single <- grepl("\\.(png|tiff?)$", to, ignore.case = TRUE) && !dir.exists(to)
  if (single && n > 1) value_error(sprintf("`to` must be a folder for %d pictures, but got '%s'.", n, to))
  folder <- if (single) dirname(to) else to
  jobs$stem <- output_stems(jobs)
  jobs$format <- vapply(seq_len(n), function(i) format_of(jobs$input[[i]], run), "")
  if (single) {
    jobs$stem <- sub("\\.[^.]*$", "", basename(to))
    wanted <- if (grepl("png$", to, ignore.case = TRUE)) "png" else if (jobs$format == "geotiff") "geotiff" else "tiff"
    if (run$format == "auto") jobs$format <- wanted
  }
  ending <- ifelse(jobs$format == "png", ".png", ".tif")
  jobs$mask <- if (single) to else file.path(to, paste0(jobs$stem, ending))
  jobs$overlay <- file.path(folder, "overlays", paste0(jobs$stem, ".png"))
  for (what in c("probabilities", "entropy")) jobs[[what]] <- file.path(folder, what, paste0(jobs$stem, ".tif"))
  same <- is_file & normalizePath(jobs$name, mustWork = FALSE) %in% normalizePath(jobs$mask, mustWork = FALSE)
  if (any(same)) {
    value_error(sprintf("the mask of '%s' would take the picture's place: give another folder as `to`.",
      jobs$name[same][[1]]))
  }
  jobs
}

# Names below the folder that the files share; those that would meet keep their endings.
output_stems <- function(jobs) {
  stems <- gsub("[^[:alnum:]_.-]+", "_", gsub("`", "", jobs$name))
  if (any(jobs$is_file)) stems[jobs$is_file] <- stems_of(jobs$name[jobs$is_file])
  twice <- duplicated(stems) | duplicated(stems, fromLast = TRUE)
  endings <- sub("^.*\\.", "", basename(jobs$name))
  stems[twice & jobs$is_file] <- paste0(stems, "_", endings)[twice & jobs$is_file]
  make.unique(stems, "_")
}

format_of <- function(input, run) {
  if (run$format != "auto") {
    if (run$format == "geotiff") need_terra("`format = \"geotiff\"`")
    return(run$format)
  }
  if (inherits(input, "SpatRaster")) {
    return("geotiff")
  }
  if (!is.character(input) || !file.exists(input)) {
    return("png")
  }
  if (is_terra_file(input)) "geotiff" else if (is_turned(input)) "tiff" else "png"
}

# What calls before left that were killed.
remove_unfinished <- function(jobs) {
  folders <- unique(dirname(c(jobs$mask, jobs$overlay, jobs$probabilities, jobs$entropy)))
  for (folder in folders[dir.exists(folders)]) remove_leftovers(folder, again = TRUE)
}

# ---- the work ----

run_jobs <- function(jobs, run, to) {
  results <- vector("list", nrow(jobs))
  if (run$resume && !is.null(to)) results <- finished_before(jobs, run)
  left <- which(vapply(results, is.null, NA))
  state <- list2env(list(results = results, jobs = jobs, saved = 0, bar = new_bar(length(left), run)),
    parent = emptyenv())
  on.exit({
    state$bar$clear()
    if (!is.null(to)) save_table(state, run)
  })
  chunks <- chunks_of(jobs[left, ], left, run)
  here <- rep(TRUE, length(chunks))
  if (run$workers > 1) {
    here <- vapply(chunks, function(chunk) !all(jobs$is_file[chunk]), NA)
    if (sum(!here) < 2) here[] <- TRUE
  }
  record <- function(chunk, done) record_results(state, chunk, done, run, to)
  if (any(!here)) run_on_workers(jobs, chunks[!here], run, record)
  for (chunk in chunks[here]) {
    tick <- if (length(left) == 1) state$bar$part else function(...) NULL
    record(chunk, process_chunk(jobs[chunk, ], run, tick))
  }
  state$results
}

record_results <- function(state, chunk, done, run, to) {
  state$results[chunk] <- done
  for (i in chunk) state$bar$tick()
  # Saving takes at most a tenth of the time.
  if (!is.null(to) && proc.time()[["elapsed"]] > state$saved) {
    took <- system.time(save_table(state, run))[["elapsed"]]
    state$saved <- proc.time()[["elapsed"]] + 10 * took
  }
}

# A bar over pictures, or over the tiles of an only one.
new_bar <- function(n, run) {
  bar <- NULL
  show <- function(total) if (run$verbose && is.null(bar)) bar <<- LuzProgressBar$new(total)
  list(
    tick = function() {
      if (n > 1) show(n)
      if (n > 1 && run$verbose) bar$tick(function() character())
    },
    part = function(total) {
      show(total)
      if (run$verbose) bar$tick(function() character())
    },
    clear = function() if (!is.null(bar)) bar$clear()
  )
}

# Numbers of jobs that are predicted together: pictures of one size, or, where they are resized, any.
chunks_of <- function(jobs, numbers, run) {
  if (length(numbers) == 0) {
    return(list())
  }
  size <- vapply(seq_len(nrow(jobs)), function(i) size_of_input(jobs$input[[i]]), c(0, 0))
  pixels <- size[1, ] * size[2, ]
  known <- !is.na(pixels) & pixels < 2^20
  key <- ifelse(known, if (run$spec$resize) "resized" else paste(size[1, ], size[2, ]), paste("alone", numbers))
  most <- if (run$spec$resize) run$batch_size else pmax(1, pmin(run$batch_size, floor(2^20 / pmax(pixels, 1))))
  groups <- split(seq_along(numbers), factor(key, unique(key)))
  unlist(lapply(groups, function(group) {
    n <- if (known[[group[[1]]]]) rep_len(most, length(numbers))[[group[[1]]]] else 1
    unname(split(numbers[group], (seq_along(group) - 1) %/% n))
  }), recursive = FALSE, use.names = FALSE)
}

# Height and width, NA where they are to be seen later.
size_of_input <- function(input) {
  size <- if (is.character(input)) {
    if (!file.exists(input) || is_terra_file(input)) {
      NULL
    } else {
      tryCatch(unlist(image_info(input)[c("height", "width")]), error = function(e) NULL)
    }
  } else if (is_tensor(input)) {
    utils::tail(dim(input), 2)
  } else if (is.numeric(input)) {
    dim(input)[1:2]
  }
  if (length(size) == 2) as.numeric(size) else c(NA_real_, NA_real_)
}

# A list with a result for each job: list(rows =, mask =, probabilities =, entropy =, pixel =).
process_chunk <- function(jobs, run, tick = function(...) NULL) {
  open <- lapply(seq_len(nrow(jobs)), function(i) {
    tryCatch(open_input(jobs$input[[i]], jobs$name[[i]], run), error = identity)
  })
  failed <- vapply(open, inherits, NA, "error")
  on.exit(for (source in open[!failed]) source$close())
  results <- vector("list", nrow(jobs))
  results[failed] <- lapply(which(failed), function(i) failed_result(jobs$name[[i]], open[[i]], run))
  if (any(!failed)) results[!failed] <- segment_sources(open[!failed], jobs[!failed, ], run, tick)
  results
}

open_input <- function(input, name, run) {
  source <- if (is.character(input)) source_of_file(input, run$spec) else source_of_object(input, run$spec, name)
  if (!is.null(run$pixel_size)) source$pixel <- run$pixel_size
  source
}

failed_result <- function(name, condition, run) {
  list(rows = failed_row(name, run$classes, conditionMessage(condition)), condition = condition)
}

segment_sources <- function(sources, jobs, run, tick) {
  together <- length(sources) > 1
  predicted <- if (together) predict_together(sources, run)
  lapply(seq_along(sources), function(i) {
    tryCatch(segment_source(sources[[i]], jobs[i, ], run, predicted[[i]], tick), error = function(e) {
      failed_result(jobs$name[[i]], e, run)
    })
  })
}

# Probabilities of small pictures that share a size, or that are resized to one.
predict_together <- function(sources, run) {
  predictor <- run$predictor
  inputs <- lapply(sources, function(source) whole_input(source, run))
  y <- release_after(predictor$probabilities(lapply(seq_along(predictor$specs), function(m) {
    torch_stack(lapply(inputs, function(input) input$scaled[[m]]), dim = 1)
  })))
  lapply(seq_along(sources), function(i) y$select(1, i))
}

# What the models see of a picture that goes through them as a whole.
whole_input <- function(source, run) {
  predictor <- run$predictor
  x <- if (run$spec$resize) {
    y <- resized_source(source, run$spec$size)
    # As a dataset keeps them.
    if (run$spec$type == "uint8" && !source$gaps) torch_round(y * 255) / 255 else y
  } else {
    plans <- plans_for(source, run, 2^20)
    tile_window(source, part_of_picture(plans[[1]], 1), part_of_picture(plans[[2]], 1))
  }
  list(scaled = predictor$scale(x, source$gaps, predictor$specs_for(source, run$spec$resize)))
}

plans_for <- function(source, run, tile) {
  blend <- blend_of(run$overlap)
  Map(tile_plan, source$size, tile, overlap = run$overlap, blend = blend, divisor = run$predictor$divisor)
}

segment_source <- function(source, job, run, predicted, tick) {
  sink <- new_sink(source, job, run)
  on.exit(sink$abort())
  if (run$spec$resize) {
    if (is.null(predicted)) predicted <- predict_together(list(source), run)[[1]]
    enlarge_into(predicted, source, sink)
  } else if (!is.null(predicted)) {
    plans <- plans_for(source, run, 2^20)
    one <- function(x, gaps) predicted
    walk_tiles(source, plans[[1]], plans[[2]], one, sink)
  } else {
    specs <- run$predictor$specs_for(source, FALSE)
    plans <- plans_for(source, run, run$predictor$tile_for(source, run, specs))
    total <- length(plans[[1]]$start) * length(plans[[2]]$start)
    walk_tiles(source, plans[[1]], plans[[2]], function(x, gaps) run$predictor$tile(x, gaps, specs), sink,
      function() tick(total))
  }
  sink$finish()
  finish_picture(source, sink, job, run)
}

# ---- results ----

new_sink <- function(source, job, run) {
  writes <- !is.null(job$mask)
  as_raster <- writes && job$format == "geotiff"
  if (as_raster && is.null(source$grid)) {
    value_error(sprintf("%s has no coordinates for a GeoTIFF: use `format = \"tiff\"` or \"png\".", source$name))
  }
  want <- list(
    mask = run$output$mask && !as_raster, entropy = run$output$entropy && !as_raster,
    probabilities = run$output$probabilities && !as_raster
  )
  if (run$output$overlay && writes) {
    size <- overlay_size(source$size)
    if (!want$mask || any(size != source$size)) want$overview <- size
  }
  degrees <- identical(attr(source$pixel, "unit"), "degrees")
  codes <- raster_codes(run$codes)
  MaskSink$new(source$size, nrow(run$classes), want, if (as_raster) open_rasters(source, job, run, codes), codes,
    if (degrees) row_areas(source$grid))
}

open_rasters <- function(source, job, run, codes) {
  make_folders(job, run)
  opened <- list()
  if (run$output$mask) {
    opened$mask <- open_raster(source$grid, job$mask, raster_type(codes), codes$nodata, names = "class",
      colours = palette_table(codes))
  }
  if (run$output$entropy) opened$entropy <- open_raster(source$grid, job$entropy, "FLT4S", -1, names = "entropy")
  if (run$output$probabilities) {
    opened$probabilities <- open_raster(source$grid, job$probabilities, "FLT4S", -1, nrow(run$classes),
      levels(run$classes$class))
  }
  opened
}

make_folders <- function(job, run) {
  for (what in names(run$output)[unlist(run$output)]) make_folder_of(job[[what]])
}

finish_picture <- function(source, sink, job, run) {
  writes <- !is.null(job$mask)
  if (writes) write_pictures(source, sink, job, run)
  area <- sink$areas
  unit <- "m2"
  if (is.null(area) && !is.null(source$pixel)) {
    area <- sink$pixels * prod(source$pixel)
    unit <- paste0(attr(source$pixel, "unit"), "2")
  }
  rows <- segmentation_rows(source$name, run$classes, sink$pixels, area, unit,
    if (writes && run$output$mask) job$mask else NA_character_)
  keep <- function(what) if (!writes && run$output[[what]]) sink[[what]]
  probabilities <- keep("probabilities")
  if (!is.null(probabilities)) dimnames(probabilities) <- list(NULL, NULL, levels(run$classes$class))
  list(rows = rows, mask = keep("mask"), probabilities = probabilities, entropy = keep("entropy"),
    pixel = source$pixel)
}

write_pictures <- function(source, sink, job, run) {
  make_folders(job, run)
  from <- if (job$format == "tiff" && !is.null(source$path) && is_georeferenced(source$path)) source$path
  if (job$format != "geotiff") {
    shares <- function(what) {
      if (run$output[[what]]) write_placed(job[[what]], from, function(path) write_shares(sink[[what]], path))
    }
    shares("entropy")
    shares("probabilities")
  }
  if (run$output$overlay) image_write(overlay_of_source(source, sink$overview %||% sink$mask, run), job$overlay)
  # The mask comes last: where it is, everything is.
  if (run$output$mask && job$format != "geotiff") {
    write_placed(job$mask, from, function(path) write_mask_picture(sink$mask, path, run$codes))
  }
}

# A TIFF lies where the picture's file does.
write_placed <- function(path, from, write) {
  if (is.null(from)) {
    return(write(path))
  }
  write_whole_file(path, function(part) {
    write(part)
    copy_place(from, part)
  })
}

# Numbers of 0 to 1, 0 where there are no data.
write_shares <- function(x, path) {
  x[is.na(x)] <- 0
  image_write(pmin(pmax(x, 0), 1), path, bits = 16)
}

finish_segmentation <- function(results, run, to) {
  table <- do.call(rbind, lapply(results, `[[`, "rows"))
  failed <- !vapply(results, function(result) is.null(result$condition), NA)
  if (all(failed)) rlang::cnd_signal(results[[1]]$condition)
  if (any(failed)) warn_failed(results[failed], length(results))
  files <- vapply(results, function(result) result$rows$file[[1]], "")
  of_all <- function(what) {
    all <- lapply(results, `[[`, what)
    if (all(vapply(all, is.null, NA))) NULL else if (length(all) == 1) all[[1]] else stats::setNames(all, files)
  }
  new_segmentation(table, run$classes, of_all("mask"), of_all("probabilities"), of_all("entropy"), of_all("pixel"))
}

warn_failed <- function(failed, n) {
  text <- vapply(failed, function(result) conditionMessage(result$condition), "")
  shown <- utils::head(text, 5)
  more <- length(text) - length(shown)
  rlang::warn(c(sprintf("%d of %d pictures were not segmented; `$table$error` says why.", length(failed), n),
    stats::setNames(shown, rep("x", length(shown))), if (more > 0) sprintf("and %d more", more)),
  class = "candela_warning_segment")
}

# ---- the table as a file ----

areas_file <- function(jobs) file.path(dirname(dirname(jobs$overlay[[1]])), "areas.csv")

save_table <- function(state, run) {
  done <- Filter(Negate(is.null), state$results)
  if (length(done) == 0) {
    return(invisible())
  }
  path <- areas_file(state$jobs)
  make_folder_of(path)
  table <- do.call(rbind, lapply(done, `[[`, "rows"))
  write_whole_file(path, function(part) utils::write.csv(table, part, row.names = FALSE))
}

# Results of a call before, for the jobs whose masks it has finished.
finished_before <- function(jobs, run) {
  path <- areas_file(jobs)
  nothing <- vector("list", nrow(jobs))
  if (!file.exists(path)) {
    return(nothing)
  }
  table <- utils::read.csv(path, stringsAsFactors = FALSE, colClasses = c(unit = "character", output = "character",
    error = "character", file = "character", class = "character"))
  lapply(seq_len(nrow(jobs)), function(i) {
    rows <- table[table$file == jobs$name[[i]] & is.na(table$error), ]
    if (is_finished(rows, jobs[i, ], run)) {
      rows$class <- factor(rows$class, levels(run$classes$class))
      list(rows = rows)
    }
  })
}

is_finished <- function(rows, job, run) {
  wanted <- unlist(lapply(names(run$output)[unlist(run$output)], function(what) job[[what]]))
  if (!job$is_file || nrow(rows) != nrow(run$classes) || !all(rows$class %in% levels(run$classes$class))) {
    return(FALSE)
  }
  all(file.exists(wanted)) && all(file.mtime(wanted) >= file.mtime(job$name))
}

# ---- overlays ----

# Those of pictures that are read window by window are shrunk to what a screen shows.
overlay_size <- function(size) {
  if (prod(size) <= streamed_pixels()) {
    return(size)
  }
  ceiling(size / sqrt(prod(size) / min(2^22, streamed_pixels())))
}

# The classes over the picture, as integers of 0 to 255, made by a few rows at a time. `mask` may be smaller than the
# picture: then its pixels are over those that stand for the rest.
overlay_of_source <- function(source, mask, run) {
  h <- nrow(mask)
  y <- array(0L, c(h, ncol(mask), 3))
  ends <- if (run$spec$type != "uint8") shown_range(source)
  n <- max(1, floor(2^20 / ncol(mask)))
  for (top in seq(1, h, by = n)) {
    inside <- seq(top, min(h, top + n - 1))
    # Outlines need to see the rows beside.
    seen <- seq(max(1, top - 1), min(h, top + n))
    photo <- photo_of_rows(source, taken_pixels(h, source$size[[1]])[seen], ncol(mask), ends)
    drawn <- overlay_pixels(photo, mask[seen, , drop = FALSE], run$classes)
    y[inside, , ] <- as.integer(floor(drawn[match(inside, seen), , ] * 255 + 0.5))
  }
  y
}

# Of the colours that are shown.
shown_range <- function(source) {
  values <- source$sample(2^17)[, shown_bands(source), drop = FALSE]
  stats::quantile(values, c(0.01, 0.99), na.rm = TRUE, names = FALSE)
}

shown_bands <- function(source) if (source$channels >= 3) 1:3 else 1

# rows x columns x 3 of 0 to 1; `ends`: the numbers that are black and white, or NULL for 0 and 1.
photo_of_rows <- function(source, rows, columns, ends) {
  bands <- length(shown_bands(source))
  across <- source$size[[2]]
  read <- function(top, n) {
    x <- source$window(top, 1, n, across)$narrow(1, 1, bands)
    if (columns < across) x <- x$index_select(3, torch_tensor(as.integer(taken_pixels(columns, across))))
    aperm(array(as_array(x), c(bands, n, columns)), c(2, 3, 1))
  }
  if (all(diff(rows) == 1)) {
    x <- release_after(read(rows[[1]], length(rows)))
  } else {
    x <- array(0, c(length(rows), columns, bands))
    for (i in seq_along(rows)) x[i, , ] <- release_after(read(rows[[i]], 1))
  }
  if (!is.null(ends)) x <- (x - ends[[1]]) / max(ends[[2]] - ends[[1]], 1e-12)
  x[is.na(x)] <- 0
  x <- pmin(pmax(x, 0), 1)
  if (bands == 1) array(rep(x, 3), c(dim(x)[1:2], 3L)) else x
}

# Classes tint the photo, and their borders are drawn in full colour. What is called background stays clear.
overlay_pixels <- function(photo, mask, classes, alpha = 0.4) {
  mask[is.na(mask)] <- 0L
  tint_pixels(photo, mask, replace(classes$colour, background_of(classes), NA), alpha, outline = 1)
}
