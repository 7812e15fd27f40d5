#include "base/marks.h"

struct marks marks_one(uint64_t marks)
{
    return (struct marks){ { marks }, marks ? 1 : 0 };
}

/* The two that have most in common become what they have in common. */
static void merge(uint64_t *all, size_t n)
{
    size_t left = 0, right = 1;
    int most = -1;

    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (__builtin_popcountll(all[i] & all[j]) > most) {
                most = __builtin_popcountll(all[i] & all[j]);
                left = i;
                right = j;
            }
    all[left] &= all[right];
    all[right] = all[n - 1];
}

/* Where one needs no more than another, the other says nothing. */
static void add(struct marks *set, uint64_t marks)
{
    uint64_t all[MARKS_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        if ((set->any[i] & ~marks) == 0)
            return;
        if (marks & ~set->any[i])
            all[n++] = set->any[i];
    }
    all[n++] = marks;
    if (n > MARKS_MAX) {
        merge(all, n);
        n--;
    }
    memcpy(set->any, all, n * sizeof *all);
    set->n = n;
}

/* One without any mark fits every text. */
static struct marks settled(const struct marks *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->any[i] == 0)
            return (struct marks){ .n = 0 };
    return *set;
}

struct marks marks_or(const struct marks *a, const struct marks *b)
{
    struct marks set = *a;

    for (size_t i = 0; a->n && i < b->n; i++)
        add(&set, b->any[i]);
    return b->n ? settled(&set) : *b;
}

/* Bits of the member that asks for least. */
static int strength(const struct marks *set)
{
    int least = 65;

    for (size_t i = 0; i < set->n; i++)
        if (__builtin_popcountll(set->any[i]) < least)
            least = __builtin_popcountll(set->any[i]);
    return set->n ? least : 0;
}

struct marks marks_and(const struct marks *a, const struct marks *b)
{
    struct marks set = { .n = 0 };

    if (a->n * b->n == 0)
        return a->n ? *a : *b;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            add(&set, a->any[i] | b->any[j]);
    /* Merging may have cost more than the other one brings. */
    if (strength(&set) < strength(a) || strength(&set) < strength(b))
        return strength(a) < strength(b) ? *b : *a;
    return settled(&set);
}
