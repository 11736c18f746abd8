"""The podman connection with pipelining.

containers.podman's own copies every module into the container, with four calls of podman
where one is enough; as the tests' hosts all have Python, modules go in by standard input.
"""

from __future__ import annotations

from ansible.plugins.connection import ConnectionBase, ensure_connect
from ansible_collections.containers.podman.plugins.connection import podman

DOCUMENTATION = """
    name: podman_pipe
    short_description: Enter a podman container, with modules on standard input
    description: As containers.podman.podman, and faster.
    author: The pdagent developers
    extends_documentation_fragment: [connection_pipelining]
    options:
      remote_addr:
        description: The container to enter.
        default: inventory_hostname
        vars: [{name: inventory_hostname}, {name: ansible_host}]
      remote_user:
        description: The user to be in there.
        vars: [{name: ansible_user}]
      podman_extra_args:
        description: Arguments in front of the podman command.
        default: ""
      podman_executable:
        description: The podman program.
        default: podman
"""


class Connection(podman.Connection):
    """Enters a container; a module's text comes by standard input."""

    transport = "podman_pipe"
    has_pipelining = True

    @ensure_connect
    def exec_command(self, cmd, in_data=None, sudoable=False):
        """Run a shell command in the container; return its exit code, output and errors."""
        ConnectionBase.exec_command(self, cmd, in_data=in_data, sudoable=sudoable)
        if not in_data:
            return self._podman(["exec"], ["/bin/sh", "-c", cmd])
        # podman now and then loses the words of a command that ends before its input does.
        to_the_end = f"{cmd}\ncode=$?; cat > /dev/null; exit $code"
        return self._podman(["exec", "--interactive"], ["/bin/sh", "-c", to_the_end], in_data)
