#include <signal.h>

#include "base/log.h"
#include "logwatch/commands/cli.h"

int main(int argc, char **argv)
{
    struct cli cli;
    int r = cli_parse(argc, argv, &cli);

    log_init(LOG_LEVEL_NOTICE, "trailwarden");
    signal(SIGPIPE, SIG_DFL); /* `trailwarden ... | head` ends quietly */
    if (r == EXIT_DONE && cli_has(&cli, CLI_HELP))
        cli_command_help(stdout, cli.command);
    else if (r == EXIT_DONE)
        r = cli.command->run(&cli);
    cli_fini(&cli);
    if (fflush(stdout) != 0 && r == EXIT_DONE) {
        fputs("trailwarden: cannot write the output\n", stderr);
        r = EXIT_FAILED;
    }
    return r < 0 ? EXIT_DONE : r;
}
