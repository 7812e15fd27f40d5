/* Secrets: who may read the file, what is kept of it, and that it is never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"

static char folder[256], path[300];

static int make_folder(void **state)
{
    const char *top = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/tw-secret-XXXXXX", top ? top : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/token", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int load(struct slice content, unsigned mode, struct secret **ret, struct err *err)
{
    assert_int_equal(file_replace(-1, path, content, 0600, NULL), 0);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
    return secret_from_file(path, ret, err);
}

static void one_newline_at_the_end_is_dropped(void **state)
{
    AUTO(secret) one = NULL;
    AUTO(secret) two = NULL;

    (void)state;
    assert_int_equal(load(SLICE("s3cret\n"), 0600, &one, NULL), 0);
    assert_true(slice_is(secret_view(one), "s3cret"));
    assert_int_equal(secret_view(one).p[6], '\0');
    assert_int_equal(load(SLICE(" s3cret \n\n"), 0400, &two, NULL), 0);
    assert_true(slice_is(secret_view(two), " s3cret \n"));
    assert_int_equal(secret_view(NULL).n, 0);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    static const unsigned modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0644 };
    AUTO(secret) s = NULL;
    struct err err = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        assert_int_equal(load(SLICE("s3cret"), modes[i], &s, &err), -EPERM);
        assert_true(slice_ends(slice_str(err.text), SLICE("may be read by others: chmod 600 it")));
    }
    assert_null(s);
}

static void the_exception_for_credentials_is_not_reached_by_a_detour(void **state)
{
    AUTO(secret) s = NULL;
    char detour[400];

    (void)state;
    assert_int_equal(file_replace(-1, path, SLICE("s3cret"), 0600, NULL), 0);
    assert_int_equal(chmod(path, 0640), 0);
    snprintf(detour, sizeof detour, "/run/credentials/../..%s", path);
    if (access(detour, R_OK) < 0)
        skip(); /* no such folder on this machine */
    assert_int_equal(secret_from_file(detour, &s, NULL), -EPERM);
}

static void what_is_no_secret_is_refused_without_showing_it(void **state)
{
    static char big[16386];
    AUTO(secret) s = NULL;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(load(SLICE(""), 0600, &s, &err), -EINVAL);
    assert_true(slice_ends(slice_str(err.text), SLICE("token': a secret is empty")));
    assert_int_equal(load(SLICE("\n"), 0600, &s, &err), -EINVAL);
    assert_int_equal(load(SLICE("s3c\0ret"), 0600, &s, &err), -EINVAL);
    assert_null(strstr(err.text, "s3c"));
    assert_int_equal(secret_from_file(folder, &s, &err), -EINVAL);
    unlink(path);
    assert_int_equal(secret_from_file(path, &s, &err), -ENOENT);
    memset(big, 'x', sizeof big);
    assert_int_equal(load(slice_of(big, 16385), 0600, &s, &err), -EINVAL);
    assert_null(s);
    big[16384] = '\n';
    assert_int_equal(load(slice_of(big, 16385), 0600, &s, &err), 0);
    assert_int_equal(secret_view(s).n, 16384);
}

static void credentials_are_found_by_name_only(void **state)
{
    static const char *const wrong[] = { "", "../token", "a/b", ".", "..", ".hidden" };
    AUTO(secret) s = NULL;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(file_replace(-1, path, SLICE("s3cret\n"), 0600, NULL), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(secret_from_credential("token", &s, &err), -ENOENT);
    assert_non_null(strstr(err.text, "LoadCredential=token"));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(secret_from_credential(wrong[i], &s, &err), -EINVAL);
    assert_int_equal(secret_from_credential("none", &s, &err), -ENOENT);
    assert_int_equal(secret_from_credential("token", &s, &err), 0);
    assert_true(slice_is(secret_view(s), "s3cret"));
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void scrubbing_leaves_no_occurrence(void **state)
{
    AUTO(secret) s = NULL;
    AUTO(secret) tiny = NULL;
    char text[] = "s3crets3cret a s3cre https://x/bots3cret/send s3cret";
    char other[] = "abc";

    (void)state;
    assert_int_equal(secret_from_slice(SLICE("s3cret"), &s, NULL), 0);
    secret_scrub(s, text);
    assert_string_equal(text, "****** a s3cre https://x/bot***/send ***");
    assert_int_equal(secret_from_slice(SLICE("b"), &tiny, NULL), 0);
    secret_scrub(tiny, other);
    assert_string_equal(other, "abc");
    secret_scrub(NULL, other);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(one_newline_at_the_end_is_dropped),
        IN_FOLDER(a_file_that_others_may_read_is_refused),
        IN_FOLDER(the_exception_for_credentials_is_not_reached_by_a_detour),
        IN_FOLDER(what_is_no_secret_is_refused_without_showing_it),
        IN_FOLDER(credentials_are_found_by_name_only),
        cmocka_unit_test(scrubbing_leaves_no_occurrence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
