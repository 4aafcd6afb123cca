/* The loops of the activations for one float type. Included by activation.c with T (the type), BODY(name)
 * (the inline function's name) and EXP, EXPM1, LOG1P, ERF.
 *
 * In the formulas x is the input, y the output, g the gradient for the output, a and b the parameters.
 * Comparisons are written so that NaN passes through. RECTIFIER has no gradient here: masks pass it on. */
#define SELU_SCALE (T)1.0507009873554804934193349852946
#define SELU_ALPHA (T)1.6732632423543772848170429916717
#define SQRT_HALF (T)0.70710678118654752440
#define NORMAL_DENSITY (T)0.39894228040143267794
#define GELU_INNER(x) ((T)0.79788456080286535588 * ((x) + (T)0.044715 * (x) * (x) * (x)))
#define GELU_SLOPE(x) ((T)0.79788456080286535588 * (1 + (T)0.134145 * (x) * (x)))
#define SIGMOID(x) (1 / (1 + EXP(-(x))))

#define FORWARD(name, formula)                                                      \
    CDK_INLINE void BODY(name##_forward)(T * out, const T *in, T a, T b, int64_t n) \
    {                                                                               \
        (void)a;                                                                    \
        (void)b;                                                                    \
        for (int64_t i = 0; i < n; i++) {                                           \
            T x = in[i];                                                            \
            out[i] = formula;                                                       \
        }                                                                           \
    }

#define BACKWARD(name, formula)                                                                  \
    CDK_INLINE void BODY(name##_backward)(T * dx, const T *dy, const T *in, T a, T b, int64_t n) \
    {                                                                                            \
        (void)a;                                                                                 \
        (void)b;                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                        \
            T g = dy[i], x = in[i];                                                              \
            dx[i] = formula;                                                                     \
        }                                                                                        \
    }

#define RECTIFIER(name, forward) \
    FORWARD(name, forward)       \
    LEVELS(name##_forward, (T * out, const T *in, T a, T b, int64_t n), (out, in, a, b, n))

#define ACTIVATION(name, forward, backward) \
    RECTIFIER(name, forward)                \
    BACKWARD(name, backward)                \
    LEVELS(name##_backward, (T * dx, const T *dy, const T *in, T a, T b, int64_t n), (dx, dy, in, a, b, n))

RECTIFIER(relu, 0 > x ? 0 : x)
RECTIFIER(relu6, 0 > x ? 0 : (6 < x ? 6 : x))
ACTIVATION(hardtanh, a > x ? a : (b < x ? b : x), ((x > a) & (x < b)) ? g : 0)
ACTIVATION(leaky_relu, x > 0 ? x : x * a, x > 0 ? g : g * a)
ACTIVATION(elu, x > 0 ? x : a * EXPM1(x), x > 0 ? g : g * a * EXP(x))
ACTIVATION(selu, SELU_SCALE *(x > 0 ? x : SELU_ALPHA * EXPM1(x)),
           g *SELU_SCALE *(x > 0 ? 1 : SELU_ALPHA * EXP(x)))
ACTIVATION(celu, x > 0 ? x : a * EXPM1(x / a), x > 0 ? g : g * EXP(x / a))
ACTIVATION(gelu, x *(T)0.5 * (1 + ERF(x * SQRT_HALF)),
           g *((T)0.5 * (1 + ERF(x * SQRT_HALF)) + x * NORMAL_DENSITY * EXP((T)-0.5 * x * x)))
ACTIVATION(gelu_tanh, x *SIGMOID(2 * GELU_INNER(x)),
           g *(SIGMOID(2 * GELU_INNER(x)) +
               x * 2 * GELU_SLOPE(x) * SIGMOID(2 * GELU_INNER(x)) * (1 - SIGMOID(2 * GELU_INNER(x)))))
ACTIVATION(silu, x *SIGMOID(x), g *SIGMOID(x) * (1 + x * (1 - SIGMOID(x))))
ACTIVATION(hardswish, x *(-3 > x ? 0 : (3 < x ? 6 : x + 3)) / 6,
           x <= -3 ? 0 : (x < 3 ? g * (x / 3 + (T)0.5) : g))
ACTIVATION(hardsigmoid, (-3 > x ? 0 : (3 < x ? 6 : x + 3)) / 6, ((x > -3) & (x < 3)) ? g / 6 : 0)
ACTIVATION(softplus, x *a > b ? x : LOG1P(EXP(x * a)) / a, x *a > b ? g : g * SIGMOID(x * a))
ACTIVATION(log_sigmoid, (0 > x ? x : 0) - LOG1P(EXP(x > 0 ? -x : x)), g *SIGMOID(-x))

#undef SELU_SCALE
#undef SELU_ALPHA
#undef SQRT_HALF
#undef NORMAL_DENSITY
#undef GELU_INNER
#undef GELU_SLOPE
#undef SIGMOID
#undef FORWARD
#undef BACKWARD
#undef RECTIFIER
#undef ACTIVATION
