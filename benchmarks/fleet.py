"""Many simulated cameras for the benchmarks: prints a line when all listen, and ends on SIGTERM."""

import asyncio
import signal
import sys

from device_simulator import DeviceSpec, Simulator


async def main(count: int) -> None:
    """Run until told to end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Simulator(hostility=0.0) as simulator:
        for number in range(1, count + 1):
            address = f"127.{21 + number // 60000}.{number // 250 % 240}.{number % 250 + 1}"
            await simulator.add(DeviceSpec(name=f"cam-{number}", address=address))
        print("listening", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
