/* Random numbers and products of dropout for one level, in plain C that becomes vector instructions: included
 * by dropout.c. */

/* low[i] = one number of 32 bits for the counter (low[i], high[i]). */
VEC_INLINE void CDK_AT(draw)(uint32_t *restrict low, uint32_t *restrict high, uint32_t key)
{
    for (int round = 0; round < ROUNDS; round++, key += 0x9e3779b9u) {
        for (int i = 0; i < BLOCK; i++) {
            const uint64_t product = (uint64_t)low[i] * 0xd256d193u;
            low[i] = (uint32_t)(product >> 32) ^ key ^ high[i];
            high[i] = (uint32_t)product;
        }
    }
}

/* keeps[i]: are the elements first + i step kept? */
static VEC_TARGET void CDK_AT(decide)(uint32_t *restrict keeps, const dropout_rule *rule, int64_t first,
                                      int64_t step)
{
    uint32_t low[BLOCK], high[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        const uint64_t number = (uint64_t)first + (uint64_t)i * (uint64_t)step;
        low[i] = (uint32_t)number;
        high[i] = (uint32_t)(number >> 32) ^ rule->high;
    }
    CDK_AT(draw)(low, high, rule->key);
    for (int i = 0; i < BLOCK; i++) {
        keeps[i] = low[i] < rule->limit ? 1 : 0;
    }
}

#define DEFINE_MULTIPLY(T, suffix)                                                                      \
    static VEC_TARGET void CDK_AT(multiply_##suffix)(void *to, const void *from, const uint32_t *keeps, \
                                                     double scale, int64_t n)                           \
    {                                                                                                   \
        T *y = to;                                                                                      \
        const T *x = from;                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                               \
            y[i] = x[i] * ((T)(int32_t)keeps[i] * (T)scale);                                            \
        }                                                                                               \
    }

DEFINE_MULTIPLY(float, f32)
DEFINE_MULTIPLY(double, f64)

#undef DEFINE_MULTIPLY
