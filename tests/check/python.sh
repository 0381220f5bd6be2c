# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Python parses under Debian's Python.
mapfile -t list < <(python_files)
/usr/bin/python3 - "${list[@]}" <<'PY'
import ast, sys
bad = 0
for path in sys.argv[1:]:
    text = open(path, encoding='utf-8').read()
    try:
        ast.parse(text, path)
    except SyntaxError as exc:
        print(f'{path}:{exc.lineno}: {exc.msg}')
        bad = 1
    for num, line in enumerate(text.splitlines(), 1):
        if len(line) > 80 or '\t' in line or line != line.rstrip():
            print(f'{path}:{num}: over 80 columns, tab or trailing space')
            bad = 1
sys.exit(bad)
PY
