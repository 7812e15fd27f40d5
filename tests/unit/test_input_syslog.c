/* The syslog input: headers, framing, sockets, and that nothing is lost in silence. */
#include "tests/unit/input_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "logwatch/inputs/syslog-message.h"
#include "logwatch/inputs/syslog-private.h"
#include "parsers/parser.h"

#define BOM "\xef\xbb\xbf"
#define OCT_11_2003 UINT64_C(1065910455003000)
/* 2026-11-21T01:44:28Z */
#define NOW UINT64_C(1795225468000000)

/* ---- one message ---- */

/* "text|host|app|pid|priority|time" */
static const char *reading_n(struct slice raw)
{
    static char out[4096];
    struct syslog_message m;

    syslog_message_read(raw, NOW, &m);
    (void)snprintf(out, sizeof out, "%.*s|%.*s|%.*s|%llu|%d|%llu", SLICE_FMT(m.text),
                   SLICE_FMT(m.host), SLICE_FMT(m.app), (unsigned long long)m.pid, m.priority,
                   (unsigned long long)m.time_us);
    return out;
}

static const char *reading(const char *raw)
{
    return reading_n(slice_str(raw));
}

struct example {
    const char *raw, *reading;
};

static void check_all(const struct example *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_string_equal(reading(e[i].raw), e[i].reading);
}

#define SD1 "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"]"
#define SD2 "[examplePriority@32473 class=\"high\"]"

static void every_example_of_rfc_5424_is_read(void **state)
{
    static const struct example examples[] = {
        { "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - " BOM
          "'su root' failed for lonvick on /dev/pts/8",
          "'su root' failed for lonvick on /dev/pts/8|mymachine.example.com|su|0|2|"
          "1065910455003000" },
        { "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - "
          "%% It's time to make the do-nuts.",
          "%% It's time to make the do-nuts.|192.0.2.1|myproc|8710|5|1061727255000003" },
        { "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 " SD1 " " BOM
          "An application event log entry...",
          "An application event log entry...|mymachine.example.com|evntslog|0|5|"
          "1065910455003000" },
        { "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 " SD1 SD2,
          SD1 SD2 "|mymachine.example.com|evntslog|0|5|1065910455003000" },
    };

    (void)state;
    check_all(examples, ARRAY_SIZE(examples));
    assert_int_equal(OCT_11_2003, 1065910455003000);
}

static void every_example_of_rfc_3164_is_read(void **state)
{
    static const struct example examples[] = {
        { "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
          "'su root' failed for lonvick on /dev/pts/8|mymachine|su|0|2|1791756855000000" },
        { "Use the BFG!", "Use the BFG!|||0|-1|0" },
        { "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.",
          "CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.|||0|5|"
          "1787549640000000" },
        { "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: "
          "That's All Folks!",
          "1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: "
          "That's All Folks!|||0|0|0" },
    };

    (void)state;
    check_all(examples, ARRAY_SIZE(examples));
}

static void what_programs_really_write_is_read(void **state)
{
    static const struct example examples[] = {
        /* syslog(3), local: no host */
        { "<38>Nov 21 01:44:28 sshd[812]: Accepted", "Accepted||sshd|812|6|1795225468000000" },
        { "<13>Nov  1 01:44:28 root: text", "text||root|0|5|1793497468000000" },
        /* Go's log/syslog, local and over the network; 3X-UI ends with a newline */
        { "<12>Nov 21 01:44:28 /usr/local/x-ui/x-ui[77]: WARNING - failed login\n",
          "WARNING - failed login||/usr/local/x-ui/x-ui|77|4|1795225468000000" },
        { "<12>2026-11-21T01:44:28Z vpn1 x-ui[77]: text", "text|vpn1|x-ui|77|4|1795225468000000" },
        /* rsyslog's forward format, traditional forward format */
        { "<30>2026-11-21T01:44:28.123456+01:00 vpn1 openvpn[9]: text",
          "text|vpn1|openvpn|9|6|1795221868123456" },
        { "<30>Nov 21 01:44:28 vpn1 openvpn[9]: text", "text|vpn1|openvpn|9|6|1795225468000000" },
        /* Python's SysLogHandler: nothing but the priority, and ident */
        { "<14>plain text", "plain text|||0|6|0" },
        { "<14>myapp: plain text", "plain text||myapp|0|6|0" },
        { "<14>INFO:     203.0.113.5:1234 - \"GET /\" 200",
          "INFO:     203.0.113.5:1234 - \"GET /\" 200|||0|6|0" },
        { "<14>{\"message\": \"a\"}", "{\"message\": \"a\"}|||0|6|0" },
        /* a year, a fraction, Cisco's colon, JSON right behind the tag */
        { "<189>Oct 11 2003 22:14:15.003: sw1 %SYS-5: text",
          "text|sw1|%SYS-5|0|5|1065910455003000" },
        { "<14>Nov 21 01:44:28 h app[1]:{\"a\":1}", "{\"a\":1}|h|app|1|6|1795225468000000" },
        { "<14>app[1] text", "text||app|1|6|0" },
        /* no priority */
        { "Nov 21 01:44:28 vpn1 ovpn-server[812]: text",
          "text|vpn1|ovpn-server|812|-1|1795225468000000" },
        /* lines of programs that only look like a header */
        { "2026-11-21T01:44:28Z INFO app: text", "2026-11-21T01:44:28Z INFO app: text|||0|-1|0" },
        { "app: text", "app: text|||0|-1|0" },
        { "<14>Nov 21 01:44:28 two words without a tag",
          "two words without a tag|||0|6|1795225468000000" },
        { "<14>http://203.0.113.5/: text", "http://203.0.113.5/: text|||0|6|0" },
        { "<14>12:30: text", "12:30: text|||0|6|0" },
        /* Monolog */
        { "<12>1 2026-11-21T01:44:28+00:00 web1 php 4711 - - production.INFO: x",
          "production.INFO: x|web1|php|4711|4|1795225468000000" },
        /* rsyslog's RSYSLOG_SyslogProtocol23Format */
        { "<12>1 2026-11-21T01:44:28.123456+00:00 vpn1 x-ui 7 - -  WARNING - x\n",
          "WARNING - x|vpn1|x-ui|7|4|1795225468123456" },
        /* nothing is known but the text */
        { "<13>1 - - - - - - text", "text|||0|5|0" },
    };

    (void)state;
    check_all(examples, ARRAY_SIZE(examples));
}

static void a_year_that_is_left_out_is_the_nearest_one(void **state)
{
    const uint64_t new_year = UINT64_C(1798761600000000); /* 2027-01-01 */
    struct syslog_message m;

    (void)state;
    syslog_message_read(SLICE("<14>Dec 31 23:59:59 h app: text"), new_year, &m);
    assert_int_equal(m.time_us, new_year - USEC_PER_SEC);
    syslog_message_read(SLICE("<14>Jan  1 00:00:01 h app: text"), new_year - 1, &m);
    assert_int_equal(m.time_us, new_year + USEC_PER_SEC);
    syslog_message_read(SLICE("<14>Jan  1 00:00:01 h app: text"), 0, &m);
    assert_int_equal(m.time_us, 0); /* before 1970 */
}

static void what_is_no_header_is_handed_over_whole(void **state)
{
    static const struct example examples[] = {
        { "", "|||0|-1|0" },
        { "<", "<|||0|-1|0" },
        { "<>text", "<>text|||0|-1|0" },
        { "<999>text", "<999>text|||0|-1|0" },
        { "<192>text", "<192>text|||0|-1|0" },
        { "<191>text", "text|||0|7|0" },
        { "<99999999999999999999>text", "<99999999999999999999>text|||0|-1|0" },
        { "<-1>text", "<-1>text|||0|-1|0" },
        { "<13>", "|||0|5|0" },
        { "<13>1", "1|||0|5|0" },
        { "<13>1 ", "<13>1 |||0|5|0" },
        { "<13>1 - - - - -", "<13>1 - - - - -|||0|5|0" },
        { "<13>1 - - - - - -", "|||0|5|0" },
        { "<13>1 yesterday h a - - - x", "<13>1 yesterday h a - - - x|||0|5|0" },
        { "<13>1 2026-13-41T00:00:00Z h a - - - x",
          "<13>1 2026-13-41T00:00:00Z h a - - - x|||0|5|0" },
        { "<13>1 - h  - - - x", "<13>1 - h  - - - x|||0|5|0" },
        { "<13>1 - h\x01 a - - - x", "<13>1 - h\x01 a - - - x|||0|5|0" },
        /* structured data */
        { "<13>1 - - - - - [] x", "<13>1 - - - - - [] x|||0|5|0" },
        { "<13>1 - - - - - [a] x", "x|||0|5|0" },
        { "<13>1 - - - - - [a b=\"]\"] x", "x|||0|5|0" },
        { "<13>1 - - - - - [a b=\"\\\"]\\\\\"][c] x", "x|||0|5|0" },
        { "<13>1 - - - - - [a b=\"c\"d\"] x", "<13>1 - - - - - [a b=\"c\"d\"] x|||0|5|0" },
        { "<13>1 - - - - - [a b=\"c\\", "<13>1 - - - - - [a b=\"c\\|||0|5|0" },
        { "<13>1 - - - - - [a b=\"c\"", "<13>1 - - - - - [a b=\"c\"|||0|5|0" },
        { "<13>1 - - - - - [a b=c] x", "<13>1 - - - - - [a b=c] x|||0|5|0" },
        { "<13>1 - - - - - [a]x", "<13>1 - - - - - [a]x|||0|5|0" },
        /* times that are none */
        { "<13>Oct 32 22:14:15 h a: x", "Oct 32 22:14:15 h a: x|||0|5|0" },
        { "<13>Oct 11 24:14:15 h a: x", "Oct 11 24:14:15 h a: x|||0|5|0" },
        { "<13>Okt 11 22:14:15 h a: x", "Okt 11 22:14:15 h a: x|||0|5|0" },
        { "<13>Oct 11 22:14:15", "Oct 11 22:14:15|||0|5|0" },
        /* process ids that are none */
        { "<13>Oct 11 22:14:15 h a[99999999999999999999]: x", "x|h|a|0|5|1791756855000000" },
        { "<13>Oct 11 22:14:15 h a[-1]: x", "x|h|a|0|5|1791756855000000" },
        { "<13>a[b c]: x", "a[b c]: x|||0|5|0" },
    };

    (void)state;
    check_all(examples, ARRAY_SIZE(examples));
}

static void zero_bytes_end_a_message_but_stay_inside(void **state)
{
    struct syslog_message m;

    (void)state;
    assert_string_equal(reading_n(slice_of("<14>text\0", 9)), "text|||0|6|0");
    assert_string_equal(reading_n(slice_of("<14>text\r\n\0\0", 12)), "text|||0|6|0");
    syslog_message_read(slice_of("<14>a\0b", 7), NOW, &m);
    assert_int_equal(m.text.n, 3);
    assert_memory_equal(m.text.p, "a\0b", 3);
}

static bool inside(struct slice part, const char *p, size_t n)
{
    return part.n == 0 || (part.p >= p && part.p + part.n <= p + n);
}

/* Each message cut at each byte, and with each byte changed, in memory of exactly its length. */
static void no_beginning_and_no_changed_byte_leads_out_of_the_message(void **state)
{
    static const char *const messages[] = {
        "<165>1 2003-10-11T22:14:15.003Z m.example.com evntslog 8 ID47 " SD1 SD2 " " BOM "x",
        "<189>Oct 11 2003 22:14:15.003: sw1 %SYS-5[12]: text",
        "Nov 21 01:44:28 vpn1 ovpn-server[812]: text",
    };
    static const char changes[] = { 0, ' ', '<', '>', '[', ']', '"', '\\', ':', '9', '\n', '\xff' };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        for (size_t n = 0; n <= strlen(messages[i]); n++)
            for (size_t c = 0; c < ARRAY_SIZE(changes); c++) {
                char *copy = malloc(n ? n : 1);
                struct syslog_message m;

                memcpy(copy, messages[i], n);
                if (n)
                    copy[(n * 7 + c) % n] = changes[c];
                syslog_message_read(slice_of(copy, n), NOW, &m);
                assert_true(inside(m.text, copy, n) && inside(m.host, copy, n) &&
                            inside(m.app, copy, n));
                assert_in_range(m.priority + 1, 0, 8);
                free(copy);
            }
}

/* ---- framing ---- */

struct stream {
    struct syslog_framer framer;
    char bytes[FRAME_ROOM(64)];
    size_t n;
    struct buf out; /* "text|", "(cut)", "(part)", "(n)" in front */
};

static void take_frames(struct stream *s, bool end)
{
    struct syslog_frame f;
    size_t used = 0;
    bool found = true;

    while (found && used < s->n) {
        found = syslog_frame_next(&s->framer, slice_of(s->bytes + used, s->n - used), 64, end, &f);
        used += f.used;
        assert_true(used <= s->n);
        if (!found)
            continue;
        assert_true(f.text.n <= 64);
        buf_str(&s->out, f.counted ? "(n)" : "");
        buf_str(&s->out, f.cut ? "(cut)" : "");
        buf_str(&s->out, f.partial ? "(part)" : "");
        buf_slice(&s->out, f.text);
        buf_char(&s->out, '|');
    }
    s->n -= used;
    memmove(s->bytes, s->bytes + used, s->n);
}

static void feed(struct stream *s, const char *p, size_t n)
{
    while (n) {
        size_t room = sizeof s->bytes - s->n, take = n < room ? n : room;

        assert_true(room > 0); /* never more than it promised to need */
        memcpy(s->bytes + s->n, p, take);
        s->n += take;
        p += take;
        n -= take;
        take_frames(s, false);
    }
}

/* What comes of the stream in pieces of `step` bytes, the first one of `first`. */
static struct buf frames_of(struct slice bytes, size_t first, size_t step)
{
    struct stream s = { 0 };
    size_t at = first;

    feed(&s, bytes.p, first);
    for (; at < bytes.n; at += step)
        feed(&s, bytes.p + at, bytes.n - at < step ? bytes.n - at : step);
    take_frames(&s, true);
    return s.out;
}

static void check_frames(struct slice bytes, const char *expected)
{
    for (size_t step = 1; step < 80; step++)
        for (size_t first = 0; first <= bytes.n; first++) {
            struct buf out = frames_of(bytes, first, step);

            assert_true(buf_ok(&out));
            assert_int_equal(out.n, strlen(expected));
            assert_string_equal(out.n ? out.p : "", expected);
            buf_fini(&out);
        }
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void every_split_of_a_stream_gives_the_same_messages(void **state)
{
    (void)state;
    check_frames(SLICE("<13>a\n<13>b\r\n<13>c\0<13>d\0\n\n<13>e"),
                 "<13>a|<13>b|<13>c|<13>d|(part)<13>e|");
    check_frames(SLICE("5 <13>a7 <13>b\nc6 <13>d\n<13>e\n5 <13>f\n"),
                 "(n)<13>a|(n)<13>b\nc|(n)<13>d\n|<13>e|(n)<13>f|");
    check_frames(SLICE("plain\n12 monkeys\n12\n1234567 x\n"), "plain|12 monkeys|12|1234567 x|");
}

static void long_messages_are_cut_and_what_follows_is_whole(void **state)
{
    (void)state;
    check_frames(SLICE("<13>" SIXTY "\n<13>x\n"), "<13>" SIXTY "|<13>x|");
    check_frames(SLICE("<13>" SIXTY "\r\n<13>x\n"), "<13>" SIXTY "|<13>x|");
    check_frames(SLICE("<13>" SIXTY "4\n<13>x\n"), "(cut)<13>" SIXTY "|<13>x|");
    check_frames(SLICE("<13>" SIXTY "45\n<13>x\n"), "(cut)<13>" SIXTY "|<13>x|");
    check_frames(SLICE("<13>" SIXTY SIXTY SIXTY "\n<13>x\n"), "(cut)<13>" SIXTY "|<13>x|");
    check_frames(SLICE("64 <13>" SIXTY "5 <13>x"), "(n)<13>" SIXTY "|(n)<13>x|");
    check_frames(SLICE("65 <13>" SIXTY "45 <13>x"), "(n)(cut)<13>" SIXTY "|(n)<13>x|");
    check_frames(SLICE("184 <13>" SIXTY SIXTY SIXTY "5 <13>x"), "(n)(cut)<13>" SIXTY "|(n)<13>x|");
}

static void absurd_lengths_are_text_or_only_harm_their_sender(void **state)
{
    (void)state;
    check_frames(SLICE("100000000000000000000 <13>a\n<13>b\n"),
                 "100000000000000000000 <13>a|<13>b|");
    check_frames(SLICE("1000000000 <13>a\n<13>b\n"), "1000000000 <13>a|<13>b|");
    check_frames(SLICE("999999999 <13>a\n<13>b\n"), "(n)(part)<13>a\n<13>b\n|");
    check_frames(SLICE("0 <13>a\n012 <13>b\n-5 <13>c\n"), "0 <13>a|012 <13>b|-5 <13>c|");
    check_frames(SLICE("12"), "(part)12|");
    check_frames(SLICE("12 <"), "(n)(part)<|");
    check_frames(SLICE(""), "");
    check_frames(SLICE("\n\r\n\0\0"), "");
}

/* ---- listening ---- */

static void check_place(const char *text, const char *expected)
{
    struct syslog_place at;
    struct err err = ERR_NONE;
    struct buf b = BUF_INIT;

    if (syslog_place_read(slice_str(text), &at, &err) == 0)
        syslog_place_text(&at, &b);
    else
        buf_str(&b, err.text);
    assert_string_equal(b.p, expected);
    buf_fini(&b);
}

#define ADVICE "; write udp:ADDRESS:PORT, tcp:ADDRESS:PORT or unix:/PATH"

static void a_place_is_an_address_or_told_why_not(void **state)
{
    char path[120] = "unix:/";

    (void)state;
    check_place("udp:0.0.0.0:514", "udp 0.0.0.0:514");
    check_place("tcp:[::1]:6514", "tcp [::1]:6514");
    check_place("tcp:[0:0::1]:06514", "tcp [::1]:6514");
    check_place("unix:/run/trailwarden/log", "unix /run/trailwarden/log");
    check_place("0.0.0.0:514",
                "listen '0.0.0.0:514': it must begin with udp:, tcp: or unix:" ADVICE);
    check_place("", "listen '': it must begin with udp:, tcp: or unix:" ADVICE);
    check_place("udp", "listen 'udp': the port is missing" ADVICE);
    check_place("udp:", "listen 'udp:': the port is missing" ADVICE);
    check_place("udp:514", "listen 'udp:514': the port is missing" ADVICE);
    check_place(
        "udp:localhost:514",
        "listen 'udp:localhost:514': this is no address, and names are not looked up" ADVICE);
    check_place("udp:1.2.3.4:70000",
                "listen 'udp:1.2.3.4:70000': the port is no number up to 65535" ADVICE);
    check_place("udp:1.2.3.4:", "listen 'udp:1.2.3.4:': the port is no number up to 65535" ADVICE);
    check_place("udp:::1:514", "listen 'udp:::1:514': an IPv6 address needs [ ] around it" ADVICE);
    check_place("udp:[::1]", "listen 'udp:[::1]': no ]:PORT behind the [address" ADVICE);
    check_place("udp:[:1", "listen 'udp:[:1': no ]:PORT behind the [address" ADVICE);
    check_place("udp:]:1",
                "listen 'udp:]:1': this is no address, and names are not looked up" ADVICE);
    check_place("unix:log", "listen 'unix:log': the path must begin with /" ADVICE);
    memset(path + 6, 'x', 107);
    {
        struct syslog_place at;
        struct err err = ERR_NONE;

        assert_int_equal(syslog_place_read(slice_str(path), &at, &err), -EINVAL);
        assert_non_null(strstr(err.text, "at most 107 bytes"));
    }
}

static void a_mode_is_octal(void **state)
{
    unsigned mode = 0;

    (void)state;
    assert_int_equal(syslog_mode_read(SLICE("0660"), &mode, NULL), 0);
    assert_int_equal(mode, 0660);
    assert_int_equal(syslog_mode_read(SLICE("666"), &mode, NULL), 0);
    assert_int_equal(mode, 0666);
    assert_int_equal(syslog_mode_read(SLICE("0680"), &mode, NULL), -EINVAL);
    assert_int_equal(syslog_mode_read(SLICE("rw-rw"), &mode, NULL), -EINVAL);
    assert_int_equal(syslog_mode_read(SLICE("00660"), &mode, NULL), -EINVAL);
}

/* ---- the bench: an input that hears, and programs that send ---- */

struct bench {
    struct rig rig;
    int socket; /* that outlives the input, or -1 */
    struct sockaddr_storage at;
    socklen_t nat;
};

/* Opens again with a socket that was made before. */
static int open_with(struct bench *b, const char *options)
{
    struct rig *r = &b->rig;
    struct cursor list[RIG_CURSORS];

    for (size_t i = 0; i < r->ncursors; i++)
        list[i] =
            (struct cursor){ slice_str(r->cursors[i].stream), slice_str(r->cursors[i].value) };
    r->in = (struct input){ .name = "test",
                            .ops = &input_syslog,
                            .state = rig_options(r, &input_syslog, options),
                            .clock = &r->clock,
                            .fd = -1,
                            .socket = b->socket,
                            .cursors = list,
                            .ncursors = r->ncursors };
    r->open = true;
    return r->in.ops->open(&r->in, &r->err);
}

static struct syslog *own(struct bench *b)
{
    return b->rig.in.private;
}

static void begin(struct bench *b, const char *options)
{
    *b = (struct bench){ .socket = -1, .nat = sizeof b->at };
    rig_new(&b->rig);
    assert_int_equal(rig_start(&b->rig, &input_syslog, options, false), 0);
    assert_int_equal(getsockname(own(b)->fd, (struct sockaddr *)&b->at, &b->nat), 0);
}

static void end(struct bench *b)
{
    rig_free(&b->rig);
    if (b->socket >= 0)
        close(b->socket);
}

static int sender_from(const struct bench *b, const char *ip)
{
    int type =
        own((struct bench *)(uintptr_t)b)->at.transport == SYSLOG_TCP ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket(b->at.ss_family, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = { .sin_family = AF_INET };

    assert_true(fd >= 0);
    if (ip) {
        assert_int_equal(inet_pton(AF_INET, ip, &from.sin_addr), 1);
        assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    }
    assert_int_equal(connect(fd, (const struct sockaddr *)&b->at, b->nat), 0);
    return fd;
}

static int sender(const struct bench *b)
{
    return sender_from(b, NULL);
}

static void say_n(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void say(int fd, const char *text)
{
    say_n(fd, text, strlen(text));
}

/* Waits until that was read; fails after five seconds. */
static void expect(struct bench *b, const char *lines)
{
    struct rig *r = &b->rig;

    for (unsigned i = 0; i < 500; i++) {
        struct pollfd p = { .fd = r->in.fd, .events = POLLIN };

        while (rig_read(r) > 0)
            ;
        assert_int_equal(r->failed, 0);
        if (r->lines.n >= strlen(lines))
            break;
        (void)poll(&p, 1, 10);
    }
    assert_string_equal(r->lines.p ? r->lines.p : "", lines);
    buf_reset(&r->lines);
}

/* So long until a notice holds the text. */
static void expect_notice(struct bench *b, const char *text)
{
    struct rig *r = &b->rig;

    for (unsigned i = 0; i < 500; i++) {
        struct pollfd p = { .fd = r->in.fd, .events = POLLIN };

        (void)rig_read(r);
        if (r->notices.p && strstr(r->notices.p, text))
            return;
        (void)poll(&p, 1, 10);
    }
    fail_msg("no '%s' in '%s'", text, r->notices.p ? r->notices.p : "");
}

static void forget(struct bench *b)
{
    (void)rig_read(&b->rig);
    buf_reset(&b->rig.lines);
    buf_reset(&b->rig.notices);
}

static bool told(struct bench *b, const char *text)
{
    return b->rig.notices.p && strstr(b->rig.notices.p, text);
}

/* One block with records, as it is; its slices live until the next read. */
static struct block one_block(struct bench *b)
{
    struct block block = { 0 };

    for (unsigned i = 0; i < 500 && block.nrecords == 0; i++) {
        struct pollfd p = { .fd = b->rig.in.fd, .events = POLLIN };

        arena_reset(b->rig.block_arena);
        block = (struct block){ .arena = b->rig.block_arena };
        assert_true(b->rig.in.ops->read(&b->rig.in, &block, &b->rig.err) >= 0);
        if (block.nrecords == 0)
            (void)poll(&p, 1, 10);
    }
    assert_true(block.nrecords > 0);
    return block;
}

/* ---- datagrams ---- */

#define UDP "{listen: 'udp:127.0.0.1:0', rate: 0}"
#define TCP "{listen: 'tcp:127.0.0.1:0', rate: 0}"

static void a_datagram_is_a_record_with_its_header_apart(void **state)
{
    struct bench b;
    struct block block;
    struct record *r;
    uint64_t now = clock_now(&(struct clock)CLOCK_REAL);

    (void)state;
    begin(&b, UDP);
    say(sender(&b), "<12>1 2003-10-11T22:14:15.003Z vpn1 x-ui 77 - - two\nlines\n");
    block = one_block(&b);
    r = block.records;
    assert_true(slice_is(r->text, "two\nlines"));
    assert_true(slice_is(r->host, "vpn1"));
    assert_true(slice_is(r->app, "x-ui"));
    assert_true(slice_is(r->sender, "127.0.0.1"));
    assert_int_equal(r->pid, 77);
    assert_int_equal(r->priority, 4);
    assert_int_equal(r->source_time_us, OCT_11_2003);
    assert_in_range(r->time_us, now, now + 60 * USEC_PER_SEC);
    assert_int_equal(r->flags, RECORD_FORGEABLE);
    assert_true(slice_starts(block.name, SLICE("udp 127.0.0.1:0")));
    end(&b);
}

static void datagrams_over_ipv6_and_of_ipv4_reach_the_same_socket(void **state)
{
    struct bench b;
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct block block;
    int fd;

    (void)state;
    fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        skip();
    close(fd);
    begin(&b, "{listen: 'udp:[::]:0'}");
    v4.sin_port = ((struct sockaddr_in6 *)&b.at)->sin6_port;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(fd, "a", 1, 0, (struct sockaddr *)&v4, sizeof v4), 1);
    block = one_block(&b);
    assert_true(slice_is(block.records[0].sender, "127.0.0.1"));
    end(&b);
    close(fd);
}

static void a_sender_that_is_not_allowed_is_refused_and_counted(void **state)
{
    struct bench b;
    int good, bad;

    (void)state;
    begin(&b, "{listen: 'udp:127.0.0.1:0', senders: [127.0.0.8/29, 192.0.2.1]}");
    good = sender_from(&b, "127.0.0.9");
    bad = sender_from(&b, "127.0.0.1");
    say(bad, "<13>forged");
    say(good, "<13>right");
    say(bad, "<13>forged");
    expect(&b, "right|");
    assert_true(told(&b, "source.dropped{\"reason\":\"sender\",\"count\":2,"
                         "\"last_sender\":\"127.0.0.1\"}"));
    end(&b);
    rig_new(&b.rig);
    assert_int_equal(rig_start(&b.rig, &input_syslog,
                               "{listen: 'udp:127.0.0.1:0', senders: [127.0.0.1/8]}", false),
                     -EINVAL);
    assert_non_null(strstr(b.rig.err.text, "senders: "));
    rig_free(&b.rig);
    close(good);
    close(bad);
}

static void a_long_datagram_is_cut_marked_and_counted(void **state)
{
    struct bench b;
    char text[5000];
    struct block block;

    (void)state;
    begin(&b, "{listen: 'udp:127.0.0.1:0', max_line: 1KiB}");
    memset(text, 'x', sizeof text);
    say_n(sender(&b), text, sizeof text);
    say_n(sender(&b), text, 1024);
    block = one_block(&b);
    assert_int_equal(block.nrecords, 2);
    assert_int_equal(block.records[0].text.n, 1024);
    assert_int_equal(block.records[0].flags, RECORD_TRUNCATED | RECORD_FORGEABLE);
    assert_int_equal(block.records[1].flags, RECORD_FORGEABLE);
    assert_string_equal(block.notices[1].type, "source.dropped");
    assert_true(slice_is(block.notices[1].members,
                         "\"reason\":\"too_long\",\"count\":1,\"last_sender\":\"127.0.0.1\""));
    end(&b);
}

/* The sum of what was told for a reason. */
static size_t told_count(struct bench *b, const char *reason)
{
    char *begin = arena_printf(b->rig.arena, "\"reason\":\"%s\",\"count\":", reason);
    size_t sum = 0;

    for (const char *p = b->rig.notices.p; p && (p = strstr(p, begin));) {
        p += strlen(begin);
        sum += strtoul(p, NULL, 10);
    }
    return sum;
}

static void a_flood_is_read_or_told_to_the_last_message(void **state)
{
    enum { SENT = 60000 };
    struct bench b;
    char text[400];
    size_t got = 0;
    int fd;

    (void)state;
    begin(&b, UDP);
    fd = sender(&b);
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < SENT; i++)
        say_n(fd, text, sizeof text);
    while (rig_read(&b.rig) > 0) {
        got += b.rig.lines.n / (sizeof text + 1);
        buf_reset(&b.rig.lines);
    }
    say(fd, "<13>after"); /* carries the kernel's count */
    expect(&b, "after|");
    rig_wait(&b.rig, 11 * USEC_PER_SEC);
    (void)rig_read(&b.rig);
    assert_in_range(told_count(&b, "kernel"), 1, SENT);
    assert_int_equal(got + told_count(&b, "kernel"), SENT);
    end(&b);
    close(fd);
}

static void too_fast_a_sender_loses_what_is_too_much_and_others_nothing(void **state)
{
    struct bench b;
    int loud, calm;

    (void)state;
    begin(&b, "{listen: 'udp:127.0.0.1:0', rate: 10}");
    loud = sender_from(&b, "127.0.0.2");
    calm = sender_from(&b, "127.0.0.3");
    for (unsigned i = 0; i < 500; i++)
        say(loud, "<13>x");
    say(calm, "<13>y");
    rig_drain(&b.rig);
    /* The kernel's clock may give a few more while we send. */
    assert_in_range(b.rig.lines.n, 22, 60);
    assert_non_null(strstr(b.rig.lines.p, "x|x|x|x|x|x|x|x|x|x|"));
    assert_non_null(strstr(b.rig.lines.p, "|y|"));
    assert_true(told(&b, "\"reason\":\"rate\",\"count\":4"));
    assert_true(told(&b, "\"last_sender\":\"127.0.0.2\""));
    end(&b);
    close(loud);
    close(calm);
}

static void losses_are_told_at_once_then_added_up_for_ten_seconds(void **state)
{
    struct bench b;
    int bad;

    (void)state;
    begin(&b, "{listen: 'udp:127.0.0.1:0', senders: [192.0.2.1]}");
    bad = sender(&b);
    forget(&b);
    say(bad, "a");
    expect_notice(&b, "\"reason\":\"sender\",\"count\":1,");
    forget(&b);
    for (unsigned i = 0; i < 9; i++) {
        say(bad, "a");
        rig_wait(&b.rig, 1 * USEC_PER_SEC);
        forget(&b);
        assert_false(told(&b, "dropped"));
    }
    assert_in_range(b.rig.in.wake_us, b.rig.clock.mono_us, b.rig.clock.mono_us + USEC_PER_SEC);
    rig_wait(&b.rig, 1 * USEC_PER_SEC);
    assert_int_equal(rig_read(&b.rig), 1);
    assert_true(told(&b, "\"reason\":\"sender\",\"count\":9,"));
    buf_reset(&b.rig.notices);
    rig_wait(&b.rig, 60 * USEC_PER_SEC);
    assert_int_equal(rig_read(&b.rig), 0); /* silence costs nothing */
    end(&b);
    close(bad);
}

/* ---- keys ---- */

static void no_two_lives_share_a_key_and_untold_losses_survive(void **state)
{
    struct bench b;
    uint8_t first[16];
    int bad;

    (void)state;
    begin(&b, "{listen: 'udp:127.0.0.1:0', senders: [127.0.0.1]}");
    bad = sender_from(&b, "127.0.0.7");
    say(sender(&b), "one");
    say(sender(&b), "two");
    say(bad, "no");
    expect(&b, "one|two|");
    assert_int_equal(b.rig.position, 1);
    memcpy(first, b.rig.key, sizeof first);
    say(bad, "no"); /* counted, but it is not yet the time to tell */
    say(bad, "no");
    forget(&b);
    rig_stop(&b.rig);
    close(bad);
    assert_int_equal(rig_start(&b.rig, &input_syslog, UDP, false), 0);
    assert_int_equal(rig_read(&b.rig), 1);
    assert_true(told(&b, "source.start{\"stream\":\""));
    assert_true(told(&b, "\",\"before\":\""));
    assert_true(told(&b, "\",\"count\":2} "));
    assert_true(told(&b, "\"reason\":\"sender\",\"count\":2}"));
    b.nat = sizeof b.at;
    assert_int_equal(getsockname(own(&b)->fd, (struct sockaddr *)&b.at, &b.nat), 0);
    say(sender(&b), "one");
    expect(&b, "one|");
    assert_int_equal(b.rig.position, 0);
    assert_memory_not_equal(first, b.rig.key, sizeof first);
    assert_int_equal(b.rig.ncursors, 1);
    end(&b);
}

static void a_broken_cursor_is_no_obstacle(void **state)
{
    static const char *const values[] = {
        "", "{", "[]", "{\"stream\":5,\"lost\":[1]}",
        "{\"stream\":\"zz\",\"count\":-1,\"lost\":{\"rate\":\"x\"}}"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct bench b = { .socket = -1 };

        rig_new(&b.rig);
        rig_cursor(&b.rig, &(struct cursor){ SLICE("syslog"), SLICE("x") });
        free(b.rig.cursors[0].value);
        b.rig.cursors[0].value = slice_dup(slice_str(values[i]));
        assert_int_equal(rig_start(&b.rig, &input_syslog, UDP, false), 0);
        assert_int_equal(rig_read(&b.rig), 1);
        assert_false(told(&b, "dropped"));
        end(&b);
    }
}

static void a_socket_outlives_its_reader_with_what_waits_in_it(void **state)
{
    struct bench b = { .socket = -1, .nat = sizeof b.at };
    struct buf key = BUF_INIT;
    void *options;
    int fd;

    (void)state;
    rig_new(&b.rig);
    options = rig_options(&b.rig, &input_syslog, UDP);
    input_syslog.listen_key(options, &key);
    assert_string_equal(key.p, "udp 127.0.0.1:0");
    buf_fini(&key);
    assert_int_equal(input_syslog.listen(options, &b.socket, &b.rig.err), 0);
    assert_int_equal(getsockname(b.socket, (struct sockaddr *)&b.at, &b.nat), 0);
    assert_int_equal(open_with(&b, UDP), 0);
    fd = sender(&b);
    say(fd, "one");
    expect(&b, "one|");
    rig_stop(&b.rig);
    say(fd, "two");
    assert_int_equal(open_with(&b, UDP), 0);
    expect(&b, "two|");
    end(&b);
    close(fd);
}

static void what_the_kernel_dropped_is_counted_once_over_two_readers(void **state)
{
    struct bench b = { .socket = -1, .nat = sizeof b.at };
    char text[400] = "x";
    uint32_t dropped;
    int fd, small = 4096;

    (void)state;
    rig_new(&b.rig);
    assert_int_equal(input_syslog.listen(rig_options(&b.rig, &input_syslog, UDP), &b.socket, NULL),
                     0);
    assert_int_equal(setsockopt(b.socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(getsockname(b.socket, (struct sockaddr *)&b.at, &b.nat), 0);
    assert_int_equal(open_with(&b, UDP), 0);
    fd = sender(&b);
    for (unsigned i = 0; i < 100; i++)
        say_n(fd, text, sizeof text);
    rig_drain(&b.rig);
    say(fd, "<13>after");
    rig_drain(&b.rig);
    dropped = own(&b)->dropped;
    assert_true(dropped > 10 && dropped < 100);
    rig_wait(&b.rig, 20 * USEC_PER_SEC);
    rig_drain(&b.rig);
    rig_stop(&b.rig);
    buf_reset(&b.rig.notices);
    assert_int_equal(open_with(&b, UDP), 0);
    assert_int_equal(own(&b)->dropped, dropped);
    say(fd, "<13>again"); /* with the same count */
    rig_drain(&b.rig);
    assert_false(told(&b, "dropped"));
    end(&b);
    close(fd);
}

/* ---- the local socket ---- */

#define LOCAL "{listen: 'unix:%s/log', rate: 0}"

static char *local_options(struct bench *b)
{
    char *o = arena_printf(b->rig.arena, LOCAL, b->rig.folder);

    assert_non_null(o);
    return o;
}

static void begin_local(struct bench *b)
{
    *b = (struct bench){ .socket = -1, .nat = sizeof b->at };
    rig_new(&b->rig);
    assert_int_equal(rig_start(&b->rig, &input_syslog, local_options(b), false), 0);
    assert_int_equal(getsockname(own(b)->fd, (struct sockaddr *)&b->at, &b->nat), 0);
}

static void local_programs_are_heard(void **state)
{
    struct bench b;
    struct block block;
    struct stat st;
    mode_t old = umask(0077);
    uint64_t now = clock_now(&(struct clock)CLOCK_REAL);

    (void)state;
    begin_local(&b);
    umask(old);
    assert_int_equal(stat(rig_path(&b.rig, "log"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    say(sender(&b), "<38>Nov 21 01:44:28 sshd[812]: text");
    block = one_block(&b);
    assert_true(slice_is(block.records[0].text, "text"));
    assert_int_equal(block.records[0].sender.n, 0);
    assert_int_equal(block.records[0].flags, 0);
    assert_in_range(block.records[0].time_us, now, now + 60 * USEC_PER_SEC);
    end(&b);
}

static void a_stale_socket_is_replaced_and_a_live_one_or_a_file_is_not(void **state)
{
    struct bench b;
    struct err err = ERR_NONE;
    void *options;
    struct stat st;
    int fd = -1;

    (void)state;
    begin_local(&b);
    options = rig_options(&b.rig, &input_syslog, local_options(&b));
    assert_int_equal(input_syslog.listen(options, &fd, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "another program hears on"));
    say(sender(&b), "still here");
    expect(&b, "still here|");
    rig_stop(&b.rig); /* leaves the file */
    assert_int_equal(stat(rig_path(&b.rig, "log"), &st), 0);
    assert_int_equal(rig_start(&b.rig, &input_syslog, local_options(&b), false), 0);
    say(sender(&b), "again");
    expect(&b, "again|");
    rig_stop(&b.rig);
    assert_int_equal(unlink(rig_path(&b.rig, "log")), 0);
    rig_append(&b.rig, "log", "precious");
    assert_int_equal(input_syslog.listen(options, &fd, &err), -EEXIST);
    assert_non_null(strstr(err.text, "is no socket: it stays"));
    assert_int_equal(stat(rig_path(&b.rig, "log"), &st), 0);
    assert_int_equal(st.st_size, 8);
    end(&b);
}

static void a_socket_of_another_kind_stays_with_its_program(void **state)
{
    struct bench b = { .socket = -1 };
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd, other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    rig_new(&b.rig);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/log", b.rig.folder);
    assert_int_equal(bind(other, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_int_equal(
        input_syslog.listen(rig_options(&b.rig, &input_syslog, local_options(&b)), &fd, NULL),
        -EADDRINUSE);
    assert_int_equal(access(at.sun_path, F_OK), 0);
    close(other);
    end(&b);
}

static size_t descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void descriptors_that_somebody_sends_along_are_closed(void **state)
{
    struct bench b;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control = { 0 };
    char text[] = "<13>x";
    struct iovec part = { text, 5 };
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    size_t before;
    int fd;

    (void)state;
    begin_local(&b);
    fd = sender(&b);
    before = descriptors();
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(8 * sizeof(int));
    memset(CMSG_DATA(c), 0, 8 * sizeof(int)); /* eight times descriptor 0 */
    assert_int_equal(sendmsg(fd, &m, 0), 5);
    expect(&b, "x|");
    assert_int_equal(descriptors(), before);
    end(&b);
    close(fd);
}

/* ---- connections ---- */

static void both_framings_come_over_one_connection(void **state)
{
    struct bench b;
    struct block block;
    int fd;

    (void)state;
    begin(&b, TCP);
    fd = sender(&b);
    say(fd, "<13>a\n7 <13>b\nc<13>d\r\n");
    say_n(fd, "<13>e\0", 6);
    expect(&b, "a|b\nc|d|e|");
    say(fd, "<12>1 - vpn1 x-ui 7 - - text\n");
    block = one_block(&b);
    assert_int_equal(block.records[0].flags, 0);
    assert_true(slice_is(block.records[0].sender, "127.0.0.1"));
    assert_true(slice_is(block.records[0].host, "vpn1"));
    assert_int_equal(block.records[0].position, 4);
    assert_int_equal(b.rig.in.lag.streams, 1);
    close(fd);
    end(&b);
}

static void half_a_message_holds_up_nobody_and_is_given_up_in_time(void **state)
{
    struct bench b;
    int slow, fast;

    (void)state;
    begin(&b, TCP);
    slow = sender(&b);
    fast = sender(&b);
    say(slow, "100 <13>half");
    say(fast, "<13>a\n");
    expect(&b, "a|");
    rig_wait(&b.rig, 29 * USEC_PER_SEC);
    say(fast, "<13>b\n");
    expect(&b, "b|");
    assert_int_equal(b.rig.in.lag.streams, 2);
    assert_in_range(b.rig.in.wake_us, 1, b.rig.clock.mono_us + 1 * USEC_PER_SEC);
    rig_wait(&b.rig, 2 * USEC_PER_SEC);
    expect(&b, "(part)half|");
    assert_true(told(&b, "\"reason\":\"unfinished\",\"count\":1,"));
    assert_int_equal(b.rig.in.lag.streams, 1);
    rig_wait(&b.rig, 3600 * USEC_PER_SEC); /* a whole message may be followed by silence */
    say(fast, "<13>c\n");
    expect(&b, "c|");
    close(slow);
    close(fast);
    end(&b);
}

static void a_last_line_without_its_end_is_handed_over(void **state)
{
    struct bench b;
    int fd;

    (void)state;
    begin(&b, TCP);
    forget(&b);
    fd = sender(&b);
    say(fd, "<13>a\n<13>b");
    close(fd);
    expect(&b, "a|(part)b|");
    assert_false(told(&b, "dropped"));
    fd = sender(&b);
    say(fd, "10 <13>c");
    close(fd);
    expect(&b, "(part)c|");
    assert_true(told(&b, "\"reason\":\"unfinished\",\"count\":1,"));
    end(&b);
}

static void a_line_of_a_megabyte_stays_within_its_buffer(void **state)
{
    struct bench b;
    char *text = malloc(1 << 20);
    struct buf expected = BUF_INIT;
    size_t at = 0;
    int fd;

    (void)state;
    begin(&b, "{listen: 'tcp:127.0.0.1:0', max_line: 2KiB, rate: 0}");
    memset(text, 'x', 1 << 20);
    buf_str(&expected, "(cut)");
    buf_add(&expected, text, 2048);
    buf_str(&expected, "|");
    fd = sender(&b);
    while (at < 1 << 20) { /* no end of line, ever */
        ssize_t n = send(fd, text + at, (1 << 20) - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        at += n > 0 ? (size_t)n : 0;
        (void)rig_read(&b.rig);
    }
    expect(&b, expected.p);
    assert_true(b.rig.in.lag.bytes <= FRAME_ROOM(2048));
    say(fd, "\n<13>next\n");
    expect(&b, "next|");
    assert_true(told(&b, "\"reason\":\"too_long\",\"count\":1,"));
    buf_fini(&expected);
    free(text);
    close(fd);
    end(&b);
}

static void too_fast_a_connection_waits_and_loses_nothing(void **state)
{
    struct bench b;
    struct buf text = BUF_INIT, expected = BUF_INIT;
    size_t first;
    int fd, calm;

    (void)state;
    begin(&b, "{listen: 'tcp:127.0.0.1:0', rate: 100}");
    fd = sender_from(&b, "127.0.0.2");
    calm = sender_from(&b, "127.0.0.3");
    for (unsigned i = 0; i < 300; i++) {
        buf_printf(&text, "<13>%u\n", i);
        buf_printf(&expected, "%u|", i);
    }
    say_n(fd, text.p, text.n);
    for (unsigned i = 0; i < 500 && b.rig.lines.n < 290; i++) {
        struct pollfd p = { .fd = b.rig.in.fd, .events = POLLIN };

        (void)rig_read(&b.rig);
        (void)poll(&p, 1, 10);
    }
    first = b.rig.lines.n;
    assert_int_equal(first, 10 * 2 + 90 * 3); /* a hundred */
    say(calm, "<13>calm\n");
    for (unsigned i = 0; i < 500 && b.rig.lines.n == first; i++)
        (void)rig_read(&b.rig);
    assert_string_equal(b.rig.lines.p + first, "calm|");
    b.rig.lines.n = first;
    for (unsigned i = 0; i < 400; i++) {
        rig_wait(&b.rig, 10 * USEC_PER_MSEC);
        while (rig_read(&b.rig) > 0)
            ;
    }
    assert_string_equal(b.rig.lines.p, expected.p);
    assert_false(told(&b, "dropped"));
    buf_fini(&text);
    buf_fini(&expected);
    close(fd);
    close(calm);
    end(&b);
}

static bool closed_by_peer(struct bench *b, int fd)
{
    for (unsigned i = 0; i < 500; i++) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char c;

        (void)rig_read(&b->rig);
        if (poll(&p, 1, 10) > 0)
            return recv(fd, &c, 1, MSG_DONTWAIT) <= 0;
    }
    return false;
}

static void one_connection_too_many_is_refused_and_counted(void **state)
{
    struct bench b;
    int fds[3];

    (void)state;
    begin(&b, "{listen: 'tcp:127.0.0.1:0', connections: 2}");
    for (size_t i = 0; i < 3; i++) {
        fds[i] = sender(&b);
        (void)rig_read(&b.rig);
    }
    assert_true(closed_by_peer(&b, fds[2]));
    expect_notice(&b, "\"reason\":\"connections\",\"count\":1,\"last_sender\":\"127.0.0.1\"");
    say(fds[0], "<13>a\n");
    expect(&b, "a|");
    close(fds[0]);
    for (unsigned i = 0; i < 500 && b.rig.in.lag.streams != 1; i++)
        (void)rig_read(&b.rig);
    close(fds[2]);
    fds[2] = sender(&b); /* there is room again */
    say(fds[2], "<13>c\n");
    expect(&b, "c|");
    close(fds[1]);
    close(fds[2]);
    end(&b);
}

static void who_holds_all_places_gives_one_to_a_newcomer(void **state)
{
    struct bench b;
    int greedy[4], other;

    (void)state;
    begin(&b, "{listen: 'tcp:127.0.0.1:0', connections: 4}");
    for (size_t i = 0; i < 4; i++) {
        greedy[i] = sender_from(&b, "127.0.0.2");
        say(greedy[i], "<13>g\n");
        expect(&b, "g|");
        rig_wait(&b.rig, USEC_PER_SEC);
    }
    say(greedy[0], "<13>g\n");
    expect(&b, "g|"); /* so greedy[1] was silent longest */
    other = sender_from(&b, "127.0.0.3");
    say(other, "<13>o\n");
    expect(&b, "o|");
    assert_true(closed_by_peer(&b, greedy[1]));
    assert_true(told(&b, "\"reason\":\"connections\",\"count\":1,\"last_sender\":\"127.0.0.2\""));
    say(greedy[0], "<13>g\n");
    say(greedy[2], "<13>g\n");
    say(greedy[3], "<13>g\n");
    expect(&b, "g|g|g|");
    for (size_t i = 0; i < 4; i++)
        close(greedy[i]);
    close(other);
    end(&b);
}

static void a_connection_from_a_stranger_is_closed_and_counted(void **state)
{
    struct bench b;
    int fd;

    (void)state;
    begin(&b, "{listen: 'tcp:127.0.0.1:0', senders: 127.0.0.9}");
    fd = sender(&b);
    assert_true(closed_by_peer(&b, fd));
    expect_notice(&b, "\"reason\":\"sender\",\"count\":1");
    close(fd);
    end(&b);
}

static void a_busy_connection_leaves_room_for_the_others(void **state)
{
    struct bench b;
    struct buf text = BUF_INIT;
    struct block block;
    size_t calm_at = SIZE_MAX;
    int busy, calm;

    (void)state;
    begin(&b, TCP);
    busy = sender(&b);
    calm = sender(&b);
    for (unsigned i = 0; i < 5000; i++)
        buf_str(&text, "<13>x\n");
    say_n(busy, text.p, text.n);
    say(calm, "<13>calm\n");
    block = one_block(&b);
    for (size_t i = 0; i < block.nrecords; i++)
        if (slice_is(block.records[i].text, "calm"))
            calm_at = i;
    assert_true(calm_at < RECORDS_MAX);
    buf_fini(&text);
    close(busy);
    close(calm);
    end(&b);
}

static void a_storm_over_many_connections_arrives_whole(void **state)
{
    enum { MANY = 50, EACH = 400 };
    struct bench b;
    int fds[MANY];
    size_t got = 0;

    (void)state;
    begin(&b, TCP);
    for (size_t i = 0; i < MANY; i++)
        fds[i] = sender(&b);
    for (unsigned n = 0; n < EACH; n++)
        for (size_t i = 0; i < MANY; i++) {
            if ((n + i) % 2)
                say(fds[i], "<13>x\n");
            else
                say(fds[i], "5 <13>x");
            if ((n * MANY + i) % 97 == 0)
                (void)rig_read(&b.rig);
        }
    for (size_t i = 0; i < MANY; i++)
        close(fds[i]);
    for (unsigned i = 0; i < 500 && (b.rig.in.lag.streams || got == 0); i++) {
        struct pollfd p = { .fd = b.rig.in.fd, .events = POLLIN };

        while (rig_read(&b.rig) > 0)
            ;
        got = b.rig.lines.n;
        (void)poll(&p, 1, 10);
    }
    assert_int_equal(got, (size_t)MANY * EACH * 2);
    assert_int_equal(b.rig.position, MANY * EACH - 1);
    assert_false(told(&b, "dropped"));
    end(&b);
}

static void there_is_nothing_to_replay(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    assert_int_equal(rig_start(&r, &input_syslog, UDP, true), -ENOTSUP);
    rig_free(&r);
}

static void what_is_read_cannot_be_read_again(void **state)
{
    (void)state;
    assert_true(input_syslog.once_only);
}

/* ---- senders ---- */

static void the_table_of_senders_forgets_who_was_silent_longest(void **state)
{
    struct senders *s = NULL;
    struct ip ip = { .family = 4 };

    (void)state;
    assert_int_equal(senders_new(&(struct option_strs){ 0 }, 1, &s, NULL), 0);
    assert_true(senders_take(s, &(struct ip){ .family = 6 }, 1000));
    assert_false(senders_take(s, &(struct ip){ .family = 6 }, 1000));
    for (uint32_t i = 0; i < 3 * SENDERS_MAX; i++) {
        memcpy(ip.bytes, &i, sizeof i);
        assert_true(senders_take(s, &ip, 1000));
        assert_false(senders_take(s, &ip, 1000));
        assert_false(senders_take(s, &(struct ip){ .family = 6 }, 1000)); /* never silent */
        assert_true(senders_count(s) <= SENDERS_MAX);
    }
    assert_int_equal(senders_count(s), SENDERS_MAX);
    senders_free(s);
}

static void a_bucket_fills_with_time_and_holds_one_second(void **state)
{
    struct senders *s = NULL;
    struct ip ip = { .family = 4 };
    uint64_t t = 1000 * USEC_PER_SEC;
    unsigned n = 0;

    (void)state;
    assert_int_equal(senders_new(&(struct option_strs){ 0 }, 10, &s, NULL), 0);
    while (senders_take(s, &ip, t))
        n++;
    assert_int_equal(n, 10);
    assert_true(senders_take(s, &ip, t + 100000));
    assert_false(senders_take(s, &ip, t + 100000));
    for (n = 0, t += 3600 * USEC_PER_SEC; senders_take(s, &ip, t);)
        n++;
    assert_int_equal(n, 10);
    t -= 3000 * USEC_PER_SEC; /* the clock is set back */
    assert_false(senders_take(s, &ip, t));
    assert_true(senders_take(s, &ip, t + 100000));
    senders_free(s);
}

/* ---- what becomes of a record ---- */

static const char *field_of(const struct event *ev, const char *name)
{
    static char out[256];
    const struct field *f = event_get_named(ev, slice_str(name));

    (void)snprintf(out, sizeof out, "%.*s", f ? (int)f->value.n : 1, f ? f->value.p : "-");
    return out;
}

static void the_header_beats_what_the_text_says_and_udp_is_forgeable(void **state)
{
    static const char format[] = "format: t\nchannel: t\nsummary: t\nlogsource: {product: t}\n"
                                 "syslog: true\nlayouts:\n"
                                 "  - {name: a, match: '^(?<message>inner .*)$'}\n";
    struct arena *a = arena_new(4096, 0);
    struct diag *d = diag_new();
    struct field_names *names = field_names_new();
    struct formats *formats = formats_new(names);
    struct parser_source source = { 0 };
    struct parser_scratch *scratch;
    struct event ev;
    struct record r = { .text = SLICE("Nov 21 01:44:28 forged-host forged[1]: inner text"),
                        .host = SLICE("vpn1"),
                        .app = SLICE("x-ui"),
                        .sender = SLICE("192.0.2.1"),
                        .time_us = NOW + 5,
                        .source_time_us = OCT_11_2003,
                        .priority = 4,
                        .flags = RECORD_FORGEABLE };

    (void)state;
    assert_int_equal(formats_add(formats, "t.yaml", SLICE(format), d), 0);
    source.format = formats_at(formats, 0);
    assert_int_equal(parser_source_init(&source, NULL), 0);
    scratch = parser_scratch_new(formats);
    assert_int_equal(parser_run(&source, scratch, &r, 0, a, &ev, NULL), 0);
    assert_string_equal(field_of(&ev, "message"), "inner text");
    assert_string_equal(field_of(&ev, "host.name"), "vpn1");
    assert_string_equal(field_of(&ev, "process.name"), "x-ui");
    assert_string_equal(field_of(&ev, "log.source.address"), "192.0.2.1");
    assert_string_equal(field_of(&ev, "log.level"), "warning");
    assert_int_equal(ev.trust, TRUST_FORGEABLE);
    r.flags = 0;
    r.text = SLICE("inner text");
    r.host = r.app = r.sender = SLICE_NONE;
    assert_int_equal(parser_run(&source, scratch, &r, 0, a, &ev, NULL), 0);
    assert_int_equal(ev.trust, TRUST_LINE);
    assert_int_equal(ev.time_us, NOW + 5); /* of arrival */
    assert_string_equal(field_of(&ev, "host.name"), "-");
    parser_source_fini(&source);
    parser_scratch_free(scratch);
    formats_free(formats);
    field_names_free(names);
    diag_free(d);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_of_rfc_5424_is_read),
        cmocka_unit_test(every_example_of_rfc_3164_is_read),
        cmocka_unit_test(what_programs_really_write_is_read),
        cmocka_unit_test(a_year_that_is_left_out_is_the_nearest_one),
        cmocka_unit_test(what_is_no_header_is_handed_over_whole),
        cmocka_unit_test(zero_bytes_end_a_message_but_stay_inside),
        cmocka_unit_test(no_beginning_and_no_changed_byte_leads_out_of_the_message),
        cmocka_unit_test(every_split_of_a_stream_gives_the_same_messages),
        cmocka_unit_test(long_messages_are_cut_and_what_follows_is_whole),
        cmocka_unit_test(absurd_lengths_are_text_or_only_harm_their_sender),
        cmocka_unit_test(a_place_is_an_address_or_told_why_not),
        cmocka_unit_test(a_mode_is_octal),
        cmocka_unit_test(a_datagram_is_a_record_with_its_header_apart),
        cmocka_unit_test(datagrams_over_ipv6_and_of_ipv4_reach_the_same_socket),
        cmocka_unit_test(a_sender_that_is_not_allowed_is_refused_and_counted),
        cmocka_unit_test(a_long_datagram_is_cut_marked_and_counted),
        cmocka_unit_test(a_flood_is_read_or_told_to_the_last_message),
        cmocka_unit_test(too_fast_a_sender_loses_what_is_too_much_and_others_nothing),
        cmocka_unit_test(losses_are_told_at_once_then_added_up_for_ten_seconds),
        cmocka_unit_test(no_two_lives_share_a_key_and_untold_losses_survive),
        cmocka_unit_test(a_broken_cursor_is_no_obstacle),
        cmocka_unit_test(a_socket_outlives_its_reader_with_what_waits_in_it),
        cmocka_unit_test(what_the_kernel_dropped_is_counted_once_over_two_readers),
        cmocka_unit_test(local_programs_are_heard),
        cmocka_unit_test(a_stale_socket_is_replaced_and_a_live_one_or_a_file_is_not),
        cmocka_unit_test(a_socket_of_another_kind_stays_with_its_program),
        cmocka_unit_test(descriptors_that_somebody_sends_along_are_closed),
        cmocka_unit_test(both_framings_come_over_one_connection),
        cmocka_unit_test(half_a_message_holds_up_nobody_and_is_given_up_in_time),
        cmocka_unit_test(a_last_line_without_its_end_is_handed_over),
        cmocka_unit_test(a_line_of_a_megabyte_stays_within_its_buffer),
        cmocka_unit_test(too_fast_a_connection_waits_and_loses_nothing),
        cmocka_unit_test(one_connection_too_many_is_refused_and_counted),
        cmocka_unit_test(who_holds_all_places_gives_one_to_a_newcomer),
        cmocka_unit_test(a_connection_from_a_stranger_is_closed_and_counted),
        cmocka_unit_test(a_busy_connection_leaves_room_for_the_others),
        cmocka_unit_test(a_storm_over_many_connections_arrives_whole),
        cmocka_unit_test(there_is_nothing_to_replay),
        cmocka_unit_test(what_is_read_cannot_be_read_again),
        cmocka_unit_test(the_table_of_senders_forgets_who_was_silent_longest),
        cmocka_unit_test(a_bucket_fills_with_time_and_holds_one_second),
        cmocka_unit_test(the_header_beats_what_the_text_says_and_udp_is_forgeable),
    };

    return cmocka_run_group_tests_name("input_syslog", tests, NULL, NULL);
}
