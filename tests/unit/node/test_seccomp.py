"""The seccomp filter, interpreted as a kernel would."""

import struct

import pytest

from rendertrust.node.seccomp import CLONE3, MACHINES, SyscallNumbers, filter_of

ALLOWED, KINDS = 0x7FFF0000, sorted(MACHINES)


def verdict(program: bytes, machine: int, number: int, first: int = 0) -> int:
    """Return the filter's result for a system call."""
    data = struct.pack("<iIQQ", number, machine, 0, first)
    lines, at, held = list(struct.iter_unpack("<HBBI", program)), 0, 0
    while True:
        code, so, not_so, operand = lines[at]
        at += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, operand)
        else:
            holds = {0x15: held == operand, 0x35: held >= operand, 0x45: held & operand != 0}[code]
            at += so if holds else not_so


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_is_told_as_an_error(kind: str) -> None:
    known, program = MACHINES[kind], filter_of(kind)
    assert program is not None
    assert len(program) % 8 == 0

    def errno(number: int, first: int = 0, audit: int = known.audit) -> int:
        found = verdict(program, audit, number, first)
        return 0 if found == ALLOWED else found & 0xFFFF

    assert {errno(number) for number in known.refused.values()} == {1}
    assert errno(CLONE3) == errno(known.socket, 1, audit=0x40000003) == 38
    assert errno(known.clone, 0x10000000 | 17) == 1
    assert errno(known.clone, 17) == errno(known.clone, 0x003D0F00) == 0
    assert [errno(known.socket, family) for family in (1, 2, 10, 16, 17, 38, 40)] == [
        *[0] * 4,
        *[97] * 3,
    ]
    refused = {*known.refused.values(), CLONE3}
    assert not any(errno(n) for n in range(500) if n not in refused | {known.socket})
    assert errno(0x40000000 | known.socket, 1) == 38


def test_numbers_of_a_machine_are_different_calls() -> None:
    for known in MACHINES.values():
        assert isinstance(known, SyscallNumbers)
        assert len(set(known.refused.values())) == len(known.refused)


def test_of_another_machine_nothing_is_known() -> None:
    assert filter_of("riscv64") is None
