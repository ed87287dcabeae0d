"""A Debian root, booted with systemd in a container that always ends with this process."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    "PAGER=cat",
)


class Failed(Exception):
    """A failed check or a failed command."""


class Machine:
    """One root directory; ``boot`` it, ``run`` commands in it, ``reboot`` it."""

    def __init__(self, root: Path, binds: Sequence[str]) -> None:
        """``binds``: HOST:INSIDE, read-only."""
        self.root = root
        self._binds = [f"--bind-ro={bind}" for bind in binds]
        self._container: subprocess.Popen[bytes] | None = None
        self._leader = 0

    # --- up and down ---

    def boot(self) -> None:
        """Boot, and wait until systemd has started everything."""
        with (self.root.parent / f"{self.root.name}.console").open("ab") as console:
            # Not registered, because this machine itself may not run systemd. It has its own empty network:
            # otherwise its systemd could not make one for a unit (PrivateNetwork=).
            # unshare: nspawn alone leaves its container running if it is killed. As the first process of
            # a PID namespace, its death kills all others. The signal options kill it when this process dies.
            self._container = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
                    *("systemd-nspawn", "--quiet", "-D", str(self.root), *self._binds),
                    *("--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "-b"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        wait(self._has_begun, 30, "the container starts")
        wait(lambda: self.try_run("systemctl", "is-active", "multi-user.target")[0] == 0, 60, "it boots")

    def reboot(self) -> None:
        """Reboot as a user would."""
        self.run("systemctl", "reboot")
        self._wait_for_the_end()
        self.boot()

    def power_off(self) -> None:
        """Shut down; kill it if it does not stop."""
        if self._container is None:
            return
        self.try_run("systemctl", "poweroff")
        try:
            self._wait_for_the_end()
        except Failed:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._container is not None:
            self._container.kill()
            self._container.wait()
            self._container = None

    def _wait_for_the_end(self) -> None:
        """Wait for the end of the container. At a reboot nspawn may exit, or boot again and is killed."""
        leader = self._leader
        wait(lambda: not Path(f"/proc/{leader}").exists(), 120, "it shuts down")
        self.kill()

    def _has_begun(self) -> bool:
        if self._container is None or self._container.poll() is not None:
            console = (self.root.parent / f"{self.root.name}.console").read_text("utf-8", "replace")
            raise Failed(f"systemd-nspawn ended:\n{console[-2000:]}")
        for nspawn in _children(self._container.pid):
            for child in _children(nspawn):
                namespaces = re.search(
                    r"^NSpid:(.*)", Path(f"/proc/{child}/status").read_text(), re.MULTILINE
                )
                if namespaces and namespaces[1].split()[1:][-1:] == ["1"]:
                    self._leader = child
                    return self.try_run("systemctl", "--version")[0] == 0
        return False

    # --- inside ---

    def try_run(self, *command: str, user: str = "root", seconds: float = 300.0) -> tuple[int, str, str]:
        """Run a command inside; return its status, standard output and standard error."""
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user != "root" else []
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w"]
        try:
            done = subprocess.run(
                [*enter, "env", "-i", *ENVIRONMENT, *as_user, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command)} took more than {seconds:g} s") from None
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def run(self, *command: str, user: str = "root", seconds: float = 300.0) -> str:
        """Run a command inside that must succeed; return its standard output."""
        status, output, error = self.try_run(*command, user=user, seconds=seconds)
        if status:
            raise Failed(f"{' '.join(command)}: status {status}\n{output}{error}")
        return output

    def shell(self, script: str, user: str = "root", seconds: float = 300.0) -> str:
        """Run a shell script inside that must succeed; return its standard output."""
        return self.run("sh", "-ec", script, user=user, seconds=seconds)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until ``condition`` holds; return the elapsed seconds. Raises Failed after ``seconds``."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise Failed(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - start
