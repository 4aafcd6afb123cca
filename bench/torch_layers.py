#!/usr/bin/env python3
"""PyTorch's side of layers.R: the same layers, the same columns.

usage: torch_layers.py [--batch 32] [--threads 2] [--repeats 5] [--passes 3] [--turns yes]
"""
import argparse
import csv
import os
import sys
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--passes", type=int, default=3)
parser.add_argument("--turns", default="no")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)


def new_layer(row):
    i, o = int(row["in_channels"]), int(row["out_channels"])
    kernel, stride, padding = int(row["kernel"]), int(row["stride"]), int(row["padding"])
    if row["kind"] == "transpose":
        return nn.ConvTranspose2d(i, o, kernel, stride, padding)
    return nn.Conv2d(i, o, kernel, stride, padding, groups=int(row["groups"]))


def await_turn():
    if args.turns == "yes":
        print("ready", flush=True)
        sys.stdin.readline()


def least_seconds(call):
    call()
    times = []
    while len(times) < args.repeats or (sum(times) < 1 / 4 and len(times) < 200):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def relative_error(actual, exact):
    return ((actual.double() - exact).abs().max() / exact.abs().max()).item()


def errors(layer, row):
    size = int(row["size"])
    x = torch.randn(2, int(row["in_channels"]), size, size, requires_grad=True)
    x_exact = x.detach().double().requires_grad_()
    exact = new_layer(row).double()
    exact.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    y = layer(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    y_exact = exact(x_exact)
    y_exact.backward(dy.double())
    pairs = [(y.detach(), y_exact.detach()), (x.grad, x_exact.grad), (layer.weight.grad, exact.weight.grad)]
    return [relative_error(actual, exact) for actual, exact in pairs]


def measure(layer, row):
    x = torch.randn(args.batch, int(row["in_channels"]), int(row["size"]), int(row["size"]), requires_grad=True)
    dy = torch.randn_like(layer(x))

    def forward():
        with torch.no_grad():
            layer(x)

    def both():
        x.grad = None
        layer(x).backward(dy)

    await_turn()
    return least_seconds(forward), least_seconds(both)


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.csv")) as file:
    rows = list(csv.DictReader(file))
layers = [new_layer(row) for row in rows]
found_errors = [errors(layer, row) for layer, row in zip(layers, rows)]
passes = [[measure(layer, row) for layer, row in zip(layers, rows)] for _ in range(args.passes)]
print("pass,name,forward_s,both_s,multiply_adds,error_y,error_dx,error_dw")
for number, times in enumerate(passes, 1):
    for row, error, (forward, both) in zip(rows, found_errors, times):
        print(f"{number},{row['name']},{forward:.6f},{both:.6f},0,{','.join(f'{e:.2e}' for e in error)}")
