# Files as C arrays: one array of lines a file, no literal longer than a line.
# Character by character: the awks do not agree on backslashes in gsub().
function quote(s,    i, c, out) {
    out = ""
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\\" || c == "\"" || c == "?")
            c = "\\" c
        else if (c == "\t")
            c = "\\t"
        else if (c == "\r")
            c = "\\r"
        out = out c
    }
    return out
}
BEGIN {
    print "/* Made from parsers/formats and rules/library. */"
    print "#include \"logwatch/embedded.h\""
}
FNR == 1 {
    if (n) print "    \"\";"
    n++
    names[n] = FILENAME
    printf "\nstatic const char file_%d[] =\n", n
}
{ printf "    \"%s\\n\"\n", quote($0) }
END {
    if (n) print "    \"\";"
    print "\nconst struct embedded_file embedded_files[] = {"
    for (i = 1; i <= n; i++)
        printf "    { \"%s\", file_%d, sizeof file_%d - 1 },\n", names[i], i, i
    print "    { 0, 0, 0 },\n};"
    printf "const size_t embedded_files_n = %d;\n", n
}
