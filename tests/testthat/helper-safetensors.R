# A small reader of its own for the tests, so that the package's reader is not tested by itself.

# The JSON header: of each tensor dtype, shape, data_offsets, and `__metadata__`.
safetensors_header <- function(path) {
  con <- file(path, "rb")
  on.exit(close(con))
  size <- readBin(con, "integer", 2, 4, endian = "little")[[1]]
  header <- jsonlite::fromJSON(rawToChar(readBin(con, "raw", size)), simplifyVector = TRUE)
  structure(header, size = size)
}

# path: a .safetensors file; gives a named list of R arrays in the tensors' index order, each with attributes "dtype"
# and "shape" (which tells a tensor without dimensions from one with a single element).
read_safetensors <- function(path, names = NULL) {
  header <- safetensors_header(path)
  wanted <- if (is.null(names)) setdiff(names(header), "__metadata__") else names
  con <- file(path, "rb")
  on.exit(close(con))
  sapply(wanted, function(name) {
    entry <- header[[name]]
    seek(con, 8 + attr(header, "size") + entry$data_offsets[[1]])
    row_major(read_values(con, entry$dtype, diff(entry$data_offsets)), entry$shape, entry$dtype)
  }, simplify = FALSE)
}

read_values <- function(con, dtype, nbytes) {
  switch(dtype,
    F32 = readBin(con, "numeric", nbytes / 4, 4, endian = "little"),
    F64 = readBin(con, "numeric", nbytes / 8, 8, endian = "little"),
    I32 = readBin(con, "integer", nbytes / 4, 4, endian = "little"),
    I64 = long_values(readBin(con, "integer", nbytes / 4, 4, endian = "little")),
    U8 = readBin(con, "integer", nbytes, 1, signed = FALSE),
    BOOL = readBin(con, "integer", nbytes, 1, signed = FALSE) != 0,
    stop("dtype not read by the tests: ", dtype)
  )
}

# The low words, as 64-bit values in the reference files are small; anything else would be a wrong high word.
long_values <- function(words) {
  low <- words[c(TRUE, FALSE)]
  high <- words[c(FALSE, TRUE)]
  stopifnot(all(high == ifelse(low < 0, -1L, 0L)))
  low
}

row_major <- function(values, shape, dtype) {
  shape <- as.integer(unlist(shape))
  if (length(shape) > 1) {
    values <- aperm(array(values, rev(shape)), rev(seq_along(shape)))
  }
  structure(values, dtype = dtype, shape = shape)
}
