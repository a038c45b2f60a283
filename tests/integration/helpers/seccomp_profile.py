#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# The rows of specs/seccomp.def (the argument) as linux.seccomp of config.json.
import json, re, sys
number = lambda s: int(s, 8) if re.fullmatch("0[0-7]+", s) else int(s, 0)
rules = []
for line in open(sys.argv[1]):
    row = re.match(r"SECCOMP_(ALLOW|ERRNO)(_ARG|_ARG2)?\((.*)\)$", line.strip())
    if not row:
        continue
    f = [x.strip() for x in row[3].split(",")]
    rule = {"names": [f.pop(0)], "action": "SCMP_ACT_" + row[1]}
    if row[1] == "ERRNO":
        rule["errnoRet"] = int(f.pop(0))
    if f:
        rule["args"] = [{"index": int(f[i]), "op": "SCMP_CMP_" + f[i + 1], "value": number(f[i + 2]), "valueTwo": number(f[i + 3])}
                        for i in range(0, len(f), 4)]
    rules.append(rule)
json.dump({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules}, sys.stdout)
