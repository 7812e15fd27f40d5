/* The words of event.action, with what ECS says of each. */
#include "parsers/format.h"

/* What happened, with its ECS category and outcome (ECS 8: event.category, event.outcome). */
static const struct action actions[] = {
    { "access", "network", "success" },
    { "access_blocked", "network", "failure" },
    { "access_denied", "web", "failure" },
    { "access_error", "network", "failure" },
    { "access_notfound", "web", "failure" },
    { "account_locked", "iam", "success" },
    { "admin_action", "configuration", "success" },
    { "auth_blocked", "authentication", "failure" },
    { "cert_rejected", "authentication", "failure" },
    { "config_changed", "configuration", "success" },
    { "conn_close", "session", "success" },
    { "conn_open", "session", "success" },
    { "conn_rejected", "session", "failure" },
    { "conn_status", "session", "unknown" },
    { "handshake_done", "network", "success" },
    { "ip_blocked", "intrusion_detection", "success" },
    { "ip_limit", "intrusion_detection", "success" },
    { "ip_unblocked", "intrusion_detection", "success" },
    { "job_failed", "process", "failure" },
    { "login_failed", "authentication", "failure" },
    { "login_ok", "authentication", "success" },
    { "logout", "authentication", "success" },
    { "password_reset", "iam", "success" },
    { "priv_change", "iam", "success" },
    { "probe", "intrusion_detection", "failure" },
    { "provision_failed", "configuration", "failure" },
    { "provision_ok", "configuration", "success" },
    { "rate_limited", "intrusion_detection", "failure" },
    { "service_error", "process", "failure" },
    { "service_start", "process", "success" },
    { "service_stop", "process", "success" },
    { "session_replaced", "session", "success" },
    { "suspicious", "intrusion_detection", "unknown" },
    { "tcp_accept", "network", "success" },
    { "tls_failure", "network", "failure" },
    { "user_added", "iam", "success" },
    { "user_changed", "iam", "success" },
    { "user_removed", "iam", "success" },
};

const char *const action_names[] = {
    "access",         "access_blocked",   "access_denied",
    "access_error",   "access_notfound",  "account_locked",
    "admin_action",   "auth_blocked",     "cert_rejected",
    "config_changed", "conn_close",       "conn_open",
    "conn_rejected",  "conn_status",      "handshake_done",
    "ip_blocked",     "ip_limit",         "ip_unblocked",
    "job_failed",     "login_failed",     "login_ok",
    "logout",         "password_reset",   "priv_change",
    "probe",          "provision_failed", "provision_ok",
    "rate_limited",   "service_error",    "service_start",
    "service_stop",   "session_replaced", "suspicious",
    "tcp_accept",     "tls_failure",      "user_added",
    "user_changed",   "user_removed",     NULL,
};

const struct action *action_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (slice_is(name, actions[i].name))
            return &actions[i];
    return NULL;
}
