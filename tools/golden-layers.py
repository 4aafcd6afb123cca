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

MOST = 24


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
    return [float(f"{v:.9g}") for v in flat[::step].tolist()]


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

out = sys.argv[1] if len(sys.argv) > 1 else "tests/testthat/layers.json"
with open(out, "w") as file:
    file.write("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")
print(f"{out}: {len(cases)} cases")
