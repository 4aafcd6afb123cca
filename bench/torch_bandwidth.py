#!/usr/bin/env python3
"""PyTorch's side of bandwidth.R: the same operators, the same columns.

usage: torch_bandwidth.py [--format last] [--threads 2] [--repeats 5] [--passes 3] [--turns yes]
"""
import argparse
import copy
import csv
import os
import sys
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--format", default="last")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--passes", type=int, default=3)
parser.add_argument("--turns", default="no")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)


def in_format(x):
    return x.contiguous(memory_format=torch.channels_last) if args.format == "last" and x.dim() == 4 else x


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


def errors(operator, shape):
    x = in_format(torch.randn([2] + shape[1:])).requires_grad_()
    x_exact = x.detach().double().requires_grad_()
    exact = copy.deepcopy(operator).double() if isinstance(operator, nn.Module) else operator
    y = operator(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    y_exact = exact(x_exact)
    y_exact.backward(dy.double())
    return relative_error(y.detach(), y_exact.detach()), relative_error(x.grad, x_exact.grad)


def measure(operator, shape):
    x = in_format(torch.randn(shape)).requires_grad_()
    dy = torch.randn_like(operator(x))

    def forward():
        with torch.no_grad():
            operator(x)

    def both():
        x.grad = None
        operator(x).backward(dy)

    await_turn()
    return least_seconds(forward), least_seconds(both)


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bandwidth.csv")) as file:
    rows = list(csv.DictReader(file))
operators = [eval(row["torch"]) for row in rows]
shapes = [[int(size) for size in row["shape"].split("x")] for row in rows]
found_errors = [errors(operator, shape) for operator, shape in zip(operators, shapes)]
passes = [[measure(operator, shape) for operator, shape in zip(operators, shapes)] for _ in range(args.passes)]
print("pass,name,forward_s,both_s,forward_bytes,both_bytes,error_y,error_dx")
for number, times in enumerate(passes, 1):
    for row, error, (forward, both) in zip(rows, found_errors, times):
        print(f"{number},{row['name']},{forward:.6f},{both:.6f},0,0,{error[0]:.2e},{error[1]:.2e}")
