# Tags of a TIFF or BigTIFF, read and written byte by byte, without libtiff.

# Values of the tags of the first picture, named by their numbers; an empty list for other files. They are read
# without libtiff, and those that lie outside the file are left out.
tiff_tags <- function(path, wanted) {
  connection <- file(path.expand(path), "rb")
  on.exit(close(connection))
  reader <- tag_reader(connection)
  place <- if (!is.null(reader)) directory_at(reader)
  tags <- list()
  for (i in which(place$tags %in% wanted)) {
    tags[[as.character(place$tags[[i]])]] <- tag_value(reader, place$entries[, i])
  }
  tags
}

# NULL for other files.
tag_reader <- function(connection) {
  head <- readBin(connection, "raw", 16)
  if (length(head) < 16 || !rawToChar(head[1:2][head[1:2] != 0]) %in% c("II", "MM")) {
    return(NULL)
  }
  little <- head[[1]] == 0x49
  number <- function(bytes) sum(as.integer(if (little) bytes else rev(bytes)) * 256^(seq_along(bytes) - 1))
  version <- number(head[3:4])
  if (version %in% 42:43) {
    list(connection = connection, number = number, little = little, wide = if (version == 43) 8 else 4,
      first = number(if (version == 43) head[9:16] else head[5:8]))
  }
}

bytes_at <- function(reader, at, n) {
  if (at < 8 || at + n > file.size(summary(reader$connection)$description)) {
    return(raw())
  }
  seek(reader$connection, at)
  readBin(reader$connection, "raw", n)
}

# The first directory: its entries, a column each, the tags' numbers, and where the next directory is.
directory_at <- function(reader) {
  wide <- reader$wide
  counted <- if (wide == 8) 8 else 2
  n <- reader$number(bytes_at(reader, reader$first, counted))
  size <- 4 + 2 * wide
  bytes <- if (n > 0 && n < 4096) bytes_at(reader, reader$first + counted, n * size) else raw()
  entries <- matrix(bytes[seq_len(length(bytes) %/% size * size)], size)
  list(entries = entries, tags = apply(entries[1:2, , drop = FALSE], 2, reader$number),
    follows = bytes_at(reader, reader$first + counted + n * size, wide))
}

# NULL where the type is none of: byte, text, short, long, rational, double.
tag_value <- function(reader, entry) {
  wide <- reader$wide
  type <- reader$number(entry[3:4])
  count <- reader$number(entry[4 + seq_len(wide)])
  each <- c("1" = 1, "2" = 1, "3" = 2, "4" = 4, "5" = 8, "12" = 8)[as.character(type)]
  if (is.na(each) || count < 1 || count > 1e6) {
    return(NULL)
  }
  inside <- entry[4 + wide + seq_len(wide)]
  size <- count * each
  bytes <- if (size <= wide) inside[seq_len(size)] else bytes_at(reader, reader$number(inside), size)
  if (length(bytes) < size) {
    return(NULL)
  }
  parts <- function(n) apply(matrix(bytes, n), 2, reader$number)
  switch(as.character(type),
    `2` = rawToChar(bytes[bytes != 0]),
    `5` = {
      numbers <- matrix(parts(4), 2)
      numbers[1, ] / numbers[2, ]
    },
    `12` = readBin(bytes, "double", count, endian = if (reader$little) "little" else "big"),
    parts(each)
  )
}

# ---- writing ----

# Gives the first picture of a TIFF more tags, instead of those of the same numbers: `tags` is named by these, with
# texts, doubles, or integers below 65536 as values. The new directory goes to the end of the file.
add_tags <- function(path, tags) {
  connection <- file(path.expand(path), "r+b")
  on.exit(close(connection))
  reader <- tag_reader(connection)
  place <- directory_at(reader)
  old <- place$entries[, !place$tags %in% as.integer(names(tags)), drop = FALSE]
  end <- ceiling(file.size(path) / 8) * 8
  own <- lapply(names(tags), function(name) {
    entry <- new_entry(reader, as.integer(name), tags[[name]], end)
    put_bytes(connection, end, entry$data)
    end <<- ceiling((end + length(entry$data)) / 8) * 8
    entry$bytes
  })
  entries <- do.call(cbind, c(list(old), own))
  entries <- entries[, order(apply(entries[1:2, , drop = FALSE], 2, reader$number)), drop = FALSE]
  counted <- number_bytes(reader, ncol(entries), if (reader$wide == 8) 8 else 2)
  put_bytes(connection, end, c(counted, as.vector(entries), place$follows))
  put_bytes(connection, if (reader$wide == 8) 8 else 4, number_bytes(reader, end, reader$wide))
  invisible(path)
}

put_bytes <- function(connection, at, bytes) {
  seek(connection, at, rw = "write")
  writeBin(bytes, connection)
}

number_bytes <- function(reader, x, n) {
  bytes <- as.raw(x %/% 256^(seq_len(n) - 1) %% 256)
  if (reader$little) bytes else rev(bytes)
}

# The entry of a tag, and what it points to where that does not fit into it.
new_entry <- function(reader, tag, value, end) {
  endian <- if (reader$little) "little" else "big"
  data <- if (is.character(value)) c(charToRaw(value), raw(1)) else
    writeBin(value, raw(), size = if (is.integer(value)) 2 else 8, endian = endian)
  type <- if (is.character(value)) 2 else if (is.integer(value)) 3 else 12
  n <- length(data) / c("2" = 1, "3" = 2, "12" = 8)[[as.character(type)]]
  inside <- length(data) <= reader$wide
  field <- if (inside) c(data, raw(reader$wide - length(data))) else number_bytes(reader, end, reader$wide)
  list(bytes = c(number_bytes(reader, tag, 2), number_bytes(reader, type, 2), number_bytes(reader, n, reader$wide),
    field), data = if (inside) raw() else data)
}

# Where a picture lies: scale, tie point, or matrix, and what they refer to.
place_tags <- c("33550", "33922", "34264", "34735", "34736", "34737")

copy_place <- function(from, to) {
  tags <- tiff_tags(from, as.integer(place_tags))
  if (!is.null(tags[["34735"]])) tags[["34735"]] <- as.integer(tags[["34735"]])
  add_tags(to, tags)
}
