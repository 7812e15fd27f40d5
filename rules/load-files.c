/* Files, folders and texts of rules: from bytes to documents. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/utf8.h"
#include "rules/load.h"

#define DEPTH_MAX 16
#define FILE_MAX (1 << 20)
/* A file with more broken documents than this is given up. */
#define BROKEN_MAX 20

/* ---- documents of a text ---- */

static bool is_marker(struct slice line)
{
    return slice_starts(line, SLICE("---")) &&
           (line.n == 3 || line.p[3] == ' ' || line.p[3] == '\t' || line.p[3] == '\r');
}

/* Nothing that begins a document without a marker. */
static bool is_blank(struct slice line)
{
    struct slice s = slice_trim(line);

    return s.n == 0 || s.p[0] == '#' || s.p[0] == '%';
}

/* Where document i (from 0) starts; SIZE_MAX when there are fewer. */
static size_t document_start(struct slice text, size_t i)
{
    struct slice rest = text, line;
    bool inside = false;

    while (slice_split(&rest, '\n', &line)) {
        bool marker = is_marker(line);

        if (!marker && (inside || is_blank(line)))
            continue;
        inside = true;
        if (i-- == 0)
            return marker ? (size_t)(line.p - text.p) : 0;
    }
    return SIZE_MAX;
}

/* The text with everything before `start` blanked: lines keep their numbers. */
static char *from_document(struct arena *a, struct slice text, size_t start)
{
    char *copy = arena_str(a, text);

    for (size_t i = 0; copy && i < start; i++)
        if (copy[i] != '\n')
            copy[i] = ' ';
    return copy;
}

static int add_documents(struct rules *r, const char *path, const struct yaml_docs *docs,
                         size_t first, bool several, struct diag *d)
{
    for (size_t i = 0; i < docs->ndocs; i++) {
        unsigned number = several ? (unsigned)(first + i + 1) : 0;

        if (docs->docs[i] && load_document(r, path, docs->docs[i], number, d) == -ENOMEM)
            return -ENOMEM;
    }
    return 0;
}

/*
 * A document that is no YAML ends what the reader gives; those behind it are
 * read again on their own, so that one slip does not silence a whole file.
 */
static int add_text(struct rules *r, const char *path, struct slice text, struct diag *d)
{
    /* Bytes that are no text cannot be told to one document. */
    bool several = document_start(text, 1) != SIZE_MAX && utf8_valid(text) &&
                   slice_find_byte(text, '\0') == SIZE_MAX;
    struct slice rest = text;
    size_t first = 0, start;

    r->global = r->previous = NULL;
    for (unsigned broken = 0; broken < BROKEN_MAX; broken++) {
        size_t before = diag_count(d);
        struct yaml_docs docs;
        int e = yaml_load_text(path, rest, r->arena, d, &docs);

        if (e == -ENOMEM)
            return e;
        if (e < 0 && several)
            load_tell_document(d, before, (unsigned)(first + docs.ndocs + 1));
        if (add_documents(r, path, &docs, first, several, d) == -ENOMEM)
            return -ENOMEM;
        first += docs.ndocs + 1;
        start = e < 0 && several ? document_start(text, first) : SIZE_MAX;
        if (start == SIZE_MAX)
            break;
        rest.p = from_document(r->arena, text, start);
        if (!rest.p)
            return -ENOMEM;
    }
    if (rest.p != text.p)
        diag_source(d, path, text); /* findings show the lines as they are */
    return 0;
}

int rules_add(struct rules *r, const char *path, struct slice text, struct diag *d)
{
    size_t before = diag_errors(d);
    int e = add_text(r, path, text, d);

    return e < 0 ? e : diag_errors(d) > before ? -EINVAL : 0;
}

/* ---- files and folders ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_rule_file(const char *name)
{
    struct slice s = slice_str(name);

    return slice_ends(s, SLICE(".yml")) || slice_ends(s, SLICE(".yaml"));
}

static int add_file(struct rules *r, const char *path, struct diag *d)
{
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;

    if (file_read(-1, path, FILE_MAX, &text, &err) < 0) {
        diag_add_err(d, (struct src_pos){ diag_path(d, path), 0, 0 }, &err);
        return err.code == -ENOMEM ? err.code : 0;
    }
    return add_text(r, path, buf_view(&text), d);
}

static int add_path(struct rules *r, const char *path, unsigned depth, struct diag *d);

static int add_folder(struct rules *r, const char *path, unsigned depth, struct diag *d)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, NULL, by_name), e = 0;

    if (n < 0) {
        struct err err;

        err_set(&err, -errno, "cannot read folder '%s': %s", path, err_name(errno));
        diag_add_err(d, (struct src_pos){ diag_path(d, path), 0, 0 }, &err);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        AUTO_BUF child = BUF_INIT;

        buf_printf(&child, "%s/%s", path, list[i]->d_name);
        if (e == 0 && list[i]->d_name[0] != '.' && buf_ok(&child) &&
            (list[i]->d_type == DT_DIR || is_rule_file(list[i]->d_name)))
            e = add_path(r, child.p, depth + 1, d);
        free(list[i]);
    }
    free(list);
    return e;
}

static int add_path(struct rules *r, const char *path, unsigned depth, struct diag *d)
{
    struct stat st;

    if (depth > DEPTH_MAX) {
        diag_warning(d, ((struct src_pos){ diag_path(d, path), 0, 0 }),
                     "folders nested deeper than %d are not read", DEPTH_MAX);
        return 0;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return add_folder(r, path, depth, d);
    return add_file(r, path, d);
}

int rules_add_path(struct rules *r, const char *path, struct diag *d)
{
    size_t before = diag_errors(d);
    int e = add_path(r, path, 0, d);

    return e == -ENOMEM ? e : diag_errors(d) > before ? -EINVAL : 0;
}
