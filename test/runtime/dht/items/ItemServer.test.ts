import { assert, describe, it } from "@effect/vitest"
import * as ItemServer from "../../../../src/runtime/dht/items/ItemServer.ts"
import { NODES_WITH_ITEM, NODES_WITHOUT_ITEM } from "../../../../src/runtime/dht/items/ItemServer.ts"
import { ItemStore, LIFETIME_MS } from "../../../../src/runtime/dht/items/ItemStore.ts"
import { targetOf, type StoredItem } from "../../../../src/runtime/dht/items/StoredItem.ts"
import { PUTS_PER_MINUTE } from "../../../../src/runtime/dht/items/PutLimits.ts"
import { ROTATE_MS } from "../../../../src/runtime/dht/items/WriteTokens.ts"
import { ASKER_BYTES, UNFRAGMENTED_BYTES } from "../../../../src/runtime/dht/KrpcMessage.ts"
import { asBytes, asDictionary, codeOf, loose, type Loose, Raw, sha1, STRANGER_ID, text } from "../LiveNode.ts"
import { type Args, Desk, NEIGHBOURS, OWN_ID } from "./Desk.ts"
import { immutable, mutable, type MutableParts, pairOf } from "./Items.ts"

/** The arguments of a put. */
const argsOf = ({ mutable: signed, value }: StoredItem): Args => ({
  v: new Raw(value),
  ...(signed === undefined
    ? {}
    : {
        k: signed.publicKey,
        seq: signed.seq,
        sig: signed.signature,
        ...(signed.salt.length > 0 ? { salt: signed.salt } : {})
      })
})

const record = (parts?: MutableParts): Args => argsOf(mutable(parts))

const placeOf = (item: StoredItem): Uint8Array => new Uint8Array(Buffer.from(targetOf(item), "hex"))

const flipped = (bytes: Loose | undefined): Uint8Array => {
  const copy = Uint8Array.from(bytes as Uint8Array)
  copy[40]! ^= 1
  return copy
}

const accepted = (reply: ReturnType<Desk["put"]>) => assert.deepStrictEqual(asDictionary(reply["r"]), { id: OWN_ID })

describe("ItemServer answers `get`", () => {
  it("with its id, a token and its neighbours, where it holds nothing", () => {
    const desk = new Desk()
    const reply = desk.get(STRANGER_ID)
    assert.sameMembers(Object.keys(reply), ["id", "nodes", "token"])
    assert.deepStrictEqual(reply["id"], OWN_ID)
    const nodes = asBytes(reply["nodes"])
    assert.strictEqual(nodes.length, 26 * NODES_WITHOUT_ITEM)
    assert.deepStrictEqual(nodes.subarray(0, 20), NEIGHBOURS[0]!.id)
    assert.deepStrictEqual([...nodes.subarray(46, 52)], [192, 0, 2, 2, 0x1a, 0xe2])
  })

  it("with the item too, where it holds one", () => {
    const desk = new Desk()
    const item = mutable({ seq: 7, salt: "salt" })
    accepted(desk.put(argsOf(item)))
    const reply = desk.get(placeOf(item))
    assert.sameMembers(Object.keys(reply), ["id", "k", "nodes", "seq", "sig", "token", "v"])
    assert.strictEqual(asBytes(reply["nodes"]).length, 26 * NODES_WITH_ITEM)
    assert.deepStrictEqual([reply["seq"], reply["v"]], [7, text("value")])
    accepted(desk.put(argsOf(immutable("plain"))))
    assert.sameMembers(Object.keys(desk.get(placeOf(immutable("plain")))), ["id", "nodes", "token", "v"])
  })

  it("with the number alone, to one who has as new a record", () => {
    const desk = new Desk()
    const item = mutable({ seq: 5 })
    desk.put(argsOf(item))
    for (const seq of [5, 6]) {
      const reply = desk.get(placeOf(item), seq)
      assert.sameMembers(Object.keys(reply), ["id", "nodes", "seq", "token"])
      assert.strictEqual(reply["seq"], 5)
    }
    assert.deepStrictEqual(desk.get(placeOf(item), 4)["v"], text("value"))
    assert.deepStrictEqual([desk.count("known-seq"), desk.count("found")], [2, 1])
  })

  it("with the very bytes that it holds, which it does not read again", () => {
    const value = text("d1:b1:x1:a1:ye")
    class Held extends ItemStore {
      override get(): StoredItem {
        return { value, mutable: undefined }
      }
    }
    const server = ItemServer.make({
      store: new Held({ now: () => 0, verify: () => true }),
      verify: () => true,
      now: () => 0,
      randomBytes: (length) => new Uint8Array(length),
      ownId: () => OWN_ID,
      closest: () => []
    })
    const reply = server.serve(
      {
        _tag: "Query",
        method: "get",
        transactionId: text("t"),
        id: STRANGER_ID,
        unlisted: true,
        args: { target: OWN_ID }
      },
      { address: "127.0.0.1", port: 1 }
    )
    assert.include(Buffer.from(reply ?? []).toString("latin1"), "1:vd1:b1:x1:a1:yee1:t1:t1:y1:re")
  })

  it("in one unfragmented datagram, whatever the item and the transaction id", () => {
    const desk = new Desk()
    const values = [new Uint8Array(996), { a: new Uint8Array(990) }, [new Uint8Array(994)]]
    for (const [i, v] of values.entries()) {
      const item = mutable({ v, seq: 2 ** 53 - 1, salt: `${i}`.padEnd(64) })
      accepted(desk.put(argsOf(item)))
      desk.ask("get", { target: placeOf(item) }, undefined, new Uint8Array(32))
      assert.isAtMost(desk.lastBytes, UNFRAGMENTED_BYTES - ASKER_BYTES)
    }
  })

  it("and leaves every other query to the library", () => {
    assert.throws(() => new Desk().ask("ping", {}), "nothing answers ping")
    assert.throws(() => new Desk().ask("get_peers", { info_hash: STRANGER_ID }), "nothing answers get_peers")
  })
})

describe("ItemServer answers `put`", () => {
  const refused = (desk: Desk, a: Args, code: number, from?: string) => {
    const before = [...desk.store.entries()]
    assert.strictEqual(codeOf(desk.put(a, from)), code)
    assert.deepStrictEqual([...desk.store.entries()], before)
  }

  it("by keeping byte strings, lists and dictionaries exactly as they were signed", () => {
    const desk = new Desk()
    for (const v of [text(""), text("bytes"), [1, text("x"), []], { a: { b: [text("c")] }, z: 2 ** 40 }]) {
      for (const item of [
        mutable({ v, salt: loose(v).toString().slice(0, 60) }),
        { value: loose(v), mutable: undefined }
      ]) {
        accepted(desk.put(argsOf(item)))
        assert.deepStrictEqual(desk.store.get(targetOf(item))?.value, new Uint8Array(loose(v)))
        assert.deepStrictEqual(new Uint8Array(loose(desk.get(placeOf(item))["v"] as Loose)), new Uint8Array(loose(v)))
      }
    }
  })

  it("with 203 to a token that is missing, invented, too old or another's", () => {
    const desk = new Desk()
    refused(desk, { ...record(), token: text("invented") }, 203)
    refused(desk, { ...record(), token: desk.token("192.0.2.9:1") }, 203)
    const token = desk.token()
    desk.time.pass(2 * ROTATE_MS)
    refused(desk, { ...record(), token }, 203)
    assert.strictEqual(codeOf(desk.ask("put", record())), 203)
    assert.strictEqual(desk.count("bad-token"), 3)
    assert.strictEqual(desk.checks, 0)
  })

  it("and honours a token from another port of the same host, for at least five minutes", () => {
    const desk = new Desk()
    const token = desk.token("192.0.2.9:1")
    desk.time.pass(ROTATE_MS)
    accepted(desk.ask("put", { ...record(), token }, "192.0.2.9:2"))
  })

  it("with 205, 207 and 206, the signature being checked last", () => {
    const desk = new Desk()
    accepted(desk.put(record({ v: new Uint8Array(996), salt: "s".repeat(64) })))
    assert.strictEqual(desk.checks, 1)
    refused(desk, record({ v: new Uint8Array(997) }), 205)
    refused(desk, argsOf(immutable("", 997)), 205)
    refused(desk, { ...record(), salt: new Uint8Array(65) }, 207)
    assert.strictEqual(desk.checks, 1)
    refused(desk, { ...record(), sig: flipped(record()["sig"]) }, 206)
    refused(desk, { ...record({ seq: 1 }), seq: 2 }, 206)
    refused(desk, { ...record({ salt: "one" }), salt: text("two") }, 206)
    assert.strictEqual(desk.count("invalid-signature"), 3)
  })

  it("with 301 where another number is held than `cas` expects, even for the very same record", () => {
    const desk = new Desk()
    accepted(desk.put({ ...record({ seq: 5 }), cas: 1 }))
    refused(desk, { ...record({ seq: 6 }), cas: 4 }, 301)
    refused(desk, { ...record({ seq: 5 }), cas: 4 }, 301)
    accepted(desk.put({ ...record({ seq: 6 }), cas: 5 }))
    assert.strictEqual(desk.count("cas-mismatch"), 2)
  })

  it("with 302 to an older number, and to another value under the same", () => {
    const desk = new Desk()
    accepted(desk.put(record({ seq: 5 })))
    refused(desk, record({ seq: 4 }), 302)
    refused(desk, record({ seq: 5, v: text("other") }), 302)
    assert.strictEqual(desk.count("seq-too-low"), 2)
    assert.strictEqual(desk.checks, 1)
  })

  it("by keeping an item for two more hours where it is put again, without checking it again", () => {
    const desk = new Desk()
    const items = [mutable({ seq: 5 }), immutable("plain")]
    for (const item of items) accepted(desk.put(argsOf(item)))
    desk.time.pass(LIFETIME_MS - 1)
    for (const item of items) accepted(desk.put(argsOf(item)))
    desk.time.pass(LIFETIME_MS - 1)
    for (const item of items) assert.isDefined(desk.store.get(targetOf(item)))
    assert.strictEqual(desk.count("put-refreshed"), 2)
    assert.strictEqual(desk.checks, 1)
    desk.time.pass(1)
    for (const item of items) assert.isUndefined(desk.store.get(targetOf(item)))
  })

  it("and does not take the same value under a forged signature for the same record", () => {
    const desk = new Desk()
    accepted(desk.put(record({ seq: 5 })))
    refused(desk, { ...record({ seq: 5 }), sig: flipped(record({ seq: 5 })["sig"]) }, 206)
  })

  it("by keeping an immutable and a mutable item of one value apart", () => {
    const desk = new Desk()
    accepted(desk.put(record({ v: text("value") })))
    accepted(desk.put(argsOf(immutable("value"))))
    assert.strictEqual(desk.store.size, 2)
    assert.notProperty(desk.get(placeOf(immutable("value"))), "k")
  })

  it("up to a number a minute from one sender, whose token was good", () => {
    const desk = new Desk()
    const from = "20.1.2.3:6881"
    const { v } = argsOf(immutable("again"))
    const a = { v: v!, token: desk.token(from) }
    for (let i = 0; i < PUTS_PER_MINUTE; i++) desk.ask("put", { ...a, token: text("bad") }, from)
    for (let i = 0; i < PUTS_PER_MINUTE; i++) desk.ask("put", a, from)
    assert.strictEqual(desk.count("too-many-puts"), 0)
    assert.strictEqual(codeOf(desk.ask("put", a, from)), 201)
    accepted(desk.put({ v: v! }, "20.9.9.9:1"))
    desk.time.pass(60_000)
    accepted(desk.ask("put", a, from))
  })

  it("with 201 where there is no room", () => {
    const desk = new Desk({ itemsMax: 1 })
    const own = immutable("own")
    desk.store.pin(targetOf(own))
    accepted(desk.put(argsOf(own)))
    refused(desk, argsOf(immutable("other")), 201)
    assert.strictEqual(desk.count("store-full"), 1)
  })

  it("and forgets nothing that is pinned", () => {
    const desk = new Desk({ itemsMax: 50 })
    const own = mutable({ seedByte: 9 })
    desk.store.pin(targetOf(own))
    accepted(desk.put(argsOf(own)))
    for (let i = 0; i < 500; i++) desk.put(argsOf(immutable(`${i}`)), `20.${i % 200}.1.1:6881`)
    assert.deepStrictEqual(desk.get(sha1(pairOf(9).publicKey))["v"], text("value"))
    assert.strictEqual(desk.store.size, 50)
  })
})
