#!/bin/sh
# Checks the kernels at awkward shapes on every instruction set of this machine, then times a U-Net's layers.
set -e
make -s -f tools/kernels.mk check
make -s -f tools/kernels.mk time
