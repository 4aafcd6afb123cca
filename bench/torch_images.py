#!/usr/bin/env python3
"""Pillow and PyTorch's side of images.R, on the file it made.

usage: torch_images.py FILE.jpg
"""
import sys
import time

import numpy
import torch
from PIL import Image

torch.set_num_threads(1)
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def one():
    image = numpy.asarray(Image.open(sys.argv[1]).convert("RGB"), numpy.float32) / 255
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    x = torch.nn.functional.interpolate(x, (224, 224), mode="bilinear", align_corners=False)[0]
    return (x - MEAN) / STD


one()
times = []
for _ in range(50):
    start = time.perf_counter()
    one()
    times.append(time.perf_counter() - start)
print(f"decode_resize_ms {1e3 * min(times):.3f}")
