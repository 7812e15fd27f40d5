#include "logwatch/health.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define S USEC_PER_SEC

static const struct config_channel *channel(struct diag **ret_diag, struct engine **ret_engine,
                                            const char *format)
{
    static struct config_channel c;
    const struct engine_request q = { 0 };

    *ret_diag = diag_new();
    assert_int_equal(engine_load(&q, *ret_diag, ret_engine), 0);
    c = (struct config_channel){ .name = slice_str(format),
                                 .format = format_find((*ret_engine)->formats, slice_str(format)),
                                 .silence_us = 600 * S,
                                 .behind_us = 300 * S };
    assert_non_null(c.format);
    return &c;
}

static const char *judge(struct health *h, const struct config_channel *c, uint64_t now,
                         struct buf *members)
{
    buf_reset(members);
    return health_judge(h, c, now, members);
}

#define TOLD(type, now)                                                                            \
    do {                                                                                           \
        const char *told_ = judge(&h, c, now, &members);                                           \
        if (!(type))                                                                               \
            assert_null(told_);                                                                    \
        else                                                                                       \
            assert_string_equal(told_ ? told_ : "nothing", (type) ? (type) : "");                  \
    } while (0)

static void each_trouble_is_told_once_and_once_when_it_is_over(void **state)
{
    AUTO(diag) d = NULL;
    AUTO(engine) e = NULL;
    const struct config_channel *c = channel(&d, &e, "xui");
    struct reader_result one = { .events = 1 };
    struct health h;
    AUTO_BUF members = BUF_INIT;

    (void)state;
    health_begin(&h, 1000 * S);
    TOLD(NULL, 1599 * S);
    TOLD("source.silent", 1600 * S);
    assert_string_equal(members.p, "\"for_s\":600");
    TOLD(NULL, 1700 * S);
    health_count(&h, &one, 1700 * S);
    TOLD("source.spoke", 1701 * S);
    TOLD(NULL, 1702 * S);

    one.lag.since_us = 5; /* there is more than was read */
    health_count(&h, &one, 1800 * S);
    health_count(&h, &one, 2000 * S);
    TOLD(NULL, 2050 * S);
    TOLD("source.behind", 2100 * S);
    one.lag.since_us = 0;
    health_count(&h, &one, 2200 * S);
    TOLD("source.caught_up", 2201 * S);
    TOLD(NULL, 2202 * S);
}

static void a_channel_whose_lines_fit_no_layout_is_told_of_at_once(void **state)
{
    AUTO(diag) d = NULL;
    AUTO(engine) e = NULL;
    const struct config_channel *c = channel(&d, &e, "xui");
    struct reader_result r = { .events = 99, .parsed = 99, .unparsed = 99 };
    struct health h;
    AUTO_BUF members = BUF_INIT;

    (void)state;
    health_begin(&h, S);
    health_count(&h, &r, 2 * S);
    TOLD(NULL, 2 * S); /* too few to say */
    r = (struct reader_result){ .events = 1, .parsed = 1, .unparsed = 1 };
    health_count(&h, &r, 3 * S);
    TOLD("source.unparsed", 3 * S);
    assert_string_equal(members.p, "\"events\":100,\"unparsed\":100");
    r = (struct reader_result){ .events = 500, .parsed = 500, .unparsed = 20 };
    health_count(&h, &r, 4 * S);
    TOLD(NULL, 5 * S);
    TOLD("source.parsed", 400 * S);
    r = (struct reader_result){ .events = 500,
                                .parsed = 500,
                                .unparsed = 250 }; /* half is not most */
    health_count(&h, &r, 401 * S);
    TOLD(NULL, 402 * S);
}

static void a_channel_that_cannot_show_failed_logins_is_told_of_with_the_cure(void **state)
{
    AUTO(diag) d = NULL;
    AUTO(engine) e = NULL;
    const struct config_channel *c = channel(&d, &e, "hysteria");
    struct reader_result r = { .events = 50 };
    struct health h;
    AUTO_BUF members = BUF_INIT;

    (void)state;
    ((struct config_channel *)(uintptr_t)c)->silence_us = 0;
    health_begin(&h, S);
    health_count(&h, &r, 2 * S);
    TOLD(NULL, 3600 * S);
    TOLD("source.blind", 3601 * S);
    assert_non_null(strstr(members.p, "debug"));
    TOLD(NULL, 7200 * S);

    health_begin(&h, S);
    r.shows_logins = true;
    health_count(&h, &r, 2 * S);
    TOLD(NULL, 7200 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_trouble_is_told_once_and_once_when_it_is_over),
        cmocka_unit_test(a_channel_whose_lines_fit_no_layout_is_told_of_at_once),
        cmocka_unit_test(a_channel_that_cannot_show_failed_logins_is_told_of_with_the_cure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
