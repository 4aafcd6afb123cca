"""Writes PyTorch's numbers for layers and functions of layers, tests/testthat/layers.json.

usage: python3 tools/golden-layers.py [OUT]

Each case names its inputs x1, x2, ... by shape and rule, has the call in R and here, and keeps the result and the gradients
of the sum of result times cos(1), cos(2), ... (in row-major order). Of many numbers a sample is kept, every k-th. Element i
(from 0) of input number n (from 1) is v = ((i (4871 + 2 n) + 11 n) mod 10007) / 10007 * 2 - 1, in float64; kind "p" is
(v + 1) / 2, "s" its sign, "i:C" the whole number floor((v + 1) / 2 C) + 1: classes from 1.
"""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.stateless

MOST = 10


def values(shape, n):
    count = math.prod(shape)
    i = torch.arange(count, dtype=torch.float64)
    v = torch.remainder(i * (4871 + 2 * n) + 11 * n, 10007) / 10007 * 2 - 1
    return v.reshape(shape)


def make(n, spec):
    shape, kind = spec if isinstance(spec, tuple) else (spec, "n")
    v = values(shape, n)
    if kind == "p":
        return (v + 1) / 2
    if kind == "s":
        return torch.sign(v)
    if kind.startswith("i:"):
        return torch.floor((v + 1) / 2 * int(kind[2:])).long() + 1
    return v


def sample(t):
    flat = t.detach().to(torch.float64).reshape(-1)
    step = max(1, math.ceil(flat.numel() / MOST))
    return [float(f"{v:.8g}") for v in flat[::step].tolist()]


def run(f, x):
    """f of the leaves; the results, those of them that are floats, and the leaves."""
    for t in x:
        if t.is_floating_point():
            t.requires_grad_(True)
    y = f(*x)
    return list(y) if isinstance(y, (tuple, list)) else [y]


cases = []


def case(r, f, *specs, grads=True):
    x = [make(n + 1, s) for n, s in enumerate(specs)]
    ys = run(f, x)
    loss = sum((y * torch.cos(torch.arange(1, y.numel() + 1, dtype=torch.float64)).reshape(y.shape)).sum()
               for y in ys if y.is_floating_point() and y.requires_grad)
    if grads:
        loss.backward()
    cases.append({
        "r": r,
        "x": [{"shape": list(s[0] if isinstance(s, tuple) else s), "kind": s[1] if isinstance(s, tuple) else "n"}
              for s in specs],
        "shapes": [list(y.shape) for y in ys],
        "y": [sample(y) for y in ys],
        "grads": [sample(t.grad) if grads and t.grad is not None else None for t in x],
    })


# ---- convolutions
case("nnf_conv3d(x1, x2, x3)", F.conv3d, [2, 3, 4, 5, 6], [4, 3, 2, 3, 3], [4])
case("nnf_conv3d(x1, x2, x3, stride = c(2, 1, 2), padding = c(1, 2, 0), dilation = c(1, 2, 1))",
     lambda x, w, b: F.conv3d(x, w, b, (2, 1, 2), (1, 2, 0), (1, 2, 1)), [1, 2, 5, 6, 5], [3, 2, 3, 2, 3], [3])
case("nnf_conv3d(x1, x2, groups = 2, padding = 'same')",
     lambda x, w: F.conv3d(x, w, groups=2, padding="same"), [2, 4, 4, 4, 3], [6, 2, 3, 3, 3])
case("nnf_conv3d(x1, x2, dilation = c(2, 1, 1), padding = 2)",
     lambda x, w: F.conv3d(x, w, dilation=(2, 1, 1), padding=2), [2, 3, 4, 4], [2, 2, 2, 1, 3])
case("nnf_conv_transpose3d(x1, x2, x3)", F.conv_transpose3d, [2, 3, 3, 4, 2], [3, 2, 2, 3, 3], [2])
case("nnf_conv_transpose3d(x1, x2, x3, stride = 2, padding = c(1, 0, 1), output_padding = 1, groups = 2)",
     lambda x, w, b: F.conv_transpose3d(x, w, b, 2, (1, 0, 1), 1, 2), [1, 4, 3, 2, 3], [4, 3, 3, 2, 3], [6])
case("nnf_conv_tbc(x1, x2, x3, pad = 1)", lambda x, w, b: torch.conv_tbc(x, w, b, 1), [6, 2, 3], [3, 3, 4], [4])
case("nnf_conv1d(x1, x2, x3, stride = 2, padding = 1)", lambda x, w, b: F.conv1d(x, w, b, 2, 1), [2, 3, 9], [4, 3, 3], [4])
case("nnf_conv_transpose1d(x1, x2, x3, stride = 2, output_padding = 1)",
     lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 0, 1), [2, 3, 5], [3, 2, 3], [2])
case("nnf_unfold(x1, c(2, 3), dilation = c(1, 2), padding = 1, stride = c(2, 1))",
     lambda x: F.unfold(x, (2, 3), (1, 2), 1, (2, 1)), [2, 3, 5, 6])
case("nnf_fold(x1, c(5, 6), c(2, 3), dilation = c(1, 2), padding = 1, stride = c(2, 1))",
     lambda x: F.fold(x, (5, 6), (2, 3), (1, 2), 1, (2, 1)), [2, 18, 12])

# ---- pooling
case("nnf_max_pool3d(x1, 2, return_indices = TRUE)", lambda x: F.max_pool3d(x, 2, return_indices=True), [2, 2, 4, 5, 6])
case("nnf_max_pool3d(x1, c(2, 3, 2), stride = c(1, 2, 2), padding = c(1, 1, 0), dilation = c(2, 1, 1))",
     lambda x: F.max_pool3d(x, (2, 3, 2), (1, 2, 2), (1, 1, 0), (2, 1, 1)), [2, 4, 5, 6])
case("nnf_max_pool3d(x1, 3, stride = 2, ceil_mode = TRUE)", lambda x: F.max_pool3d(x, 3, 2, ceil_mode=True), [1, 2, 4, 6, 5])
case("nnf_avg_pool3d(x1, c(2, 3, 2), stride = c(1, 2, 2), padding = 1)",
     lambda x: F.avg_pool3d(x, (2, 3, 2), (1, 2, 2), 1), [2, 2, 4, 5, 4])
case("nnf_avg_pool3d(x1, 3, stride = 2, padding = 1, ceil_mode = TRUE, count_include_pad = FALSE)",
     lambda x: F.avg_pool3d(x, 3, 2, 1, True, False), [1, 2, 4, 6, 5])
case("nnf_avg_pool3d(x1, 2, divisor_override = 3)", lambda x: F.avg_pool3d(x, 2, divisor_override=3), [1, 2, 4, 4, 4])
case("nnf_adaptive_avg_pool3d(x1, c(2, 3, 2))", lambda x: F.adaptive_avg_pool3d(x, (2, 3, 2)), [2, 2, 5, 4, 7])
case("nnf_adaptive_max_pool3d(x1, c(2, 3, 2), return_indices = TRUE)",
     lambda x: F.adaptive_max_pool3d(x, (2, 3, 2), return_indices=True), [2, 2, 5, 4, 7])
case("nnf_adaptive_max_pool1d(x1, 3, return_indices = TRUE)",
     lambda x: F.adaptive_max_pool1d(x, 3, return_indices=True), [2, 2, 7])
case("nnf_adaptive_avg_pool1d(x1, 3)", lambda x: F.adaptive_avg_pool1d(x, 3), [2, 2, 7])
case("nnf_max_pool1d(x1, 3, 2, 1, return_indices = TRUE)",
     lambda x: F.max_pool1d(x, 3, 2, 1, return_indices=True), [2, 2, 7])
case("nnf_lp_pool1d(x1, 3, 2)", lambda x: F.lp_pool1d(x, 3, 2), ([2, 2, 6], "p"))
case("nnf_lp_pool2d(x1, 2, c(2, 3), ceil_mode = TRUE)", lambda x: F.lp_pool2d(x, 2, (2, 3), ceil_mode=True), [2, 2, 4, 6])


def unpool(pool, back, **more):
    def f(x):
        y, i = pool(x)
        return back(y, i, **more)
    return f


case("local({p <- nnf_max_pool1d(x1, 2, return_indices = TRUE); nnf_max_unpool1d(p[[1]], p[[2]], 2)})",
     unpool(lambda x: F.max_pool1d(x, 2, return_indices=True), lambda y, i: F.max_unpool1d(y, i, 2)), [2, 2, 6])
case("local({p <- nnf_max_pool2d(x1, 2, return_indices = TRUE); nnf_max_unpool2d(p[[1]], p[[2]], 2, output_size = c(5, 5))})",
     unpool(lambda x: F.max_pool2d(x, 2, return_indices=True), lambda y, i: F.max_unpool2d(y, i, 2, output_size=(5, 5))),
     [2, 2, 5, 5])
case("local({p <- nnf_max_pool3d(x1, 2, return_indices = TRUE); nnf_max_unpool3d(p[[1]], p[[2]], 2)})",
     unpool(lambda x: F.max_pool3d(x, 2, return_indices=True), lambda y, i: F.max_unpool3d(y, i, 2)), [2, 2, 4, 4, 6])
case("nnf_fractional_max_pool2d(x1, c(2, 3), c(4, 3), return_indices = TRUE, random_samples = x2$detach())",
     lambda x, u: F.fractional_max_pool2d(x, (2, 3), (4, 3), return_indices=True, _random_samples=u.detach()),
     [2, 3, 9, 8], ([2, 3, 2], "p"))
case("nnf_fractional_max_pool3d(x1, 2, c(3, 2, 3), return_indices = TRUE, random_samples = x2$detach())",
     lambda x, u: F.fractional_max_pool3d(x, 2, (3, 2, 3), return_indices=True, _random_samples=u.detach()),
     [2, 2, 6, 5, 7], ([2, 2, 3], "p"))

# ---- normalisation, resizing, padding
case("nnf_batch_norm(x1, NULL, NULL, x2, x3, training = TRUE)",
     lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [2, 3, 2, 3, 4], [3], [3])
case("nnf_batch_norm(x1, x2$detach(), x3$detach(), training = FALSE)",
     lambda x, m, v: F.batch_norm(x, m.detach(), v.detach()), [2, 3, 2, 3, 4], [3], ([3], "p"))
case("nnf_instance_norm(x1, weight = x2, bias = x3)",
     lambda x, w, b: F.instance_norm(x, weight=w, bias=b), [2, 3, 2, 3, 4], [3], [3])
case("nnf_group_norm(x1, 2, x2, x3)", lambda x, w, b: F.group_norm(x, 2, w, b), [2, 4, 2, 3, 2], [4], [4])
case("nnf_local_response_norm(x1, 3, 0.5, 0.75, 2)", lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2), [2, 5, 3, 2])
case("nnf_local_response_norm(x1, 2)", lambda x: F.local_response_norm(x, 2), [2, 5, 3])
case("nnf_interpolate(x1, size = c(3, 7, 5), mode = 'trilinear', align_corners = FALSE)",
     lambda x: F.interpolate(x, (3, 7, 5), mode="trilinear", align_corners=False), [2, 2, 4, 5, 3])
case("nnf_interpolate(x1, scale_factor = c(2, 1.5, 1), mode = 'trilinear', align_corners = TRUE)",
     lambda x: F.interpolate(x, scale_factor=(2, 1.5, 1), mode="trilinear", align_corners=True), [1, 2, 3, 4, 3])
case("nnf_interpolate(x1, size = c(3, 7, 5))", lambda x: F.interpolate(x, (3, 7, 5)), [2, 2, 4, 5, 3])
case("nnf_interpolate(x1, size = c(3, 2), mode = 'area')", lambda x: F.interpolate(x, (3, 2), mode="area"), [2, 2, 5, 7])
case("nnf_interpolate(x1, scale_factor = 0.5, mode = 'area')", lambda x: F.interpolate(x, scale_factor=0.5, mode="area"),
     [2, 2, 7])
case("nnf_interpolate(x1, size = 2, mode = 'area')", lambda x: F.interpolate(x, 2, mode="area"), [1, 2, 5, 4, 3])
case("nnf_interpolate(x1, size = 7, mode = 'linear')", lambda x: F.interpolate(x, 7, mode="linear"), [2, 2, 4])
case("nnf_pixel_shuffle(x1, 2)", lambda x: F.pixel_shuffle(x, 2), [8, 2, 3])

# ---- activations
for name in ["hardshrink", "softshrink", "tanhshrink", "softsign"]:
    case(f"nnf_{name}(x1 * 2)", lambda x, f=getattr(F, name): f(x * 2), [3, 5])
case("nnf_hardshrink(x1, 0.2)", lambda x: F.hardshrink(x, 0.2), [3, 5])
case("nnf_threshold(x1, 0.1, 20)", lambda x: F.threshold(x, 0.1, 20), [3, 5])
case("nnf_rrelu(x1)", F.rrelu, [3, 5])
case("nnf_glu(x1, 1)", lambda x: F.glu(x, 0), [4, 3])
case("nnf_glu(x1)", F.glu, [2, 3, 4])
case("nnf_softmin(x1, 2)", lambda x: F.softmin(x, 1), [3, 5])


# ---- recurrent layers: parameters in their order are x2, x3, ...
def recurrent(kind, r, inputs, hidden, batch, steps, layers=1, bidirectional=False, lengths=None, bias=True, **more):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    directions = 2 if bidirectional else 1
    net = getattr(nn, kind)(inputs, hidden, layers, bidirectional=bidirectional, bias=bias, **more).double()
    names = [n for n, _ in net.named_parameters()]
    shapes = [list(p.shape) for _, p in net.named_parameters()]
    states = 2 if kind == "LSTM" else 1

    def f(x, *rest):
        h0, w = rest[:states], rest[states:]
        state = (h0[0], h0[1]) if states == 2 else h0[0]
        kernel = getattr(torch, {"LSTM": "lstm", "GRU": "gru"}.get(kind, "rnn_" + more.get("nonlinearity", "tanh")))
        options = (list(w), bias, layers, 0.0, False, bidirectional)
        if lengths is None:
            y, *h = kernel(x, state, *options, False)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
            order, back = packed.sorted_indices, packed.unsorted_indices
            state = tuple(v.index_select(1, order) for v in state) if states == 2 else state.index_select(1, order)
            y, *h = kernel(packed.data, packed.batch_sizes, state, *options)
            h = [v.index_select(1, back) for v in h]
            y, _ = nn.utils.rnn.pad_packed_sequence(nn.utils.rnn.PackedSequence(y, packed.batch_sizes, order, back))
        return [y] + h

    specs = [[steps, batch, inputs]] + [[layers * directions, batch, hidden]] * states + shapes
    case(r, f, *specs)


recurrent("RNN", "run_rnn(nn_rnn(3, 4, 2), 1)", 3, 4, 2, 5, 2)
recurrent("RNN", "run_rnn(nn_rnn(3, 4, nonlinearity = 'relu', bidirectional = TRUE), 1)", 3, 4, 2, 5, 1, True, nonlinearity="relu")
recurrent("LSTM", "run_rnn(nn_lstm(3, 5, 2, bidirectional = TRUE), 2)", 3, 5, 3, 4, 2, True)
recurrent("LSTM", "run_rnn(nn_lstm(3, 9, bias = FALSE), 2)", 3, 9, 2, 4, bias=False)
recurrent("GRU", "run_rnn(nn_gru(3, 5, 2, bidirectional = TRUE), 1)", 3, 5, 3, 4, 2, True)
recurrent("GRU", "run_rnn(nn_gru(2, 10), 1)", 2, 10, 3, 4)
recurrent("LSTM", "run_rnn(nn_lstm(3, 5, 2, bidirectional = TRUE), 2, c(2, 4, 1))", 3, 5, 3, 4, 2, True, [2, 4, 1])
recurrent("GRU", "run_rnn(nn_gru(3, 5, bidirectional = TRUE), 1, c(2, 4, 1))", 3, 5, 3, 4, 1, True, [2, 4, 1])
recurrent("RNN", "run_rnn(nn_rnn(3, 5), 1, c(2, 4, 1))", 3, 5, 3, 4, 1, False, [2, 4, 1])


# ---- losses
def losses(r, f, *specs):
    for reduction in ["mean", "sum", "none"]:
        case(r.replace("RED", f"reduction = '{reduction}'"), lambda *x: f(*x, reduction=reduction), *specs)


losses("nnf_triplet_margin_loss(x1, x2, x3, margin = 0.7, p = 3, swap = TRUE, RED)",
       lambda a, b, c, reduction: F.triplet_margin_loss(a, b, c, 0.7, 3, swap=True, reduction=reduction), [4, 5], [4, 5], [4, 5])
losses("nnf_triplet_margin_with_distance_loss(x1, x2, x3, function(a, b) 1 - nnf_cosine_similarity(a, b), swap = TRUE, RED)",
       lambda a, b, c, reduction: F.triplet_margin_with_distance_loss(
           a, b, c, distance_function=lambda u, v: 1 - F.cosine_similarity(u, v), swap=True, reduction=reduction),
       [4, 5], [4, 5], [4, 5])
losses("nnf_multi_margin_loss(x1, x2, p = 2, margin = 0.8, weight = x3$detach(), RED)",
       lambda x, t, w, reduction: F.multi_margin_loss(x, t - 1, 2, 0.8, w.detach(), reduction=reduction),
       [4, 5], ([4], "i:5"), ([5], "p"))
losses("nnf_multilabel_soft_margin_loss(x1, x2$detach(), RED)",
       lambda x, t, reduction: F.multilabel_soft_margin_loss(x, t.detach(), reduction=reduction), [4, 5], ([4, 5], "p"))
losses("nnf_cosine_embedding_loss(x1, x2, x3$detach(), margin = 0.1, RED)",
       lambda a, b, t, reduction: F.cosine_embedding_loss(a, b, t.detach(), 0.1, reduction=reduction),
       [4, 5], [4, 5], ([4], "s"))
losses("nnf_margin_ranking_loss(x1, x2, x3$detach(), margin = 0.2, RED)",
       lambda a, b, t, reduction: F.margin_ranking_loss(a, b, t.detach(), 0.2, reduction=reduction), [6], [6], ([6], "s"))
losses("nnf_hinge_embedding_loss(x1, x2$detach(), margin = 0.6, RED)",
       lambda x, t, reduction: F.hinge_embedding_loss(x, t.detach(), 0.6, reduction=reduction), [3, 4], ([3, 4], "s"))
losses("nnf_soft_margin_loss(x1, x2$detach(), RED)",
       lambda x, t, reduction: F.soft_margin_loss(x, t.detach(), reduction=reduction), [3, 4], ([3, 4], "s"))
losses("nnf_poisson_nll_loss(x1, x2$detach() * 3, full = TRUE, RED)",
       lambda x, t, reduction: F.poisson_nll_loss(x, t.detach() * 3, full=True, reduction=reduction), [3, 4], ([3, 4], "p"))
losses("nnf_poisson_nll_loss(x1, x2$detach(), log_input = FALSE, RED)",
       lambda x, t, reduction: F.poisson_nll_loss(x, t.detach(), log_input=False, reduction=reduction),
       ([3, 4], "p"), ([3, 4], "p"))
losses("nnf_kl_div(x1, x2$detach(), RED)",
       lambda x, t, reduction: F.kl_div(x, t.detach(), reduction=reduction), [3, 4], ([3, 4], "p"))
losses("nnf_binary_cross_entropy(x1, x2$detach(), x3$detach(), RED)",
       lambda x, t, w, reduction: F.binary_cross_entropy(x, t.detach(), w.detach(), reduction=reduction),
       ([3, 4], "p"), ([3, 4], "p"), ([3, 4], "p"))
losses("nnf_binary_cross_entropy_with_logits(x1, x2$detach(), pos_weight = x3$detach(), RED)",
       lambda x, t, w, reduction: F.binary_cross_entropy_with_logits(x, t.detach(), pos_weight=w.detach(), reduction=reduction),
       [3, 4], ([3, 4], "p"), ([4], "p"))
losses("nnf_multilabel_margin_loss(x1, torch_tensor(rbind(c(4, 1, 0, 2), c(3, 0, 1, 1), c(0, 1, 2, 3))), RED)",
       lambda x, reduction: F.multilabel_margin_loss(
           x, torch.tensor([[3, 0, -1, 1], [2, -1, 0, 0], [-1, 0, 1, 2]]), reduction=reduction), [3, 4])
losses("nnf_ctc_loss(nnf_log_softmax(x1 * 3, 3), torch_tensor(rbind(c(1, 2, 2), c(3, 1, 0), c(1, 0, 0))), c(7, 5, 6), "
       "c(3, 2, 1), RED)",
       lambda x, reduction: F.ctc_loss(F.log_softmax(x * 3, 2), torch.tensor([[1, 2, 2], [3, 1, 0], [1, 0, 0]]),
                                       torch.tensor([7, 5, 6]), torch.tensor([3, 2, 1]), reduction=reduction), [7, 3, 4])
losses("nnf_ctc_loss(nnf_log_softmax(x1, 3), c(1, 0, 3), c(4, 3), c(2, 1), blank = 2, zero_infinity = TRUE, RED)",
       lambda x, reduction: F.ctc_loss(F.log_softmax(x, 2), torch.tensor([1, 0, 3]), torch.tensor([4, 3]),
                                       torch.tensor([2, 1]), blank=2, zero_infinity=True, reduction=reduction), [4, 2, 4])
case("nnf_pdist(x1)", F.pdist, [4, 3])
case("nnf_pdist(x1, 3)", lambda x: F.pdist(x, 3), [4, 3])
case("nnf_pairwise_distance(x1, x2, 3, keepdim = TRUE)", lambda a, b: F.pairwise_distance(a, b, 3, keepdim=True), [4, 3], [4, 3])
case("nnf_bilinear(x1, x2, x3, x4)", F.bilinear, [3, 2], [3, 4], [5, 2, 4], [5])

# ---- embeddings
case("nnf_embedding(x2, x1, padding_idx = 2, scale_grad_by_freq = TRUE)",
     lambda w, i: F.embedding(i - 1, w, 1, scale_grad_by_freq=True), [5, 3], ([3, 4], "i:5"))
for mode in ["sum", "mean", "max"]:
    case(f"nnf_embedding_bag(x2, x1, offsets = c(0, 2, 2, 5), mode = '{mode}')",
         lambda w, i, mode=mode: F.embedding_bag(i - 1, w, torch.tensor([0, 2, 2, 5]), mode=mode), [5, 3], ([8], "i:5"))
    case(f"nnf_embedding_bag(x2, x1, mode = '{mode}', padding_idx = 3)",
         lambda w, i, mode=mode: F.embedding_bag(i - 1, w, mode=mode, padding_idx=2), [5, 3], ([4, 3], "i:5"))
case("nnf_embedding_bag(x2, x1, c(0, 3, 6), mode = 'sum', per_sample_weights = x3, include_last_offset = TRUE)",
     lambda w, i, f: F.embedding_bag(i - 1, w, torch.tensor([0, 3, 6]), mode="sum", per_sample_weights=f,
                                     include_last_offset=True), [5, 3], ([6], "i:5"), [6])


# ---- attention
def attention(r, L, S, N, E, heads, kdim=None, vdim=None, bias_kv=False, **more):
    separate = kdim is not None
    shapes = [[L, N, E], [S, N, kdim or E], [S, N, vdim or E]]
    shapes += [[E, E], [E, kdim], [E, vdim]] if separate else [[3 * E, E]]
    shapes += [[3 * E], [E, E], [E]] + ([[1, 1, E], [1, 1, E]] if bias_kv else [])
    masks = {k: v for k, v in more.items() if k in ["attn_mask", "key_padding_mask", "average_attn_weights", "need_weights"]}
    zero = more.get("zero", False)

    def f(q, k, v, *rest):
        w = list(rest[:3]) if separate else rest[0]
        b, ow, ob, *kv = rest[3:] if separate else rest[1:]
        own = dict(use_separate_proj_weight=True, q_proj_weight=w[0], k_proj_weight=w[1], v_proj_weight=w[2]) if separate else {}
        y, weights = F.multi_head_attention_forward(
            q, k, v, E, heads, None if separate else w, b, kv[0] if kv else None, kv[1] if kv else None, zero, 0.0, ow, ob,
            training=False, **own, **masks)
        return [y] if weights is None else [y, weights]

    case(r, f, *shapes)


attention("nnf_multi_head_attention_forward(x1, x2, x3, 6, 3, x4, x5, NULL, NULL, FALSE, 0, x6, x7)", 4, 5, 2, 6, 3)
attention("nnf_multi_head_attention_forward(x1, x2, x3, 6, 3, x4, x5, NULL, NULL, FALSE, 0, x6, x7, need_weights = FALSE, "
          "attn_mask = torch_tensor(upper.tri(matrix(0, 4, 4))), "
          "key_padding_mask = torch_tensor(rbind(c(FALSE, FALSE, FALSE, TRUE), FALSE)))[1]", 4, 4, 2, 6, 3,
          need_weights=False, attn_mask=torch.ones(4, 4).triu(1).bool(),
          key_padding_mask=torch.tensor([[False, False, False, True], [False] * 4]))
attention("nnf_multi_head_attention_forward(x1, x2, x3, 4, 2, x4, x5, x8, x9, TRUE, 0, x6, x7, avg_weights = FALSE, "
          "attn_mask = torch_tensor(matrix(c(0, 0.5, -1, 0.25, 0, 1), 2), dtype = x1$dtype))", 2, 3, 2, 4, 2, bias_kv=True,
          zero=True, average_attn_weights=False,
          attn_mask=torch.tensor([[0, -1, 0], [0.5, 0.25, 1]], dtype=torch.float64))
attention("nnf_multi_head_attention_forward(x1, x2, x3, 4, 2, NULL, x7, NULL, NULL, FALSE, 0, x8, x9, "
          "use_separate_proj_weight = TRUE, q_proj_weight = x4, k_proj_weight = x5, v_proj_weight = x6)", 3, 4, 2, 4, 2, 5, 3)


def transformer(r, norm_first, activation, causal):
    net = nn.TransformerEncoderLayer(4, 2, 6, 0.0, activation, norm_first=norm_first).double()
    shapes = [list(p.shape) for p in net.parameters()]

    def f(x, *w):
        mask = torch.ones(5, 5).triu(1).bool() if causal else None
        return torch.nn.utils.stateless.functional_call(net, dict(zip([n for n, _ in net.named_parameters()], w)), (x, mask))

    case(r, f, [5, 2, 4], *shapes)


transformer("run_encoder(nn_transformer_encoder_layer(4, 2, 6, 0), FALSE)", False, "relu", False)
transformer("run_encoder(nn_transformer_encoder_layer(4, 2, 6, 0, 'gelu', norm_first = TRUE), TRUE)", True, "gelu", True)

out = sys.argv[1] if len(sys.argv) > 1 else "tests/testthat/layers.json"
with open(out, "w") as file:
    file.write("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")
print(f"{out}: {len(cases)} cases")
