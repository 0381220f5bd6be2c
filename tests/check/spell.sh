# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Spelling, in code and in texts.
mapfile -t list < <(files | grep -vE \
    '(^|/)package-lock\.json$|\.(png|svg|ico|woff2?|pcap|pcapng|mmdb|bin)$')
codespell --quiet-level 35 --ignore-regex '\b[a-z]+[A-Z]\w*\b' \
    --ignore-words-list \
    'iif,ans,nd,fo,hist,ment,inout,unser,te,ue,clen,ro,requestor,statics' \
    "${list[@]}"
