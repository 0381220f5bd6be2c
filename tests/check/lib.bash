# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by tests/check/run before each check.

# files PATHSPEC...: sources of the project, new ones too, one a line
files() {
    git -c safe.directory='*' ls-files --cached --others --exclude-standard \
        --deduplicate -- "$@" | while read -r path; do
        [[ -f $path ]] && printf '%s\n' "$path"
    done
    return 0
}

# shell_files: shell scripts, by name or by first line
shell_files() {
    files '*.sh' '*.bash'
    files | grep -v '\.' | while read -r path; do
        head -n 1 "$path" | grep -aEq '^#!.*\b(ba)?sh\b' && echo "$path"
    done
    return 0
}

# python_files: the same for Python
python_files() {
    files '*.py'
    files | grep -v '\.' | while read -r path; do
        head -n 1 "$path" | grep -aEq '^#!.*python3' && echo "$path"
    done
    return 0
}
