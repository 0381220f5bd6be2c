# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Who may include whom: daemons -> common -> proto; no daemon another's;
# bpf/ only itself.
files 'tracer/*.[ch]' 'analyzer/*.[ch]' 'locator/*.[ch]' 'guarder/*.[ch]' \
    'gateway/*.[ch]' 'common/*.[ch]' 'bpf/*.[ch]' 'proto/*.[ch]' |
    xargs -r grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
    awk -F'"' '
        BEGIN {
            split("tracer analyzer locator guarder gateway", list, " ")
            for (i in list) daemon[list[i]] = 1
        }
        {
            split($1, where, ":"); split(where[1], dir, "/")
            from = dir[1]; n = split($2, part, "/"); to = n > 1 ? part[1] : ""
            wrong = 0
            if (to in daemon && to != from) wrong = 1
            if (from == "common" && to == "bpf" && part[2] != "lib") wrong = 1
            if (from == "proto" && to != "" && to != "proto") wrong = 1
            if (from == "bpf" && (to == "common" || to == "proto")) wrong = 1
            if (from in daemon && to == "bpf" && part[2] in daemon &&
                part[2] != from) wrong = 1
            if (wrong) { print $0 ": must not be included here"; bad = 1 }
        }
        END { exit bad }'
