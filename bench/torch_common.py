"""What PyTorch's side of the benchmarks of single layers and operators shares: options, turns, times and errors."""
import argparse
import sys
import time

import torch


def options(**more):
    """The options of a script on the command line: threads, repeats, passes, turns, and those with a default here."""
    parser = argparse.ArgumentParser()
    for name, default in {"threads": 2, "repeats": 5, "passes": 3, "turns": "no", **more}.items():
        parser.add_argument("--" + name, type=type(default), default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    return args


def await_turn(args):
    if args.turns == "yes":
        print("ready", flush=True)
        sys.stdin.readline()


def least_seconds(call, repeats):
    call()
    times = []
    while len(times) < repeats or (sum(times) < 1 / 4 and len(times) < 200):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def relative_error(actual, exact):
    return ((actual.double() - exact).abs().max() / exact.abs().max()).item()


def gradients(function, exact, x):
    """Pairs of result and float64 result: of y and of the gradient of x, a leaf."""
    x_exact = x.detach().double().requires_grad_()
    y = function(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    y_exact = exact(x_exact)
    y_exact.backward(dy.double())
    return [(y.detach(), y_exact.detach()), (x.grad, x_exact.grad)]


def measure(function, x, args):
    """Seconds of forward, and of forward and backward."""
    dy = torch.randn_like(function(x))

    def forward():
        with torch.no_grad():
            function(x)

    def both():
        x.grad = None
        function(x).backward(dy)

    await_turn(args)
    return least_seconds(forward, args.repeats), least_seconds(both, args.repeats)


def print_passes(header, names, passes, row):
    """passes: of each, the seconds of every name; row(k): what follows the seconds of the k-th name."""
    print(header)
    for number, times in enumerate(passes, 1):
        for k, (name, seconds) in enumerate(zip(names, times)):
            print(f"{number},{name},{seconds[0]:.6f},{seconds[1]:.6f},{row(k)}")
