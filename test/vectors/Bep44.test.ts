/**
 * BEP 44 as a live node behind the guard shows it over UDP on loopback: its test vectors, its rules, its error
 * codes, and puts with a valid token whose arguments have the wrong types. Both for a node that stores items by our
 * own rules, and for one that leaves it to the library.
 */
import { afterAll, assert, beforeAll, describe, expect, it } from "@effect/vitest"
import { ErrorCode } from "../../src/protocol/dht/client/Krpc.ts"
import {
  asBytes,
  asDictionary,
  codeOf,
  type Dictionary,
  getItem,
  keyPair,
  type LiveNode,
  LOOPBACK,
  loose,
  type Loose,
  Raw,
  read,
  sha1,
  signedBytes,
  startNode,
  startStorageNode,
  Stranger,
  STRANGER_ID,
  text
} from "../runtime/dht/LiveNode.ts"
import * as Vectors from "./Vectors.ts"

/** How the file writes an argument; `null` leaves it out. */
type Spec =
  | { readonly int: number | string }
  | { readonly utf8: string }
  | { readonly hex: string }
  | { readonly zeros: number }
  | { readonly list: ReadonlyArray<Spec | number> }
  | { readonly dict: { readonly [key: string]: Spec | number } }

const valueOf = (spec: Spec | number): Loose => {
  if (typeof spec === "number") return spec
  if ("int" in spec) return BigInt(spec.int)
  if ("utf8" in spec) return new Uint8Array(Buffer.from(spec.utf8))
  if ("hex" in spec) return Vectors.fromHex(spec.hex)
  if ("zeros" in spec) return new Uint8Array(spec.zeros)
  if ("list" in spec) return spec.list.map(valueOf)
  return Object.fromEntries(Object.entries(spec.dict).map(([key, value]) => [key, valueOf(value)]))
}

interface File {
  readonly typed_puts_with_valid_token: ReadonlyArray<{
    readonly id: string
    readonly args: { readonly [name: string]: Spec | null }
    readonly expect: string
  }>
  readonly vectors: ReadonlyArray<{
    readonly id: string
    readonly kind: "mutable" | "immutable"
    readonly v_bencoded_hex: string
    readonly target: string
    readonly seq?: number
    readonly salt_hex?: string
    readonly pub?: string
    readonly sig?: string
    readonly buffer_signed_utf8?: string
  }>
  readonly rules: ReadonlyArray<{
    readonly id: string
    readonly message: string
    readonly case: string
    readonly expect: string
    readonly error_code: number | null
  }>
  readonly error_codes: { readonly [code: string]: string }
}

const publisher = keyPair(7)
const VALUE = text("hello")

interface PutParts {
  readonly v?: Loose
  readonly seq?: Loose
  readonly salt?: Uint8Array
  readonly key?: typeof publisher
}

/** Arguments of a mutable put, signed as they are, without its token. */
const signed = ({ v = VALUE, seq = 1, salt, key = publisher }: PutParts = {}): { readonly [name: string]: Loose } => ({
  k: key.publicKey,
  seq,
  sig: key.sign(signedBytes(seq, loose(v), salt)),
  v,
  ...(salt === undefined ? {} : { salt })
})

/** A value whose bencode has exactly `bytes` bytes, 100 or more. */
const valueOfSize = (bytes: number): Uint8Array => new Uint8Array(bytes - String(bytes - 5).length - 1)

const flipped = (bytes: Loose | undefined): Uint8Array => {
  assert(bytes instanceof Uint8Array)
  const copy = new Uint8Array(bytes)
  copy[40]! ^= 1
  return copy
}

interface Arguments {
  readonly [name: string]: Loose | undefined
}

const overrides = (args: { readonly [name: string]: Spec | null }): Arguments =>
  Object.fromEntries(
    Object.entries(args).map(([name, spec]) => [name, spec === null ? undefined : valueOf(spec)] as const)
  )

const present = (a: Arguments): { readonly [name: string]: Loose } =>
  Object.fromEntries(
    Object.entries(a).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  )

const resigned = (a: Arguments): Arguments => {
  const salt = a["salt"] instanceof Uint8Array ? a["salt"] : undefined
  return a["v"] === undefined || a["seq"] === undefined
    ? a
    : { ...a, sig: publisher.sign(signedBytes(a["seq"], loose(a["v"]), salt)) }
}

/** A key of its own for each rule, so that none sees another's records. */
const ownKey = (seedByte: number) => ({ key: keyPair(seedByte) })

const without = (name: string, item: { readonly [name: string]: Loose }) =>
  Object.fromEntries(Object.entries(item).filter(([key]) => key !== name))

/** What a node gets to see when its neighbours answer `get` with these items, each its own neighbour. */
const gotFrom = async (target: Uint8Array, ...items: ReadonlyArray<{ readonly [name: string]: Loose }>) => {
  const asking = await startNode({}, { timeout: 120 })
  const holders = await Promise.all(items.map(() => Stranger.bind(asking.port)))
  for (const [i, item] of items.entries()) {
    const id = new Uint8Array(20).fill(0x20 + i)
    holders[i]!.play(() => ({ r: { id, token: text("t"), ...item }, y: text("r") }))
    asking.dht.addNode({ id, host: LOOPBACK, port: holders[i]!.port })
  }
  const got = await getItem(asking.dht, target)
  expect(asking.defects).toEqual([])
  await Promise.all([...holders.map((holder) => holder.close()), asking.close()])
  return got
}

const behaviour = (
  { typed_puts_with_valid_token, vectors, rules, error_codes }: File,
  start: () => Promise<LiveNode>
) => {
  let node: LiveNode
  let stranger: Stranger
  let token: Uint8Array
  beforeAll(async () => {
    node = await start()
    stranger = await Stranger.bind(node.port)
    token = await stranger.token()
  })
  afterAll(async () => {
    await stranger.close()
    await node.close()
  })

  const put = (a: { readonly [name: string]: Loose }) => stranger.ask("put", { token, ...a })
  const fetch = async (target: Uint8Array, seq?: number): Promise<Dictionary> =>
    asDictionary((await stranger.ask("get", { target, ...(seq === undefined ? {} : { seq }) }))?.["r"])

  describe("typed puts with a valid token", () => {
    it.each(typed_puts_with_valid_token)("$id: $expect", async ({ args, expect: sentence }) => {
      const before = node.state()
      // The first is signed before its arguments go wrong; the second is what a hostile owner of the key signs.
      const stale = { token, ...signed(), ...overrides(args) }
      for (const a of [stale, "sig" in args ? stale : resigned(stale)]) {
        const reply = await stranger.ask("put", present(a))
        expect(sentence).toMatch(reply === undefined ? /drop/ : new RegExp(`error [\\d/]*${codeOf(reply)}`))
        expect(node.state()).toEqual(before)
        expect(node.defects).toEqual([])
      }
    })
  })

  describe("vectors", () => {
    it.each(vectors)("stores and gives back $id", async (vector) => {
      const v = read(Buffer.concat([text("d1:v"), Vectors.fromHex(vector.v_bencoded_hex), text("e")]))["v"]
      const salt = Vectors.fromHex(vector.salt_hex ?? "")
      const mutable =
        vector.kind === "mutable"
          ? {
              k: Vectors.fromHex(vector.pub ?? ""),
              seq: vector.seq ?? 0,
              sig: Vectors.fromHex(vector.sig ?? ""),
              ...(salt.length > 0 ? { salt } : {})
            }
          : {}
      const bytes = signedBytes(vector.seq ?? 0, Vectors.fromHex(vector.v_bencoded_hex), salt)
      expect(vector.buffer_signed_utf8 ?? Buffer.from(bytes).toString()).toBe(Buffer.from(bytes).toString())
      const reply = await put({ v: asBytes(v), ...mutable })
      expect(codeOf(reply)).toBeUndefined()
      const { salt: _, ...stored } = { v, ...mutable } as { readonly [name: string]: Loose }
      expect(await fetch(Vectors.fromHex(vector.target))).toMatchObject(stored)
    })
  })

  describe("error codes", () => {
    it.each(Object.keys(error_codes))("%s is one of ours", (code) => {
      expect(Object.values(ErrorCode).map(Number)).toContain(Number(code))
    })
  })

  const accepted = async (a: { readonly [name: string]: Loose }) => expect(codeOf(await put(a))).toBeUndefined()
  const refused = async (a: { readonly [name: string]: Loose }, code: number | null) => {
    const before = node.state()
    expect(codeOf(await put(a))).toBe(code)
    expect(node.state()).toEqual(before)
  }
  /** The rules about queries, by id: each is told the error code that the file demands. */
  const onQuery: { readonly [id: string]: (code: number | null) => Promise<void> } = {
    "v-1000": () => accepted(signed({ ...ownKey(10), v: valueOfSize(1000) })),
    "v-1001": (code) => refused(signed({ ...ownKey(11), v: valueOfSize(1001) }), code),
    "bad-sig": async (code) => {
      const a = signed(ownKey(12))
      await refused({ ...a, sig: flipped(a["sig"]) }, code)
    },
    "bad-sig-seq": (code) => refused({ ...signed(ownKey(13)), seq: 2 }, code),
    "bad-sig-salt": async (code) => {
      const { salt: _, ...dropped } = signed({ ...ownKey(14), salt: text("one") })
      await refused({ ...dropped, salt: text("two") }, code)
      await refused(dropped, code)
    },
    "salt-64": () => accepted(signed({ ...ownKey(15), salt: new Uint8Array(64) })),
    "salt-65": (code) => refused(signed({ ...ownKey(16), salt: new Uint8Array(65) }), code),
    "cas-mismatch": async (code) => {
      await accepted(signed({ ...ownKey(17), seq: 5 }))
      await refused({ ...signed({ ...ownKey(17), seq: 6 }), cas: 4 }, code)
      await accepted({ ...signed({ ...ownKey(17), seq: 6 }), cas: 5 })
    },
    "seq-lower": async (code) => {
      await accepted(signed({ ...ownKey(18), seq: 5 }))
      await refused(signed({ ...ownKey(18), seq: 4 }), code)
    },
    "seq-equal-other-v": async (code) => {
      await accepted(signed({ ...ownKey(19), seq: 5 }))
      await refused(signed({ ...ownKey(19), seq: 5, v: text("other") }), code)
    },
    "seq-equal-same-v": async () => {
      await accepted(signed({ ...ownKey(20), seq: 5 }))
      const reply = await put(signed({ ...ownKey(20), seq: 5 }))
      expect(asDictionary(reply?.["r"])["id"]).toEqual(new Uint8Array(node.dht.nodeId))
    },
    "bad-token": async (code) => {
      await refused({ ...signed(ownKey(21)), token: text("made elsewhere------") }, code)
      const before = node.state()
      expect(codeOf(await stranger.ask("put", signed(ownKey(21))))).toBe(code)
      expect(node.state()).toEqual(before)
    },
    "empty-salt": async () => {
      const { key } = ownKey(22)
      await accepted({ ...signed({ key }), salt: new Uint8Array(0) })
      expect(await fetch(sha1(key.publicKey))).toMatchObject({ v: VALUE, seq: 1 })
    },
    "get-seq-known": async () => {
      const { key } = ownKey(23)
      await accepted(signed({ key, seq: 5 }))
      const known = await fetch(sha1(key.publicKey), 5)
      for (const part of ["k", "sig", "v"]) expect(known).not.toHaveProperty(part)
      expect(known["seq"]).toBe(5)
      expect(await fetch(sha1(key.publicKey), 4)).toMatchObject({ v: VALUE, seq: 5 })
    },
    "id-wrong-length": async (code) => {
      for (const length of [19, 21]) {
        expect(codeOf(await stranger.ask("get", { id: new Uint8Array(length), target: STRANGER_ID }))).toBe(code)
      }
    },
    "unknown-q": async (code) => expect(codeOf(await stranger.ask("sample", { target: STRANGER_ID }))).toBe(code)
  }

  const { publicKey } = publisher
  const target = sha1(publicKey)
  const discarded = async (item: { readonly [name: string]: Loose }) => {
    expect(await gotFrom(target, item)).toBeNull()
    const good = signed({ seq: 3 })
    expect((await gotFrom(target, item, good))?.seq).toBe(3)
  }
  /** The rules about replies: what is discarded must not hide a good answer of another node. */
  const onReply: { readonly [id: string]: () => Promise<void> } = {
    "get-wrong-k": () => discarded(signed({ key: keyPair(30) })),
    "get-wrong-immutable": async () => expect(await gotFrom(sha1(loose(VALUE)), { v: text("other") })).toBeNull(),
    "get-bad-sig": () => discarded({ ...signed(), sig: flipped(signed()["sig"]) }),
    "get-older-seq": async () => {
      expect((await gotFrom(target, signed({ seq: 9 }), signed({ seq: 8 })))?.seq).toBe(9)
      expect((await gotFrom(target, signed({ seq: 8 }), signed({ seq: 9 })))?.seq).toBe(9)
    },
    // Never rounded: what is not exact as a double is not handed on at all (seq ends at 2^53 − 1 here).
    "get-huge-seq": () => discarded(signed({ seq: 2n ** 63n - 1n })),
    "seq-over-2^53": () => discarded(signed({ seq: 9_007_199_254_740_993n })),
    "seq-over-int64": () => discarded(signed({ seq: 2n ** 63n })),
    "seq-negative": () => discarded(signed({ seq: -1 })),
    "k-31": () => discarded({ ...signed(), k: publicKey.subarray(1) }),
    "sig-63": () => discarded({ ...signed(), sig: new Uint8Array(63) }),
    "k-not-bytes": async () => {
      for (const k of [5, [1], { a: 1 }]) await discarded({ ...signed(), k })
    },
    "v-missing": () => discarded(without("v", signed())),
    "non-canonical-v": async () => {
      const good = signed({ v: { a: 1, b: 2 } })
      expect((await gotFrom(target, good))?.v).toEqual({ a: 1, b: 2 })
      for (const spelling of ["d1:bi2e1:ai1ee", "d1:ai01e1:bi2ee"]) {
        const bytes = new Raw(text(spelling))
        await discarded({ ...good, v: bytes })
        await discarded(signed({ v: bytes }))
        expect(await gotFrom(sha1(bytes.bytes), { v: bytes })).toBeNull()
        const before = node.state()
        for (const a of [signed({ v: bytes }), { v: bytes }]) {
          const reply = await put(a)
          expect([undefined, ErrorCode.protocol]).toContain(codeOf(reply))
        }
        expect(node.state()).toEqual(before)
      }
    }
  }

  describe("rules", () => {
    const checks = { ...onQuery, ...onReply }
    it.each(rules.filter(({ id }) => id in checks))("$id: $case: $expect", async ({ id, error_code }) => {
      await checks[id]!(error_code)
      expect(node.defects).toEqual([])
    })
    it("are all covered", () => {
      expect(rules.map(({ id }) => id).filter((id) => !(id in checks))).toEqual([])
    })
  })
}

Vectors.topic("bep", ({ file }) => {
  file<File>("bep44.json", (cases, name) => {
    describe(`${name}, to a node`, () => {
      behaviour(cases, startStorageNode)
    })
  })
})
