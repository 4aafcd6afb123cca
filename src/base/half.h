/* Floats of 16 bits, as their bits: IEEE half precision, and the upper half of a float32 (bfloat16).
 * Conversions from float32 round to the nearest, ties to even; NaN stays NaN. */
#ifndef CANDELA_BASE_HALF_H
#define CANDELA_BASE_HALF_H

#include <stdint.h>

float cd_half_to_float(uint16_t bits);
uint16_t cd_float_to_half(float x);
float cd_bfloat_to_float(uint16_t bits);
uint16_t cd_float_to_bfloat(float x);

#endif
