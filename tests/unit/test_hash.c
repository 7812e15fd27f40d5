/* SHA-256 against FIPS 180-4, in one piece and in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

/* FIPS 180-4 examples by NIST; the empty text is everywhere. */
static const struct {
    const char *text, *hex;
} vectors[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void known_texts_have_their_known_hashes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        uint8_t out[SHA256_SIZE];
        AUTO_BUF b = BUF_INIT;

        sha256(vectors[i].text, strlen(vectors[i].text), out);
        buf_hex(&b, out, sizeof out);
        assert_string_equal(b.p, vectors[i].hex);
    }
}

static void nothing_at_all_is_the_empty_text(void **state)
{
    uint8_t a[SHA256_SIZE], b[SHA256_SIZE];

    (void)state;
    sha256(NULL, 0, a);
    sha256("", 0, b);
    assert_memory_equal(a, b, SHA256_SIZE);
}

static void any_division_gives_the_same_and_the_context_serves_again(void **state)
{
    struct sha256 h = { { 0 } };
    uint8_t whole[SHA256_SIZE], parts[SHA256_SIZE];
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    sha256(text, sizeof text, whole);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        assert_int_equal(sha256_init(&h), 0);
        sha256_add(&h, text, cut);
        sha256_add(&h, NULL, 0);
        sha256_add(&h, text + cut, sizeof text - cut);
        sha256_end(&h, parts);
        assert_memory_equal(whole, parts, SHA256_SIZE);
    }
    sha256_fini(&h);

    sha256_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_known_hashes),
        cmocka_unit_test(nothing_at_all_is_the_empty_text),
        cmocka_unit_test(any_division_gives_the_same_and_the_context_serves_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
