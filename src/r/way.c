/* Which way convolutions are computed, for those who measure them. */
#include "kernels/conv.h"

#include "r/glue.h"
#include "r/registry.h"

enum { CONV_SIZES = 16 };

static cdk_conv from_sizes(const double *s)
{
    int64_t n[CONV_SIZES];
    for (int i = 0; i < CONV_SIZES; i++) {
        n[i] = (int64_t)s[i];
    }
    return (cdk_conv){n[0], n[1], n[2],  n[3],  n[4],  n[5],  n[6],  n[7],
                      n[8], n[9], n[10], n[11], n[12], n[13], n[14], n[15]};
}

static SEXP text_or_na(const char *text)
{
    return text != NULL ? Rf_mkChar(text) : NA_STRING;
}

/* sizes: the fields of cdk_conv in their order. Gives the ways forward, and to the gradients of the input and
 * of the weights. */
SEXP cdr_convolution_way(SEXP sizes)
{
    if (TYPEOF(sizes) != REALSXP || XLENGTH(sizes) != CONV_SIZES) {
        cdr_stop(CD_EVALUE, "`sizes` must be %d numbers.", CONV_SIZES);
    }
    const cdk_conv conv = from_sizes(REAL(sizes));
    SEXP ways = PROTECT(Rf_allocVector(STRSXP, 3));
    for (int pass = CDK_CONV_FORWARD; pass <= CDK_CONV_WEIGHT; pass++) {
        SET_STRING_ELT(ways, pass, text_or_na(cdk_conv_way_text(&conv, (cdk_conv_pass)pass)));
    }
    UNPROTECT(1);
    return ways;
}
