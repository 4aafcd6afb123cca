# Image files made byte by byte, for what the package does not write itself.

# 8 x 8 pixels of ink (Adobe's inverted values) C 200, M 100, Y 50, K 255.
cmyk_jpeg <- paste0(
  "ffd8ffee000e41646f626500640000000000ffdb004300020101010101020101010202020202040302020202050404030406",
  "0506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc00014080008000804431100",
  "4d11005911004b1100ffc4001500010100000000000000000000000000000907ffc400141001000000000000000000000000",
  "00000000ffda000e0443004d0059004b00003f004810f18e7f1fffd9"
)

write_hex <- function(hex, path) {
  at <- seq(1, nchar(hex), 2)
  writeBin(as.raw(strtoi(substring(hex, at, at + 1), 16L)), path)
  path
}

big_endian <- function(x) as.raw(c(x %/% 16777216, x %/% 65536, x %/% 256, x) %% 256)

# The checksum of PNG chunks.
crc32 <- function(bytes) {
  crc <- -1L
  polynomial <- bitwNot(0x12477CDFL) # 0xEDB88320
  for (byte in as.integer(bytes)) {
    crc <- bitwXor(crc, byte)
    for (k in 1:8) {
      odd <- bitwAnd(crc, 1L) == 1L
      crc <- bitwShiftR(crc, 1L)
      crc <- if (crc > .Machine$integer.max) as.integer(crc - 2^32) else as.integer(crc)
      if (odd) crc <- bitwXor(crc, polynomial)
    }
  }
  as.numeric(bitwNot(crc)) %% 2^32
}

png_chunk <- function(type, data = raw()) {
  body <- c(charToRaw(type), data)
  c(big_endian(length(data)), body, big_endian(crc32(body)))
}

# rows: bytes of all scan lines, each after its filter byte 0. extra: chunks between header and data.
write_png <- function(path, width, height, bits, colour, rows, extra = raw(), interlaced = FALSE) {
  header <- c(big_endian(width), big_endian(height), as.raw(c(bits, colour, 0, 0, interlaced)))
  writeBin(c(
    as.raw(c(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)), png_chunk("IHDR", header), extra,
    png_chunk("IDAT", memCompress(as.raw(rows), "gzip")), png_chunk("IEND")
  ), path)
  path
}
