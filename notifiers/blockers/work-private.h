/* For the tests of work.c: files that are looked at (never.h) are below `root`. */
#pragma once

#include "notifiers/blockers/blocker.h"

void blocker_work_under(struct blocker *b, int fd, const char *root);
