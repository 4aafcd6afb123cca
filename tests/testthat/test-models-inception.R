count <- function(model) sum(vapply(model$parameters, function(p) prod(dim(p)), 0))

test_that("Inception v3 has torchvision's parameters, and two outputs while it trains", {
  model <- model_inception_v3(init_weights = FALSE)
  expect_equal(count(model), 27161264)
  names <- names(model$state_dict())
  expect_true(all(c("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch5x5_2.bn.running_mean",
    "Mixed_6c.branch7x7dbl_5.conv.weight", "Mixed_7b.branch3x3dbl_3b.conv.weight", "AuxLogits.fc.bias",
    "fc.weight") %in% names))
  expect_equal(dim(with_no_grad(model$AuxLogits(torch_randn(2, 768, 17, 17)))), c(2L, 1000L))
  side <- model$AuxLogits
  model$AuxLogits <- nn_identity()
  out <- with_no_grad(model(torch_randn(2, 3, 80, 80)))
  expect_equal(lapply(out, dim), list(logits = c(2L, 1000L), aux_logits = c(2L, 768L, 3L, 3L)))
  model$AuxLogits <- side
  model$eval()
  x <- torch_rand(1, 3, 75, 75)
  plain <- with_no_grad(model(x))
  expect_equal(dim(plain), c(1L, 1000L))
  model$transform_input <- TRUE
  moved <- x * torch_tensor(c(0.229, 0.224, 0.225) * 2)$view(c(1, 3, 1, 1)) +
    torch_tensor(c(0.485, 0.456, 0.406) * 2 - 1)$view(c(1, 3, 1, 1))
  expect_equal(as_array(with_no_grad(model(x))), as_array({
    model$transform_input <- FALSE
    with_no_grad(model(moved))
  }), tolerance = 1e-4)
})

test_that("a block joins its branches in torchvision's order", {
  block <- inception_e(8)
  x <- torch_randn(1, 8, 5, 5)
  block$eval()
  by <- function(...) Reduce(function(x, name) block[[name]](x), c(...), x)
  left <- by("branch3x3_1")
  right <- by("branch3x3dbl_1", "branch3x3dbl_2")
  parts <- list(by("branch1x1"), block$branch3x3_2a(left), block$branch3x3_2b(left), block$branch3x3dbl_3a(right),
    block$branch3x3dbl_3b(right), block$branch_pool(nnf_avg_pool2d(x, 3, 1, 1)))
  expect_equal(as_array(block(x)), as_array(torch_cat(parts, dim = 2)), tolerance = 1e-6)
})

test_that("the networks for faces have their authors' parameters", {
  expect_equal(count(model_facenet_pnet(pretrained = FALSE)), 6632)
  expect_equal(count(model_facenet_rnet(pretrained = FALSE)), 100178)
  onet <- model_facenet_onet(pretrained = FALSE)
  expect_equal(count(onet), 389040)
  expect_equal(lapply(onet(torch_randn(2, 3, 48, 48)), dim),
    list(boxes = c(2L, 4L), landmarks = c(2L, 10L), cls = c(2L, 2L)))
  mtcnn <- model_mtcnn(pretrained = FALSE)
  expect_equal(as_array(mtcnn(torch_randn(1, 3, 60, 60))$cls$sum()), 1, tolerance = 1e-5)
  model <- model_facenet_inception_resnet_v1()
  expect_equal(count(model), 23482624)
  model$eval()
  face <- with_no_grad(model(torch_randn(1, 3, 96, 96)))
  expect_equal(as_array(torch_norm(face)), 1, tolerance = 1e-5)
  expect_equal(dim(face), c(1L, 512L))
  expect_error(model_facenet_inception_resnet_v1(classify = TRUE), "`num_classes` must be given", class = "value_error")
  expect_error(model_facenet_inception_resnet_v1("imagenet"), "`pretrained` must be one of", class = "value_error")
})

test_that("ConvNeXt is the same under both sets of names", {
  torch_manual_seed(1)
  one <- convnext_block(8, 0.5, 0)
  other <- convnext_stage_block(8, 0, 0.5)
  state <- one$state_dict()
  renamed <- list(dwconv.weight = "block.0.weight", dwconv.bias = "block.0.bias", norm.weight = "block.2.weight",
    norm.bias = "block.2.bias", pwconv1.weight = "block.3.weight", pwconv1.bias = "block.3.bias",
    pwconv2.weight = "block.5.weight", pwconv2.bias = "block.5.bias", gamma = "layer_scale")
  state$layer_scale <- state$layer_scale$view(8)
  other$load_state_dict(lapply(renamed, function(name) state[[name]]))
  x <- torch_randn(2, 8, 6, 6)
  expect_equal(as_array(one(x)), as_array(other(x)), tolerance = 1e-6)
  kind <- list(channels = c(4, 8, 12, 16), blocks = c(1, 1, 2, 1))
  small <- convnext_stages(kind, 2, 3)
  expect_equal(dim(small(torch_randn(2, 2, 64, 64))), c(2L, 3L))
  backbone <- convnext_backbone(nn_prune_head(small, 2), kind$channels)
  upernet <- convnext_upernet(backbone, upernet_head(kind$channels, 8, 5, c(1, 2)), fcn_head(12, 5, 4))
  upernet$eval()
  size <- c(1L, 5L, 64L, 48L)
  expect_equal(lapply(upernet(torch_randn(1, 2, 64, 48)), dim), list(out = size, aux = size))
  expect_equal(count(model_convnext_tiny_1k()), 28589128)
})
