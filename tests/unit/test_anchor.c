/* Cosignatures of witnesses, kept notes, and which of them stay. */
#include "audit/anchor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "audit/audit-private.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/proc.h"
#include "notifiers/message.h"
#include "notifiers/people/mail.h"

#define W1_VKEY "w.example/w1+de9c3f2a+BISZfNd/SFFbYNOU8DaWGX4x0Ac8fNBFXEpSPrGtMeof"
#define DASH "\xe2\x80\x94"
#define HOUR_US (UINT64_C(3600) * USEC_PER_SEC)
#define NOW_US (UINT64_C(1795226400) * USEC_PER_SEC)

/* The second vector of the trail format: five entries, signed by the log and a witness. */
static const char v2_text[] =
    "trail.example/vpn1\n5\nc0eNQ4Fa7+VL3kKEOMG3mIeknmFbKh1C9o3fYxZ1UL4=\n";
static const char v2_own[] = DASH
    " trail.example/vpn1 wh/JoXggrN+ut7MTz4IwXzYR7WhjFOfgyw/Myg6I5/I+4XNx6aeCrrVHVj9usI2wpRct"
    "qW1Y8Kipx1Lt0NbRqA1ApgI=\n" DASH
    " trail.example/vpn1 tnvgtxDVdRXp6B++OgKx+abY1fKxi+YM18b5Ub+GQGthrymxSnVkALhKuPJIUv55a1Wa1v"
    "feDrr8GDE16O02SppW9g8=\n";
static const char v2_cosigned[] =
    DASH " w.example/w1 3pw/KgAAAABqazzAH2OyrMGAIpUksZFX1dypiT8S8DwlCt8ZI7xVOteG1UugXxncrnFPmdcHiF"
         "9YpBuIEnHgkKr+gBz5IX6YZYFxAQ==\n";

struct folder {
    char path[256];
    struct audit_notes *notes;
};

static int make(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");

    snprintf(f->path, sizeof f->path, "%s/anchor.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(audit_notes_open(f->path, &f->notes, NULL), 0);
    *state = f;
    return 0;
}

static int unmake(void **state)
{
    struct folder *f = *state;
    const char *const argv[] = { "/bin/rm", "-rf", f->path, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    audit_notes_free(f->notes);
    free(f);
    return 0;
}

static void v2_note(struct buf *out)
{
    buf_printf(out, "%s\n%s", v2_text, v2_own);
}

/* A note that needs no good signatures: keeping does not judge them. */
static void some_note(struct buf *out, uint64_t size, const char *root)
{
    buf_printf(out, "t.example/1\n%llu\n%s\n\n" DASH " t.example/1 AAAAAAAA\n",
               (unsigned long long)size, root);
}
#define ROOT_A "c0eNQ4Fa7+VL3kKEOMG3mIeknmFbKh1C9o3fYxZ1UL4="
#define ROOT_B "Ah0AXiWrM93pWqrMbiFv6/VPUUp3M94uH+Elz3fBLHo="

static void the_cosignature_of_the_second_vector_holds_and_nothing_near_it(void **state)
{
    AUTO_BUF text = BUF_INIT;
    struct note n;
    struct vkey witness, wrong;
    uint64_t at = 0;

    (void)state;
    buf_printf(&text, "%s\n%s%s", v2_text, v2_own, v2_cosigned);
    assert_int_equal(vkey_parse_witness(SLICE(W1_VKEY), &witness), 0);
    assert_int_equal(note_parse(buf_view(&text), &n), 0);
    assert_int_equal(n.nsignatures, 3);
    assert_int_equal(note_check(&n, &witness), NOTE_GOOD);
    assert_int_equal(note_check_signature(n.text, &n.signatures[2], &witness, &at), NOTE_GOOD);
    assert_int_equal(at, 1785412800);
    /* It signs its time: another one is another message. */
    n.signatures[2].bytes[7] ^= 1;
    assert_int_equal(note_check(&n, &witness), NOTE_BAD);
    n.signatures[2].bytes[7] ^= 1;
    for (size_t i = 0; i < 72; i++) {
        n.signatures[2].bytes[i] ^= 0x10;
        assert_int_equal(note_check(&n, &witness), NOTE_BAD);
        n.signatures[2].bytes[i] ^= 0x10;
    }
    n.signatures[2].n = 64;
    assert_int_equal(note_check(&n, &witness), NOTE_BAD);
    /* A key of a log is none of a witness, and the other way round. */
    assert_int_equal(vkey_parse(SLICE(W1_VKEY), &wrong), -EINVAL);
    assert_int_equal(
        vkey_parse_witness(
            SLICE("trail.example/vpn1+c21fc9a1+Acc19bgB46vRlJW2k9LnwCXrBlAoU0c21zUwS0gYae+V"),
            &wrong),
        -EINVAL);
    wrong = witness;
    wrong.type = SIGNATURE_ED25519;
    assert_int_equal(note_check(&n, &wrong), NOTE_BAD);
}

static void keys_of_witnesses_are_printed_as_they_were_read(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct vkey v;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(vkey_parse_witness(SLICE(W1_VKEY), &v), 0);
    vkey_text(&v, &b);
    assert_string_equal(b.p, W1_VKEY);
    assert_int_equal(audit_witness_check(W1_VKEY, &err), 0);
    assert_int_equal(
        audit_witness_check("w.example/w1+de9c3f2b+BISZfNd/SFFbYNOU8DaWGX4x0Ac8fNBFXEpS"
                            "PrGtMeof",
                            &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "no key of a witness"));
}

/* ML-DSA-44 beside Ed25519: longer than anything of ours, and nothing to stumble over. */
static void a_long_signature_of_a_stranger_is_ignored(void **state)
{
    AUTO_BUF text = BUF_INIT;
    uint8_t bytes[4 + 8 + 2420] = { 1, 2, 3, 4 };
    struct note n;
    struct vkey witness;

    (void)state;
    buf_printf(&text, "%s\n%s" DASH " w.example/w1 ", v2_text, v2_own);
    buf_base64(&text, bytes, sizeof bytes, true);
    buf_printf(&text, "\n%s", v2_cosigned);
    assert_int_equal(note_parse(buf_view(&text), &n), 0);
    assert_int_equal(n.nsignatures, 4);
    assert_int_equal(n.signatures[2].n, 2428);
    assert_int_equal(vkey_parse_witness(SLICE(W1_VKEY), &witness), 0);
    assert_int_equal(note_check(&n, &witness), NOTE_GOOD);
}

static void a_note_is_kept_once_and_another_of_its_size_is_an_alarm(void **state)
{
    struct folder *f = *state;
    AUTO_BUF a = BUF_INIT;
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF got = BUF_INIT;
    AUTO(audit_notes) other = NULL;
    struct err err = ERR_NONE;

    some_note(&a, 7, ROOT_A);
    some_note(&b, 7, ROOT_B);
    assert_int_equal(audit_notes_read(f->notes, 7, &got, NULL), -ENOENT);
    assert_int_equal(audit_notes_keep(f->notes, buf_view(&a), NOW_US, NULL), 0);
    assert_int_equal(audit_notes_keep(f->notes, buf_view(&a), NOW_US, NULL), 0);
    assert_int_equal(audit_notes_read(f->notes, 7, &got, NULL), 0);
    assert_true(slice_eq(buf_view(&got), buf_view(&a)));
    /* Of another process, which has not kept it itself. */
    assert_int_equal(audit_notes_open(f->path, &other, NULL), 0);
    assert_int_equal(audit_notes_keep(other, buf_view(&b), NOW_US, &err), -EUCLEAN);
    assert_non_null(strstr(err.text, "two histories"));
    assert_int_equal(audit_notes_keep(other, buf_view(&a), NOW_US, NULL), 0);
    buf_reset(&got);
    assert_int_equal(audit_notes_read(f->notes, 7, &got, NULL), 0);
    assert_true(slice_eq(buf_view(&got), buf_view(&a)));
    assert_int_equal(audit_notes_keep(f->notes, SLICE("no note\n"), NOW_US, NULL), -EBADMSG);
}

static void a_witness_is_believed_with_its_key_only_and_kept_once(void **state)
{
    struct folder *f = *state;
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF lines = BUF_INIT;
    AUTO_BUF got = BUF_INIT;
    uint64_t at = 0, size = 99;

    v2_note(&note);
    assert_int_equal(audit_notes_keep(f->notes, buf_view(&note), NOW_US, NULL), 0);
    assert_int_equal(audit_notes_witnessed(f->notes, W1_VKEY, &size, NULL), 0);
    assert_int_equal(size, 0);
    buf_printf(&lines, DASH " stranger.example/x AAAAAAAAAAAA\n%s", v2_cosigned);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(audit_notes_cosign(f->notes, 5, buf_view(&lines), W1_VKEY, &at, NULL), 0);
        assert_int_equal(at, 1785412800);
        buf_reset(&got);
        assert_int_equal(audit_notes_read(f->notes, 5, &got, NULL), 0);
        assert_int_equal(got.n, note.n + strlen(v2_cosigned));
        assert_memory_equal(got.p, note.p, note.n); /* appended: a stamp over it stays good */
        assert_string_equal(got.p + note.n, v2_cosigned);
    }
    assert_int_equal(audit_notes_witnessed(f->notes, W1_VKEY, &size, NULL), 0);
    assert_int_equal(size, 5);
    /* It is still the note that is to be kept, and stays as it is. */
    assert_int_equal(audit_notes_keep(f->notes, buf_view(&note), NOW_US, NULL), 0);
}

static void odd_answers_of_a_witness_change_nothing(void **state)
{
    struct folder *f = *state;
    char broken[sizeof v2_cosigned];
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF got = BUF_INIT;
    uint64_t at;
    const struct {
        struct slice lines;
        int r;
    } odd[] = {
        { SLICE(""), -EBADMSG },
        { SLICE("<html>hello</html>\n"), -EBADMSG },
        { slice_of(v2_cosigned, sizeof v2_cosigned - 2), -EBADMSG }, /* without its LF */
        { slice_of(v2_cosigned, 60), -EBADMSG },
        { SLICE(DASH " w.example/w1 3pw/KgAAAABqazzAH2OyrA==\n"), -EKEYREJECTED }, /* too short */
        { slice_of(broken, sizeof broken - 1), -EKEYREJECTED },
        { SLICE(DASH " w.example/w2 3pw/KgAAAABqazzAH2OyrA==\n"), -ENOKEY },
    };

    memcpy(broken, v2_cosigned, sizeof broken);
    broken[40] = broken[40] == 'A' ? 'B' : 'A';
    v2_note(&note);
    assert_int_equal(audit_notes_keep(f->notes, buf_view(&note), NOW_US, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        assert_int_equal(audit_notes_cosign(f->notes, 5, odd[i].lines, W1_VKEY, &at, NULL),
                         odd[i].r);
    assert_int_equal(audit_notes_cosign(f->notes, 6, SLICE(v2_cosigned), W1_VKEY, &at, NULL),
                     -ENOENT);
    assert_int_equal(audit_notes_read(f->notes, 5, &got, NULL), 0);
    assert_true(slice_eq(buf_view(&got), buf_view(&note)));
}

/* ---- notes in what people keep ---- */

static size_t count_notes(struct slice text, struct slice expected)
{
    AUTO_BUF plain = BUF_INIT;
    struct slice rest, note;
    size_t n = 0;

    assert_int_equal(audit_notes_unwrap(text, &plain), 0);
    rest = buf_view(&plain);
    for (; audit_notes_next(&rest, &note); n++)
        assert_true(slice_eq(note, expected));
    return n;
}

static void a_note_is_found_in_a_mail_of_ours(void **state)
{
    static const char document[] =
        "{\"id\":\"00\",\"rule\":{\"id\":\"r\",\"title\":\"T = \xc3\xa9\"},\"level\":\"low\"}";
    static const char *const to[] = { "a@b.example" };
    const struct mail_people who = { .from = "x@y.example", .to = to, .nto = 1 };
    AUTO(arena) a = arena_new(16384, 0);
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF mail = BUF_INIT;
    struct delivery d = { .key = SLICE("k"), .now_us = NOW_US, .host = "h" };
    struct message m;

    (void)state;
    v2_note(&note);
    d.checkpoint = buf_view(&note);
    d.document = json_load(a, SLICE(document), NULL);
    assert_int_equal(message_make(&d, a, &m, NULL), 0);
    assert_int_equal(mail_make(&who, &m, &d, &mail), 0);
    assert_in_range(count_notes(buf_view(&mail), buf_view(&note)), 1, 2);
}

static void notes_are_found_in_alert_documents_and_quoted_text(void **state)
{
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct delivery d = { .text = SLICE("{\"version\":1,\"raw\":\"a\\nb\"}") };
    struct slice rest, line;

    (void)state;
    v2_note(&note);
    assert_int_equal(count_notes(buf_view(&note), buf_view(&note)), 1);
    d.checkpoint = buf_view(&note);
    for (unsigned i = 0; i < 3; i++) {
        delivery_text(&d, &text);
        buf_char(&text, '\n');
    }
    assert_int_equal(count_notes(buf_view(&text), buf_view(&note)), 3);
    buf_reset(&text);
    buf_str(&text, "On Saturday somebody wrote:\r\n");
    rest = buf_view(&note);
    while (rest.n && slice_split(&rest, '\n', &line))
        buf_printf(&text, "> > %.*s\r\n", SLICE_FMT(line));
    buf_str(&text, "Regards\r\n");
    assert_int_equal(count_notes(buf_view(&text), buf_view(&note)), 1);
}

static void what_is_no_note_is_not_found(void **state)
{
    AUTO_BUF note = BUF_INIT;

    (void)state;
    v2_note(&note);
    /* No beginning of a note is one, but one with a whole signature. */
    for (size_t i = 0; i < note.n; i++) {
        AUTO_BUF plain = BUF_INIT;
        struct slice rest, found;

        assert_int_equal(audit_notes_unwrap(slice_of(note.p, i), &plain), 0);
        rest = buf_view(&plain);
        if (audit_notes_next(&rest, &found))
            assert_in_range(i, strlen(v2_text) + 10, note.n);
        assert_false(audit_notes_next(&rest, &found));
    }
    assert_int_equal(count_notes(SLICE(""), SLICE_NONE), 0);
    assert_int_equal(count_notes(SLICE("=E2=80=94 =\n=\r\n=4"), SLICE_NONE), 0);
    assert_int_equal(count_notes(SLICE("\"checkpoint\":\"\\n\\"), SLICE_NONE), 0);
}

#define YEAR_MINUTES (400 * 24 * 60)

static void thinning_keeps_the_newest_and_one_of_each_day_for_ever(void **state)
{
    struct kept_note *notes = calloc(YEAR_MINUTES, sizeof *notes);
    size_t n = YEAR_MINUTES, kept = 0, days = 0, hour = 0;
    uint64_t last_day = UINT64_MAX;

    (void)state;
    for (size_t i = 0; i < n; i++)
        notes[i] = (struct kept_note){ .size = i + 1,
                                       .time_us = NOW_US - (n - 1 - i) * 60 * USEC_PER_SEC };
    kept_notes_choose(notes, n, NOW_US);
    assert_false(notes[n - 1].drop);
    for (size_t i = 0; i < n; i++) {
        uint64_t day = notes[i].time_us / (24 * HOUR_US);

        if (notes[i].drop)
            continue;
        kept++;
        days += day != last_day;
        last_day = day;
        hour += NOW_US - notes[i].time_us < HOUR_US;
    }
    assert_in_range(days, 400, 401); /* none is without one */
    assert_int_equal(hour, 60); /* all of the last hour */
    assert_in_range(kept, 400 + 60 + 130 + 140, 400 + 60 + 140 + 150);
    free(notes);
}

static void thinning_again_drops_nothing_more(void **state)
{
    struct kept_note notes[600];
    size_t n = ARRAY_SIZE(notes), left = 0;

    (void)state;
    for (size_t i = 0; i < n; i++)
        notes[i] = (struct kept_note){ .size = i, .time_us = NOW_US - (n - i) * HOUR_US / 7 };
    kept_notes_choose(notes, n, NOW_US);
    for (size_t i = 0; i < n; i++)
        if (!notes[i].drop)
            notes[left++] = notes[i];
    assert_in_range(left, 10, n - 1);
    kept_notes_choose(notes, left, NOW_US);
    for (size_t i = 0; i < left; i++)
        assert_false(notes[i].drop);
}

static void what_others_stand_behind_goes_before_the_rest_of_its_hour(void **state)
{
    struct kept_note notes[8];

    (void)state;
    for (size_t i = 0; i < 8; i++) /* one hour of two days ago */
        notes[i] = (struct kept_note){ .size = i + 1,
                                       .time_us = NOW_US - 48 * HOUR_US + i * 60 * USEC_PER_SEC,
                                       .outside = i == 3 };
    notes[7].time_us = NOW_US;
    kept_notes_choose(notes, 8, NOW_US);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(notes[i].drop, i != 3 && i != 7);
    kept_notes_choose(notes, 1, NOW_US + 10000 * HOUR_US);
    assert_false(notes[0].drop); /* the only one */
    kept_notes_choose(notes, 0, NOW_US);
}

static void set_age(struct folder *f, uint64_t size, uint64_t hours)
{
    char path[300];
    struct timespec t[2] = { { .tv_sec = (time_t)(NOW_US / USEC_PER_SEC - hours * 3600) } };

    t[1] = t[0];
    snprintf(path, sizeof path, "%s/checkpoints/%020llu", f->path, (unsigned long long)size);
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static void thinned_notes_leave_the_folder_with_their_stamps(void **state)
{
    struct folder *f = *state;

    for (uint64_t size = 1; size <= 20; size++) {
        AUTO_BUF note = BUF_INIT;

        some_note(&note, size, ROOT_A);
        assert_int_equal(audit_notes_keep(f->notes, buf_view(&note), NOW_US, NULL), 0);
        set_age(f, size, 24 * 20 + 20 - size); /* of one day or two, but for the newest */
    }
    assert_int_equal(audit_notes_stamp(f->notes, 2, SLICE("stamp"), NULL), 0);
    set_age(f, 20, 0);
    assert_int_equal(audit_notes_thin(f->notes, NOW_US, NULL), 0);
    for (uint64_t size = 1, left = 0; size <= 20; size++) {
        AUTO_BUF note = BUF_INIT;
        bool there = audit_notes_read(f->notes, size, &note, NULL) == 0;

        left += there;
        assert_true(there || (size != 2 && size != 20));
        if (size == 20)
            assert_in_range(left, 2, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cosignature_of_the_second_vector_holds_and_nothing_near_it),
        cmocka_unit_test(keys_of_witnesses_are_printed_as_they_were_read),
        cmocka_unit_test(a_long_signature_of_a_stranger_is_ignored),
        cmocka_unit_test_setup_teardown(a_note_is_kept_once_and_another_of_its_size_is_an_alarm,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(a_witness_is_believed_with_its_key_only_and_kept_once, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(odd_answers_of_a_witness_change_nothing, make, unmake),
        cmocka_unit_test(a_note_is_found_in_a_mail_of_ours),
        cmocka_unit_test(notes_are_found_in_alert_documents_and_quoted_text),
        cmocka_unit_test(what_is_no_note_is_not_found),
        cmocka_unit_test(thinning_keeps_the_newest_and_one_of_each_day_for_ever),
        cmocka_unit_test(thinning_again_drops_nothing_more),
        cmocka_unit_test(what_others_stand_behind_goes_before_the_rest_of_its_hour),
        cmocka_unit_test_setup_teardown(thinned_notes_leave_the_folder_with_their_stamps, make,
                                        unmake),
    };

    return sodium_init() < 0 ? 99 : cmocka_run_group_tests(tests, NULL, NULL);
}
