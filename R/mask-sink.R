# Where probabilities go, strip by strip: they become class numbers, are counted, kept, or written.

MaskSink <- R6::R6Class(
  "mask_sink",
  public = list(
    pixels = NULL, areas = NULL, mask = NULL, entropy = NULL, probabilities = NULL,
    # `want`: list of flags `mask`, `entropy`, `probabilities`: whether these are kept in memory. `rasters`: list of
    # files that open_raster() opened, by these names. `row_area`: area of a pixel by row, or NULL.
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
    },
    begin = function(top, height) {
      private$top <- top
      private$height <- height
      strip <- function(wanted, value) if (wanted) matrix(value, height, private$size[[2]])
      private$strip <- strip(TRUE, NA_integer_)
      private$unsure <- strip(private$want$entropy || !is.null(private$rasters$entropy), NA_real_)
      private$layers <- if (!is.null(private$rasters$probabilities)) {
        torch_zeros(c(private$classes, height, private$size[[2]]))
      }
    },
    # y: classes x rows of the strip x some columns, from column `left` on.
    block = function(y, gaps, left) {
      at <- left - 1 + seq_len(dim(y)[[3]])
      found <- matrix(as.integer(as_array(torch_argmax(y, dim = 1))), dim(y)[[2]])
      if (!is.null(gaps)) found[gaps] <- NA
      private$strip[, at] <- found
      if (!is.null(private$unsure)) {
        entropy <- matrix(as_array(entropy_of(y)), dim(y)[[2]])
        if (!is.null(gaps)) entropy[gaps] <- NA
        private$unsure[, at] <- entropy
      }
      if (!is.null(private$layers)) private$layers$narrow(3, left, dim(y)[[3]])$copy_(y)
      if (private$want$probabilities) {
        values <- aperm(array(as_array(y), dim(y)), c(2, 3, 1))
        if (!is.null(gaps)) values[gaps] <- NA
        self$probabilities[private$rows(), at, ] <- values
      }
    },
    end = function() {
      private$count()
      if (private$want$mask) self$mask[private$rows(), ] <- private$strip
      if (private$want$entropy) self$entropy[private$rows(), ] <- private$unsure
      private$write("mask", function() matrix(private$codes$code[t(private$strip)], ncol = 1))
      private$write("entropy", function() matrix(t(private$unsure), ncol = 1))
      private$write("probabilities", function() {
        values <- matrix(as_array(private$layers$reshape(-1)), ncol = private$classes)
        values[is.na(t(private$strip)), ] <- NA
        values
      })
      private$strip <- private$unsure <- private$layers <- NULL
    },
    finish = function() for (file in private$rasters) file$finish(),
    abort = function() for (file in private$rasters) file$abort()
  ),
  private = list(
    size = NULL, classes = NULL, want = NULL, rasters = NULL, codes = NULL, row_area = NULL, top = NULL, height = NULL,
    strip = NULL, unsure = NULL, layers = NULL,
    rows = function() private$top - 1 + seq_len(private$height),
    count = function() {
      self$pixels <- self$pixels + tabulate(private$strip, private$classes)
      if (is.null(private$row_area)) {
        return(invisible())
      }
      area <- private$row_area[private$rows()]
      for (k in seq_len(private$classes)) {
        self$areas[[k]] <- self$areas[[k]] + sum(rowSums(private$strip == k, na.rm = TRUE) * area)
      }
    },
    write = function(name, values) {
      if (!is.null(private$rasters[[name]])) private$rasters[[name]]$write(values(), private$top, private$height)
    }
  )
)

# Of probabilities classes x h x w: -sum p log p, in shares of the largest that so many classes can have.
entropy_of <- function(y) {
  p <- torch_clamp(y, min = 1e-12)
  torch_clamp((p * torch_log(p))$sum(dim = 1) / -log(dim(y)[[1]]), 0, 1)
}
