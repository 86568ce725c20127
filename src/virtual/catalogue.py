#!/usr/bin/python3
"""Reads src/virtual/catalogue.table and writes what is made of it.

usage: catalogue.py rows TABLE ROLES_H     catalogue_rows.h, for the filter and the shim
       catalogue.py doc TABLE ROLES_H      doc/BOUNDARY.md
       catalogue.py check TABLE ROLES_H    catalogue_check.h, for a test
       catalogue.py tests TABLE ROLES_H    the tests and the calls that they make, a pair a line
       catalogue.py align TABLE ROLES_H    the table itself with straight columns

Whatever is wrong with the table is reported with its line, and nothing is written."""
import re
import sys

LAST = 469  # file_setattr, Linux 6.17 and 6.18
HOLES = [(337, 423)]  # "unused so they don't conflict", arch/x86/entry/syscalls/syscall_64.tbl
ERRNO = {"EPERM": 1, "ENOSYS": 38, "EPROTONOSUPPORT": 93}
MAX_TESTS = 2
NO_ARG = 6
WORD = 0xffffffff
COLUMNS = ["nr", "name", "condition", "policy", "arguments", "result", "handler", "memory", "test"]


DOC_HEAD = """
# The boundary

Every system call of x86-64 through Linux 6.18, and where process numbers cross between a program and the kernel in
it. With `--pids=virtual` the numbers are converted there; this page is made from the same table as the filter and the
code that does so (`src/virtual/catalogue.table`; `src/virtual/catalogue.py doc` prints it).

Of a call's rows the first whose condition holds decides. Conditions are on the values of arguments, counted from 0,
because that is all a seccomp filter sees: `2=V` compares the low half, which the kernel takes for an int, `1&M=V` the
bits M of it, `1&B` asks for a bit, `0<0` for the sign, and `2=NULL` for an address. An empty condition is "otherwise".

| policy | |
| --- | --- |
| pass | no number crosses: the kernel lets it through by its number, at no cost |
| translate | trapped into the shim, which converts by the roles of arguments and result. A number that does not exist inside is given to the kernel as one that cannot exist, so that it answers as ever |
| special | trapped into the shim; the named function answers |
| warden | trapped into the shim, which asks the warden |
| refuse | fails with the errno that is named |

Roles are those of `src/virtual/roles.h`: tid, tgid, pgid and sid are what Linux knows the number as, `any` is a tid or
a tgid, `owner`, `kill` and `wait` are numbers whose sign has a meaning. `load-` and `store-`: the argument is the
address of an int that the kernel reads or writes. What is not positive passes as it is.

Numbers beyond 469, numbers that mean nothing, and the i386 and x32 entries of the kernel answer ENOSYS: a call that is
newer than the table never passes unseen. The first of each number through 1023 is told in the log of a detached container,
with the program that made it.

## What is not converted

| where | why |
| --- | --- |
| perf_event_open(2): numbers in the ring buffer | the kernel writes them into memory that the program has mapped |
| BPF: helpers that tell pids | programs run in the kernel, as root's (CAP_BPF) |
| devices: DRM, binder, autofs, FUSE (`in.pid` of a request) | each driver has structures of its own, read by ioctl(2) or read(2) of a device |
| acct(2): `ac_pid`, `ac_ppid` | the kernel writes the file, as root's |
| netlink: the port of a socket that sends without ever having been bound, connected or given an address | send(2) and write(2) are too common to be trapped; the number names a socket, and no call takes it for a process |
| netlink: ports of others, in `/proc/net/netlink` and from netlink_diag | names of sockets of the whole network namespace; a PID namespace does not convert them either |
| audit records, the kernel's log, tracefs | text for who looks after the machine; a PID namespace does not convert them either |
| fanotify, userfaultfd: records read by readv(2) | nobody is known who reads them so |
"""


class Wrong(Exception):
    pass


class Row:
    """One line of the table. tests: alternatives, each a list of (arg, op, mask, value)."""

    def __init__(self, fields, remark, values, roles):
        self.fields, self.remark = fields, remark
        (nr, self.name, self.condition, policy, self.arguments, self.result, self.handler, self.memory,
         self.test) = fields
        self.nr = int(nr)
        self.policy, _, error = policy.partition(":")
        self.roles, self.values = roles, values
        self.alternatives = self.parse_condition()
        self.inputs = self.parse_arguments()
        self.check(error)
        self.error = ERRNO[error] if error else 0

    def role(self, word):
        name = word.upper().replace("-", "_")
        if name not in self.roles:
            raise Wrong(f"unknown role {word}")
        return name

    def parse_arguments(self):
        ret = ["NONE"] * 6
        if self.arguments != "-":
            for part in self.arguments.split(","):
                arg, role = part.split(":")
                ret[int(arg)] = self.role(role)
        return ret

    def number(self, word):
        if word in self.values:
            return self.values[word]
        try:
            return int(word, 0)
        except ValueError:
            raise Wrong(f"unknown value {word}")

    def parse_test(self, text):
        m = re.fullmatch(r"([0-5])(?:&(\w+))?(?:(=|<)(\S+))?", text)
        if not m:
            raise Wrong(f"condition {text}")
        arg, mask, op, wanted = int(m[1]), m[2], m[3], m[4]
        mask = self.number(mask) if mask else WORD
        if wanted == "NULL":
            return [(arg, "NULL", WORD, 0)]
        if op == "<":
            if wanted != "0":
                raise Wrong("only <0 is understood")
            return [(arg, "EQUAL", 0x80000000, 0x80000000)]
        if not op:
            return [(arg, "EQUAL", mask, mask)]
        return [(arg, "EQUAL", mask, self.number(w)) for w in wanted.split("|")]

    def parse_condition(self):
        ret = [[]]
        if self.condition != "-":
            for text in self.condition.split(","):
                ret = [done + [t] for done in ret for t in self.parse_test(text)]
        if len(ret[0]) > MAX_TESTS:
            raise Wrong(f"more than {MAX_TESTS} tests in a condition")
        return ret

    def check(self, error):
        if self.policy not in ("pass", "translate", "special", "warden", "refuse"):
            raise Wrong(f"unknown policy {self.policy}")
        if (self.policy == "special") != (self.handler != "-"):
            raise Wrong("a handler belongs to policy special, and to no other")
        if self.policy == "refuse" and not error or error and error not in ERRNO:
            raise Wrong(f"which errno? {error}")
        if error and self.policy != "refuse":
            raise Wrong("an errno belongs to refuse")
        if (self.policy == "pass") != (self.test == "-"):
            raise Wrong("every row that is not pass names its test")
        if self.policy == "translate" and self.arguments == "-" and self.result == "-":
            raise Wrong("translate what?")
        if self.result != "-":
            self.role(self.result)

    def paths(self):
        """[(path argument, dirfd argument)] of up to two paths, and the argument with AT_ flags."""
        found = [(i, i - 1 if i and self.inputs[i - 1] == "DIRFD" else NO_ARG)
                 for i, r in enumerate(self.inputs) if r == "PATH"]
        found += [(NO_ARG, NO_ARG)] * (2 - len(found))
        flags = [i for i, r in enumerate(self.inputs) if r in ("ATFLAGS", "OPENFLAGS")]
        return found, flags[0] if flags else NO_ARG


class Table:
    def __init__(self, path, roles_h):
        with open(roles_h, encoding="utf-8") as f:
            self.roles = re.findall(r"^\tROLE_(\w+),", f.read(), re.M)
        self.values, self.sections, self.lines = {}, [], []
        bad = []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                try:
                    self.read_line(line.rstrip("\n"))
                except Wrong as e:
                    bad.append(f"{path}:{number}: {e}")
        try:
            self.check()
        except Wrong as e:
            bad.append(f"{path}: {e}")
        if bad:
            sys.exit("\n".join(bad))

    def read_line(self, line):
        self.lines.append(line)
        if line.startswith("= value "):
            _, _, name, value = line.split()
            self.values[name] = int(value, 0)
        elif line.startswith("== "):
            self.sections.append((line[3:], []))
        elif line and not line.startswith("#"):
            text, _, remark = line.partition("#")
            fields = text.split()
            if not 4 <= len(fields) <= len(COLUMNS):
                raise Wrong(f"{len(fields)} columns: at least 4, at most {len(COLUMNS)}")
            fields += ["-"] * (len(COLUMNS) - len(fields))
            self.sections[-1][1].append(Row(fields, remark.strip(), self.values, self.roles))

    def calls(self):
        """{nr: rows in their order}"""
        ret = {}
        for _, rows in self.sections:
            for r in rows:
                ret.setdefault(r.nr, []).append(r)
        return ret

    def check(self):
        calls = self.calls()
        holes = {n for first, last in HOLES for n in range(first, last + 1)}
        for nr in range(LAST + 1):
            if (nr in calls) == (nr in holes):
                raise Wrong(f"number {nr} must have a row or be a hole")
        names = {}
        for nr, rows in calls.items():
            if nr > LAST or any(r.name != rows[0].name for r in rows):
                raise Wrong(f"rows of number {nr} have several names, or it is beyond the last")
            if [r.condition == "-" for r in rows] != [False] * (len(rows) - 1) + [True]:
                raise Wrong(f"{rows[0].name}: exactly the last row has no condition")
            if names.setdefault(rows[0].name, nr) != nr:
                raise Wrong(f"{rows[0].name} has two numbers")


def handler_name(r):
    return "HANDLER_NONE" if r.handler == "-" else f"HANDLER_{r.handler.upper()}"


def c_row(r, tests):
    tests = [f"{{{m:#x}, {v:#x}, {a}, CONDITION_{op}}}" for a, op, m, v in tests]
    (first, second), flags = r.paths()
    inputs = ", ".join(f"ROLE_{i}" for i in r.inputs)
    result = "NONE" if r.result == "-" else r.role(r.result)
    return (f"\t{{.nr = {r.nr}, .n_conditions = {len(tests)}, .condition = {{{', '.join(tests) or '{0}'}}},\n"
            f"\t .policy = POLICY_{r.policy.upper()}, .handler = {handler_name(r)}, .error = {r.error},\n"
            f"\t .in = {{{inputs}}}, .out = ROLE_{result},\n"
            f"\t .path = {{{first[0]}, {second[0]}}}, .dirfd = {{{first[1]}, {second[1]}}}, .flags = {flags}}},"
            f" /* {r.name} */")


def print_rows(table):
    """Calls without conditions that just pass have no row: what is not a hole passes."""
    calls = table.calls()
    handlers = sorted({r.handler for rows in calls.values() for r in rows if r.handler != "-"})
    first = [0] * (LAST + 1)
    out = []
    for nr in sorted(calls):
        rows = calls[nr]
        if len(rows) == 1 and rows[0].policy == "pass":
            continue
        first[nr] = len(out) + 1
        out += [c_row(r, tests) for r in rows for tests in r.alternatives]
    print("/* Made by catalogue.py from catalogue.table. Include virtual/catalogue.h instead. */")
    print(f"#define CATALOGUE_LAST {LAST}\n#define CATALOGUE_ROWS {len(out)}\n")
    print("/* X(function, HANDLER_...): the functions of special rows. */\n#define CATALOGUE_HANDLERS(X) \\")
    print(" \\\n".join(f"\tX({h}, HANDLER_{h.upper()})" for h in handlers) + "\n")
    print("enum catalogue_handler {\n\tHANDLER_NONE,")
    print("".join(f"\tHANDLER_{h.upper()},\n" for h in handlers) + "};\n")
    print("/* Numbers that mean nothing on x86-64. */")
    print("static const struct catalogue_range catalogue_holes[] = {"
          + ", ".join(f"{{{a}, {b}}}" for a, b in HOLES) + "};\n")
    print("/* By number, in the table's order within one. */")
    print("static const struct catalogue_row catalogue_rows[CATALOGUE_ROWS] = {")
    print("\n".join(out) + "\n};\n")
    print("/* The first row of a number, plus one; 0: it has none. */")
    print("static const uint16_t catalogue_first[CATALOGUE_LAST + 1] = {")
    for at in range(0, LAST + 1, 20):
        print("\t" + ", ".join(str(n) for n in first[at:at + 20]) + ",")
    print("};")


def print_check(table):
    print("/* Made by catalogue.py: the table's numbers against those of the installed headers, as far as these go. */")
    calls = table.calls()
    wanted = [(f"__NR_{calls[nr][0].name}", nr) for nr in sorted(calls)] + list(table.values.items())
    for name, value in wanted:
        print(f'#ifdef {name}\n_Static_assert({name} == {value:#x}, "{name}");\n#endif')


def print_tests(table):
    print("\n".join(sorted({f"{r.test} {r.name}" for _, rows in table.sections for r in rows if r.test != "-"})))


def print_doc(table):
    print(DOC_HEAD.strip())
    for title, rows in table.sections:
        told = [r for r in rows if r.policy != "pass" or r.remark]
        rest = [f"`{r.name}`" for r in rows if r.policy == "pass" and not r.remark and r.condition == "-"
                and not any(o.name == r.name for o in told)]
        print(f"\n## {title}\n")
        if told:
            print("| call | when | policy | arguments | result | in memory | test | remark |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        name = None
        for r in rows:
            if r in told or any(o.name == r.name for o in told):
                print(doc_row(r, r.name != name))
                name = r.name
        if rest:
            print(("\nAllowed as they are: " if told else "Allowed as they are: ") + ", ".join(rest) + ".")


def doc_row(r, first):
    def code(text):
        text = text.replace("|", "\\|")
        return "" if text == "-" else f"`{text}`"

    policy = r.policy if r.policy != "special" else f"special: `{r.handler}()`"
    if r.policy == "refuse":
        policy += " " + next(name for name, n in ERRNO.items() if n == r.error)
    cells = [code(r.name) if first else "", code(r.condition), policy, code(r.arguments),
             code(r.result), code(r.memory), code(r.test), r.remark.replace("|", "\\|")]
    return "| " + " | ".join(cells) + " |"


def align_section(rows):
    """Columns as wide as this section needs; one long condition must not push everything to the right."""
    width = [min(max(len(r.fields[i]) for r in rows), 34) for i in range(len(COLUMNS))]
    for r in rows:
        out, at = r.fields[0].rjust(3), 3
        for f, w in zip(r.fields[1:], width[1:]):
            out = out.ljust(at) + "  " + f
            at += 2 + w
        if r.remark:
            # A remark on a row without much else stays near it.
            used = max(i for i in range(len(COLUMNS)) if i < 4 or r.fields[i] != "-")
            out = re.sub(r"(\s+-)+$", "", out).ljust(3 + sum(w + 2 for w in width[1:used + 1])) + "  # " + r.remark
        yield re.sub(r"(\s+-)+$", "", out)


def print_align(table):
    sections = iter(table.sections)
    rows = iter([])
    for line in table.lines:
        if line.startswith("== "):
            section = next(sections)
            rows = align_section(section[1])
        print(line if not line or line[0] in "#=" else next(rows))


def main():
    make = {"rows": print_rows, "doc": print_doc, "check": print_check, "tests": print_tests,
            "align": print_align}
    if len(sys.argv) != 4 or sys.argv[1] not in make:
        sys.exit(__doc__)
    make[sys.argv[1]](Table(sys.argv[2], sys.argv[3]))


main()
