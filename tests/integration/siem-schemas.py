"""Structure of what the encoders write: OCSF against facts of its releases (tests/data/siem),
ECS and GELF against the rules of their documents.

    siem-schemas.py ENCODE-DRIVER FACTS < entries
"""
import ipaddress
import json
import re
import subprocess
import sys

driver, facts_path = sys.argv[1:3]
entries = sys.stdin.buffer.read()
facts = json.load(open(facts_path))
faults = []
CATEGORY_TYPES = {
    "authentication": {"start", "end", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "intrusion_detection": {"allowed", "denied", "info"},
    "network": {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
    "session": {"start", "end", "info"},
    "web": {"access", "error", "info"},
    "process": {"access", "change", "end", "info", "start"},
}
KINDS = {"event", "alert", "signal", "metric", "state", "asset", "enrichment", "pipeline_error"}
SCALARS = {"string_t": str, "integer_t": int, "long_t": int, "timestamp_t": int,
           "boolean_t": bool, "float_t": (int, float), "port_t": int, "ip_t": str,
           "hostname_t": str, "url_t": str, "username_t": str, "email_t": str, "datetime_t": str,
           "json_t": object, "file_name_t": str, "uuid_t": str, "path_t": str}


def encode(*arguments):
    done = subprocess.run([driver, *arguments], input=entries, capture_output=True, check=False)
    if done.returncode:
        faults.append(f"{arguments}: {done.stderr.decode()[:300]}")
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def fault(where, text, doc):
    faults.append(f"{where}: {text}: {json.dumps(doc)[:300]}")


# ---- OCSF ----

def check_scalar(where, kind, value):
    wanted = SCALARS.get(kind)
    if wanted is None:
        return f"the type {kind} is not known here"
    if isinstance(value, bool) and wanted is not bool and wanted is not object:
        return "a boolean"
    if not isinstance(value, wanted):
        return f"{value!r} is no {kind}"
    if kind == "ip_t":
        ipaddress.ip_address(value)
    if kind == "port_t" and not 0 <= value <= 65535:
        return "no port"
    return None


def check_object(where, spec, value, objects):
    members = spec["members"]
    for name, fact in members.items():
        if fact.get("required") and name not in value:
            faults.append(f"{where}: {name} is missing in {json.dumps(value)[:200]}")
    for name, item in value.items():
        if name not in members:
            faults.append(f"{where}: {name} is no member")
            continue
        fact = members[name]
        if fact.get("array") != isinstance(item, list) and fact["type"] != "json_t":
            if bool(fact.get("array")) != isinstance(item, list):
                faults.append(f"{where}.{name}: list or not")
                continue
        for one in item if isinstance(item, list) else [item]:
            if "enum" in fact and one not in fact["enum"]:
                faults.append(f"{where}.{name}: {one} is no value of it")
            if fact["type"] in objects:
                if name not in ("unmapped", "data"):
                    check_object(f"{where}.{name}", objects[fact["type"]], one, objects)
            elif fact["type"] not in ("object", "object_t"):
                wrong = check_scalar(where, fact["type"], one)
                if wrong:
                    faults.append(f"{where}.{name}: {wrong}")
    for rule, names in spec.get("constraints", {}).items():
        have = sum(n in value for n in names)
        if (rule == "at_least_one" and have < 1) or (rule == "just_one" and have != 1):
            faults.append(f"{where}: {rule} of {names}")


def check_ocsf(version):
    table = facts[version]
    by_uid = {c["uid"]: (n, c) for n, c in table["classes"].items()}
    seen = set()
    for doc in encode("ocsf", f"ocsf={version}", "max=262144"):
        name, spec = by_uid[doc["class_uid"]]
        seen.add(name)
        check_object(f"{version} {name}", spec, doc, table["objects"])
        if doc["metadata"]["version"] != version:
            fault(version, "metadata.version", doc)
        if doc["type_uid"] != doc["class_uid"] * 100 + doc["activity_id"]:
            fault(version, "type_uid", doc)
        if doc["class_uid"] // 1000 != doc["category_uid"]:
            fault(version, "category_uid", doc)
        if "action_id" in doc and "security_control" not in doc["metadata"].get("profiles", []):
            fault(version, "action_id without its profile", doc)
    return seen


# ---- ECS and GELF ----

def check_ecs():
    for doc in encode("ecs", "max=262144"):
        event = doc["event"]
        for name in ("@timestamp", "ecs", "message", "data_stream"):
            if name not in doc:
                fault("ecs", name, doc)
        if event["kind"] not in KINDS or event["outcome"] not in ("success", "failure", "unknown"):
            fault("ecs", "kind or outcome", doc)
        for category in event.get("category", []):
            if not set(event["type"]) & CATEGORY_TYPES[category]:
                fault("ecs", f"types {event['type']} of {category}", doc)
        allowed = set().union(*(CATEGORY_TYPES[c] for c in event.get("category", [])), set())
        if not set(event.get("type", [])) <= allowed:
            fault("ecs", "type", doc)
        for ip in doc.get("related", {}).get("ip", []):
            ipaddress.ip_address(ip)
        if "." in "".join(doc.get("labels", {})):
            fault("ecs", "a label with a point", doc)
        if not all(isinstance(v, str) for v in doc.get("labels", {}).values()):
            fault("ecs", "a label that is no text", doc)


def check_gelf():
    for doc in encode("gelf", "max=262144"):
        if doc["version"] != "1.1" or not doc["host"] or not doc["short_message"]:
            fault("gelf", "a member is missing", doc)
        if not isinstance(doc["timestamp"], float) or not 0 <= doc["level"] <= 7:
            fault("gelf", "timestamp or level", doc)
        for name, value in doc.items():
            own = name in ("version", "host", "short_message", "full_message", "timestamp", "level")
            if not own and (not re.fullmatch(r"_[A-Za-z0-9_.-]+", name) or name == "_id"):
                fault("gelf", name, doc)
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                fault("gelf", f"{name} is neither text nor number", doc)


classes = set()
for v in facts:
    classes |= check_ocsf(v)
check_ecs()
check_gelf()
wanted = {"base_event", "authentication", "account_change", "detection_finding",
          "network_activity", "http_activity", "tunnel_activity", "application_lifecycle"}
if classes != wanted:
    faults.append(f"classes that no entry was of: {wanted - classes}")
for f in sorted(set(faults))[:20]:
    print("FAIL:", f)
sys.exit(bool(faults))
