#include "autograd/recording.h"

static bool recording = true;

bool cd_grad_enabled(void)
{
    return recording;
}

bool cd_set_grad_enabled(bool enabled)
{
    bool before = recording;
    recording = enabled;
    return before;
}
