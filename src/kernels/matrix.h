/* Matrices as products take them. */
#ifndef CANDELA_KERNELS_MATRIX_H
#define CANDELA_KERNELS_MATRIX_H

#include <stdint.h>

/* A matrix stored by rows `step` elements apart; transposed: what is stored is its transpose. */
typedef struct cdk_matrix {
    const void *data;
    int64_t step;
    int transposed;
} cdk_matrix;

/* Several products of matrices of one size and step: number i reads them a[i] and b[i] elements after the
 * first, and the results follow one another. */
typedef struct cdk_batch {
    int64_t count;
    const int64_t *a, *b; /* [count] */
} cdk_batch;

#endif
