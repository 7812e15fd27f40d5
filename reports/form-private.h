/*
 * What the forms of a report share: hostile text made fit to be seen, numbers that are the same in
 * every locale, how wide text is, the numbers of sections.
 *
 * Two kinds of text: raw (as the report has it) and shown (valid UTF-8 without controls and of
 * bounded length: form_show()). Only shown text goes to people's eyes; machines (JSON, CSV) get raw
 * text that is made valid and cut at a far limit.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/utf8.h"
#include "reports/report.h"

enum {
    FORM_CELL_MAX = 400, /* characters of a cell, a label, a title */
    FORM_TEXT_MAX = 32 << 10, /* characters of a paragraph */
    FORM_VALUE_MAX = 64 << 10, /* bytes of one text for machines */
    FORM_POINTS_MAX = 400, /* of a chart; more are taken together */
    FORM_SERIES_MAX = 6, /* colours that can be told apart */
};
#define FORM_CUT "\xe2\x80\xa6"

/*
 * For people: controls, what turns lines around or breaks them, and wrong bytes as \x1b and the
 * like; long heaps of marks on one character, too. More than max characters end in FORM_CUT.
 */
void form_show(struct buf *b, struct slice raw, size_t max);
/* For machines: cut at FORM_VALUE_MAX, with FORM_CUT behind it. */
struct slice form_value(struct buf *scratch, struct slice raw);

/* One line of a text of several; false at the end. Takes CRLF and LF. */
bool form_line(struct slice *rest, struct slice *ret_line);

/* 1234, 0.25: a point in every locale, the shortest that reads back the same. Nothing for NAN. */
void form_number(struct buf *b, double v);
/* As people read it: 1,234,567 or 0.25; two digits behind the point, below 1 four. */
void form_number_grouped(struct buf *b, double v);

/* The request as ASCII: the same JSON, safe where other bytes are not (PDF's keywords, a terminal).
 */
void form_request(struct buf *b, const struct report *r);

/* "\xe2\x9c\x93", "!", "\xe2\x9c\x97" or "": a tone is never only a colour. */
const char *form_tone_mark(enum report_tone tone);
const char *form_tone_word(enum report_tone tone);

/* Columns of a terminal. */
unsigned form_char_width(uint32_t cp);
size_t form_width(struct slice shown);

/* "2" and "2.1": sections are numbered as they come. */
struct form_numbers {
    unsigned major, minor;
};
void form_section_number(struct form_numbers *n, const struct report_section *s, struct buf *out);

/*
 * A chart's values, so many that they can be seen: of more than max points several become one, the
 * highest of them. A gap stays one only when all of its points are gaps.
 */
struct form_points {
    size_t n; /* points shown */
    size_t each; /* values in one point */
    double low, high; /* of what is shown; 0 is among them; low < high */
    bool any; /* a value at all */
    bool whole; /* all of them whole numbers */
};
struct form_points form_points(const struct report_block *b, size_t max);
double form_point(const struct report_block *b, const struct form_points *p, size_t series,
                  size_t point);
struct slice form_point_label(const struct report_block *b, const struct form_points *p,
                              size_t point);
/* An axis in steps of round numbers, whole ones where all values are: low + i * step, i up to n. */
struct form_axis {
    double low, high, step;
    unsigned n;
};
struct form_axis form_axis_of(const struct form_points *p);
/* Bars lie when they have names, or when they are few; else they stand side by side. */
bool form_bars_lie(const struct report_block *b, const struct form_points *p);
/* Is a unit worth saying behind the title? "Alerts (alerts)" says nothing. */
bool form_says_unit(const struct report_block *b);
bool form_has_before(const struct report_block *b);
/* One sentence: what the chart says, for those who do not see it. Shown text. */
void form_chart_words(struct buf *b, const struct report_block *block);

/* What a report rests on, in the order in which people read it. Empty values are left out. */
struct form_facts {
    struct form_fact {
        const char *label;
        struct slice value; /* raw */
        bool fixed; /* a digest or a note: fixed pitch, its lines kept */
    } fact[10];
    size_t n;
    char size[32], made[TIME_TEXT_SIZE];
};
void form_facts(const struct report *r, struct form_facts *ret_facts);

/* Of the entries that a row rests on people are shown so many. */
enum { FORM_SAMPLES_MAX = 5 };
bool form_has_samples(const struct report_block *b);

/* 0, or why the buffer has not all of it. */
int form_end(const struct buf *out, struct err *err);
