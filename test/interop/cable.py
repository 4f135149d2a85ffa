"""
A network cable that is long and bad, for kernels without netem: two TAP devices and, between them, a delay for
every frame and a loss for those that carry IP. Run as root of a network namespace; the far end is moved to
where it belongs once this has said that it is there. It ends with its stdin, and the devices with it.

Options, as JSON in the first argument: cables (list of {near, far}) and seed. Each line on stdin is a quality:
delay (ms) and loss (of 1), each way; at first there is neither.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000

FRAME_MAX = 65536
ETHERTYPE_IPV4 = b"\x08\x00"


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


options = json.loads(sys.argv[1])
chance = random.Random(options["seed"])
other = {}
for cable in options["cables"]:
    near, far = tap(cable["near"]), tap(cable["far"])
    other[near], other[far] = far, near
sys.stdout.write("ready\n")
sys.stdout.flush()

delay, loss = 0, 0
under_way = []
count = 0
while True:
    now = time.monotonic()
    while under_way and under_way[0][0] <= now:
        _, _, to, frame = heapq.heappop(under_way)
        try:
            os.write(to, frame)
        except OSError:
            # An end that is down: its frames are lost, as on any cable.
            pass
    timeout = max(0, under_way[0][0] - now) if under_way else None
    readable, _, _ = select.select([0, *other], [], [], timeout)
    if 0 in readable:
        line = os.read(0, 4096)
        if line == b"":
            break
        quality = json.loads(line)
        delay, loss = quality["delay"] / 1000, quality["loss"]
    for device in readable:
        if device == 0:
            continue
        try:
            frame = os.read(device, FRAME_MAX)
        except OSError:
            continue
        if frame[12:14] == ETHERTYPE_IPV4 and chance.random() < loss:
            continue
        count += 1
        heapq.heappush(under_way, (time.monotonic() + delay, count, other[device], frame))
