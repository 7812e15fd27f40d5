/*
 * capacity: how the trail grows, and how far the disk will do.
 *
 * The growth of each whole day is fitted by a line (least squares). What comes is the sum over the
 * days ahead, with an interval of 95 % for what is not known of the line and for the days' own
 * scatter, as if days were independent of one another. With few days nothing is foretold.
 */
#include "reports/making.h"

#include <errno.h>

#include "base/clock.h"

#define ARRAY(columns) (columns), ARRAY_SIZE(columns)
#define DAYS_MIN 7
#define DAYS_AHEAD_MAX 3650
#define DAY_S 86400.0

struct fit {
    size_t n; /* whole days */
    double first; /* the first of them, as a bucket's number */
    double mean, slope, middle, sxx, s2; /* y = mean + slope * (x - middle) */
    double t; /* Student's, 97.5 % */
};

/* 97.5 % of Student's t: a table up to 30, then its series. */
static double student(size_t df)
{
    static const double table[] = { 0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                    2.306, 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
                                    2.120, 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069,
                                    2.064, 2.060,  2.056, 2.052, 2.048, 2.045, 2.042 };

    return df < ARRAY_SIZE(table) ? table[df]
                                  : 1.95996 + 2.37227 / (double)df + 2.8225 / (double)(df * df);
}

/* Whole days in which the trail was there. */
static bool whole(const struct making *m, size_t i)
{
    const struct survey *e = &m->survey;
    double length = (double)(e->bounds[i + 1] - e->bounds[i]) / 1e6;

    return length > 22.5 * 3600 && length < 25.5 * 3600 && e->bounds[i] >= m->first_us &&
           e->bounds[i + 1] <= e->last_us;
}

static struct fit fit_days(const struct making *m, const double *y)
{
    struct fit f = { 0 };
    double sxy = 0, x2 = 0, y2 = 0;
    size_t last = 0;

    for (size_t i = 0; i < m->survey.nbuckets; i++)
        if (whole(m, i)) {
            f.n++;
            f.mean += y[i];
            f.middle += (double)i;
            last = i;
        }
    if (f.n < DAYS_MIN)
        return f;
    f.mean /= (double)f.n;
    f.middle /= (double)f.n;
    for (size_t i = 0; i <= last; i++)
        if (whole(m, i)) {
            double dx = (double)i - f.middle, dy = y[i] - f.mean;

            x2 += dx * dx;
            sxy += dx * dy;
            y2 += dy * dy;
        }
    f.sxx = x2;
    f.slope = sxy / x2;
    f.s2 = fmax(0, y2 - f.slope * sxy) / (double)(f.n - 2);
    f.t = student(f.n - 2);
    f.first = (double)last;
    return f;
}

struct ahead {
    double low, middle, high;
};

/* The sum of the next `days` days. */
static struct ahead sum_ahead(const struct fit *f, double days)
{
    double dx = days * (f->first + (days + 1) / 2 - f->middle);
    double middle = days * f->mean + f->slope * dx;
    double var = f->s2 * (days * days / (double)f->n + dx * dx / f->sxx + days);
    double half = f->t * sqrt(var);

    return (struct ahead){ fmax(0, middle - half), fmax(0, middle), fmax(0, middle + half) };
}

/* In how many days so much is reached: by the upper end first. 0: not within ten years. */
static struct ahead days_until(const struct fit *f, double bytes)
{
    struct ahead found = { 0 };

    for (double day = 1; day <= DAYS_AHEAD_MAX; day++) {
        struct ahead s = sum_ahead(f, day);

        if (found.low <= 0 && s.high >= bytes)
            found.low = day;
        if (found.middle <= 0 && s.middle >= bytes)
            found.middle = day;
        if (found.high <= 0 && s.low >= bytes)
            found.high = day;
    }
    return found;
}

static void growth(struct making *m)
{
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    struct slice *labels = arena_array(m->arena, e->nbuckets + 1, sizeof *labels);

    d->failed = d->failed || !labels;
    for (size_t i = 0; labels && i < e->nbuckets; i++) {
        AUTO_BUF b = BUF_INIT;

        buf_when(&b, e->bounds[i], m->zone, DOC_DAY);
        labels[i] = doc_keep(d, slice_skip(buf_view(&b), 5));
    }
    if (!labels)
        return;
    doc_chart(d, "course_bytes", "Bytes of entries a day", CHART_BARS, labels, e->nbuckets,
              "bytes");
    doc_series(d, "bytes", e->series[SERIES_BYTES]);
    doc_chart(d, "course_entries", "Entries a day", CHART_LINE, labels, e->nbuckets, "entries");
    doc_series(d, "entries", e->series[SERIES_ENTRIES]);
    doc_series(d, "events", e->series[SERIES_EVENTS]);
    doc_series(d, "alerts", e->series[SERIES_ALERTS]);
}

static void sizes(struct making *m)
{
    static const struct {
        const char *fact, *label;
    } rows[] = { { "state_bytes", "State database" },
                 { "disk_bytes", "The disk" },
                 { "disk_free", "Free on it" } };
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    double days = (double)(e->to_us - e->from_us) / 1e6 / DAY_S;

    doc_section(d, "summary", "At a glance");
    doc_figures(d, "figures", "", NULL);
    doc_figure(d, "entries", "Entries of the period", (double)e->now.entries, "entries",
               (double)e->before.entries);
    doc_figure(d, "bytes", "Their lines", (double)e->now.bytes, "bytes", (double)e->before.bytes);
    doc_figure(d, "a_day", "A day", (double)e->now.bytes / days, "bytes", NAN);
    doc_figure(d, "events", "Events recorded", (double)e->now.events, "events",
               (double)e->before.events);
    doc_figure(d, "alerts", "Alerts", (double)e->now.alerts, "alerts", (double)e->before.alerts);
    doc_figures(d, "sizes", "", "As it was when the report was made: not from the trail.");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (fact_u64(m, rows[i].fact) != UINT64_MAX)
            doc_figure(d, rows[i].fact, rows[i].label, (double)fact_u64(m, rows[i].fact), "bytes",
                       NAN);
}

static void ahead_row(struct making *m, const struct fit *f, double days)
{
    struct ahead s = sum_ahead(f, days);

    doc_row(&m->doc);
    doc_cell_number(&m->doc, days, "");
    doc_cell_number(&m->doc, s.middle, "bytes");
    doc_cell_number(&m->doc, s.low, "bytes");
    doc_cell_number(&m->doc, s.high, "bytes");
}

static struct slice until_text(struct making *m, double days)
{
    return days > 0 ? doc_printf(&m->doc, "%.0f days", days) : SLICE("not within ten years");
}

static void disk(struct making *m, const struct fit *f)
{
    uint64_t room = fact_u64(m, "disk_free");
    struct doc *d = &m->doc;
    struct ahead s;

    if (room == UINT64_MAX) {
        doc_text(d, "no_disk", SLICE("Without the configuration the free space is not known."));
        return;
    }
    s = days_until(f, (double)room);
    doc_figures(d, "until_full", "Until the disk is full",
                "If nothing is removed and nothing else grows: the state, the logs and other "
                "programs on that disk are not in the fit.");
    doc_figure_text(d, "expected", "Expected", until_text(m, s.middle));
    doc_figure_text(d, "earliest", "At the earliest (95 %)", until_text(m, s.low));
    doc_figure_text(d, "latest", "At the latest (95 %)", until_text(m, s.high));
}

static void projection(struct making *m)
{
    static const struct doc_column columns[] = {
        { "days", "Days ahead", REPORT_RIGHT },
        { "expected", "Expected", REPORT_RIGHT },
        { "low", "From (95 %)", REPORT_RIGHT },
        { "high", "To (95 %)", REPORT_RIGHT },
    };
    struct fit f = fit_days(m, m->survey.series[SERIES_BYTES]);
    struct doc *d = &m->doc;

    doc_section(d, "projection", "What comes");
    if (f.n < DAYS_MIN) {
        doc_text(d, "too_little",
                 doc_printf(d,
                            "Too little history: %zu whole days of entries are there, %d are "
                            "needed to say anything.",
                            f.n, DAYS_MIN));
        return;
    }
    doc_text(d, "fit",
             doc_printf(d,
                        "A line through %zu whole days: %.0f bytes a day in the middle, %+.0f "
                        "bytes more each day. The interval holds if the days ahead are like "
                        "those behind and independent of one another.",
                        f.n, f.mean, f.slope));
    doc_table(d, "ahead", "Further bytes of entries", NULL, ARRAY(columns));
    ahead_row(m, &f, 30);
    ahead_row(m, &f, 90);
    ahead_row(m, &f, 365);
    disk(m, &f);
}

int kind_capacity(struct making *m)
{
    sizes(m);
    doc_section(&m->doc, "growth", "Growth");
    growth(m);
    doc_text(&m->doc, "not_seen",
             SLICE("How much the logs themselves grow each day is in no entry: the counters below "
                   "are of the state, since it began. Closed segments are compressed, so the trail "
                   "takes less room on the disk than its lines; tiles add 32 bytes an entry."));
    show_inputs(m);
    projection(m);
    doc_section(&m->doc, "retention", "What is kept");
    show_retention(m);
    return 0;
}
