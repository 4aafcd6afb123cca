/* The inner loops of bilinear resizing, plain C that compilers turn into vector instructions: included for
 * one float type by bilinear_level.h with T and LOOP(name).
 */

/* y[w][c] = weight[w][0] x[index[w][0]][c] + weight[w][1] x[index[w][1]][c] */
static VEC_TARGET void LOOP(stretch)(T *restrict y, const T *restrict x, const cdk_resize_taps *columns,
                                     int64_t C)
{
    for (int64_t w = 0; w < columns->count; w++, y += C) {
        const T *left = x + columns->index[2 * w] * C, *right = x + columns->index[2 * w + 1] * C;
        const T share_left = (T)columns->weight[2 * w], share_right = (T)columns->weight[2 * w + 1];
        for (int64_t c = 0; c < C; c++) {
            y[c] = share_left * left[c] + share_right * right[c];
        }
    }
}

static VEC_TARGET void LOOP(blend)(T *restrict y, const T *restrict upper, const T *restrict lower,
                                   T share_upper, T share_lower, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = share_upper * upper[i] + share_lower * lower[i];
    }
}
