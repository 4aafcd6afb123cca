#include "tensor/lazy.h"

#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "base/interrupt.h"
#include "kernels/activation.h"
#include "kernels/mask.h"
#include "tensor/elements.h"
#include "tensor/lazy_bytes.h"

/* From so many elements on the user may stop it. */
#define LONG_WORK ((int64_t)1 << 24)

static cd_lazy *all_lazy = NULL;
static void (*collector)(void) = NULL;
static int deferring = -1;

bool cd_deferring(void)
{
    if (deferring < 0) {
        const char *set = getenv("CANDELA_FUSE");
        deferring = set == NULL || strcmp(set, "0") != 0;
    }
    return deferring != 0;
}

void cd_set_deferring(bool on)
{
    deferring = on;
}

void cd_lazy_register_collector(void (*collect)(void))
{
    collector = collect;
}

static void count_reader(const cd_tensor *source, int change)
{
    if (source != NULL) {
        source->storage->readers += change;
    }
}

void cd_lazy_discard(cd_tensor *t)
{
    cd_lazy *p = t->lazy;
    if (p == NULL) {
        return;
    }
    t->lazy = NULL;
    *(p->previous != NULL ? &p->previous->next : &all_lazy) = p->next;
    if (p->next != NULL) {
        p->next->previous = p->previous;
    }
    for (int i = 0; i < CD_LAZY_SOURCES; i++) {
        count_reader(p->source[i], -1);
        cd_tensor_release(p->source[i]);
    }
    cd_cell_free(p, sizeof *p);
}

cd_status cd_tensor_defer(cd_tensor *t, cd_lazy_compute compute, int n_source, cd_tensor *const *source,
                          int n_attr, const double *attr, cd_error *err)
{
    cd_lazy *p = cd_cell_new(sizeof *p);
    if (p == NULL || n_source > CD_LAZY_SOURCES || n_attr > CD_LAZY_ATTRS) {
        cd_cell_free(p, sizeof *p);
        return cd_fail(err, CD_EALLOC, "cannot allocate a deferred computation.");
    }
    p->compute = compute;
    p->tensor = t;
    p->n_attr = n_attr;
    for (int i = 0; i < n_source; i++) {
        p->source[i] = cd_tensor_retain(source[i]);
        count_reader(p->source[i], 1);
    }
    if (n_attr > 0) {
        memcpy(p->attr, attr, (size_t)n_attr * sizeof *attr);
    }
    p->next = all_lazy;
    if (all_lazy != NULL) {
        all_lazy->previous = p;
    }
    all_lazy = p;
    t->lazy = p;
    t->discard_lazy = cd_lazy_discard;
    return CD_OK;
}

cd_status cd_tensor_defer_activation(cd_tensor *t, const cd_lazy *of, cdk_activation activation,
                                     cd_error *err)
{
    CD_TRY(cd_tensor_defer(t, of->compute, CD_LAZY_SOURCES, of->source, of->n_attr, of->attr, err));
    t->lazy->activation = cdk_activation_both(of->activation, activation);
    return CD_OK;
}

void cd_lazy_add_activation(cd_tensor *t, cdk_activation activation)
{
    t->lazy->activation = cdk_activation_both(t->lazy->activation, activation);
}

void cd_lazy_finish(cd_tensor *t, const cdk_epilogue *end)
{
    cdk_rectify_f32(cd_tensor_data(t), cd_tensor_numel(t), end->activation);
    if (end->mask != NULL) {
        cdk_mask[CD_FLOAT32](end->mask, cd_tensor_data(t), cd_tensor_numel(t), end->high);
    }
}

static cd_status compute_copy(cd_tensor *t, const cd_lazy *lazy, const cdk_epilogue *end, cd_error *err)
{
    CD_TRY(cd_elements_copy(t, lazy->source[0], NULL, err));
    cd_lazy_finish(t, end);
    return CD_OK;
}

cd_status cd_tensor_defer_copy(cd_tensor *t, cd_tensor *same, cd_error *err)
{
    if (t->lazy != NULL || t->dtype != CD_FLOAT32) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_defer(t, compute_copy, 1, &same, 0, NULL, err));
    cd_tensor_drop_storage(t);
    return CD_OK;
}

const cd_lazy *cd_lazy_result(const cd_tensor *t, cd_lazy_compute compute)
{
    const cd_lazy *p = t->lazy;
    return p != NULL && p->compute == compute && p->activation == CDK_ACTIVATION_NONE ? p : NULL;
}

cd_status cd_lazy_fill(cd_tensor *y, const cd_lazy *lazy, const cdk_epilogue *end, cd_error *err)
{
    cdk_epilogue both = *end;
    both.activation = cdk_activation_both(lazy->activation, end->activation);
    return lazy->compute(y, lazy, &both, err);
}

cd_status cd_tensor_compute(cd_tensor *t, cd_error *err)
{
    static const cdk_epilogue as_it_is = {.activation = CDK_ACTIVATION_NONE};
    if (t == NULL || t->lazy == NULL) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_allocate(t, err));
    const bool is_long = cd_stoppable_begin(cd_tensor_numel(t) >= LONG_WORK);
    const cd_status status = cd_stoppable_end(is_long, cd_lazy_fill(t, t->lazy, &as_it_is, err), err);
    if (status != CD_OK) {
        cd_tensor_drop_storage(t);
        return status;
    }
    cd_lazy_discard(t);
    return CD_OK;
}

cd_status cd_tensor_materialise(cd_tensor *t, cd_error *err)
{
    CD_TRY(cd_tensor_compute(t, err));
    return t != NULL ? cd_lazy_bytes_convert(t, err) : CD_OK;
}

static bool reads(const cd_lazy *p, const cd_storage *storage)
{
    for (int i = 0; i < CD_LAZY_SOURCES; i++) {
        if (p->source[i] != NULL && p->source[i]->storage == storage) {
            return true;
        }
    }
    return false;
}

static cd_lazy *find_reader(const cd_storage *storage)
{
    cd_lazy *p = storage->readers > 0 ? all_lazy : NULL;
    while (p != NULL && !reads(p, storage)) {
        p = p->next;
    }
    return p;
}

cd_status cd_tensor_will_change(const cd_tensor *t, cd_error *err)
{
    if (t->storage == NULL || t->storage->readers == 0) {
        return CD_OK;
    }
    if (collector != NULL) {
        collector();
    }
    for (cd_lazy *p = find_reader(t->storage); p != NULL; p = find_reader(t->storage)) {
        CD_TRY(cd_tensor_materialise(p->tensor, err));
    }
    return CD_OK;
}
