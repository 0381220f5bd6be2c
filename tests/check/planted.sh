# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The checks themselves: each must be content with a small clean tree, and see
# the fault that is planted in it.
here=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bad=0

# A clean tree: two daemons' folders, common/ and bpf/.
fresh() {
    rm -rf "${scratch:?}/t"
    mkdir -p "$scratch"/t/{tests,tracer,guarder,common,bpf/lib,proto,build/dev}
    cd "$scratch/t" || exit 1
    cp -r "$here/tests/check" tests/
    cp "$here/.clang-format" "$here/.clang-tidy" .
    local spdx='/* SPDX-License-Identifier: MIT */'
    printf '%s\nint ps_a(void);\n' "$spdx" >common/a.h
    printf '%s\n#include "common/a.h"\n\nint ps_a(void)\n{\n    return 0;\n}\n' \
        "$spdx" >tracer/a.c
    printf '%s\n' '/* SPDX-License-Identifier: MIT OR GPL-2.0-only */' >bpf/lib/b.h
    printf '#!/bin/bash\n# SPDX-License-Identifier: MIT\necho one\n' >run
    printf '# SPDX-License-Identifier: MIT\nONE = 1\n' >one.py
    chmod +x run
    local one='{"directory":"%s","file":"%s/%s","arguments":["clang-19","-I%s",'
    one+='"-c","%s/%s"]}'
    # shellcheck disable=SC2059  # the format is the line above
    printf "[$one,$one,$one]" "$PWD" "$PWD" tracer/a.c "$PWD" "$PWD" tracer/a.c \
        "$PWD" "$PWD" common/a.c "$PWD" "$PWD" common/a.c \
        "$PWD" "$PWD" bpf/b.bpf.c "$PWD" "$PWD" bpf/b.bpf.c \
        >build/dev/compile_commands.json
    printf 'build\n' >.gitignore
    git init -q .
}

# expect ok|'not ok' CHECK WHAT
expect() {
    local out
    out=$(PS_BUILD=build/dev tests/check/run "$2" 2>&1)
    grep -qx "$1 $2" <<<"$out" && return
    echo "$2 is not \"$1\" with $3:"
    printf '%s\n' "$out" | head -n 8 | sed 's/^/    /'
    bad=1
}

# plant CHECK WHAT FILE TEXT: the line is appended to a fresh tree's file
plant() {
    fresh
    printf '%b\n' "$4" >>"$3"
    expect 'not ok' "$1" "$2"
}

fresh
for check in banned format headers includes python shell size spdx spell tidy; do
    expect ok "$check" 'a clean tree'
done
plant banned 'strcpy()' tracer/a.c 'void b(char *c)\n{\n    strcpy(c, "");\n}'
plant banned 'system()' tracer/a.c 'int b(void)\n{\n    return system("");\n}'
plant format 'a bad layout' tracer/a.c 'int  b ( void ) ;'
plant headers 'a header that lacks one' common/a.h 'uint8_t ps_b(void);'
plant includes "a daemon that includes another's" tracer/a.c \
    '#include "guarder/a.h"'
plant includes 'common that includes a daemon' common/a.h \
    '#include "tracer/a.h"'
plant includes "a daemon that includes another's programs" tracer/a.c \
    '#include "bpf/guarder/a_abi.h"'
plant includes 'bpf that includes common' bpf/lib/b.h '#include "common/a.h"'
plant includes 'proto that includes common' proto/a.h '#include "common/a.h"'
plant python 'a syntax error' one.py 'def (:'
plant python 'a long line' one.py "# $(printf 'x%.0s' {1..90})"
# shellcheck disable=SC2016  # for run to expand
plant shell 'a loop over ls' run 'for a in $(ls); do :; done'
plant size 'a file without end' tracer/a.c "$(printf '\\n%.0s' {1..500})"
plant spdx 'no licence' tracer/c.c 'int c;'
plant spdx 'bpf without the GPL' bpf/lib/c.h '/* SPDX-License-Identifier: MIT */'
plant spell 'a misspelling' tracer/a.c '/* rec''ieve */'
plant tidy 'a condition that is always so' tracer/a.c \
    'int b(int c);\nint b(int c)\n{\n    return c == c;\n}'
plant tidy 'a function of 70 lines' tracer/a.c \
    "void b(int *c)\n{\n$(printf '    *c = 1;\\n%.0s' {1..70})}"
exit "$bad"
