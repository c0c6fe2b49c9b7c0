"""The process that stops the server and removes its files, however the process that started the server ends."""

import subprocess
from pathlib import Path

# It waits for a line from us or for the end of the pipe, which the kernel closes when we are killed. SIGQUIT is
# PostgreSQL's immediate shutdown: nobody needs the data, yet shared memory is freed, and the file with the process id
# goes last. A negative number in it is one of initdb's helpers; they are brief, and would leave shared memory behind if
# they were cut off. Without the files, an initdb under way fails, and so does a server that has only just begun.
SCRIPT = """
read -r line
for attempt in $(seq 200); do
    pid=$(head -n 1 "$1/postmaster.pid")
    case $pid in
        -*) kill -0 "${pid#-}" ;;
        *) kill -QUIT "$pid" ;;
    esac || { rm -rf "$@" && exit; }
    sleep 0.05
done
rm -rf "$@"
"""


def start_watchdog(data: Path, *others: Path) -> subprocess.Popen[bytes]:
    """Watch over a server's data directory; the other directories are only removed at the end."""
    return subprocess.Popen(
        ["/bin/sh", "-c", SCRIPT, "watchdog", str(data), *map(str, others)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        # Ctrl-C in the terminal and the end of the login session must not reach it.
        start_new_session=True,
    )


def end_watchdog(watchdog: subprocess.Popen[bytes]) -> None:
    """Have it do its work now. The line is for when a forked child of ours keeps the pipe open."""
    watchdog.communicate(b"\n")
