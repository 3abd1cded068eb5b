"""The moment from which a process counts as ended."""

import subprocess
import sys

import psutil

from local.daemon.terminate import end, is_alive
from local.machine.stores import is_taken

LISTENER = """
import socket, threading, time
server = socket.create_server(("127.0.0.1", 0))
for _ in range(4):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


def test_a_killed_process_with_threads_has_let_go_of_its_port_when_it_counts_as_ended():
    with subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE) as started:
        assert started.stdout
        port = int(started.stdout.readline())
        process = psutil.Process(started.pid)
        process.suspend()
        end([process], grace_s=0)

        assert not is_alive(process)
        assert not is_taken(port)
