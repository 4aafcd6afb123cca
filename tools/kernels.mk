# The kernels by themselves, without R: make -f tools/kernels.mk check | time
# CC, CFLAGS, OPENMP, BLAS_LIBS (empty: the small one of tools), RUN (what starts the program, such as an emulator) and BUILD (the
# folder of objects) make another machine's of it.
CC = cc
CFLAGS = -O2 -g
BUILD = build
OPENMP = -fopenmp
BLAS_LIBS = -lblas
RUN =
# Of check: the most threads, and "best" for the best level alone.
CHECK =
# Linear algebra is LAPACK's, which is not asked for here.
kernels = $(filter-out src/kernels/lapack.c,$(wildcard src/kernels/*.c))
sources = $(wildcard src/base/*.c) $(kernels) tools/kernel-bench.c tools/naive.c \
	$(if $(BLAS_LIBS),,tools/small-blas.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(sources))

# The readers of files by themselves: make -f tools/kernels.mk read-files
IMAGE_CFLAGS = $(shell pkg-config --cflags libpng libjpeg libtiff-4) -DCD_HAVE_TIFF
IMAGE_LIBS = $(shell pkg-config --libs libpng libjpeg libtiff-4)
reader_objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/base/*.c) $(kernels) $(wildcard src/tensor/*.c) \
	$(wildcard src/io/*.c) $(wildcard src/image/*.c) tools/read-files.c $(if $(BLAS_LIBS),,tools/small-blas.c))

.PHONY: check time read-files
read-files: $(BUILD)/read-files
$(BUILD)/read-files: $(reader_objects)
	$(CC) $(CFLAGS) $(OPENMP) $(LDFLAGS) -o $@ $(reader_objects) $(IMAGE_LIBS) $(BLAS_LIBS) -lm
$(BUILD)/src/image/%.o: CFLAGS += $(IMAGE_CFLAGS)
# Kernels take minutes to be compiled with sanitizers: KERNEL_CFLAGS may be others.
KERNEL_CFLAGS = $(CFLAGS)

check: $(BUILD)/kernel-bench
	$(RUN) $< check $(CHECK)
time: $(BUILD)/kernel-bench
	$(RUN) $< time 32 2

$(BUILD)/kernel-bench: $(objects)
	$(CC) $(CFLAGS) $(OPENMP) $(LDFLAGS) -o $@ $(objects) $(BLAS_LIBS) -lm

$(BUILD)/%.o: %.c $(wildcard src/kernels/*.h src/base/*.h tools/*.h)
	@mkdir -p $(@D)
	$(CC) -std=c11 -Wall -Wextra -pedantic $(if $(findstring src/kernels,$<),$(KERNEL_CFLAGS),$(CFLAGS)) $(OPENMP) -Isrc -Itools -c -o $@ $<
