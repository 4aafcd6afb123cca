#include "autograd/strided.h"

int cd_strided_attributes(double *attr, const cd_tensor *base, const cd_tensor *view)
{
    int n = 0;
    attr[n++] = (double)(view->offset - base->offset);
    for (int d = 0; d < base->ndim; d++) {
        attr[n++] = (double)base->stride[d];
    }
    for (int d = 0; d < view->ndim; d++) {
        attr[n++] = (double)view->shape[d];
        attr[n++] = (double)view->stride[d];
    }
    return n;
}
