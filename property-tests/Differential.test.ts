/**
 * Two networks under one interface: the model, and the DHT library that we ship on a simulated wire. The same
 * program of people who write, read and announce must come out the same on both, or the model is wrong.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type * as KeyPair from "../src/protocol/core/KeyPair.ts"
import type { Dht } from "../src/protocol/dht/Dht.ts"
import type { DhtError } from "../src/protocol/dht/DhtError.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Record from "../src/protocol/dht/Record.ts"
import * as ModelNodes from "../src/protocol/testing/simulation/ModelNodes.ts"
import { type Behaviour, behaviours } from "../src/protocol/testing/simulation/Nodes.ts"
import { type Arena, infohash, keyPair, on, onWire, text } from "../test/runtime/simulation/Arena.ts"
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
  | { readonly _tag: "Holders"; readonly key: number; readonly salt: number }
  | { readonly _tag: "Wait"; readonly ms: number }
  | Trouble

/** What befalls the network. Nodes are named by their numbers. */
type Trouble =
  /** No more than {@link DOWN_SHARE} of the nodes are down at a time. */
  | { readonly _tag: "Crash"; readonly node: number }
  | { readonly _tag: "Restart"; readonly keepDisk: boolean }
  /** A member is cut off from all nodes, or from every other one. */
  | { readonly _tag: "Cut"; readonly from: "all" | "even" | "odd" }
  | { readonly _tag: "Heal" }
  /** Twenty silent nodes next to a record. */
  | { readonly _tag: "Siege"; readonly key: number; readonly salt: number }

type Doing = Exclude<Step, Trouble | { readonly _tag: "Wait" }>

interface Program {
  readonly seed: number
  /** Who does what. */
  readonly steps: ReadonlyArray<readonly [member: number, step: Step]>
}

const below = (count: number) => fc.nat(count - 1)
const place = { key: below(KEYS), salt: below(SALTS) }
/** The longest that a record may have, and longer ones. */
const SIZES = [0, Record.VALUE_MAX_BYTES, Record.VALUE_MAX_BYTES + 1, 1_000]
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("one", "two") },
  { weight: 1, arbitrary: fc.constantFrom(...SIZES).map((size) => "x".repeat(size)) }
)
const seq = fc.integer({ min: 1, max: 4 })
const cas = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined, freq: 3 })

const doing: ReadonlyArray<fc.WeightedArbitrary<Step>> = [
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Holders"), ...place }) },
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
]

/** What befalls the network beside what people do. */
const troubles = {
  none: [],
  crashes: [
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Crash"), node: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Restart"), keepDisk: fc.boolean() }) }
  ],
  cuts: [
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Cut"), from: fc.constantFrom("all", "even", "odd") }) },
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Heal") }) }
  ],
  sieges: [{ weight: 1, arbitrary: fc.record({ _tag: fc.constant("Siege"), ...place }) }]
} satisfies { readonly [name: string]: ReadonlyArray<fc.WeightedArbitrary<Step>> }

const programOf = (trouble: keyof typeof troubles): fc.Arbitrary<Program> =>
  fc.record({
    seed: fc.nat(),
    steps: fc.array(fc.tuple(below(MEMBERS), fc.oneof(...doing, ...troubles[trouble])), {
      minLength: 1,
      maxLength: 25
    })
  })

const pairOf = (key: number) => keyPair(`key ${key}`)
const saltOf = (salt: number) => `salt ${salt}`
const hexOf = Option.match({ onNone: () => "nothing", onSome: (value: Uint8Array) => Hex.encode(value) })

/** As a record, however long the value is. */
const signed = (keyPair: KeyPair.KeyPair, label: string, seq: number, value: string): Record.Record => {
  const [salt, bytes] = [KeyString.saltOf(label), text(value)]
  const { publicKey } = keyPair
  const signature = keyPair.sign(Record.signedBytes(salt, seq, bytes))
  return { publicKey, salt, seq, value: bytes, signature } satisfies Record.Item as Record.Record
}

/** What somebody who does this sees. */
const outcome = (dht: Dht["Service"], doing: Doing): Effect.Effect<string, DhtError> => {
  switch (doing._tag) {
    case "Put": {
      const { cas, key, salt, seq, value } = doing
      const put = dht.put(signed(pairOf(key), saltOf(salt), seq, value), cas === undefined ? {} : { cas })
      return Effect.map(put, ({ acks }) => (acks > 0 ? "stored" : "nobody"))
    }
    case "Get":
      return Effect.map(
        dht.get(pairOf(doing.key).publicKey, KeyString.saltOf(saltOf(doing.salt))),
        Option.match({ onNone: () => "nothing", onSome: ({ seq, value }) => `${seq} ${Hex.encode(value)}` })
      )
    case "Holders": {
      const held = dht.holders(pairOf(doing.key).publicKey, KeyString.saltOf(saltOf(doing.salt)))
      return Effect.map(held, ({ holders }) => String(Math.max(0, ...holders.map(({ seq }) => seq))))
    }
    case "PutImmutable":
      return Effect.map(dht.putImmutable(text(doing.value)), ({ acks, target }) => `${Hex.encode(target)} ${acks > 0}`)
    case "GetImmutable":
      return Effect.map(dht.getImmutable(Record.immutableTargetOf(text(doing.value))), hexOf)
    case "Announce":
      return Effect.map(dht.announcePeer(infohash(`torrent ${doing.torrent}`), doing.port), (acks) => `${acks > 0}`)
    case "FindPeers":
      return Effect.map(dht.findPeers(infohash(`torrent ${doing.torrent}`)), (peers) => {
        const members = peers.filter(({ host }) => host.startsWith(MEMBERS_NET)).map(String)
        return members.toSorted().join(" ") || "nothing"
      })
  }
}

/** One node in three behaves so. */
const LIARS_EACH = 3

interface Network {
  readonly count: number
  readonly behaviour: Behaviour
}

/** Of the nodes at most so many are down at a time: the others hold everything. */
const DOWN_SHARE = 0.25

const BESIEGERS = 20

/** Virtual ms that nodes take to find their neighbours. */
const JOIN_MS = 3_000

const isTrouble = (step: Step): step is Trouble =>
  step._tag === "Crash" ||
  step._tag === "Restart" ||
  step._tag === "Cut" ||
  step._tag === "Heal" ||
  step._tag === "Siege"

/** The network of one program, and what befalls it. */
class Stage {
  readonly #arena: Arena
  readonly #count: number
  readonly #down: Array<string> = []
  readonly #cuts = new Map<string, () => void>()

  constructor(arena: Arena, count: number) {
    this.#arena = arena
    this.#count = count
  }

  befall(who: string, trouble: Trouble): void {
    const { nodes, pass, weather } = this.#arena
    switch (trouble._tag) {
      case "Crash": {
        if (this.#down.length >= this.#count * DOWN_SHARE) return
        const names = nodes.names()
        const name = names[trouble.node % names.length]!
        nodes.crash(name)
        this.#down.push(name)
        return
      }
      case "Restart": {
        const name = this.#down.shift()
        if (name !== undefined) nodes.restart(name, trouble.keepDisk)
        return pass(JOIN_MS)
      }
      case "Cut": {
        const isOut = (name: string) =>
          name.startsWith("n") &&
          (trouble.from === "all" || Number(name.slice(1)) % 2 === (trouble.from === "odd" ? 1 : 0))
        this.#cuts.get(who)?.()
        this.#cuts.set(
          who,
          weather.cut((from, to) => (from === who && isOut(to)) || (to === who && isOut(from)))
        )
        return
      }
      case "Heal":
        return this.#cuts.get(who)?.()
      case "Siege": {
        const target = Record.targetOf(pairOf(trouble.key).publicKey, KeyString.saltOf(saltOf(trouble.salt)))
        nodes.besiege(target, BESIEGERS, "silent")
        return pass(JOIN_MS)
      }
    }
  }
}

const REFUSALS: ReadonlySet<string> = new Set(["CasConflict", "PutRefused", "StaleSeq"])

/** Why nobody took a write that honest nodes refuse is told by liars, too, and what those say is anybody's guess. */
const nameOf = (reason: string, behaviour: Behaviour): string =>
  behaviour === "garbage" && REFUSALS.has(reason) ? "refused" : reason

/** What everybody sees, step by step. */
const play =
  (network: typeof onWire) =>
  ({ seed, steps }: Program, { behaviour, count }: Network): ReadonlyArray<string> =>
    network(seed, { count, forgetsAfter2h: 0, forgetsAfter24h: 0, refusesSame: 0 }, (arena) => {
      const { member, nodes, pass } = arena
      const stage = new Stage(arena, count)
      nodes.names().forEach((name, i) => {
        if (i % LIARS_EACH === 1) nodes.behave(name, behaviour)
      })
      const members = Array.from({ length: MEMBERS }, (_, i) => member(`member${i}`))
      // Whoever knows nobody but three nodes when these become unreachable is out of luck, on either network.
      if (steps.some(([, step]) => isTrouble(step))) {
        for (const each of members) each.run((dht) => dht.findPeers(infohash("a first look round")))
      }
      return steps.map(([who, step]) => {
        if (isTrouble(step)) {
          stage.befall(`member${who}`, step)
          return step._tag
        }
        if (step._tag === "Wait") {
          pass(step.ms)
          return ""
        }
        const seen = members[who]!.run((dht) =>
          Effect.match(outcome(dht, step), {
            // How many are heard of those that hold nothing depends on whom one has met.
            onFailure: ({ reason }) => (reason._tag === "TooFewAnswers" ? "nothing" : nameOf(reason._tag, behaviour)),
            onSuccess: (text) => text
          })
        )
        return `${step._tag}: ${seen}`
      })
    })

const onModel = play(on(ModelNodes.make))
const onLibrary = play(onWire)

const agree = (network: Network, runs: number, trouble: keyof typeof troubles = "none") =>
  fc.assert(
    fc.property(programOf(trouble), (program) =>
      assert.deepStrictEqual(onModel(program, network), onLibrary(program, network))
    ),
    runsUpTo(runs)
  )

const TIMEOUT_MS = 120_000

describe("the model network shows everybody what the library would", () => {
  it("on a network that is smaller than a look-up", () => agree({ count: 4, behaviour: "honest" }, 10), TIMEOUT_MS)

  for (const behaviour of behaviours) {
    it(`while a third of the nodes are ${behaviour}`, () => agree({ count: 24, behaviour }, 3), TIMEOUT_MS)
  }

  it(
    "while nodes crash and come back on a network that is smaller than a look-up",
    () => agree({ count: 4, behaviour: "honest" }, 4, "crashes"),
    TIMEOUT_MS
  )

  it("while nodes crash and come back", () => agree({ count: 24, behaviour: "honest" }, 2, "crashes"), TIMEOUT_MS)

  it("while members are cut off", () => agree({ count: 24, behaviour: "honest" }, 2, "cuts"), TIMEOUT_MS)

  it("while silent nodes besiege records", () => agree({ count: 24, behaviour: "honest" }, 1, "sieges"), TIMEOUT_MS)
})
