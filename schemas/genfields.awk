# fields.yaml -> fields.h: the dictionary as an enum and an X-macro.
BEGIN {
    print "/* Made from schemas/fields.yaml: change that file. */"
    print "#pragma once"
    print ""
}
/^- \{name:/ {
    name = $0; sub(/^- \{name: */, "", name); sub(/,.*/, "", name); gsub(/"/, "", name)
    type = $0; sub(/.*type: */, "", type); sub(/[ ,].*/, "", type)
    pii = $0; sub(/.*pii: */, "", pii); sub(/[ ,].*/, "", pii)
    help = $0; sub(/.*help: */, "", help); sub(/\} *$/, "", help)
    id = toupper(name); gsub(/[^A-Z0-9]/, "_", id); sub(/^_/, "", id)
    n++
    ids[n] = id
    list[n] = sprintf("    X(%s, \"%s\", %s, %s, %s)", id, name, type, pii, help)
}
END {
    if (n == 0) { print "no fields" > "/dev/stderr"; exit 1 }
    print "enum field_id {"
    for (i = 1; i <= n; i++) print "    FIELD_" ids[i] ","
    print "    FIELD_DICTIONARY"
    print "};"
    print ""
    print "/* X(id, name, kind, pii, help) */"
    print "#define FIELD_LIST(X) \\"
    for (i = 1; i <= n; i++) print list[i] (i < n ? " \\" : "")
}
