#!/usr/bin/env python3
"""The samples of tests/unit/test_report_forms.c, read by the readers of others."""
import csv
import json
import os
import sys

folder, source = sys.argv[1], os.environ["TW_SOURCE"]
bad = 0
HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
           "</pre></td></table></svg></style><style>*{display:none}</style>", "<!--", "]]>",
           "&lt;b&gt; &amp; &#x3c;"]


def fault(*what):
    global bad
    bad += 1
    print("FAIL:", *what)


def read(name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def check_json():
    document = json.loads(read("report.json"))
    table = next(b for s in document["sections"] for b in s["blocks"] if b["name"] == "hostile")
    texts = [r["cells"]["text"]["text"] for r in table["rows"]]
    if texts[:7] != HOSTILE or "nul\0byte" not in texts:
        fault("JSON changes texts", texts[:7])
    if max(map(len, texts)) > 70000:
        fault("JSON has a text without a limit")
    try:
        import jsonschema
    except ImportError:
        return print("JSON: no jsonschema here")
    with open(os.path.join(source, "schemas", "report.json")) as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for e in list(validator.iter_errors(document))[:3]:
        fault("JSON", "/".join(map(str, e.path)), e.message[:300])
    for broken in ({**document, "more": 1}, {**document, "made": 5}, {k: v for k, v in document.items() if k != "trail"}):
        if validator.is_valid(broken):
            fault("the schema takes a broken report")


def check_csv():
    data = read("report.csv").decode()
    with open(os.path.join(folder, "report.csv"), newline="") as f:
        rows = list(csv.reader(f, strict=True))
    if rows[0] != ["text", "again", "samples"] or len(rows) != 26 or any(len(r) != 3 for r in rows):
        fault("CSV has another shape", rows[0], len(rows))
    if [r[0] for r in rows[1:8]] != HOSTILE:
        fault("CSV changes texts", rows[1:8])
    for r in rows[1:]:
        if r[0][:1] in tuple("=+-@\t\r\n") and r[0]:
            fault("CSV has a formula", r[0])
    if "'=HYPERLINK(\"http://evil.example\")" not in [r[0] for r in rows] or not data.endswith("\r\n"):
        fault("CSV lost the formula's text or its end")


csv.field_size_limit(1 << 20)
check_json()
check_csv()
print("%d faults" % bad)
sys.exit(1 if bad else 0)
