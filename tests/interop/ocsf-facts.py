#!/usr/bin/env python3
"""Facts of OCSF releases as one small table: tests/data/siem/ocsf.json.

    tests/interop/ocsf-facts.py GIT-DIRECTORY > tests/data/siem/ocsf.json

The directory is a clone of the schema's repository with its tags. Of each class that we write and
each object that can stand in it: the names and types of the members, which are required, their
numbers, and which of a group there must be. Only members that we ever write, and required ones,
are kept; tests/integration/siem-schemas.py reads the table.
"""
import json
import subprocess
import sys

TAGS = {"1.1.0": "refs/tags/v1.1.0", "1.3.0": "refs/tags/1.3.0", "1.8.0": "refs/tags/1.8.0"}
CLASSES = ["base_event", "authentication", "account_change", "detection_finding",
           "network_activity", "http_activity", "tunnel_activity", "application_lifecycle"]
CATEGORIES = {"system": 1, "findings": 2, "iam": 3, "network": 4, "discovery": 5, "application": 6}
PROFILES = ["security_control"]
WRITTEN = set("""activity_id category_uid class_uid type_uid severity_id time message status_id
metadata version product name vendor_name uid log_name log_provider original_time profiles
sequence event_code observables type_id value type unmapped raw_data user email_addr service
src_endpoint dst_endpoint ip port hostname location city country coordinates autonomous_system
number http_request http_method url path url_string user_agent referrer http_response code app
finding_info title types created_time first_seen_time analytic attacks technique sub_technique
tactic evidences actor data confidence_id disposition_id action_id is_alert session status_detail
count start_time end_time log_level svc_name is_vpn is_truncated
""".split())


class Schema:
    def __init__(self, git, tag):
        self.git, self.tag = git, tag
        names = self.run("ls-tree", "-r", "--name-only", tag).split("\n")
        self.events, self.objects = {}, {}
        for path in names:
            if path.startswith("events/") and path.endswith(".json"):
                d = self.load(path)
                self.events[d.get("name") or path.split("/")[-1][:-5]] = d
            elif path.startswith("objects/") and path.endswith(".json"):
                d = self.load(path)
                self.objects[d.get("name") or path.split("/")[-1][:-5]] = d
        self.dictionary = self.load("dictionary.json")["attributes"]

    def run(self, *arguments):
        return subprocess.run(["git", "--git-dir", self.git, *arguments], check=True,
                              capture_output=True, text=True).stdout

    def load(self, path):
        return json.loads(self.run("show", f"{self.tag}:{path}"))

    def attributes(self, d, table):
        """Own attributes over those of what it extends and includes."""
        out, constraints, category, uid = {}, {}, None, None
        if d.get("extends") and d["extends"] != d.get("name"):
            out, constraints, category, _ = self.attributes(table[d["extends"]], table)
        own = dict(d.get("attributes", {}))
        for path in self.included(own):
            try:
                part = self.load(path)
            except subprocess.CalledProcessError:
                continue
            optional = path.startswith("profiles/")  # asked for by metadata.profiles alone
            self.merge(out, {k: {**v, "requirement": "optional"} if optional else v
                             for k, v in part.get("attributes", {}).items()
                             if isinstance(v, dict)})
        self.merge(out, own)
        if "constraints" in d:
            constraints = d["constraints"] or {}
        return out, constraints, d.get("category", category), d.get("uid", uid)

    @staticmethod
    def included(own):
        found = own.pop("$include", [])
        return [found] if isinstance(found, str) else found

    @staticmethod
    def merge(out, more):
        for name, spec in more.items():
            if not isinstance(spec, dict):
                continue
            merged = dict(out.get(name, {}))
            enum = {**merged.get("enum", {}), **spec.get("enum", {})}
            merged.update(spec)
            if enum:
                merged["enum"] = enum
            out[name] = merged

    def facts(self, d, table, profiled):
        attributes, constraints, category, uid = self.attributes(d, table)
        if profiled:
            for name in PROFILES:
                self.merge(attributes, {k: {**v, "requirement": "optional"} for k, v in self.load(
                    f"profiles/{name}.json")["attributes"].items() if k not in attributes})
        out = {}
        for name, spec in sorted(attributes.items()):
            required = spec.get("requirement") == "required"
            if name not in WRITTEN and not required:
                continue
            base = self.dictionary.get(name, {})
            kind = spec.get("type", base.get("type"))
            fact = {"type": spec.get("object_type", base.get("object_type"))
                    if kind == "object_t" else kind}
            if base.get("is_array") or spec.get("is_array"):
                fact["array"] = True
            if required and spec.get("profile") is None:
                fact["required"] = True
            enum = {**base.get("enum", {}), **spec.get("enum", {})}
            made = name in ("category_uid", "class_uid", "type_uid") or d.get("name") == "observable"
            if enum and kind == "integer_t" and not made:  # those are filled in by their compiler
                fact["enum"] = sorted(int(k) for k in enum)
            out[name] = fact
        result = {"members": out}
        if constraints:
            result["constraints"] = constraints
        if uid is not None and category:
            result["uid"] = CATEGORIES[category] * 1000 + uid
        elif profiled:
            result["uid"] = 0
        return result


def facts_of(git, tag):
    s = Schema(git, tag)
    out = {"classes": {}, "objects": {}}
    for name in CLASSES:
        if name in s.events:
            out["classes"][name] = s.facts(s.events[name], s.events, True)
    todo = [m["type"] for c in out["classes"].values() for m in c["members"].values()]
    while todo:
        name = todo.pop()
        if name in out["objects"] or name not in s.objects:
            continue
        fact = out["objects"][name] = s.facts(s.objects[name], s.objects, False)
        fact["all"] = sorted(s.attributes(s.objects[name], s.objects)[0])
        todo += [m["type"] for n, m in fact["members"].items() if n in WRITTEN]
    for name, c in out["classes"].items():
        c["all"] = sorted(s.attributes(s.events[name], s.events)[0])
    return out


table = {v: facts_of(sys.argv[1], tag) for v, tag in TAGS.items()}
for version in table.values():  # names alone are many: only those that we write
    for part in (*version["classes"].values(), *version["objects"].values()):
        part.pop("all", None)
json.dump(table, sys.stdout, indent=None, separators=(",", ":"), sort_keys=True)
print()
