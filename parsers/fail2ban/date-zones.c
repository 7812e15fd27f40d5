/*
 * Names of time zones as logs write them, and how many minutes they are ahead of UTC: those of RFC
 * 5322, section 4.3, and those that the time zone database uses today (public domain). Where
 * several places share a name, that of the RFC counts, else that of most places.
 */
#include "parsers/fail2ban/date.h"

static const struct {
    char name[6];
    short minutes;
} zones[] = {
    { "ACDT", 630 },  { "ACST", 570 },  { "ADT", -180 }, { "AEDT", 660 }, { "AEST", 600 },
    { "AKDT", -480 }, { "AKST", -540 }, { "AST", -240 }, { "AWST", 480 }, { "BST", 60 },
    { "CAT", 120 },   { "CDT", -300 },  { "CEST", 120 }, { "CET", 60 },   { "CST", -360 },
    { "EAT", 180 },   { "EDT", -240 },  { "EEST", 180 }, { "EET", 120 },  { "EST", -300 },
    { "GMT", 0 },     { "HDT", -540 },  { "HKT", 480 },  { "HST", -600 }, { "IDT", 180 },
    { "IST", 330 },   { "JST", 540 },   { "KST", 540 },  { "MDT", -360 }, { "MEST", 120 },
    { "MET", 60 },    { "MSK", 180 },   { "MST", -420 }, { "NDT", -150 }, { "NST", -210 },
    { "NZDT", 780 },  { "NZST", 720 },  { "PDT", -420 }, { "PKT", 300 },  { "PST", -480 },
    { "SAST", 120 },  { "SST", -660 },  { "UT", 0 },     { "UTC", 0 },    { "WAT", 60 },
    { "WEST", 60 },   { "WET", 0 },     { "WIB", 420 },  { "WIT", 540 },  { "WITA", 480 },
    { "Z", 0 },
};

bool zone_minutes(struct slice name, int *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
        if (slice_is(name, zones[i].name)) {
            *ret = zones[i].minutes;
            return true;
        }
    return false;
}
