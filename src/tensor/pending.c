#include "tensor/pending.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/activation.h"
#include "tensor/elements.h"
#include "tensor/widen.h"

static cd_pending *all_pending = NULL;
static void (*collector)(void) = NULL;
static int postponing = -1;

bool cd_postponing(void)
{
    if (postponing < 0) {
        const char *set = getenv("CANDELA_FUSE");
        postponing = set == NULL || strcmp(set, "0") != 0;
    }
    return postponing != 0;
}

void cd_set_postponing(bool on)
{
    postponing = on;
}

void cd_pending_register_collector(void (*collect)(void))
{
    collector = collect;
}

static void count_reader(const cd_tensor *source, int change)
{
    if (source != NULL) {
        source->storage->readers += change;
    }
}

cd_status cd_tensor_postpone(cd_tensor *t, cd_recipe recipe, int n_source, cd_tensor *const *source,
                             int n_attr, const double *attr, cd_error *err)
{
    cd_pending *p = calloc(1, sizeof *p);
    if (p == NULL || n_source > CD_PENDING_SOURCES || n_attr > CD_PENDING_ATTRS) {
        free(p);
        return cd_fail(err, CD_EALLOC, "cannot allocate a pending tensor.");
    }
    p->recipe = recipe;
    p->tensor = t;
    for (int i = 0; i < n_source; i++) {
        p->source[i] = cd_tensor_retain(source[i]);
        count_reader(p->source[i], 1);
    }
    if (n_attr > 0) {
        memcpy(p->attr, attr, (size_t)n_attr * sizeof *attr);
    }
    p->next = all_pending;
    if (all_pending != NULL) {
        all_pending->previous = p;
    }
    all_pending = p;
    t->pending = p;
    return CD_OK;
}

cd_status cd_tensor_postpone_activation(cd_tensor *t, const cd_pending *of, cdk_activation activation,
                                        cd_error *err)
{
    CD_TRY(
        cd_tensor_postpone(t, of->recipe, CD_PENDING_SOURCES, of->source, CD_PENDING_ATTRS, of->attr, err));
    t->pending->activation = cdk_activation_both(of->activation, activation);
    return CD_OK;
}

void cd_pending_join_activation(cd_tensor *t, cdk_activation activation)
{
    t->pending->activation = cdk_activation_both(t->pending->activation, activation);
}

/* The activation is that of whoever asks. */
static cd_status copy_recipe(cd_tensor *t, const cd_pending *p, cdk_activation activation, cd_error *err)
{
    CD_TRY(cd_elements_copy(t, p->source[0], NULL, err));
    cdk_rectify_f32(cd_tensor_data(t), cd_tensor_numel(t), activation);
    return CD_OK;
}

cd_status cd_tensor_stand_in(cd_tensor *t, cd_tensor *same, cd_error *err)
{
    if (t->pending != NULL || t->dtype != CD_FLOAT32) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_postpone(t, copy_recipe, 1, &same, 0, NULL, err));
    cd_tensor_drop_storage(t);
    return CD_OK;
}

const cd_pending *cd_pending_result(const cd_tensor *t, cd_recipe recipe)
{
    const cd_pending *p = t->pending;
    return p != NULL && p->recipe == recipe && p->activation == CDK_ACTIVATION_NONE ? p : NULL;
}

cd_status cd_pending_fill(cd_tensor *y, const cd_pending *pending, cdk_activation activation, cd_error *err)
{
    return pending->recipe(y, pending, cdk_activation_both(pending->activation, activation), err);
}

void cd_tensor_settle(cd_tensor *t)
{
    cd_pending *p = t->pending;
    if (p == NULL) {
        return;
    }
    t->pending = NULL;
    *(p->previous != NULL ? &p->previous->next : &all_pending) = p->next;
    if (p->next != NULL) {
        p->next->previous = p->previous;
    }
    for (int i = 0; i < CD_PENDING_SOURCES; i++) {
        count_reader(p->source[i], -1);
        cd_tensor_release(p->source[i]);
    }
    free(p);
}

cd_status cd_tensor_compute(cd_tensor *t, cd_error *err)
{
    if (t == NULL || t->pending == NULL) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_allocate(t, err));
    cd_status status = cd_pending_fill(t, t->pending, CDK_ACTIVATION_NONE, err);
    if (status != CD_OK) {
        cd_tensor_drop_storage(t);
        return status;
    }
    cd_tensor_settle(t);
    return CD_OK;
}

cd_status cd_tensor_force(cd_tensor *t, cd_error *err)
{
    CD_TRY(cd_tensor_compute(t, err));
    return t != NULL ? cd_tensor_widen(t, err) : CD_OK;
}

static bool reads(const cd_pending *p, const cd_storage *storage)
{
    for (int i = 0; i < CD_PENDING_SOURCES; i++) {
        if (p->source[i] != NULL && p->source[i]->storage == storage) {
            return true;
        }
    }
    return false;
}

static cd_pending *find_reader(const cd_storage *storage)
{
    cd_pending *p = storage->readers > 0 ? all_pending : NULL;
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
    for (cd_pending *p = find_reader(t->storage); p != NULL; p = find_reader(t->storage)) {
        CD_TRY(cd_tensor_force(p->tensor, err));
    }
    return CD_OK;
}
