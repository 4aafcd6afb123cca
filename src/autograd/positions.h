/* The attributes and saved results, by position, of operators that fusion looks into (autograd/fuse.c). */
#ifndef CANDELA_AUTOGRAD_POSITIONS_H
#define CANDELA_AUTOGRAD_POSITIONS_H

/* Attributes of interpolate: the size of the result, a cdk_interpolation, whether corners are aligned, and
 * the distance of outputs in inputs, 0 for size / count. */
enum { CD_RESIZE_H, CD_RESIZE_W, CD_RESIZE_MODE, CD_RESIZE_ALIGN, CD_RESIZE_SCALE_H, CD_RESIZE_SCALE_W };

/* Saved by rectifiers where backward may come: uint8, the bits of kernels/mask.h in the memory order of
 * out[0]. */
enum { CD_RECTIFIER_MASK };

/* Attribute of cat and stack. */
enum { CD_JOIN_DIM };

#endif
