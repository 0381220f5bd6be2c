# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Functions that cannot be used safely, or that hide errors.
names='strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|atoi|atol|atoll'
names+='|strtok|alloca|system|popen|tmpnam|mktemp|rand|localtime|gmtime'
if files '*.c' '*.h' | xargs -r grep -nHwE "($names)[[:space:]]*\(" |
    grep -vE ':[0-9]+:[[:space:]]*(\*|//|/\*)'; then
    exit 1
fi
