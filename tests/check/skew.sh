# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The schema against the frozen ones: see tests/skew/compat.py. And that the
# check itself finds what it is there for.
bad=0
/usr/bin/python3 tests/skew/compat.py || bad=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
breaks() { # NAME SED-EXPRESSION FILE
    rm -rf "$work/proto"
    cp -r proto "$work/proto"
    sed -i "$2" "$work/proto/$3"
    if cmp -s "proto/$3" "$work/proto/$3"; then
        echo "$1: this test changes nothing any more"
        bad=1
    elif /usr/bin/python3 tests/skew/compat.py "$work/proto" >/dev/null; then
        echo "$1: was not found"
        bad=1
    fi
}
breaks 'a new required field' \
    's/^message Loss {/&\n  required string fresh = 99;/' service.proto
breaks 'a changed number' 's/\(optional uint32 pid\) = 5/\1 = 95/' \
    service.proto
breaks 'a changed type' 's/optional uint32 pid = 5/optional string pid = 5/' \
    service.proto
breaks 'a field that went' '/optional uint32 pid = 5/d' service.proto
breaks 'a changed enum' 's/standby = 4/standby = 14/' service.proto
exit "$bad"
