import { assert, describe, it } from "@effect/vitest"
import * as Ids from "../../../../../src/protocol/testing/simulation/model/Ids.ts"
import * as NodeId from "../../../../../src/protocol/dht/client/NodeId.ts"
import * as Record from "../../../../../src/protocol/dht/Record.ts"
import { Chance } from "../../../../../src/protocol/testing/simulation/Chance.ts"
import type { Token } from "../../../../../src/protocol/dht/client/Krpc.ts"
import type { Answer } from "../../../../../src/protocol/testing/simulation/model/Krpc.ts"
import { PEER_LIFETIME_MS } from "../../../../../src/protocol/testing/simulation/model/Shelf.ts"
import { type Options, StorageNode } from "../../../../../src/protocol/testing/simulation/model/StorageNode.ts"
import * as StoredItem from "../../../../../src/protocol/testing/simulation/model/StoredItem.ts"
import { ROTATE_MS } from "../../../../../src/protocol/testing/simulation/model/Tokens.ts"
import { ed25519, keyPair, recordOf, text } from "../ModelNetwork.ts"

const ALICE = "172.16.0.1:6881"
const BOB = "172.16.0.2:6881"
const HOUR_MS = 3_600_000

const makeNode = (options: Partial<Pick<Options, "capacity" | "lifetimeMs" | "refusesSame">> = {}) => {
  const clock = { now: 1_000 }
  const chance = Chance.of("storage node")
  const node = new StorageNode({
    name: "n0",
    address: "10.0.0.1:6881",
    id: Ids.random(chance),
    capacity: options.capacity ?? 100,
    lifetimeMs: options.lifetimeMs ?? Infinity,
    refusesSame: options.refusesSame ?? false,
    chance,
    now: () => clock.now,
    isSigned: StoredItem.signatureCheck(ed25519)
  })
  const put = (item: StoredItem.StoredItem, cas?: number) =>
    outcome(node.answer({ _tag: "Put", token: node.tokenFor(ALICE), item, cas }, ALICE))
  const get = (target: NodeId.NodeId) => {
    const answer = node.answer({ _tag: "Get", target }, BOB)
    return answer._tag === "Found" ? answer.item : undefined
  }
  return { node, clock, put, get }
}

/** The error code, or `stored`. */
const outcome = (answer: Answer): number | string => (answer._tag === "Refused" ? answer.code : answer._tag)

const itemOf = (label: string, seq: number, value?: string) => StoredItem.mutable(recordOf(label, seq, value))

describe("StorageNode: mutable items", () => {
  it("stores what is signed, and gives the newest", () => {
    const { get, put } = makeNode()
    const [first, second] = [itemOf("a", 1), itemOf("a", 2)]
    assert.strictEqual(put(first), "Stored")
    assert.strictEqual(get(first.target), first)
    assert.strictEqual(put(second), "Stored")
    assert.strictEqual(get(first.target), second)
  })

  it("refuses an older seq, and another value under the same, with 302", () => {
    const { get, put } = makeNode()
    const held = itemOf("a", 5)
    put(held)
    assert.strictEqual(put(itemOf("a", 4)), 302)
    assert.strictEqual(put(itemOf("a", 5, "another")), 302)
    assert.strictEqual(get(held.target), held)
  })

  it("compares cas with the seq that it holds, and answers 301 where they differ", () => {
    const { put } = makeNode()
    assert.strictEqual(put(itemOf("a", 1), 77), "Stored", "nothing is there to compare with")
    assert.strictEqual(put(itemOf("a", 2), 3), 301)
    assert.strictEqual(put(itemOf("a", 1), 0), 301, "even for the very same record")
    assert.strictEqual(put(itemOf("a", 2), 1), "Stored")
  })

  it("refuses what its key did not sign with 206", () => {
    const { get, put } = makeNode()
    const genuine = itemOf("a", 1)
    const forgeries = [
      { ...genuine, value: text("forged") },
      { ...genuine, seq: 2 },
      { ...genuine, signature: genuine.signature.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) },
      { ...genuine, signature: new Uint8Array(3) },
      { ...genuine, publicKey: keyPair("b").publicKey }
    ]
    for (const forgery of forgeries) assert.strictEqual(put(forgery), 206)
    assert.isUndefined(get(genuine.target))
  })

  it("takes bencoded values of 1000 bytes and refuses longer ones with 205", () => {
    const { put } = makeNode()
    const pair = keyPair("edge")
    const itemWith = (bytes: number) => {
      const value = new Uint8Array(bytes)
      const salt = new Uint8Array(0)
      const signature = pair.sign(Record.signedBytes(salt, 1, value))
      return StoredItem.mutable({ publicKey: pair.publicKey, salt, seq: 1, value, signature })
    }
    assert.strictEqual(put(itemWith(996)), "Stored")
    assert.strictEqual(put(itemWith(997)), 205)
  })

  it("takes salts of 64 bytes and refuses longer ones with 207", () => {
    const { put } = makeNode()
    const pair = keyPair("salt")
    const itemWith = (bytes: number) => {
      const salt = new Uint8Array(bytes)
      const signature = pair.sign(Record.signedBytes(salt, 1, text("v")))
      return StoredItem.mutable({ publicKey: pair.publicKey, salt, seq: 1, value: text("v"), signature })
    }
    assert.strictEqual(put(itemWith(64)), "Stored")
    assert.strictEqual(put(itemWith(65)), 207)
  })

  it("refuses a seq that is no whole number with 203", () => {
    const { put } = makeNode()
    for (const seq of [-1, 1.5, Number.NaN, 2 ** 53]) assert.strictEqual(put({ ...itemOf("a", 1), seq }), 203)
  })
})

describe("StorageNode: immutable items", () => {
  it("files them under the hash of what they are", () => {
    const { get, put } = makeNode()
    const item = StoredItem.immutable(text("hello"))
    assert.deepStrictEqual(item.target, NodeId.fromBytes(Record.immutableTargetOf(text("hello"))))
    assert.strictEqual(put(item), "Stored")
    assert.strictEqual(put(item), "Stored")
    assert.strictEqual(get(item.target), item)
    assert.strictEqual(put(StoredItem.immutable(new Uint8Array(997))), 205)
  })
})

describe("StorageNode: tokens", () => {
  const item = itemOf("tokens", 1)
  const putWith = (node: StorageNode, token: Token, from: string) =>
    outcome(node.answer({ _tag: "Put", token, item, cas: undefined }, from))

  it("honours a token from the host that it was given to only", () => {
    const { node } = makeNode()
    const token = node.tokenFor(ALICE)
    assert.strictEqual(putWith(node, token, BOB), 203)
    assert.strictEqual(
      putWith(
        node,
        token.map((byte) => byte ^ 1),
        ALICE
      ),
      203
    )
    assert.strictEqual(putWith(node, token, "172.16.0.1:9999"), "Stored")
  })

  it("honours a token for five minutes at least and ten at most", () => {
    for (const age of [0, ROTATE_MS - 1, 2 * ROTATE_MS]) {
      const { clock, node } = makeNode()
      const token = node.tokenFor(ALICE)
      clock.now += age
      assert.strictEqual(putWith(node, token, ALICE), age < ROTATE_MS ? "Stored" : 203)
    }
  })

  it("forgets its tokens with a restart", () => {
    const { node } = makeNode()
    const token = node.tokenFor(ALICE)
    node.restart(true)
    assert.strictEqual(putWith(node, token, ALICE), 203)
  })
})

describe("StorageNode: what it keeps", () => {
  it("forgets an item when its time after the last put is over", () => {
    const { clock, get, node, put } = makeNode({ lifetimeMs: 2 * HOUR_MS })
    const item = itemOf("a", 1)
    put(item)
    clock.now += 2 * HOUR_MS - 1
    assert.strictEqual(get(item.target), item)
    assert.lengthOf([...node.items], 1)
    clock.now += 1
    assert.lengthOf([...node.items], 0)
    assert.isUndefined(get(item.target))
    assert.strictEqual(put(itemOf("a", 0)), "Stored", "a forgotten seq is no bar")
  })

  it("keeps an item longer when the very same record comes again", () => {
    const { clock, get, put } = makeNode({ lifetimeMs: 2 * HOUR_MS })
    const item = itemOf("a", 1)
    put(item)
    clock.now += HOUR_MS
    assert.strictEqual(put(itemOf("a", 1)), "Stored")
    clock.now += 2 * HOUR_MS - 1
    assert.isDefined(get(item.target))
  })

  it("refuses the very same record with 302 where it is as bare as bittorrent-dht, keeps it no longer and evicts it later", () => {
    const { clock, get, put } = makeNode({ capacity: 2, lifetimeMs: 2 * HOUR_MS, refusesSame: true })
    const [a, b, c] = [itemOf("a", 1), itemOf("b", 1), itemOf("c", 1)]
    assert.strictEqual(put(a), "Stored")
    put(b)
    clock.now += HOUR_MS
    assert.strictEqual(put(itemOf("a", 1)), 302)
    put(c)
    assert.strictEqual(get(a.target), a)
    assert.isUndefined(get(b.target))
    clock.now += HOUR_MS
    assert.isUndefined(get(a.target))
    assert.strictEqual(put(itemOf("a", 1)), "Stored")
  })

  it("gives up the item put longest ago when it is full", () => {
    const { get, put } = makeNode({ capacity: 2 })
    const [a, b, c] = [itemOf("a", 1), itemOf("b", 1), itemOf("c", 1)]
    put(a)
    put(b)
    put(a)
    put(c)
    assert.strictEqual(get(a.target), a)
    assert.isUndefined(get(b.target))
    assert.strictEqual(get(c.target), c)
  })

  it("keeps its disk over a restart, or nothing", () => {
    const { get, node, put } = makeNode()
    const item = itemOf("a", 1)
    put(item)
    node.restart(true)
    assert.strictEqual(get(item.target), item)
    node.restart(false)
    assert.isUndefined(get(item.target))
  })
})

describe("StorageNode: peers", () => {
  const target = Ids.random(Chance.of("infohash"))
  const announce = (node: StorageNode, from: string, port: number, token = node.tokenFor(from)) =>
    outcome(node.answer({ _tag: "AnnouncePeer", target, token, port }, from))
  const peersOf = (node: StorageNode) => {
    const answer = node.answer({ _tag: "GetPeers", target }, BOB)
    return answer._tag === "Found" ? answer.peers : []
  }

  it("gives out who announced itself, under the address that it asked from", () => {
    const { node } = makeNode()
    assert.deepStrictEqual(peersOf(node), [])
    assert.strictEqual(announce(node, ALICE, 7001), "Stored")
    assert.strictEqual(announce(node, BOB, 7002), "Stored")
    assert.strictEqual(announce(node, BOB, 7002), "Stored")
    assert.deepStrictEqual(peersOf(node), ["172.16.0.2:7002", "172.16.0.1:7001"])
  })

  it("refuses bad tokens and ports with 203", () => {
    const { node } = makeNode()
    assert.strictEqual(announce(node, ALICE, 7001, Uint8Array.of(1)), 203)
    for (const port of [0, 65_536, 1.5]) assert.strictEqual(announce(node, ALICE, port), 203)
    assert.deepStrictEqual(peersOf(node), [])
  })

  it("forgets a peer half an hour after it announced itself last", () => {
    const { clock, node } = makeNode()
    announce(node, ALICE, 7001)
    announce(node, BOB, 7002)
    clock.now += PEER_LIFETIME_MS - 1
    announce(node, ALICE, 7001)
    clock.now += 1
    assert.deepStrictEqual(peersOf(node), ["172.16.0.1:7001"])
  })
})
