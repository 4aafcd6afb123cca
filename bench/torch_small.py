#!/usr/bin/env python3
"""PyTorch's side of small.R."""
import time

import torch
from torch import nn

torch.set_num_threads(1)


def microseconds(times, call):
    call()
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            call()
        best = min(best, (time.perf_counter() - start) / times)
    return best * 1e6


a, b = torch.randn(10), torch.randn(10)
print(f"add_10_us {microseconds(20000, lambda: a + b):.3f}")
torch.manual_seed(1)
net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.randn(32, 10), torch.randn(32, 1)


def step():
    optimizer.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    optimizer.step()


print(f"perceptron_step_us {microseconds(300, step):.1f}")
