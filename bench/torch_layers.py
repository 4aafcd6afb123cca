#!/usr/bin/env python3
"""PyTorch's side of layers.R: the same layers, the same columns.

usage: torch_layers.py [--batch 32] [--threads 2] [--repeats 5] [--passes 3] [--turns yes]
"""
import csv
import os

import torch
from torch import nn

from torch_common import gradients, measure, options, print_passes, relative_error

args = options(batch=32)


def new_layer(row):
    i, o = int(row["in_channels"]), int(row["out_channels"])
    kernel, stride, padding = int(row["kernel"]), int(row["stride"]), int(row["padding"])
    if row["kind"] == "transpose":
        return nn.ConvTranspose2d(i, o, kernel, stride, padding)
    return nn.Conv2d(i, o, kernel, stride, padding, int(row["dilation"]), int(row["groups"]))


def input_of(row, batch):
    return torch.randn(batch, int(row["in_channels"]), int(row["size"]), int(row["size"]), requires_grad=True)


def errors(layer, row):
    exact = new_layer(row).double()
    exact.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    pairs = gradients(layer, exact, input_of(row, 2)) + [(layer.weight.grad, exact.weight.grad)]
    return [relative_error(*pair) for pair in pairs]


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.csv")) as file:
    rows = list(csv.DictReader(file))
layers = [new_layer(row) for row in rows]
found_errors = [errors(layer, row) for layer, row in zip(layers, rows)]
passes = [[measure(layer, input_of(row, args.batch), args) for layer, row in zip(layers, rows)]
          for _ in range(args.passes)]
print_passes("pass,name,forward_s,both_s,multiply_adds,error_y,error_dx,error_dw",
             [row["name"] for row in rows], passes,
             lambda k: "0," + ",".join(f"{e:.2e}" for e in found_errors[k]))
