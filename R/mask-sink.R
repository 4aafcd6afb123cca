# Where probabilities go, strip by strip: they become class numbers, are counted, kept, or written.

MaskSink <- R6::R6Class(
  "mask_sink",
  public = list(
    pixels = NULL, areas = NULL, mask = NULL, entropy = NULL, probabilities = NULL, overview = NULL,
    # `want`: list of flags `mask`, `entropy`, `probabilities`: whether these are kept in memory; and `overview`, height
    # and width of a mask that takes its pixels from those of the whole one, or NULL. `rasters`: list of files that
    # open_raster() opened, by these names. `row_area`: area of a pixel by row, or NULL.
    initialize = function(size, classes, want, rasters = list(), codes = NULL, row_area = NULL) {
      private$size <- size
      private$classes <- classes
      private$want <- want
      private$rasters <- rasters
      private$codes <- codes
      private$row_area <- row_area
      self$pixels <- numeric(classes)
      if (!is.null(row_area)) self$areas <- numeric(classes)
      if (want$mask) self$mask <- matrix(NA_integer_, size[[1]], size[[2]])
      if (want$entropy) self$entropy <- matrix(NA_real_, size[[1]], size[[2]])
      if (want$probabilities) self$probabilities <- array(NA_real_, c(size, classes))
      if (!is.null(want$overview)) {
        self$overview <- matrix(NA_integer_, want$overview[[1]], want$overview[[2]])
        private$taken <- Map(taken_pixels, want$overview, size)
      }
    },
    begin = function(top, height) {
      private$top <- top
      private$height <- height
      wide <- c(height, private$size[[2]])
      wanted <- function(what) private$want[[what]] || !is.null(private$rasters[[what]])
      private$found <- torch_zeros(wide, dtype = if (private$classes < 256) torch_uint8() else torch_int())
      private$unsure <- if (wanted("entropy")) torch_zeros(wide)
      private$layers <- if (wanted("probabilities")) torch_zeros(c(private$classes, wide))
    },
    # y: classes x rows of the strip x some columns, from column `left` on. Class 0 is what has no data.
    block = function(y, gaps, left) {
      n <- dim(y)[[3]]
      found <- torch_argmax(y, dim = 1)
      if (!is.null(gaps)) found <- found * torch_tensor(!gaps, dtype = torch_long())
      private$found$narrow(2, left, n)$copy_(found)
      if (!is.null(private$unsure)) private$unsure$narrow(2, left, n)$copy_(entropy_of(y))
      if (!is.null(private$layers)) private$layers$narrow(3, left, n)$copy_(y)
    },
    # What R makes of the strip takes many times its memory, so it goes by a few rows.
    end = function() {
      rows <- max(1, floor(2^20 / private$size[[2]]))
      for (first in seq(1, private$height, by = rows)) {
        release_after(private$hand_on(first, min(rows, private$height - first + 1)))
      }
      private$found <- private$unsure <- private$layers <- NULL
    },
    finish = function() for (file in private$rasters) file$finish(),
    abort = function() for (file in private$rasters) file$abort()
  ),
  private = list(
    size = NULL, classes = NULL, want = NULL, rasters = NULL, codes = NULL, row_area = NULL, top = NULL, height = NULL,
    taken = NULL, found = NULL, unsure = NULL, layers = NULL,
    # Of n rows of the strip; `cells`: row by row.
    hand_on = function(first, n) {
      cells <- as.integer(as_array(private$found$narrow(1, first, n)$reshape(-1)))
      rows <- private$top + first - 2 + seq_len(n)
      missing <- if (!all(cells > 0L)) cells == 0L
      private$count(cells, rows)
      private$keep_mask(cells, rows)
      private$write("mask", c(NA, private$codes$code)[cells + 1L], rows)
      if (!is.null(private$unsure)) {
        entropy <- as_array(private$unsure$narrow(1, first, n)$reshape(-1))
        if (!is.null(missing)) entropy[missing] <- NA
        if (private$want$entropy) self$entropy[rows, ] <- matrix(entropy, n, byrow = TRUE)
        private$write("entropy", entropy, rows)
      }
      if (!is.null(private$layers)) {
        values <- as_array(private$layers$narrow(2, first, n)$permute(c(3, 2, 1)))
        if (!is.null(missing)) values[missing] <- NA
        if (private$want$probabilities) self$probabilities[rows, , ] <- aperm(values, c(2, 1, 3))
        private$write("probabilities", matrix(values, ncol = private$classes), rows)
      }
      NULL
    },
    count = function(cells, rows) {
      self$pixels <- self$pixels + tabulate(cells, private$classes)
      if (is.null(private$row_area)) {
        return(invisible())
      }
      cells <- matrix(cells, ncol = length(rows))
      for (k in seq_len(private$classes)) {
        self$areas[[k]] <- self$areas[[k]] + sum(colSums(cells == k) * private$row_area[rows])
      }
    },
    keep_mask = function(cells, rows) {
      if (!private$want$mask && is.null(self$overview)) {
        return(invisible())
      }
      cells[cells == 0L] <- NA
      wide <- matrix(cells, length(rows), byrow = TRUE)
      if (private$want$mask) self$mask[rows, ] <- wide
      if (!is.null(self$overview)) {
        at <- match(private$taken[[1]], rows)
        self$overview[!is.na(at), ] <- wide[at[!is.na(at)], private$taken[[2]]]
      }
    },
    write = function(name, values, rows) {
      if (!is.null(private$rasters[[name]])) private$rasters[[name]]$write(values, rows[[1]], length(rows))
    }
  )
)

# Which of n pixels in a row stand for them all where there is room for `few`: those under the middles.
taken_pixels <- function(few, n) floor((seq_len(few) - 0.5) * n / few) + 1

# Of probabilities classes x h x w: -sum p log p, in shares of the largest that so many classes can have.
entropy_of <- function(y) {
  p <- torch_clamp(y, min = 1e-12)
  torch_clamp((p * torch_log(p))$sum(dim = 1) / -log(dim(y)[[1]]), 0, 1)
}
