# The chapter's data: photographs resized and normalised, trimaps, random vertical flips.
pet_dataset <- candela::dataset(
  inherit = candela::oxford_pet_dataset,
  initialize = function(..., size, augmentation = NULL) {
    self$augmentation <- augmentation
    super$initialize(
      ...,
      transform = function(x) {
        x %>%
          transform_to_tensor() %>%
          transform_resize(size) %>%
          transform_normalize(mean = c(0.485, 0.456, 0.406), std = c(0.229, 0.224, 0.225))
      },
      target_transform = function(x) {
        x <- torch_tensor(x, dtype = torch_long())
        x <- x[newaxis, ..]
        transform_resize(x, size, interpolation = 0)[1, ..]
      }
    )
  },
  .getitem = function(i) {
    item <- super$.getitem(i)
    if (is.null(self$augmentation)) list(x = item$x, y = item$y) else self$augmentation(item)
  }
)

flip <- function(item) {
  if (runif(1) > 0.5) {
    list(x = transform_vflip(item$x), y = transform_vflip(item$y))
  } else {
    list(x = item$x, y = item$y)
  }
}
