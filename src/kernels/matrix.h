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

#endif
