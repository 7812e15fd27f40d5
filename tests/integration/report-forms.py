#!/usr/bin/env python3
"""The samples of tests/unit/test_report_forms.c, read by the readers of others."""
import base64
import csv
import hashlib
import html.parser
import json
import os
import re
import shutil
import subprocess
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


class Page(html.parser.HTMLParser):
    """Takes a page apart: which elements and attributes there are, and the texts of cells."""
    ALLOWED = {"html": {"lang"}, "meta": {"charset", "http-equiv", "content", "name"}, "svg": {
        "role", "viewbox", "preserveaspectratio", "class", "height", "aria-hidden"}, "a": {"href"},
        "div": {"class", "role", "tabindex", "aria-labelledby", "aria-hidden"}, "nav": {"aria-labelledby"},
        "th": {"scope", "class"}, "td": {"class"}, "path": {"class", "d"}, "li": {"class"}, "ol": set(),
        "rect": {"class", "x", "y", "width", "height"}, "text": {"class", "x", "y", "dx"}, "p": {"class"},
        "span": {"class", "aria-hidden"}, "h2": {"id"}, "h3": {"id"}, "h4": {"id"}, "dl": {"class"},
        "pre": {"class", "id"}, "details": {"id"}, "ul": {"class"}}
    PLAIN = set("head title style body header h1 main section footer table thead tbody tr figure figcaption "
                "desc summary code dt dd small br".split())
    EMPTY = {"meta", "br", "path", "rect"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.cells, self.ids, self.links, self.policy = [], [], [], [], ""
        self.style = self.request = ""
        self.feed(text)
        self.close()
        if self.open:
            fault("HTML leaves open", self.open)

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        allowed = self.ALLOWED.get(tag, set() if tag in self.PLAIN else None)
        if allowed is None or set(names) - allowed or len(names) != len(attrs):
            fault("HTML has a foreign element or attribute", tag, attrs)
        self.ids += [names["id"]] if "id" in names else []
        self.links += [names["href"]] if "href" in names else []
        if names.get("http-equiv") == "Content-Security-Policy":
            self.policy = names["content"]
        if tag == "td":
            self.cells.append("")
        if tag not in self.EMPTY:
            self.open.append((tag, names))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop()[0] != tag:
            fault("HTML closes", tag, "inside of", self.open[-3:])

    def handle_comment(self, data):
        fault("HTML has a comment", data)

    def handle_data(self, data):
        if any(tag == "td" for tag, _ in self.open) and self.open[-1][1].get("aria-hidden") is None:
            self.cells[-1] += data
        if self.open and self.open[-1][0] == "style":
            self.style += data
        if self.open and self.open[-1][1].get("id") == "request":
            self.request += data


def check_html():
    text = read("report.html").decode()
    page = Page(text)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    if page.policy != "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'" % digest:
        fault("HTML has another policy", page.policy)
    for what in HOSTILE + ["abc\\xe2\\x80\\xaetxt.exe", "nul\\x00byte", "\U0001f600\U0001f680 vip \u2764\ufe0f"]:
        if what not in page.cells:
            fault("HTML changes a text", what)
    if len(set(page.ids)) != len(page.ids):
        fault("HTML has an id twice")
    for link in page.links:
        if link[0] != "#" or link[1:] not in page.ids:
            fault("HTML links to nothing", link)
    if len(page.links) < 9 or json.loads(page.request) != json.loads(read("report.json"))["request"]:
        fault("HTML lacks links or the request", page.links, page.request)
    if max(map(len, page.cells)) > 1000:
        fault("HTML has a cell without a limit")


def check_contrast():
    """WCAG AA: 4.5 for text, 3 for what is drawn, in light and dark."""
    style = Page(read("report.html").decode()).style

    def light(colour):
        colour = colour if len(colour) == 6 else "".join(c * 2 for c in colour)
        parts = [int(colour[i:i + 2], 16) / 255 for i in (0, 2, 4)]
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    themes = re.findall(r":root\{(?:color-scheme:[a-z ]+;)?([^}]*)\}", style)
    if len(themes) != 3:
        fault("HTML has %d themes" % len(themes))
    for theme in themes:
        colours = {k: light(v) for k, v in re.findall(r"--([a-z0-9]+):#([0-9a-f]+)", theme)}
        for name, least in [(n, 4.5) for n in ("fg", "quiet", "link", "good", "attention", "bad")] + [("c%d" % i, 3) for i in range(6)]:
            for ground in ("bg", "soft") if least > 4 else ("bg", "gap"):
                a, b = sorted((colours[name], colours[ground]))
                if (b + 0.05) / (a + 0.05) < least:
                    fault("too little contrast: %s on %s, %.2f" % (name, ground, (b + 0.05) / (a + 0.05)))


def check_pdf():
    path = os.path.join(folder, "report.pdf")
    if not os.path.exists(path):
        return print("PDF: not in this build")
    if not shutil.which("pdftotext"):
        return print("PDF: no poppler here")

    def run(*args):
        r = subprocess.run(args, capture_output=True, text=True)
        if r.returncode or r.stderr.strip():
            fault(args[0], r.returncode, r.stderr[:300])
        return r.stdout
    info = dict(line.split(":", 1) for line in run("pdfinfo", "-isodates", path).splitlines() if ":" in line)
    pages = int(info["Pages"])
    text = run("pdftotext", "-layout", path, "-")
    sheets = text.split("\f")[:pages]
    if info["CreationDate"].strip() != "2026-11-30T23:00:00Z" or "A4" not in info["Page size"]:
        fault("PDF has other facts", info)
    if json.loads(info["Keywords"]) != json.loads(read("report.json"))["request"]:
        fault("PDF has another request", info["Keywords"])
    for i, sheet in enumerate(sheets):
        if "%d/%d" % (i + 1, pages) not in sheet.replace(" ", ""):
            fault("PDF has no number on page", i + 1)
    # Each row is there once, on one page, below the heading of its table.
    rows = [s for s in sheets for line in s.splitlines() if "user000" in line or "user001" in line]
    if len(rows) != 114 or not all("Last seen" in s for s in rows):
        fault("PDF lost a row or a heading:", len(rows))
    for what in HOSTILE + ["=HYPERLINK", "\\x1b[31mred", "\u0430\u043b\u0435\u043a\u0441\u0435\u0439", "\u738b\u5c0f\u660e",
                           "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", "and 12 more"]:
        if what[:30] not in text:
            fault("PDF lacks", what)
    for what in ("\u0645\u062d\u0645\u062f", "\u05e9\u05dc\u05d5\u05dd"):  # poppler gives them back in order
        if what not in run("pdftotext", path, "-").replace(" ", ""):
            fault("PDF lacks", what)
    # The contents name the page that a section is on.
    for title in ("Hostile <texts>", "What this report rests on"):
        page = next(int(line.split()[-1]) for line in sheets[0].splitlines() if title in line)
        if title not in sheets[page - 1].replace(title, "", 1 if page == 1 else 0):
            fault("PDF's contents are wrong about", title, page)
    outline = read("report.pdf").count(b"/Type /Outlines"), read("report.pdf").count(b"/Subtype /Link")
    if outline[0] != 1 or outline[1] != 7:
        fault("PDF has no outline or links", outline)


csv.field_size_limit(1 << 20)
check_json()
check_csv()
check_html()
check_contrast()
check_pdf()
print("%d faults" % bad)
sys.exit(1 if bad else 0)
