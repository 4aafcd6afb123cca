fill_all_by_rule <- function(model, rule) {
  shapes <- lapply(model$state_dict(), dim)
  fill_by_rule(model, shapes[sort(names(shapes), method = "radix")], rule)
  model$eval()
}

rule <- list(A = 7919, B = 104729, P = 10007, S = 6007, Q = 9973)

test_that("a vision transformer has PyTorch's outputs", {
  model <- fill_all_by_rule(model_vit_b_16(img_size = 32, patch_size = 8, embed_dim = 24, depth = 2, num_heads = 3,
    num_classes = 5), rule)
  # From PyTorch's layers in float64, with weights and input by the rule.
  expected <- c(0.42581533913387287, 0.40542096784364173, 0.3850265965533892, 0.9819542845447595, 1.0615599132545177,
    0.6955277185236559, 0.6749799360014301, 0.6544321534792047, 0.8850059955644437, 0.9644582130422185)
  expect_equal(flat_values(model(rule_input(c(2, 3, 32, 32), rule))), expected, tolerance = 1e-4)
  expect_error(model(torch_ones(1, 3, 40, 40)), "pictures of 32 x 32", class = "value_error")
  expect_error(model_vit_b_16(img_size = 30), "must be divisible by `patch_size`")
  expect_equal(dim(model_vit_b_16(img_size = 16, embed_dim = 8, depth = 1, num_heads = 2, num_classes = 0)(
    torch_ones(1, 3, 16, 16))), c(1L, 8L))
})

test_that("PyTorch's published names load", {
  model <- model_vit_b_16(img_size = 16, embed_dim = 8, depth = 1, num_heads = 2, num_classes = 3)
  state <- model$state_dict()
  back <- c("^patch_embed[.]proj" = "conv_proj", "^blocks[.]0[.]norm([12])" = "encoder.layers.encoder_layer_0.ln_\\1",
    "^blocks[.]0[.]attn" = "encoder.layers.encoder_layer_0.self_attention",
    "^blocks[.]0[.]mlp" = "encoder.layers.encoder_layer_0.mlp", "mlp[.]0" = "mlp.linear_1", "mlp[.]3" = "mlp.linear_2",
    "^pos_embedding" = "encoder.pos_embedding", "^norm" = "encoder.ln", "^head" = "heads.head")
  published <- lapply(state, function(x) x + 1)
  for (pattern in names(back)) names(published) <- sub(pattern, back[[pattern]], names(published))
  path <- withr::local_tempfile(fileext = ".safetensors")
  save_safetensors(published, path)
  model_2 <- model_vit_b_16(path, img_size = 16, embed_dim = 8, depth = 1, num_heads = 2, num_classes = 3)
  expect_equal(lapply(model_2$state_dict(), as_array), lapply(state, function(x) as_array(x + 1)), tolerance = 1e-6)
})

test_that("a transformer trains", {
  torch_manual_seed(1)
  model <- model_vit_b_16(img_size = 8, patch_size = 4, embed_dim = 8, depth = 1, num_heads = 2, num_classes = 2)
  x <- torch_randn(16, 3, 8, 8)
  y <- (x$mean(c(2, 3, 4)) > 0)$to(dtype = torch_long()) + 1L
  opt <- optim_adam(model$parameters, lr = 0.01)
  losses <- vapply(1:30, function(i) {
    opt$zero_grad()
    loss <- nnf_cross_entropy(model(x), y)
    loss$backward()
    opt$step()
    loss$item()
  }, 0)
  expect_lt(losses[[30]], losses[[1]] / 2)
})
