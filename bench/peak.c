/* The machine's fused multiply-add peak in single precision (twelve independent accumulators, nothing read from
 * memory), and what its memory moves: a copy of 256 MiB on two threads, bytes read and bytes written.
 *
 *     cc -O2 -march=native -ffp-contract=fast -fopenmp bench/peak.c -o peak && ./peak
 *
 * Prints GFLOP/s on one thread and on two, and GB/s of the copy, the largest of several repeats. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif

#define ROUNDS 2000000L
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(i) vector a##i = zero + (float)i;
#define STEP(i) a##i = a##i * scale + shift;
#define SUM(i) zero += a##i;

typedef float vector __attribute__((vector_size(4 * WIDTH)));

/* Returns a sum of all accumulators, so that nothing is left out. */
static float multiply_add(float s)
{
    vector zero = {0};
    const vector scale = zero + s, shift = zero + 1e-3f;
    EACH(DECLARE)
    for (long i = 0; i < ROUNDS; i++) {
        EACH(STEP)
    }
    EACH(SUM)
    return zero[0];
}

static double gflops(int threads)
{
    double best = 0;
    float kept = 0;
    for (int repeat = 0; repeat < 20; repeat++) {
        const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads) reduction(+ : kept)
        kept += multiply_add(0.5f + 1e-6f * (float)repeat);
        const double rate = 2e-9 * 12 * WIDTH * ROUNDS * threads / (omp_get_wtime() - start);
        best = rate > best ? rate : best;
    }
    return kept > 0 ? best : 0;
}

#define COPY_BYTES (256L << 20)

/* Bytes read and written, each once, of a copy that no cache holds; 0 where there is no memory for it. */
static double copied_gbytes(int threads)
{
    char *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    double best = 0;
    if (from != NULL && to != NULL) {
        memset(from, 1, COPY_BYTES);
        memset(to, 2, COPY_BYTES);
        for (int repeat = 0; repeat < 10; repeat++) {
            const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
            {
                const long part = COPY_BYTES / threads, at = part * omp_get_thread_num();
                memcpy(to + at, from + at, (size_t)part);
            }
            const double rate = 2e-9 * COPY_BYTES / (omp_get_wtime() - start);
            best = rate > best ? rate : best;
        }
    }
    free(from);
    free(to);
    return best;
}

int main(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        printf("peak_%d %.1f\n", threads, gflops(threads));
    }
    printf("copy_2 %.1f\n", copied_gbytes(2));
    return 0;
}
