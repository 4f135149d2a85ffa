import { assert, describe, it } from "@effect/vitest"
import { inspect, QUERY_MAX_BYTES, REPLY_MAX_BYTES, type Verdict } from "../../../src/runtime/dht/KrpcGuard.ts"
import { ErrorCode, NODES_MAX, PEERS_MAX } from "../../../src/protocol/dht/client/Krpc.ts"
import { encode } from "../../../src/runtime/dht/KrpcMessage.ts"
import {
  asBytes,
  asDictionary,
  codeOf,
  type Dictionary,
  keyPair,
  loose,
  type Loose,
  Raw,
  read,
  text
} from "./LiveNode.ts"

const ID = text("abcdefghij0123456789")
const TARGET = text("mnopqrstuvwxyz123456")
const PUBLIC_HOST = "8.8.8.8"

interface Fields {
  readonly [name: string]: Loose
}

const query = (q: string, a: Fields, more: Fields = {}): Uint8Array =>
  loose({ a: { id: ID, ...a }, q: text(q), t: text("aa"), y: text("q"), ...more })
const response = (r: Fields, more: Fields = {}): Uint8Array =>
  loose({ r: { id: ID, ...r }, t: text("aa"), y: text("r"), ...more })

/** One word for a verdict: the reason, or the kind of message that is accepted. */
const wordOf = (verdict: Verdict): string => (verdict._tag === "Accept" ? verdict.message._tag : verdict.reason)

/** What the library would be given. */
const handedOn = (datagram: Uint8Array, from?: string): Dictionary => {
  const verdict = inspect(datagram, from)
  assert(verdict._tag === "Accept")
  return read(encode(verdict.message))
}
const returned = (r: Fields, from?: string): Dictionary => asDictionary(handedOn(response(r), from)["r"])
const argumentsOf = (datagram: Uint8Array): Dictionary => asDictionary(handedOn(datagram)["a"])

const node = (host: ReadonlyArray<number>, port: number): Uint8Array =>
  Uint8Array.from([...TARGET, ...host, port >> 8, port & 0xff])

const key = keyPair(1)
const item = { k: key.publicKey, seq: 1, sig: new Uint8Array(64), token: text("token"), v: text("value") }

describe("KrpcGuard", () => {
  describe("queries", () => {
    it("accepts the six methods and hands on only the fields that they have", () => {
      const junk = { junk: [1, { a: 2 }], scrape: 1 }
      const queries: ReadonlyArray<readonly [string, Fields]> = [
        ["ping", {}],
        ["find_node", { target: TARGET }],
        ["get_peers", { info_hash: TARGET }],
        ["announce_peer", { info_hash: TARGET, port: 6881, token: text("token") }],
        ["get", { target: TARGET, seq: 5 }],
        ["put", item]
      ]
      for (const [q, a] of queries) {
        const { id: _, ...kept } = argumentsOf(query(q, { ...a, ...junk }, { ip: text("x"), v: { a: 1 } }))
        assert.deepEqual(Object.keys(kept).toSorted(), Object.keys(a).toSorted())
      }
    })

    it("tolerates what other BEPs add: 32 want, 33 scrape, 43 ro, 5 version", () => {
      for (const want of [[text("n4"), text("n6")], text("n6"), 5, { n4: 1 }]) {
        assert.deepEqual(Object.keys(argumentsOf(query("find_node", { target: TARGET, want }))), ["id", "target"])
      }
      assert.strictEqual(wordOf(inspect(query("get_peers", { info_hash: TARGET, scrape: 1, noseed: [] }))), "Query")
      assert.strictEqual(wordOf(inspect(query("ping", {}, { ro: text("x"), v: 7 }))), "Query")
    })

    it("answers methods that it does not have with error 204, BEP 51 among them", () => {
      const names = ["sample_infohashes", "vote", "", "PING", "ping ", "get\0", "x".repeat(3_000)]
      for (const q of names) {
        const verdict = inspect(query(q, { target: TARGET }))
        assert(verdict._tag === "Answer")
        assert.strictEqual(codeOf(read(verdict.reply)), ErrorCode.methodUnknown)
      }
    })

    it("hears of nobody as a node who says that it answers nothing (BEP 43)", () => {
      for (const [ro, unlisted] of [
        [0, false],
        [1, true],
        [text("1"), true]
      ] as const) {
        const verdict = inspect(query("ping", {}, { ro }))
        assert(verdict._tag === "Accept" && verdict.message._tag === "Query")
        assert.strictEqual(verdict.message.unlisted, unlisted)
      }
    })

    it("keeps a transaction id of any usual length as it is", () => {
      for (const length of [1, 2, 4, 8, 20, 32]) {
        const t = new Uint8Array(length).fill(7)
        assert.deepEqual(asBytes(handedOn(query("ping", {}, { t }))["t"]), t)
      }
    })

    it("drops transaction ids that are no byte string, empty or long enough to amplify", () => {
      for (const t of [5, [], {}, new Uint8Array(0), new Uint8Array(33)]) {
        assert.strictEqual(wordOf(inspect(query("ping", {}, { t }))), "bad-transaction-id")
      }
    })

    it("answers wrong arguments with error 203 and the query's transaction id", () => {
      const wrong: ReadonlyArray<readonly [string, Fields]> = [
        ["ping", { id: text("short") }],
        ["find_node", { target: 5 }],
        ["get_peers", { info_hash: [] }],
        ["announce_peer", { info_hash: TARGET, port: 0, token: text("t") }],
        ["announce_peer", { info_hash: TARGET, port: 1, token: new Uint8Array(65) }],
        ["announce_peer", { info_hash: TARGET, implied_port: text("1"), token: text("t") }],
        ["get", { target: TARGET, seq: -1 }],
        ["get", { target: TARGET, seq: 2n ** 53n }],
        ["put", { ...item, token: 5 }],
        ["put", { ...item, seq: 2n ** 62n }],
        ["put", { ...item, cas: -1 }],
        ["put", { ...item, v: 5 }],
        ["put", { token: text("t"), v: text("x"), seq: 1 }]
      ]
      for (const [q, a] of wrong) {
        const verdict = inspect(query(q, a))
        assert(verdict._tag === "Answer", `${q} ${Object.keys(a).join()}`)
        assert.strictEqual(verdict.reason, "bad-arguments")
        const reply = read(verdict.reply)
        assert.strictEqual(codeOf(reply), ErrorCode.protocol)
        assert.deepEqual(reply["t"], text("aa"))
      }
    })

    it("ignores the stated port where the port is implied", () => {
      const a = argumentsOf(query("announce_peer", { info_hash: TARGET, implied_port: 1, port: 0, token: text("t") }))
      assert.strictEqual(a["implied_port"], 1)
      assert.notProperty(a, "port")
    })

    it("answers names of object properties as unknown methods", () => {
      for (const q of ["constructor", "__proto__", "toString", "hasOwnProperty", "sample_infohashes", ""]) {
        assert.strictEqual(wordOf(inspect(query(q, {}))), "unknown-method")
      }
    })

    it("hides the id of those that have no place in the routing table", () => {
      assert.lengthOf(asBytes(argumentsOf(query("ping", {}))["id"]), 20)
      assert.lengthOf(asBytes(argumentsOf(query("ping", {}, { ro: 1 }))["id"]), 0)
      assert.lengthOf(asBytes(argumentsOf(query("put", item))["id"]), 0)
    })

    it("counts the bencoded value of a put, dictionaries and lists too, up to exactly 1000 bytes", () => {
      const put = (v: Loose) => wordOf(inspect(query("put", { ...item, v })))
      assert.strictEqual(put(new Uint8Array(996)), "Query")
      assert.strictEqual(put(new Uint8Array(997)), "value-too-big")
      assert.strictEqual(put({ a: new Uint8Array(991) }), "Query")
      assert.strictEqual(put({ a: new Uint8Array(992) }), "value-too-big")
      assert.strictEqual(put([new Uint8Array(994)]), "Query")
      assert.strictEqual(put([new Uint8Array(995)]), "value-too-big")
    })

    it("refuses values that the library would give back changed, or die of", () => {
      const values: ReadonlyArray<Loose> = [
        { toString: text("x") },
        [{ toString: text("x") }],
        { ["__proto__"]: { a: 1 } },
        { "\u00ff": 1 },
        [2n ** 60n],
        new Raw(text("d1:bi1e1:ai1ee"))
      ]
      for (const v of values) assert.strictEqual(wordOf(inspect(query("put", { ...item, v }))), "bad-arguments")
    })

    it("knows a bad key, signature or salt by its length, and weak keys", () => {
      const put = (a: Fields) => wordOf(inspect(query("put", { ...item, ...a })))
      assert.strictEqual(put({ k: new Uint8Array(31) }), "bad-arguments")
      assert.strictEqual(put({ k: new Uint8Array(32) }), "invalid-signature")
      assert.strictEqual(put({ sig: new Uint8Array(63) }), "invalid-signature")
      assert.strictEqual(put({ salt: new Uint8Array(64) }), "Query")
      assert.strictEqual(put({ salt: new Uint8Array(65) }), "salt-too-big")
    })
  })

  describe("replies", () => {
    it("drops responses without the sender's id", () => {
      for (const id of [5, [], text("short"), new Uint8Array(21)]) {
        assert.strictEqual(wordOf(inspect(response({ id }))), "bad-response")
      }
      assert.strictEqual(wordOf(inspect(loose({ r: [], t: text("aa"), y: text("r") }))), "bad-response")
    })

    it("leaves broken parts out and keeps the rest", () => {
      const token = text("token")
      const broken: ReadonlyArray<Fields> = [
        { nodes: 5 },
        { nodes: new Uint8Array(25) },
        { values: text("axje.u") },
        { values: [1, 2] },
        { values: [text("short")] },
        { k: 5, sig: 5, v: 5 },
        { v: text("x"), k: key.publicKey },
        { v: text("x"), k: key.publicKey, sig: new Uint8Array(64) },
        { v: text("x"), k: key.publicKey, sig: new Uint8Array(64), seq: 2n ** 60n },
        { v: new Uint8Array(997) },
        { salt: 5 }
      ]
      for (const fields of broken) {
        assert.deepEqual({ ...returned({ ...fields, token }) }, { id: ID, token })
      }
      assert.deepEqual({ ...returned({ token: [] }) }, { id: ID })
    })

    it("keeps the closest nodes and a datagram's worth of peers", () => {
      const nodes = Array.from({ length: NODES_MAX + 4 }, (_, i) => node([10, 0, 0, i + 1], 6881))
      const kept = asBytes(returned({ nodes: Buffer.concat(nodes) })["nodes"])
      assert.deepEqual(Buffer.from(kept), Buffer.concat(nodes.slice(0, NODES_MAX)))
      const values = Array.from({ length: PEERS_MAX + 9 }, () => text("axje.u"))
      assert.lengthOf(returned({ values })["values"] as ReadonlyArray<unknown>, PEERS_MAX)
    })

    it("leaves out nodes that nobody can reach", () => {
      const nodes = [
        node([1, 2, 3, 4], 0),
        node([0, 0, 0, 1], 1),
        node([239, 1, 1, 1], 1),
        node([255, 255, 255, 255], 1)
      ]
      const good = node([1, 2, 3, 4], 6881)
      assert.deepEqual(asBytes(returned({ nodes: Buffer.concat([...nodes, good]) })["nodes"]), good)
    })

    it("lets senders of the open Internet name no machine of a local network", () => {
      const local = [
        [127, 0, 0, 1],
        [10, 1, 1, 1],
        [192, 168, 1, 1],
        [172, 16, 0, 1],
        [169, 254, 0, 1],
        [100, 64, 0, 1]
      ]
      const nodes = Buffer.concat(local.map((host) => node(host, 6881)))
      assert.lengthOf(asBytes(returned({ nodes }, PUBLIC_HOST)["nodes"]), 0)
      assert.lengthOf(asBytes(returned({ nodes }, "192.168.1.2")["nodes"]), nodes.length)
      const values = local.map((host) => Uint8Array.from([...host, 1, 1]))
      assert.notProperty(returned({ values }, PUBLIC_HOST), "values")
      assert.property(returned({ values }, "127.0.0.1"), "values")
    })

    describe("read the address that they say is ours (BEP 42)", () => {
      const heard = (ip: Loose, from?: string) => {
        const verdict = inspect(response({}, { ip }), from)
        assert(verdict._tag === "Accept" && verdict.message._tag === "Response")
        return [verdict.message.externalAddress, verdict.ignored] as const
      }
      const at = (...bytes: ReadonlyArray<number>) => Uint8Array.from(bytes)

      it("from six bytes, of which the library sees nothing", () => {
        assert.deepEqual(heard(at(8, 8, 4, 4, 26, 225)), [{ host: "8.8.4.4", port: 6881 }, []])
        assert.notProperty(handedOn(response({}, { ip: at(8, 8, 4, 4, 26, 225) })), "ip")
      })

      it("and ignore one of IPv6, and count whatever else is there", () => {
        assert.deepEqual(heard(new Uint8Array(18).fill(1)), [undefined, []])
        const odd = [new Uint8Array(0), text("abc"), new Uint8Array(5), new Uint8Array(7), 5, [], { a: 1 }]
        for (const ip of odd) assert.deepEqual(heard(ip), [undefined, ["ignored-ip"]])
      })

      it("but no address that nobody has, nor a local one from the Internet", () => {
        for (const ip of [at(0, 1, 1, 1, 1, 1), at(239, 1, 1, 1, 1, 1), at(8, 8, 4, 4, 0, 0)]) {
          assert.deepEqual(heard(ip), [undefined, ["ignored-ip"]])
        }
        assert.deepEqual(heard(at(192, 168, 1, 1, 0, 1), PUBLIC_HOST), [undefined, ["ignored-ip"]])
        assert.deepEqual(heard(at(192, 168, 1, 1, 0, 1), "192.168.1.2"), [{ host: "192.168.1.1", port: 1 }, []])
      })
    })

    it("ignore nodes of IPv6 (BEP 32)", () => {
      for (const nodes6 of [new Uint8Array(38), new Uint8Array(5), 5, []]) {
        assert.deepEqual({ ...returned({ nodes6, token: text("t") }) }, { id: ID, token: text("t") })
      }
    })

    it("makes a generic error of any odd one, and never hands on a response inside an error", () => {
      for (const e of [201, [], [text("abc"), 201], {}, [[1], text("x")], [{ toString: text("x") }]]) {
        const failure = handedOn(loose({ e, r: { id: ID, nodes: 5 }, t: text("aa"), y: text("e") }))
        assert.strictEqual(codeOf(failure), ErrorCode.generic)
        assert.notProperty(failure, "r")
      }
      assert.strictEqual(codeOf(handedOn(loose({ e: [302, text("low")], t: text("aa"), y: text("e") }))), 302)
    })
  })

  it("drops what is no message at all", () => {
    const t = text("aa")
    assert.strictEqual(wordOf(inspect(new Uint8Array(0))), "not-dictionary")
    assert.strictEqual(wordOf(inspect(text("le"))), "not-dictionary")
    assert.strictEqual(wordOf(inspect(text("d1:a99:xe"))), "not-bencode")
    assert.strictEqual(wordOf(inspect(loose({ t }))), "bad-type")
    assert.strictEqual(wordOf(inspect(loose({ t, y: [text("q")] }))), "bad-type")
    assert.strictEqual(wordOf(inspect(query("ping", { ["__proto__"]: { x: 1 } }))), "hostile-key")
    assert.strictEqual(wordOf(inspect(query("ping", { x: text("x".repeat(QUERY_MAX_BYTES)) }))), "oversize")
    assert.strictEqual(wordOf(inspect(response({ x: text("x".repeat(REPLY_MAX_BYTES)) }))), "oversize")
  })

  it("accepts keys in any order, but none twice", () => {
    assert.strictEqual(wordOf(inspect(text(`d1:y1:q1:q4:ping1:t2:aa1:ad2:id20:abcdefghij0123456789ee`))), "Query")
    assert.strictEqual(
      wordOf(inspect(text(`d1:y1:q1:q4:ping1:t2:aa1:ad2:id20:abcdefghij0123456789e1:q4:pinge`))),
      "not-bencode"
    )
  })
})
