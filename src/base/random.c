#include "base/random.h"

#include <math.h>
#ifndef _WIN32
#include <pthread.h>
#endif

#include "base/interrupt.h"

#define MT_SHIFT 397
#define BLOCK 16
/* Between two questions for an interrupt. */
#define DRAWN_AT_ONCE ((int64_t)1 << 20)
#define TWO_PI 6.283185307179586476925286766559

static cd_generator default_generator = {.next = -1};

cd_generator *cd_random_default(void)
{
    if (default_generator.next < 0) {
        cd_random_seed(&default_generator, 67280421310721u);
    }
    return &default_generator;
}

static cd_generator in_place_generator;
static bool separate_in_place = false;

cd_generator *cd_random_in_place(void)
{
    return separate_in_place ? &in_place_generator : cd_random_default();
}

bool cd_random_separate(void)
{
    return separate_in_place;
}

void cd_random_set_separate(bool separate)
{
    separate_in_place = separate;
}

void cd_random_seed_all(uint64_t seed, bool old_behaviour)
{
    cd_random_seed(&default_generator, seed);
    separate_in_place = old_behaviour;
    if (old_behaviour) {
        cd_random_seed(&in_place_generator, (uint64_t)cd_random_integer(&default_generator, 1, 1000000));
    }
}

void cd_random_seed(cd_generator *g, uint64_t seed)
{
    g->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < CD_MT_SIZE; i++) {
        uint32_t previous = g->state[i - 1];
        g->state[i] = 1812433253u * (previous ^ (previous >> 30)) + i;
    }
    g->next = CD_MT_SIZE;
    g->has_normal = false;
}

/* ---- children of fork() ---- */

static uint64_t children = 0;

#ifndef _WIN32
/* SplitMix64 (Steele, Lea and Flood 2014): neighbouring numbers become independent seeds. */
static uint64_t mixed(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void count_child(void)
{
    children++;
}

static void reseed(cd_generator *g)
{
    uint64_t seed = children;
    for (int i = 0; i < CD_MT_SIZE; i++) {
        seed = mixed(seed ^ g->state[i]);
    }
    cd_random_seed(g, mixed(seed + (uint64_t)g->next));
}

static void continue_as_child(void)
{
    reseed(cd_random_default());
    if (separate_in_place) {
        reseed(&in_place_generator);
    }
    children = 0;
}
#endif

void cd_random_init(void)
{
#ifndef _WIN32
    static bool registered = false;
    if (!registered) {
        pthread_atfork(count_child, NULL, continue_as_child);
        registered = true;
    }
#else
    (void)children;
#endif
}

static uint32_t twisted(uint32_t upper, uint32_t lower, uint32_t ahead)
{
    uint32_t y = (upper & 0x80000000u) | (lower & 0x7fffffffu);
    return ahead ^ (y >> 1) ^ (0x9908b0dfu & (0 - (y & 1u)));
}

/* In three parts, so that nothing wraps around within one. */
static void refill(cd_generator *g)
{
    enum { FIRST = CD_MT_SIZE - MT_SHIFT };
    uint32_t *s = g->state;
    for (int k = 0; k < FIRST; k++) {
        s[k] = twisted(s[k], s[k + 1], s[k + MT_SHIFT]);
    }
    for (int k = FIRST; k < CD_MT_SIZE - 1; k++) {
        s[k] = twisted(s[k], s[k + 1], s[k - FIRST]);
    }
    s[CD_MT_SIZE - 1] = twisted(s[CD_MT_SIZE - 1], s[0], s[MT_SHIFT - 1]);
    g->next = 0;
}

uint32_t cd_random_u32(cd_generator *g)
{
    if (g->next >= CD_MT_SIZE) {
        refill(g);
    }
    uint32_t y = g->state[g->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint64_t cd_random_u64(cd_generator *g)
{
    uint64_t high = cd_random_u32(g);
    return (high << 32) | cd_random_u32(g);
}

double cd_random_double(cd_generator *g)
{
    return (double)(cd_random_u64(g) & ((1ULL << 53) - 1)) / (double)(1ULL << 53);
}

static float one_uniform_f32(cd_generator *g)
{
    return (float)(cd_random_u32(g) & ((1u << 24) - 1)) / (float)(1u << 24);
}

static void uniform_f32(cd_generator *g, void *numbers, int64_t n, double low, double high)
{
    float *x = numbers;
    float from = (float)low, range = (float)high - (float)low;
    for (int64_t i = 0; i < n; i++) {
        x[i] = one_uniform_f32(g) * range + from;
    }
}

static void uniform_f64(cd_generator *g, void *numbers, int64_t n, double low, double high)
{
    double *x = numbers;
    for (int64_t i = 0; i < n; i++) {
        x[i] = cd_random_double(g) * (high - low) + low;
    }
}

static double one_normal(cd_generator *g)
{
    if (g->has_normal) {
        g->has_normal = false;
        return g->normal;
    }
    double u1 = cd_random_double(g), u2 = cd_random_double(g);
    double radius = sqrt(-2.0 * log1p(-u2)), angle = TWO_PI * u1;
    g->normal = radius * sin(angle);
    g->has_normal = true;
    return radius * cos(angle);
}

static void transform_block_f32(float *x, double mean, double std)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        float u1 = 1.0f - x[j], u2 = x[j + BLOCK / 2];
        float radius = sqrtf(-2.0f * logf(u1)), angle = (float)TWO_PI * u2;
        x[j] = radius * cosf(angle) * (float)std + (float)mean;
        x[j + BLOCK / 2] = radius * sinf(angle) * (float)std + (float)mean;
    }
}

static void transform_block_f64(double *x, double mean, double std)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        double u1 = 1.0 - x[j], u2 = x[j + BLOCK / 2];
        double radius = sqrt(-2.0 * log(u1)), angle = TWO_PI * u2;
        x[j] = radius * cos(angle) * std + mean;
        x[j + BLOCK / 2] = radius * sin(angle) * std + mean;
    }
}

static void normal_f32(cd_generator *g, void *numbers, int64_t n, double mean, double std)
{
    float *x = numbers;
    if (n < BLOCK) {
        for (int64_t i = 0; i < n; i++) {
            x[i] = (float)(one_normal(g) * std + mean);
        }
        return;
    }
    uniform_f32(g, x, n, 0, 1);
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK) {
        transform_block_f32(x + i, mean, std);
    }
    if (n % BLOCK != 0) {
        uniform_f32(g, x + n - BLOCK, BLOCK, 0, 1);
        transform_block_f32(x + n - BLOCK, mean, std);
    }
}

static void normal_f64(cd_generator *g, void *numbers, int64_t n, double mean, double std)
{
    double *x = numbers;
    if (n < BLOCK) {
        for (int64_t i = 0; i < n; i++) {
            x[i] = one_normal(g) * std + mean;
        }
        return;
    }
    uniform_f64(g, x, n, 0, 1);
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK) {
        transform_block_f64(x + i, mean, std);
    }
    if (n % BLOCK != 0) {
        uniform_f64(g, x + n - BLOCK, BLOCK, 0, 1);
        transform_block_f64(x + n - BLOCK, mean, std);
    }
}

cd_random_run *const cd_random_uniform[CD_DTYPES] = {[CD_FLOAT32] = uniform_f32, [CD_FLOAT64] = uniform_f64};
cd_random_run *const cd_random_normal[CD_DTYPES] = {[CD_FLOAT32] = normal_f32, [CD_FLOAT64] = normal_f64};

int64_t cd_random_integer(cd_generator *g, int64_t from, int64_t to)
{
    uint64_t range = (uint64_t)to - (uint64_t)from;
    uint64_t draw = range >= (1ULL << 32) ? cd_random_u64(g) : cd_random_u32(g);
    return (int64_t)(draw % range + (uint64_t)from);
}

#define DEFINE_WHOLE(T, suffix)                                                                   \
    static void integers_##suffix(cd_generator *g, void *numbers, int64_t n, double a, double b)  \
    {                                                                                             \
        T *x = numbers;                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                         \
            x[i] = (T)cd_random_integer(g, (int64_t)a, (int64_t)b);                               \
        }                                                                                         \
    }                                                                                             \
    static void bernoulli_##suffix(cd_generator *g, void *numbers, int64_t n, double a, double b) \
    {                                                                                             \
        T *x = numbers;                                                                           \
        (void)b;                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                         \
            x[i] = (T)(cd_random_double(g) < a);                                                  \
        }                                                                                         \
    }

DEFINE_WHOLE(uint8_t, u8)
DEFINE_WHOLE(int32_t, i32)
DEFINE_WHOLE(int64_t, i64)
DEFINE_WHOLE(float, f32)
DEFINE_WHOLE(double, f64)

#define EVERY_TYPE(name)                                                                                 \
    {                                                                                                    \
        [CD_BOOL] = name##_u8, [CD_UINT8] = name##_u8, [CD_INT32] = name##_i32, [CD_INT64] = name##_i64, \
        [CD_FLOAT32] = name##_f32, [CD_FLOAT64] = name##_f64                                             \
    }

cd_random_run *const cd_random_integers[CD_DTYPES] = EVERY_TYPE(integers);
cd_random_run *const cd_random_bernoulli[CD_DTYPES] = EVERY_TYPE(bernoulli);

cd_status cd_random_permutation(cd_generator *g, int64_t *x, int64_t n, cd_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        CD_TRY(i % DRAWN_AT_ONCE == DRAWN_AT_ONCE - 1 ? cd_interrupt_check(err) : CD_OK);
        x[i] = i;
    }
    for (int64_t i = 0; i < n - 1; i++) {
        CD_TRY(i % DRAWN_AT_ONCE == DRAWN_AT_ONCE - 1 ? cd_interrupt_check(err) : CD_OK);
        int64_t z = (int64_t)(cd_random_u32(g) % (uint64_t)(n - i));
        int64_t swapped = x[i];
        x[i] = x[i + z];
        x[i + z] = swapped;
    }
    return CD_OK;
}
