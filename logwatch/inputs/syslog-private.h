/* Shared by the files of the syslog input; nobody else includes it. */
#pragma once

#include "logwatch/inputs/common.h"
#include "logwatch/inputs/syslog-frame.h"
#include "logwatch/inputs/syslog-sender.h"
#include "logwatch/inputs/syslog-socket.h"

#define RECORDS_MAX 1024

struct syslog_options {
    const char *listen, *mode;
    uint64_t max_line, connections, rate;
    struct option_strs senders;
};

/* What does not arrive, or not whole. */
enum loss_reason {
    LOSS_KERNEL, /* the socket's buffer was full */
    LOSS_RATE,
    LOSS_LONG, /* the rest of a message beyond max_line */
    LOSS_SENDER, /* not among `senders` */
    LOSS_CONNECTIONS,
    LOSS_UNFINISHED, /* the rest of a message that did not come */
    LOSS_REASONS,
};

struct loss {
    uint64_t count; /* not told yet */
    uint64_t told_us; /* monotonic; 0 = never */
    struct ip sender; /* the last one; family 0 = none */
};

struct connections;

struct syslog {
    struct syslog_place at;
    char *place; /* as text */
    int fd; /* the socket */
    bool own_fd;
    struct senders *senders;
    char *scratch; /* max_line bytes for a datagram */
    struct connections *connections; /* TCP, else NULL */

    /* Key of each record: random identity of this life, number in it. */
    uint8_t stream[16];
    uint64_t count;
    uint8_t before[16]; /* of the life that the cursor told of */
    uint64_t before_count;
    bool had_before, started;

    struct loss losses[LOSS_REASONS];
    uint8_t socket_id[24]; /* boot and the kernel's number of the socket */
    uint32_t dropped; /* the kernel's own count, as far as it is in losses */
    bool dirty; /* the cursor changed */
};

struct pass {
    struct input *in;
    struct syslog *s;
    struct block *b;
    const struct syslog_options *o;
    size_t bytes, bytes_max;
    struct ip sender; /* of sender_text */
    struct slice sender_text;
};

/* One message as it came. family 0: a local program. */
struct arrival {
    struct slice raw;
    struct ip sender;
    uint64_t time_us;
    unsigned flags;
};

bool pass_full(const struct pass *p);
int pass_add(struct pass *p, const struct arrival *a); /* -ENOMEM */
void lose(struct syslog *s, enum loss_reason reason, uint64_t n, const struct ip *sender);

/* ---- syslog-tcp.c ---- */

/* `fd` hears; borrowed. */
int connections_new(int fd, size_t max, size_t line_max, struct connections **ret, struct err *err);
void connections_free(struct connections *c);
int connections_fd(const struct connections *c);
size_t connections_count(const struct connections *c);
int connections_read(struct connections *c, struct pass *p, struct err *err);
uint64_t connections_wake_us(const struct connections *c); /* 0 = nothing to wait for */

struct sockaddr_storage;
void ip_of_peer(const struct sockaddr_storage *from, struct ip *ret);
