import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import * as Path from "node:path"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import type { Behaviour } from "../../../src/protocol/testing/simulation/Nodes.ts"
import * as WireNodes from "../../../src/runtime/simulation/WireNodes.ts"
import { type Arena, ed25519, infohash, keyPair, type Member, on, onWire, record, text } from "./Arena.ts"
import { hashOf } from "./WireTrace.ts"

const pair = keyPair("publisher")
const SALT = "salt"
const target = Hex.encode(Record.targetOf(pair.publicKey, KeyString.saltOf(SALT)))

const seqSeenBy = (member: Member, salt = SALT): number | undefined =>
  Option.getOrUndefined(member.run((dht) => dht.get(pair.publicKey, KeyString.saltOf(salt))))?.seq

const holdersOf = ({ nodes }: Arena, seq?: number): ReadonlyArray<string> =>
  nodes
    .holdings()
    .filter((holding) => holding.target === target && (seq === undefined || holding.seq === seq))
    .map(({ node }) => node)

const turn = ({ nodes }: Arena, behaviour: Behaviour, names = nodes.names()) => {
  for (const name of names) assert.isTrue(nodes.behave(name, behaviour))
}

describe("WireNodes", () => {
  it("carries records and immutable items between members of 50 nodes", () => {
    onWire(1, {}, (arena) => {
      const [writer, reader] = [arena.member("writer"), arena.member("reader")]
      assert.strictEqual(arena.nodes.names().length, 50)
      assert.isTrue(Option.isNone(reader.run((dht) => dht.get(pair.publicKey, KeyString.saltOf(SALT)))))
      const { acks } = writer.run((dht) => dht.put(record(pair, SALT, 4)))
      assert.isAtLeast(acks, 8)
      assert.strictEqual(holdersOf(arena, 4).length, acks)
      assert.strictEqual(seqSeenBy(reader), 4)
      assert.isUndefined(seqSeenBy(reader, "other salt"))
      const { target } = writer.run((dht) => dht.putImmutable(text("immutable")))
      const found = Option.getOrThrow(reader.run((dht) => dht.getImmutable(target)))
      assert.isTrue(Bytes.Equivalence(found, text("immutable")))
    })
  })

  it("refuses a stale seq, and a compare-and-swap that expects another one", () => {
    onWire(2, {}, ({ member }) => {
      const [first, second] = [member("first"), member("second")]
      first.run((dht) => dht.put(record(pair, SALT, 1)))
      first.run((dht) => dht.put(record(pair, SALT, 2), { cas: 1 }))
      assert.strictEqual(
        second.tagOf((dht) => dht.put(record(pair, SALT, 3), { cas: 1 })),
        "CasConflict"
      )
      assert.strictEqual(
        second.tagOf((dht) => dht.put(record(pair, SALT, 1))),
        "StaleSeq"
      )
      assert.strictEqual(seqSeenBy(second), 2)
    })
  })

  it("finds the peers that two members announced", () => {
    onWire(3, {}, ({ member }) => {
      const [one, two, reader] = [member("one"), member("two"), member("reader")]
      assert.isAtLeast(
        one.run((dht) => dht.announcePeer(infohash("torrent"), 7001)),
        1
      )
      two.run((dht) => dht.announcePeer(infohash("torrent"), 7002))
      const peers = reader.run((dht) => dht.findPeers(infohash("torrent")))
      assert.deepStrictEqual(peers.map(({ host, port }) => `${host}:${port}`).toSorted(), [
        "10.1.0.1:7001",
        "10.1.0.2:7002"
      ])
    })
  })

  it("gives the same trace for a seed, and another one for another seed", () => {
    assert.strictEqual(hashOf(7), hashOf(7))
    assert.notStrictEqual(hashOf(7), hashOf(8))
  })

  it("gives the same trace in every process", () => {
    const script = Path.join(import.meta.dirname, "WireTrace.ts")
    const inAnotherProcess = () => execFileSync(process.execPath, [script, "9"], { encoding: "utf8" })
    assert.strictEqual(inAnotherProcess(), hashOf(9))
  })

  it("serves through the loss of a fifth of all packets", () => {
    onWire(4, {}, ({ member, weather }) => {
      const [writer, reader] = [member("writer"), member("reader")]
      weather.change((before) => ({ ...before, lossShare: 0.2 }))
      assert.isAtLeast(writer.run((dht) => dht.put(record(pair, SALT, 1))).acks, 5)
      assert.strictEqual(seqSeenBy(reader), 1)
    })
  })

  it("keeps a record through the crash of a third of the nodes", () => {
    onWire(5, {}, (arena) => {
      const { nodes, member } = arena
      member("writer").run((dht) => dht.put(record(pair, SALT, 1)))
      const names = nodes.names()
      for (let i = 0; i < names.length; i += 3) nodes.crash(names[i]!)
      assert.strictEqual(nodes.names().length, 33)
      assert.strictEqual(seqSeenBy(member("reader")), 1)
    })
  })

  it("brings a node back with its items or without", () => {
    onWire(6, {}, (arena) => {
      const { member, nodes } = arena
      member("writer").run((dht) => dht.put(record(pair, SALT, 1)))
      const holders = holdersOf(arena)
      for (const name of holders) nodes.crash(name)
      assert.isEmpty(holdersOf(arena))
      for (const name of holders) nodes.restart(name, true)
      assert.deepStrictEqual(holdersOf(arena), holders)
      arena.pass(10_000)
      assert.strictEqual(seqSeenBy(member("reader")), 1)
      for (const name of holders) nodes.crash(name)
      for (const name of holders) nodes.restart(name, false)
      assert.isEmpty(holdersOf(arena))
      assert.isUndefined(seqSeenBy(member("late reader")))
      assert.strictEqual(nodes.names().length, 50)
    })
  })

  it("lets nodes leave for ever, and whoever asks for them later ask in vain", () => {
    onWire(13, { count: 6 }, ({ nodes }) => {
      nodes.crash("n2")
      for (const name of ["n1", "n2", "n1"]) nodes.leave(name)
      for (const name of ["n1", "n2"]) {
        nodes.crash(name)
        nodes.restart(name, true)
        nodes.behave(name, "silent")
      }
      assert.deepStrictEqual(nodes.names(), ["n0", "n3", "n4", "n5"])
      assert.strictEqual(nodes.join(), "n6")
      assert.throws(() => nodes.leave("n9"), "there is no storage node n9")
    })
  })

  it("lets members start from a list that is chosen once, and may be hostile or dead", () => {
    onWire(14, { count: 12 }, (arena) => {
      const { member, nodes } = arena
      const place = (who: Member) => who.tagOf((dht) => dht.get(pair.publicKey, KeyString.saltOf(SALT)))
      turn(arena, "silent", nodes.names().slice(0, 4))
      nodes.leadIn({ hostile: 3 })
      assert.strictEqual(place(member("eclipsed")), "NoNodes")
      nodes.leadIn({ dead: 3 })
      assert.strictEqual(place(member("lost")), "NoNodes")
      nodes.leadIn({ hostile: 1, dead: 1 })
      assert.isUndefined(place(member("lucky")))
      nodes.leadIn({})
      const early = member("early")
      for (const name of nodes.names()) nodes.leave(name)
      for (let i = 0; i < 5; i++) nodes.join()
      assert.strictEqual(place(early), "NoNodes")
    })
  })

  it("lets new nodes take part", () => {
    onWire(10, { count: 5 }, (arena) => {
      const joined = Array.from({ length: 5 }, () => arena.nodes.join())
      assert.deepStrictEqual(joined, ["n5", "n6", "n7", "n8", "n9"])
      arena.pass(5_000)
      arena.member("writer").run((dht) => dht.put(record(pair, SALT, 1)))
      assert.includeMembers([...holdersOf(arena)], joined)
    })
  })

  it("lets nodes forget an item two hours or a day after its last put, or never", () => {
    const HOUR_MS = 3_600_000
    const NODES = 8
    onWire(18, { count: NODES, forgetsAfter2h: 0.3, forgetsAfter24h: 0.2 }, (arena) => {
      arena.member("writer").run((dht) => dht.put(record(pair, SALT, 1)))
      const start = arena.kernel.now
      const [before, afterTwo, beforeDay, afterDay] = [1.9, 2, 23.9, 24.1].map((hour) => {
        arena.pass(start + hour * HOUR_MS - arena.kernel.now)
        return holdersOf(arena)
      })
      assert.strictEqual(before!.length, NODES)
      assert.isTrue(afterTwo!.length < NODES && afterDay!.length < afterTwo!.length && afterDay!.length > 0)
      assert.deepStrictEqual(beforeDay, afterTwo)
    })
  })

  it("forgets by virtual time also what it held when it crashed", () => {
    onWire(16, { count: 4, forgetsAfter2h: 1, forgetsAfter24h: 0 }, (arena) => {
      arena.member("writer").run((dht) => dht.put(record(pair, SALT, 1)))
      arena.pass(3_600_000)
      arena.nodes.crash("n1")
      arena.pass(1_800_000)
      arena.nodes.restart("n1", true)
      assert.include(holdersOf(arena), "n1")
      arena.pass(1_800_000)
      assert.isEmpty(holdersOf(arena))
    })
  })

  it("gives out announced peers for half an hour at least, and for an hour at most", () => {
    onWire(17, { count: 4 }, ({ member, pass }) => {
      const [seeder, reader] = [member("seeder"), member("reader")]
      seeder.run((dht) => dht.announcePeer(infohash("torrent"), 7001))
      const peers = () => reader.run((dht) => dht.findPeers(infohash("torrent"))).length
      pass(30 * 60_000 - 60_000)
      assert.strictEqual(peers(), 1)
      pass(31 * 60_000)
      assert.strictEqual(peers(), 0)
    })
  })

  it("keeps as many items on a node as it has room for", () => {
    onWire(11, { count: 3, capacity: 4 }, ({ member, nodes }) => {
      const writer = member("writer")
      for (let i = 0; i < 10; i++) writer.run((dht) => dht.put(record(pair, `salt ${i}`, 1)))
      assert.strictEqual(nodes.holdings().length, 12)
    })
  })

  it("stops a member that is killed, and lets the next one have its address", () => {
    onWire(12, { count: 5 }, ({ kernel, member, nodes, pass, trace }) => {
      const victim = kernel.process("victim")
      const endpoint = { name: "victim", host: "10.2.0.1", process: victim }
      const layer = nodes.dht(endpoint).pipe(Layer.provide(Layer.succeed(Ed25519, ed25519)))
      const work = Effect.flatMap(Dht, (dht) => dht.put(record(pair, SALT, 1)))
      victim.fork(Effect.provide(work, layer))
      kernel.run(() => trace.entries.some(({ from }) => from === "victim"), kernel.now + 1_000)
      victim.kill()
      const before = trace.entries.filter(({ from }) => from === "victim").length
      pass(60_000)
      assert.strictEqual(trace.entries.filter(({ from }) => from === "victim").length, before)
      const next = kernel.process("victim again")
      let acks = 0
      const again = nodes.dht({ ...endpoint, process: next }).pipe(Layer.provide(Layer.succeed(Ed25519, ed25519)))
      next.fork(Effect.provide(work, again), (exit) => {
        acks = Exit.isSuccess(exit) ? exit.value.acks : -1
      })
      kernel.run(() => acks !== 0, kernel.now + 60_000)
      assert.strictEqual(acks, 5)
      assert.strictEqual(seqSeenBy(member("reader")), 1)
    })
  })
})

describe("WireNodes with dishonest nodes", () => {
  const third = ({ nodes }: Arena) => nodes.names().filter((_, i) => i % 3 === 1)

  for (const behaviour of [
    "silent",
    "stale",
    "rollback",
    "garbage",
    "oversized",
    "withholding",
    "misleading"
  ] as const) {
    it(`serves while a third of the nodes are ${behaviour}`, () => {
      onWire(20, { count: 24 }, (arena) => {
        const [writer, reader] = [arena.member("writer"), arena.member("reader")]
        writer.run((dht) => dht.put(record(pair, SALT, 1)))
        turn(arena, behaviour, third(arena))
        assert.isAtLeast(writer.run((dht) => dht.put(record(pair, SALT, 2))).acks, 1)
        assert.strictEqual(seqSeenBy(reader), 2)
        const { target } = writer.run((dht) => dht.putImmutable(text("immutable")))
        assert.isTrue(Option.isSome(reader.run((dht) => dht.getImmutable(target))))
        writer.run((dht) => dht.announcePeer(infohash("torrent"), 7001))
        const ports = reader.run((dht) => dht.findPeers(infohash("torrent"))).map(({ port }) => port)
        assert.include(ports, 7001)
      })
    })
  }

  const afterTwo = (behaviour: Behaviour, check: (arena: Arena, writer: Member, reader: Member) => void) =>
    onWire(21, { count: 20 }, (arena) => {
      const [writer, reader] = [arena.member("writer"), arena.member("reader")]
      writer.run((dht) => dht.put(record(pair, SALT, 1)))
      writer.run((dht) => dht.put(record(pair, SALT, 2)))
      turn(arena, behaviour)
      check(arena, writer, reader)
    })

  it("gets nothing from nodes that withhold, though they say that they stored", () => {
    afterTwo("withholding", (_, writer, reader) => {
      assert.isAtLeast(writer.run((dht) => dht.put(record(pair, "another", 1))).acks, 10)
      assert.isUndefined(seqSeenBy(reader))
      assert.isUndefined(seqSeenBy(reader, "another"))
    })
  })

  it("gets the first record from nodes that roll back", () => {
    afterTwo("rollback", (arena, _, reader) => {
      assert.strictEqual(seqSeenBy(reader), 1)
      turn(arena, "honest")
      assert.strictEqual(seqSeenBy(reader), 2)
    })
  })

  it("gets what was there from stale nodes, though they say that they took what came later", () => {
    afterTwo("stale", (arena, writer, reader) => {
      assert.isAtLeast(writer.run((dht) => dht.put(record(pair, SALT, 3))).acks, 10)
      assert.strictEqual(seqSeenBy(reader), 2)
      assert.isEmpty(holdersOf(arena, 3))
    })
  })

  it("hears nobody where all are silent", () => {
    afterTwo("silent", (_, __, reader) => {
      assert.strictEqual(
        reader.tagOf((dht) => dht.get(pair.publicKey, KeyString.saltOf(SALT))),
        "NoNodes"
      )
    })
  })

  it("believes nothing that garbage says", () => {
    afterTwo("garbage", (_, __, reader) => assert.isUndefined(seqSeenBy(reader)))
    afterTwo("oversized", (_, __, reader) => assert.isUndefined(seqSeenBy(reader)))
  })

  it("settles nodes next to a target, where nearly all that is put there goes to them", () => {
    onWire(22, {}, (arena) => {
      const place = Record.targetOf(pair.publicKey, KeyString.saltOf(SALT))
      const names = arena.nodes.besiege(place, 20, "withholding")
      assert.strictEqual(new Set(names).size, 20)
      arena.pass(60_000)
      arena.member("writer").run((dht) => dht.put(record(pair, SALT, 1)))
      const besieging = new Set(names)
      const holders = holdersOf(arena)
      assert.strictEqual(holders.length, 20)
      // One or two of the others may be better known than the last that came.
      assert.isAtLeast(holders.filter((name) => besieging.has(name)).length, 18)
    })
  })

  it("knows every behaviour, and no node that is not there", () => {
    onWire(23, { count: 2 }, ({ nodes }) => {
      assert.isTrue(nodes.behave("n1", "misleading"))
      assert.throws(() => nodes.behave("n9", "silent"), "there is no storage node n9")
    })
  })
})

describe("the trace of the wire", () => {
  it("says what each datagram is", () => {
    onWire(30, { count: 8 }, ({ member, trace }) => {
      const alice = member("alice")
      alice.run((dht) => dht.put(record(pair, SALT, 4)))
      alice.tagOf((dht) => dht.get(pair.publicKey, KeyString.saltOf(SALT)))
      alice.run((dht) => dht.announcePeer(infohash("torrent"), 7001))
      const texts = new Set(trace.entries.map(({ text }) => text))
      const short = target.slice(0, 6)
      for (const expected of [
        `get ${short}`,
        "nodes 7",
        `put ${short} seq 4`,
        "stored",
        `value ${short} seq 4`,
        "announced"
      ]) {
        assert.include([...texts], expected)
      }
    })
  })

  it("begins when the network is there, and says how it came to be", () => {
    onWire(31, { count: 8 }, ({ trace }) => {
      assert.strictEqual(trace.count, 1)
      assert.match(trace.entries[0]!.text, /^8 nodes found each other with \d+ datagrams, [0-9a-f]{64}$/)
    })
  })
})

describe("around", () => {
  it("is asked for where somebody forgot it", () => {
    assert.throws(() => on(WireNodes.make)(1, { count: 2 }, ({ pass }) => pass(60_000)), "has to run within `around`")
  })
})
