#!/usr/bin/env python3
"""PyTorch's side of unet.R: a training step and a prediction of the same U-Net.

usage: torch_unet.py [--batch 32] [--threads 2] [--steps 3] [--size 224] [--mode train|predict|both]
"""
import argparse
import resource
import time

import torch
import torchvision
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--mode", default="both")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)


class UNet(nn.Module):
    channels = [320, 256, 128, 64, 32, 16]
    skips = [96, 32, 24, 16, 3]

    def __init__(self):
        super().__init__()
        features = torchvision.models.mobilenet_v2(weights=None).features
        cuts = [(0, 2), (2, 4), (4, 7), (7, 14), (14, 18)]
        self.stages = nn.ModuleList([features[first:last] for first, last in cuts])
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        pairs = list(zip(self.channels, self.channels[1:]))
        self.up = nn.ModuleList([nn.ConvTranspose2d(i, o, 2, 2) for i, o in pairs])
        self.conv = nn.ModuleList(
            [nn.Conv2d(o + k, o, 3, padding="same") for (i, o), k in zip(pairs, self.skips)])
        self.output = nn.Conv2d(16, 3, 3, padding="same")

    def forward(self, x):
        kept = [x]
        for stage in self.stages:
            kept.append(stage(kept[-1]))
        x = kept.pop()
        for up, conv in zip(self.up, self.conv):
            x = torch.relu(conv(torch.cat([torch.relu(up(x)), kept.pop()], 1)))
        return self.output(x)


net = UNet()
optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-3)
x = torch.randn(args.batch, 3, args.size, args.size)
y = torch.randint(0, 3, (args.batch, args.size, args.size))
loss_fn = nn.CrossEntropyLoss()


def train_step():
    optimizer.zero_grad()
    loss = loss_fn(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def seconds(call):
    call()
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)


if args.mode in ("train", "both"):
    net.train()
    s = seconds(train_step)
    median = s[len(s) // 2]
    print(f"train_step_s {median:.4f}  images_per_s {args.batch / median:.3f}  min {s[0]:.4f} max {s[-1]:.4f}")
    print(f"peak_rss_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
if args.mode in ("predict", "both"):
    net.eval()
    with torch.no_grad():
        s = seconds(lambda: net(x))
    median = s[len(s) // 2]
    print(f"predict_s {median:.4f}  images_per_s {args.batch / median:.3f}")
