#include "base/fault.h"

#include <string.h>

#include "base/num.h"

const char *const fault_names[FAULT_NPOINTS] = {
#define FAULT_NAME(id, name, help) [FAULT_##id] = (name),
    FAULT_POINTS(FAULT_NAME)
#undef FAULT_NAME
};

enum fault_state fault_state;
static enum fault_point wanted;
static uint64_t passes_left;

/* "name:count"; the name may hold colons itself. */
static enum fault_state ask(const char *text)
{
    const char *colon = text ? strrchr(text, ':') : NULL;

    if (!colon || parse_u64(slice_str(colon + 1), 1, UINT32_MAX, &passes_left) < 0)
        return FAULT_OFF;
    for (int i = 0; i < FAULT_NPOINTS; i++)
        if (slice_is(slice_of(text, (size_t)(colon - text)), fault_names[i])) {
            wanted = (enum fault_point)i;
            return FAULT_ARMED;
        }
    return FAULT_OFF;
}

void fault_pass(enum fault_point point)
{
    if (fault_state == FAULT_UNASKED)
        fault_state = ask(secure_getenv("TW_FAULT"));
    if (fault_state == FAULT_ARMED && point == wanted && --passes_left == 0)
        _exit(FAULT_EXIT);
}
