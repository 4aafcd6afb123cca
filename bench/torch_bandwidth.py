#!/usr/bin/env python3
"""PyTorch's side of bandwidth.R: the same operators, the same columns.

usage: torch_bandwidth.py [--format last] [--threads 2] [--repeats 5] [--passes 3] [--turns yes]
"""
import copy
import csv
import os

import torch
from torch import nn

from torch_common import gradients, measure, options, print_passes, relative_error

args = options(format="last")


def input_of(shape):
    x = torch.randn(shape)
    last = args.format == "last" and x.dim() == 4
    return (x.contiguous(memory_format=torch.channels_last) if last else x).requires_grad_()


def errors(operator, shape):
    exact = copy.deepcopy(operator).double() if isinstance(operator, nn.Module) else operator
    return [relative_error(*pair) for pair in gradients(operator, exact, input_of([2] + shape[1:]))]


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bandwidth.csv")) as file:
    rows = list(csv.DictReader(file))
operators = [eval(row["torch"]) for row in rows]
shapes = [[int(size) for size in row["shape"].split("x")] for row in rows]
found_errors = [errors(operator, shape) for operator, shape in zip(operators, shapes)]
passes = [[measure(operator, input_of(shape), args) for operator, shape in zip(operators, shapes)]
          for _ in range(args.passes)]
print_passes("pass,name,forward_s,both_s,forward_bytes,both_bytes,error_y,error_dx",
             [row["name"] for row in rows], passes,
             lambda k: "0,0," + ",".join(f"{e:.2e}" for e in found_errors[k]))
