/* The transforms of kernels/conv_winograd.c for one tile of images, vectorised over channels; see
 * kernels/isa.h. Included once for each instruction set, after its vectors (kernels/vec.h) and
 * channels_template.h. Local arrays are indexed by constants only, which lets compilers keep them in
 * registers.
 */

/* B^T column j */
#define WINOGRAD_COLUMN(j)                                           \
    {                                                                \
        const VEC d0 = channels_load(d[j] + first, part, mask);      \
        const VEC d1 = channels_load(d[4 + j] + first, part, mask);  \
        const VEC d2 = channels_load(d[8 + j] + first, part, mask);  \
        const VEC d3 = channels_load(d[12 + j] + first, part, mask); \
        t[j] = VEC_SUB(d0, d2);                                      \
        t[4 + j] = VEC_ADD(d1, d2);                                  \
        t[8 + j] = VEC_SUB(d2, d1);                                  \
        t[12 + j] = VEC_SUB(d1, d3);                                 \
    }
/* row i times B */
#define WINOGRAD_ROW(i)                                                                             \
    {                                                                                               \
        winograd_store(v + (4 * i) * v_point, VEC_SUB(t[4 * i], t[4 * i + 2]), part, mask);         \
        winograd_store(v + (4 * i + 1) * v_point, VEC_ADD(t[4 * i + 1], t[4 * i + 2]), part, mask); \
        winograd_store(v + (4 * i + 2) * v_point, VEC_SUB(t[4 * i + 2], t[4 * i + 1]), part, mask); \
        winograd_store(v + (4 * i + 3) * v_point, VEC_SUB(t[4 * i + 1], t[4 * i + 3]), part, mask); \
    }

VEC_INLINE void winograd_store(float *p, VEC v, const int part, VEC_MASK mask)
{
    channels_store(p, v, part, mask, CDK_ACTIVATION_NONE, 0);
}

VEC_INLINE void winograd_input_vector(float *v, ptrdiff_t v_point, const float *const *d, int64_t first,
                                      const int part, VEC_MASK mask)
{
    VEC t[16];
    WINOGRAD_COLUMN(0)
    WINOGRAD_COLUMN(1)
    WINOGRAD_COLUMN(2)
    WINOGRAD_COLUMN(3)
    WINOGRAD_ROW(0)
    WINOGRAD_ROW(1)
    WINOGRAD_ROW(2)
    WINOGRAD_ROW(3)
}

static VEC_TARGET void winograd_input(float *v, ptrdiff_t v_point, const float *const *d, int64_t first,
                                      int64_t channels){
    CHANNELS_EACH_VECTOR(channels, winograd_input_vector(v + c, v_point, d, first + c, part, mask))}

/* A^T column j */
#define WINOGRAD_SUM_COLUMN(j)                           \
    {                                                    \
        const VEC m0 = VEC_LOAD(m + j * m_point);        \
        const VEC m1 = VEC_LOAD(m + (4 + j) * m_point);  \
        const VEC m2 = VEC_LOAD(m + (8 + j) * m_point);  \
        const VEC m3 = VEC_LOAD(m + (12 + j) * m_point); \
        t[j] = VEC_ADD(VEC_ADD(m0, m1), m2);             \
        t[4 + j] = VEC_SUB(VEC_SUB(m1, m2), m3);         \
    }
#define WINOGRAD_FINISH(i, sum) \
    channels_store(row->y[i] + c, VEC_ADD(sum, bias), part, mask, row->activation, row->stream);

VEC_INLINE
    void winograd_output_vector(const cdk_winograd_output *row, int64_t c, const int part, VEC_MASK mask)
{
    const float *m = row->m + c;
    const ptrdiff_t m_point = row->m_point;
    const VEC bias = row->bias ? channels_load(row->bias + c, part, mask) : VEC_ZERO();
    VEC t[8];
    WINOGRAD_SUM_COLUMN(0)
    WINOGRAD_SUM_COLUMN(1)
    WINOGRAD_SUM_COLUMN(2)
    WINOGRAD_SUM_COLUMN(3)
    WINOGRAD_FINISH(0, VEC_ADD(VEC_ADD(t[0], t[1]), t[2]))
    WINOGRAD_FINISH(1, VEC_SUB(VEC_SUB(t[1], t[2]), t[3]))
    WINOGRAD_FINISH(2, VEC_ADD(VEC_ADD(t[4], t[5]), t[6]))
    WINOGRAD_FINISH(3, VEC_SUB(VEC_SUB(t[5], t[6]), t[7]))
}

static VEC_TARGET void winograd_output(const cdk_winograd_output *row){
    CHANNELS_EACH_VECTOR(row->lanes, winograd_output_vector(row, c, part, mask))}

/* G column j */
#define WINOGRAD_WEIGHT_COLUMN(j)                                      \
    {                                                                  \
        const VEC g0 = channels_load(g + j * width, part, mask);       \
        const VEC g1 = channels_load(g + (3 + j) * width, part, mask); \
        const VEC g2 = channels_load(g + (6 + j) * width, part, mask); \
        const VEC ends = VEC_ADD(g0, g2);                              \
        t[j] = g0;                                                     \
        t[3 + j] = VEC_MUL(half, VEC_ADD(ends, g1));                   \
        t[6 + j] = VEC_MUL(half, VEC_SUB(ends, g1));                   \
        t[9 + j] = g2;                                                 \
    }
#define WINOGRAD_WEIGHT_ROW(i)                                                                       \
    {                                                                                                \
        const VEC ends = VEC_ADD(t[3 * i], t[3 * i + 2]), middle = t[3 * i + 1];                     \
        winograd_store(u + (4 * i) * u_point, t[3 * i], part, mask);                                 \
        winograd_store(u + (4 * i + 1) * u_point, VEC_MUL(half, VEC_ADD(ends, middle)), part, mask); \
        winograd_store(u + (4 * i + 2) * u_point, VEC_MUL(half, VEC_SUB(ends, middle)), part, mask); \
        winograd_store(u + (4 * i + 3) * u_point, t[3 * i + 2], part, mask);                         \
    }

VEC_INLINE void winograd_weight_vector(float *u, ptrdiff_t u_point, const float *g, int64_t width,
                                       const int part, VEC_MASK mask)
{
    const VEC half = VEC_SET1(0.5f);
    VEC t[12];
    WINOGRAD_WEIGHT_COLUMN(0)
    WINOGRAD_WEIGHT_COLUMN(1)
    WINOGRAD_WEIGHT_COLUMN(2)
    WINOGRAD_WEIGHT_ROW(0)
    WINOGRAD_WEIGHT_ROW(1)
    WINOGRAD_WEIGHT_ROW(2)
    WINOGRAD_WEIGHT_ROW(3)
}

static VEC_TARGET void winograd_weight(float *u, ptrdiff_t u_point, const float *g, int64_t width)
{
    CHANNELS_EACH_VECTOR(width, winograd_weight_vector(u + c, u_point, g + c, width, part, mask))
}

/* A dy, column j */
#define WINOGRAD_GRADIENT_COLUMN(j)                                  \
    {                                                                \
        const VEC y0 = channels_load(dy[j] + first, part, mask);     \
        const VEC y1 = channels_load(dy[2 + j] + first, part, mask); \
        t[j] = y0;                                                   \
        t[2 + j] = VEC_ADD(y0, y1);                                  \
        t[4 + j] = VEC_SUB(y0, y1);                                  \
        t[6 + j] = VEC_SUB(VEC_ZERO(), y1);                          \
    }
/* row i times A^T */
#define WINOGRAD_GRADIENT_ROW(i)                                                       \
    {                                                                                  \
        const VEC a = t[2 * i], b = t[2 * i + 1];                                      \
        winograd_store(v + (4 * i) * v_point, a, part, mask);                          \
        winograd_store(v + (4 * i + 1) * v_point, VEC_ADD(a, b), part, mask);          \
        winograd_store(v + (4 * i + 2) * v_point, VEC_SUB(a, b), part, mask);          \
        winograd_store(v + (4 * i + 3) * v_point, VEC_SUB(VEC_ZERO(), b), part, mask); \
    }

VEC_INLINE void winograd_gradient_vector(float *v, ptrdiff_t v_point, const float *const *dy, int64_t first,
                                         const int part, VEC_MASK mask)
{
    VEC t[8];
    WINOGRAD_GRADIENT_COLUMN(0)
    WINOGRAD_GRADIENT_COLUMN(1)
    WINOGRAD_GRADIENT_ROW(0)
    WINOGRAD_GRADIENT_ROW(1)
    WINOGRAD_GRADIENT_ROW(2)
    WINOGRAD_GRADIENT_ROW(3)
}

static VEC_TARGET void winograd_gradient(float *v, ptrdiff_t v_point, const float *const *dy, int64_t first,
                                         int64_t channels)
{
    CHANNELS_EACH_VECTOR(channels, winograd_gradient_vector(v + c, v_point, dy, first + c, part, mask))
}

/* G^T, column j */
#define WINOGRAD_DW_COLUMN(j)                                                       \
    {                                                                               \
        const VEC w1 = channels_load(u + (4 + j) * u_point, part, mask);            \
        const VEC w2 = channels_load(u + (8 + j) * u_point, part, mask);            \
        const VEC sum = VEC_MUL(half, VEC_ADD(w1, w2));                             \
        t[j] = VEC_ADD(channels_load(u + j * u_point, part, mask), sum);            \
        t[4 + j] = VEC_MUL(half, VEC_SUB(w1, w2));                                  \
        t[8 + j] = VEC_ADD(sum, channels_load(u + (12 + j) * u_point, part, mask)); \
    }
/* row i times G */
#define WINOGRAD_DW_ROW(i)                                                                                 \
    {                                                                                                      \
        const VEC sum = VEC_MUL(half, VEC_ADD(t[4 * i + 1], t[4 * i + 2]));                                \
        winograd_store(dg + (3 * i) * width, VEC_ADD(t[4 * i], sum), part, mask);                          \
        winograd_store(dg + (3 * i + 1) * width, VEC_MUL(half, VEC_SUB(t[4 * i + 1], t[4 * i + 2])), part, \
                       mask);                                                                              \
        winograd_store(dg + (3 * i + 2) * width, VEC_ADD(sum, t[4 * i + 3]), part, mask);                  \
    }

VEC_INLINE void winograd_weight_gradient_vector(float *dg, int64_t width, const float *u, ptrdiff_t u_point,
                                                const int part, VEC_MASK mask)
{
    const VEC half = VEC_SET1(0.5f);
    VEC t[12];
    WINOGRAD_DW_COLUMN(0)
    WINOGRAD_DW_COLUMN(1)
    WINOGRAD_DW_COLUMN(2)
    WINOGRAD_DW_COLUMN(3)
    WINOGRAD_DW_ROW(0)
    WINOGRAD_DW_ROW(1)
    WINOGRAD_DW_ROW(2)
}

static VEC_TARGET void winograd_weight_gradient(float *dg, int64_t width, const float *u, ptrdiff_t u_point)
{
    CHANNELS_EACH_VECTOR(width, winograd_weight_gradient_vector(dg + c, width, u + c, u_point, part, mask))
}

#undef WINOGRAD_COLUMN
#undef WINOGRAD_ROW
#undef WINOGRAD_SUM_COLUMN
#undef WINOGRAD_FINISH
#undef WINOGRAD_WEIGHT_COLUMN
#undef WINOGRAD_WEIGHT_ROW
#undef WINOGRAD_GRADIENT_COLUMN
#undef WINOGRAD_GRADIENT_ROW
#undef WINOGRAD_DW_COLUMN
#undef WINOGRAD_DW_ROW
#undef CHANNELS_EACH_VECTOR
