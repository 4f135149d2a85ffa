/**
 * What goes beyond questions and answers: the addresses that replies tell (BEP 42), read-only nodes (BEP 43), and
 * the settings of its own that libtorrent can keep on a network on loopback.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PeerAddress from "../../src/protocol/core/PeerAddress.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import * as Libtorrent from "./Libtorrent.ts"
import { bytes, infohashOf, keyOf, MixedNetwork, saltOf } from "./MixedNetwork.ts"
import * as Requirement from "./Requirement.ts"

/** What the guard counts of a conversation in which nothing is wrong. */
const peaceful = new Set(["accepted-query", "accepted-reply", "own-query", "served-query"])

const kindOf = (message: Libtorrent.Packet["message"]): string => {
  const { y } = message
  return y instanceof Uint8Array ? String.fromCharCode(...y) : "?"
}

/** libtorrent's own, off for loopback in the other tests. */
const ownSettings = {
  dht_restrict_search_ips: true,
  dht_prefer_verified_node_ids: true,
  dht_ignore_dark_internet: true,
  allow_multiple_connections_per_ip: false,
  dht_upload_rate_limit: 8000
}

Requirement.describeUnless(Requirement.libtorrent, "manners between us and libtorrent", () => {
  const salt = saltOf("manners")

  const exchange = Effect.fnUntraced(function* (node: Libtorrent.LibtorrentNode, label: string) {
    const { us } = yield* MixedNetwork
    const [ours, theirs] = [yield* keyOf(`${label}, ours`), yield* keyOf(`${label}, theirs`)]
    yield* us.put(Record.sign(ours.pair, { salt, seq: 1, value: bytes(label) }))
    assert.deepStrictEqual((yield* node.getMutable(ours.publicKey, salt)).value, bytes(label))
    assert.isAbove((yield* node.putMutable(theirs, salt, bytes(label))).stored, 0)
    const found = Option.getOrThrow(yield* us.get(theirs.publicKey, salt))
    assert.deepStrictEqual(Uint8Array.from(found.value), bytes(label))
  })

  layer(MixedNetwork.layer, { excludeTestServices: true })("in a network of both", (it) => {
    it.effect("our guard drops nothing of what libtorrent sends, and libtorrent takes our replies for replies", () =>
      Effect.gen(function* () {
        const { libtorrents, nodes, us } = yield* MixedNetwork
        for (const [i, node] of libtorrents.entries()) {
          const infohash = infohashOf(`manners ${i}`)
          yield* exchange(node, `manners ${i}`)
          yield* us.announcePeer(infohash, 7001 + i)
          yield* node.announce(infohash)
          assert.include(yield* node.getPeers(infohash), `127.0.0.1:${7001 + i}`)
        }
        for (const { socket } of nodes) {
          const incidents = [...socket.counters().keys()].filter((reason) => !peaceful.has(reason))
          assert.deepStrictEqual(incidents, [])
        }
        for (const node of libtorrents) assert.isAtLeast(yield* node.nodeCount, nodes.length - 1)
      })
    )

    it.effect("each tells the other the address that it sees (BEP 42)", () =>
      Effect.gen(function* () {
        const { libtorrents, ours } = yield* MixedNetwork
        yield* exchange(libtorrents[0]!, "addresses")
        const addressOf = (text: string) => PeerAddress.toCompact(Option.getOrThrow(PeerAddress.parse(text)))
        let told = 0
        for (const { address, isIncoming, message } of yield* libtorrents[0]!.packets) {
          if (kindOf(message) !== "r" || !ours.includes(address)) continue
          told += 1
          assert.deepStrictEqual(message["ip"], addressOf(isIncoming ? libtorrents[0]!.address : address))
        }
        assert.isAbove(told, 0)
      })
    )
  })

  describe("with one node more, for which libtorrent waits when it is gone: in a network of its own", () => {
    it.live("libtorrent asks nobody of ours that only reads (BEP 43)", () =>
      Effect.gen(function* () {
        const { libtorrents, nodes, reader } = yield* MixedNetwork
        const key = yield* keyOf("nobody wrote this")
        // The network is smaller than what a look-up asks: every node of it is asked, whoever is listed too.
        assert.isTrue(Option.isNone(yield* reader.get(key.publicKey, salt)))
        assert.deepStrictEqual(yield* reader.findPeers(infohashOf("nor that")), [])
        const [node] = libtorrents
        assert.isNull((yield* node!.getMutable(key.publicKey, salt)).value)
        const packets = yield* node!.packets
        const readers = packets.filter(({ isIncoming, message }) => isIncoming && message["ro"] === 1)
        const asked = packets.filter(({ isIncoming, message }) => !isIncoming && kindOf(message) === "q")
        const askedAt = new Set(asked.map(({ address }) => address))
        assert.isAbove(readers.length, 0)
        assert.isAtLeast(askedAt.size, nodes.length)
        for (const { address } of readers) assert.isFalse(askedAt.has(address), address)
      }).pipe(Effect.provide(MixedNetwork.layer), Effect.scoped)
    )

    it.live("a read-only libtorrent reads and writes, and our nodes do not list it (BEP 43)", () =>
      Effect.gen(function* () {
        const { bootstrap, nodes } = yield* MixedNetwork
        const node = yield* Libtorrent.start({ bootstrap: [bootstrap[0]!], settings: { dht_read_only: true } })
        yield* exchange(node, "read-only")
        for (const each of nodes) assert.notInclude(MainlineDht.nodesOf(each), node.address)
      }).pipe(Effect.provide(MixedNetwork.layer), Effect.scoped)
    )

    it.live("libtorrent keeps all settings of its own but the one address a node and its ban of busy addresses", () =>
      Effect.gen(function* () {
        const { bootstrap, nodes } = yield* MixedNetwork
        const node = yield* Libtorrent.start({ bootstrap: [bootstrap[0]!], settings: ownSettings })
        yield* exchange(node, "own settings")
        assert.isAtLeast(yield* node.nodeCount, nodes.length - 1)
      }).pipe(Effect.provide(MixedNetwork.layer), Effect.scoped)
    )

    it.live("with one node an address, a libtorrent of the public network still finds and stores", () =>
      Effect.gen(function* () {
        const { bootstrap } = yield* MixedNetwork
        const settings = { ...ownSettings, dht_restrict_routing_ips: true, dht_block_ratelimit: 5 }
        const node = yield* Libtorrent.start({ bootstrap: [bootstrap[0]!], settings })
        yield* exchange(node, "public settings")
        assert.strictEqual(yield* node.nodeCount, 1)
      }).pipe(Effect.provide(MixedNetwork.layer), Effect.scoped)
    )
  })
})
