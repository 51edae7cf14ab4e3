"""Turns into a server process that cannot outlive the guardian that started it.

Run as a script, by path, with the standard library alone (it is on the way of every start):
``launch.py GUARDIAN_PID SIGNAL ACCOUNT COMMAND...``. The process sends itself SIGNAL when its
parent dies in any way, SIGKILL included, becomes ACCOUNT (``uid:gid``, or ``-`` to stay who it
is), and executes COMMAND.

A script and not a ``preexec_fn``, which is unsafe in a process with threads.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _prctl(option: int, first: int, second: int = 0) -> None:
    arguments = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    _checked(_libc.prctl(option, *arguments), f"prctl({option})")


def become(uid: int, gid: int) -> None:
    """Gives root up for the account, and keeps one capability.

    With CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE where a container has only that, the account
    reaches its folder and its program below directories that are closed to everyone but root, and
    these may stay closed. Where the kernel refuses both, the account goes on without.
    """
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    try:
        try:
            _keep(_CAP_DAC_READ_SEARCH)
        except OSError:
            _keep(_CAP_DAC_OVERRIDE)
    except OSError as error:
        print(f"going on as uid {uid} without CAP_DAC_OVERRIDE: {error}", file=sys.stderr)


def _keep(capability: int) -> None:
    """Has that capability alone, also after the next execve.

    :raises OSError: the process may not have it, and has lost none.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    alone = 1 << capability
    # effective, permitted, inheritable; then the same for capabilities 32 and up
    wanted = (ctypes.c_uint32 * 6)(alone, alone, alone, 0, 0, 0)
    _checked(_libc.capset(header, wanted), "capset")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def main() -> None:
    guardian, signal, account, *command = sys.argv[1:]
    if account != "-":
        uid, gid = account.split(":")
        become(int(uid), int(gid))
    # After the change of account, which would clear it.
    _prctl(_PR_SET_PDEATHSIG, int(signal))
    if os.getppid() != int(guardian):
        sys.exit("the guardian ended before the server began")
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"cannot execute {command[0]}: {error}")


if __name__ == "__main__":
    main()
