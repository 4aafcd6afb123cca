/* Objects of masks for R: labels, measures, borders. A matrix of R's is [H][W] of the kernels with columns
 * for rows. */

#include <string.h>

#include "base/memory.h"
#include "kernels/objects.h"
#include "kernels/outline.h"
#include "kernels/watershed.h"
#include "r/glue.h"
#include "r/registry.h"

static cdk_mask_shape shape_of(SEXP x, int neighbours, const char *what)
{
    if (TYPEOF(x) != INTSXP || !Rf_isMatrix(x)) {
        cdr_stop(CD_EVALUE, "`%s` must be an integer matrix.", what);
    }
    return (cdk_mask_shape){Rf_ncols(x), Rf_nrows(x), neighbours};
}

/* The largest label of a matrix of labels. */
static int64_t label_count(SEXP labels, cdk_mask_shape s)
{
    const int64_t count = cdk_largest_label(INTEGER(labels), s.H * s.W);
    if (count < 0) {
        cdr_stop(CD_EVALUE, "labels must be numbers from 1, or 0 for no object.");
    }
    return count;
}

static SEXP matrix_like(cdk_mask_shape s)
{
    return Rf_allocMatrix(INTSXP, (int)s.W, (int)s.H);
}

/* mask: integer matrix of classes, those below 1 (NA too) are no objects; neighbours: 4 or 8. Value:
 * labels. */
SEXP cdr_components(SEXP mask, SEXP neighbours)
{
    cd_error err;
    int64_t count = 0;
    const cdk_mask_shape s = shape_of(mask, (int)cdr_int64(neighbours, "neighbours"), "mask");
    SEXP labels = PROTECT(matrix_like(s));
    const cd_status status = cdk_components(INTEGER(labels), &count, INTEGER(mask), s, &err);
    UNPROTECT(1);
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    return labels;
}

/* rules: depth, neck, distance, smooth (kernels/watershed.h). Value: labels. */
SEXP cdr_part_objects(SEXP labels, SEXP rules, SEXP neighbours)
{
    cd_error err;
    const cdk_mask_shape s = shape_of(labels, (int)cdr_int64(neighbours, "neighbours"), "labels");
    int64_t count = label_count(labels, s);
    const double *given = cdr_doubles(rules, 4, "rules");
    const cdk_parting parting = {given[0], given[1], given[2], given[3]};
    SEXP parted = PROTECT(matrix_like(s));
    memcpy(INTEGER(parted), INTEGER(labels), (size_t)(s.H * s.W) * sizeof(int));
    const cd_status status = cdk_part_objects(INTEGER(parted), &count, &parting, s, &err);
    UNPROTECT(1);
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    return parted;
}

/* What R gets of an object: pixels, place of the first one (from 1), top, bottom, left, right (from 1), mean
 * row and column, their variances and covariance, ends of runs along rows, columns, and both diagonals. */
enum { MEASURES = 15 };

static void write_measures(double *y, const cdk_object *o, int64_t n, int64_t W)
{
    const double area = (double)o->area, di = o->sum[0] / area, dj = o->sum[1] / area;
    const double row = (double)(o->first % W), column = (double)(o->first / W);
    const double measures[MEASURES] = {area,
                                       (double)o->first + 1,
                                       (double)o->least[1] + 1,
                                       (double)o->most[1] + 1,
                                       (double)o->least[0] + 1,
                                       (double)o->most[0] + 1,
                                       row + dj + 1,
                                       column + di + 1,
                                       o->square[1] / area - dj * dj,
                                       o->square[0] / area - di * di,
                                       o->square[2] / area - di * dj,
                                       (double)o->crossings[0],
                                       (double)o->crossings[1],
                                       (double)o->crossings[2],
                                       (double)o->crossings[3]};
    for (int k = 0; k < MEASURES; k++) {
        y[k * n] = measures[k];
    }
}

/* Value: matrix with a row for each label from 1 to the largest. */
SEXP cdr_measure_objects(SEXP labels)
{
    cd_error err;
    void *block;
    const cdk_mask_shape s = shape_of(labels, 4, "labels");
    const int64_t count = label_count(labels, s);
    SEXP measures = PROTECT(Rf_allocMatrix(REALSXP, (int)count, MEASURES));
    if (cd_memory_alloc(&block, (size_t)(count + 1) * sizeof(cdk_object), &err) != CD_OK) {
        UNPROTECT(1);
        cdr_raise(&err);
    }
    const cdk_object *object = block;
    cdk_measure_objects(block, count, INTEGER(labels), s);
    for (int64_t k = 0; k < count; k++) {
        write_measures(REAL(measures) + k, &object[k], count, s.W);
    }
    cd_memory_free(block);
    UNPROTECT(1);
    return measures;
}

/* Rings that are freed when R forgets them, as R's allocation may jump. */
static void free_rings(SEXP holder)
{
    cdk_rings *rings = R_ExternalPtrAddr(holder);
    if (rings != NULL) {
        cdk_rings_free(rings);
        cd_memory_free(rings);
        R_ClearExternalPtr(holder);
    }
}

static SEXP list_of_rings(const cdk_rings *r)
{
    SEXP list = PROTECT(Rf_allocVector(VECSXP, 5));
    SET_VECTOR_ELT(list, 0, Rf_allocVector(INTSXP, r->corners));
    SET_VECTOR_ELT(list, 1, Rf_allocVector(INTSXP, r->corners));
    SET_VECTOR_ELT(list, 2, Rf_allocVector(INTSXP, r->rings));
    SET_VECTOR_ELT(list, 3, Rf_allocVector(INTSXP, r->rings));
    SET_VECTOR_ELT(list, 4, Rf_allocVector(LGLSXP, r->rings));
    for (int64_t i = 0; i < r->corners; i++) {
        INTEGER(VECTOR_ELT(list, 0))[i] = r->corner[2 * i];
        INTEGER(VECTOR_ELT(list, 1))[i] = r->corner[2 * i + 1];
    }
    for (int64_t i = 0; i < r->rings; i++) {
        INTEGER(VECTOR_ELT(list, 2))[i] = (int)(r->start[i + 1] - r->start[i]);
        INTEGER(VECTOR_ELT(list, 3))[i] = r->label[i];
        LOGICAL(VECTOR_ELT(list, 4))[i] = r->crossed[i];
    }
    UNPROTECT(1);
    return list;
}

/* Value: list of x and y of all corners (from the picture's left and top, in pixels), and for each ring how
 * many corners it has, its label, and whether it may pass one twice. */
SEXP cdr_outline(SEXP labels)
{
    cd_error err;
    void *block;
    const cdk_mask_shape s = shape_of(labels, 4, "labels");
    label_count(labels, s);
    SEXP holder = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
    R_RegisterCFinalizerEx(holder, free_rings, FALSE);
    if (cd_memory_alloc(&block, sizeof(cdk_rings), &err) != CD_OK) {
        cdr_raise(&err);
    }
    const cd_status status = cdk_outline(block, INTEGER(labels), s, &err);
    R_SetExternalPtrAddr(holder, block);
    if (status != CD_OK) {
        free_rings(holder);
        cdr_raise(&err);
    }
    SEXP list = PROTECT(list_of_rings(block));
    free_rings(holder);
    UNPROTECT(2);
    return list;
}
