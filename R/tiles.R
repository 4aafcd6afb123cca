# Probabilities of a picture of any size. Tiles overlap; each keeps its inner part, and where two such parts meet, they
# are blended along a ramp. All of it goes from tile to tile and row of tiles to row of tiles, and what is final leaves
# at once, so that no more is held than one tile and the seams.
#
#     |<------- tile i -------->|
#                      |<------- tile i + 1 ------>|
#                      |overlap/2|blend|overlap/2|     where both are known: the outer halves are dropped, so that a
#                                                       pixel sees overlap/2 pixels of the picture on every side

# Tiles of one dimension of n pixels, on a grid that begins `before` pixels before the picture and is a multiple of
# `divisor` long, as the whole picture would be padded. Counted from 0: a tile is start .. start + tile - 1, what it
# keeps from .. to - 1, of which the first `ramp` pixels are shared with the tile before.
tile_plan <- function(n, tile, overlap, blend, divisor) {
  before <- padding_to_multiple(n, divisor)[[1]]
  total <- ceiling(n / divisor) * divisor
  if (total <= tile) {
    return(list(start = 0, tile = total, from = 0, to = total, ramp = 0, total = total, before = before, n = n))
  }
  tile <- even_tile(total, tile, overlap + blend, divisor)
  step <- tile_step(tile, overlap + blend, divisor)
  start <- unique(pmin(seq(0, total - tile + step, by = step), total - tile))
  k <- length(start)
  middle <- floor((start[-1] + start[-k] + tile) / 2)
  list(
    start = start, tile = tile, from = c(0, middle - blend %/% 2), to = c(middle - blend %/% 2 + blend, total),
    ramp = c(0, rep(blend, k - 1)), total = total, before = before, n = n
  )
}

tile_step <- function(tile, shared, divisor) pmax(floor((tile - shared) / divisor), 1) * divisor

# The smallest tile of which as many are needed as of the largest one.
even_tile <- function(total, largest, shared, divisor) {
  further <- ceiling((total - largest) / tile_step(largest, shared, divisor))
  # With a tile, all larger ones reach the end.
  tiles <- seq(largest, min(largest, 2 * shared + divisor), by = -divisor)
  tiles[[max(1, sum(tiles + further * tile_step(tiles, shared, divisor) >= total))]]
}

# Height and width of the tiles with which the fewest pixels are predicted, those that neighbours share counted twice,
# among all that stay below the memory. `bytes`: c(tile =, row =), what a pixel of a tile takes while it is predicted,
# and a pixel of a row of tiles until the row is handed on. No tile is smaller than `smallest`, whatever that takes.
choose_tile <- function(size, memory, bytes, shared, divisor) {
  total <- ceiling(size / divisor) * divisor
  smallest <- ceiling((2 * shared + 32) / divisor) * divisor
  heights <- seq(smallest, max(total[[1]], smallest), by = divisor)
  widths <- floor((memory / heights - bytes[["row"]] * total[[2]]) / bytes[["tile"]] / divisor) * divisor
  fits <- widths >= smallest
  if (!any(fits)) {
    return(c(smallest, smallest))
  }
  heights <- heights[fits]
  sides <- seq(smallest, max(total[[2]], smallest), by = divisor)
  # Wider tiles may be worse ones, as they go by steps: for each height the best of those that fit.
  across <- pixels_predicted(total[[2]], sides, shared, divisor)
  least <- cummin(across)[pmin((widths[fits] - smallest) / divisor + 1, length(sides))]
  best <- which.min(pixels_predicted(total[[1]], heights, shared, divisor) * least)
  c(heights[[best]], sides[[match(least[[best]], across)]])
}

# In one dimension, by tiles of these sizes.
pixels_predicted <- function(total, tiles, shared, divisor) {
  vapply(tiles, function(tile) {
    if (tile >= total) {
      return(total)
    }
    even <- even_tile(total, tile, shared, divisor)
    even * (1 + ceiling((total - even) / tile_step(even, shared, divisor)))
  }, 0)
}

# Rows or columns of the picture, from 1, that a tile covers, and how many of its own lie outside before and after.
part_of_picture <- function(plan, i) {
  first <- plan$start[[i]] - plan$before
  last <- first + plan$tile - 1
  inside <- c(max(first, 0), min(last, plan$n - 1))
  list(at = inside[[1]] + 1, length = inside[[2]] - inside[[1]] + 1,
    pad = c(inside[[1]] - first, last - inside[[2]]))
}

# The tile's picture, mirrored at its borders where it sticks out.
tile_window <- function(source, rows, columns) {
  x <- source$window(rows$at, columns$at, rows$length, columns$length)
  mirror_pad(x, c(columns$pad, rows$pad))
}

# x: channels x height x width. Where it is too small for a mirror its border is repeated.
mirror_pad <- function(x, pad) {
  for (side in list(pad * c(1, 1, 0, 0), pad * c(0, 0, 1, 1))) {
    if (all(side == 0)) next
    size <- dim(x)[[if (any(side[1:2] > 0)) 3 else 2]]
    x <- nnf_pad(x$unsqueeze(1), side, mode = if (max(side) < size) "reflect" else "replicate")$squeeze(1)
  }
  x
}

# Walks over the tiles, row by row. `predict(x)` turns what the source gives (channels x h x w) into probabilities
# (classes x h x w). The sink gets every pixel once: begin(top, height), block(y, gaps, top, left) from left to right,
# end().
walk_tiles <- function(source, rows, columns, predict, sink, tick = function() NULL) {
  seams <- new.env(parent = emptyenv())
  for (i in seq_along(rows$start)) {
    done <- clip_to_picture(rows, rows$from[[i]], rows$to[[i]] - ramp_after(rows, i))
    sink$begin(done$at, done$length)
    seams$beside <- seams$next_below <- NULL
    for (j in seq_along(columns$start)) {
      release_after(one_tile(source, rows, columns, c(i, j), predict, sink, seams))
      tick()
    }
    sink$end()
    seams$below <- seams$next_below
  }
}

ramp_after <- function(plan, i) if (i == length(plan$start)) 0 else plan$ramp[[i + 1]]

# Of from .. to - 1 of a plan: what lies on the picture, from 1, and how much before that does not.
clip_to_picture <- function(plan, from, to) {
  first <- max(from, plan$before)
  last <- min(to, plan$before + plan$n)
  list(at = first - plan$before + 1, length = last - first, skip = first - from)
}

# Predicts a tile, adds the seams of the tiles before, leaves those for the next ones, and hands on what is final.
one_tile <- function(source, rows, columns, at, predict, sink, seams) {
  i <- at[[1]]
  j <- at[[2]]
  x <- tile_window(source, part_of_picture(rows, i), part_of_picture(columns, j))
  gaps <- if (source$gaps) gaps_of(x)
  y <- kept_part(predict(x, gaps), rows, columns, i, j)
  fade(y, 2, rows$ramp[[i]], ramp_after(rows, i))
  fade(y, 3, columns$ramp[[j]], ramp_after(columns, j))
  size <- c(rows$to[[i]], columns$to[[j]]) - c(rows$from[[i]], columns$from[[j]]) -
    c(ramp_after(rows, i), ramp_after(columns, j))
  join_seams(y, size, columns$from[[j]] + 1, columns$total, seams)
  rows_in <- clip_to_picture(rows, rows$from[[i]], rows$from[[i]] + size[[1]])
  columns_in <- clip_to_picture(columns, columns$from[[j]], columns$from[[j]] + size[[2]])
  block <- y$narrow(2, rows_in$skip + 1, rows_in$length)$narrow(3, columns_in$skip + 1, columns_in$length)
  if (!is.null(gaps)) {
    gaps <- gaps[rows$from[[i]] - rows$start[[i]] + rows_in$skip + seq_len(rows_in$length),
      columns$from[[j]] - columns$start[[j]] + columns_in$skip + seq_len(columns_in$length), drop = FALSE]
  }
  sink$block(block, gaps, columns_in$at)
}

kept_part <- function(y, rows, columns, i, j) {
  in_rows <- y$narrow(2, rows$from[[i]] - rows$start[[i]] + 1, rows$to[[i]] - rows$from[[i]])
  in_rows$narrow(3, columns$from[[j]] - columns$start[[j]] + 1, columns$to[[j]] - columns$from[[j]])$clone()
}

# Multiplies the first pixels along a dimension by a ramp that rises, the last by one that falls; a falling and the
# next tile's rising one sum to 1.
fade <- function(y, dim, rising, falling) {
  ramp <- function(n) torch_tensor((seq_len(n) - 0.5) / n)$reshape(if (dim == 2) c(1, n, 1) else c(1, 1, n))
  if (rising > 0) y$narrow(dim, 1, rising)$mul_(ramp(rising))
  if (falling > 0) y$narrow(dim, dim(y)[[dim]] - falling + 1, falling)$mul_(1 - ramp(falling))
}

# `size`: of the final part of y; `at`: its first column in the row of tiles, which is `total` wide.
join_seams <- function(y, size, at, total, seams) {
  if (!is.null(seams$beside)) y$narrow(3, 1, dim(seams$beside)[[3]])$add_(seams$beside)
  over <- dim(y)[2:3] - size
  seams$beside <- if (over[[2]] > 0) y$narrow(3, size[[2]] + 1, over[[2]])$clone()
  if (!is.null(seams$below)) {
    ramp <- dim(seams$below)[[2]]
    y$narrow(2, 1, ramp)$narrow(3, 1, size[[2]])$add_(seams$below$narrow(3, at, size[[2]]))
  }
  if (over[[1]] > 0) {
    if (is.null(seams$next_below)) seams$next_below <- torch_zeros(c(dim(y)[[1]], over[[1]], total))
    seams$next_below$narrow(3, at, size[[2]])$copy_(y$narrow(2, size[[1]] + 1, over[[1]])$narrow(3, 1, size[[2]]))
  }
}

# ---- pictures that are resized ----

# A picture at the size of training, window by window where it is large: channels x height x width, NaN without data.
resized_source <- function(source, size) {
  if (prod(source$size) <= streamed_pixels()) {
    return(resize_picture(source$window(1, 1, source$size[[1]], source$size[[2]]), size, source$gaps))
  }
  down <- triangle_weights(source$size[[1]], size[[1]])
  across <- triangle_weights(source$size[[2]], size[[2]])$t()
  sum <- weight <- 0
  for (top in strip_tops(source$size)) {
    n <- min(strip_rows(source$size), source$size[[1]] - top + 1)
    both <- release_after(weighted_strip(source$window(top, 1, n, source$size[[2]]), down$narrow(2, top, n), across))
    sum <- sum + both[[1]]
    weight <- weight + both[[2]]
  }
  torch_where(weight < 0.5, torch_full_like(sum, NaN), sum / torch_clamp(weight, min = 1e-6))
}

weighted_strip <- function(x, down, across) {
  gaps <- torch_isnan(x)
  part <- function(x) torch_matmul(down, torch_matmul(x, across))
  list(part(torch_where(gaps, torch_zeros_like(x), x)), part((!gaps)$to(dtype = torch_float())))
}

# Rows that are worked on at once, of a picture that is not held as a whole.
strip_rows <- function(size) max(1, min(size[[1]], floor(min(2^22, streamed_pixels()) / size[[2]])))
strip_tops <- function(size) seq(1, size[[1]], by = strip_rows(size))

# Brings probabilities (classes x h x w) to the picture's size, bilinearly, strip by strip.
enlarge_into <- function(y, source, sink) {
  wide <- lerp(y, 3, seq_len(source$size[[2]]), source$size[[2]])
  for (top in strip_tops(source$size)) {
    n <- min(strip_rows(source$size), source$size[[1]] - top + 1)
    sink$begin(top, n)
    release_after({
      gaps <- if (source$gaps) gaps_of(source$window(top, 1, n, source$size[[2]]))
      sink$block(lerp(wide, 2, top - 1 + seq_len(n), source$size[[1]]), gaps, 1)
    })
    sink$end()
  }
}

# The places `at` of dimension `dim` once it is `size` long: between the middles of pixels, linearly.
lerp <- function(y, dim, at, size) {
  now <- dim(y)[[dim]]
  if (now == size && length(at) == size) {
    return(y)
  }
  place <- pmin(pmax((at - 0.5) * now / size + 0.5, 1), now)
  low <- pmin(floor(place), max(now - 1, 1))
  pick <- function(i) y$index_select(dim, torch_tensor(as.integer(pmin(i, now)), dtype = torch_long()))
  share <- torch_tensor(place - low)$reshape(if (dim == 2) c(1, -1, 1) else c(1, 1, -1))
  below <- pick(low)
  below + (pick(low + 1) - below) * share
}
