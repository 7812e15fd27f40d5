/*
 * The smallest command there is: appends the time at which it began and its
 * second word to the file that its first word names. For measuring how long a
 * line takes to become an act; a script would measure its interpreter.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    char line[128];
    int n, fd;

    clock_gettime(CLOCK_REALTIME, &now);
    if (argc != 3)
        return 2;
    n = snprintf(line, sizeof line, "%lld.%09ld %.64s\n", (long long)now.tv_sec, now.tv_nsec,
                 argv[2]);
    fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return fd < 0 || write(fd, line, (size_t)n) != n;
}
