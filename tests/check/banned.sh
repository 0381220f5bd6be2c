# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Functions that cannot be used safely, or that hide errors.
names='strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|atoi|atol|atoll'
names+='|strtok|alloca|popen|tmpnam|mktemp|rand|localtime|gmtime'
bad=0
find_calls() { # NAMES FILE...
    local pattern=$1
    shift
    grep -nHE "\<($pattern)[[:space:]]*\(" "$@" |
        grep -vE ':[0-9]+:[[:space:]]*(\*|//|/\*)' && bad=1
}
mapfile -t all < <(files '*.c' '*.h')
find_calls "$names" "${all[@]}"
# A shell is of use to tests, which know what they give it.
mapfile -t shipped < <(files '*.c' '*.h' | grep -v '^tests/')
find_calls system "${shipped[@]}"
exit "$bad"
