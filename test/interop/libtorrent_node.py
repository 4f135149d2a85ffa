"""
One DHT node of libtorrent (Debian's python3-libtorrent), driven by the tests beside this file. Commands come as
JSON lines on stdin; the answer to each goes out as a JSON line on stdout under the command's "id", as soon as
libtorrent reports that it is done. Byte strings are hexadecimal. The node ends with its stdin.

Options, as JSON in the first argument: host, port, bootstrap (list of host:port), settings (libtorrent's names,
over those for loopback).
"""

import hashlib
import json
import os
import re
import select
import sys

import libtorrent as lt

# Loopback is neither routable nor diverse: with libtorrent's own settings every node of it would leave out the others.
LOOPBACK = {
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_block_ratelimit": 1000000,
    "allow_multiple_connections_per_ip": True,
}

# The DHT and nothing else; the cap on its bytes a second is for a line at home.
QUIET = {
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "alert_queue_size": 100000,
    "dht_upload_rate_limit": 10000000,
}

CATEGORIES = lt.alert.category_t
MASK = (
    CATEGORIES.error_notification
    | CATEGORIES.status_notification
    | CATEGORIES.dht_notification
    | CATEGORIES.dht_operation_notification
    | CATEGORIES.dht_log_notification
)

# A look-up begins, for a target, and ends.
TRAVERSAL = re.compile(r"\[(\d+)\] (?:NEW target: ([0-9a-f]{40}) |COMPLETED )")

# Packets that are kept for the command "exchanged".
PACKETS_MAX = 20000


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def text_of(alert):
    """The binding makes text of bytes of any kind, and a salt that is no UTF-8 fails it."""
    try:
        return alert.message()
    except UnicodeDecodeError:
        return ""


def hash_of(hexadecimal):
    return lt.sha1_hash(bytes.fromhex(hexadecimal))


def hex_of(digest):
    return digest.to_bytes().hex()


def expanded(seed):
    """A private key as libtorrent wants it: the clamped SHA-512 of the seed (RFC 8032, 5.1.5)."""
    key = bytearray(hashlib.sha512(seed).digest())
    key[0] &= 248
    key[31] &= 63
    key[31] |= 64
    return bytes(key)


def value_of(alert):
    """A byte string; nothing where there is none, or where the binding cannot show what there is."""
    try:
        return alert.item["value"].hex() if isinstance(alert.item, dict) else alert.item.hex()
    except (RuntimeError, AttributeError):
        return None


def put_done(alert):
    return {"stored": alert.num_success, "seq": alert.seq, "target": hex_of(alert.target)}


class Node:
    def __init__(self, options):
        self.host = options.get("host", "127.0.0.1")
        self.waiting = []
        self.packets = []
        self.announces = {}
        self.searches = []
        self.is_ready = False
        # Whoever has nobody to ask never reports that it has asked them.
        self.ready_on = lt.dht_bootstrap_alert if options.get("bootstrap") else lt.listen_succeeded_alert
        self.session = lt.session(
            {
                **QUIET,
                **LOOPBACK,
                **options.get("settings", {}),
                "listen_interfaces": "%s:%d" % (self.host, options.get("port", 0)),
                "dht_bootstrap_nodes": ",".join(options.get("bootstrap", [])),
                "alert_mask": MASK,
            }
        )
        self.woken, wake = os.pipe()
        os.set_blocking(wake, False)
        self.session.set_alert_fd(wake)

    # Commands

    def put_mutable(self, id, seed, publicKey, salt, value):
        """Reads what is there, and puts the value under the next sequence number."""
        key = bytes.fromhex(publicKey)
        self.wait(id, lt.dht_put_alert, lambda a: a.public_key == key, put_done)
        self.session.dht_put_mutable_item(
            expanded(bytes.fromhex(seed)), key, bytes.fromhex(value), bytes.fromhex(salt)
        )

    def get_mutable(self, id, publicKey, salt):
        key = bytes.fromhex(publicKey)
        self.wait(
            id,
            lt.dht_mutable_item_alert,
            lambda a: a.key == key and a.authoritative,
            lambda a: {"seq": a.seq, "signature": a.signature.hex(), "value": value_of(a), "text": text_of(a)},
        )
        self.session.dht_get_mutable_item(key, bytes.fromhex(salt))

    def put_immutable(self, id, bencoded):
        target = hex_of(self.session.dht_put_immutable_item(lt.bdecode(bytes.fromhex(bencoded))))
        self.wait(id, lt.dht_put_alert, lambda a: hex_of(a.target) == target, put_done)

    def get_immutable(self, id, target):
        self.wait(
            id,
            lt.dht_immutable_item_alert,
            lambda a: hex_of(a.target) == target,
            lambda a: {"value": value_of(a), "text": text_of(a)},
        )
        self.session.dht_get_immutable_item(hash_of(target))

    def get_peers(self, id, infohash):
        """All that the nodes of one look-up give; that it is over, libtorrent says in its log alone."""
        self.searches.append({"id": id, "infohash": infohash, "traversal": None, "peers": set()})
        self.session.dht_get_peers(hash_of(infohash))

    def announce(self, id, infohash):
        """Its own port, as for a torrent: the binding has no way to the bare call. Done when all who were told said so."""
        self.announces[bytes.fromhex(infohash)] = {"id": id, "open": set(), "told": 0}
        params = lt.add_torrent_params()
        params.info_hashes = lt.info_hash_t(hash_of(infohash))
        params.save_path = "/nonexistent"
        params.flags = lt.torrent_flags.upload_mode
        self.session.add_torrent(params)

    def nodes(self, id):
        """How many are in the routing table, by libtorrent's own statistics."""
        self.wait(id, lt.session_stats_alert, lambda a: True, lambda a: {"nodes": a.values["dht.dht_nodes"]})
        self.session.post_session_stats()

    def exchanged(self, id):
        """Packets in order, each with the address that it came from or went to."""
        say({"id": id, "result": {"packets": self.packets}})

    # Alerts

    def wait(self, id, kind, matches, answer):
        self.waiting.append((id, kind, matches, answer))

    def on_packet(self, alert):
        text = text_of(alert)
        is_incoming = text.startswith("<==")
        address = text[text.index("[") + 1 : text.index("]")]
        data = alert.pkt_buf
        if len(self.packets) < PACKETS_MAX:
            self.packets.append({"in": is_incoming, "address": address, "bytes": data.hex()})
        packet = lt.bdecode(data)
        if not isinstance(packet, dict):
            return
        if not is_incoming and packet.get(b"q") == b"announce_peer":
            announce = self.announces.get(packet[b"a"][b"info_hash"])
            if announce is not None:
                announce["open"].add((address, packet[b"t"]))
                announce["told"] += 1
        if is_incoming and packet.get(b"y") != b"q":
            for infohash, announce in list(self.announces.items()):
                if (address, packet.get(b"t")) not in announce["open"]:
                    continue
                announce["open"].remove((address, packet[b"t"]))
                if not announce["open"]:
                    del self.announces[infohash]
                    say({"id": announce["id"], "result": {"told": announce["told"]}})

    def on_peers(self, alert):
        for search in self.searches:
            if search["infohash"] == hex_of(alert.info_hash):
                search["peers"].update("%s:%d" % tuple(peer) for peer in alert.peers())

    def on_log(self, alert):
        match = TRAVERSAL.search(text_of(alert))
        if match is None:
            return
        number, target = match.groups()
        for search in list(self.searches):
            if target is not None and search["traversal"] is None and search["infohash"] == target:
                search["traversal"] = number
            elif target is None and search["traversal"] == number:
                self.searches.remove(search)
                say({"id": search["id"], "result": {"peers": sorted(search["peers"])}})

    def on_alert(self, alert):
        if isinstance(alert, lt.dht_pkt_alert):
            return self.on_packet(alert)
        if isinstance(alert, lt.dht_get_peers_reply_alert):
            return self.on_peers(alert)
        if isinstance(alert, lt.dht_log_alert):
            return self.on_log(alert)
        if isinstance(alert, self.ready_on) and not self.is_ready:
            self.is_ready = True
            say({"ready": {"host": self.host, "port": self.session.listen_port(), "version": lt.__version__}})
        if isinstance(alert, lt.listen_failed_alert):
            raise SystemExit(text_of(alert))
        for each in self.waiting:
            id, kind, matches, answer = each
            if isinstance(alert, kind) and matches(alert):
                self.waiting.remove(each)
                say({"id": id, "result": answer(alert)})
                return

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


Node(json.loads(sys.argv[1])).run()
# A session that is let go of tells the whole network first; nobody here waits for that.
os._exit(0)
