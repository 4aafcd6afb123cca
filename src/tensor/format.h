/* Memory formats: the order in memory of the elements of a tensor.
 *
 * Two have names, row-major ("contiguous") and, for four dimensions, channels last; a user may also permute
 * dimensions into any other order. This is the one rule for what operators do with them:
 *
 *   one input        the result keeps the order of the input, whatever it is, where the shape stays; pooling,
 *                    resampling, normalisation, padding and joins keep the named format
 *   several inputs   the result is channels last where one of the inputs of the result's size is and not also
 *                    row-major (smaller ones, which are broadcast, do not count), else row-major: after a
 *                    convolution a network stays channels last, whatever is added on the way
 *   convolutions     write channels last and read both
 *   reductions, products, indices: row-major, unless only one order of what is left exists
 *   backward         takes a gradient in any order; the gradient of an input has the format of the input, so
 *                    that its producer, which wrote it, reads it as it lies
 *   in place         the target stays as it is
 *   new tensors      like another one (`*_like`), clones and casts keep the order of their argument, unless
 *                    told otherwise
 *
 * Values never depend on formats, only the order of sums that run over several dimensions may.
 */
#ifndef CANDELA_TENSOR_FORMAT_H
#define CANDELA_TENSOR_FORMAT_H

#include "tensor/tensor.h"

/* What may be asked for; the first two are layouts. */
typedef enum {
    CD_FORMAT_CONTIGUOUS = CD_CONTIGUOUS,
    CD_FORMAT_CHANNELS_LAST = CD_CHANNELS_LAST,
    CD_FORMAT_PRESERVE /* that of another tensor */
} cd_format;

/* Dense strides for the shape of t in the format: those of t where it is dense and its order to be preserved;
 * the gaps of others are closed, dimension by dimension in the order of their strides.
 * Errors: CD_EVALUE for an unknown format, CD_ESHAPE for channels last of other than 4 dimensions. */
cd_status cd_format_strides(int64_t *stride, const cd_tensor *t, int64_t format, cd_error *err);

/* Whether t lies without gaps in the format, which must be one of the first two. */
bool cd_format_is(const cd_tensor *t, cd_format format);

/* The format of a result of `numel` elements computed element by element from these inputs; CD_ANY_NUMEL:
 * inputs of any size count, as where they are joined. */
#define CD_ANY_NUMEL (-1)
cd_layout cd_format_common(int n, cd_tensor *const *in, int64_t numel);

#endif
