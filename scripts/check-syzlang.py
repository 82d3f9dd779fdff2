#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compares the syzkaller description of the ABI with the header: each ioctl, each
structure with its fields in order and their sizes, each flag.  That syzkaller takes
the description is not seen here.

usage: check-syzlang.py HEADER DESCRIPTION [ASSERTIONS]
Into ASSERTIONS goes C that compiles if the sizes are those of a compiler.
"""
import re
import sys

SIZES = {'__u8': 1, '__u16': 2, '__u32': 4, '__s32': 4, '__aligned_u64': 8, 'char': 1,
         'int8': 1, 'int16': 2, 'int32': 4, 'int64': 8, 'fd': 4, 'pid': 4, 'uid': 4, 'gid': 4,
         'ptr64': 8}
# Values that a program gives; the others are only read, or are limits
FLAGS = r'VDI_(FEAT|CMD|CREATE_F|OPEN_DEVICE_F|CODE)_\w+'


def number(text, constants):
    return int(constants.get(text, text), 0)


def read_header(text):
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    constants = dict(re.findall(r'^#define\s+(VDI_\w+)\s+(\w+)\s*$', text, re.M))
    structs = {}
    for name, body in re.findall(r'^struct (\w+) \{\n(.*?)^\};', text, re.M | re.S):
        fields = []
        for kind, field, count in re.findall(r'^\s+(?:struct )?(\w+) (\w+)(?:\[(\w+)\])?;', body,
                                             re.M):
            size = SIZES[kind] if kind in SIZES else sum(s for _, s in structs[kind])
            fields.append((field, size * (number(count, constants) if count else 1)))
        structs[name] = fields
    ioctls = set(re.findall(r'^#define\s+(VDI_IOC_\w+)\s+_IO\(', text, re.M))
    flags = {m.group(1) for m in re.finditer(r'^#define\s+(' + FLAGS + r')\s', text, re.M)}
    return structs, ioctls, flags, constants


def size_of(kind, structs, resources, constants):
    """The size of a field in bytes."""
    kind = kind.strip()
    head = re.match(r'\w+', kind).group(0)
    if head in SIZES:
        return SIZES[head]
    if head in resources:
        return size_of(resources[head], structs, resources, constants)
    if head in structs:
        return sum(s for _, s in structs[head])
    args = [a.strip() for a in kind[kind.index('[') + 1:kind.rindex(']')].split(',')]
    if head in ('const', 'flags', 'bytesize', 'len'):
        return SIZES[args[1]]
    if head == 'string':
        return number(args[1], constants)
    if head == 'array':
        return size_of(args[0], structs, resources, constants) * number(args[1], constants)
    raise ValueError('what is ' + kind)


def read_description(text, constants):
    text = re.sub(r'^#.*\n', '', text, flags=re.M)
    resources = dict(re.findall(r'^resource (\w+)\[(\w+)\]', text, re.M))
    structs = {}
    bodies = dict(re.findall(r'^(\w+) \{\n(.*?)^\}', text, re.M | re.S))
    while len(structs) < len(bodies):
        before = len(structs)
        for name, body in bodies.items():
            uses = set(re.findall(r'^\t\w+\t+(\w+)', body, re.M))
            if name in structs or uses & (set(bodies) - set(structs)):
                continue
            structs[name] = [(f, size_of(k, structs, resources, constants)) for f, k in
                             re.findall(r'^\t(\w+)\t+(.*?)(?:\t\((?:in|out)\))?$', body, re.M)]
        if len(structs) == before:
            raise ValueError('structures that use each other: ' + ', '.join(bodies))
    return structs, text


def main():
    header, description = (open(f, encoding='utf-8').read() for f in sys.argv[1:3])
    wanted, ioctls, flags, constants = read_header(header)
    described, text = read_description(description, constants)
    bad = []
    if not wanted or not ioctls or not flags:
        bad.append('nothing found in the header')
    for name, fields in wanted.items():
        if name not in described:
            bad.append(f'struct {name} is not described')
        elif described[name] != fields:
            bad += [f'{name}: {b} where the header has {a}' for a, b in
                    zip(fields + [None] * 99, described[name] + [None] * 99) if a != b][:3]
    for name, fields in described.items():
        like = re.sub('_(in|out)$', '', name)
        if like not in wanted:
            bad.append(f'{name} is no struct of the header')
        elif name not in wanted and fields != wanted[like]:
            bad.append(f'{name} has not the fields of {like}')
    for name in sorted(ioctls):
        struct = name.replace('VDI_IOC_', 'vdi_').lower()
        if not re.search(rf'^ioctl\${name}\(fd fd_\w+, cmd const\[{name}\], '
                         rf'arg ptr\[\w+, {struct}\]\)$', text, re.M):
            bad.append(f'{name} is not described with {struct}')
    bad += [f'{f} is not used' for f in sorted(flags) if not re.search(rf'\b{f}\b', text)]
    bad += [f'{w} is not in the header' for w in sorted(set(re.findall(r'\bVDI_[A-Z0-9_]+\b', text)))
            if not re.search(rf'\b{w}\b', header) and not w.endswith('_')]
    if len(sys.argv) > 3:
        with open(sys.argv[3], 'w', encoding='utf-8') as f:
            f.write('#include <linux/vdi.h>\n')
            f.writelines(f'_Static_assert(sizeof(struct {n}) == {sum(s for _, s in fields)}, "");\n'
                         for n, fields in described.items() if n in wanted)
    print('\n'.join(bad), end='\n' if bad else '')
    return bool(bad)


sys.exit(main())
