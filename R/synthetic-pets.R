#' Drawn pets
#'
#' Draws animals of two species, cats with pointed ears and dogs with hanging ones, in several poses, coats, sizes and
#' places, on varied backgrounds, and writes them in the layout of [oxford_pet_dataset()]: JPEG images of different
#' sizes and PNG trimaps (1 pet, 2 background, 3 border). For trying out and testing without a download.
#'
#' @param root folder below which `oxford-pet` is made; it must not hold one yet.
#' @param n number of images; half of them for training, half for testing.
#' @param seed whole number; the same seed gives the same pictures. R's own random numbers are not disturbed.
#' @return `root`, invisibly. Breeds are `Plain_cat`, `Striped_cat`, `plain_dog`, `spotted_dog`.
#' @examples
#' root <- tempfile()
#' synthetic_pets(root, n = 4, seed = 1)
#' length(oxford_pet_dataset(root, split = "valid"))
#' @export
synthetic_pets <- function(root, n = 100, seed = 1) {
  check_whole_number(n, "n", least = 2)
  check_whole_number(seed, "seed")
  folder <- file.path(path.expand(root), "oxford-pet")
  if (dir.exists(folder)) value_error(sprintf("'%s' exists already: remove it, or give another `root`.", folder))
  partial <- tempfile("oxford-pet-partial-", tmpdir = path.expand(root))
  dir.create(file.path(partial, "images"), recursive = TRUE)
  dir.create(file.path(partial, "annotations", "trimaps"), recursive = TRUE)
  on.exit(unlink(partial, recursive = TRUE), add = TRUE)
  local_r_seed(seed)
  lines <- vapply(seq_len(n), function(i) draw_and_write_pet(partial, i), "")
  write_pet_lists(file.path(partial, "annotations"), lines)
  if (!file.rename(partial, folder)) runtime_error(sprintf("'%s' cannot be created.", folder))
  invisible(root)
}

synthetic_breeds <- data.frame(
  name = c("Plain_cat", "Striped_cat", "plain_dog", "spotted_dog"),
  species = c(1L, 1L, 2L, 2L), breed = c(1L, 2L, 1L, 2L), coat = c("plain", "stripes", "plain", "spots")
)

draw_and_write_pet <- function(folder, i) {
  class <- sample.int(nrow(synthetic_breeds), 1)
  breed <- synthetic_breeds[class, ]
  picture <- draw_pet(breed$species, breed$coat)
  name <- paste0(breed$name, "_", i)
  image_write(picture$image, file.path(folder, "images", paste0(name, ".jpg")), quality = 90)
  image_write(picture$trimap, file.path(folder, "annotations", "trimaps", paste0(name, ".png")))
  paste(name, class, breed$species, breed$breed)
}

write_pet_lists <- function(folder, lines) {
  in_train <- seq_along(lines) %% 2 == 1
  writeLines(sort(lines), file.path(folder, "list.txt"))
  writeLines(sort(lines[in_train]), file.path(folder, "trainval.txt"))
  writeLines(sort(lines[!in_train]), file.path(folder, "test.txt"))
}

# ---- one picture ----

fur_colours <- rbind(
  c(0.82, 0.55, 0.27), c(0.55, 0.37, 0.22), c(0.30, 0.23, 0.18), c(0.55, 0.55, 0.56), c(0.86, 0.82, 0.74),
  c(0.16, 0.15, 0.16), c(0.72, 0.62, 0.48), c(0.95, 0.93, 0.90)
)

draw_pet <- function(species, coat) {
  canvas <- new_canvas(height = sample(140:240, 1), width = sample(140:280, 1))
  canvas <- paint_background(canvas)
  view <- pet_view(canvas)
  parts <- pet_parts(species, pose = sample(c("side", "front"), 1))
  distances <- lapply(parts$body, function(shape) shape(view$u, view$v) * view$scale)
  outline <- do.call(pmin, distances)
  dim(outline) <- c(canvas$height, canvas$width)
  canvas <- paint(canvas, fur(canvas, view, coat, distances), outline)
  for (detail in parts$details) canvas <- paint(canvas, detail$colour, detail$shape(view$u, view$v) * view$scale)
  list(image = finish(canvas), trimap = trimap_of(outline))
}

new_canvas <- function(height, width) {
  list(
    height = height, width = width, x = matrix(rep(seq_len(width), each = height), height),
    y = matrix(rep(seq_len(height), width), height), rgb = array(0, c(height, width, 3))
  )
}

# Smooth random values of 0 to 1: a coarse grid, interpolated. cells: how many along height and width.
cloud <- function(canvas, cells) {
  cells <- rep_len(pmax(2, round(cells)), 2)
  coarse <- matrix(stats::runif(prod(cells)), cells[[1]])
  smooth_steps <- function(n, k) {
    at <- seq(1, k, length.out = n)
    first <- pmin(floor(at), k - 1)
    w <- (at - first)^2 * (3 - 2 * (at - first))
    m <- matrix(0, n, k)
    m[cbind(seq_len(n), first)] <- 1 - w
    m[cbind(seq_len(n), first + 1)] <- w
    m
  }
  smooth_steps(canvas$height, cells[[1]]) %*% coarse %*% t(smooth_steps(canvas$width, cells[[2]]))
}

mix <- function(a, b, weight) {
  size <- dim(weight)
  array(rep(a, each = length(weight)) * rep(1 - weight, 3) + rep(b, each = length(weight)) * rep(weight, 3), c(size, 3))
}

# colour: three numbers or an H x W x 3 array; distance: pixels to the outline, negative inside.
paint <- function(canvas, colour, distance) {
  touched <- which(distance < 0.5)
  cover <- pmin(0.5 - distance[touched], 1)
  n <- length(distance)
  for (k in 0:2) {
    at <- touched + k * n
    new <- if (length(colour) == 3) colour[[k + 1]] else colour[at]
    canvas$rgb[at] <- canvas$rgb[at] * (1 - cover) + new * cover
  }
  canvas
}

any_colour <- function() stats::runif(3, 0.15, 0.9)
fur_colour <- function() {
  pmin(pmax(fur_colours[sample.int(nrow(fur_colours), 1), ] + stats::rnorm(3, 0, 0.04), 0.03), 0.97)
}

paint_background <- function(canvas) {
  kind <- sample(c("gradient", "clouds", "grass", "room"), 1)
  canvas$rgb <- switch(kind,
    gradient = gradient_background(canvas),
    clouds = mix(any_colour(), fur_colour(), cloud(canvas, stats::runif(2, 4, 14))),
    grass = grass_background(canvas),
    room = room_background(canvas)
  )
  dim(canvas$rgb) <- c(canvas$height, canvas$width, 3)
  for (k in seq_len(sample(0:4, 1))) canvas <- paint_object(canvas)
  canvas
}

gradient_background <- function(canvas) {
  angle <- stats::runif(1, 0, 2 * pi)
  along <- cos(angle) * canvas$x / canvas$width + sin(angle) * canvas$y / canvas$height
  mix(any_colour(), any_colour(), (along - min(along)) / diff(range(along)))
}

# Blades: noise that changes fast along x and slowly along y, leaning with a cloud.
grass_background <- function(canvas) {
  blades <- cloud(canvas, c(canvas$height / 16, canvas$width / 2))
  patches <- cloud(canvas, 5)
  dry <- stats::runif(1)
  green <- c(0.25 + 0.35 * dry, 0.45 + 0.05 * dry, 0.15)
  mix(green * 0.45, pmin(green * 1.5, 1), 0.65 * blades + 0.35 * patches)
}

room_background <- function(canvas) {
  edge <- canvas$height * stats::runif(1, 0.35, 0.75) + canvas$x * stats::runif(1, -0.1, 0.1)
  wall <- mix(any_colour(), any_colour(), cloud(canvas, 3))
  boards <- (sin(canvas$x * stats::runif(1, 0.08, 0.4) + canvas$y * stats::runif(1, -0.3, 0.3)) > 0.85) * 0.5
  plank <- fur_colour()
  floor <- mix(plank, plank * 0.5, boards + 0.4 * cloud(canvas, c(canvas$height / 3, 12)))
  below <- rep(canvas$y > edge, 3)
  ifelse(below, floor, wall)
}

# Balls, boxes and sticks, often in colours of fur: colour alone does not tell the animal.
paint_object <- function(canvas) {
  colour <- if (stats::runif(1) < 0.6) fur_colour() else any_colour()
  size <- stats::runif(2, 0.04, 0.22) * min(canvas$height, canvas$width)
  u <- canvas$x - stats::runif(1) * canvas$width
  v <- canvas$y - stats::runif(1) * canvas$height
  distance <- switch(sample.int(3, 1),
    ellipse(0, 0, size[[1]], size[[2]])(u, v),
    pmax(abs(u) - size[[1]], abs(v) - size[[2]]),
    stroke(rbind(c(0, 0), stats::rnorm(2, 0, 2 * size[[1]])), 0.2 * size[[2]] + 1)(u, v)
  )
  paint(canvas, mix(colour, colour * 0.5, cloud(canvas, c(9, 9))), distance)
}

# ---- the animal ----

# Pixels in the animal's coordinates: u to the right (or left), v down, in units of `scale` pixels.
pet_view <- function(canvas) {
  scale <- min(canvas$height, canvas$width) * stats::runif(1, 0.26, 0.46)
  centre <- c(canvas$width, canvas$height) * (0.5 + stats::runif(2, -0.14, 0.14))
  angle <- stats::rnorm(1, 0, 0.14)
  side <- sample(c(-1, 1), 1)
  dx <- (canvas$x - centre[[1]]) / scale
  dy <- (canvas$y - centre[[2]]) / scale
  list(scale = scale, u = side * (cos(angle) * dx + sin(angle) * dy), v = cos(angle) * dy - sin(angle) * dx)
}

# Shapes are functions (u, v) that give the distance to the outline, negative inside.
ellipse <- function(cx, cy, rx, ry, angle = 0) {
  force(list(cx, cy, rx, ry, angle))
  function(u, v) {
    a <- cos(angle) * (u - cx) + sin(angle) * (v - cy)
    b <- cos(angle) * (v - cy) - sin(angle) * (u - cx)
    k <- sqrt((a / rx)^2 + (b / ry)^2)
    slope <- sqrt((a / rx^2)^2 + (b / ry^2)^2)
    k * (k - 1) / pmax(slope, 1e-6)
  }
}

# A line of round pens through points (rows), of one radius or one per point.
stroke <- function(points, radius) {
  radius <- rep_len(radius, nrow(points))
  function(u, v) {
    distance <- Inf
    for (i in seq_len(nrow(points) - 1)) {
      step <- points[i + 1, ] - points[i, ]
      t <- ((u - points[i, 1]) * step[[1]] + (v - points[i, 2]) * step[[2]]) / sum(step^2)
      t <- pmin(pmax(t, 0), 1)
      away <- sqrt((u - points[i, 1] - t * step[[1]])^2 + (v - points[i, 2] - t * step[[2]])^2)
      distance <- pmin(distance, away - radius[[i]] - t * (radius[[i + 1]] - radius[[i]]))
    }
    distance
  }
}

# A convex polygon, corners clockwise on the screen.
polygon_shape <- function(points) {
  force(points)
  function(u, v) {
    distance <- -Inf
    for (i in seq_len(nrow(points))) {
      a <- points[i, ]
      step <- points[i %% nrow(points) + 1, ] - a
      distance <- pmax(distance, ((u - a[[1]]) * step[[2]] - (v - a[[2]]) * step[[1]]) / sqrt(sum(step^2)))
    }
    distance
  }
}

# A bent line of n points from `start`, turning by `turn` in all.
bent_line <- function(start, angle, length, turn, n = 9) {
  angles <- angle + seq(0, turn, length.out = n - 1)
  rbind(start, cbind(start[[1]] + cumsum(cos(angles)) * length / (n - 1),
    start[[2]] + cumsum(sin(angles)) * length / (n - 1)))
}

pet_parts <- function(species, pose) {
  head <- if (pose == "side") c(0.72, -0.52) else c(0, -0.62)
  head <- head + stats::runif(2, -0.07, 0.07)
  torso <- if (pose == "side") side_torso(species, head) else front_torso(species, head)
  face <- if (species == 1) cat_head(head, pose) else dog_head(head, pose)
  list(body = c(torso, face$body), details = face$details)
}

side_torso <- function(species, head) {
  thick <- stats::runif(1, 0.9, 1.15) * if (species == 1) 0.9 else 1
  stand <- stats::runif(1, 0.75, 1)
  legs <- lapply(c(-0.62, -0.45, 0.38, 0.55), function(x) {
    foot <- x + stats::runif(1, -0.16, 0.16)
    stroke(rbind(c(x, 0.1), c((x + foot) / 2 + 0.04, 0.5), c(foot, stand)), c(0.17, 0.1, 0.085) * thick)
  })
  tail <- if (species == 1) {
    stroke(bent_line(c(-0.72, -0.08), pi + stats::runif(1, 0.1, 0.9), stats::runif(1, 0.9, 1.2),
      stats::runif(1, -0.6, 1.6)), 0.065)
  } else {
    stroke(bent_line(c(-0.74, -0.12), pi + stats::runif(1, 0.3, 1.2), stats::runif(1, 0.4, 0.65), 0.5),
      seq(0.1, 0.05, length.out = 9))
  }
  c(
    list(
      ellipse(-0.08, 0.05, 0.74, 0.32 * thick, stats::runif(1, -0.08, 0.08)),
      stroke(rbind(c(0.45, -0.05), head), c(0.27, 0.2) * thick), tail
    ),
    legs
  )
}

front_torso <- function(species, head) {
  broad <- stats::runif(1, 0.85, 1.2)
  side <- sample(c(-1, 1), 1)
  tail <- stroke(
    bent_line(c(side * 0.35 * broad, 0.72), if (side > 0) -0.2 else pi + 0.2, if (species == 1) 0.8 else 0.45,
      -side * stats::runif(1, 0.4, 1.8)
    ), 0.07
  )
  list(
    ellipse(0, 0.3, 0.44 * broad, 0.6), stroke(rbind(c(0, 0), head), c(0.3, 0.22)),
      ellipse(-0.3 * broad, 0.68, 0.24, 0.2), ellipse(0.3 * broad, 0.68, 0.24, 0.2),
    stroke(rbind(c(-0.15, 0.1), c(-0.17, 0.82)), c(0.13, 0.1)),
      stroke(rbind(c(0.15, 0.1), c(0.17, 0.82)), c(0.13, 0.1)), tail
  )
}

cat_head <- function(head, pose) {
  at <- function(x, y) head + c(x, y)
  ear <- stats::runif(1, 0.42, 0.54)
  look <- if (pose == "side") 0.06 else 0
  left <- rbind(at(-0.32, -0.08), at(-0.28, -ear), at(-0.04, -0.22))
  right <- rbind(at(0.04, -0.22), at(0.28, -ear), at(0.32, -0.08))
  inner <- function(ear) polygon_shape(sweep(0.55 * sweep(ear, 2, colMeans(ear)), 2, colMeans(ear), "+"))
  iris <- c(stats::runif(1, 0.5, 0.8), 0.75, stats::runif(1, 0.1, 0.4))
  eye <- function(x) list(
    list(shape = ellipse(head[[1]] + x + look, head[[2]] - 0.04, 0.075, 0.06), colour = iris),
    list(shape = ellipse(head[[1]] + x + look, head[[2]] - 0.04, 0.022, 0.055), colour = c(0.03, 0.03, 0.03))
  )
  list(
    body = list(ellipse(head[[1]], head[[2]], 0.34, 0.3), polygon_shape(left), polygon_shape(right)),
    details = c(
      list(
        list(shape = inner(left), colour = c(0.78, 0.52, 0.5)), list(shape = inner(right), colour = c(0.78, 0.52, 0.5)),
        list(shape = ellipse(head[[1]] + look, head[[2]] + 0.1, 0.04, 0.028), colour = c(0.75, 0.45, 0.45))
      ),
      eye(-0.14), eye(0.14)
    )
  )
}

dog_head <- function(head, pose) {
  dark <- c(0.07, 0.05, 0.05)
  droop <- stats::runif(1, 0.24, 0.34)
  if (pose == "side") {
    nose <- head + c(0.52, 0.1)
    body <- list(
      ellipse(head[[1]], head[[2]], 0.3, 0.27), stroke(rbind(head + c(0.12, 0.06), nose), c(0.17, 0.1)),
      ellipse(head[[1]] - 0.16, head[[2]] + 0.12, 0.13, droop, 0.2)
    )
    eyes <- list(list(shape = ellipse(head[[1]] + 0.12, head[[2]] - 0.06, 0.045, 0.045), colour = dark))
  } else {
    nose <- head + c(0, 0.2)
    body <- list(
      ellipse(head[[1]], head[[2]], 0.29, 0.31), ellipse(head[[1]], head[[2]] + 0.2, 0.18, 0.16),
      ellipse(head[[1]] - 0.32, head[[2]] + 0.08, 0.12, droop, 0.25),
        ellipse(head[[1]] + 0.32, head[[2]] + 0.08, 0.12, droop, -0.25)
    )
    eyes <- lapply(c(-0.12, 0.12), function(x) list(shape = ellipse(head[[1]] + x, head[[2]] - 0.06, 0.045, 0.045),
      colour = dark))
  }
  list(body = body, details = c(eyes, list(list(shape = ellipse(nose[[1]], nose[[2]], 0.075, 0.055), colour = dark))))
}

# The coat: base colour, markings, shading towards the edge of each part, hair.
fur <- function(canvas, view, coat, distances) {
  base <- fur_colour()
  marks <- switch(coat,
    plain = 0.25 * cloud(canvas, 6),
    stripes = 0.8 * (sin(view$u * stats::runif(1, 16, 26) + 5 * cloud(canvas, 7)) > 0.35),
    spots = 0.85 * (cloud(canvas, pmin(canvas$height, canvas$width) / view$scale * 5) > 0.62)
  )
  other <- if (mean(base) > 0.4) base * 0.35 else pmin(base * 1.3 + 0.35, 1)
  inside <- pmin(1, Reduce(function(a, b) pmax(a, b), lapply(distances, function(d) -d)) / (0.2 * view$scale))
  light <- 0.62 + 0.38 * pmax(inside, 0) - 0.12 * view$v
  hair <- 1 + 0.22 * (cloud(canvas, c(canvas$height / 3, canvas$width / 3)) - 0.5)
  mix(base, other, matrix(marks, canvas$height)) * rep(light * hair, 3)
}

# A little of the camera: uneven light and noise.
finish <- function(canvas) {
  light <- 0.85 + 0.3 * cloud(canvas, 2)
  noise <- stats::rnorm(length(canvas$rgb), 0, stats::runif(1, 0.005, 0.03))
  rgb <- canvas$rgb * rep(light, 3) + noise
  array(pmin(pmax(rgb, 0), 1), dim(canvas$rgb))
}

trimap_of <- function(outline) {
  trimap <- matrix(2L, nrow(outline), ncol(outline))
  trimap[outline < 1.5] <- 3L
  trimap[outline < -1.5] <- 1L
  trimap
}
