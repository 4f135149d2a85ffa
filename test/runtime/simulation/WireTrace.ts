/** A busy day on a wire network, and the hash of its trace: the same in every process. Run by itself, it prints the hash. */
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import { infohash, keyPair, onWire, record, text } from "./Arena.ts"

export const hashOf = (seed: number): string =>
  onWire(seed, { count: 16 }, ({ member, nodes, pass, trace, weather }) => {
    const [alice, bob] = [member("alice"), member("bob")]
    const pair = keyPair("alice")
    weather.change((before) => ({ ...before, lossShare: 0.1, replayShare: 0.2 }))
    nodes.behave("n5", "garbage")
    alice.run((dht) => dht.put(record(pair, "salt", 1)))
    alice.run((dht) => dht.putImmutable(text("value")))
    bob.run((dht) => dht.announcePeer(infohash("torrent"), 7000))
    for (const name of nodes.names().slice(0, 5)) nodes.crash(name)
    nodes.join()
    // Long enough for tokens to change and tables to be looked over.
    pass(20 * 60_000)
    nodes.restart("n3", true)
    nodes.restart("n4", false)
    alice.tagOf((dht) => dht.put(record(pair, "salt", 2), { cas: 1 }))
    bob.tagOf((dht) => dht.get(pair.publicKey, KeyString.saltOf("salt")))
    bob.tagOf((dht) => dht.findPeers(infohash("torrent")))
    return trace.hash
  })

if (import.meta.main) process.stdout.write(hashOf(Number(process.argv[2])))
