/**
 * Two networks under one interface: the model, and the DHT library that we ship on a simulated wire. The same
 * program of people who write, read and announce must come out the same on both, or the model is wrong.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { Dht } from "../src/protocol/dht/Dht.ts"
import type { DhtError } from "../src/protocol/dht/DhtError.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as ModelNodes from "../src/protocol/testing/simulation/ModelNodes.ts"
import { type Behaviour, behaviours } from "../src/protocol/testing/simulation/Nodes.ts"
import { infohash, keyPair, on, onWire, record, text } from "../test/runtime/simulation/Arena.ts"
import { runsUpTo } from "./Runs.ts"

const MEMBERS = 3
/** Where their addresses are: peers that liars make up, and nobody can tell from others, are elsewhere. */
const MEMBERS_NET = "10.1.0."
const KEYS = 2
const SALTS = 2
const TORRENTS = 2

type Step =
  | {
      readonly _tag: "Put"
      readonly key: number
      readonly salt: number
      readonly seq: number
      readonly value: string
      readonly cas: number | undefined
    }
  | { readonly _tag: "Get"; readonly key: number; readonly salt: number }
  | { readonly _tag: "PutImmutable"; readonly value: string }
  | { readonly _tag: "GetImmutable"; readonly value: string }
  | { readonly _tag: "Announce"; readonly torrent: number; readonly port: number }
  | { readonly _tag: "FindPeers"; readonly torrent: number }
  | { readonly _tag: "Wait"; readonly ms: number }

type Doing = Exclude<Step, { readonly _tag: "Wait" }>

interface Program {
  readonly seed: number
  /** Who does what. */
  readonly steps: ReadonlyArray<readonly [member: number, step: Step]>
}

const below = (count: number) => fc.nat(count - 1)
const place = { key: below(KEYS), salt: below(SALTS) }
const value = fc.constantFrom("one", "two")
const seq = fc.integer({ min: 1, max: 4 })
const cas = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined, freq: 3 })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ _tag: fc.constant("Put"), ...place, seq, value, cas }) },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Get"), ...place }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("PutImmutable"), value }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("GetImmutable"), value }) },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("Announce"),
      torrent: below(TORRENTS),
      port: fc.integer({ min: 7000, max: 7003 })
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("FindPeers"), torrent: below(TORRENTS) }) },
  // Around the minute for which a look-up serves for writes.
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("Wait"), ms: fc.constantFrom(1_000, 59_000, 61_000, 600_000) })
  }
)

const program = fc.record({
  seed: fc.nat(),
  steps: fc.array(fc.tuple(below(MEMBERS), step), { minLength: 1, maxLength: 25 })
})

const pairOf = (key: number) => keyPair(`key ${key}`)
const saltOf = (salt: number) => `salt ${salt}`
const hexOf = Option.match({ onNone: () => "nothing", onSome: (value: Uint8Array) => Hex.encode(value) })

/** What somebody who does this sees. */
const outcome = (dht: Dht["Service"], doing: Doing): Effect.Effect<string, DhtError> => {
  switch (doing._tag) {
    case "Put": {
      const { cas, key, salt, seq, value } = doing
      const put = dht.put(record(pairOf(key), saltOf(salt), seq, value), cas === undefined ? {} : { cas })
      return Effect.map(put, ({ acks }) => (acks > 0 ? "stored" : "nobody"))
    }
    case "Get":
      return Effect.map(
        dht.get(pairOf(doing.key).publicKey, KeyString.saltOf(saltOf(doing.salt))),
        Option.match({ onNone: () => "nothing", onSome: ({ seq, value }) => `${seq} ${Hex.encode(value)}` })
      )
    case "PutImmutable":
      return Effect.map(dht.putImmutable(text(doing.value)), ({ acks, target }) => `${Hex.encode(target)} ${acks > 0}`)
    case "GetImmutable":
      return Effect.map(dht.getImmutable(Record.immutableTargetOf(text(doing.value))), hexOf)
    case "Announce":
      return Effect.map(dht.announcePeer(infohash(`torrent ${doing.torrent}`), doing.port), (acks) => `${acks > 0}`)
    case "FindPeers":
      return Effect.map(dht.findPeers(infohash(`torrent ${doing.torrent}`)), (peers) =>
        peers
          .filter(({ host }) => host.startsWith(MEMBERS_NET))
          .map(String)
          .toSorted()
          .join(" ")
      )
  }
}

/** One node in three behaves so. */
const LIARS_EACH = 3

interface Network {
  readonly count: number
  readonly behaviour: Behaviour
}

/** What everybody sees, step by step. */
const play =
  (network: typeof onWire) =>
  ({ seed, steps }: Program, { behaviour, count }: Network): ReadonlyArray<string> =>
    network(seed, { count, forgetsAfter2h: 0, forgetsAfter24h: 0, refusesSame: 0 }, ({ member, nodes, pass }) => {
      nodes.names().forEach((name, i) => {
        if (i % LIARS_EACH === 1) nodes.behave(name, behaviour)
      })
      const members = Array.from({ length: MEMBERS }, (_, i) => member(`member${i}`))
      return steps.map(([who, step]) => {
        if (step._tag === "Wait") {
          pass(step.ms)
          return ""
        }
        const seen = members[who]!.run((dht) =>
          Effect.match(outcome(dht, step), { onFailure: ({ reason }) => reason._tag, onSuccess: (text) => text })
        )
        return `${step._tag}: ${seen}`
      })
    })

const onModel = play(on(ModelNodes.make))
const onLibrary = play(onWire)

const agree = (network: Network, runs: number) =>
  fc.assert(
    fc.property(program, (program) => assert.deepStrictEqual(onModel(program, network), onLibrary(program, network))),
    runsUpTo(runs)
  )

const TIMEOUT_MS = 120_000

describe("the model network shows everybody what the library would", () => {
  it("on a network that is smaller than a look-up", () => agree({ count: 4, behaviour: "honest" }, 20), TIMEOUT_MS)

  for (const behaviour of behaviours) {
    it(`while a third of the nodes are ${behaviour}`, () => agree({ count: 24, behaviour }, 5), TIMEOUT_MS)
  }
})
