# The kernels by themselves: make -f tools/kernels.mk check | time
CC ?= cc
CFLAGS ?= -O2 -g
BUILD ?= build
BLAS_LIBS ?= -lblas
SOURCES = tools/kernel-bench.c $(wildcard src/kernels/*.c) $(addprefix src/base/, cpu.c memory.c pages.c parallel.c status.c)
HEADERS = $(wildcard src/kernels/*.h src/base/*.h)

$(BUILD)/kernel-bench: $(SOURCES) $(HEADERS)
	mkdir -p $(BUILD)
	$(CC) -std=c11 -Wall -Wextra -pedantic $(CFLAGS) -fopenmp -Isrc -o $@ $(SOURCES) -lm $(BLAS_LIBS)

.PHONY: check time
check: $(BUILD)/kernel-bench
	$< check
time: $(BUILD)/kernel-bench
	$< time 32 2
