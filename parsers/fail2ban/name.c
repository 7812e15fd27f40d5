/* `sshd[mode=aggressive, logtype="journal"]`, as jails name their filter. */
#include <ctype.h>
#include <errno.h>

#include "base/arena.h"
#include "parsers/fail2ban/filter.h"

#define PARAMETERS_MAX 100

static bool of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static struct slice skip_blanks(struct slice s)
{
    while (s.n && isspace((unsigned char)s.p[0]))
        s = slice_skip(s, 1);
    return s;
}

/* The value at the beginning of *rest, in quotes or up to a comma or bracket. */
static int take_value(struct slice *rest, struct slice *ret, struct err *err)
{
    char quote = rest->n ? rest->p[0] : '\0';
    size_t n;

    if (quote == '"' || quote == '\'') {
        *rest = slice_skip(*rest, 1);
        n = slice_find_byte(*rest, quote);
        if (n == SIZE_MAX)
            return err_set(err, -EINVAL, "a value whose quote is not closed");
        *ret = slice_take(*rest, n);
        *rest = slice_skip(*rest, n + 1);
        return 0;
    }
    for (n = 0; n < rest->n && rest->p[n] != ',' && rest->p[n] != ']';)
        n++;
    *ret = slice_trim(slice_take(*rest, n));
    *rest = slice_skip(*rest, n);
    return 0;
}

/* , or ][ between two parameters. */
static int take_separator(struct slice *rest, struct err *err)
{
    *rest = skip_blanks(*rest);
    if (rest->n == 0)
        return 0;
    if (rest->p[0] == ',') {
        *rest = skip_blanks(slice_skip(*rest, 1));
        return 0;
    }
    if (rest->p[0] == ']') {
        *rest = skip_blanks(slice_skip(*rest, 1));
        if (rest->n && rest->p[0] == '[') {
            *rest = skip_blanks(slice_skip(*rest, 1));
            return 0;
        }
    }
    return err_set(err, -EINVAL, "unexpected '%.*s' behind a parameter",
                   SLICE_FMT(slice_take(*rest, 20)));
}

static int take_parameter(struct slice *rest, struct arena *a, struct fail2ban_parameter *ret,
                          struct err *err)
{
    struct slice name, value;
    size_t n = 0;
    int rc;

    while (n < rest->n && of_name(rest->p[n]))
        n++;
    if (n == 0 || n == rest->n || rest->p[n] != '=')
        return err_set(err, -EINVAL, "'%.*s' is no parameter: write name=value",
                       SLICE_FMT(slice_take(*rest, 20)));
    name = slice_take(*rest, n);
    *rest = slice_skip(*rest, n + 1);
    rc = take_value(rest, &value, err);
    if (rc < 0)
        return rc;
    ret->name = arena_str(a, name);
    ret->value = arena_str(a, value);
    if (!ret->name || !ret->value)
        return err_nomem(err);
    return take_separator(rest, err);
}

int fail2ban_name_parse(struct slice text, struct arena *a, struct fail2ban_name *ret,
                        struct err *err)
{
    size_t n = slice_find_byte(text, '[');
    struct slice rest;
    struct fail2ban_name name = { .name = arena_str(a, slice_trim(slice_take(text, n))) };

    name.parameters = arena_array(a, PARAMETERS_MAX, sizeof *name.parameters);
    if (!name.name || !name.parameters)
        return err_nomem(err);
    if (name.name[0] == '\0')
        return err_set(err, -EINVAL, "a filter without a name");
    text = slice_trim(text);
    if (n != SIZE_MAX && text.p[text.n - 1] != ']')
        return err_set(err, -EINVAL, "the bracket behind '%s' is not closed", name.name);
    rest = n == SIZE_MAX ? SLICE("") : skip_blanks(slice_of(text.p + n + 1, text.n - n - 2));
    while (rest.n) {
        int rc;

        if (name.nparameters == PARAMETERS_MAX)
            return err_set(err, -E2BIG, "more than %d parameters", PARAMETERS_MAX);
        rc = take_parameter(&rest, a, &name.parameters[name.nparameters++], err);
        if (rc < 0)
            return rc;
    }
    *ret = name;
    return 0;
}
