#!/bin/sh
# The tests that work C hardest, on a build with AddressSanitizer and UndefinedBehaviorSanitizer in a library of its own.
# Leaks are not looked for: R itself keeps memory to the end. Status 77: skipped.
set -eu
# Names of test files, without "test-" and ".R".
files='autograd bad-input functional-loss functional-operators fusion image interrupt kernels layers-convolution
layers-normalisation layers-pooling optim optimizer random reference-operators serialize tensor-cast tensor-compare
tensor-create tensor-index tensor-linalg tensor-math tensor-print tensor-reduce tensor-shape transform-geometry
transform-reference'
asan=$(${CC:-cc} -print-file-name=libasan.so)
[ "${asan#/}" != "$asan" ] || { echo "skipped: the compiler has no libasan"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/library"
# Checks of every pointer that is followed would make the inner kernels compile for minutes; AddressSanitizer sees
# what they would.
flags='-fsanitize=address,undefined -fno-sanitize=null,pointer-overflow,object-size,alignment'
flags="$flags -fno-sanitize-recover=all -fno-omit-frame-pointer"
cat > "$work/Makevars" <<EOF
CFLAGS = -g1 -O1 $flags
LDFLAGS = $flags
EOF
(cd "$work" && R CMD build --no-build-vignettes "$OLDPWD" > build.log 2>&1) || { cat "$work/build.log"; exit 1; }
CANDELA_DEBUG=1 R_MAKEVARS_USER=$work/Makevars MAKEFLAGS=-j2 R CMD INSTALL --no-docs --no-test-load \
    --library="$work/library" "$work"/candela_*.tar.gz > "$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
R_LIBS=$work/library LD_PRELOAD=$asan ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
    UBSAN_OPTIONS=print_stacktrace=1 Rscript tools/test.R "^($(echo "$files" | tr -s ' \n' '||'))\$"
