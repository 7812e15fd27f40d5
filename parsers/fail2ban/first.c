/*
 * Expressions by the first byte of a text. Most expressions say what a text must begin with, so
 * most need not be asked. Few of the 256 lists differ: equal ones are one.
 */
#include <errno.h>

#include "parsers/fail2ban/private.h"

static bool same_list(const uint16_t *a, const uint16_t *b)
{
    while (*a == *b && *a != NO_REGEX)
        a++, b++;
    return *a == *b;
}

int f2b_sort_by_first(struct arena *a, struct regex *const *list, size_t n,
                      const uint16_t *ret[256])
{
    for (unsigned c = 0; c < 256; c++) {
        uint16_t *own = arena_array(a, n + 1, sizeof *own);
        size_t k = 0;

        if (!own)
            return -ENOMEM;
        for (size_t i = 0; i < n; i++)
            if (regex_may_begin(list[i], (unsigned char)c))
                own[k++] = (uint16_t)i;
        own[k] = NO_REGEX;
        ret[c] = own;
        for (unsigned before = 0; before < c; before++)
            if (same_list(ret[before], own))
                ret[c] = ret[before];
    }
    return 0;
}
