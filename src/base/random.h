/* Random numbers: the stream of libtorch's CPU generator.
 *
 * The engine is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998). Integers and uniforms are
 * libtorch's bit for bit, normals to float rounding, so that the numbers users know from torch_manual_seed()
 * come out here too. Numbers are drawn one after the other in memory order on the main thread: results do not
 * depend on threads.
 */
#ifndef CANDELA_BASE_RANDOM_H
#define CANDELA_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/status.h"

#define CD_MT_SIZE 624

typedef struct cd_generator {
    uint32_t state[CD_MT_SIZE];
    int next; /* CD_MT_SIZE: the state is used up */
    bool has_normal;
    double normal; /* second result of the last Box-Muller pair */
} cd_generator;

/* The generator all random operations draw from. */
cd_generator *cd_random_default(void);

/* The one in-place filling draws from: the default one, unless seeded as old versions of the R package torch
 * did: a number of 1 .. 999999 drawn from the default generator then seeds one of its own. */
cd_generator *cd_random_in_place(void);
void cd_random_seed_all(uint64_t seed, bool old_behaviour);

/* Whether in-place filling has a generator of its own. Setting it leaves that one's state as it was. */
bool cd_random_separate(void);
void cd_random_set_separate(bool separate);

/* Registers what makes children of fork() draw other numbers than their parent and each other: each continues
 * with numbers that follow from the parent's state and from how many children there were before, so that they
 * are the same when the parent is seeded and run again. Once, at load. */
void cd_random_init(void);

void cd_random_seed(cd_generator *g, uint64_t seed);

uint32_t cd_random_u32(cd_generator *g);
uint64_t cd_random_u64(cd_generator *g);  /* first draw is the high word */
double cd_random_double(cd_generator *g); /* uniform on [0, 1), 53 bits */

/* x[0 .. n) drawn from a distribution of two numbers. */
typedef void cd_random_run(cd_generator *g, void *x, int64_t n, double a, double b);

/* By dtype. Uniform on [a, b): 24 bits of one draw for float32, 53 bits of two for float64; NULL for other
 * types. */
extern cd_random_run *const cd_random_uniform[CD_DTYPES];

/* Normal with mean a and standard deviation b: by Box and Muller (1958), one at a time for n < 16, else in
 * blocks of 16 (eight radii, eight angles); when n is no multiple of 16 the last 16 are drawn anew. NULL for
 * types that are no floats. */
extern cd_random_run *const cd_random_normal[CD_DTYPES];

/* Integers of [a, b) without the fractions of a and b, both within int64, see cd_random_integer(); 1 with
 * probability a, else 0. Every type has them. */
extern cd_random_run *const cd_random_integers[CD_DTYPES];
extern cd_random_run *const cd_random_bernoulli[CD_DTYPES];

/* An integer of [from, to), from < to: a draw modulo the range, 64 bits wide when the range needs it. */
int64_t cd_random_integer(cd_generator *g, int64_t from, int64_t to);

/* x = a random permutation of 0 .. n-1: z = draw mod (n - i), swap(i, i + z). Errors:
 * CD_EINTERRUPT. */
cd_status cd_random_permutation(cd_generator *g, int64_t *x, int64_t n, cd_error *err);

#endif
