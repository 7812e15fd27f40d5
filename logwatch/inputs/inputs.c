#include "logwatch/inputs/input.h"

const struct input_ops *const input_kinds[] = { &input_file, &input_journald, &input_stdin,
                                                &input_syslog, NULL };

const struct input_ops *input_kind(struct slice name)
{
    for (size_t i = 0; input_kinds[i]; i++)
        if (slice_is(name, input_kinds[i]->name))
            return input_kinds[i];
    return NULL;
}
