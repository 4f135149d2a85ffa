"""
One BitTorrent client of libtorrent (Debian's python3-libtorrent), driven by the tests beside this file: it finds peers
through the DHT alone. Commands come as JSON lines on stdin; the answer to each goes out as a JSON line on stdout under
the command's "id", when libtorrent reports that it is done. The client ends with its stdin.

Options, as JSON in the first argument: bootstrap (list of host:port), settings (libtorrent's names, over its defaults).
"""

import json
import os
import select
import sys
import time

import libtorrent as lt

HOST = "127.0.0.1"

# Loopback is neither routable nor diverse: with libtorrent's own settings the DHT would leave out the others. Clients come
# and go here, and nobody should look for those that have gone.
LOOPBACK = {
    "dht_read_only": True,
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_block_ratelimit": 1000000,
    "allow_multiple_connections_per_ip": True,
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
}

CATEGORIES = lt.alert.category_t
MASK = (
    CATEGORIES.error_notification
    | CATEGORIES.status_notification
    | CATEGORIES.storage_notification
    | CATEGORIES.dht_notification
)


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Client:
    def __init__(self, options):
        self.is_ready = False
        self.waiting = {}
        self.flushing = {}
        self.session = lt.session(
            {
                **LOOPBACK,
                **options.get("settings", {}),
                "listen_interfaces": "%s:0" % HOST,
                "dht_bootstrap_nodes": ",".join(options["bootstrap"]),
                "alert_mask": MASK,
            }
        )
        self.woken, wake = os.pipe()
        os.set_blocking(wake, False)
        self.session.set_alert_fd(wake)

    # Commands

    def make(self, id, directory, name, files, pieceLength):
        """The torrent file of files in this order, as libtorrent makes it."""
        storage = lt.file_storage()
        for path, size in files:
            storage.add_file(os.path.join(name, path), size)
        made = lt.create_torrent(storage, pieceLength, flags=lt.create_torrent.v1_only)
        lt.set_piece_hashes(made, directory)
        say({"id": id, "result": {"info": lt.bencode(made.generate()[b"info"]).hex()}})

    def get(self, id, directory, torrent=None, magnet=None):
        """Downloads, or checks and seeds what is there already; answers when the files are complete."""
        if magnet is not None:
            params = lt.parse_magnet_uri(magnet)
        else:
            params = lt.add_torrent_params()
            params.ti = lt.torrent_info(lt.bdecode(bytes.fromhex(torrent)))
        params.save_path = directory
        begun = time.monotonic()
        handle = self.session.add_torrent(params)
        self.waiting[handle] = (id, begun)

    def peers(self, id):
        """Of every torrent: address, flags and client of each peer."""
        found = [
            {"address": "%s:%d" % p.ip, "client": p.client.decode("utf-8", "replace"), "rc4": bool(p.flags & p.rc4_encrypted)}
            for handle in self.session.get_torrents()
            for p in handle.get_peer_info()
        ]
        say({"id": id, "result": {"peers": found}})

    # Alerts

    def on_alert(self, alert):
        if isinstance(alert, lt.dht_bootstrap_alert) and not self.is_ready:
            self.is_ready = True
            say({"ready": {"host": HOST, "port": self.session.listen_port(), "version": lt.__version__}})
        if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
            raise SystemExit(alert.message())
        if isinstance(alert, lt.torrent_finished_alert) and alert.handle in self.waiting:
            id, begun = self.waiting.pop(alert.handle)
            self.flushing[alert.handle] = (id, int((time.monotonic() - begun) * 1000))
            # Finished is said before the last bytes are on disk.
            alert.handle.flush_cache()
        if isinstance(alert, lt.cache_flushed_alert) and alert.handle in self.flushing:
            id, ms = self.flushing.pop(alert.handle)
            say({"id": id, "result": {"ms": ms}})

    def run(self):
        rest = b""
        while True:
            readable, _, _ = select.select([0, self.woken], [], [])
            if self.woken in readable:
                os.read(self.woken, 4096)
                for alert in self.session.pop_alerts():
                    self.on_alert(alert)
            if 0 in readable:
                chunk = os.read(0, 65536)
                if chunk == b"":
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    command = json.loads(line)
                    getattr(self, command.pop("do"))(**command)


Client(json.loads(sys.argv[1])).run()
# A session that is let go of tells the whole network first; nobody here waits for that.
os._exit(0)
