# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# No file grows without end: about 400 lines is the habit, 500 the law; a
# test, which is a list of cases, may have 900. Functions: see .clang-tidy
# (60 lines, and a cognitive complexity of 25).
bad=0
while read -r path; do
    most=500
    [[ $path == tests/* || $path == web/tests/* ]] && most=900
    lines=$(wc -l <"$path")
    ((lines <= most)) ||
        { echo "$path: $lines lines, more than $most: split it"; bad=1; }
done < <(
    files '*.c' '*.h' '*.py' '*.ts' '*.tsx' '*.proto' '*.cmake'
    shell_files
)
exit "$bad"
