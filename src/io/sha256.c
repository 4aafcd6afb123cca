#include "io/sha256.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define BLOCK 64
#define PIECE (1 << 16)

typedef struct {
    uint32_t h[8];
} sum256;

/* The fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

static void expand(uint32_t w[64], const unsigned char *block)
{
    for (int i = 0; i < 16; i++) {
        const unsigned char *p = block + 4 * i;
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3), s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

static void add_block(sum256 *s, const unsigned char *block)
{
    uint32_t w[64], v[8];
    expand(w, block);
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]),
                 majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        uint32_t t = v[7] + s1 + choice + round_constant[i] + w[i];
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t;
        v[0] = t + s0 + majority;
    }
    for (int i = 0; i < 8; i++) {
        s->h[i] += v[i];
    }
}

/* The last bytes, fewer than a block, with a one bit behind them and the length in bits at the end. */
static void add_end(sum256 *s, const unsigned char *rest, size_t n, int64_t size)
{
    unsigned char block[2 * BLOCK] = {0};
    size_t end = n < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    memcpy(block, rest, n);
    block[n] = 0x80;
    uint64_t bits = (uint64_t)size * 8;
    for (int i = 0; i < 8; i++) {
        block[end - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    }
    for (size_t at = 0; at < end; at += BLOCK) {
        add_block(s, block + at);
    }
}

static cd_status sum_of(cd_file *f, unsigned char *piece, sum256 *s, cd_error *err)
{
    int64_t at = 0;
    for (; f->size - at >= PIECE; at += PIECE) {
        CD_TRY(cd_file_read(f, piece, at, PIECE, "the file", err));
        for (size_t i = 0; i < PIECE; i += BLOCK) {
            add_block(s, piece + i);
        }
    }
    size_t rest = (size_t)(f->size - at), i = 0;
    CD_TRY(cd_file_read(f, piece, at, (int64_t)rest, "the file", err));
    for (; rest - i >= BLOCK; i += BLOCK) {
        add_block(s, piece + i);
    }
    add_end(s, piece + i, rest - i, f->size);
    return CD_OK;
}

static void write_hex(const sum256 *s, char hex[CD_SHA256_HEX])
{
    for (int i = 0; i < 64; i++) {
        hex[i] = "0123456789abcdef"[(s->h[i / 8] >> (28 - 4 * (i % 8))) & 15];
    }
    hex[64] = '\0';
}

/* The fractional parts of the square roots of the first 8 primes. */
static const sum256 beginning = {
    {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};

void cd_sha256_bytes(const void *bytes, size_t n, char hex[CD_SHA256_HEX])
{
    sum256 s = beginning;
    const unsigned char *p = bytes;
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) {
        add_block(&s, p + i);
    }
    add_end(&s, p + i, n - i, (int64_t)n);
    write_hex(&s, hex);
}

cd_status cd_sha256_file(const char *path, char hex[CD_SHA256_HEX], cd_error *err)
{
    sum256 s = beginning;
    cd_file f;
    unsigned char *piece = malloc(PIECE);
    if (piece == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate %d bytes to read '%s'.", PIECE, path);
    }
    cd_status status = cd_file_open(&f, path, err);
    if (status == CD_OK) {
        status = sum_of(&f, piece, &s, err);
    }
    cd_file_close(&f);
    free(piece);
    write_hex(&s, hex);
    return status;
}
