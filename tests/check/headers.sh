# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Each header compiles alone, as the first of a file, with the flags of a
# source of its folder: who includes it needs to know nothing else.
build=${PS_BUILD:-build/dev}
[[ -f $build/compile_commands.json ]] ||
    { echo "no $build/compile_commands.json: configure first"; exit 1; }
mapfile -t list < <(files '*.h')
/usr/bin/python3 - "$build" "${list[@]}" <<'PY'
import concurrent.futures, json, os, shlex, subprocess, sys

TAKES = ('-o', '-MF', '-MT', '-MQ', '-c')   # options with a word of their own


def kind(path):
    """Folder whose flags a file has; bpf's ABI headers are for both sides."""
    top = path.split('/')[0]
    if top == 'bpf' and path.endswith('_abi.h'):
        return 'common'
    return 'bpf' if path.endswith('.bpf.c') else top


def flags(words):
    words, keep = iter(words), []
    for word in words:
        if word in TAKES:
            next(words)
        elif word.startswith(('-I', '-D', '-W', '-i', '-std', '-m', '--t')):
            keep.append(word)
            if word in ('-I', '-D', '-isystem', '-include'):
                keep.append(next(words))
    return keep


def alone(path):
    text = f'#include "{path}"\n'
    run = subprocess.run(
        [compiler, '-fsyntax-only', '-x', 'c', *known[kind(path)],
         '-Wno-unused-function', '-'], input=text, text=True,
        capture_output=True, check=False)
    return '' if run.returncode == 0 else f'{path}: {run.stderr[:600]}'


known, compiler = {}, 'clang-19'
with open(f'{sys.argv[1]}/compile_commands.json', encoding='utf-8') as file:
    for entry in json.load(file):
        words = entry.get('arguments') or shlex.split(entry['command'])
        known.setdefault(kind(os.path.relpath(entry['file'])), flags(words))
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    bad = [text for text in pool.map(alone, sys.argv[2:]) if text]
print('\n'.join(bad))
sys.exit(bool(bad))
PY
