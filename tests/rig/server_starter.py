"""Starts all servers in the folder that the command line names, prints their ports, and waits to be ended."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from dev.servers import together


async def main(folder: Path) -> None:
    async with together(folder) as servers:
        every = (servers.rabbitmq, servers.postgresql, servers.pebble)
        json.dump([port for server in every if server for port in server.ports], sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
