/**
 * Structure-aware fuzzing of the KRPC guard: valid messages of every kind, then mutated in their
 * structure (types, lengths, keys) and in their bytes. What passes must be what the library can take.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import * as Result from "effect/Result"
import { inspect } from "../src/runtime/dht/KrpcGuard.ts"
import { encode } from "../src/runtime/dht/KrpcMessage.ts"
import {
  asBytes,
  type Dictionary,
  keyPair,
  type LiveNode,
  LOOPBACK,
  loose,
  type Loose,
  signedBytes,
  startNode,
  Stranger,
  text
} from "../test/runtime/dht/LiveNode.ts"

/** 5 s for all properties of this file together is the budget of a normal run; nightly runs raise it. */
const RUNS = Number(process.env["LIBRESEED_FUZZ_RUNS"] ?? 3_000)

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const dictionary = (fields: { readonly [name: string]: fc.Arbitrary<Loose> }): fc.Arbitrary<Loose> => fc.record(fields)

const key = keyPair(9)
const id = bytes(20)
const token = fc.uint8Array({ minLength: 1, maxLength: 24 })
const value = fc.uint8Array({ maxLength: 60 })
const seq = fc.maxSafeNat()

const signedItem = fc
  .tuple(value, seq, fc.uint8Array({ minLength: 1, maxLength: 64 }))
  .map(([v, seq, salt]) => ({ k: key.publicKey, salt, seq, sig: key.sign(signedBytes(seq, loose(v), salt)), v }))

const queryOf = (q: string, a: fc.Arbitrary<Loose>): fc.Arbitrary<Loose> =>
  dictionary({
    a,
    q: fc.constant(text(q)),
    t: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    y: fc.constant(text("q"))
  })
const responseOf = (r: fc.Arbitrary<Loose>): fc.Arbitrary<Loose> =>
  dictionary({ r, t: bytes(4), y: fc.constant(text("r")) })

const nodes = fc.integer({ min: 0, max: 20 }).chain((n) => bytes(n * 26))

const valid: fc.Arbitrary<Loose> = fc.oneof(
  queryOf("ping", dictionary({ id })),
  queryOf("find_node", dictionary({ id, target: id })),
  queryOf("get_peers", dictionary({ id, info_hash: id })),
  queryOf("announce_peer", dictionary({ id, info_hash: id, port: fc.integer({ min: 1, max: 65_535 }), token })),
  queryOf("get", dictionary({ id, seq, target: id })),
  queryOf("put", dictionary({ id, token, v: value })),
  queryOf(
    "put",
    fc.tuple(id, token, signedItem).map(([id, token, item]): Loose => Object.assign({ id, token }, item))
  ),
  responseOf(dictionary({ id, nodes, token })),
  responseOf(dictionary({ id, token, values: fc.array(bytes(6), { maxLength: 5 }) })),
  responseOf(fc.tuple(id, signedItem).map(([id, { salt: _, ...item }]): Loose => Object.assign({ id }, item))),
  dictionary({ e: fc.tuple(fc.nat(400), value), t: bytes(2), y: fc.constant(text("e")) })
)

/** Stands in for any part of a message. */
const odd: fc.Arbitrary<Loose> = fc.oneof(
  fc.constantFrom<Loose>(0, 1, -1, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, [], {}, new Uint8Array(0)),
  fc.integer(),
  fc.uint8Array({ maxLength: 1_100 }),
  fc.constantFrom(19, 20, 21, 26, 31, 32, 63, 64, 65, 996, 997).chain(bytes),
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.constantFrom("toString", "__proto__", "length", "id", "constructor").map((name): Loose => ({ [name]: { a: 1 } }))
)

const NAMES = [
  "id",
  "t",
  "y",
  "q",
  "a",
  "r",
  "e",
  "v",
  "k",
  "sig",
  "seq",
  "cas",
  "salt",
  "nodes",
  "values",
  "port",
  "ro"
]

const isRecord = (value: Loose): value is { readonly [key: string]: Loose } =>
  typeof value === "object" && !(value instanceof Uint8Array) && !Array.isArray(value)

/** Replaces, adds or removes the part at one place of the tree, which `path` picks. */
const graft = (tree: Loose, path: ReadonlyArray<number>, name: string, part: Loose | undefined): Loose => {
  const [step, ...rest] = path
  if (step === undefined) return part ?? tree
  if (!isRecord(tree)) return part ?? tree
  const keys = Object.keys(tree)
  const chosen = step % (keys.length + 1) === keys.length ? name : keys[step % (keys.length + 1)]!
  const inner = rest.length > 0 && tree[chosen] !== undefined ? graft(tree[chosen], rest, name, part) : part
  return Object.fromEntries([
    ...keys.filter((key) => key !== chosen).map((key) => [key, tree[key]!] as const),
    ...(inner === undefined ? [] : [[chosen, inner] as const])
  ])
}

const mutated: fc.Arbitrary<Loose> = fc
  .tuple(
    valid,
    fc.array(
      fc.tuple(
        fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(...NAMES),
        fc.option(odd, { nil: undefined })
      ),
      { maxLength: 3 }
    )
  )
  .map(([message, changes]) =>
    changes.reduce<Loose>((tree, [path, name, part]) => graft(tree, path, name, part), message)
  )

/** Bytes changed, cut out or doubled after encoding. */
const datagram: fc.Arbitrary<Uint8Array> = fc
  .tuple(mutated, fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("set", "cut", "insert")), { maxLength: 2 }))
  .map(([message, changes]) => {
    const written = Array.from(loose(message))
    for (const [at, byte, how] of changes) {
      const index = at % (written.length + 1)
      if (how === "set") written[index] = byte
      else if (how === "cut") written.splice(index, 1 + (byte % 8))
      else written.splice(index, 0, byte)
    }
    return Uint8Array.from(written)
  })

/** Contacts in an answer would be asked too, and datagrams must not leave the loopback interface here. */
const namesNoNodes = (message: Loose): boolean => {
  const verdict = inspect(loose(isRecord(message) ? { ...message, t: text("aaaa") } : message))
  if (verdict._tag !== "Accept" || verdict.message._tag !== "Response") return true
  const { nodes } = verdict.message.values
  return !(nodes instanceof Uint8Array) || nodes.length === 0
}

describe("KrpcGuard", () => {
  it("accepts every valid message, and what it hands on is accepted again unchanged (idempotent)", () => {
    fc.assert(
      fc.property(valid, (message) => {
        const verdict = inspect(loose(message))
        assert(verdict._tag === "Accept")
        // An unlisted sender's id is hidden, which is no longer a valid query.
        if (verdict.message._tag === "Query" && verdict.message.unlisted) return
        const handedOn = encode(verdict.message)
        const again = inspect(handedOn)
        assert(again._tag === "Accept")
        assert.deepEqual(encode(again.message), handedOn)
      }),
      { numRuns: Math.ceil(RUNS / 3) }
    )
  })

  it("is total: any bytes give a verdict, and all that it writes is canonical bencode", () => {
    fc.assert(
      fc.property(datagram, (bytes) => {
        const verdict = inspect(bytes)
        if (verdict._tag === "Drop") return
        const written = verdict._tag === "Accept" ? encode(verdict.message) : verdict.reply
        assert(Result.isSuccess(Bencode.decode(written)))
      }),
      { numRuns: RUNS }
    )
  })
})

describe("a live node behind the guard", () => {
  let node: LiveNode
  let stranger: Stranger
  let token: Uint8Array
  beforeAll(async () => {
    // The rate limits would soon have the last word.
    node = await startNode({ limits: { senderRate: RUNS * 1_000, totalRate: RUNS * 1_000 } })
    stranger = await Stranger.bind(node.port)
    token = await stranger.token()
  })
  afterAll(async () => {
    await stranger.close()
    await node.close()
  })

  it("survives mutated messages, puts with a valid token among them, without a defect (invariant)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(datagram, { minLength: 16, maxLength: 16 }), mutated, async (datagrams, message) => {
        const put =
          isRecord(message) && message["a"] !== undefined && isRecord(message["a"])
            ? [loose({ ...message, a: { ...message["a"], token } })]
            : []
        await stranger.exchange(...datagrams, ...put)
        assert.deepEqual(node.defects, [])
        assert.isAtMost(Object.keys(node.dht.toJSON().values).length, 1_000)
      }),
      { numRuns: Math.ceil(RUNS / 10) }
    )
  })

  it("survives mutated answers to its own queries without a defect (invariant)", async () => {
    // Room for all runs at once: an answer that is dropped leaves its query waiting.
    const asking = await startNode({}, { concurrency: RUNS })
    const peer = await Stranger.bind(asking.port)
    await fc.assert(
      fc.asyncProperty(mutated.filter(namesNoNodes), async (message) => {
        const query = await new Promise<Dictionary>((resolve) => {
          peer.play((query) => void resolve(query))
          asking.dht.addNode({ id: new Uint8Array(20).fill(1), host: LOOPBACK, port: peer.port })
          asking.dht.get(new Uint8Array(20).fill(2), () => undefined)
        })
        await peer.exchange(loose(isRecord(message) ? { ...message, t: asBytes(query["t"]) } : message))
        assert.deepEqual(asking.defects, [])
      }),
      { numRuns: Math.ceil(RUNS / 10) }
    )
    assert.isAbove(asking.count("accepted-reply"), 0)
    await peer.close()
    await asking.close()
  })
})
