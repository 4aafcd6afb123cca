/* One step of recurrent cells, forward and backward, for some rows (sequences) of a batch.
 *
 * With x the part of the input and p that of the state, both with a column for each gate and unit (biases
 * included, except that b, the bias of p, is added here), h and c the state before:
 *
 *     tanh, relu   h' = tanh(x + p), max(0, x + p)
 *     LSTM         (i, f, g, o) = x + p;  c' = s(f) c + s(i) tanh(g);  h' = s(o) tanh(c')
 *     GRU          (r, z, n) ...;  n = tanh(x_n + s(r) p_n);  h' = n + s(z) (h - n)
 *
 * s is the logistic function (Hochreiter and Schmidhuber 1997; Cho et al. 2014). Gates keeps what backward
 * needs: the four gates of an LSTM; r, z, n and p_n of a GRU.
 */
#ifndef CANDELA_KERNELS_RECURRENT_H
#define CANDELA_KERNELS_RECURRENT_H

#include <stdint.h>

#include "kernels/by_dtype.h"

typedef enum { CDK_CELL_TANH, CDK_CELL_RELU, CDK_CELL_LSTM, CDK_CELL_GRU, CDK_CELLS } cdk_cell;

/* Columns of x and p for each unit; columns of the gates kept. */
int64_t cdk_cell_gates(cdk_cell cell);
int64_t cdk_cell_kept(cdk_cell cell);

/* Row i of each matrix starts i times its width after the first: x, p and their gradients G H (G gates),
 * gates kept H, all others H. Absent: bias NULL; c, c_before, c_after and dc without an LSTM. */
typedef struct cdk_cell_step {
    int64_t rows, H;
    const void *x, *p, *bias;
    void *h, *c;               /* the state, moved on by one step */
    void *gates;               /* written forward, read backward */
    void *h_before, *c_before; /* the state before, written forward, read backward */
    void *h_after, *c_after;   /* the state after: the same */
    /* backward */
    const void *dy; /* the gradient of h', to be added to dh; or NULL */
    void *dh,
        *dc; /* in: the gradient of the state after; out: of the state before, without what comes through p */
    void *dx, *dp; /* gradients of x and p; the same memory but for a GRU */
} cdk_cell_step;

typedef void cdk_cell_run(cdk_cell cell, const cdk_cell_step *step);
extern cdk_cell_run *const cdk_cell_forward[CD_DTYPES], *const cdk_cell_backward[CD_DTYPES];

#endif
