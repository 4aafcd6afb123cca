/* Rows of cells for one level: included by recurrent.c after the vectors. j are units, w the vector's
 * width. */
#include "kernels/vector_math.h"

#include "kernels/elementwise.h"

/* Pointers of one row. */
typedef struct {
    const VEC_T *x, *p, *b, *dy;
    VEC_T *h, *c, *gates, *h_before, *c_before, *h_after, *c_after, *dh, *dc, *dx, *dp;
} CDK_AT(cell_row);

#define GATE(pointer, g) CDK_AT(load_run)((pointer) + (g)*H, j, H)
#define KEEP(pointer, g, v) CDK_AT(store_run)((pointer) + (g)*H, j, H, v)
#define ONE VEC_NUMBER(1)

VEC_INLINE VEC CDK_AT(state_part)(const CDK_AT(cell_row) * r, int g, int64_t j, int64_t H)
{
    VEC part = GATE(r->p, g);
    if (r->b != NULL) {
        part = part + GATE(r->b, g);
    }
    return part;
}

VEC_INLINE VEC CDK_AT(gate_sum)(const CDK_AT(cell_row) * r, int g, int64_t j, int64_t H)
{
    return GATE(r->x, g) + CDK_AT(state_part)(r, g, j, H);
}

VEC_INLINE VEC CDK_AT(state_gradient)(const CDK_AT(cell_row) * r, int64_t j, int64_t H)
{
    VEC dh = GATE(r->dh, 0);
    if (r->dy != NULL) {
        dh = dh + GATE(r->dy, 0);
    }
    return dh;
}

VEC_INLINE void CDK_AT(next_state)(const CDK_AT(cell_row) * r, int64_t j, int64_t H, VEC h)
{
    KEEP(r->h_before, 0, GATE(r->h, 0));
    KEEP(r->h, 0, h);
    KEEP(r->h_after, 0, h);
}

static VEC_TARGET void CDK_AT(tanh_forward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        CDK_AT(next_state)(r, j, H, VEC_TANH(CDK_AT(gate_sum)(r, 0, j, H)));
    }
}

static VEC_TARGET void CDK_AT(tanh_backward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC h = GATE(r->h_after, 0);
        KEEP(r->dx, 0, CDK_AT(state_gradient)(r, j, H) * ((ONE - h) * (ONE + h)));
        KEEP(r->dh, 0, VEC_NUMBER(0));
    }
}

static VEC_TARGET void CDK_AT(relu_forward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC v = CDK_AT(gate_sum)(r, 0, j, H);
        CDK_AT(next_state)(r, j, H, VEC_SELECT(VEC_GREATER(VEC_NUMBER(0), v), VEC_NUMBER(0), v));
    }
}

static VEC_TARGET void CDK_AT(relu_backward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC dh = CDK_AT(state_gradient)(r, j, H);
        KEEP(r->dx, 0, VEC_SELECT(VEC_GREATER(GATE(r->h_after, 0), VEC_NUMBER(0)), dh, VEC_NUMBER(0)));
        KEEP(r->dh, 0, VEC_NUMBER(0));
    }
}

static VEC_TARGET void CDK_AT(lstm_forward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC i = VEC_SIGMOID(CDK_AT(gate_sum)(r, 0, j, H)),
                  f = VEC_SIGMOID(CDK_AT(gate_sum)(r, 1, j, H)), g = VEC_TANH(CDK_AT(gate_sum)(r, 2, j, H)),
                  o = VEC_SIGMOID(CDK_AT(gate_sum)(r, 3, j, H));
        const VEC before = GATE(r->c, 0), c = VEC_FMA(f, before, i * g);
        KEEP(r->gates, 0, i);
        KEEP(r->gates, 1, f);
        KEEP(r->gates, 2, g);
        KEEP(r->gates, 3, o);
        KEEP(r->c_before, 0, before);
        KEEP(r->c, 0, c);
        KEEP(r->c_after, 0, c);
        CDK_AT(next_state)(r, j, H, o * VEC_TANH(c));
    }
}

static VEC_TARGET void CDK_AT(lstm_backward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC i = GATE(r->gates, 0), f = GATE(r->gates, 1), g = GATE(r->gates, 2), o = GATE(r->gates, 3);
        const VEC t = VEC_TANH(GATE(r->c_after, 0)), dh = CDK_AT(state_gradient)(r, j, H);
        const VEC dc = VEC_FMA(dh * o, (ONE - t) * (ONE + t), GATE(r->dc, 0));
        KEEP(r->dx, 0, dc * g * (i * (ONE - i)));
        KEEP(r->dx, 1, dc * GATE(r->c_before, 0) * (f * (ONE - f)));
        KEEP(r->dx, 2, dc * i * ((ONE - g) * (ONE + g)));
        KEEP(r->dx, 3, dh * t * (o * (ONE - o)));
        KEEP(r->dc, 0, dc * f);
        KEEP(r->dh, 0, VEC_NUMBER(0));
    }
}

static VEC_TARGET void CDK_AT(gru_forward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC reset = VEC_SIGMOID(CDK_AT(gate_sum)(r, 0, j, H)),
                  z = VEC_SIGMOID(CDK_AT(gate_sum)(r, 1, j, H));
        const VEC p = CDK_AT(state_part)(r, 2, j, H), n = VEC_TANH(VEC_FMA(reset, p, GATE(r->x, 2)));
        KEEP(r->gates, 0, reset);
        KEEP(r->gates, 1, z);
        KEEP(r->gates, 2, n);
        KEEP(r->gates, 3, p);
        CDK_AT(next_state)(r, j, H, VEC_FMA(z, GATE(r->h, 0) - n, n));
    }
}

static VEC_TARGET void CDK_AT(gru_backward)(const CDK_AT(cell_row) * r, int64_t H)
{
    for (int64_t j = 0; j < H; j += VEC_WIDTH) {
        const VEC reset = GATE(r->gates, 0), z = GATE(r->gates, 1), n = GATE(r->gates, 2),
                  p = GATE(r->gates, 3);
        const VEC dh = CDK_AT(state_gradient)(r, j, H);
        const VEC dz = dh * (GATE(r->h_before, 0) - n) * (z * (ONE - z));
        const VEC dn = dh * (ONE - z) * ((ONE - n) * (ONE + n)), dr = dn * p * (reset * (ONE - reset));
        KEEP(r->dx, 0, dr);
        KEEP(r->dx, 1, dz);
        KEEP(r->dx, 2, dn);
        KEEP(r->dp, 0, dr);
        KEEP(r->dp, 1, dz);
        KEEP(r->dp, 2, dn * reset);
        KEEP(r->dh, 0, dh * z);
    }
}

typedef void CDK_AT(cell_function)(const CDK_AT(cell_row) *, int64_t);
static CDK_AT(cell_function) *const CDK_AT(cells)[2][CDK_CELLS] = {
    {CDK_AT(tanh_forward), CDK_AT(relu_forward), CDK_AT(lstm_forward), CDK_AT(gru_forward)},
    {CDK_AT(tanh_backward), CDK_AT(relu_backward), CDK_AT(lstm_backward), CDK_AT(gru_backward)}};

#define ROW(pointer, width) ((s->pointer) == NULL ? NULL : (VEC_T *)(s->pointer) + row * (width))
#define CONST_ROW(pointer, width) ((s->pointer) == NULL ? NULL : (const VEC_T *)(s->pointer) + row * (width))

static void CDK_AT(cell_rows)(cdk_cell cell, bool backward, const cdk_cell_step *s, int64_t begin,
                              int64_t end)
{
    const int64_t H = s->H, wide = cdk_cell_gates(cell) * H, kept = cdk_cell_kept(cell) * H;
    for (int64_t row = begin; row < end; row++) {
        const CDK_AT(cell_row) r = {.x = CONST_ROW(x, wide),
                                    .p = CONST_ROW(p, wide),
                                    .b = s->bias,
                                    .dy = CONST_ROW(dy, H),
                                    .h = ROW(h, H),
                                    .c = ROW(c, H),
                                    .gates = ROW(gates, kept),
                                    .h_before = ROW(h_before, H),
                                    .c_before = ROW(c_before, H),
                                    .h_after = ROW(h_after, H),
                                    .c_after = ROW(c_after, H),
                                    .dh = ROW(dh, H),
                                    .dc = ROW(dc, H),
                                    .dx = ROW(dx, wide),
                                    .dp = ROW(dp, wide)};
        CDK_AT(cells)[backward][cell](&r, H);
    }
}

#undef ROW
#undef CONST_ROW
#undef GATE
#undef KEEP
#undef ONE
