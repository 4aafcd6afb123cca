/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"
CDK_EXACT

#include <math.h>
#include <stddef.h>

#include "kernels/pointwise.h"

/* Float32 powers and angles are vector functions. */
#define CDK_TEMPLATE "kernels/pointwise_binary_template.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"

#define DEFINE_VECTORISED(name)                                                                            \
    static void name(void *y, const void *a, const void *b, int64_t sy, int64_t sa, int64_t sb, int64_t n) \
    {                                                                                                      \
        const cdk_run run = {y, a, b, sy, sa, sb, 0, 0};                                                   \
        cdk_run_formula(CDK_FOR_CPU_512(name), &run, sizeof(float), n);                                    \
    }

DEFINE_VECTORISED(pow_f32)
DEFINE_VECTORISED(atan2_f32)

/* One loop, written three times so that the compiler sees unit strides and constants. */
#define DEFINE_BINARY(name, in, out, expression)                                                           \
    static void name(void *y, const void *a, const void *b, int64_t sy, int64_t sa, int64_t sb, int64_t n) \
    {                                                                                                      \
        out *dst = y;                                                                                      \
        const in *left = a, *right = b;                                                                    \
        if (sy == 1 && sa == 1 && sb == 1) {                                                               \
            for (int64_t i = 0; i < n; i++) {                                                              \
                const in p = left[i], q = right[i];                                                        \
                dst[i] = (out)(expression);                                                                \
            }                                                                                              \
        } else if (sy == 1 && sa == 1 && sb == 0) {                                                        \
            const in q = right[0];                                                                         \
            for (int64_t i = 0; i < n; i++) {                                                              \
                const in p = left[i];                                                                      \
                dst[i] = (out)(expression);                                                                \
            }                                                                                              \
        } else {                                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                              \
                const in p = left[i * sa], q = right[i * sb];                                              \
                dst[i * sy] = (out)(expression);                                                           \
            }                                                                                              \
        }                                                                                                  \
    }

#define WRAP(p, op, q) ((uint64_t)(p)op(uint64_t)(q))
#define BIGGER(p, q) ((p) > (q) || (p) != (p) ? (p) : (q))
#define SMALLER(p, q) ((p) < (q) || (p) != (p) ? (p) : (q))

/* Quotients of integers. -x instead of x / -1, which overflows for the smallest integer. */
static inline int64_t divide_trunc(int64_t p, int64_t q)
{
    return q == 0 ? 0 : q == -1 ? (int64_t)(0 - (uint64_t)p) : p / q;
}

static inline int64_t modulo(int64_t p, int64_t q)
{
    return q == 0 || q == -1 ? 0 : p % q;
}

static inline int64_t remainder_floor(int64_t p, int64_t q)
{
    int64_t r = modulo(p, q);
    return r != 0 && (r < 0) != (q < 0) ? r + q : r;
}

static inline int64_t divide_floor(int64_t p, int64_t q)
{
    int64_t r = modulo(p, q);
    return divide_trunc(p, q) - (r != 0 && (r < 0) != (q < 0));
}

static inline int64_t power_int(int64_t base, int64_t exponent)
{
    if (exponent < 0) {
        return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
    }
    uint64_t result = 1, factor = (uint64_t)base;
    for (uint64_t e = (uint64_t)exponent; e > 0; e >>= 1) {
        result = e & 1 ? result * factor : result;
        factor *= factor;
    }
    return (int64_t)result;
}

static inline double remainder_real(double p, double q)
{
    double r = fmod(p, q);
    return r != 0 && (r < 0) != (q < 0) ? r + q : r;
}

static inline double floor_quotient(double p, double q)
{
    if (q == 0) {
        return p / q;
    }
    double r = fmod(p, q);
    double quotient = (p - r) / q - (r != 0 && (r < 0) != (q < 0) ? 1 : 0);
    double down = floor(quotient);
    return quotient - down > 0.5 ? down + 1 : down;
}

#define DEFINE_COMPARISONS(suffix, type)                              \
    DEFINE_BINARY(eq_##suffix, type, uint8_t, p == q)                 \
    DEFINE_BINARY(ne_##suffix, type, uint8_t, p != q)                 \
    DEFINE_BINARY(lt_##suffix, type, uint8_t, p < q)                  \
    DEFINE_BINARY(le_##suffix, type, uint8_t, p <= q)                 \
    DEFINE_BINARY(gt_##suffix, type, uint8_t, p > q)                  \
    DEFINE_BINARY(ge_##suffix, type, uint8_t, p >= q)                 \
    DEFINE_BINARY(and_##suffix, type, uint8_t, ((p != 0) & (q != 0))) \
    DEFINE_BINARY(or_##suffix, type, uint8_t, ((p != 0) | (q != 0)))  \
    DEFINE_BINARY(xor_##suffix, type, uint8_t, ((p != 0) ^ (q != 0))) \
    DEFINE_BINARY(maximum_##suffix, type, type, BIGGER(p, q))         \
    DEFINE_BINARY(minimum_##suffix, type, type, SMALLER(p, q))

#define DEFINE_INTEGER(suffix, type)                                  \
    DEFINE_COMPARISONS(suffix, type)                                  \
    DEFINE_BINARY(add_##suffix, type, type, WRAP(p, +, q))            \
    DEFINE_BINARY(sub_##suffix, type, type, WRAP(p, -, q))            \
    DEFINE_BINARY(mul_##suffix, type, type, WRAP(p, *, q))            \
    DEFINE_BINARY(div_trunc_##suffix, type, type, divide_trunc(p, q)) \
    DEFINE_BINARY(div_floor_##suffix, type, type, divide_floor(p, q)) \
    DEFINE_BINARY(pow_##suffix, type, type, power_int(p, q))          \
    DEFINE_BINARY(fmod_##suffix, type, type, modulo(p, q))            \
    DEFINE_BINARY(remainder_##suffix, type, type, remainder_floor(p, q))

#define DEFINE_FLOAT(suffix, type)                                        \
    DEFINE_COMPARISONS(suffix, type)                                      \
    DEFINE_BINARY(add_##suffix, type, type, p + q)                        \
    DEFINE_BINARY(sub_##suffix, type, type, p - q)                        \
    DEFINE_BINARY(mul_##suffix, type, type, p *q)                         \
    DEFINE_BINARY(div_##suffix, type, type, p / q)                        \
    DEFINE_BINARY(div_trunc_##suffix, type, type, trunc((double)(p / q))) \
    DEFINE_BINARY(div_floor_##suffix, type, type, floor_quotient(p, q))   \
    DEFINE_BINARY(fmod_##suffix, type, type, fmod(p, q))                  \
    DEFINE_BINARY(remainder_##suffix, type, type, remainder_real(p, q))

DEFINE_COMPARISONS(bool, uint8_t)
DEFINE_INTEGER(u8, uint8_t)
DEFINE_INTEGER(i32, int32_t)
DEFINE_INTEGER(i64, int64_t)
DEFINE_FLOAT(f32, float)
DEFINE_FLOAT(f64, double)
DEFINE_BINARY(pow_f64, double, double, pow(p, q))
DEFINE_BINARY(atan2_f64, double, double, atan2(p, q))
DEFINE_BINARY(nextafter_f32, float, float, nextafterf(p, q))
DEFINE_BINARY(nextafter_f64, double, double, nextafter(p, q))

#define COMPARISONS(s)                                                                             \
    [CDK_EQ] = eq_##s, [CDK_NE] = ne_##s, [CDK_LT] = lt_##s, [CDK_LE] = le_##s, [CDK_GT] = gt_##s, \
    [CDK_GE] = ge_##s, [CDK_AND] = and_##s, [CDK_OR] = or_##s, [CDK_XOR] = xor_##s,                \
    [CDK_MAXIMUM] = maximum_##s, [CDK_MINIMUM] = minimum_##s
#define ARITHMETIC(s)                                                                                      \
    COMPARISONS(s), [CDK_ADD] = add_##s, [CDK_SUB] = sub_##s, [CDK_MUL] = mul_##s,                         \
                    [CDK_DIV_TRUNC] = div_trunc_##s, [CDK_DIV_FLOOR] = div_floor_##s, [CDK_POW] = pow_##s, \
                    [CDK_FMOD] = fmod_##s, [CDK_REMAINDER] = remainder_##s

static const cdk_binary_run runs[CD_DTYPES][CDK_BINARIES] = {
    [CD_BOOL] = {COMPARISONS(bool), [CDK_ADD] = or_bool, [CDK_MUL] = and_bool},
    [CD_UINT8] = {ARITHMETIC(u8)},
    [CD_INT32] = {ARITHMETIC(i32)},
    [CD_INT64] = {ARITHMETIC(i64)},
    [CD_FLOAT32] =
        {ARITHMETIC(f32), [CDK_DIV] = div_f32, [CDK_ATAN2] = atan2_f32, [CDK_NEXTAFTER] = nextafter_f32},
    [CD_FLOAT64] =
        {ARITHMETIC(f64), [CDK_DIV] = div_f64, [CDK_ATAN2] = atan2_f64, [CDK_NEXTAFTER] = nextafter_f64},
};

cdk_binary_run cdk_binary_for(cdk_binary op, cd_dtype type)
{
    return runs[type][op];
}

#define DEFINE_FIRST_ZERO(suffix, type)                          \
    static int64_t first_zero_##suffix(const void *x, int64_t n) \
    {                                                            \
        int64_t i = 0;                                           \
        while (i < n && ((const type *)x)[i] != 0) {             \
            i++;                                                 \
        }                                                        \
        return i;                                                \
    }

DEFINE_FIRST_ZERO(u8, uint8_t)
DEFINE_FIRST_ZERO(i32, int32_t)
DEFINE_FIRST_ZERO(i64, int64_t)

cdk_first_zero_run *const cdk_first_zero[CD_DTYPES] = {[CD_BOOL] = first_zero_u8,
                                                       [CD_UINT8] = first_zero_u8,
                                                       [CD_INT32] = first_zero_i32,
                                                       [CD_INT64] = first_zero_i64};
