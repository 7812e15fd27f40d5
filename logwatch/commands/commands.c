/* All commands, in the order of the help. */
#include "logwatch/commands/cli.h"

#define COMMON (OPT(CONFIG) | OPT(STATE) | OPT(JSON))

const struct command commands[] = {
    { "run", "follow the logs: detect, record, tell, ban", "",
      OPT(CONFIG) | OPT(STATE) | OPT(ONCE) | OPT(QUIET) | OPT(VERBOSE) | OPT(SINGLE), command_run,
      "trailwarden run --config trailwarden.yaml" },
    { "replay", "run the rules over files, as `run` would have", "FILE...",
      OPT(CONFIG) | OPT(JSON) | OPT(CHANNEL) | OPT(ZONE) | OPT(RULES) | OPT(NO_LIBRARY) |
          OPT(STATS) | OPT(FAIL_EMPTY) | OPT(QUIET),
      command_replay, "trailwarden replay --stats /var/log/xray/access.log" },
    { "check", "check configuration, formats and rules; run their samples and tests", "[RULES...]",
      OPT(CONFIG) | OPT(STATE) | OPT(JSON) | OPT(QUIET), command_check, "trailwarden check" },
    { "explain", "what becomes of a line: format, fields, rules that matched or nearly", "[LINE]",
      OPT(CONFIG) | OPT(JSON) | OPT(CHANNEL) | OPT(ZONE) | OPT(RULE) | OPT(RULES) | OPT(NO_LIBRARY),
      command_explain, "tail -1 /var/log/openvpn.log | trailwarden explain --channel openvpn" },
    { "status", "channels, positions, alerts, trail and outbox at a glance", "", COMMON,
      command_status, "trailwarden status" },
    { "alerts list", "alerts, newest first", "",
      COMMON | OPT(LIMIT) | OPT(CHANNEL) | OPT(RULE) | OPT(FAIL_EMPTY), command_alerts,
      "trailwarden alerts list --limit 5 --json" },
    { "rules list", "rules that are loaded", "[RULES...]", OPT(CONFIG) | OPT(JSON), command_rules,
      "trailwarden rules list" },
    { "trail init", "make a new trail and print its two trust anchors", "", COMMON | OPT(TRAIL),
      command_trail_init, "trailwarden trail init" },
    { "trail verify", "check the whole trail against its signatures", "",
      COMMON | OPT(TRAIL) | OPT(VKEY) | OPT(EPOCH_VKEY) | OPT(AGAINST) | OPT(QUIET),
      command_trail_verify, "trailwarden trail verify --vkey \"$(cat vkey)\" --against note" },
    { "trail show", "entries of the trail", "",
      COMMON | OPT(TRAIL) | OPT(TYPE) | OPT(GREP) | OPT(LIMIT) | OPT(FAIL_EMPTY),
      command_trail_show, "trailwarden trail show --type alert" },
    { "config schema", "JSON Schema of the configuration", "", 0, command_config_schema,
      "trailwarden config schema > trailwarden.schema.json" },
    { "completion", "completion for bash, zsh or fish", "SHELL", 0, command_completion,
      "source <(trailwarden completion bash)" },
    { "help", "help for a command, or for: config, formats, fields, actions", "[TOPIC]", 0,
      command_help, "trailwarden help config" },
    { "version", "version and libraries", "", OPT(JSON), command_version,
      "trailwarden version --json" },
    { 0 },
};
