import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { sha1 } from "../../../../src/protocol/core/Digest.ts"
import type { Infohash } from "../../../../src/protocol/core/Infohash.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { behaviours } from "../../../../src/protocol/testing/simulation/Nodes.ts"
import { lineOf } from "../../../../src/protocol/testing/simulation/Trace.ts"
import * as ModelNetwork from "./ModelNetwork.ts"
import { recordOf, seqOf, text } from "./ModelNetwork.ts"

const HOUR_MS = 3_600_000

const targetOf = ({ publicKey, salt }: Record.Record) => Record.targetOf(publicKey, salt)

const SEEDS = [1, 2, 3, 4, 5]

describe("ModelNodes", () => {
  it("gives the same trace for the same seed, and another for another", () => {
    const hashOf = (seed: number) => {
      const network = ModelNetwork.make(seed, { count: 60 })
      network.ground.weather.change((fair) => ({ ...fair, lossShare: 0.1, replayShare: 0.1 }))
      const { dht } = network.join("alice")
      behaviours.forEach((behaviour, at) => network.nodes.behave(`n${at}`, behaviour))
      network.nodes.besiege(targetOf(recordOf("a", 1)), 5, "garbage")
      network.run(dht.put(recordOf("a", 1)))
      network.nodes.crash("n20")
      network.nodes.join()
      network.pass(HOUR_MS)
      network.run(network.join("bob").dht.lookup(recordOf("a", 1).publicKey, recordOf("a", 1).salt))
      network.nodes.restart("n20", false)
      return network.ground.trace.hash
    }
    assert.strictEqual(hashOf(1), hashOf(1))
    assert.notStrictEqual(hashOf(1), hashOf(2))
  })

  it("stores a record on the twenty closest, and says who holds it", () => {
    const network = ModelNetwork.make("holders", { count: 50 })
    const { dht } = network.join("alice")
    const record = recordOf("held", 4)
    // Whoever has been there for a while knows enough nodes to find the closest twenty.
    for (let i = 0; i < 5; i++) seqOf(network, dht, recordOf(`warm ${i}`, 1))
    const { acks, target } = network.value(dht.put(record))
    const held = network.nodes.holdings()
    assert.strictEqual(acks, 20)
    assert.lengthOf(held, 20)
    assert.isTrue(held.every(({ seq }) => seq === 4))
    const hex = [...target].map((byte) => byte.toString(16).padStart(2, "0")).join("")
    assert.isTrue(held.every((each) => each.target === hex))
    const { isForeign, responders, rivals } = network.value(
      network.join("bob").dht.lookup(record.publicKey, record.salt)
    )
    assert.isAtLeast(responders.length, 8)
    assert.isTrue(responders.every((each) => /^10\.0\.\d+\.\d+:6881$/.test(each)))
    assert.deepStrictEqual(rivals, [])
    assert.isFalse(isForeign)
  })

  it("writes messages that a person can read, one line each", () => {
    const network = ModelNetwork.make("lines", { count: 50 })
    network.value(network.join("alice").dht.put(recordOf("lines", 4)))
    seqOf(network, network.join("bob").dht, recordOf("lines", 4))
    const texts = network.ground.trace.entries.map(({ text }) => text)
    const shape =
      /^(find_node [0-9a-f]{6}|get [0-9a-f]{6}|put [0-9a-f]{6} seq 4|nodes 8|value [0-9a-f]{6} seq 4|stored)$/
    for (const each of texts) assert.match(each, shape)
    const queries = texts.filter((each) => /^(find_node|get|put) /.test(each)).length
    assert.strictEqual(texts.length, 2 * queries)
  })

  it("fails with NoNodes where nobody is up", () => {
    const network = ModelNetwork.make("nobody", { count: 1 })
    network.nodes.crash("n0")
    assert.deepStrictEqual(network.nodes.names(), [])
    const { dht } = network.join("alice")
    const record = recordOf("nobody", 1)
    const infohash = sha1(text("nobody")) as Uint8Array as Infohash
    assert.strictEqual(network.reason(dht.get(record.publicKey, record.salt)), "NoNodes")
    assert.strictEqual(network.reason(dht.put(record)), "NoNodes")
    assert.strictEqual(network.reason(dht.getImmutable(targetOf(record))), "NoNodes")
    assert.strictEqual(network.reason(dht.putImmutable(text("a"))), "NoNodes")
    assert.strictEqual(network.reason(dht.findPeers(infohash)), "NoNodes")
    assert.strictEqual(network.reason(dht.announcePeer(infohash, 7001)), "NoNodes")
    assert.strictEqual(network.value(dht.nodeCount), 0)
    network.nodes.restart("n0", true)
    network.value(dht.put(record))
  })

  it("takes a thousand nodes", () => {
    const network = ModelNetwork.make("thousand", { count: 1_000 })
    assert.lengthOf(network.nodes.names(), 1_000)
    const record = recordOf("thousand", 1)
    network.value(network.join("alice").dht.put(record))
    assert.strictEqual(seqOf(network, network.join("bob").dht, record), 1)
  })

  it("knows the names of its nodes only", () => {
    const { nodes } = ModelNetwork.make("names", { count: 2 })
    assert.deepStrictEqual(nodes.names(), ["n0", "n1"])
    assert.strictEqual(nodes.join(), "n2")
    nodes.crash("n1")
    assert.deepStrictEqual(nodes.names(), ["n0", "n2"])
    nodes.restart("n1", true)
    assert.deepStrictEqual(nodes.names(), ["n0", "n1", "n2"])
    assert.throws(() => nodes.crash("n9"), /n9/)
    assert.throws(() => nodes.behave("nobody", "silent"), /nobody/)
  })
})

describe("ModelNodes: nodes come and go", () => {
  it("loses what crashed nodes held in memory, and keeps what they held on disk", () => {
    const network = ModelNetwork.make("disk", { count: 8, forgetsAfter2h: 0, forgetsAfter24h: 0 })
    const { dht } = network.join("alice")
    const record = recordOf("disk", 1)
    network.value(dht.put(record))
    const names = network.nodes.names()
    for (const name of names) network.nodes.crash(name)
    assert.lengthOf(network.nodes.holdings(), 0)
    for (const name of names) network.nodes.restart(name, true)
    assert.lengthOf(network.nodes.holdings(), 8)
    assert.strictEqual(seqOf(network, dht, record), 1)
    for (const name of names) network.nodes.crash(name)
    for (const name of names) network.nodes.restart(name, false)
    assert.lengthOf(network.nodes.holdings(), 0)
    assert.isUndefined(seqOf(network, dht, record))
  })

  it("finds a record for as long as a node keeps it", () => {
    const network = ModelNetwork.make("expiry", { count: 20, forgetsAfter2h: 0.5, forgetsAfter24h: 0.5 })
    const { dht } = network.join("alice")
    const record = recordOf("expiry", 1)
    network.value(dht.put(record))
    network.pass(2 * HOUR_MS + 1_000)
    const left = network.nodes.holdings().length
    assert.isTrue(left > 0 && left < 20)
    assert.strictEqual(seqOf(network, dht, record), 1)
    network.pass(22 * HOUR_MS)
    assert.lengthOf(network.nodes.holdings(), 0)
    assert.isUndefined(seqOf(network, dht, record))
  })

  it("finds records while most of the nodes are replaced by others, as long as they are put again", () => {
    const network = ModelNetwork.make("churn", { count: 60 })
    const { dht } = network.join("alice")
    const record = recordOf("churn", 1)
    for (let round = 0; round < 60; round++) {
      network.value(dht.put(record))
      const names = network.nodes.names()
      network.nodes.crash(names[0]!)
      network.nodes.crash(names[round % (names.length - 1)]!)
      network.nodes.join()
      network.nodes.join()
      network.pass(HOUR_MS)
      assert.strictEqual(seqOf(network, dht, record), 1)
    }
    assert.strictEqual(seqOf(network, network.join("bob").dht, record), 1)
  })

  it("asks no one for the nodes that stopped after a quarter of an hour", () => {
    const network = ModelNetwork.make("forgotten", { count: 60 })
    for (const name of network.nodes.names().slice(30)) network.nodes.crash(name)
    network.pass(15 * 60_000 + 1)
    seqOf(network, network.join("alice").dht, recordOf("forgotten", 1))
    assert.isFalse(network.ground.trace.entries.some(({ text }) => text.endsWith("nobody there")))
  })
})

describe("ModelNodes: nodes that leave", () => {
  it("holds nothing of them, and lets faults that are still to heal ask for them in vain", () => {
    const network = ModelNetwork.make("gone", { count: 8 })
    const { dht } = network.join("alice")
    network.value(dht.put(recordOf("gone", 1)))
    network.nodes.crash("n2")
    for (const name of ["n1", "n2", "n1"]) network.nodes.leave(name)
    assert.isFalse(network.nodes.names().some((name) => name === "n1" || name === "n2"))
    for (const name of ["n1", "n2"]) {
      network.nodes.crash(name)
      network.nodes.restart(name, true)
      network.nodes.behave(name, "silent")
    }
    assert.lengthOf(network.nodes.names(), 6)
    assert.lengthOf(network.nodes.holdings(), 6)
    assert.strictEqual(network.nodes.join(), "n8")
    assert.throws(() => network.nodes.leave("n9"), /n9/)
  })
})

describe("ModelNodes: where members start from", () => {
  const asked = (network: ModelNetwork.Network, name: string) =>
    new Set(network.ground.trace.entries.filter(({ from }) => from === name).map(({ to }) => to))
  const record = recordOf("entrances", 1)

  it("is chosen when the process first asks somebody, and goes out of date", () => {
    const network = ModelNetwork.make("stale list", { count: 20 })
    const { dht } = network.join("alice")
    seqOf(network, dht, record)
    const before = asked(network, "alice").size
    for (const name of network.nodes.names()) network.nodes.leave(name)
    for (let i = 0; i < 20; i++) network.nodes.join()
    assert.strictEqual(network.reason(dht.put(recordOf("elsewhere", 1))), "NoNodes")
    assert.isAtLeast(before, 3)
    const known = [...asked(network, "alice")].filter((name) => /^n(2\d|3\d)$/.test(name ?? ""))
    assert.deepStrictEqual(known, [], "it learns of no node that came later")
    network.value(network.join("alice again").dht.put(record))
  })

  it("matters no more to whoever knows other nodes", () => {
    const network = ModelNetwork.make("knows others", { count: 30 })
    const { dht } = network.join("alice")
    seqOf(network, dht, record)
    const entrances = network.ground.trace.entries.slice(0, 3).map(({ to }) => to!)
    for (const name of entrances) network.nodes.leave(name)
    assert.isAtLeast(network.value(dht.put(record)).acks, 8)
  })

  it("is hostile or dead as far as is told", () => {
    const network = ModelNetwork.make("mix", { count: 20 })
    for (const name of network.nodes.names().slice(0, 10)) network.nodes.behave(name, "silent")
    network.nodes.leadIn({ hostile: 3 })
    assert.strictEqual(network.reason(network.join("eclipsed").dht.put(record)), "NoNodes")
    network.nodes.leadIn({ dead: 3 })
    assert.strictEqual(network.reason(network.join("lost").dht.put(record)), "NoNodes")
    network.nodes.leadIn({ hostile: 1, dead: 1 })
    network.value(network.join("lucky").dht.put(record))
    network.nodes.leadIn({})
    network.value(network.join("careful").dht.put(record))
  })
})

describe("ModelNodes: writes", () => {
  it("tells a writer of a rival that it did not see", () => {
    const network = ModelNetwork.make("rival", { count: 8 })
    const [alice, bob] = [network.join("alice").dht, network.join("bob").dht]
    network.value(alice.put(recordOf("rival", 1)))
    seqOf(network, bob, recordOf("rival", 1))
    network.value(alice.put(recordOf("rival", 2)))
    assert.strictEqual(network.reason(bob.put(recordOf("rival", 3), { cas: 1 })), "CasConflict")
    assert.strictEqual(network.reason(bob.put(recordOf("rival", 2, "other"))), "StaleSeq")
    assert.strictEqual(network.reason(bob.put(recordOf("rival", 1))), "StaleSeq")
    network.value(bob.put(recordOf("rival", 3), { cas: 2 }))
  })

  it("lets one of two win that swap at the same time, or shows that neither did", () => {
    for (const seed of SEEDS) {
      const network = ModelNetwork.make(seed, { count: 30 })
      const hosts = ["alice", "bob"].map((name) => network.join(name).dht)
      network.value(hosts[0]!.put(recordOf("race", 1)))
      for (const host of hosts) seqOf(network, host, recordOf("race", 1))
      const exits = network.value(
        Effect.all(
          hosts.map((host, at) => Effect.exit(host.put(recordOf("race", 2, `by ${at}`), { cas: 1 }))),
          { concurrency: "unbounded" }
        )
      )
      assert.isAtMost(exits.filter(Exit.isSuccess).length, 1)
    }
  })

  it("shows both of two values that a key signed under one number", () => {
    const network = ModelNetwork.make("equivocation", { count: 40 })
    const [alice, bob] = [network.join("alice").dht, network.join("bob").dht]
    const names = network.nodes.names()
    const heal = network.ground.weather.cut(
      (from, to) => (from === "alice" && names.indexOf(to) % 2 === 0) || (from === "bob" && names.indexOf(to) % 2 === 1)
    )
    network.value(alice.put(recordOf("two", 1, "one")))
    network.value(bob.put(recordOf("two", 1, "other")))
    heal()
    network.pass(2 * 60_000)
    const record = recordOf("two", 1)
    const { rivals } = network.value(network.join("carol").dht.lookup(record.publicKey, record.salt))
    assert.lengthOf(rivals ?? [], 1)
  })

  it("tells nodes apart that took a write from those that were silent", () => {
    const network = ModelNetwork.make("silent put", { count: 40 })
    const { dht } = network.join("alice")
    network.nodes.names().forEach((name, at) => at % 2 === 0 && network.nodes.behave(name, "silent"))
    const record = recordOf("silent", 1)
    const { acks } = network.value(dht.put(record))
    assert.isAtLeast(acks, 5)
    assert.lengthOf(network.nodes.holdings(), acks)
    assert.strictEqual(seqOf(network, network.join("bob").dht, record), 1)
    for (const name of network.nodes.names()) network.nodes.behave(name, "silent")
    assert.strictEqual(network.reason(dht.put(recordOf("silent", 2))), "PutRefused")
    network.pass(2 * 60_000)
    assert.strictEqual(network.reason(dht.put(recordOf("silent", 3))), "NoNodes")
  })
})

describe("ModelNodes: hostile nodes", () => {
  it("finds a record with twenty hostile nodes closest to it, and nothing false", () => {
    for (const behaviour of behaviours) {
      for (const seed of SEEDS) {
        const network = ModelNetwork.make(`${behaviour} ${seed}`, { count: 50 })
        const [first, second] = [recordOf("siege", 1), recordOf("siege", 2)]
        const { dht } = network.join("alice")
        network.value(dht.put(first))
        const siege = network.nodes.besiege(targetOf(first), 20, behaviour)
        assert.deepStrictEqual(siege[0], "h0")
        assert.lengthOf(siege, 20)
        assert.strictEqual(seqOf(network, network.join("bob").dht, first), 1, `${behaviour} ${seed}`)
        const exit = network.run(dht.put(second))
        const found = seqOf(network, network.join("carol").dht, first)
        assert.include(Exit.isSuccess(exit) ? [2, 1] : [1], found, `${behaviour} ${seed}`)
      }
    }
  })

  it("asks a bounded number of nodes, whatever they are told of others", () => {
    const network = ModelNetwork.make("misleading", { count: 50 })
    for (const name of network.nodes.names()) network.nodes.behave(name, "misleading")
    const { dht } = network.join("alice")
    const { publicKey, salt } = recordOf("misled", 1)
    assert.strictEqual(network.reason(dht.get(publicKey, salt)), "TooFewAnswers")
    const asked = network.ground.trace.entries.filter(({ text }) => text.startsWith("get ")).length
    assert.isAtMost(asked, 256)
  })

  it("takes no notice of garbage and giants, whoever sends them", () => {
    for (const behaviour of ["garbage", "oversized"] as const) {
      const network = ModelNetwork.make(behaviour, { count: 40 })
      const { dht } = network.join("alice")
      const record = recordOf(behaviour, 1)
      const infohash = sha1(text(behaviour)) as Uint8Array as Infohash
      const item = text("immutable")
      network.value(dht.put(record))
      network.value(dht.putImmutable(item))
      for (const name of network.nodes.names()) network.nodes.behave(name, behaviour)
      assert.isUndefined(seqOf(network, dht, record))
      assert.isFalse(network.value(dht.lookup(record.publicKey, record.salt)).isForeign)
      assert.isTrue(Option.isNone(network.value(dht.getImmutable(Record.immutableTargetOf(item)))))
      for (const { host, port } of network.value(dht.findPeers(infohash))) assert.match(`${host}:${port}`, /^10\.77\./)
    }
  })
})

describe("ModelNodes: weather", () => {
  it("stores and finds under a third of all packets lost, each many times doubled and overtaken", () => {
    for (const seed of SEEDS) {
      const network = ModelNetwork.make(`loss ${seed}`, { count: 50 })
      network.ground.weather.change((fair) => ({ ...fair, lossShare: 0.3, replayShare: 0.3 }))
      const [alice, bob] = [network.join("alice").dht, network.join("bob").dht]
      const record = recordOf("loss", 1)
      const again = <A, E>(effect: Effect.Effect<A, E>) => Effect.retry(effect, { times: 3 })
      const { acks } = network.value(again(alice.put(record)))
      assert.isAtLeast(acks, 1)
      assert.isAtLeast(network.nodes.holdings().length, acks)
      const { responders } = network.value(again(bob.lookup(record.publicKey, record.salt)))
      assert.isAtLeast(responders.length, 1)
      assert.strictEqual(new Set(responders).size, responders.length)
    }
  })

  it("counts a node once, however often its reply comes", () => {
    const network = ModelNetwork.make("twice", { count: 30 })
    network.ground.weather.change((fair) => ({ ...fair, replayShare: 1 }))
    const { dht } = network.join("alice")
    const { acks } = network.value(dht.put(recordOf("twice", 1)))
    assert.isAtLeast(acks, 8)
    assert.lengthOf(network.nodes.holdings(), acks)
    assert.isTrue(network.ground.trace.entries.some(({ kind }) => kind === "twice"))
  })

  it("fails for who is cut off, and works again once healed", () => {
    const network = ModelNetwork.make("cut", { count: 30 })
    const { dht } = network.join("alice")
    const record = recordOf("cut", 1)
    network.value(dht.put(record))
    const heal = network.ground.weather.cut((from, to) => from === "alice" || to === "alice")
    assert.strictEqual(network.reason(dht.get(record.publicKey, record.salt)), "NoNodes")
    heal()
    assert.strictEqual(seqOf(network, dht, record), 1)
  })

  it("serves who is behind a NAT, since it asks first", () => {
    const network = ModelNetwork.make("nat", { count: 30 })
    const { dht } = network.join("alice")
    network.ground.weather.translate("alice", true)
    assert.isAtLeast(network.value(dht.put(recordOf("nat", 1))).acks, 8)
    assert.isFalse(network.ground.trace.entries.some(({ kind }) => kind === "lost"))
  })
})

describe("ModelNodes: processes", () => {
  it("stops the look-ups of a killed process, and starts its successor under the same address", () => {
    const network = ModelNetwork.make("kill", { count: 50 })
    const { kernel, trace } = network.ground
    const record = recordOf("kill", 1)
    network.value(network.join("bob").dht.put(record))
    const alice = network.join("alice", "172.20.0.1")
    let exit: Exit.Exit<unknown, unknown> | undefined
    alice.process.fork(alice.dht.get(record.publicKey, record.salt), (ended) => void (exit = ended))
    const asked = () => trace.entries.filter(({ from, text }) => from === "alice" && text.startsWith("get ")).length
    kernel.run(() => asked() > 5, Infinity)
    alice.process.kill()
    assert.isTrue(exit !== undefined && Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    const before = asked()
    network.pass(10_000)
    assert.strictEqual(asked(), before)
    assert.strictEqual(seqOf(network, network.join("alice", "172.20.0.1").dht, record), 1)
  })

  it("listens no longer when its scope is closed", () => {
    const network = ModelNetwork.make("close", { count: 10 })
    const { close, dht } = network.join("alice")
    const record = recordOf("close", 1)
    network.value(dht.put(record))
    close()
    network.pass(1_000)
    assert.strictEqual(network.reason(dht.get(record.publicKey, record.salt)), "NoNodes")
    assert.isFalse(network.ground.trace.entries.slice(-2).some((entry) => lineOf(entry).includes("get ")))
  })

  it("stops asking when the one who asked is interrupted", () => {
    const network = ModelNetwork.make("interrupt", { count: 50 })
    const { dht } = network.join("alice")
    const record = recordOf("interrupt", 1)
    const started = network.ground.kernel.elapsedMs
    network.value(Effect.timeoutOption(dht.get(record.publicKey, record.salt), 20))
    assert.isAtMost(network.ground.kernel.elapsedMs - started, 20)
    const before = network.ground.trace.entries.filter(({ text }) => text.startsWith("get ")).length
    network.pass(10_000)
    assert.strictEqual(network.ground.trace.entries.filter(({ text }) => text.startsWith("get ")).length, before)
  })
})
