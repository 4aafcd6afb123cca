/* Tensors as text, in the form libtorch prints them. */
#ifndef CANDELA_TENSOR_PRINT_H
#define CANDELA_TENSOR_PRINT_H

#include "tensor/tensor.h"

/* Writes the text of t, ending with the footer "[ CPUFloatType{2,3} ]" without a line end, into *text
 * (allocated with malloc, caller frees). With max_lines > 1 at most so many lines are kept, then a line that
 * says so and the footer; what is not shown is not formatted. The format of the numbers is chosen for each
 * matrix, or for a whole vector. */
cd_status cd_tensor_text(char **text, const cd_tensor *t, int64_t max_lines, cd_error *err);

#endif
